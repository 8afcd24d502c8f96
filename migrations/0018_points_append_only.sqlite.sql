-- Nobody edits the past, whatever program they use.
CREATE TRIGGER ledger_tx_no_update BEFORE UPDATE ON ledger_tx
BEGIN
    SELECT RAISE(ABORT, 'ledger_tx is append-only');
END;
CREATE TRIGGER ledger_tx_no_delete BEFORE DELETE ON ledger_tx
BEGIN
    SELECT RAISE(ABORT, 'ledger_tx is append-only');
END;
CREATE TRIGGER ledger_line_no_update BEFORE UPDATE ON ledger_line
BEGIN
    SELECT RAISE(ABORT, 'ledger_line is append-only');
END;
CREATE TRIGGER ledger_line_no_delete BEFORE DELETE ON ledger_line
BEGIN
    SELECT RAISE(ABORT, 'ledger_line is append-only');
END;
