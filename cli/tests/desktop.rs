//! The built program as a person meets it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken fixture must stop the test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A computer with a folder for one book.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A desk with a book.
    fn with_book() -> Self {
        let desk = Self::new();
        assert_eq!(desk.run(&["init", "--region", "RU"]).status.code(), Some(0));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, store: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roadbook"));
        command.env_remove("ROADBOOK_STORE").env_remove("ROADBOOK_KEY_FILE").env("TZ", "UTC");
        command.current_dir(self.dir.path()).arg("--store").arg(store).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(&self.path("book"), arguments).output().unwrap()
    }

    /// What the program says to a person; it must succeed.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Why the program fails, on standard error.
    fn fails(&self, arguments: &[&str], exit: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stderr)
    }

    /// The one object of `--json`, whether the program succeeds or not.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output.stdout)))
    }

    fn add(&self, arguments: &[&str]) -> String {
        self.json(arguments)["id"].as_str().unwrap().to_owned()
    }

    /// A desk whose book can also be opened beside the program, as a failing disk would damage it.
    fn with_known_key() -> Self {
        let desk = Self::new();
        desk.write("book.key", &KNOWN_KEY);
        desk.says(&["init", "--region", "RU"]);
        desk
    }

    /// Runs a statement on the file of the book.
    fn damage(&self, sql: &str) -> usize {
        let raw = rusqlite::Connection::open(self.path("book").join("book.db")).unwrap();
        raw.execute_batch(&roadbook_core::Key::new(KNOWN_KEY).pragma()).unwrap();
        raw.execute(sql, []).unwrap()
    }

    /// Imports so many contacts.
    fn import(&self, people: usize) {
        let cards: String = (0..people).map(card).collect();
        let cards = self.write("many.vcf", cards.as_bytes());
        self.says(&["import", &cards]);
    }

    fn write(&self, name: &str, content: &[u8]) -> String {
        std::fs::write(self.path(name), content).unwrap();
        name.to_owned()
    }
}

const KNOWN_KEY: [u8; 32] = [7; 32];

fn card(number: usize) -> String {
    format!("BEGIN:VCARD\nVERSION:4.0\nFN:Person {number:04}\nEND:VCARD\n")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Three good cards, one of each version, and one that is cut off.
const CARDS: &str = "BEGIN:VCARD\r\n\
VERSION:2.1\r\n\
N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=9F=D0=B5=D1=82=D1=80=D0=BE=D0=B2;=D0=98=D0=B2=D0=B0=D0=BD\r\n\
TEL;CELL:8 916 123 45 67\r\n\
END:VCARD\r\n\
BEGIN:VCARD\r\n\
VERSION:3.0\r\n\
N:Dupont;Jean;;;\r\n\
FN:Jean Dupont\r\n\
ORG:Fromages SA\r\n\
TEL;TYPE=WORK:+33 1 42 68 53 00\r\n\
UID:jean@fromages.example\r\n\
END:VCARD\r\n\
BEGIN:VCARD\r\n\
VERSION:3.0\r\n\
FN:Nobody\r\n\
BEGIN:VCARD\r\n\
VERSION:4.0\r\n\
N:山田;太郎;;;\r\n\
FN:山田太郎\r\n\
EMAIL:taro@yamada.example\r\n\
UID:urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1\r\n\
END:VCARD\r\n";

#[test]
fn a_stranger_imports_searches_edits_and_exports() {
    let desk = Desk::new();
    let made = desk.says(&["init", "--region", "RU"]);
    assert!(made.contains("book.key") && made.contains("losing it loses the book"), "{made}");
    let cards = desk.write("cards.vcf", CARDS.as_bytes());

    let output = desk.run(&["import", &cards]);
    assert_eq!(output.status.code(), Some(3), "one card is broken");
    assert!(text(&output.stdout).starts_with("3 contacts added, 0 updated, 0 unchanged; 1 card was left out."));
    assert!(text(&output.stderr).starts_with("cards.vcf:"), "{}", text(&output.stderr));

    // Latin letters find a Cyrillic name, and the end of a number finds it too.
    for words in ["petrov", "1234567"] {
        let found = desk.json(&["search", words]);
        assert_eq!(found["items"][0]["headline"], "Иван Петров", "{words}");
    }
    let jean = desk.json(&["contact", "list", "--text", "dupont"])["items"][0]["id"].as_str().unwrap().to_owned();
    desk.says(&[
        "contact",
        "edit",
        &jean,
        "--title",
        "Buyer",
        "--phone",
        "+33 6 12 34 56 78",
        "--tag",
        "vip",
        "--notes",
        "Likes Comté",
    ]);
    let shown = desk.says(&["contact", "show", &jean]);
    for part in ["Jean Dupont", "Buyer", "+33 6 12 34 56 78", "+33 1 42 68 53 00 (work)", "vip", "Likes Comté"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let history = desk.says(&["history", &jean]);
    assert!(history.contains("import (vcard)") && history.contains("job title: (empty) → Buyer"), "{history}");

    assert_eq!(desk.says(&["export", "--format", "vcard", "-o", "out.vcf"]), "Wrote 3 records to out.vcf.\n");
    let out = std::fs::read_to_string(desk.path("out.vcf")).unwrap();
    assert_eq!(out.matches("BEGIN:VCARD").count(), 3);
    assert!(out.contains("TITLE:Buyer") && out.contains("Likes Comté"), "{out}");
    assert_eq!(desk.says(&["export", "--format", "vcard"]), out, "standard output is the same file");
    let all: Value = serde_json::from_str(&desk.says(&["export", "--format", "json"])).unwrap();
    assert_eq!(all["contact"].as_array().unwrap().len(), 3);
}

#[test]
fn importing_twice_adds_nothing() {
    let desk = Desk::with_book();
    let cards = desk.write("cards.vcf", CARDS.as_bytes());
    desk.json(&["import", &cards]);
    let before = desk.json(&["status"])["state_hash"].clone();
    let again = desk.json(&["import", &cards, &cards]);
    assert_eq!((&again["added"], &again["updated"], &again["unchanged"]), (&0.into(), &0.into(), &6.into()));
    assert_eq!(desk.json(&["status"])["state_hash"], before);

    let mut import = desk.command(&desk.path("book"), &["import", "-", "--json"]);
    let mut child = import.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(CARDS.as_bytes()).unwrap();
    let piped: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(piped["unchanged"], 3);
}

#[test]
fn a_region_of_one_import_does_not_stay() {
    let desk = Desk::with_book();
    let cards = desk.write("berlin.vcf", b"BEGIN:VCARD\nVERSION:3.0\nFN:Eva\nTEL:030 123456\nEND:VCARD\n");
    desk.says(&["import", &cards, "--region", "DE"]);
    let eva = &desk.json(&["contact", "list"])["items"][0];
    let channel = eva["channels"].as_object().unwrap().values().next().unwrap();
    assert_eq!(channel["e164"], "+4930123456");
    assert_eq!(desk.json(&["status"])["region"], "RU");
}

#[test]
fn a_mistyped_file_stops_an_import_before_it_begins() {
    let desk = Desk::with_book();
    let cards = desk.write("cards.vcf", CARDS.as_bytes());
    assert!(desk.fails(&["import", &cards, "card.vcf"], 1).contains("card.vcf"));
    assert_eq!(desk.json(&["status"])["records"], 0);
}

#[test]
fn json_is_one_object() {
    let desk = Desk::new();
    assert_eq!(desk.json(&["status"])["error"]["code"], "no_book");
    assert_eq!(desk.json(&["init"])["key_created"], true);
    let anna = desk.add(&["contact", "add", "Anna Petrova", "--email", "anna@example.org"]);
    let deal = desk.add(&["deal", "add", "Pumps", "--value", "1000,5 eur", "--contact", &anna, "--tag", "vip"]);
    desk.add(&["deal", "add", "Valves"]);
    let task =
        desk.add(&["task", "add", "Call", "--due", "2026-12-31T09:00[Europe/Berlin]", "--deal", &deal, "--priority", "high"]);
    let shown = desk.json(&["deal", "show", &deal]);
    assert_eq!(shown["value"], serde_json::json!({"minor": 100_050, "currency": "EUR", "text": "1000.50 EUR"}));
    assert_eq!(shown["contacts"][0], anna.as_str());
    for verb in [
        vec!["status"],
        vec!["contact", "list"],
        vec!["deal", "list", "--about", &anna],
        vec!["deal", "list", "--tag", "vip"],
        vec!["task", "list", "--due-by", "2026-12-31", "--about", &deal],
        vec!["search", "pumps"],
        vec!["history", &task],
        vec!["conflicts"],
        vec!["conflicts", &deal],
        vec!["refusals"],
        vec!["export", "--format", "json"],
        vec!["export", "--format", "vcard", "-o", "out.vcf"],
        vec!["doctor", "--rebuild"],
        vec!["task", "edit", &task, "--status", "done"],
        vec!["contact", "delete", &anna],
        vec!["undo"],
    ] {
        let object = desk.json(&verb);
        assert!(object.is_object() && object.get("error").is_none(), "{verb:?}: {object}");
        if matches!(verb.first(), Some(&"contact" | &"deal" | &"task")) && verb.get(1) == Some(&"list") {
            assert_eq!(object["items"].as_array().unwrap().len(), 1, "{verb:?}");
        }
    }
    for (verb, code) in [
        (vec!["sync"], "not_joined"),
        (vec!["contact", "show", &deal], "not_found"),
        (vec!["deal", "edit", &deal, "--value", "12"], "invalid"),
        (vec!["deal", "edit", &deal, "--stage", "propsal"], "invalid"),
        (vec!["contact", "add", ""], "invalid"),
        (vec!["settle", &deal, "title", "1"], "no_conflict"),
        (vec!["refusals", "retry", "x"], "no_refusal"),
        (vec!["undo", "x"], "usage"),
        (vec!["deal", "edit", &deal], "usage"),
        (vec!["fly"], "usage"),
        (vec!["join", "crm.example", "--invite", "a"], "invalid"),
        (vec!["--ca", "/nowhere/ca.pem", "join", "https://crm.example", "--invite", "a"], "ca"),
        (vec!["export", "--format", "vcard"], "usage"),
    ] {
        let object = desk.json(&verb);
        assert_eq!(object["error"]["code"], code, "{verb:?}: {object}");
        assert!(object["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
}

#[test]
fn all_problems_are_told_at_once_and_nothing_is_saved() {
    let desk = Desk::with_book();
    let id = desk.add(&["deal", "add", "Pumps"]);
    let before = desk.json(&["status"])["state_hash"].clone();
    let answer = desk.json(&["deal", "edit", &id, "--value", "12 ZZZ", "--close-date", "31.12.2026", "--title", "Valves"]);
    let mut fields: Vec<&str> =
        answer["error"]["problems"].as_array().unwrap().iter().map(|problem| problem["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["close_date", "value"]);
    let lost = desk.fails(&["deal", "edit", &id, "--outcome", "lost"], 1);
    assert!(lost.contains("lost_reason"), "{lost}");
    assert_eq!(desk.json(&["status"])["state_hash"], before);
    desk.says(&["deal", "edit", &id, "--outcome", "lost", "--lost-reason", "Price"]);
}

#[test]
fn an_edit_changes_what_was_named_and_an_empty_value_clears() {
    let desk = Desk::with_book();
    let id = desk.add(&[
        "contact",
        "add",
        "Anna",
        "--phone",
        "8 (495) 123-45-67",
        "--phone",
        "+7 916 1234567",
        "--tag",
        "a",
        "--tag",
        "b",
    ]);
    // The same number in another spelling is the same number.
    desk.says(&["contact", "edit", &id, "--phone", "+7 495 1234567", "--remove-phone", "8 916 123-45-67", "--untag", "a"]);
    let anna = desk.json(&["contact", "show", &id]);
    assert_eq!(anna["channels"].as_object().unwrap().len(), 1);
    assert_eq!(anna["tags"], serde_json::json!(["b"]));
    assert!(desk.fails(&["contact", "edit", &id, "--remove-phone", "5"], 1).contains("there is no phone"));
    desk.says(&["contact", "edit", &id, "--custom", "size=12", "--custom", "rank:=3", "--birthday", "1990-02-28"]);
    let anna = desk.json(&["contact", "show", &id]);
    assert_eq!(anna["x"], serde_json::json!({"size": "12", "rank": 3}));
    assert_eq!(anna["birthday"], "1990-02-28");
    desk.says(&["contact", "edit", &id, "--custom", "size=", "--birthday", "", "--phone="]);
    let anna = desk.json(&["contact", "show", &id]);
    assert_eq!((&anna["x"], &anna["birthday"]), (&serde_json::json!({"rank": 3}), &Value::Null));
    assert!(anna["channels"].as_object().unwrap().is_empty());
    assert!(desk.says(&["contact", "edit", &id, "--given_name", "Anna"]).contains("nothing was changed"));
}

#[test]
fn an_unknown_field_lists_the_fields() {
    let desk = Desk::with_book();
    let id = desk.add(&["deal", "add", "Pumps"]);
    let said = desk.fails(&["deal", "edit", &id, "--colour", "red"], 2);
    assert!(said.contains("--colour") && said.contains("--close-date") && said.contains("--lost-reason"), "{said}");
}

#[test]
fn a_deleted_record_leaves_the_list_and_undo_brings_it_back() {
    let desk = Desk::with_book();
    let id = desk.add(&["task", "add", "Call"]);
    desk.says(&["task", "delete", &id]);
    assert!(desk.says(&["task", "list"]).contains("No tasks here"));
    assert!(desk.says(&["task", "list", "--deleted"]).contains("Call"));
    assert!(desk.says(&["undo"]).contains("task Call"));
    assert!(desk.says(&["task", "list"]).contains("Call"));
    desk.says(&["task", "delete", &id]);
    desk.says(&["task", "edit", &id, "--deleted", ""]);
    assert!(desk.says(&["task", "list"]).contains("Call"));
}

#[test]
fn a_record_that_is_deleted_already_is_said_to_be_so_and_no_undo_is_offered() {
    let desk = Desk::with_book();
    let id = desk.add(&["task", "add", "Call"]);
    assert_eq!(desk.json(&["task", "delete", &id])["changed"], true);
    let task = desk.json(&["task", "edit", &id, "--title", "Call Anna"]);
    assert_eq!(task["changed"], true);
    let before = desk.json(&["status"])["state_hash"].clone();
    let said = desk.says(&["task", "delete", &id]);
    assert_eq!(said, "Call Anna is deleted already; nothing was changed.\n");
    assert_eq!(desk.json(&["task", "delete", &id])["changed"], false);
    assert_eq!(desk.json(&["task", "edit", &id, "--title", "Call Anna"])["changed"], false);
    assert_eq!(desk.json(&["status"])["state_hash"], before);
}

#[test]
fn a_long_list_says_how_to_see_more() {
    let desk = Desk::with_book();
    desk.import(60);
    let output = desk.run(&["contact", "list"]);
    assert_eq!(text(&output.stdout).lines().count(), 51, "a title and fifty rows");
    let more = text(&output.stderr);
    let token = more.split('`').nth(1).and_then(|hint| hint.strip_prefix("--after ")).unwrap();
    let rest = desk.json(&["contact", "list", "--after", token]);
    assert_eq!(rest["items"].as_array().unwrap().len(), 10);
    assert_eq!(rest["items"][0]["headline"], "Person 0050");
    assert_eq!(rest["next"], Value::Null);
    assert_eq!(desk.says(&["contact", "list", "--all"]).lines().count(), 61);
    assert_eq!(desk.json(&["contact", "list", "--after", "x"])["error"]["code"], "invalid");
}

#[test]
fn a_search_that_shows_a_part_says_so_and_none_is_asked_for_nothing() {
    let desk = Desk::with_book();
    desk.import(3);
    let output = desk.run(&["search", "person", "--limit", "2"]);
    assert_eq!(text(&output.stdout).lines().count(), 3, "a title and two rows");
    assert!(text(&output.stderr).contains("2 are shown and there are more"), "{}", text(&output.stderr));
    let found = |limit: &str| {
        let found = desk.json(&["search", "person", "--limit", limit]);
        (found["items"].as_array().unwrap().len(), found["more"].as_bool().unwrap())
    };
    assert_eq!([found("2"), found("3"), found("1000")], [(2, true), (3, false), (3, false)]);
    for verb in [&["search", "person"][..], &["contact", "list"]] {
        assert_eq!(desk.run(&[verb, &["--limit", "0"]].concat()).status.code(), Some(2), "{verb:?}");
    }
}

#[test]
fn a_filter_with_a_mistyped_code_that_finds_nothing_names_the_codes() {
    let desk = Desk::with_book();
    desk.says(&["deal", "add", "Pumps"]);
    let remark = |arguments: &[&str]| {
        let output = desk.run(arguments);
        assert!(output.status.success() && text(&output.stdout).starts_with("No "), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    let said = remark(&["deal", "list", "--stage", "propsal"]);
    assert!(said.contains("“propsal” is none of new, qualified, proposal"), "{said}");
    assert!(remark(&["deal", "list", "--outcome", "wn"]).contains("won"));
    assert!(remark(&["task", "list", "--status", "dome"]).contains("done"));
    assert_eq!(remark(&["deal", "list", "--stage", "Proposal"]), "");
}

#[test]
fn a_wrong_key_says_which_key() {
    let desk = Desk::with_book();
    let wrong = desk.write("other.key", "07".repeat(32).as_bytes());
    let said = desk.fails(&["--key-file", &wrong, "status"], 1);
    assert!(said.contains("other.key") && said.contains("does not open the book"), "{said}");
    let broken = desk.write("broken.key", b"secret");
    assert!(desk.fails(&["--key-file", &broken, "status"], 1).contains("64 hexadecimal digits"));
    std::fs::remove_file(desk.path("book.key")).unwrap();
    let said = desk.fails(&["status"], 1);
    assert!(said.contains("book.key") && said.contains("missing"), "{said}");
}

#[test]
fn init_makes_no_second_book_and_keeps_the_key_from_others() {
    let desk = Desk::with_book();
    let key = std::fs::read(desk.path("book.key")).unwrap();
    assert!(desk.fails(&["init"], 1).contains("already"));
    assert_eq!(std::fs::read(desk.path("book.key")).unwrap(), key);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(desk.path("book.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let given = desk.write("given.key", &[9; 32]);
    let output = desk.command(&desk.path("second"), &["--key-file", &given, "init", "--json"]).output().unwrap();
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(made["key_created"], false);
    assert!(!desk.path("second.key").exists());
}

#[test]
fn a_book_without_its_key_gets_no_new_one() {
    let desk = Desk::with_book();
    std::fs::rename(desk.path("book.key"), desk.path("kept.key")).unwrap();
    let said = desk.fails(&["init"], 1);
    assert!(said.contains("there is a book in") && said.contains("book.key is missing"), "{said}");
    assert_eq!(desk.json(&["init"])["error"]["code"], "no_key");
    assert_eq!(desk.json(&["join", "https://crm.example", "--invite", "abc"])["error"]["code"], "no_key");
    assert!(!desk.path("book.key").exists());
    std::fs::rename(desk.path("kept.key"), desk.path("book.key")).unwrap();
    desk.says(&["status"]);
}

#[test]
fn a_folder_without_a_book_stays_untouched() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("book")).unwrap();
    let said = desk.fails(&["contact", "list"], 1);
    assert!(said.contains("roadbook init") && said.contains("roadbook join"), "{said}");
    assert_eq!(std::fs::read_dir(desk.path("book")).unwrap().count(), 0);
}

#[test]
fn a_copied_store_is_another_device() {
    let desk = Desk::with_book();
    let id = desk.add(&["contact", "add", "Anna"]);
    let book = desk.path("book");
    let copy = desk.path("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(&book).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let history = |store: &Path| {
        let key = desk.path("book.key");
        let output = desk.command(store, &["--key-file", key.to_str().unwrap(), "history", &id, "--json"]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["items"][0]["author"]["own"].clone()
    };
    // What the original wrote is not the copy's own: the copy writes as a device of its own from now on.
    assert_eq!(history(&copy), false);
    assert_eq!(history(&book), true);
    let moved = desk.path("moved");
    std::fs::rename(&book, &moved).unwrap();
    assert_eq!(history(&moved), true, "a moved store is the same device");
}

#[test]
fn export_to_a_file_never_leaves_half_of_it() {
    let desk = Desk::with_book();
    desk.says(&["contact", "add", "Anna Petrova"]);
    let old = desk.write("out.json", b"old");
    // The export cannot begin: the old file stays, and nothing lies beside it.
    assert_eq!(desk.run(&["--key-file", "nowhere", "export", "--format", "json", "-o", &old]).status.code(), Some(1));
    assert_eq!(std::fs::read(desk.path("out.json")).unwrap(), b"old");
    desk.says(&["export", "--format", "json", "-o", &old]);
    assert!(serde_json::from_slice::<Value>(&std::fs::read(desk.path("out.json")).unwrap()).unwrap()["contact"].is_array());
    assert!(desk.fails(&["export", "--format", "json", "-o", "none/out.json"], 1).contains("none/out.json"));
    let names: Vec<_> = std::fs::read_dir(desk.dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "book, key and export: {names:?}");
    if Path::new("/dev/full").exists() {
        let full = desk.fails(&["export", "--format", "json", "-o", "/dev/full"], 1);
        assert!(full.contains("no room") || full.contains("/dev/full"), "{full}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_is_for_its_owner_and_what_a_killed_process_left_beside_it_goes() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    desk.write(".book.key.AAAAAAAAAAA.part", b"half a key");
    desk.says(&["init"]);
    desk.says(&["contact", "add", "Anna Petrova"]);
    desk.write(".out.vcf.AAAAAAAAAAA.part", b"BEGIN:VCARD");
    let export = || desk.says(&["export", "--format", "vcard", "-o", "out.vcf"]);
    let mode = || std::fs::metadata(desk.path("out.vcf")).unwrap().permissions().mode() & 0o777;
    export();
    assert_eq!(mode(), 0o600);
    let mut names: Vec<_> = std::fs::read_dir(desk.dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["book", "book.key", "out.vcf"]);
    std::fs::set_permissions(desk.path("out.vcf"), std::fs::Permissions::from_mode(0o644)).unwrap();
    export();
    assert_eq!(mode(), 0o644, "what its owner allowed stays");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let desk = Desk::with_book();
    let mut cards = String::new();
    for number in 0..1000 {
        cards.push_str(&format!("BEGIN:VCARD\nVERSION:4.0\nFN:Person {number}\nNOTE:{}\nEND:VCARD\n", "long ".repeat(40)));
    }
    let cards = desk.write("many.vcf", cards.as_bytes());
    desk.says(&["import", &cards]);
    for verb in [&["export", "--format", "vcard"][..], &["contact", "list", "--all"]] {
        let mut child = desk.command(&desk.path("book"), verb).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{verb:?}");
    }
}

#[test]
fn sync_without_joining_says_what_to_do() {
    let desk = Desk::with_book();
    assert!(desk.fails(&["sync"], 1).contains("roadbook join URL --invite CODE"));
}

#[test]
fn joining_where_nobody_answers_loses_nothing() {
    let desk = Desk::new();
    // A port that was free a moment ago has nobody behind it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let said = desk.fails(&["join", &url, "--invite", "abc"], 1);
    assert!(said.contains("Made a book") && said.contains("No connection to") && said.contains("nothing is lost"), "{said}");
    assert_eq!(desk.json(&["join", &url, "--invite", "abc"])["error"]["code"], "offline");
    let desk = Desk::new();
    for url in ["crm.example", "https://crm.example:84433", "https://"] {
        assert_eq!(desk.json(&["join", url, "--invite", "abc"])["error"]["problems"][0]["field"], "url", "{url}");
        assert!(!desk.path("book.db").exists(), "no book is made for {url}");
    }
}

#[test]
fn an_invitation_may_come_from_a_file_or_standard_input_so_that_no_list_of_processes_shows_it() {
    let desk = Desk::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let (full, empty) = (desk.write("code", b"  ABCD-EFGH\n"), desk.write("empty", b"\n"));
    assert_eq!(desk.json(&["join", &url, "--invite-file", &full])["error"]["code"], "offline");
    assert_eq!(desk.json(&["join", &url, "--invite-file", &empty])["error"]["problems"][0]["field"], "invite");
    assert_eq!(desk.json(&["join", &url, "--invite-file", "none"])["error"]["code"], "io");
    assert_eq!(desk.run(&["join", &url]).status.code(), Some(2));
    assert_eq!(desk.run(&["join", &url, "--invite", "a", "--invite-file", &full]).status.code(), Some(2));
    for (typed, code) in [("ABCD-EFGH\n", "offline"), ("", "invalid")] {
        let mut join = desk.command(&desk.path("book"), &["--json", "join", &url, "--invite", "-"]);
        let mut child = join.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(answer["error"]["code"], code);
        assert!(!answer.to_string().contains("ABCD"));
    }
}

#[test]
fn something_else_that_answers_is_not_taken_for_the_server() {
    let desk = Desk::with_book();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let portal = std::thread::spawn(move || {
        use std::io::Read as _;
        let (mut stream, _) = listener.accept().unwrap();
        // The whole request is read first: closing with bytes unread would reset the connection under the answer.
        let mut request = Vec::new();
        loop {
            let mut part = [0; 1024];
            let read = stream.read(&mut part).unwrap();
            request.extend_from_slice(&part[..read]);
            let so_far = String::from_utf8_lossy(&request).into_owned();
            let length = so_far.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let head = request.windows(4).position(|four| four == b"\r\n\r\n");
            if read == 0 || head.zip(length).is_some_and(|(head, length)| request.len() >= head + 4 + length) {
                break;
            }
        }
        let answer = "HTTP/1.1 302 Found\r\nlocation: http://portal.example/\r\ncontent-type: text/html\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    let answer = desk.json(&["join", &url, "--invite", "abc"]);
    assert_eq!(answer["error"]["code"], "not_the_server", "{answer}");
    let request = portal.join().unwrap();
    assert!(request.starts_with("POST /v1/hello HTTP/1.1"), "{request}");
}

#[test]
fn status_counts_what_is_on_no_other_device() {
    let desk = Desk::with_book();
    desk.says(&["contact", "add", "Anna"]);
    assert!(desk.says(&["status"]).contains("1 edit is on no other device."));
    desk.says(&["contact", "add", "Boris"]);
    let status = desk.says(&["status"]);
    assert!(status.contains("2 edits are on no other device."), "{status}");
    assert!(status.contains(desk.json(&["status"])["state_hash"].as_str().unwrap()));
}

#[test]
fn a_book_that_never_joined_says_nothing_of_a_server() {
    let desk = Desk::with_book();
    let status = desk.says(&["status"]);
    assert!(status.contains("Workspace  none") && !status.contains("on the server"), "{status}");
}

#[test]
fn a_name_from_a_file_cannot_drive_the_terminal() {
    let desk = Desk::with_book();
    let cards = desk.write("evil.vcf", b"BEGIN:VCARD\nVERSION:4.0\nFN:An\x1b[2Jna\nEND:VCARD\n");
    desk.run(&["import", &cards]);
    let shown = desk.says(&["contact", "list"]);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn a_sound_book_is_told_so() {
    let desk = Desk::with_book();
    desk.says(&["deal", "add", "Pumps"]);
    assert_eq!(desk.says(&["doctor"]), "The book is sound.\n");
    let rebuilt = desk.json(&["doctor", "--rebuild"]);
    assert_eq!((&rebuilt["rebuilt"]["records"], &rebuilt["left"]), (&1.into(), &serde_json::json!([])));
}

#[test]
fn a_repair_that_was_asked_for_mends_a_damaged_search() {
    let desk = Desk::with_known_key();
    desk.import(40);
    assert!(desk.damage("UPDATE search_data SET block = x'ffffffffffffffffff' WHERE id = 10") > 0);
    let sound = desk.run(&["doctor"]);
    assert_ne!(sound.status.code(), Some(0));
    assert!(format!("{}{}", text(&sound.stdout), text(&sound.stderr)).contains("roadbook doctor --rebuild"));
    let said = desk.says(&["doctor", "--rebuild"]);
    assert!(said.contains("The book is sound again.") && !said.contains("--rebuild"), "{said}");
    assert_eq!(desk.json(&["search", "person"])["items"].as_array().unwrap().len(), 40);
    assert_eq!(desk.says(&["doctor"]), "The book is sound.\n");
}

#[test]
fn a_repair_that_does_not_help_names_another_way_than_itself() {
    let desk = Desk::with_book();
    desk.import(300);
    let file = desk.path("book").join("book.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let half = bytes.len() / 8192 * 4096;
    bytes[half..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    let output = desk.run(&["doctor", "--rebuild"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(matches!(output.status.code(), Some(1 | 4)), "{said}");
    assert!(!said.contains("doctor") && said.contains("new folder"), "{said}");
}

#[test]
fn what_can_be_read_of_a_damaged_book_goes_on_in_a_new_folder() {
    let desk = Desk::with_book();
    desk.import(300);
    let anna = desk.add(&["contact", "add", "Anna"]);
    let file = desk.path("book").join("book.db");
    let sound = std::fs::read(&file).unwrap();
    // A page of the search, and one of the documents.
    for page in [sound.len() / 4096 - 2, 40, 60] {
        let mut bytes = sound.clone();
        bytes[page * 4096 + 100..page * 4096 + 200].fill(0xa5);
        std::fs::write(&file, &bytes).unwrap();
        let new = desk.path(&format!("new-{page}"));
        let output = desk.run(&["rescue", new.to_str().unwrap(), "--json"]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (records, unreadable) = (said["records"].as_u64().unwrap(), said["unreadable"].as_array().unwrap().len() as u64);
        assert_eq!(records + unreadable, 301, "page {page}: {said}");
        let whole = unreadable == 0 && said["incomplete"].as_array().unwrap().is_empty();
        assert_eq!(output.status.code(), Some(if whole { 0 } else { 3 }), "page {page}: {said}");
        let doctor = desk.command(&new, &["doctor"]).output().unwrap();
        assert_eq!(text(&doctor.stdout), "The book is sound.\n", "page {page}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "the old one stays as it is");
        // Not over a book that is there.
        let said = desk.fails(&["rescue", new.to_str().unwrap()], 1);
        assert!(said.contains("already"), "{said}");
    }
    std::fs::write(&file, &sound).unwrap();
    // Into a book that holds nothing, as a rescue leaves it that was killed.
    desk.command(&desk.path("whole"), &["init"]).output().unwrap();
    let said = desk.says(&["rescue", desk.path("whole").to_str().unwrap()]);
    assert!(said.contains("Put 301 records into") && said.contains("do not use the old folder"), "{said}");
    let shown = desk.command(&desk.path("whole"), &["contact", "show", &anna]).output().unwrap();
    assert!(text(&shown.stdout).contains("Anna"));
}

#[test]
fn a_book_whose_file_is_lost_is_not_sent_to_a_repair_that_cannot_open_it() {
    for left in [&b""[..], &[0xa5; 8192]] {
        let desk = Desk::with_book();
        desk.says(&["contact", "add", "Anna"]);
        desk.write("book/book.db", left);
        for verb in [&["doctor"][..], &["doctor", "--rebuild"], &["contact", "list"]] {
            let said = desk.fails(verb, 1);
            assert!(!said.contains("doctor") && said.contains("new folder") && said.contains("book.key"), "{verb:?}: {said}");
            assert_eq!(desk.json(verb)["error"]["code"], "corrupt");
        }
    }
}

#[test]
fn a_record_that_cannot_be_opened_hides_no_disagreement_of_another() {
    let desk = Desk::with_known_key();
    let anna = desk.add(&["contact", "add", "Anna"]);
    assert!(desk.says(&["conflicts"]).contains("No disagreements."));
    desk.damage("UPDATE doc SET disputed = 1, bytes = x'0001020304'");
    let output = desk.run(&["conflicts"]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "No disagreements known.\n"));
    assert!(text(&output.stderr).contains("cannot be opened"), "{}", text(&output.stderr));
    assert_eq!(desk.json(&["conflicts"])["unreadable"][0]["id"], anna.as_str());
}

#[test]
fn more_disagreements_than_are_shown_are_told() {
    let desk = Desk::with_known_key();
    desk.import(1001);
    desk.damage("UPDATE doc SET disputed = 1");
    assert_eq!(desk.json(&["conflicts"])["more"], true);
    assert!(text(&desk.run(&["conflicts"]).stderr).contains("there are more"));
    desk.damage("UPDATE doc SET disputed = 0 WHERE n = 1");
    assert_eq!(desk.json(&["conflicts"])["more"], false);
}

#[cfg(unix)]
#[test]
fn an_import_that_breaks_off_says_what_it_took() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    let desk = Desk::with_book();
    let cards = desk.write("cards.vcf", CARDS.as_bytes());
    let import = |json: &[&str]| {
        // A socket whose other end goes away with bytes unread gives what was written, and then an error.
        let (mut near, mut far) = UnixStream::pair().unwrap();
        near.write_all(b"unread").unwrap();
        far.write_all((0..250).map(card).collect::<String>().as_bytes()).unwrap();
        drop(far);
        let mut import = desk.command(&desk.path("book"), &[&["import", &cards, "-"], json].concat());
        import.stdin(OwnedFd::from(near)).output().unwrap()
    };
    let output = import(&[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("From the 1 file before it: 3 contacts added") && said.contains("From standard input: 200 cards"),
        "{said}"
    );
    assert_eq!(desk.json(&["status"])["records"], 203, "two batches stay, and the file before");
    let again: Value = serde_json::from_slice(&import(&["--json"]).stdout).unwrap();
    assert_eq!(again["error"]["code"], "io");
    assert_eq!((&again["earlier_files"]["unchanged"], &again["stopped_in"]["cards"]), (&3.into(), &200.into()), "{again}");
    assert_eq!(desk.json(&["status"])["records"], 203);
}

#[test]
fn standard_input_is_imported_once() {
    let desk = Desk::with_book();
    assert!(desk.fails(&["import", "-", "-"], 2).contains("only once"));
}

#[test]
fn an_export_without_a_damaged_record_says_so() {
    let desk = Desk::with_known_key();
    desk.says(&["contact", "add", "Anna"]);
    let boris = desk.add(&["contact", "add", "Boris"]);
    let damaged = "UPDATE doc SET bytes = x'0001020304' WHERE n = (SELECT n FROM contact WHERE given_name = 'Boris')";
    assert_eq!(desk.damage(damaged), 1);

    let output = desk.run(&["export", "--format", "vcard", "-o", "out.vcf"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), "Wrote 1 record to out.vcf; 1 record was left out.\n");
    let said = text(&output.stderr);
    assert!(said.starts_with("contact Boris: ") && said.contains(&boris), "{said}");
    assert!(std::fs::read_to_string(desk.path("out.vcf")).unwrap().contains("FN:Anna"));

    let listed = desk.json(&["export", "--format", "vcard", "-o", "out.vcf"]);
    assert_eq!((&listed["records"], &listed["left_out"][0]["id"]), (&1.into(), &boris.as_str().into()));
    let all = desk.json(&["export", "--format", "json"]);
    assert_eq!(all["left_out"][0]["headline"], "Boris", "what goes to standard output says itself what it lacks");
}

#[test]
fn help_and_version_answer_without_a_book() {
    let desk = Desk::new();
    assert!(desk.says(&["--help"]).contains("Exit codes:"));
    assert!(desk.says(&["--version"]).starts_with("roadbook "));
    let help = desk.says(&["deal", "edit", "--help"]);
    assert!(help.contains("--close-date") && help.contains("new, qualified, proposal, negotiation"), "{help}");
}
