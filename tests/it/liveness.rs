//! `/healthz`: fails for what a restart can repair, and for nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_testenv::{How, Often, Refusal, Which, eventually, http_get};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::{rule, service};

/// How long AWS and the API server are away.
const OUTAGE: Duration = Duration::from_secs(40);

async fn healthz(fixture: &Fixture) -> Result<(u16, String)> {
    let (status, body) = http_get(&format!("http://{}/healthz", fixture.flag("health-probe-bind-addr")?)).await?;
    Ok((status, String::from_utf8(body.to_vec())?))
}

/// A pass that gets no answer for longer than it may fails the probe, and the probe recovers with it.
pub async fn a_pass_that_hangs_fails_the_probe(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "hangs").await?;
    fixture.flags(&["--liveness-timeout=3s"]);
    fixture.start().await?;
    ensure!(healthz(&fixture).await? == (200, "ok\n".to_owned()));
    // No attempt may take longer than 10 s.
    let slow = json!([{"operation": "CreateTargetGroup", "delayMs": 9000, "times": 1}]);
    fixture.scope.emulator().faults(&fixture.scope.region, &slow).await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080), fixture.ingress("web", &[], &json!([]))]).await?;
    let stuck = eventually("the probe fails", SOON, async || {
        let (status, body) = healthz(&fixture).await?;
        Ok((status == 503).then_some(body))
    });
    let stuck = stuck.await.with_context(|| tail(&fixture.log()))?;
    ensure!(stuck.starts_with("stuck: the pass of Group("), "{stuck}");
    fixture.hostname("web").await?;
    ensure!(healthz(&fixture).await?.0 == 200, "it works again");
    fixture.close().await
}

/// Neither AWS nor the API server answers, and there is work: a restart would repair nothing, so the probe does not ask for one.
pub async fn an_outage_does_not_fail_the_probe(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "outage").await?;
    let gate = fixture.gate().await?;
    fixture.flags(&["--liveness-timeout=15s"]);
    fixture.start().await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080), fixture.ingress("web", &[], &json!([]))]).await?;
    fixture.hostname("web").await?;
    fixture.quiet().await?;
    let silent = json!([{"answerMs": 10_500, "lost": true}]);
    fixture.scope.emulator().faults(&fixture.scope.region, &silent).await?;
    let paths = [("/new", "Prefix", "web", 80), ("/", "Prefix", "web", 80)];
    fixture.apply(&[fixture.ingress("web", &[], &json!([rule(None, &paths)]))]).await?;
    eventually("a call is not answered", SOON, async || {
        Ok((fixture.scope.emulator().struck(&fixture.scope.region).await? > 0).then_some(()))
    })
    .await?;
    gate.refuse(&[Refusal { which: Which::All, how: How::Cut, often: Often::For(OUTAGE) }]);
    gate.cut();
    let began = Instant::now();
    while began.elapsed() < OUTAGE {
        let answer = healthz(&fixture).await?;
        ensure!(answer.0 == 200, "after {:.0?}: {answer:?}\n{}", began.elapsed(), tail(&fixture.log()));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    ensure!(gate.refused() > 0, "nobody asked the API server");
    fixture.scope.emulator().faults(&fixture.scope.region, &json!([])).await?;
    eventually("the edit arrives", SOON, async || {
        let state = fixture.state().await?;
        let rules = state.load_balancers.iter().flat_map(|one| &one.listeners).flat_map(|one| &one.rules).count();
        Ok((rules == 3).then_some(()))
    })
    .await
    .with_context(|| tail(&fixture.log()))?;
    fixture.close().await
}
