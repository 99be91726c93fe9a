//! A registered target as the load balancer knows it: where it is, whether it is healthy, what runs on it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use albedo_engine::stack::{Protocol, ProtocolVersion, Target, TargetHealth};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::address::dialled;
use crate::aws::Report;
use crate::bodies::Cut;
use crate::dial::{self, TargetClient};
use crate::health::{self, Judgement};
use crate::reports::Reports;
use crate::snapshot::{Group, Snapshot};

/// Seconds that running requests of a target that is deregistered get, if its target group says nothing:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#deregistration-delay>.
const DEREGISTRATION_DELAY: u64 = 300;

/// What tells targets apart: group, id, port.
type Key = (String, String, u16);

/// A target.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) target: Target,
    /// `None`: its address is not one that is dialled.
    pub(crate) at: Option<SocketAddr>,
    pub(crate) protocol: Protocol,
    pub(crate) version: ProtocolVersion,
    pub(crate) client: Option<TargetClient>,
    judgement: Mutex<Judgement>,
    outstanding: AtomicUsize,
    cut: watch::Sender<bool>,
}

/// A request that runs on a target.
#[derive(Debug)]
pub(crate) struct Outstanding(Arc<Backend>);

impl Outstanding {
    /// Ends when the time of its target is over.
    pub(crate) fn cut(&self) -> Cut {
        self.0.cut()
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backend {
    fn new(target: Target, at: Option<SocketAddr>, group: &Group) -> Self {
        let (protocol, version) = (group.is.protocol, group.is.protocol_version);
        Self {
            target,
            at,
            protocol,
            version,
            client: at.map(|at| dial::client(at, protocol, version)),
            judgement: Mutex::new(Judgement::default()),
            outstanding: AtomicUsize::new(0),
            cut: watch::Sender::new(false),
        }
    }

    /// A request begins; it runs until this is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Outstanding {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        Outstanding(self.clone())
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// Ends when the target's time is over.
    pub(crate) fn cut(&self) -> Cut {
        let mut cut = self.cut.subscribe();
        Box::pin(async move {
            if cut.wait_for(|cut| *cut).await.is_err() {
                // The sender is gone: this connection is not cut any more.
                std::future::pending::<()>().await;
            }
        })
    }

    /// What AWS would say of it.
    pub(crate) fn health(&self) -> TargetHealth {
        let judgement = self.judgement.lock().unwrap_or_else(PoisonError::into_inner);
        TargetHealth {
            target: self.target.clone(),
            state: judgement.state().to_owned(),
            reason: None,
            description: None,
        }
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.judgement.lock().unwrap_or_else(PoisonError::into_inner).is_healthy()
    }

    /// Takes a check's result into account; `Some` if there is news.
    pub(crate) fn judge<T>(&self, with: impl FnOnce(&mut Judgement) -> T) -> T {
        with(&mut self.judgement.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A target and who checks its health.
#[derive(Debug)]
struct Held {
    backend: Arc<Backend>,
    /// What the checker goes by.
    check: albedo_engine::stack::HealthCheck,
    checker: JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.checker.abort();
    }
}

/// All targets of a region.
#[derive(Debug)]
pub(crate) struct Backends {
    held: Mutex<BTreeMap<Key, Held>>,
    by_group: RwLock<BTreeMap<String, Vec<Arc<Backend>>>>,
    reports: Arc<Reports>,
    /// How long a second of AWS's settings is.
    second: Duration,
}

impl Backends {
    pub(crate) fn new(reports: Arc<Reports>, second: Duration) -> Self {
        Self { held: Mutex::default(), by_group: RwLock::default(), reports, second }
    }

    /// The targets of a group that get new requests.
    pub(crate) fn of(&self, group: &str) -> Vec<Arc<Backend>> {
        let by_group = self.by_group.read().unwrap_or_else(PoisonError::into_inner);
        by_group.get(group).cloned().unwrap_or_default()
    }

    /// Takes up new targets, and lets go of those that are no longer registered.
    pub(crate) fn follow(&self, snapshot: &Snapshot) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = std::mem::take(&mut *held);
        let mut by_group: BTreeMap<String, Vec<Arc<Backend>>> = BTreeMap::new();
        for (arn, group) in snapshot.groups.iter().filter(|(_, group)| group.used) {
            for target in &group.targets {
                let key = (arn.clone(), target.id.clone(), target.port);
                let one = self.kept(left.remove(&key), arn, group, target, snapshot);
                by_group.entry(arn.clone()).or_default().push(one.backend.clone());
                held.insert(key, one);
            }
        }
        *self.by_group.write().unwrap_or_else(PoisonError::into_inner) = by_group;
        for (key, gone) in left {
            let delay = snapshot
                .groups
                .get(&key.0)
                .map_or(0, |group| group.number("deregistration_delay.timeout_seconds", DEREGISTRATION_DELAY));
            self.let_go(key, &gone, delay);
        }
    }

    fn kept(&self, old: Option<Held>, arn: &str, group: &Group, target: &Target, snapshot: &Snapshot) -> Held {
        let at = address(target, snapshot);
        let same = old.filter(|old| old.backend.at == at && old.backend.version == group.is.protocol_version);
        let check = group.is.health_check.clone();
        match same {
            Some(same) if same.check == check => same,
            other => {
                let backend = other
                    .as_ref()
                    .map_or_else(|| Arc::new(Backend::new(target.clone(), at, group)), |other| other.backend.clone());
                let checking =
                    health::check(backend.clone(), arn.to_owned(), check.clone(), self.reports.clone(), self.second);
                Held { backend, check, checker: tokio::spawn(checking) }
            }
        }
    }

    /// No new requests; running ones get the rest of the deregistration delay.
    fn let_go(&self, (group, id, port): Key, gone: &Held, delay: u64) {
        let cut = gone.backend.clone();
        let after = self.second.saturating_mul(u32::try_from(delay).unwrap_or(u32::MAX));
        // The task ends by itself.
        drop(tokio::spawn(async move {
            tokio::time::sleep(after).await;
            cut.cut.send_replace(true);
        }));
        let report = Report { group, target: Some((id, port)), state: None, reason: None };
        self.reports.put(report);
    }

    /// Ends everything; returns the reports that withdraw the health that was reported.
    pub(crate) fn taken_back(&self) -> Vec<Report> {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        let reports = held.into_keys().map(|(group, id, port)| Report {
            group,
            target: Some((id, port)),
            state: None,
            reason: None,
        });
        reports.collect()
    }
}

/// Where a target is: an address for itself, an instance by its private address.
fn address(target: &Target, snapshot: &Snapshot) -> Option<SocketAddr> {
    let address = target.id.parse().ok().or_else(|| snapshot.instances.get(&target.id).copied())?;
    let at = dialled(address);
    if at.is_none() {
        tracing::warn!(target = target.id, "the address of a target stands for no loopback address; it is not dialled");
    }
    Some(SocketAddr::new(at?, target.port))
}
