//! What a test stands on: a region of one emulator for all tests, a load balancer that serves it, targets on loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use albedo_alb::{Alb, Config};
use albedo_testenv::{Emulator, World};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// For what takes a moment on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static EMULATOR: OnceCell<Emulator> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Runs a test on the one runtime of all.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.get_or_init(|| Runtime::new().unwrap()).block_on(test)
}

pub async fn emulator() -> &'static Emulator {
    let start = || async {
        let dir = tempfile::tempdir().unwrap().keep();
        Emulator::start(dir).await.unwrap()
    };
    EMULATOR.get_or_init(start).await
}

/// A region and the load balancer process for it.
pub struct Stage {
    pub emulator: &'static Emulator,
    pub region: String,
    pub alb: Alb,
    pub world: World,
}

impl Stage {
    /// A region of its own; a second of AWS's settings takes a fifth.
    pub async fn new() -> Self {
        Self::with(|config| config.second = Duration::from_millis(200)).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let emulator = emulator().await;
        let region = format!("eu-alb-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let world = emulator.seed(&region, "alb").await.unwrap();
        let mut config = Config::new(emulator.endpoint(), [region.as_str()]);
        config.tells_rule = true;
        change(&mut config);
        Self { emulator, alb: Alb::start(config).await.unwrap(), region, world }
    }

    /// A call of `ELBv2`.
    pub async fn call(&self, operation: &str, params: Value) -> Value {
        let asked = json!({"service": "elbv2", "operation": operation, "params": params});
        let url = format!("{}/albedo/call?region={}", self.emulator.endpoint(), self.region);
        let (status, body) = albedo_testenv::http_post(&url, asked.to_string()).await.unwrap();
        assert_eq!(status, 200, "{operation}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// A load balancer; its ARN.
    pub async fn balancer(&self, name: &str) -> String {
        let subnets: Vec<&str> = self.world.public_subnets().collect();
        let made = self.call("CreateLoadBalancer", json!({"Name": name, "Subnets": subnets})).await;
        text(&made["LoadBalancers"][0]["LoadBalancerArn"])
    }

    /// A target group of addresses with quick health checks; its ARN.
    pub async fn group(&self, name: &str) -> String {
        self.group_with(name, json!({})).await
    }

    pub async fn group_with(&self, name: &str, more: Value) -> String {
        let mut params = json!({
            "Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": self.world.vpc_id, "TargetType": "ip",
            "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, "HealthCheckPath": "/health",
            "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2,
        });
        merge(&mut params, more);
        let made = self.call("CreateTargetGroup", params).await;
        text(&made["TargetGroups"][0]["TargetGroupArn"])
    }

    pub async fn register(&self, group: &str, target: &SocketAddr) {
        self.call("RegisterTargets", json!({"TargetGroupArn": group, "Targets": [described(target)]})).await;
    }

    pub async fn deregister(&self, group: &str, target: &SocketAddr) {
        self.call("DeregisterTargets", json!({"TargetGroupArn": group, "Targets": [described(target)]})).await;
    }

    /// A listener of HTTP; its ARN.
    pub async fn listener(&self, balancer: &str, port: u16, action: Value) -> String {
        let params = json!({"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": port, "DefaultActions": [action]});
        text(&self.call("CreateListener", params).await["Listeners"][0]["ListenerArn"])
    }

    /// A listener of HTTPS with certificates of ACM for these domains, the first one the default; its ARN.
    pub async fn secure(&self, balancer: &str, port: u16, domains: &[&[&str]], action: Value, more: Value) -> String {
        let mut arns = Vec::new();
        for domains in domains {
            arns.push(self.emulator.certificate(&self.region, domains).await.unwrap());
        }
        let mut params = json!({
            "LoadBalancerArn": balancer, "Protocol": "HTTPS", "Port": port, "DefaultActions": [action],
            "Certificates": [{"CertificateArn": arns[0]}], "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        });
        merge(&mut params, more);
        let listener = text(&self.call("CreateListener", params).await["Listeners"][0]["ListenerArn"]);
        for arn in &arns[1..] {
            let more = json!({"ListenerArn": listener, "Certificates": [{"CertificateArn": arn}]});
            self.call("AddListenerCertificates", more).await;
        }
        listener
    }

    pub async fn rule(&self, listener: &str, priority: u32, conditions: Value, actions: Value) -> String {
        let params =
            json!({"ListenerArn": listener, "Priority": priority, "Conditions": conditions, "Actions": actions});
        text(&self.call("CreateRule", params).await["Rules"][0]["RuleArn"])
    }

    pub async fn balancer_attribute(&self, balancer: &str, key: &str, value: &str) {
        let attributes = json!([{"Key": key, "Value": value}]);
        self.call("ModifyLoadBalancerAttributes", json!({"LoadBalancerArn": balancer, "Attributes": attributes})).await;
    }

    pub async fn group_attributes(&self, group: &str, attributes: &[(&str, &str)]) {
        let attributes: Vec<_> = attributes.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        self.call("ModifyTargetGroupAttributes", json!({"TargetGroupArn": group, "Attributes": attributes})).await;
    }

    /// Waits until a load balancer serves everything that was done so far; where its port is.
    pub async fn served(&self, name: &str, port: u16) -> SocketAddr {
        let change = self.emulator.change(&self.region).await.unwrap();
        let served = self.alb.serves(name, change, SOON).await.unwrap();
        served.ports.iter().find(|(listener, _)| *listener == port).unwrap().1
    }

    /// State and reason of each target of a group, as AWS tells of them.
    pub async fn health(&self, group: &str) -> Vec<(String, Option<String>)> {
        let said = self.call("DescribeTargetHealth", json!({"TargetGroupArn": group})).await;
        let one = |one: &Value| {
            (text(&one["TargetHealth"]["State"]), one["TargetHealth"]["Reason"].as_str().map(str::to_owned))
        };
        said["TargetHealthDescriptions"].as_array().unwrap().iter().map(one).collect()
    }

    /// Waits until all targets of a group are in a state.
    pub async fn until(&self, group: &str, state: &str) {
        let began = std::time::Instant::now();
        loop {
            let health = self.health(group).await;
            if !health.is_empty() && health.iter().all(|(one, _)| one == state) {
                return;
            }
            assert!(began.elapsed() < SOON, "the targets of {group} are {health:?}, not {state}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

pub fn merge(into: &mut Value, more: Value) {
    let (Value::Object(into), Value::Object(more)) = (into, more) else { panic!("two objects are merged") };
    into.extend(more);
}

/// To a target group.
pub fn forward(group: &str) -> Value {
    json!({"Type": "forward", "TargetGroupArn": group})
}

pub fn fixed(code: &str, body: &str) -> Value {
    json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": code, "ContentType": "text/plain", "MessageBody": body}})
}

/// The address of a target as AWS knows it, for one that listens on loopback.
fn described(at: &SocketAddr) -> Value {
    let IpAddr::V4(v4) = at.ip() else { panic!("{at} is not IPv4") };
    let [_, a, b, c] = v4.octets();
    json!({"Id": Ipv4Addr::new(10, a, b, c), "Port": at.port()})
}

/// An address on loopback for a target, different each time.
pub fn address() -> IpAddr {
    let [_, _, third, fourth] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 77, 200 + third, fourth.max(1)).into()
}
