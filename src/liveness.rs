//! Whether the process still works, for `/healthz`: it fails only for what a restart can repair.
//!
//! That is a part that hangs, and a part that ended although nobody stopped it. AWS or an API server that does not answer is neither: every call has a
//! timeout, so that whatever waits for them goes on. A pass that is throttled for long goes on as well, since each answer of AWS is progress.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Time between two beats of the runtime.
const TICK: Duration = Duration::from_secs(1);
/// A runtime that is late by this much runs no task any more.
const RUNTIME: Duration = Duration::from_mins(1);

/// The parts of the process that have to go on. Clones are the same handle.
#[derive(Debug, Clone)]
pub struct Liveness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// How long a part may go without progress.
    timeout: Duration,
    next: AtomicU64,
    parts: Mutex<BTreeMap<u64, Part>>,
    /// Parts that ended although nobody stopped them.
    ended: Mutex<BTreeSet<&'static str>>,
}

/// A part that is at work.
#[derive(Debug)]
struct Part {
    name: String,
    timeout: Duration,
    beat: Arc<Beat>,
}

/// When there was progress last.
#[derive(Debug)]
struct Beat {
    began: Instant,
    /// Milliseconds from `began` on.
    last: AtomicU64,
}

/// A part at work, until it is dropped.
#[derive(Debug)]
pub struct Pulse {
    id: u64,
    beat: Arc<Beat>,
    of: Liveness,
}

impl Liveness {
    /// No part without a timeout of its own may go for longer than this without progress.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self(Arc::new(Inner { timeout, next: AtomicU64::new(0), parts: Mutex::default(), ended: Mutex::default() }))
    }

    /// A part begins its work.
    #[must_use]
    pub fn pulse(&self, name: impl Into<String>) -> Pulse {
        self.pulse_within(name, self.0.timeout)
    }

    /// The same, with a timeout of its own.
    #[must_use]
    pub fn pulse_within(&self, name: impl Into<String>, timeout: Duration) -> Pulse {
        let beat = Arc::new(Beat { began: Instant::now(), last: AtomicU64::new(0) });
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.0.parts).insert(id, Part { name: name.into(), timeout, beat: beat.clone() });
        Pulse { id, beat, of: self.clone() }
    }

    /// Runs a part that must not end before `stop`, neither by a panic nor by itself.
    pub async fn keep<T>(self, name: &'static str, stop: CancellationToken, work: impl Future<Output = T>) -> T {
        let _end = End { name, stop, of: self };
        work.await
    }

    /// A part has ended although nobody stopped it, and nothing starts it again.
    pub fn ended(&self, name: &'static str) {
        if lock(&self.0.ended).insert(name) {
            tracing::error!(part = name, "ended although nobody stopped it; /healthz fails from now on");
        }
    }

    /// Shows that the runtime runs tasks, as long as it does.
    pub async fn tick(self) {
        self.pulse_within("the runtime", RUNTIME).beat_every(TICK).await;
    }

    /// What is wrong, a text for each part; empty while the process works.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let ended = lock(&self.0.ended);
        let ended = ended.iter().map(|name| format!("{name} ended although nobody stopped it"));
        let parts = lock(&self.0.parts);
        let silent = parts.values().filter_map(|part| {
            let silence = part.beat.silence();
            let hangs = silence > part.timeout;
            hangs.then(|| format!("{} has made no progress for {} s", part.name, silence.as_secs()))
        });
        ended.chain(silent).collect()
    }
}

#[cfg(test)]
impl Liveness {
    /// For how long a part has made no progress.
    pub fn silence(&self, name: &str) -> Option<Duration> {
        lock(&self.0.parts).values().find(|part| part.name == name).map(|part| part.beat.silence())
    }
}

impl Beat {
    fn silence(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

impl Pulse {
    /// There is progress.
    pub fn beat(&self) {
        let millis = u64::try_from(self.beat.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat.last.store(millis, Ordering::Relaxed);
    }

    async fn beat_every(self, pause: Duration) {
        loop {
            tokio::time::sleep(pause).await;
            self.beat();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        lock(&self.of.0.parts).remove(&self.id);
    }
}

/// Looks at the end of a part whether it was stopped.
struct End {
    name: &'static str,
    stop: CancellationToken,
    of: Liveness,
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            self.of.ended(self.name);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_part_that_makes_no_progress_is_a_fault_until_it_goes_on_or_ends() {
        let liveness = Liveness::new(SHORT);
        let (quiet, busy) = (liveness.pulse("quiet"), liveness.pulse("busy"));
        tokio::time::sleep(SHORT * 2).await;
        busy.beat();
        assert_eq!(liveness.faults(), ["quiet has made no progress for 0 s"]);
        quiet.beat();
        assert!(liveness.faults().is_empty());
        tokio::time::sleep(SHORT * 2).await;
        assert_eq!(liveness.faults().len(), 2);
        drop((quiet, busy));
        assert!(liveness.faults().is_empty());
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_is_a_fault() {
        let (liveness, stop) = (Liveness::new(SHORT), CancellationToken::new());
        let panics = tokio::spawn(liveness.clone().keep("panics", stop.clone(), async { panic!("as a defect would") }));
        assert!(panics.await.is_err());
        assert_eq!(liveness.faults(), ["panics ended although nobody stopped it"]);
        liveness.clone().keep("returns", stop.clone(), async {}).await;
        assert_eq!(liveness.faults().len(), 2);
        stop.cancel();
        liveness.clone().keep("stopped", stop, async {}).await;
        assert_eq!(liveness.faults().len(), 2);
    }

    /// A task that blocks its thread keeps a runtime of one thread from running any other.
    #[test]
    fn a_blocked_runtime_does_not_tick() {
        let liveness = Liveness::new(SHORT);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(liveness.pulse("the runtime").beat_every(SHORT / 10));
        std::thread::sleep(SHORT * 3);
        assert!(liveness.faults().is_empty());
        let (blocks, go_on) = std::sync::mpsc::channel::<()>();
        runtime.spawn(async move { go_on.recv() });
        std::thread::sleep(SHORT * 3);
        assert_eq!(liveness.faults().len(), 1);
        drop(blocks);
        std::thread::sleep(SHORT);
        assert!(liveness.faults().is_empty());
    }
}
