//! What a book leaves on the disk and in texts: nothing of what it holds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use roadbook_core::Error;
use roadbook_core::book::{Book, Change};
use roadbook_core::records::{Contact, Deal, TaskItem};
use roadbook_core::sync::Session;
use roadbook_core::value::{Channel, ChannelKind, CustomField, CustomValue, PostalAddress, Region};
use roadbook_tests::process::{Desk, names};

/// In every field: a word, and the digits of a number.
const WORD: &str = "Zebrafinkenprobe";
const DIGITS: &str = "30987612345";

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(dir) {
        let path = dir.join(name);
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The probes as they might be written: in UTF-8 and both orders of UTF-16, in small letters.
fn needles() -> Vec<Vec<u8>> {
    [WORD, DIGITS]
        .iter()
        .map(|probe| probe.to_lowercase())
        .flat_map(|probe| {
            let units = || probe.encode_utf16();
            let (little, big) = (units().flat_map(u16::to_le_bytes).collect(), units().flat_map(u16::to_be_bytes).collect());
            [probe.clone().into_bytes(), little, big]
        })
        .collect()
}

fn assert_no_trace(bytes: &[u8], what: &str) {
    let folded = bytes.to_ascii_lowercase();
    for needle in needles() {
        assert!(!folded.windows(needle.len()).any(|window| window == needle), "{what} shows what the book holds");
    }
}

/// Returns how many files there were.
fn assert_no_trace_in(dir: &Path) -> usize {
    let files = files(dir);
    for file in &files {
        assert_no_trace(&std::fs::read(file).unwrap(), &file.display().to_string());
        assert_no_trace(file.display().to_string().as_bytes(), "the name of a file");
    }
    files.len()
}

fn custom(book: &Book) -> Vec<CustomField> {
    vec![CustomField { id: book.new_entry_id(), value: CustomValue::Text { text: WORD.into() } }]
}

/// A contact with the probe in every field of text.
fn contact(book: &Book) -> Contact {
    let text = || WORD.to_owned();
    let channel = |kind, value: &str| Channel {
        label: Some(text()),
        ..Channel::typed(book.new_entry_id(), kind, value, &Region::default())
    };
    Contact {
        id: book.new_id().into(),
        given_name: text(),
        family_name: text(),
        middle_name: text(),
        name_prefix: text(),
        name_suffix: text(),
        organization: text(),
        job_title: text(),
        tags: vec![text()],
        card_note: text(),
        notes: text(),
        channels: vec![
            channel(ChannelKind::Phone, &format!("+49{DIGITS}")),
            channel(ChannelKind::Email, &format!("{WORD}@example.org")),
        ],
        addresses: vec![PostalAddress {
            id: book.new_entry_id(),
            label: Some(text()),
            street: text(),
            city: text(),
            region: text(),
            postcode: DIGITS.into(),
            country: text(),
        }],
        x: custom(book),
        ..Contact::default()
    }
}

#[test]
fn no_file_of_a_book_shows_what_was_written_searched_drafted_or_imported() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::at(&dir.path().join("desk"));
    std::fs::create_dir(desk.path("")).unwrap();
    desk.json(&["init"]);
    let book = Arc::new(desk.open());
    let text = || WORD.to_owned();
    let contact = book.save(&contact(&book)).unwrap();
    let deal = Deal {
        id: book.new_id().into(),
        title: text(),
        organization: text(),
        tags: vec![text()],
        contacts: vec![contact.id],
        lost_reason: text(),
        notes: text(),
        x: custom(&book),
        ..Deal::default()
    };
    book.save(&deal).unwrap();
    let task = TaskItem {
        id: book.new_id().into(),
        title: text(),
        tags: vec![text()],
        notes: text(),
        x: custom(&book),
        ..TaskItem::default()
    };
    book.save(&task).unwrap();
    assert_eq!(book.search(WORD, 10).unwrap().len(), 3);
    assert_eq!(book.search(DIGITS, 10).unwrap().len(), 1);
    book.keep_draft("form", &Change::Contact(Contact { notes: format!("{WORD} {DIGITS}"), ..contact.clone() })).unwrap();
    let card = format!("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{WORD}\r\nTEL:+49{DIGITS}\r\nNOTE:{WORD}\r\nEND:VCARD\r\n");
    assert_eq!(book.import_vcard("cards", card.as_bytes(), None, &|_| true).unwrap().added, 1);
    book.delete(roadbook_core::record::Kind::Task, task.id.0).unwrap();
    let _session = Session::sync(&book, None).unwrap();

    // Open, with its log and its index; closed; and rebuilt.
    assert!(assert_no_trace_in(&desk.store()) >= 5, "the database, its log and index, the lock, the installation");
    book.rebuild().unwrap();
    assert_no_trace_in(&desk.store());
    book.shutdown();
    assert_no_trace_in(&desk.store());
}

#[test]
fn the_command_line_leaves_nothing_outside_the_book_and_no_temporary_file() {
    let dir = tempfile::tempdir().unwrap();
    let (home, temporary) = (dir.path().join("home"), dir.path().join("temporary"));
    std::fs::create_dir(&temporary).unwrap();
    std::fs::create_dir(&home).unwrap();
    std::fs::write(dir.path().join("cards.vcf"), format!("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{WORD}\r\nEND:VCARD\r\n")).unwrap();
    let desk = Desk::at(&home);
    for verb in [
        &["init"][..],
        &["contact", "add", WORD, "--phone", &format!("+49{DIGITS}"), "--notes", WORD],
        &["import", "../cards.vcf"],
        &["search", WORD],
        &["export", "--format", "json"],
        &["doctor", "--rebuild"],
    ] {
        let output = desk.command(verb).env("HOME", &home).env("TMPDIR", &temporary).env("SQLITE_TMPDIR", &temporary).output();
        assert!(output.unwrap().status.success(), "{verb:?}");
    }
    assert_no_trace_in(&home);
    assert_eq!(names(&home), ["book", "book.key"]);
    assert!(names(&temporary).is_empty());
}

/// Runs a command with dumps of its memory allowed, as far as this machine allows them, in a folder for them.
#[cfg(unix)]
fn with_dumps_allowed(command: &Command, folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"ulimit -c unlimited 2>/dev/null || ulimit -c "$(ulimit -H -c)"; exec "$0" "$@""#])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(folder);
    shell
}

#[cfg(unix)]
fn abort(process: u32) {
    let asked = Command::new("sh").arg("-c").arg(format!("kill -ABRT {process}")).status().unwrap();
    assert!(asked.success(), "the process was gone already");
}

#[cfg(unix)]
#[test]
fn a_crash_writes_no_memory_to_the_disk_and_leaves_nothing_beside_the_book() {
    use std::os::unix::process::ExitStatusExt as _;

    const SIGABRT: i32 = 6;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let folders = ["work", "temporary", "cache", "config", "data", "state"].map(|name| dir.path().join(name));
    for folder in folders.iter().chain([&home]) {
        std::fs::create_dir(folder).unwrap();
    }
    let [work, temporary, cache, config, data, state] = &folders;
    // Another program leaves a dump here, unless this machine writes none at all: then the rest shows nothing of dumps.
    let mut other = with_dumps_allowed(Command::new("sleep").arg("60"), temporary).spawn().unwrap();
    while std::fs::read(format!("/proc/{}/comm", other.id())).is_ok_and(|name| name != b"sleep\n") {
        std::thread::yield_now();
    }
    abort(other.id());
    if !other.wait().unwrap().core_dumped() {
        eprintln!("this machine writes no dumps");
    }
    for dump in names(temporary) {
        std::fs::remove_file(temporary.join(dump)).unwrap();
    }
    let desk = Desk::at(&home);
    desk.json(&["init"]);

    let mut import = desk.command(&["import", "-"]);
    import.env("HOME", &home).env("TMPDIR", temporary).env("SQLITE_TMPDIR", temporary);
    for (variable, folder) in
        [("XDG_CACHE_HOME", cache), ("XDG_CONFIG_HOME", config), ("XDG_DATA_HOME", data), ("XDG_STATE_HOME", state)]
    {
        import.env(variable, folder);
    }
    let mut import = with_dumps_allowed(&import, work).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut input = import.stdin.take().unwrap();
    for number in 0..250 {
        write!(input, "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{WORD} {number}\r\nTEL:+49{DIGITS}\r\nEND:VCARD\r\n").unwrap();
    }
    // It has two batches in the book, half a one in its memory, and waits for more.
    while desk.json(&["status"])["records"] != 200 {
        assert!(import.try_wait().unwrap().is_none(), "the import ended by itself");
        std::thread::yield_now();
    }
    abort(import.id());
    let end = import.wait().unwrap();
    assert_eq!((end.signal(), end.core_dumped()), (Some(SIGABRT), false));

    assert_eq!(names(&home), ["book", "book.key"]);
    assert_no_trace_in(&home);
    for folder in &folders {
        assert!(names(folder).is_empty(), "{}", folder.display());
    }
    desk.assert_sound();
}

#[cfg(target_os = "linux")]
#[test]
fn no_list_of_processes_shows_a_code_that_is_typed_or_lies_in_a_file() {
    const CODE: &str = "7VVG-SAY2-NGDT-6NZQ-THT9";
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::at(dir.path());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    std::fs::write(desk.path("code"), CODE).unwrap();
    for given in [["--invite", "-"], ["--invite-file", "code"]] {
        let join = [&["join", &url][..], &given].concat();
        let mut join = desk.command(&join).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        writeln!(join.stdin.take().unwrap(), "{CODE}").unwrap();
        // It has read the code, and waits for an answer to its first request.
        let (_waits, _) = silent.accept().unwrap();
        let shown = std::fs::read(format!("/proc/{}/cmdline", join.id())).unwrap();
        let shown = String::from_utf8_lossy(&shown);
        assert!(shown.contains(given[0]) && !shown.contains("7VVG") && !shown.contains("THT9"), "{shown}");
        join.kill().unwrap();
        join.wait().unwrap();
    }
}

#[test]
fn errors_of_the_core_do_not_repeat_what_was_typed() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::at(dir.path());
    desk.json(&["init"]);
    let book = desk.open();
    let long = WORD.repeat(20);
    let mut texts = Vec::new();
    let mut told = |error: Error| texts.push(error.to_string());
    let contact = contact(&book);
    let id = contact.id;
    told(book.save(&Contact { family_name: long.clone(), tags: vec![long.clone()], ..contact.clone() }).unwrap_err());
    told(book.save(&Deal { id: book.new_id().into(), lost_reason: long.repeat(5), ..Deal::default() }).unwrap_err());
    told(book.get::<Contact>(id.0).unwrap_err());
    let mut saved = book.save(&contact).unwrap();
    saved.version = WORD.into();
    told(book.save(&saved).unwrap_err());
    let broken = format!("BEGIN:VCARD\r\nVERSION:4.0\r\n{WORD}\r\nFN:{WORD}\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:{WORD}\r\n");
    let report = book.import_vcard("cards", broken.as_bytes(), None, &|_| true).unwrap();
    assert!(report.broken > 0);
    texts.extend(report.problems.iter().map(|problem| problem.reason.clone()));
    for text in texts {
        assert_no_trace(text.as_bytes(), &text);
    }
}
