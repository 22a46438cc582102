-- Tables of labelled texts. What kinds and formats there are is known to the program alone, which refuses a word that it
-- does not know: a new one needs no new table.
--
-- SQLite cannot change a constraint: the table is made anew, and with it what goes where its rows do.
pragma defer_foreign_keys = on;

create temporary table dataset_before as select * from dataset;
create temporary table dataset_request_before as select * from dataset_request;

drop view dataset_with_latest;
drop table dataset_request;
drop table dataset;

create table dataset (
    dataset_id   text primary key,
    name         text    not null,
    -- A benchmark only measures, on any scale; it is never trained on.
    purpose      text    not null check (purpose in ('training', 'benchmark')),
    sha256       text    not null check (length(sha256) = 64),
    format       text    not null,
    bytes        integer not null,
    columns      text,
    kind         text    not null,
    rows         integer not null,
    scores       text    not null,
    -- JSON: all that was said or found out about how the file is read. '{}' where it was stored before choices were.
    choices      text    not null,
    -- Which cosine the lowest score asks for; null where nobody said.
    lowest_means text check (lowest_means in ('unrelated', 'opposite', 'angular')),
    -- Rows that could not be used and were left out.
    skipped      integer not null,
    -- Rows that the user's fixes left out.
    fixed_out    integer not null,
    -- JSON: what was worth knowing about the table when it was stored.
    findings     text    not null,
    -- Versions of one table share its first one's id, which that need not outlive.
    family       text    not null,
    version      integer not null,
    version_of   text references dataset (dataset_id) on delete set null,
    created_at   integer not null,
    deleted_at   integer,
    unique (sha256, purpose, choices),
    unique (family, version)
) strict;

insert into dataset
select dataset_id, name, purpose, sha256, format, bytes, columns, kind, rows, scores, choices, lowest_means, skipped,
       fixed_out, findings, family, version, version_of, created_at, deleted_at
  from dataset_before;

-- Which dataset a request with an Idempotency-Key made.
create table dataset_request (
    idempotency_key text primary key,
    request_sha256  text not null check (length(request_sha256) = 64),
    dataset_id      text not null references dataset (dataset_id) on delete cascade
) strict, without rowid;

insert into dataset_request select idempotency_key, request_sha256, dataset_id from dataset_request_before;

drop table dataset_before;
drop table dataset_request_before;

-- A dataset that is there, and whether it is the newest of its versions.
create view dataset_with_latest as
select *, version = (select max(version) from dataset as other
                      where other.family = dataset.family and other.deleted_at is null) as latest
  from dataset
 where deleted_at is null;
