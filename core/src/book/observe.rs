//! Observers: one merged notice for each commit, sent after it with no lock held.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};

use super::{Book, lock};
use crate::id::RecordId;
use crate::record::Kind;

/// Above this many records a notice says "many".
const MANY: usize = 256;

/// What changed in one commit, or in several of another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The kinds of the records that changed.
    pub kinds: BTreeSet<Kind>,
    /// The records; `None` for many: read again what is shown.
    pub records: Option<BTreeSet<(Kind, RecordId)>>,
}

/// Told about changes, on the thread that made them. It may call the book.
pub trait Watcher: Send + Sync {
    /// Records changed.
    fn changed(&self, notice: &Notice);
}

/// A subscription: dropping or cancelling it ends it.
pub struct Watch {
    watcher: Mutex<Option<Arc<dyn Watcher>>>,
}

impl Watch {
    /// Ends the subscription; again does nothing.
    pub fn cancel(&self) {
        lock(&self.watcher).take();
    }
}

#[derive(Default)]
pub(super) struct Watchers(Mutex<Vec<Weak<Watch>>>);

impl Watchers {
    pub fn tell(&self, changed: &[(Kind, RecordId)]) {
        if changed.is_empty() {
            return;
        }
        let records: BTreeSet<_> = changed.iter().copied().collect();
        let kinds = records.iter().map(|(kind, _)| *kind).collect();
        self.send(&Notice { kinds, records: (records.len() <= MANY).then_some(records) });
    }

    pub fn tell_many(&self) {
        self.send(&Notice { kinds: Kind::ALL.into_iter().collect(), records: None });
    }

    fn send(&self, notice: &Notice) {
        let watches: Vec<Arc<Watch>> = {
            let mut list = lock(&self.0);
            list.retain(|watch| watch.strong_count() > 0);
            list.iter().filter_map(Weak::upgrade).collect()
        };
        for watch in watches {
            // Copied out of the lock: a watcher may cancel itself or call the book.
            let watcher = lock(&watch.watcher).clone();
            if let Some(watcher) = watcher {
                watcher.changed(notice);
            }
        }
    }
}

impl Book {
    /// Tells `watcher` about every change from now on, also of other threads and of sync.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) -> Arc<Watch> {
        let watch = Arc::new(Watch { watcher: Mutex::new(Some(watcher)) });
        lock(&self.watchers.0).push(Arc::downgrade(&watch));
        watch
    }
}
