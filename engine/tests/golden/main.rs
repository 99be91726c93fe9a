//! The predecessor's recordings, offline: for the same objects and facts the engine desires what was provisioned.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is what a test has for a fault"
)]
#![expect(clippy::print_stdout, reason = "how many cases there were belongs to the result")]

mod account;
mod case;
mod normal;
mod provisioned;
mod shown;
mod verdicts;
