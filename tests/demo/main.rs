//! The onlooker's tour, on this machine alone: a real API server and kubectl, an emulated AWS, and Albedo between them.
//!
//! `cargo run --example demo` (after `cargo build`). `ALBEDO_BIN` names another program than the one built beside it; KEEP=1 leaves everything
//! running at the end, until Ctrl-C; `NO_COLOR` is respected. The exit status is 0 when all went as told.
#![expect(clippy::print_stdout, reason = "the tour is what it prints")]
#![expect(clippy::indexing_slicing, reason = "a panic ends the tour, which says so")]
#![expect(clippy::large_futures, reason = "there is one")]
#![forbid(unsafe_code)]

mod screen;
mod setting;
mod tour;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};

use screen::{Ink, Screen};
use setting::Setting;

#[tokio::main]
async fn main() -> ExitCode {
    let screen = Screen::new();
    match show(&screen).await {
        Ok(()) => {
            screen.line("");
            screen.good(&format!("all as promised, in {:.0} s", screen.elapsed().as_secs_f64()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            screen.line("");
            screen.bad(&format!("the tour failed after {:.0} s: {error:#}", screen.elapsed().as_secs_f64()));
            ExitCode::FAILURE
        }
    }
}

async fn show(screen: &Screen) -> Result<()> {
    let binary = binary()?;
    screen.line(&screen.ink(
        Ink::Bold,
        "Albedo: what is admitted will provision, and what would not is refused, with the way to fix it.",
    ));
    screen.heading("A cluster and an account, on this machine alone");
    let setting = unless_interrupted(Setting::start(screen, &binary)).await?;
    let outcome = unless_interrupted(tour::tour(screen, &setting)).await;
    if let Err(error) = &outcome {
        let log = setting.log();
        let last: Vec<&str> = log.lines().rev().take(15).collect();
        screen.line(&screen.ink(Ink::Dim, "\nthe end of Albedo's log:"));
        last.iter().rev().for_each(|line| screen.line(&screen.ink(Ink::Dim, line)));
        screen.line("");
        screen.bad(&format!("{error:#}"));
    }
    if std::env::var_os("KEEP").is_some_and(|value| !value.is_empty()) {
        keep(screen, &setting).await?;
    }
    let stopped = screen.step("everything stopped", setting.stop()).await;
    outcome.and(stopped)
}

/// Ctrl-C ends the work; what it started is stopped by its drop or by whoever holds it.
async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

/// The program to show.
fn binary() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("ALBEDO_BIN") {
        let path = std::path::absolute(PathBuf::from(&named))?;
        ensure!(path.is_file(), "ALBEDO_BIN={}: there is no such file", path.display());
        return Ok(path);
    }
    // target/debug/examples/demo stands beside target/debug/albedo.
    let here = std::env::current_exe()?;
    let folder = here.parent().and_then(std::path::Path::parent).context("the demo is in no folder")?;
    let path = folder.join("albedo");
    if !path.is_file() {
        bail!("there is no {}: run `cargo build` first, or name a program in ALBEDO_BIN", path.display());
    }
    Ok(path)
}

/// Leaves all of it to the onlooker until Ctrl-C.
async fn keep(screen: &Screen, setting: &Setting) -> Result<()> {
    screen.heading("Yours, until Ctrl-C");
    screen.line(&format!("  export KUBECONFIG={}", setting.plane.kubeconfig().display()));
    screen.line(&format!("  export PATH={}:$PATH    # kubectl", setting.plane.bin().display()));
    screen.line(&format!(
        "  export AWS_ENDPOINT_URL={} AWS_REGION={}",
        setting.emulator.endpoint(),
        setting.world.region
    ));
    screen.line("  export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo    # any will do");
    screen.line(&format!("  logs: {}", setting.dir().display()));
    screen.line(&format!(
        "  certificates of HTTPS listeners are signed by {}",
        setting.dir().join("alb-ca.pem").display()
    ));
    let args = ["apply", "-f", "examples/2048.yaml"];
    let out = setting::kubectl(&setting.plane, &args).await?;
    ensure!(out.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    screen.line("\nLoad balancers, and how to ask them:");
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        () = traffic::tell(screen, &setting.alb) => {}
    }
    screen.line("");
    Ok(())
}
