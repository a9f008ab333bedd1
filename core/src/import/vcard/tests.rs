use super::*;
use chrono::NaiveDate;
use proptest::prelude::*;
use std::io::{BufReader, Read};

fn read(bytes: &[u8]) -> Vec<Item> {
    Cards::new(bytes).map(|item| item.expect("memory cannot fail")).collect()
}

fn one(text: &str) -> Card {
    one_of(text.as_bytes())
}

fn one_of(bytes: &[u8]) -> Card {
    match <[Item; 1]>::try_from(read(bytes)) {
        Ok([Item::Card(card)]) => *card,
        other => panic!("not one card: {other:?}"),
    }
}

fn faults(bytes: &[u8]) -> Vec<(u64, Option<u64>, Reason)> {
    let broken = |item| match item {
        Item::Broken(broken) => Some((broken.line, broken.fault_line, broken.reason)),
        Item::Card(_) => None,
    };
    read(bytes).into_iter().filter_map(broken).collect()
}

fn names(bytes: &[u8]) -> Vec<String> {
    let name = |item| match item {
        Item::Card(card) => card.full_name,
        Item::Broken(_) => None,
    };
    read(bytes).into_iter().filter_map(name).collect()
}

fn written(card: &Card) -> String {
    let mut out = Vec::new();
    write_card(&mut out, card).expect("memory cannot fail");
    String::from_utf8(out).expect("cards are UTF-8")
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn full(year: i32, month: u32, day: u32) -> Option<CardDate> {
    NaiveDate::from_ymd_opt(year, month, day).map(CardDate::Full)
}

fn card_of(version: &str, lines: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:{version}\r\n{lines}\r\nEND:VCARD\r\n")
}

#[test]
fn a_2_1_card_with_cyrillic_quoted_printable_is_decoded() {
    let card = one(concat!(
        "BEGIN:VCARD\r\nVERSION:2.1\r\n",
        "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=81=D0=BB=D0=BA=D0=B8=D0=BD;=D0=98=D0=B2=D0=\r\n",
        "=B0=D0=BD;;;\r\n",
        "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=98=D0=B2=D0=B0=D0=BD =D0=81=D0=BB=D0=BA=D0=B8=D0=\r\n=BD\r\n",
        "TEL;CELL;PREF:+7 912 345-67-89\r\nTEL;WORK;FAX:8 (343) 222-33-44\r\n",
        "NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:=D0=9F=D0=BE=D1=81=D0=BB=D0=B5=0D=0A10=3A00=3B a=b=\r\n\r\n",
        "END:VCARD\r\n",
    ));
    assert_eq!(card.family, some("Ёлкин"));
    assert_eq!(card.given, some("Иван"));
    assert_eq!(card.full_name, some("Иван Ёлкин"));
    assert_eq!(card.note, some("После\n10:00; a=b"));
    let kinds: Vec<_> = card.phones.iter().map(|phone| (phone.value.as_str(), phone.kind, phone.preferred)).collect();
    assert_eq!(kinds, [("+7 912 345-67-89", PhoneKind::Mobile, true), ("8 (343) 222-33-44", PhoneKind::Fax, false)]);
}

#[test]
fn quoted_printable_without_charset_is_utf_8_if_it_can_be() {
    let lines = "FN;ENCODING=QUOTED-PRINTABLE:=D0=81=D0=B6\r\nTITLE;QUOTED-PRINTABLE:caf=E9";
    let card = one(&card_of("2.1", lines));
    assert_eq!((card.full_name, card.title), (some("Ёж"), some("café")));
}

#[test]
fn windows_1251_is_read_quoted_and_raw_where_the_card_says_so() {
    let mut bytes = b"BEGIN:VCARD\nVERSION:2.1\nFN;CHARSET=windows-1251:".to_vec();
    bytes.extend_from_slice(b"\xA8\xEB\xEA\xE8\xED; \xC8\xE2\xE0\xED=\n");
    bytes.extend_from_slice(b"ORG;CHARSET=CP1251;ENCODING=QUOTED-PRINTABLE:=CE=CE=CE;=CE=F2=E4=E5=EB\nEND:VCARD\n");
    let card = one_of(&bytes);
    assert_eq!(card.full_name, some("Ёлкин; Иван="));
    assert_eq!((card.organization, card.department), (some("ООО"), some("Отдел")));
}

#[test]
fn text_of_no_known_encoding_is_taken_as_windows_1252_in_2_1_and_reported_in_3_0() {
    let body = |version: &str| [b"BEGIN:VCARD\nVERSION:", version.as_bytes(), b"\nTEL:1\nFN:Ren\xE9\nEND:VCARD\n"].concat();
    assert_eq!(one_of(&body("2.1")).full_name, some("René"));
    assert_eq!(faults(&body("3.0")), [(1, Some(4), Reason::UnreadableText)]);
    assert_eq!(faults(&body("4.0")), [(1, Some(4), Reason::UnreadableText)]);
}

#[test]
fn an_unknown_charset_and_wrong_letters_are_reported() {
    let unknown = card_of("2.1", "FN;CHARSET=x-martian;ENCODING=QUOTED-PRINTABLE:=CE=F2");
    assert_eq!(faults(unknown.as_bytes()), [(1, Some(3), Reason::UnknownCharset)]);
    let wrong = card_of("2.1", "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=CE=F2");
    assert_eq!(faults(wrong.as_bytes()), [(1, Some(3), Reason::UnreadableText)]);
    let undefined = card_of("2.1", "FN;CHARSET=windows-1253;ENCODING=QUOTED-PRINTABLE:a=FF");
    assert_eq!(faults(undefined.as_bytes()), [(1, Some(3), Reason::UnreadableText)]);
}

#[test]
fn an_iphone_export_gives_labels_from_its_groups() {
    let card = one(concat!(
        "BEGIN:VCARD\nVERSION:3.0\nPRODID:-//Apple Inc.//iPhone OS 17.5//EN\nN:Орлова;Мария;Петровна;;\nFN:Мария Орлова\n",
        "ORG:Ромашка\\, ООО;Закупки;Склад 2\nTITLE:Директор\n",
        "EMAIL;type=INTERNET;type=WORK;type=pref:maria@example.com\n",
        "TEL;type=CELL;type=VOICE;type=pref:+7 (900) 000-00-01\nitem1.TEL:8 800 000-00-02\nitem1.X-ABLabel:Горячая линия\n",
        "item2.URL;type=pref:http\\://example.com\\, a\nitem2.X-ABLabel:_$!<HomePage>!$_\n",
        "item3.ADR;type=WORK:;;ул. Ленина\\, 5\\nподъезд 2;Екатеринбург;;620014;Россия\nitem3.X-ABADR:ru\n",
        "IMPP;X-SERVICE-TYPE=Skype;type=WORK:skype:orlova.m\nIMPP;X-SERVICE-TYPE=Telegram:x-apple:orlova\n",
        "BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29\n",
        "PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD\n /2wBDAAEBAQEBAQEBAQEBAQEBAQ\n =\n",
        "CATEGORIES:Клиенты, Москва\nNOTE:Звонить\n  до обеда\nUID:0B1C\nREV:2024-05-01T10:00:00Z\nEND:VCARD\n",
    ));
    assert_eq!((card.prefix, card.given, card.middle), (None, some("Мария"), some("Петровна")));
    assert_eq!((card.organization, card.department), (some("Ромашка, ООО"), some("Закупки, Склад 2")));
    let email = CardEmail { value: "maria@example.com".into(), kind: PlaceKind::Work, preferred: true, label: None };
    assert_eq!(card.emails, [email]);
    let phone = |value: &str, kind, preferred, label| CardPhone { value: value.into(), kind, extension: None, preferred, label };
    assert_eq!(
        card.phones,
        [
            phone("+7 (900) 000-00-01", PhoneKind::Mobile, true, None),
            phone("8 800 000-00-02", PhoneKind::Other, false, some("Горячая линия")),
        ]
    );
    assert_eq!(card.urls, [CardUrl { value: "http://example.com, a".into(), label: some("HomePage") }]);
    assert_eq!(
        card.addresses,
        [CardAddress {
            kind: PlaceKind::Work,
            street: some("ул. Ленина, 5\nподъезд 2"),
            city: some("Екатеринбург"),
            postcode: some("620014"),
            country: some("Россия"),
            ..CardAddress::default()
        }]
    );
    let messenger = |scheme: &str, value: &str| CardMessenger { scheme: scheme.into(), value: value.into() };
    assert_eq!(card.messengers, [messenger("skype", "orlova.m"), messenger("telegram", "orlova")]);
    assert_eq!(card.birthday, Some(CardDate::MonthDay { month: 2, day: 29 }));
    assert_eq!(card.categories, ["Клиенты", "Москва"]);
    assert_eq!((card.note, card.uid), (some("Звонить до обеда"), some("0B1C")));
}

#[test]
fn a_4_0_card_is_read() {
    let card = one(concat!(
        "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1\r\nKIND:individual\r\n",
        "FN;PREF=2:J. Doe\r\nFN;PREF=1:John Q. Doe\r\nN:Doe;John;Quinlan,Paul;Dr.;Jr.,M.D.\r\n",
        "TEL;VALUE=uri;PREF=1;TYPE=\"voice,cell\":tel:+7-495-123-45-67;ext=12\r\nTEL;TYPE=home:tel:+1-555-0100\r\n",
        "EMAIL;TYPE=home:mailto:john@example.org\r\nIMPP:XMPP:john@example.org\r\nX-TELEGRAM:@john\r\n",
        "ADR;LABEL=\"a: b; c\";TYPE=home:PO 1;Suite 5;12 High St;Town;Shire;AB1 2CD;UK\r\nBDAY:--0412\r\nEND:VCARD\r\n",
    ));
    assert_eq!(card.full_name, some("John Q. Doe"));
    assert_eq!((card.middle, card.prefix, card.suffix), (some("Quinlan Paul"), some("Dr."), some("Jr. M.D.")));
    let number = &card.phones[0];
    assert_eq!((number.value.as_str(), number.kind), ("+7-495-123-45-67", PhoneKind::Mobile));
    assert_eq!((number.extension.as_deref(), number.preferred), (Some("12"), true));
    assert_eq!(card.phones[1].value, "+1-555-0100");
    assert_eq!(card.emails[0].value, "john@example.org");
    assert_eq!((card.messengers[0].scheme.as_str(), card.messengers[1].value.as_str()), ("xmpp", "@john"));
    assert_eq!((card.addresses[0].po_box.as_deref(), card.addresses[0].region.as_deref()), (Some("PO 1"), Some("Shire")));
}

#[test]
fn an_outlook_card_is_read() {
    let card = one(concat!(
        "BEGIN:VCARD\r\nVERSION:2.1\r\nX-MS-OL-DEFAULT-POSTAL-ADDRESS:2\r\nN;LANGUAGE=en-us:Smith;Anna;;Ms.\r\nFN:Ms. Anna Smith\r\n",
        "ORG:Contoso, Ltd.;Sales\r\nTITLE:Buyer\r\nTEL;WORK;VOICE:(555) 010-0200\r\nTEL;CELL;VOICE:(555) 010-0201\r\n",
        "ADR;WORK;PREF:;;1 Main Street, Floor 3;Springfield;IL;62701;United States of America\r\n",
        "LABEL;WORK;PREF;ENCODING=QUOTED-PRINTABLE:1 Main Street=0D=0A=\r\nSpringfield, IL 62701\r\n",
        "X-MS-OL-DESIGN;CHARSET=utf-8:<card xmlns=\"http://example.com/2004\" ver=\"1.0\"/>\r\n",
        "PHOTO;TYPE=JPEG;ENCODING=BASE64:\r\n /9j/4AAQSkZJRgABAQEAYABgAAD\r\n AAAA\r\n\r\nURL;WORK:http://contoso.example\r\n",
        "LOGO;BASE64:\r\nAAAABBBB\r\nCCCC\r\n\r\nEMAIL;PREF;INTERNET:anna@contoso.example\r\nBDAY:19850412\r\nREV:20240501T101010Z\r\nEND:VCARD\r\n",
    ));
    assert_eq!((card.organization, card.department), (some("Contoso, Ltd."), some("Sales")));
    assert_eq!(card.addresses[0].street, some("1 Main Street, Floor 3"));
    assert_eq!((card.emails.len(), card.urls.len(), card.phones.len()), (1, 1, 2));
    assert_eq!(card.birthday, full(1985, 4, 12));
}

#[test]
fn a_google_contacts_export_is_read() {
    let text = concat!(
        "BEGIN:VCARD\nVERSION:3.0\nFN:Pat Example\nN:Example;Pat;;;\nitem1.EMAIL;TYPE=INTERNET:pat@example.net\n",
        "item1.X-ABLabel:Бухгалтерия\nTEL;TYPE=CELL:+1 555-010-0300\nitem2.TEL:+1 555-010-0301\nitem2.X-ABLabel:\n",
        "item3.URL:https\\://example.net\nBDAY:1985-04-12\nCATEGORIES:myContacts,starred\nEND:VCARD\n",
        "BEGIN:VCARD\nVERSION:3.0\nFN:\nN:;;;;\nTEL;TYPE=WORK:112\nEND:VCARD\n",
    );
    let items = read(text.as_bytes());
    let [Item::Card(pat), Item::Card(nameless)] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(pat.emails[0].label, some("Бухгалтерия"));
    assert_eq!(pat.phones[1].label, None);
    assert_eq!(pat.urls[0].value, "https://example.net");
    assert_eq!(pat.categories, ["myContacts", "starred"]);
    assert_eq!((nameless.line, nameless.phones[0].kind), (14, PhoneKind::Work));
}

#[test]
fn a_nested_agent_is_passed_over() {
    let text = concat!(
        "BEGIN:VCARD\nVERSION:2.1\nFN:Boss\nAGENT:\nBEGIN:VCARD\nVERSION:2.1\nFN:Assistant\nTEL:1\n",
        "AGENT:BEGIN:VCARD\nVERSION:2.1\nFN:Trainee\nEND:VCARD\nEND:VCARD\nTEL:2\nEND:VCARD\n",
        "BEGIN:VCARD\nVERSION:3.0\nFN:Chief\nAGENT:BEGIN:VCARD\n \\nFN:Helper\\nEND:VCARD\\n\nTEL:3\nEND:VCARD\n",
        "BEGIN:VCARD\nVERSION:3.0\nFN:Head\nAGENT;VALUE=uri:CID:1@example.com\nTEL:4\nEND:VCARD\n",
    );
    assert_eq!(faults(text.as_bytes()), []);
    assert_eq!(names(text.as_bytes()), ["Boss", "Chief", "Head"]);
    let phones = read(text.as_bytes()).into_iter().filter_map(|item| match item {
        Item::Card(card) => Some(card.phones.into_iter().map(|phone| phone.value).collect::<String>()),
        Item::Broken(_) => None,
    });
    assert_eq!(phones.collect::<Vec<_>>(), ["2", "3", "4"]);
}

#[test]
fn birthdays_are_read_in_all_their_forms() {
    let month_day = Some(CardDate::MonthDay { month: 4, day: 12 });
    for (text, expected) in [
        ("19850412", full(1985, 4, 12)),
        ("1985-04-12", full(1985, 4, 12)),
        ("1985-04-12T00:00:00Z", full(1985, 4, 12)),
        ("19850412T000000", full(1985, 4, 12)),
        ("--0412", month_day),
        ("--04-12", month_day),
        ("0000-04-12", month_day),
        ("1985-02-30", None),
        ("--0230", None),
        ("1985", None),
        ("---12", None),
        ("весной", None),
        ("", None),
    ] {
        for version in ["2.1", "3.0", "4.0"] {
            let card = one(&card_of(version, &format!("FN:A\nBDAY;VALUE=date:{text}")));
            assert_eq!(card.birthday, expected, "{text} in {version}");
        }
    }
}

#[test]
fn a_phone_keeps_its_extension() {
    for (text, value, extension) in [
        ("tel:+7-495-123-45-67;ext=12", "+7-495-123-45-67", Some("12")),
        ("+7 495 123-45-67;EXT=12", "+7 495 123-45-67", Some("12")),
        ("TEL:tel:123;phone-context=+7", "123", None),
        ("123;456", "123;456", None),
        ("8 (495) 123-45-67 доб. 12", "8 (495) 123-45-67 доб. 12", None),
    ] {
        let card = one(&card_of("3.0", &format!("TEL:{text}")));
        assert_eq!((card.phones[0].value.as_str(), card.phones[0].extension.as_deref()), (value, extension));
    }
}

#[test]
fn a_backslash_that_escapes_nothing_stays() {
    let card = one(&card_of("3.0", "FN:a\\\\b\\;c\\,d\\\"e\nNOTE:\\\\server\\report\\Q\\nend\\"));
    assert_eq!(card.full_name, some("a\\b;c,d\"e"));
    assert_eq!(card.note, some("\\server\\report\\Q\nend\\"));
}

#[test]
fn what_a_person_typed_ends_no_line_of_a_card() {
    let card = Card {
        full_name: some("Anna"),
        organization: some("a\r\nEND:VCARD\r\nb"),
        title: some("x\rTEL:+19005550100\r"),
        note: some("one\r\ntwo\u{b}\u{1}\rthree"),
        phones: vec![CardPhone { value: "5\r6".into(), label: some("w\r\nx"), ..CardPhone::default() }],
        categories: vec!["a\rb\u{1}".into()],
        ..Card::default()
    };
    let again = one(&written(&card));
    assert_eq!((again.organization, again.title), (some("a\nEND:VCARD\nb"), some("x\nTEL:+19005550100")));
    assert_eq!((again.note, again.categories), (some("one\ntwo\nthree"), vec!["a b".to_owned()]));
    let [CardPhone { value, label, .. }] = again.phones.as_slice() else { panic!("{:?}", again.phones) };
    assert_eq!((value.as_str(), label), ("5\n6", &some("w\nx")));
}

#[test]
fn every_line_end_gives_the_same_card() {
    let text = card_of("3.0", "FN:Ёлкин\r\nNOTE:one\r\n  two\r\n\r\nTEL:1");
    let expected = one(&text);
    assert_eq!(expected.note, some("one two"));
    for end in ["\n", "\r"] {
        assert_eq!(one(&text.replace("\r\n", end)), expected);
    }
    assert_eq!(one(&text.replace("\r\n", "\r\r\n")).fingerprint, expected.fingerprint);
}

#[test]
fn byte_order_marks_and_utf_16_are_understood() {
    let text = card_of("3.0", "FN:Ёлкин 🦔\r\nTEL:1");
    let expected = one(&text);
    let marked = format!("\u{FEFF}{text}");
    assert_eq!(one(&marked), expected);
    let little: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [little, big] {
        assert_eq!(one_of(&bytes), expected);
        let mut cards = Cards::new(BufReader::with_capacity(1, bytes.as_slice()));
        assert_eq!(cards.by_ref().map(Result::unwrap).collect::<Vec<_>>(), [Item::Card(Box::new(expected.clone()))]);
        assert_eq!(cards.bytes_read(), bytes.len() as u64);
    }
    let mut broken = vec![0xFF, 0xFE];
    broken.extend(
        text.replace('E', "\u{1}E").encode_utf16().map(|unit| if unit == 1 { 0xD800 } else { unit }).flat_map(u16::to_le_bytes),
    );
    assert!(!faults(&broken).is_empty());
    assert_eq!(names((text.clone() + &marked).as_bytes()).len(), 2);
}

#[test]
fn a_broken_card_does_not_stop_the_rest() {
    let text = concat!(
        "BEGIN:VCARD\nVERSION:3.0\nFN:First\nEND:VCARD\n",               // 1
        "BEGIN:VCARD\nVERSION:3.0\nFN:Cut off\n",                        // 5
        "BEGIN:VCARD\nFN:No version\nEND:VCARD\n",                       // 8
        "BEGIN:VCARD\nVERSION:5.0\nFN:Future\nEND:VCARD\n",              // 11
        "BEGIN:VCARD\nVERSION:3.0\nTITLE:Nobody\nEND:VCARD\n",           // 15
        "\nFN:No start\nVERSION:3.0\nEND:VCARD\n",                       // 19
        "Hello\nworld\n",                                                // 23
        "BEGIN:VCARD\nVERSION:3.0\nFN:Junk\nno colon here\nEND:VCARD\n", // 25
        "BEGIN:VCARD\nVERSION:3.0\nFN:Junk\nnot a name: x\nEND:VCARD\n", // 30
        "END:VCARD\n",                                                   // 35
        "BEGIN:VCARD\nVERSION:3.0\nFN:Last\nEND:VCARD\n",                // 36
        "BEGIN:VCARD\nVERSION:3.0\nFN:Cut off again\n",                  // 40
    );
    assert_eq!(
        faults(text.as_bytes()),
        [
            (5, Some(8), Reason::MissingEnd),
            (8, None, Reason::MissingVersion),
            (11, Some(12), Reason::UnknownVersion),
            (15, None, Reason::Empty),
            (20, Some(22), Reason::MissingBegin),
            (23, None, Reason::TextOutsideCards),
            (25, Some(28), Reason::BadLine),
            (30, Some(33), Reason::BadLine),
            (35, Some(35), Reason::MissingBegin),
            (40, Some(42), Reason::MissingEnd),
        ]
    );
    assert_eq!(names(text.as_bytes()), ["First", "Last"]);
}

#[test]
fn a_file_that_holds_no_card_gives_no_card() {
    assert_eq!(read(b""), []);
    assert_eq!(read(b"\r\n \n"), []);
    assert_eq!(faults(b"name,phone\nIvan,1\n"), [(1, None, Reason::TextOutsideCards)]);
}

#[test]
fn a_card_that_is_too_large_is_passed_over_without_keeping_it() {
    let line = format!("NOTE:{}\r\n", "x".repeat(70));
    let large = card_of("3.0", &format!("FN:Large\r\n{}", line.repeat(80_000)));
    let long = card_of("3.0", &format!("FN:Long\r\nNOTE:{}", "x".repeat(5 << 20)));
    let text = [card_of("3.0", "FN:First"), large, long, card_of("3.0", "FN:Last")].concat();
    let mut cards = Cards::new(text.as_bytes());
    let mut most = 0;
    let mut items = Vec::new();
    while let Some(item) = cards.next() {
        most = most.max(cards.buffered());
        items.push(item.unwrap());
    }
    assert!(most <= 4 * MAX_CARD, "{most}");
    let broken: Vec<_> = faults(text.as_bytes());
    assert_eq!(broken.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [5, 80_010]);
    assert!(broken.iter().all(|(.., reason)| *reason == Reason::TooLarge));
    assert_eq!(names(text.as_bytes()), ["First", "Last"]);
}

#[test]
fn a_card_of_too_many_entries_is_too_large() {
    let text = card_of("3.0", &"TEL:1\r\n".repeat(10_001));
    assert_eq!(faults(text.as_bytes()), [(1, Some(10_003), Reason::TooLarge)]);
    let text = card_of("3.0", &format!("ORG:{}", ";".repeat(10_000)));
    assert_eq!(faults(text.as_bytes()), [(1, Some(3), Reason::TooLarge)]);
    let text = card_of("3.0", &format!("FN:A\r\nNOTE:{}", ",".repeat(500_000)));
    assert_eq!(one(&text).note.map(|note| note.len()), Some(500_000));
}

#[test]
fn a_large_photo_does_not_cost_the_person() {
    let folded = format!("PHOTO;ENCODING=b:{}", "AAAA\r\n ".repeat(300_000));
    let long = format!("item1.PHOTO:data:image/jpeg;base64,{}", "A".repeat(3 << 20));
    for photo in [folded, long] {
        let card = one(&card_of("3.0", &format!("FN:A\r\n{photo}\r\nTEL:1")));
        assert_eq!((card.full_name, card.phones.len()), (some("A"), 1));
    }
}

/// Makes a file of cards on the way, so that only the reader under test holds any of it.
struct Endless {
    next: u32,
    count: u32,
    rest: Vec<u8>,
    used: usize,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.used == self.rest.len() && self.next < self.count {
            self.next += 1;
            let number = self.next;
            self.used = 0;
            self.rest = card_of(
                "3.0",
                &format!(
                    "N:Ёлкин;Иван {number};;;\r\nFN:Иван {number} Ёлкин\r\n\
                     TEL;TYPE=CELL:+7 900 {number:07}"
                ),
            )
            .into_bytes();
        }
        let count = out.len().min(self.rest.len() - self.used);
        out[..count].copy_from_slice(&self.rest[self.used..self.used + count]);
        self.used += count;
        Ok(count)
    }
}

#[test]
fn a_hundred_thousand_cards_need_no_more_memory_than_one() {
    let mut cards = Cards::new(BufReader::new(Endless { next: 0, count: 100_000, rest: Vec::new(), used: 0 }));
    let (mut count, mut most) = (0, 0);
    while let Some(item) = cards.next() {
        assert!(matches!(item, Ok(Item::Card(_))));
        count += 1;
        most = most.max(cards.buffered());
    }
    assert_eq!(count, 100_000);
    assert!(most < 4096, "{most}");
}

#[test]
fn a_card_of_a_mebibyte_is_read_in_a_moment_whatever_it_holds() {
    let size = MAX_CARD - 100;
    let fill = |head: &str, unit: &str| {
        let count = (size - head.len()) / unit.len();
        format!("{head}{}", unit.repeat(count))
    };
    for lines in [
        fill("TEL:1\n", "TEL:1\n"),
        fill("N:", ";"),
        fill("N:", ","),
        fill("CATEGORIES:", "a,"),
        fill("CATEGORIES:\\,", " "),
        fill("NOTE:", "\\"),
        fill("NOTE:\\,", "a\n "),
        fill("NOTE", "\n a"),
        fill("NOTE;X=\"", "\n :"),
        fill("NOTE;X=", "\""),
        fill("TEL", ";CELL"),
        fill("TEL;TYPE=", "cell,"),
        fill("NOTE;ENCODING=QUOTED-PRINTABLE:", "=\n"),
        fill("NOTE;ENCODING=QUOTED-PRINTABLE:", "a=\n"),
        fill("NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=windows-1251:", "=E0"),
        fill("NOTE;ENCODING=QUOTED-PRINTABLE:", "=D0=B0"),
        fill("ORG;ENCODING=QUOTED-PRINTABLE:", ";=41"),
        fill("", "\n"),
        fill("", "a.TEL:1\na.X-ABLABEL:b\n"),
        fill("", "AGENT:\nBEGIN:VCARD\n"),
        fill("a", ".a"),
        fill("X-ABLABEL:", "_$!<"),
        format!("X-A:\na.X-ABLABEL:{}{}", "_$!<".repeat(size / 9), ">!$_".repeat(size / 9)),
        fill("TEL:", "tel:"),
        fill("TEL:1", ";ext="),
        fill("NOTE:", "NOTE:\u{1}"),
    ] {
        let text = card_of("2.1", &lines);
        let started = std::time::Instant::now();
        let items = read(text.as_bytes());
        let took = started.elapsed();
        assert!(!items.is_empty());
        // A debug build on a busy machine takes a second; quadratic time would be minutes.
        let start: String = lines.chars().take(60).collect();
        assert!(took.as_secs() < 10, "{took:?} for {start}");
    }
}

#[test]
fn an_error_of_the_reader_ends_the_cards() {
    struct Failing(u32);
    impl Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => Err(io::ErrorKind::Interrupted.into()),
                2 => (&b"BEGIN:VCARD\nVERSION:3.0\nFN:A\nEND:VCARD\nBEG"[..]).read(out),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }
    let mut cards = Cards::new(BufReader::new(Failing(0)));
    assert!(matches!(cards.next(), Some(Ok(Item::Card(_)))));
    assert!(cards.next().is_some_and(|item| item.is_err()));
    assert!(cards.next().is_none());
}

#[test]
fn the_fingerprint_is_frozen() {
    let card = one(concat!(
        "BEGIN:VCARD\nVERSION:4.0\nUID:u-1\nFN:Иван Ёлкин\nN:Ёлкин;Иван;Петрович;Dr.;Jr.\nORG:ООО;Отдел\nTITLE:Директор\n",
        "item1.TEL;TYPE=work;PREF=1:tel:+7-495-123-45-67;ext=12\nitem1.X-ABLabel:офис\nEMAIL;TYPE=home:a@example.com\n",
        "URL:https://example.com\nIMPP:skype:ivan\nADR;TYPE=work:1;2;3;4;5;6;7\nBDAY:19850412\nNOTE:a\\nb\nCATEGORIES:x,y\nEND:VCARD\n",
    ));
    assert_eq!(card.fingerprint, card.compute_fingerprint());
    let hex: String = card.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "2b85b1dc4246e06d78220830888d8b25");
    let short = one(&card_of("3.0", "FN:Ann\nBDAY:--0412"));
    let hex: String = short.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "99260571edc254887fb4986f26326ad2");
}

#[test]
fn the_fingerprint_is_that_of_the_meaning() {
    let new = one(&card_of(
        "4.0",
        "FN:Иван Ёлкин\nN:Ёлкин;Иван;;;\nTEL;TYPE=cell;PREF=1:tel:+79001\nTEL;TYPE=home:2\nNOTE:a\\nb\nNOTE:c",
    ));
    let old = one(&format!(
        "\n{}",
        card_of(
            "2.1",
            "NOTE:c\nNOTE;ENCODING=QUOTED-PRINTABLE:a=0D=0A=\nb\nTEL;HOME:2\nTEL;CELL;PREF:+79001\nREV:20240101T000000Z\nPRODID:x\n\
             N;CHARSET=KOI8-R;ENCODING=QUOTED-PRINTABLE:=B3=CC=CB=C9=CE;=E9=D7=C1=CE\nFN:Иван Ёлкин",
        )
    ));
    assert_eq!(new.fingerprint, old.fingerprint);
    assert_ne!(new.line, old.line);
    let other = one(&card_of("4.0", "FN:Иван Ёлкин"));
    assert_ne!(new.fingerprint, other.fingerprint);
    // A value must not pass for two.
    let one_note = one(&card_of("4.0", "FN:A\nTITLE:b\\nuid 1:c"));
    let two = one(&card_of("4.0", "FN:A\nTITLE:b\nUID:c"));
    assert_ne!(one_note.fingerprint, two.fingerprint);
}

#[test]
fn a_written_card_is_folded_and_escaped() {
    let card = Card { line: 1, full_name: some("Ё".repeat(60).as_str()), note: some("a;b,c\\d\ne"), ..Card::default() };
    let text = written(&card);
    assert!(text.starts_with("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:"));
    assert!(text.contains("NOTE:a\\;b\\,c\\\\d\\ne\r\n"));
    assert!(text.ends_with("END:VCARD\r\n"));
    assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])));
    assert_eq!(one(&text).full_name, card.full_name);
}

fn word() -> impl Strategy<Value = String> {
    let raw = prop_oneof![
        "\\PC{0,12}",
        "[a-zа-яёЁ .,;:=\\\\\"'\n\t@+0-9-]{0,90}",
        Just("END:VCARD".to_owned()),
        Just("x   ".repeat(60) + "y"),
    ];
    raw.prop_map(|raw| {
        raw.chars().filter(|letter| matches!(letter, '\n' | '\t') || !letter.is_control()).collect::<String>().trim().to_owned()
    })
    .prop_map(|text| if text.is_empty() { "x".to_owned() } else { text })
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(word())
}

fn list<T: Strategy>(item: T) -> impl Strategy<Value = Vec<T::Value>> {
    proptest::collection::vec(item, 0..3)
}

fn phone() -> impl Strategy<Value = CardPhone> {
    let kind = prop_oneof![
        Just(PhoneKind::Mobile),
        Just(PhoneKind::Work),
        Just(PhoneKind::Home),
        Just(PhoneKind::Fax),
        Just(PhoneKind::Other)
    ];
    let extension = proptest::option::of("[0-9]{1,5}");
    (prop_oneof!["[+0-9 ()-]{1,14}5", word()], kind, extension, any::<bool>(), maybe()).prop_map(
        |(value, kind, extension, preferred, label)| {
            let value = value.trim().replace(';', "x");
            CardPhone { value, kind, extension, preferred, label }
        },
    )
}

fn place_kind() -> impl Strategy<Value = PlaceKind> {
    prop_oneof![Just(PlaceKind::Work), Just(PlaceKind::Home), Just(PlaceKind::Other)]
}

fn any_card() -> impl Strategy<Value = Card> {
    let names = (maybe(), word(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe());
    let emails = (word(), place_kind(), any::<bool>(), maybe()).prop_map(|(value, kind, preferred, label)| CardEmail {
        value,
        kind,
        preferred,
        label,
    });
    let urls = (word(), maybe()).prop_map(|(value, label)| CardUrl { value, label });
    let messengers = ("[a-z][a-z0-9+.-]{0,8}", word()).prop_map(|(scheme, value)| CardMessenger { scheme, value });
    let addresses = (place_kind(), word(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe()).prop_map(
        |(kind, street, po_box, extended, city, region, postcode, country)| CardAddress {
            kind,
            po_box,
            extended,
            street: Some(street),
            city,
            region,
            postcode,
            country,
        },
    );
    let birthday =
        proptest::option::of((any::<bool>(), 1..=9999i32, 1..=12u32, 1..=28u32).prop_map(|(known, year, month, day)| {
            match NaiveDate::from_ymd_opt(year, month, day).filter(|_| known) {
                Some(date) => CardDate::Full(date),
                None => CardDate::MonthDay { month, day },
            }
        }));
    let category = word().prop_map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    (names, list(phone()), list(emails), list(urls), list(messengers), list(addresses), birthday, list(category)).prop_map(
        |(names, phones, emails, urls, messengers, addresses, birthday, categories)| {
            let (uid, full_name, prefix, given, middle, family, suffix, organization, department, note) = names;
            let mut card = Card {
                line: 1,
                uid,
                full_name: Some(full_name),
                prefix,
                given,
                middle,
                family,
                suffix,
                organization: organization.clone(),
                department,
                title: organization,
                phones,
                emails,
                urls,
                messengers,
                addresses,
                birthday,
                note,
                categories,
                fingerprint: [0; 16],
            };
            card.fingerprint = card.compute_fingerprint();
            card
        },
    )
}

/// Pieces of cards, in any order and damaged.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        5 => Just(b"BEGIN:VCARD\r\nVERSION:".to_vec()),
        2 => Just(b"BEGIN:VCARD\nVERSION:2.1\n".to_vec()),
        2 => Just(b"BEGIN:VCARD\nVERSION:4.0\nFN:x\n".to_vec()),
        5 => Just(b"\r\nEND:VCARD\r\n".to_vec()),
        2 => prop_oneof![Just("2.1\n"), Just("3.0\n"), Just("4.0\n")].prop_map(|text| text.as_bytes().to_vec()),
        8 => "(item1\\.)?(N|FN|TEL|ADR|ORG|BDAY|NOTE|CATEGORIES|IMPP|URL|UID|X-ABLabel|AGENT|PHOTO|X-SKYPE)".prop_map(String::into_bytes),
        8 => "(;(TYPE=)?(CELL|work|pref|\"home,fax\"|PREF=1)|;ENCODING=(QUOTED-PRINTABLE|b)|;CHARSET=(windows-1251|utf-8|shift_jis|utf-7|utf-16|x)|;X-SERVICE-TYPE=tg|;VALUE=uri)".prop_map(String::into_bytes),
        8 => "[:;,=\\\\\" \n\r\t.]{1,4}".prop_map(String::into_bytes),
        4 => "(=[0-9A-F]{2}){1,6}=?\n?".prop_map(String::into_bytes),
        4 => "(tel:|mailto:|skype:|;ext=|19850412|--0412|data:text/plain;base64,AAAA|_\\$!<a>!\\$_)".prop_map(String::into_bytes),
        2 => "\\PC{0,8}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn reads_the_same_again(bytes: &[u8]) -> Result<(), TestCaseError> {
    for item in read(bytes) {
        if let Item::Card(card) = item {
            let again = one(&written(&card));
            prop_assert_eq!(&Card { line: 1, ..(*card).clone() }, &again, "{}", written(&card));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_card_reads_the_same(card in any_card()) {
        let text = written(&card);
        // Lines longer than the limit would show as words of other programs.
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 75));
        let again = one(&text);
        // What looks like a URI in a phone or mail address is read as one.
        let plain = |card: &Card| !card.phones.iter().any(|phone| phone.value.to_lowercase().starts_with("tel:"))
            && !card.emails.iter().any(|email| email.value.to_lowercase().starts_with("mailto:"));
        if plain(&card) {
            prop_assert_eq!(again, card, "{}", text);
        }
    }

    #[test]
    fn any_text_stays_in_its_field(text in "[\u{0}-\u{1f}\u{7f}-\u{9f}A-Z:;,\\\\ ]{0,24}") {
        let card = Card { full_name: some("A"), title: some(&text), note: some(&text), ..Card::default() };
        let again = one(&written(&card));
        prop_assert_eq!((again.title, again.note), (Card::text(&text), Card::text(&text)));
        prop_assert!(again.phones.is_empty());
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        reads_the_same_again(&bytes)?;
        let inside = [b"BEGIN:VCARD\nVERSION:2.1\nFN:x\nNOTE:", bytes.as_slice(), b"\nEND:VCARD\n"].concat();
        reads_the_same_again(&inside)?;
    }

    #[test]
    fn any_bytes_in_any_charset_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let hex: String = bytes.iter().map(|byte| format!("={byte:02x}")).collect();
        for charset in [
            "utf-8", "utf-7", "utf-16", "utf-16le", "utf-16be", "windows-1251", "koi8-r", "ibm866", "iso-8859-5", "macintosh",
            "shift_jis", "gbk", "gb18030", "big5", "euc-kr", "euc-jp", "iso-2022-jp", "windows-874", "us-ascii",
        ] {
            let quoted = card_of("2.1", &format!("TEL:1\nN;ENCODING=QUOTED-PRINTABLE;CHARSET={charset}:{hex};a"));
            reads_the_same_again(quoted.as_bytes())?;
            let raw = [b"BEGIN:VCARD\nVERSION:3.0\nN;CHARSET=", charset.as_bytes(), b":", bytes.as_slice(), b"\nEND:VCARD\n"].concat();
            reads_the_same_again(&raw)?;
        }
    }

    #[test]
    fn damaged_cards_are_read_without_panic(bytes in pieces()) {
        reads_the_same_again(&bytes)?;
    }

    #[test]
    fn changed_cards_are_read_without_panic(card in any_card(), changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..8)) {
        let mut bytes = written(&card).into_bytes();
        for (place, byte) in changes {
            let place = usize::from(place) % bytes.len();
            bytes[place] = byte;
        }
        reads_the_same_again(&bytes)?;
    }
}
