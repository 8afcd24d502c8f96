-- Columns. Paused or not.
CREATE TABLE column_state (
    column_id TEXT PRIMARY KEY,
    paused BOOLEAN NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
-- What people sent in for a column.
CREATE TABLE column_item (
    id {{SEQ}},
    column_id TEXT NOT NULL,
    -- What made it (event), so that a repeat enters nothing.
    cause TEXT NOT NULL,
    author TEXT NOT NULL,
    body TEXT NOT NULL,
    -- pending, approved, used, refused
    state TEXT NOT NULL,
    app TEXT NOT NULL,
    message TEXT,
    at BIGINT NOT NULL,
    -- The issue it went into.
    issue BIGINT
);
CREATE UNIQUE INDEX column_item_cause ON column_item (cause);
CREATE INDEX column_item_queue ON column_item (column_id, state, id);
CREATE INDEX column_item_message ON column_item (app, message);
-- One occurrence of a column: sent, or why not.
CREATE TABLE column_issue (
    id {{SEQ}},
    column_id TEXT NOT NULL,
    -- The local minute it stands for.
    slot TEXT NOT NULL,
    number BIGINT NOT NULL,
    -- sent, empty, late, quiet, paused
    state TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- The lines as they were sent, JSON.
    items TEXT NOT NULL
);
CREATE UNIQUE INDEX column_issue_slot ON column_issue (column_id, slot);
-- One issue in one chat: claimed here before it is sent, so it is sent there once.
CREATE TABLE column_post (
    issue BIGINT NOT NULL,
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    card TEXT,
    -- waiting, sent, failed
    state TEXT NOT NULL,
    PRIMARY KEY (issue, app, chat)
);
CREATE TABLE column_vote (
    issue BIGINT NOT NULL,
    person TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (issue, person)
);
-- How much the bot says in a group on a day, beside answers.
CREATE TABLE bot_post_count (
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    day TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (app, chat, day)
);
