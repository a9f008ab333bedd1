//! Documents in the store.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Tx;
use crate::document::{ChangeHash, Document, Reading, hash_bytes, hashes};
use crate::error::{Error, Result};
use crate::fault::{Plant, planted};
use crate::gate::{Limits, scan_document};
use crate::id::RecordId;
use crate::record::{Kind, Values};

/// How far a stored document is known to be good; 0 is verified: it was opened, and its row is equal to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// From the server, shown by the row that came with it, not opened yet.
    Unverified = 1,
    /// It cannot be opened: the row is read-only until the document was fetched again.
    Unreadable = 2,
}

/// A document as it stands in the store.
#[derive(Debug, Clone)]
pub(crate) struct StoredDoc {
    pub n: i64,
    pub id: RecordId,
    pub kind: u16,
    pub generation: u32,
    pub heads: Vec<ChangeHash>,
    pub state: i64,
    pub bytes: Vec<u8>,
}

const COLUMNS: &str = "n, id, kind, gen, heads, state, bytes";

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
            bytes: row.get(6)?,
        })
    }

    /// The document with this id.
    pub fn find(conn: &Connection, id: RecordId) -> Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM doc WHERE id = ?1");
        Ok(conn.prepare_cached(&sql)?.query_row([id.as_bytes()], Self::read).optional()?)
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

    /// Opens the document and checks that it is the one that its head says.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn open(&self) -> Result<Document> {
        let kind = self.known_kind().ok_or(Error::Unreadable(self.id))?;
        let document = Document::load(kind.definition(), &self.bytes).map_err(|_| Error::Unreadable(self.id))?;
        // A snapshot was only scanned when it came: what the gate would have refused is refused here.
        let sound =
            document.same_as(&self.heads) && (self.state != State::Unverified as i64 || document.broken_field().is_none());
        if sound { Ok(document) } else { Err(Error::Unreadable(self.id)) }
    }
}

impl Tx<'_> {
    /// Opens a record's document for writing. The row of one that came from the server and was never opened is made
    /// again from it first: where they differ the document wins.
    pub fn open_doc(&mut self, id: RecordId) -> Result<Option<(StoredDoc, Document)>> {
        let Some(stored) = StoredDoc::find(self.sql, id)? else { return Ok(None) };
        let document = stored.open()?;
        if stored.state == State::Unverified as i64 && !planted(Plant::SkipVerify) {
            self.rederive(&stored, &document)?;
        }
        Ok(Some((stored, document)))
    }

    /// Marks a record of a known kind whose document cannot be opened, so that the next sync fetches it.
    pub fn mark_unreadable(&mut self, id: RecordId) -> Result<()> {
        let kinds = Kind::ALL.map(|kind| kind.code().to_string()).join(", ");
        let sql = format!("UPDATE doc SET state = ?2 WHERE id = ?1 AND state <> ?2 AND kind IN ({kinds})");
        self.sql.execute(&sql, params![id.as_bytes(), State::Unreadable as i64])?;
        Ok(())
    }

    /// Rewrites a row from its document and marks it verified.
    pub fn rederive(&mut self, stored: &StoredDoc, document: &Document) -> Result<()> {
        self.delete_derived(document.definition(), stored.n)?;
        self.put_doc(stored.id, stored.generation, document, None)
    }

    /// Writes a document with everything that is derived from it. `old` are the values that the row was derived from,
    /// where they are known and the document is not new.
    pub fn put_doc(&mut self, id: RecordId, generation: u32, document: &Document, old: Option<&Values>) -> Result<()> {
        let definition = document.definition();
        let bytes = document.save();
        // What could not be opened again is not written: the user hears of it now.
        if let Some(Err(fault)) = bytes.get(1..).map(|raw| scan_document(raw, &Limits::DOCUMENT)) {
            return Err(Error::own_gate("record", fault));
        }
        let Reading { values, has_unknown, disputed } = document.read(None);
        let (major, minor) = definition.row_version;
        let disputed = i64::try_from(disputed.len()).unwrap_or(i64::MAX);
        let n: i64 = self
            .sql
            .prepare_cached(
                "INSERT INTO doc(id, kind, gen, heads, state, row_major, row_minor, has_unknown, disputed, changed_ms, bytes)
                 VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (id) DO UPDATE SET gen = excluded.gen, heads = excluded.heads, state = 0, row_major = excluded.row_major,
                     row_minor = excluded.row_minor, has_unknown = excluded.has_unknown, disputed = excluded.disputed,
                     changed_ms = excluded.changed_ms, bytes = excluded.bytes
                 RETURNING n",
            )?
            .query_row(
                params![
                    id.as_bytes(),
                    definition.kind.code(),
                    generation,
                    hash_bytes(&document.heads()),
                    major,
                    minor,
                    has_unknown,
                    disputed,
                    document.changed_ms(),
                    bytes,
                ],
                |row| row.get(0),
            )?;
        self.derive(n, &values, old)?;
        self.changed.push((definition.kind, id));
        Ok(())
    }
}
