//! `albedo explain ingress`, held against what AWS and the cluster hold.

use std::path::Path;
use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::base::{ALBEDO, Base};
use crate::fixture::{Fixture, SOON};
use crate::objects::{rule, service};

/// `albedo explain` with a kubeconfig: the exit code, and both streams.
async fn explain(kubeconfig: &Path, args: &[&str]) -> Result<(Option<i32>, String)> {
    let out = Command::new(ALBEDO).arg("explain").args(args).env("KUBECONFIG", kubeconfig).output().await?;
    let said = [out.stderr, out.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok((out.status.code(), said))
}

/// What programs are told of an Ingress, and the exit code.
pub async fn described(base: &Base, fixture: &Fixture, name: &str) -> Result<(Option<i32>, Value)> {
    let ingress = format!("ingress/{name}");
    let args = [ingress.as_str(), "-n", &fixture.scope.namespace, "--output=json"];
    let (code, said) = explain(base.test_env.plane().kubeconfig(), &args).await?;
    let json = serde_json::from_str(&said).with_context(|| format!("exit {code:?}: {said}"))?;
    Ok((code, json))
}

/// The texts below a pointer whose `*` stands for each item of a list.
fn texts(of: &Value, pointer: &str) -> Vec<String> {
    match pointer.split_once("/*") {
        None => of.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned).into_iter().collect(),
        Some((list, rest)) => {
            let items = of.pointer(list).and_then(Value::as_array).into_iter().flatten();
            items.flat_map(|item| texts(item, rest)).collect()
        }
    }
}

pub async fn what_an_ingress_became(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "became").await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080), service("api", "NodePort", 80, 8080)]).await?;
    let paths = [("/api", "Exact", "api", 80), ("/", "Prefix", "web", 80)];
    let rules = json!([rule(Some("shop.example.com"), &paths)]);
    fixture.apply(&[fixture.ingress("shop", &[("listen-ports", r#"[{"HTTP": 80}, {"HTTP": 8080}]"#)], &rules)]).await?;
    let host = fixture.hostname("shop").await?;
    fixture.quiet().await?;

    let (code, told) = described(&base, &fixture, "shop").await?;
    ensure!(code == Some(0) && told["state"] == "served", "{code:?} {told:#}");
    let state = fixture.state().await?;
    let balancer = state.load_balancers.first().context("no load balancer")?;
    let group = &told["groups"][0];
    ensure!(
        group["loadBalancer"]["arn"] == balancer.arn && group["loadBalancer"]["name"] == balancer.name,
        "{group:#}"
    );
    ensure!(told["hosts"] == json!([host]) && group["state"] == "Ready", "{told:#}");
    let listeners: Vec<&str> = balancer.listeners.iter().map(|one| one.arn.as_str()).collect();
    ensure!(texts(group, "/listeners/*/arn") == listeners, "{group:#}\n{listeners:?}");
    for (index, listener) in balancer.listeners.iter().enumerate() {
        let is = listener.rules.iter().filter(|rule| !rule.is_default).map(|rule| rule.priority.clone());
        let said = group["listeners"][index]["rules"].as_array().into_iter().flatten();
        let said: Vec<String> = said.map(|rule| rule["priority"].to_string()).collect();
        ensure!(said == is.collect::<Vec<_>>(), "{said:?} {:?}", listener.rules);
    }
    let mut arns: Vec<&str> = state.target_groups.iter().map(|one| one.arn.as_str()).collect();
    let mut said = texts(group, "/targetGroups/*/arn");
    arns.sort_unstable();
    said.sort_unstable();
    ensure!(said == arns, "{said:?} {arns:?}");
    let bindings = fixture.kubectl(&["get", "targetgroupbindings", "-o", "name"]).await?;
    let bindings: Vec<&str> = bindings.lines().filter_map(|line| line.split('/').nth(1)).collect();
    let mut said = texts(group, "/targetGroups/*/binding");
    said.sort_unstable();
    ensure!(said.iter().map(|one| one.rsplit('/').next().unwrap_or_default()).eq(bindings), "{said:?}");
    ensure!(texts(&told, "/events/*/reason").contains(&"SuccessfullyReconciled".to_owned()), "{told:#}");

    let (code, text) =
        explain(base.test_env.plane().kubeconfig(), &["ingress", &format!("{}/shop", fixture.scope.namespace)]).await?;
    ensure!(code == Some(0), "{text}");
    let stack = format!("{}/shop", fixture.scope.namespace);
    let lines = [
        format!("Ingress {stack}: served"),
        format!("  load balancer {} (internal)", balancer.name),
        "  listener HTTP 8080".to_owned(),
        format!(
            "    1: host shop.example.com and path /api -> forward to <{stack}-api:80>   (spec.rules[0].http.paths[0])"
        ),
        "    otherwise answer 404".to_owned(),
        format!("  target group <{stack}-web:80>"),
    ];
    for line in lines {
        ensure!(text.lines().any(|is| is == line), "no line {line:?} in\n{text}");
    }
    ensure!(text.contains("targets are registered") && !text.contains("findings"), "{text}");
    fixture.close().await
}

/// Waits until an Ingress stands so, and checks that the exit code says whether somebody has to act.
pub async fn stands(base: &Base, fixture: &Fixture, name: &str, state: &str, code: i32) -> Result<Value> {
    eventually(&format!("Ingress {name} is {state}"), SOON, async || {
        let (is, told) = described(base, fixture, name).await?;
        ensure!(told["state"] == state, "{told:#}");
        ensure!(is == Some(code), "exit {is:?}: {told:#}");
        Ok(Some(told))
    })
    .await
}

pub async fn what_is_wrong_with_an_ingress(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "wrong").await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let bad = [("listen-ports", "80")];
    fixture.apply(&[fixture.ingress("bad", &bad, &json!([]))]).await?;
    let told = stands(&base, &fixture, "bad", "quarantined", 1).await?;
    let fault = &told["faults"][0];
    ensure!(fault["code"].is_string() && fault["seenBy"] == "both", "{told:#}");
    ensure!(fault["path"].as_str().is_some_and(|path| path.contains("listen-ports")), "{told:#}");
    ensure!(texts(&told, "/groups/*/listeners/*/arn").is_empty(), "{told:#}");

    fixture.apply(&[fixture.ingress("shop", &[], &json!([]))]).await?;
    stands(&base, &fixture, "shop", "served", 0).await?;
    fixture.apply(&[fixture.ingress("shop", &bad, &json!([]))]).await?;
    // What it asked for before the edit is in AWS, and said.
    let told = stands(&base, &fixture, "shop", "kept", 1).await?;
    ensure!(texts(&told, "/groups/*/listeners/*/rules/*/text").len() == 1, "{told:#}");
    ensure!(texts(&told, "/faults/*/path").iter().any(|path| path.contains("listen-ports")), "{told:#}");

    // A permission that is missing is AWS's word, not a finding's.
    let fault = json!([{"service": "elbv2", "operation": "CreateLoadBalancer", "times": 0, "code": "AccessDenied",
        "status": 403, "message": "not authorized to perform elasticloadbalancing:CreateLoadBalancer"}]);
    fixture.scope.emulator().faults(&fixture.scope.region, &fault).await?;
    fixture.apply(&[fixture.ingress("denied", &[], &json!([]))]).await?;
    let told = stands(&base, &fixture, "denied", "failing", 1).await?;
    let said = texts(&told, "/faults/*/message").join("\n");
    ensure!(said.contains("CreateLoadBalancer") && said.contains("not authorized"), "{told:#}");
    fixture.scope.emulator().faults(&fixture.scope.region, &json!([])).await?;

    let mut other = fixture.ingress("other", &[], &json!([]));
    other["spec"]["ingressClassName"] = json!("nobodys");
    fixture.apply(&[other]).await?;
    let told = stands(&base, &fixture, "other", "misplaced", 1).await?;
    ensure!(told["summary"].as_str().is_some_and(|summary| summary.contains("\"nobodys\" not found")), "{told:#}");

    let (code, said) = explain(base.test_env.plane().kubeconfig(), &["ingress", "nowhere/none"]).await?;
    ensure!(code == Some(2) && said.contains("Ingress nowhere/none not found"), "{code:?} {said}");
    let (code, said) = explain(Path::new("no-such-file"), &["ingress", "nowhere/none"]).await?;
    ensure!(code == Some(2) && said.contains("kubeconfig"), "{code:?} {said}");
    fixture.close().await
}

/// Somebody with `view` in the namespace sees no classes, groups and bindings: what is told then is little, and no lie.
pub async fn whoever_may_read_little_is_told_so(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "little").await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080), fixture.ingress("shop", &[], &json!([]))]).await?;
    fixture.hostname("shop").await?;
    let user = format!("viewer-{}", fixture.scope.id);
    fixture.kubectl(&["create", "rolebinding", "viewer", "--clusterrole=view", &format!("--user={user}")]).await?;
    let kubeconfig = base.test_env.plane().kubeconfig_for(&user, None)?;
    let shop = format!("{}/shop", fixture.scope.namespace);
    let (code, said) = eventually("the role is bound", SOON, async || {
        let (code, said) = explain(&kubeconfig, &["ingress", &shop, "--output=json"]).await?;
        Ok((code != Some(2)).then_some((code, said)))
    })
    .await?;
    let told: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    ensure!(code == Some(0) && told["state"] == "served", "{code:?} {told:#}");
    for kind in ["ingressclasses", "ingressgroups", "targetgroupbindings"] {
        ensure!(texts(&told, "/unread/*").iter().any(|one| one.contains(kind)), "{kind} {told:#}");
    }
    ensure!(told["faults"] == json!([]), "{told:#}");
    ensure!(texts(&told, "/groups/*/listeners/*/rules/*/text").len() == 1, "{told:#}");
    fixture.close().await
}
