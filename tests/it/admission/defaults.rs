//! What the mutating webhook writes: absent keys, once, and the same manifest applied again changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{plain, said, services, silent, warned};
use crate::base::Base;
use crate::objects::PREFIX;
use crate::stage::Stage;

type Annotations = BTreeMap<String, String>;

/// Ours, without the prefix, and what lists the injected ones.
async fn ours(stage: &Stage, name: &str) -> Result<Annotations> {
    let all = stage.stored(name).await?.metadata.annotations.unwrap_or_default();
    let ours = all.into_iter().filter_map(|(key, value)| match key.strip_prefix(PREFIX) {
        Some(short) => Some((short.to_owned(), value)),
        None => key.starts_with("albedo.dev/").then_some((key, value)),
    });
    Ok(ours.collect())
}

fn wanted(pairs: &[(&str, &str)]) -> Annotations {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

async fn version(stage: &Stage, name: &str) -> Result<String> {
    stage.stored(name).await?.metadata.resource_version.context("an Ingress without resourceVersion")
}

const ALL: [(&str, &str); 4] = [
    ("ip-address-type", "ipv4"),
    ("scheme", "internal"),
    ("target-type", "instance"),
    ("albedo.dev/defaulted", "ip-address-type,scheme,target-type"),
];

pub async fn defaults_are_written_once(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_webhooks(&base, "defaults", &[]).await?;
    services(&stage).await?;
    let rows: &[(&str, &[(&str, &str)], &[(&str, &str)])] = &[
        ("bare", &[], &ALL),
        (
            "partly",
            &[("scheme", "internet-facing")],
            &[
                ("ip-address-type", "ipv4"),
                ("scheme", "internet-facing"),
                ("target-type", "instance"),
                ("albedo.dev/defaulted", "ip-address-type,target-type"),
            ],
        ),
        (
            "wholly",
            &[("scheme", "internet-facing"), ("target-type", "ip"), ("ip-address-type", "ipv4")],
            &[("scheme", "internet-facing"), ("target-type", "ip"), ("ip-address-type", "ipv4")],
        ),
    ];
    for (name, given, written) in rows {
        silent(name, &stage.try_apply(&[stage.ingress(name, given, &plain())], &[]).await?)?;
        let is = ours(&stage, name).await?;
        ensure!(is == wanted(written), "{name}: {is:?}");
    }
    // What a group shares is not for one of its members to say by accident.
    let grouped = stage.ingress("grouped", &[("group.name", &stage.scope.group)], &plain());
    stage.apply(&[grouped]).await?;
    let is = ours(&stage, "grouped").await?;
    let group = stage.scope.group.as_str();
    let written = [("group.name", group), ("target-type", "instance"), ("albedo.dev/defaulted", "target-type")];
    ensure!(is == wanted(&written), "grouped: {is:?}");
    stage.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    stage.close().await
}

/// Client-side and server-side: the object stays as it is, byte for byte.
pub async fn applying_again_changes_nothing(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_webhooks(&base, "again", &[]).await?;
    services(&stage).await?;
    for (name, args) in [("client-side", [].as_slice()), ("server-side", &["--server-side"])] {
        let manifest = [stage.ingress(name, &[("group.order", "0")], &plain())];
        silent(name, &stage.try_apply(&manifest, args).await?)?;
        stage.hostname(name).await?;
        stage.quiet().await?;
        let before = version(&stage, name).await?;
        for _ in 0..2 {
            silent(name, &stage.try_apply(&manifest, args).await?)?;
        }
        let after = version(&stage, name).await?;
        ensure!(
            before == after,
            "{name}: applied again, version {before} became {after}: {:?}",
            ours(&stage, name).await?
        );
        let is = ours(&stage, name).await?;
        ensure!(ALL.iter().all(|(key, value)| is.get(*key).is_some_and(|is| is == value)), "{name}: {is:?}");
    }
    stage.quiet().await?;
    stage.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    stage.close().await
}

/// A default that its user overwrites is the user's; one that a manifest drops comes back with the value that it had.
pub async fn a_default_can_be_taken_over(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_webhooks(&base, "takeover", &[]).await?;
    services(&stage).await?;
    stage.apply(&[stage.ingress("web", &[], &plain())]).await?;
    stage.apply(&[stage.ingress("web", &[("target-type", "ip")], &plain())]).await?;
    let is = ours(&stage, "web").await?;
    let listed = is.get("albedo.dev/defaulted").map(String::as_str);
    ensure!(is["target-type"] == "ip" && listed == Some("ip-address-type,scheme"), "{is:?}");

    let scheme = format!("{PREFIX}scheme-");
    stage.kubectl(&["annotate", "ingress", "web", &scheme]).await?;
    let is = ours(&stage, "web").await?;
    ensure!(is.get("scheme").is_some_and(|scheme| scheme == "internal"), "{is:?}");
    stage.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    stage.close().await
}

/// `--dry-run=server` tells what would happen in AWS, and nothing happens, in AWS or in Kubernetes.
pub async fn a_dry_run_shows_the_plan(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_webhooks(&base, "dry-run", &[]).await?;
    services(&stage).await?;
    let dry = ["--dry-run=server"];
    let mark = stage.mark().await?;
    let first = [stage.ingress("web", &[("target-type", "ip")], &plain())];
    let out = stage.try_apply(&first, &dry).await?;
    warned("a first Ingress", &out, &["plan:"])?;
    for line in
        ["+ CreateLoadBalancer k8s-", "+ CreateListener HTTP 80", "+ CreateRule 80 1: path /*", "+ CreateTargetGroup"]
    {
        warned("a first Ingress", &out, &[line])?;
    }
    stage.quiet().await?;
    ensure!(stage.writes_since(mark).await?.is_empty(), "a dry run wrote to AWS");
    let stored = stage.kubectl(&["get", "ingress,targetgroupbindings", "-o", "name"]).await?;
    ensure!(stored.is_empty(), "a dry run stored {stored}");

    stage.apply(&first).await?;
    stage.hostname("web").await?;
    stage.quiet().await?;
    let (before, mark) = (version(&stage, "web").await?, stage.mark().await?);
    let ports = ("listen-ports", r#"[{"HTTP": 80}, {"HTTP": 8080}]"#);
    let out = stage.try_apply(&[stage.ingress("web", &[("target-type", "ip"), ports], &plain())], &dry).await?;
    warned("one more port", &out, &["+ CreateListener HTTP 8080"])?;
    let lines: Vec<String> =
        said(&out).lines().filter(|line| line.starts_with("Warning: ")).map(str::to_owned).collect();
    // The heading and three operations: listener, rule, and the door in the security group.
    ensure!(lines.len() == 4 && lines.iter().all(|line| !line.contains("LoadBalancer")), "{lines:#?}");
    silent("nothing new", &stage.try_apply(&first, &dry).await?)?;
    stage.quiet().await?;
    ensure!(stage.writes_since(mark).await?.is_empty(), "a dry run wrote to AWS");
    ensure!(version(&stage, "web").await? == before, "a dry run wrote to the Ingress");
    stage.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    stage.close().await
}

/// A class whose parameters decide leaves nothing to be written there.
pub async fn what_parameters_enforce_is_not_written(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_webhooks(&base, "enforced", &[]).await?;
    services(&stage).await?;
    let params = stage.scope.class.as_str();
    let enforced: Value = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams",
        "metadata": {"name": params}, "spec": {"scheme": "internet-facing"}});
    let reference = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": params});
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": format!("{params}-two")},
        "spec": {"controller": "ingress.k8s.aws/alb", "parameters": reference}});
    stage.apply(&[enforced, class]).await?;
    let mut ingress = stage.ingress("web", &[("target-type", "ip")], &plain());
    ingress["spec"]["ingressClassName"] = json!(format!("{params}-two"));
    // Its class is not in the configuration's list: that it is ours is found out by its annotation, once Albedo knows the class.
    albedo_ground::eventually("the class is known", crate::stage::SOON, async || {
        let out = stage.try_apply(std::slice::from_ref(&ingress), &["--dry-run=server", "-o", "json"]).await?;
        Ok(said(&out).contains("albedo.dev/defaulted").then_some(()))
    })
    .await?;
    stage.apply(&[ingress]).await?;
    let is = ours(&stage, "web").await?;
    ensure!(!is.contains_key("scheme"), "{is:?}");
    ensure!(is.get("albedo.dev/defaulted").is_some_and(|keys| keys == "ip-address-type"), "{is:?}");
    stage.hostname("web").await?;
    let balancers = stage.state().await?.load_balancers;
    ensure!(balancers.iter().all(|lb| lb.scheme.as_deref() == Some("internet-facing")), "{balancers:?}");
    stage.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    stage.kubectl(&["delete", "ingressclass", &format!("{params}-two")]).await?;
    stage.kubectl(&["delete", "ingressclassparams", params]).await?;
    stage.close().await
}
