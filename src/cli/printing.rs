//! What commands print: the one way out for all of them, and nothing that a terminal or a runner of CI would obey gets through it.

#![expect(clippy::print_stderr, reason = "what a command has to say to its user beside its output")]

use std::io::{ErrorKind, Write};

use albedo_engine::clean::clean;
use anyhow::Context;

/// Prints what was asked for.
///
/// # Errors
/// It cannot be written. Who reads may have had enough, `| head` say: that is no error.
pub fn put(text: &str) -> anyhow::Result<()> {
    put_clean(&clean(text))
}

/// Prints what is clean already: colours are escapes too.
///
/// # Errors
/// As of [`put`].
pub fn put_clean(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write the output"),
        _ => Ok(()),
    }
}

/// Says something beside the output, on a line of its own.
pub fn say(text: &str) {
    eprintln!("{}", clean(text));
}

/// Standard error for the log: each event is written in one piece.
#[derive(Debug, Clone, Copy)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stderr().lock().write_all(clean(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
