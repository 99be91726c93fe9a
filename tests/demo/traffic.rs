//! What reaches the Pods: the same request that an onlooker can send with `curl`, and many of them while the Deployment is rolled out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use albedo_alb::Alb;
use albedo_testenv::{Answer, Asked, Load, Tally, eventually, trusting};
use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::screen::{Ink, Screen};
use crate::setting::{SOON, Setting, kubectl};

/// Requests a second while the Deployment is rolled out.
const RATE: u32 = 100;
/// How long requests go on before a rollout and after it.
const AROUND: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_mins(2);
const DEPLOYMENT: &str = "deployment/game-2048";
/// The Pods go on serving for a while after they are told to end.
const PATCH: &str = r#"{"spec":{"template":{"spec":{"containers":[{"name":"game","lifecycle":{"preStop":{"sleep":{"seconds":5}}}}]}}}}"#;

/// The Ingress's host name, and where the load balancer of that name is on this machine.
pub struct Front {
    pub host: String,
    pub at: SocketAddr,
}

impl Front {
    /// Waits until the load balancer of an Ingress serves its port 80.
    pub async fn of(setting: &Setting, namespace: &str, ingress: &str) -> Result<Self> {
        let path = "jsonpath={.status.loadBalancer.ingress[0].hostname}";
        let out = kubectl(&setting.plane, &["get", "ingress", "-n", namespace, ingress, "-o", path]).await?;
        let host = String::from_utf8(out.stdout)?;
        let at = async || Ok(setting.alb.at(&host, 80));
        let at = eventually(&format!("{host} is served on this machine"), SOON, at).await?;
        Ok(Self { host, at })
    }

    /// The arguments of a `curl` that asks it.
    pub fn curl(&self) -> [String; 5] {
        let connect_to = format!("{}:80:{}:{}", self.host, self.at.ip(), self.at.port());
        ["--silent".into(), "--show-error".into(), "--connect-to".into(), connect_to, format!("http://{}/", self.host)]
    }

    /// Shows the `curl` and its answer, which has to contain a text. Without a `curl` on this machine the same request is sent without it.
    pub async fn show(&self, screen: &Screen, text: &str) -> Result<()> {
        let args = self.curl();
        let said = async || match Command::new("curl").args(&args).output().await {
            Ok(out) => Ok(String::from_utf8_lossy(&out.stdout).into_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (_, body) = albedo_testenv::http_get(&format!("http://{}/", self.at)).await?;
                Ok(String::from_utf8_lossy(&body).into_owned())
            }
            Err(error) => Err(error).context("cannot start curl"),
        };
        let said = eventually(&format!("the answer contains {text}"), SOON, async || {
            let said = said().await?;
            Ok(said.contains(text).then_some(said))
        })
        .await?;
        screen.program("curl", &args.each_ref().map(String::as_str));
        screen.output(&said);
        Ok(())
    }
}

/// Says how to ask each load balancer, as they come and change, for ever.
pub async fn tell(screen: &Screen, alb: &Alb) {
    let mut told = BTreeSet::new();
    loop {
        for one in alb.balancers() {
            for (port, at) in one.ports {
                let scheme = if port == 443 { "https" } else { "http" };
                let line =
                    format!("  curl --connect-to {0}:{port}:{at} {scheme}://{0}:{port}/", one.dns_name.to_lowercase());
                if told.insert(line.clone()) {
                    screen.line(&line);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A rollout under load, as the Deployment is; then with Pods that go on serving for some seconds when they are told to end.
pub async fn roll_out(screen: &Screen, setting: &Setting, front: &Front) -> Result<()> {
    screen.heading(&format!("A rollout, while {RATE} requests a second come"));
    let restart = ["rollout", "restart", "-n", "game-2048", DEPLOYMENT];
    let hasty = under_load(screen, setting, front, &restart).await?;
    told(screen, "Pods that end at once", &hasty);
    ensure!(hasty.misrouted == 0, "requests were misrouted");
    screen.line("\nA Pod is told to end at the same moment as everybody else learns that it ends. So it has to go on for a while:");
    // The first Pods with the hook take over from Pods without it.
    under_load(screen, setting, front, &["patch", "-n", "game-2048", DEPLOYMENT, "-p", PATCH]).await?;
    let patient = under_load(screen, setting, front, &restart).await?;
    told(screen, "Pods that end after five seconds", &patient);
    ensure!(patient.failures() + patient.misrouted == 0, "requests failed: {patient}");
    Ok(())
}

fn told(screen: &Screen, whose: &str, tally: &Tally) {
    let text = format!("{whose}: {} of {} requests failed", tally.failures(), tally.sent);
    match tally.failures() {
        0 => screen.good(&text),
        _ => screen.line(&screen.ink(Ink::Yellow, &text)),
    }
}

/// Runs a command of `kubectl` that begins a rollout, and counts what becomes of requests until it is over.
async fn under_load(screen: &Screen, setting: &Setting, front: &Front, args: &[&str]) -> Result<Tally> {
    screen.command(args);
    let asked = Asked {
        at: front.at,
        tls: None,
        host: front.host.clone(),
        path: "/".to_owned(),
        right: vec![Answer::service("game-2048")],
    };
    let load = Load::begin(vec![asked], RATE, MOST, Arc::clone(&trusting("")?));
    tokio::time::sleep(AROUND).await;
    let out = kubectl(&setting.plane, args).await?;
    ensure!(out.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    screen.output(&String::from_utf8_lossy(&out.stdout));
    let rolled = async {
        let status = ["rollout", "status", "-n", "game-2048", DEPLOYMENT, "--timeout=90s"];
        let out = kubectl(&setting.plane, &status).await?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        eventually("the old Pods are gone", SOON, async || {
            let out = kubectl(&setting.plane, &["get", "pods", "-n", "game-2048", "-o", "name"]).await?;
            Ok((out.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() == 2).then_some(()))
        })
        .await
    };
    screen.step("rolled out", rolled).await?;
    tokio::time::sleep(AROUND).await;
    load.end().await
}
