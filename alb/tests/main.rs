//! The load balancer at work, before a real emulator and real targets.
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod client;
mod examples;
mod faults;
mod health;
mod model;
mod routing;
mod secure;
mod stage;
mod sticky;
mod target;
mod targets;
