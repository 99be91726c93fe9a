//! What the checks found and the endpoint has not been told yet: the latest of each target, so that it stays as small as the targets are many.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::aws::Report;

/// Group, and id and port of the target; without a target it is about all of them.
type About = (String, Option<(String, u16)>);

/// Reports that wait to be told.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// `None`: the endpoint takes none.
    waiting: Mutex<Option<BTreeMap<About, Report>>>,
    news: Notify,
}

impl Reports {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::new(Some(BTreeMap::new())), news: Notify::new() }
    }

    /// Adds a report, in the place of an earlier one of the same target.
    pub(crate) fn put(&self, report: Report) {
        if let Some(waiting) = self.lock().as_mut() {
            waiting.insert((report.group.clone(), report.target.clone()), report);
            self.news.notify_one();
        }
    }

    /// Waits until there are some, and takes all of them.
    pub(crate) async fn take(&self) -> Vec<Report> {
        loop {
            let taken = self.lock().as_mut().map(std::mem::take).unwrap_or_default();
            if !taken.is_empty() {
                return taken.into_values().collect();
            }
            self.news.notified().await;
        }
    }

    /// Puts back what could not be told, unless there is something newer.
    pub(crate) fn put_back(&self, reports: Vec<Report>) {
        if let Some(waiting) = self.lock().as_mut() {
            for report in reports {
                waiting.entry((report.group.clone(), report.target.clone())).or_insert(report);
            }
        }
    }

    /// The endpoint takes none, now and later.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeMap<About, Report>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(id: &str, state: &'static str) -> Report {
        Report { group: "g".to_owned(), target: Some((id.to_owned(), 80)), state: Some(state), reason: None }
    }

    #[tokio::test]
    async fn the_latest_of_each_target_is_told() {
        let reports = Reports::new();
        for state in ["initial", "healthy", "unhealthy"] {
            reports.put(report("a", state));
        }
        reports.put(report("b", "healthy"));
        let taken = reports.take().await;
        assert_eq!(taken, [report("a", "unhealthy"), report("b", "healthy")]);
        // What could not be told is told later, but not if it is old by then.
        reports.put(report("a", "healthy"));
        reports.put_back(taken);
        assert_eq!(reports.take().await, [report("a", "healthy"), report("b", "healthy")]);
    }

    #[test]
    fn nothing_is_kept_for_an_endpoint_that_takes_none() {
        let reports = Reports::new();
        reports.put(report("a", "healthy"));
        reports.close();
        reports.put(report("a", "unhealthy"));
        assert!(reports.lock().is_none());
    }
}
