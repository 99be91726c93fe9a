//! `helm test` and `albedo verify`: whether an installation refuses what it should, with the rights of the chart's own account.

use std::process::Output;
use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::base::{ALBEDO, Base};
use crate::fixture::{Fixture, SOON};
use crate::install::Helm;

/// Runs what a Pod's container would run, as its account; what it says goes before the status.
async fn as_pod(fixture: &Fixture, pod: &Value) -> Result<Output> {
    let account = pod["spec"]["serviceAccountName"].as_str().context("no account")?;
    let token = fixture.kubectl(&["create", "token", account]).await?;
    let config = kubeconfig(fixture, token.trim())?;
    let args: Vec<String> = serde_json::from_value(pod["spec"]["containers"][0]["args"].clone())?;
    let args = args.iter().filter(|arg| !arg.starts_with("--wait="));
    Ok(Command::new(ALBEDO).args(args).arg("--wait=5").arg("--kubeconfig").arg(config).output().await?)
}

/// The administrator's kubeconfig with the token of somebody else.
fn kubeconfig(fixture: &Fixture, token: &str) -> Result<std::path::PathBuf> {
    let text = std::fs::read_to_string(fixture.base().test_env.plane().kubeconfig())?;
    let mut config: Value = serde_saphyr::from_str(&text).context("the administrator's kubeconfig")?;
    for user in config["users"].as_array_mut().context("no users")? {
        user["user"] = json!({"token": token});
    }
    fixture.write("kubeconfig.json", &config.to_string())
}

/// `helm test` while Albedo reviews the namespace, and after its webhooks have gone.
pub async fn a_chart_verifies_an_installation(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "verify", &[]).await?;
    let helm = Helm::new(&fixture).await?;
    let chart = helm.chart().into_owned();
    let (class, namespace) = (&fixture.scope.class, &fixture.scope.namespace);
    let values = [format!("ingressClass={class}"), format!("test.namespace={namespace}")];
    let mut args =
        vec!["install", "one", &chart, "--set", "clusterName=test", "--set", "createIngressClassResource=false"];
    args.extend(values.iter().flat_map(|value| ["--set", value.as_str()]));
    helm.run(&args).await?;
    let (fine, said) = tested(&fixture, &helm).await?;
    ensure!(fine && said.contains("is refused, as it should be") && said.contains("is not refused"), "{said}");

    for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
        fixture.kubectl(&["delete", kind, &fixture.scope.id]).await?;
    }
    let said = eventually("nobody reviews any more", SOON, async || {
        let (fine, said) = tested(&fixture, &helm).await?;
        Ok((!fine).then_some(said))
    })
    .await?;
    ensure!(said.contains("no webhook of Albedo reviews it"), "{said}");
    helm.run(&["uninstall", "one"]).await?;
    fixture.kubectl(&["delete", "pod", "one-albedo-verify", "--wait=false"]).await?;
    fixture.close_unregistered().await
}

/// Whether `helm test` succeeds, and what the Pod said. The kubelet's part is done here.
async fn tested(fixture: &Fixture, helm: &Helm<'_>) -> Result<(bool, String)> {
    let _ = fixture.try_kubectl(&["delete", "pod", "one-albedo-verify", "--ignore-not-found"]).await?;
    let kubelet = async {
        let pod = eventually("the test's Pod", SOON, async || {
            let found = fixture.try_kubectl(&["get", "pod", "one-albedo-verify", "-o", "json"]).await?;
            Ok(found.status.success().then_some(found.stdout))
        })
        .await?;
        let out = as_pod(fixture, &serde_json::from_slice(&pod)?).await?;
        let phase = if out.status.success() { "Succeeded" } else { "Failed" };
        let status = json!({"status": {"phase": phase}}).to_string();
        fixture
            .kubectl(&["patch", "pod", "one-albedo-verify", "--subresource=status", "--type=merge", "-p", &status])
            .await?;
        let said = [out.stdout, out.stderr].concat();
        anyhow::Ok((out.status.success(), String::from_utf8_lossy(&said).into_owned()))
    };
    let (tested, ran) = futures::future::join(helm.tried(&["test", "one", "--timeout=60s"]), kubelet).await;
    let ((succeeded, said), tested) = (ran?, tested?);
    ensure!(succeeded == tested.status.success(), "{said}\nhelm: {}", String::from_utf8_lossy(&tested.stderr));
    Ok((succeeded, said))
}
