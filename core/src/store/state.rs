//! The states of documents and of own edits, with the codes that stand in the store.

use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// An enumeration whose codes stand in a column. A code is bound as a parameter, or written into a statement where an
/// index over the state is to serve it: SQLite must see the number for that.
macro_rules! stored_states {
    ($($(#[$doc:meta])* $name:ident { $( $(#[$state_doc:meta])* $state:ident = $code:literal, )+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $( $(#[$state_doc])* $state, )+
        }

        impl $name {
            const fn code(self) -> i64 {
                match self {
                    $( Self::$state => $code, )+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.code().fmt(f)
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.code().into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                match value.as_i64()? {
                    $( $code => Ok(Self::$state), )+
                    other => Err(FromSqlError::OutOfRange(other)),
                }
            }
        }
    )+};
}

stored_states! {
    /// How far a stored document is known to be good.
    DocState {
        /// It was opened, and its row is equal to it.
        Verified = 0,
        /// From the server, shown by the row that came with it, not opened yet.
        Unverified = 1,
        /// It cannot be opened: the row is read-only until the document was fetched again.
        Unreadable = 2,
    }

    /// What became of an own edit that the server has not taken.
    OutboxState {
        /// It waits to be sent, or for its verdict.
        Waiting = 0,
        /// The server refused it, and its user has not decided.
        Refused = 1,
        /// No question to the user: its bytes stay while refused edits of the record wait that were written on them. Its user has
        /// decided about it, or others wrote it.
        Settled = 2,
    }
}
