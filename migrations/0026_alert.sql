-- What operators were told about: one row for each cause and day, so that nobody is told twice.
CREATE TABLE alert (
    app TEXT NOT NULL,
    cause TEXT NOT NULL,
    -- YYYY-MM-DD in the company's zone.
    day TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    -- People who were written to.
    told BIGINT NOT NULL,
    mended_at BIGINT,
    PRIMARY KEY (app, cause, day)
);
CREATE INDEX alert_open ON alert (app, cause) WHERE mended_at IS NULL;

-- Of a message in doubt: when the chat was read and it was not there. A second look decides.
ALTER TABLE outbox ADD COLUMN absent_at BIGINT;
