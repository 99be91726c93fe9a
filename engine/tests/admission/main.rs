//! Admission, offline: what is refused, warned of or let in, each case one object literal; what members of a group may say
//! together; who of two that conflict with each other gives way.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a panic is what a test has for a fault")]

mod cases;
mod consequences;
mod dependents;
mod fixture;
mod merge;
mod policies;
mod seniority;
mod takeover;
