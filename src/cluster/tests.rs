//! Watches and writes against an API server of a few answers.

pub(super) mod api;
mod watches;
mod writes;
