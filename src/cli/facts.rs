//! `albedo facts`: writes facts of the account to a file, so that `check` and `plan` can use them without credentials.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use albedo_engine::facts::Facts;
use albedo_engine::settings::{Gate, Settings};
use anyhow::Context;
use clap::Args;
use jiff::Timestamp;

use super::place::Place;
use super::run::cryptography;
use super::{files, printing};
use crate::cloud::{Cloud, CloudConfig, identify};

/// The largest file of facts, in bytes. An account at all default quotas of AWS needs a fraction of it.
const LARGEST: u64 = 64 << 20;

/// Reads the facts of the account and writes them.
#[derive(Debug, Args)]
pub struct Write {
    #[command(flatten)]
    place: Place,
    /// File to write, or - for standard output
    #[arg(long, short, default_value = "aws.json")]
    output: PathBuf,
}

impl Write {
    /// The exit code is 1 if some kind of fact could not be read; the others are written.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        cryptography()?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
        let (facts, whole) = runtime.block_on(self.read())?;
        let text = serde_json::to_string_pretty(&facts).context("facts cannot be written as JSON")? + "\n";
        put(&self.output, &text)?;
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    async fn read(&self) -> anyhow::Result<(Facts, bool)> {
        let asked = self.place.asked()?;
        let identity = identify(&asked, &[]).await.context("region and VPC are unknown")?;
        let mut config = CloudConfig::new(&identity.region, &identity.vpc_id, "");
        config.endpoints = asked.endpoints;
        let cloud = Cloud::new(config).await;
        let mut facts = Facts::default();
        let failed = Box::pin(cloud.refresh(&mut facts, Timestamp::now(), true)).await;
        for (kind, error) in &failed {
            let error = crate::cluster::with_sources(error);
            printing::say(&format!("albedo: {kind} cannot be read and are left out: {error}"));
        }
        Ok((facts, failed.is_empty()))
    }
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    if path.as_os_str() == "-" {
        return printing::put(text);
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    let path = path.display();
    printing::say(&format!("albedo: facts are in {path}; albedo check --facts {path} uses them"));
    Ok(())
}

/// The settings of a cluster with that name. Without a name, a subnet with the tag of any cluster can be used.
pub fn settings(cluster_name: Option<&str>, otherwise: &str) -> Settings {
    let mut settings = Settings::new(cluster_name.unwrap_or(otherwise));
    if cluster_name.is_none() {
        settings.gates.insert(Gate::SubnetsClusterTagCheck.name().to_owned(), false);
    }
    settings
}

/// The facts in a file that [`Write`] wrote; without a file there are none.
///
/// # Errors
/// If the file cannot be read, or is not such a file.
pub fn read(path: Option<&Path>) -> anyhow::Result<Facts> {
    let Some(path) = path else { return Ok(Facts::default()) };
    let bytes = files::bounded(path, LARGEST).with_context(|| format!("--facts {}", path.display()))?;
    let text = String::from_utf8(bytes).with_context(|| format!("--facts {}: not UTF-8", path.display()))?;
    let mut document = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut document)
        .map_err(|error| {
            let at = error.path().to_string();
            anyhow::Error::new(error.into_inner()).context(format!("at {at}"))
        })
        .with_context(|| format!("--facts {}: not a file from albedo facts", path.display()))
}
