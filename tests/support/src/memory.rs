//! A control group with a limit of memory, for one program under test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::Launch;

/// A control group below the test's own. It goes with the value, once its processes are gone.
pub struct Limited {
    dir: PathBuf,
}

impl Limited {
    /// Puts what is started with this launch into a control group that may use so many bytes: beyond them the kernel ends it.
    ///
    /// # Errors
    /// The kernel's control groups are not ours to change here.
    pub fn to(launch: &mut Launch, bytes: u64, name: &str) -> Result<Self> {
        let (parent, file) = own()?;
        let limited = Self { dir: parent.join(name) };
        std::fs::create_dir(&limited.dir).with_context(|| limited.dir.display().to_string())?;
        let limit = limited.dir.join(file);
        std::fs::write(&limit, bytes.to_string()).with_context(|| limit.display().to_string())?;
        let script = "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"";
        let program = std::mem::replace(&mut launch.binary, "/bin/sh".into());
        let before = ["-c".into(), script.into(), limited.dir.clone().into_os_string(), program.into_os_string()];
        launch.args.splice(0..0, before);
        Ok(limited)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // It may still have a process, whose end takes a moment; an empty group costs nobody anything.
        let _ = std::fs::remove_dir(&self.dir);
    }
}

/// The folder of the control group that this process is in, and the name of the file that limits memory in one
/// (<https://docs.kernel.org/admin-guide/cgroup-v2.html>, and `cgroup-v1/memory.html` there).
fn own() -> Result<(PathBuf, &'static str)> {
    let mine = std::fs::read_to_string("/proc/self/cgroup").context("/proc/self/cgroup")?;
    let root = Path::new("/sys/fs/cgroup");
    let line = |start: &dyn Fn(&str) -> Option<String>| mine.lines().find_map(start);
    let first = line(&|line| Some(line.split_once(":memory:/")?.1.to_owned()));
    if let Some(path) = first {
        return Ok((root.join("memory").join(path), "memory.limit_in_bytes"));
    }
    let second = line(&|line| Some(line.strip_prefix("0::/")?.to_owned())).context("no control group of memory")?;
    Ok((root.join(second), "memory.max"))
}
