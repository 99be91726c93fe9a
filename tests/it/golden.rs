//! Texts that are kept in `golden/` and have to stay as they are; UPDATE=1 writes them anew.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(file)
}

/// The text is the one in the file.
pub fn holds(file: &str, is: &str) -> Result<()> {
    let path = path(file);
    if std::env::var_os("UPDATE").is_some_and(|value| !value.is_empty()) {
        return std::fs::write(&path, is).with_context(|| format!("writing {}", path.display()));
    }
    let wanted =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}; UPDATE=1 writes it", path.display()))?;
    if is == wanted {
        return Ok(());
    }
    let at = is.lines().zip(wanted.lines()).position(|(is, wanted)| is != wanted);
    let at = at.unwrap_or_else(|| is.lines().count().min(wanted.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
    bail!(
        "{file} differs from line {} on:\n  is:     {}\n  wanted: {}\nUPDATE=1 takes it over",
        at + 1,
        line(is),
        line(&wanted)
    );
}
