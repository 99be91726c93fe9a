//! `albedo check`: the findings of the door, on files.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use albedo_engine::admit::{self, Policy};
use albedo_engine::facts::Facts;
use albedo_engine::kinds::Key;
use albedo_engine::settings::Settings;
use clap::Args;
use jiff::Timestamp;

use super::{facts, files};

/// Checks manifests offline.
#[derive(Debug, Args)]
pub struct Check {
    /// Files, folders, or - for standard input
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// What is known of the AWS account: a file that `albedo facts` wrote
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Region of the load balancers, to check certificates against
    #[arg(long)]
    aws_region: Option<String>,
    /// Refuse what is absent too
    #[arg(long)]
    strict: bool,
}

impl Check {
    #[expect(clippy::print_stdout, reason = "what was asked for")]
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let settings = Settings::new("");
        let files = files::read(&self.paths, &settings)?;
        let facts = facts::read(self.facts.as_deref())?;
        let facts = Facts { region: self.aws_region.or_else(|| facts.region.clone()), ..facts };
        // Facts from a file count whatever their age: somebody chose that file.
        let policy = Policy { strict: self.strict, fresh: Duration::MAX, ..Policy::default() };
        let context = admit::Context {
            world: &files.world,
            facts: &facts,
            settings: &settings,
            policy: &policy,
            now: Timestamp::now(),
        };
        let mut refused = files.faults.len();
        for fault in &files.faults {
            println!("{fault}");
        }
        let findings = admit::survey(context);
        for finding in &findings {
            let key = Key::new(&finding.subject.namespace, &finding.subject.name);
            let file = files.origin.get(&key).map_or("-", String::as_str);
            let denies = policy.denies(finding, false);
            refused += usize::from(denies);
            let word = if denies { "error" } else { "warning" };
            println!("{file}: {word}: {}: {finding}", finding.subject);
            if let Some(value) = finding.value.as_ref().filter(|value| !value.is_empty()) {
                println!("    value: {value}");
            }
        }
        println!(
            "{} Ingresses, {refused} errors, {} warnings",
            files.origin.len(),
            (findings.len() + files.faults.len()).saturating_sub(refused)
        );
        Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
