//! The one error that crosses: each variant is a decision that an app can take.

use roadbook_core::{Error, Problem};

/// Why a call failed, as a decision that an app can take. No text holds data of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[uniffi::export(Debug, Display)]
pub enum BookError {
    /// There is no such record on this device: leave its page.
    #[error("there is no {kind} {id} on this device")]
    NotFound {
        /// The kind asked for.
        kind: String,
        /// The id asked for.
        id: String,
    },
    /// The input is wrong: mark the fields; all problems, not only the first.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// The form was read at a version that this device does not have: read the record again.
    #[error("the form is of a version that this device does not have")]
    StaleForm,
    /// The folder holds no book: create one or join a workspace.
    #[error("there is no book in this folder")]
    NoBook,
    /// The folder holds a book already: open it.
    #[error("this folder already holds a book")]
    BookExists,
    /// The device is locked and its key cannot be read: try again after it was unlocked. Thrown by key vaults.
    #[error("the key cannot be read while the device is locked")]
    KeyUnavailable,
    /// The key is gone for ever: the store cannot be opened; never show an empty book. Thrown by key vaults.
    #[error("the key of the book is gone")]
    KeyLost,
    /// The key does not open this store.
    #[error("the key does not open this store")]
    WrongKey,
    /// The store is damaged: offer the repair, and do not delete it.
    #[error("the store is damaged: {detail}")]
    Corrupt {
        /// What was found.
        detail: String,
    },
    /// The book was shut down: open it again.
    #[error("the book is closed")]
    Closed,
    /// Another process is doing this: try again.
    #[error("another process is using the book for this")]
    Busy,
    /// A newer app wrote the store: update the app.
    #[error("the store has version {found}, this app knows {supported}")]
    UpgradeNeeded {
        /// The store's version.
        found: u32,
        /// The newest that this app knows.
        supported: u32,
    },
    /// No room on the device; the call changed nothing. An import keeps the batches that it had taken.
    #[error("there is no room left on the device")]
    NoSpace,
    /// The folder cannot be written; the call changed nothing. An import keeps the batches that it had taken.
    #[error("the folder of the book cannot be written")]
    ReadOnly,
    /// The record cannot be opened and is fetched again with the next sync: show its row, read-only.
    #[error("the record {id} cannot be opened")]
    Unreadable {
        /// The record.
        id: String,
    },
    /// There is no action to undo.
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// The invitation is of another workspace than the book's: join with a new book.
    #[error("this book belongs to another workspace")]
    OtherWorkspace,
    /// The person's role does not allow it: say so.
    #[error("the role does not allow this")]
    NotAllowed,
    /// The call was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A file could not be read or written.
    #[error("{what}")]
    File {
        /// What was tried, and the system's reason.
        what: String,
    },
    /// A fault of the core: report it.
    #[error("internal error: {detail}")]
    Internal {
        /// For the report.
        detail: String,
    },
}

impl From<Error> for BookError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { kind, id } => Self::NotFound { kind: kind.to_owned(), id },
            Error::Invalid(problems) => Self::Invalid { problems },
            Error::UnknownVersion | Error::BadVersion => Self::StaleForm,
            Error::NoBook => Self::NoBook,
            Error::BookExists => Self::BookExists,
            Error::WrongKey => Self::WrongKey,
            Error::Corrupt(detail) => Self::Corrupt { detail },
            Error::Closed => Self::Closed,
            Error::Busy => Self::Busy,
            Error::UpgradeNeeded { found, supported } => Self::UpgradeNeeded { found, supported },
            Error::NoSpace => Self::NoSpace,
            Error::ReadOnly => Self::ReadOnly,
            Error::Unreadable(id) => Self::Unreadable { id: id.to_string() },
            Error::NothingToUndo => Self::NothingToUndo,
            Error::OtherWorkspace => Self::OtherWorkspace,
            Error::NotAllowed => Self::NotAllowed,
            Error::Cancelled => Self::Cancelled,
            Error::Io { what, source } => Self::File { what: format!("{what}: {source}") },
            Error::Protocol(detail) => Self::Internal { detail },
            Error::Sqlite(error) => Self::Internal { detail: error.to_string() },
            Error::Internal(detail) => Self::Internal { detail },
        }
    }
}

impl From<uniffi::UnexpectedUniFFICallbackError> for BookError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Internal { detail: error.reason }
    }
}

/// A text that is no id, from an app.
impl From<roadbook_core::id::NotAnId> for BookError {
    fn from(error: roadbook_core::id::NotAnId) -> Self {
        Error::from(error).into()
    }
}
