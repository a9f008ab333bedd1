-- The store of one book. Rules: STRICT tables, explicit columns in every INSERT, a column never changes its meaning.

-- Documents: the truth. Everything in the tables marked "derived" is made from them.
CREATE TABLE doc (
    n           INTEGER PRIMARY KEY,          -- row number in the derived tables
    id          BLOB NOT NULL UNIQUE,         -- 16 bytes
    kind        INTEGER NOT NULL,             -- code; may be one that this release does not know
    gen         INTEGER NOT NULL DEFAULT 0,
    heads       BLOB NOT NULL,                -- sorted, 32 bytes each
    state       INTEGER NOT NULL DEFAULT 0,   -- 0 verified, 1 from the server and not opened yet, 2 unreadable
    row_major   INTEGER NOT NULL,             -- version of the derived row
    row_minor   INTEGER NOT NULL,
    has_unknown INTEGER NOT NULL DEFAULT 0,   -- holds keys that this release does not know
    disputed    INTEGER NOT NULL DEFAULT 0,   -- keys whose concurrent values differ
    changed_ms  INTEGER NOT NULL DEFAULT 0,   -- wall clock of the newest change
    bytes       BLOB NOT NULL                 -- in an envelope
) STRICT;
-- SQLite takes an index with a condition for a statement that has the same condition, word for word.
CREATE INDEX doc_unverified ON doc (has_unknown DESC) WHERE state = 1;
CREATE INDEX doc_unreadable ON doc (id) WHERE state = 2;
CREATE INDEX doc_disputed ON doc (kind) WHERE disputed > 0;

-- Derived: one query table a kind. Columns in the order of the definition's row fields, after n, sort and letter.
CREATE TABLE contact (
    n              INTEGER PRIMARY KEY REFERENCES doc (n) ON DELETE CASCADE,
    sort           TEXT NOT NULL,
    letter         TEXT NOT NULL,
    deleted_ms     INTEGER,
    deleted_offset INTEGER,
    given_name     TEXT NOT NULL,
    family_name    TEXT NOT NULL,
    organization   TEXT NOT NULL,
    job_title      TEXT NOT NULL,
    owner          TEXT,
    tags           TEXT,
    channels       TEXT
) STRICT;
CREATE INDEX contact_sort ON contact (sort, n) WHERE deleted_ms IS NULL;

CREATE TABLE deal (
    n              INTEGER PRIMARY KEY REFERENCES doc (n) ON DELETE CASCADE,
    sort           TEXT NOT NULL,
    letter         TEXT NOT NULL,
    deleted_ms     INTEGER,
    deleted_offset INTEGER,
    title          TEXT NOT NULL,
    value_minor    INTEGER,
    currency       TEXT,
    stage          TEXT NOT NULL,
    outcome        TEXT NOT NULL,
    close_date     TEXT,
    owner          TEXT,
    organization   TEXT NOT NULL,
    tags           TEXT
) STRICT;
CREATE INDEX deal_sort ON deal (sort, n) WHERE deleted_ms IS NULL;
CREATE INDEX deal_stage ON deal (outcome, stage, sort) WHERE deleted_ms IS NULL;

CREATE TABLE task (
    n              INTEGER PRIMARY KEY REFERENCES doc (n) ON DELETE CASCADE,
    sort           TEXT NOT NULL,
    letter         TEXT NOT NULL,
    deleted_ms     INTEGER,
    deleted_offset INTEGER,
    title          TEXT NOT NULL,
    due            TEXT,
    priority       TEXT NOT NULL,
    status         TEXT NOT NULL,
    owner          TEXT
) STRICT;
CREATE INDEX task_sort ON task (sort, n) WHERE deleted_ms IS NULL;
CREATE INDEX task_due ON task (status, due) WHERE deleted_ms IS NULL;

-- Derived: links between records, by the field that holds them.
CREATE TABLE link (
    n      INTEGER NOT NULL REFERENCES doc (n) ON DELETE CASCADE,
    field  TEXT NOT NULL,
    target BLOB NOT NULL,
    PRIMARY KEY (n, field, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_target ON link (target, n);

-- Derived: search. Contentless, so that no second copy of the text is kept.
CREATE VIRTUAL TABLE search USING fts5 (words, latin, content = '', contentless_delete = 1, detail = 'column', tokenize = 'unicode61 remove_diacritics 0');
CREATE VIRTUAL TABLE phone USING fts5 (digits, content = '', contentless_delete = 1, tokenize = 'trigram');

-- Own edits on their way to the server. Never derived, never rebuilt.
CREATE TABLE outbox (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    grp     BLOB NOT NULL,                -- push group: one transaction on the server
    doc     BLOB NOT NULL,
    kind    INTEGER NOT NULL,
    gen     INTEGER NOT NULL,
    hash    BLOB NOT NULL UNIQUE,
    action  BLOB NOT NULL,
    bytes   BLOB NOT NULL,                -- the raw change, in an envelope
    state   INTEGER NOT NULL DEFAULT 0,   -- 0 waiting, 1 refused, 2 kept for the refused edits on it
    verdict TEXT                          -- the code of the refusal
) STRICT;
CREATE INDEX outbox_doc ON outbox (doc);
CREATE INDEX outbox_group ON outbox (grp, n);
CREATE INDEX outbox_state ON outbox (state, grp, n);

-- Own actions: the unit of undo.
CREATE TABLE action (
    n         INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of doing; clocks may go back
    id        BLOB NOT NULL UNIQUE,
    kind      TEXT NOT NULL,
    source    TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    undone_by BLOB
) STRICT;
CREATE TABLE action_doc (
    action BLOB NOT NULL REFERENCES action (id) ON DELETE CASCADE,
    doc    BLOB NOT NULL,
    kind   INTEGER NOT NULL,
    hash   BLOB NOT NULL,
    PRIMARY KEY (action, doc, hash)
) STRICT, WITHOUT ROWID;

-- What was saved from a version: a second save of the same form is compared with it.
CREATE TABLE saved_form (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    doc     BLOB NOT NULL,
    version BLOB NOT NULL,
    fields  TEXT NOT NULL,                -- JSON: key → list of {hash, value}
    UNIQUE (doc, version)
) STRICT;

-- Forms that are being filled in; they survive the death of the app.
CREATE TABLE draft (
    name   TEXT PRIMARY KEY,
    kind   TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who is who: actors of devices, devices of users.
CREATE TABLE person (
    id   BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE actor (
    id     BLOB PRIMARY KEY,              -- 16 bytes, without the prefix of derived actors
    person BLOB,
    device TEXT NOT NULL,
    own    INTEGER NOT NULL DEFAULT 0     -- one of this store's incarnations
) STRICT, WITHOUT ROWID;

-- Changes of others that cannot be applied yet, and bytes that failed the gate.
CREATE TABLE quarantine (
    doc    BLOB PRIMARY KEY,              -- the last that came for a record
    kind   INTEGER NOT NULL,
    gen    INTEGER NOT NULL,
    reason TEXT NOT NULL,
    bytes  BLOB NOT NULL,                 -- empty: nothing came, the record is wished for
    tries  INTEGER NOT NULL DEFAULT 0,    -- how often the whole record came and could not be taken either
    at_ms  INTEGER NOT NULL DEFAULT 0     -- when it came last
) STRICT, WITHOUT ROWID;

-- Single values: identity, account, cursor.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
