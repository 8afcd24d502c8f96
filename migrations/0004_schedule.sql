-- Each occurrence once: the pair (job, wall-clock minute) decides, not the instant and not a leader.
CREATE TABLE occurrence (
    job TEXT NOT NULL,
    -- 2026-11-24T09:30
    local TEXT NOT NULL,
    slot BIGINT NOT NULL,
    -- fired, missed
    state TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    PRIMARY KEY (job, local)
);
CREATE INDEX occurrence_slot ON occurrence (slot);

CREATE TABLE schedule_state (
    job TEXT PRIMARY KEY,
    -- The last slot that was decided about; at first the moment when the job was first seen.
    last_slot BIGINT NOT NULL,
    -- What the job meant then: when that changes, nothing is made up for.
    spec TEXT NOT NULL
);
