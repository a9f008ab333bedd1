//! The real command line on bad lines: a sync ends by itself, says what is wrong, changes nothing, and the next one over a
//! good line brings everything.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use roadbook_core::sync::wire::{CONTENT_TYPE, MAX_RESPONSE};
use roadbook_tests::line::{Line, Way};
use roadbook_tests::process::Desk;
use roadbook_tests::server::Server;

const WORKSPACE: &str = "Firm";
/// Waits for the server are this short.
const IMPATIENT: &[&str] = &["--timeout", "1", "sync"];

/// A server, Boris beside it, and Anna at the end of a line.
struct Field {
    dir: tempfile::TempDir,
    server: Server,
    line: Line,
    anna: Desk,
    boris: Desk,
}

impl Field {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna", "Boris"]);
        let line = Line::new(Way::To(server.address().to_owned()));
        let boris = Desk::joined(&dir.path().join("boris"), &server, WORKSPACE, "Boris");
        std::fs::create_dir(dir.path().join("anna")).unwrap();
        let anna = Desk::at(&dir.path().join("anna"));
        anna.json(&["join", &line.url, "--invite", &server.invite(WORKSPACE, "Anna")]);
        Self { dir, server, line, anna, boris }
    }

    fn good(&self) -> Way {
        Way::To(self.server.address().to_owned())
    }

    /// Both write; Anna's sync over this way must fail so and change nothing; then all is well again.
    fn fails_over(&self, way: Way, code: &str, words: &str) {
        self.anna.json(&["contact", "add", "Anna's"]);
        self.boris.json(&["contact", "add", "Boris's"]);
        self.boris.json(&["sync"]);
        let before = self.anna.json(&["status"]);
        self.line.turn(way.clone());
        let (found, message) = self.anna.fails(IMPATIENT);
        assert_eq!(found, code, "{message}");
        assert!(message.contains(words), "{message}");
        assert!(message.contains("your edits are kept and will be sent next time"), "{message}");
        assert_eq!(self.anna.json(&["status"]), before, "{way:?} changed the book");
        self.agrees_again();
    }

    fn agrees_again(&self) {
        self.line.turn(self.good());
        self.anna.json(&["sync"]);
        self.boris.json(&["sync"]);
        assert_eq!(self.anna.json(&["status"])["pending_changes"], 0);
        assert_eq!(self.anna.state_hash(), self.boris.state_hash());
    }
}

fn answer(head: &str, body: &[u8]) -> Way {
    let mut answer = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    Way::Answer(answer)
}

#[test]
fn a_server_that_is_not_to_be_reached_is_given_up_and_asked_again_later() {
    let field = Field::new();
    field.fails_over(Way::Closed, "offline", "No connection to http://127.0.0.1");
    field.fails_over(Way::Hole, "offline", "did not answer in time");
    field.fails_over(Way::Silent, "offline", "did not answer in time");
    field.fails_over(Way::Deaf, "offline", "did not answer in time");
    field.anna.assert_sound();
}

#[test]
fn an_answer_that_was_cut_in_the_middle_costs_nothing() {
    let field = Field::new();
    for _ in 0..3 {
        // The server has taken the edits; the next sync must not bring them twice.
        field.fails_over(Way::Cut(field.server.address().to_owned()), "offline", "No connection to");
    }
    assert_eq!(field.anna.json(&["contact", "list", "--all"])["items"].as_array().unwrap().len(), 6);
    field.anna.assert_sound();
}

#[test]
fn another_program_that_answers_is_not_taken_for_the_server() {
    let field = Field::new();
    let page = b"<html>Welcome to the hotel</html>";
    field.fails_over(answer("200 OK\r\ncontent-type: text/html", page), "not_the_server", "check the address and the network");
    let redirect = "302 Found\r\nlocation: http://hotel.example/login\r\ncontent-type: text/html";
    field.fails_over(answer(redirect, b""), "not_the_server", "check the address and the network");
    let of_the_type = format!("200 OK\r\ncontent-type: {CONTENT_TYPE}");
    field.fails_over(answer(&of_the_type, page), "not_the_server", "check the address and the network");
    let too_much = vec![0; MAX_RESPONSE + 1];
    field.fails_over(answer(&of_the_type, &too_much), "not_the_server", "check the address and the network");
    field.anna.assert_sound();
}

#[test]
fn another_roadbook_server_gets_nothing_and_changes_nothing() {
    let field = Field::new();
    let other = Server::with_people(&field.dir.path().join("other"), WORKSPACE, &["Anna"]);
    // While the token is good it is the other server that refuses; it is asked for who it is then.
    field.fails_over(Way::To(other.address().to_owned()), "not_the_server", "check the address and the network");
}

#[test]
fn a_slow_line_is_used_as_long_as_it_gives_signs_of_life() {
    let field = Field::new();
    field.boris.json(&["contact", "add", "Boris's"]);
    field.boris.json(&["sync"]);
    field.line.turn(Way::Slow(field.server.address().to_owned(), 2));
    field.anna.json(IMPATIENT);
    assert_eq!(field.anna.state_hash(), field.boris.state_hash());
    // A drip without end is given up, too.
    field.fails_over(Way::Slow(field.server.address().to_owned(), 300), "offline", "No connection to");
}

#[test]
fn a_join_behind_a_captive_portal_can_be_repeated_with_the_same_invitation() {
    let field = Field::new();
    let code = field.server.invite(WORKSPACE, "Anna");
    std::fs::create_dir(field.dir.path().join("tablet")).unwrap();
    let tablet = Desk::at(&field.dir.path().join("tablet"));
    let join = ["--timeout", "1", "join", &field.line.url, "--invite", &code];
    for way in [answer("200 OK\r\ncontent-type: text/html", b"hotel"), Way::Cut(field.server.address().to_owned())] {
        field.line.turn(way);
        let (_, message) = tablet.fails(&join);
        assert!(message.contains("nothing is lost: run the same command again"), "{message}");
    }
    field.line.turn(field.good());
    tablet.json(&join);
    assert_eq!(tablet.state_hash(), field.boris.state_hash());
}
