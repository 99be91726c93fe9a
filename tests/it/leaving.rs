//! Ingresses that are deleted and cannot go yet: their spec does not matter, and each says what it waits for.

use std::sync::Arc;
use std::time::Duration;

use albedo_testenv::eventually;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::explain::stands;
use crate::fixture::{Fixture, SOON};
use crate::objects::service;

/// What the group of a lone Ingress says of itself, in its column and by its conditions.
async fn standing(fixture: &Fixture, ingress: &str) -> Result<String> {
    let object = format!("ingress.{}.{ingress}", fixture.scope.namespace);
    let path = "jsonpath={.status.state}{range .status.conditions[?(@.status==\"True\")]} {.type}={.reason}{end}";
    fixture.kubectl(&["get", "ingressgroup", &object, "-o", path]).await
}

async fn becomes(fixture: &Fixture, ingress: &str, wanted: &str) -> Result<()> {
    eventually(&format!("the group of {ingress} is {wanted}"), SOON, async || {
        let is = standing(fixture, ingress).await?;
        ensure!(is == wanted, "it is {is}");
        Ok(Some(()))
    })
    .await
}

async fn delete(fixture: &Fixture, ingress: &str) -> Result<()> {
    fixture.kubectl(&["delete", "ingress", ingress, "--wait=false"]).await.map(drop)
}

async fn goes(fixture: &Fixture, ingress: &str) -> Result<()> {
    fixture.kubectl(&["wait", "--for=delete", &format!("ingress/{ingress}"), "--timeout=90s"]).await.map(drop)
}

/// Switches deletion protection of the one load balancer, as somebody does it in the console.
async fn protect(fixture: &Fixture, on: bool) -> Result<()> {
    let balancers = fixture.state().await?.load_balancers;
    for one in balancers {
        let attribute = json!({"Key": "deletion_protection.enabled", "Value": on.to_string()});
        let params = json!({"LoadBalancerArn": one.arn, "Attributes": [attribute]});
        fixture.scope.emulator().call(&fixture.scope.region, "elbv2", "ModifyLoadBalancerAttributes", &params).await?;
    }
    Ok(())
}

pub async fn a_faulty_ingress_is_deleted_when_protection_ends(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "faulty").await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080), fixture.ingress("shop", &[], &json!([]))]).await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await?;
    becomes(&fixture, "shop", "Ready Ready=Reconciled").await?;
    protect(&fixture, true).await?;
    // Nobody was asked: no webhook is registered.
    let faulty = [("listen-ports", "80"), ("load-balancer-attributes", "nonsense"), ("target-type", "none")];
    fixture.apply(&[fixture.ingress("shop", &faulty, &json!([]))]).await?;
    fixture.event("shop", "FailedBuildModel", "listen-ports").await?;
    becomes(&fixture, "shop", "Blocked Stalled=Quarantined").await?;
    fixture.quiet().await?;
    let before = fixture.state().await?.picture(&fixture.scope.world);

    delete(&fixture, "shop").await?;
    let said = fixture.event("shop", "DeletionWaiting", "deletion protection of load balancer").await?;
    ensure!(said.contains("deletion_protection.enabled=false"), "no fix: {said}");
    becomes(&fixture, "shop", "Blocked Stalled=Held").await?;
    let told = stands(&base, &fixture, "shop", "held", 1).await?;
    let waits = told["waits"].to_string();
    ensure!(waits.contains("deletion protection"), "{told:#}");
    ensure!(told["groups"][0]["remains"]["LoadBalancer"].is_string(), "{told:#}");
    let after = fixture.state().await?.picture(&fixture.scope.world);
    ensure!(after == before, "something went before the load balancer could:\n{after}\nof\n{before}");

    protect(&fixture, false).await?;
    goes(&fixture, "shop").await?;
    fixture.quiet().await?;
    let left = fixture.state().await?.picture(&fixture.scope.world);
    ensure!(left.is_empty(), "AWS still holds\n{left}");
    fixture.close().await
}

/// Each row: what AWS refuses, with which code, and what the Ingress says of it.
pub async fn deletion_says_what_it_waits_for(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "waits").await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let rows = [
        ("denied", "elbv2", "DeleteLoadBalancer", "AccessDenied", "deploy/iam-policy.json"),
        ("used", "ec2", "DeleteSecurityGroup", "DependencyViolation", "describe-network-interfaces"),
    ];
    for (name, aws, operation, code, fix) in rows {
        fixture.apply(&[fixture.ingress(name, &[], &json!([]))]).await?;
        fixture.hostname(name).await?;
        fixture.quiet().await?;
        let fault = json!([{"service": aws, "operation": operation, "times": 0, "code": code, "status": 403}]);
        fixture.scope.emulator().faults(&fixture.scope.region, &fault).await?;
        delete(&fixture, name).await?;
        let said = fixture.event(name, "FailedDeployModel", operation).await?;
        ensure!(said.contains(code) && said.contains(fix), "{said}");
        let told = stands(&base, &fixture, name, "held", 1).await?;
        ensure!(told["faults"][0]["message"].as_str().is_some_and(|text| text.contains(fix)), "{told:#}");
        fixture.scope.emulator().faults(&fixture.scope.region, &json!([])).await?;
        goes(&fixture, name).await?;
    }

    // A binding that somebody else holds.
    fixture.apply(&[fixture.ingress("bound", &[], &json!([]))]).await?;
    fixture.hostname("bound").await?;
    fixture.quiet().await?;
    let held = json!([{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/mine"}]).to_string();
    let binding = fixture.kubectl(&["get", "targetgroupbindings", "-o", "name"]).await?.trim().to_owned();
    fixture.kubectl(&["patch", &binding, "--type=json", "-p", &held]).await?;
    delete(&fixture, "bound").await?;
    let said = fixture.event("bound", "DeletionWaiting", "to let go of its targets").await?;
    ensure!(said.contains("example.com/mine"), "{said}");
    let told = stands(&base, &fixture, "bound", "leaving", 0).await?;
    ensure!(told["waits"].to_string().contains("example.com/mine"), "{told:#}");
    fixture
        .kubectl(&["patch", &binding, "--type=json", "-p", r#"[{"op": "remove", "path": "/metadata/finalizers"}]"#])
        .await?;
    goes(&fixture, "bound").await?;
    fixture.close().await
}

/// While it cannot be told whose one member is, nothing of the group goes, and the other one that is deleted says so.
pub async fn a_sibling_may_hold_it(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "sibling").await?;
    let class = |name: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
            "spec": {"controller": "ingress.k8s.aws/alb"}})
    };
    let lost = format!("lost-{}", fixture.scope.id);
    fixture.apply(&[service("web", "NodePort", 80, 8080), class(&lost)]).await?;
    let group = [("group.name", fixture.scope.group.as_str())];
    let mut one: Value = fixture.ingress("one", &group, &json!([]));
    one["spec"]["ingressClassName"] = json!(lost);
    fixture.apply(&[one, fixture.ingress("two", &group, &json!([]))]).await?;
    fixture.hostname("two").await?;
    fixture.hostname("one").await?;
    fixture.quiet().await?;
    fixture.kubectl(&["delete", "ingressclass", &lost]).await?;
    fixture.event("one", "FailedLoadGroupID", &lost).await?;
    delete(&fixture, "two").await?;
    let said = fixture.event("two", "DeletionWaiting", "cannot be told whose it is").await?;
    ensure!(said.contains("/one"), "{said}");
    ensure!(tokio::time::timeout(Duration::from_secs(2), goes(&fixture, "two")).await.is_err(), "it went");
    fixture.apply(&[class(&lost)]).await?;
    goes(&fixture, "two").await?;
    fixture.kubectl(&["delete", "ingress", "one", "--timeout=60s"]).await?;
    fixture.kubectl(&["delete", "ingressclass", &lost]).await?;
    fixture.close().await
}
