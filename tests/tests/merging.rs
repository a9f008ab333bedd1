//! Several devices on one record: every touched value survives, and nobody conflicts with themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::sync::Arc;

use proptest::prelude::*;
use roadbook_core::book::Book;
use roadbook_core::id::DealId;
use roadbook_core::records::{Contact, Deal, TaskItem};
use roadbook_core::sync::End;
use roadbook_core::value::{
    Channel, ChannelKind, CustomField, CustomValue, Money, Outcome, Position, Priority, Stage, TaskStatus,
};
use roadbook_core::{Problem, ProblemCode};
use roadbook_tests::relay::Relay;
use roadbook_tests::{Device, World};

fn pair() -> (Arc<World>, Relay, Device, Device) {
    let world = World::new(1);
    let mut relay = Relay::default();
    let (anna, boris) = (Device::new(&world), Device::new(&world));
    relay.join(&anna.book, "Anna");
    relay.join(&boris.book, "Boris");
    (world, relay, anna, boris)
}

fn meet(relay: &mut Relay, devices: &[&Device]) {
    for _ in 0..2 {
        for device in devices {
            let end = relay.sync_book(&device.book);
            assert!(matches!(end, End::Done(_)), "{end:?}");
        }
    }
}

/// A deal that both have.
fn known_to_both(relay: &mut Relay, anna: &Device, boris: &Device) -> Deal {
    let deal = Deal { id: anna.book.new_id().into(), title: "Pumps".into(), ..Deal::default() };
    let deal = anna.book.save(&deal).unwrap();
    meet(relay, &[anna, boris]);
    deal
}

fn edit(book: &Book, id: DealId, change: impl FnOnce(&mut Deal)) {
    let mut form: Deal = book.get(id.0).unwrap();
    change(&mut form);
    book.save(&form).unwrap();
}

#[test]
fn two_people_who_edit_different_fields_both_keep_theirs() {
    let (_, mut relay, anna, boris) = pair();
    let deal = known_to_both(&mut relay, &anna, &boris);
    edit(&anna.book, deal.id, |form| {
        form.value = Some(Money { minor: 100, currency: "EUR".into() });
        form.tags = vec!["vip".into()];
        form.notes = "Anna was here.".into();
    });
    edit(&boris.book, deal.id, |form| {
        form.organization = "Elkin & Co".into();
        form.tags = vec!["north".into()];
        form.notes = "Boris too.".into();
    });
    meet(&mut relay, &[&anna, &boris]);
    let merged: Deal = anna.book.get(deal.id.0).unwrap();
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap(), merged);
    assert_eq!(merged.tags, ["north", "vip"]);
    assert_eq!((merged.organization.as_str(), merged.value.map(|value| value.minor)), ("Elkin & Co", Some(100)));
    assert!(merged.notes.contains("Anna was here.") && merged.notes.contains("Boris too."));
    assert!(anna.book.conflicts(deal.id.0).unwrap().is_empty());
    assert_eq!(anna.book.status().unwrap().state_hash, boris.book.status().unwrap().state_hash);
}

#[test]
fn a_disagreement_shows_both_values_with_their_authors_until_one_settles_it() {
    let (world, mut relay, anna, boris) = pair();
    let id = disputed(&world, &mut relay, &anna, &boris);
    for (device, me, other) in [(&anna, "Pumps for Elkin", "Boris"), (&boris, "Pumps and valves", "Anna")] {
        let conflicts = device.book.conflicts(id.0).unwrap();
        assert_eq!(conflicts.len(), 1);
        let values = &conflicts[0].values;
        assert_eq!(values.iter().map(|value| value.text.as_str()).collect::<Vec<_>>(), ["Pumps and valves", "Pumps for Elkin"]);
        assert!(values[0].shown && !values[1].shown, "the later one is shown");
        assert!(values.iter().any(|value| value.author.own && value.text == me));
        assert!(values.iter().any(|value| value.author.name == other));
    }
    let conflict = &boris.book.conflicts(id.0).unwrap()[0];
    boris.book.settle(&conflict.id, &conflict.values[1].id).unwrap();
    meet(&mut relay, &[&boris, &anna]);
    for device in [&anna, &boris] {
        assert!(device.book.conflicts(id.0).unwrap().is_empty());
        assert_eq!(device.book.get::<Deal>(id.0).unwrap().title, "Pumps for Elkin");
    }
}

/// A deal on whose title Anna and Boris disagree; what Boris wrote is shown.
fn disputed(world: &World, relay: &mut Relay, anna: &Device, boris: &Device) -> DealId {
    let id = known_to_both(relay, anna, boris).id;
    edit(&anna.book, id, |form| form.title = "Pumps for Elkin".into());
    world.pass(60_000);
    edit(&boris.book, id, |form| form.title = "Pumps and valves".into());
    meet(relay, &[anna, boris]);
    id
}

#[test]
fn a_decision_ends_no_value_that_came_after_the_look() {
    let (world, mut relay, anna, boris) = pair();
    let id = disputed(&world, &mut relay, &anna, &boris);
    let mut stale: Deal = boris.book.get(id.0).unwrap();
    let conflict = anna.book.conflicts(id.0).unwrap().remove(0);
    stale.title = "Hoses".into();
    edit(&anna.book, id, |form| form.title = "Valves".into());
    boris.book.save(&stale).unwrap();
    meet(&mut relay, &[&anna, &boris]);
    for value in &conflict.values {
        let Err(roadbook_core::Error::Invalid(problems)) = anna.book.settle(&conflict.id, &value.id) else { panic!("settled") };
        assert_eq!((problems[0].field.as_str(), &problems[0].code), ("conflict", &ProblemCode::Gone));
    }
    let mut texts: Vec<String> = anna.book.conflicts(id.0).unwrap()[0].values.iter().map(|value| value.text.clone()).collect();
    texts.sort();
    assert_eq!(texts, ["Hoses", "Valves"]);
}

#[test]
fn a_decision_for_the_value_that_is_shown_is_an_edit_like_others() {
    let (world, mut relay, anna, boris) = pair();
    let id = disputed(&world, &mut relay, &anna, &boris);
    let settle = || {
        let conflict = anna.book.conflicts(id.0).unwrap().remove(0);
        assert!(conflict.values[0].shown);
        anna.book.settle(&conflict.id, &conflict.values[0].id).unwrap();
    };
    settle();
    let last = anna.book.history(id.0).unwrap().pop().unwrap();
    assert_eq!((last.kind.as_str(), last.changes[0].after.as_deref()), ("settle", Some("Pumps and valves")));
    // Refused, it says what it wanted, and can be made again.
    relay.policy = Some(Box::new(|_| Some("forbidden")));
    relay.sync_book(&anna.book);
    relay.policy = None;
    let refusal = anna.book.refusals().unwrap().remove(0);
    assert_eq!((refusal.changes[0].after.as_deref(), refusal.can_retry), (Some("Pumps and valves"), true));
    assert_eq!(anna.book.conflicts(id.0).unwrap().len(), 1);
    anna.book.retry(&refusal.id).unwrap();
    assert_eq!(anna.book.conflicts(id.0).unwrap(), []);
    // From a copied store it is sent again under its new name.
    let first = std::cell::Cell::new(true);
    relay.policy = Some(Box::new(move |_| first.replace(false).then_some("foreign_actor")));
    meet(&mut relay, &[&anna, &boris]);
    for device in [&anna, &boris] {
        assert_eq!(device.book.conflicts(id.0).unwrap(), []);
        assert_eq!(device.book.get::<Deal>(id.0).unwrap().title, "Pumps and valves");
    }
    assert_eq!(anna.book.status().unwrap().state_hash, boris.book.status().unwrap().state_hash);
}

#[test]
fn a_long_text_pasted_into_a_stale_form_stands_once() {
    let (_, mut relay, anna, boris) = pair();
    let deal = known_to_both(&mut relay, &anna, &boris);
    let mut stale: Deal = anna.book.get(deal.id.0).unwrap();
    edit(&boris.book, deal.id, |form| form.notes = "Boris was here.".into());
    meet(&mut relay, &[&boris, &anna]);
    let long: String = (0..4_000).map(|n| format!("word{n:04} ")).collect();
    stale.notes.clone_from(&long);
    anna.book.save(&stale).unwrap();
    meet(&mut relay, &[&anna, &boris]);
    for device in [&anna, &boris] {
        let notes = device.book.get::<Deal>(deal.id.0).unwrap().notes;
        assert!(notes.contains("Boris was here."));
        assert_eq!(notes.replace("Boris was here.", ""), long);
    }
}

#[test]
fn a_stale_form_becomes_a_conflict_and_never_an_overwrite() {
    let (_, mut relay, anna, boris) = pair();
    let deal = known_to_both(&mut relay, &anna, &boris);
    let mut open_form: Deal = anna.book.get(deal.id.0).unwrap();
    edit(&boris.book, deal.id, |form| {
        form.title = "Valves".into();
        form.organization = "Elkin".into();
    });
    meet(&mut relay, &[&boris, &anna]);
    open_form.title = "Pumps!".into();
    let saved = anna.book.save(&open_form).unwrap();
    assert_eq!(saved.organization, "Elkin", "an untouched field is never written");
    assert_eq!(anna.book.conflicts(deal.id.0).unwrap().len(), 1);
    // The same old form again, with another thought: it replaces what it wrote, not what Boris wrote.
    open_form.title = "Pumps!!".into();
    anna.book.save(&open_form).unwrap();
    let values: Vec<String> = anna.book.conflicts(deal.id.0).unwrap()[0].values.iter().map(|value| value.text.clone()).collect();
    assert_eq!(values.len(), 2);
    assert!(values.contains(&"Pumps!!".to_owned()) && values.contains(&"Valves".to_owned()));
}

#[test]
fn winning_beats_losing_beats_a_move_whoever_was_later() {
    let (world, mut relay, anna, boris) = pair();
    let deal = known_to_both(&mut relay, &anna, &boris);
    let won = Position { stage: Stage::Proposal, outcome: Outcome::Won };
    edit(&anna.book, deal.id, |form| {
        form.position = won.clone();
        form.value = Some(Money { minor: 1, currency: "EUR".into() });
    });
    world.pass(1000);
    edit(&boris.book, deal.id, |form| form.position.stage = Stage::Negotiation);
    meet(&mut relay, &[&anna, &boris]);
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap().position, won);
    assert_eq!(boris.book.conflicts(deal.id.0).unwrap()[0].values.len(), 2);
}

#[test]
fn a_rule_that_only_the_merge_breaks_is_shown_and_refused_by_nobody() {
    let (_, mut relay, anna, boris) = pair();
    let value = Some(Money { minor: 1, currency: "EUR".into() });
    let deal = anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), value, ..Deal::default() }).unwrap();
    meet(&mut relay, &[&anna, &boris]);
    edit(&anna.book, deal.id, |form| form.position.outcome = Outcome::Won);
    edit(&boris.book, deal.id, |form| form.value = None);
    meet(&mut relay, &[&anna, &boris]);
    let sheet = anna.book.sheet::<Deal>(deal.id.0).unwrap();
    assert_eq!(sheet.violations, [Problem::new("value", ProblemCode::Required)]);
    // The broken rule keeps nobody from changing something else, and an ordinary edit mends it.
    edit(&anna.book, deal.id, |form| form.organization = "Elkin".into());
    edit(&anna.book, deal.id, |form| form.value = Some(Money { minor: 2, currency: "EUR".into() }));
    assert!(anna.book.sheet::<Deal>(deal.id.0).unwrap().violations.is_empty());
}

#[test]
fn an_edit_beats_a_concurrent_removal_and_an_addition_survives() {
    let (_, mut relay, anna, boris) = pair();
    let channel = Channel::typed(anna.book.new_entry_id(), ChannelKind::Email, "a@example.com", &Default::default());
    let contact = Contact {
        id: anna.book.new_id().into(),
        family_name: "Elkin".into(),
        channels: vec![channel],
        tags: vec!["vip".into()],
        ..Contact::default()
    };
    let contact = anna.book.save(&contact).unwrap();
    meet(&mut relay, &[&anna, &boris]);
    let mut removed: Contact = anna.book.get(contact.id.0).unwrap();
    removed.channels.clear();
    removed.tags.clear();
    anna.book.save(&removed).unwrap();
    let mut edited: Contact = boris.book.get(contact.id.0).unwrap();
    edited.channels[0].value = "b@example.com".into();
    edited.tags.push("north".into());
    boris.book.save(&edited).unwrap();
    meet(&mut relay, &[&anna, &boris]);
    let merged: Contact = anna.book.get(contact.id.0).unwrap();
    assert_eq!(merged.channels[0].value, "b@example.com");
    assert_eq!(merged.tags, ["north"]);
}

#[test]
fn undo_leaves_what_others_wrote_and_says_so() {
    let (_, mut relay, anna, boris) = pair();
    let deal = anna
        .book
        .save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), notes: "One.".into(), ..Deal::default() })
        .unwrap();
    meet(&mut relay, &[&anna, &boris]);
    edit(&anna.book, deal.id, |form| {
        form.title = "Valves".into();
        form.organization = "Elkin".into();
        form.notes = "One. Two.".into();
    });
    meet(&mut relay, &[&anna, &boris]);
    edit(&boris.book, deal.id, |form| {
        form.title = "Hoses".into();
        form.notes = "Zero. One. Two.".into();
    });
    meet(&mut relay, &[&boris, &anna]);
    let report = anna.book.undo(None).unwrap();
    assert_eq!(
        report.skipped.iter().map(|field| (field.field.as_str(), field.author.name.as_str())).collect::<Vec<_>>(),
        [("title", "Boris")]
    );
    let after: Deal = anna.book.get(deal.id.0).unwrap();
    assert_eq!((after.title.as_str(), after.organization.as_str(), after.notes.as_str()), ("Hoses", "", "Zero. One."));
}

#[test]
fn a_refused_edit_stays_visible_and_blocks_nothing() {
    let (_, mut relay, anna, boris) = pair();
    let deal = known_to_both(&mut relay, &anna, &boris);
    edit(&anna.book, deal.id, |form| form.organization = "Refused & Co".into());
    edit(&anna.book, deal.id, |form| form.title = "Valves".into());
    anna.book.save(&TaskItem { id: anna.book.new_id().into(), title: "Call".into(), ..TaskItem::default() }).unwrap();
    relay.policy = Some(Box::new(|group| {
        let refused = group.items.iter().any(|item| item.change.windows(9).any(|window| window == b"Refused &"));
        refused.then_some("forbidden")
    }));
    meet(&mut relay, &[&anna, &boris]);
    for device in [&anna, &boris] {
        let seen: Deal = device.book.get(deal.id.0).unwrap();
        assert_eq!((seen.organization.as_str(), seen.title.as_str()), ("", "Valves"), "the later edit was written again");
    }
    assert_eq!(relay.len(), 2);
    let refusals = anna.book.refusals().unwrap();
    assert_eq!(refusals.len(), 1);
    assert_eq!((refusals[0].reason.as_str(), refusals[0].changes[0].after.as_deref()), ("forbidden", Some("Refused & Co")));
    assert_eq!(anna.book.status().unwrap().refused, 1);
    relay.policy = None;
    anna.book.retry(&refusals[0].id).unwrap();
    meet(&mut relay, &[&anna, &boris]);
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap().organization, "Refused & Co");
    assert!(anna.book.refusals().unwrap().is_empty());
    assert_eq!(anna.book.status().unwrap().state_hash, boris.book.status().unwrap().state_hash);
}

fn refuse(what: &'static str, code: &'static str) -> Option<roadbook_tests::relay::Policy> {
    let contains = move |change: &[u8]| change.windows(what.len()).any(|window| window == what.as_bytes());
    Some(Box::new(move |group| group.items.iter().any(|item| contains(&item.change)).then_some(code)))
}

#[test]
fn a_refused_record_is_made_again_when_its_user_retries() {
    let (_, mut relay, anna, boris) = pair();
    relay.policy = refuse("Pumps", "forbidden");
    let deal = anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    edit(&anna.book, deal.id, |form| form.organization = "Elkin".into());
    relay.sync_book(&anna.book);
    assert!(relay.is_empty(), "no record without what made it reaches anybody");
    let refusals = anna.book.refusals().unwrap();
    assert_eq!(refusals.len(), 2);
    relay.policy = None;
    for refusal in refusals {
        anna.book.retry(&refusal.id).unwrap();
    }
    meet(&mut relay, &[&anna, &boris]);
    let made: Deal = boris.book.get(deal.id.0).unwrap();
    assert_eq!((made.title.as_str(), made.organization.as_str()), ("Pumps", "Elkin"));
    assert!(anna.book.refusals().unwrap().is_empty());
}

#[test]
fn a_refused_card_keeps_out_no_other_card_of_its_import() {
    let (_, mut relay, anna, boris) = pair();
    let card = |uid: &str, name: &str, more: &str| format!("BEGIN:VCARD\nVERSION:3.0\nUID:{uid}\nFN:{name}\n{more}END:VCARD\n");
    let file = [card("1", "Alpha", ""), card("2", "Unwanted", ""), card("1", "Alpha", "TITLE:Buyer\n")].concat();
    anna.book.import_vcard("cards", file.as_bytes(), None, &|_| true).unwrap();
    relay.policy = refuse("Unwanted", "forbidden");
    meet(&mut relay, &[&anna, &boris]);
    let status = anna.book.status().unwrap();
    assert_eq!((relay.len(), status.refused, status.pending_changes), (1, 1, 0));
    let found = boris.book.search("alpha", 9).unwrap();
    assert_eq!(boris.book.get::<Contact>(found[0].record.id).unwrap().job_title, "Buyer");
}

#[test]
fn a_record_of_many_large_fields_is_sent_in_several_changes() {
    let (_, mut relay, anna, boris) = pair();
    let field =
        |n: usize| CustomField { id: format!("f{n}").parse().unwrap(), value: CustomValue::Text { text: "漢".repeat(9900) } };
    let contact = Contact {
        id: anna.book.new_id().into(),
        family_name: "Elkin".into(),
        x: (0..70).map(field).collect(),
        ..Contact::default()
    };
    let contact = anna.book.save(&contact).unwrap();
    meet(&mut relay, &[&anna, &boris]);
    assert!(anna.book.refusals().unwrap().is_empty());
    assert_eq!(boris.book.get::<Contact>(contact.id.0).unwrap().x.len(), 70);
}

#[test]
fn a_note_keeps_whole_words_when_the_edit_before_it_is_refused() {
    let (_, mut relay, anna, boris) = pair();
    let deal = known_to_both(&mut relay, &anna, &boris);
    edit(&anna.book, deal.id, |form| form.notes = "Call Elkin on Monday".into());
    edit(&anna.book, deal.id, |form| form.notes = "Call Elkins on Monday".into());
    let first = std::sync::OnceLock::new();
    relay.policy = Some(Box::new(move |group| (first.get_or_init(|| group.id.clone()) == &group.id).then_some("malformed")));
    meet(&mut relay, &[&anna, &boris]);
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap().notes, "Elkins", "what the accepted edit was about");
    let refusals = anna.book.refusals().unwrap();
    assert_eq!(refusals[0].changes[0].after.as_deref(), Some("Call Elkin on Monday"));
}

#[test]
fn another_process_writes_on_as_the_new_author_after_a_refusal() {
    let (world, mut relay, anna, boris) = pair();
    let deal = known_to_both(&mut relay, &anna, &boris);
    let other = Book::open(anna.dir.path(), anna.vault.clone(), world.clone()).unwrap();
    edit(&anna.book, deal.id, |form| form.organization = "Refused & Co".into());
    relay.policy = refuse("Refused & Co", "forbidden");
    relay.sync_book(&anna.book);
    edit(&other, deal.id, |form| form.title = "Valves".into());
    meet(&mut relay, &[&anna, &boris]);
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap().title, "Valves");
    assert_eq!(anna.book.refusals().unwrap().len(), 1);
    assert_eq!(anna.book.status().unwrap().pending_changes, 0);
}

#[test]
fn a_retried_edit_stands_beside_what_others_wrote_meanwhile() {
    let (_, mut relay, anna, boris) = pair();
    let deal = anna
        .book
        .save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), notes: "One.".into(), ..Deal::default() })
        .unwrap();
    meet(&mut relay, &[&anna, &boris]);
    relay.policy = refuse("Hoses", "forbidden");
    edit(&anna.book, deal.id, |form| {
        form.title = "Hoses".into();
        form.notes = "One. Anna.".into();
    });
    relay.sync_book(&anna.book);
    edit(&boris.book, deal.id, |form| {
        form.title = "Valves".into();
        form.notes = "Boris. One.".into();
    });
    meet(&mut relay, &[&boris, &anna]);
    relay.policy = None;
    let refusal = anna.book.refusals().unwrap().remove(0);
    anna.book.retry(&refusal.id).unwrap();
    meet(&mut relay, &[&anna, &boris]);
    let merged: Deal = boris.book.get(deal.id.0).unwrap();
    assert_eq!(merged.notes, "Boris. One. Anna.");
    let values: Vec<String> = boris.book.conflicts(deal.id.0).unwrap()[0].values.iter().map(|value| value.text.clone()).collect();
    assert_eq!(values.len(), 2, "{values:?}");
    // The same words again after a refusal are no double tap.
    relay.policy = refuse("Elkin", "forbidden");
    let mut form: Deal = anna.book.get(deal.id.0).unwrap();
    form.organization = "Elkin".into();
    anna.book.save(&form).unwrap();
    relay.sync_book(&anna.book);
    assert_eq!(anna.book.get::<Deal>(deal.id.0).unwrap().organization, "");
    assert_eq!(
        anna.book.save(&Deal { version: anna.book.get::<Deal>(deal.id.0).unwrap().version, ..form }).unwrap().organization,
        "Elkin"
    );
}

#[test]
fn edits_of_a_copied_store_are_written_again_under_its_own_name() {
    let (_, mut relay, anna, boris) = pair();
    let deal = known_to_both(&mut relay, &anna, &boris);
    edit(&anna.book, deal.id, |form| form.organization = "Elkin".into());
    let made = anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Hoses".into(), ..Deal::default() }).unwrap();
    let first = std::cell::Cell::new(true);
    relay.policy = Some(Box::new(move |_| first.replace(false).then_some("foreign_actor")));
    meet(&mut relay, &[&anna, &boris]);
    assert!(anna.book.refusals().unwrap().is_empty());
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap().organization, "Elkin");
    assert_eq!(boris.book.get::<Deal>(made.id.0).unwrap().title, "Hoses");
    assert_eq!(anna.book.status().unwrap().state_hash, boris.book.status().unwrap().state_hash);
}

#[test]
fn a_long_text_that_was_edited_at_both_ends_still_merges() {
    let (_, mut relay, anna, boris) = pair();
    let long: String = (0..900).map(|n| format!("word{n} ")).collect();
    let deal = anna
        .book
        .save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), notes: long.clone(), ..Deal::default() })
        .unwrap();
    meet(&mut relay, &[&anna, &boris]);
    edit(&anna.book, deal.id, |form| form.notes = format!("2026: {long}END"));
    edit(&boris.book, deal.id, |form| form.notes = long.replace("word450 ", "word450 BORIS "));
    meet(&mut relay, &[&anna, &boris]);
    assert_eq!(
        boris.book.get::<Deal>(deal.id.0).unwrap().notes,
        format!("2026: {}END", long.replace("word450 ", "word450 BORIS "))
    );
}

#[test]
fn a_text_as_long_as_a_field_may_be_reaches_the_others() {
    let (_, mut relay, anna, boris) = pair();
    let notes: String =
        (0..9000).map(|n| format!("слово {n:05} ")).take(7600).collect::<String>().chars().take(100_000).collect();
    let deal = anna
        .book
        .save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), notes: notes.clone(), ..Deal::default() })
        .unwrap();
    meet(&mut relay, &[&anna, &boris]);
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap().notes, notes);
    assert!(anna.book.refusals().unwrap().is_empty());
}

#[test]
fn a_record_whose_making_was_refused_leaves_the_lists_but_not_the_device() {
    let (_, mut relay, anna, _) = pair();
    relay.policy = Some(Box::new(|_| Some("forbidden")));
    let deal = anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    relay.sync_book(&anna.book);
    assert!(anna.book.get::<Deal>(deal.id.0).is_err());
    assert_eq!(anna.book.refusals().unwrap()[0].changes[0].after.as_deref(), Some("Pumps"));
}

#[test]
fn any_number_of_edits_of_a_note_is_taken_back_from_under_what_somebody_else_wrote() {
    const EDITS: usize = 14;
    let (_, mut relay, anna, boris) = pair();
    let deal = known_to_both(&mut relay, &anna, &boris);
    for n in 1..=EDITS {
        edit(&anna.book, deal.id, |form| form.notes.push_str(&format!("Line {n}. ")));
    }
    meet(&mut relay, &[&anna, &boris]);
    edit(&boris.book, deal.id, |form| form.notes.insert_str(0, "Boris. "));
    meet(&mut relay, &[&boris, &anna]);
    for n in (1..=EDITS).rev() {
        anna.book.undo(None).unwrap();
        let left: String = (1..n).map(|n| format!("Line {n}. ")).collect();
        assert_eq!(anna.book.get::<Deal>(deal.id.0).unwrap().notes, format!("Boris. {left}"));
    }
    meet(&mut relay, &[&anna, &boris]);
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap().notes, "Boris. ");
    assert!(anna.book.refusals().unwrap().is_empty());
    assert_eq!(anna.book.status().unwrap().state_hash, boris.book.status().unwrap().state_hash);
}

#[test]
fn a_stale_form_is_saved_again_and_again_and_every_disagreement_stays() {
    const FIELDS: usize = 14;
    let (_, mut relay, anna, boris) = pair();
    let text = |text: &str| CustomValue::Text { text: text.to_owned() };
    let field = |n: usize| CustomField { id: format!("f{n}").parse().unwrap(), value: text("old") };
    let contact = Contact {
        id: anna.book.new_id().into(),
        family_name: "Elkin".into(),
        x: (0..FIELDS).map(field).collect(),
        ..Contact::default()
    };
    let mut stale = anna.book.save(&contact).unwrap();
    let id = stale.id.0;
    meet(&mut relay, &[&anna, &boris]);
    let mut theirs: Contact = boris.book.get(id).unwrap();
    theirs.x.iter_mut().for_each(|field| field.value = text("Boris"));
    boris.book.save(&theirs).unwrap();
    meet(&mut relay, &[&boris, &anna]);
    for at in 0..FIELDS {
        stale.x[at].value = text("Anna");
        anna.book.save(&stale).unwrap();
        // Anna also works with the record as it is now: this branch of hers knows what Boris wrote.
        let fresh: Contact = anna.book.get(id).unwrap();
        anna.book.save(&Contact { job_title: format!("Buyer {at}"), ..fresh }).unwrap();
    }
    meet(&mut relay, &[&anna, &boris]);
    assert!(anna.book.refusals().unwrap().is_empty());
    for device in [&anna, &boris] {
        let conflicts = device.book.conflicts(id).unwrap();
        assert_eq!(conflicts.len(), FIELDS);
        for conflict in &conflicts {
            let mut values: Vec<&str> = conflict.values.iter().map(|value| value.text.as_str()).collect();
            values.sort_unstable();
            assert_eq!(values, ["Anna", "Boris"], "{}", conflict.field);
            assert_eq!(conflict.values.iter().filter(|value| value.author.own).count(), 1);
        }
        assert_eq!(device.book.get::<Contact>(id).unwrap().job_title, format!("Buyer {}", FIELDS - 1));
    }
    assert_eq!(anna.book.status().unwrap().state_hash, boris.book.status().unwrap().state_hash);
}

/// What a person may do in the property test below.
#[derive(Debug, Clone)]
enum Act {
    /// Opens a form.
    Open { device: usize, form: usize },
    /// Types into a field of an open form and saves it.
    Save { device: usize, form: usize, field: usize, value: u8 },
    /// Saves an open form as it is, with a double tap.
    Again { device: usize, form: usize },
    /// Syncs.
    Sync { device: usize },
    /// Lets time pass.
    Pass,
}

fn act(devices: usize) -> impl Strategy<Value = Act> {
    let device = 0..devices;
    prop_oneof![
        2 => (device.clone(), 0..2usize).prop_map(|(device, form)| Act::Open { device, form }),
        6 => (device.clone(), 0..2usize, 0..6usize, 0..4u8).prop_map(|(device, form, field, value)| Act::Save { device, form, field, value }),
        1 => (device.clone(), 0..2usize).prop_map(|(device, form)| Act::Again { device, form }),
        3 => device.prop_map(|device| Act::Sync { device }),
        1 => Just(Act::Pass),
    ]
}

/// Types a value into a field; what is typed is unique, so that it can be looked for.
fn type_into(form: &mut TaskItem, field: usize, text: &str, value: u8) {
    match field {
        0 => form.title = text.to_owned(),
        1 => form.due = Some(format!("2026-12-{:02}", value + 1).parse().unwrap()),
        2 => {
            form.status = [TaskStatus::Open, TaskStatus::Waiting, TaskStatus::Done, TaskStatus::Cancelled][value as usize].clone()
        }
        3 => form.tags = (0..value).map(|tag| format!("tag{tag}")).collect(),
        4 => form.notes = format!("{}{text}.", form.notes),
        _ => form.priority = [Priority::Normal, Priority::Low, Priority::High, Priority::Urgent][value as usize].clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// D3 of the design: untouched fields are never written; every touched value is shown or in the conflict list;
    /// nobody conflicts with themselves; replicas that have met are equal.
    #[test]
    fn any_order_of_forms_saves_and_syncs_keeps_every_edit(devices in 2..4usize, acts in prop::collection::vec(act(3), 1..40)) {
        let world = World::new(7);
        let mut relay = Relay::default();
        let devices: Vec<Device> = (0..devices).map(|at| {
            let device = Device::new(&world);
            relay.join(&device.book, &format!("Person {at}"));
            device
        }).collect();
        let id = devices[0].book.new_id();
        devices[0].book.save(&TaskItem { id: id.into(), title: "Start".into(), ..TaskItem::default() }).unwrap();
        for device in &devices {
            relay.sync_book(&device.book);
        }
        relay.snapshots_only = acts.len() % 3 == 0;
        let mut forms: Vec<Vec<TaskItem>> = devices.iter().map(|device| vec![device.book.get(id).unwrap(); 2]).collect();
        // As the forms were read: a field that holds that again counts as untouched.
        let mut opened = forms.clone();
        // What was saved from a version: the same value from it again counts as a late retry, which takes nothing back.
        let mut sent: std::collections::HashSet<(usize, String, String)> = std::collections::HashSet::new();
        for (step, act) in acts.iter().enumerate() {
            match *act {
                Act::Pass => world.pass(1000),
                Act::Sync { device } if device < devices.len() => { relay.sync_book(&devices[device].book); }
                Act::Open { device, form } if device < devices.len() => {
                    forms[device][form] = devices[device].book.get(id).unwrap();
                    opened[device][form] = forms[device][form].clone();
                }
                Act::Again { device, form } if device < devices.len() => {
                    let book = &devices[device].book;
                    book.save(&forms[device][form]).unwrap();
                    let changes = book.history(id).unwrap().len();
                    let saved = book.save(&forms[device][form]).unwrap();
                    book.save(&saved).unwrap();
                    // A double tap, and the merged record saved unchanged: nothing is written.
                    prop_assert_eq!(book.history(id).unwrap().len(), changes);
                }
                Act::Save { device, form, field, value } if device < devices.len() => {
                    let book = &devices[device].book;
                    let before: TaskItem = book.get(id).unwrap();
                    let read = opened[device][form].clone();
                    let form = &mut forms[device][form];
                    let base = form.clone();
                    let text = format!("edit{step}");
                    type_into(form, field, &text, value);
                    let due = form.due.as_ref().map(ToString::to_string).unwrap_or_default();
                    let retried = |value: &str| sent.contains(&(device, form.version.clone(), value.to_owned()));
                    let (due_retried, status_retried) = (retried(&due), retried(form.status.code()));
                    sent.insert((device, form.version.clone(), due.clone()));
                    sent.insert((device, form.version.clone(), form.status.code().to_owned()));
                    let saved = book.save(form).unwrap();
                    // The typed value is shown, or is one of the values in conflict.
                    let conflicts = book.conflicts(id).unwrap();
                    let disputed = |name: &str, wanted: &str| conflicts.iter().any(|conflict| {
                        conflict.field.as_str() == name && conflict.values.iter().any(|value| value.text == wanted)
                    });
                    if field == 0 { prop_assert!(saved.title == text || disputed("title", &text)); }
                    if field == 4 { prop_assert!(saved.notes.contains(&text)); }
                    if field == 1 && form.due != base.due && form.due != read.due && !due_retried {
                        prop_assert!(saved.due == form.due || disputed("due", &due));
                    }
                    if field == 2 && form.status != base.status && form.status != read.status && !status_retried {
                        prop_assert!(saved.status == form.status || disputed("status", form.status.code()));
                    }
                    // A field that this form never touched shows what it showed, whatever another form did.
                    if form.title == read.title { prop_assert_eq!(&saved.title, &before.title); }
                    if form.notes == read.notes { prop_assert_eq!(&saved.notes, &before.notes); }
                    if form.due == read.due { prop_assert_eq!(&saved.due, &before.due); }
                    if form.status == read.status { prop_assert_eq!(&saved.status, &before.status); }
                    if form.tags == read.tags { prop_assert_eq!(&saved.tags, &before.tags); }
                    for conflict in &conflicts {
                        let own = conflict.values.iter().filter(|value| value.author.own).count();
                        prop_assert!(own <= 1, "a person conflicts with themselves: {:?}", conflict);
                    }
                }
                _ => {}
            }
        }
        for _ in 0..2 {
            for device in &devices {
                let end = relay.sync_book(&device.book);
                prop_assert!(matches!(end, End::Done(_)), "{:?}", end);
            }
        }
        let hash = devices[0].book.status().unwrap().state_hash;
        for device in &devices {
            prop_assert_eq!(&device.book.status().unwrap().state_hash, &hash);
            prop_assert_eq!(device.book.status().unwrap().pending_changes, 0);
            prop_assert!(device.book.check().unwrap().is_empty());
        }
    }
}
