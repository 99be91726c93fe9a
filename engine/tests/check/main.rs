//! Checks of files: where carets go, what bad input is told, and that every output is well-formed.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a panic is what a test has for a fault")]

mod api_server;
mod bad_input;
mod clean;
mod combined;
mod corpus;
mod files;
mod outputs;
mod places;

use albedo_engine::check::Look;

use files::{ingress, read, report};

/// What is said of one file, for people.
fn text(file: &str) -> String {
    report(&read(&[("in.yaml", file.as_bytes())])).text(Look::Plain)
}
