//! `make bench-aws` and `make bench-pair`: what Albedo, and the other controller beside it, ask of AWS, counted call by call against the emulator,
//! and the memory, CPU and seconds that they take: load balancers by the dozen created, restarted on, deleted, the edits of a day, reviews.
//!
//! Counts are exact and the same on every machine; seconds and CPU are of this machine and this run. Throttles are lifted: what is counted is the need,
//! not the waiting. What is measured is said in the environment; without any of it, `ALBS=50,300`:
//!
//! | | |
//! |---|---|
//! | `START=0,1000` | from the start until ready, with so many Ingresses |
//! | `ALBS=50,300` | so many load balancers |
//! | `PODS=50x1000` | target groups of so many Pods |
//! | `REVIEWS=200,1000,max` | reviews at so many a second; `SECONDS_EACH` is how long, 10 |
//! | `ALBEDO_BIN`, `PEER` | the program, and a script that starts the other controller with the arguments that it gets |
//! | `TABLE=FILE` | the table as JSON, too |
#![expect(clippy::print_stdout, reason = "the table is what it prints")]
#![forbid(unsafe_code)]

mod course;
mod figures;
mod program;
mod reviews;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};

use course::Course;
use figures::Table;
use program::Program;

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("the bench failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is measured.
struct Parts {
    start: Vec<usize>,
    albs: Vec<usize>,
    pods: Option<(usize, usize)>,
    /// None: as many as it takes.
    reviews: Vec<Option<u32>>,
    seconds: u64,
}

impl Parts {
    fn read() -> Result<Self> {
        let pods = said("PODS").map(|pods| {
            let (groups, each) = pods.split_once('x').with_context(|| format!("PODS={pods}: write 50x1000"))?;
            anyhow::Ok((groups.parse()?, each.parse()?))
        });
        let reviews = said("REVIEWS").map_or(Ok(Vec::new()), |rates| {
            let rate = |rate: &str| if rate == "max" { Ok(None) } else { rate.parse().map(Some) };
            rates.split(',').map(|one| rate(one.trim()).with_context(|| format!("REVIEWS={rates}"))).collect()
        });
        let mut parts = Self {
            start: numbers("START")?,
            albs: numbers("ALBS")?,
            pods: pods.transpose()?,
            reviews: reviews?,
            seconds: said("SECONDS_EACH").map_or(Ok(10), |text| text.parse().context("SECONDS_EACH"))?,
        };
        if parts.start.is_empty() && parts.albs.is_empty() && parts.pods.is_none() && parts.reviews.is_empty() {
            parts.albs = vec![50, 300];
        }
        Ok(parts)
    }

    async fn measure(&self, program: &Program, table: &mut Table) -> Result<()> {
        if !self.start.is_empty() {
            let mut course = Course::start(program, 1, "off").await?;
            let ran = course.starts(&self.start, table).await;
            ended(course, ran).await?;
        }
        for size in &self.albs {
            let mut course = Course::start(program, *size, "off").await?;
            let ran = course.run(table).await;
            ended(course, ran).await?;
        }
        if let Some((groups, each)) = self.pods {
            let mut course = Course::start(program, 1, "off").await?;
            let ran = course.targets(groups, each, table).await;
            ended(course, ran).await?;
        }
        if !self.reviews.is_empty() {
            let mut course = Course::start(program, reviews::MEMBERS, "enforce").await?;
            let ran = course.reviews(&self.reviews, self.seconds, table).await;
            ended(course, ran).await?;
        }
        Ok(())
    }
}

async fn bench() -> Result<()> {
    let (parts, albedo) = (Parts::read()?, binary()?);
    let mut programs = vec![Program::albedo(albedo.clone())];
    if let Some(script) = said("PEER") {
        programs.push(Program::peer(std::path::absolute(script)?, albedo));
    }
    let mut table = Table::default();
    for program in &programs {
        parts.measure(program, &mut table).await.with_context(|| program.name)?;
    }
    table.print();
    if let Some(file) = said("TABLE") {
        std::fs::write(&file, format!("{:#}\n", table.json())).with_context(|| file)?;
    }
    Ok(())
}

async fn ended(course: Course, ran: Result<()>) -> Result<()> {
    let log = course.log_tail();
    course.stop().await?;
    ran.with_context(|| log)
}

/// What the environment says, if it says anything.
fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn numbers(name: &str) -> Result<Vec<usize>> {
    let Some(text) = said(name) else { return Ok(Vec::new()) };
    text.split(',').map(|one| one.trim().parse().with_context(|| format!("{name}={text}"))).collect()
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
