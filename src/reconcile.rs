//! Makes AWS be as the world asks: a queue of units, and a pass for each.

mod account;
mod applying;
mod backend;
mod binding;
#[cfg(debug_assertions)]
mod disorder;
mod group;
mod leaving;
mod lists;
mod measured;
mod metrics;
mod node_rules;
mod observation_cache;
mod observing;
mod ownership;
mod planning;
mod policies;
mod queue;
mod refusals;
mod secrets;
mod settling;
mod troubles;
mod vanished;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use albedo_engine::compile::Cache;
use albedo_engine::report::Reached;
use albedo_engine::settings::Settings;
use albedo_engine::world::{Changes, Unit, View};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cloud::{Cloud, CloudError, on_behalf_of};
use crate::cluster::{Cluster, Events, LeaseProof, ReadError, WriteError, with_sources};
use crate::liveness::Liveness;

pub use account::{Account, Follower, Publisher};
pub use measured::Measured;
pub use metrics::Metrics;
use observation_cache::ObservationCache;
use queue::{Crew, Lane, Queue};
use troubles::Troubles;

/// Bytes of compiled Ingresses that are remembered, of twice as many for a while.
const REMEMBERED: usize = 32 << 20;
/// How often it is looked whether the queue is worked on.
const SUPERVISED: Duration = Duration::from_secs(1);
/// Workers of each crew beyond those that one namespace may keep busy, so that the edits of others are worked on at once.
const FOR_OTHERS: usize = 2;

/// Why a pass could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// AWS refused, or gave no answer.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// AWS refused some operations without which the others are right: those were carried out.
    #[error("{}", joined(.errors))]
    Partly {
        /// What AWS said, in the order of the plan; never empty.
        errors: Vec<CloudError>,
        /// What stands all the same.
        reached: Box<Reached>,
    },
    /// Kubernetes refused a write.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Kubernetes could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A binding's targets cannot be told.
    #[error("{0}")]
    Targets(#[from] albedo_engine::targets::TargetsError),
    /// No target group has the name that a binding gives.
    #[error("no target group is named {0:?} (spec.targetGroupName); it is looked for again")]
    NoTargetGroup(String),
    /// AWS did not take some targets. The others are registered.
    #[error("AWS refused {count} targets, the others are registered; the first is {first}")]
    Refused {
        /// How many.
        count: usize,
        /// One of them, and what AWS said.
        first: String,
    },
    /// What was planned from has changed since.
    #[error("{0}")]
    Stale(String),
    /// A binding that was deleted is still there: what the pass waits for.
    #[error("waiting for {0}")]
    Unreleased(String),
    /// No plan leads to the desired state without misrouting requests on the way: a defect.
    #[error("every plan would misroute requests: {0}")]
    Misrouting(String),
    /// Load balancers cannot be let in to all targets.
    #[error("{0}")]
    Networking(String),
}

impl PassError {
    /// For people: what was refused, its causes, and what to do about it where that is known.
    fn told(&self) -> String {
        let with_fix = |error: &dyn std::error::Error, fix: Option<&str>| {
            fix.map_or_else(|| with_sources(error), |fix| format!("{}; {fix}", with_sources(error)))
        };
        match self {
            Self::Cloud(error) => with_fix(error, error.fix()),
            Self::Partly { errors, .. } => {
                errors.iter().map(|error| with_fix(error, error.fix())).collect::<Vec<_>>().join("; ")
            }
            _ => with_sources(self),
        }
    }

    /// The same for members of a group of several namespaces: nothing that AWS or Kubernetes quotes of what one of them wrote.
    fn outline(&self) -> String {
        match self {
            Self::Cloud(error) => error.outline(),
            Self::Partly { errors, .. } => errors.iter().map(CloudError::outline).collect::<Vec<_>>().join("; "),
            Self::Write(_) => "Kubernetes refused a write".to_owned(),
            Self::Read(_) => "Kubernetes could not be read".to_owned(),
            Self::Misrouting(_) => "every plan would misroute requests".to_owned(),
            Self::Stale(_) => "what was planned from has changed since".to_owned(),
            Self::Unreleased(_) => "a binding that was deleted is still there".to_owned(),
            Self::Targets(_) | Self::NoTargetGroup(_) | Self::Refused { .. } | Self::Networking(_) => {
                "targets cannot be registered or reached".to_owned()
            }
        }
    }

    /// What an Ingress of a view hears of it.
    fn told_in(&self, view: &View) -> String {
        if view.is_of_one_namespace() {
            return self.told();
        }
        format!("{}; all that was said stands in IngressGroup {}", self.outline(), view.group.object_name())
    }

    /// Whether it may pass without anybody doing something.
    fn may_pass(&self) -> bool {
        match self {
            Self::Cloud(error) => error.may_pass(),
            Self::Partly { errors, .. } => errors.iter().all(CloudError::may_pass),
            Self::Write(error) => !matches!(error, WriteError::Forbidden { .. } | WriteError::Invalid { .. }),
            Self::Read(error) => !matches!(error, ReadError::Forbidden { .. }),
            Self::Misrouting(_) => false,
            Self::NoTargetGroup(_) | Self::Refused { .. } => true,
            Self::Targets(_) | Self::Stale(_) | Self::Unreleased(_) | Self::Networking(_) => true,
        }
    }

    /// Whether AWS does not have something that was believed to be there.
    fn is_not_found(&self) -> bool {
        match self {
            Self::Cloud(error) => matches!(error, CloudError::NotFound(_)),
            Self::Partly { errors, .. } => errors.iter().any(|error| matches!(error, CloudError::NotFound(_))),
            _ => false,
        }
    }

    /// Whether AWS answers so for some minutes after a change of ours, and for no other reason that is known.
    fn is_settling(&self) -> bool {
        match self {
            Self::Cloud(error) => error.is_settling(),
            Self::Partly { errors, .. } => errors.iter().all(CloudError::is_settling),
            _ => false,
        }
    }

    /// What stands although the pass did not end well.
    fn reached(&self) -> Reached {
        match self {
            Self::Partly { reached, .. } => (**reached).clone(),
            _ => Reached::default(),
        }
    }

    /// Whether nothing is wrong with any object: the next pass, or the next holder of the lease, does what is left.
    fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Stale(_)
                | Self::Cloud(CloudError::NoLeaseProof { .. })
                | Self::Write(WriteError::NoLeaseProof { .. } | WriteError::Conflict { .. })
        )
    }
}

fn joined(errors: &[CloudError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What a pass leaves to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing until something changes.
    Rest,
    /// Another pass after this time.
    Again(Duration),
    /// As [`Next::Rest`], but it looks again after this time whether AWS has what is missing.
    Look(Duration),
    /// Another pass when what is waited for may be there: soon at first, then less often.
    Wait,
}

/// The reconciler; a clone is another handle to the same.
#[derive(Clone)]
pub struct Reconciler {
    shared: Arc<Shared>,
}

/// What a reconciler works with.
#[derive(Clone)]
pub struct Parts {
    /// Kubernetes.
    pub cluster: Cluster,
    /// AWS.
    pub cloud: Cloud,
    /// Facts of the account.
    pub account: Account,
    /// The operator's decisions.
    pub settings: Arc<Settings>,
    /// Where events go.
    pub events: Events,
    /// What is counted.
    pub metrics: Metrics,
    /// What is measured at each scrape.
    pub measured: Measured,
    /// Whom passes tell that they make progress.
    pub liveness: Liveness,
    /// Units of each crew that are worked on at the same time for one namespace.
    pub workers: usize,
    /// Pause between looks at a load balancer that is not active yet.
    pub stabilization: Duration,
    /// Pause between looks at the health of targets that pods wait for.
    pub gate_pause: Duration,
    /// How long what is known of AWS is believed.
    pub sync_period: Duration,
    /// All namespaces are watched.
    pub watched: String,
}

struct Shared {
    cluster: Cluster,
    cloud: Cloud,
    account: Account,
    settings: Arc<Settings>,
    events: Events,
    /// The right to write, which every write takes.
    lease_proof: LeaseProof,
    /// All namespaces are watched.
    watched: String,
    queue: Queue,
    observations: ObservationCache,
    troubles: Troubles,
    metrics: Metrics,
    liveness: Liveness,
    /// Pause between looks at a load balancer that is not active yet.
    stabilization: Duration,
    /// Pause between looks at the health of targets that pods wait for.
    gate_pause: Duration,
    /// What members were compiled to. A pass compiles those that changed.
    cache: std::sync::Mutex<Cache>,
    /// Held while the shared backend security group is made or deleted: it is nobody's group's own. Since when something keeps it from
    /// being deleted.
    backend: Mutex<Option<Instant>>,
    /// What passes over bindings remember.
    bindings: binding::Memory,
    /// What AWS refused, by the member that brought it in.
    refusals: refusals::Refusals,
    /// Groups that wait until AWS knows of a change.
    settling: settling::Settling,
    /// How many passes over the rules of nodes and pods have begun.
    rules_begun: AtomicU64,
    /// What the last pass over the rules of nodes and pods read.
    node_rules: Mutex<node_rules::Memory>,
}

impl Reconciler {
    /// A reconciler for as long as one lease is held, which does nothing yet.
    #[must_use]
    pub fn new(parts: Parts, lease_proof: LeaseProof) -> Self {
        let Parts { cluster, cloud, account, settings, events, metrics, measured, liveness, .. } = parts;
        let shared = Shared {
            cluster,
            cloud,
            account,
            settings,
            events,
            lease_proof,
            watched: parts.watched,
            queue: Queue::new(parts.workers),
            observations: ObservationCache::new(parts.sync_period),
            troubles: Troubles::default(),
            metrics,
            liveness,
            stabilization: parts.stabilization,
            gate_pause: parts.gate_pause,
            cache: std::sync::Mutex::new(Cache::new(REMEMBERED)),
            backend: Mutex::default(),
            bindings: binding::Memory::default(),
            refusals: refusals::Refusals::default(),
            settling: settling::Settling::default(),
            rules_begun: AtomicU64::new(0),
            node_rules: Mutex::default(),
        };
        let shared = Arc::new(shared);
        measured.follow(&shared);
        Self { shared }
    }

    /// Works until `stop`; ends when the passes that run then are over.
    pub async fn run(&self, stop: CancellationToken) {
        // What changed while another replica was at it: everything is looked at now.
        drop(self.shared.cluster.changes().take());
        self.take(self.everything(), Lane::Resync);
        let mut tasks = JoinSet::new();
        for _ in 0..self.shared.queue.share() + FOR_OTHERS {
            tasks.spawn(self.clone().work(Crew::Groups, stop.clone()));
            tasks.spawn(self.clone().work(Crew::Targets, stop.clone()));
        }
        tasks.spawn(self.clone().listen(stop.clone()));
        tasks.spawn(self.clone().audit(stop.clone()));
        tasks.spawn(self.clone().follow_secrets(stop.clone()));
        tasks.spawn(self.clone().follow_lists(stop.clone()));
        tasks.spawn(self.clone().follow_policies(stop.clone()));
        tasks.spawn(self.clone().supervise(stop));
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the reconciler failed");
                self.shared.liveness.ended("a task of the reconciler");
            }
        }
    }

    /// Tells whether what is due is worked on. Passes that run tell of themselves.
    async fn supervise(self, stop: CancellationToken) {
        let pulse = self.shared.liveness.pulse("the queue");
        while !stop.is_cancelled() {
            if !self.shared.queue.is_neglected() {
                pulse.beat();
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(SUPERVISED) => {}
            }
        }
    }

    /// Every unit that the world knows of.
    fn everything(&self) -> Changes {
        self.shared.cluster.read(|world| {
            let groups = world.group_ids().into_iter().map(Unit::Group);
            let bindings = world.bindings().map(|(key, _)| Unit::Binding(key.clone()));
            // Whoever ended between the last Ingress and the security group that it shared left that behind.
            groups.chain(bindings).chain([Unit::NodeRules, Unit::BackendGroup]).collect()
        })
    }

    fn take(&self, changes: Changes, lane: Lane) {
        let claimed = self.shared.cluster.read(|world| {
            let is_claimed = |unit: &&Unit| matches!(unit, Unit::Group(group) if world.is_only_claimed(group));
            changes.iter().filter(is_claimed).cloned().collect::<Changes>()
        });
        for unit in changes {
            // What somebody's finalizer says, and nothing else, waits for everybody's work.
            let lane = if claimed.contains(&unit) { Lane::Resync } else { lane };
            self.add(unit, lane, Duration::ZERO);
        }
    }

    /// Puts a unit into the queue.
    fn add(&self, unit: Unit, lane: Lane, after: Duration) {
        let tenant = self.shared.cluster.read(|world| world.tenant(&unit));
        self.shared.queue.add(unit, &tenant, lane, after);
    }

    /// Puts what changes into the queue's front lane.
    async fn listen(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changes = self.shared.cluster.changes().next() => self.take(changes, Lane::Change),
            }
        }
    }

    /// Looks at everything on a slow clock: drift made by hand is found then.
    async fn audit(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.shared.observations.pause()) => {
                    let there = self.everything();
                    self.shared.observations.retain(|unit| there.contains(unit));
                    self.shared.bindings.retain(|key| there.contains(&Unit::Binding(key.clone())));
                    self.take(self.shared.observations.due().into_iter().collect(), Lane::Resync);
                }
            }
        }
    }

    async fn work(self, crew: Crew, stop: CancellationToken) {
        loop {
            let (unit, tenant) = tokio::select! {
                () = stop.cancelled() => return,
                next = self.shared.queue.next(crew) => next,
            };
            // In a task of its own, so that a panic costs one pass and not the worker.
            let (began, pulse) =
                (Instant::now(), Arc::new(self.shared.liveness.pulse(format!("the pass of {unit:?}"))));
            let pass = tokio::spawn({
                let (this, unit) = (self.clone(), unit.clone());
                async move { on_behalf_of(&tenant, pulse, Box::pin(this.pass(&unit))).await }
            });
            let ended = pass.await;
            self.shared.metrics.ends(&unit, ended.as_ref().ok(), began.elapsed());
            match ended {
                Ok(Ok(Next::Rest)) => self.shared.queue.done(&unit, None),
                Ok(Ok(Next::Again(after))) => self.shared.queue.done(&unit, Some(after)),
                Ok(Ok(Next::Look(after))) => self.shared.queue.rests(&unit, after),
                Ok(Ok(Next::Wait)) => self.shared.queue.waits(&unit),
                Ok(Err(error)) => {
                    tracing::warn!(unit = ?unit, error = with_sources(&error), "a pass failed; it is tried again");
                    self.shared.queue.failed(&unit);
                }
                Err(error) => {
                    tracing::error!(unit = ?unit, %error, "a pass panicked; it is tried again");
                    self.shared.queue.failed(&unit);
                }
            }
        }
    }

    async fn pass(&self, unit: &Unit) -> Result<Next, PassError> {
        self.shared.metrics.begins(unit);
        // LBC registers the targets of every binding and writes the rules of nodes and pods: two that do would undo each other's work.
        if self.shared.settings.beside_lbc && matches!(unit, Unit::Binding(_) | Unit::NodeRules) {
            return Ok(Next::Rest);
        }
        match unit {
            Unit::Group(group) => self.group(group).await,
            Unit::Binding(key) => self.binding_and_its_group(key).await,
            Unit::BackendGroup => self.backend_group().await,
            Unit::NodeRules => {
                let pass = self.node_rules().await;
                self.shared.observations.looked(Unit::NodeRules);
                pass
            }
        }
    }
}
