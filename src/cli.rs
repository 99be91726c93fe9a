//! The command line: the controller, and the same verdict and plan on files.

mod check;
mod explain;
mod facts;
mod files;
mod flags;
mod ingress;
mod manifests;
mod neighbours;
mod plan;
mod printing;
mod run;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use flags::{Certificates, Run, pairs};

/// An AWS Application Load Balancer ingress controller that refuses at `kubectl apply` what would not provision.
#[derive(Debug, Parser)]
#[command(name = "albedo", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controller: webhooks and reconciler.
    Run(Box<Run>),
    /// Check manifests: the same findings as at `kubectl apply`, with file, line and column.
    Check(check::Check),
    /// Write what is known of the AWS account to a file, for check and plan to go by.
    Facts(facts::Write),
    /// Explain an annotation, an attribute or a finding's code; or what became of an Ingress.
    Explain(Box<explain::Explain>),
    /// Print the load balancers that manifests ask for.
    Plan(plan::Show),
    /// Print what the load balancers that manifests ask for answer to a request, and why.
    Trace(Box<trace::Trace>),
    /// Print the `CustomResourceDefinitions`.
    Crds,
    /// Print the webhook configurations.
    WebhookConfig(manifests::WebhookConfig),
}

/// Runs the command line; the exit code is 0 when all is well, 1 when findings refuse, 2 when the command could not run.
pub fn main() -> ExitCode {
    // LBC's Deployments start their binary with flags alone: they mean `run`.
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let bare = arguments.get(1).is_some_and(|first| first.to_string_lossy().starts_with("--"))
        && !arguments.get(1).is_some_and(|first| first == "--help" || first == "--version");
    if bare {
        arguments.insert(1, "run".into());
    }
    let command = Cli::parse_from(flags::without_ignored(arguments)).command;
    let outcome = match command {
        Command::Run(flags) => run::run(*flags),
        Command::Check(check) => check.run(),
        Command::Facts(write) => write.run(),
        Command::Explain(explain) => explain.run(),
        Command::Plan(plan) => plan.run(),
        Command::Trace(trace) => trace.run(),
        Command::Crds => manifests::crds(),
        Command::WebhookConfig(options) => options.run(),
    };
    outcome.unwrap_or_else(|error| {
        printing::say(&format!("albedo: {error:#}"));
        ExitCode::from(2)
    })
}
