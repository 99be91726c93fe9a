//! Forged reviews, as many at a time and as large as anybody can send, against the memory that the Deployment gives.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use albedo_testenv::{Limited, eventually, shipped_objects};
use anyhow::{Context as _, Result, ensure};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::{PREFIX, rule, service};
use crate::wire::{Client, VALIDATE};

/// Who sends, each as soon as it was answered.
const AT_ONCE: usize = 24;
const FOR: Duration = Duration::from_secs(20);
/// The API server's patience with a webhook of ours.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that are taken of a body, and of all annotations of an Ingress.
const LARGEST: usize = 4 << 20;
const ANNOTATIONS: usize = 256 << 10;

/// The process stays below the limit that it is deployed with, and small reviews are answered in time all the while.
pub async fn no_load_of_reviews_takes_the_memory(base: Arc<Base>) -> Result<()> {
    let limit = deployed_limit()?;
    let mut fixture = Fixture::open(&base, "load").await?;
    // With no control group to be had, what was resident is compared with the limit all the same.
    let limited = Limited::to(&mut fixture.launch, limit << 20, &fixture.scope.id)
        .inspect_err(|error| eprintln!("load: the kernel does not enforce the limit: {error:#}"));
    fixture.start().await?;
    let stored =
        fixture.ingress("stored", &[("target-type", "ip")], &json!([rule(None, &[("/", "Prefix", "web", 80)])]));
    fixture.apply(&[service("web", "ClusterIP", 80, 8080), stored]).await?;
    fixture.hostname("stored").await?;
    let pid = fixture.albedo()?.pid();
    let (client, before) = (Client::new(&base, &fixture)?, most_resident(pid)?);
    let bodies: Arc<Vec<(&str, Bytes)>> = Arc::new(forged(&fixture.scope.class));
    ensure!(bodies.iter().all(|(_, body)| body.len() <= LARGEST), "a body is larger than is taken");

    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeMap::<u16, u32>::new())));
    let mut load = JoinSet::new();
    for number in 0..AT_ONCE {
        let (client, bodies) = (client.clone(), Arc::clone(&bodies));
        let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
        load.spawn(async move {
            for (_, body) in bodies.iter().cycle().skip(number) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // Who is cut off has no status.
                let status = client.post(VALIDATE, body.clone()).await.map_or(0, |(status, _)| status);
                *answers.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
            }
        });
    }
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < FOR {
        let asked = Instant::now();
        client.judges(&fixture).await.with_context(|| tail(&fixture.log()))?;
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    tokio::time::timeout(SOON, load.join_all()).await.context("a forged review is not answered")?;
    let answers = answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ensure!(slowest < PATIENCE, "small reviews took {slowest:?}; the large ones had {answers:?}");

    // Under load most large ones are turned away: each is judged once, by itself.
    for (what, body) in bodies.iter() {
        eventually(&format!("{what} is judged"), SOON, async || {
            let (status, answer) = client.post(VALIDATE, body.clone()).await?;
            ensure!(status == 200, "{status} {answer}");
            Ok(Some(()))
        })
        .await?;
    }
    let peak = most_resident(pid)?;
    eprintln!(
        "load: {before} MiB before, {peak} MiB at its peak of {limit}; small reviews took {slowest:?}; the large ones had {answers:?}"
    );
    ensure!(peak < limit, "{peak} MiB were resident, the limit is {limit} MiB; {before} MiB before");
    fixture.albedo()?.process().check()?;
    fixture.close().await?;
    drop(limited);
    Ok(())
}

/// The memory that the shipped Deployment gives, in MiB.
fn deployed_limit() -> Result<u64> {
    let deployment = shipped_objects("Deployment")?.into_iter().next().context("no Deployment")?;
    let limit = deployment.pointer("/spec/template/spec/containers/0/resources/limits/memory").and_then(Value::as_str);
    let limit = limit.context("a Deployment without a limit of memory")?;
    limit.strip_suffix("Mi").with_context(|| limit.to_owned())?.parse().with_context(|| limit.to_owned())
}

/// The most memory that a process ever had resident, in MiB.
fn most_resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("reading what a process takes")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().with_context(|| line.to_owned())?;
    Ok(kib >> 10)
}

/// Reviews that take the most memory, each another way.
fn forged(class: &str) -> Vec<(&'static str, Bytes)> {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let path = |path: String| json!({"path": path, "pathType": "ImplementationSpecific", "backend": backend});
    let object = |key: &str, value: String, rules: Value, tls: Value| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "forged", "namespace": "elsewhere", "annotations": {format!("{PREFIX}{key}"): value}},
            "spec": {"ingressClassName": class, "rules": rules, "tls": tls}})
    };
    let of_paths =
        |paths: Vec<Value>| object("scheme", "internal".to_owned(), json!([{"http": {"paths": paths}}]), json!([]));
    let annotated =
        |key: &str, value: String| object(key, value, json!([{"http": {"paths": [path("/".to_owned())]}}]), json!([]));
    let fills = |item: &str| vec![item; (ANNOTATIONS - 1000) / (item.len() + 1)].join(",");
    let hosts: Vec<String> = (0..90_000).map(|n| format!("h{n}.example.com")).collect();
    let long: Vec<Value> = (0..1900).map(|n| path(format!("/{n}/{}", "a".repeat(900)))).collect();
    let reviews = [
        ("a list of empty conditions", annotated("conditions.web", format!("[{}]", fills("{}"))), Value::Null),
        ("a list of attributes", annotated("load-balancer-attributes", fills("a=b")), Value::Null),
        ("a list of bad listeners", annotated("listen-ports", format!("[{}]", fills(r#"{"A":0}"#))), Value::Null),
        (
            "hosts of certificates",
            object("scheme", "internal".to_owned(), json!([]), json!([{"hosts": hosts}])),
            Value::Null,
        ),
        ("two large objects", of_paths(long.clone()), of_paths(long)),
        ("many paths", of_paths((0..9_000).map(|n| path(format!("/{n}"))).collect()), Value::Null),
        ("one long value", annotated("tags", "t".repeat(LARGEST - 2000)), Value::Null),
        ("many values", of_paths(vec![json!([]); 1_200_000]), Value::Null),
    ];
    let review = |(what, object, old): (&'static str, Value, Value)| {
        let operation = if old.is_null() { "CREATE" } else { "UPDATE" };
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "forged", "operation": operation, "namespace": "elsewhere", "name": "forged",
            "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "ingresses"},
            "userInfo": {"username": "somebody"}, "object": object, "oldObject": old}});
        (what, Bytes::from(review.to_string()))
    };
    reviews.into_iter().map(review).collect()
}
