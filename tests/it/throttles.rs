//! AWS throttles, and Albedo learns from it.

use std::sync::Arc;

use albedo_testenv::http_get;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::Fixture;
use crate::objects::service;

/// Ingresses that are made at once.
const MANY: usize = 12;

/// Makes load balancers, all at once, and answers how many calls were throttled meanwhile.
async fn make(fixture: &Fixture, names: &str) -> Result<usize> {
    let mark = fixture.mark().await?;
    let names: Vec<String> = (0..MANY).map(|index| format!("{names}-{index}")).collect();
    let all: Vec<Value> = names.iter().map(|name| fixture.ingress(name, &[], &json!([]))).collect();
    fixture.apply(&all).await?;
    for name in &names {
        fixture.hostname(name).await?;
    }
    fixture.quiet().await?;
    let calls = fixture.scope.emulator().calls_since(&fixture.scope.region, mark).await?;
    Ok(calls.iter().filter(|call| call.error.as_deref().is_some_and(|code| code.contains("Throttl"))).count())
}

async fn metric(fixture: &Fixture, start: &str) -> Result<Vec<f64>> {
    let (_, body) = http_get(&format!("http://{}/metrics", fixture.flag("metrics-bind-addr")?)).await?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let values = text.lines().filter(|line| line.starts_with(start)).map(|line| {
        let value = line.rsplit(' ').next().unwrap_or_default();
        value.parse::<f64>().with_context(|| line.to_owned())
    });
    values.collect()
}

/// The same work twice: throttles are counted, and teach a rate below the one that AWS's example has.
pub async fn what_was_learnt_spares_throttles(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "learns").await?;
    fixture.flags(&[&format!("--ingress-max-concurrent-reconciles={MANY}")]);
    fixture.start().await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let buckets: Vec<Value> = ["CreateTargetGroup", "CreateLoadBalancer", "CreateListener", "^Describe"]
        .iter()
        .map(|operation| json!({"service": "elbv2", "operation": operation, "rate": 2, "burst": 2}))
        .collect();
    fixture.scope.emulator().throttle(&fixture.scope.region, &json!(buckets)).await?;
    let first = make(&fixture, "first").await?;
    let counted: f64 = metric(&fixture, "albedo_aws_throttles_total{").await?.iter().sum();
    // The SDK repeats reads by itself; what AWS said to each attempt is counted all the same.
    ensure!(counted.to_string() == first.to_string(), "AWS throttled {first}, and {counted} were counted");
    ensure!(first >= MANY / 2, "{first} calls were throttled");
    // How many are throttled the next time depends on how fast the machine is; what was learnt does not.
    make(&fixture, "second").await?;
    let rate =
        metric(&fixture, "albedo_aws_call_rate{service=\"Elastic Load Balancing v2\",family=\"^Describe.*\"}").await?;
    ensure!(rate.iter().all(|rate| *rate < 10.0) && rate.len() == 1, "{rate:?}");
    fixture.close().await
}
