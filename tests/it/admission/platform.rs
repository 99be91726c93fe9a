//! What a platform team decides: `IngressDefaults` that are written into Ingresses, and `IngressPolicy` objects that refuse some.

use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{plain, refused, said, services, silent, warned};
use crate::base::Base;
use crate::fixture::{Fixture, SOON};
use crate::objects::PREFIX;

/// An object of ours that is about the class of this fixture alone: these kinds belong to the whole cluster.
fn object(fixture: &Fixture, kind: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["classes"] = json!([fixture.scope.class]);
    json!({"apiVersion": "albedo.dev/v1alpha1", "kind": kind, "metadata": {"name": fixture.scope.class}, "spec": spec})
}

/// Waits until the status says so many Ingresses.
async fn counted(fixture: &Fixture, plural: &str, wanted: &str) -> Result<()> {
    let name = fixture.scope.class.as_str();
    let path = "jsonpath={.status.ingresses} {.status.conditions[0].status}";
    eventually(&format!("{plural} {name} has {wanted}"), SOON, async || {
        Ok((fixture.kubectl(&["get", plural, name, "-o", path]).await?.trim() == wanted).then_some(()))
    })
    .await
}

async fn version(fixture: &Fixture, name: &str) -> Result<String> {
    fixture.stored(name).await?.metadata.resource_version.context("an Ingress without resourceVersion")
}

fn annotation(object: &Value, key: &str) -> String {
    object["metadata"]["annotations"][key].as_str().unwrap_or_default().to_owned()
}

/// What is wrong with defaults is refused, by the webhook or by the schema.
async fn faults_are_named(fixture: &Fixture) -> Result<()> {
    let bad = object(fixture, "IngressDefaults", &json!({"settings": {"sslPolicy": "x"}}));
    let told = ["spec.settings[sslPolicy]: ALB048: unknown setting sslPolicy; did you mean `ssl-policy`?"];
    refused("an unknown setting", &fixture.try_apply(&[bad], &[]).await?, &told)?;
    // The schema of the CRD says this, so that it holds while no replica answers.
    let bad = object(fixture, "IngressDefaults", &json!({"settings": {"scheme": "public", "group.order": "1001"}}));
    let told = ["scheme: write internal or internet-facing", "group.order: write a whole number"];
    refused("a wrong value", &fixture.try_apply(&[bad], &[]).await?, &told)
}

/// What a server-side dry run predicts, with which Argo CD looks for differences, is what is stored.
async fn nothing_differs(fixture: &Fixture, name: &str, manifest: &Value, stored: &Value) -> Result<()> {
    let manager = "--field-manager=argocd-controller";
    let args = ["--server-side", "--dry-run=server", "--force-conflicts", manager, "-o", "json"];
    let out = fixture.try_apply(std::slice::from_ref(manifest), &args).await?;
    let predicted: Value = serde_json::from_slice(&out.stdout).context("the answer to a dry run")?;
    for part in ["annotations", "labels", "finalizers"] {
        let (is, would) = (&stored["metadata"][part], &predicted["metadata"][part]);
        ensure!(is == would, "{name}: {part} would change: {is} to {would}");
    }
    ensure!(stored["spec"] == predicted["spec"], "{name}: the spec would change");
    Ok(())
}

/// A value that a user applies is his, even if it is that of the default: he can remove it.
async fn what_a_user_applies_is_his(fixture: &Fixture, name: &str) -> Result<()> {
    const KEY: &str = "healthy-threshold-count";
    for (order, own, wanted) in [("1", true, "3"), ("2", false, "")] {
        let mut annotations = vec![("group.order", order)];
        annotations.extend(own.then_some((KEY, "3")));
        let out = fixture.try_apply(&[fixture.ingress(name, &annotations, &plain())], &["--server-side"]).await?;
        silent(order, &out)?;
        let stored = serde_json::to_value(fixture.stored(name).await?)?;
        let listed = annotation(&stored, "albedo.dev/defaulted");
        let is = annotation(&stored, &format!("{PREFIX}{KEY}"));
        ensure!(is == wanted && !listed.contains(KEY), "{order}: {stored:#}");
    }
    Ok(())
}

pub async fn defaults_are_layers(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "platform-defaults", &[]).await?;
    services(&fixture).await?;
    faults_are_named(&fixture).await?;
    let (plural, name) = ("ingressdefaults", fixture.scope.class.as_str());
    let settings = json!({"healthy-threshold-count": "3", "scheme": "internet-facing", "tags": "team=web"});
    fixture.apply(&[object(&fixture, "IngressDefaults", &json!({"priority": 5, "settings": settings}))]).await?;
    let known = [fixture.ingress("known", &[], &plain())];
    eventually("the defaults are known", SOON, async || {
        let out = fixture.try_apply(&known, &["--dry-run=server", "-o", "json"]).await?;
        Ok(said(&out).contains("healthy-threshold-count").then_some(()))
    })
    .await?;
    for (ingress, args) in [("client-side", [].as_slice()), ("server-side", &["--server-side"])] {
        let manifest = fixture.ingress(ingress, &[("group.order", "0")], &plain());
        let apply = async || silent(ingress, &fixture.try_apply(std::slice::from_ref(&manifest), args).await?);
        apply().await?;
        fixture.hostname(ingress).await?;
        fixture.quiet().await?;
        let before = version(&fixture, ingress).await?;
        apply().await?;
        apply().await?;
        let after = version(&fixture, ingress).await?;
        ensure!(before == after, "{ingress}: applied again, version {before} became {after}");
        let stored = serde_json::to_value(fixture.stored(ingress).await?)?;
        for (key, value) in [
            (format!("{PREFIX}scheme"), "internet-facing"),
            (format!("{PREFIX}healthy-threshold-count"), "3"),
            (format!("{PREFIX}target-type"), "instance"),
            ("albedo.dev/defaulted".to_owned(), "healthy-threshold-count,ip-address-type,scheme,tags,target-type"),
        ] {
            ensure!(annotation(&stored, &key) == value, "{ingress}, {key}: {stored:#}");
        }
        nothing_differs(&fixture, ingress, &manifest, &stored).await?;
    }
    counted(&fixture, plural, "2 True").await?;
    let row = fixture.kubectl(&["get", plural, name, "--no-headers"]).await?;
    ensure!(row.split_whitespace().take(4).eq([name, "5", "2", "True"]), "{row}");
    what_a_user_applies_is_his(&fixture, "server-side").await?;
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    counted(&fixture, plural, "0 True").await?;
    fixture.kubectl(&["delete", plural, name]).await?;
    fixture.close().await
}

pub async fn policies_refuse(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "platform-policy", &[]).await?;
    services(&fixture).await?;
    let (plural, name) = ("ingresspolicies", fixture.scope.class.as_str());
    let bad = object(&fixture, "IngressPolicy", &json!({"settings": {"scheme": {"allowed": ["public"]}}}));
    let out = fixture.try_apply(&[bad], &[]).await?;
    // The schema of the CRD says this, so that it holds while no replica answers.
    refused("a wrong value", &out, &["scheme: write internal or internet-facing in allowed and denied, or a pattern"])?;
    let bad = object(
        &fixture,
        "IngressPolicy",
        &json!({"settings": {"scheme": {"minimum": 1}, "tags": {"required": true, "forbidden": true}}}),
    );
    let told = ["minimum is a rule of numbers", "a setting cannot be required and forbidden"];
    refused("fields that do not fit", &fixture.try_apply(&[bad], &[]).await?, &told)?;
    let bad = object(&fixture, "IngressPolicy", &json!({"settings": {"inbound-cidrs": {"within": ["10.0.0.1"]}}}));
    refused(
        "what only the webhook knows",
        &fixture.try_apply(&[bad], &[]).await?,
        &["within[0]: ALB048: invalid CIDR"],
    )?;

    // What is older than the policy.
    fixture.apply(&[fixture.ingress("older", &[("scheme", "internet-facing")], &plain())]).await?;
    fixture.hostname("older").await?;
    let rules = json!({"scheme": {"allowed": ["internal"]}, "healthy-threshold-count": {"maximum": 3}});
    fixture.apply(&[object(&fixture, "IngressPolicy", &json!({"reason": "ask #platform", "settings": rules}))]).await?;
    let public = [fixture.ingress("web", &[("scheme", "internet-facing")], &plain())];
    let out = eventually("the policy is known", SOON, async || {
        let out = fixture.try_apply(&public, &[]).await?;
        if out.status.success() {
            fixture.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
        }
        Ok((!out.status.success()).then_some(out))
    });
    let out = said(&out.await?);
    let told = format!(
        "The Ingress \"web\" is invalid: metadata.annotations[{PREFIX}scheme]: ALB115: scheme is internet-facing (annotation); \
         IngressPolicy {name} allows internal (ask #platform); write internal, or have the IngressPolicy changed"
    );
    ensure!(out.trim() == told, "{out}");
    silent("what is allowed", &fixture.try_apply(&[fixture.ingress("web", &[], &plain())], &[]).await?)?;
    let more = [fixture.ingress("older", &[("scheme", "internet-facing"), ("group.order", "2")], &plain())];
    warned("an edit of what is older", &fixture.try_apply(&more, &[]).await?, &["ALB115", "IngressPolicy", name])?;
    let worse = [("scheme", "internet-facing"), ("healthy-threshold-count", "4")];
    let out = fixture.try_apply(&[fixture.ingress("older", &worse, &plain())], &[]).await?;
    refused("a new violation", &out, &["healthy-threshold-count is 4 (annotation)", "allows 3 and less"])?;
    fixture.quiet().await?;
    let balancers = fixture.state().await?.load_balancers;
    ensure!(balancers.len() == 2, "a policy has no part in what is provisioned: {balancers:?}");
    counted(&fixture, plural, "2 True").await?;
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    fixture.kubectl(&["delete", plural, name]).await?;
    fixture.close().await
}
