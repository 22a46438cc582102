-- Why a job went back into the queue last; null for one whose first turn has not come.
alter table job add column wait_reason text
    check (wait_reason in ('interrupted', 'retry', 'memory', 'disk_full', 'io_error'));
-- It has no turn before this.
alter table job add column next_try_at integer;
-- Waits in a row for that reason, without progress; each is longer than the one before.
alter table job add column waits integer not null default 0;
-- A JSON list: what each of the trainers died of that `crashes` counts, which are those without progress.
alter table job add column crash_log text not null default '[]';
-- The furthest step at which a trainer died or a wait began. A checkpoint past it is progress.
alter table job add column furthest_step integer not null default 0;
-- Pairs that are computed at a time since memory ran out; null for as many as the settings say.
alter table job add column micro_batch integer;
-- The order in which jobs came, whatever the clock said then.
alter table job add column turn integer not null default 0;

update job set turn = rowid;

drop index job_by_status;

create index job_by_status on job (status, turn);
