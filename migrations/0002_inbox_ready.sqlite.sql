-- One process owns the file and remembers the keys (see src/inbox/seen.rs), so that an
-- acknowledgement costs one append and no search in an index of random keys.
CREATE INDEX inbox_ready ON inbox (seq) WHERE state = 0;
