//! What is admitted is taken, over the wire: generated groups through a real API server and the webhooks; the emulator refuses no call, and every
//! Ingress that was admitted is provisioned. A small sample; `RUNS=N` takes more, `engine/tests/verdicts.rs` takes many against a model of AWS.

use std::sync::Arc;

use albedo_apiserver_objects::groups::{Parts, SERVICES};
use albedo_chance::Chance;
use albedo_engine::annotation::rows;
use albedo_engine::finding::CODES;
use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, GATES, SOON, tail};
use crate::objects::{PREFIX, service};

/// Groups of a sample.
const FEW: u64 = 12;

/// The examples of all codes, and all settings.
fn parts() -> Result<Parts> {
    let texts = CODES.iter().flat_map(|row| [row.accepts, row.refuses]);
    let examples = texts.map(|text| serde_saphyr::from_str(&text.replace("{p}", PREFIX)));
    let settings = rows().map(|row| (format!("{}{}", row.prefix, row.key), row.family, row.example));
    Ok(Parts::new(examples.collect::<Result<Vec<_>, _>>()?, settings.collect()))
}

/// The group's Ingresses, with names of this scope and what exists in this region.
fn scoped(fixture: &Fixture, run: u64, names: &[(String, &str)], parts: &Parts) -> Result<Vec<Value>> {
    let mut chance = Chance::of_run(run);
    let mut scoped = Vec::new();
    for ingress in parts.ingresses(&mut chance) {
        let mut text = ingress.to_string();
        for (is, name) in names {
            text = text.replace(name, is);
        }
        let mut ingress: Value = serde_json::from_str(&text.replace("eu-central-1", &fixture.scope.region))?;
        ingress["apiVersion"] = json!("networking.k8s.io/v1");
        ingress["kind"] = json!("Ingress");
        ingress["spec"]["ingressClassName"] = json!(fixture.scope.class);
        let name = format!("r{run}-{}", ingress["metadata"]["name"].as_str().unwrap_or_default());
        let mut annotations = ingress["metadata"]["annotations"].clone();
        let map = annotations.as_object_mut().context("annotations")?;
        // One name is of one load balancer, and groups belong to the whole cluster.
        map.remove(&format!("{PREFIX}load-balancer-name"));
        if let Some(group) = map.get_mut(&format!("{PREFIX}group.name")) {
            *group = json!(format!("{}-{run}", fixture.scope.id));
        }
        ingress["metadata"] = json!({"name": name, "annotations": annotations});
        scoped.push(ingress);
    }
    Ok(scoped)
}

/// Every Ingress that is stored has the address of a load balancer.
async fn provisioned(fixture: &Fixture) -> Result<usize> {
    let last = std::sync::Mutex::new(Vec::new());
    eventually("what is admitted is provisioned", SOON, async || {
        let all = fixture.scope.api::<Ingress>().list(&ListParams::default()).await?;
        let address = |ingress: &Ingress| {
            let of = ingress.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first()?.hostname.clone();
            of.filter(|hostname| !hostname.is_empty())
        };
        let lacking = all.items.iter().filter(|ingress| address(ingress).is_none());
        let lacking: Vec<String> = lacking.filter_map(|ingress| ingress.metadata.name.clone()).collect();
        let is_done = lacking.is_empty();
        if let Ok(mut last) = last.lock() {
            *last = lacking;
        }
        Ok(is_done.then_some(all.items.len()))
    })
    .await
    .with_context(|| format!("{:?} have no address\n{}", last.lock().map(|last| last.clone()), tail(&fixture.log())))
}

pub async fn what_is_admitted_is_taken(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "verdicts", &["--admission-strict=true"]).await?;
    fixture.label_namespace(&[GATES]).await?;
    let services = [("app", "NodePort"), SERVICES[0], SERVICES[1]];
    fixture.apply(&services.map(|(name, kind)| service(name, kind, 80, 8080))).await?;
    let scope = &fixture.scope;
    let certificate = scope.emulator().certificate(&scope.region, &["*.example.com"]).await?;
    let subnet = |zone: &str, public: bool| {
        let found = scope.world.subnets.iter().find(|subnet| subnet.zone.ends_with(zone) && subnet.public == public);
        found.map(|subnet| subnet.id.clone()).context("a subnet")
    };
    let names = [
        (certificate, "arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab"),
        (subnet("a", true)?, "subnet-0a11"),
        (subnet("b", true)?, "subnet-0b22"),
        (scope.world.node_security_group.clone(), "sg-0a11"),
    ];
    let (parts, mark) = (parts()?, fixture.mark().await?);
    let mut admitted = 0;
    for run in albedo_chance::runs(FEW) {
        for ingress in scoped(&fixture, run, &names, &parts)? {
            fixture.try_apply(&[ingress], &[]).await?;
        }
        fixture.quiet().await?;
        admitted += provisioned(&fixture).await.with_context(|| format!("RUN={run}"))?;
        fixture.kubectl(&["delete", "ingress", "--all", "--timeout=120s"]).await?;
        for call in fixture.writes_since(mark).await? {
            ensure!(call.status < 400, "RUN={run}: what was admitted is refused: {call:?}");
        }
    }
    ensure!(admitted > 0 || albedo_chance::runs(FEW).end < FEW, "nothing was admitted");
    fixture.close().await
}
