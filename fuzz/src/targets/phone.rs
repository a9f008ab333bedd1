//! A device that has joined: the records in use came from the server, and two edits of its own wait to be sent.

use std::cell::RefCell;
use std::io::sink;
use std::sync::Arc;

use roadbook_core::book::{Book, Change, ContactFilter, ContactSort, DealFilter, DealSort, TaskFilter, TaskSort, Vault};
use roadbook_core::document::Document;
use roadbook_core::id::RecordId;
use roadbook_core::record::{Kind, encode_row};
use roadbook_core::records::{Deal, TaskItem};
use roadbook_core::sync::wire::{
    CONTENT_TYPE, Entry, Form, HelloResponse, JoinResponse, RowVersion, SyncResponse, TokenResponse, encode,
};
use roadbook_core::sync::{Event, Response, Session, Step};
use roadbook_core::{Error, Key};
use tempfile::TempDir;

use super::scratch;
use crate::records::{KINDS, in_use};
use crate::still::Still;

/// A kind of a newer release.
pub const NEWER: u16 = 77;

/// The records that a device has: those in use, and the two that it made.
pub const IDS: [[u8; 16]; 6] = [[1; 16], [2; 16], [3; 16], [4; 16], [5; 16], [6; 16]];

/// A device whose book is put back after each use.
pub struct Phone {
    clean: TempDir,
    dir: TempDir,
    vault: Vault,
}

/// Gives this thread's phone with a book as it was at first.
pub fn with_book(work: impl FnOnce(&Arc<Book>)) {
    thread_local! {
        static PHONE: RefCell<Option<Phone>> = const { RefCell::new(None) };
    }
    PHONE.with_borrow_mut(|phone| {
        let phone = phone.get_or_insert_with(Phone::new);
        let book = phone.book();
        work(&book);
        book.shutdown();
    });
}

impl Phone {
    /// Makes the device and lets it join.
    pub fn new() -> Self {
        let phone = Self {
            clean: scratch::folder(),
            dir: scratch::folder(),
            vault: Vault { key: Key::new([7; 32]), incarnation: [8; 16] },
        };
        let book = Book::create(phone.clean.path(), phone.vault.clone(), Arc::new(Still::default())).expect("a new book");
        let book = Arc::new(book);
        let [.., deal, task] = IDS.map(RecordId::from_bytes);
        book.save(&Deal { id: deal.into(), title: "Own deal".into(), ..Deal::default() }).expect("a saved deal");
        book.save(&TaskItem { id: task.into(), title: "Own task".into(), ..TaskItem::default() }).expect("a saved task");
        let mut session = Session::join(&book, "http://server", "code", "Phone").expect("a session");
        assert!(matches!(session.start(), Ok(Step::Send(_))));
        let token = TokenResponse { token: vec![7; 32], expires_in_s: 900 };
        let answers = [
            encode(&HelloResponse { server_id: vec![1; 16], protocol: 1, time_ms: 0, nonce: vec![2; 8] }),
            encode(&JoinResponse {
                device: vec![1; 16],
                person: vec![2; 16],
                workspace: vec![3; 16],
                workspace_name: "Firm".into(),
                token,
            }),
            encode(&page(KINDS.into_iter().zip(IDS).map(|(kind, id)| entry(id, kind)).collect())),
        ];
        for body in answers {
            assert!(matches!(session.next(answered(body.expect("a message"))), Ok(Step::Send(_))));
        }
        drop(session);
        book.shutdown();
        phone
    }

    /// The book as it was at first, opened.
    pub fn book(&self) -> Arc<Book> {
        scratch::put_back(self.clean.path(), self.dir.path());
        Arc::new(Book::open(self.dir.path(), self.vault.clone(), Arc::new(Still::default())).expect("the copy"))
    }
}

/// A good answer with a body.
pub fn answered(body: Vec<u8>) -> Event {
    Event::Answered(Response { status: 200, content_type: Some(CONTENT_TYPE.into()), body })
}

/// A page of the feed.
pub fn page(entries: Vec<Entry>) -> SyncResponse {
    SyncResponse { epoch: vec![4; 16], entries, cursor: vec![0; 16], ..SyncResponse::default() }
}

/// A record in use, as the server sends it.
pub fn entry(id: [u8; 16], kind: Kind) -> Entry {
    let document: &Document = in_use(kind);
    let (major, minor) = kind.definition().row_version;
    let known = kind != Kind::Unknown;
    let code = if known { kind.code() } else { NEWER };
    Entry {
        id: id.to_vec(),
        generation: 0,
        kind: code,
        form: Form::Snapshot,
        snapshot: Some(document.save()),
        changes: None,
        row: known.then(|| encode_row(&document.read(None).values)),
        row_version: known.then_some(RowVersion { kind: code, major, minor }),
        changed_ms: Some(document.changed_ms()),
    }
}

/// What a call gives; panics where the book failed. That it refuses is no failure.
pub fn unbroken<T>(result: roadbook_core::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Internal(why) | Error::Corrupt(why)) => panic!("{why}"),
        Err(why @ (Error::Sqlite(_) | Error::Io { .. })) => panic!("{why:?}"),
        Err(_) => None,
    }
}

/// Looks at everything that a book shows, edits every record, and has it checked.
pub fn use_book(book: &Book) {
    let contacts = unbroken(book.contacts(&ContactFilter::default(), ContactSort::Name, None, 100)).expect("contacts");
    let deals = unbroken(book.deals(&DealFilter::default(), DealSort::CloseDate, None, 100)).expect("deals");
    let tasks = unbroken(book.tasks(&TaskFilter::default(), TaskSort::Due, None, 100)).expect("tasks");
    unbroken(book.search("a", 50));
    let listed = contacts.items.iter().map(|row| row.id.0).chain(deals.items.iter().map(|row| row.id.0));
    let ids: Vec<RecordId> = listed.chain(tasks.items.iter().map(|row| row.id.0)).chain(IDS.map(RecordId::from_bytes)).collect();
    for id in ids {
        unbroken(book.to_json(id));
        unbroken(book.conflicts(id));
        unbroken(book.history(id));
    }
    for row in &deals.items {
        if let Some(deal) = unbroken(book.get::<Deal>(row.id.0)) {
            unbroken(book.save(&Deal { title: "Edited".into(), notes: "Edited.".into(), ..deal }));
        }
    }
    for row in &tasks.items {
        if let Some(task) = unbroken(book.get::<TaskItem>(row.id.0)) {
            unbroken(book.apply(&[Change::Task(TaskItem { title: "Edited".into(), ..task })], "call"));
        }
    }
    unbroken(book.verify_some(1000));
    unbroken(book.status());
    unbroken(book.people());
    for refusal in unbroken(book.refusals()).expect("refusals") {
        unbroken(book.retry(&refusal.id));
    }
    unbroken(book.undo(None));
    unbroken(book.export_json(&mut sink()));
    unbroken(book.export_vcard(&mut sink()));
    unbroken(book.rebuild());
    let findings = unbroken(book.check()).expect("a check");
    assert!(findings.iter().all(|finding| !matches!(finding, roadbook_core::book::Finding::RowDiffers { .. })), "{findings:?}");
}
