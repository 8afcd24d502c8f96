-- What segments ask about people. Absent means: not told by any platform.
ALTER TABLE person ADD COLUMN joined_on TEXT;
ALTER TABLE person ADD COLUMN office TEXT;
ALTER TABLE person ADD COLUMN contractor BOOLEAN;
-- Tags are given by operators, interests are chosen by people themselves.
CREATE TABLE person_tag (
    person TEXT NOT NULL,
    tag TEXT NOT NULL,
    given_by TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (person, tag)
);
CREATE TABLE person_interest (
    person TEXT NOT NULL,
    interest TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (person, interest)
);
-- Figures that rules know about people, as of a time: `score`, `level`, `activity`.
CREATE TABLE person_fact (
    person TEXT NOT NULL,
    field TEXT NOT NULL,
    value BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (person, field)
);
