//! Every trouble that the API server or the way to it can make, in every step of a group's life.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use albedo_testenv::{How, Often, Refusal, Which};
use anyhow::Result;

use crate::base::{Base, minutes};
use crate::crash::{seed, walk};
use crate::fixture::SOON;
use crate::troubles::{Cell, Course, Table, Trouble, Walked, chosen, rounds};

/// Row, which requests are met, what becomes of them.
const ROWS: &[(&str, Which, How)] = &[
    ("429 on writes", Which::Writes("", ""), How::Status(429)),
    ("500 on writes, before", Which::Writes("", ""), How::Status(500)),
    ("500 on writes, after", Which::Writes("", ""), How::After(500)),
    ("403 on writes", Which::Writes("", ""), How::Status(403)),
    ("409 on status", Which::Writes("/status", ""), How::Status(409)),
    ("409 on finalizers", Which::Writes("", "finalizers"), How::Status(409)),
    ("status written by another", Which::Writes("/status", ""), How::Touched),
    ("finalizers written by another", Which::Writes("", "finalizers"), How::Touched),
    ("connection cut on writes", Which::Writes("", ""), How::Cut),
    ("slow writes", Which::Writes("", ""), How::Slow(Duration::from_secs(1))),
    ("429 on everything", Which::All, How::Status(429)),
    ("500 on everything", Which::All, How::Status(500)),
    ("rights taken", Which::All, How::Status(403)),
    ("API server away", Which::All, How::Cut),
];

/// Rows that begin with all connections cut: what the watches then meet.
const WATCHES: &[(&str, &[(Which, How)])] = &[
    ("watches closed", &[]),
    ("watches 410 at once", &[(Which::Watches, How::Status(410))]),
    ("watches expired", &[(Which::Watches, How::Expired)]),
    ("lists 429", &[(Which::Watches, How::Expired), (Which::Lists, How::Status(429))]),
    ("lists 500", &[(Which::Watches, How::Expired), (Which::Lists, How::Status(500))]),
];

/// Column, how often, and how often connections are cut.
const COLUMNS: [(&str, Often, usize); 3] =
    [("once", Often::Times(1), 1), ("3 times", Often::Times(3), 3), ("for 3 s", Often::For(Duration::from_secs(3)), 8)];

fn cells(steps: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for step in 0..steps {
        for (column, often, cuts) in COLUMNS {
            let mut cell = |row: &str, trouble| {
                cells.push(Cell { step, row: row.to_owned(), column: column.to_owned(), trouble, limit: SOON });
            };
            for (row, which, how) in ROWS {
                let refusal = Refusal { which: *which, how: *how, often };
                // What is refused altogether ends what was begun, too.
                let trouble =
                    if *which == Which::All { Trouble::Cut(cuts, vec![refusal]) } else { Trouble::Kubernetes(refusal) };
                cell(row, trouble);
            }
            for (row, met) in WATCHES {
                let refusals = met.iter().map(|&(which, how)| Refusal { which, how, often });
                cell(row, Trouble::Cut(cuts, refusals.collect()));
            }
        }
    }
    cells
}

async fn table(base: Arc<Base>, most: usize, side_by_side: usize, time: Duration) -> Result<()> {
    let walked = Walked::first(walk(&base, "api-troubles").await?).await?;
    let steps = walked.done.len();
    let mut rounds = rounds(chosen(cells(steps), &walked.walk.names())?, steps, seed());
    rounds.truncate(most);
    rounds.reverse();
    let least = rounds.last().map_or(0, Vec::len) / 2;
    let table = Mutex::new(Table::default());
    let columns = COLUMNS.iter().map(|(column, ..)| (*column).to_owned()).collect();
    let open = async || walk(&base, "api-troubles").await;
    // From here on, so that one round is made however long the walk without trouble took.
    let until = Instant::now() + time;
    let course = Course { open, columns, rounds: Mutex::new(rounds), until, table: &table };
    course.run(walked, side_by_side).await?;
    table.lock().map_err(|_| anyhow::anyhow!("a walker panicked"))?.holds(least)
}

/// A sample of the cells: another one with another `ALBEDO_SEED`.
pub async fn some_end_as_without(base: Arc<Base>) -> Result<()> {
    table(base, 1, 1, Duration::from_secs(40)).await
}

/// All of them, or as many as there is time for.
pub async fn all_end_as_without(base: Arc<Base>) -> Result<()> {
    table(base, usize::MAX, 4, minutes("ALBEDO_TROUBLES_MINUTES", 100)).await
}
