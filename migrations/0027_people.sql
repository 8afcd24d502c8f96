-- How somebody is employed: regular, intern, outsourced, contractor, consultant. Absent means: not told.
ALTER TABLE person ADD COLUMN employment TEXT;
-- E-mail and mobile of an account, only as a keyed hash: enough to see that two accounts are one
-- person, and not to write or call them. `kind` is email or mobile.
CREATE TABLE person_contact (
    person TEXT NOT NULL,
    platform TEXT NOT NULL,
    kind TEXT NOT NULL,
    company TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (person, platform, kind)
);
CREATE INDEX person_contact_hash ON person_contact (company, kind, hash);
