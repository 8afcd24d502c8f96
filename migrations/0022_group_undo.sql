-- Plans that were carried out, so that they can be undone. `id` names one run; the same differences
-- have the same code, so a code alone may stand for several runs.
CREATE TABLE group_plan (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    code TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    -- the run that this one takes back
    undo_of TEXT,
    undone_at BIGINT
);
CREATE INDEX group_plan_by_code ON group_plan (code, at);
-- Ways back that were shown: the code of the way back, and the run it takes back.
CREATE TABLE group_undo (
    rule TEXT NOT NULL,
    code TEXT NOT NULL,
    plan TEXT NOT NULL,
    shown_at BIGINT NOT NULL,
    PRIMARY KEY (rule, code)
);
-- The run a change belongs to (`group_plan.id`), what was before, what was wanted, and how it ended:
-- name of the group, or person id of the owner; `ok` or `failed`, absent while it is on its way.
ALTER TABLE group_change ADD COLUMN plan TEXT;
ALTER TABLE group_change ADD COLUMN was TEXT;
ALTER TABLE group_change ADD COLUMN became TEXT;
ALTER TABLE group_change ADD COLUMN outcome TEXT;
CREATE INDEX group_change_by_plan ON group_change (plan, department);
-- The last day of somebody who has moved to another department (state `grace`), ISO date.
ALTER TABLE group_claim ADD COLUMN until_day TEXT;
-- When a rule was seen for the first time: in its first days it is looked at, not left alone.
ALTER TABLE group_rule_state ADD COLUMN first_seen BIGINT;
