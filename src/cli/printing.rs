//! Output of all commands. It removes everything that a terminal or a CI runner would interpret.

#![expect(clippy::print_stderr, reason = "what a command has to say to its user beside its output")]

use std::io::{ErrorKind, Write};

use albedo_engine::clean::clean;
use anyhow::Context;

/// Prints the output of a command.
///
/// # Errors
/// If it cannot be written. It is no error if the reader ends early, as in `| head`.
pub fn put(text: &str) -> anyhow::Result<()> {
    put_clean(&clean(text))
}

/// Prints text that is clean already, because colours are escapes, too.
///
/// # Errors
/// As [`put`].
pub fn put_clean(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write the output"),
        _ => Ok(()),
    }
}

/// Prints a message to standard error, on its own line.
pub fn say(text: &str) {
    eprintln!("{}", clean(text));
}

/// Standard error for the log: each event is one write.
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
