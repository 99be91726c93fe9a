//! Inputs that are nearly right, by the million: reviews, manifests, facts. `cargo test` takes a sample of each; `make fuzz` takes RUNS.
//!
//! What a run does follows from its number and `ALBEDO_SEED` alone, so that what one finds can be run again: `RUN=17`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a panic is what a test has for a fault, and the rate is for whoever runs it"
)]

mod account;
mod edits;
mod facts;
mod manifests;
mod reviews;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use albedo_chance::Chance;

fn number<T: FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A target of inputs.
struct Target {
    name: &'static str,
    /// Runs in a sample.
    few: u64,
    /// Bytes of stack, as where the program reads such inputs.
    stack: usize,
}

/// Stack of the threads that answer reviews.
const OF_REVIEWS: usize = 2 << 20;
/// Stack of the main thread, where files are read: a level of YAML takes 30 KiB of it without optimisation.
const OF_FILES: usize = 8 << 20;

/// Runs a target as often as is asked, or a few times, and says which run failed.
fn runs(target: &Target, run: impl Fn(&mut Chance) + Sync) {
    let Target { name, few, stack } = *target;
    let (seed, runs) = (albedo_chance::seed(), albedo_chance::runs(few));
    let threads =
        number("THREADS").or_else(|| std::thread::available_parallelism().ok()).map_or(1, std::num::NonZero::get);
    let (next, began) = (AtomicU64::new(runs.start), Instant::now());
    let work = || loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        if at >= runs.end {
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(|| run(&mut Chance::of_run(at))));
        assert!(result.is_ok(), "{name}: run {at} failed; ALBEDO_SEED={seed} RUN={at} does it again");
    };
    std::thread::scope(|scope| {
        let worker = |_| std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, work).expect("a thread");
        let workers: Vec<_> = (0..threads).map(worker).collect();
        for worker in workers {
            worker.join().expect("a run failed, see above");
        }
    });
    let took = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = (runs.end - runs.start) as f64 / took;
    eprintln!("{name}: {} runs in {took:.0} s, {rate:.0} a second", runs.end - runs.start);
}
