//! Physical lines of a file: byte order marks, UTF-16, and all three kinds of line end.

use std::io::{self, BufRead, ErrorKind};

/// How many bytes of UTF-16 are turned into UTF-8 at a time.
const STEP: usize = 8 * 1024;

/// A byte that occurs nowhere in UTF-8. Stands for broken UTF-16, so that the card with it is reported.
const NOT_UTF8: u8 = 0xFF;

/// Gives one line at a time, without its line end.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: Source<R>,
    line: Vec<u8>,
    limit: usize,
    overlong: bool,
    number: u64,
    after_cr: bool,
}

impl<R: BufRead> Lines<R> {
    /// Lines of `reader`; of a line longer than `limit` bytes only the start is kept.
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { source: Source::new(reader), line: Vec::new(), limit, overlong: false, number: 0, after_cr: false }
    }

    /// Goes to the next line; false at the end of the file.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.overlong = false;
        let mut any = false;
        loop {
            let chunk = self.source.chunk()?;
            let Some(first) = chunk.first() else { break };
            // The LF of a CRLF is looked at only now: the CR may have been the last byte of the chunk before.
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                self.source.consume(1);
                continue;
            }
            any = true;
            let end = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let length = end.unwrap_or(chunk.len());
            let room = self.limit.saturating_sub(self.line.len());
            self.line.extend_from_slice(chunk.get(..length.min(room)).unwrap_or_default());
            self.overlong |= length > room;
            if let Some(end) = end {
                self.after_cr = chunk.get(end) == Some(&b'\r');
                self.source.consume(length + 1);
                break;
            }
            self.source.consume(length);
        }
        self.number += u64::from(any);
        Ok(any)
    }
}

impl<R> Lines<R> {
    /// The line, or its start if it is too long.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Whether the line was cut at the limit.
    pub(super) fn overlong(&self) -> bool {
        self.overlong
    }

    /// The line's number, counted from 1; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.source.bytes_read
    }

    pub(super) fn is_utf16(&self) -> bool {
        self.source.utf16.is_some()
    }

    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.line.capacity() + self.source.ready.capacity()
    }
}

/// The file as UTF-8 (or whatever 8-bit encoding it is in), whichever encoding its mark announces.
#[derive(Debug)]
struct Source<R> {
    reader: R,
    started: bool,
    utf16: Option<Utf16>,
    /// Bytes to give out before any more are taken from the reader.
    ready: Vec<u8>,
    used: usize,
    bytes_read: u64,
}

impl<R: BufRead> Source<R> {
    fn new(reader: R) -> Self {
        Self { reader, started: false, utf16: None, ready: Vec::new(), used: 0, bytes_read: 0 }
    }

    /// The next bytes; empty at the end.
    fn chunk(&mut self) -> io::Result<&[u8]> {
        if !self.started {
            self.read_mark()?;
            self.started = true;
        }
        if self.used >= self.ready.len() {
            self.ready.clear();
            self.used = 0;
            if self.utf16.is_some() {
                self.refill()?;
            } else {
                return fill(&mut self.reader);
            }
        }
        Ok(self.ready.get(self.used..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        if self.used < self.ready.len() {
            self.used += count;
        } else {
            self.take(count);
        }
    }

    fn take(&mut self, count: usize) {
        self.reader.consume(count);
        self.bytes_read += count as u64;
    }

    /// Looks for a byte order mark one byte at a time, as a reader may hand out single bytes.
    fn read_mark(&mut self) -> io::Result<()> {
        loop {
            match self.ready.as_slice() {
                [] | [0xEF] | [0xEF, 0xBB] | [0xFF] | [0xFE] => {}
                _ => return Ok(()),
            }
            let Some(byte) = fill(&mut self.reader)?.first().copied() else {
                return Ok(());
            };
            self.take(1);
            self.ready.push(byte);
            let big = match self.ready.as_slice() {
                [0xFF, 0xFE] => Some(false),
                [0xFE, 0xFF] => Some(true),
                [0xEF, 0xBB, 0xBF] => None,
                _ => continue,
            };
            self.utf16 = big.map(|big| Utf16 { big, byte: None, high: None });
            self.ready.clear();
            return Ok(());
        }
    }

    /// Decodes more UTF-16; leaves nothing ready only at the end.
    fn refill(&mut self) -> io::Result<()> {
        let Some(utf16) = &mut self.utf16 else {
            return Ok(());
        };
        while self.ready.is_empty() {
            let chunk = fill(&mut self.reader)?;
            if chunk.is_empty() {
                utf16.finish(&mut self.ready);
                return Ok(());
            }
            let count = chunk.len().min(STEP);
            for byte in chunk.iter().take(count) {
                utf16.push(*byte, &mut self.ready);
            }
            self.reader.consume(count);
            self.bytes_read += count as u64;
        }
        Ok(())
    }
}

fn fill<R: BufRead>(reader: &mut R) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // Asked a second time because the borrow checker cannot let a borrow out of the loop; costs nothing, as the
    // reader holds the bytes already.
    reader.fill_buf()
}

/// UTF-16 that comes a byte at a time.
#[derive(Debug)]
struct Utf16 {
    big: bool,
    byte: Option<u8>,
    high: Option<u16>,
}

impl Utf16 {
    fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        let Some(first) = self.byte.take() else {
            self.byte = Some(byte);
            return;
        };
        let unit = if self.big { u16::from_be_bytes([first, byte]) } else { u16::from_le_bytes([first, byte]) };
        let high = self.high.take();
        if (0xD800..0xDC00).contains(&unit) {
            if high.is_some() {
                out.push(NOT_UTF8);
            }
            self.high = Some(unit);
            return;
        }
        for decoded in char::decode_utf16(high.into_iter().chain([unit])) {
            match decoded {
                Ok(decoded) => out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(_) => out.push(NOT_UTF8),
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.byte.take().is_some() | self.high.take().is_some() {
            out.push(NOT_UTF8);
        }
    }
}
