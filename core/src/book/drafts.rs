//! Drafts: forms that are being filled in survive the death of the app.

use rusqlite::{OptionalExtension as _, params};

use super::{Book, Change};
use crate::error::{Error, ProblemCode, Result};
use crate::fault::{Plant, planted};
use crate::record::{FieldValue, Kind, Record, Values};
use crate::value::Scalar;

/// A kept form.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// When it was kept, in milliseconds since 1970.
    pub at_ms: i64,
    /// The form, with the version that it was read at.
    pub record: Change,
}

impl Book {
    /// Keeps a form under a name, instead of an earlier one.
    ///
    /// # Errors
    /// Those of the store.
    pub fn keep_draft(&self, name: &str, record: &Change) -> Result<()> {
        let kept = match record {
            Change::Contact(record) => encode(record),
            Change::Deal(record) => encode(record),
            Change::Task(record) => encode(record),
            Change::Delete(..) => return Err(Error::invalid("draft", ProblemCode::Format)),
        };
        let kind = match record {
            Change::Contact(_) => Kind::Contact,
            Change::Deal(_) => Kind::Deal,
            Change::Task(_) => Kind::Task,
            Change::Delete(kind, _) => *kind,
        };
        self.write(|tx| {
            if planted(Plant::LostDraft) {
                return Ok(());
            }
            tx.sql.execute(
                "INSERT INTO draft(name, kind, at_ms, record) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, at_ms = excluded.at_ms, record = excluded.record",
                params![name, kind.name(), tx.now().ms, kept],
            )?;
            Ok(())
        })
    }

    /// The form kept under a name.
    ///
    /// # Errors
    /// Those of the store.
    pub fn draft(&self, name: &str) -> Result<Option<Draft>> {
        let row: Option<(String, i64, String)> = self.read(|conn| {
            let sql = "SELECT kind, at_ms, record FROM draft WHERE name = ?1";
            Ok(conn.prepare_cached(sql)?.query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?)
        })?;
        let Some((kind, at_ms, record)) = row else { return Ok(None) };
        let corrupt = || Error::Corrupt("a draft cannot be read".into());
        let record = match Kind::named(&kind).ok_or_else(corrupt)? {
            Kind::Contact => Change::Contact(decode(&record).ok_or_else(corrupt)?),
            Kind::Deal => Change::Deal(decode(&record).ok_or_else(corrupt)?),
            Kind::Task => Change::Task(decode(&record).ok_or_else(corrupt)?),
            Kind::Unknown => return Err(corrupt()),
        };
        Ok(Some(Draft { at_ms, record }))
    }

    /// Forgets the form kept under a name.
    ///
    /// # Errors
    /// Those of the store.
    pub fn drop_draft(&self, name: &str) -> Result<()> {
        self.write(|tx| {
            tx.sql.execute("DELETE FROM draft WHERE name = ?1", [name])?;
            Ok(())
        })
    }
}

fn encode<R: Record>(record: &R) -> String {
    let fields: serde_json::Map<_, _> = record
        .to_values()
        .iter()
        .map(|(field, value)| {
            (
                field.name.to_owned(),
                value.parts().into_iter().map(|(entry, scalar)| (entry.to_owned(), serde_json::json!(scalar))).collect(),
            )
        })
        .collect();
    serde_json::json!({ "id": record.record_id().to_string(), "version": record.version(), "fields": fields }).to_string()
}

fn decode<R: Record>(text: &str) -> Option<R> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut values = Values::empty(R::DEFINITION);
    for (name, parts) in json.get("fields")?.as_object()? {
        let Some(slot) = values.get_mut(name) else { continue };
        for (entry, scalar) in parts.as_object()? {
            let scalar: Scalar = serde_json::from_value(scalar.clone()).ok()?;
            match slot {
                FieldValue::Register(value) => *value = scalar,
                FieldValue::Text(text) => *text = scalar.as_str()?.to_owned(),
                FieldValue::Set(members) => {
                    members.insert(entry.clone());
                }
                FieldValue::Keyed(entries) => {
                    entries.insert(entry.clone(), scalar);
                }
            }
        }
    }
    let text = |key: &str| json.get(key).and_then(serde_json::Value::as_str);
    Some(R::from_values(text("id")?.parse().ok()?, text("version")?.to_owned(), &values))
}
