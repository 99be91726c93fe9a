//! Wiring and the order of the end: webhooks drain while the watches still run, then the reconciler ends its passes.

mod controller;
mod reviews;
mod upkeep;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use albedo_engine::admit::registration::Target;
use albedo_engine::world::World;
use anyhow::Context;
use futures::future::{BoxFuture, FutureExt as _, TryFutureExt as _};
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::{Certificates, Role, Run};
use crate::cloud::Asked;
use crate::cluster::{Cluster, Watching, resource};
use crate::liveness::Liveness;
use crate::reconcile::{Account, Follower, Measured, Metrics};
use crate::serve::{Config, Limits, Made, PairSource, Readiness, Serve, SharedRegistry, Source, Webhook};
use controller::Known;
use upkeep::{Upkeep, Wanted};

/// How often it is said what the world still lacks.
const SAY_MISSING: Duration = Duration::from_secs(15);
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
    let decide = reviews::decide(cluster.clone(), account.clone(), settings.clone(), policy);
    let made = (flags.certificates == Certificates::Own).then(Made::default);
    let config = listeners(&flags, made.clone())?;
    // Made before anything is served: it adds a condition of readiness.
    let upkeep = upkeep_of(&flags, &cluster, &readiness, made)?;
    let server =
        Serve::start(config, decide, readiness.clone(), liveness.clone(), registry.clone(), stop.clone()).await?;
    let bound = server.bound();
    tracing::info!(role = ?flags.role, webhook = ?bound.webhook, probes = ?bound.probes, metrics = ?bound.metrics, "listening");
    let (events, writer) = cluster.events();
    // It may end as soon as `stop` says so: by itself, after the last of those who tell events.
    let writer = tokio::spawn(liveness.clone().keep("the writer of events", stop.clone(), writer.run(end.clone())));
    let namespace = Some(flags.watch_namespace.clone()).filter(|namespace| !namespace.is_empty());
    let watching = if flags.role == Role::Admission { Watching::Reviews } else { Watching::Everything };
    let watches = tokio::spawn({
        let (cluster, liveness, end) = (cluster.clone(), liveness.clone(), end.clone());
        async move { cluster.watch(namespace.as_deref(), watching, &liveness, end).await }
    });
    tokio::spawn(when_ready(cluster.clone(), readiness));
    tokio::spawn(cluster.clone().learn_version());
    if let Some(upkeep) = upkeep {
        let upkeep = upkeep.run(stop.clone());
        tokio::spawn(liveness.clone().keep("the upkeep of certificates and webhooks", stop.clone(), upkeep));
    }
    let parts = Known { cluster, account, settings, events, metrics, measured, liveness: liveness.clone() };
    let (name, work) = work_of(flags, asked, parts, registry, &stop);
    let work = tokio::spawn(liveness.keep(name, stop.clone(), work));

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

/// What a replica does beside answering reviews, and its name.
fn work_of(
    flags: Run,
    asked: Asked,
    parts: Known,
    registry: SharedRegistry,
    stop: &CancellationToken,
) -> (&'static str, BoxFuture<'static, anyhow::Result<()>>) {
    match flags.role {
        // Nothing in it knows AWS, or looks for credentials.
        Role::Admission => {
            let place = controller::facts_place(&flags, &parts.cluster);
            let following = Follower::new(parts.cluster, parts.account, place).run(stop.clone());
            ("the follower of published facts", following.map(Ok).boxed())
        }
        Role::All | Role::Controller => {
            let work = controller::reconcile(flags, asked, parts, registry, stop.clone());
            let work = work.inspect_err(|error| tracing::error!(error = format!("{error:#}"), "nothing is reconciled"));
            ("the reconciler", work.boxed())
        }
    }
}

/// What keeps the webhooks called, in the roles that answer reviews.
fn upkeep_of(
    flags: &Run,
    cluster: &Cluster,
    readiness: &Readiness,
    made: Option<Made>,
) -> anyhow::Result<Option<Upkeep>> {
    if flags.role == Role::Controller {
        return Ok(None);
    }
    Ok(Some(Upkeep::new(cluster.clone(), wanted(flags, cluster)?, readiness.clone(), made)))
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
        controller_user: given(&flags.controller_user),
        inject_ca_from: given(&flags.inject_ca_from),
        authority: flags.webhook_cert_dir.join("ca.crt"),
        watched: given(&flags.watch_namespace),
        gates: flags.enable_pod_readiness_gate_inject && !flags.beside_lbc,
        overrides: flags.webhook_overrides.clone(),
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
        webhook: (flags.role != Role::Controller).then(|| Webhook {
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
