//! Albedo as a process: started with arguments and environment, waited for, stopped the gentle or the hard way.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::{Emulator, Process, Signal, http_get, settled};

/// How to start an [`Albedo`].
#[derive(Debug, Clone)]
pub struct Launch {
    pub binary: PathBuf,
    pub args: Vec<OsString>,
    pub env: Vec<(String, OsString)>,
    /// The URL that answers 200 once it is ready.
    pub ready: String,
    pub ready_within: Duration,
    pub log: PathBuf,
}

impl Launch {
    pub fn new(binary: impl Into<PathBuf>, ready: impl Into<String>, log: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            args: Vec::new(),
            env: Vec::new(),
            ready: ready.into(),
            ready_within: Duration::from_secs(30),
            log: log.into(),
        }
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Waits until it has no work left, and nobody calls AWS in its region any more.
    pub async fn quiet(&self, emulator: &Emulator, limit: Duration) -> Result<()> {
        let address = self.value("metrics-bind-addr").context("albedo is started without --metrics-bind-addr")?;
        let url = format!("http://{address}/metrics");
        settled("albedo rests", limit, async || {
            let (status, body) = http_get(&url).await?;
            ensure!(status == 200, "{url}: {status}");
            let text = String::from_utf8_lossy(&body).into_owned();
            let mut waiting = text.lines().filter(|line| line.starts_with("albedo_queue_waiting{")).peekable();
            let idle = waiting.peek().is_some() && waiting.all(|line| line.ends_with(" 0"));
            let passes: Vec<String> =
                text.lines().filter(|line| line.starts_with("albedo_reconcile_pass")).map(ToOwned::to_owned).collect();
            let last = match self.value("aws-region") {
                Some(region) => emulator.last(region).await?,
                None => emulator.mark().await?,
            };
            Ok(idle.then_some((passes, last)))
        })
        .await
        .map(drop)
    }

    /// The value of a flag, `--NAME=VALUE`; the last one counts.
    pub fn value(&self, flag: &str) -> Option<&str> {
        let prefix = format!("--{flag}=");
        self.args.iter().rev().find_map(|arg| arg.to_str()?.strip_prefix(&prefix))
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self) -> Result<Albedo> {
        let mut albedo = self.spawn()?;
        albedo.ready().await?;
        Ok(albedo)
    }

    /// Starts it and waits for nothing.
    pub fn spawn(&self) -> Result<Albedo> {
        let mut command = Command::new(&self.binary);
        command.args(&self.args);
        for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
            // Nothing of the developer's own account or cluster.
            if name.starts_with("AWS_") || name == "KUBECONFIG" || name.to_ascii_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let process = Process::start("albedo", &command, &self.log)?;
        Ok(Albedo { process, ready: self.ready.clone(), ready_within: self.ready_within })
    }
}

pub struct Albedo {
    process: Process,
    ready: String,
    ready_within: Duration,
}

impl Albedo {
    /// Waits until it is ready.
    pub async fn ready(&mut self) -> Result<()> {
        let (url, end) = (self.ready.clone(), Instant::now() + self.ready_within);
        loop {
            let last = match http_get(&url).await {
                Ok((200, _)) => return Ok(()),
                Ok((status, body)) => format!("{status} {}", String::from_utf8_lossy(&body)),
                Err(e) => format!("{e:#}"),
            };
            self.process.check()?;
            if Instant::now() > end {
                return Err(self
                    .process
                    .failure(format_args!("{url} is not 200 within {:?}: {last}", self.ready_within)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGTERM, then waits for the end that it comes to by itself.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.process.stop().await
    }

    /// SIGKILL, as when a machine dies.
    pub async fn kill(&mut self) -> Result<ExitStatus> {
        self.process.kill().await
    }

    /// Stops its clock (SIGSTOP) until `resume`, as when a machine is suspended.
    pub fn pause(&mut self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    pub fn resume(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
