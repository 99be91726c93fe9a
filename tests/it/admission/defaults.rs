//! What the mutating webhook writes: absent keys, once, and the same manifest applied again changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{plain, said, services, silent, warned};
use crate::base::Base;
use crate::fixture::Fixture;
use crate::objects::PREFIX;

type Annotations = BTreeMap<String, String>;

/// Ours, without the prefix, and what lists the injected ones.
async fn ours(fixture: &Fixture, name: &str) -> Result<Annotations> {
    let all = fixture.stored(name).await?.metadata.annotations.unwrap_or_default();
    let ours = all.into_iter().filter_map(|(key, value)| match key.strip_prefix(PREFIX) {
        Some(short) => Some((short.to_owned(), value)),
        None => key.starts_with("albedo.dev/").then_some((key, value)),
    });
    Ok(ours.collect())
}

fn wanted(pairs: &[(&str, &str)]) -> Annotations {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

async fn version(fixture: &Fixture, name: &str) -> Result<String> {
    fixture.stored(name).await?.metadata.resource_version.context("an Ingress without resourceVersion")
}

const ALL: [(&str, &str); 4] = [
    ("ip-address-type", "ipv4"),
    ("scheme", "internal"),
    ("target-type", "instance"),
    ("albedo.dev/defaulted", "ip-address-type,scheme,target-type"),
];

pub async fn defaults_are_written_once(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "defaults", &[]).await?;
    services(&fixture).await?;
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
        silent(name, &fixture.try_apply(&[fixture.ingress(name, given, &plain())], &[]).await?)?;
        let is = ours(&fixture, name).await?;
        ensure!(is == wanted(written), "{name}: {is:?}");
    }
    // What a group shares is not for one of its members to say by accident.
    let grouped = fixture.ingress("grouped", &[("group.name", &fixture.scope.group)], &plain());
    fixture.apply(&[grouped]).await?;
    let is = ours(&fixture, "grouped").await?;
    let group = fixture.scope.group.as_str();
    let written = [("group.name", group), ("target-type", "instance"), ("albedo.dev/defaulted", "target-type")];
    ensure!(is == wanted(&written), "grouped: {is:?}");
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    fixture.close().await
}

/// Client-side and server-side: the object stays as it is, byte for byte.
pub async fn applying_again_changes_nothing(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "again", &[]).await?;
    services(&fixture).await?;
    for (name, args) in [("client-side", [].as_slice()), ("server-side", &["--server-side"])] {
        let manifest = [fixture.ingress(name, &[("group.order", "0")], &plain())];
        silent(name, &fixture.try_apply(&manifest, args).await?)?;
        fixture.hostname(name).await?;
        fixture.quiet().await?;
        let before = version(&fixture, name).await?;
        for _ in 0..2 {
            silent(name, &fixture.try_apply(&manifest, args).await?)?;
        }
        let after = version(&fixture, name).await?;
        ensure!(
            before == after,
            "{name}: applied again, version {before} became {after}: {:?}",
            ours(&fixture, name).await?
        );
        let is = ours(&fixture, name).await?;
        ensure!(ALL.iter().all(|(key, value)| is.get(*key).is_some_and(|is| is == value)), "{name}: {is:?}");
    }
    fixture.quiet().await?;
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    fixture.close().await
}

/// A default that its user overwrites is the user's; one that a manifest drops comes back with the value that it had.
pub async fn a_default_can_be_taken_over(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "takeover", &[]).await?;
    services(&fixture).await?;
    fixture.apply(&[fixture.ingress("web", &[], &plain())]).await?;
    fixture.apply(&[fixture.ingress("web", &[("target-type", "ip")], &plain())]).await?;
    let is = ours(&fixture, "web").await?;
    let listed = is.get("albedo.dev/defaulted").map(String::as_str);
    ensure!(is["target-type"] == "ip" && listed == Some("ip-address-type,scheme"), "{is:?}");

    let scheme = format!("{PREFIX}scheme-");
    fixture.kubectl(&["annotate", "ingress", "web", &scheme]).await?;
    let is = ours(&fixture, "web").await?;
    ensure!(is.get("scheme").is_some_and(|scheme| scheme == "internal"), "{is:?}");
    fixture.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    fixture.close().await
}

/// `--dry-run=server` tells what would happen in AWS, and nothing happens, in AWS or in Kubernetes.
pub async fn a_dry_run_shows_the_plan(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "dry-run", &[]).await?;
    services(&fixture).await?;
    let dry = ["--dry-run=server"];
    let mark = fixture.mark().await?;
    let first = [fixture.ingress("web", &[("target-type", "ip")], &plain())];
    let out = fixture.try_apply(&first, &dry).await?;
    warned("a first Ingress", &out, &["plan:"])?;
    for line in
        ["+ CreateLoadBalancer k8s-", "+ CreateListener HTTP 80", "+ CreateRule 80 1: path /*", "+ CreateTargetGroup"]
    {
        warned("a first Ingress", &out, &[line])?;
    }
    fixture.quiet().await?;
    ensure!(fixture.writes_since(mark).await?.is_empty(), "a dry run wrote to AWS");
    let stored = fixture.kubectl(&["get", "ingress,targetgroupbindings", "-o", "name"]).await?;
    ensure!(stored.is_empty(), "a dry run stored {stored}");

    fixture.apply(&first).await?;
    fixture.hostname("web").await?;
    fixture.quiet().await?;
    let (before, mark) = (version(&fixture, "web").await?, fixture.mark().await?);
    let ports = ("listen-ports", r#"[{"HTTP": 80}, {"HTTP": 8080}]"#);
    let out = fixture.try_apply(&[fixture.ingress("web", &[("target-type", "ip"), ports], &plain())], &dry).await?;
    warned("one more port", &out, &["+ CreateListener HTTP 8080"])?;
    warned("one more port", &out, &["setting listen-ports on port 8080: HTTP (annotation)"])?;
    let lines: Vec<String> =
        said(&out).lines().filter(|line| line.starts_with("Warning: ")).map(str::to_owned).collect();
    let (settings, plan): (Vec<&String>, Vec<&String>) = lines.iter().partition(|line| line.contains(": setting "));
    ensure!(settings.iter().all(|line| line.contains("listen-ports")), "{lines:#?}");
    // The heading and three operations: listener, rule, and the opening in the security group.
    ensure!(plan.len() == 4 && plan.iter().all(|line| !line.contains("LoadBalancer")), "{lines:#?}");
    silent("nothing new", &fixture.try_apply(&first, &dry).await?)?;
    fixture.quiet().await?;
    ensure!(fixture.writes_since(mark).await?.is_empty(), "a dry run wrote to AWS");
    ensure!(version(&fixture, "web").await? == before, "a dry run wrote to the Ingress");
    fixture.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    fixture.close().await
}

/// A class whose parameters decide leaves nothing to be written there.
pub async fn what_parameters_enforce_is_not_written(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "enforced", &[]).await?;
    services(&fixture).await?;
    let params = fixture.scope.class.as_str();
    let enforced: Value = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams",
        "metadata": {"name": params}, "spec": {"scheme": "internet-facing"}});
    let reference = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": params});
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": format!("{params}-two")},
        "spec": {"controller": "ingress.k8s.aws/alb", "parameters": reference}});
    fixture.apply(&[enforced, class]).await?;
    let mut ingress = fixture.ingress("web", &[("target-type", "ip")], &plain());
    ingress["spec"]["ingressClassName"] = json!(format!("{params}-two"));
    // Its class is not in the configuration's list: that it is ours is found out by its annotation, once Albedo knows the class.
    albedo_testenv::eventually("the class is known", crate::fixture::SOON, async || {
        let out = fixture.try_apply(std::slice::from_ref(&ingress), &["--dry-run=server", "-o", "json"]).await?;
        Ok(said(&out).contains("albedo.dev/defaulted").then_some(()))
    })
    .await?;
    fixture.apply(&[ingress]).await?;
    let is = ours(&fixture, "web").await?;
    ensure!(!is.contains_key("scheme"), "{is:?}");
    ensure!(is.get("albedo.dev/defaulted").is_some_and(|keys| keys == "ip-address-type"), "{is:?}");
    fixture.hostname("web").await?;
    let balancers = fixture.state().await?.load_balancers;
    ensure!(balancers.iter().all(|lb| lb.scheme.as_deref() == Some("internet-facing")), "{balancers:?}");
    fixture.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    fixture.kubectl(&["delete", "ingressclass", &format!("{params}-two")]).await?;
    fixture.kubectl(&["delete", "ingressclassparams", params]).await?;
    fixture.close().await
}
