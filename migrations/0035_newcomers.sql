-- People on their way in. `started_on` is their first day, `2026-11-24`.
CREATE TABLE newcomer (
    person TEXT PRIMARY KEY,
    company TEXT NOT NULL,
    -- The app through which they are written to.
    app TEXT NOT NULL,
    found_at BIGINT NOT NULL,
    started_on TEXT NOT NULL,
    -- `waiting` for the welcome, `path`, `done`, `stopped` (left the company)
    state TEXT NOT NULL,
    welcomed_at BIGINT,
    -- False when no app may write to them.
    reached BOOLEAN NOT NULL,
    -- Which welcome text they got.
    variant TEXT,
    -- Check-ins that are over.
    checkins BIGINT NOT NULL,
    buddy TEXT,
    -- `rule`, or the operator who chose.
    buddy_by TEXT,
    -- They want the groups to hear their name, since when; and when it was said.
    hello_at BIGINT,
    hello_said_at BIGINT,
    -- Pressed a button of ours.
    answered_at BIGINT,
    -- First message or reaction in a group.
    contributed_at BIGINT
);
CREATE INDEX newcomer_state ON newcomer (state, company);
CREATE INDEX newcomer_found ON newcomer (company, found_at);
-- Accounts of which a platform has told that they are new or changed, until it is clear who they are.
CREATE TABLE newcomer_sign (
    app TEXT NOT NULL,
    user_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (app, user_id)
);
-- Since when an app's directory is known: whoever was in it then is not new.
CREATE TABLE newcomer_baseline (
    app TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);
-- Who has left, so that somebody who comes back soon is not taken for new.
CREATE TABLE newcomer_gone (
    person TEXT PRIMARY KEY,
    left_at BIGINT NOT NULL,
    back_at BIGINT
);
-- Welcome texts that operators wrote.
CREATE TABLE newcomer_words (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    weight BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
