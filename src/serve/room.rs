//! Memory for large bodies: limited for all together, and taken from slow clients while others wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How long an incomplete body may take while others wait. Bodies from the API server are complete long before.
const UNDISTURBED: Duration = Duration::from_millis(500);
/// Pause between two checks for slow clients.
const LOOK: Duration = Duration::from_millis(100);

/// The memory budget of one server.
#[derive(Debug)]
pub(super) struct Room {
    /// Bytes.
    most: usize,
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    shares: BTreeMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    bytes: usize,
    since: Instant,
    /// `None` when the body is complete.
    cut: Option<CancellationToken>,
}

/// The share of one body, returned when dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    id: u64,
    /// Others need the memory.
    pub(super) cut: CancellationToken,
}

impl Room {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default(), freed: Notify::new() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A share without bytes yet.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        let (cut, mut held) = (CancellationToken::new(), self.held());
        held.next += 1;
        let id = held.next;
        held.shares.insert(id, Holder { bytes: 0, since: Instant::now(), cut: Some(cut.clone()) });
        Share { room: Arc::clone(self), id, cut }
    }
}

impl Share {
    /// Grows the share to this size, waiting at most `patience` for others; false if there is no room.
    pub(super) async fn grow(&self, bytes: usize, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let freed = self.room.freed.notified();
            if self.try_grow(bytes) {
                return true;
            }
            if self.cut.is_cancelled() || Instant::now() >= deadline {
                return false;
            }
            // A client may become slow although no memory is returned.
            let _ = timeout(LOOK, freed).await;
        }
    }

    fn try_grow(&self, bytes: usize) -> bool {
        let mut held = self.room.held();
        let others: usize = held.shares.iter().filter(|(id, _)| **id != self.id).map(|(_, holder)| holder.bytes).sum();
        if others + bytes <= self.room.most {
            if let Some(holder) = held.shares.get_mut(&self.id) {
                holder.bytes = bytes;
            }
            return true;
        }
        let slow = held.shares.iter().filter(|(id, holder)| {
            **id != self.id && holder.bytes > 0 && holder.cut.is_some() && holder.since.elapsed() >= UNDISTURBED
        });
        if let Some((_, holder)) = slow.min_by_key(|(_, holder)| holder.since)
            && let Some(cut) = &holder.cut
        {
            cut.cancel();
        }
        false
    }

    /// The body is complete: from now on the share is kept until its review ends.
    pub(super) fn whole(&self) {
        if let Some(holder) = self.room.held().shares.get_mut(&self.id) {
            holder.cut = None;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.held().shares.remove(&self.id);
        self.room.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_slow_gives_way_and_who_is_whole_does_not() {
        let room = Room::new(10);
        let (slow, whole) = (room.share(), room.share());
        assert!(slow.grow(5, Duration::ZERO).await && whole.grow(5, Duration::ZERO).await);
        whole.whole();
        let late = room.share();
        let cut = slow.cut.clone();
        let holder = tokio::spawn(async move {
            slow.cut.cancelled().await;
            drop(slow);
        });
        assert!(late.grow(5, Duration::from_secs(2)).await);
        assert!(cut.is_cancelled());
        holder.await.unwrap();
        late.whole();
        assert!(!room.share().grow(1, LOOK).await);
        drop(whole);
        assert!(room.share().grow(5, Duration::ZERO).await);
    }
}
