//! What happens, as data: a list of steps made from a seed.

use super::Dice;

/// One step. Everything that it needs to choose comes from its dice, so that it can be run without those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its place in the seed's list.
    pub at: usize,
    /// What happens.
    pub what: What,
    /// To which device, counted round.
    pub who: usize,
    /// What chooses the rest.
    pub dice: u64,
}

/// What may go wrong in a seed beyond the network and the disk. Families that undo each other's promises (an author
/// who lost his phone cannot push again to a server that lost his edit) meet in `Mixed` only, where the promises are
/// narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Nothing.
    Calm,
    /// The server is put back from a backup.
    Restores,
    /// Stores are copied and put back.
    Copies,
    /// Devices are revoked; newer and hostile programs take part.
    Strangers,
    /// Everything.
    Mixed,
}

impl Family {
    /// The family of a seed.
    pub fn of(seed: u64) -> Self {
        match seed % 8 {
            0 => Self::Calm,
            1 | 2 => Self::Restores,
            3 | 4 => Self::Copies,
            5 | 6 => Self::Strangers,
            _ => Self::Mixed,
        }
    }

    fn has(self, other: Option<Self>) -> bool {
        other.is_none_or(|other| self == other || self == Self::Mixed)
    }
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $weight:literal, $family:expr;)*) => {
        /// What a step does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum What { $($(#[$doc])* $name,)* }

        impl What {
            /// All of them: name, weight, family.
            pub const ALL: &'static [(Self, &'static str, usize, Option<Family>)] =
                &[$((Self::$name, $text, $weight, $family),)*];

            /// Its name in the coverage table.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

steps! {
    /// A new record.
    Create = "create", 100, None;
    /// A form is opened, changed and saved.
    Edit = "edit", 220, None;
    /// A form that was opened long ago is saved.
    Stale = "save a stale form", 60, None;
    /// A form is saved twice.
    Double = "save a form twice", 40, None;
    /// Fields are set by name.
    SetFields = "set fields by name", 20, None;
    /// A record is deleted.
    Delete = "delete", 30, None;
    /// A record is erased.
    Erase = "erase", 12, None;
    /// Several records are saved as one action.
    Apply = "apply several", 60, None;
    /// The last action, or an earlier one, is undone.
    Undo = "undo", 40, None;
    /// A conflict is settled.
    Settle = "settle", 50, None;
    /// A refused edit is made again.
    Retry = "retry a refusal", 20, None;
    /// A refused edit is forgotten.
    Discard = "discard a refusal", 10, None;
    /// A form is kept as a draft and read again.
    Draft = "draft", 15, None;
    /// Cards are imported.
    Import = "import cards", 20, None;
    /// Lists are read.
    List = "lists", 15, None;
    /// Everything is exported.
    Export = "export", 6, None;
    /// A word is looked for.
    Search = "search", 15, None;
    /// A record's page, history and JSON are read.
    Read = "page and history", 15, None;
    /// Unopened records are verified.
    Verify = "verify some", 15, None;
    /// The store is checked.
    CheckStore = "check", 6, None;
    /// Derived rows are made again.
    Rebuild = "rebuild", 6, None;
    /// The process ends between two calls.
    Restart = "restart", 15, None;
    /// A sync from start to end.
    Sync = "sync", 200, None;
    /// One round trip of a sync that others' steps interrupt.
    Page = "one page of a sync", 140, None;
    /// A sync is dropped where it stands.
    Drop = "drop a sync", 10, None;
    /// A request that was held up arrives.
    Deliver = "late request", 30, None;
    /// The client dies at a commit.
    Die = "client dies at a commit", 30, None;
    /// The client's disk is full.
    Full = "client disk full", 20, None;
    /// The server dies at a commit.
    ServerDie = "server dies at a commit", 20, None;
    /// The server's disk is full.
    ServerFull = "server disk full", 15, None;
    /// The server's process ends between two requests.
    ServerRestart = "server restarts", 6, None;
    /// A clock is set wrong, or right again.
    Clock = "wrong clock", 15, None;
    /// A record on the server's disk is damaged.
    Rot = "damaged record on the server", 6, None;
    /// The damage is mended.
    Mend = "mended record", 8, None;
    /// The server's database is copied.
    Backup = "server backup", 12, Some(Family::Restores);
    /// The server's database is put back by copying the file.
    PutBack = "server's file put back", 8, Some(Family::Restores);
    /// The server's database is put back by its verb.
    Restore = "server restored", 6, Some(Family::Restores);
    /// A phone's store is copied.
    PhoneBackup = "phone backup", 14, Some(Family::Copies);
    /// A phone's store is put back, and notices.
    PhoneRestore = "phone restored, noticed", 8, Some(Family::Copies);
    /// A phone's store is put back, and does not notice.
    PhoneRollback = "phone restored, unnoticed", 8, Some(Family::Copies);
    /// A phone's store is copied to another phone, which notices.
    Clone = "clone, noticed", 8, Some(Family::Copies);
    /// A phone's store is copied to another phone, which does not notice.
    Twin = "clone, unnoticed", 8, Some(Family::Copies);
    /// A device is revoked.
    Revoke = "revoke", 12, Some(Family::Strangers);
    /// A revoked device joins again.
    Rejoin = "rejoin", 15, Some(Family::Strangers);
    /// A newer release pushes what this one does not know.
    Newer = "newer core pushes", 60, Some(Family::Strangers);
    /// A hostile device pushes bad groups beside a good one.
    Hostile = "hostile groups", 30, Some(Family::Strangers);
    /// Somebody without an account tries.
    Stranger = "stranger", 8, Some(Family::Strangers);
}

/// The steps of a seed.
pub fn plan(seed: u64, count: usize) -> Vec<Step> {
    let family = Family::of(seed);
    let allowed: Vec<_> = What::ALL.iter().filter(|(_, _, _, only)| family.has(*only)).collect();
    let total: usize = allowed.iter().map(|(_, _, weight, _)| weight).sum();
    let mut dice = Dice::new(seed ^ 0x5eed);
    (0..count)
        .map(|at| {
            let mut place = dice.below(total);
            let what = allowed.iter().find(|(_, _, weight, _)| {
                let here = place < *weight;
                place = place.saturating_sub(*weight);
                here
            });
            Step { at, what: what.map_or(What::Sync, |what| what.0), who: dice.below(64), dice: dice.roll() }
        })
        .collect()
}
