//! A large cluster against AWS's limits, played without a clock: everything is read again while users go on changing things.
//!
//! The buckets are the program's own. Workers take a changed group before one that is only looked at again, as the queue of the reconciler does.
//! docs/scale.md has what this prints (`cargo test --workspace --bin albedo -- scale:: --nocapture`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use albedo_engine::plan::operation::ApiService;
use tokio::time::Instant;

use super::{Buckets, Throttle};
use crate::cloud::metrics::Metrics;

/// How long AWS takes to answer.
const ANSWER: Duration = Duration::from_millis(100);
/// A user changes something that often.
const CHANGES: Duration = Duration::from_secs(30);
/// Reads of a pass of the group that was changed.
const READS_OF_CHANGE: usize = 9;
/// What AWS's bucket of reads gives a second (docs/operations.md).
const RATE: f64 = 10.0;

/// A cluster that is read again as a whole.
struct Resync {
    groups: usize,
    /// Reads of one group.
    reads: usize,
    /// Five by default, and three for groups of one namespace.
    workers: usize,
}

/// What came of it.
#[derive(Debug)]
struct Outcome {
    /// Until every group was read.
    drained: Duration,
    /// The longest that a user's change took, from its arrival on.
    slowest_change: Duration,
    changes: usize,
}

/// What a worker is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    None,
    /// Reads that are left.
    Resync(usize),
    /// Reads that are left, and when it came.
    Change(usize, Instant),
}

impl Resync {
    fn play(&self) -> Outcome {
        let begin = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), Metrics::default(), begin);
        let (mut left, mut next_change) = (self.groups, begin + CHANGES);
        let mut outcome = Outcome { drained: Duration::ZERO, slowest_change: Duration::ZERO, changes: 0 };
        // When a worker acts next. Who asked first for a token gets it first.
        let mut workers: BinaryHeap<Reverse<(Instant, usize, Work)>> =
            (0..self.workers).map(|number| Reverse((begin, number, Work::None))).collect();
        let mut given = begin;
        while let Some(Reverse((now, number, work))) = workers.pop() {
            let (reads, after) = match work {
                Work::None if next_change <= now => {
                    let came = next_change;
                    next_change += CHANGES;
                    workers.push(Reverse((now, number, Work::Change(READS_OF_CHANGE, came))));
                    continue;
                }
                Work::None if left > 0 => {
                    left -= 1;
                    workers.push(Reverse((now, number, Work::Resync(self.reads))));
                    continue;
                }
                // Nothing is left for it.
                Work::None => continue,
                Work::Resync(reads) => (reads, Work::Resync(reads.saturating_sub(1))),
                Work::Change(reads, came) => (reads, Work::Change(reads.saturating_sub(1), came)),
            };
            if reads > 0 {
                given = given.max(now);
                loop {
                    let wait = buckets.try_take(ApiService::Elbv2, "DescribeTags", given);
                    if wait.is_zero() {
                        break;
                    }
                    given += wait;
                }
                workers.push(Reverse((given + ANSWER, number, after)));
                continue;
            }
            match work {
                Work::Change(_, came) => {
                    outcome.slowest_change = outcome.slowest_change.max(now - came);
                    outcome.changes += 1;
                }
                Work::Resync(_) | Work::None => outcome.drained = outcome.drained.max(now - begin),
            }
            workers.push(Reverse((now, number, Work::None)));
        }
        outcome
    }

    /// The shortest time that the bucket allows.
    fn shortest(&self, changes: usize) -> f64 {
        let reads = self.groups * self.reads + changes * READS_OF_CHANGE;
        f64::from(u32::try_from(reads).unwrap()) / RATE
    }
}

#[test]
fn a_change_overtakes_a_resync_of_any_size() {
    for (groups, reads, workers) in
        [(100, 25, 5), (900, 8, 5), (900, 13, 3), (900, 13, 5), (10_000, 8, 3), (10_000, 8, 5), (10_000, 25, 5)]
    {
        let resync = Resync { groups, reads, workers };
        let outcome = resync.play();
        let (drained, shortest) = (outcome.drained.as_secs_f64(), resync.shortest(outcome.changes));
        println!(
            "{groups} groups × {reads} reads, {workers} workers: read in {drained:.0} s; {} changes, the slowest {:.1} s",
            outcome.changes,
            outcome.slowest_change.as_secs_f64()
        );
        assert!(drained <= shortest * 1.02, "{groups} × {reads}: {drained:.0} s, the bucket allows {shortest:.0} s");
        // It waits for a worker to end its pass, and each of its calls for those of the others.
        let most = f64::from(u32::try_from((reads + READS_OF_CHANGE) * workers).unwrap()) / RATE + 2.0;
        let slowest = outcome.slowest_change.as_secs_f64();
        assert!(outcome.changes > 0 && slowest <= most, "{groups} × {reads}: a change took {slowest:.1} s");
    }
}
