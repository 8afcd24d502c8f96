-- How much the bot said in a group on a day: of its own accord inside the budget, beside it (must-reads
-- and the like), and as answers. Counted in the transaction that writes the outbox rows.
CREATE TABLE noise_day (
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    day TEXT NOT NULL,
    posts BIGINT NOT NULL,
    beside BIGINT NOT NULL,
    answers BIGINT NOT NULL,
    PRIMARY KEY (app, chat, day)
);
-- Messages that were above the budget or met a muted group: they leave on a later workday morning, in
-- this order. `parts` are the prepared requests, `content` what they say, for merging.
CREATE TABLE noise_waiting (
    seq {{SEQ}},
    id TEXT NOT NULL,
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    rule TEXT NOT NULL,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    class TEXT NOT NULL,
    parts TEXT NOT NULL,
    content TEXT NOT NULL,
    tag TEXT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX noise_waiting_id ON noise_waiting (id);
CREATE INDEX noise_waiting_chat ON noise_waiting (app, chat, seq);
CREATE TABLE noise_mute (
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    until BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (app, chat)
);
-- Several messages in one: which stand in it (JSON), and by which name the platform knows it. A rule
-- that changes its message changes its part of the digest.
CREATE TABLE noise_digest (
    id TEXT PRIMARY KEY,
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    message TEXT,
    sections TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX noise_digest_message ON noise_digest (app, message);
