-- Plans that somebody asks for on the command line: the service carries them out, like a command in
-- a chat, for this person and with that person's rights.
CREATE TABLE group_order (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    code TEXT NOT NULL,
    person TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- `waiting`, `done` or `refused`
    state TEXT NOT NULL,
    answer TEXT NOT NULL
);
