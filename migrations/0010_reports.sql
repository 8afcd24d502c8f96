-- What people did, counted per day; no text. The account stays as the platform names it, so that a
-- message costs one statement and no look-up; reports map it to people.
CREATE TABLE activity (
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    day TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- All posts; replies and posts to the bot are counted again in their own columns.
    messages BIGINT NOT NULL,
    replies BIGINT NOT NULL,
    reactions BIGINT NOT NULL,
    clicks BIGINT NOT NULL,
    commands BIGINT NOT NULL,
    PRIMARY KEY (app, chat, day, user_id)
);
-- What a recall or a reaction must find: only for apps that tell of them, and only for two weeks.
CREATE TABLE activity_message (
    app TEXT NOT NULL,
    message TEXT NOT NULL,
    chat TEXT NOT NULL,
    day TEXT NOT NULL,
    user_id TEXT NOT NULL,
    reply BOOLEAN NOT NULL,
    addressed BOOLEAN NOT NULL,
    PRIMARY KEY (app, message)
);
CREATE INDEX activity_message_day ON activity_message (day);
CREATE TABLE question (
    app TEXT NOT NULL,
    message TEXT NOT NULL,
    chat TEXT NOT NULL,
    day TEXT NOT NULL,
    user_id TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    -- The first answer by somebody else.
    answered_at BIGINT,
    answer TEXT,
    PRIMARY KEY (app, message)
);
CREATE INDEX question_chat ON question (app, chat, day);
CREATE INDEX question_answer ON question (app, answer);
-- The figures of a closed week, once and for all.
CREATE TABLE report (
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    week TEXT NOT NULL,
    figures TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (app, chat, week)
);
-- A week's report that was posted by itself.
CREATE TABLE report_post (
    app TEXT NOT NULL,
    chat TEXT NOT NULL,
    week TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (app, chat, week)
);
