-- Days off that were entered in a chat. Scope: `company`, `office:ID` or `person:ID`.
CREATE TABLE day_off (
    scope TEXT NOT NULL,
    -- 2026-12-31
    date TEXT NOT NULL,
    name TEXT NOT NULL,
    entered_by TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (scope, date)
);
