-- Calls that a platform sells by the month, as far as this program has used them.
CREATE TABLE api_quota (
    app TEXT NOT NULL,
    -- YYYY-MM in the platform's own zone.
    month TEXT NOT NULL,
    kind TEXT NOT NULL,
    calls BIGINT NOT NULL,
    -- The platform has said that nothing is left.
    used_up BOOLEAN NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (app, month, kind)
);
