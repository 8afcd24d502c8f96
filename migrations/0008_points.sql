-- The ledger: every transaction has lines that sum to zero per currency, in thousandths. Rows are
-- only ever added; a correction is a new transaction that names the one it reverses.
CREATE TABLE ledger_tx (
    -- Without gaps, taken from ledger_head under the ledger's lock.
    seq BIGINT PRIMARY KEY,
    -- What people are shown: L20261124-0042.
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    local_date TEXT NOT NULL,
    season TEXT NOT NULL,
    kind TEXT NOT NULL,
    rule TEXT NOT NULL,
    rule_version BIGINT NOT NULL,
    -- What earned it: a second posting for the same cause does nothing.
    cause TEXT NOT NULL,
    actor TEXT,
    -- Salted digest of the free text in ledger_note; the text itself stays outside the chain.
    note TEXT,
    reverses BIGINT,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE UNIQUE INDEX ledger_tx_id ON ledger_tx (id);
CREATE UNIQUE INDEX ledger_tx_cause ON ledger_tx (cause);
CREATE UNIQUE INDEX ledger_tx_reverses ON ledger_tx (reverses);
CREATE INDEX ledger_tx_date ON ledger_tx (local_date);
CREATE TABLE ledger_line (
    seq BIGINT NOT NULL,
    line BIGINT NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount <> 0 AND amount BETWEEN -1000000000 AND 1000000000),
    PRIMARY KEY (seq, line)
);
CREATE INDEX ledger_line_account ON ledger_line (account, seq);
-- A cache of the sums of the lines, changed in the same transaction as they are added.
CREATE TABLE ledger_balance (
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    -- Person and season of the account, for boards; empty where it has none.
    owner TEXT NOT NULL,
    season TEXT NOT NULL,
    amount BIGINT NOT NULL,
    through_seq BIGINT NOT NULL,
    PRIMARY KEY (account, currency)
);
CREATE INDEX ledger_balance_season ON ledger_balance (season, currency);
CREATE TABLE ledger_cause (
    cause TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    -- The message that caused it, where one did: what a recall is looked up by.
    app TEXT,
    message TEXT,
    -- live, or withdrawn when it was reversed
    state TEXT NOT NULL
);
CREATE INDEX ledger_cause_message ON ledger_cause (app, message);
-- Free text of a transaction; may be deleted without touching the chain.
CREATE TABLE ledger_note (
    seq BIGINT PRIMARY KEY,
    salt TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE ledger_head (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO ledger_head (one, seq, hash)
    VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
-- How much of a cap is used. A window is a local date (2026-11-24), an ISO week (2026-W48) or a
-- month (2026-11).
CREATE TABLE cap_counter (
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    window_start TEXT NOT NULL,
    used BIGINT NOT NULL CHECK (used >= 0),
    PRIMARY KEY (rule, subject, window_start)
);
-- Messages that were taken back, also before anything was earned with them.
CREATE TABLE tombstone (
    app TEXT NOT NULL,
    message TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (app, message)
);
CREATE INDEX tombstone_at ON tombstone (at);
-- Who thanked whom. `seq` is absent when the receiver had reached a cap and nothing was paid.
CREATE TABLE thanks (
    cause TEXT PRIMARY KEY,
    app TEXT NOT NULL,
    chat TEXT,
    message TEXT,
    at BIGINT NOT NULL,
    local_date TEXT NOT NULL,
    giver TEXT NOT NULL,
    receiver TEXT NOT NULL,
    points BIGINT NOT NULL,
    value TEXT,
    cross_department BOOLEAN NOT NULL,
    seq BIGINT,
    withdrawn BOOLEAN NOT NULL
);
CREATE INDEX thanks_pair ON thanks (giver, receiver, at);
CREATE INDEX thanks_receiver ON thanks (receiver, local_date);
CREATE INDEX thanks_chat ON thanks (app, chat, local_date);
CREATE INDEX thanks_message ON thanks (app, message);
-- A person's question about an entry of their card. `open` false: taken back or answered.
CREATE TABLE points_dispute (
    seq BIGINT NOT NULL,
    person TEXT NOT NULL,
    at BIGINT NOT NULL,
    open BOOLEAN NOT NULL,
    PRIMARY KEY (seq, person)
);
CREATE TABLE points_person (
    person TEXT PRIMARY KEY,
    hidden BOOLEAN NOT NULL
);
-- The line the bot wrote about a thank-you, so that it can be taken back with the message.
CREATE TABLE thanks_line (
    app TEXT NOT NULL,
    message TEXT NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (app, message)
);
