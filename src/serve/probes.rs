//! `/healthz`: the process is alive. `/readyz`: it can do its work, else the answer lists what is missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

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
pub(super) fn routes(readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(|| std::future::ready("ok\n")))
        .route("/readyz", get(move || std::future::ready(ready(&readiness))))
}

fn ready(readiness: &Readiness) -> Response {
    let missing = readiness.missing();
    if missing.is_empty() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", "))).into_response()
    }
}

#[cfg(test)]
mod tests {
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
}
