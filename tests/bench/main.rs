//! `make bench-aws`: what Albedo asks of AWS, counted call by call against the emulator: load balancers by the dozen created,
//! restarted on, deleted, and the edits of a day.
//!
//! Counts are exact and the same on every machine; seconds and CPU are of this machine and this run. `ALBS=50,300` says how
//! many load balancers, `ALBEDO_BIN` which program. `PODS=50x1000` measures
//! target groups of so many Pods instead. Throttles are lifted: what is counted is the need, not the waiting.
#![expect(clippy::print_stdout, reason = "the table is what it prints")]
#![forbid(unsafe_code)]

mod course;
mod figures;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};

use course::Course;
use figures::Table;

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bench-aws failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<()> {
    let sizes = std::env::var("ALBS").unwrap_or_else(|_| "50,300".to_owned());
    let sizes: Vec<usize> =
        sizes.split(',').map(|n| n.trim().parse().with_context(|| format!("ALBS={sizes}"))).collect::<Result<_>>()?;
    let mut table = Table::default();
    if let Ok(pods) = std::env::var("PODS") {
        let (groups, each) = pods.split_once('x').with_context(|| format!("PODS={pods}: write 50x1000"))?;
        let mut course = Course::start(&binary()?, 1).await?;
        let ran = course.targets(groups.parse()?, each.parse()?, &mut table).await;
        let log = course.log_tail();
        course.stop().await?;
        ran.with_context(|| log)?;
        table.print();
        return Ok(());
    }
    for size in sizes {
        let mut course = Course::start(&binary()?, size).await?;
        let ran = course.run(&mut table).await;
        let log = course.log_tail();
        course.stop().await?;
        ran.with_context(|| log)?;
    }
    table.print();
    Ok(())
}

/// The program to measure.
fn binary() -> Result<PathBuf> {
    let path = match std::env::var_os("ALBEDO_BIN") {
        Some(named) => std::path::absolute(PathBuf::from(named))?,
        None => {
            // target/PROFILE/examples/bench-aws stands beside target/PROFILE/albedo.
            let here = std::env::current_exe()?;
            let folder = here.parent().and_then(std::path::Path::parent).context("the bench is in no folder")?;
            folder.join("albedo")
        }
    };
    ensure!(path.is_file(), "there is no {}: build it, or name a program in ALBEDO_BIN", path.display());
    Ok(path)
}
