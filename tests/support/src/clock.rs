//! A program's own wall clock, which a test sets while the program runs. Its monotonic clock goes on as it is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{Binaries, Launch};

pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// Gives what is started with this launch a clock of its own, which is right at first.
    pub async fn give(launch: &mut Launch, dir: &Path) -> Result<Self> {
        let clock = Self { file: dir.join("clock") };
        clock.set("+0")?;
        let library = Binaries::faketime().await?;
        for (name, value) in [
            ("LD_PRELOAD", library.as_path()),
            ("FAKETIME_TIMESTAMP_FILE", &clock.file),
            // Without it the file is read again only every ten seconds.
            ("FAKETIME_NO_CACHE", Path::new("1")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
        ] {
            launch.env.push((name.to_owned(), value.into()));
        }
        Ok(clock)
    }

    /// How far it is from the right time from now on, in libfaketime's words: `+3h`, `-2d`.
    pub fn set(&self, offset: &str) -> Result<()> {
        let next = self.file.with_extension("next");
        std::fs::write(&next, offset).with_context(|| next.display().to_string())?;
        // Whoever reads it finds the old text or the new one.
        std::fs::rename(&next, &self.file).with_context(|| self.file.display().to_string())
    }
}
