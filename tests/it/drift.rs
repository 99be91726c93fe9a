//! What another hand changes in AWS, which no watch tells of.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::base::Base;
use crate::fixture::{Fixture, SOON};
use crate::objects::{rule, service};

/// A rule that goes by another hand, seen by no watch, is made again on the slow clock, and counted.
pub async fn drift_is_put_back(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "drift").await?;
    fixture.flags(&["--sync-period=6s"]);
    fixture.start().await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let paths = [("/api", "Prefix", "web", 80), ("/", "Prefix", "web", 80)];
    fixture.apply(&[fixture.ingress("shop", &[], &json!([rule(None, &paths)]))]).await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await?;
    let before = fixture.state().await?.picture(&fixture.scope.world);
    delete_a_rule(&fixture).await?;
    ensure!(fixture.state().await?.picture(&fixture.scope.world) != before, "nothing was deleted");
    albedo_testenv::eventually("the rule is there again", SOON, async || {
        Ok((fixture.state().await?.picture(&fixture.scope.world) == before).then_some(()))
    })
    .await?;
    let (_, body) = albedo_testenv::http_get(&format!("http://{}/metrics", fixture.flag("metrics-bind-addr")?)).await?;
    let text = String::from_utf8_lossy(&body).into_owned();
    ensure!(text.lines().any(|line| line == "albedo_drift_repairs_total 1"), "it was not counted:\n{text}");
    fixture.close().await
}

/// Deletes the first rule of the first load balancer.
async fn delete_a_rule(fixture: &Fixture) -> Result<()> {
    let state = fixture.state().await?;
    let mut rules = state.load_balancers.iter().flat_map(|one| &one.listeners).flat_map(|one| &one.rules);
    let rule = rules.find(|rule| !rule.is_default).context("there is no rule")?;
    let params = json!({"RuleArn": rule.arn});
    fixture.scope.emulator().call(&fixture.scope.region, "elbv2", "DeleteRule", &params).await.map(drop)
}
