//! `albedo preflight`: is this cluster ready for the switch from LBC? It reads the cluster and AWS, and writes nothing.

mod account;
mod cluster;

use std::path::PathBuf;
use std::process::ExitCode;

use albedo_engine::facts::Facts;
use albedo_engine::kinds::Key;
use albedo_engine::manifest::Manifests;
use albedo_engine::preflight::{Account, Found, Input, Severity, find_controller, report};
use albedo_engine::settings::Settings;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::place::Place;
use super::{facts, files, flags, kubeconfig, printing, run};

/// The format of the report.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One object, see docs/migration.md
    Json,
    /// SARIF 2.1.0 of the check of the Ingresses alone, for code scanning
    Sarif,
}

/// Reports what has to be done before the switch from LBC. Exits with 0 if nothing blocks it, 1 if something does, 2 if there is no result.
#[derive(Debug, Args)]
pub struct Preflight {
    /// Files or folders with manifests instead of a cluster; what runs in the cluster is then not part of the report
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    filenames: Vec<PathBuf>,
    /// The kubeconfig; default: KUBECONFIG, ~/.kube/config or the Pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Its context; default: the current one
    #[arg(long)]
    context: Option<String>,
    /// Deployment of LBC (namespace/name); default: the one with LBC's label or image
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = key)]
    lbc_deployment: Option<Key>,
    /// LBC stays beside Albedo, for everything but Ingresses
    #[arg(long)]
    beside_lbc: bool,
    /// Name of the cluster; default: that of LBC's arguments
    #[arg(long)]
    cluster_name: Option<String>,
    /// Do not call AWS
    #[arg(long)]
    no_aws: bool,
    /// Facts of the AWS account, instead of calling AWS: a file from `albedo facts`
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Format of the report
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

impl Preflight {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        run::cryptography()?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
        let (manifests, found, mut settings, refused) =
            if self.filenames.is_empty() { runtime.block_on(self.cluster())? } else { self.files()? };
        if let Some(name) = &self.cluster_name {
            settings.cluster_name.clone_from(name);
        }
        let calls_aws = !self.no_aws && self.facts.is_none() && self.filenames.is_empty();
        let (facts, account): (Facts, Option<Account>) = if calls_aws {
            let words = find_controller(&found.deployments, self.lbc_deployment.as_ref()).map(|lbc| lbc.words);
            let words = words.unwrap_or_default();
            let reading = account::read(&self.place, &words, &settings, &manifests.world);
            let (facts, account) = runtime.block_on(reading)?;
            (facts, Some(account))
        } else {
            (facts::read(self.facts.as_deref())?, None)
        };
        let report = report(&Input {
            manifests: &manifests,
            found: &found,
            named: self.lbc_deployment.as_ref(),
            settings: &settings,
            refused: refused.as_deref(),
            beside: self.beside_lbc,
            facts: &facts,
            account: account.as_ref(),
            now: Timestamp::now(),
        });
        printing::put_clean(&match self.output {
            Output::Text => report.text(),
            Output::Json => report.json(),
            Output::Sarif => report.audit.sarif(),
        })?;
        Ok(if report.count(Severity::Blocks) == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    /// Everything from files.
    fn files(&self) -> anyhow::Result<(Manifests, Found, Settings, Option<String>)> {
        let settings = facts::settings(self.cluster_name.as_deref(), "");
        Ok((files::read(&self.filenames, &settings)?, Found::default(), settings, None))
    }

    /// Everything from the cluster, with the settings that LBC has there.
    async fn cluster(&self) -> anyhow::Result<(Manifests, Found, Settings, Option<String>)> {
        let config = kubeconfig::config(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        let url = config.cluster_url.clone();
        let client = kube::Client::try_from(config)?;
        let (objects, found) = cluster::read(client).await.with_context(|| format!("asking {url}"))?;
        let lbc = find_controller(&found.deployments, self.lbc_deployment.as_ref());
        let arguments = lbc.map(|lbc| lbc.translation().arguments);
        let (settings, refused) = match arguments.map(|arguments| flags::settings_of(&arguments)) {
            Some(Ok(settings)) => (settings, None),
            Some(Err(error)) => (facts::settings(self.cluster_name.as_deref(), ""), Some(format!("{error:#}"))),
            None => (facts::settings(self.cluster_name.as_deref(), ""), None),
        };
        let mut manifests = Manifests::read(Vec::new(), &settings, "default");
        for object in objects {
            manifests.add(object);
        }
        Ok((manifests, found, settings, refused))
    }
}

/// `namespace/name`.
fn key(text: &str) -> Result<Key, &'static str> {
    let (namespace, name) = text.split_once('/').ok_or("write NAMESPACE/NAME")?;
    Ok(Key::new(namespace, name))
}
