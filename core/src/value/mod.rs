//! The types of single values: what a field holds, and its one canonical encoding in a document.
//!
//! A composite value (money, a channel, an address) is one scalar, so that two devices that change it merge to
//! one of the two values whole, never to a mixture that nobody wrote. The encodings are frozen: equal values have
//! equal scalars on every device and in every release.

mod address;
mod channel;
mod code;
mod custom;
mod date;
mod link;
mod money;
mod phone;
mod position;
mod scalar;

pub use address::PostalAddress;
pub use channel::{Channel, ChannelKind};
pub use custom::{CustomField, CustomValue};
pub use date::{Due, Instant, LocalDate, ZonedPlan};
pub use link::RecordLink;
pub use money::{Money, MoneyError};
pub use phone::{PhoneNumber, Region, digits};
pub(crate) use position::closing_wins;
pub use position::{Outcome, Position, Stage};
pub(crate) use scalar::carry_unknown;
pub use scalar::{Register, Scalar};

use code::codes;

codes! {
    /// Where a task stands.
    TaskStatus, default Open, mirror task_status_mirror {
        /// To be done.
        Open = "open",
        /// Waiting for somebody else.
        Waiting = "waiting",
        /// Done.
        Done = "done",
        /// Will not be done.
        Cancelled = "cancelled",
    }
}

codes! {
    /// How much a task matters.
    Priority, default Normal, mirror priority_mirror {
        /// When there is time.
        Low = "low",
        /// As usual.
        Normal = "normal",
        /// Before others.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
}
