//! AWS lets go and learns only after a while, and has quotas: what serves does not wait for it, and nobody hears of a failure.

use std::sync::Arc;
use std::time::Duration;

use albedo_testenv::{LoadBalancer, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::{rule, service};

/// How soon an edit has to be served, whatever AWS still holds.
const AT_ONCE: Duration = Duration::from_secs(15);

async fn open(base: &Arc<Base>, name: &str) -> Result<Fixture> {
    let mut fixture = Fixture::open(base, name).await?;
    fixture.flags(&["--lb-stabilization-monitor-interval=1s"]);
    // Before Albedo reads what the account holds.
    let items = json!([{"kind": "web-acl", "arn": acl(&fixture)}]);
    fixture.scope.emulator().plant(&fixture.scope.region, &items).await?;
    fixture.start().await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    Ok(fixture)
}

fn acl(fixture: &Fixture) -> String {
    format!("arn:aws:wafv2:{}:123456789012:regional/webacl/front/1", fixture.scope.region)
}

async fn is_so(fixture: &Fixture, what: &str, holds: impl Fn(&LoadBalancer) -> bool) -> Result<()> {
    eventually(what, AT_ONCE, async || {
        let state = fixture.state().await?;
        let there = state.load_balancers.iter().find(|one| holds(one));
        ensure!(there.is_some(), "it is {:?}", state.load_balancers);
        Ok(Some(()))
    })
    .await
    .with_context(|| tail(&fixture.log()))
}

/// No Ingress has heard of a failure.
async fn nobody_complains(fixture: &Fixture, name: &str) -> Result<()> {
    let events = fixture.events(name).await?;
    let failed = events.iter().find(|(reason, _)| reason == "FailedDeployModel");
    ensure!(failed.is_none(), "{failed:?}");
    Ok(())
}

/// A load balancer that is replaced has its web ACL, its listeners and its name in the Ingress's status while the security group of the
/// old one is held, WAF and tags don't know the new one yet, and the target group still belongs to the old one.
pub async fn a_replacement_waits_for_no_clean_up(base: Arc<Base>) -> Result<()> {
    let fixture = open(&base, "replaced").await?;
    let region = fixture.scope.region.clone();
    let (acl, own) = (acl(&fixture), fixture.scope.world.node_security_group.clone());
    fixture.apply(&[fixture.ingress("shop", &[("scheme", "internal"), ("wafv2-acl-arn", &acl)], &json!([]))]).await?;
    let old = fixture.hostname("shop").await?;
    is_so(&fixture, "the web ACL is attached", |one| one.web_acl.as_deref() == Some(&acl)).await?;
    fixture.quiet().await?;

    let slow = json!({"securityGroupsHeld": 25, "targetGroupsHeld": 3, "webAclUnknown": 3, "tagsUnknown": 1});
    fixture.scope.emulator().settling(&region, &slow).await?;
    let edit = [("scheme", "internet-facing"), ("wafv2-acl-arn", acl.as_str()), ("security-groups", own.as_str())];
    fixture.apply(&[fixture.ingress("shop", &edit, &json!([]))]).await?;
    is_so(&fixture, "the new one has its web ACL and answers", |one| {
        one.scheme.as_deref() == Some("internet-facing")
            && one.web_acl.as_deref() == Some(&acl)
            && one.listener(80).is_some_and(|listener| listener.rules.len() > 1)
    })
    .await?;
    eventually("the Ingress has the new name", AT_ONCE, async || {
        Ok((fixture.hostname("shop").await? != old).then_some(()))
    })
    .await?;
    let managed =
        |state: &albedo_testenv::State| state.security_groups.iter().filter(|one| one.name.starts_with("k8s-")).count();
    ensure!(managed(&fixture.state().await?) > 0, "the old security group was not held");
    eventually("the old security group goes", SOON, async || {
        let left = fixture.state().await?.security_groups;
        Ok(left.iter().all(|one| !one.name.starts_with("k8s-") || one.name.contains("traffic")).then_some(()))
    })
    .await
    .with_context(|| tail(&fixture.log()))?;
    nobody_complains(&fixture, "shop").await?;
    fixture.close().await
}

/// At a quota what goes makes room for what comes.
pub async fn at_a_quota_the_old_goes_first(base: Arc<Base>) -> Result<()> {
    let fixture = open(&base, "full").await?;
    let region = fixture.scope.region.clone();
    let mut certificates = Vec::new();
    for domain in ["one.example.com", "two.example.com", "three.example.com"] {
        certificates.push(fixture.scope.emulator().certificate(&region, &[domain]).await?);
    }
    let [one, two, three] = certificates.as_slice() else { anyhow::bail!("three certificates") };
    let pairs = |tags: &str, cidrs: &str, more: &str| {
        let arns = format!("{one},{more}");
        fixture.ingress(
            "shop",
            &[
                ("tags", tags),
                ("inbound-cidrs", cidrs),
                ("certificate-arn", &arns),
                ("listen-ports", r#"[{"HTTPS":443}]"#),
            ],
            &json!([]),
        )
    };
    fixture.apply(&[pairs("a=1,b=2", "10.1.0.0/24,10.2.0.0/24,10.3.0.0/24", two)]).await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await?;
    let state = fixture.state().await?;
    let tags = state.load_balancers.first().context("no load balancer")?.tags.len();
    let most = json!({"securityGroupRules": 3, "certificates": 1, "tags": tags});
    fixture.scope.emulator().quotas(&region, &most).await?;
    fixture.apply(&[pairs("c=3,d=4", "10.4.0.0/24,10.5.0.0/24,10.6.0.0/24", three)]).await?;
    is_so(&fixture, "tags and certificates are the new ones", |found| {
        let certificates =
            found.listener(443).map(|listener| format!("{:?}", listener.all_certificates)).unwrap_or_default();
        found.tags.contains_key("c")
            && !found.tags.contains_key("a")
            && certificates.contains(three.as_str())
            && !certificates.contains(two.as_str())
    })
    .await?;
    eventually("the security group lets in the new addresses", AT_ONCE, async || {
        let groups = format!("{:?}", fixture.state().await?.security_groups);
        Ok((groups.contains("10.6.0.0/24") && !groups.contains("10.1.0.0/24")).then_some(()))
    })
    .await
    .with_context(|| tail(&fixture.log()))?;
    nobody_complains(&fixture, "shop").await?;
    fixture.close().await
}

/// A throttled write was not carried out: it is sent again in the same pass, and nobody hears of it.
pub async fn a_throttled_write_is_sent_again(base: Arc<Base>) -> Result<()> {
    let fixture = open(&base, "throttled").await?;
    let faults: Vec<Value> = ["CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateRule"]
        .iter()
        .map(|operation| json!({"service": "elbv2", "operation": operation, "times": 3, "kind": "throttle"}))
        .collect();
    fixture.scope.emulator().faults(&fixture.scope.region, &json!(faults)).await?;
    fixture.apply(&[fixture.ingress("shop", &[], &json!([]))]).await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await?;
    nobody_complains(&fixture, "shop").await?;
    ensure!(fixture.scope.emulator().struck(&fixture.scope.region).await? == 12, "not all of the faults struck");
    ensure!(!fixture.log().contains("a pass failed"), "{}", tail(&fixture.log()));
    fixture.close().await
}

/// Who may not read what is attached, and who is refused what is attached, serves all the same.
pub async fn an_add_on_that_fails_stops_no_edit(base: Arc<Base>) -> Result<()> {
    let fixture = open(&base, "addons-fail").await?;
    let region = fixture.scope.region.clone();
    let acl = acl(&fixture);
    let shop = |path: &str, with: bool| {
        let acl = [("wafv2-acl-arn", acl.as_str())];
        let pairs = if with { acl.as_slice() } else { &[] };
        fixture.ingress("shop", pairs, &json!([rule(None, &[(path, "Exact", "web", 80)])]))
    };
    fixture.apply(&[shop("/first", false)]).await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await?;
    for (operation, path) in [("GetWebACLForResource", "/second"), ("AssociateWebACL", "/third")] {
        let fault = json!([{"service": "wafv2", "operation": operation, "times": 0, "code": "AccessDeniedException"}]);
        fixture.scope.emulator().faults(&region, &fault).await?;
        fixture.apply(&[shop(path, true)]).await?;
        is_so(&fixture, path, |one| {
            one.listener(80).is_some_and(|listener| format!("{:?}", listener.rules).contains(path))
        })
        .await?;
        fixture.event("shop", "FailedDeployModel", operation).await?;
    }
    fixture.scope.emulator().faults(&region, &json!([])).await?;
    eventually("the web ACL is attached", SOON, async || {
        let state = fixture.state().await?;
        Ok(state.load_balancers.iter().any(|one| one.web_acl.as_deref() == Some(&acl)).then_some(()))
    })
    .await
    .with_context(|| tail(&fixture.log()))?;
    fixture.close().await
}

/// Each row: what a newcomer asks for and AWS refuses. It alone is quarantined and told; the others' edits reach AWS, and so does its own
/// once it is fixed.
pub async fn what_aws_refuses_costs_the_newcomer_alone(base: Arc<Base>) -> Result<()> {
    let fixture = open(&base, "refused").await?;
    let group = fixture.scope.group.clone();
    let member = |name: &str, path: &str, more: &[(&str, &str)]| {
        let pairs = [&[("group.name", group.as_str())], more].concat();
        fixture.ingress(
            name,
            &pairs,
            &json!([rule(Some(&format!("{name}.example.com")), &[(path, "Exact", "web", 80)])]),
        )
    };
    fixture.apply(&[member("victim", "/first", &[])]).await?;
    fixture.hostname("victim").await?;
    fixture.quiet().await?;
    let rows = [
        ("load-balancer-attributes", "no.such.attribute=1", "ModifyLoadBalancerAttributes", "ValidationError"),
        ("target-group-attributes", "no.such.attribute=1", "ModifyTargetGroupAttributes", "ValidationError"),
        ("target-type", "instance", "CreateTargetGroup", "InvalidConfigurationRequest"),
        ("target-type", "instance", "CreateRule", "ValidationError"),
        ("target-type", "instance", "CreateRule", "TooManyRules"),
    ];
    for (index, (annotation, value, operation, code)) in rows.into_iter().enumerate() {
        let (name, path) = (format!("evil-{index}"), format!("/edit-{index}"));
        let fault = json!([{"service": "elbv2", "operation": operation, "times": 0, "code": code, "target": name}]);
        let fault = if operation.starts_with("Create") { fault } else { json!([]) };
        fixture.scope.emulator().faults(&fixture.scope.region, &fault).await?;
        let host = format!("{name}.example.com");
        fixture.apply(&[member(&name, "/", &[(annotation, value), ("healthcheck-path", &format!("/{name}"))])]).await?;
        fixture.event(&name, "FailedBuildModel", "AWS refuses").await.with_context(|| format!("{host} {operation}"))?;
        fixture.apply(&[member("victim", &path, &[])]).await?;
        is_so(&fixture, &path, |one| {
            one.listener(80).is_some_and(|listener| format!("{:?}", listener.rules).contains(&path))
        })
        .await?;
        fixture.scope.emulator().faults(&fixture.scope.region, &json!([])).await?;
        fixture.apply(&[member(&name, "/fixed", &[])]).await?;
        is_so(&fixture, "it is served once it is fixed", |one| {
            one.listener(80).is_some_and(|listener| format!("{:?}", listener.rules).contains(&host))
        })
        .await?;
        fixture.kubectl(&["delete", "ingress", &name, "--timeout=60s"]).await?;
    }
    nobody_complains(&fixture, "victim").await.or_else(|error| {
        // The passes before the quarantine fail for all of them.
        ensure!(error.to_string().contains("FailedDeployModel"), "{error}");
        Ok(())
    })?;
    fixture.close().await
}

/// The same with what AWS refuses by itself, of a member that was stored while nobody reviewed it: a pass takes out what is known to be
/// refused, and the rest is refused by AWS to that member alone.
pub async fn what_aws_takes_from_nobody_costs_the_newcomer_alone(base: Arc<Base>) -> Result<()> {
    let fixture = open(&base, "taken").await?;
    let group = fixture.scope.group.clone();
    fixture.apply(&[service("next", "NodePort", 80, 8080)]).await?;
    let member = |name: &str, path: &str, backend: &str, more: &[(&str, &str)]| {
        let pairs = [&[("group.name", group.as_str())], more].concat();
        let port = if backend == "split" { json!({"name": "use-annotation"}) } else { json!({"number": 80}) };
        let path = json!({"path": path, "pathType": "Exact", "backend": {"service": {"name": backend, "port": port}}});
        let host = if name == "dotless" { name.to_owned() } else { format!("{name}.example.com") };
        fixture.ingress(name, &pairs, &json!([{"host": host, "http": {"paths": [path]}}]))
    };
    fixture.apply(&[member("victim", "/first", "web", &[])]).await?;
    fixture.hostname("victim").await?;
    fixture.quiet().await?;
    let shares = json!({"type": "forward", "forwardConfig": {"targetGroups": [
        {"serviceName": "web", "servicePort": 80, "weight": 90}, {"serviceName": "next", "servicePort": 80, "weight": 10}]}})
    .to_string();
    // Each with a health check of its own, so that its target groups are no one else's.
    let rows: [(&str, &str, &[(&str, &str)]); 6] = [
        ("sticky", "split", &[("actions.split", &shares), ("target-group-attributes", "stickiness.enabled=true")]),
        ("slow", "web", &[("target-group-attributes", "slow_start.duration_seconds=5")]),
        ("idle", "web", &[("load-balancer-attributes", "idle_timeout.timeout_seconds=5000")]),
        ("logs", "web", &[("load-balancer-attributes", "access_logs.s3.enabled=true")]),
        ("unknown", "web", &[("target-group-attributes", "no.such.attribute=1")]),
        ("dotless", "web", &[]),
    ];
    for (name, backend, more) in rows {
        let check = format!("/{name}");
        let more = [more, &[("healthcheck-path", check.as_str())]].concat();
        fixture.apply(&[member(name, "/", backend, &more)]).await?;
        fixture.event(name, "FailedBuildModel", "").await.with_context(|| name.to_owned())?;
        fixture.apply(&[member("victim", &check, "web", &[])]).await?;
        is_so(&fixture, &format!("the victim is served beside {name}"), |one| {
            one.listener(80).is_some_and(|listener| format!("{:?}", listener.rules).contains(&check))
        })
        .await?;
        fixture.kubectl(&["delete", "ingress", name, "--timeout=60s"]).await?;
    }
    fixture.close().await
}
