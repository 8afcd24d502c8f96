-- Groups by department. What a rule is doing: paused or not.
CREATE TABLE group_rule_state (
    rule TEXT PRIMARY KEY,
    paused BOOLEAN NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
-- The group of one department (row id) under one rule. `chat_id` is absent while it is being made.
CREATE TABLE group_chat (
    rule TEXT NOT NULL,
    department TEXT NOT NULL,
    app TEXT NOT NULL,
    chat_id TEXT,
    name TEXT NOT NULL,
    owner TEXT,
    -- `making`, `ready` or `failed`
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (rule, department)
);
CREATE INDEX group_chat_by_chat ON group_chat (app, chat_id);
-- Why somebody is, was or is not in such a group. Membership of people without a row is by hand.
CREATE TABLE group_claim (
    rule TEXT NOT NULL,
    department TEXT NOT NULL,
    person TEXT NOT NULL,
    -- `adding`, `in`, `failed`, `removing`, `out`, `left` (went by themselves)
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (rule, department, person)
);
CREATE INDEX group_claim_person ON group_claim (person);
-- Every change with its reason.
CREATE TABLE group_change (
    id {{SEQ}},
    at BIGINT NOT NULL,
    rule TEXT NOT NULL,
    department TEXT NOT NULL,
    person TEXT,
    -- `create`, `rename`, `add`, `remove`
    what TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL
);
CREATE INDEX group_change_by_rule ON group_change (rule, department, at);
