//! `albedo run`: logging, the runtime, and the application.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use super::flags::Run;
use super::printing::Log;
use crate::app;

pub fn run(flags: Run) -> anyhow::Result<ExitCode> {
    logs(&flags.log_level)?;
    cryptography()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(app::run(flags))?;
    Ok(ExitCode::SUCCESS)
}

/// Installs the cryptography for TLS, for the whole process.
pub(super) fn cryptography() -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a provider of cryptography is installed already"))
}

/// Text on a terminal, JSON otherwise, both on standard error.
fn logs(level: &str) -> anyhow::Result<()> {
    // The watches log a failure once a minute with its fix; the client library would log every attempt.
    let filter = format!("{level},kube_client=off,kube_runtime=off");
    let filter = EnvFilter::try_new(filter).with_context(|| format!("--log-level {level}"))?;
    // Without colours, because the output is cleaned of escapes, too.
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Log);
    if std::io::stderr().is_terminal() {
        subscriber.init();
    } else {
        subscriber.json().flatten_event(true).init();
    }
    Ok(())
}
