//! `docs/protocol.md` says what the code does: its examples are decoded and encoded again, its tables compared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::collections::BTreeMap;

use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use roadbook_core::document::{MAX_CONCURRENT, open_envelope};
use roadbook_core::gate::{Limits, MAX_TIME, Malformed, Refused};
use roadbook_core::sync::wire::*;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    std::fs::read_to_string(path).expect("docs/protocol.md")
}

/// The fenced blocks that begin with `hex <name>`: what stands before a `#` in each line, as bytes.
fn examples(page: &str) -> BTreeMap<String, Vec<u8>> {
    let mut examples = BTreeMap::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("```hex ") else { continue };
        let digits: String = lines
            .by_ref()
            .take_while(|line| !line.starts_with("```"))
            .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
            .filter(|c| !c.is_whitespace())
            .collect();
        let bytes = HEX.decode(digits.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
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

/// Compares an example with the message that it stands for, in both directions.
macro_rules! check {
    ($examples:ident, $name:literal, $message:expr) => {{
        let message = $message;
        let ours = open_envelope(&encode(&message).unwrap(), MAX_INFLATED).unwrap();
        let example = $examples.remove($name).unwrap_or_else(|| panic!("no example {}: 00{}", $name, HEX.encode(&ours)));
        let mut decoded = message.clone();
        decoded.clone_from(&decode(&example).unwrap_or_else(|error| panic!("{}: {error}", $name)));
        assert_eq!(decoded, message, "{}", $name);
        assert_eq!(HEX.encode(&open_envelope(&example, MAX_INFLATED).unwrap()), HEX.encode(&ours), "{}", $name);
    }};
}

fn sync_request() -> SyncRequest {
    SyncRequest {
        epoch: vec![0xe0; 16],
        cursor: [[0, 0, 0, 0, 0, 0, 0, 7], [0xc7; 8]].concat(),
        docs: vec![PushDoc { id: vec![0x1d; 16], generation: 0, kind: 1 }],
        groups: vec![PushGroup { id: vec![0x9a; 16], items: vec![PushItem { doc: 0, change: vec![0, 0x85, 0x6f, 0x4a, 0x83] }] }],
        max_bytes: 2_000_000,
        rows: vec![RowVersion { kind: 1, major: 1, minor: 0 }],
        directory: 3,
        want: vec![vec![0x2d; 16].into()],
    }
}

fn sync_response() -> SyncResponse {
    let snapshot = Entry {
        id: vec![0x2d; 16],
        generation: 0,
        kind: 1,
        form: Form::Snapshot,
        snapshot: Some(vec![0, 0x85, 0x6f, 0x4a, 0x83]),
        changes: None,
        row: Some([&[0xa1, 0x6b][..], b"family_name", &[0x65], b"Meier"].concat()),
        row_version: Some(RowVersion { kind: 1, major: 1, minor: 0 }),
        changed_ms: Some(1_790_000_000_000),
    };
    let changes = Entry {
        id: vec![0x3d; 16],
        form: Form::Changes,
        snapshot: None,
        changes: Some(vec![vec![0, 0x85, 0x6f, 0x4a, 0x83].into()]),
        row: None,
        row_version: None,
        changed_ms: None,
        ..snapshot.clone()
    };
    SyncResponse {
        epoch: vec![0xe0; 16],
        verdicts: vec![
            Verdict { group: vec![0x9a; 16], outcome: Outcome::Accepted, code: None },
            Verdict { group: vec![0x9b; 16], outcome: Outcome::Refused, code: Some("foreign_actor".into()) },
        ],
        entries: vec![snapshot, changes],
        cursor: [[0, 0, 0, 0, 0, 0, 0, 9], [0xc9; 8]].concat(),
        more: false,
        time_ms: 1_790_000_000_000,
        directory: Some(Directory {
            version: 4,
            people: vec![DirectoryPerson { id: vec![0xb0; 16], name: "Anna Berg".into(), role: "rep".into() }],
            actors: vec![DirectoryActor { actor: vec![0xa0; 16], person: 0, device: "Phone".into() }],
        }),
    }
}

#[test]
fn every_example_is_what_the_code_reads_and_writes() {
    let mut examples = examples(&page());
    let nonce = vec![0x4e; 40];
    let token = TokenResponse { token: vec![0x70; 32], expires_in_s: 900 };
    check!(examples, "HelloRequest", HelloRequest { protocol_min: 1, protocol_max: 1, app_version: "0.1.0".into() });
    check!(
        examples,
        "HelloResponse",
        HelloResponse { server_id: vec![0x5e; 16], protocol: 1, time_ms: 1_790_000_000_000, nonce: nonce.clone() }
    );
    let code = "7K3M-9QXT-0ZRB-4WHE-V2CN";
    let join = JoinRequest {
        code: code.into(),
        public_key: vec![0x6b; 32],
        device_name: "Phone".into(),
        nonce: nonce.clone(),
        signature: vec![0x51; 64],
    };
    check!(examples, "JoinRequest", join);
    check!(
        examples,
        "JoinResponse",
        JoinResponse {
            device: vec![0xd0; 16],
            person: vec![0xb0; 16],
            workspace: vec![0xf0; 16],
            workspace_name: "Firm".into(),
            token: token.clone(),
        }
    );
    check!(examples, "TokenRequest", TokenRequest { device: vec![0xd0; 16], nonce: nonce.clone(), signature: vec![0x51; 64] });
    check!(examples, "TokenResponse", token.clone());
    check!(examples, "TokenResponse, compressed", token);
    check!(examples, "SyncRequest", sync_request());
    check!(examples, "SyncResponse", sync_response());
    let error =
        ErrorResponse { code: "too_many".into(), message: "too many wrong invitations; wait".into(), retry_after_s: Some(42) };
    check!(examples, "ErrorResponse", error);
    let join = join_challenge(&[0x5e; 16], &nonce, code);
    assert_eq!(examples.remove("join challenge").as_ref(), Some(&join), "{}", HEX.encode(&join));
    let token = token_challenge(&[0x5e; 16], &nonce, &[0xd0; 16]);
    assert_eq!(examples.remove("token challenge").as_ref(), Some(&token), "{}", HEX.encode(&token));
    assert!(examples.is_empty(), "examples that nothing checks: {:?}", examples.keys());
}

#[test]
fn unknown_keys_are_skipped_and_bytes_after_the_message_are_not() {
    // {0: 1, 1: 1, 2: "", 99: [true]}
    let newer = [0x00, 0xa4, 0x00, 0x01, 0x01, 0x01, 0x02, 0x60, 0x18, 0x63, 0x81, 0xf5];
    assert_eq!(decode::<HelloRequest>(&newer).unwrap().protocol_max, 1);
    assert!(decode::<HelloRequest>(&[&newer[..], &[0]].concat()).is_err());
}

#[test]
fn a_message_of_more_items_than_allowed_is_refused_however_little_it_weighs() {
    // A request that wants empty ids: {7: ["", "", …]}, one byte each.
    let wanting = |count: u32| {
        let mut raw = vec![0xa1, 0x07, 0x9a];
        raw.extend(count.to_be_bytes());
        raw.resize(raw.len() + count as usize, 0x40);
        [&[1], &zstd::bulk::compress(&raw, 19).unwrap()[..]].concat()
    };
    let most = MAX_VALUES as u32 - 3;
    let refusal = |count| decode::<SyncRequest>(&wanting(count)).unwrap_err().to_string();
    assert!(refusal(most + 1).contains("more values"), "{}", refusal(most + 1));
    // The map, its key and the list count too; what is wrong here is that the other keys are missing.
    assert!(!refusal(most).contains("more values"), "{}", refusal(most));
    assert!(wanting(most + 1).len() < 500);
}

#[test]
fn the_tables_of_codes_are_complete() {
    let page = page();
    let errors: Vec<(String, u16)> =
        table(&page, "## Error codes").into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect();
    let known: Vec<(String, u16)> = ErrorCode::ALL.iter().map(|code| (code.code().to_owned(), code.status())).collect();
    assert_eq!(errors, known);

    let field = || Refused::FieldType(String::new());
    let refused = [
        Refused::Missing(Vec::new()),
        Refused::Group,
        Refused::Malformed(Malformed::TooLarge { what: "", found: 0, limit: 0 }),
        Refused::ForeignActor,
        Refused::Clone,
        Refused::Numbers,
        Refused::Skeleton,
        field(),
        Refused::Document,
        Refused::Kind,
        Refused::Erased,
        Refused::Forbidden,
    ];
    let verdicts: Vec<(String, String)> =
        table(&page, "## Verdict codes").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let mut known: Vec<(String, String)> = refused
        .iter()
        .map(|refused| (refused.code().to_owned(), if refused.is_held() { "held" } else { "refused" }.to_owned()))
        .collect();
    // The gate knows nothing of requests.
    known.insert(1, (LATER.to_owned(), "held".to_owned()));
    assert_eq!(verdicts, known);
}

#[test]
fn the_limits_are_those_of_the_code() {
    let limits: BTreeMap<String, u64> =
        table(&page(), "## Limits").into_iter().map(|row| (row[0].clone(), row[1].replace(' ', "").parse().unwrap())).collect();
    let expected = [
        ("bytes of a request on the wire", MAX_REQUEST as u64),
        ("bytes of a request or answer unfolded", MAX_INFLATED as u64),
        ("bytes of an answer on the wire", MAX_RESPONSE as u64),
        ("CBOR items of a message", MAX_VALUES as u64),
        ("changes of a group", MAX_GROUP as u64),
        ("operations of a record's changes in a group", MAX_GROUP_OPS),
        ("bytes of all changes of a request, unfolded", MAX_INFLATED as u64),
        ("bytes of a change", Limits::CHANGE.bytes as u64),
        ("operations of a change", Limits::CHANGE.ops),
        ("bytes of a document", Limits::DOCUMENT.bytes as u64),
        ("operations of a document", Limits::DOCUMENT.ops),
        ("changes of a document", Limits::DOCUMENT.changes),
        ("concurrent values of one key", MAX_CONCURRENT as u64),
        ("milliseconds of a change's time before or after 1970", MAX_TIME),
    ];
    for (name, value) in expected {
        assert_eq!(limits.get(name), Some(&value), "{name}");
    }
}
