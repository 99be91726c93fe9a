//! A local Application Load Balancer: reads load balancers, listeners, rules and targets from an endpoint that speaks `ELBv2`, and
//! carries the traffic that AWS would carry for them. For tests, demos and people's laptops; throughput is no goal.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! let alb = albedo_alb::Alb::start(albedo_alb::Config::new("http://127.0.0.1:4566", ["us-east-1"])).await?;
//! let served = alb.serves("my-balancer", 0, Duration::from_secs(10)).await?;
//! println!("{} is at {}", served.dns_name, served.address);
//! # Ok(()) }
//! ```
//!
//! Data flows one way: wait for a change, read everything, make a snapshot that never changes, serve by it. Which rule takes a request
//! is decided by `albedo_engine::traffic`, the model that every other part of Albedo uses. Only loopback is ever dialled ([`dialled`]).
#![forbid(unsafe_code)]

mod address;
mod authority;
mod aws;
mod backend;
mod bodies;
mod dial;
mod gate;
mod health;
mod mtls;
mod region;
mod reports;
mod serve;
mod served;
mod snapshot;
mod sticky;
mod tls;
mod transform;
mod trusting;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use address::dialled;
pub use authority::{Authority, CertificateError};
pub use served::{By, Served};

use aws::{Clients, Control};
use backend::Backends;
use gate::Keys;
use reports::Reports;
use serve::{Dice, Site};

/// How often it is looked whether a load balancer serves.
const LOOK: Duration = Duration::from_millis(20);

/// What is served, and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// URL of what answers AWS calls, as `AWS_ENDPOINT_URL`.
    pub endpoint: String,
    /// The regions whose load balancers are served.
    pub regions: Vec<String>,
    /// Id and secret of the access key that calls are signed with. The emulator logs the id as the caller.
    pub access_key: (String, String),
    /// How long a second of AWS's settings is: intervals of health checks, delays, idle timeouts. Tests make it shorter.
    pub second: Duration,
    /// Where the certificate of the test authority is written, as PEM.
    pub authority: Option<PathBuf>,
    /// Whether answers say in `x-albedo-rule` which rule they come from: its priority, or `default`.
    pub tells_rule: bool,
    /// Where on loopback the hosts of identity providers are.
    pub hosts: BTreeMap<String, SocketAddr>,
}

impl Config {
    /// An endpoint's load balancers in some regions, with AWS's own times.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, regions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoint: endpoint.into(),
            regions: regions.into_iter().map(Into::into).collect(),
            access_key: ("albedo-alb".to_owned(), "albedo-alb".to_owned()),
            second: Duration::from_secs(1),
            authority: None,
            tells_rule: false,
            hosts: BTreeMap::new(),
        }
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The test authority cannot be made.
    #[error(transparent)]
    Authority(#[from] CertificateError),
    /// Its certificate cannot be written.
    #[error("{path}: {source}", path = path.display())]
    Written {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A load balancer does not serve in time.
#[derive(Debug, thiserror::Error)]
#[error("the load balancer {name} does not serve version {version} after {within:?}; there are: {there}")]
pub struct NotServed {
    /// Its name.
    pub name: String,
    /// The version that was waited for.
    pub version: u64,
    /// For how long.
    pub within: Duration,
    /// Names of those that serve.
    pub there: String,
}

/// A load balancer that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balancer {
    /// Its name in AWS.
    pub name: String,
    /// Its DNS name in AWS, which no resolver knows.
    pub dns_name: String,
    /// Where it listens.
    pub address: IpAddr,
    /// Ports of its listeners, and where each is served: another port where only an administrator may listen on that one.
    pub ports: Vec<(u16, SocketAddr)>,
}

/// The load balancers of an endpoint, at work until this is stopped or dropped.
#[derive(Debug)]
pub struct Alb {
    sites: Vec<Arc<Site>>,
    controls: Vec<Control>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    authority: Arc<Authority>,
    served: Arc<Served>,
}

impl Alb {
    /// Starts to follow an endpoint. What it holds is served soon after: see [`Alb::serves`].
    ///
    /// # Errors
    ///
    /// When the test authority cannot be made, or its certificate not be written.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let authority = Arc::new(Authority::new()?);
        if let Some(path) = config.authority.clone() {
            let written = tokio::fs::write(&path, authority.pem()).await;
            written.map_err(|source| StartError::Written { path, source })?;
        }
        let served = Arc::new(Served::default());
        let (mut sites, mut controls, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for region in &config.regions {
            let reports = Arc::new(Reports::new());
            let site = Arc::new(Site {
                region: region.clone(),
                snapshot: watch::Sender::default(),
                backends: Backends::new(reports.clone(), config.second),
                served: served.clone(),
                dice: Dice::default(),
                second: config.second,
                tells_rule: config.tells_rule,
                authority: authority.clone(),
                keys: Keys::new(config.hosts.clone()),
                places: Mutex::default(),
            });
            let (id, secret) = &config.access_key;
            let clients = Clients::new(&config.endpoint, region, (id, secret));
            let control = Control { endpoint: config.endpoint.clone(), region: region.clone() };
            tasks.push(tokio::spawn(region::follow(site.clone(), clients, control.clone())));
            tasks.push(tokio::spawn(region::tell(control.clone(), reports)));
            sites.push(site);
            controls.push(control);
        }
        Ok(Self { sites, controls, tasks: Mutex::new(tasks), authority, served })
    }

    /// Waits until a load balancer serves all of its listeners as the endpoint has them at a version: the number that the emulator's
    /// `/albedo/wait` answers after what must be served, or 0 for any.
    ///
    /// # Errors
    ///
    /// When it does not within that time.
    pub async fn serves(&self, name: &str, version: u64, within: Duration) -> Result<Balancer, NotServed> {
        let end = Instant::now() + within;
        loop {
            if self.sites.iter().any(|site| site.serves(name, version))
                && let Some(found) = self.balancers().into_iter().find(|one| one.name == name)
            {
                return Ok(found);
            }
            if Instant::now() > end {
                let there: Vec<String> = self.balancers().into_iter().map(|one| one.name).collect();
                return Err(NotServed { name: name.to_owned(), version, within, there: there.join(", ") });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// All that serve now.
    #[must_use]
    pub fn balancers(&self) -> Vec<Balancer> {
        let of_site = |site: &Arc<Site>| {
            let places = site.places.lock().unwrap_or_else(PoisonError::into_inner);
            let found = places.values().map(|place| Balancer {
                name: place.name.clone(),
                dns_name: place.dns_name.clone(),
                address: place.address,
                ports: place.ports(),
            });
            found.collect::<Vec<_>>()
        };
        self.sites.iter().flat_map(of_site).collect()
    }

    /// Where a DNS name's listener on a port is served.
    #[must_use]
    pub fn at(&self, dns_name: &str, port: u16) -> Option<SocketAddr> {
        let named = |one: &Balancer| one.dns_name.eq_ignore_ascii_case(dns_name);
        let found = self.balancers().into_iter().find(named)?;
        found.ports.into_iter().find(|(listener, _)| *listener == port).map(|(_, at)| at)
    }

    /// How requests were answered.
    #[must_use]
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// The authority that signs the certificates of HTTPS listeners.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Ends everything, and withdraws the health that was reported.
    pub async fn stop(self) {
        self.end();
        for (site, control) in self.sites.iter().zip(&self.controls) {
            let mut reports = site.backends.taken_back();
            reports.push(aws::Report { group: "*".to_owned(), target: None, state: None, reason: None });
            if let Err(error) = control.report(&reports).await {
                tracing::debug!(%error, "health is not taken back");
            }
        }
    }

    fn end(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
        for site in &self.sites {
            site.close();
        }
    }
}

impl Drop for Alb {
    fn drop(&mut self) {
        self.end();
    }
}
