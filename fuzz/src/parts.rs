//! An input that holds several things: parts between separators, so that an engine may insert and remove bytes anywhere.

/// What stands between two parts. Nothing that the product writes holds it but by chance.
const SEPARATOR: &[u8] = b"\n--\n";

/// The parts of an input; at least one.
pub fn split(mut input: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = input.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        parts.push(&input[..at]);
        input = &input[at + SEPARATOR.len()..];
    }
    parts.push(input);
    parts
}

/// An input of parts.
pub fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.join(SEPARATOR)
}

/// The first byte, which chooses among cases, and the rest; 0 and nothing for an empty part.
pub fn choice(part: &[u8]) -> (u8, &[u8]) {
    part.split_first().map_or((0, &[]), |(first, rest)| (*first, rest))
}
