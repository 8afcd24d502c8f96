-- Who stood in which department, from when to when: so that figures can be split by day.
CREATE TABLE person_stay (
    person TEXT NOT NULL,
    department TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (person, department, began_at)
);
CREATE INDEX person_stay_department ON person_stay (department, began_at);
INSERT INTO person_stay (person, department, began_at)
    SELECT d.person, d.department, p.created_at FROM person_department d JOIN person p ON p.id = d.person
    WHERE p.active = TRUE;
