//! The reconciler of a replica: it finds out where it is, keeps the facts of the account, and writes while it holds the lease.

use std::sync::Arc;
use std::time::Duration;

use albedo_engine::settings::Settings;
use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::with;
use crate::cli::{Role, Run};
use crate::cloud::{Asked, Cloud, CloudConfig, NodePlace, Throttle, identify};
use crate::cluster::{Cluster, Events, FactsPlace, LeaseProof};
use crate::liveness::Liveness;
use crate::reconcile::{Account, Measured, Metrics, Parts, Publisher, Reconciler};
use crate::serve::SharedRegistry;

/// Pause between two attempts to find out where we are.
const WHERE: Duration = Duration::from_secs(10);

/// What the reconciler works with and is there before it is known where we are.
pub struct Known {
    pub cluster: Cluster,
    pub account: Account,
    pub settings: Arc<Settings>,
    pub events: Events,
    pub metrics: Metrics,
    pub measured: Measured,
    pub liveness: Liveness,
}

/// Finds out where we are, then reconciles while this replica may, until `stop`. Admission goes on all the while.
///
/// # Errors
/// A flag cannot be used, or a part ended by itself.
pub async fn reconcile(
    flags: Run,
    asked: Asked,
    known: Known,
    registry: SharedRegistry,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Known { cluster, account, settings, events, metrics, measured, liveness } = known;
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = cluster.ready() => {}
    }
    let identity = loop {
        let places: Vec<NodePlace> =
            cluster.read(|world| world.nodes().filter_map(|node| NodePlace::parse(&node.provider_id)).collect());
        match identify(&asked, &places).await {
            Ok(identity) => break identity,
            Err(error) => tracing::error!(%error, "nothing can be provisioned yet"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(WHERE) => {}
        }
    };
    tracing::info!(region = identity.region, vpc = identity.vpc_id, "this is where load balancers will be");
    account.settle(&identity.region, &identity.vpc_id);
    let mut config = CloudConfig::of(&identity, &settings);
    config.endpoints = asked.endpoints;
    config.max_attempts = flags.aws_max_retries.max(1);
    if let Some(limits) = &flags.aws_api_throttle {
        config.throttle = Throttle::parse(limits).context("--aws-api-throttle")?;
    }
    let cloud = Cloud::new(config).await;
    with(&registry, |registry| cloud.metrics().register(registry));
    // Whoever waits for the lease, too: its admission rests on them, and it publishes them once it leads.
    account.refresh(&cloud).await;
    let keeper = account.clone().keep(cloud.clone(), stop.clone());
    let keeper = tokio::spawn(liveness.clone().keep("the keeper of facts", stop.clone(), keeper));
    let stabilization = flags.lb_stabilization_monitor_interval;
    // Nothing would be believed for less than a look takes, and AWS asked without a pause.
    let sync_period = flags.sync_period.max(Duration::from_secs(1));
    let workers = flags.ingress_max_concurrent_reconciles;
    let gate_pause = flags.targetgroupbinding_requeue_duration;
    let parts = Parts {
        cluster,
        cloud,
        account,
        settings,
        events,
        metrics,
        measured,
        liveness,
        workers,
        stabilization,
        gate_pause,
        sync_period,
        watched: flags.watch_namespace.clone(),
    };
    write_while_allowed(&flags, parts, stop).await;
    keeper.await.context("the keeper of facts failed")
}

/// Reconciles each time this replica gets the lease, until `stop`: then its passes end, and the lease is free.
async fn write_while_allowed(flags: &Run, parts: Parts, stop: CancellationToken) {
    if !flags.enable_leader_election {
        parts.metrics.leads(true);
        return lead(flags, parts, LeaseProof::forever(), stop).await;
    }
    let mut lease = parts.cluster.lease(&flags.leader_election_namespace, &flags.leader_election_id);
    while let Some((held, lease_proof)) = lease.acquire(&stop).await {
        parts.metrics.leads(true);
        let (passes, done) = (stop.child_token(), CancellationToken::new());
        let keeper = tokio::spawn(held.keep(done.clone()));
        let watcher = tokio::spawn({
            let (lease_proof, passes) = (lease_proof.clone(), passes.clone());
            async move {
                lease_proof.over().await;
                passes.cancel();
            }
        });
        lead(flags, parts.clone(), lease_proof, passes).await;
        parts.metrics.leads(false);
        done.cancel();
        match tokio::join!(keeper, watcher) {
            (Ok(back), Ok(())) => lease = back,
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "keeping the lease failed");
                lease = parts.cluster.lease(&flags.leader_election_namespace, &flags.leader_election_id);
            }
        }
    }
}

/// What the replica that may write does: passes, and facts for those that cannot read them.
async fn lead(flags: &Run, parts: Parts, lease_proof: LeaseProof, stop: CancellationToken) {
    let publisher = (flags.role == Role::Controller).then(|| {
        let (cluster, account) = (parts.cluster.clone(), parts.account.clone());
        let place = facts_place(flags, &cluster);
        let publishing = Publisher::new(cluster, account, place, lease_proof.clone()).run(stop.clone());
        tokio::spawn(parts.liveness.clone().keep("the publisher of facts", stop.clone(), publishing))
    });
    Reconciler::new(parts, lease_proof).run(stop).await;
    if let Some(publisher) = publisher
        && let Err(error) = publisher.await
    {
        tracing::error!(%error, "publishing facts failed");
    }
}

/// Where facts are published.
pub fn facts_place(flags: &Run, cluster: &Cluster) -> FactsPlace {
    let (namespace, name) = match flags.facts_config_map.split_once('/') {
        Some((namespace, name)) => (namespace.to_owned(), name),
        None => (cluster.own_namespace(), flags.facts_config_map.as_str()),
    };
    FactsPlace { namespace, name: name.to_owned() }
}
