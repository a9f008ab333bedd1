//! The UniFFI generator for Kotlin and Swift, apart from the library so that it is built once.

fn main() {
    uniffi::uniffi_bindgen_main()
}
