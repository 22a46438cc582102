-- A pinned model is loaded when the server starts and stays in memory.
alter table model add column pinned integer not null default 0 check (pinned in (0, 1));
-- A model that was deleted leaves its row, since jobs that began with it refer to it. Its name is free again.
alter table model add column deleted_at integer;

-- Where an alias pointed, move by move; the last one is where it points now. `back_to` is the move to whose
-- model a rollback goes: a rollback takes over the `back_to` of that one, so that the next goes further back.
create table alias_move (
    name     text    not null,
    seq      integer not null,
    model_id text    not null references model (model_id),
    at       integer not null,
    reason   text    not null check (reason in ('set', 'job', 'rollback')),
    back_to  integer,
    primary key (name, seq)
) strict, without rowid;

insert into alias_move (name, seq, model_id, at, reason, back_to)
select name, 1, model_id, updated_at, 'set', null from alias;

-- The alias moves in the end only if the report says so: 'win'.
alter table job add column alias_if text check (alias_if in ('win'));
-- Whether the alias moved, and why or why not.
alter table job add column alias_result text;
