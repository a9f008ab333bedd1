//! Observers, progress and the log: what the core calls in the app.

use std::sync::Arc;

use roadbook_core::book as core;
use roadbook_core::record::Kind;
use roadbook_core::value::RecordLink;

use crate::error::BookError;

/// What changed in one commit.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ChangeNotice {
    /// The kinds of the records that changed.
    pub kinds: Vec<Kind>,
    /// The records; none for many: read again what is shown.
    pub records: Option<Vec<RecordLink>>,
}

/// Told about changes after each commit, on the thread that made them. It may call the book.
#[uniffi::export(foreign)]
pub trait ChangeObserver: Send + Sync {
    /// Records changed.
    fn changed(&self, notice: ChangeNotice);
}

/// Asked after every batch of a long call.
#[uniffi::export(foreign)]
pub trait ProgressObserver: Send + Sync {
    /// How far it is; `false` stops the call, and what was done stays.
    fn progressed(&self, bytes: u64, cards: u64) -> bool;
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is odd.
    Warning,
    /// Worth knowing.
    Info,
}

/// Takes what the core reports of itself: today the places of its own faults. No line holds data of a record.
#[uniffi::export(foreign)]
pub trait LogSink: Send + Sync {
    /// A line of the log. An error, or an exception of another kind, loses the line and nothing else.
    fn log(&self, level: LogLevel, line: String) -> Result<(), BookError>;
}

/// Reports the place of every fault of the core to the app, for its crash reports.
#[uniffi::export]
pub fn install_log_sink(sink: Arc<dyn LogSink>) {
    std::panic::set_hook(Box::new(move |panic| {
        // The place only: the message of a panic may hold data.
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        // There is nowhere to report that the log failed, and a panic here would end the whole app.
        let _ = sink.log(LogLevel::Error, format!("a fault of the core at {place}"));
    }));
}

/// A subscription: cancelling or dropping it ends it.
#[derive(uniffi::Object)]
pub struct Watch(pub(crate) Arc<core::Watch>);

#[uniffi::export]
impl Watch {
    /// Ends the subscription; again does nothing.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

pub(crate) struct Adapter(pub Arc<dyn ChangeObserver>);

impl core::Watcher for Adapter {
    fn changed(&self, notice: &core::Notice) {
        let link = |(kind, id): &(Kind, _)| RecordLink { kind: *kind, id: *id };
        self.0.changed(ChangeNotice {
            kinds: notice.kinds.iter().copied().collect(),
            records: notice.records.as_ref().map(|records| records.iter().map(link).collect()),
        });
    }
}
