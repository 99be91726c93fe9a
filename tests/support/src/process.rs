//! A child process that never outlives its parent, is stopped by pid, and whose log is at hand when something fails.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, kill_process, kill_process_group};

pub use rustix::process::Signal;

/// Becomes the program (same pid, so signals and exit codes are the program's own) and leaves a guard behind that holds the
/// reading end of a pipe from us: a line says that the program is over, the end of the pipe that we are gone, killed -9
/// perhaps. Then the guard kills the program's whole process group, itself included.
const GUARDED: &str = r#"
exec 3<&0 </dev/null
( read -r over <&3 || kill -s KILL -- "-$$" ) >/dev/null 2>&1 &
exec 3<&-
exec "$@"
"#;

const GRACE: Duration = Duration::from_secs(15);
const TAIL: usize = 30;

#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    guard: Option<ChildStdin>,
    log: PathBuf,
    grace: Duration,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts a command with stdout and stderr appended to `log`. Its program, arguments, environment and folder are taken over.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let (out, err) = open_log(log).with_context(|| format!("cannot start {name}: its log {}", log.display()))?;
        let mut guarded = Command::new("sh");
        guarded.args(["-c", GUARDED, "guard"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(key, value),
                None => guarded.env_remove(key),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            guarded.current_dir(dir);
        }
        // A group of its own: Ctrl-C at a terminal reaches us alone, and we then end the children in order.
        guarded.stdin(Stdio::piped()).stdout(out).stderr(err).process_group(0);
        let mut child = guarded.spawn().with_context(|| format!("cannot start {name}: sh"))?;
        let guard = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, guard, log: log.to_owned(), grace: GRACE, status: None })
    }

    /// How long `stop` waits between SIGTERM and SIGKILL.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program's own pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log_file(&self) -> &Path {
        &self.log
    }

    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// An error that names the process and shows the end of its log.
    pub fn failure(&self, what: impl std::fmt::Display) -> anyhow::Error {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.split_at(lines.len().saturating_sub(TAIL)).1.join("\n  ");
        anyhow!("{} (pid {}): {what}\n  last lines of {}:\n  {tail}", self.name, self.pid(), self.log.display())
    }

    /// How it ended; None while it runs.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait().with_context(|| format!("waiting for {}", self.name))?;
            if self.status.is_some() {
                self.release();
            }
        }
        Ok(self.status)
    }

    /// An error when it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.exited()? {
            None => Ok(()),
            Some(status) => Err(self.failure(format_args!("stopped by itself ({status})"))),
        }
    }

    /// Sends a signal to the program itself; an error when it runs no more.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.check()?;
        kill_process(self.raw_pid()?, signal).with_context(|| format!("sending {signal:?} to {}", self.name))
    }

    /// SIGTERM, then SIGKILL when it has not ended within its grace. Already ended is fine.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.exited()? {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        // A stopped process takes no signal but SIGKILL. One that has ended by now needs none.
        if let Err(error) = self.signal(Signal::CONT)
            && self.exited()?.is_none()
        {
            return Err(error);
        }
        match self.wait(self.grace).await {
            Ok(status) => Ok(status),
            Err(_) => self.kill().await,
        }
    }

    /// SIGKILL to the program and what it started, then waits.
    pub async fn kill(&mut self) -> Result<ExitStatus> {
        if self.exited()?.is_none() {
            kill_process_group(self.raw_pid()?, Signal::KILL).with_context(|| format!("killing {}", self.name))?;
        }
        self.wait(GRACE).await
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!(self.failure(format_args!("still runs after {limit:?}")));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Tells the guard that there is nothing left to guard, before the pid can be anybody else's.
    fn release(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.write_all(b"over\n");
        }
    }

    fn raw_pid(&self) -> Result<Pid> {
        i32::try_from(self.pid()).ok().and_then(Pid::from_raw).with_context(|| format!("{} has no pid", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.exited(), Ok(None)) {
            if let Ok(pid) = self.raw_pid() {
                let _ = kill_process_group(pid, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

fn open_log(log: &Path) -> std::io::Result<(File, File)> {
    if let Some(dir) = log.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let out = OpenOptions::new().create(true).append(true).open(log)?;
    let err = out.try_clone()?;
    Ok((out, err))
}
