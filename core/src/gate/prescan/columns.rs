//! Counting the rows and bytes of columns without expanding their runs.
//!
//! A column's type is in the low three bits of its specification, its identifier above bit three,
//! and bit three says that it is deflated (Automerge binary document format, "column storage
//! format").

use super::Malformed;

/// More columns than any version of Automerge writes: sixteen for operations, nine for changes.
const MAX_COLUMNS: u64 = 64;

/// Automerge keeps operation counters, sequence numbers and indexes in 32 bits.
pub(super) const MAX_COUNTER: u64 = (1 << 31) - 1;

/// Milliseconds before or after 1970: 285 000 years. Automerge stores a time as its distance from the one before, and panics
/// where two of them are further apart than 64 bits.
pub const MAX_TIME: u64 = 1 << 53;

/// A change's time.
pub(super) fn time(value: i64) -> Result<i64, Malformed> {
    if value.unsigned_abs() > MAX_TIME { Err(Malformed::Number("time")) } else { Ok(value) }
}

const DEFLATED: u32 = 0b1000;

/// Refuses `found` above `limit`.
///
/// # Errors
/// [`Malformed::TooLarge`].
pub fn within(what: &'static str, found: u64, limit: u64) -> Result<(), Malformed> {
    if found > limit { Err(Malformed::TooLarge { what, found, limit }) } else { Ok(()) }
}

/// Bytes not yet read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed::Truncated)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn hash(&mut self) -> Result<[u8; 32], Malformed> {
        let (hash, rest) = self.0.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(*hash)
    }

    /// A byte string behind its length.
    pub(super) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.unsigned(what)?;
        self.take(length)
    }

    /// An unsigned LEB128 number. Padded forms are refused everywhere, also where Automerge would
    /// take them: it has two readers for columns, and a form that neither writes is one on which
    /// they could disagree.
    pub(super) fn unsigned(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let padded = shift > 0 && byte == 0;
                return if padded { Err(Malformed::Number(what)) } else { Ok(value) };
            }
        }
        Err(Malformed::Number(what))
    }

    /// A signed LEB128 number, shortest form only.
    pub(super) fn signed(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let mut value = 0;
        let mut previous = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte != 0 && byte != 0x7f {
                break;
            }
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let sign_before = previous & 0x40 != 0;
                let padded = shift > 0 && ((byte == 0 && !sign_before) || (byte == 0x7f && sign_before));
                if padded {
                    break;
                }
                if shift < 57 && byte & 0x40 != 0 {
                    value |= -1 << (shift + 7);
                }
                return Ok(value);
            }
            previous = byte;
        }
        Err(Malformed::Number(what))
    }
}

/// The specification and length of each column, as listed before the column data.
pub(super) struct Layout(Vec<(u32, u64)>);

impl Layout {
    /// Reads the list. Automerge lets two columns of one specification pass and then reads either;
    /// here each is larger than the one before.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.unsigned("column count")?;
        within("columns", count, MAX_COLUMNS)?;
        let mut columns: Vec<(u32, u64)> = Vec::new();
        for _ in 0..count {
            let spec = reader.unsigned("column specification")?;
            let spec = u32::try_from(spec).map_err(|_| Malformed::Number("column specification"))?;
            if spec & DEFLATED != 0 {
                return Err(Malformed::Compressed);
            }
            if columns.last().is_some_and(|(last, _)| *last >= spec) {
                return Err(Malformed::Order("columns"));
            }
            columns.push((spec, reader.unsigned("column length")?));
        }
        Ok(Self(columns))
    }

    /// Takes the data of every column and counts it.
    pub(super) fn count(&self, reader: &mut Reader<'_>, bounds: &Bounds) -> Result<Tally, Malformed> {
        let mut scan = Scan { bounds, tally: Tally::default(), group: None, due: None };
        for (spec, length) in &self.0 {
            scan.column(*spec, reader.take(*length)?)?;
        }
        scan.values_present()?;
        Ok(scan.tally)
    }
}

/// What the columns of one table may hold.
pub(super) struct Bounds {
    /// What a row is, for errors.
    pub(super) what: &'static str,
    /// Rows of the table.
    pub(super) rows: u64,
    /// Rows of all lists inside rows: predecessors, successors, dependencies.
    pub(super) grouped: u64,
    /// Bytes of values, and of texts times the rows that repeat them.
    pub(super) value_bytes: u64,
    /// Bytes of one text.
    pub(super) text_bytes: u64,
    /// Actors an actor column may point at.
    pub(super) actors: u64,
    /// The delta column that holds times and may therefore be negative.
    pub(super) times: Option<u32>,
    /// The integer column that says what an operation does.
    pub(super) actions: Option<u32>,
}

/// Among actions, the one that takes a value away.
const DELETION: u64 = 3;

/// What the columns of one table hold.
#[derive(Default)]
pub(super) struct Tally {
    /// The longest column's rows: columns of only nulls or only false may be left out.
    pub(super) rows: u64,
    /// The rows whose action is to delete.
    pub(super) deletions: u64,
    /// Bytes of raw values.
    pub(super) raw_bytes: u64,
    /// Bytes of raw values and of texts times the rows that repeat them.
    pub(super) value_bytes: u64,
}

struct Scan<'b> {
    bounds: &'b Bounds,
    tally: Tally,
    /// The identifier of the group being read and the rows its counts add up to.
    group: Option<(u32, u64)>,
    /// The value metadata whose raw column must come next, and its length.
    due: Option<(u32, u64)>,
}

impl Scan<'_> {
    fn column(&mut self, spec: u32, data: &[u8]) -> Result<(), Malformed> {
        let (id, kind) = (spec >> 4, spec & 0b111);
        if kind == 7 {
            return self.raw(spec, data);
        }
        self.values_present()?;
        // A group's own column comes first among those of its identifier, so this also ends one
        // group before the next.
        self.group.take_if(|(group, _)| *group != id);
        let entries = self.group.map(|(_, entries)| entries);
        let (what, limit) = match entries {
            Some(_) => ("list entries", self.bounds.grouped),
            None => (self.bounds.what, self.bounds.rows),
        };
        let rows = match kind {
            0 => self.counts(id, data, what, limit)?,
            1 => {
                let actors = self.bounds.actors;
                integers(data, what, limit, |actor| match actor {
                    Some((actor, _)) if actor >= actors => Err(Malformed::Column { spec, reason: "an actor that is not listed" }),
                    _ => Ok(()),
                })?
            }
            2 => {
                let Self { tally, bounds, .. } = self;
                let actions = bounds.actions == Some(spec);
                integers(data, what, limit, |value| match value {
                    Some((value, _)) if value > MAX_COUNTER => Err(Malformed::Number("integer column")),
                    Some((DELETION, rows)) if actions => {
                        tally.deletions = tally.deletions.saturating_add(rows);
                        Ok(())
                    }
                    _ => Ok(()),
                })?
            }
            3 => deltas(data, what, limit, self.bounds.times == Some(spec))?,
            4 => booleans(data, what, limit)?,
            5 => self.texts(data, what, limit)?,
            _ => self.metadata(spec, data, what, limit)?,
        };
        match entries {
            Some(entries) if rows != entries => {
                Err(Malformed::Column { spec, reason: "other rows than the counts of its group add up to" })
            }
            Some(_) => Ok(()),
            None => {
                self.tally.rows = self.tally.rows.max(rows);
                Ok(())
            }
        }
    }

    fn counts(&mut self, id: u32, data: &[u8], what: &'static str, limit: u64) -> Result<u64, Malformed> {
        let mut entries = 0_u64;
        let grouped = self.bounds.grouped;
        let rows = integers(data, what, limit, |count| {
            if let Some((count, rows)) = count {
                entries = entries.saturating_add(count.saturating_mul(rows));
            }
            within("list entries", entries, grouped)
        })?;
        self.group = Some((id, entries));
        Ok(rows)
    }

    fn texts(&mut self, data: &[u8], what: &'static str, limit: u64) -> Result<u64, Malformed> {
        let Self { tally, bounds, .. } = self;
        runs(
            data,
            what,
            limit,
            |reader| reader.bytes("text length"),
            |text| {
                let Some((text, rows)) = text else {
                    return Ok(());
                };
                if std::str::from_utf8(text).is_err() {
                    return Err(Malformed::Utf8);
                }
                within("text bytes", text.len() as u64, bounds.text_bytes)?;
                let repeated = (text.len() as u64).saturating_mul(rows);
                tally.value_bytes = tally.value_bytes.saturating_add(repeated);
                within("value bytes", tally.value_bytes, bounds.value_bytes)
            },
        )
    }

    fn metadata(&mut self, spec: u32, data: &[u8], what: &'static str, limit: u64) -> Result<u64, Malformed> {
        let mut bytes = 0_u64;
        let rows = integers(data, what, limit, |value| {
            let Some((value, rows)) = value else {
                return Err(Malformed::Column { spec, reason: "a value without a type" });
            };
            let (kind, length) = (value & 0b1111, value >> 4);
            // Null, false, true; unsigned, signed, counter, time; float; text, bytes and types of
            // the future.
            let fits = match kind {
                0..=2 => length == 0,
                3 | 4 | 8 | 9 => (1..=10).contains(&length),
                5 => length == 8,
                _ => true,
            };
            if !fits {
                return Err(Malformed::Column { spec, reason: "a length that the value's type cannot have" });
            }
            bytes = bytes.saturating_add(length.saturating_mul(rows));
            Ok(())
        })?;
        self.due = Some((spec, bytes));
        Ok(rows)
    }

    fn raw(&mut self, spec: u32, data: &[u8]) -> Result<(), Malformed> {
        let length = data.len() as u64;
        if self.due.take().is_none_or(|(of, bytes)| of >> 4 != spec >> 4 || bytes != length) {
            return Err(Malformed::Column { spec, reason: "values of another length than their types say" });
        }
        self.tally.raw_bytes = self.tally.raw_bytes.saturating_add(length);
        self.tally.value_bytes = self.tally.value_bytes.saturating_add(length);
        within("value bytes", self.tally.value_bytes, self.bounds.value_bytes)
    }

    fn values_present(&mut self) -> Result<(), Malformed> {
        match self.due.take() {
            Some((spec, bytes)) if bytes > 0 => Err(Malformed::Column { spec, reason: "types without their values" }),
            _ => Ok(()),
        }
    }
}

/// Visits the runs of a run-length-encoded column: a value and its rows, or `None` for a run of
/// nulls; returns the rows. They are checked before a run's values are read, and every value read
/// takes at least one byte, so the time is linear in the column's length whatever the runs claim.
fn runs<'a, T>(
    data: &'a [u8],
    what: &'static str,
    limit: u64,
    mut value: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
    mut visit: impl FnMut(Option<(T, u64)>) -> Result<(), Malformed>,
) -> Result<u64, Malformed> {
    let mut reader = Reader(data);
    let mut rows = 0_u64;
    while !reader.is_empty() {
        let run = reader.signed("run length")?;
        let count = if run == 0 { reader.unsigned("run length")? } else { run.unsigned_abs() };
        rows = rows.saturating_add(count);
        within(what, rows, limit)?;
        if run > 0 {
            visit(Some((value(&mut reader)?, count)))?;
        } else if run == 0 {
            visit(None)?;
        } else {
            for _ in 0..count {
                visit(Some((value(&mut reader)?, 1)))?;
            }
        }
    }
    Ok(rows)
}

fn integers(
    data: &[u8],
    what: &'static str,
    limit: u64,
    visit: impl FnMut(Option<(u64, u64)>) -> Result<(), Malformed>,
) -> Result<u64, Malformed> {
    runs(data, what, limit, |reader| reader.unsigned("integer column"), visit)
}

/// A run of equal steps moves in one direction, so its first and its last value bound all between.
fn deltas(data: &[u8], what: &'static str, limit: u64, times: bool) -> Result<u64, Malformed> {
    let range = if times { -i128::from(MAX_TIME)..=i128::from(MAX_TIME) } else { 0..=i128::from(MAX_COUNTER) };
    let mut current = 0_i128;
    runs(
        data,
        what,
        limit,
        |reader| reader.signed("delta column"),
        |step| {
            let Some((step, rows)) = step else {
                return Ok(());
            };
            let first = current.saturating_add(i128::from(step));
            current = current.saturating_add(i128::from(step).saturating_mul(i128::from(rows)));
            if range.contains(&first) && range.contains(&current) { Ok(()) } else { Err(Malformed::Number("delta column")) }
        },
    )
}

fn booleans(data: &[u8], what: &'static str, limit: u64) -> Result<u64, Malformed> {
    let mut reader = Reader(data);
    let mut rows = 0_u64;
    while !reader.is_empty() {
        rows = rows.saturating_add(reader.unsigned("run length")?);
        within(what, rows, limit)?;
    }
    Ok(rows)
}
