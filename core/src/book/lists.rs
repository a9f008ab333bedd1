//! Lists and search: from query tables only, never opening a document. Pages follow a key, not a number, so that a
//! list does not jump when records come and go.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use super::Book;
use crate::error::{Error, ProblemCode, Result};
use crate::id::{RecordId, UserId};
use crate::record::{Columns, Definition, Kind, RecordRow};
use crate::records::{ContactRow, DealRow, TaskItemRow};
use crate::search::Query;
use crate::value::{LocalDate, Outcome, RecordLink, Stage, TaskStatus};

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<String>,
}

/// Whose records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Those of this device's user; before joining a workspace, those without an owner.
    Me,
    /// Those without an owner.
    Nobody,
    /// Those of a person.
    Person {
        /// The person's id.
        id: UserId,
    },
}

/// Which contacts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContactFilter {
    /// Words or digits to find; empty for all.
    pub text: String,
    /// Whose; `None` for anybody's.
    pub owner: Option<Owner>,
    /// With this tag.
    pub tag: Option<String>,
    /// Deleted ones instead of living ones.
    pub deleted: bool,
}

/// Which deals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DealFilter {
    /// Words to find; empty for all.
    pub text: String,
    /// Whose; `None` for anybody's.
    pub owner: Option<Owner>,
    /// At this stage.
    pub stage: Option<Stage>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// About this record.
    pub about: Option<RecordId>,
    /// Deleted ones instead of living ones.
    pub deleted: bool,
    /// With this tag.
    pub tag: Option<String>,
}

/// Which tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter {
    /// Words to find; empty for all.
    pub text: String,
    /// Whose; `None` for anybody's.
    pub owner: Option<Owner>,
    /// With this status.
    pub status: Option<TaskStatus>,
    /// Due on this day or before.
    pub due_by: Option<LocalDate>,
    /// About this record.
    pub about: Option<RecordId>,
    /// Deleted ones instead of living ones.
    pub deleted: bool,
}

/// The order of contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContactSort {
    /// By name.
    #[default]
    Name,
    /// The last changed first.
    Recent,
}

/// The order of deals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DealSort {
    /// By title.
    #[default]
    Title,
    /// The first to close first; those without a date last.
    CloseDate,
    /// The last changed first.
    Recent,
}

/// The order of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskSort {
    /// The first due first; those without a date last.
    #[default]
    Due,
    /// By title.
    Title,
    /// The last changed first.
    Recent,
}

/// A record that search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The record.
    pub record: RecordLink,
    /// What it is called.
    pub headline: String,
}

/// The most rows of a page.
pub const MAX_PAGE: u32 = 1000;
/// An instant's or date's text after every date.
const NO_DATE: &str = "9999";

impl Book {
    /// Contacts, a page at a time; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an `after` of another list.
    pub fn contacts(
        &self,
        filter: &ContactFilter,
        sort: ContactSort,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<ContactRow>> {
        let order = match sort {
            ContactSort::Name => "t.sort",
            ContactSort::Recent => "-d.changed_ms",
        };
        self.list(order, after, limit, |list| {
            list.common(&filter.text, filter.deleted);
            list.owner(filter.owner.as_ref())?;
            list.tag(filter.tag.as_deref());
            Ok(())
        })
    }

    /// Deals, a page at a time; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an `after` of another list.
    pub fn deals(&self, filter: &DealFilter, sort: DealSort, after: Option<&str>, limit: u32) -> Result<Page<DealRow>> {
        let order = match sort {
            DealSort::Title => "t.sort".to_owned(),
            DealSort::CloseDate => format!("coalesce(t.close_date, '{NO_DATE}')"),
            DealSort::Recent => "-d.changed_ms".to_owned(),
        };
        self.list(&order, after, limit, |list| {
            list.common(&filter.text, filter.deleted);
            list.owner(filter.owner.as_ref())?;
            list.about(filter.about);
            list.tag(filter.tag.as_deref());
            if let Some(stage) = &filter.stage {
                list.and("t.stage = ?", [Sql::Text(stage.code().to_owned())]);
            }
            if let Some(outcome) = &filter.outcome {
                list.and("t.outcome = ?", [Sql::Text(outcome.code().to_owned())]);
            }
            Ok(())
        })
    }

    /// Tasks, a page at a time; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an `after` of another list.
    pub fn tasks(&self, filter: &TaskFilter, sort: TaskSort, after: Option<&str>, limit: u32) -> Result<Page<TaskItemRow>> {
        let order = match sort {
            TaskSort::Due => format!("coalesce(t.due, '{NO_DATE}')"),
            TaskSort::Title => "t.sort".to_owned(),
            TaskSort::Recent => "-d.changed_ms".to_owned(),
        };
        self.list(&order, after, limit, |list| {
            list.common(&filter.text, filter.deleted);
            list.owner(filter.owner.as_ref())?;
            list.about(filter.about);
            if let Some(status) = &filter.status {
                list.and("t.status = ?", [Sql::Text(status.code().to_owned())]);
            }
            if let Some(day) = filter.due_by {
                // A plan's text begins with its day, so every time of that day sorts before the next one.
                list.and("substr(t.due, 1, 10) <= ?", [Sql::Text(day.to_string())]);
            }
            Ok(())
        })
    }

    fn list<R: RecordRow>(
        &self,
        order: &str,
        after: Option<&str>,
        limit: u32,
        filter: impl FnOnce(&mut List<'_>) -> Result<()>,
    ) -> Result<Page<R>> {
        self.read(|conn| {
            let mut list = List::new(conn, R::DEFINITION);
            filter(&mut list)?;
            list.page(order, after, limit.clamp(1, MAX_PAGE))
        })
    }

    /// Records of any kind that a text finds: words by their beginnings, in any script; a number anywhere in a number. Where there
    /// are more than `limit`, each kind gets an equal part, so that many contacts hide no deal.
    ///
    /// # Errors
    /// Those of the store.
    pub fn search(&self, text: &str, limit: u32) -> Result<Vec<Found>> {
        self.read(|conn| {
            let mut found = Vec::new();
            for kind in Kind::ALL {
                let mut list = List::new(conn, kind.definition());
                if !list.common(text, false) {
                    return Ok(Vec::new());
                }
                found.push(list.headlines(limit.clamp(1, MAX_PAGE + 1))?);
            }
            Ok(share(found, limit as usize))
        })
    }
}

/// At most `limit` of all lists, in their order: equal parts, and what a short list leaves goes to the longer ones.
fn share<T>(mut lists: Vec<Vec<T>>, limit: usize) -> Vec<T> {
    let mut shortest_first: Vec<&mut Vec<T>> = lists.iter_mut().collect();
    shortest_first.sort_by_key(|list| list.len());
    let (mut left, mut parts) = (limit, shortest_first.len());
    for list in shortest_first {
        list.truncate(left.div_ceil(parts));
        left -= list.len();
        parts -= 1;
    }
    lists.into_iter().flatten().collect()
}

/// What a record is called by its row, which is there also while its document cannot be opened; `None` where it has none.
pub(super) fn row_headline(conn: &Connection, kind: Kind, id: RecordId) -> Result<Option<String>> {
    let mut list = List::new(conn, kind.definition());
    list.and("d.id = ?", [Sql::Blob(id.as_bytes().to_vec())]);
    Ok(list.headlines(1)?.pop().map(|found| found.headline))
}

/// A query over one kind's table in the making.
struct List<'c> {
    conn: &'c Connection,
    definition: &'static Definition,
    conditions: Vec<String>,
    bound: Vec<Sql>,
}

impl<'c> List<'c> {
    fn new(conn: &'c Connection, definition: &'static Definition) -> Self {
        Self { conn, definition, conditions: Vec::new(), bound: Vec::new() }
    }

    fn and<const N: usize>(&mut self, condition: &str, bound: [Sql; N]) {
        self.conditions.push(condition.to_owned());
        self.bound.extend(bound);
    }

    /// Living or deleted, and text. Returns whether the text asked for anything.
    fn common(&mut self, text: &str, deleted: bool) -> bool {
        self.and(if deleted { "t.deleted_ms IS NOT NULL" } else { "t.deleted_ms IS NULL" }, []);
        let Query { words, digits } = Query::parse(text);
        match (words, digits) {
            (Some(words), None) => self.and("t.n IN (SELECT rowid FROM search WHERE search MATCH ?)", [Sql::Text(words)]),
            (Some(words), Some(digits)) => self.and(
                "t.n IN (SELECT rowid FROM search WHERE search MATCH ? UNION SELECT rowid FROM phone WHERE phone MATCH ?)",
                [Sql::Text(words), Sql::Text(digits)],
            ),
            (None, Some(digits)) => self.and("t.n IN (SELECT rowid FROM phone WHERE phone MATCH ?)", [Sql::Text(digits)]),
            // A text of which nothing can be searched finds nothing, rather than everything.
            (None, None) if !text.trim().is_empty() => self.and("0", []),
            (None, None) => return false,
        }
        true
    }

    fn owner(&mut self, owner: Option<&Owner>) -> Result<()> {
        let person = match owner {
            None => return Ok(()),
            Some(Owner::Person { id }) => Some(*id),
            Some(Owner::Nobody) => None,
            Some(Owner::Me) => super::account::Account::load(self.conn)?.map(|account| UserId(account.person)),
        };
        match person {
            Some(person) => self.and("t.owner = ?", [Sql::Text(person.to_string())]),
            None => self.and("t.owner IS NULL", []),
        }
        Ok(())
    }

    fn about(&mut self, record: Option<RecordId>) {
        if let Some(id) = record {
            self.and("t.n IN (SELECT n FROM link WHERE target = ?)", [Sql::Blob(id.as_bytes().to_vec())]);
        }
    }

    fn tag(&mut self, tag: Option<&str>) {
        if let Some(tag) = tag {
            self.and("EXISTS (SELECT 1 FROM json_each(t.tags) WHERE json_each.value = ?)", [Sql::Text(tag.to_owned())]);
        }
    }

    fn page<R: RecordRow>(mut self, order: &str, after: Option<&str>, limit: u32) -> Result<Page<R>> {
        if let Some(after) = after {
            let (key, n) = read_token(after).ok_or_else(|| Error::invalid("after", ProblemCode::Format))?;
            self.and(&format!("({order}, t.n) > (?, ?)"), [key, Sql::Integer(n)]);
        }
        let columns: Vec<String> = self.definition.columns().map(|column| format!("t.{column}")).collect();
        let sql = format!(
            "SELECT t.n, {order}, d.id, {} FROM {} t JOIN doc d ON d.n = t.n WHERE {} ORDER BY {order}, t.n LIMIT {}",
            columns.join(", "),
            self.definition.table,
            self.conditions.join(" AND "),
            limit + 1
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(self.bound))?;
        let mut page = Page { items: Vec::new(), next: None };
        let mut last = None;
        while let Some(row) = rows.next()? {
            if page.items.len() == limit as usize {
                page.next = last.map(|(key, n)| write_token(&key, n));
                break;
            }
            let id: Vec<u8> = row.get(2)?;
            last = Some((row.get::<_, Sql>(1)?, row.get::<_, i64>(0)?));
            page.items.push(R::read(RecordId::from_slice(&id).unwrap_or_default(), &mut Columns::new(row, 3))?);
        }
        Ok(page)
    }

    fn headlines(self, limit: u32) -> Result<Vec<Found>> {
        let kind = self.definition.kind;
        let found = |id: RecordId, headline: String| Found { record: RecordLink { kind, id }, headline };
        Ok(match kind {
            Kind::Contact => self
                .page::<ContactRow>("t.sort", None, limit)?
                .items
                .into_iter()
                .map(|row| found(row.id.0, contact_headline(&row)))
                .collect(),
            Kind::Deal => {
                self.page::<DealRow>("t.sort", None, limit)?.items.into_iter().map(|row| found(row.id.0, row.title)).collect()
            }
            Kind::Task => {
                self.page::<TaskItemRow>("t.sort", None, limit)?.items.into_iter().map(|row| found(row.id.0, row.title)).collect()
            }
            Kind::Unknown => Vec::new(),
        })
    }
}

/// What a contact is called in a list.
pub fn contact_headline(row: &ContactRow) -> String {
    let contact = <crate::records::Contact as crate::record::Record>::from_row(row.clone());
    crate::records::contact::full_name(&contact)
}

fn write_token(key: &Sql, n: i64) -> String {
    let key = match key {
        Sql::Integer(number) => serde_json::json!(number),
        Sql::Text(text) => serde_json::json!(text),
        _ => serde_json::Value::Null,
    };
    data_encoding::BASE64URL_NOPAD.encode(serde_json::json!([key, n]).to_string().as_bytes())
}

fn read_token(token: &str) -> Option<(Sql, i64)> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    let (key, n): (serde_json::Value, i64) = serde_json::from_slice(&bytes).ok()?;
    let key = match key {
        serde_json::Value::Number(number) => Sql::Integer(number.as_i64()?),
        serde_json::Value::String(text) => Sql::Text(text),
        _ => return None,
    };
    Some((key, n))
}
