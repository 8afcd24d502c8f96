-- What reviewers were asked and said about one version of an issue.
CREATE TABLE review (
    issue BIGINT NOT NULL,
    version BIGINT NOT NULL,
    -- Of the content they were shown: a yes holds for this and nothing else.
    sha256 TEXT NOT NULL,
    -- pending, approved, returned; post: sent, and to be looked at afterwards
    state TEXT NOT NULL,
    -- 0: the cards are still to be sent
    asked_at BIGINT NOT NULL,
    -- When the deputies were asked; 0: not yet.
    deputies_at BIGINT NOT NULL DEFAULT 0,
    -- Of state post: until when somebody must have looked.
    until_at BIGINT NOT NULL DEFAULT 0,
    -- An alert about it went out.
    alerted BOOLEAN NOT NULL DEFAULT FALSE,
    decided_by TEXT NOT NULL DEFAULT '',
    decided_at BIGINT NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (issue, version)
);
CREATE INDEX review_state ON review (state, until_at);
-- A word of the lexicon in a member's message: where and which, never the message.
CREATE TABLE lexicon_hit (
    id {{SEQ}},
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    message TEXT NOT NULL,
    person TEXT NOT NULL,
    -- SHA-256 of the folded word, hexadecimal
    word TEXT NOT NULL,
    level TEXT NOT NULL,
    from_char BIGINT NOT NULL,
    to_char BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- The author says it is none.
    mistaken BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE UNIQUE INDEX lexicon_hit_place ON lexicon_hit (app, message, word, from_char);
CREATE INDEX lexicon_hit_at ON lexicon_hit (at);
-- A correction in one group, and how it reaches those who saw the wrong version.
CREATE TABLE review_correction (
    issue BIGINT NOT NULL,
    version BIGINT NOT NULL,
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    -- readers (asked who has read it), everybody
    reach TEXT NOT NULL,
    told BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (issue, version, app, chat)
);
