//! Finds where cards begin and end, and drops what nobody needs before it takes up memory.

use super::lines::Lines;
use super::{BrokenCard, MAX_CARD, Reason};
use std::io::{self, BufRead};

/// A stretch of the file.
#[derive(Debug)]
pub(super) enum Frame {
    /// A whole card; its text is in [`Frames::text`] until the next call.
    Card {
        line: u64,
    },
    Broken(BrokenCard),
}

#[derive(Debug)]
pub(super) struct Frames<R> {
    lines: Lines<R>,
    text: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Between cards; `junk` is the first line of text that belongs to none.
    Outside {
        junk: Option<u64>,
    },
    Inside(Inside),
}

#[derive(Debug, Clone, Copy)]
struct Inside {
    line: u64,
    /// How many `AGENT` cards are open inside.
    depth: u32,
    agent: Agent,
    /// In the lines of a photo or the like.
    blob: bool,
    /// Reported as too large already: the rest is passed over.
    reported: bool,
}

/// Whether a nested card is about to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agent {
    No,
    /// `AGENT:` alone: the card starts on the next line.
    Announced,
    /// `AGENT:BEGIN:VCARD`: a card in the lines below, unless the next line shows that the value is merely folded.
    Begun,
}

/// What becomes of a line inside a card.
enum Step {
    Keep,
    Drop,
    CardEnds,
    NextCardBegins,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { lines: Lines::new(reader, MAX_CARD), text: Vec::new(), state: State::Outside { junk: None } }
    }

    /// The next card or fault; nothing at the end of the file.
    pub(super) fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        while self.lines.advance()? {
            let frame = match self.state {
                State::Outside { junk } => self.outside(junk),
                State::Inside(inside) => self.inside(inside),
            };
            if frame.is_some() {
                return Ok(frame);
            }
        }
        let last = Some(self.lines.number());
        Ok(match std::mem::replace(&mut self.state, State::Outside { junk: None }) {
            State::Outside { junk } => junk.map(|line| broken(line, None, Reason::TextOutsideCards)),
            State::Inside(inside) if inside.reported => None,
            State::Inside(inside) => Some(broken(inside.line, last, Reason::MissingEnd)),
        })
    }

    fn outside(&mut self, junk: Option<u64>) -> Option<Frame> {
        let number = self.lines.number();
        let line = self.lines.line();
        if is_begin(line.trim_ascii_start()) {
            self.open();
            junk.map(|line| broken(line, None, Reason::TextOutsideCards))
        } else if is_end(line.trim_ascii_start()) {
            self.state = State::Outside { junk: None };
            Some(broken(junk.unwrap_or(number), Some(number), Reason::MissingBegin))
        } else {
            if junk.is_none() && !line.trim_ascii().is_empty() {
                self.state = State::Outside { junk: Some(number) };
            }
            None
        }
    }

    fn inside(&mut self, mut inside: Inside) -> Option<Frame> {
        let number = self.lines.number();
        match inside.step(self.lines.line()) {
            Step::CardEnds => {
                self.state = State::Outside { junk: None };
                return (!inside.reported).then_some(Frame::Card { line: inside.line });
            }
            Step::NextCardBegins => {
                self.open();
                return (!inside.reported).then(|| broken(inside.line, Some(number), Reason::MissingEnd));
            }
            Step::Keep if !inside.reported => self.text.extend_from_slice(self.lines.line()),
            Step::Keep | Step::Drop => {}
        }
        // A dropped line still leaves its line end, so that the lines of the text can be counted.
        let mut frame = None;
        if !inside.reported {
            self.text.push(b'\n');
            let cut = self.lines.overlong() && !inside.blob && inside.depth == 0;
            if cut || self.text.len() > MAX_CARD {
                self.text = Vec::new();
                inside.reported = true;
                frame = Some(broken(inside.line, Some(number), Reason::TooLarge));
            }
        }
        self.state = State::Inside(inside);
        frame
    }

    fn open(&mut self) {
        self.text.clear();
        let line = self.lines.number();
        self.state = State::Inside(Inside { line, depth: 0, agent: Agent::No, blob: false, reported: false });
    }
}

impl<R> Frames<R> {
    /// The lines between `BEGIN:VCARD` and `END:VCARD`, each with `\n` at its end; dropped lines are empty.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.lines.bytes_read()
    }

    pub(super) fn is_utf16(&self) -> bool {
        self.lines.is_utf16()
    }

    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.lines.buffered() + self.text.capacity()
    }
}

impl Inside {
    fn step(&mut self, line: &[u8]) -> Step {
        if line.trim_ascii().is_empty() {
            return if self.blob || self.depth > 0 { Step::Drop } else { Step::Keep };
        }
        let continues = matches!(line.first(), Some(b' ' | b'\t'));
        let agent = std::mem::replace(&mut self.agent, Agent::No);
        if agent == Agent::Begun && !continues {
            self.depth += 1;
        }
        if is_begin(line) {
            if agent != Agent::Announced {
                return Step::NextCardBegins;
            }
            self.depth += 1;
            return Step::Drop;
        }
        if is_end(line) {
            return match self.depth.checked_sub(1) {
                None => Step::CardEnds,
                Some(depth) => {
                    self.depth = depth;
                    Step::Drop
                }
            };
        }
        // Base64 has no colon, and a property always has one. Version 2.1 does not indent the lines of a photo.
        if self.blob && (continues || !line.contains(&b':')) {
            return Step::Drop;
        }
        self.blob = false;
        if !continues {
            let (head, value) = split_at_colon(line);
            self.blob = is_blob(head);
            self.agent = agent_of(head, value);
        }
        if self.blob || self.depth > 0 { Step::Drop } else { Step::Keep }
    }
}

fn broken(line: u64, fault_line: Option<u64>, reason: Reason) -> Frame {
    Frame::Broken(BrokenCard { line, fault_line, reason })
}

fn is_begin(line: &[u8]) -> bool {
    // Files put together from several have the mark of each at its start.
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    is_pair(line, b"BEGIN", b"VCARD")
}

fn is_end(line: &[u8]) -> bool {
    is_pair(line, b"END", b"VCARD")
}

fn is_pair(line: &[u8], name: &[u8], value: &[u8]) -> bool {
    // Compared by length first: this runs on every line of the file.
    line.len() > name.len() && line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) && {
        let (head, rest) = split_at_colon(line);
        head.trim_ascii_end().len() == name.len() && rest.trim_ascii().eq_ignore_ascii_case(value)
    }
}

fn split_at_colon(line: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = line.splitn(2, |byte| *byte == b':');
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

/// The property's name without its group.
fn name_of(head: &[u8]) -> &[u8] {
    let name = head.split(|byte| *byte == b';').next().unwrap_or_default();
    name.rsplit(|byte| *byte == b'.').next().unwrap_or_default().trim_ascii()
}

fn is_blob(head: &[u8]) -> bool {
    const NAMES: [&[u8]; 4] = [b"PHOTO", b"LOGO", b"SOUND", b"KEY"];
    const MARKS: [&[u8]; 3] = [b"ENCODING=B", b"ENCODING=BASE64", b"BASE64"];
    let name = name_of(head);
    NAMES.iter().any(|blob| name.eq_ignore_ascii_case(blob))
        || head
            .split(|byte| *byte == b';')
            .skip(1)
            .any(|parameter| MARKS.iter().any(|mark| parameter.trim_ascii().eq_ignore_ascii_case(mark)))
}

fn agent_of(head: &[u8], value: &[u8]) -> Agent {
    if !name_of(head).eq_ignore_ascii_case(b"AGENT") {
        Agent::No
    } else if value.trim_ascii().is_empty() {
        Agent::Announced
    } else if is_begin(value.trim_ascii()) {
        Agent::Begun
    } else {
        Agent::No
    }
}
