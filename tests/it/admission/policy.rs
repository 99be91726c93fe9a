//! How strict it is, whom it leaves alone, and what goes through whatever is wrong.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{plain, refused, said, services, silent, warned};
use crate::base::Base;
use crate::fixture::Fixture;
use crate::objects::{annotations, rule};

const FAULT: (&str, &str) = ("target-type", "pod");

pub async fn warn_warns_and_off_is_silent(base: Arc<Base>) -> Result<()> {
    for mode in ["warn", "off"] {
        let flag = format!("--admission-mode={mode}");
        let fixture = Fixture::with_webhooks(&base, mode, &[flag.as_str()]).await?;
        services(&fixture).await?;
        let out = fixture.try_apply(&[fixture.ingress("web", &[FAULT], &plain())], &[]).await?;
        match mode {
            "warn" => warned(mode, &out, &["ALB003", "pod"])?,
            _ => silent(mode, &out)?,
        }
        // Let in, it is quarantined by the reconciler, which trusts nobody.
        fixture.event("web", "FailedBuildModel", "ALB003").await?;
        ensure!(fixture.state().await?.load_balancers.is_empty(), "a faulty Ingress got a load balancer");
        fixture.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
        fixture.close().await?;
    }
    Ok(())
}

pub async fn a_namespace_can_have_its_own_mode(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "own-mode", &[]).await?;
    services(&fixture).await?;
    let faulty = [fixture.ingress("web", &[FAULT], &plain())];
    refused("a fault under enforce", &fixture.try_apply(&faulty, &[]).await?, &["ALB003"])?;
    fixture.kubectl(&["label", "namespace", &fixture.scope.namespace, "albedo.dev/admission=warn"]).await?;
    let let_through = albedo_testenv::eventually("the label counts", crate::fixture::SOON, async || {
        let out = fixture.try_apply(&faulty, &["--dry-run=server"]).await?;
        Ok(out.status.success().then_some(out))
    });
    warned("a fault under warn", &let_through.await?, &["ALB003"])?;
    fixture.close().await
}

/// What is absent may come later, unless one wants it otherwise.
pub async fn strict_refuses_what_is_absent(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "strict", &["--admission-strict=true"]).await?;
    services(&fixture).await?;
    let rules = json!([rule(None, &[("/", "Prefix", "wbe", 80)])]);
    let out = fixture.try_apply(&[fixture.ingress("web", &[], &rules)], &[]).await?;
    refused("a Service that is not there", &out, &["ALB101", "wbe", "503", "web"])?;
    fixture.close().await
}

/// An object that was stored with a fault, before anybody looked, can still be lived with and left.
pub async fn old_faults_do_not_block(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::with_albedo(&base, "old-faults").await?;
    services(&fixture).await?;
    let old = [FAULT, ("healthcheck-path", "/up")];
    fixture.apply(&[fixture.ingress("old", &old, &plain())]).await?;
    fixture.event("old", "FailedBuildModel", "ALB003").await?;
    fixture.register().await?;

    let ours = format!("{}healthcheck-path=/live", crate::objects::PREFIX);
    let status = r#"{"status": {"loadBalancer": {"ingress": [{"hostname": "a.example.com"}]}}}"#;
    let finalizer = r#"{"metadata": {"finalizers": ["ingress.k8s.aws/resources", "example.com/held"]}}"#;
    let edits: [&[&str]; 6] = [
        &["label", "ingress", "old", "team=shop"],
        &["annotate", "ingress", "old", "example.com/owner=shop"],
        &["patch", "ingress", "old", "--subresource=status", "--type=merge", "-p", status],
        &["patch", "ingress", "old", "--type=merge", "-p", finalizer],
        // Something of ours is changed and judged; the fault was there before.
        &["annotate", "--overwrite", "ingress", "old", &ours],
        &[
            "patch",
            "ingress",
            "old",
            "--type=merge",
            "-p",
            r#"{"metadata": {"finalizers": ["ingress.k8s.aws/resources"]}}"#,
        ],
    ];
    for edit in edits {
        let out = fixture.try_kubectl(edit).await?;
        ensure!(out.status.success(), "kubectl {edit:?}: {}", said(&out));
    }
    // A new fault beside the old one is refused, and it alone is told.
    let both = [FAULT, ("healthcheck-path", "/live"), ("scheme", "public")];
    let out = fixture.try_apply(&[fixture.ingress("old", &both, &plain())], &[]).await?;
    refused("a new fault", &out, &["ALB002", "public"])?;
    ensure!(!said(&out).contains("ALB003"), "the old fault was told, too: {}", said(&out));
    let out = fixture.try_kubectl(&["delete", "ingress", "old", "--timeout=60s"]).await?;
    silent("deletion", &out)?;
    fixture.close().await
}

pub async fn others_are_left_alone(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "others", &[]).await?;
    services(&fixture).await?;
    let foreign = format!("{}-foreign", fixture.scope.id);
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": foreign},
        "spec": {"controller": "example.com/other"}});
    fixture.apply(&[class]).await?;
    let of = |name: &str, pairs: &[(&str, &str)]| {
        let mut ingress = fixture.ingress(name, pairs, &plain());
        ingress["spec"]["ingressClassName"] = json!(foreign);
        ingress
    };
    let bare = of("bare", &[("nginx.ingress.kubernetes.io/rewrite-target", "/")]);
    silent("another controller's Ingress", &fixture.try_apply(std::slice::from_ref(&bare), &[]).await?)?;
    let stored = fixture.stored("bare").await?.metadata.annotations.unwrap_or_default();
    ensure!(stored.keys().all(|key| !key.contains("alb.") && !key.contains("albedo")), "{stored:?}");
    let out = fixture.try_apply(&[of("ours", &[FAULT, ("no-such-key", "x")])], &[]).await?;
    warned("our keys on another controller's Ingress", &out, &["ALB108", &foreign])?;

    // No class, no default class: nobody's.
    let mut nobody = of("nobody", &[]);
    nobody["spec"].as_object_mut().map(|spec| spec.remove("ingressClassName"));
    silent("nobody's Ingress", &fixture.try_apply(&[nobody], &[]).await?)?;
    fixture.quiet().await?;
    ensure!(fixture.writes_since(0).await?.is_empty(), "AWS was written to for others' Ingresses");
    for name in ["bare", "ours", "nobody"] {
        ensure!(fixture.stored(name).await?.metadata.finalizers.is_none(), "{name} got a finalizer");
    }
    fixture.kubectl(&["delete", "ingressclass", &foreign]).await?;
    fixture.close().await
}

/// Shapes that a controller stumbles over are answered like all others.
pub async fn odd_shapes_are_answered(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "odd", &[]).await?;
    services(&fixture).await?;
    let resource = json!([{"http": {"paths": [{"path": "/", "pathType": "Prefix",
        "backend": {"resource": {"apiGroup": "example.com", "kind": "Bucket", "name": "b"}}}]}}]);
    let out = fixture.try_apply(&[fixture.ingress("bucket", &[], &resource)], &[]).await?;
    refused("a backend that is no Service", &out, &["ALB010", "spec.rules[0].http.paths[0].backend", "Service"])?;
    let host_alone = json!([{"host": "a.example.com"}, rule(None, &[("/", "Prefix", "web", 80)])]);
    warned(
        "a rule without http",
        &fixture.try_apply(&[fixture.ingress("host", &[], &host_alone)], &[]).await?,
        &["ALB110", "http"],
    )?;
    let mut backend_alone = fixture.ingress("backend", &[], &plain());
    backend_alone["spec"] = json!({"ingressClassName": fixture.scope.class,
        "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}});
    silent("no rules", &fixture.try_apply(&[backend_alone], &[]).await?)?;
    // Made up by the API server when it is stored; no name is known while it is reviewed.
    let generated = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"generateName": "made-", "annotations": annotations(&[("scheme", "public")])},
        "spec": {"ingressClassName": fixture.scope.class, "rules": plain()}});
    let file = fixture.write("generated.json", &generated.to_string())?;
    let out = fixture.try_kubectl(&["create", "-f", &file.to_string_lossy()]).await?;
    refused("a generated name", &out, &["ALB002"])?;
    for name in ["host", "backend"] {
        fixture.hostname(name).await?;
    }
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    fixture.close().await
}

/// With no replica up: our own new Ingresses wait, everything else goes on.
pub async fn while_albedo_is_down(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::with_webhooks(&base, "down", &[]).await?;
    services(&fixture).await?;
    fixture.apply(&[fixture.ingress("web", &[], &plain())]).await?;
    fixture.hostname("web").await?;
    fixture.quiet().await?;
    ensure!(fixture.albedo()?.stop().await?.success(), "albedo did not end well");
    let out = fixture.try_apply(&[fixture.ingress("more", &[], &plain())], &[]).await?;
    ensure!(!out.status.success() && said(&out).contains("failed calling webhook"), "{}", said(&out));
    silent("a label", &fixture.try_kubectl(&["label", "ingress", "web", "team=shop"]).await?)?;
    let mut other = fixture.ingress("other", &[("scheme", "internal")], &plain());
    other["spec"]["ingressClassName"] = json!("nobody-knows");
    silent("another class", &fixture.try_apply(&[other], &[]).await?)?;
    silent("deletion", &fixture.try_kubectl(&["delete", "ingress", "web", "--wait=false"]).await?)?;
    fixture.start().await?;
    fixture.kubectl(&["wait", "--for=delete", "ingress/web", "--timeout=60s"]).await?;
    fixture.apply(&[fixture.ingress("more", &[], &plain())]).await?;
    fixture.hostname("more").await?;
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    fixture.close().await
}
