//! Where the simulator makes things go wrong: planted bugs, and deaths and full disks at the commits of SQLite.
//!
//! Without the feature `planted`, which the simulator's build alone turns on, nothing of this is compiled in: a planted
//! bug is a constant `false`, and a commit is a commit.

/// A bug that can be planted, to prove that the simulator would see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// The client forgets edits when they are sent, not when they are answered.
    LostAck,
    /// The client stores the cursor before the entries that it stands for.
    EarlyCursor,
    /// The client goes on as the actor that the server refused as a copy's.
    ActorReuse,
    /// The client opens a record that came by its row without comparing the two.
    SkipVerify,
    /// The client keeps a record's old row after a merge.
    StaleRow,
    /// The client takes back what others wrote when its user undoes.
    UndoOthers,
    /// The client forgets the bytes of a refused group.
    RefusedBytes,
    /// The client takes a held group for an accepted one.
    HeldAccepted,
    /// The client does not push its own edits again to a server that lost them.
    EpochForgets,
    /// The client takes a form that is saved twice for two forms.
    DoubleSave,
    /// The client takes its own earlier saves for somebody else's.
    OwnForOthers,
    /// The client removes a field that it does not know when it saves.
    DropUnknown,
    /// The client keeps no drafts.
    LostDraft,
    /// The client leaves changed words out of the search index.
    StaleWords,
    /// The client keeps what was refused of an erased record.
    ErasedBytes,
    /// The client fills a record that was erased from a card of before.
    ErasedCard,
    /// The client forgets where it stands in the feed when a group is held.
    LostCursor,
    /// The client leaves a page at the first record that it cannot take.
    StalledFeed,
    /// The client tells no observer of records that came whole.
    SilentSync,
    /// The client does not keep who writes as which actor.
    NamelessActor,
    /// The server looks at the first item of a group only.
    SecondItem,
    /// The server refuses good groups of several edits.
    WrongVerdict,
    /// The server forgets when a record was changed last.
    StaleTime,
    /// The server answers a group by its id, whatever is in it.
    VerdictReplay,
    /// The server does not send a device what it wrote before and has lost.
    SkipOwn,
    /// The server gives devices of every workspace the records of one.
    CrossWorkspace,
    /// The server takes the token of a revoked device.
    RevokedToken,
    /// The server says that a walk is over when a page is.
    ShortWalk,
    /// The server answers before its commit, whatever becomes of it.
    EarlyAnswer,
}

impl Plant {
    /// All of them, with the names that the simulator's command line takes.
    pub const ALL: [(&'static str, Self); 29] = [
        ("lost-ack", Self::LostAck),
        ("early-cursor", Self::EarlyCursor),
        ("actor-reuse", Self::ActorReuse),
        ("skip-verify", Self::SkipVerify),
        ("stale-row", Self::StaleRow),
        ("undo-others", Self::UndoOthers),
        ("refused-bytes", Self::RefusedBytes),
        ("held-accepted", Self::HeldAccepted),
        ("epoch-forgets", Self::EpochForgets),
        ("double-save", Self::DoubleSave),
        ("own-for-others", Self::OwnForOthers),
        ("drop-unknown", Self::DropUnknown),
        ("lost-draft", Self::LostDraft),
        ("stale-words", Self::StaleWords),
        ("erased-bytes", Self::ErasedBytes),
        ("erased-card", Self::ErasedCard),
        ("lost-cursor", Self::LostCursor),
        ("stalled-feed", Self::StalledFeed),
        ("silent-sync", Self::SilentSync),
        ("nameless-actor", Self::NamelessActor),
        ("second-item", Self::SecondItem),
        ("wrong-verdict", Self::WrongVerdict),
        ("stale-time", Self::StaleTime),
        ("verdict-replay", Self::VerdictReplay),
        ("skip-own", Self::SkipOwn),
        ("cross-workspace", Self::CrossWorkspace),
        ("revoked-token", Self::RevokedToken),
        ("short-walk", Self::ShortWalk),
        ("early-answer", Self::EarlyAnswer),
    ];
}

/// Whose commit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// A book's.
    Client,
    /// The server's.
    Server,
}

#[cfg(not(feature = "planted"))]
mod off {
    use rusqlite::{Connection, Transaction};

    use super::{Plant, Site};

    /// Whether stores are encrypted.
    pub const CIPHERED: bool = true;

    /// Whether a bug is planted: never.
    pub const fn planted(_: Plant) -> bool {
        false
    }

    /// Begins a transaction that may fail.
    ///
    /// # Errors
    /// None.
    #[inline]
    pub const fn begin(_: Site, _: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    /// Commits.
    ///
    /// # Errors
    /// Those of SQLite.
    #[inline]
    pub fn commit(_: Site, tx: Transaction<'_>) -> rusqlite::Result<()> {
        tx.commit()
    }
}
#[cfg(not(feature = "planted"))]
pub use off::{CIPHERED, begin, commit, planted};

#[cfg(feature = "planted")]
mod on {
    use std::cell::Cell;

    use rusqlite::{Connection, Transaction, ffi};

    use super::{Plant, Site};

    /// Whether stores are encrypted: ciphers take a sixth of a seed's time, and are not what is simulated.
    pub const CIPHERED: bool = false;

    /// What happens at a commit.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Fault {
        /// The process ends before the commit: all is lost.
        DieBefore,
        /// The process ends after the commit: all is there, and nobody hears of it.
        DieAfter,
        /// The disk has no room for another page.
        DiskFull,
    }

    #[derive(Clone, Copy)]
    struct Armed {
        site: Site,
        /// Transactions that still go well.
        after: u32,
        fault: Fault,
    }

    // A seed runs on one thread, and several seeds beside each other.
    thread_local! {
        static PLANT: Cell<Option<Plant>> = const { Cell::new(None) };
        static ARMED: Cell<Option<Armed>> = const { Cell::new(None) };
        static DEAD: Cell<Option<Site>> = const { Cell::new(None) };
        /// Whether a connection may not take another page.
        static LIMITED: Cell<bool> = const { Cell::new(false) };
        static MET: Cell<u64> = const { Cell::new(0) };
    }

    /// Plants a bug on this thread, or none.
    pub fn plant(bug: Option<Plant>) {
        PLANT.set(bug);
    }

    /// Whether a bug is planted.
    pub fn planted(bug: Plant) -> bool {
        PLANT.get() == Some(bug)
    }

    /// Lets a fault happen at a commit: `after` more of the site's go well.
    pub fn arm(site: Site, after: u32, fault: Fault) {
        ARMED.set(Some(Armed { site, after, fault }));
    }

    /// Ends what was armed, gives a dead process its life back, and says whose it was.
    pub fn disarm() -> Option<Site> {
        ARMED.set(None);
        DEAD.take()
    }

    /// Whether the site's process has ended.
    pub fn dead(site: Site) -> bool {
        DEAD.get() == Some(site)
    }

    /// How many processes have died on this thread.
    pub fn met() -> u64 {
        MET.get()
    }

    /// Whether some connection has found no room since the last [`unlimit`].
    pub fn limited() -> bool {
        LIMITED.get()
    }

    /// Forgets that there was no room; the connection must have begun a transaction since [`disarm`].
    pub fn unlimit() {
        LIMITED.set(false);
    }

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("simulated".to_owned()))
    }

    fn armed(site: Site) -> Option<Armed> {
        ARMED.get().filter(|armed| armed.site == site)
    }

    /// Begins a transaction that may fail.
    ///
    /// # Errors
    /// When the process is dead.
    pub fn begin(site: Site, conn: &Connection) -> rusqlite::Result<()> {
        if dead(site) {
            return Err(failure(ffi::SQLITE_ABORT));
        }
        let full = armed(site).is_some_and(|armed| armed.fault == Fault::DiskFull && armed.after == 0);
        if full {
            LIMITED.set(true);
            let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        } else if limited() && ARMED.get().is_none() {
            conn.query_row("PRAGMA max_page_count = 1073741823", [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// Commits, or fails as it was armed.
    ///
    /// # Errors
    /// Those of SQLite, and the armed one.
    pub fn commit(site: Site, tx: Transaction<'_>) -> rusqlite::Result<()> {
        let Some(armed) = armed(site) else { return tx.commit() };
        if armed.after > 0 {
            ARMED.set(Some(Armed { after: armed.after - 1, ..armed }));
            return tx.commit();
        }
        match armed.fault {
            Fault::DiskFull => return tx.commit(),
            Fault::DieBefore => drop(tx),
            Fault::DieAfter => tx.commit()?,
        }
        DEAD.set(Some(site));
        MET.set(MET.get() + 1);
        Err(failure(ffi::SQLITE_ABORT))
    }
}
#[cfg(feature = "planted")]
pub use on::{CIPHERED, Fault, arm, begin, commit, dead, disarm, limited, met, plant, planted, unlimit};
