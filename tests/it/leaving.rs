//! Ingresses that are deleted and cannot go yet: their spec does not matter, and each says what it waits for.

use std::sync::Arc;
use std::time::Duration;

use albedo_ground::eventually;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::explain::stands;
use crate::objects::service;
use crate::stage::{SOON, Stage};

/// What the group of a lone Ingress says of itself, in its column and by its conditions.
async fn standing(stage: &Stage, ingress: &str) -> Result<String> {
    let object = format!("ingress.{}.{ingress}", stage.scope.namespace);
    let path = "jsonpath={.status.state}{range .status.conditions[?(@.status==\"True\")]} {.type}={.reason}{end}";
    stage.kubectl(&["get", "ingressgroup", &object, "-o", path]).await
}

async fn becomes(stage: &Stage, ingress: &str, wanted: &str) -> Result<()> {
    eventually(&format!("the group of {ingress} is {wanted}"), SOON, async || {
        let is = standing(stage, ingress).await?;
        ensure!(is == wanted, "it is {is}");
        Ok(Some(()))
    })
    .await
}

async fn delete(stage: &Stage, ingress: &str) -> Result<()> {
    stage.kubectl(&["delete", "ingress", ingress, "--wait=false"]).await.map(drop)
}

async fn goes(stage: &Stage, ingress: &str) -> Result<()> {
    stage.kubectl(&["wait", "--for=delete", &format!("ingress/{ingress}"), "--timeout=90s"]).await.map(drop)
}

/// Switches deletion protection of the one load balancer, as somebody does it in the console.
async fn protect(stage: &Stage, on: bool) -> Result<()> {
    let balancers = stage.state().await?.load_balancers;
    for one in balancers {
        let attribute = json!({"Key": "deletion_protection.enabled", "Value": on.to_string()});
        let params = json!({"LoadBalancerArn": one.arn, "Attributes": [attribute]});
        stage.scope.emulator().call(&stage.scope.region, "elbv2", "ModifyLoadBalancerAttributes", &params).await?;
    }
    Ok(())
}

pub async fn a_faulty_ingress_is_deleted_when_protection_ends(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_albedo(&base, "faulty").await?;
    stage.apply(&[service("web", "NodePort", 80, 8080), stage.ingress("shop", &[], &json!([]))]).await?;
    stage.hostname("shop").await?;
    stage.quiet().await?;
    becomes(&stage, "shop", "Ready Ready=Reconciled").await?;
    protect(&stage, true).await?;
    // Nobody was asked: no webhook is registered.
    let faulty = [("listen-ports", "80"), ("load-balancer-attributes", "nonsense"), ("target-type", "none")];
    stage.apply(&[stage.ingress("shop", &faulty, &json!([]))]).await?;
    stage.event("shop", "FailedBuildModel", "listen-ports").await?;
    becomes(&stage, "shop", "Blocked Stalled=SetAside").await?;
    stage.quiet().await?;
    let before = stage.state().await?.picture(&stage.scope.world);

    delete(&stage, "shop").await?;
    let said = stage.event("shop", "DeletionWaiting", "deletion protection of load balancer").await?;
    ensure!(said.contains("deletion_protection.enabled=false"), "no mend: {said}");
    becomes(&stage, "shop", "Blocked Stalled=Held").await?;
    let told = stands(&base, &stage, "shop", "held", 1).await?;
    let waits = told["waits"].to_string();
    ensure!(waits.contains("deletion protection"), "{told:#}");
    ensure!(told["groups"][0]["remains"]["LoadBalancer"].is_string(), "{told:#}");
    let after = stage.state().await?.picture(&stage.scope.world);
    ensure!(after == before, "something went before the load balancer could:\n{after}\nof\n{before}");

    protect(&stage, false).await?;
    goes(&stage, "shop").await?;
    stage.quiet().await?;
    let left = stage.state().await?.picture(&stage.scope.world);
    ensure!(left.is_empty(), "AWS still holds\n{left}");
    stage.close().await
}

/// Each row: what AWS refuses, with which code, and what the Ingress says of it.
pub async fn deletion_says_what_it_waits_for(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_albedo(&base, "waits").await?;
    stage.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let rows = [
        ("denied", "elbv2", "DeleteLoadBalancer", "AccessDenied", "deploy/iam-policy.json"),
        ("used", "ec2", "DeleteSecurityGroup", "DependencyViolation", "describe-network-interfaces"),
    ];
    for (name, aws, operation, code, mend) in rows {
        stage.apply(&[stage.ingress(name, &[], &json!([]))]).await?;
        stage.hostname(name).await?;
        stage.quiet().await?;
        let fault = json!([{"service": aws, "operation": operation, "times": 0, "code": code, "status": 403}]);
        stage.scope.emulator().faults(&stage.scope.region, &fault).await?;
        delete(&stage, name).await?;
        let said = stage.event(name, "FailedDeployModel", operation).await?;
        ensure!(said.contains(code) && said.contains(mend), "{said}");
        let told = stands(&base, &stage, name, "held", 1).await?;
        ensure!(told["faults"][0]["message"].as_str().is_some_and(|text| text.contains(mend)), "{told:#}");
        stage.scope.emulator().faults(&stage.scope.region, &json!([])).await?;
        goes(&stage, name).await?;
    }

    // A binding that somebody else holds.
    stage.apply(&[stage.ingress("bound", &[], &json!([]))]).await?;
    stage.hostname("bound").await?;
    stage.quiet().await?;
    let held = json!([{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/mine"}]).to_string();
    let binding = stage.kubectl(&["get", "targetgroupbindings", "-o", "name"]).await?.trim().to_owned();
    stage.kubectl(&["patch", &binding, "--type=json", "-p", &held]).await?;
    delete(&stage, "bound").await?;
    let said = stage.event("bound", "DeletionWaiting", "to let go of its targets").await?;
    ensure!(said.contains("example.com/mine"), "{said}");
    let told = stands(&base, &stage, "bound", "leaving", 0).await?;
    ensure!(told["waits"].to_string().contains("example.com/mine"), "{told:#}");
    stage
        .kubectl(&["patch", &binding, "--type=json", "-p", r#"[{"op": "remove", "path": "/metadata/finalizers"}]"#])
        .await?;
    goes(&stage, "bound").await?;
    stage.close().await
}

/// While it cannot be told whose one member is, nothing of the group goes, and the other one that is deleted says so.
pub async fn a_sibling_may_hold_it(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_albedo(&base, "sibling").await?;
    let class = |name: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
            "spec": {"controller": "ingress.k8s.aws/alb"}})
    };
    let lost = format!("lost-{}", stage.scope.id);
    stage.apply(&[service("web", "NodePort", 80, 8080), class(&lost)]).await?;
    let group = [("group.name", stage.scope.group.as_str())];
    let mut one: Value = stage.ingress("one", &group, &json!([]));
    one["spec"]["ingressClassName"] = json!(lost);
    stage.apply(&[one, stage.ingress("two", &group, &json!([]))]).await?;
    stage.hostname("two").await?;
    stage.hostname("one").await?;
    stage.quiet().await?;
    stage.kubectl(&["delete", "ingressclass", &lost]).await?;
    stage.event("one", "FailedLoadGroupID", &lost).await?;
    delete(&stage, "two").await?;
    let said = stage.event("two", "DeletionWaiting", "cannot be told whose it is").await?;
    ensure!(said.contains("/one"), "{said}");
    ensure!(tokio::time::timeout(Duration::from_secs(2), goes(&stage, "two")).await.is_err(), "it went");
    stage.apply(&[class(&lost)]).await?;
    goes(&stage, "two").await?;
    stage.kubectl(&["delete", "ingress", "one", "--timeout=60s"]).await?;
    stage.kubectl(&["delete", "ingressclass", &lost]).await?;
    stage.close().await
}
