-- People, departments and chats as the rules see them: a local mirror, kept by events and by sync.
CREATE TABLE person (
    id TEXT PRIMARY KEY,
    company TEXT NOT NULL,
    name TEXT NOT NULL,
    employee_no TEXT,
    title TEXT,
    department TEXT,
    leader TEXT,
    language TEXT,
    active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    left_at BIGINT
);
CREATE INDEX person_employee ON person (company, employee_no);
CREATE INDEX person_by_department ON person (department);
-- One account on one platform; aliases (open id, union id) are rows of their own.
CREATE TABLE identity (
    company TEXT NOT NULL,
    platform TEXT NOT NULL,
    user_id TEXT NOT NULL,
    person TEXT NOT NULL,
    is_main BOOLEAN NOT NULL,
    PRIMARY KEY (company, platform, user_id)
);
CREATE INDEX identity_person ON identity (person);
CREATE TABLE department (
    id TEXT PRIMARY KEY,
    company TEXT NOT NULL,
    platform TEXT NOT NULL,
    dept_id TEXT NOT NULL,
    parent TEXT,
    name TEXT NOT NULL,
    leader TEXT,
    active BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL
);
-- A person can stand in several departments; the first one is person.department.
CREATE TABLE person_department (
    person TEXT NOT NULL,
    department TEXT NOT NULL,
    PRIMARY KEY (person, department)
);
CREATE INDEX person_department_members ON person_department (department);
CREATE TABLE chat (
    app TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT,
    owner TEXT,
    external BOOLEAN NOT NULL,
    -- The bot is in it and it exists.
    active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (app, chat_id)
);
CREATE TABLE chat_member (
    app TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    person TEXT NOT NULL,
    joined_at BIGINT NOT NULL,
    left_at BIGINT,
    PRIMARY KEY (app, chat_id, person)
);
CREATE INDEX chat_member_person ON chat_member (person);
