-- What the platform last said about an app's set-up, one row per question.
CREATE TABLE app_finding (
    app TEXT NOT NULL,
    -- The order in which they were asked.
    position BIGINT NOT NULL,
    question TEXT NOT NULL,
    -- `good`, `warning`, `missing` or `unknown`
    state TEXT NOT NULL,
    zh TEXT NOT NULL,
    en TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (app, position)
);
