-- Of an effect that needs several requests: the id of the first, on each of them. Null on all others.
ALTER TABLE outbox ADD COLUMN effect TEXT;
CREATE INDEX outbox_effect ON outbox (effect) WHERE effect IS NOT NULL;
