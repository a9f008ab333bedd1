//! What a server sends to a device, and a file that it imports. The first byte says how the rest is read: as a body, or as
//! parts that are entries and verdicts. The book is used afterwards: nothing that came may break it.

use roadbook_core::document::seal_envelope;
use roadbook_core::record::Kind;
use roadbook_core::sync::wire::{Entry, Form, Outcome, SyncRequest, SyncResponse, Verdict, decode, encode};
use roadbook_core::sync::{Event, Session, Step};

use super::phone::{IDS, NEWER, answered, entry, page, unbroken, use_book, with_book};
use crate::changes::Writer;
use crate::chunk;
use crate::parts::{choice, split};
use crate::records::{KINDS, in_use};

/// What the first bytes of an input and of its parts say.
pub mod form {
    /// In the first byte: the rest is a body.
    pub const BODY: u8 = 0x80;
    /// In a part's first byte: the record's next generation.
    pub const NEXT_GENERATION: u8 = 0x10;
    /// In a part's first byte: the record comes as one of another kind.
    pub const OTHER_KIND: u8 = 0x20;

    /// In a part's second byte: the record in use, with the rest as its row.
    pub const ROW: u8 = 0;
    /// In a part's second byte: the rest is a change.
    pub const CHANGE: u8 = 1;
    /// In a part's second byte: the rest is the content of a document.
    pub const SNAPSHOT: u8 = 2;
    /// In a part's second byte: the rest is a verdict on one of the device's groups.
    pub const VERDICT: u8 = 3;
}

pub fn run(input: &[u8]) {
    with_book(|book| {
        let mut session = Session::sync(book, None).expect("a session");
        let Ok(Step::Send(request)) = session.start() else { panic!("a device that has joined sends a request") };
        let (first, rest) = choice(input);
        let body = if first & form::BODY == 0 {
            let ask: SyncRequest = decode(&request.body).expect("the device's own request can be decoded");
            encode(&response(&ask, &split(rest))).expect("a response")
        } else {
            rest.to_vec()
        };
        let step = unbroken(session.next(answered(body)));
        if let Some(Step::Send(request)) = step {
            let _: Result<SyncRequest, _> = decode(&request.body);
            unbroken(session.next(Event::Unreachable));
        }
        drop(session);
        use_book(book);
    });
}

/// Imports a file into a book that has contacts already, and again.
pub fn import(input: &[u8]) {
    with_book(|book| {
        let imported = || unbroken(book.import_vcard("cards.vcf", input, None, &|_| true));
        let once = imported().expect("a report");
        let again = imported().expect("a report");
        assert_eq!(again.added, 0, "the same file again makes nothing new: {once:?}");
        use_book(book);
    });
}

fn response(ask: &SyncRequest, parts: &[&[u8]]) -> SyncResponse {
    let mut response = page(Vec::new());
    let mut writers: Vec<Writer> = KINDS.into_iter().map(|kind| Writer::on(in_use(kind))).collect();
    for part in parts {
        let (about, rest) = choice(part);
        let (came, rest) = choice(rest);
        if came % 4 == form::VERDICT {
            response.verdicts.push(verdict(ask, about, rest));
            continue;
        }
        let at = usize::from(about & 7) % IDS.len();
        let kind = KINDS[at % KINDS.len()];
        let mut entry = entry(IDS[at], kind);
        match came % 4 {
            form::ROW if rest.is_empty() => {}
            form::ROW => entry.row = Some(rest.to_vec()),
            form::CHANGE => {
                let change = writers[at % KINDS.len()].change(rest);
                entry = Entry { form: Form::Changes, changes: Some(vec![change.into()]), ..without_snapshot(entry) };
            }
            _ => {
                let snapshot = seal_envelope(&chunk::framed(chunk::DOCUMENT, rest).0);
                entry = Entry { snapshot: Some(snapshot), ..without_snapshot(entry) };
            }
        }
        entry.generation = u32::from(about & form::NEXT_GENERATION != 0);
        if about & form::OTHER_KIND != 0 {
            entry.kind = if entry.kind == NEWER { Kind::Deal.code() } else { NEWER };
        }
        response.entries.push(entry);
    }
    response
}

fn without_snapshot(entry: Entry) -> Entry {
    Entry { snapshot: None, row: None, row_version: None, changed_ms: None, ..entry }
}

/// A verdict: on which group, what became of it, and the reason.
fn verdict(ask: &SyncRequest, about: u8, rest: &[u8]) -> Verdict {
    let (outcome, code) = choice(rest);
    let group = ask.groups.get(usize::from(about) % (ask.groups.len() + 1)).map(|group| group.id.clone()).unwrap_or_default();
    let outcome = match outcome {
        0 => Outcome::Accepted,
        1 => Outcome::Held,
        2 => Outcome::Refused,
        other => Outcome::Other(u32::from(other)),
    };
    Verdict { group, outcome, code: (!code.is_empty()).then(|| String::from_utf8_lossy(code).into_owned()) }
}
