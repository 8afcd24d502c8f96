-- When the calls that plans have asked for will have passed the platform's limits: what all rules
-- share of one limit. `place` is an app, or a company on one platform.
CREATE TABLE group_budget (
    place TEXT NOT NULL,
    api TEXT NOT NULL,
    free_at BIGINT NOT NULL,
    PRIMARY KEY (place, api)
);
