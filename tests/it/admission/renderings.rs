//! How a refusal reads: kubectl prints causes alone, other clients the message; both are kept as texts in `golden/`.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::{plain, said, services};
use crate::base::Base;
use crate::fixture::Fixture;
use crate::golden;
use crate::objects::rule;

fn faulty(fixture: &Fixture, name: &str) -> Value {
    let annotations = [("scheme", "public"), ("targetType", "ip"), ("healthcheck-interval-seconds", "15s")];
    fixture.ingress(name, &annotations, &json!([rule(Some("shop.example.com"), &[("/*", "Prefix", "web", 80)])]))
}

/// What differs from run to run, by its meaning.
fn general(fixture: &Fixture, text: &str) -> String {
    let own = fixture.scope.test_env().dir().to_string_lossy().into_owned();
    let word = |word: &str| if word.contains(&own) { "FILE:".to_owned() } else { word.to_owned() };
    let lines = text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n");
    let text: String = lines.collect();
    text.replace(&fixture.scope.class, "CLASS").replace(&fixture.scope.namespace, "NAMESPACE")
}

pub async fn refusals_read_well(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "renderings", &[]).await?;
    services(&fixture).await?;
    let one = [faulty(&fixture, "one")];
    let several = [
        faulty(&fixture, "one"),
        fixture.ingress("good", &[], &plain()),
        fixture.ingress("two", &[("scheme", "x")], &plain()),
    ];
    let rows: [(&str, &[Value], &[&str]); 3] = [
        ("refusal-one-object.txt", &one, &[]),
        ("refusal-several-objects.txt", &several, &[]),
        ("refusal-server-side.txt", &one, &["--server-side"]),
    ];
    for (file, objects, args) in rows {
        let out = fixture.try_apply(objects, args).await?;
        ensure!(!out.status.success(), "{file}: {}", said(&out));
        golden::holds(file, &general(&fixture, &said(&out)))?;
    }
    golden::holds("refusal-edit.txt", &general(&fixture, &edited(&fixture).await?))?;

    // What Argo CD, Flux and the like show.
    let object: Ingress = serde_json::from_value(faulty(&fixture, "one"))?;
    let refused = fixture.scope.api::<Ingress>().create(&PostParams::default(), &object).await;
    let Err(kube::Error::Api(status)) = refused else { anyhow::bail!("not refused: {refused:?}") };
    ensure!(status.code == 422 && status.reason == "Invalid", "{status:?}");
    let details = status.details.context("no details")?;
    ensure!(details.name == "one" && details.kind == "Ingress" && details.causes.len() == 4, "{details:?}");
    golden::holds("refusal-message.txt", &general(&fixture, &status.message))?;
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    fixture.close().await
}

/// `kubectl edit` with an editor that makes a mistake: the file is opened once more, with the refusal as comments at its top.
async fn edited(fixture: &Fixture) -> Result<String> {
    let seen = fixture.write("seen.yaml", "")?;
    let script =
        format!("#!/bin/sh\ncp \"$1\" {}\nsed -i 's,scheme: internal$,scheme: public,' \"$1\"\n", seen.display());
    let editor = fixture.write("editor.sh", &script)?;
    let mut permissions = std::fs::metadata(&editor)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(&editor, permissions)?;
    let plane = fixture.scope.test_env().plane();
    let out = tokio::process::Command::new(plane.bin().join("kubectl"))
        .args(["--namespace", &fixture.scope.namespace, "edit", "ingress", "good"])
        .env("KUBECONFIG", plane.kubeconfig())
        .env("KUBE_EDITOR", &editor)
        .env("TMPDIR", fixture.scope.test_env().dir())
        .output()
        .await?;
    // The second opening changes nothing more, which ends it.
    ensure!(!out.status.success(), "{}", said(&out));
    let top = std::fs::read_to_string(&seen)?;
    Ok(top.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect())
}
