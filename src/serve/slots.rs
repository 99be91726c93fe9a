//! Places for connections, and which connection is closed if there is none: no client can lock out others by many or slow connections.
//!
//! A connection without a running review can be closed at any time: clients open another, and Go's client repeats a request on an
//! idle connection that was closed. So the address with the most connections loses the one that has waited longest.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::accept::Limits;

/// How long a connection must be idle before it is closed for another one of its own address: a burst of one client is not an attack.
const IDLE: Duration = Duration::from_secs(1);
/// How long a handshake may take while others of its address wait for their turn. It usually takes milliseconds.
const TURN: Duration = Duration::from_millis(500);
/// Pause between two looks at who has become slow.
const LOOK: Duration = Duration::from_millis(50);

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was read yet: it waits for handshakes of the same address.
    Queued,
    /// TLS.
    Handshake,
    /// No byte of the next request was received.
    Waiting,
    /// A request line or headers are being received.
    Head,
    /// A body is being received.
    Body,
    /// The request is complete, and the answer is being computed.
    Review,
    /// The answer is being sent.
    Answer,
}

impl Phase {
    /// The order in which connections are closed; `None`: never.
    fn gives_way(self) -> Option<u8> {
        match self {
            Self::Queued | Self::Handshake | Self::Waiting | Self::Head | Self::Answer => Some(0),
            Self::Body => Some(1),
            Self::Review => None,
        }
    }
}

/// All places of a listener.
#[derive(Debug)]
pub(super) struct Slots {
    limits: Limits,
    open: Mutex<Table>,
    /// A connection changed its phase or ended: another one may have its turn now.
    moved: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    address: IpAddr,
    phase: Phase,
    since: Instant,
    cut: CancellationToken,
}

/// Whether it is the turn of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It may begin.
    Come,
    /// Another one was closed: it may begin soon.
    Made,
    /// Others are first.
    Full,
}

/// The place of a connection, free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    /// The connection must be closed.
    pub(super) cut: CancellationToken,
    /// A review was received on it.
    proven: AtomicBool,
    changed: Notify,
}

impl Slots {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, open: Mutex::default(), moved: Notify::new() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection of an address, and whether another one was closed for it. `None` if all are in a review.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<(Slot, bool)> {
        let (now, mut table) = (Instant::now(), self.table());
        let mut gave_way = false;
        if table.count(address) >= self.limits.of_address {
            let idle = |open: &Open| open.address == address && now.duration_since(open.since) >= IDLE;
            gave_way |= table.give_way(|open| idle(open) && open.phase.gives_way() == Some(0));
        }
        if table.open.len() >= self.limits.connections {
            gave_way |= table.give_way(|open| open.phase.gives_way().is_some());
            if table.open.len() >= self.limits.connections {
                return None;
            }
        }
        table.next += 1;
        let (id, cut) = (table.next, CancellationToken::new());
        table.open.insert(id, Open { address, phase: Phase::Queued, since: now, cut: cut.clone() });
        let (proven, changed) = (AtomicBool::new(false), Notify::new());
        Some((Slot { slots: Arc::clone(self), id, cut, proven, changed }, gave_way))
    }
}

impl Table {
    fn count(&self, address: IpAddr) -> usize {
        self.open.values().filter(|open| open.address == address).count()
    }

    /// Whether the handshake of a connection may begin; then it begins. An address may have `most` at a time; the longest wait is next.
    fn turn(&mut self, id: u64, most: usize) -> Turn {
        let Some(address) = self.open.get(&id).map(|open| open.address) else { return Turn::Full };
        let is = |open: &Open, phase| open.address == address && open.phase == phase;
        let next = self.open.iter().find(|(_, open)| is(open, Phase::Queued)).map(|(id, _)| *id);
        if next != Some(id) {
            return Turn::Full;
        }
        let busy = self.open.values().filter(|open| is(open, Phase::Handshake)).count();
        if busy < most {
            if let Some(open) = self.open.get_mut(&id) {
                open.phase = Phase::Handshake;
                open.since = Instant::now();
            }
            return Turn::Come;
        }
        let slow = |open: &Open| is(open, Phase::Handshake) && open.since.elapsed() >= TURN;
        if self.give_way(slow) { Turn::Made } else { Turn::Full }
    }

    /// Closes one of these: first those in the least valuable phase, then, of the address with the most connections, the one
    /// with the longest time in its phase.
    fn give_way(&mut self, may: impl Fn(&Open) -> bool) -> bool {
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for open in self.open.values() {
            *counts.entry(open.address).or_default() += 1;
        }
        let rank = |open: &Open| (open.phase.gives_way(), Reverse(counts.get(&open.address).copied()), open.since);
        let chosen = self.open.iter().filter(|(_, open)| may(open)).min_by_key(|(_, open)| rank(open));
        let Some(id) = chosen.map(|(id, _)| *id) else { return false };
        if let Some(open) = self.open.remove(&id) {
            open.cut.cancel();
        }
        true
    }
}

impl Slot {
    /// The connection enters a phase.
    pub(super) fn enter(&self, phase: Phase) {
        if let Some(open) = self.slots.table().open.get_mut(&self.id)
            && open.phase != phase
        {
            let handshake = std::mem::replace(&mut open.phase, phase) == Phase::Handshake;
            open.since = Instant::now();
            self.changed.notify_one();
            if handshake {
                self.slots.moved.notify_waiters();
            }
        }
    }

    /// Waits for the turn of the handshake, the most expensive operation that a client without credentials can cause. A limited number of
    /// handshakes of one address run at a time; if others wait, the longest one is closed if it is slow. Returns whether one was closed.
    pub(super) async fn turn(&self) -> bool {
        let mut gave_way = false;
        loop {
            let moved = self.slots.moved.notified();
            let turn = self.slots.table().turn(self.id, self.slots.limits.handshakes_of_address);
            match turn {
                Turn::Come => {
                    // Another one waits longer.
                    self.slots.moved.notify_waiters();
                    return gave_way;
                }
                Turn::Made => gave_way = true,
                // A handshake may become slow although no connection changes its phase.
                Turn::Full => drop(timeout(LOOK, moved).await),
            }
        }
    }

    /// The phase, unless the connection must be closed.
    pub(super) fn phase(&self) -> Option<Phase> {
        self.slots.table().open.get(&self.id).map(|open| open.phase)
    }

    /// A review was received on the connection: it may be kept for the next one.
    pub(super) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    /// Returns when the phase has lasted too long.
    pub(super) async fn overdue(&self) {
        loop {
            match self.remaining() {
                None => self.changed.notified().await,
                Some(left) if left.is_zero() => return,
                Some(left) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = sleep(left) => {}
                },
            }
        }
    }

    fn remaining(&self) -> Option<Duration> {
        let limits = &self.slots.limits;
        let (phase, since) = self.slots.table().open.get(&self.id).map(|open| (open.phase, open.since))?;
        let limit = match phase {
            Phase::Queued | Phase::Handshake => limits.handshake,
            Phase::Waiting if self.proven.load(Ordering::Relaxed) => limits.idle,
            Phase::Waiting => limits.first_request,
            Phase::Head | Phase::Answer => limits.head,
            // The reader of the body answers before this.
            Phase::Body => limits.body * 2,
            Phase::Review => return None,
        };
        Some(limit.saturating_sub(since.elapsed()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.table().open.remove(&self.id);
        self.slots.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    #[tokio::test]
    async fn the_address_with_the_most_gives_up_its_longest_idle_one() {
        let slots = Slots::new(Limits { connections: 4, of_address: 4, ..Limits::default() });
        let server = slots.admit(address(1)).unwrap().0;
        let mut others = Vec::new();
        for _ in 0..3 {
            sleep(Duration::from_millis(5)).await;
            others.push(slots.admit(address(2)).unwrap().0);
        }
        let (new, gave_way) = slots.admit(address(1)).unwrap();
        assert!(gave_way && others[0].cut.is_cancelled() && !server.cut.is_cancelled());
        // A connection in a review is never closed; one that sends a body is closed last.
        for slot in others.iter().skip(1).chain([&server]) {
            slot.enter(Phase::Review);
        }
        let (last, _) = slots.admit(address(3)).unwrap();
        assert!(new.cut.is_cancelled());
        last.enter(Phase::Body);
        assert!(slots.admit(address(1)).is_some() && last.cut.is_cancelled());
        drop(others);
        assert!(slots.admit(address(1)).is_some_and(|(_, gave_way)| !gave_way));
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_a_burst_is_none_the_worse() {
        let slots = Slots::new(Limits { connections: 10, of_address: 2, ..Limits::default() });
        let burst: Vec<Slot> = (0..4).map(|_| slots.admit(address(1)).unwrap().0).collect();
        assert!(burst.iter().all(|slot| !slot.cut.is_cancelled()));
        sleep(IDLE).await;
        assert!(slots.admit(address(1)).unwrap().1 && burst[0].cut.is_cancelled());
    }

    #[tokio::test]
    async fn handshakes_of_an_address_take_turns_and_the_slow_give_way() {
        let slots = Slots::new(Limits { handshakes_of_address: 2, ..Limits::default() });
        let soon = async |slot: &Slot| timeout(TURN / 10, slot.turn()).await;
        let open = |n| slots.admit(address(n)).unwrap().0;
        let [one, two, third, fourth] = [(); 4].map(|()| open(1));
        assert_eq!((one.turn().await, two.turn().await), (false, false));
        // Nobody waits on for who is done, nor for another address; the first that came is the first whose turn it is.
        assert!(soon(&third).await.is_err() && soon(&fourth).await.is_err());
        assert_eq!(soon(&open(2)).await, Ok(false));
        two.enter(Phase::Waiting);
        assert!(soon(&fourth).await.is_err());
        assert_eq!(soon(&third).await, Ok(false));
        // Who takes long gives way when its time is over.
        assert!(fourth.turn().await);
        assert!(one.cut.is_cancelled() && !third.cut.is_cancelled() && !two.cut.is_cancelled());
        assert_eq!(fourth.phase(), Some(Phase::Handshake));
    }

    #[tokio::test]
    async fn each_phase_has_its_limit() {
        let [short, long] = [50, 300].map(Duration::from_millis);
        let limits = Limits { first_request: short, head: short, idle: long, ..Limits::default() };
        let slots = Slots::new(limits);
        let (slot, _) = slots.admit(address(1)).unwrap();
        slot.enter(Phase::Review);
        assert!(timeout(long, slot.overdue()).await.is_err());
        for (phase, proven, expected) in [
            (Phase::Waiting, false, short),
            (Phase::Head, false, short),
            (Phase::Waiting, true, long),
            (Phase::Head, true, short),
        ] {
            if proven {
                slot.prove();
            }
            slot.enter(phase);
            let start = Instant::now();
            slot.overdue().await;
            let took = start.elapsed();
            assert!(took >= expected && took < expected + long / 2, "{phase:?} {proven}: {took:?}");
        }
    }
}
