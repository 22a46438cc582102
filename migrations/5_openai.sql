-- What a client of OpenAI's API said of a job that is not one of our settings, to be told again: metadata,
-- the validation file's id, the multiplier of the learning rate.
alter table job add column openai text;
