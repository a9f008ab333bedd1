//! Sync without I/O: messages, and the state machine that says which request comes next.

pub mod session;
pub mod wire;

pub use session::{End, Event, RejoinReason, Report, Request, Response, Session, Step, WaitReason, address};
