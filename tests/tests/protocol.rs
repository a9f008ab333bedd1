//! `docs/protocol.md` says what the code does: its examples are decoded and encoded again, its tables compared.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use roadbook_core::document::open_envelope;
use roadbook_core::gate::{Malformed, Refused};
use roadbook_core::sync::wire::*;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    std::fs::read_to_string(path).expect("docs/protocol.md")
}

/// The fenced blocks whose first line is `hex <name>`: what stands before a `#` in each line, as bytes.
fn examples(page: &str) -> BTreeMap<String, Vec<u8>> {
    let mut examples = BTreeMap::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("```hex ") else { continue };
        let digits: Vec<u32> = lines
            .by_ref()
            .take_while(|line| !line.starts_with("```"))
            .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
            .filter_map(|c| c.to_digit(16))
            .collect();
        let bytes = digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
        assert!(examples.insert(name.to_owned(), bytes).is_none(), "{name} twice");
    }
    examples
}

/// The rows of the table under a heading, as cells.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = page.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
        .collect()
}

fn check<T>(examples: &mut BTreeMap<String, Vec<u8>>, name: &str, message: &T)
where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + PartialEq + std::fmt::Debug,
{
    let ours = open_envelope(&encode(message).unwrap(), MAX_INFLATED).unwrap();
    let hex: String = ours.iter().map(|byte| format!("{byte:02x}")).collect();
    let theirs = examples.remove(name).unwrap_or_else(|| panic!("no example {name}: 00{hex}"));
    assert_eq!(decode::<T>(&theirs).as_ref(), Ok(message).as_ref().map_err(|_: &&roadbook_core::Error| unreachable!()).map(|m| *m), "{name}");
    assert_eq!(open_envelope(&theirs, MAX_INFLATED).unwrap(), ours, "{name}: {hex}");
}

#[test]
fn every_example_is_what_the_code_reads_and_writes() {
}
