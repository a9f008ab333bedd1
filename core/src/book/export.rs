//! Records out into files.
//!
//! A record whose document cannot be opened does not keep the others in: it is left out and named in the report.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Book;
use super::cards::to_card;
use super::lists::row_headline;
use super::save::open_for_reading;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::id::RecordId;
use crate::import::vcard::write_card;
use crate::record::{Kind, Record as _};
use crate::records::Contact;
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
        self.each_living(Kind::Contact, &mut report, &mut |id, document| {
            let contact = Contact::from_values(id, String::new(), &document.read(None).values);
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
            self.each_living(kind, &mut report, &mut |id, document| {
                let mut json = serde_json::Map::new();
                json.insert("id".into(), id.to_string().into());
                json.extend(document.read(None).values.to_json());
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

    /// Writes a file through `write`, beside its place first: it is there whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be written; those of `write`.
    pub fn export_file(&self, path: &Path, write: &dyn Fn(&mut dyn Write) -> Result<ExportReport>) -> Result<ExportReport> {
        let io = |source| Error::io(format!("cannot write {}", path.display()), source);
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.part", self.new_entry_id()));
        let beside = PathBuf::from(beside);
        let file = std::fs::File::create_new(&beside).map_err(io)?;
        let mut out = std::io::BufWriter::new(file);
        let written = write(&mut out).and_then(|report| {
            let file = out.into_inner().map_err(|error| io(error.into_error()))?;
            file.sync_all().map_err(io)?;
            std::fs::rename(&beside, path).map_err(io)?;
            Ok(report)
        });
        if written.is_err() {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(&beside);
        }
        written
    }

    /// Hands the living records of a kind to `write`, one after another, and counts them.
    fn each_living(
        &self,
        kind: Kind,
        report: &mut ExportReport,
        write: &mut dyn FnMut(RecordId, &Document) -> Result<()>,
    ) -> Result<()> {
        let mut after: Vec<u8> = Vec::new();
        loop {
            let batch: Vec<Vec<u8>> = self.read(|conn| {
                let sql = format!(
                    "SELECT d.id FROM doc d JOIN {} t ON t.n = d.n WHERE d.id > ?1 AND t.deleted_ms IS NULL ORDER BY d.id LIMIT 500",
                    kind.definition().table
                );
                let mut statement = conn.prepare_cached(&sql)?;
                Ok(statement.query_map([&after], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })?;
            let Some(last) = batch.last() else { return Ok(()) };
            for id in batch.iter().filter_map(|id| RecordId::from_slice(id)) {
                match self.read(|conn| open_for_reading(conn, kind.definition(), id)) {
                    Ok((_, document)) => {
                        write(id, &document)?;
                        report.written += 1;
                    }
                    Err(error @ Error::Unreadable(_)) => {
                        let headline = self.read(|conn| row_headline(conn, kind, id))?.unwrap_or_default();
                        let record = RecordLink { kind, id };
                        report.left_out.push(LeftOut { record, headline, reason: error.to_string() });
                    }
                    // A sync took it away since the batch was read.
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            after.clone_from(last);
        }
    }
}

impl LeftOut {
    /// As one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        let Self { record, headline, reason } = self;
        serde_json::json!({"kind": record.kind.name(), "id": record.id.to_string(), "headline": headline, "reason": reason})
    }
}

fn cannot_write(source: std::io::Error) -> Error {
    Error::io("cannot write the file", source)
}
