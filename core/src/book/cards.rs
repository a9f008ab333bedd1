//! Cards as contacts, and contacts as cards.

use std::collections::BTreeSet;

use crate::id::{ContactId, EntryId, RecordId};
use crate::import::vcard::{Card, CardAddress, CardDate, CardEmail, CardMessenger, CardPhone, CardUrl, PhoneKind, PlaceKind};
use crate::records::Contact;
use crate::value::{Channel, ChannelKind, CustomField, CustomValue, LocalDate, PostalAddress, Region};

const UUID_UID: &str = "urn:uuid:";

/// A card that Roadbook wrote names its record; any other one gets an id derived from its `UID`, or from what it says.
pub(super) fn card_id(card: &Card) -> RecordId {
    match &card.uid {
        Some(uid) => uid
            .strip_prefix(UUID_UID)
            .and_then(|uuid| uuid.parse().ok())
            .unwrap_or_else(|| RecordId::derived(&[b"vcard uid", uid.as_bytes()])),
        None => RecordId::derived(&[b"vcard card", &card.fingerprint]),
    }
}

/// The contact that a card describes; phone numbers are read as dialled in `region`.
pub(super) fn contact_of(id: RecordId, card: &Card, region: &Region) -> Contact {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let entry = |kind: &str, value: &str| EntryId::derived(&[id.as_bytes(), kind.as_bytes(), value.as_bytes()]);
    let mut contact = Contact {
        id: ContactId(id),
        given_name: text(&card.given),
        family_name: text(&card.family),
        middle_name: text(&card.middle),
        name_prefix: text(&card.prefix),
        name_suffix: text(&card.suffix),
        organization: text(&card.organization),
        job_title: text(&card.title),
        card_note: text(&card.note),
        tags: card.categories.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect(),
        ..Contact::default()
    };
    if contact.given_name.is_empty() && contact.family_name.is_empty() {
        // A card without a structured name: the whole name goes where it is shown, unless it repeats the firm's.
        contact.given_name = card.full_name.clone().filter(|name| *name != contact.organization).unwrap_or_default();
    }
    let mut channels: Vec<Channel> = Vec::new();
    let mut add = |kind: ChannelKind, value: &str, label: Option<String>, preferred: bool, extension: Option<String>| {
        let mut channel = Channel::typed(entry(kind.code(), value), kind, value, region);
        channel.label = label;
        channel.preferred = preferred;
        channel.extension = extension.or(channel.extension);
        if channels.iter().all(|known| known.id != channel.id) {
            channels.push(channel);
        }
    };
    let label = |own: &Option<String>, kind: &str| own.clone().or_else(|| (kind != "other").then(|| kind.to_owned()));
    for CardPhone { value, kind, extension, preferred, label: own } in &card.phones {
        add(ChannelKind::Phone, value, label(own, kind.as_str()), *preferred, extension.clone());
    }
    for CardEmail { value, kind, preferred, label: own } in &card.emails {
        add(ChannelKind::Email, value, label(own, kind.as_str()), *preferred, None);
    }
    for CardUrl { value, label } in &card.urls {
        add(ChannelKind::Url, value, label.clone(), false, None);
    }
    for CardMessenger { scheme, value } in &card.messengers {
        add(ChannelKind::Messenger, &format!("{scheme}:{value}"), None, false, None);
    }
    contact.channels = channels;
    for address in &card.addresses {
        let street =
            [&address.po_box, &address.extended, &address.street].into_iter().flatten().cloned().collect::<Vec<_>>().join("\n");
        let mut stored = PostalAddress {
            id: EntryId::default(),
            label: label(&None, address.kind.as_str()),
            street,
            city: text(&address.city),
            region: text(&address.region),
            postcode: text(&address.postcode),
            country: text(&address.country),
        };
        stored.id = entry("address", &format!("{:?}", crate::record::Entry::to_scalar(&stored)));
        if contact.addresses.iter().all(|known| known.id != stored.id) {
            contact.addresses.push(stored);
        }
    }
    let mut custom = |id: &str, text: String| {
        if let Ok(id) = id.parse() {
            contact.x.push(CustomField { id, value: CustomValue::Text { text } });
        }
    };
    match card.birthday {
        Some(CardDate::Full(date)) => contact.birthday = Some(LocalDate(date)),
        Some(day @ CardDate::MonthDay { .. }) => custom(BIRTHDAY_WITHOUT_YEAR, day.to_string()),
        None => {}
    }
    if let Some(department) = &card.department {
        custom(DEPARTMENT, department.clone());
    }
    contact
}

/// Custom fields for what a card says and the record has no field for.
const BIRTHDAY_WITHOUT_YEAR: &str = "birthday-day";
const DEPARTMENT: &str = "department";

/// The one note of a card, from what a card said and what people wrote.
pub(super) fn card_note(said: &str, written: &str) -> Option<String> {
    let notes: Vec<&str> = [said, written].into_iter().filter(|note| !note.is_empty()).collect();
    Card::text(&notes.join("\n"))
}

/// The card that describes a contact.
pub(super) fn to_card(contact: &Contact) -> Card {
    let custom = |id: &str| {
        contact.x.iter().find(|field| field.id.as_str() == id).and_then(|field| match &field.value {
            CustomValue::Text { text } => Card::text(text),
            _ => None,
        })
    };
    let day_without_year = || {
        let day = CardDate::parse(&custom(BIRTHDAY_WITHOUT_YEAR)?, None);
        day.filter(|day| matches!(day, CardDate::MonthDay { .. }))
    };
    let mut card = Card {
        uid: Some(format!("{UUID_UID}{}", contact.id)),
        full_name: Card::text(&crate::records::contact::full_name(contact)),
        prefix: Card::text(&contact.name_prefix),
        given: Card::text(&contact.given_name),
        middle: Card::text(&contact.middle_name),
        family: Card::text(&contact.family_name),
        suffix: Card::text(&contact.name_suffix),
        organization: Card::text(&contact.organization),
        department: custom(DEPARTMENT),
        title: Card::text(&contact.job_title),
        birthday: contact.birthday.map(|date| CardDate::Full(date.0)).or_else(day_without_year),
        note: card_note(&contact.card_note, &contact.notes),
        categories: contact.tags.clone(),
        ..Card::default()
    };
    for channel in &contact.channels {
        let (value, preferred) = (channel.value.clone(), channel.preferred);
        let place = match channel.label.as_deref() {
            Some("work") => PlaceKind::Work,
            Some("home") => PlaceKind::Home,
            _ => PlaceKind::Other,
        };
        let phone = match channel.label.as_deref() {
            Some("mobile") => PhoneKind::Mobile,
            Some("work") => PhoneKind::Work,
            Some("home") => PhoneKind::Home,
            Some("fax") => PhoneKind::Fax,
            _ => PhoneKind::Other,
        };
        let standard = place != PlaceKind::Other || phone != PhoneKind::Other;
        let label = channel.label.clone().filter(|_| !standard);
        match channel.kind {
            ChannelKind::Phone => {
                card.phones.push(CardPhone { value, kind: phone, extension: channel.extension.clone(), preferred, label })
            }
            ChannelKind::Email => card.emails.push(CardEmail { value, kind: place, preferred, label }),
            ChannelKind::Messenger => {
                let (scheme, name) = value.split_once(':').unwrap_or(("im", &value));
                card.messengers.push(CardMessenger { scheme: scheme.to_owned(), value: name.to_owned() });
            }
            ChannelKind::Url | ChannelKind::Unknown { .. } => card.urls.push(CardUrl { value, label }),
        }
    }
    for address in &contact.addresses {
        card.addresses.push(CardAddress {
            kind: match address.label.as_deref() {
                Some("work") => PlaceKind::Work,
                Some("home") => PlaceKind::Home,
                _ => PlaceKind::Other,
            },
            street: Card::text(&address.street),
            city: Card::text(&address.city),
            region: Card::text(&address.region),
            postcode: Card::text(&address.postcode),
            country: Card::text(&address.country),
            ..CardAddress::default()
        });
    }
    card
}
