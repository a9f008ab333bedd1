//! Texts, files and blobs.

use roadbook_core::document::{ActionId, Code, Message, Version, seal_envelope};
use roadbook_core::record::Kind;

use super::{Seeds, named};
use crate::records::in_use;
use crate::targets::PLAIN_TOKEN;

/// Of the target `text`.
pub fn text() -> Seeds {
    let version = Version { generation: 1, heads: in_use(Kind::Deal).heads() }.to_string();
    let message = Message { kind: Code::save(), source: Code::typed(), action: ActionId([0xab; 16]) }.to_string();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let link = format!("contact:{id}");
    let texts: &[(u8, &[&str])] = &[
        (0, &[&version, "AQ", ""]),
        (1, &[&message, "save.typed.", "..."]),
        (2, &["q6urq6urq6urq6urq6urqw"]),
        (3, &["call-back"]),
        (4, &[id, "{01890A5D-AC96-774B-BCCE-B302099A8057}", "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057"]),
        (5, &["a", "_-Z9"]),
        (6, &[&link, "deal:", ":"]),
        (7, &["100050 EUR", "-9223372036854775808 JPY", "+1 XXX", "01 EUR"]),
        (8, &["2026-12-31", "-999-01-01", "+12345-1-1", "0000-02-29"]),
        (9, &["1790000000000+60", "-5-300", "9223372036854775807+2147483647", "1--1"]),
        (
            10,
            &[
                "2026-12-31T09:00[Europe/Berlin]",
                "2026-03-29T02:30[Europe/Berlin]",
                "+262142-12-31T23:59[America/New_York]",
                "-262143-01-01T00:00[America/New_York]",
                "2026-01-01T00:00[No/Where]",
            ],
        ),
        (11, &["2026-12-31", "2026-12-31T09:00[UTC]"]),
        (12, &["proposal/open", "new", "/", "a/b/c"]),
        (13, &["waiting", "something new"]),
        (14, &["channels/a", "value", "/"]),
        (15, &["1'000.125 KWD", "-3 RUB", "1000,5 eur", "7USD", "١٢ EUR", "9223372036854775807 JPY", "0.0 eur"]),
        (
            16,
            &[
                "RU8 (495) 123-45-67",
                "DE+1 202-555-0173 ext. 89",
                "  +٣٣١٢٣٤٥٦٧٨",
                "US1-800-FLOWERS;ext=4",
                "GB+44 (0) 20 7946 0958",
            ],
        ),
        (17, &["7K3M-9QXT-0ZRB-4WHE-V2CN", " oIl "]),
        (18, &["Ёлкин Straße ﬁn İi", "+7 (495) 12", "a\"b OR c* NEAR(d)", "\u{1f468}\u{200d}\u{1f469}\u{0301}"]),
        (
            19,
            &[
                "a\n{\"kind\":\"phone\",\"value\":\"1\",\"e164\":null}",
                "b\n{\"street\":\"\\u0000\"}",
                "vip\nproposal/won",
                "c\n{\"kind\":\"x\",\"value\":\"\",\"kind\":\"y\"}",
            ],
        ),
    ];
    let mut seeds = Seeds::new();
    for (reader, texts) in texts {
        for (at, text) in texts.iter().enumerate() {
            seeds.push((format!("{reader:02}-{at}"), [&[*reader], text.as_bytes()].concat()));
        }
    }
    seeds
}

/// Of the target `lists`.
pub fn lists() -> Seeds {
    let tokens = [r#"["boriss",2]"#, "[1790000000000,1]", "[null,1]", r#"["9999",-9223372036854775808]"#, "[1.5,1]", "[]"];
    let texts =
        ["anna", "boris's", "711 123456", "елк*", "\"", "' OR 1=1 --", "NEAR(a b)", "\u{0}", "vip", "deal:01890a5d/title"];
    let mut seeds = Seeds::new();
    for list in 0u8..8 {
        for (at, token) in tokens.iter().enumerate() {
            seeds.push((format!("token-{list}-{at}"), [&[list | PLAIN_TOKEN], token.as_bytes()].concat()));
        }
    }
    for call in 8u8..14 {
        for (at, text) in texts.iter().enumerate() {
            seeds.push((format!("text-{call:02}-{at}"), [&[call], text.as_bytes()].concat()));
        }
    }
    seeds
}

/// Of the target `envelope`.
pub fn envelope() -> Seeds {
    let folded = |raw: &[u8]| [&[1], &zstd::bulk::compress(raw, 19).unwrap()[..]].concat();
    let limited = |limit: u8, sealed: &[u8]| [&[limit], sealed].concat();
    let frame = folded(&[7; 4000]);
    named([
        ("empty", limited(10, &[])),
        ("raw", limited(10, &seal_envelope(b"as it is"))),
        ("raw-too-large", limited(3, &seal_envelope(b"more than eight"))),
        ("folded", limited(12, &frame)),
        ("folded-too-large", limited(11, &frame)),
        ("folded-twice", limited(23, &[folded(&[7; 3000]), frame[1..].to_vec()].concat())),
        ("bomb", limited(20, &folded(&vec![0; 30_000_000]))),
        ("great-window", limited(23, &[1, 0x28, 0xb5, 0x2f, 0xfd, 0, 0xf8, 1, 0, 0])),
        ("sealed", limited(10, &[2, 1, 2, 3])),
        ("cut", limited(12, &frame[..frame.len() - 2])),
    ])
}

/// Of the targets `vcard` and `import`.
pub fn vcard() -> Seeds {
    let card = |version: &str, body: &str| format!("BEGIN:VCARD\r\nVERSION:{version}\r\n{body}\r\nEND:VCARD\r\n").into_bytes();
    let full = "N:Ёлкина;Анна;Maria;Dr.;Jr.\r\nFN:Анна Ёлкина\r\nORG:Meyer & Söhne;Sales\r\nTITLE:Head\r\nTEL;TYPE=work,pref:+49 711 123\r\n\
        EMAIL;TYPE=home:a@example.com\r\nADR;TYPE=work:;;Hauptstr. 1\\nHH;Köln;NRW;50667;DE\r\nBDAY:1980-02-29\r\nURL:https://example.com\r\n\
        IMPP:xmpp:anna@example.com\r\nNOTE:One\\, two\\; three\\nfour\r\nCATEGORIES:vip,fair\r\nUID:urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057\r\n\
        REV:20260101T000000Z\r\nitem1.TEL:123\r\nitem1.X-ABLabel:_$!<Other>!$_";
    let quoted = "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=81=D0=BB=D0=BA=D0=B8=D0=BD;=\r\n=D0=90=D0=BD;;;\r\nTEL;CELL;VOICE:8 (495) 1\r\n\
        NOTE;ENCODING=QUOTED-PRINTABLE:a=0D=0Ab=\r\n=\r\nc=ZZ\r\nX-SKYPE:anna\r\nAGENT:\r\nBEGIN:VCARD\r\nVERSION:2.1\r\nN:Nested\r\nEND:VCARD";
    let latin =
        [&b"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=ISO-8859-1:K\xf6nig;J\xfcrgen\nORG:\x93Caf\xe9\x94\nEND:VCARD\n"[..]].concat();
    let cyrillic = [&b"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=KOI8-R;ENCODING=8BIT:\xe5\xcc\xcb\xc9\xce\nFN;CHARSET=WINDOWS-1251:\xc5\nEND:VCARD\n"[..]].concat();
    let utf16: Vec<u8> =
        "\u{feff}BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Żółć 𝄞\r\nEND:VCARD\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let folded = format!("FN:Folded\r\nNOTE:{}\r\nTEL:1", "long \r\n  line ".repeat(80));
    named([
        ("v21", card("2.1", "N:Berg;Anna\r\nTEL;HOME:1")),
        ("v21-quoted", card("2.1", quoted)),
        ("v21-latin", latin),
        ("v21-cyrillic", cyrillic),
        ("v30", card("3.0", full)),
        ("v30-folded", card("3.0", &folded)),
        ("v30-photo", card("3.0", "FN:Photo\r\nPHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQ\r\n SkZJRg==\r\nKEY;ENCODING=B:AAAA")),
        ("v40", card("4.0", &full.replace("UID:", "KIND:individual\r\nUID:"))),
        (
            "v40-odd",
            card(
                "4.0",
                "FN;ALTID=1;LANGUAGE=de:Eins\r\nFN;ALTID=1:One\r\nBDAY:--0229\r\nTEL;VALUE=uri;PREF=1:tel:+1-202;ext=5\r\nTEL:\"\r\nN:\\;;\\\\",
            ),
        ),
        ("v99", card("9.9", "FN:From the future")),
        ("utf16", utf16),
        ("marked", [&b"\xef\xbb\xbf"[..], &card("3.0", "FN:Marked")].concat()),
        ("old-mac", b"BEGIN:VCARD\rVERSION:3.0\rFN:Old Mac\rEND:VCARD\r".to_vec()),
        ("no-end", b"BEGIN:VCARD\nVERSION:3.0\nFN:Cut\nBEGIN:VCARD\nVERSION:3.0\nFN:Next\nEND:VCARD".to_vec()),
        ("outside", b"text\nEND:VCARD\nBEGIN:VCARD\nFN:No version\nEND:VCARD\n".to_vec()),
        ("unknown-charset", card("2.1", "N;CHARSET=X-NONE:\u{fffd}\r\nN;CHARSET=UTF-7:+AGE-")),
        ("broken-utf8", [&b"BEGIN:VCARD\nVERSION:4.0\nFN:\xff\xfe\xc3\n"[..], b"END:VCARD\n"].concat()),
        ("many", card("3.0", &format!("FN:Many\r\n{}", "TEL:1\r\n".repeat(300)))),
        ("same-uid", [card("3.0", "UID:1\r\nFN:One"), card("3.0", "UID:1\r\nFN:Two")].concat()),
        ("control", card("3.0", "FN:a\u{0}\u{7}\u{85}\u{2028}b\r\nNOTE:\u{202e}x\\N\\n")),
    ])
}
