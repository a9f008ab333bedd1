//! Deletion and erasure: who may, and what is left.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use common::{Server, contact, done, names};
use roadbook_core::Error;
use roadbook_core::book::{Change, ContactSort};
use roadbook_core::id::{RecordId, UserId};
use roadbook_core::record::Kind;
use roadbook_core::records::{Contact, Deal};
use roadbook_core::sync::wire::Outcome;
use roadbook_core::value::Money;
use roadbook_tests::{Device, World};
use rusqlite::types::ValueRef;

const SECRET: &str = "Zyx-Qwertz";

/// A contact of that name with a phone, a note and history.
fn known_person(device: &Device) -> RecordId {
    let contact = contact(device, SECRET);
    let mut form: Contact = device.book.get(contact.id.0).unwrap();
    form.notes = format!("{SECRET} likes fish");
    device.book.save(&form).unwrap();
    contact.id.0
}

/// The tables that hold the name, in whatever column.
fn traces(conn: &rusqlite::Connection) -> Vec<String> {
    let tables: Vec<String> = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    // Search folds what it indexes.
    let probes = [SECRET.to_owned(), SECRET.to_lowercase(), "qwertz".to_owned()];
    let mut found = Vec::new();
    for table in tables {
        let mut statement = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for at in 0..columns {
                let (ValueRef::Blob(bytes) | ValueRef::Text(bytes)) = row.get_ref(at).unwrap() else { continue };
                if probes.iter().any(|probe| bytes.windows(probe.len()).any(|window| window == probe.as_bytes())) {
                    found.push(table.clone());
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn server_traces(server: &Server) -> Vec<String> {
    traces(&rusqlite::Connection::open(server.dir.join(roadbook_server::store::DATABASE)).unwrap())
}

#[test]
fn an_erased_record_leaves_no_trace_on_any_device_or_the_server() {
    let world = World::new(301);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let id = known_person(&anna);
    let deal = Deal { id: anna.book.new_id().into(), title: "Pumps".into(), contacts: vec![id.into()], ..Deal::default() };
    anna.book.save(&deal).unwrap();
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert!(!traces(&boris.raw()).is_empty() && !server_traces(&server).is_empty());

    // Anna is offline with an edit, a draft and an open form.
    let mut form: Contact = anna.book.get(id).unwrap();
    form.job_title = format!("friend of {SECRET}");
    anna.book.save(&form).unwrap();
    form.given_name = SECRET.into();
    anna.book.keep_draft("form", &Change::Contact(form.clone())).unwrap();
    boris.book.erase(Kind::Contact, id).unwrap();
    assert_eq!(traces(&boris.raw()), Vec::<String>::new(), "gone at once where it was erased");
    done(server.sync(&boris));
    assert_eq!(server_traces(&server), Vec::<String>::new());
    done(server.sync(&anna));

    for device in [&anna, &boris] {
        assert_eq!(traces(&device.raw()), Vec::<String>::new());
        assert_eq!(names(device), Vec::<String>::new());
        let contact: Contact = device.book.get(id).unwrap();
        assert!(contact.deleted.is_some() && contact.family_name.is_empty() && contact.notes.is_empty());
        assert_eq!(device.book.get::<Deal>(deal.id.0).unwrap().contacts, [id.into()], "links hold");
        assert_eq!(device.book.status().unwrap().state_hash, server.summary().state_hash);
        assert_eq!(device.book.check().unwrap(), []);
        assert!(device.book.found(SECRET).is_empty());
    }
    // Anna hears that her edit came too late, without its content.
    let refusals = anna.book.refusals().unwrap();
    assert_eq!((refusals.len(), refusals[0].reason.as_str(), refusals[0].changes.len()), (1, "erased", 0));
    assert!(matches!(anna.book.save(&form), Err(Error::UnknownVersion)));
    assert_eq!(anna.book.draft("form").unwrap(), None);
    assert!(anna.book.retry(&refusals[0].id).is_err());
    anna.book.discard(&refusals[0].id).unwrap();
    assert_eq!(anna.book.history(id).unwrap().len(), 1, "the erasure itself");
}

trait Found {
    fn found(&self, text: &str) -> Vec<String>;
}

impl Found for roadbook_core::Book {
    fn found(&self, text: &str) -> Vec<String> {
        self.search(text, 10).unwrap().into_iter().map(|found| found.headline).collect()
    }
}

#[test]
fn an_erased_deal_keeps_what_figures_are_made_of() {
    let world = World::new(302);
    let server = Server::new(&world);
    let boris = server.device("Boris Król");
    let value = Some(Money { minor: 100, currency: "EUR".into() });
    let deal = Deal { id: boris.book.new_id().into(), title: SECRET.into(), value, tags: vec![SECRET.into()], ..Deal::default() };
    boris.book.save(&deal).unwrap();
    boris.book.erase(Kind::Deal, deal.id.0).unwrap();
    // It was never sent as it was.
    done(server.sync(&boris));
    let anna = server.device("Anna Berg");
    let erased: Deal = anna.book.get(deal.id.0).unwrap();
    assert_eq!((erased.title.as_str(), erased.value, erased.tags.len()), ("", deal.value, 0));
    assert_eq!(server_traces(&server), Vec::<String>::new());
    // Twice is once more: the same record in the next generation.
    boris.book.erase(Kind::Deal, deal.id.0).unwrap();
    done(server.sync(&boris));
    done(server.sync(&anna));
    assert_eq!(anna.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn an_edit_of_an_erased_record_takes_no_other_edit_of_its_group_along() {
    let world = World::new(303);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let (one, two) = (contact(&anna, "One"), contact(&anna, "Two"));
    done(server.sync(&anna));
    done(server.sync(&boris));
    boris.book.erase(Kind::Contact, one.id.0).unwrap();
    done(server.sync(&boris));
    let edited = |contact: &Contact| Change::Contact(Contact { job_title: "Buyer".into(), ..contact.clone() });
    anna.book.apply(&[edited(&one), edited(&two)], "call").unwrap();
    done(server.sync(&anna));
    let refusals = anna.book.refusals().unwrap();
    assert_eq!(refusals.iter().map(|refusal| refusal.record.id).collect::<Vec<_>>(), [one.id.0]);
    done(server.sync(&boris));
    assert_eq!(boris.book.get::<Contact>(two.id.0).unwrap().job_title, "Buyer");
    assert_eq!(boris.book.status().unwrap().state_hash, anna.book.status().unwrap().state_hash);
}

#[test]
fn an_erasure_whose_record_was_lost_here_brings_nobody_back() {
    let world = World::new(309);
    let server = Server::new(&world);
    let boris = server.device("Boris Król");
    let id = known_person(&boris);
    done(server.sync(&boris));
    boris.book.erase(Kind::Contact, id).unwrap();
    // As after a rescue of a book that lost the page of the document.
    let raw = boris.raw();
    raw.execute("DELETE FROM contact WHERE n IN (SELECT n FROM doc WHERE id = ?1)", [id.as_bytes()]).unwrap();
    raw.execute("DELETE FROM doc WHERE id = ?1", [id.as_bytes()]).unwrap();
    raw.execute("INSERT INTO quarantine(doc, kind, gen, reason, bytes) VALUES (?1, 0, 0, 'missing', x'')", [id.as_bytes()])
        .unwrap();
    // The record comes before the erasure is sent.
    let mut requests = 0;
    done(server.sync_changed(&boris, |message| {
        if requests < 3 {
            message.groups.clear();
        }
        requests += 1;
        assert_eq!(traces(&raw), Vec::<String>::new());
    }));
    assert!(requests < 9, "{requests}");
    done(server.sync(&boris));
    assert_eq!(names(&boris), Vec::<String>::new());
    assert_eq!((traces(&raw), server_traces(&server)), (Vec::new(), Vec::new()));
    assert_eq!(boris.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn a_rep_deletes_what_is_theirs_or_nobodys_and_erases_nothing() {
    let world = World::new(304);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let person = |name: &str| anna.book.people().unwrap().into_iter().find(|person| person.name == name).unwrap().id;
    let (me, other) = (person("Anna Berg"), person("Boris Król"));
    let with_owner = |owner: Option<UserId>| {
        let contact = Contact { id: anna.book.new_id().into(), family_name: "X".into(), owner, ..Contact::default() };
        anna.book.save(&contact).unwrap().id.0
    };
    let (mine, nobodys, theirs) = (with_owner(Some(me)), with_owner(None), with_owner(Some(other)));
    done(server.sync(&anna));
    done(server.sync(&boris));
    anna.book.delete(Kind::Contact, mine).unwrap();
    anna.book.delete(Kind::Contact, nobodys).unwrap();
    assert!(matches!(anna.book.delete(Kind::Contact, theirs), Err(Error::NotAllowed)));
    assert!(matches!(anna.book.erase(Kind::Contact, mine), Err(Error::NotAllowed)));
    // To edit it is everybody's work.
    let form: Contact = anna.book.get(theirs).unwrap();
    anna.book.save(&Contact { job_title: "Buyer".into(), ..form }).unwrap();
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert_eq!(anna.book.refusals().unwrap(), []);
    assert_eq!(boris.book.get::<Contact>(theirs).unwrap().job_title, "Buyer");
    boris.book.delete(Kind::Contact, theirs).unwrap();
    done(server.sync(&anna));
    done(server.sync(&boris));
    done(server.sync(&anna));
    assert_eq!(names(&anna).len() + names(&boris).len(), 0);
    // Nor may a rep bring back what is somebody else's.
    let mut form: Contact = anna.book.get(theirs).unwrap();
    form.deleted = None;
    assert!(matches!(anna.book.save(&form), Err(Error::NotAllowed)));
}

#[test]
fn the_server_looks_at_what_a_change_does_not_at_what_the_device_says() {
    let world = World::new(305);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let boris_id = boris.book.people().unwrap().into_iter().find(|person| person.name == "Boris Król").unwrap().id;
    let contact =
        Contact { id: boris.book.new_id().into(), family_name: "Keeps".into(), owner: Some(boris_id), ..Contact::default() };
    boris.book.save(&contact).unwrap();
    done(server.sync(&boris));
    done(server.sync(&anna));
    // Anna's device takes itself for a manager's.
    let takes_herself_for = |role: &str| {
        anna.raw().execute("UPDATE person SET role = ?1 WHERE name = 'Anna Berg'", [role]).unwrap();
    };
    takes_herself_for("manager");
    anna.book.delete(Kind::Contact, contact.id.0).unwrap();
    done(server.sync(&anna));
    assert_eq!(anna.book.refusals().unwrap()[0].reason, "forbidden");
    assert_eq!(names(&anna), ["Keeps"], "the record goes back");
    anna.book.discard(&anna.book.refusals().unwrap()[0].id).unwrap();

    anna.book.erase(Kind::Contact, contact.id.0).unwrap();
    assert_eq!(names(&anna), Vec::<String>::new());
    done(server.sync(&anna));
    assert_eq!(anna.book.refusals().unwrap()[0].reason, "forbidden");
    done(server.sync(&anna));
    assert_eq!(names(&anna), ["Keeps"], "fetched again from the server");
    done(server.sync(&boris));
    assert_eq!(names(&boris), ["Keeps"]);

    // A refused erasure is no way around one's role.
    let refusal = anna.book.refusals().unwrap()[0].clone();
    assert!(refusal.can_retry);
    let refusal = refusal.id;
    takes_herself_for("rep");
    assert!(matches!(anna.book.retry(&refusal), Err(Error::NotAllowed)));
    assert_eq!(names(&anna), ["Keeps"]);

    // Once Anna is a manager, it can be made again.
    let sql = "UPDATE person SET role = 'manager'";
    rusqlite::Connection::open(server.dir.join(roadbook_server::store::DATABASE)).unwrap().execute(sql, []).unwrap();
    takes_herself_for("manager");
    anna.book.retry(&refusal).unwrap();
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert_eq!((names(&boris).len(), anna.book.refusals().unwrap().len()), (0, 0));
    assert_eq!(boris.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn an_edit_of_a_generation_that_the_server_does_not_have_yet_waits_for_it() {
    let world = World::new(306);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let id = known_person(&boris);
    done(server.sync(&boris));
    boris.book.erase(Kind::Contact, id).unwrap();
    let (authorization, request) = server.next_request(&boris);
    done(server.sync(&boris));
    done(server.sync(&anna));
    let mut form: Contact = anna.book.get(id).unwrap();
    form.organization = "Firm".into();
    anna.book.save(&form).unwrap();
    // The server loses the erasure, as after a restore: Anna's edit builds on nothing that it has.
    let mut later = server.next_request(&anna).1;
    later.groups[0].id = vec![9; 16];
    later.docs[0].generation = 7;
    let auth = server.next_request(&anna).0;
    let answer = server.sync_raw(&auth, &later).unwrap();
    assert_eq!((answer.verdicts[0].outcome, answer.verdicts[0].code.as_deref()), (Outcome::Held, Some("missing")));
    // The same erasure again changes nothing.
    let again = server.sync_raw(&authorization, &request).unwrap();
    assert_eq!(again.verdicts[0].outcome, Outcome::Accepted);
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert_eq!(boris.book.get::<Contact>(id).unwrap().organization, "Firm");
}

#[test]
fn a_refused_erasure_of_a_record_that_was_never_sent_leaves_nothing_waiting() {
    let world = World::new(307);
    let server = Server::new(&world);
    let boris = server.device("Boris Król");
    let id = known_person(&boris);
    boris.book.erase(Kind::Contact, id).unwrap();
    server.sync_changed(&boris, |message| message.groups.iter_mut().for_each(|group| group.items[0].change.truncate(9)));
    done(server.sync(&boris));
    let status = boris.book.status().unwrap();
    assert_eq!((status.refused, status.unreadable, status.records), (1, 0, 0));
    assert_eq!(status.state_hash, server.summary().state_hash);
}

#[test]
fn of_a_record_that_was_erased_before_this_device_could_send_it_nothing_is_left_here() {
    let world = World::new(308);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    // Both import the same card: it is one record.
    let card = format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:one\r\nFN:{SECRET}\r\nEND:VCARD\r\n");
    for device in [&anna, &boris] {
        device.book.import_vcard("cards.vcf", card.as_bytes(), None, &|_| true).unwrap();
    }
    done(server.sync(&boris));
    let id = boris.book.contacts(&Default::default(), ContactSort::Name, None, 1).unwrap().items[0].id;
    boris.book.erase(Kind::Contact, id.0).unwrap();
    done(server.sync(&boris));
    done(server.sync(&anna));
    assert_eq!(traces(&anna.raw()), Vec::<String>::new());
    let refusals = anna.book.refusals().unwrap();
    assert!(refusals.iter().all(|refusal| refusal.reason == "erased" && refusal.changes.is_empty() && !refusal.can_retry));
    for refusal in &refusals {
        assert!(anna.book.retry(&refusal.id).is_err(), "nothing of it can be made again");
    }
    assert_eq!(anna.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn what_a_role_forbids_in_one_record_stops_neither_an_undo_nor_an_import() {
    let world = World::new(309);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let boris_id = boris.book.people().unwrap().into_iter().find(|person| person.name == "Boris Król").unwrap().id;
    let deal = Deal { id: boris.book.new_id().into(), title: "Pumps".into(), ..Deal::default() };
    boris.book.save(&deal).unwrap();
    done(server.sync(&boris));
    done(server.sync(&anna));
    let card =
        |uid: &str, name: &str| format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{uid}\r\nN:{name};;;;\r\nFN:{name}\r\nEND:VCARD\r\n");
    let id_of = |uid: &str| RecordId::derived(&[b"vcard uid", uid.as_bytes()]);
    let import = |cards: &str| anna.book.import_vcard("cards.vcf", cards.as_bytes(), None, &|_| true).unwrap();
    let takes_over = |id: RecordId| {
        let form: Contact = boris.book.get(id).unwrap();
        boris.book.save(&Contact { owner: Some(boris_id), ..form }).unwrap();
    };
    assert_eq!(import(&[card("1", "One"), card("2", "Two"), card("3", "Three")].concat()).added, 3);
    done(server.sync(&anna));
    done(server.sync(&boris));
    takes_over(id_of("2"));
    done(server.sync(&boris));
    done(server.sync(&anna));

    let report = anna.book.undo(None).unwrap();
    assert_eq!(report.records.len(), 2);
    let skipped: Vec<_> = report.skipped.iter().map(|left| (left.record.id, left.whole, left.author.name.as_str())).collect();
    assert_eq!(skipped, [(id_of("2"), true, "Boris Król")]);
    assert_eq!(names(&anna), ["Two"]);
    assert!(matches!(anna.book.undo(None), Err(Error::NothingToUndo)), "the import was taken back");
    done(server.sync(&anna));
    done(server.sync(&boris));
    takes_over(id_of("1"));
    done(server.sync(&boris));
    done(server.sync(&anna));

    let of_the_deal = card(&format!("urn:uuid:{}", deal.id), "Deal");
    let report = import(&[card("1", "One"), of_the_deal, card("2", "Two"), card("3", "Three"), card("4", "Four")].concat());
    assert_eq!((report.cards, report.added, report.updated, report.unchanged, report.broken), (5, 2, 0, 1, 2));
    assert_eq!(report.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [1, 7]);
    assert!(report.problems[0].reason.contains("manager") && report.problems[1].reason.contains("no contact"));
    assert_eq!(names(&anna), ["Four", "Three", "Two"]);
    assert_eq!(anna.book.get::<Deal>(deal.id.0).unwrap().title, "Pumps");
    done(server.sync(&anna));
    assert!(anna.book.refusals().unwrap().is_empty());
    assert_eq!(anna.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn the_card_of_an_erased_person_brings_nothing_back_on_any_device() {
    let world = World::new(310);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let card = format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:one\r\nN:{SECRET};;;;\r\nTEL:+74951234567\r\nEND:VCARD\r\n");
    let import = |device: &Device| device.book.import_vcard("cards.vcf", card.as_bytes(), None, &|_| true).unwrap();
    assert_eq!(import(&boris).added, 1);
    done(server.sync(&boris));
    done(server.sync(&anna));
    boris.book.erase(Kind::Contact, RecordId::derived(&[b"vcard uid", b"one"])).unwrap();
    done(server.sync(&boris));
    done(server.sync(&anna));
    for device in [&boris, &anna] {
        let report = import(device);
        assert_eq!((report.added, report.updated, report.unchanged, report.broken), (0, 0, 0, 1));
        assert!(report.problems[0].reason.contains("erased"), "{}", report.problems[0].reason);
        done(server.sync(device));
        assert_eq!(traces(&device.raw()), Vec::<String>::new());
    }
    assert_eq!(server_traces(&server), Vec::<String>::new());
}

#[test]
fn an_erasure_that_came_damaged_is_asked_for_again_though_the_device_erases_too() {
    let world = World::new(131);
    let server = Server::new(&world);
    let (boris, other) = (server.device("Boris Król"), server.device("Boris Król"));
    let id = contact(&boris, "Ackermann").id.0;
    done(server.sync(&boris));
    done(server.sync(&other));
    boris.book.erase(Kind::Contact, id).unwrap();
    done(server.sync(&boris));
    let conn = rusqlite::Connection::open(server.dir.join(roadbook_server::store::DATABASE)).unwrap();
    let sound: Vec<u8> = conn.query_row("SELECT bytes FROM doc", [], |row| row.get(0)).unwrap();
    conn.execute("UPDATE doc SET bytes = x'00'", []).unwrap();
    done(server.sync(&other));
    other.book.erase(Kind::Contact, id).unwrap();
    conn.execute("UPDATE doc SET bytes = ?1", [sound]).unwrap();
    for device in [&other, &other, &boris] {
        done(server.sync(device));
    }
    for device in [&boris, &other] {
        let status = device.book.status().unwrap();
        assert_eq!((status.unreadable, status.state_hash), (0, server.summary().state_hash));
    }
}
