//! Facts that were read a moment ago, for the accounts of tests.

use albedo_engine::facts::Aged;
use jiff::Timestamp;

/// The time of a test.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields of facts are")]
pub fn aged<T>(value: T) -> Option<Aged<T>> {
    Some(Aged { value, read_at: now() })
}
