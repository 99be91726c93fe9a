//! Targets come and go under 200 requests a second, and no request fails: rollouts, a node that is drained, nodes that come and go, a Deployment scaled
//! to nothing and back. The containers end at once when they are told to, as nginx does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_testenv::{Answer, Asked, ECHO_EXITS, Load, NodeSpec, Tally, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::base::{Base, is_exhaustive};
use crate::fixture::{Fixture, GATES, SOON, tail};
use crate::objects::{deployment, rule, service};
use crate::serving::Serving;

/// The longest that a row may take.
const MOST: Duration = Duration::from_mins(12);
/// How long requests go on before a change and after it.
const AROUND: Duration = Duration::from_secs(1);
/// The pause before containers stop. Until it is over, everybody has heard that a Pod goes.
const PAUSE: &str = "albedo.dev/pre-stop-sleep=5";
/// How soon a new target is healthy, and how long an old one drains.
const CHECKS: [(&str, &str); 5] = [
    ("healthcheck-path", "/health"),
    ("healthcheck-interval-seconds", "5"),
    ("healthcheck-timeout-seconds", "2"),
    ("healthy-threshold-count", "2"),
    ("target-group-attributes", "deregistration_delay.timeout_seconds=10"),
];

struct Shop {
    fixture: Fixture,
    serving: Serving,
    /// The label that the nodes of this test have, which its Pods select.
    pool: String,
    nodes: Vec<String>,
}

impl Shop {
    /// Three nodes of its own, four Pods on them behind `web`, and a load balancer for each type of target.
    async fn open(base: &Arc<Base>) -> Result<Self> {
        let fixture = Fixture::with_webhooks(base, "rollouts", &["--targetgroupbinding-requeue-duration=1s"]).await?;
        let (serving, pool) = (Serving::open(&fixture).await?, fixture.scope.id.clone());
        let mut shop = Self { fixture, serving, pool, nodes: Vec::new() };
        for number in 1..=3 {
            shop.add_node(number).await?;
        }
        let mut web = deployment("web", 4, 8080);
        web["spec"]["template"]["spec"]["nodeSelector"] = json!({"pool": shop.pool});
        web["spec"]["template"]["spec"]["containers"][0]["image"] = json!(ECHO_EXITS);
        shop.fixture.apply(&[web, service("web", "NodePort", 80, 8080)]).await?;
        shop.rolled_out().await?;
        let rules = json!([rule(None, &[("/", "Prefix", "web", 80)])]);
        let pods = shop.fixture.ingress("pods", &[&[("target-type", "ip")], CHECKS.as_slice()].concat(), &rules);
        let labels = format!("pool={}", shop.pool);
        let of_nodes = [("target-type", "instance"), ("target-node-labels", labels.as_str())];
        let nodes = shop.fixture.ingress("nodes", &[&of_nodes, CHECKS.as_slice()].concat(), &rules);
        shop.fixture.apply(&[pods, nodes]).await?;
        for ingress in ["pods", "nodes"] {
            shop.serves(ingress).await?;
        }
        shop.fixture.quiet().await?;
        Ok(shop)
    }

    /// One more node, in Kubernetes and in EC2.
    async fn add_node(&mut self, number: u8) -> Result<()> {
        let scope = &self.fixture.scope;
        let zone = scope.world.nodes.first().context("no node")?.zone.clone();
        let subnet = scope.world.subnets.iter().find(|one| one.zone == zone && !one.public).context("no subnet")?;
        // Within the subnet, and beside the nodes that all tests have.
        let (name, block) = (format!("{}-{number}", self.pool), 34 + 2 * number);
        let instance = format!("i-0e0000000000000{number:02x}");
        let (ip, cidr) = (format!("10.77.{block}.4"), format!("10.77.{}.0/24", block + 1));
        let planted = json!([{"kind": "node", "id": instance, "eni": format!("eni-0e1000000000000{number:02x}"), "name": name,
            "subnet": subnet.id, "az": zone, "ip": ip}]);
        scope.emulator().plant(&scope.region, &planted).await?;
        let spec = NodeSpec {
            name: name.clone(),
            provider_id: format!("aws:///{zone}/{instance}"),
            zone,
            ip,
            pod_cidr: cidr,
            labels: [("pool".to_owned(), self.pool.clone())].into(),
        };
        self.fixture.base().test_env.kubelet().add_node(spec).await?;
        self.nodes.push(name);
        Ok(())
    }

    /// Takes a node away as the cluster autoscaler does: it is tainted, its Pods leave, and some time later it is gone.
    async fn remove_node(&mut self, name: &str) -> Result<()> {
        let taint = "ToBeDeletedByClusterAutoscaler=now:NoSchedule";
        self.fixture.kubectl(&["taint", "node", name, taint]).await?;
        self.drain(name).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        self.fixture.base().test_env.kubelet().remove_node(name).await?;
        self.nodes.retain(|node| node != name);
        Ok(())
    }

    async fn drain(&self, node: &str) -> Result<()> {
        self.fixture.kubectl(&["drain", node, "--pod-selector=app=web", "--timeout=60s"]).await?;
        self.rolled_out().await
    }

    async fn rolled_out(&self) -> Result<()> {
        let status = ["rollout", "status", "deployment", "web", "--timeout=120s"];
        self.fixture.kubectl(&status).await.map(drop).with_context(|| tail(&self.fixture.log()))
    }

    async fn restart(&self) -> Result<()> {
        self.fixture.kubectl(&["rollout", "restart", "deployment", "web"]).await?;
        self.rolled_out().await
    }

    async fn scale(&self, replicas: u32) -> Result<()> {
        let replicas = format!("--replicas={replicas}");
        self.fixture.kubectl(&["scale", "deployment", "web", &replicas]).await.map(drop)
    }

    /// A request to the load balancer of an Ingress.
    async fn asked(&self, ingress: &str, right: &[Answer]) -> Result<Asked> {
        let dns_name = self.fixture.hostname(ingress).await?;
        let at = self.serving.at(&dns_name, 80).with_context(|| format!("{dns_name} is not served"))?;
        Ok(Asked { at, tls: None, host: "shop.example.com".into(), path: "/".into(), right: right.to_vec() })
    }

    async fn serves(&self, ingress: &str) -> Result<()> {
        self.answers(ingress, &Answer::service("web")).await
    }

    async fn answers(&self, ingress: &str, right: &Answer) -> Result<()> {
        eventually(&format!("{ingress} answers {right:?}"), SOON, async || {
            self.serving.check(&[self.asked(ingress, std::slice::from_ref(right)).await?]).await?;
            Ok(Some(()))
        })
        .await
        .with_context(|| tail(&self.fixture.log()))
    }

    async fn load(&self, ingresses: &[&str]) -> Result<Load> {
        let mut asked = Vec::new();
        for ingress in ingresses {
            asked.push(self.asked(ingress, &[Answer::service("web")]).await?);
        }
        let load = self.serving.load(asked, MOST);
        tokio::time::sleep(AROUND).await;
        Ok(load)
    }

    async fn close(self) -> Result<()> {
        self.serving.stop().await;
        for node in &self.nodes {
            self.fixture.base().test_env.kubelet().remove_node(node).await?;
        }
        self.fixture.close().await
    }
}

/// The end of a row: what failed, printed whatever it is.
async fn tally(what: &str, begun: Instant, load: Load) -> Result<Tally> {
    tokio::time::sleep(AROUND).await;
    let tally = load.end().await?;
    eprintln!("rollouts: {what:<40} {:>5.1} s  {tally}", begun.elapsed().as_secs_f64());
    Ok(tally)
}

fn none_failed(what: &str, tally: &Tally, shop: &Shop) -> Result<()> {
    let failed = tally.failures() + tally.misrouted;
    ensure!(failed == 0, "{what}: {tally}\n{}", tail(&shop.fixture.log()));
    Ok(())
}

/// With readiness gates and the pause nothing is lost; without them a rollout loses requests, or nothing would be shown.
pub async fn lose_no_request(base: Arc<Base>) -> Result<()> {
    let mut shop = Shop::open(&base).await?;

    let (begun, load) = (Instant::now(), shop.load(&["pods"]).await?);
    shop.restart().await?;
    let lost = tally("a rollout without gates and pause", begun, load).await?;
    ensure!(lost.failures() > 0, "Pods end at once, and no request was lost: a loss would not be seen ({lost})");

    shop.fixture.label_namespace(&[GATES, PAUSE]).await?;
    shop.restart().await?;
    shop.fixture.quiet().await?;

    let rollouts = if is_exhaustive() { 20 } else { 2 };
    let what = format!("{rollouts} rollouts of 4");
    let (begun, load) = (Instant::now(), shop.load(&["pods"]).await?);
    for _ in 0..rollouts {
        shop.restart().await?;
    }
    none_failed(&what, &tally(&what, begun, load).await?, &shop)?;

    let (begun, load) = (Instant::now(), shop.load(&["pods"]).await?);
    let node = shop.nodes.first().context("no node")?.clone();
    shop.drain(&node).await?;
    none_failed("a node is drained", &tally("a node is drained", begun, load).await?, &shop)?;
    shop.fixture.kubectl(&["uncordon", &node]).await?;

    let what = "nodes come and go (targets: nodes, Pods)";
    let (begun, load) = (Instant::now(), shop.load(&["nodes", "pods"]).await?);
    for number in 4..=if is_exhaustive() { 6 } else { 4 } {
        shop.add_node(number).await?;
        tokio::time::sleep(AROUND * 2).await;
        let oldest = shop.nodes.first().context("no node")?.clone();
        shop.remove_node(&oldest).await?;
    }
    none_failed(what, &tally(what, begun, load).await?, &shop)?;

    scaled_to_nothing_and_back(&shop).await?;
    shop.close().await
}

/// Only while there are no Pods may requests fail, with 503.
async fn scaled_to_nothing_and_back(shop: &Shop) -> Result<()> {
    let (what, begun, load) = ("scaled 4 → 0 → 4", Instant::now(), shop.load(&["pods"]).await?);
    let (web, nobody) = (Answer::service("web"), Answer::Status(503));
    load.expect(vec![shop.asked("pods", &[web.clone(), nobody.clone()]).await?]);
    shop.scale(0).await?;
    shop.answers("pods", &nobody).await?;
    load.expect(vec![shop.asked("pods", &[nobody]).await?]);
    tokio::time::sleep(AROUND).await;
    load.expect(vec![shop.asked("pods", &[web.clone(), Answer::Status(503)]).await?]);
    shop.scale(4).await?;
    shop.rolled_out().await?;
    shop.answers("pods", &web).await?;
    load.expect(vec![shop.asked("pods", &[web]).await?]);
    none_failed(what, &tally(what, begun, load).await?, shop)
}
