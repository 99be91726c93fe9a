//! `albedo check`: the findings of admission, for files.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use albedo_engine::admit::{self, Policy};
use albedo_engine::check::{Look, check};
use albedo_engine::facts::Facts;
use albedo_engine::settings::Settings;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::{facts, files, neighbours, printing};

/// The format of a report.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One object, see docs/ci.md
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

/// Checks manifests. Exits with 0 if nothing would be refused, 1 if something would be, 2 if there is no result.
#[derive(Debug, Args)]
pub struct Check {
    /// Files, folders, or - for standard input
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Facts of the AWS account: a file from `albedo facts`
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Files or folders with IngressPolicy and IngressDefaults objects that apply, too; those among the manifests apply anyway
    #[arg(long, value_name = "FILE", num_args = 1..)]
    policy: Vec<PathBuf>,
    /// Name of the cluster; if it is set, subnets that are tagged for other clusters are not discovered
    #[arg(long)]
    cluster_name: Option<String>,
    /// Region of the load balancers, to check certificates against
    #[arg(long)]
    aws_region: Option<String>,
    /// Read Services, classes, parameters, defaults, policies and namespaces that the files lack from the cluster of the current kubeconfig
    #[arg(long)]
    cluster: bool,
    /// Keys of attributes that are newer than this version, as in albedo run --extra-attributes: a list
    #[arg(long, value_delimiter = ',')]
    extra_attributes: Vec<String>,
    /// As in albedo run: inbound rules that AWS allows the account in a security group
    #[arg(long)]
    security_group_rules_quota: Option<u64>,
    /// As in albedo run: whether a backend whose Service does not exist answers 503
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    tolerate_non_existent_backend_service: bool,
    /// As in albedo run: whether a backend without its action answers 503
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    tolerate_non_existent_backend_action: bool,
    /// Warnings are errors, including those about absent objects
    #[arg(long)]
    strict: bool,
    /// Skip named files without manifests, as in folders
    #[arg(long)]
    skip_others: bool,
    /// Format of the report
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let settings = Settings {
            extra_attributes: self.extra_attributes,
            security_group_rules_quota: self.security_group_rules_quota,
            tolerate_missing_service: self.tolerate_non_existent_backend_service,
            tolerate_missing_action: self.tolerate_non_existent_backend_action,
            ..facts::settings(self.cluster_name.as_deref(), "")
        };
        let paths: Vec<PathBuf> = self.paths.into_iter().chain(self.policy).collect();
        let sources = files::sources(&paths, !self.skip_others)?;
        let manifests =
            if self.cluster { neighbours::read(sources, &settings)? } else { files::manifests(sources, &settings) };
        let facts = facts::read(self.facts.as_deref())?;
        let facts = Facts { region: self.aws_region.or_else(|| facts.region.clone()), ..facts };
        // Facts from a file are valid at any age, because somebody chose that file.
        let policy = Policy { strict: self.strict, fresh: Duration::MAX, ..Policy::default() };
        let context = admit::Context {
            world: &manifests.world,
            facts: &facts,
            settings: &settings,
            policy: &policy,
            now: Timestamp::now(),
        };
        let report = check(&manifests, context, self.strict);
        let text = match self.output {
            Output::Text => report.text(look()),
            Output::Json => report.json(),
            Output::Sarif => report.sarif(),
            Output::Github => report.github(),
        };
        printing::put_clean(&text)?;
        Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// Colours on a terminal, unless disabled: <https://no-color.org>.
fn look() -> Look {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stdout().is_terminal() && !unwanted { Look::Coloured } else { Look::Plain }
}
