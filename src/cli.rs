//! The command line: the controller, and the same verdict and plan for files.

mod check;
mod explain;
mod export;
mod facts;
mod files;
mod flags;
mod iam;
mod ingress;
mod kubeconfig;
mod manifests;
mod neighbours;
mod place;
mod plan;
mod preflight;
mod printing;
mod run;
mod trace;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use flags::{Certificates, Role, Run};

use crate::version;

/// An AWS Application Load Balancer ingress controller that refuses at `kubectl apply` what would not provision.
#[derive(Debug, Parser)]
#[command(name = "albedo", version = version::line(), about, disable_help_subcommand = true, args_override_self = true)]
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
    /// Write facts of the AWS account to a file, for check and plan.
    Facts(facts::Write),
    /// Explain an annotation, an attribute or the code of a finding; or the state of an Ingress.
    Explain(Box<explain::Explain>),
    /// Print the load balancers that manifests specify.
    Plan(plan::Show),
    /// Report whether a cluster of the AWS Load Balancer Controller is ready for the switch to Albedo; nothing is changed.
    Preflight(Box<preflight::Preflight>),
    /// Verify that an installation refuses a wrong Ingress and not a right one; nothing is stored.
    Verify(verify::Verify),
    /// Print how the load balancers of manifests answer a request, and why.
    Trace(Box<trace::Trace>),
    /// Print the `CustomResourceDefinitions`.
    Crds,
    /// Print the IAM policy of the controller's role.
    IamPolicy(iam::IamPolicy),
    /// Print the webhook configurations.
    WebhookConfig(Box<manifests::WebhookConfig>),
    /// Print objects that check Ingresses while no replica is up.
    Export(export::Export),
}

/// Runs the command line. The exit code is 0 on success, 1 if findings refuse something, 2 if the command could not run.
pub fn main() -> ExitCode {
    // LBC's Deployments start their binary with flags only: this means `run`.
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let bare = arguments.get(1).is_some_and(|first| first.to_string_lossy().starts_with("--"))
        && !arguments.get(1).is_some_and(|first| first == "--help" || first == "--version");
    if bare {
        arguments.insert(1, "run".into());
    }
    if arguments.get(1).is_some_and(|first| first == "run") {
        arguments = flags::without_foreign(arguments);
    }
    let command = Cli::parse_from(arguments).command;
    let outcome = match command {
        Command::Run(flags) => run::run(*flags),
        Command::Check(check) => check.run(),
        Command::Facts(write) => write.run(),
        Command::Explain(explain) => explain.run(),
        Command::Plan(plan) => plan.run(),
        Command::Preflight(preflight) => preflight.run(),
        Command::Verify(verify) => verify.run(),
        Command::Trace(trace) => trace.run(),
        Command::Crds => manifests::crds(),
        Command::IamPolicy(options) => options.run(),
        Command::WebhookConfig(options) => options.run(),
        Command::Export(export) => export.run(),
    };
    outcome.unwrap_or_else(|error| {
        printing::say(&format!("albedo: {error:#}"));
        ExitCode::from(2)
    })
}
