//! The HTTP server: webhooks over TLS with a certificate that is replaced while it runs, probes and metrics over plain
//! HTTP.
//!
//! | file | what it is |
//! |---|---|
//! | `accept` | the accept loop of a listener and its end |
//! | `slots`, `watched` | places for connections, which one is closed if there is none, and how long each phase may last |
//! | `room` | memory for large bodies |
//! | `tls` | the serving certificate |
//! | `authority` | certificates that Albedo makes itself |
//! | `webhook` | a route for each path of the table of webhooks |
//! | `probes`, `metrics` | `/healthz`, `/readyz`, `/metrics` |
//! | `registration_yaml` | the webhook configurations for `kubectl apply` |

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

mod accept;
mod authority;
mod metrics;
mod probes;
mod registration_yaml;
mod room;
mod slots;
mod tls;
mod watched;
mod webhook;

pub use accept::Limits;
pub use authority::{Pair, Stored, step};
pub use metrics::SharedRegistry;
pub use probes::Readiness;
pub use registration_yaml::registration_yaml;
pub use tls::{Made, PairSource, Source};
pub use webhook::{Decide, Lane};

use crate::liveness::Liveness;
use accept::Listener;
use metrics::Metrics;
use tls::Certificates;

/// The condition of [`Readiness`] that holds while webhooks are answered.
pub const WEBHOOK_CONDITION: &str = "webhook";

/// Connections to the probes and to the metrics, each.
const PLAIN_CONNECTIONS: usize = 64;

/// What is served where. A port of 0 takes a free one, see [`Bound`]. None leaves a listener out.
#[derive(Debug, Clone)]
pub struct Config {
    /// The webhooks.
    pub webhook: Option<Webhook>,
    /// `/healthz` and `/readyz`.
    pub probes: Option<SocketAddr>,
    /// `/metrics`.
    pub metrics: Option<SocketAddr>,
    /// Limits of the webhook listener. The other two use its timeouts, but do not linger and need few connections.
    pub limits: Limits,
}

/// The webhook listener.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Address.
    pub address: SocketAddr,
    /// Where the certificate is.
    pub source: Source,
    /// How often the source is looked at.
    pub poll: Duration,
}

/// The addresses of the bound listeners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bound {
    /// The webhooks.
    pub webhook: Option<SocketAddr>,
    /// `/healthz` and `/readyz`.
    pub probes: Option<SocketAddr>,
    /// `/metrics`.
    pub metrics: Option<SocketAddr>,
}

/// Why the server did not start, or ended unexpectedly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cannot listen on an address.
    #[error("cannot listen on {address} for {listener}")]
    Bind {
        /// `webhook`, `probes` or `metrics`.
        listener: &'static str,
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// A task panicked.
    #[error("a task of the server failed")]
    Task(#[source] JoinError),
    /// A task returned before the shutdown.
    #[error("a task of the server ended unexpectedly")]
    Unasked,
}

/// The server.
#[derive(Debug)]
pub struct Serve;

impl Serve {
    /// Binds all listeners and serves until `cancel`. Webhooks are ready, as the condition [`WEBHOOK_CONDITION`] says,
    /// when a certificate was found; connections before that are closed at once.
    ///
    /// At the shutdown the condition becomes false first, then the webhook listener lingers and drains. The probes and metrics
    /// end last, so that they are available all the time.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`].
    pub async fn start(
        config: Config,
        decide: Decide,
        readiness: Readiness,
        liveness: Liveness,
        registry: SharedRegistry,
        cancel: CancellationToken,
    ) -> Result<Handle, Error> {
        let metrics = Metrics::new(&registry);
        let mut tasks = JoinSet::new();
        let mut bound = Bound::default();
        // Cancelled when the webhook listener has drained, or its task has ended for another reason.
        let last = CancellationToken::new();

        let plain = Limits {
            connections: PLAIN_CONNECTIONS,
            of_address: PLAIN_CONNECTIONS / 2,
            linger: Duration::ZERO,
            ..config.limits
        };
        let plain_listeners = [
            ("probes", config.probes, probes::routes(readiness.clone(), liveness), &mut bound.probes),
            ("metrics", config.metrics, metrics::routes(registry), &mut bound.metrics),
        ];
        for (name, address, routes, bound) in plain_listeners {
            let Some(address) = address else { continue };
            let socket = bind(name, address, bound).await?;
            let listener = Listener { name, socket, tls: None, routes, limits: plain, metrics: metrics.clone() };
            tasks.spawn(listener.run(last.clone()));
        }

        let guard = last.drop_guard();
        if let Some(webhook) = config.webhook {
            let socket = bind("webhook", webhook.address, &mut bound.webhook).await?;
            let certificates = Arc::new(Certificates::new(webhook.source.clone(), metrics.clone()));
            let routes: Router = webhook::routes(&decide, config.limits.body, &metrics);
            let tls = Some(Arc::clone(&certificates));
            let listener = Listener { name: "webhook", socket, tls, routes, limits: config.limits, metrics };
            readiness.set(WEBHOOK_CONDITION, false);
            tasks.spawn(watch(certificates, webhook.poll, readiness, cancel.clone()));
            tasks.spawn(run_webhook(listener, cancel.clone(), guard));
        } else {
            tasks.spawn(hold(cancel.clone(), guard));
        }
        Ok(Handle { bound, tasks, cancel })
    }
}

async fn bind(
    listener: &'static str,
    address: SocketAddr,
    bound: &mut Option<SocketAddr>,
) -> Result<TcpListener, Error> {
    let failed = |source| Error::Bind { listener, address, source };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    *bound = Some(socket.local_addr().map_err(failed)?);
    Ok(socket)
}

/// Reloads the certificate, and updates the readiness condition.
async fn watch(certificates: Arc<Certificates>, every: Duration, readiness: Readiness, cancel: CancellationToken) {
    let found = readiness.clone();
    let first = move || found.set(WEBHOOK_CONDITION, true);
    certificates.watch(every, cancel, first).await;
    readiness.set(WEBHOOK_CONDITION, false);
}

async fn run_webhook(listener: Listener, cancel: CancellationToken, guard: DropGuard) {
    listener.run(cancel).await;
    drop(guard);
}

async fn hold(cancel: CancellationToken, guard: DropGuard) {
    cancel.cancelled().await;
    drop(guard);
}

/// A running server.
#[derive(Debug)]
pub struct Handle {
    bound: Bound,
    tasks: JoinSet<()>,
    cancel: CancellationToken,
}

impl Handle {
    /// The addresses of the bound listeners.
    #[must_use]
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// Waits for the end of every task. If one ends unexpectedly, the others are cancelled.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] and [`Error::Unasked`].
    pub async fn join(mut self) -> Result<(), Error> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let asked = self.cancel.is_cancelled();
            self.cancel.cancel();
            if let Err(error) = ended {
                result = Err(Error::Task(error));
            } else if !asked {
                result = Err(Error::Unasked);
            }
        }
        result
    }
}

#[cfg(test)]
mod tests;
