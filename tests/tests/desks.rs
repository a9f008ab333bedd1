//! Command lines that meet at a server: what they say of each other's edits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use roadbook_tests::process::{Desk, said};
use roadbook_tests::server::{Server, admin};

const WORKSPACE: &str = "Firm";

/// What a verb says to a person, remarks included; it must succeed.
fn says(desk: &Desk, verb: &[&str]) -> String {
    let output = desk.run(verb);
    assert!(output.status.success(), "{verb:?}: {}", said(&output));
    said(&output)
}

#[test]
fn a_device_that_joins_late_shows_a_disagreement_that_is_older_than_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna", "Boris", "Clara"]);
    let desk = |person: &str| Desk::joined(&dir.path().join(person), &server, WORKSPACE, person);
    let (anna, boris) = (desk("Anna"), desk("Boris"));
    let deal = anna.json(&["deal", "add", "Pumps"])["id"].as_str().unwrap().to_owned();
    anna.json(&["sync"]);
    boris.json(&["sync"]);
    for (desk, title) in [(&anna, "Two pumps"), (&boris, "Spare pumps")] {
        desk.json(&["deal", "edit", &deal, "--title", title]);
        desk.json(&["sync"]);
    }

    let clara = Desk::at(&dir.path().join("Clara"));
    std::fs::create_dir(clara.path("")).unwrap();
    let joined = says(&clara, &["join", &server.url, "--invite", &server.invite(WORKSPACE, "Clara")]);
    assert!(joined.contains("1 record has a disagreement"), "{joined}");
    assert_eq!(clara.json(&["status"])["disputed"], 1);
    let shown = says(&clara, &["conflicts"]);
    assert!(shown.contains("Two pumps") && shown.contains("Spare pumps") && shown.contains("Boris"), "{shown}");
    let conflicts = clara.json(&["conflicts"]);
    assert_eq!((&conflicts["items"][0]["field"], &conflicts["complete"]), (&"title".into(), &true.into()), "{conflicts}");
    assert_eq!(conflicts["items"][0]["values"].as_array().unwrap().len(), 2);
}

#[test]
fn a_refused_edit_of_an_erased_record_can_be_cleared_away_and_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Rita"]);
    admin(server.data(), &["user", "add", "--workspace", WORKSPACE, "--role", "administrator", "Anna"]);
    let desk = |person: &str| Desk::joined(&dir.path().join(person), &server, WORKSPACE, person);
    let (anna, rita) = (desk("Anna"), desk("Rita"));
    let contact = anna.json(&["contact", "add", "Petrov"])["id"].as_str().unwrap().to_owned();
    anna.json(&["sync"]);
    rita.json(&["sync"]);
    rita.json(&["contact", "edit", &contact, "--title", "Buyer"]);
    anna.json(&["contact", "erase", &contact, "--yes"]);
    anna.json(&["sync"]);
    let synced = says(&rita, &["sync"]);
    let status = says(&rita, &["status"]);
    assert!(status.contains("refused by the server") && !status.contains("Every edit is on the server"), "{synced}{status}");
    let shown = says(&rita, &["refusals"]);
    assert!(shown.contains("erased for good") && !shown.contains("refusals retry"), "{shown}");
    let refusal = rita.json(&["refusals"])["items"][0].clone();
    assert_eq!(refusal["can_retry"], false);
    let id = refusal["id"].as_str().unwrap();
    let (code, message) = rita.fails(&["refusals", "retry", id]);
    assert_eq!(code, "nothing_to_retry");
    assert!(message.contains(&format!("roadbook refusals discard {id}")), "{message}");
    says(&rita, &["refusals", "discard", id]);
    assert!(says(&rita, &["status"]).contains("Every edit is on the server."));
}

#[test]
fn a_book_of_one_firm_that_is_invited_by_another_is_told_to_use_a_folder_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna"]);
    admin(server.data(), &["workspace", "create", "Other"]);
    admin(server.data(), &["user", "add", "--workspace", "Other", "--role", "rep", "Anna"]);
    let anna = Desk::joined(&dir.path().join("Anna"), &server, WORKSPACE, "Anna");
    let (code, message) = anna.fails(&["join", &server.url, "--invite", &server.invite("Other", "Anna")]);
    assert_eq!(code, "other_workspace");
    assert!(message.contains("--store"), "{message}");
}

#[test]
fn an_undo_that_leaves_a_whole_record_alone_says_so_of_the_record() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna", "Boris"]);
    let desk = |person: &str| Desk::joined(&dir.path().join(person), &server, WORKSPACE, person);
    let (anna, boris) = (desk("Anna"), desk("Boris"));
    let added = anna.json(&["contact", "add", "Petrov"]);
    let contact = added["id"].as_str().unwrap();
    anna.json(&["sync"]);
    boris.json(&["sync"]);
    boris.json(&["contact", "edit", contact, "--owner", "me"]);
    boris.json(&["sync"]);
    anna.json(&["sync"]);
    let undone = says(&anna, &["undo"]);
    assert_eq!(undone, "Nothing was taken back.\nLeft whole: Petrov, which is somebody else's now.\n");
    assert_eq!(anna.json(&["contact", "list"])["items"].as_array().unwrap().len(), 1);
    // It was not the last word: once the record is Anna's again, the same action can be taken back.
    let history = anna.json(&["history", contact]);
    let added =
        history["items"].as_array().unwrap().iter().find(|entry| entry["author"]["name"] == "Anna").unwrap()["action"].clone();
    boris.json(&["contact", "edit", contact, "--owner", ""]);
    boris.json(&["sync"]);
    anna.json(&["sync"]);
    let undone = says(&anna, &["undo", added.as_str().unwrap()]);
    assert!(undone.starts_with("Taken back in 1 record."), "{undone}");
    assert!(anna.json(&["contact", "list"])["items"].as_array().unwrap().is_empty());
    assert_eq!(anna.fails(&["undo", added.as_str().unwrap()]).0, "nothing_to_undo");
}
