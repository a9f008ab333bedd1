//! Looks whether what is stored fits together, and makes again what can be made from the rest. Works beside a running
//! server: records are looked at in small portions, each at one moment, and a repair looks again before it writes.

mod record;

use std::fmt;

use roadbook_core::id::RecordId;

use crate::error::Result;
use crate::store::{SqliteStore, Store, View, WorkspaceId};
use crate::sync::{chain_at, next_chain};

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The workspace; `None` for what concerns the whole database.
    pub workspace: Option<WorkspaceId>,
    /// The record; `None` for what is no record's.
    pub record: Option<RecordId>,
    /// What is wrong.
    pub fault: Fault,
    /// What became of it.
    pub repair: Repair,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// SQLite finds the file damaged.
    #[error("the file is damaged: {0}")]
    File(String),
    /// The document names another kind than the one it is stored as.
    #[error("the record is stored as kind {0}, and its document says that it is another")]
    Kind(u16),
    /// The document cannot be opened.
    #[error("the document cannot be opened: {0}")]
    Unreadable(String),
    /// The stored heads are not those of the document.
    #[error("the stored heads are not those of the document")]
    Heads,
    /// The row, its version or the time of the last change are not what the document gives.
    #[error("the row is not what the document gives")]
    Row,
    /// The document lacks a change that was accepted.
    #[error("the document lacks the change at number {0}")]
    Lacks(u64),
    /// A change is not what its hash or its author says.
    #[error("the change at number {0} is not the one that was accepted")]
    Change(u64),
    /// A change belongs to another generation than the record.
    #[error("the change at number {0} is of another generation than the record")]
    Generation(u64),
    /// A change was written by an actor that is not its device's.
    #[error("the author of the change at number {0} is not bound to the device that sent it")]
    Author(u64),
    /// The record does not stand in the feed where its changes say.
    #[error("the record stands in the feed at number {stands}, and its last change has {last}")]
    Place {
        /// Where it stands.
        stands: u64,
        /// The number of its last change.
        last: u64,
    },
    /// A number that the workspace has not given.
    #[error("number {0} was never given")]
    Number(u64),
    /// The running hash is missing, for one number or several in a row.
    #[error("the chain has a gap {}", numbers(*first, *last))]
    Gap {
        /// The first number that lacks it.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The running hash does not follow from the one before and the changes.
    #[error("the chain at number {0} does not follow from its changes")]
    Chain(u64),
    /// Rows that belong to nothing.
    #[error("{what}: {id}")]
    Loose {
        /// What they are.
        what: &'static str,
        /// What they belong to.
        id: RecordId,
    },
    /// Rows of a workspace that is not there.
    #[error("rows in the table {0} are of a workspace that is not there")]
    NoWorkspace(&'static str),
}

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// It was made again from the rest.
    Done,
    /// It can be made again from the rest.
    Possible,
    /// Nothing that is stored says what would be right: a person decides, perhaps with a backup.
    None,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(workspace) = self.workspace {
            write!(f, "workspace {workspace}, ")?;
        }
        if let Some(record) = self.record {
            write!(f, "record {record}, ")?;
        }
        let repair = match self.repair {
            Repair::Done => "repaired",
            Repair::Possible => "--repair makes it again",
            Repair::None => "needs a person",
        };
        write!(f, "{} ({repair})", self.fault)
    }
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Workspaces.
    pub workspaces: usize,
    /// Records.
    pub records: usize,
    /// What does not fit.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether everything fits now.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.repair == Repair::Done)
    }
}

/// Looks at everything; `repair` makes again what is derived: rows, their versions, heads, and a document that cannot be opened
/// while all its changes are there.
///
/// # Errors
/// Those of the store, where not even looking is possible.
pub fn doctor(store: &SqliteStore, repair: bool) -> Result<Report> {
    let mut report = Report::default();
    let whole = |fault, workspace| Finding { workspace, record: None, fault, repair: Repair::None };
    report.findings.extend(store.damage()?.into_iter().map(|what| whole(Fault::File(what), None)));
    let lost = store.lost_workspaces()?;
    report.findings.extend(lost.into_iter().map(|(table, id)| whole(Fault::NoWorkspace(table), Some(id))));
    for workspace in store.workspaces()? {
        let id = workspace.id;
        report.workspaces += 1;
        let mut records = Vec::new();
        store.view(id, &mut |view| {
            let faults = feed(view)?.into_iter();
            report.findings.extend(faults.map(|fault| whole(fault, Some(id))));
            let loose = view.loose_ends()?.into_iter().map(|loose| Fault::Loose { what: loose.what, id: loose.id });
            report.findings.extend(loose.map(|fault| whole(fault, Some(id))));
            view.each_head(&mut |record, _, _| records.push(record))
        })?;
        report.records += records.len();
        for record in records {
            record::look(store, id, record, repair, &mut report.findings)?;
        }
    }
    Ok(report)
}

/// Whether the numbers and the chain of a workspace follow from its changes, as far as they are kept.
fn feed(view: &dyn View) -> Result<Vec<Fault>> {
    let workspace = view.workspace()?;
    let mut faults = Vec::new();
    let mut before = chain_at(view, workspace.kept_from)?;
    let mut next = workspace.kept_from + 1;
    view.each_group(workspace.kept_from, &mut |group| {
        if group.seq > workspace.seq {
            faults.push(Fault::Number(group.seq));
            return Ok(());
        }
        faults.extend(gap(next, group.seq));
        if next != group.seq {
            before = None;
        }
        next = group.seq + 1;
        let Some(chain) = group.chain else {
            faults.extend(gap(group.seq, next));
            before = None;
            return Ok(());
        };
        let all = !group.changes.is_empty() && group.changes.iter().zip(0..).all(|((pos, _), place)| *pos == place);
        let hashes = group.changes.iter().map(|(_, hash)| &hash.0);
        if all && before.is_some_and(|before| next_chain(before, group.seq, hashes) != chain) {
            faults.push(Fault::Chain(group.seq));
        }
        before = Some(chain);
        Ok(())
    })?;
    faults.extend(gap(next, workspace.seq.saturating_add(1)));
    Ok(faults)
}

/// The numbers from `first` up to `end`, without it.
fn gap(first: u64, end: u64) -> Option<Fault> {
    (first < end).then(|| Fault::Gap { first, last: end - 1 })
}

fn numbers(first: u64, last: u64) -> String {
    if first == last { format!("at number {first}") } else { format!("from number {first} to {last}") }
}
