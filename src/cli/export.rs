//! `albedo export`: what a cluster can hold against mistakes while no replica of Albedo is up.

use std::process::ExitCode;

use albedo_engine::admit::registration::policy;
use clap::{Args, Subcommand};

use super::printing;

/// Prints objects for `kubectl apply`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A `ValidatingAdmissionPolicy` with the checks of annotations that the API server can do alone, and its bindings.
    Policy(Policy),
}

#[derive(Debug, Args)]
struct Policy {
    /// Name of the policy; the bindings are NAME-CLASS
    #[arg(long, default_value = "albedo-annotations")]
    name: String,
    /// Names of the classes that are Albedo's
    #[arg(long = "class", default_value = "alb")]
    classes: Vec<String>,
    /// Warn instead of refusing
    #[arg(long)]
    warn: bool,
}

impl Export {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let What::Policy(Policy { name, classes, warn }) = self.what;
        let (policy, bindings) = policy(&name, &classes, warn);
        printing::put(&serde_saphyr::to_string(&policy)?)?;
        for binding in bindings {
            printing::put(&format!("---\n{}", serde_saphyr::to_string(&binding)?))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
