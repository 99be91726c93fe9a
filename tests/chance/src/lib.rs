//! Chance that follows from a seed and the number of a run, and bytes changed by it: for inputs that are nearly right.
//!
//! A crate without dependencies, because the engine's tests use it and must not build what other tests do.
#![forbid(unsafe_code)]
#![expect(clippy::must_use_candidate, reason = "for tests")]

use std::ops::Range;

/// `SplitMix64`: <https://doi.org/10.1145/2714064.2660195>.
pub struct Chance(u64);

impl Chance {
    /// The chance of one run. `ALBEDO_SEED` gives other ones.
    pub fn of_run(run: u64) -> Self {
        let mut chance = Self(seed().rotate_left(32) ^ run);
        // Neighbouring runs begin far apart.
        chance.0 = chance.draw();
        chance
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.draw() % end).unwrap_or_default()
    }

    /// True once in so many times.
    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// One of them.
    #[expect(
        clippy::indexing_slicing,
        reason = "below the length, unless there is nothing to pick from, which is the test's fault"
    )]
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Bytes changed, cut, doubled or put in, up to three times; `pieces` are what the format has a meaning for.
    #[expect(clippy::indexing_slicing, reason = "places are drawn from the length")]
    pub fn edit(&mut self, bytes: &mut Vec<u8>, pieces: &[&str]) {
        for _ in 0..=self.below(3) {
            let (one, two) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
            let range = one.min(two)..one.max(two);
            match self.below(8) {
                0 => bytes.truncate(one),
                1 => drop(bytes.drain(range)),
                2 if range.len() < 4_096 => drop(bytes.splice(one..one, bytes[range].to_vec())),
                3 | 4 => drop(bytes.splice(one..one, self.pick(pieces).bytes())),
                5 => drop(bytes.splice(one..one, self.draw().to_le_bytes())),
                _ if one < bytes.len() => bytes[one] = *self.pick(b"{}[]<>/:-#\"'=\r\n\t &*|%\xff\0,\\019aZ"),
                _ => {}
            }
        }
    }
}

/// The numbers of the runs of a target: as many as `RUNS` says, or a few; `RUN` is one alone.
pub fn runs(few: u64) -> Range<u64> {
    match variable("RUN") {
        Some(only) => only..only + 1,
        None => 0..variable("RUNS").unwrap_or(few),
    }
}

/// What all runs follow from beside their number: `ALBEDO_SEED`.
pub fn seed() -> u64 {
    variable("ALBEDO_SEED").unwrap_or(1)
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
