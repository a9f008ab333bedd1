//! Errors of the core: each variant is a cause, with what a person can do about it in its text. The bindings map them
//! to the few decisions that an app can take. No text holds data of a record.

use std::fmt;

use crate::id::RecordId;
use crate::record::Kind;

/// The result of a call into the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemCode {
    /// It may not be empty.
    Required,
    /// It has more characters than allowed.
    TooLong {
        /// The most it may have.
        max: u32,
    },
    /// It has more members or entries than allowed.
    TooMany {
        /// The most it may have.
        max: u32,
    },
    /// It does not have the form of its type.
    Format,
    /// The currency is not in ISO 4217.
    UnknownCurrency,
    /// A contact needs a name, a firm, or a way to reach it.
    NameOrChannel,
    /// With it the record, or the change, would hold more than one may.
    NoRoom,
    /// It was decided, or changed, since it was shown.
    Gone,
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("may not be empty"),
            Self::TooLong { max } => write!(f, "may have at most {max} characters"),
            Self::TooMany { max } => write!(f, "may have at most {max} entries"),
            Self::Format => f.write_str("does not have the right form"),
            Self::UnknownCurrency => f.write_str("has an unknown currency"),
            Self::NameOrChannel => f.write_str("or another name, a firm or a channel is needed"),
            Self::NoRoom => f.write_str("is more than fits; write less at once, or begin a new record"),
            Self::Gone => f.write_str("is not as it was shown any more; look at it again"),
        }
    }
}

/// One thing that is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field, as in [`crate::record::FieldId`].
    pub field: String,
    /// What is wrong.
    pub code: ProblemCode,
}

impl Problem {
    /// A problem of a field.
    pub fn new(field: &str, code: ProblemCode) -> Self {
        Self { field: field.to_owned(), code }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The member of a set is what somebody typed, and the entry of a list says nothing to people.
        let field = self.field.split_once('/').map_or(self.field.as_str(), |(field, _)| field);
        write!(f, "{field} {}", self.code)
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such record on this device.
    #[error("there is no {kind} with the id {id} on this device")]
    NotFound {
        /// The kind asked for.
        kind: &'static str,
        /// The id asked for.
        id: String,
    },
    /// The input is wrong; all problems, not only the first.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
    /// The person's role does not allow it.
    #[error("your role does not allow this; ask a manager or an administrator")]
    NotAllowed,
    /// The record was read at a version that this store does not have: read it again.
    #[error("this form belongs to a version of the record that this device does not have; open the record again")]
    UnknownVersion,
    /// The text is not a version.
    #[error("the version of the form cannot be read; open the record again")]
    BadVersion,
    /// The folder holds no book.
    #[error("there is no book in this folder; create one or join a workspace first")]
    NoBook,
    /// The folder already holds a book.
    #[error("this folder already holds a book")]
    BookExists,
    /// The key opens no page of the store.
    #[error("the key does not open this store")]
    WrongKey,
    /// The store is damaged.
    #[error("the store is damaged ({0}); run the repair, and do not delete it")]
    Corrupt(String),
    /// The book was shut down.
    #[error("the book is closed")]
    Closed,
    /// Another process holds what this call needs.
    #[error("another process is using the book for this; try again")]
    Busy,
    /// A newer release wrote the store.
    #[error("a newer release of the app wrote this store (version {found}, this one knows {supported}); update the app")]
    UpgradeNeeded {
        /// The store's schema version.
        found: u32,
        /// The newest that this release knows.
        supported: u32,
    },
    /// No room on the disk.
    #[error("there is no room left on the device; this change was not made")]
    NoSpace,
    /// The folder cannot be written.
    #[error("the folder of the book cannot be written; this change was not made")]
    ReadOnly,
    /// The record's document cannot be read; it is shown as it was, and can be read again from the server.
    #[error("the record {0} cannot be opened; it is read-only until it was fetched again")]
    Unreadable(RecordId),
    /// The action cannot be undone.
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// The invitation is of another workspace than the one that the book's records belong to.
    #[error("this book belongs to another workspace; join this one with a new store, so that no record goes to the wrong firm")]
    OtherWorkspace,
    /// A server's answer is not one of the protocol.
    #[error("the answer is not from a Roadbook server: {0}")]
    Protocol(String),
    /// Reading or writing a file failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
    /// SQLite failed in a way that is none of the above.
    #[error("the store failed: {0}")]
    Sqlite(rusqlite::Error),
    /// A call was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A rule of the code itself was broken.
    #[error("internal error: {0}")]
    Internal(String),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// An error of one field.
    pub fn invalid(field: &str, code: ProblemCode) -> Self {
        Self::Invalid(vec![Problem::new(field, code)])
    }

    /// A record that is not there.
    pub fn not_found(kind: Kind, id: impl fmt::Display) -> Self {
        Self::NotFound { kind: kind.name(), id: id.to_string() }
    }

    /// What this release wrote itself and its own gate would refuse: too large, which the user hears of, or a defect.
    pub(crate) fn own_gate(field: &str, fault: crate::gate::Malformed) -> Self {
        match fault {
            crate::gate::Malformed::TooLarge { .. } => Self::invalid(field, ProblemCode::NoRoom),
            other => Self::Internal(format!("what this release wrote does not pass its own gate: {other}")),
        }
    }

    /// A file operation that failed.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::NoSpace,
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Io { what: what.into(), source },
        }
    }
}

/// Whether SQLite failed because there is no room: it says so itself, or could not lengthen the index of its log, for which
/// it has another name.
pub fn is_disk_full(error: &rusqlite::Error) -> bool {
    let lengthening = |failure: &rusqlite::ffi::Error| failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) || error.sqlite_error().is_some_and(lengthening)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            _ if is_disk_full(&error) => Self::NoSpace,
            // Of a file that a key has opened; before, the opening tells which of the two is wrong.
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Corrupt("SQLite found a broken page".into()),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::OperationInterrupted) => Self::Cancelled,
            Some(ErrorCode::CannotOpen) => Self::ReadOnly,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<automerge::AutomergeError> for Error {
    fn from(error: automerge::AutomergeError) -> Self {
        Self::Internal(format!("document: {error}"))
    }
}

impl From<crate::id::NotAnId> for Error {
    fn from(error: crate::id::NotAnId) -> Self {
        let _ = error;
        Self::invalid("id", ProblemCode::Format)
    }
}
