//! Bytes that phones hold and that therefore never change: a failing test here means a broken promise, not an old test.

use std::collections::BTreeMap;

use super::{ActionId, Actor, Code, Context, Document, Message, difference};
use crate::id::{EntryId, RecordId};
use crate::record::{Entry as _, Record as _, Values};
use crate::records::Contact;
use crate::value::{
    Channel, ChannelKind, CustomField, CustomValue, Due, Instant, Money, Outcome, Position, PostalAddress, Priority,
    Register as _, Scalar, Stage, TaskStatus,
};

fn entry(id: &str) -> EntryId {
    id.parse().unwrap()
}

#[test]
fn the_encodings_of_values_are_frozen() {
    let money = Money { minor: -100_050, currency: "EUR".into() };
    assert_eq!(money.to_scalar(), Scalar::from("-100050 EUR"));
    assert_eq!(Instant { ms: 1_790_000_000_000, offset_minutes: -90 }.to_scalar(), Scalar::from("1790000000000-90"));
    let due: Due = "2026-12-31T09:00[Europe/Berlin]".parse().unwrap();
    assert_eq!(due.to_scalar(), Scalar::from("2026-12-31T09:00[Europe/Berlin]"));
    let position = Position { stage: Stage::Proposal, outcome: Outcome::Won };
    assert_eq!(position.to_scalar(), Scalar::from("proposal/won"));
    assert_eq!((TaskStatus::Done.to_scalar(), Priority::Urgent.to_scalar()), (Scalar::from("done"), Scalar::from("urgent")));
    let channel = Channel {
        id: entry("c1"),
        kind: ChannelKind::Phone,
        value: "8 (495) 123-45-67".into(),
        e164: Some("+74951234567".into()),
        extension: Some("12".into()),
        label: Some("work".into()),
        preferred: true,
    };
    let encoded =
        r#"{"kind":"phone","value":"8 (495) 123-45-67","e164":"+74951234567","ext":"12","label":"work","preferred":true}"#;
    assert_eq!(channel.to_scalar(), Scalar::from(encoded));
    let bare = Channel { id: entry("c2"), kind: ChannelKind::Email, value: "a@example.com".into(), ..Channel::default() };
    assert_eq!(bare.to_scalar(), Scalar::from(r#"{"kind":"email","value":"a@example.com"}"#));
    let address =
        PostalAddress {
            id: entry("a1"), label: None, street: "Ring 1".into(), city: "Łódź".into(), ..PostalAddress::default()
        };
    assert_eq!(address.to_scalar(), Scalar::from(r#"{"street":"Ring 1","city":"Łódź"}"#));
    let custom = |value| CustomField { id: entry("f"), value }.to_scalar();
    assert_eq!(custom(CustomValue::Number { number: 7 }), Scalar::Int(7));
    assert_eq!((custom(CustomValue::Flag { flag: true }), String::new().to_scalar()), (Scalar::Bool(true), Scalar::Null));
}

#[test]
fn derived_ids_are_frozen() {
    let id = RecordId::derived(&[b"vcard uid", b"a-1"]);
    assert_eq!(id.to_string(), "c135adb8-c9a1-5eec-8db3-42b4a1c529d3");
    assert_eq!(EntryId::derived(&[id.as_bytes(), b"phone", b"+7495"]).as_str(), "rapJwvaAUZM");
}

#[test]
fn the_bytes_of_a_creation_are_frozen() {
    let contact = Contact {
        given_name: "Пётр".into(),
        tags: vec!["vip".into()],
        channels: vec![Channel { id: entry("c1"), value: "+7495".into(), ..Channel::default() }],
        ..Contact::default()
    };
    let mut document = Document::new(Contact::DEFINITION).unwrap();
    let base = document.heads();
    let message = Message { kind: Code::save(), source: Code::typed(), action: ActionId([0xab; 16]) };
    let context = Context {
        base: &base,
        actor: Actor([0x11; 16]),
        own: &|_| true,
        formed: &BTreeMap::new(),
        message: &message,
        at_ms: 1_790_000_000_000,
    };
    let edits = difference(&Values::empty(Contact::DEFINITION), &contact.to_values());
    let written = document.write(edits, &context).unwrap();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].hash.to_string(), "2ae207de15015ee8771e2b33a19a8d4bc39423be9fb4d02f2bd6e530a0253adb");
    assert_eq!(
        data_encoding::HEXLOWER.encode(&crate::record::encode_row(&document.read(None).values)),
        "a36a676976656e5f6e616d6568d09fd191d182d18064746167738163766970686368616e6e656c73a162633178207b226b696e64223a2270686f6e65222c2276616c7565223a222b37343935227d"
    );
}
