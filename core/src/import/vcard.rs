//! Reads and writes vCard files, the form in which phones and mail programs hand over an address book.
//!
//! [`Cards`] reads versions 2.1 (the versit specification of 1996), 3.0 (RFC 2426) and 4.0 (RFC 6350) from any
//! [`BufRead`], one card at a time: a file of any size needs a few megabytes at most. A card that cannot be read is
//! an [`Item::Broken`] with its line and a reason; the cards after it are read as usual.
//!
//! What is read how:
//!
//! * Line ends may be CRLF, LF or CR. A UTF-8 mark at the start is skipped; UTF-16 is read if the file starts with
//!   its mark.
//! * Text is UTF-8 unless a `CHARSET` parameter says otherwise. Text without `CHARSET` that is not UTF-8 is taken as
//!   Windows-1252 (a superset of Latin-1) in a 2.1 card, where senders often left the parameter out; in a 3.0 or 4.0
//!   card it is a fault, as a guess would put wrong letters into a name.
//! * Photos, logos, sounds, keys and anything in Base64 are dropped while reading and do not count against
//!   [`MAX_CARD`].
//! * A card nested in another as `AGENT` (an assistant, say) is dropped: it is not the person the card is about.
//! * A value that a person typed wrongly, such as a birthday in words, is left out. It does not break the card.
//! * Where a card gives a property more than once and [`Card`] has room for one, the preferred one counts, and among
//!   equals the first in byte order, so that the order of lines never matters.

use std::io::{self, BufRead};

mod content;
mod date;
mod fingerprint;
mod frame;
mod head;
mod lines;
mod map;
mod property;
mod write;

#[cfg(test)]
mod tests;

pub use date::CardDate;
pub use write::write_card;

/// The most bytes one card may have, without photos and the like: 1 MiB.
pub const MAX_CARD: usize = 1 << 20;

/// One person or organisation as a card gives it; decoded and trimmed, nothing else is normalised.
///
/// Decoding includes: line breaks are `\n`, other control characters are dropped, and what is empty is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// The line of the file with the card's `BEGIN:VCARD`, counted from 1.
    pub line: u64,
    /// `UID`: the card's identity as its sender keeps it, with any `urn:uuid:` in front.
    pub uid: Option<String>,
    /// `FN`: the name as one would write it on an envelope.
    pub full_name: Option<String>,
    /// Fourth part of `N`: titles before the name, such as "Dr.".
    pub prefix: Option<String>,
    /// Second part of `N`.
    pub given: Option<String>,
    /// Third part of `N`: middle names or a patronymic.
    pub middle: Option<String>,
    /// First part of `N`.
    pub family: Option<String>,
    /// Fifth part of `N`: what follows the name, such as "Jr.".
    pub suffix: Option<String>,
    /// First part of `ORG`.
    pub organization: Option<String>,
    /// The further parts of `ORG`, joined with ", ".
    pub department: Option<String>,
    /// `TITLE`: the position at work.
    pub title: Option<String>,
    /// `TEL`, in the order of the file.
    pub phones: Vec<CardPhone>,
    /// `EMAIL`, in the order of the file.
    pub emails: Vec<CardEmail>,
    /// `URL`, in the order of the file.
    pub urls: Vec<CardUrl>,
    /// `IMPP` and the older `X-SKYPE`, `X-TELEGRAM` and so on, in the order of the file.
    pub messengers: Vec<CardMessenger>,
    /// `ADR`, in the order of the file.
    pub addresses: Vec<CardAddress>,
    /// `BDAY`, if it names at least a month and a day.
    pub birthday: Option<CardDate>,
    /// `NOTE`. Several notes are joined with line breaks, in byte order.
    pub note: Option<String>,
    /// `CATEGORIES`, in the order of the file; runs of white space are one space.
    pub categories: Vec<String>,
    /// What the card says, as 16 bytes: see [`Card::compute_fingerprint`].
    pub fingerprint: [u8; 16],
}

/// A phone number of a [`Card`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardPhone {
    /// The number as written, without `tel:` and its parameters.
    pub value: String,
    /// What the number is for.
    pub kind: PhoneKind,
    /// The extension behind a company's number, from `;ext=` (RFC 3966).
    pub extension: Option<String>,
    /// The card marks it as the number to try first.
    pub preferred: bool,
    /// The owner's own word for it, from `X-ABLabel`.
    pub label: Option<String>,
}

/// What a phone number is for. Of several uses a card gives, the first in the order fax, mobile, work, home counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum PhoneKind {
    /// A mobile phone (`CELL`, `IPHONE`).
    Mobile,
    /// At work.
    Work,
    /// At home.
    Home,
    /// A fax, wherever it stands.
    Fax,
    /// Anything else, or not said.
    #[default]
    Other,
}

impl PhoneKind {
    /// The kind as a word: `mobile`, `work`, `home`, `fax` or `other`. Part of the fingerprint; never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Work => "work",
            Self::Home => "home",
            Self::Fax => "fax",
            Self::Other => "other",
        }
    }
}

/// Where an e-mail address or a postal address belongs. If a card gives both, work counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum PlaceKind {
    /// At work.
    Work,
    /// At home.
    Home,
    /// Anything else, or not said.
    #[default]
    Other,
}

impl PlaceKind {
    /// The kind as a word: `work`, `home` or `other`. Part of the fingerprint; never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Home => "home",
            Self::Other => "other",
        }
    }
}

/// An e-mail address of a [`Card`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardEmail {
    /// The address as written, without `mailto:`.
    pub value: String,
    /// Where it belongs.
    pub kind: PlaceKind,
    /// The card marks it as the address to try first.
    pub preferred: bool,
    /// The owner's own word for it, from `X-ABLabel`.
    pub label: Option<String>,
}

/// A web address of a [`Card`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardUrl {
    /// The address as written.
    pub value: String,
    /// The owner's own word for it, from `X-ABLabel`.
    pub label: Option<String>,
}

/// An account with a messenger service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardMessenger {
    /// The service in lower case, such as `skype`, `telegram` or `xmpp`; `im` if the card does not say.
    pub scheme: String,
    /// The account as written.
    pub value: String,
}

/// A postal address of a [`Card`]; the parts are those of `ADR` (RFC 6350, 6.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardAddress {
    /// Where it belongs.
    pub kind: PlaceKind,
    /// The post office box.
    pub po_box: Option<String>,
    /// Flat, suite, floor.
    pub extended: Option<String>,
    /// Street and house number.
    pub street: Option<String>,
    /// City or village.
    pub city: Option<String>,
    /// State, province or oblast.
    pub region: Option<String>,
    /// Postal code.
    pub postcode: Option<String>,
    /// The country's name, as written.
    pub country: Option<String>,
}

/// What [`Cards`] finds in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A card that was read.
    Card(Box<Card>),
    /// A card, or text in place of one, that could not be read.
    Broken(BrokenCard),
}

/// Where and why a card could not be read. Holds nothing of what the card says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenCard {
    /// The line the card starts at, counted from 1.
    pub line: u64,
    /// The line of the fault, counted from 1, where one line is to blame.
    pub fault_line: Option<u64>,
    /// What is wrong.
    pub reason: Reason,
}

/// Why a card could not be read, in words for the person who imports the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Another card, or the end of the file, came before `END:VCARD`.
    #[error("The card is cut off: its last line, END:VCARD, is missing.")]
    MissingEnd,
    /// `END:VCARD` came without `BEGIN:VCARD`.
    #[error("The start of the card is missing: there is END:VCARD without BEGIN:VCARD before it.")]
    MissingBegin,
    /// Lines between cards, or a file that is no vCard file at all.
    #[error("There is text here that belongs to no contact card.")]
    TextOutsideCards,
    /// No `VERSION`.
    #[error("The card does not say which vCard version it is in: the VERSION line is missing.")]
    MissingVersion,
    /// A `VERSION` other than 2.1, 3.0 or 4.0.
    #[error("The card is in a vCard version that cannot be read; 2.1, 3.0 and 4.0 can.")]
    UnknownVersion,
    /// More than [`MAX_CARD`] bytes, or more than 10 000 values.
    #[error("The card is too large: more than 1 MiB of text without its photo, or more than 10,000 entries.")]
    TooLarge,
    /// A line that is not `NAME:value`.
    #[error("A line of the card cannot be understood: it is not of the form NAME:value.")]
    BadLine,
    /// Text that is not what its `CHARSET`, or UTF-8 in its absence, allows.
    #[error("The card's letters cannot be read. Save or export the file again as UTF-8.")]
    UnreadableText,
    /// A `CHARSET` that nobody here knows.
    #[error("The card's letters are in an unknown encoding. Save or export the file again as UTF-8.")]
    UnknownCharset,
    /// No name, no organisation, and no way to reach the person.
    #[error("The card is empty: it has no name, no phone number and no address of any kind.")]
    Empty,
    /// The parser gave up without saying where.
    #[error("The card cannot be understood.")]
    Unreadable,
}

/// The cards of a file, one after another.
///
/// Ends after the file's last card, or after the first error of the reader, which it hands on.
#[derive(Debug)]
pub struct Cards<R> {
    frames: frame::Frames<R>,
    done: bool,
}

impl<R: BufRead> Cards<R> {
    /// Reads cards from `reader`, from where it stands.
    pub fn new(reader: R) -> Self {
        Self { frames: frame::Frames::new(reader), done: false }
    }
}

impl<R> Cards<R> {
    /// How many bytes of the file have been used so far: with the file's size, a measure of progress.
    pub fn bytes_read(&self) -> u64 {
        self.frames.bytes_read()
    }

    #[cfg(test)]
    fn buffered(&self) -> usize {
        self.frames.buffered()
    }
}

impl<R: BufRead> Iterator for Cards<R> {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = match self.frames.next_frame() {
            Ok(Some(frame::Frame::Broken(broken))) => Ok(Item::Broken(broken)),
            Ok(Some(frame::Frame::Card { line })) => Ok(read_card(self.frames.text(), line, self.frames.is_utf16())),
            Ok(None) => {
                self.done = true;
                return None;
            }
            Err(error) => {
                self.done = true;
                Err(error)
            }
        };
        Some(item)
    }
}

/// A fault inside one card; the line is absent where no single line is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault {
    line: Option<u64>,
    reason: Reason,
}

fn read_card(text: &[u8], line: u64, utf16: bool) -> Item {
    match content::prepare(text, line, utf16).and_then(|prepared| map::card(&prepared)) {
        Ok(mut card) => {
            card.line = line;
            card.fingerprint = card.compute_fingerprint();
            Item::Card(Box::new(card))
        }
        Err(fault) => Item::Broken(BrokenCard { line, fault_line: fault.line, reason: fault.reason }),
    }
}
