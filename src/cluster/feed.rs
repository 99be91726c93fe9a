//! The changes of the world for the queue: a set, so that with a slow reader no change is lost and no memory grows.

use std::sync::{Mutex, PoisonError};

use albedo_engine::world::Changes;
use tokio::sync::Notify;

/// Units of work that were affected and not taken yet.
///
/// A channel would have to block a watch, or lose a change, if its reader is slow. A unit that is affected twice before
/// it is taken needs only one pass, so this is a set: it never holds more than the number of groups and bindings, however long
/// it is not read.
#[derive(Debug, Default)]
pub struct ChangeFeed {
    touched: Mutex<Changes>,
    arrived: Notify,
}

impl ChangeFeed {
    /// Adds changes; never waits.
    pub fn add(&self, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).extend(changes);
        self.arrived.notify_one();
    }

    /// Takes the present changes, without waiting.
    pub fn take(&self) -> Changes {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for changes and takes all of them. Dropping the future loses none.
    pub async fn next(&self) -> Changes {
        loop {
            let taken = self.take();
            if !taken.is_empty() {
                return taken;
            }
            self.arrived.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use albedo_engine::kinds::Key;
    use albedo_engine::world::Unit;

    use super::*;

    fn unit(name: &str) -> Changes {
        Changes::from([Unit::Binding(Key::new("default", name))])
    }

    #[tokio::test]
    async fn what_is_touched_twice_is_taken_once() {
        let feed = ChangeFeed::default();
        feed.add(unit("a"));
        feed.add(unit("a"));
        feed.add(unit("b"));
        assert_eq!(feed.next().await.len(), 2);
        let rest = tokio::time::timeout(Duration::from_millis(20), feed.next()).await;
        assert!(rest.is_err(), "taken twice: {rest:?}");
    }

    #[tokio::test]
    async fn a_dropped_reader_loses_nothing() {
        let feed = Arc::new(ChangeFeed::default());
        let reader = tokio::spawn({
            let feed = feed.clone();
            async move { feed.next().await }
        });
        tokio::task::yield_now().await;
        reader.abort();
        let _ = reader.await;
        feed.add(unit("a"));
        assert_eq!(feed.next().await, unit("a"));
    }
}
