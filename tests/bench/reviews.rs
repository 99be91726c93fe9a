//! Reviews over HTTP/1.1 connections that are kept, sent by vegeta on loopback: latency, CPU and memory at each rate.
//!
//! Nothing is registered at the API server: vegeta sends what it would send.

use std::path::Path;
use std::time::Duration;

use albedo_testenv::{Binaries, http_get};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::course::{Course, PREFIX};
use crate::figures::{ReviewRow, Table};

const VALIDATE: &str = "/validate-networking-v1-ingress";
/// Connections of the API server's side, and the most requests under way.
const CONNECTIONS: u32 = 16;
/// Members of the group that is joined, the candidate among them, and rules of each.
pub const MEMBERS: usize = 100;
const RULES: usize = 5;

impl Course {
    /// Each kind of review at each rate, for so many seconds.
    pub async fn reviews(&mut self, rates: &[Option<u32>], seconds: u64, table: &mut Table) -> Result<()> {
        self.quotas(&json!({"rules": 2 * MEMBERS * RULES, "targetGroupsPerBalancer": 2 * MEMBERS})).await?;
        // The account's limits are read at a start.
        self.restarted().await?;
        let small = self.candidate("small", &json!({}), &[0; RULES], 0);
        self.each_rate("2 KB, alone", &small, rates, seconds, table).await?;
        let large = self.candidate("large", &json!({}), &[0; RULES], 56_000);
        self.each_rate("60 KB, alone", &large, rates, seconds, table).await?;
        let group = json!({format!("{PREFIX}/group.name"): "joined"});
        let member = |n: usize| self.candidate(&format!("joins-{n}"), &group, &[n; RULES], 0);
        self.apply((1..MEMBERS).map(member).collect()).await?;
        self.addressed(MEMBERS - 1).await?;
        self.quiet().await?;
        let what = format!("joining {} × {RULES} rules", MEMBERS - 1);
        self.each_rate(&what, &member(0), rates, seconds, table).await
    }

    /// An Ingress of so many paths, one for each Service, and of so many more bytes.
    fn candidate(&self, name: &str, annotations: &Value, services: &[usize], padding: usize) -> Value {
        let mut object = self.ingress(name, annotations.clone(), services);
        if let Some(paths) = object.pointer_mut("/spec/rules/0/http/paths").and_then(Value::as_array_mut) {
            for (number, path) in paths.iter_mut().enumerate() {
                if let Some(path) = path.as_object_mut() {
                    path.insert("path".to_owned(), json!(format!("/part-{number}")));
                }
            }
        }
        if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.insert("example.com/padding".to_owned(), json!("x".repeat(padding)));
        }
        if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), json!(self.namespace()));
        }
        object
    }

    async fn each_rate(
        &self,
        what: &str,
        candidate: &Value,
        rates: &[Option<u32>],
        seconds: u64,
        table: &mut Table,
    ) -> Result<()> {
        let (folder, port) = (self.dir(), self.flag("webhook-bind-port")?);
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE", "namespace": self.namespace(),
            "name": candidate.pointer("/metadata/name"), "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
            "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"},
            "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "ingresses"},
            "object": candidate, "oldObject": null, "dryRun": false}});
        std::fs::write(folder.join("review.json"), review.to_string())?;
        std::fs::write(folder.join("authority.pem"), self.authority())?;
        let body = folder.join("review.json");
        let target =
            format!("POST https://127.0.0.1:{port}{VALIDATE}\nContent-Type: application/json\n@{}\n", body.display());
        std::fs::write(folder.join("target"), target)?;
        // What a program makes of the first ones is not measured.
        self.attack(Some(20), 1).await?;
        for rate in rates {
            let before = self.usage()?;
            let report = self.attack(*rate, seconds).await?;
            let after = self.usage()?;
            let number = |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or_default();
            let time = |path: &str| Duration::from_secs_f64(number(path) / 1e9);
            let spent = after.cpu.saturating_sub(before.cpu);
            table.add_reviews(ReviewRow {
                program: self.program().name,
                what: what.to_owned(),
                rate: *rate,
                answered: number("/throughput"),
                success: number("/success"),
                p50: time("/latencies/50th"),
                p99: time("/latencies/99th"),
                cpu: Duration::from_secs_f64(spent.as_secs_f64() / number("/requests").max(1.0)),
                usage: after,
            });
        }
        self.none_was_denied(what).await
    }

    /// What vegeta reports of so many reviews a second.
    async fn attack(&self, rate: Option<u32>, seconds: u64) -> Result<Value> {
        let vegeta = Binaries::tools(&["vegeta"]).await?.join("vegeta");
        let (folder, results) = (self.dir(), self.dir().join("results"));
        let mut attack = Command::new(&vegeta);
        attack.kill_on_drop(true).args(["attack", "-http2=false", "-timeout=10s", "-keepalive=true"]);
        attack.arg(format!("-targets={}", folder.join("target").display()));
        attack.arg(format!("-root-certs={}", folder.join("authority.pem").display()));
        attack.arg(format!("-output={}", results.display())).arg(format!("-duration={seconds}s"));
        attack.arg(format!("-connections={CONNECTIONS}")).arg(format!("-max-workers={CONNECTIONS}"));
        // 0: as many as the workers get answers for.
        attack.arg(format!("-rate={}", rate.unwrap_or(0)));
        run(&mut attack, &vegeta).await?;
        let mut report = Command::new(&vegeta);
        report.kill_on_drop(true).args(["report", "-type=json"]).arg(&results);
        serde_json::from_slice(&run(&mut report, &vegeta).await?).context("vegeta's report")
    }

    /// A review that is denied costs less than one that is not.
    async fn none_was_denied(&self, what: &str) -> Result<()> {
        if self.program().is_peer {
            return Ok(());
        }
        let url = format!("http://{}/metrics", self.flag("metrics-bind-addr")?);
        let (_, metrics) = http_get(&url).await?;
        let metrics = String::from_utf8_lossy(&metrics).into_owned();
        let denied = metrics.lines().find(|line| {
            line.starts_with("albedo_admission_reviews_total{")
                && line.contains("allowed=\"false\"")
                && !line.ends_with(" 0")
        });
        ensure!(denied.is_none(), "{what}: reviews were denied: {denied:?}");
        Ok(())
    }
}

async fn run(command: &mut Command, program: &Path) -> Result<Vec<u8>> {
    let out = command.output().await.with_context(|| program.display().to_string())?;
    ensure!(out.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&out.stderr));
    Ok(out.stdout)
}
