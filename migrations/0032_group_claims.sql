-- Somebody who left a mandatory group by themselves was brought back once: not again.
ALTER TABLE group_claim ADD COLUMN brought_back BOOLEAN NOT NULL DEFAULT FALSE;
