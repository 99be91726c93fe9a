//! Sets of small numbers.

/// A set of numbers below a size that is given when it is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set(Vec<u64>);

impl Set {
    /// No number below `size`.
    #[must_use]
    pub fn none(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    /// Every number below `size`.
    #[must_use]
    pub fn all(size: usize) -> Self {
        let mut set = Self::none(size);
        for number in 0..size {
            set.insert(number);
        }
        set
    }

    /// Puts a number in; one that is not below the size is left out.
    pub fn insert(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The numbers in it, lowest first.
    pub fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.0.len() * 64).filter(|number| self.contains(*number))
    }

    /// Takes the other's numbers out.
    pub fn subtract(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= !other);
    }

    /// Puts the other's numbers in.
    pub fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// What both have and a third has not.
    #[must_use]
    pub fn both_without(&self, other: &Self, without: &Self) -> Self {
        let words = self.0.iter().zip(&other.0).zip(&without.0);
        Self(words.map(|((word, other), without)| word & other & !without).collect())
    }

    /// Whether what both have is all in a third.
    #[must_use]
    pub fn both_are_within(&self, other: &Self, within: &Self) -> bool {
        self.0.iter().zip(&other.0).zip(&within.0).all(|((word, other), within)| word & other & !within == 0)
    }
}
