-- A table of one's own that validates, in the place of rows that are held out of the one that is learnt.
alter table job add column validation_id text references dataset (dataset_id);
