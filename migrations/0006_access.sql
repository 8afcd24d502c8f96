-- Who may do what. A row names a person (`person`: our id), an account (`account`:
-- `platform:user_id`) or an employee number (`employee`); it is resolved when rights are read, so
-- that a grant made before the person was ever met holds from the first moment on.
CREATE TABLE role_grant (
    company TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    scope TEXT NOT NULL,
    -- `config` rows are replaced at every start, `command` rows stay.
    source TEXT NOT NULL,
    granted_by TEXT,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (company, kind, subject, role, scope, source)
);
-- What was done by whom. Rows are only ever added.
CREATE TABLE audit (
    id {{SEQ}},
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    -- JSON without message text
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_action ON audit (action, at);
-- Things that need a second person. `body` is what will be done, exactly.
CREATE TABLE approval (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- 0 open, 1 approved, 2 refused
    state BIGINT NOT NULL,
    decided_by TEXT,
    decided_at BIGINT
);
-- What the next directory sync of an app must read: one person, or everything (`user_id` empty).
CREATE TABLE sync_todo (
    app TEXT NOT NULL,
    user_id TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (app, user_id)
);
CREATE TABLE sync_state (
    app TEXT PRIMARY KEY,
    finished_at BIGINT NOT NULL,
    people BIGINT NOT NULL,
    departments BIGINT NOT NULL,
    leavers_held BIGINT NOT NULL
);
-- Whom the listings of an app have named. Only they can be missed: people who are known from
-- messages alone, or through another app that sees more, are no leavers because this one is silent.
CREATE TABLE sync_seen (
    app TEXT NOT NULL,
    user_id TEXT NOT NULL,
    person TEXT NOT NULL,
    -- start of the newest sync that named them
    run BIGINT NOT NULL,
    -- when a whole listing first did not
    missing_since BIGINT,
    PRIMARY KEY (app, user_id)
);
