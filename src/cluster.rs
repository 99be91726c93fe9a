//! The edge towards Kubernetes: watches tell the world, writes carry a resourceVersion, events say what happened.

mod change;
mod crds;
mod decode;
mod error;
mod events;
mod feed;
mod lease;
mod metrics;
mod objects;
mod secrets;
mod serving;
mod status;
#[cfg(test)]
mod tests;
mod trouble;
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
pub use lease::Tenure;
pub use metrics::Metrics;
pub use serving::{Registered, ServingSecret};
pub use status::Host;
pub use trouble::{Trouble, Unreadable, resource};
pub use watch::WatchEnded;

/// Longest wait for a connection to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence within a response. Longer than a watch lives ([`watch`]), or it would cut quiet ones; it is what ends
/// a list whose server went away.
const READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Longest wait until a request is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest duration of one call other than a watch or its list.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How writes are named in `metadata.managedFields`.
const FIELD_MANAGER: &str = "albedo";

/// The cluster: a client, and the world that its watches keep. A clone is another handle to the same.
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
    /// The configuration makes no client: a certificate that cannot be read, say.
    #[error("cannot make a client for the API server at {url}")]
    Client {
        /// The API server.
        url: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

impl Cluster {
    /// A client by a kubeconfig, or by `KUBECONFIG`, `~/.kube/config` or the Pod's service account, whichever comes first.
    ///
    /// It asks the API server nothing yet: an API server that is away at the start is waited for by the watches.
    ///
    /// # Errors
    /// There is no usable configuration.
    pub async fn connect(kubeconfig: Option<&Path>, world: World) -> Result<Self, ConnectError> {
        let mut config = match kubeconfig {
            Some(path) => from_file(path).await?,
            None => Config::infer().await.map_err(|source| ConnectError::NoConfig(Box::new(source)))?,
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        config.write_timeout = Some(WRITE_TIMEOUT);
        // Otherwise the time that a pooled connection lay idle counts as silence of the next response.
        config.reset_reader_on_write = true;
        // A retry inside the client would outlive the lease that allowed a write. Watches and the queue retry.
        config.default_retry = false;
        let url = config.cluster_url.to_string();
        match Client::try_from(config) {
            Ok(client) => Ok(Self::new(client, world)),
            Err(source) => Err(ConnectError::Client { url, source: Box::new(source) }),
        }
    }

    /// With a client that is there already.
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

    /// The client, for what this module doesn't cover. It has no timeout for a whole call: put one around.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// One look at the world, under its lock: nothing slow belongs in here.
    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        // A panic elsewhere can leave one object's edges unfinished; the next change of it mends them, and a controller
        // that goes on is worth more than one that can't read any more.
        look(&self.shared.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the world something that no watch does, a Secret that was read for one. What it touches goes into the feed.
    pub fn tell(&self, tell: impl FnOnce(&mut World) -> Changes) {
        let changes = tell(&mut self.shared.world.write().unwrap_or_else(PoisonError::into_inner));
        self.shared.feed.add(changes);
    }

    /// Where the changes of the world arrive. It has one reader.
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
        // The sender lives as long as `self`: the only error there is can't come.
        let _ = self.shared.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Kinds that have not been listed yet. [`Cluster::troubles`] says why.
    #[must_use]
    pub fn missing(&self) -> Vec<Kind> {
        self.read(World::missing)
    }

    /// Watches that are failing now, each with its mend.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.shared.troubles.current()
    }

    /// Objects that are there and cannot be decoded. The world goes on without them.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.shared.troubles.unreadable()
    }

    /// What is measured here.
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
