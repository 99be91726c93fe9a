//! Pods that answer, through a real API server: probes, hooks, SIGTERM, the grace period, node ports, and the counts of the load generator.
#![expect(clippy::indexing_slicing, reason = "a panic is what a test has for a fault")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_testenv::{
    Answer, Asked, ECHO, ECHO_EXITS, ECHO_IGNORES, Failure, Load, NodePorts, Scope, TestEnv, eventually, http_get,
    mapped_socket, trusting,
};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);
const GAME: &str = "public.ecr.aws/l6m2t8p7/docker-2048:latest";

#[tokio::test(flavor = "multi_thread")]
async fn pods_answer_and_end_as_in_a_cluster() -> Result<()> {
    let test_env = Arc::new(TestEnv::start().await?);
    let scope = test_env.scope("pods").await?;
    tokio::try_join!(
        probes_decide(&scope),
        without_ports_nobody_listens(&scope),
        what_runs_is_finished(&scope),
        what_exits_cuts(&scope),
        what_ignores_is_killed(&scope),
        node_ports_lead_to_pods(&scope),
    )?;
    failures_are_counted(&scope).await?;
    drop(scope);
    Arc::into_inner(test_env).context("a scope still holds the test environment")?.stop().await
}

/// A Pod of one container, labelled `app: NAME`, with more fields of the container.
async fn run(scope: &Scope, name: &str, image: &str, grace: u64, more: &Value) -> Result<Api<Pod>> {
    let mut container = json!({"name": "app", "image": image, "ports": [{"name": "http", "containerPort": 8080}]});
    if let (Some(container), Some(more)) = (container.as_object_mut(), more.as_object()) {
        container.extend(more.clone());
    }
    let pod = json!({"metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": grace, "containers": [container]}});
    let pods: Api<Pod> = scope.api();
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
    Ok(pods)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.filter(|one| one.type_ == "Ready").any(|one| one.status == "True")
}

/// Where a Pod answers, once it is ready.
async fn ready(pods: &Api<Pod>, name: &str) -> Result<SocketAddr> {
    eventually(&format!("{name} is ready"), LIMIT, async || {
        let pod = pods.get(name).await?;
        let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
        Ok(is_ready(&pod).then_some(address).flatten())
    })
    .await
    .and_then(|address| mapped_socket(&address, 8080).context("no address of the VPC"))
}

/// Waits until the object is gone; says how long that took from its deletion.
async fn deleted(pods: &Api<Pod>, name: &str) -> Result<Duration> {
    let begun = Instant::now();
    pods.delete(name, &DeleteParams::default()).await?;
    eventually(&format!("{name} is gone"), LIMIT, async || Ok(pods.get_opt(name).await?.is_none().then_some(())))
        .await?;
    Ok(begun.elapsed())
}

async fn probes_decide(scope: &Scope) -> Result<()> {
    let probe = |path: &str| json!({"readinessProbe": {"httpGet": {"path": path, "port": "http"}, "initialDelaySeconds": 1, "periodSeconds": 1}});
    let begun = Instant::now();
    let pods = run(scope, "probed", ECHO, 30, &probe("/status/204")).await?;
    run(scope, "faulty", ECHO, 30, &probe("/status/503")).await?;
    let at = ready(&pods, "probed").await?;
    ensure!(begun.elapsed() >= Duration::from_secs(1), "ready before its first probe");
    ensure!(!is_ready(&pods.get("faulty").await?), "ready although its probe fails");
    let (status, body) = http_get(&format!("http://{at}/some/path?a=b")).await?;
    let said: Value = serde_json::from_slice(&body)?;
    ensure!(
        status == 200 && said["pod"] == "probed" && said["path"] == "/some/path" && said["query"] == "a=b",
        "{said}"
    );
    ensure!(http_get(&format!("http://{at}/status/418")).await?.0 == 418);
    let pods = run(scope, "game", GAME, 1, &json!({})).await?;
    let at = ready(&pods, "game").await?;
    let (_, body) = http_get(&format!("http://{at}/")).await?;
    ensure!(String::from_utf8_lossy(&body).contains("<title>2048</title>"), "{body:?}");
    Ok(())
}

async fn without_ports_nobody_listens(scope: &Scope) -> Result<()> {
    let pods = run(scope, "silent", ECHO, 1, &json!({"ports": []})).await?;
    let at = ready(&pods, "silent").await?;
    ensure!(http_get(&format!("http://{at}/")).await.is_err(), "somebody listens");
    Ok(())
}

/// While its preStop hook runs it serves as ever, and its endpoint is terminating; then it accepts nothing new and finishes what runs.
async fn what_runs_is_finished(scope: &Scope) -> Result<()> {
    let hook = json!({"lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", "sleep 2"]}}}});
    let pods = run(scope, "finishes", ECHO, 20, &hook).await?;
    scope.kubectl(&["expose", "pod", "finishes", "--port=80", "--target-port=8080"]).await?;
    let at = ready(&pods, "finishes").await?;
    let url = format!("http://{at}/?delay=4000");
    let slow = tokio::spawn(async move { http_get(&url).await });
    let ending = async {
        let slices: Api<EndpointSlice> = scope.api();
        let of_service = ListParams::default().labels("kubernetes.io/service-name=finishes");
        eventually("its endpoint is terminating", LIMIT, async || {
            let slices = slices.list(&of_service).await?;
            let mut conditions =
                slices.items.iter().flat_map(|slice| &slice.endpoints).filter_map(|one| one.conditions.as_ref());
            Ok(conditions.any(|one| one.terminating == Some(true) && one.serving == Some(true)).then_some(()))
        })
        .await?;
        ensure!(http_get(&format!("http://{at}/")).await?.0 == 200, "it does not serve while its hook runs");
        eventually("it accepts nothing more", LIMIT, async || {
            Ok(tokio::net::TcpStream::connect(at).await.is_err().then_some(()))
        })
        .await?;
        ensure!(pods.get_opt("finishes").await?.is_some(), "its object is gone before what runs is finished");
        Ok(())
    };
    let (took, ()) = tokio::try_join!(deleted(&pods, "finishes"), ending)?;
    ensure!(slow.await??.0 == 200, "the request that ran was not finished");
    ensure!(took >= Duration::from_secs(2), "gone {took:?} after its deletion, and its hook takes 2 s");
    Ok(())
}

async fn what_exits_cuts(scope: &Scope) -> Result<()> {
    let pods = run(scope, "exits", ECHO_EXITS, 20, &json!({})).await?;
    let at = ready(&pods, "exits").await?;
    let slow = tokio::spawn(async move { http_get(&format!("http://{at}/?delay=15000")).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let took = deleted(&pods, "exits").await?;
    ensure!(slow.await?.is_err(), "the request that ran got an answer");
    ensure!(took < Duration::from_secs(10), "gone after {took:?}");
    Ok(())
}

async fn what_ignores_is_killed(scope: &Scope) -> Result<()> {
    let pods = run(scope, "ignores", ECHO_IGNORES, 2, &json!({})).await?;
    let at = ready(&pods, "ignores").await?;
    let serving = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        ensure!(http_get(&format!("http://{at}/")).await?.0 == 200, "it does not serve after SIGTERM");
        Ok(())
    };
    let (took, ()) = tokio::try_join!(deleted(&pods, "ignores"), serving)?;
    ensure!(took >= Duration::from_millis(1_900), "gone after {took:?}, and its grace period is 2 s");
    ensure!(http_get(&format!("http://{at}/")).await.is_err(), "it serves after its end");
    Ok(())
}

async fn node_ports_lead_to_pods(scope: &Scope) -> Result<()> {
    let _open = NodePorts::open(&scope.client(), &scope.namespace);
    let pods = run(scope, "behind", ECHO, 1, &json!({})).await?;
    scope.kubectl(&["expose", "pod", "behind", "--port=80", "--target-port=http", "--type=NodePort"]).await?;
    ready(&pods, "behind").await?;
    let service = scope.api::<Service>().get("behind").await?;
    let port = service.spec.and_then(|spec| spec.ports?.first()?.node_port).context("no node port")?;
    for node in &scope.world.nodes {
        let at = mapped_socket(&node.ip, u16::try_from(port)?).context("a node outside of the VPC")?;
        eventually(&format!("{at} leads to the pod"), LIMIT, async || {
            let said: Value = serde_json::from_slice(&http_get(&format!("http://{at}/")).await?.1)?;
            Ok((said["pod"] == "behind").then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// A generator that counts no failure could not be believed: what is wrong is counted as what it is.
async fn failures_are_counted(scope: &Scope) -> Result<()> {
    let pods = run(scope, "counted", ECHO, 1, &json!({})).await?;
    let at = ready(&pods, "counted").await?;
    let asked = |path: &str, right: Answer| Asked {
        at,
        tls: None,
        host: "a.example.com".to_owned(),
        path: path.to_owned(),
        right: vec![right],
    };
    let kinds = vec![
        asked("/", Answer::service("counted")),
        asked("/", Answer::service("other")),
        asked("/status/503", Answer::service("counted")),
        asked("/status/404", Answer::Status(404)),
        Asked { at: ([127, 77, 0, 9], 9).into(), ..asked("/", Answer::service("counted")) },
    ];
    let load = Load::begin(kinds, 200, LIMIT, trusting("")?);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let tally = load.end().await?;
    let fifth = tally.sent / 5;
    ensure!(tally.sent > 200, "only {} requests in two seconds", tally.sent);
    let near = |count: usize, times: usize| count.abs_diff(fifth * times) <= 2 * times;
    ensure!(near(tally.right, 1) && near(tally.misrouted, 2), "{tally}");
    let failed = |failure: &Failure| tally.failed.get(failure).copied().unwrap_or_default();
    ensure!(near(failed(&Failure::Target(503)), 1) && near(failed(&Failure::Refused), 1), "{tally}");
    Ok(())
}
