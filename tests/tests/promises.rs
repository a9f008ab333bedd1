//! `docs/security.md` and `docs/reliability.md` name tests that are there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::path::Path;

fn page(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// How many tests the page names, as `file.rs::name`; each of them must be there.
fn tests_named_by(text: &str) -> usize {
    let named = text.split('`').filter_map(|piece| piece.split_once(".rs::"));
    named
        .map(|(file, test)| {
            let source = page(&format!("{file}.rs"));
            let forms = ["#[test]\nfn", "#[test]\n    fn", "#[tokio::test]\nasync fn", "#[tokio::test]\n    async fn"];
            assert!(forms.iter().any(|form| source.contains(&format!("{form} {test}()"))), "{file}.rs: {test}");
        })
        .count()
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let text = page("docs/security.md");
    assert!(tests_named_by(&text) > 20);
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| What ")) {
        assert!(row.contains(".rs::"), "no test: {row}");
    }
}

#[test]
fn every_test_that_the_page_on_reliability_names_exists() {
    let text = page("docs/reliability.md");
    assert!(tests_named_by(&text) > 20);
    let found = text.split("## ").find_map(|section| section.strip_prefix("What it found\n")).expect("what the simulator found");
    for row in found.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Defect ")) {
        assert!(row.contains(".rs::"), "no test: {row}");
    }
}
