//! Documents in the store.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{DocState, Tx};
use crate::document::{ChangeHash, Document, Reading, hash_bytes, hashes};
use crate::error::{Error, Result};
use crate::fault::{Plant, planted};
use crate::gate::{Limits, scan_document};
use crate::id::RecordId;
use crate::record::{Kind, Values};

/// A document as it stands in the store.
#[derive(Debug, Clone)]
pub(crate) struct StoredDoc {
    pub n: i64,
    pub id: RecordId,
    pub kind: u16,
    pub generation: u32,
    pub heads: Vec<ChangeHash>,
    pub state: DocState,
    /// Of what is derived from it (major, minor).
    pub row_version: (u16, u16),
    /// How many of its fields are disputed, as far as that is known.
    pub disputed: i64,
    pub bytes: Vec<u8>,
}

const COLUMNS: &str = "n, id, kind, gen, heads, state, row_major, row_minor, disputed, bytes";

impl StoredDoc {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let id: Vec<u8> = row.get(1)?;
        let heads: Vec<u8> = row.get(4)?;
        Ok(Self {
            n: row.get(0)?,
            id: RecordId::from_slice(&id).unwrap_or_default(),
            kind: row.get(2)?,
            generation: row.get(3)?,
            heads: hashes(&heads),
            state: row.get(5)?,
            row_version: (row.get(6)?, row.get(7)?),
            disputed: row.get(8)?,
            bytes: row.get(9)?,
        })
    }

    /// The document with this id.
    pub fn find(conn: &Connection, id: RecordId) -> Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM doc WHERE id = ?1");
        Ok(conn.prepare_cached(&sql)?.query_row([id.as_bytes()], Self::read).optional()?)
    }

    /// The document of row `n`.
    pub fn numbered(conn: &Connection, n: i64) -> Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM doc WHERE n = ?1");
        Ok(conn.prepare_cached(&sql)?.query_row([n], Self::read).optional()?)
    }

    /// The documents after row `n`, in order: for work that walks through all of them.
    pub fn after(conn: &Connection, n: i64, limit: u32) -> Result<Vec<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM doc WHERE n > ?1 ORDER BY n LIMIT ?2");
        let mut statement = conn.prepare_cached(&sql)?;
        Ok(statement.query_map(params![n, limit], Self::read)?.collect::<Result<_, _>>()?)
    }

    /// The record's kind; `None` for one of a newer release.
    pub fn known_kind(&self) -> Option<Kind> {
        Kind::from_code(self.kind)
    }

    /// Whether this release derived what is derived from it. Another one may have indexed other words and links of the same
    /// values.
    pub fn is_derived_here(&self) -> bool {
        self.row_version == Kind::definition_of(self.kind).row_version
    }

    /// Whether the document can be opened, as far as is known.
    pub fn is_healthy(&self) -> bool {
        self.state != DocState::Unreadable
    }

    /// Opens the document and checks that it is the one that its head says. One of an unknown kind opens without fields.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn open(&self) -> Result<Document> {
        let definition = Kind::definition_of(self.kind);
        let document = Document::load(definition, &self.bytes).map_err(|_| Error::Unreadable(self.id))?;
        // A snapshot was only scanned when it came: what the gate would have refused is refused here, each time.
        let sound = document.same_as(&self.heads) && (self.state == DocState::Verified || document.broken_field().is_none());
        if sound { Ok(document) } else { Err(Error::Unreadable(self.id)) }
    }
}

/// What stands in the row of a document.
pub(crate) struct DocRow<'a> {
    pub id: RecordId,
    pub kind: u16,
    pub generation: u32,
    pub heads: &'a [ChangeHash],
    pub state: DocState,
    pub row_version: (u16, u16),
    pub has_unknown: bool,
    pub disputed: usize,
    pub changed_ms: i64,
    pub bytes: &'a [u8],
}

impl Tx<'_> {
    /// Opens a record's document for writing. Everything derived is made again from it first where the record came from the
    /// server and was never opened (where they differ the document wins), and where another release derived it: a write
    /// replaces only what differs between the values before and after, both as this release sees them.
    ///
    /// # Errors
    /// [`Error::Unreadable`]; those of the store.
    pub fn open_doc(&mut self, id: RecordId) -> Result<Option<(StoredDoc, Document)>> {
        let Some(stored) = StoredDoc::find(self.sql, id)? else { return Ok(None) };
        let document = stored.open()?;
        let unopened = stored.state == DocState::Unverified && !planted(Plant::SkipVerify);
        if stored.known_kind().is_some() && (unopened || !stored.is_derived_here()) {
            self.rederive(&stored, &document)?;
        }
        Ok(Some((stored, document)))
    }

    /// Marks a record of a known kind whose document cannot be opened, so that the next sync fetches it.
    pub fn mark_unreadable(&mut self, id: RecordId) -> Result<()> {
        let kinds = Kind::ALL.map(|kind| kind.code().to_string()).join(", ");
        let sql = format!("UPDATE doc SET state = ?2 WHERE id = ?1 AND state <> ?2 AND kind IN ({kinds})");
        self.sql.execute(&sql, params![id.as_bytes(), DocState::Unreadable])?;
        Ok(())
    }

    /// Rewrites a row from its document and marks it verified.
    pub fn rederive(&mut self, stored: &StoredDoc, document: &Document) -> Result<()> {
        self.delete_derived(document.definition(), stored.n)?;
        self.put_doc(stored.id, stored.generation, document, None)
    }

    /// Writes the row of a document and gives its number; what is derived from it is not touched.
    pub fn write_doc(&self, doc: &DocRow<'_>) -> Result<i64> {
        let disputed = i64::try_from(doc.disputed).unwrap_or(i64::MAX);
        let sql = "INSERT INTO doc(id, kind, gen, heads, state, row_major, row_minor, has_unknown, disputed, changed_ms, bytes)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                   ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, gen = excluded.gen, heads = excluded.heads, state = excluded.state,
                       row_major = excluded.row_major, row_minor = excluded.row_minor, has_unknown = excluded.has_unknown,
                       disputed = excluded.disputed, changed_ms = excluded.changed_ms, bytes = excluded.bytes
                   RETURNING n";
        let (major, minor) = doc.row_version;
        let bound = params![
            doc.id.as_bytes(),
            doc.kind,
            doc.generation,
            hash_bytes(doc.heads),
            doc.state,
            major,
            minor,
            doc.has_unknown,
            disputed,
            doc.changed_ms,
            doc.bytes,
        ];
        Ok(self.sql.prepare_cached(sql)?.query_row(bound, |row| row.get(0))?)
    }

    /// Writes a document with everything that is derived from it. `old` are the values that the row was derived from
    /// by this release, as [`Tx::open_doc`] sees to; `None` where nothing is derived from the document yet.
    pub fn put_doc(&mut self, id: RecordId, generation: u32, document: &Document, old: Option<&Values>) -> Result<()> {
        let definition = document.definition();
        let bytes = document.save();
        // What could not be opened again is not written: the user hears of it now.
        if let Some(Err(fault)) = bytes.get(1..).map(|raw| scan_document(raw, &Limits::DOCUMENT)) {
            return Err(Error::own_gate("record", fault));
        }
        let Reading { values, has_unknown, disputed } = document.read(None);
        let n = self.write_doc(&DocRow {
            id,
            kind: definition.kind.code(),
            generation,
            heads: &document.heads(),
            state: DocState::Verified,
            row_version: definition.row_version,
            has_unknown,
            disputed: disputed.len(),
            changed_ms: document.changed_ms(),
            bytes: &bytes,
        })?;
        self.derive(n, &values, old)?;
        self.changed.push((definition.kind, id));
        Ok(())
    }
}
