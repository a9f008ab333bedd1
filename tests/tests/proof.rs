//! The proof: a Kotlin process, a Swift process and the command line, each with its own encrypted store, and the real
//! server between them. Each dumps the whole book through its own language's API; the dumps are equal.
//!
//! `cargo xtask test` builds both packages and runs this; alone it needs `ROADBOOK_PROOF_KOTLIN` and
//! `ROADBOOK_PROOF_SWIFT` (command lines that start the two programs) and, where the Swift program runs in a root of its
//! own, `ROADBOOK_PROOF_SWIFT_REPO` (where that root has this repository).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use roadbook_tests::server::{Server, programs};
use serde_json::{Map, Value, json};

/// A program that answers one line to each line.
struct Program {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// How the program names paths of this repository.
    paths: Option<(PathBuf, PathBuf)>,
}

impl Program {
    fn start(name: &'static str, variable: &str, paths: Option<(PathBuf, PathBuf)>) -> Self {
        let line = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run `cargo xtask test`"));
        let mut words = line.split_whitespace();
        let mut child = Command::new(words.next().expect("a program"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { name, child, input, output, paths }
    }

    fn path(&self, path: &Path) -> String {
        match &self.paths {
            Some((here, there)) => there.join(path.strip_prefix(here).expect("a path in the repository")).display().to_string(),
            None => path.display().to_string(),
        }
    }

    fn ask(&mut self, verb: &str, arguments: &[&str]) -> String {
        let mut line = verb.to_owned();
        for argument in arguments {
            line.push(' ');
            line.push_str(&percent(argument));
        }
        writeln!(self.input, "{line}").unwrap_or_else(|error| panic!("{} is gone: {error}", self.name));
        let mut reply = String::new();
        self.output.read_line(&mut reply).unwrap();
        let reply = reply.trim_end_matches('\n');
        match reply.split_once(' ').unwrap_or((reply, "")) {
            ("ok", payload) => payload.to_owned(),
            _ => panic!("{}: {verb} answers {reply:?}", self.name),
        }
    }

    fn json(&mut self, verb: &str, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ask(verb, arguments)).unwrap()
    }

    fn sync(&mut self) {
        let end = self.ask("sync", &[]);
        assert!(end.to_lowercase().starts_with("done"), "{}: {end}", self.name);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The command line's export in the form of the dumps.
fn command_line_dump(store: &Path) -> Value {
    let output = roadbook(store, &["export", "--format", "json"]);
    let export: Value = serde_json::from_str(&output).unwrap();
    let mut dump = Map::new();
    for kind in ["contact", "deal", "task"] {
        let records = export[kind].as_array().unwrap().iter().map(|record| canonical(record.as_object().unwrap())).collect();
        dump.insert(kind.to_owned(), records);
    }
    Value::Object(dump)
}

/// A record as all three write it, without the fields that hold nothing: a dump does not tell a field that nobody filled from
/// one that is newer than the program that dumps.
fn canonical(record: &Map<String, Value>) -> Value {
    let mut out = record.clone();
    for (field, default) in [("position", "new/open"), ("priority", "normal"), ("status", "open")] {
        if let Some(value) = out.get_mut(field).filter(|value| value.is_null()) {
            *value = default.into();
        }
    }
    if let Some(channels) = out.get_mut("channels").and_then(Value::as_object_mut) {
        for channel in channels.values_mut() {
            let stored: Value = serde_json::from_str(channel.as_str().unwrap()).unwrap();
            *channel = json!({
                "e164": stored["e164"], "extension": stored["ext"], "kind": stored["kind"], "label": stored["label"],
                "preferred": stored["preferred"] == true, "value": stored["value"],
            });
        }
    }
    if let Some(addresses) = out.get_mut("addresses").and_then(Value::as_object_mut) {
        for address in addresses.values_mut() {
            let stored: Value = serde_json::from_str(address.as_str().unwrap()).unwrap();
            let text = |key: &str| stored[key].as_str().unwrap_or_default().to_owned();
            *address = json!({
                "city": text("city"), "country": text("country"), "label": stored["label"], "postcode": text("postcode"),
                "region": text("region"), "street": text("street"),
            });
        }
    }
    out.retain(|_, value| !holds_nothing(value));
    Value::Object(out)
}

fn holds_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn roadbook(store: &Path, arguments: &[&str]) -> String {
    let output = Command::new(programs().join("roadbook")).arg("--store").arg(store).args(arguments).output().unwrap();
    assert!(output.status.success(), "roadbook {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn conflicting(program: &mut Program, id: &str) -> Vec<(String, String, bool)> {
    let conflicts = program.json("conflicts", &[id]);
    let values = conflicts.as_array().unwrap().iter().flat_map(|conflict| conflict["values"].as_array().unwrap());
    values
        .map(|value| (value["text"].as_str().unwrap().into(), value["author"].as_str().unwrap().into(), value["own"] == true))
        .collect()
}

#[test]
fn a_field_that_nobody_filled_is_in_no_dump() {
    let record = json!({
        "id": "1", "title": "Pumps", "notes": "", "value": null, "tags": [], "x": {}, "position": null, "probability": "",
    });
    assert_eq!(canonical(record.as_object().unwrap()), json!({"id": "1", "title": "Pumps", "position": "new/open"}));
}

#[test]
#[ignore = "needs the Kotlin and Swift packages: run `cargo xtask test`"]
fn an_edit_made_offline_in_kotlin_reaches_swift_and_the_command_line_merged() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let folder = repository.join("target/proof");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let server = Server::with_people(&folder.join("server"), "Proof", &["Anna", "Boris", "Clara"]);
    let mut kotlin = Program::start("Kotlin", "ROADBOOK_PROOF_KOTLIN", None);
    let there = std::env::var("ROADBOOK_PROOF_SWIFT_REPO").ok().map(PathBuf::from);
    let mut swift = Program::start("Swift", "ROADBOOK_PROOF_SWIFT", there.map(|there| (repository.clone(), there)));
    let cards = repository.join("tests/fixtures/address-book.vcf");

    // Both import the same address book before they have met, and join.
    for (program, person) in [(&mut kotlin, "Anna"), (&mut swift, "Boris")] {
        let store = program.path(&folder.join(person));
        program.ask("create", &[&store]);
        let file = program.path(&cards);
        program.ask("import", &[&file]);
        let code = server.invite("Proof", person);
        program.ask("join", &[&server.url, &code, &format!("{person}'s phone")]);
    }
    let deal = kotlin.ask("add-deal", &["Two pumps"]);
    kotlin.sync();
    swift.sync();

    // Offline: different fields, the same field, a task each.
    kotlin.ask("set-deal", &[&deal, "value", "12500.00 EUR"]);
    kotlin.ask("set-deal", &[&deal, "tag", "vip"]);
    kotlin.ask("set-deal", &[&deal, "title", "Two pumps for Ёлкин"]);
    kotlin.ask("add-task", &["Send the offer", &deal]);
    swift.ask("set-deal", &[&deal, "stage", "proposal"]);
    swift.ask("set-deal", &[&deal, "notes", "Before the season."]);
    swift.ask("set-deal", &[&deal, "title", "Two pumps in March"]);
    swift.ask("add-task", &["Ask for the drawings", &deal]);
    for _ in 0..2 {
        kotlin.sync();
        swift.sync();
    }

    // Each shows the conflict with both authors.
    for (program, own, other) in [
        (&mut kotlin, "Two pumps for Ёлкин", ("Two pumps in March", "Boris")),
        (&mut swift, "Two pumps in March", ("Two pumps for Ёлкин", "Anna")),
    ] {
        let values = conflicting(program, &deal);
        assert_eq!(values.len(), 2, "{values:?}");
        assert!(values.iter().any(|(text, _, mine)| text == own && *mine), "{values:?}");
        assert!(values.iter().any(|(text, author, mine)| (text.as_str(), author.as_str()) == other && !mine), "{values:?}");
    }

    // The command line joins as a third device and reads the same.
    let desk = folder.join("desk");
    roadbook(&desk, &["init"]);
    let code = server.invite("Proof", "Clara");
    roadbook(&desk, &["join", &server.url, "--invite", &code]);
    let (from_kotlin, from_swift) = (kotlin.json("dump", &[]), swift.json("dump", &[]));
    assert_eq!(from_kotlin, from_swift);
    assert_eq!(from_kotlin, command_line_dump(&desk));
    let merged = &from_kotlin["deal"][0];
    assert_eq!(
        (&merged["value"], &merged["position"], &merged["notes"]),
        (&json!("1250000 EUR"), &json!("proposal/open"), &json!("Before the season."))
    );
    assert_eq!((from_kotlin["contact"].as_array().unwrap().len(), from_kotlin["task"].as_array().unwrap().len()), (120, 2));

    // Settling it on one clears it on the other.
    swift.ask("settle", &[&deal, "title", "Two pumps for Ёлкин"]);
    swift.sync();
    kotlin.sync();
    assert!(conflicting(&mut kotlin, &deal).is_empty() && conflicting(&mut swift, &deal).is_empty());
    roadbook(&desk, &["sync"]);
    let settled = kotlin.json("dump", &[]);
    assert_eq!(settled["deal"][0]["title"], "Two pumps for Ёлкин");
    assert_eq!(settled, swift.json("dump", &[]));
    assert_eq!(settled, command_line_dump(&desk));
    kotlin.ask("quit", &[]);
    swift.ask("quit", &[]);
}
