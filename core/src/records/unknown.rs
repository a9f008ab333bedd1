//! Records of kinds that this release does not know: no field is read, and nothing of them is lost.

use crate::document::Skeleton;
use crate::record::{Definition, Kind};

/// No fields, no table: such a document is kept as it is.
pub static DEFINITION: Definition = Definition {
    kind: Kind::Unknown,
    name: "unknown",
    table: "",
    skeleton: &SKELETON,
    row_version: (0, 0),
    fields: &[],
    normalize: Clone::clone,
    rules: |_| Vec::new(),
    headline: |_| String::new(),
    sort: |_| String::new(),
};

static SKELETON: Skeleton = Skeleton::unknown();
