//! Records out into files.
//!
//! A record whose document cannot be opened, or lies where the file is damaged, does not keep the others in: it is left out
//! and named in the report.
//!
//! Files are written beside their place first. What a process that was killed left there is removed by the next one that
//! writes the same file: it holds contacts in plain text.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::Book;
use super::cards::to_card;
use super::lists::row_headline;
use super::repair::numbered_id;
use crate::access::is_deleted;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::{EntryId, RecordId};
use crate::import::vcard::write_card;
use crate::record::{Kind, Record as _, Values};
use crate::records::Contact;
use crate::store::StoredDoc;
use crate::value::RecordLink;

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportReport {
    /// Records written.
    pub written: u64,
    /// Living records that are not in the file, in its order.
    pub left_out: Vec<LeftOut>,
}

/// A record that an export left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The record.
    pub record: RecordLink,
    /// What lists call it.
    pub headline: String,
    /// Why, in words for a person.
    pub reason: String,
}

impl Book {
    /// Writes living contacts as vCard 4.0, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Io`] where `out` cannot be written.
    pub fn export_vcard(&self, out: &mut dyn Write) -> Result<ExportReport> {
        let mut report = ExportReport::default();
        self.each_living(Kind::Contact, &mut report, &mut |id, values| {
            let contact = Contact::from_values(id, String::new(), values);
            let mut out = &mut *out;
            write_card(&mut out, &to_card(&contact)).map_err(cannot_write)
        })?;
        Ok(report)
    }

    /// Writes all living records as one JSON object, kind by kind, in the order of their ids. Where records had to be
    /// left out, the object says so itself, under `left_out`.
    ///
    /// # Errors
    /// [`Error::Io`] where `out` cannot be written.
    pub fn export_json(&self, out: &mut dyn Write) -> Result<ExportReport> {
        let mut report = ExportReport::default();
        out.write_all(b"{").map_err(cannot_write)?;
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}\n\"{}\": [", kind.name()).map_err(cannot_write)?;
            let mut comma = "";
            self.each_living(kind, &mut report, &mut |id, values| {
                let mut json = serde_json::Map::new();
                json.insert("id".into(), id.to_string().into());
                json.extend(values.to_json());
                write!(out, "{}\n{}", std::mem::replace(&mut comma, ","), serde_json::Value::Object(json)).map_err(cannot_write)
            })?;
            out.write_all(b"]").map_err(cannot_write)?;
        }
        if !report.left_out.is_empty() {
            let left_out: Vec<_> = report.left_out.iter().map(LeftOut::to_json).collect();
            write!(out, ",\n\"left_out\": {}", serde_json::Value::Array(left_out)).map_err(cannot_write)?;
        }
        out.write_all(b"\n}\n").map_err(cannot_write)?;
        Ok(report)
    }

    /// Writes a file through `write`, beside its place first: it is there whole or not at all. It keeps the permissions of
    /// the file whose place it takes; a new one only its owner may read. A link stays a link. A device or a pipe has no half
    /// of itself to leave behind, must not be replaced by a file, and is written into.
    ///
    /// # Errors
    /// [`Error::Io`] where the file or its folder cannot be written; those of `write`.
    pub fn export_file(&self, path: &Path, write: &dyn Fn(&mut dyn Write) -> Result<ExportReport>) -> Result<ExportReport> {
        let failed = |source: io::Error| {
            let what = format!("cannot write {}", path.display());
            // The folder that cannot be written is not the book's.
            let elsewhere = source.kind() == io::ErrorKind::ReadOnlyFilesystem;
            if elsewhere { Error::Io { what, source } } else { Error::io(what, source) }
        };
        let (target, old) = match fs::metadata(path) {
            Ok(about) if about.is_dir() => {
                return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")));
            }
            Ok(about) if !about.is_file() => {
                let mut out = BufWriter::new(OpenOptions::new().write(true).open(path).map_err(failed)?);
                let report = write(&mut out)?;
                out.flush().map_err(failed)?;
                return Ok(report);
            }
            // What a link points to is replaced, not the link.
            Ok(about) => (fs::canonicalize(path).map_err(failed)?, cfg!(unix).then(|| about.permissions())),
            Err(_) => (path.to_owned(), None),
        };
        let place = |file: &File, part: &Path| {
            if let Some(permissions) = &old {
                // Where the file system refuses, the file stays with its owner.
                let _ = file.set_permissions(permissions.clone());
            }
            fs::rename(part, &target)
        };
        Self::write_beside(&target, self.env(), write, place, failed)
    }

    /// Writes a file that only its owner may read, durably, under a name of its own beside `path`, and has it put into its
    /// place by `place`, which gets that name; nothing is left under it. What processes that were killed left beside `path`
    /// goes first.
    ///
    /// # Errors
    /// Those of `write`; those of the disk and of `place`, as `failed` tells them.
    pub fn write_beside<T, E>(
        path: &Path,
        env: &dyn Env,
        write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
        place: impl FnOnce(&File, &Path) -> io::Result<()>,
        failed: impl Fn(io::Error) -> E,
    ) -> Result<T, E> {
        remove_leftovers(path);
        let (part, file) = new_part(path, env).map_err(&failed)?;
        let mut out = BufWriter::with_capacity(1 << 16, file);
        let written = write(&mut out).and_then(|done| {
            let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
            file.sync_all().and_then(|()| place(&file, &part)).map_err(&failed)?;
            Ok(done)
        });
        // A file that was renamed has nothing here any more. The first error is the one to tell.
        let _ = fs::remove_file(&part);
        sync_folder(path);
        written
    }

    /// Hands the living records of a kind to `write`, one after another, and counts them.
    fn each_living(
        &self,
        kind: Kind,
        report: &mut ExportReport,
        write: &mut dyn FnMut(RecordId, &Values) -> Result<()>,
    ) -> Result<()> {
        let mut after = RecordId::default();
        loop {
            let batch = match self.read(|conn| living_after(conn, kind, after)) {
                // The damage may lie in the rows or an index, and the documents be whole.
                Err(Error::Corrupt(_)) => {
                    let mut rest = self.all_records()?;
                    rest.retain(|(_, id)| *id > after);
                    rest.sort_unstable_by_key(|(_, id)| *id);
                    rest
                }
                batch => batch?,
            };
            let Some((_, last)) = batch.last().copied() else { return Ok(()) };
            for (n, id) in batch {
                let read = self.read(|conn| {
                    // Under another number where a sync brought it anew since the batch was read.
                    let stored = match StoredDoc::numbered(conn, n)?.filter(|stored| stored.id == id) {
                        None => StoredDoc::find(conn, id)?,
                        stored => stored,
                    };
                    let stored = stored.filter(|stored| stored.kind == kind.code());
                    Ok(stored.map(|stored| stored.open()).transpose()?.map(|document| document.read(None).values))
                });
                match read {
                    // Of another kind, deleted, or taken away by a sync since the batch was read.
                    Ok(None) => {}
                    Ok(Some(values)) if is_deleted(&values) => {}
                    Ok(Some(values)) => {
                        write(id, &values)?;
                        report.written += 1;
                    }
                    Err(error @ (Error::Unreadable(_) | Error::Corrupt(_))) => {
                        let headline = match self.read(|conn| row_headline(conn, kind, id)) {
                            Err(Error::Corrupt(_)) => Some(String::new()),
                            headline => headline?,
                        };
                        // Without a row it is of another kind.
                        let left_out = headline.map(|headline| {
                            let record = RecordLink { kind, id };
                            LeftOut { record, headline, reason: error.to_string() }
                        });
                        report.left_out.extend(left_out);
                    }
                    Err(error) => return Err(error),
                }
            }
            after = last;
        }
    }
}

/// The numbers and ids of the next living records of a kind.
fn living_after(conn: &Connection, kind: Kind, after: RecordId) -> Result<Vec<(i64, RecordId)>> {
    let table = kind.definition().table;
    let sql = format!(
        "SELECT d.n, d.id FROM doc d JOIN {table} t ON t.n = d.n WHERE d.id > ?1 AND t.deleted_ms IS NULL ORDER BY d.id LIMIT 500"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.query_map([after.as_bytes()], numbered_id)?.collect::<Result<_, _>>()?)
}

impl LeftOut {
    /// As one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        let Self { record, headline, reason } = self;
        serde_json::json!({"kind": record.kind.name(), "id": record.id.to_string(), "headline": headline, "reason": reason})
    }
}

fn cannot_write(source: io::Error) -> Error {
    Error::io("cannot write the file", source)
}

/// So often a new name is tried.
const MAX_NAMES: usize = 10;

/// A new file beside `path`, out of sight and locked, which only its owner may read. Its name is nobody else's: numbers of
/// processes repeat in containers.
fn new_part(path: &Path, env: &dyn Env) -> io::Result<(PathBuf, File)> {
    for _ in 0..MAX_NAMES {
        let part = path.with_file_name(part_name(path, EntryId::generate(env).as_str()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part)?;
        // Where a file system has no locks, others do not get one either, and leave the file alone.
        let _ = file.lock();
        // Until it was locked it could be taken for a leftover.
        if part.exists() {
            return Ok((part, file));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Removes what lies beside `path` from processes that were killed; those that live hold locks on theirs. What cannot be
/// removed is in nobody's way.
fn remove_leftovers(path: &Path) {
    let Ok(entries) = fs::read_dir(folder_of(path)) else { return };
    for entry in entries.flatten() {
        let is_part = is_part(path, &entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file());
        let part = is_part.then(|| OpenOptions::new().write(true).open(entry.path()));
        if let Some(Ok(part)) = part
            && part.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// `.<file>.<id>.part`.
fn part_name(path: &Path, id: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{id}.part"));
    name
}

/// Whether a file in the folder of `path` has a name of [`part_name`].
fn is_part(path: &Path, name: &OsStr) -> bool {
    let file = path.file_name().unwrap_or_default().as_encoded_bytes();
    let rest = name.as_encoded_bytes().strip_prefix(b".").and_then(|rest| rest.strip_prefix(file));
    let id = rest.and_then(|rest| rest.strip_prefix(b".")).and_then(|rest| rest.strip_suffix(b".part"));
    id.is_some_and(|id| data_encoding::BASE64URL_NOPAD.decode(id).is_ok_and(|id| id.len() == 8))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Makes what happened to the names in a file's folder durable, where the platform can.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(folder_of(path)) {
        // A file system that cannot do this keeps its own promise or none.
        let _ = folder.sync_all();
    }
}
