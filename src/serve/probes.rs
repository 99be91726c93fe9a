//! `/healthz`: the process works, else the answer lists what hangs. `/readyz`: it can do its work, else the answer lists what is missing.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::liveness::Liveness;

/// Named conditions; ready when all of them are true. Clones are the same handle.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, bool>>>);

impl Readiness {
    /// Without conditions, and so ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition or changes it.
    pub fn set(&self, condition: &'static str, holds: bool) {
        let before = self.conditions().insert(condition, holds);
        if before != Some(holds) {
            tracing::info!(condition, holds, "readiness");
        }
    }

    /// The names of the conditions that are false; empty when ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.conditions().iter().filter(|(_, holds)| !**holds).map(|(condition, _)| *condition).collect()
    }

    fn conditions(&self) -> MutexGuard<'_, BTreeMap<&'static str, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `/healthz` and `/readyz`.
pub(super) fn routes(readiness: Readiness, liveness: Liveness) -> Router {
    Router::new()
        .route("/healthz", get(move || std::future::ready(healthy(&liveness))))
        .route("/readyz", get(move || std::future::ready(ready(&readiness))))
}

fn healthy(liveness: &Liveness) -> Response {
    let faults = liveness.faults();
    if !faults.is_empty() {
        // The kubelet does not log what a probe answers, and restarts the container soon.
        tracing::error!(?faults, "/healthz fails");
    }
    unless("stuck", &faults)
}

fn ready(readiness: &Readiness) -> Response {
    unless("not ready", &readiness.missing())
}

/// 200, or 503 with what is wrong.
fn unless<T: Borrow<str>>(what: &str, wrong: &[T]) -> Response {
    match wrong {
        [] => "ok\n".into_response(),
        wrong => (StatusCode::SERVICE_UNAVAILABLE, format!("{what}: {}\n", wrong.join(", "))).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ready_when_every_condition_holds() {
        let readiness = Readiness::new();
        assert!(readiness.missing().is_empty());
        readiness.set("world", false);
        readiness.clone().set("webhook", false);
        assert_eq!(readiness.missing(), ["webhook", "world"]);
        readiness.set("webhook", true);
        assert_eq!(readiness.missing(), ["world"]);
        readiness.set("world", true);
        assert!(readiness.missing().is_empty());
    }

    #[tokio::test]
    async fn healthz_fails_while_a_part_hangs_and_names_it() {
        let liveness = Liveness::new(Duration::from_millis(20));
        let body = async || {
            let response = healthy(&liveness);
            let status = response.status();
            (status, axum::body::to_bytes(response.into_body(), 1000).await.unwrap())
        };
        let pulse = liveness.pulse("the pass of a group");
        assert_eq!(body().await, (StatusCode::OK, "ok\n".into()));
        tokio::time::sleep(Duration::from_millis(40)).await;
        let stuck = "stuck: the pass of a group has made no progress for 0 s\n";
        assert_eq!(body().await, (StatusCode::SERVICE_UNAVAILABLE, stuck.into()));
        pulse.beat();
        assert_eq!(body().await, (StatusCode::OK, "ok\n".into()));
    }
}
