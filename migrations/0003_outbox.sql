-- What is to be sent, and what became of it. A row is written in the transaction that caused it; its
-- request never changes afterwards.
CREATE TABLE outbox (
    -- Order within a lane.
    seq {{SEQ}},
    -- Idempotency key: 32 characters a-z0-9, the same on every attempt.
    id TEXT NOT NULL,
    app TEXT NOT NULL,
    -- One destination: its rows leave in order, one at a time.
    lane TEXT NOT NULL,
    -- once, reply, state, hint
    class TEXT NOT NULL,
    rule TEXT NOT NULL,
    event_id TEXT NOT NULL,
    action TEXT NOT NULL,
    part BIGINT NOT NULL,
    prepared TEXT NOT NULL,
    summary TEXT NOT NULL,
    -- Somebody waits for it.
    interactive BOOLEAN NOT NULL,
    -- ready, sending, sent, rejected, unknown, needs_decision, expired, dropped, held
    state TEXT NOT NULL,
    -- Attempts that may have reached the platform, and all attempts.
    attempts BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    first_attempt_at BIGINT,
    next_at BIGINT NOT NULL,
    lease_until BIGINT,
    token TEXT,
    -- Until when a row that waits for a decision stops its lane.
    hold_until BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    -- Set in every final state.
    done_at BIGINT,
    code TEXT,
    error TEXT,
    receipt TEXT,
    wants_result BOOLEAN NOT NULL,
    tag TEXT,
    state_key TEXT
);
CREATE UNIQUE INDEX outbox_id ON outbox (id);
CREATE INDEX outbox_lane ON outbox (lane, seq) WHERE done_at IS NULL;
CREATE INDEX outbox_ready ON outbox (app, interactive, seq) WHERE state = 'ready';
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'ready';
CREATE INDEX outbox_sending ON outbox (lease_until) WHERE state = 'sending';
CREATE INDEX outbox_parked ON outbox (hold_until) WHERE state = 'needs_decision';
CREATE INDEX outbox_state_key ON outbox (app, state_key, seq) WHERE state_key IS NOT NULL;
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;

-- One row for each try, written before the first byte leaves.
CREATE TABLE outbox_attempt (
    outbox_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    token TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    outcome TEXT,
    detail TEXT,
    PRIMARY KEY (outbox_id, attempt)
);

-- The switch that stops all sending, for every replica and across restarts.
CREATE TABLE outbox_pause (
    scope TEXT PRIMARY KEY,
    paused BOOLEAN NOT NULL,
    changed_at BIGINT NOT NULL
);
