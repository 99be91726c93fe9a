//! What all tests share: the runtime, the test environment, started when the first test asks for it, and an authority for serving certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use albedo_testenv::{Authority, TestEnv};
use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::Test;

/// No test may hold up the run for longer than this.
const LIMIT: Duration = Duration::from_mins(4);

/// The same where every case is tried.
const LONG_LIMIT: Duration = Duration::from_hours(2);

/// Whether every case is to be tried, and not only some.
pub fn is_exhaustive() -> bool {
    std::env::var_os("ALBEDO_EXHAUSTIVE").is_some_and(|value| !value.is_empty())
}

/// How long a test goes on: so many minutes, or as many as an environment variable says.
pub fn minutes(variable: &str, usual: u64) -> Duration {
    let told = std::env::var(variable).ok().and_then(|text| text.parse().ok());
    Duration::from_mins(told.unwrap_or(usual))
}

/// The program under test.
pub const ALBEDO: &str = env!("CARGO_BIN_EXE_albedo");

/// The program that a fixture starts: that one, or another build of it in `ALBEDO_BIN`, such as a release under load.
pub fn program() -> PathBuf {
    std::env::var_os("ALBEDO_BIN").map_or_else(|| ALBEDO.into(), PathBuf::from)
}

/// What there is to stand on.
pub struct Base {
    pub test_env: Arc<TestEnv>,
    pub authority: Authority,
    dir: PathBuf,
}

impl Base {
    /// A control plane and an emulator with their logs in a folder.
    pub async fn start(dir: &Path) -> Result<Arc<Self>> {
        let test_env = Arc::new(TestEnv::start_in(dir).await?);
        let authority = Authority::new("it")?;
        std::fs::write(dir.join("serving-ca.crt"), authority.pem())?;
        let base = Self { test_env, authority, dir: dir.to_owned() };
        let crds = base.dir.join("crds.yaml");
        std::fs::write(&crds, albedo(&["crds"]).await?)?;
        let kubectl = base.test_env.plane();
        kubectl.kubectl_ok(["apply", "--server-side", "-f", &crds.to_string_lossy()]).await?;
        kubectl
            .kubectl_ok(["wait", "--for=condition=Established", "--timeout=30s", "-f", &crds.to_string_lossy()])
            .await?;
        Ok(Arc::new(base))
    }

    /// A folder for files of the run.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The authority's certificate as a file.
    pub fn authority_file(&self) -> PathBuf {
        self.dir.join("serving-ca.crt")
    }
}

/// What a command of Albedo's prints; it has to succeed.
pub async fn albedo(args: &[&str]) -> Result<String> {
    let out = Command::new(ALBEDO).args(args).output().await.with_context(|| format!("starting {ALBEDO}"))?;
    if !out.status.success() {
        bail!("albedo {args:?}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    }
    Ok(String::from_utf8(out.stdout)?)
}

/// The base, once it is needed: `--list` and a filter that fits nothing start nothing.
pub struct Lazy {
    runtime: Runtime,
    base: OnceCell<Arc<Base>>,
    dir: TempDir,
}

impl Lazy {
    pub fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let dir = tempfile::Builder::new().prefix("albedo-it-").tempdir()?;
        Ok(Self { runtime, base: OnceCell::new(), dir })
    }

    /// The folder of the run, with the logs of all that was started in it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs one test; called by several threads at a time.
    pub fn run(&self, test: Test) -> Result<()> {
        self.runtime.block_on(async {
            let base = self.base.get_or_try_init(|| Base::start(self.dir.path())).await?;
            // Not spawned: a panic is caught by the harness, and the drop of what the test holds stops its Albedo.
            let limit = if is_exhaustive() { LONG_LIMIT } else { LIMIT };
            tokio::time::timeout(limit, test(Arc::clone(base)))
                .await
                .with_context(|| format!("no end within {limit:?}"))?
        })
    }

    /// Stops what was started. After a failure the folder with all logs stays.
    pub fn stop(self: Arc<Self>, failed: bool) -> Result<()> {
        let lazy = Arc::into_inner(self).context("a test still runs")?;
        if failed || std::env::var_os("ALBEDO_KEEP_GROUND").is_some() {
            eprintln!("logs are kept in {}", lazy.dir.keep().display());
        }
        let Some(base) = lazy.base.into_inner() else { return Ok(()) };
        lazy.runtime.block_on(async {
            let base = Arc::into_inner(base).context("a test still holds the base")?;
            Arc::into_inner(base.test_env).context("a test still holds the test environment")?.stop().await
        })
    }
}
