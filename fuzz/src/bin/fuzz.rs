//! The coverage-guided program: libFuzzer around one target, which `ROADBOOK_FUZZ_TARGET` names. `cargo xtask fuzz` builds
//! and starts it.

#![no_main]
#![allow(unsafe_code, reason = "libFuzzer calls a function by its name")]

use std::sync::OnceLock;

use roadbook_fuzz::{Target, keep_panics_quiet, memory};

#[global_allocator]
static COUNTING: memory::Counting = memory::Counting;

fn target() -> &'static Target {
    static TARGET: OnceLock<&'static Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        // libFuzzer's own hook would end the program before the product could catch a panic.
        keep_panics_quiet();
        let name = std::env::var("ROADBOOK_FUZZ_TARGET").unwrap_or_default();
        Target::named(&name).unwrap_or_else(|| {
            eprintln!("no target is called {name:?}");
            std::process::exit(2)
        })
    })
}

libfuzzer_sys::fuzz_target!(init: { target(); }, |data: &[u8]| {
    if let Err(why) = target().check(data) {
        eprintln!("{}: {why}", target().name);
        std::process::abort();
    }
});
