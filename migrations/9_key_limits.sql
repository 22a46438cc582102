-- What a key may use; null where the server's settings say it.
alter table api_key add column tokens_per_minute integer check (tokens_per_minute > 0);
alter table api_key add column requests_at_once integer check (requests_at_once > 0);
alter table api_key add column jobs_waiting integer check (jobs_waiting > 0);

-- Whose job it is, so that those can be counted that a key has waiting; null where no key was needed.
alter table job add column key_id text;
