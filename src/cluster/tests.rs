//! Watches and writes against an API server of a few answers.

mod api;
mod watches;
mod writes;
