//! Deletion protection of a load balancer that has to be replaced.

use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON};
use crate::objects::{rule, service};

/// An Ingress with a scheme and, perhaps, a word on deletion protection.
fn ingress(fixture: &Fixture, scheme: &str, protection: Option<&str>) -> Value {
    let attributes = protection.map(|word| format!("deletion_protection.enabled={word}"));
    let mut annotations = vec![("scheme", scheme)];
    annotations.extend(attributes.as_deref().map(|attributes| ("load-balancer-attributes", attributes)));
    fixture.ingress("shop", &annotations, &json!([rule(None, &[("/", "Prefix", "web", 80)])]))
}

/// Waits until there is one load balancer, of this scheme, and answers its ARN.
async fn becomes(fixture: &Fixture, scheme: &str) -> Result<String> {
    let what = format!("the load balancer is {scheme}");
    let arn = eventually(&what, SOON, async || {
        let balancers = fixture.state().await?.load_balancers;
        let [one] = balancers.as_slice() else { return Ok(None) };
        Ok((one.scheme.as_deref() == Some(scheme)).then(|| one.arn.clone()))
    })
    .await?;
    fixture.quiet().await?;
    Ok(arn)
}

/// What an edit itself takes back does not lock it; what another hand switched on is honoured, told, and can be ended.
pub async fn protection_holds_what_nobody_took_back(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "protected").await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    fixture.apply(&[ingress(&fixture, "internal", Some("true"))]).await?;
    fixture.hostname("shop").await?;
    becomes(&fixture, "internal").await?;
    fixture.apply(&[ingress(&fixture, "internet-facing", None)]).await?;
    let arn = becomes(&fixture, "internet-facing").await?;

    let attribute = json!({"Key": "deletion_protection.enabled", "Value": "true"});
    let params = json!({"LoadBalancerArn": arn, "Attributes": [attribute]});
    fixture.scope.emulator().call(&fixture.scope.region, "elbv2", "ModifyLoadBalancerAttributes", &params).await?;
    fixture.apply(&[ingress(&fixture, "internal", None)]).await?;
    let told = "waiting for deletion protection of load balancer";
    eventually("the Ingress hears what it waits for", SOON, async || {
        let events = fixture.events("shop").await?;
        Ok(events.iter().any(|(_, text)| text.contains(told)).then_some(()))
    })
    .await?;
    let balancers = fixture.state().await?.load_balancers;
    let one = balancers.first().context("no load balancer")?;
    ensure!(one.arn == arn && balancers.len() == 1, "{balancers:?}");

    fixture.apply(&[ingress(&fixture, "internal", Some("false"))]).await?;
    becomes(&fixture, "internal").await?;
    fixture.close().await
}
