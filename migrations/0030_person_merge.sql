-- One human who was known as two people. The one that is `gone` points at the other; rows that
-- belong to a person follow and are noted, so that they can go back.
ALTER TABLE person ADD COLUMN merged_into TEXT;
CREATE INDEX person_merged ON person (merged_into) WHERE merged_into IS NOT NULL;
CREATE TABLE person_merge (
    id TEXT PRIMARY KEY,
    company TEXT NOT NULL,
    head TEXT NOT NULL,
    gone TEXT NOT NULL,
    -- `employee_no`, `email`, `mobile`, `map` or `operator`
    why TEXT NOT NULL,
    actor TEXT NOT NULL,
    at BIGINT NOT NULL,
    undone_at BIGINT,
    undone_by TEXT
);
CREATE INDEX person_merge_head ON person_merge (head);
CREATE INDEX person_merge_gone ON person_merge (gone);
CREATE TABLE person_merge_row (
    merge_id TEXT NOT NULL,
    place TEXT NOT NULL,
    row_key TEXT NOT NULL,
    PRIMARY KEY (merge_id, place, row_key)
);
-- Accounts that look like one person, and are not joined because something speaks against it.
CREATE TABLE identity_conflict (
    company TEXT NOT NULL,
    platform TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- `number_twice`, `number_other`, `email_numbers`, `email_twice`, `mobile_numbers`,
    -- `mobile_twice`, `several`, `privileged`
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    -- the other person
    other TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (company, platform, user_id, kind)
);
-- `[[identity.map]]`: accounts with the same key are one person. Replaced at every start.
CREATE TABLE identity_map (
    company TEXT NOT NULL,
    platform TEXT NOT NULL,
    user_id TEXT NOT NULL,
    person_key TEXT NOT NULL,
    PRIMARY KEY (company, platform, user_id)
);
CREATE INDEX identity_map_key ON identity_map (company, person_key);
-- A person's accounts in the ledger, also those of people who turned out to be the same.
CREATE INDEX ledger_balance_owner ON ledger_balance (owner);
