//! The targets: one file for each entrance.

mod device;
mod document;
mod envelope;
mod gate;
mod lists;
mod phone;
mod readable;
mod scratch;
mod sync;
mod text;
mod vcard;
mod wire;

use crate::{Target, seeds};

pub use device::form as device_form;
pub use document::WHOLE as WHOLE_DOCUMENT;
pub use gate::passing as groups_that_pass;
pub use lists::PLAIN as PLAIN_TOKEN;
pub use sync::flag as sync_flag;

/// A record in use, as the server sends it.
pub fn entry_in_use(kind: roadbook_core::record::Kind) -> roadbook_core::sync::wire::Entry {
    phone::entry([0x2d; 16], kind)
}

pub const ALL: &[Target] = &[
    Target { name: "gate", run: gate::run, memory: 64 << 20, seeds: seeds::gate },
    Target { name: "document", run: document::run, memory: 64 << 20, seeds: seeds::document },
    Target { name: "wire", run: wire::run, memory: 96 << 20, seeds: seeds::wire },
    Target { name: "sync", run: sync::run, memory: 128 << 20, seeds: seeds::sync },
    Target { name: "device", run: device::run, memory: 128 << 20, seeds: seeds::device },
    Target { name: "import", run: device::import, memory: 128 << 20, seeds: seeds::vcard },
    Target { name: "lists", run: lists::run, memory: 16 << 20, seeds: seeds::lists },
    Target { name: "text", run: text::run, memory: 16 << 20, seeds: seeds::text },
    Target { name: "envelope", run: envelope::run, memory: 32 << 20, seeds: seeds::envelope },
    Target { name: "vcard", run: vcard::run, memory: 32 << 20, seeds: seeds::vcard },
];
