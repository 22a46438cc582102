-- Times are milliseconds since 1970-01-01 UTC. Ids carry a prefix: ds_, job_, ft_.
-- Large things (tables of pairs, weights) are files; a row points at them by id or hash.

create table dataset (
    dataset_id text primary key,
    name       text    not null,
    -- A benchmark only measures, on any scale; it is never trained on.
    purpose    text    not null check (purpose in ('training', 'benchmark')),
    -- The file is datasets/<sha256>: the same bytes are stored once.
    sha256     text    not null check (length(sha256) = 64),
    format     text    not null check (format in ('csv', 'json')),
    bytes      integer not null,
    columns    text,
    rows       integer not null,
    scores     text    not null,
    created_at integer not null,
    unique (sha256, purpose)
) strict;

create table model (
    model_id    text primary key,
    name        text    not null unique,
    kind        text    not null check (kind in ('base', 'tuned')),
    -- The full model that a tuned one is a delta of.
    base_model  text references model (model_id),
    -- One job makes one model, however often it is run.
    job_id      text unique references job (job_id),
    fingerprint text    not null,
    dimensions  integer not null,
    max_tokens  integer not null,
    bytes       integer not null,
    created_at  integer not null,
    check ((kind = 'tuned') = (base_model is not null))
) strict;

create table alias (
    name       text primary key,
    model_id   text    not null references model (model_id),
    updated_at integer not null
) strict;

create table job (
    job_id              text primary key,
    -- The name that the tuned model will have; its id where the user gave none.
    name                text    not null,
    status              text    not null check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    phase               text check (phase in ('loading', 'base_eval', 'training', 'evaluating', 'saving')),
    base_model          text    not null references model (model_id),
    dataset_id          text    not null references dataset (dataset_id),
    benchmark_id        text references dataset (dataset_id),
    recipe              text    not null,
    config              text    not null,
    titles              text    not null,
    -- Points at the tuned model when the job has succeeded.
    alias               text,
    idempotency_key     text unique,
    request_sha256      text,
    created_at          integer not null,
    started_at          integer,
    finished_at         integer,
    cancel_requested_at integer,
    -- Grows by one with each claim and is never reused: a writer with an older one is refused.
    lease_token         integer not null default 0,
    attempt             integer not null default 0,
    crashes             integer not null default 0,
    progress            text,
    error               text,
    report              text,
    check ((status in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)),
    check (phase is null or status = 'running')
) strict;

-- Two unfinished jobs never promise one name; the model's own constraint holds for those that are over.
create unique index job_name on job (name) where status in ('queued', 'running');

create index job_by_status on job (status, created_at, job_id);

create table job_event (
    job_id text    not null references job (job_id),
    seq    integer not null,
    at     integer not null,
    type   text    not null,
    data   text    not null,
    primary key (job_id, seq)
) strict, without rowid;
