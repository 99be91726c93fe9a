//! Several Ingresses, one load balancer; and targets that are nodes.

use std::sync::Arc;

use albedo_testenv::{Rule, State, eventually};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON};
use crate::names;
use crate::objects::{deployment, finalizers, hostname_of, rule, service};

/// A member of the test's group: an order, a scheme, and paths to the Service web.
fn member(fixture: &Fixture, name: &str, order: &str, scheme: &str, paths: &[&str]) -> Value {
    let annotations = [
        ("group.name", fixture.scope.group.as_str()),
        ("group.order", order),
        ("scheme", scheme),
        ("target-type", "ip"),
    ];
    let paths: Vec<(&str, &str, &str, u16)> = paths.iter().map(|path| (*path, "Exact", "web", 80)).collect();
    fixture.ingress(name, &annotations, &json!([rule(None, &paths)]))
}

/// The paths of the rules of the one load balancer's port 80, in their order.
fn paths(state: &State, name: &str) -> Result<Vec<String>> {
    let balancer = state.load_balancer(name).with_context(|| format!("no load balancer {name}"))?;
    let path = |rule: &Rule| rule.conditions.first()?["PathPatternConfig"]["Values"][0].as_str().map(str::to_owned);
    let listener = balancer.listener(80).context("no listener on port 80")?;
    Ok(listener.rules.iter().filter(|rule| !rule.is_default).filter_map(path).collect())
}

async fn becomes(fixture: &Fixture, name: &str, wanted: &[&str]) -> Result<()> {
    let what = format!("{name} has the rules {wanted:?}");
    eventually(&what, SOON, async || {
        let is = paths(&fixture.state().await?, name)?;
        ensure!(is == wanted, "it has {is:?}");
        Ok(Some(()))
    })
    .await?;
    fixture.quiet().await
}

pub async fn members_share_a_load_balancer(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "shared", &[]).await?;
    fixture.apply(&[deployment("web", 1, 8080), service("web", "ClusterIP", 80, 8080)]).await?;
    let (group, scheme) = (fixture.scope.group.as_str(), "internet-facing");
    let name = names::shared_load_balancer(&fixture.scope.cluster, group, scheme);
    fixture.apply(&[member(&fixture, "late", "20", scheme, &["/a", "/b"])]).await?;
    becomes(&fixture, &name, &["/a", "/b"]).await?;
    fixture.apply(&[member(&fixture, "early", "-10", scheme, &["/c"])]).await?;
    becomes(&fixture, &name, &["/c", "/a", "/b"]).await?;

    let balancer = fixture.state().await?.load_balancers;
    ensure!(balancer.len() == 1, "{} load balancers", balancer.len());
    let balancer = balancer.first().context("no load balancer")?;
    ensure!(balancer.tags == names::tags(&fixture.scope.cluster, group, "LoadBalancer"), "{:?}", balancer.tags);
    for ingress in ["late", "early"] {
        let stored = fixture.stored(ingress).await?;
        ensure!(finalizers(&stored) == [format!("group.ingress.k8s.aws/{group}")], "{:?}", finalizers(&stored));
        ensure!(hostname_of(&stored) == Some(balancer.dns_name.to_lowercase()), "{:?}", stored.status);
    }
    let row = fixture.kubectl(&["get", "ingressgroups", "--no-headers"]).await?;
    let row = row.lines().find(|line| line.contains(&name)).context("no IngressGroup")?.to_owned();
    let columns: Vec<&str> = row.split_whitespace().collect();
    ensure!(columns.iter().skip(3).take(3).eq(&["2", "0", "Ready"]), "{row}");

    // The order turns around; nothing else of either changes.
    fixture.apply(&[member(&fixture, "early", "30", scheme, &["/c"])]).await?;
    becomes(&fixture, &name, &["/a", "/b", "/c"]).await?;
    leaving(&fixture, &name).await?;
    fixture.close().await
}

/// One leaves for a load balancer of its own, once that is meant; then the last goes, and the group with it.
async fn leaving(fixture: &Fixture, name: &str) -> Result<()> {
    let rules = json!([rule(None, &[("/c", "Exact", "web", 80)])]);
    let (scheme, ip) = (("scheme", "internet-facing"), ("target-type", "ip"));
    let refused = fixture.try_apply(&[fixture.ingress("early", &[scheme, ip], &rules)], &[]).await?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && said.contains("ALB303") && said.contains(name), "{said}");
    let meant = ("albedo.dev/allow-replacement", "true");
    fixture.apply(&[fixture.ingress("early", &[scheme, ip, meant], &rules)]).await?;
    becomes(fixture, name, &["/a", "/b"]).await?;
    let own = names::load_balancer(&fixture.scope.cluster, &fixture.scope.namespace, "early", "internet-facing");
    becomes(fixture, &own, &["/c"]).await?;
    let stored = fixture.stored("early").await?;
    ensure!(finalizers(&stored) == ["ingress.k8s.aws/resources"], "{:?}", finalizers(&stored));
    ensure!(hostname_of(&stored).is_some_and(|host| host.starts_with(&own)), "{:?}", stored.status);

    fixture.kubectl(&["delete", "ingress", "late", "--timeout=60s"]).await?;
    fixture.quiet().await?;
    let state = fixture.state().await?;
    let left: Vec<&str> = state.load_balancers.iter().map(|lb| lb.name.as_str()).collect();
    ensure!(left == [own.as_str()], "{left:?}");
    ensure!(state.target_groups.len() == 1, "{}", state.picture(&fixture.scope.world));
    fixture.kubectl(&["delete", "ingress", "early", "--timeout=60s"]).await?;
    fixture.quiet().await?;
    let left = fixture.state().await?.picture(&fixture.scope.world);
    ensure!(left.is_empty(), "{left}");
    Ok(())
}

/// Nobody refused the second one at admission: the reconciler quarantines it, tells it alone, and the first goes on.
pub async fn the_younger_of_two_that_conflict_waits(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "conflict").await?;
    fixture.apply(&[deployment("web", 1, 8080), service("web", "ClusterIP", 80, 8080)]).await?;
    let name = names::shared_load_balancer(&fixture.scope.cluster, &fixture.scope.group, "internet-facing");
    fixture.apply(&[member(&fixture, "older", "0", "internet-facing", &["/a"])]).await?;
    becomes(&fixture, &name, &["/a"]).await?;
    // First in order, last in time: it is time that counts.
    fixture.apply(&[member(&fixture, "younger", "-5", "internal", &["/b"])]).await?;
    let said = fixture.event("younger", "FailedBuildModel", "scheme").await?;
    for fact in ["older", "internal", "internet-facing"] {
        ensure!(said.contains(fact), "the event does not say {fact}: {said}");
    }
    fixture.apply(&[member(&fixture, "older", "0", "internet-facing", &["/a", "/c"])]).await?;
    becomes(&fixture, &name, &["/a", "/c"]).await?;
    ensure!(fixture.state().await?.load_balancers.len() == 1, "there is another load balancer");
    let told = fixture.events("older").await?;
    ensure!(told.iter().all(|(reason, _)| reason == "SuccessfullyReconciled"), "the older one was told, too: {told:?}");
    let row = fixture.kubectl(&["get", "ingressgroups", "--no-headers"]).await?;
    let row = row.lines().find(|line| line.contains(&name)).context("no IngressGroup")?.to_owned();
    ensure!(row.split_whitespace().skip(3).take(2).eq(["2", "1"]), "{row}");

    fixture.apply(&[member(&fixture, "younger", "-5", "internet-facing", &["/b"])]).await?;
    becomes(&fixture, &name, &["/b", "/a", "/c"]).await?;
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    fixture.close().await
}

/// Targets are the nodes, by instance and node port; a node that is labelled out is none.
pub async fn nodes_are_targets(base: Arc<Base>) -> Result<()> {
    const OUT: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
    let fixture = Fixture::with_webhooks(&base, "nodes", &[]).await?;
    fixture.apply(&[deployment("web", 1, 8080), service("web", "NodePort", 80, 8080)]).await?;
    fixture
        .apply(&[fixture.ingress("web", &[("scheme", "internal"), ("target-type", "instance")], &json!([]))])
        .await?;
    fixture.hostname("web").await?;
    let ports = fixture.scope.api::<Service>().get("web").await?.spec.and_then(|spec| spec.ports).unwrap_or_default();
    let port = ports.first().and_then(|port| port.node_port).context("no node port")?;
    let line = |id: &str| format!("{id}:{port} healthy");
    let nodes = fixture.scope.world.nodes.clone();
    let all: Vec<String> = nodes.iter().map(|node| line(&node.instance_id)).collect();
    targets_become(&fixture, &all).await?;
    let picture = fixture.state().await?.picture(&fixture.scope.world);
    let opening = format!("  tcp {port} from {}\n", names::backend_security_group(&fixture.scope.cluster));
    ensure!(picture.contains(&opening), "the nodes are not open for the load balancer:\n{picture}");
    ensure!(picture.contains("  subnets private-a, private-b, private-c\n"), "{picture}");

    let (first, last) = (nodes.first().context("no node")?, nodes.last().context("no node")?);
    fixture.kubectl(&["label", "node", &last.name, &format!("{OUT}=true")]).await?;
    let fewer = targets_become(&fixture, &[line(&first.instance_id)]).await;
    // Whatever came of it: the nodes are everybody's.
    fixture.kubectl(&["label", "node", &last.name, &format!("{OUT}-")]).await?;
    fewer?;
    targets_become(&fixture, &all).await?;

    let zone = format!("topology.kubernetes.io/zone={}", first.zone.replace(&fixture.scope.region, "us-east-1"));
    let selected = [("scheme", "internal"), ("target-type", "instance"), ("target-node-labels", zone.as_str())];
    fixture.apply(&[fixture.ingress("web", &selected, &json!([]))]).await?;
    targets_become(&fixture, &[line(&first.instance_id)]).await?;
    fixture.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    fixture.close().await
}

async fn targets_become(fixture: &Fixture, wanted: &[String]) -> Result<()> {
    let what = format!("the targets are {wanted:?}");
    eventually(&what, SOON, async || {
        let state = fixture.state().await?;
        let mut is: Vec<String> = state
            .target_groups
            .iter()
            .flat_map(|tg| &tg.targets)
            .map(|target| format!("{}:{} {}", target.id, target.port, target.state))
            .collect();
        is.sort();
        ensure!(is == wanted, "they are {is:?}");
        Ok(Some(()))
    })
    .await?;
    fixture.quiet().await
}
