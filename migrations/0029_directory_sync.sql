-- A listing while it is being read: nothing of it counts before the whole of it has ended well.
CREATE TABLE sync_person (
    app TEXT NOT NULL,
    run BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    -- The record as JSON; e-mail and mobile number are keyed digests.
    record TEXT NOT NULL,
    digest TEXT NOT NULL,
    leader TEXT,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (app, run, user_id)
);
-- Whom a listing no longer names, and an operator has said that it is true.
ALTER TABLE sync_seen ADD COLUMN confirmed_by TEXT;
ALTER TABLE sync_seen ADD COLUMN confirmed_at BIGINT;
CREATE INDEX sync_seen_missing ON sync_seen (app, run);
-- What the newest whole listing came to.
ALTER TABLE sync_state ADD COLUMN run BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sync_state ADD COLUMN entered BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sync_state ADD COLUMN leavers BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sync_state ADD COLUMN waiting BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sync_state ADD COLUMN departments_held BIGINT NOT NULL DEFAULT 0;
-- What operators must know about an app's listing: it was refused, or leavers wait for their word.
-- `code` names what exactly it is about; `told_at` is absent until they were told.
CREATE TABLE sync_notice (
    app TEXT NOT NULL,
    -- `refused` or `held`
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    times BIGINT NOT NULL,
    since BIGINT NOT NULL,
    told_at BIGINT,
    PRIMARY KEY (app, kind)
);
ALTER TABLE department ADD COLUMN missing_since BIGINT;
ALTER TABLE department ADD COLUMN confirmed_at BIGINT;
-- What a platform has told about one account; the person is put together from their accounts.
ALTER TABLE identity ADD COLUMN record TEXT;
-- Of the record as the newest listing had it; absent when an event has told something since.
ALTER TABLE identity ADD COLUMN digest TEXT;
ALTER TABLE identity ADD COLUMN employee_no TEXT;
ALTER TABLE identity ADD COLUMN email_key TEXT;
ALTER TABLE identity ADD COLUMN mobile_key TEXT;
ALTER TABLE identity ADD COLUMN active BOOLEAN NOT NULL DEFAULT TRUE;
-- When the platform said the newest thing about it: what is older is not believed.
ALTER TABLE identity ADD COLUMN told_at BIGINT NOT NULL DEFAULT 0;
-- An operator has said whose account this is.
ALTER TABLE identity ADD COLUMN pinned BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE identity SET
    employee_no = (SELECT p.employee_no FROM person p WHERE p.id = identity.person),
    active = COALESCE((SELECT p.active FROM person p WHERE p.id = identity.person), TRUE);
CREATE INDEX identity_employee_no ON identity (company, employee_no) WHERE employee_no IS NOT NULL;
CREATE INDEX identity_email ON identity (company, email_key) WHERE email_key IS NOT NULL;
CREATE INDEX identity_mobile ON identity (company, mobile_key) WHERE mobile_key IS NOT NULL;
-- Absent: they have never come back within 90 days.
ALTER TABLE person ADD COLUMN returned_at BIGINT;
CREATE INDEX person_name ON person (company, name);
