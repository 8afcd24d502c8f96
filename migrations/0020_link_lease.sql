-- Who may open the long connection of an app of which only one may live.
CREATE TABLE link_lease (
    app TEXT PRIMARY KEY,
    -- Grows with every change of hands; what is done under an older term counts for nothing.
    term BIGINT NOT NULL,
    -- Drawn at the start of a process.
    holder TEXT NOT NULL,
    until_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
