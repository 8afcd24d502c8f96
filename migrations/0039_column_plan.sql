-- Grows whenever schedules that stand in the database change.
CREATE TABLE schedule_epoch (
    one BIGINT PRIMARY KEY,
    n BIGINT NOT NULL
);
-- Columns made in a chat. One with the id of a column of the configuration is not looked at.
CREATE TABLE column_plan (
    column_id TEXT PRIMARY KEY,
    -- JSON
    plan TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
-- The pool: who answers for an item, until when it is true, and what came with it.
ALTER TABLE column_item ADD COLUMN owner TEXT NOT NULL DEFAULT '';
-- 2026-12-31; empty: does not expire.
ALTER TABLE column_item ADD COLUMN expires TEXT NOT NULL DEFAULT '';
ALTER TABLE column_item ADD COLUMN files TEXT NOT NULL DEFAULT '[]';
-- A draft of a submission that waits for its author to say which column.
CREATE TABLE column_forward (
    id {{SEQ}},
    person TEXT NOT NULL,
    cause TEXT NOT NULL,
    body TEXT NOT NULL,
    files TEXT NOT NULL,
    app TEXT NOT NULL,
    message TEXT,
    at BIGINT NOT NULL
);
CREATE UNIQUE INDEX column_forward_cause ON column_forward (cause);
-- What was said once about an issue or item, so that it is not said again: reminders, suggestions.
CREATE TABLE column_told (
    what TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);
-- "Wants to see more", beside "useful".
CREATE TABLE column_more (
    issue BIGINT NOT NULL,
    person TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (issue, person)
);
