CREATE UNIQUE INDEX inbox_dedupe ON inbox (app, dedupe);
CREATE INDEX inbox_ready ON inbox (seq) WHERE state = 0;
CREATE INDEX inbox_lane ON inbox (lane, seq) WHERE state = 0;
