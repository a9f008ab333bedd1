//! The records of the product, one file each, all of the same shape: definition, skeleton, rules, headline.

pub mod contact;
pub mod deal;
pub mod task;
pub mod unknown;

pub use contact::{Contact, ContactRow};
pub use deal::{Deal, DealRow};
pub use task::{TaskItem, TaskItemRow};
