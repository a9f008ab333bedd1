-- A restore: when it was, and at which number the backup stood. Null where there was none.
ALTER TABLE workspace ADD COLUMN restored_ms INTEGER;
ALTER TABLE workspace ADD COLUMN restored_seq INTEGER;

-- The epoch under which the device last synced: it has not been back since a restore where this is another one than the
-- workspace's.
ALTER TABLE device ADD COLUMN epoch BLOB;

-- The nonce that the token was given for: it gives no second one. A nonce ends before its token does.
ALTER TABLE token ADD COLUMN nonce BLOB;
CREATE UNIQUE INDEX token_nonce ON token (nonce);

-- At this time the feed had come to this number: what stands below it is older. One a day at most.
CREATE TABLE mark (
    ws    BLOB    NOT NULL,
    seq   INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (ws, seq)
) STRICT, WITHOUT ROWID;

-- Up to here old changes have been dropped.
ALTER TABLE workspace ADD COLUMN trimmed_to INTEGER NOT NULL DEFAULT 0;
