-- A rehearsal that somebody asked for in a chat: it runs beside the events, on a copy.
CREATE TABLE rehearsal (
    -- The event that asked.
    id TEXT PRIMARY KEY,
    days BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    -- Who asked and where, JSON.
    asker TEXT NOT NULL,
    -- waiting, done, failed
    state TEXT NOT NULL,
    -- The lines of the answer, JSON; absent while it runs.
    lines TEXT
);
CREATE INDEX rehearsal_state ON rehearsal (state, asked_at);
