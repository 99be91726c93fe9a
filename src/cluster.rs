//! The edge towards Kubernetes: watches update the world, writes have a resourceVersion, events report what happened.

mod change;
mod crds;
mod decode;
mod error;
mod events;
mod feed;
mod gates;
mod lease;
mod metrics;
mod objects;
mod policies;
mod published_facts;
mod secrets;
mod serving;
mod status;
#[cfg(test)]
mod tests;
mod tracked;
mod trouble;
mod version;
mod watch;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use albedo_engine::world::{Changes, Kind, World};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

pub use crds::CRDS;
pub use error::{ReadError, WriteError, with_sources};
pub use events::{Events, Note, Severity, Subject};
pub use feed::ChangeFeed;
pub use lease::LeaseProof;
pub use metrics::Metrics;
pub use policies::WithPolicyStatus;
pub use published_facts::{FactsIndex, FactsPlace, PART, PARTS, StoredIndex};
pub use serving::{Registered, ServingSecret, ServingSecretPatch};
pub use status::Host;
pub use trouble::{Trouble, Unreadable, resource};
pub use watch::{WatchEnded, Watching};

/// Longest wait for a connection to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence within a response. It is longer than the duration of a watch ([`watch`]), because it would end quiet ones; it ends
/// a list whose server is gone.
const READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Longest wait until a request is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest duration of one call other than a watch or its list.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The field manager of writes in `metadata.managedFields`.
const FIELD_MANAGER: &str = "albedo";

/// The cluster: a client, and the world that its watches update. A clone is another handle to the same.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    shared: Arc<Shared>,
}

struct Shared {
    world: RwLock<World>,
    feed: ChangeFeed,
    ready: tokio::sync::watch::Sender<bool>,
    troubles: trouble::Troubles,
    metrics: Metrics,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig that was named cannot be used.
    #[error("cannot use the kubeconfig {path}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// Neither a kubeconfig nor a Pod's service account was found.
    #[error("found neither a kubeconfig nor a Pod's ServiceAccount; name a file with --kubeconfig")]
    NoConfig(#[source] Box<kube::config::InferConfigError>),
    /// No client can be created from the configuration, for example because a certificate cannot be read.
    #[error("cannot create a client for the API server at {url}")]
    Client {
        /// The API server.
        url: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

impl Cluster {
    /// A client from a kubeconfig, or from `KUBECONFIG`, `~/.kube/config` or the Pod's service account, in this order.
    ///
    /// It sends no request yet: if the API server is not available at the start, the watches wait for it.
    ///
    /// # Errors
    /// If there is no usable configuration.
    pub async fn connect(kubeconfig: Option<&Path>, world: World) -> Result<Self, ConnectError> {
        let mut config = match kubeconfig {
            Some(path) => from_file(path).await?,
            None => Config::infer().await.map_err(|source| ConnectError::NoConfig(Box::new(source)))?,
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        config.write_timeout = Some(WRITE_TIMEOUT);
        // Otherwise the idle time of a pooled connection counts as silence of the next response.
        config.reset_reader_on_write = true;
        // A retry inside the client could be sent after the end of the lease. Watches and the queue retry.
        config.default_retry = false;
        let url = config.cluster_url.to_string();
        match Client::try_from(config) {
            Ok(client) => Ok(Self::new(client, world)),
            Err(source) => Err(ConnectError::Client { url, source: Box::new(source) }),
        }
    }

    /// With an existing client.
    #[must_use]
    pub fn new(client: Client, world: World) -> Self {
        let shared = Shared {
            world: RwLock::new(world),
            feed: ChangeFeed::default(),
            ready: tokio::sync::watch::Sender::new(false),
            troubles: trouble::Troubles::default(),
            metrics: Metrics::default(),
        };
        Self { client, shared: Arc::new(shared) }
    }

    /// The client, for calls outside of this module. It has no timeout for a whole call: add one.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Reads the world under its lock: `look` must be fast.
    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        // A panic elsewhere can leave the edges of one object incomplete; its next change completes them. A controller
        // that continues is better than one that can no longer read.
        look(&self.shared.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Updates the world with something that no watch reports, such as a Secret that was read. The affected units go into the feed.
    pub fn tell(&self, tell: impl FnOnce(&mut World) -> Changes) {
        let changes = tell(&mut self.shared.world.write().unwrap_or_else(PoisonError::into_inner));
        self.shared.feed.add(changes);
    }

    /// The feed of changes of the world. It has one reader.
    #[must_use]
    pub fn changes(&self) -> &ChangeFeed {
        &self.shared.feed
    }

    /// Whether each kind has been listed once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// Waits until each kind has been listed once.
    pub async fn ready(&self) {
        // The sender lives as long as `self`, so the only error cannot occur.
        let _ = self.shared.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Kinds that have not been listed yet. [`Cluster::troubles`] says why.
    #[must_use]
    pub fn missing(&self) -> Vec<Kind> {
        self.read(World::missing)
    }

    /// Watches that fail at present, each with its fix.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.shared.troubles.current()
    }

    /// Objects that exist and cannot be decoded. The world does not contain them.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.shared.troubles.unreadable()
    }

    /// The metrics of this module.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }
}

async fn from_file(path: &Path) -> Result<Config, ConnectError> {
    let unusable = |source| ConnectError::Kubeconfig { path: path.to_owned(), source: Box::new(source) };
    let kubeconfig = Kubeconfig::read_from(path).map_err(unusable)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(unusable)
}
