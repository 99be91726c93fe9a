//! The AWS emulator (`tests/aws`) as a process, and its control API.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::aws_state::{Call, State, World};
use crate::binaries::tests_dir;
use crate::{Binaries, Process, http_get, http_post};

const READY: Duration = Duration::from_mins(1);
/// The record of calls in an emulator's folder, a line a call.
pub const CALLS: &str = "aws-calls.jsonl";

pub struct Emulator {
    process: Process,
    endpoint: String,
    calls_file: PathBuf,
}

impl Emulator {
    /// Starts on a free port; the log and the call log are in `dir`.
    pub async fn start(dir: impl Into<PathBuf>) -> Result<Self> {
        let (dir, bin) = (dir.into(), Binaries::aws().await?);
        let calls_file = dir.join(CALLS);
        let mut command = Command::new(bin.join("python"));
        // -B: leaves no compiled files among the sources.
        command.args(["-B", "-W", "ignore"]).arg(tests_dir().join("aws").join("emulator.py")).args(["127.0.0.1", "0"]);
        command.arg(format!("--calls={}", calls_file.display()));
        let mut process = Process::start("the AWS emulator", &command, &dir.join("aws.log"))?;
        let port = Self::port(&mut process).await?;
        Ok(Self { process, endpoint: format!("http://127.0.0.1:{port}"), calls_file })
    }

    async fn port(process: &mut Process) -> Result<u16> {
        #[derive(Deserialize)]
        struct Ready {
            port: u16,
        }
        let end = std::time::Instant::now() + READY;
        loop {
            // Its first whole line that says so: the log is shared with stderr.
            if let Some(ready) = process.log().lines().find_map(|line| serde_json::from_str::<Ready>(line).ok()) {
                return Ok(ready.port);
            }
            process.check()?;
            if std::time::Instant::now() > end {
                bail!(process.failure(format_args!("not ready after {READY:?}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// For `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The file with one JSON line a call.
    pub fn calls_file(&self) -> &std::path::Path {
        &self.calls_file
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Makes the standard world of a region of any name.
    pub async fn seed(&self, region: &str, cluster: &str) -> Result<World> {
        self.post("world", region, &json!({"region": region, "cluster": cluster})).await
    }

    /// A region's world.
    pub async fn world(&self, region: &str) -> Result<World> {
        self.get("world", region, "").await
    }

    /// Plants more into a region, `[{"kind": …}, …]`; answers the id or ARN of each.
    pub async fn plant(&self, region: &str, items: &Value) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Planted {
            made: Vec<String>,
        }
        Ok(self.post::<Planted>("seed", region, items).await?.made)
    }

    /// An issued ACM certificate for these domains; answers its ARN.
    pub async fn certificate(&self, region: &str, domains: &[&str]) -> Result<String> {
        let made = self.plant(region, &json!([{"kind": "certificate", "domains": domains}])).await?;
        made.into_iter().next().context("the emulator made no certificate")
    }

    /// Every call to a region so far.
    pub async fn calls(&self, region: &str) -> Result<Vec<Call>> {
        self.calls_since(region, 0).await
    }

    /// The calls after a number.
    pub async fn calls_since(&self, region: &str, seq: u64) -> Result<Vec<Call>> {
        #[derive(Deserialize)]
        struct Log {
            calls: Vec<Call>,
        }
        Ok(self.get::<Log>("calls", region, &format!("&since={seq}")).await?.calls)
    }

    /// The number of the last call to any region, to be given to `calls_since` later.
    pub async fn mark(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Last {
            last: u64,
        }
        Ok(self.get::<Last>("calls", "none", "").await?.last)
    }

    /// The number of the last call to a region.
    pub async fn last(&self, region: &str) -> Result<u64> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Last {
            of_region: u64,
        }
        Ok(self.get::<Last>("calls", region, &format!("&since={}", u64::MAX)).await?.of_region)
    }

    /// What a region holds, as describing it answers.
    pub async fn state(&self, region: &str) -> Result<State> {
        self.get("state", region, "").await
    }

    /// An AWS call made by hand, as people do behind a controller's back: it is neither counted nor logged.
    pub async fn call(&self, region: &str, service: &str, operation: &str, params: &Value) -> Result<Value> {
        self.post("call", region, &json!({"service": service, "operation": operation, "params": params})).await
    }

    /// The same in another account.
    pub async fn call_in(
        &self,
        account: &str,
        region: &str,
        service: &str,
        operation: &str,
        params: &Value,
    ) -> Result<Value> {
        let region = format!("{region}&account={account}");
        self.call(&region, service, operation, params).await
    }

    /// Faults of a region from now on, in place of those before: `[{"service": "elbv2", "operation": "CreateRule", "code": "Throttling"}]`.
    /// See tests/aws/README.md for the fields.
    pub async fn faults(&self, region: &str, rules: &Value) -> Result<()> {
        self.post::<Value>("faults", region, rules).await.map(drop)
    }

    /// Health of targets: `("*", "10.77.33.1", Some("unhealthy"))`; None is healthy again. `*` is every one.
    pub async fn health(&self, region: &str, target_group: &str, target: &str, state: Option<&str>) -> Result<()> {
        let body = json!([{"targetGroup": target_group, "target": target, "state": state}]);
        self.post::<Value>("health", region, &body).await.map(drop)
    }

    /// The number of a region's last change, for those who wait until somebody has seen it.
    pub async fn change(&self, region: &str) -> Result<u64> {
        #[derive(Deserialize)]
        struct Waited {
            change: u64,
        }
        Ok(self.get::<Waited>("wait", region, "").await?.change)
    }

    /// How often faults of a region have struck.
    pub async fn struck(&self, region: &str) -> Result<u64> {
        self.counted(region, "struck").await
    }

    /// How often no follower acted on a change in the time that a fault (`seenMs`) gave.
    pub async fn missed(&self, region: &str) -> Result<u64> {
        self.counted(region, "missed").await
    }

    async fn counted(&self, region: &str, what: &str) -> Result<u64> {
        let rules: Vec<Value> = self.get("faults", region, "").await?;
        Ok(rules.iter().filter_map(|rule| rule.get(what)?.as_u64()).sum())
    }

    /// What of a region takes its time, `{"targets": {"initialSeconds": 1}, "provisioningSeconds": 1, "lagSeconds": 1}`; null: nothing.
    /// See tests/aws/README.md.
    pub async fn life(&self, region: &str, life: &Value) -> Result<()> {
        self.post::<Value>("life", region, life).await.map(drop)
    }

    /// How long AWS takes to let go and to learn, in seconds: `{"securityGroupsHeld": 20, "webAclUnknown": 5}`; null: no time.
    /// See tests/aws/README.md.
    pub async fn settling(&self, region: &str, seconds: &Value) -> Result<()> {
        self.post::<Value>("settling", region, seconds).await.map(drop)
    }

    /// Quotas of a region, `{"securityGroupRules": 3}`; the others are AWS's defaults.
    pub async fn quotas(&self, region: &str, most: &Value) -> Result<()> {
        self.post::<Value>("quotas", region, most).await.map(drop)
    }

    /// The IAM policies of those who call in a region, as JSON; none: everybody may do everything.
    pub async fn policies(&self, region: &str, documents: &[String]) -> Result<()> {
        let documents = documents.iter().map(|one| serde_json::from_str(one)).collect::<Result<Vec<Value>, _>>()?;
        self.post::<Value>("policy", region, &json!(documents)).await.map(drop)
    }

    /// The action that policies do not allow of a call, which is not made; none: they allow it.
    pub async fn denied(
        &self,
        region: &str,
        documents: &[String],
        (service, operation, params): (&str, &str, &Value),
    ) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Said {
            denied: Option<(String, String)>,
        }
        let documents = documents.iter().map(|one| serde_json::from_str(one)).collect::<Result<Vec<Value>, _>>()?;
        let asked = json!({"policies": documents, "service": service, "operation": operation, "params": params});
        Ok(self.post::<Said>("may", region, &asked).await?.denied.map(|(action, _)| action))
    }

    /// Throttles of a region in place of those before: `[{"service": "elbv2", "operation": "^Describe", "rate": 5, "burst": 10}]`.
    pub async fn throttle(&self, region: &str, buckets: &Value) -> Result<()> {
        self.post::<Value>("throttle", region, buckets).await.map(drop)
    }

    /// Empties AWS, all regions, and makes us-east-1's world again.
    pub async fn reset(&self) -> Result<()> {
        self.post::<Value>("reset", "", &Value::Null).await.map(drop)
    }

    /// The journal of all that changed AWS since the start or the last reset.
    pub async fn freeze(&self) -> Result<Value> {
        self.get("freeze", "", "").await
    }

    /// Brings back the state that a journal led to, in place of what is there.
    pub async fn thaw(&self, journal: &Value) -> Result<()> {
        self.post::<Value>("thaw", "", journal).await.map(drop)
    }

    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop().await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, control: &str, region: &str, query: &str) -> Result<T> {
        let url = format!("{}/albedo/{control}?region={region}{query}", self.endpoint);
        self.answer(&url, http_get(&url).await)
    }

    async fn post<T: DeserializeOwned>(&self, control: &str, region: &str, body: &Value) -> Result<T> {
        let url = format!("{}/albedo/{control}?region={region}", self.endpoint);
        self.answer(&url, http_post(&url, serde_json::to_vec(body)?).await)
    }

    fn answer<T: DeserializeOwned, B: AsRef<[u8]>>(&self, url: &str, answer: Result<(u16, B)>) -> Result<T> {
        let (status, body) = answer.map_err(|e| self.process.failure(format_args!("{e:#}")))?;
        let body = body.as_ref();
        if status != 200 {
            bail!("{url}: {status} {}", String::from_utf8_lossy(body));
        }
        serde_json::from_slice(body).with_context(|| format!("{url}: unexpected answer"))
    }
}
