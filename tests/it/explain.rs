//! `albedo explain ingress`, held against what AWS and the cluster hold.

use std::path::Path;
use std::sync::Arc;

use albedo_ground::eventually;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::base::{ALBEDO, Base};
use crate::objects::{rule, service};
use crate::stage::{SOON, Stage};

/// `albedo explain` with a kubeconfig: the exit code, and both streams.
async fn explain(kubeconfig: &Path, args: &[&str]) -> Result<(Option<i32>, String)> {
    let out = Command::new(ALBEDO).arg("explain").args(args).env("KUBECONFIG", kubeconfig).output().await?;
    let said = [out.stderr, out.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok((out.status.code(), said))
}

/// What programs are told of an Ingress, and the exit code.
pub async fn described(base: &Base, stage: &Stage, name: &str) -> Result<(Option<i32>, Value)> {
    let ingress = format!("ingress/{name}");
    let args = [ingress.as_str(), "-n", &stage.scope.namespace, "--output=json"];
    let (code, said) = explain(base.ground.plane().kubeconfig(), &args).await?;
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
    let stage = Stage::with_albedo(&base, "became").await?;
    stage.apply(&[service("web", "NodePort", 80, 8080), service("api", "NodePort", 80, 8080)]).await?;
    let paths = [("/api", "Exact", "api", 80), ("/", "Prefix", "web", 80)];
    let rules = json!([rule(Some("shop.example.com"), &paths)]);
    stage.apply(&[stage.ingress("shop", &[("listen-ports", r#"[{"HTTP": 80}, {"HTTP": 8080}]"#)], &rules)]).await?;
    let host = stage.hostname("shop").await?;
    stage.quiet().await?;

    let (code, told) = described(&base, &stage, "shop").await?;
    ensure!(code == Some(0) && told["state"] == "served", "{code:?} {told:#}");
    let state = stage.state().await?;
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
    let bindings = stage.kubectl(&["get", "targetgroupbindings", "-o", "name"]).await?;
    let bindings: Vec<&str> = bindings.lines().filter_map(|line| line.split('/').nth(1)).collect();
    let mut said = texts(group, "/targetGroups/*/binding");
    said.sort_unstable();
    ensure!(said.iter().map(|one| one.rsplit('/').next().unwrap_or_default()).eq(bindings), "{said:?}");
    ensure!(texts(&told, "/events/*/reason").contains(&"SuccessfullyReconciled".to_owned()), "{told:#}");

    let (code, text) =
        explain(base.ground.plane().kubeconfig(), &["ingress", &format!("{}/shop", stage.scope.namespace)]).await?;
    ensure!(code == Some(0), "{text}");
    let stack = format!("{}/shop", stage.scope.namespace);
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
    stage.close().await
}

/// Waits until an Ingress stands so, and checks that the exit code says whether somebody has to act.
pub async fn stands(base: &Base, stage: &Stage, name: &str, state: &str, code: i32) -> Result<Value> {
    eventually(&format!("Ingress {name} is {state}"), SOON, async || {
        let (is, told) = described(base, stage, name).await?;
        ensure!(told["state"] == state, "{told:#}");
        ensure!(is == Some(code), "exit {is:?}: {told:#}");
        Ok(Some(told))
    })
    .await
}

pub async fn what_is_wrong_with_an_ingress(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_albedo(&base, "wrong").await?;
    stage.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let bad = [("listen-ports", "80")];
    stage.apply(&[stage.ingress("bad", &bad, &json!([]))]).await?;
    let told = stands(&base, &stage, "bad", "set-aside", 1).await?;
    let fault = &told["faults"][0];
    ensure!(fault["code"].is_string() && fault["seenBy"] == "both", "{told:#}");
    ensure!(fault["path"].as_str().is_some_and(|path| path.contains("listen-ports")), "{told:#}");
    ensure!(texts(&told, "/groups/*/listeners/*/arn").is_empty(), "{told:#}");

    stage.apply(&[stage.ingress("shop", &[], &json!([]))]).await?;
    stands(&base, &stage, "shop", "served", 0).await?;
    stage.apply(&[stage.ingress("shop", &bad, &json!([]))]).await?;
    // What it asked for before the edit is in AWS, and said.
    let told = stands(&base, &stage, "shop", "kept", 1).await?;
    ensure!(texts(&told, "/groups/*/listeners/*/rules/*/text").len() == 1, "{told:#}");
    ensure!(texts(&told, "/faults/*/path").iter().any(|path| path.contains("listen-ports")), "{told:#}");

    // A permission that is missing is AWS's word, not a finding's.
    let fault = json!([{"service": "elbv2", "operation": "CreateLoadBalancer", "times": 0, "code": "AccessDenied",
        "status": 403, "message": "not authorized to perform elasticloadbalancing:CreateLoadBalancer"}]);
    stage.scope.emulator().faults(&stage.scope.region, &fault).await?;
    stage.apply(&[stage.ingress("denied", &[], &json!([]))]).await?;
    let told = stands(&base, &stage, "denied", "failing", 1).await?;
    let said = texts(&told, "/faults/*/message").join("\n");
    ensure!(said.contains("CreateLoadBalancer") && said.contains("not authorized"), "{told:#}");
    stage.scope.emulator().faults(&stage.scope.region, &json!([])).await?;

    let mut other = stage.ingress("other", &[], &json!([]));
    other["spec"]["ingressClassName"] = json!("nobodys");
    stage.apply(&[other]).await?;
    let told = stands(&base, &stage, "other", "misplaced", 1).await?;
    ensure!(told["summary"].as_str().is_some_and(|summary| summary.contains("\"nobodys\" not found")), "{told:#}");

    let (code, said) = explain(base.ground.plane().kubeconfig(), &["ingress", "nowhere/none"]).await?;
    ensure!(code == Some(2) && said.contains("Ingress nowhere/none not found"), "{code:?} {said}");
    let (code, said) = explain(Path::new("no-such-file"), &["ingress", "nowhere/none"]).await?;
    ensure!(code == Some(2) && said.contains("kubeconfig"), "{code:?} {said}");
    stage.close().await
}

/// Somebody with `view` in the namespace sees no classes, groups and bindings: what is told then is little, and no lie.
pub async fn whoever_may_read_little_is_told_so(base: Arc<Base>) -> Result<()> {
    let stage = Stage::with_albedo(&base, "little").await?;
    stage.apply(&[service("web", "NodePort", 80, 8080), stage.ingress("shop", &[], &json!([]))]).await?;
    stage.hostname("shop").await?;
    let user = format!("viewer-{}", stage.scope.id);
    stage.kubectl(&["create", "rolebinding", "viewer", "--clusterrole=view", &format!("--user={user}")]).await?;
    let kubeconfig = base.ground.plane().kubeconfig_for(&user, None)?;
    let shop = format!("{}/shop", stage.scope.namespace);
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
    stage.close().await
}
