//! No gap while rules move: generated pairs of rule sets, each plan played call by call, and its calls against the fewest that
//! any order takes.
//!
//! `PAIRS` says how many pairs (10 000 unless told), `SEED` which the first is. `make exhaustive` takes a million.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is what a test has for a fault"
)]

mod generate;
mod minimum;
mod play;
mod soundness;
mod waiting;

use albedo_engine::plan::{AwsOperation, Operation};

use generate::Pair;
use play::{Found, play};

fn pairs() -> u64 {
    std::env::var("PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

fn first() -> u64 {
    std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Runs a check on every seed, on as many threads as there are processors, and gives back what it found, in no order.
#[expect(clippy::print_stdout, reason = "the rate, for whoever asks for a million")]
fn on_all<T: Send>(seeds: std::ops::Range<u64>, check: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let began = std::time::Instant::now();
    let (seeds, check, count) = (&seeds, &check, seeds.end - seeds.start);
    let found = std::thread::scope(|scope| {
        let part =
            |thread| scope.spawn(move || seeds.clone().skip(thread).step_by(threads).map(check).collect::<Vec<T>>());
        let parts: Vec<_> = (0..threads).map(part).collect();
        parts.into_iter().flat_map(|part| part.join().expect("no seed panics")).collect()
    });
    let took = began.elapsed();
    println!("{count} pairs in {took:.1?} on {threads} threads");
    found
}

#[test]
fn every_request_gets_its_old_or_its_new_answer_all_the_time() {
    on_all(first()..first() + pairs(), |seed| {
        let pair = &Pair::of(seed);
        let plan = pair.plan();
        let found = play(pair, &plan.operations);
        let misroutes = pair.check(&plan);
        assert!(misroutes.is_empty(), "seed {}: {:?}\n{}", pair.seed, misroutes, pair.describe(&plan));
        if !pair.tight {
            let slow = pair.plan_slowly();
            let wrong = play(pair, &slow.operations);
            assert!(wrong.is_empty(), "seed {}: the slow order\n{}", pair.seed, pair.describe(&slow));
        }
        let said: Vec<usize> = plan.gaps.iter().map(|gap| gap.after).collect();
        for Found { after, request } in &found {
            assert!(
                said.contains(after),
                "seed {}: {request} is misrouted after operation {after} and the plan does not say so\n{}",
                pair.seed,
                pair.describe(&plan)
            );
        }
        assert!(
            plan.gaps.is_empty() || pair.tight,
            "seed {}: a gap although there is room\n{}",
            pair.seed,
            pair.describe(&plan)
        );
        assert!(found.len() >= said.len(), "seed {}: a gap that is none\n{}", pair.seed, pair.describe(&plan));
    });
}

/// With the order switched off the test above has to fail: it looks at something.
#[test]
fn another_order_is_found_out() {
    let (mut changed, mut caught) = (0, 0);
    for seed in 0..300 {
        let pair = Pair::of(seed);
        let plan = pair.plan();
        let routing = |operation: &Operation| {
            matches!(
                operation,
                Operation::Aws(
                    AwsOperation::CreateRule { .. } | AwsOperation::ModifyRule { .. } | AwsOperation::DeleteRule { .. }
                )
            )
        };
        if plan.operations.iter().filter(|operation| routing(operation)).count() < 2 || !plan.gaps.is_empty() {
            continue;
        }
        changed += 1;
        // Deletes first, as an order by kind alone would have it.
        let mut reordered = plan.operations.clone();
        reordered.sort_by_key(|operation| !matches!(operation, Operation::Aws(AwsOperation::DeleteRule { .. })));
        let mut backwards = plan.operations.clone();
        backwards.reverse();
        let wrong = !play::play_loosely(&pair, &reordered).is_empty();
        let said = !pair.check(&albedo_engine::plan::Plan { operations: reordered, ..plan.clone() }).is_empty();
        assert_eq!(wrong, said, "seed {seed}: the check before a plan is applied sees what the play sees");
        caught += usize::from(wrong);
        caught += usize::from(!play::play_loosely(&pair, &backwards).is_empty());
    }
    assert!(changed > 50 && caught > changed / 3, "{caught} wrong orders found out of {changed} plans");
}

#[test]
fn calls_are_few() {
    let many = (pairs() / 10).max(200);
    let ratio = |seed| {
        let pair = Pair::small(seed);
        let plan = pair.plan();
        let calls = plan.operations.iter().filter(|operation| play::moves_rules(operation)).count();
        if calls == 0 || !plan.gaps.is_empty() {
            return None;
        }
        let fewest = minimum::fewest(&pair, calls);
        assert!(fewest > 0, "seed {seed}");
        let number = |count: usize| f64::from(u32::try_from(count).expect("a few"));
        Some((pair.tight, number(calls) / number(fewest), seed))
    };
    let found = on_all(first()..first() + many, ratio).into_iter().flatten();
    // At the quota an order without a gap may take a way round: it is worth its calls.
    let (tight, roomy): (Vec<_>, Vec<_>) = found.partition(|(tight, ..)| *tight);
    let [tight, ratios] = [tight, roomy].map(|found| {
        let mut ratios: Vec<(f64, u64)> = found.into_iter().map(|(_, ratio, seed)| (ratio, seed)).collect();
        ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
        ratios
    });
    let tight = tight[tight.len() - 1];
    let (median, most) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    let fewest = ratios.iter().filter(|(ratio, _)| *ratio <= 1.0).count();
    println!(
        "{fewest} of {} pairs take the fewest calls; median {:.2}, most {:.2} (seed {})",
        ratios.len(),
        median.0,
        most.0,
        most.1
    );
    println!("at the quota: most {:.2} (seed {})", tight.0, tight.1);
    let pair = Pair::small(most.1);
    assert!(tight.0 <= 3.0, "at the quota {tight:?}");
    assert!(median.0 <= 1.2 && most.0 <= 1.5, "most {most:?}\n{}", pair.describe(&pair.plan()));
}

/// A gap is reported where no order was found without one; the search is bounded, and of a hundred such gaps at most one
/// can be avoided by an order that it does not try (one that makes a rule that stays into another on the way).
#[test]
fn a_gap_that_is_reported_cannot_be_avoided() {
    let found = on_all(first()..first() + pairs(), |seed| {
        let pair = Pair::small(seed);
        let plan = pair.plan();
        let calls = plan.operations.iter().filter(|operation| play::moves_rules(operation)).count();
        let gap = !plan.gaps.is_empty();
        gap.then(|| (seed, minimum::fewest(&pair, calls + 1) <= calls))
    });
    let gaps: Vec<(u64, bool)> = found.into_iter().flatten().collect();
    let avoidable: Vec<u64> = gaps.iter().filter(|(_, avoidable)| *avoidable).map(|(seed, _)| *seed).collect();
    println!("{} plans with gaps, {} of them avoidable: seeds {avoidable:?}", gaps.len(), avoidable.len());
    let first = avoidable.first().map(|seed| Pair::small(*seed)).map(|pair| pair.describe(&pair.plan()));
    assert!(avoidable.len() <= gaps.len() / 100, "{}", first.unwrap_or_default());
}
