-- An issue has a life: draft, pending, returned, approved, scheduled, sent, corrected, missed.
ALTER TABLE column_issue RENAME COLUMN items TO content;
-- Grows with every change of the content; what was decided about a version holds for that one only.
ALTER TABLE column_issue ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
-- SHA-256 of the rendered content, hexadecimal.
ALTER TABLE column_issue ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
-- The person who wrote this version; empty: put together from the pool.
ALTER TABLE column_issue ADD COLUMN author TEXT NOT NULL DEFAULT '';
-- When the first group has it, or had it to have; 0 for issues from before this step.
ALTER TABLE column_issue ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
-- Of an issue that was missed: empty, late, quiet, paused, merged, held.
ALTER TABLE column_issue ADD COLUMN why TEXT NOT NULL DEFAULT '';
UPDATE column_issue SET why = state, state = 'missed' WHERE state IN ('empty', 'late', 'quiet', 'paused');
CREATE INDEX column_issue_state ON column_issue (state, due_at);
-- Every version of the content there ever was, for differences and for the record.
CREATE TABLE column_issue_version (
    issue BIGINT NOT NULL,
    version BIGINT NOT NULL,
    content TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    author TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (issue, version)
);
