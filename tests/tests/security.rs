//! `docs/security.md` names tests that are there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::path::Path;

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let mut named = 0;
    for (file, test) in page.split('`').filter_map(|piece| piece.split_once("::")) {
        let source = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let forms = ["#[test]\nfn", "#[test]\n    fn", "#[tokio::test]\nasync fn", "#[tokio::test]\n    async fn"];
        assert!(forms.iter().any(|form| source.contains(&format!("{form} {test}()"))), "{file}: {test}");
        named += 1;
    }
    assert!(named > 20, "{named}");
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| What "));
    for row in rows {
        assert!(row.contains(".rs::"), "no test: {row}");
    }
}
