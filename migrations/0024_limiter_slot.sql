-- Where several processes send: how far each limit of a platform is used, so that together they stay
-- below it. One row for each limit, and for each chat where the limit is per chat; and one for each
-- pause that a platform has asked for.
CREATE TABLE limiter_slot (
    -- Owner, call, scope, size and destination of the limit.
    name TEXT PRIMARY KEY,
    -- JSON: when the next call may leave, and the calls of the last window.
    state TEXT NOT NULL,
    -- From then on the row says nothing that its absence would not say.
    idle_at BIGINT NOT NULL
);
CREATE INDEX limiter_slot_idle ON limiter_slot (idle_at);
