-- The server's tables. The workspace's id leads every key, so that they shard by workspace. Never edited after a
-- release: a change is a new file beside this one.

-- One row: who this server is.
CREATE TABLE server (
    id          BLOB    NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE workspace (
    id          BLOB    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    name_key    TEXT    NOT NULL UNIQUE,  -- the name in lower case
    epoch       BLOB    NOT NULL,         -- changes when the feed starts over
    seq         INTEGER NOT NULL,         -- the last number given to a group
    kept_from   INTEGER NOT NULL,         -- changes above this number are all there
    directory   INTEGER NOT NULL,         -- grows with people, devices and actors
    created_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE person (
    ws          BLOB    NOT NULL,
    id          BLOB    NOT NULL,
    name        TEXT    NOT NULL,
    name_key    TEXT    NOT NULL,
    role        TEXT    NOT NULL CHECK (role IN ('administrator', 'manager', 'rep')),
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (ws, id),
    UNIQUE (ws, name_key)
) STRICT;

CREATE TABLE device (
    ws           BLOB    NOT NULL,
    id           BLOB    NOT NULL UNIQUE,
    person       BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    public_key   BLOB    NOT NULL,
    joined_ms    INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    revoked_ms   INTEGER,
    PRIMARY KEY (ws, id),
    UNIQUE (ws, public_key, person)
) STRICT;

-- Whoever pushes as an actor first owns it.
CREATE TABLE actor (
    ws       BLOB    NOT NULL,
    actor    BLOB    NOT NULL,
    device   BLOB    NOT NULL,
    bound_ms INTEGER NOT NULL,
    version  INTEGER NOT NULL,            -- of the directory that it came with
    PRIMARY KEY (ws, actor)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX actor_version ON actor (ws, version);
CREATE INDEX actor_device ON actor (ws, device);

CREATE TABLE invitation (
    ws         BLOB    NOT NULL,
    code_hash  BLOB    NOT NULL UNIQUE,
    person     BLOB    NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_key   BLOB,                      -- the public key that took it
    device     BLOB,                      -- the device that it became
    PRIMARY KEY (ws, code_hash)
) STRICT;

CREATE TABLE token (
    ws         BLOB    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE,
    device     BLOB    NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (ws, hash)
) STRICT;
CREATE INDEX token_end ON token (expires_ms);

-- The state of each record: what a device that has nothing receives.
CREATE TABLE doc (
    ws         BLOB    NOT NULL,
    id         BLOB    NOT NULL,
    gen        INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    scope      BLOB    NOT NULL,          -- who sees it; empty: everybody in the workspace
    owner      BLOB,
    seq_first  INTEGER NOT NULL,
    seq_last   INTEGER NOT NULL,
    heads      BLOB    NOT NULL,          -- sorted, 32 bytes each
    state      INTEGER NOT NULL,          -- 0 good
    row_major  INTEGER NOT NULL,
    row_minor  INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    row        BLOB    NOT NULL,
    bytes      BLOB    NOT NULL,          -- the document in an envelope
    PRIMARY KEY (ws, id)
) STRICT;
CREATE INDEX doc_feed ON doc (ws, scope, seq_last, id);

-- Single changes, for devices that have the rest. Old rows may be trimmed: a snapshot stands for them.
CREATE TABLE change (
    ws     BLOB    NOT NULL,
    doc    BLOB    NOT NULL,
    seq    INTEGER NOT NULL,
    pos    INTEGER NOT NULL,              -- the place in its group: a change stands after those it depends on
    gen    INTEGER NOT NULL,
    hash   BLOB    NOT NULL,
    device BLOB    NOT NULL,
    actor  BLOB    NOT NULL,
    bytes  BLOB    NOT NULL,              -- the raw chunk in an envelope
    PRIMARY KEY (ws, doc, seq, pos)
) STRICT, WITHOUT ROWID;

-- A running hash of the feed, by which a cursor is told from one of another history.
CREATE TABLE chain (
    ws     BLOB    NOT NULL,
    seq    INTEGER NOT NULL,
    chain8 BLOB    NOT NULL,
    PRIMARY KEY (ws, seq)
) STRICT, WITHOUT ROWID;

-- What was answered to a group, so that a repeated push gets the same answer.
CREATE TABLE verdict (
    ws      BLOB    NOT NULL,
    device  BLOB    NOT NULL,
    grp     BLOB    NOT NULL,
    hash    BLOB    NOT NULL,
    outcome INTEGER NOT NULL,             -- 0 accepted, 2 refused
    code    TEXT,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (ws, device, grp)
) STRICT, WITHOUT ROWID;
CREATE INDEX verdict_age ON verdict (at_ms);
