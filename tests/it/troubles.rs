//! A table of troubles: each step of a walk with one trouble in it ends as it does without.
//!
//! A cell is a step, a row (what is met) and a column (how). The rounds of a table are walks that have a cell in each step; some are made
//! side by side. A walk that ends otherwise is given up, and what was left of its round is made on another fixture.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use albedo_testenv::Refusal;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::fixture::SOON;
use crate::walk::{Done, Walk};

/// What goes wrong in a step.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// A fault of the emulator.
    Aws(Value),
    /// What the gate refuses of what is sent to Kubernetes.
    Kubernetes(Refusal),
    /// All connections to Kubernetes are cut so often, and then something is refused.
    Cut(usize, Vec<Refusal>),
}

/// One step with one trouble in it.
#[derive(Debug, Clone)]
pub struct Cell {
    pub step: usize,
    pub row: String,
    pub column: String,
    pub trouble: Trouble,
    /// By when all has to be as it is without.
    pub limit: Duration,
}

/// A walk with at most one cell in each step.
pub type Round = Vec<Cell>;

/// How a cell ended.
#[derive(Debug)]
enum Outcome {
    Same,
    /// What was to be met did not come.
    NotMet,
    Other(String),
}

/// The cells that `ALBEDO_CELLS` names, as a report names them (`elbv2 AddTags, slow ×3, leave; ec2 CreateTags`: names or parts of names,
/// separated by semicolons), or all of them.
pub fn chosen(mut cells: Vec<Cell>, steps: &[&str]) -> Result<Vec<Cell>> {
    let Ok(named) = std::env::var("ALBEDO_CELLS") else { return Ok(cells) };
    let named: Vec<&str> = named.split(';').map(str::trim).filter(|part| !part.is_empty()).collect();
    let name = |cell: &Cell| format!("{}, {}, {}", cell.row, cell.column, steps[cell.step]);
    cells.retain(|cell| named.iter().any(|part| name(cell).contains(part)));
    ensure!(!cells.is_empty(), "ALBEDO_CELLS names no cell: {named:?}");
    Ok(cells)
}

/// Rounds of cells, shuffled, so that each holds at most one of a step and the first ones are a fair sample.
pub fn rounds(cells: Vec<Cell>, steps: usize, seed: usize) -> Vec<Round> {
    let mut by_step: Vec<Vec<Cell>> = vec![Vec::new(); steps];
    for cell in cells {
        by_step[cell.step].push(cell);
    }
    for (step, cells) in by_step.iter_mut().enumerate() {
        for at in (1..cells.len()).rev() {
            cells.swap(at, mixed(seed, step, at) % (at + 1));
        }
    }
    let most = by_step.iter().map(Vec::len).max().unwrap_or_default();
    let of = |round: usize| by_step.iter().filter_map(|cells| cells.get(round).cloned()).collect();
    (0..most).map(of).collect()
}

/// A number that seems random and is the same in every run.
pub fn mixed(seed: usize, a: usize, b: usize) -> usize {
    let all = [seed, a, b].iter().fold(0x9e37_79b9_7f4a_7c15_usize, |all, part| {
        (all ^ part).wrapping_mul(0xff51_afd7_ed55_8ccd_usize).rotate_left(31)
    });
    all >> 7
}

/// From so many cells on it is no chance how many are met.
const MANY: usize = 40;

/// What came of the cells of a table.
#[derive(Default)]
pub struct Table {
    cells: BTreeMap<(String, String), Vec<(&'static str, Outcome)>>,
    columns: Vec<String>,
}

/// Walks that are made until none is left, or the time is over.
pub struct Course<'a, F> {
    pub open: F,
    pub columns: Vec<String>,
    pub rounds: Mutex<Vec<Round>>,
    pub until: Instant,
    pub table: &'a Mutex<Table>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A walk that has been made once without trouble.
pub struct Walked {
    pub walk: Walk,
    pub done: Vec<Done>,
}

impl Walked {
    pub async fn first(mut walk: Walk) -> Result<Self> {
        let done = walk.first().await?;
        Ok(Self { walk, done })
    }
}

impl<F: AsyncFn() -> Result<Walk>> Course<'_, F> {
    /// Makes all rounds, so many side by side; the first walker starts with a walk that is there already.
    pub async fn run(&self, first: Walked, side_by_side: usize) -> Result<()> {
        lock(self.table).columns.clone_from(&self.columns);
        let mut ready: Vec<Option<Walked>> = vec![Some(first)];
        ready.resize_with(side_by_side.max(1), || None);
        let walkers = ready.into_iter().map(|walked| self.walker(walked));
        futures::future::join_all(walkers).await.into_iter().collect::<Result<Vec<()>>>().map(drop)
    }

    async fn walker(&self, mut walked: Option<Walked>) -> Result<()> {
        loop {
            let next = if Instant::now() < self.until { lock(&self.rounds).pop() } else { None };
            let Some(round) = next else { break };
            let mut at = match walked.take() {
                Some(at) => at,
                None => Walked::first((self.open)().await?).await?,
            };
            if self.round(&mut at, round).await? {
                walked = Some(at);
            } else {
                // Its end tells nothing more.
                let _ = at.walk.close().await;
            }
        }
        match walked {
            Some(at) => at.walk.close().await,
            None => Ok(()),
        }
    }

    /// One walk; false if it cannot be gone on with.
    async fn round(&self, at: &mut Walked, round: Round) -> Result<bool> {
        let names = at.walk.names();
        for (index, done) in at.done.iter().enumerate() {
            let name = names.get(index).copied().unwrap_or_default();
            let Some(cell) = round.iter().find(|cell| cell.step == index) else {
                at.walk.step(index, done, SOON).await.with_context(|| format!("{name}, without trouble"))?;
                continue;
            };
            let (met, ended) = with(&mut at.walk, cell, index, done).await?;
            let outcome = match ended {
                Ok(()) if met => Outcome::Same,
                Ok(()) => Outcome::NotMet,
                Err(error) => Outcome::Other(format!("{error:#}")),
            };
            let failed = matches!(outcome, Outcome::Other(_));
            lock(self.table).cells.entry((cell.row.clone(), cell.column.clone())).or_default().push((name, outcome));
            if failed {
                let rest: Round = round.into_iter().filter(|cell| cell.step > index).collect();
                if !rest.is_empty() {
                    lock(&self.rounds).push(rest);
                }
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A step with its trouble: whether that was met, and how the step ended.
async fn with(walk: &mut Walk, cell: &Cell, index: usize, done: &Done) -> Result<(bool, Result<()>)> {
    let (emulator, region) = (walk.fixture.base().test_env.clone(), walk.fixture.scope.region.clone());
    match &cell.trouble {
        Trouble::Aws(fault) => {
            emulator.emulator().faults(&region, &json!([fault])).await?;
            let ended = walk.step(index, done, cell.limit).await;
            let met = emulator.emulator().struck(&region).await? > 0;
            emulator.emulator().faults(&region, &json!([])).await?;
            Ok((met, ended))
        }
        Trouble::Kubernetes(refusal) => {
            walk.gate.refuse(&[*refusal]);
            let ended = walk.step(index, done, cell.limit).await;
            let met = walk.gate.refused() > 0;
            walk.gate.refuse(&[]);
            Ok((met, ended))
        }
        Trouble::Cut(times, refusals) => {
            let gate = walk.gate.cutter();
            walk.gate.refuse(refusals);
            let times = *times;
            let cutting = async {
                for _ in 0..times {
                    gate.cut();
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            };
            let (ended, ()) = futures::future::join(walk.step(index, done, cell.limit), cutting).await;
            let met = refusals.is_empty() || walk.gate.refused() > 0;
            walk.gate.refuse(&[]);
            Ok((met, ended))
        }
    }
}

impl Table {
    /// The table as text, and each cell that ended otherwise.
    pub fn text(&self) -> String {
        let rows: std::collections::BTreeSet<&String> = self.cells.keys().map(|(row, _)| row).collect();
        let wide = rows.iter().map(|row| row.len()).max().unwrap_or_default();
        let columns: Vec<usize> = self.columns.iter().map(|column| column.len().max(5)).collect();
        let mut text = format!("{:wide$}", "");
        for (column, wide) in self.columns.iter().zip(&columns) {
            let _ = write!(text, " | {column:>wide$}", wide = *wide);
        }
        text.push('\n');
        for row in rows {
            let _ = write!(text, "{row:wide$}");
            for (column, wide) in self.columns.iter().zip(&columns) {
                let cell = self.cells.get(&(row.clone(), column.clone())).map(|all| shown(all)).unwrap_or_default();
                let _ = write!(text, " | {cell:>wide$}", wide = *wide);
            }
            text.push('\n');
        }
        for ((row, column), all) in &self.cells {
            for (step, outcome) in all {
                if let Outcome::Other(why) = outcome {
                    let _ = writeln!(text, "\n{row}, {column}, {step}:\n{why}");
                }
            }
        }
        text
    }

    /// How many cells were met, how many were not, how many ended otherwise.
    pub fn counts(&self) -> (usize, usize, usize) {
        let all = || self.cells.values().flatten().map(|(_, outcome)| outcome);
        let count = |is: fn(&Outcome) -> bool| all().filter(|one| is(one)).count();
        let (same, other) = (count(|one| matches!(one, Outcome::Same)), count(|one| matches!(one, Outcome::Other(_))));
        (same + other, count(|one| matches!(one, Outcome::NotMet)), other)
    }

    /// Each cell ended as without its trouble, and so many were met. Of a few cells chance decides how many are; of many most have to be.
    pub fn holds(&self, least: usize) -> Result<()> {
        let (met, not_met, other) = self.counts();
        let text = self.text();
        eprintln!(
            "{text}\n{met} cells were met, {not_met} were not, {other} ended otherwise (a number: steps that ended as without; -: not met)"
        );
        ensure!(other == 0, "{other} of {met} cells ended otherwise:\n{text}");
        ensure!(
            met >= least && (met < MANY || not_met <= met / 4),
            "{met} cells were met and {not_met} not; {least} are the least"
        );
        Ok(())
    }
}

fn shown(all: &[(&'static str, Outcome)]) -> String {
    let others = all.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Other(_))).count();
    let same = all.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Same)).count();
    match (same, others) {
        (0, 0) => "-".to_owned(),
        (same, 0) => same.to_string(),
        (same, others) => format!("{same} !{others}"),
    }
}
