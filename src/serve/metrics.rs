//! Metrics of the server, and the endpoint that prints all metrics.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use albedo_engine::admit::Audit;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::metrics as rows;
use crate::version::{COMMIT, VERSION};

/// The registry with the metrics of all modules, which `/metrics` prints.
pub type SharedRegistry = Arc<Mutex<Registry>>;

/// The labels of `albedo_build_info`; a label that comes here is named in its row too.
const BUILD: [(&str, &str); 2] = [("version", VERSION), ("commit", COMMIT)];

/// Upper limits of the buckets for a review, in seconds. Most reviews take much less than a millisecond.
const REVIEW_BUCKETS: [f64; 11] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    path: &'static str,
    allowed: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    code: &'static str,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    path: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    reason: &'static str,
}

/// The metrics of the server; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    reviews: Family<ReviewLabels, Counter>,
    durations: Family<PathLabels, Histogram, fn() -> Histogram>,
    findings: Family<FindingLabels, Counter>,
    unreadable: Family<PathLabels, Counter>,
    connections: Family<ListenerLabels, Gauge>,
    accepted: Family<ListenerLabels, Counter>,
    cut: Family<ListenerLabels, Counter>,
    handshakes: Family<HandshakeLabels, Counter>,
    not_after: Gauge<i64, AtomicI64>,
    taken: Counter<u64, AtomicU64>,
    refused: Counter<u64, AtomicU64>,
}

impl Metrics {
    /// Registers them.
    #[must_use]
    pub fn new(registry: &SharedRegistry) -> Self {
        let metrics = Self {
            reviews: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(REVIEW_BUCKETS)),
            findings: Family::default(),
            unreadable: Family::default(),
            connections: Family::default(),
            accepted: Family::default(),
            cut: Family::default(),
            handshakes: Family::default(),
            not_after: Gauge::default(),
            taken: Counter::default(),
            refused: Counter::default(),
        };
        metrics.register(registry);
        metrics
    }

    fn register(&self, registry: &SharedRegistry) {
        let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
        rows::REVIEWS.register(&mut registry, self.reviews.clone());
        rows::REVIEW_DURATION.register(&mut registry, self.durations.clone());
        rows::FINDINGS.register(&mut registry, self.findings.clone());
        rows::UNREADABLE_REVIEWS.register(&mut registry, self.unreadable.clone());
        rows::CONNECTIONS.register(&mut registry, self.connections.clone());
        rows::CONNECTIONS_ACCEPTED.register(&mut registry, self.accepted.clone());
        rows::CONNECTIONS_CUT.register(&mut registry, self.cut.clone());
        rows::HANDSHAKE_FAILURES.register(&mut registry, self.handshakes.clone());
        rows::CERTIFICATE_NOT_AFTER.register(&mut registry, self.not_after.clone());
        rows::CERTIFICATES_TAKEN.register(&mut registry, self.taken.clone());
        rows::CERTIFICATES_REFUSED.register(&mut registry, self.refused.clone());
        rows::BUILD.register(&mut registry, Info::new(BUILD.to_vec()));
    }

    pub(super) fn review(&self, path: &'static str, allowed: bool, took: Duration) {
        let allowed = if allowed { "true" } else { "false" };
        self.reviews.get_or_create(&ReviewLabels { path, allowed }).inc();
        self.durations.get_or_create(&PathLabels { path }).observe(took.as_secs_f64());
    }

    pub(super) fn findings(&self, audit: &Audit) {
        for (verdict, codes) in [("denied", &audit.denied), ("warned", &audit.warned)] {
            for code in codes {
                self.findings.get_or_create(&FindingLabels { code: code.row().id, verdict }).inc();
            }
        }
    }

    pub(super) fn unreadable(&self, path: &'static str) {
        self.unreadable.get_or_create(&PathLabels { path }).inc();
    }

    /// Counts a connection until the guard is dropped.
    pub(super) fn connection(&self, listener: &'static str) -> Open {
        let labels = ListenerLabels { listener };
        self.accepted.get_or_create(&labels).inc();
        // From the first connection on there is a sample to compare later ones with.
        drop(self.cut.get_or_create(&labels));
        let open = self.connections.get_or_create_owned(&labels);
        open.inc();
        Open(open)
    }

    pub(super) fn connection_cut(&self, listener: &'static str) {
        self.cut.get_or_create(&ListenerLabels { listener }).inc();
    }

    pub(super) fn handshake_failed(&self, reason: &'static str) {
        self.handshakes.get_or_create(&HandshakeLabels { reason }).inc();
    }

    pub(super) fn certificate_taken(&self, not_after: Option<u64>) {
        self.taken.inc();
        self.not_after.set(not_after.and_then(|end| i64::try_from(end).ok()).unwrap_or(0));
    }

    pub(super) fn certificate_refused(&self) {
        self.refused.inc();
    }
}

/// An open connection in the gauge.
#[derive(Debug)]
pub(super) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// `/metrics` in the `OpenMetrics` text format.
pub(super) fn routes(registry: SharedRegistry) -> Router {
    Router::new().route("/metrics", get(move || std::future::ready(print(&registry))))
}

fn print(registry: &SharedRegistry) -> Response {
    let mut page = String::new();
    let registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
    match text::encode(&mut page, &registry) {
        Ok(()) => {
            let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, format)], page).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
