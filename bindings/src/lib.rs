//! The surface that Kotlin and Swift see: one namespace, no logic. Records are repeated from the core's definitions,
//! checked by the compiler; every method is one call into the core.
//!
//! All functions block; the Kotlin and Swift packages call them on a thread of their own. Observers are called after
//! the commit, with no lock held, on the thread that wrote.

mod book;
mod error;
mod observe;
mod session;
mod types;

pub use book::{BlockingBook, ContactPage, ContactSheet, DealPage, DealSheet, Edit, EditsApplied, TaskPage, TaskSheet, Vault};
pub use error::BookError;
pub use observe::{ChangeNotice, ChangeObserver, LogLevel, LogSink, ProgressObserver, Watch, install_log_sink};
pub use session::{HttpRequest, SyncEnd, SyncSession, SyncStep};

uniffi::setup_scaffolding!("roadbook");

// The simulator's build of the core keeps its stores in plain text; nothing that people use may be made of it.
const _: () = assert!(roadbook_core::fault::CIPHERED, "the core was built with its feature `planted`");
