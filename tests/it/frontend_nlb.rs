//! The NLB in front of a group's load balancer: how it comes, changes, stays through a restart, and goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use albedo_testenv::{Call, LoadBalancer, State, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};

const PORTS: &str = r#"[{"HTTP": 80}, {"HTTP": 8080}]"#;

/// A fixture with one Ingress; its Service is not there, so that every request is answered with 503 and no Pod is needed.
async fn open(base: &Arc<Base>, name: &str, annotations: &[(&str, &str)]) -> Result<Fixture> {
    let fixture = Fixture::with_albedo(base, name).await?;
    put(&fixture, annotations).await?;
    Ok(fixture)
}

async fn put(fixture: &Fixture, annotations: &[(&str, &str)]) -> Result<()> {
    let all = [&[("listen-ports", PORTS), ("target-type", "ip")], annotations].concat();
    fixture.apply(&[fixture.ingress("web", &all, &json!([]))]).await
}

/// Waits until the status has that many host names, and until Albedo rests.
async fn hosts(fixture: &Fixture, count: usize) -> Result<Vec<Value>> {
    let what = format!("{count} host names");
    let found = eventually(&what, SOON, async || {
        let status = serde_json::to_value(fixture.stored("web").await?.status)?;
        let hosts = status["loadBalancer"]["ingress"].as_array().cloned().unwrap_or_default();
        Ok((hosts.len() == count).then_some(hosts))
    });
    let hosts = found.await.with_context(|| tail(&fixture.log()))?;
    fixture.quiet().await?;
    Ok(hosts)
}

fn of_type<'s>(state: &'s State, kind: &str) -> Result<&'s LoadBalancer> {
    let found = state.load_balancers.iter().find(|one| one.rest.get("Type").is_some_and(|is| is == kind));
    found.with_context(|| format!("no load balancer of type {kind}"))
}

/// The NLB's port → the ALB's port that its target group has registered, for each listener.
fn ports(state: &State) -> Result<BTreeMap<u16, u16>> {
    let (nlb, alb) = (of_type(state, "network")?, of_type(state, "application")?);
    let mut ports = BTreeMap::new();
    for listener in &nlb.listeners {
        ensure!(listener.protocol == "TCP", "{listener:?}");
        let forward = &listener.default_actions[0]["ForwardConfig"]["TargetGroups"];
        let arn = forward[0]["TargetGroupArn"].as_str().unwrap_or_default();
        let group = state.target_group(arn).with_context(|| format!("no target group {arn}"))?;
        ensure!(group.target_type == "alb" && group.targets.len() == 1, "{group:?}");
        ensure!(group.targets[0].id == alb.arn, "{:?} is not {}", group.targets, alb.arn);
        ports.insert(listener.port, group.targets[0].port);
    }
    Ok(ports)
}

fn names(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.operation.as_str()).collect()
}

/// Applies an edit and answers what it wrote in AWS.
async fn edit(fixture: &Fixture, annotations: &[(&str, &str)], count: usize) -> Result<Vec<Call>> {
    let mark = fixture.mark().await?;
    put(fixture, annotations).await?;
    eventually("the edit is seen", SOON, async || Ok((!fixture.writes_since(mark).await?.is_empty()).then_some(())))
        .await?;
    hosts(fixture, count).await?;
    let calls = fixture.writes_since(mark).await?;
    ensure!(calls.iter().all(|call| call.error.is_none()), "{calls:?}");
    Ok(calls)
}

pub async fn it_leads_to_the_load_balancer(base: Arc<Base>) -> Result<()> {
    const ON: (&str, &str) = ("enable-frontend-nlb", "true");
    const IDLE: (&str, &str) = ("frontend-nlb-listener-attributes", "tcp.idle_timeout.seconds=4000");
    let mut fixture = open(&base, "frontend", &[ON]).await?;
    let said = hosts(&fixture, 2).await?;
    let state = fixture.state().await?;
    let (nlb, alb) = (of_type(&state, "network")?, of_type(&state, "application")?);
    ensure!(said[0]["hostname"] == alb.dns_name.to_lowercase() && said[0]["ports"].is_array(), "{said:?}");
    ensure!(said[1] == json!({"hostname": nlb.dns_name.to_lowercase()}), "{said:?}");
    let begins: String = alb.name.chars().take(28).collect();
    ensure!(nlb.name == format!("{begins}-nlb"), "{} and {}", nlb.name, alb.name);
    ensure!(nlb.security_groups == alb.security_groups, "{:?}", nlb.security_groups);
    ensure!(nlb.tags["ingress.k8s.aws/resource"] == "FrontendNlb", "{:?}", nlb.tags);
    ensure!(ports(&state)? == BTreeMap::from([(80, 80), (8080, 8080)]), "{:?}", ports(&state)?);

    let mark = fixture.mark().await?;
    let status = fixture.albedo()?.stop().await?;
    ensure!(status.success(), "albedo ended with {status}");
    fixture.start().await?;
    eventually("the group was looked at again", SOON, async || {
        let calls = fixture.scope.emulator().calls_since(&fixture.scope.region, mark).await?;
        Ok(calls.iter().any(|call| call.operation == "DescribeTargetHealth").then_some(()))
    })
    .await?;
    fixture.quiet().await?;
    let writes = fixture.writes_since(mark).await?;
    ensure!(writes.is_empty(), "a restart wrote {writes:?}");

    let calls = edit(&fixture, &[ON, ("frontend-nlb-listener-port-mapping", "9000=80,8080=8080")], 2).await?;
    let wanted = [
        "DeregisterTargets",
        "CreateTargetGroup",
        "DeleteListener",
        "CreateListener",
        "RegisterTargets",
        "DeleteTargetGroup",
    ];
    ensure!(names(&calls) == wanted, "another mapping: {:?}", names(&calls));
    ensure!(ports(&fixture.state().await?)? == BTreeMap::from([(8080, 8080), (9000, 80)]));

    let calls = edit(&fixture, &[ON, ("frontend-nlb-listener-port-mapping", "9000=8080,8080=8080")], 2).await?;
    ensure!(names(&calls) == ["DeregisterTargets", "RegisterTargets"], "another port: {:?}", names(&calls));
    ensure!(ports(&fixture.state().await?)? == BTreeMap::from([(8080, 8080), (9000, 8080)]));

    let calls = edit(&fixture, &[ON, IDLE, ("frontend-nlb-listener-port-mapping", "9000=8080,8080=8080")], 2).await?;
    ensure!(names(&calls) == ["ModifyListenerAttributes"; 2], "idle connections: {:?}", names(&calls));
    let state = fixture.state().await?;
    for listener in &of_type(&state, "network")?.listeners {
        ensure!(listener.attributes["tcp.idle_timeout.seconds"] == "4000", "{listener:?}");
    }

    let calls = edit(&fixture, &[], 1).await?;
    let wanted =
        ["DeregisterTargets", "DeregisterTargets", "DeleteLoadBalancer", "DeleteTargetGroup", "DeleteTargetGroup"];
    ensure!(names(&calls) == wanted, "turned off: {:?}", names(&calls));
    let state = fixture.state().await?;
    ensure!(state.load_balancers.len() == 1 && of_type(&state, "application").is_ok(), "{state:?}");
    fixture.close().await
}

pub async fn it_goes_with_its_group(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "frontend-gone").await?;
    let subnets: Vec<String> = fixture.scope.world.public_subnets().take(2).map(ToOwned::to_owned).collect();
    let subnets = subnets.join(",");
    let annotations = [
        ("enable-frontend-nlb", "true"),
        ("frontend-nlb-scheme", "internet-facing"),
        ("frontend-nlb-subnets", subnets.as_str()),
        ("frontend-nlb-eip-allocations", "eipalloc-0123456789abcdef0,eipalloc-0123456789abcdef1"),
        ("frontend-nlb-attributes", "load_balancing.cross_zone.enabled=true"),
        ("frontend-nlb-tags", "team=edge"),
    ];
    put(&fixture, &annotations).await?;
    hosts(&fixture, 2).await?;
    let calls = fixture.writes_since(0).await?;
    let made = calls.iter().find(|call| call.operation == "CreateLoadBalancer" && call.params["Type"] == "network");
    let mappings = &made.context("no NLB was made")?.params["SubnetMappings"];
    ensure!(mappings[1]["AllocationId"] == "eipalloc-0123456789abcdef1", "{mappings}");
    let state = fixture.state().await?;
    let (nlb, alb) = (of_type(&state, "network")?, of_type(&state, "application")?);
    ensure!(nlb.scheme.as_deref() == Some("internet-facing") && alb.scheme.as_deref() == Some("internal"), "{nlb:?}");
    ensure!(nlb.attributes["load_balancing.cross_zone.enabled"] == "true", "{:?}", nlb.attributes);
    for tags in [&nlb.tags, &nlb.listeners[0].tags] {
        ensure!(tags.get("team").is_some_and(|team| team == "edge"), "{tags:?}");
    }

    let mark = fixture.mark().await?;
    fixture.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    fixture.quiet().await?;
    let left = fixture.state().await?.picture(&fixture.scope.world);
    ensure!(left.is_empty(), "AWS still holds\n{left}");
    let calls = fixture.writes_since(mark).await?;
    ensure!(calls.iter().all(|call| call.error.is_none()), "{calls:?}");
    ensure!(names(&calls).first() == Some(&"DeregisterTargets"), "{:?}", names(&calls));
    fixture.close().await
}
