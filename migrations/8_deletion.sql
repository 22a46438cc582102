-- Deleting means gone: nothing that a user sent stays in a row. A dataset that jobs refer to leaves its row, as a model
-- does, without its name, its numbers and its hash.
alter table dataset add column deleted_at integer;

drop view dataset_with_latest;

-- A dataset that is there, and whether it is the newest of its versions.
create view dataset_with_latest as
select *, version = (select max(version) from dataset as other
                      where other.family = dataset.family and other.deleted_at is null) as latest
  from dataset
 where deleted_at is null;

-- What a tuned model learnt from, and what a table was made of: datasets, and the tuned models that it began with,
-- however far back. Ids alone, of things that may be gone.
create table descent (
    id        text not null,
    source_id text not null,
    primary key (id, source_id)
) strict, without rowid;

create index descent_by_source on descent (source_id);

with recursive made (model_id, job_id) as (
    select model_id, job_id from model where kind = 'tuned' and job_id is not null
    union
    select made.model_id, base.job_id
      from made
      join job on job.job_id = made.job_id
      join model as base on base.model_id = job.base_model
     where base.job_id is not null
)
insert into descent (id, source_id)
select made.model_id, job.dataset_id from made join job on job.job_id = made.job_id
union
select made.model_id, job.replay_id from made join job on job.job_id = made.job_id where job.replay_id is not null
union
select made.model_id, base.model_id
  from made
  join job on job.job_id = made.job_id
  join model as base on base.model_id = job.base_model
 where base.kind = 'tuned';

-- The versions of the program that have worked here, so that an older one can name the one that it takes.
create table program (
    version  text primary key,
    first_at integer not null
) strict;
