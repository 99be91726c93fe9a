//! Wiring and the order of the end: webhooks drain while the watches still run, then the reconciler ends its passes.

mod upkeep;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use albedo_engine::admit::registration::Target;
use albedo_engine::admit::{self, Policy, ReviewAnswer};
use albedo_engine::compile::Cache;
use albedo_engine::facts::Facts;
use albedo_engine::settings::Settings;
use albedo_engine::world::World;
use anyhow::Context;
use futures::TryFutureExt as _;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::{Certificates, Run};
use crate::cloud::{Asked, Cloud, CloudConfig, NodePlace, Throttle, identify};
use crate::cluster::{Cluster, Events, LeaseProof, resource};
use crate::liveness::Liveness;
use crate::reconcile::{Account, Measured, Metrics, Parts, Reconciler};
use crate::serve::{Config, Decide, Lane, Limits, Made, PairSource, Readiness, Serve, SharedRegistry, Source, Webhook};
use upkeep::{Upkeep, Wanted};

/// Pause between two attempts to find out where we are.
const WHERE: Duration = Duration::from_secs(10);
/// How often it is said what the world still lacks.
const SAY_MISSING: Duration = Duration::from_secs(15);
/// Longest that a review waits for Secrets: the API server waits 5 s for it.
const LOOK_UP: Duration = Duration::from_secs(1);
/// So many Secrets are looked up for one review.
const SECRETS: usize = 4;
/// Bytes of compiled Ingresses that admission remembers, of twice as many for a while.
const REMEMBERED: usize = 16 << 20;
/// Longest that the end may take once webhooks have drained: Kubernetes grants 30 s in all.
const END: Duration = Duration::from_secs(15);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// A flag, the kubeconfig or an address cannot be used, or a part ended by itself.
pub async fn run(flags: Run) -> anyhow::Result<()> {
    let settings = Arc::new(flags.settings()?);
    let policy = Arc::new(flags.policy(&settings)?);
    let asked = flags.place.asked()?;
    let cluster = Cluster::connect(flags.kubeconfig.as_deref(), World::new((*settings).clone())).await?;
    let account = Account::new(asked.region.clone(), asked.vpc_id.clone());
    let registry: SharedRegistry = Arc::new(Mutex::new(Registry::default()));
    let (readiness, liveness) = (Readiness::new(), Liveness::new(flags.liveness_timeout));
    readiness.set("world", false);
    let (metrics, measured) = (Metrics::default(), Measured::new(cluster.clone(), account.clone()));
    with(&registry, |registry| {
        cluster.metrics().register(registry);
        metrics.register(registry);
        registry.register_collector(Box::new(measured.clone()));
    });
    tokio::spawn(liveness.clone().tick());

    let (stop, end) = (CancellationToken::new(), CancellationToken::new());
    let decide = decide(cluster.clone(), account.clone(), settings.clone(), policy);
    let made = (flags.certificates == Certificates::Own).then(Made::default);
    let config = listeners(&flags, made.clone())?;
    let upkeep = Upkeep::new(cluster.clone(), wanted(&flags, &cluster)?, readiness.clone(), made);
    let server =
        Serve::start(config, decide, readiness.clone(), liveness.clone(), registry.clone(), stop.clone()).await?;
    let bound = server.bound();
    tracing::info!(webhook = ?bound.webhook, probes = ?bound.probes, metrics = ?bound.metrics, "listening");
    let (events, writer) = cluster.events();
    let writer = tokio::spawn(liveness.clone().keep("the writer of events", end.clone(), writer.run(end.clone())));
    let namespace = Some(flags.watch_namespace.clone()).filter(|namespace| !namespace.is_empty());
    let watches = tokio::spawn({
        let (cluster, liveness, end) = (cluster.clone(), liveness.clone(), end.clone());
        async move { cluster.watch(namespace.as_deref(), &liveness, end).await }
    });
    tokio::spawn(when_ready(cluster.clone(), readiness));
    tokio::spawn(cluster.clone().learn_version());
    tokio::spawn(liveness.clone().keep(
        "the upkeep of certificates and webhooks",
        stop.clone(),
        upkeep.run(stop.clone()),
    ));
    let parts = Known { cluster, account, settings, events, metrics, measured, liveness: liveness.clone() };
    let work = reconcile(flags, asked, parts, registry, stop.clone());
    let work = work.inspect_err(|error| tracing::error!(error = format!("{error:#}"), "nothing is reconciled"));
    let work = tokio::spawn(liveness.keep("the reconciler", stop.clone(), work));

    let outcome = until_the_end(&stop, watches, &end).await;
    stop.cancel();
    server.join().await?;
    let work = tokio::time::timeout(END, work).await;
    end.cancel();
    if tokio::time::timeout(END, writer).await.is_err() {
        tracing::warn!("events were left unwritten");
    }
    match work {
        Err(_) => tracing::warn!("a pass was still under way at the end; the next start goes on with it"),
        Ok(ended) => ended.context("the reconciler failed")??,
    }
    outcome
}

/// Waits for a signal, or for the watches to end by themselves, which is a fault.
async fn until_the_end(
    stop: &CancellationToken,
    mut watches: tokio::task::JoinHandle<Result<(), crate::cluster::WatchEnded>>,
    end: &CancellationToken,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: ending"),
        _ = interrupt.recv() => tracing::info!("SIGINT: ending"),
        () = stop.cancelled() => {}
        ended = &mut watches => {
            end.cancel();
            ended.context("the watches failed")??;
            anyhow::bail!("the watches ended");
        }
    }
    Ok(())
}

/// Waits until every kind is listed, and says now and then what is missing and why.
async fn when_ready(cluster: Cluster, readiness: Readiness) {
    while tokio::time::timeout(SAY_MISSING, cluster.ready()).await.is_err() {
        let missing: Vec<&str> = cluster.missing().into_iter().map(resource).collect();
        let troubles: Vec<String> = cluster.troubles().iter().map(ToString::to_string).collect();
        let crds = cluster.missing_crds().await.unwrap_or_default();
        tracing::warn!(
            ?missing,
            ?troubles,
            ?crds,
            "not every kind is listed yet; CRDs that lack: albedo crds | kubectl apply -f -"
        );
    }
    readiness.set("world", true);
    for one in cluster.unreadable() {
        tracing::warn!(%one, "an object cannot be read and is left out");
    }
}

fn with(registry: &SharedRegistry, register: impl FnOnce(&mut Registry)) {
    register(&mut registry.lock().unwrap_or_else(PoisonError::into_inner));
}

/// What admission answers, from what is known at this moment.
fn decide(cluster: Cluster, account: Account, settings: Arc<Settings>, policy: Arc<Policy>) -> Decide {
    let cache = Mutex::new(Cache::new(REMEMBERED));
    Arc::new(move |request, lane| {
        if request.row.registered() && !cluster.is_ready() {
            // Nothing may be concluded from what has not been listed: the API server's failure policy decides.
            return ReviewAnswer::unavailable("albedo is starting and has not listed every kind yet; try again");
        }
        look_secrets_up(&cluster, &request);
        let review = |world: &World, facts: &Arc<Facts>| {
            let context = admit::Context { world, facts, settings: &settings, policy: &policy, now: Timestamp::now() };
            // A cache is whole after a panic too: what is in it was compiled. Nobody waits for it: to compile anew is faster than
            // a review that began before.
            let shared = match (lane, cache.try_lock()) {
                (Lane::Small, Ok(cache)) => Some(cache),
                (Lane::Small, Err(TryLockError::Poisoned(poisoned))) => Some(poisoned.into_inner()),
                (Lane::Large, _) | (_, Err(TryLockError::WouldBlock)) => None,
            };
            match shared {
                Some(mut cache) => {
                    cache.know(facts);
                    admit::review_with(&request, context, &mut cache)
                }
                None => admit::review_with(&request, context, &mut Cache::new(REMEMBERED)),
            }
        };
        // A long look would keep watches from writing, and they all other looks: a large review has a world of its own.
        let answer = |facts: &Arc<Facts>| match lane {
            Lane::Small => cluster.read(|world| review(world, facts)),
            Lane::Large => review(&cluster.read(World::clone), facts),
        };
        let known = account.get();
        let first = answer(&known);
        if !first.rests_on_facts {
            return first;
        }
        // They are read again for the next try, and for this one if it is refused: what is missing may have been made a moment ago.
        account.doubt();
        let newer = if first.allowed { None } else { waited(account.newer_than(&known)).flatten() };
        newer.map_or(first, |newer| answer(&newer))
    })
}

/// Waits on this thread; `None` if it is not one of a runtime with others.
fn waited<F: Future>(future: F) -> Option<F::Output> {
    let runtime = Handle::try_current().ok()?;
    let may_wait = runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
    may_wait.then(|| tokio::task::block_in_place(|| runtime.block_on(future)))
}

/// Secrets that the Ingress names are known from its reconciliation, on one replica: for a new one they are looked up now, or it would be
/// told that they do not exist.
fn look_secrets_up(cluster: &Cluster, request: &admit::Request) {
    let Some(admit::Object::Ingress(ingress)) = &request.object else { return };
    let mut unknown = cluster.read(|world| world.unknown_secrets(&request.namespace, ingress));
    unknown.truncate(SECRETS);
    if unknown.is_empty() {
        return;
    }
    let learnt = waited(async { tokio::time::timeout(LOOK_UP, cluster.learn_secrets(&unknown)).await });
    if learnt.is_some_and(|learnt| learnt.is_err()) {
        tracing::debug!(namespace = request.namespace, "Secrets that an Ingress names were not read in time");
    }
}

/// What the reconciler works with and is there before it is known where we are.
struct Known {
    cluster: Cluster,
    account: Account,
    settings: Arc<Settings>,
    events: Events,
    metrics: Metrics,
    measured: Measured,
    liveness: Liveness,
}

/// Finds out where we are, then reconciles while this replica may, until `stop`. Admission goes on all the while.
async fn reconcile(
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
    // Every replica reads the facts: its admission rests on them.
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
        return Reconciler::new(parts, LeaseProof::forever()).run(stop).await;
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
        Reconciler::new(parts.clone(), lease_proof).run(passes).await;
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

/// What is kept in the cluster so that the webhooks are called.
fn wanted(flags: &Run, cluster: &Cluster) -> anyhow::Result<Wanted> {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let namespace = given(&flags.webhook_namespace).unwrap_or_else(|| cluster.own_namespace());
    let (target, names) = match given(&flags.webhook_url) {
        Some(url) => {
            let host = url::Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned));
            let host = host.with_context(|| format!("--webhook-url {url}: write https://HOST:PORT"))?;
            (Target::Url(url), vec![host])
        }
        None => {
            let host = format!("{}.{namespace}.svc", flags.webhook_service);
            let names = vec![host.clone(), format!("{host}.cluster.local")];
            (Target::Service { namespace: namespace.clone(), name: flags.webhook_service.clone(), port: 443 }, names)
        }
    };
    Ok(Wanted {
        namespace,
        secret: flags.certificates_secret.clone(),
        target,
        names,
        configurations: flags.registers().then(|| flags.webhook_configurations.clone()),
        owner: flags.webhook_configurations_owner.clone(),
        inject_ca_from: given(&flags.inject_ca_from),
        authority: flags.webhook_cert_dir.join("ca.crt"),
        watched: given(&flags.watch_namespace),
        gates: flags.enable_pod_readiness_gate_inject && !flags.beside_lbc,
        class: (!flags.beside_lbc).then(|| flags.ingress_class.clone()),
    })
}

fn listeners(flags: &Run, made: Option<Made>) -> anyhow::Result<Config> {
    let poll = if made.is_some() { 1 } else { flags.webhook_cert_poll_seconds.max(1) };
    let mut source = Source::in_directory(&flags.webhook_cert_dir, &flags.webhook_cert_file, &flags.webhook_key_file);
    if let Some(made) = made {
        source.pair = PairSource::Made(made);
    }
    source.client_ca.clone_from(&flags.kube_ca_pem_filepath);
    let linger = Duration::from_secs(flags.shutdown_linger_seconds);
    Ok(Config {
        webhook: Some(Webhook {
            address: SocketAddr::new(flags.bind_address, flags.webhook_bind_port),
            source,
            poll: Duration::from_secs(poll),
        }),
        probes: address(flags, "--health-probe-bind-addr", &flags.health_probe_bind_addr)?,
        metrics: address(flags, "--metrics-bind-addr", &flags.metrics_bind_addr)?,
        limits: Limits { linger, ..Limits::default() },
    })
}

/// `HOST:PORT`, or `:PORT` on the bind address; `0` switches the listener off.
fn address(flags: &Run, flag: &str, text: &str) -> anyhow::Result<Option<SocketAddr>> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let parsed = match text.strip_prefix(':') {
        Some(port) => port.parse().map(|port| SocketAddr::new(flags.bind_address, port)).ok(),
        None => text.parse().ok(),
    };
    parsed.map(Some).with_context(|| format!("{flag} {text}: write HOST:PORT or :PORT"))
}
