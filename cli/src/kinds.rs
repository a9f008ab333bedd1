//! The three kinds of record on the command line: how `add` reads a name, which filters `list` has, what its table shows.

use clap::Args;
use roadbook_core::Book;
use roadbook_core::book::{ContactFilter, ContactSort, DealFilter, DealSort, Owner, Page, TaskFilter, TaskSort};
use roadbook_core::id::RecordId;
use roadbook_core::record::Record;
use roadbook_core::records::{Contact, ContactRow, Deal, DealRow, TaskItem, TaskItemRow};
use roadbook_core::value::{ChannelKind, Due, LocalDate, Outcome as DealOutcome, Stage, TaskStatus};

use crate::failure::{Failure, FieldProblem, Outcome};
use crate::table::{Column, cut, whole};

/// What every list filters by.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Words by their beginnings, in any script, or digits of a phone number
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub text: String,
    /// Only records that I look after
    #[arg(long)]
    pub mine: bool,
    /// Deleted records instead of living ones
    #[arg(long)]
    pub deleted: bool,
}

impl Common {
    fn owner(&self) -> Option<Owner> {
        self.mine.then_some(Owner::Me)
    }
}

/// A record type on the command line.
pub(crate) trait Listed: Record + Sized {
    /// The filters of its own.
    type Filter: Args;
    /// The columns of its table.
    const COLUMNS: &'static [Column];

    /// A new record with the name that `add` was given.
    fn named(id: RecordId, name: &str) -> Self;
    /// A page of the list.
    fn page(book: &Book, common: &Common, filter: &Self::Filter, after: Option<&str>, limit: u32) -> Outcome<Page<Self::Row>>;
    /// A row of the table.
    fn cells(row: &Self::Row) -> Vec<String>;

    /// Codes of the filter that this release does not know, each with those it knows. They are no error, because another
    /// release may have written records with them.
    fn unknown(_filter: &Self::Filter) -> Vec<(String, &'static [&'static str])> {
        Vec::new()
    }
}

fn unless_known<'c>(typed: Option<&String>, known: &'c [&'static str]) -> Option<(String, &'c [&'static str])> {
    let typed = typed?;
    (!known.contains(&typed.to_lowercase().as_str())).then(|| (typed.clone(), known))
}

#[derive(Debug, Args)]
pub(crate) struct ContactArgs {
    /// With this tag
    #[arg(long)]
    tag: Option<String>,
    /// The last changed first, instead of by name
    #[arg(long)]
    recent: bool,
}

impl Listed for Contact {
    type Filter = ContactArgs;
    const COLUMNS: &'static [Column] = &[whole("id"), cut("name"), cut("firm"), cut("phone"), cut("e-mail"), cut("tags")];

    fn named(id: RecordId, name: &str) -> Self {
        // The last word is the family name, as on most cards; one word alone is what people call each other by.
        let name = name.trim();
        let (given, family) = name.rsplit_once(char::is_whitespace).unwrap_or((name, ""));
        Self { id: id.into(), given_name: given.trim_end().to_owned(), family_name: family.to_owned(), ..Self::default() }
    }

    fn page(book: &Book, common: &Common, filter: &ContactArgs, after: Option<&str>, limit: u32) -> Outcome<Page<ContactRow>> {
        let sort = if filter.recent { ContactSort::Recent } else { ContactSort::Name };
        let filter =
            ContactFilter { text: common.text.clone(), owner: common.owner(), tag: filter.tag.clone(), deleted: common.deleted };
        Ok(book.contacts(&filter, sort, after, limit)?)
    }

    fn cells(row: &ContactRow) -> Vec<String> {
        let first = |kind: ChannelKind| {
            let mut channels: Vec<_> = row.channels.iter().filter(|channel| channel.kind == kind).collect();
            channels.sort_by_key(|channel| !channel.preferred);
            channels.first().map(|channel| channel.value.clone()).unwrap_or_default()
        };
        vec![
            row.id.to_string(),
            roadbook_core::records::contact::full_name(&Self::from_row(row.clone())),
            row.organization.clone(),
            first(ChannelKind::Phone),
            first(ChannelKind::Email),
            row.tags.join(", "),
        ]
    }
}

#[derive(Debug, Args)]
pub(crate) struct DealArgs {
    /// At this stage
    #[arg(long)]
    stage: Option<String>,
    /// With this outcome: open, won, lost
    #[arg(long)]
    outcome: Option<String>,
    /// About this contact
    #[arg(long, value_name = "ID")]
    about: Option<RecordId>,
    /// With this tag
    #[arg(long)]
    tag: Option<String>,
    /// The order: title, close-date, recent
    #[arg(long, default_value = "title", value_parser = ["title", "close-date", "recent"])]
    sort: String,
}

fn parsed<T: std::str::FromStr<Err = std::convert::Infallible>>(code: Option<&String>) -> Option<T> {
    code.map(|code| {
        let Ok(code) = code.to_lowercase().parse();
        code
    })
}

impl Listed for Deal {
    type Filter = DealArgs;
    const COLUMNS: &'static [Column] =
        &[whole("id"), cut("title"), whole("value"), whole("stage"), whole("closes"), cut("firm"), cut("tags")];

    fn named(id: RecordId, title: &str) -> Self {
        Self { id: id.into(), title: title.trim().to_owned(), ..Self::default() }
    }

    fn page(book: &Book, common: &Common, args: &DealArgs, after: Option<&str>, limit: u32) -> Outcome<Page<DealRow>> {
        let sort = match args.sort.as_str() {
            "close-date" => DealSort::CloseDate,
            "recent" => DealSort::Recent,
            _ => DealSort::Title,
        };
        let filter = DealFilter {
            text: common.text.clone(),
            owner: common.owner(),
            stage: parsed::<Stage>(args.stage.as_ref()),
            outcome: parsed::<DealOutcome>(args.outcome.as_ref()),
            about: args.about,
            deleted: common.deleted,
            tag: args.tag.clone(),
        };
        Ok(book.deals(&filter, sort, after, limit)?)
    }

    fn cells(row: &DealRow) -> Vec<String> {
        let place = match row.position.outcome {
            DealOutcome::Open => row.position.stage.to_string(),
            ref outcome => outcome.to_string(),
        };
        vec![
            row.id.to_string(),
            row.title.clone(),
            row.value.as_ref().map(roadbook_core::value::Money::to_text).unwrap_or_default(),
            place,
            row.close_date.map(|date| date.to_string()).unwrap_or_default(),
            row.organization.clone(),
            row.tags.join(", "),
        ]
    }

    fn unknown(filter: &DealArgs) -> Vec<(String, &'static [&'static str])> {
        let stage = unless_known(filter.stage.as_ref(), Stage::CODES);
        stage.into_iter().chain(unless_known(filter.outcome.as_ref(), DealOutcome::CODES)).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct TaskArgs {
    /// With this status: open, waiting, done, cancelled
    #[arg(long)]
    status: Option<String>,
    /// Due on this day or before
    #[arg(long, value_name = "DATE")]
    due_by: Option<String>,
    /// About this record
    #[arg(long, value_name = "ID")]
    about: Option<RecordId>,
    /// The order: due, title, recent
    #[arg(long, default_value = "due", value_parser = ["due", "title", "recent"])]
    sort: String,
}

impl Listed for TaskItem {
    type Filter = TaskArgs;
    const COLUMNS: &'static [Column] = &[whole("id"), cut("title"), whole("due"), whole("status"), whole("priority")];

    fn named(id: RecordId, title: &str) -> Self {
        Self { id: id.into(), title: title.trim().to_owned(), ..Self::default() }
    }

    fn page(book: &Book, common: &Common, args: &TaskArgs, after: Option<&str>, limit: u32) -> Outcome<Page<TaskItemRow>> {
        let day = |text: &String| {
            text.parse::<LocalDate>().map_err(|error| Failure::invalid(vec![FieldProblem::format("due_by", error.to_string())]))
        };
        let sort = match args.sort.as_str() {
            "title" => TaskSort::Title,
            "recent" => TaskSort::Recent,
            _ => TaskSort::Due,
        };
        let filter = TaskFilter {
            text: common.text.clone(),
            owner: common.owner(),
            status: parsed::<TaskStatus>(args.status.as_ref()),
            due_by: args.due_by.as_ref().map(day).transpose()?,
            about: args.about,
            deleted: common.deleted,
        };
        Ok(book.tasks(&filter, sort, after, limit)?)
    }

    fn cells(row: &TaskItemRow) -> Vec<String> {
        let due = match &row.due {
            Some(Due::Plan { plan }) => format!("{} {}", plan.local.format("%Y-%m-%d %H:%M"), plan.zone),
            Some(due) => due.to_string(),
            None => String::new(),
        };
        vec![row.id.to_string(), row.title.clone(), due, row.status.to_string(), row.priority.to_string()]
    }

    fn unknown(filter: &TaskArgs) -> Vec<(String, &'static [&'static str])> {
        unless_known(filter.status.as_ref(), TaskStatus::CODES).into_iter().collect()
    }
}
