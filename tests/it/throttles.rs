//! AWS throttles, and Albedo learns from it.

use std::sync::Arc;

use albedo_ground::http_get;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::objects::service;
use crate::stage::Stage;

/// Ingresses that are made at once.
const MANY: usize = 12;

/// Makes load balancers, all at once, and answers how many calls were throttled meanwhile.
async fn make(stage: &Stage, names: &str) -> Result<usize> {
    let mark = stage.mark().await?;
    let names: Vec<String> = (0..MANY).map(|index| format!("{names}-{index}")).collect();
    let all: Vec<Value> = names.iter().map(|name| stage.ingress(name, &[], &json!([]))).collect();
    stage.apply(&all).await?;
    for name in &names {
        stage.hostname(name).await?;
    }
    stage.quiet().await?;
    let calls = stage.scope.emulator().calls_since(&stage.scope.region, mark).await?;
    Ok(calls.iter().filter(|call| call.error.as_deref().is_some_and(|code| code.contains("Throttl"))).count())
}

async fn metric(stage: &Stage, start: &str) -> Result<Vec<f64>> {
    let (_, body) = http_get(&format!("http://{}/metrics", stage.flag("metrics-bind-addr")?)).await?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let values = text.lines().filter(|line| line.starts_with(start)).map(|line| {
        let value = line.rsplit(' ').next().unwrap_or_default();
        value.parse::<f64>().with_context(|| line.to_owned())
    });
    values.collect()
}

/// The same work twice: throttles are counted, and teach a rate below the one that AWS's example has.
pub async fn what_was_learnt_spares_throttles(base: Arc<Base>) -> Result<()> {
    let mut stage = Stage::open(&base, "learns").await?;
    stage.flags(&[&format!("--ingress-max-concurrent-reconciles={MANY}")]);
    stage.start().await?;
    stage.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let buckets: Vec<Value> = ["CreateTargetGroup", "CreateLoadBalancer", "CreateListener", "^Describe"]
        .iter()
        .map(|operation| json!({"service": "elbv2", "operation": operation, "rate": 2, "burst": 2}))
        .collect();
    stage.scope.emulator().throttle(&stage.scope.region, &json!(buckets)).await?;
    let first = make(&stage, "first").await?;
    let counted: f64 = metric(&stage, "albedo_aws_throttles_total{").await?.iter().sum();
    // The SDK repeats reads by itself; what AWS said to each attempt is counted all the same.
    ensure!(counted.to_string() == first.to_string(), "AWS throttled {first}, and {counted} were counted");
    ensure!(first >= MANY / 2, "{first} calls were throttled");
    // How many are throttled the next time depends on how fast the machine is; what was learnt does not.
    make(&stage, "second").await?;
    let rate =
        metric(&stage, "albedo_aws_call_rate{service=\"Elastic Load Balancing v2\",family=\"^Describe.*\"}").await?;
    ensure!(rate.iter().all(|rate| *rate < 10.0) && rate.len() == 1, "{rate:?}");
    stage.close().await
}
