-- A restore: when it was, and at which number the backup stood. Null where there was none.
ALTER TABLE workspace ADD COLUMN restored_ms INTEGER;
ALTER TABLE workspace ADD COLUMN restored_seq INTEGER;

-- The epoch under which the device last synced: it has not been back since a restore where this is another one than the
-- workspace's.
ALTER TABLE device ADD COLUMN epoch BLOB;

-- The nonce that the token was given for: it gives no second one. A nonce ends before its token does.
ALTER TABLE token ADD COLUMN nonce BLOB;
CREATE UNIQUE INDEX token_nonce ON token (nonce);
