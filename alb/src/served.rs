//! How many requests were answered, and how.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// The load balancer itself: an error, a redirect, a fixed response.
    LoadBalancer,
    /// A target.
    Target,
}

/// Counts of answers. 460 stands for clients that left before there was one.
#[derive(Debug, Default)]
pub struct Served(Mutex<BTreeMap<(String, By, u16), u64>>);

impl Served {
    pub(crate) fn count(&self, balancer: &str, by: By, code: u16) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((balancer.to_owned(), by, code)).or_default() += 1;
    }

    /// Requests of a load balancer that were answered with a code.
    #[must_use]
    pub fn of(&self, balancer: &str, by: By, code: u16) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&(balancer.to_owned(), by, code)).copied().unwrap_or_default()
    }

    /// All counts, by the load balancer's name, who answered and the HTTP code.
    #[must_use]
    pub fn all(&self) -> BTreeMap<(String, By, u16), u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
