-- Everything that happened, in the order of its arrival. The body is erased when the event is done;
-- the key stays as long as a platform may repeat it.
CREATE TABLE inbox (
    seq {{SEQ}},
    app TEXT NOT NULL,
    dedupe TEXT NOT NULL,
    lane TEXT NOT NULL,
    kind TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    -- 0 ready, 1 done, 2 ignored, 3 stale
    state BIGINT NOT NULL,
    done_at BIGINT,
    body TEXT
);
-- Only what failed: one row per (event, rule) that must run again, or that a person must look at.
CREATE TABLE work (
    seq BIGINT NOT NULL,
    rule TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    -- 0 waiting, 1 dead
    state BIGINT NOT NULL,
    error TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (seq, rule)
);
CREATE INDEX work_due ON work (state, next_at);
