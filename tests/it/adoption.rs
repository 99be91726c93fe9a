//! A cluster that the predecessor ran is taken over without a write: its worlds are thawed, and Albedo is started on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use albedo_testenv::{ACCOUNT, Albedo, Frozen, Gate, Launch, Rule, State, eventually, free_port};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::absence::later;
use crate::base::{ALBEDO, Base, albedo};
use crate::fixture::{SOON, policy, tail};
use crate::objects::PREFIX;

/// A thawed world with an Albedo before it, all of whose requests go through the gate.
pub struct Adoption {
    pub frozen: Frozen,
    pub gate: Gate,
    pub launch: Launch,
    albedo: Option<Albedo>,
    dir: PathBuf,
    /// How much of its log is of an earlier start.
    earlier: usize,
}

impl Adoption {
    async fn open(base: &Arc<Base>, world: &str) -> Result<Self> {
        Self::open_as(base, world, &format!("adoption-{world}")).await
    }

    /// A world, in a folder of that name.
    pub async fn open_as(base: &Arc<Base>, world: &str, name: &str) -> Result<Self> {
        let dir = base.dir().join(name);
        let frozen = Frozen::thaw(world, &dir).await.with_context(|| format!("thawing {world}"))?;
        let allowed = policy(&frozen.label.cluster, &frozen.label.vpc, &[]).await?;
        frozen.emulator.policies(&frozen.label.region, &[allowed]).await?;
        let gate = Gate::open(frozen.emulator.endpoint(), frozen.plane.client_for(ACCOUNT).await?).await?;
        let launch = launch(base, &frozen, &gate, &dir)?;
        let adoption = Self { frozen, gate, launch, albedo: None, dir, earlier: 0 };
        adoption.install_crds().await?;
        Ok(adoption)
    }

    pub async fn install_crds(&self) -> Result<()> {
        let crds = self.dir.join("crds.yaml");
        std::fs::write(&crds, albedo(&["crds"]).await?)?;
        let crds = crds.to_string_lossy();
        self.frozen.plane.kubectl_ok(["apply", "--server-side", "--force-conflicts", "-f", &crds]).await?;
        self.frozen.plane.kubectl_ok(["wait", "--for=condition=Established", "--timeout=30s", "-f", &crds]).await?;
        Ok(())
    }

    /// `kubectl apply` of a list of objects.
    pub async fn apply(&self, file: &str, list: &Value) -> Result<()> {
        let path = self.dir.join(file);
        std::fs::write(&path, list.to_string())?;
        self.frozen.plane.kubectl_ok(["apply", "-f", &path.to_string_lossy()]).await.map(drop)
    }

    /// Kills Albedo and starts it where it cannot become ready.
    pub async fn restart_unready(&mut self) -> Result<()> {
        if let Some(mut albedo) = self.albedo.take() {
            self.earlier = albedo.log().len();
            albedo.kill().await?;
        }
        self.albedo = Some(self.launch.spawn()?);
        Ok(())
    }

    /// Waits until Albedo is ready.
    pub async fn ready(&mut self) -> Result<()> {
        self.albedo.as_mut().context("albedo was not started")?.ready().await
    }

    /// What Albedo has logged since it was started without becoming ready.
    pub fn log(&self) -> String {
        later(self.albedo.as_ref().map(Albedo::log).unwrap_or_default(), self.earlier)
    }

    /// Starts Albedo and waits until it has seen everything and rests; answers what it wrote, its ledger aside. With a
    /// ledger it believes what lists agree with, unless it may believe nothing for long.
    pub async fn start(&mut self, reads_all: bool) -> Result<Vec<String>> {
        let mark = self.frozen.emulator.mark().await?;
        self.gate.reset();
        self.albedo = Some(self.launch.start().await?);
        let balancers = if reads_all { self.frozen.label.counts.load_balancers } else { 0 };
        eventually("every group was looked at", SOON, async || {
            let calls = self.frozen.emulator.calls_since(&self.frozen.label.region, mark).await?;
            let looked = calls.iter().filter(|call| call.operation == "DescribeListeners").count();
            ensure!(looked >= balancers, "{looked} of {balancers} load balancers");
            ensure!(calls.iter().any(|call| call.operation == "DescribeTags"), "no list was read");
            Ok(Some(()))
        })
        .await
        .with_context(|| self.tail())?;
        self.rest().await
    }

    /// Starts an Albedo that believes nothing for long, and waits until it has made so many rules again that they are these.
    async fn repairs(&mut self, gone: usize, wanted: &[String]) -> Result<()> {
        self.gate.reset();
        // Long enough for a whole look at all of them under the throttle.
        self.launch.args.push("--sync-period=15s".into());
        self.albedo = Some(self.launch.start().await?);
        self.launch.args.pop();
        eventually("the rules are there again", SOON * 2, async || {
            // The whole state takes the emulator long; it is read when there is something to see.
            let made = self.writes().len();
            ensure!(made >= gone, "{made} of {gone} rules were written");
            let is = rules(&self.state().await?);
            ensure!(is == wanted, "the rules are\n{}\nand were\n{}", is.join("\n"), wanted.join("\n"));
            Ok(Some(()))
        })
        .await
        .with_context(|| self.tail())
    }

    /// What was written since the start or the last `reset` of the gate, the ledger aside.
    pub fn writes(&self) -> Vec<String> {
        self.gate.writes().into_iter().filter(|write| !write.contains(" ingressgroups")).collect()
    }

    /// Waits until nothing happens any more; answers what was written since the start or the last `reset` of the gate.
    pub async fn rest(&self) -> Result<Vec<String>> {
        self.launch.quiet(&self.frozen.emulator, SOON).await.with_context(|| self.tail())?;
        Ok(self.writes())
    }

    /// The folder of the control plane and of all files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut albedo) = self.albedo.take() {
            let status = albedo.stop().await?;
            ensure!(status.success(), "albedo ended with {status}:\n{}", tail(&albedo.log()));
        }
        Ok(())
    }

    pub async fn close(mut self) -> Result<()> {
        self.stop().await?;
        drop(self.gate);
        self.frozen.stop().await
    }

    pub fn tail(&self) -> String {
        self.albedo.as_ref().map(|albedo| tail(&albedo.log())).unwrap_or_default()
    }

    pub async fn state(&self) -> Result<State> {
        self.frozen.emulator.state(&self.frozen.label.region).await
    }

    /// What is there of either kind of object that is the predecessor's and ours to write.
    pub async fn objects(&self) -> Result<BTreeMap<String, Value>> {
        let mut found = BTreeMap::new();
        for kind in ["ingresses", "targetgroupbindings", "services"] {
            let all = self.frozen.plane.kubectl_ok(["get", kind, "--all-namespaces", "-o", "json"]).await?;
            let mut all: Value = serde_json::from_str(&all)?;
            for object in all["items"].as_array_mut().into_iter().flatten() {
                let key = format!("{kind} {}/{}", object["metadata"]["namespace"], object["metadata"]["name"]);
                for field in ["resourceVersion", "generation", "managedFields"] {
                    object["metadata"].as_object_mut().map(|meta| meta.remove(field));
                }
                found.insert(key, object.take());
            }
        }
        Ok(found)
    }

    /// Objects and AWS are as they were.
    pub async fn still_holds(&self, objects: &BTreeMap<String, Value>, state: &str) -> Result<()> {
        let (now, held) = (self.objects().await?, told(self.state().await?));
        ensure!(held == state, "AWS holds something else:\n{}", differing(&held, state));
        ensure!(now == *objects, "objects changed:\n{}", differing(&format!("{now:#?}"), &format!("{objects:#?}")));
        Ok(())
    }

    /// `kubectl annotate` of an Ingress; a value of None takes the annotation away.
    pub async fn annotate(&self, ingress: &(String, String), key: &str, value: Option<&str>) -> Result<()> {
        let (namespace, name) = ingress;
        let change = value.map_or_else(|| format!("{PREFIX}{key}-"), |value| format!("{PREFIX}{key}={value}"));
        let args = ["annotate", "ingress", "--namespace", namespace, name, &change];
        self.frozen.plane.kubectl_ok(args).await.map(drop)
    }

    /// An Ingress that has a load balancer to itself, and the resources that are tagged as its own.
    pub async fn lonely(&self) -> Result<(String, String)> {
        let state = self.state().await?;
        let stacks = state.load_balancers.iter().filter_map(|balancer| balancer.tags.get("ingress.k8s.aws/stack"));
        let mut lonely = stacks.filter_map(|stack| stack.split_once('/'));
        let (namespace, name) = lonely.next().context("every load balancer is shared")?;
        Ok((namespace.to_owned(), name.to_owned()))
    }
}

fn launch(base: &Base, frozen: &Frozen, gate: &Gate, dir: &Path) -> Result<Launch> {
    let (health, metrics, webhook) = (free_port()?, free_port()?, free_port()?);
    base.authority.server(&["127.0.0.1"])?.write(&dir.join("serving"), "tls")?;
    let label = &frozen.label;
    let launch = Launch::new(ALBEDO, format!("http://127.0.0.1:{health}/readyz"), dir.join("albedo.log"))
        .env("AWS_ENDPOINT_URL", gate.aws())
        .env("AWS_ACCESS_KEY_ID", "adoption")
        .env("AWS_SECRET_ACCESS_KEY", "adoption")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("KUBECONFIG", gate.kubeconfig(dir)?)
        .arg("run")
        .arg(format!("--cluster-name={}", label.cluster))
        .arg(format!("--aws-region={}", label.region))
        .arg(format!("--aws-vpc-id={}", label.vpc))
        .arg("--enable-leader-election=false")
        .arg("--admission-mode=off")
        // What is taken over is counted here, not timed: a whole account is read faster than AWS lets anybody.
        .arg("--aws-api-throttle=Elastic Load Balancing v2:^Describe.*=50:200")
        .arg("--admission-defaults=none")
        .arg("--shutdown-linger-seconds=0")
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--webhook-bind-port={webhook}"))
        .arg(format!("--webhook-cert-dir={}", dir.join("serving").display()))
        .arg(format!("--health-probe-bind-addr=127.0.0.1:{health}"))
        .arg(format!("--metrics-bind-addr=127.0.0.1:{metrics}"));
    Ok(launch)
}

/// Every rule with its place, its tags and all else, but its ARN; sorted.
fn rules(state: &State) -> Vec<String> {
    let listeners = state.load_balancers.iter().flat_map(|balancer| &balancer.listeners);
    let mut rules: Vec<String> = listeners
        .flat_map(|listener| listener.rules.iter().map(move |rule| (listener, rule.clone())))
        .map(|(listener, mut rule)| {
            rule.arn.clear();
            format!("{} {rule:?}", listener.arn)
        })
        .collect();
    rules.sort();
    rules
}

/// World 4 has a target group of HTTP/2 behind an HTTP listener: the emulator of the recordings took that, AWS does not, and who deletes the rule cannot make it again.
fn is_refused_today(rule: &Rule) -> bool {
    rule.actions.iter().any(|action| action.to_string().contains(":targetgroup/k8s-f131back-"))
}

/// All that AWS holds as a text. An empty description of a permission is none, and the attribute that is edited is looked at in its row.
pub fn told(mut state: State) -> String {
    for permission in state.security_groups.iter_mut().flat_map(|group| &mut group.ip_permissions) {
        for range in permission["IpRanges"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            range.retain(|key, value| key != "Description" || value != "");
        }
    }
    for balancer in &mut state.load_balancers {
        balancer.attributes.remove("idle_timeout.timeout_seconds");
    }
    format!("{state:#?}")
}

/// The lines of either text that the other has not.
fn differing(is: &str, was: &str) -> String {
    let only = |one: &str, other: &str, sign: &str| -> String {
        one.lines().filter(|line| !other.lines().any(|is| is == *line)).map(|line| format!("{sign}{line}\n")).collect()
    };
    format!("{}{}", only(is, was, "+"), only(was, is, "-"))
}

/// Nothing is written, neither without a ledger nor with one; what was damaged meanwhile is made again, and nothing else.
async fn taken_over(base: &Arc<Base>, world: &str) -> Result<Adoption> {
    let mut adoption = Adoption::open(base, world).await?;
    let (objects, state) = (adoption.objects().await?, told(adoption.state().await?));
    for start in ["without a ledger", "with a ledger"] {
        let writes = adoption.start(start == "without a ledger").await?;
        ensure!(writes.is_empty(), "{world}, {start}: albedo wrote {writes:?}\n{}", adoption.tail());
        adoption.stop().await?;
    }
    adoption.still_holds(&objects, &state).await.with_context(|| world.to_owned())?;
    let ledgers = adoption.frozen.plane.kubectl_ok(["get", "ingressgroups", "-o", "name"]).await?;
    let balancers = adoption.frozen.label.counts.load_balancers;
    ensure!(ledgers.lines().count() <= balancers && !ledgers.is_empty(), "{world}: ledgers of {ledgers:?}");

    let before = adoption.state().await?;
    let mut gone = 0;
    for listener in before.load_balancers.iter().flat_map(|balancer| &balancer.listeners) {
        let mut rules = listener.rules.iter().filter(|rule| !rule.is_default && !is_refused_today(rule));
        let Some(first) = rules.next() else { continue };
        let (emulator, region) = (&adoption.frozen.emulator, &adoption.frozen.label.region);
        emulator.call(region, "elbv2", "DeleteRule", &json!({"RuleArn": first.arn})).await?;
        gone += 1;
    }
    ensure!(gone > 0, "{world} has no rule");
    adoption.repairs(gone, &rules(&before)).await.with_context(|| world.to_owned())?;
    let writes = adoption.writes();
    ensure!(writes == vec!["AWS CreateRule"; gone], "{world}: {gone} rules were gone, albedo wrote {writes:?}");
    adoption.stop().await?;
    let writes = adoption.start(false).await?;
    ensure!(writes.is_empty(), "{world}, repaired: albedo wrote {writes:?}\n{}", adoption.tail());
    Ok(adoption)
}

pub async fn a_cluster_is_taken_over(base: Arc<Base>) -> Result<()> {
    taken_over(&base, "1").await?.close().await
}

pub async fn a_second_cluster_is_taken_over(base: Arc<Base>) -> Result<()> {
    taken_over(&base, "5").await?.close().await
}

pub async fn more_clusters_are_taken_over(base: Arc<Base>) -> Result<()> {
    for world in ["2", "3", "4"] {
        taken_over(&base, world).await?.close().await?;
    }
    Ok(())
}

/// An edit writes what it needs, and its undoing brings back what the predecessor left, to which one can go back.
pub async fn an_adopted_ingress_is_edited(base: Arc<Base>) -> Result<()> {
    let adoption = taken_over(&base, "edited").await?;
    let (objects, state) = (adoption.objects().await?, told(adoption.state().await?));
    let ingress = adoption.lonely().await?;
    // Annotations that the Ingress has not. An attribute that nobody asks for any more stays in AWS, as with the predecessor.
    let rows = [
        (
            "load-balancer-attributes",
            "idle_timeout.timeout_seconds=77",
            vec!["AWS ModifyLoadBalancerAttributes"],
            vec![],
        ),
        ("healthcheck-path", "/adopted", vec!["AWS ModifyTargetGroup"], vec!["AWS ModifyTargetGroup"]),
        ("inbound-cidrs", "10.0.0.0/8", OTHER_CIDR.to_vec(), OTHER_CIDR.to_vec()),
    ];
    for (key, value, there, back) in rows {
        for (value, wanted) in [(Some(value), there), (None, back)] {
            adoption.gate.reset();
            adoption.annotate(&ingress, key, value).await?;
            let writes = adoption.rest().await?;
            ensure!(writes == wanted, "{key}={value:?} on {ingress:?}: albedo wrote {writes:?}");
        }
    }
    adoption.still_holds(&objects, &state).await?;
    adoption.close().await
}

/// Who may come in changes: first the new ones are let in.
const OTHER_CIDR: [&str; 2] = ["AWS AuthorizeSecurityGroupIngress", "AWS RevokeSecurityGroupIngress"];
