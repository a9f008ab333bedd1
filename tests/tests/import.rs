//! Contacts from files: a stranger's cards come in once, whatever is tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::io::BufReader;
use std::path::Path;

use roadbook_core::book::{ContactFilter, ContactSort, ExportReport, ImportReport, Progress};
use roadbook_core::record::Kind;
use roadbook_core::records::Contact;
use roadbook_core::sync::End;
use roadbook_core::value::{Channel, ChannelKind, PostalAddress};
use roadbook_tests::relay::Relay;
use roadbook_tests::{Device, World};

const CARDS: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a-1\r\nN:Elkin;Pyotr;;;\r\nFN:Pyotr Elkin\r\nORG:Elkin & Co;Sales\r\nTEL;TYPE=CELL:8 (495) 123-45-67\r\nEMAIL;TYPE=WORK:elkin@example.com\r\nBDAY:1985-04-12\r\nNOTE:Met at the fair\r\nCATEGORIES:vip,north\r\nEND:VCARD\r\n\
BEGIN:VCARD\r\nVERSION:3.0\r\nN:Broken\r\nthis line is no property\r\nEND:VCARD\r\n\
BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=81=D0=BB=D0=BA=D0=B8=D0=BD=D0=B0;=D0=90=D0=BD=D0=BD=D0=B0\r\nTEL;WORK:+7 812 000-00-00\r\nEND:VCARD\r\n";

fn import(device: &Device, cards: &str) -> ImportReport {
    device.book.import_vcard("cards.vcf", BufReader::new(cards.as_bytes()), None, &|_| true).unwrap()
}

fn only(device: &Device, text: &str) -> Contact {
    let found = device.book.search(text, 10).unwrap();
    assert_eq!(found.len(), 1, "{text}");
    device.book.get(found[0].record.id).unwrap()
}

#[test]
fn a_broken_card_is_named_with_its_line_and_the_rest_comes_in() {
    let device = Device::new(&World::new(1));
    device.book.set_region(&"RU".parse().unwrap()).unwrap();
    let report = import(&device, CARDS);
    assert_eq!((report.cards, report.added, report.broken), (2, 2, 1));
    assert_eq!(
        (report.problems[0].file.as_str(), report.problems[0].line, report.problems[0].fault_line),
        ("cards.vcf", 13, Some(16))
    );
    let contact = only(&device, "elkin & co");
    assert_eq!((contact.given_name.as_str(), contact.card_note.as_str()), ("Pyotr", "Met at the fair"));
    assert_eq!(contact.tags, ["north", "vip"]);
    assert_eq!(contact.birthday.unwrap().to_string(), "1985-04-12");
    assert!(contact.channels.iter().any(|channel| channel.e164.as_deref() == Some("+74951234567")));
    assert_eq!(only(&device, "ёлкина").given_name, "Анна");
}

#[test]
fn a_large_file_without_cards_can_be_stopped() {
    let device = Device::new(&World::new(10));
    let junk = vec![b'x'; 20 << 20];
    let asked = std::cell::Cell::new(0);
    let stop = |_: Progress| {
        asked.set(asked.get() + 1);
        asked.get() < 2
    };
    let report = device.book.import_vcard("film.mp4", BufReader::new(junk.as_slice()), None, &stop).unwrap();
    assert!(report.cancelled);
    assert_eq!((asked.get(), report.cards, report.broken), (2, 0, 0));
}

#[test]
fn a_region_of_one_import_reads_its_numbers_and_stays_out_of_the_book() {
    let device = Device::new(&World::new(9));
    device.book.set_region(&"RU".parse().unwrap()).unwrap();
    let card = "BEGIN:VCARD\nVERSION:3.0\nFN:Eva\nTEL:030 123456\nEND:VCARD\n";
    device.book.import_vcard("berlin", card.as_bytes(), Some(&"DE".parse().unwrap()), &|_| true).unwrap();
    assert_eq!(only(&device, "eva").channels[0].e164.as_deref(), Some("+4930123456"));
    assert_eq!(device.book.region().unwrap().code(), "RU");
}

#[test]
fn the_same_file_again_adds_nothing_here_or_on_another_device() {
    let world = World::new(2);
    let mut relay = Relay::default();
    let (anna, boris) = (Device::new(&world), Device::new(&world));
    assert_eq!(import(&anna, CARDS).added, 2);
    let report = import(&anna, CARDS);
    assert_eq!((report.added, report.updated, report.unchanged), (0, 0, 2));
    assert_eq!(import(&boris, CARDS).added, 2, "imported before the two have met");
    for (device, name) in [(&anna, "Anna"), (&boris, "Boris"), (&anna, "Anna")] {
        if device.book.account().unwrap().is_none() {
            relay.join(&device.book, name);
        }
        assert!(matches!(relay.sync_book(&device.book), End::Done(_)));
    }
    assert_eq!(relay.len(), 2);
    for device in [&anna, &boris] {
        let before = device.book.status().unwrap();
        assert_eq!((before.records, before.disputed), (2, 0));
        let report = import(device, CARDS);
        assert_eq!((report.added, report.updated, report.unchanged), (0, 0, 2));
        assert_eq!(device.book.status().unwrap().state_hash, before.state_hash);
    }
    assert_eq!(only(&anna, "pyotr").card_note, "Met at the fair", "a note is not doubled");
}

#[test]
fn what_people_changed_survives_the_same_file_and_a_newer_one() {
    let device = Device::new(&World::new(3));
    import(&device, CARDS);
    let mut form = only(&device, "pyotr");
    form.job_title = "Director".into();
    form.tags = vec!["gold".into()];
    form.notes = "Likes tea.".into();
    device.book.save(&form).unwrap();
    import(&device, CARDS);
    let kept = only(&device, "pyotr");
    assert_eq!(
        (kept.job_title.as_str(), kept.tags.as_slice(), kept.notes.as_str()),
        ("Director", ["gold".to_owned()].as_slice(), "Likes tea.")
    );
    let newer = CARDS.replace("elkin@example.com", "pyotr@example.com").replace("Elkin & Co", "Elkin Group");
    let report = import(&device, &newer);
    assert_eq!((report.added, report.updated, report.unchanged), (0, 1, 1));
    let updated = only(&device, "pyotr elkin group");
    assert_eq!((updated.job_title.as_str(), updated.tags.as_slice()), ("Director", ["gold".to_owned()].as_slice()));
    assert!(updated.channels.iter().any(|channel| channel.value == "pyotr@example.com"));
    assert!(updated.channels.iter().all(|channel| channel.value != "elkin@example.com"));
}

#[test]
fn a_deleted_contact_stays_deleted_when_its_file_comes_again() {
    let device = Device::new(&World::new(4));
    import(&device, CARDS);
    let contact = only(&device, "pyotr");
    device.book.delete(Kind::Contact, contact.id.0).unwrap();
    assert_eq!(import(&device, CARDS).unchanged, 2);
    assert!(device.book.search("pyotr", 10).unwrap().is_empty());
    let deleted = ContactFilter { deleted: true, ..ContactFilter::default() };
    assert_eq!(device.book.contacts(&deleted, ContactSort::Name, None, 9).unwrap().items.len(), 1);
}

#[test]
fn an_erased_person_does_not_come_back_with_their_card() {
    let device = Device::new(&World::new(10));
    import(&device, CARDS);
    let id = only(&device, "pyotr").id.0;
    device.book.erase(Kind::Contact, id).unwrap();
    let before = device.book.status().unwrap().state_hash;
    let report = import(&device, CARDS);
    assert_eq!((report.added, report.updated, report.unchanged, report.broken), (0, 0, 1, 2));
    let said = report.problems.iter().find(|problem| problem.line == 1).unwrap();
    assert!(said.reason.contains("erased") && !said.reason.contains("Elkin"), "{}", said.reason);
    let erased: Contact = device.book.get(id).unwrap();
    assert!(
        erased.deleted.is_some() && erased.given_name.is_empty() && erased.card_note.is_empty() && erased.channels.is_empty()
    );
    assert_eq!(device.book.status().unwrap().state_hash, before);
    // Whoever brings the record back has an empty one before them, and a card may fill it.
    device.book.save(&Contact { deleted: None, ..erased }).unwrap();
    let report = import(&device, CARDS);
    assert_eq!((report.added, report.updated, report.unchanged, report.broken), (0, 1, 1, 1));
    assert_eq!(only(&device, "pyotr").id.0, id);
}

#[test]
fn an_export_comes_back_as_the_same_records() {
    let world = World::new(5);
    let (device, other) = (Device::new(&world), Device::new(&world));
    import(&device, CARDS);
    let mut file = Vec::new();
    assert_eq!(device.book.export_vcard(&mut file).unwrap().written, 2);
    let file = String::from_utf8(file).unwrap();
    let report = import(&device, &file);
    assert_eq!((report.added, report.updated, report.unchanged), (0, 0, 2));
    // What a person typed comes back as what it was, not a second time.
    let channel = Channel::typed(device.book.new_entry_id(), ChannelKind::Phone, "+49 30 1234567", &Default::default());
    let typed = Contact {
        id: device.book.new_id().into(),
        family_name: "Typed".into(),
        channels: vec![channel],
        notes: "By hand.".into(),
        ..Contact::default()
    };
    let typed = device.book.save(&typed).unwrap();
    let mut again = Vec::new();
    device.book.export_vcard(&mut again).unwrap();
    assert_eq!(import(&device, &String::from_utf8(again).unwrap()).unchanged, 3);
    assert_eq!(device.book.get::<Contact>(typed.id.0).unwrap(), typed);
    assert_eq!(import(&other, &file).added, 2);
    let (here, there) = (only(&device, "pyotr"), only(&other, "pyotr"));
    assert_eq!((here.id, here.tags, here.birthday), (there.id, there.tags, there.birthday));
}

fn exported(device: &Device) -> String {
    let mut file = Vec::new();
    device.book.export_vcard(&mut file).unwrap();
    String::from_utf8(file).unwrap()
}

#[test]
fn a_line_end_in_a_field_breaks_no_card_and_adds_nothing_to_it() {
    let world = World::new(11);
    let (device, other) = (Device::new(&world), Device::new(&world));
    let street = "Ring 1\r\nDoor 2".to_owned();
    let typed = Contact {
        id: device.book.new_id().into(),
        family_name: "Typed".into(),
        job_title: "x\rTEL:+19005550100\r".into(),
        channels: vec![Channel::typed(device.book.new_entry_id(), ChannelKind::Phone, "+49 30 1234567", &Default::default())],
        addresses: vec![PostalAddress { id: device.book.new_entry_id(), street, ..PostalAddress::default() }],
        notes: "one\r\ntwo".into(),
        ..Contact::default()
    };
    let typed = device.book.save(&typed).unwrap();
    let file = exported(&device);
    let report = import(&other, &file);
    assert_eq!((report.added, report.broken), (1, 0), "{file}");
    let there: Contact = other.book.get(typed.id.0).unwrap();
    assert_eq!(there.channels.len(), 1, "a title is no number");
    assert_eq!((there.job_title.as_str(), there.card_note.as_str()), ("x\nTEL:+19005550100", "one\ntwo"));
    assert_eq!(there.addresses[0].street, "Ring 1\nDoor 2");
    assert_eq!(import(&device, &file).unchanged, 1, "what was typed comes back as what it was");
    assert_eq!(device.book.get::<Contact>(typed.id.0).unwrap(), typed);
}

#[test]
fn what_people_added_to_an_imported_contact_is_not_doubled_by_its_own_export() {
    let device = Device::new(&World::new(13));
    import(
        &device,
        "BEGIN:VCARD\nVERSION:4.0\nUID:c\nFN:Olga\nTEL:+49301234567\nTEL:+49307654321\nNOTE:Met at a fair\nEND:VCARD\n",
    );
    let mut contact = only(&device, "olga");
    contact.channels.push(Channel::typed(
        device.book.new_entry_id(),
        ChannelKind::Email,
        "olga@example.com",
        &Default::default(),
    ));
    contact.channels[0] =
        Channel::typed(contact.channels[0].id.clone(), ChannelKind::Phone, "+49 30 5550100", &Default::default());
    contact.notes = "Likes tea".into();
    contact.job_title = "Buyer".into();
    let edited = device.book.save(&contact).unwrap();
    let file = exported(&device);
    assert!(file.contains("NOTE:Met at a fair\\nLikes tea\r\n"), "{file}");
    assert_eq!(import(&device, &file).unchanged, 1);
    assert_eq!(device.book.get::<Contact>(edited.id.0).unwrap(), edited);
    // What is new on the card is taken all the same.
    let more = file.replace("END:VCARD", "TEL:+49309999999\r\nEND:VCARD");
    assert_eq!(import(&device, &more).updated, 1);
    let there: Contact = device.book.get(edited.id.0).unwrap();
    assert_eq!((there.channels.len(), there.notes, there.card_note), (4, edited.notes, edited.card_note));
}

#[test]
fn a_birthday_without_a_year_is_in_the_export() {
    let world = World::new(12);
    let (device, other) = (Device::new(&world), Device::new(&world));
    import(&device, "BEGIN:VCARD\nVERSION:4.0\nUID:b\nFN:Eva\nBDAY:--0412\nEND:VCARD\n");
    let file = exported(&device);
    assert!(file.contains("BDAY:--0412\r\n"), "{file}");
    assert_eq!((import(&device, &file).unchanged, import(&other, &file).added), (1, 1));
    let (here, there) = (only(&device, "eva"), only(&other, "eva"));
    assert_eq!((here.x.len(), here.x), (1, there.x));
}

#[test]
fn an_import_stops_when_asked_and_one_undo_takes_it_back() {
    let device = Device::new(&World::new(6));
    let card = |n: usize| format!("BEGIN:VCARD\nVERSION:3.0\nUID:{n}\nFN:Person {n}\nEND:VCARD\n");
    let cards: String = (0..350).map(card).collect();
    let report = device.book.import_vcard("c", BufReader::new(cards.as_bytes()), None, &|now: Progress| now.cards < 200).unwrap();
    assert!(report.cancelled && report.added == 200);
    device.book.undo(None).unwrap();
    let page = device.book.contacts(&ContactFilter::default(), ContactSort::Name, None, 9).unwrap();
    assert!(page.items.is_empty());
    let report = import(&device, &cards);
    assert_eq!((report.added, report.unchanged), (350, 0), "what was taken back comes again");
    assert_eq!(device.book.contacts(&ContactFilter::default(), ContactSort::Name, None, 400).unwrap().items.len(), 350);
}

#[test]
fn a_file_is_there_whole_or_not_at_all() {
    let device = Device::new(&World::new(7));
    import(&device, CARDS);
    let path = device.dir.path().join("out.json");
    device.book.export_file(&path, &|out| device.book.export_json(out)).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(json["contact"].as_array().unwrap().len(), 2);
    let failed = device.book.export_file(&path, &|out| {
        device.book.export_json(out)?;
        Err(roadbook_core::Error::Cancelled)
    });
    assert!(failed.is_err());
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&std::fs::read(&path).unwrap()).unwrap(), json);
    let left: Vec<_> = std::fs::read_dir(device.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(".part")), "{left:?}");
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[cfg(unix)]
#[test]
fn a_file_is_for_its_owner_from_the_first_byte_and_keeps_what_the_old_one_allowed() {
    use std::os::unix::fs::PermissionsExt as _;
    let device = Device::new(&World::new(13));
    import(&device, CARDS);
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("book.vcf"), folder.path().join("link"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let export = |path: &Path| {
        let write = |out: &mut dyn std::io::Write| {
            let parts: Vec<String> = names(folder.path()).into_iter().filter(|name| name.ends_with(".part")).collect();
            assert_eq!(parts.iter().map(|part| mode(&folder.path().join(part))).collect::<Vec<_>>(), [0o600]);
            device.book.export_vcard(out)
        };
        assert_eq!(device.book.export_file(path, &write).unwrap().written, 2);
    };
    export(&path);
    assert_eq!(mode(&path), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    export(&link);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink(), "a link stays a link");
    assert_eq!((mode(&path), names(folder.path())), (0o640, vec!["book.vcf".to_owned(), "link".to_owned()]));
    let into_a_folder = device.book.export_file(folder.path(), &|out| device.book.export_vcard(out));
    assert!(into_a_folder.unwrap_err().to_string().contains("folder"));
}

#[test]
fn what_a_killed_export_left_goes_with_the_next_one_and_nothing_else() {
    let device = Device::new(&World::new(14));
    import(&device, CARDS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.vcf");
    let (left, living) = (".book.vcf.AAAAAAAAAAA.part", ".book.vcf.AAAAAAAAAAE.part");
    let others = [".book.vcf.draft.part", ".book.vcf.part", ".other.vcf.AAAAAAAAAAA.part", "book.vcf.bak"];
    for name in others.into_iter().chain([left]) {
        std::fs::write(folder.path().join(name), "BEGIN:VCARD").unwrap();
    }
    // Another process writes the same file at this moment.
    let locked = std::fs::File::create(folder.path().join(living)).unwrap();
    locked.lock().unwrap();
    let export = || device.book.export_file(&path, &|out| device.book.export_vcard(out)).unwrap();
    export();
    assert_eq!(names(folder.path()), [living, others[0], others[1], others[2], "book.vcf", others[3]]);
    drop(locked);
    export();
    assert_eq!(names(folder.path()), [others[0], others[1], others[2], "book.vcf", others[3]]);
}

#[test]
fn an_export_leaves_out_what_cannot_be_opened_and_names_it() {
    let device = Device::new(&World::new(8));
    import(&device, CARDS);
    let damaged = only(&device, "pyotr").id.0;
    device.raw().execute("UPDATE doc SET bytes = x'0001020304' WHERE id = ?1", [damaged.as_bytes()]).unwrap();
    let left_out = |report: &ExportReport| {
        assert_eq!((report.written, report.left_out.len()), (1, 1));
        let left = &report.left_out[0];
        assert_eq!((left.record.id, left.headline.as_str()), (damaged, "Pyotr Elkin"));
        assert!(left.reason.contains("cannot be opened"), "{}", left.reason);
    };
    let mut cards = Vec::new();
    left_out(&device.book.export_vcard(&mut cards).unwrap());
    let cards = String::from_utf8(cards).unwrap();
    assert!(cards.contains("Анна") && !cards.contains("Pyotr"), "{cards}");
    let mut json = Vec::new();
    left_out(&device.book.export_json(&mut json).unwrap());
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["contact"].as_array().unwrap().len(), 1);
    assert_eq!((&json["left_out"][0]["id"], &json["left_out"][0]["kind"]), (&damaged.to_string().into(), &"contact".into()));
    assert_eq!(device.book.status().unwrap().unreadable, 1, "the next sync fetches it");
}
