//! Randomness that repeats: SplitMix64.

/// How far the seed moves with each number.
pub const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number that a seed, already moved on, stands for.
pub fn mix(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Chooses for a test.
pub struct Random(u64);

impl Random {
    /// A generator that gives the same for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// One of these; nothing where there are none.
    pub fn one_of<'a, T>(&mut self, these: &'a [T]) -> Option<&'a T> {
        let len = u64::try_from(these.len()).ok().filter(|len| *len > 0)?;
        these.get(usize::try_from(self.below(len)).ok()?)
    }
}
