-- What a table's rows are decides which losses can learn from it.
alter table dataset add column kind text not null default 'pair_score'
    check (kind in ('pair_score', 'pair_class', 'pair_positive', 'triplet'));

-- A table of other pairs that is learnt beside, against forgetting.
alter table job add column replay_id text references dataset (dataset_id);

-- A run between two steps: a folder runs/<job>/t<token>/ckpt-<step>. The row, written after the folder,
-- is what counts; the hash of the folder's manifest vouches for its files.
create table checkpoint (
    job_id          text    not null references job (job_id),
    lease_token     integer not null,
    step            integer not null,
    manifest_sha256 text    not null check (length(manifest_sha256) = 64),
    created_at      integer not null,
    primary key (job_id, lease_token, step)
) strict, without rowid;
