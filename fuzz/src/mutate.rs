//! Random changes of inputs, the same on every machine: for the tests, where no coverage guides.

/// Bytes that are an end of something: of numbers, lengths, runs, text.
const EDGES: [u8; 16] = [0, 1, 2, 4, 0x0a, 0x3f, 0x40, 0x41, 0x7e, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xfe, 0xff];

/// A number that is long in the encodings of the product: LEB128, CBOR.
const LONG: [&[u8]; 4] = [
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0x80, 0x80, 0x80, 0x80, 0x10],
    &[0x9b, 0, 0, 0, 1, 0, 0, 0, 0],
    &[0x1b, 0x7f, 0xff, 0xff, 0xff],
];

/// The most bytes of an input that grows.
const MAX: usize = 16 * 1024;

/// A source of random numbers with a seed (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % (end.max(1) as u64)).expect("below a usize")
    }

    /// An input made of one of `corpus` by some changes, or of nothing but chance.
    pub fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = match corpus.get(self.below(corpus.len() + 1)) {
            Some(kept) => kept.clone(),
            None => (0..self.below(64)).map(|_| self.byte()).collect(),
        };
        for _ in 0..=self.below(5) {
            self.change(&mut input, corpus);
        }
        input.truncate(MAX);
        input
    }

    fn byte(&mut self) -> u8 {
        if self.below(3) == 0 { EDGES[self.below(EDGES.len())] } else { self.number() as u8 }
    }

    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.below(len + 1);
        start..(start + 1 + self.below(16)).min(len).max(start)
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        match self.below(8) {
            0 => {
                let bit = 1 << self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let new = self.byte();
                if let Some(byte) = input.get_mut(at) {
                    *byte = new;
                }
            }
            2 => input.insert(at, self.byte()),
            3 => drop(input.drain(self.range(input.len()))),
            4 => {
                let piece = input[self.range(input.len())].to_vec();
                input.splice(at..at, piece);
            }
            5 => {
                let end = (at + 1).min(input.len());
                input.splice(at..end, LONG[self.below(LONG.len())].iter().copied());
            }
            6 => {
                let small = (self.below(9) as u8).wrapping_sub(4);
                if let Some(byte) = input.get_mut(at) {
                    *byte = byte.wrapping_add(small);
                }
            }
            _ => {
                if let Some(other) = corpus.get(self.below(corpus.len())) {
                    let cut = self.below(other.len() + 1);
                    input.truncate(at);
                    input.extend_from_slice(&other[cut..]);
                }
            }
        }
    }
}
