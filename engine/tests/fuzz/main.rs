//! Inputs that are nearly right, by the million: reviews, manifests, facts. `cargo test` takes a sample of each; `make fuzz` takes RUNS.
//!
//! What a run does follows from its number and `ALBEDO_SEED` alone, so that what one finds can be run again: `RUN=17`.
//!
//! The slowest run and the memory of the process are printed. `MOST_MS` and `MOST_MIB` limit them, where nothing else keeps the machine busy and the
//! program is optimised: CPU time of the thread counts, and the kernel counts it by ticks of the scheduler.

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
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
    let slowest = Mutex::new((Duration::ZERO, 0));
    let work = || loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        if at >= runs.end {
            return;
        }
        let before = cpu_time();
        let result = catch_unwind(AssertUnwindSafe(|| run(&mut Chance::of_run(at))));
        assert!(result.is_ok(), "{name}: run {at} failed; ALBEDO_SEED={seed} RUN={at} does it again");
        let took = cpu_time().saturating_sub(before);
        let mut slowest = slowest.lock().expect("the slowest run");
        *slowest = (*slowest).max((took, at));
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
    let (slowest, at) = *slowest.lock().expect("the slowest run");
    let memory = peak_memory();
    eprintln!(
        "{name}: {} runs in {took:.0} s, {rate:.0} a second; the slowest, RUN={at}, took {slowest:?} of CPU; at most {memory} MiB of memory",
        runs.end - runs.start
    );
    let most = number("MOST_MS").map_or(Duration::MAX, Duration::from_millis);
    assert!(slowest <= most, "{name}: run {at} took {slowest:?}; ALBEDO_SEED={seed} RUN={at} does it again");
    let most = number("MOST_MIB").unwrap_or(u64::MAX);
    assert!(memory <= most, "{name}: {memory} MiB of memory");
}

/// CPU time of this thread; zero where there is no Linux to ask.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// The most memory that the process had at once, in MiB; zero where there is no Linux to ask.
fn peak_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<u64> = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    kib.unwrap_or_default() / 1024
}
