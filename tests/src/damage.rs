//! What a failing disk does to a store.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

/// The bytes of a page of a store.
pub const PAGE: u64 = 4096;

/// Spoils a page of a store's file, or puts it right again.
pub fn flip(file: &mut std::fs::File, page: u64) {
    let at = SeekFrom::Start(page * PAGE + 100);
    let mut bytes = [0; 64];
    file.seek(at).expect("the place");
    file.read_exact(&mut bytes).expect("the bytes");
    file.seek(at).expect("the place");
    file.write_all(&bytes.map(|byte| !byte)).expect("the other bytes");
}
