//! LBC beside Albedo: LBC for Services, bindings and the rules of nodes, Albedo for Ingresses. Neither undoes what the other writes.
//!
//! It needs LBC's own program (`LBC_BIN=FILE`). Without it nothing is tested, and the test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_testenv::{Albedo, Call, State, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::{Base, is_exhaustive, minutes};
use crate::crash::seed;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::{deployment, rule, service};
use crate::troubles::mixed;

/// The access key id of LBC: who made a call is told by it.
const LBC: &str = "lbc";
/// Description of the rules that LBC writes for bindings.
const SHARED: &str = "elbv2.k8s.aws/targetGroupBinding=shared";
/// No write for so long: both rest.
const CALM: Duration = Duration::from_secs(10);
/// How long nothing may be written then. Both read everything anew meanwhile.
const STILL: Duration = Duration::from_secs(35);
/// LBC tries again after minutes where something is in use for a moment.
const SLOW: Duration = Duration::from_mins(5);

struct Pair {
    fixture: Fixture,
    lbc: Albedo,
    /// The target group of the binding that a person wrote.
    bound: String,
}

/// One edit.
type Edit = fn(&Pair, usize) -> Vec<Value>;

const EDITS: &[Edit] = &[
    |_, n| vec![deployment("web", 1 + u32::from(n % 3 == 0) * 2, 8080)],
    |_, n| vec![deployment("api", 1 + u32::from(n % 2 == 0), 9090)],
    |pair, n| vec![pair.by_pods(n)],
    |pair, n| vec![pair.by_nodes(n)],
    |pair, n| vec![pair.member("one", n)],
    |pair, n| vec![pair.member("two", n)],
    |_, n| vec![balancer("nlb-pods", "ip", "web", n)],
    |_, n| vec![balancer("nlb-nodes", "instance", "api", n)],
];

/// What is deleted and comes again.
const DELETED: &[(&str, &str)] = &[
    ("ingress", "pods"),
    ("ingress", "two"),
    ("service", "nlb-pods"),
    ("service", "nlb-nodes"),
    ("pod", "-l app=web"),
];

/// A Service that LBC makes an NLB for.
fn balancer(name: &str, target_type: &str, app: &str, n: usize) -> Value {
    let mut made = service(app, "LoadBalancer", 80 + u16::from(n % 4 == 3), if app == "web" { 8080 } else { 9090 });
    made["metadata"] = json!({"name": name, "annotations": {
        "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": target_type,
        "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
        "service.beta.kubernetes.io/aws-load-balancer-healthcheck-healthy-threshold": (2 + n % 3).to_string(),
        "service.beta.kubernetes.io/aws-load-balancer-additional-resource-tags": format!("edit={}", n % 5)}});
    made["spec"]["loadBalancerClass"] = json!("service.k8s.aws/nlb");
    made
}

impl Pair {
    async fn start(base: &Arc<Base>, program: OsString) -> Result<Self> {
        let mut fixture = Fixture::open(base, "beside").await?;
        let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": fixture.scope.class}, "spec": {"controller": "albedo.dev/alb"}});
        fixture.kubectl(&["delete", "ingressclass", &fixture.scope.class]).await?;
        fixture.apply(&[class]).await?;
        fixture.flags(&["--beside-lbc=true", "--sync-period=15s"]);
        let mut launch = fixture.scope.launch(program, LBC)?;
        launch.ready_within = SOON;
        let launch = launch
            .env("AWS_ACCESS_KEY_ID", LBC)
            .env("KUBECONFIG", fixture.base().test_env.plane().kubeconfig())
            .arg(format!("--kubeconfig={}", fixture.base().test_env.plane().kubeconfig().display()))
            .arg(format!("--webhook-cert-dir={}", fixture.flag("webhook-cert-dir")?))
            .arg(format!("--watch-namespace={}", fixture.scope.namespace))
            .arg("--ingress-class=lbc")
            .arg("--enable-leader-election=false")
            .arg("--sync-period=15s");
        let lbc = launch.start().await?;
        fixture.start().await?;
        let bound = bound_by_hand(&fixture).await?;
        Ok(Self { fixture, lbc, bound })
    }

    fn by_pods(&self, n: usize) -> Value {
        let path = format!("/health-{}", n % 7);
        self.fixture.ingress("pods", &[("target-type", "ip"), ("healthcheck-path", &path)], &json!([]))
    }

    fn by_nodes(&self, n: usize) -> Value {
        let tags = format!("edit={}", n % 7);
        let rules = json!([rule(None, &[("/", "Prefix", "nodes", 80)])]);
        self.fixture.ingress("nodes", &[("target-type", "instance"), ("tags", &tags)], &rules)
    }

    /// A member of the group that two Ingresses share.
    fn member(&self, name: &str, n: usize) -> Value {
        let path = format!("/p{}", n % 5);
        let rules = json!([rule(
            Some(&format!("{name}.example.com")),
            &[("/api", "Prefix", "api", 8000), (&path, "Prefix", "web", 80)]
        )]);
        self.fixture.ingress(name, &[("target-type", "ip"), ("group.name", &self.fixture.scope.group)], &rules)
    }

    fn all(&self) -> Vec<Value> {
        let workloads = [deployment("web", 2, 8080), deployment("api", 1, 9090)];
        let mut nodes = service("api", "NodePort", 80, 9090);
        nodes["metadata"]["name"] = json!("nodes");
        let services = [service("web", "ClusterIP", 80, 8080), service("api", "ClusterIP", 8000, 9090), nodes];
        let edited = EDITS[2..].iter().flat_map(|edit| edit(self, 0));
        workloads.into_iter().chain(services).chain(edited).chain([self.by_hand()]).collect()
    }

    /// A binding that a person wrote.
    fn by_hand(&self) -> Value {
        let vpc = &self.fixture.scope.world.vpc_id;
        json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": {"name": "by-hand"},
            "spec": {"targetGroupARN": self.bound, "targetType": "ip", "ipAddressType": "ipv4", "vpcID": vpc,
                "serviceRef": {"name": "web", "port": 80}}})
    }

    /// Edits, deletes and makes again until the time is over.
    async fn churn(&self, time: Duration) -> Result<usize> {
        let (seed, end) = (seed(), Instant::now() + time);
        let mut edits = 0;
        while Instant::now() < end {
            let which = mixed(seed, edits, 0) % (EDITS.len() + 2);
            if let Some(edit) = EDITS.get(which) {
                // One that is just being deleted is refused, or goes with the rest.
                self.fixture.try_apply(&edit(self, mixed(seed, edits, 1) % 1000), &[]).await?;
            } else {
                let (kind, name) = DELETED[mixed(seed, edits, 2) % DELETED.len()];
                let names: Vec<&str> = name.split(' ').collect();
                let fixed = ["--wait=false", "--ignore-not-found"];
                self.fixture.try_kubectl(&[&["delete", kind], &names[..], &fixed].concat()).await?;
            }
            edits += 1;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        Ok(edits)
    }

    /// Everything as in the beginning, with an address.
    async fn settle(&self) -> Result<()> {
        let path = r"jsonpath={range .items[*]}{.metadata.deletionTimestamp}{.metadata.name}={.status.loadBalancer.ingress[0].hostname} {end}";
        let what = "all Ingresses and Services have an address";
        let found = eventually(what, SLOW, async || {
            self.fixture.try_apply(&self.all(), &[]).await?;
            let told = self.fixture.kubectl(&["get", "ingress,service", "-o", path]).await?;
            let has =
                |name: &&str| told.split(' ').any(|one| one.strip_prefix(*name).is_some_and(|rest| rest.len() > 1));
            let lacks: Vec<_> = ["pods", "nodes", "one", "two", "nlb-pods", "nlb-nodes"]
                .into_iter()
                .filter(|name| !has(name))
                .collect();
            ensure!(lacks.is_empty(), "{lacks:?} have none: {told}");
            Ok(Some(()))
        });
        found.await.with_context(|| self.logs())?;
        self.fixture.kubectl(&["rollout", "status", "deployment", "web", "api", "--timeout=60s"]).await.map(drop)
    }

    /// Waits until nobody writes, and then insists that nobody does, although both look at everything again.
    async fn rest(&self) -> Result<()> {
        let (mut mark, mut since) = (self.fixture.mark().await?, Instant::now());
        let calm = eventually("nobody writes", SLOW, async || {
            let wrote = self.fixture.writes_since(mark).await?;
            if let Some(last) = wrote.last() {
                (mark, since) = (last.seq, Instant::now());
            }
            ensure!(since.elapsed() > CALM, "the last one is {:?}", wrote.last());
            Ok(Some(()))
        });
        calm.await.with_context(|| self.logs())?;
        let before = self.versions().await?;
        tokio::time::sleep(STILL).await;
        let late = self.fixture.writes_since(mark).await?;
        ensure!(late.is_empty(), "nothing has changed, and this was written: {late:?}\n{}", self.logs());
        let after = self.versions().await?;
        ensure!(before == after, "objects were written: {before}\n{after}\n{}", self.logs());
        Ok(())
    }

    async fn versions(&self) -> Result<String> {
        let path = r"jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}";
        self.fixture.kubectl(&["get", "ingress,service,targetgroupbinding", "-o", path]).await
    }

    /// Every binding has the targets of its Service, and the nodes let in exactly the load balancers that bindings name.
    async fn is_right(&self) -> Result<()> {
        let state = self.fixture.state().await?;
        let bindings = self.json(&["get", "targetgroupbinding"]).await?;
        let mut sources = BTreeSet::new();
        ensure!(bindings.len() >= 7, "there are {} bindings only", bindings.len());
        for binding in &bindings {
            let spec = &binding["spec"];
            let arn = spec["targetGroupARN"].as_str().unwrap_or_default();
            let group = state.target_group(arn).with_context(|| format!("no target group {arn}"))?;
            let there: BTreeSet<&str> = group.targets.iter().map(|target| target.id.as_str()).collect();
            let wanted = self.targets_of(spec).await?;
            let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
            ensure!(there == wanted, "{} has {there:?}, not {wanted:?}", binding["metadata"]["name"]);
            let from = spec["networking"]["ingress"].as_array().into_iter().flatten();
            let from = from.flat_map(|one| one["from"].as_array().into_iter().flatten());
            sources.extend(from.filter_map(|peer| peer["securityGroup"]["groupID"].as_str().map(str::to_owned)));
        }
        let open = let_in(&state, &self.fixture.scope.world.node_security_group);
        ensure!(open == sources, "nodes let in {open:?}, bindings name {sources:?}");
        Ok(())
    }

    async fn targets_of(&self, spec: &Value) -> Result<BTreeSet<String>> {
        if spec["targetType"] == "instance" {
            return Ok(self.fixture.scope.world.nodes.iter().map(|node| node.instance_id.clone()).collect());
        }
        let app = match spec["serviceRef"]["name"].as_str() {
            Some("api" | "nodes" | "nlb-nodes") => "app=api",
            _ => "app=web",
        };
        let pods = self.json(&["get", "pods", "-l", app]).await?;
        let lives = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        Ok(lives.filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned)).collect())
    }

    async fn json(&self, args: &[&str]) -> Result<Vec<Value>> {
        let text = self.fixture.kubectl(&[args, &["-o", "json"]].concat()).await?;
        let list: Value = serde_json::from_str(&text)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    fn logs(&self) -> String {
        format!("{}\nand of LBC's: {}", tail(&self.fixture.log()), tail(&self.lbc.log()))
    }
}

/// A target group that a person made.
async fn bound_by_hand(fixture: &Fixture) -> Result<String> {
    let params = json!({"Name": format!("{}-by-hand", fixture.scope.id), "Protocol": "HTTP", "Port": 80,
        "VpcId": fixture.scope.world.vpc_id, "TargetType": "ip"});
    let scope = &fixture.scope;
    let made = scope.emulator().call(&scope.region, "elbv2", "CreateTargetGroup", &params).await?;
    Ok(made["TargetGroups"][0]["TargetGroupArn"].as_str().context("no ARN")?.to_owned())
}

/// The sources of the rules for bindings on a security group.
fn let_in(state: &State, group: &str) -> BTreeSet<String> {
    let permissions = state.security_group(group).map(|group| group.ip_permissions.as_slice()).unwrap_or_default();
    let pairs = permissions.iter().flat_map(|one| one["UserIdGroupPairs"].as_array().into_iter().flatten());
    let ours = pairs.filter(|pair| pair["Description"] == SHARED);
    ours.filter_map(|pair| pair["GroupId"].as_str().map(str::to_owned)).collect()
}

/// What a call writes to: load balancers and target groups by their names, which parts of them have in their ARNs, the rest by its id.
fn written(call: &Call) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let keys = [
        "LoadBalancerArn",
        "ListenerArn",
        "RuleArn",
        "TargetGroupArn",
        "ResourceArns",
        "GroupId",
        "Resources",
        "ResourceId",
    ];
    let lists = ["RulePriorities"];
    let mut look = vec![&call.params];
    while let Some(value) = look.pop() {
        for (key, value) in value.as_object().into_iter().flatten() {
            if keys.contains(&key.as_str()) {
                let many = value.as_array().map_or_else(|| vec![value], |many| many.iter().collect());
                found.extend(many.into_iter().filter_map(Value::as_str).map(name_of));
            }
            if lists.contains(&key.as_str()) {
                look.extend(value.as_array().into_iter().flatten());
            }
        }
    }
    let made = if call.service == "elbv2" { call.params["Name"].as_str() } else { None };
    found.extend(made.map(str::to_owned));
    found
}

fn name_of(id: &str) -> String {
    let parts: Vec<&str> = id.split('/').collect();
    match parts.as_slice() {
        [kind, name, ..] if kind.ends_with(":targetgroup") => (*name).to_owned(),
        [_, _, name, ..] => (*name).to_owned(),
        _ => id.to_owned(),
    }
}

/// Targets and the rules of nodes are LBC's to write; everything else is written by one of the two alone.
fn each_keeps_to_its_own(calls: &[Call], nodes: &str) -> Result<()> {
    let mut writers: BTreeMap<String, &Call> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.write) {
        let resources = written(call);
        let targets = matches!(call.operation.as_str(), "RegisterTargets" | "DeregisterTargets");
        if targets || resources.contains(nodes) {
            ensure!(call.caller == LBC, "Albedo wrote what is LBC's: {call:?}");
            continue;
        }
        for resource in resources {
            let first = *writers.entry(resource.clone()).or_insert(call);
            ensure!(first.caller == call.caller, "both wrote to {resource}: {first:?}\n{call:?}");
        }
    }
    Ok(())
}

/// How often each called what, and what was refused.
fn told(calls: &[Call]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.write) {
        let who = if call.caller == LBC { "LBC" } else { "Albedo" };
        let error = call.error.as_deref().map(|code| format!(" refused: {code}")).unwrap_or_default();
        *counts.entry(format!("{who} {}{error}", call.operation)).or_default() += 1;
    }
    counts.into_iter().map(|(what, times)| format!("\n  {times} {what}")).collect()
}

pub async fn neither_undoes_the_other(base: Arc<Base>) -> Result<()> {
    let Some(program) = std::env::var_os("LBC_BIN") else {
        eprintln!(
            "SKIPPED beside::neither_undoes_the_other: nothing was tested. It needs the program of the AWS Load Balancer Controller 3.5.0: \
             LBC_BIN=FILE (BESIDE_MINUTES=10 for longer than a minute, with ALBEDO_EXHAUSTIVE=1)"
        );
        return Ok(());
    };
    let pair = Pair::start(&base, program).await?;
    let (fixture, nodes) = (&pair.fixture, pair.fixture.scope.world.node_security_group.clone());
    let (mark, before) = (fixture.mark().await?, fixture.state().await?);
    pair.settle().await?;
    let edits = pair.churn(minutes("BESIDE_MINUTES", if is_exhaustive() { 10 } else { 1 })).await?;
    pair.settle().await?;
    pair.rest().await?;
    pair.is_right().await.with_context(|| pair.logs())?;

    fixture.kubectl(&["delete", "ingress", "--all", "--wait=false"]).await?;
    fixture.kubectl(&["delete", "targetgroupbinding", "by-hand", "--wait=false"]).await?;
    // One after the other: of two that go at once, each may count on the other to take the shared security group along, and it stays.
    for service in ["nlb-pods", "nlb-nodes", "--all"] {
        fixture.kubectl(&["delete", "service", service, "--timeout=120s"]).await.with_context(|| pair.logs())?;
    }
    let ids = |state: &State| state.security_groups.iter().map(|group| group.id.clone()).collect::<BTreeSet<_>>();
    let gone = eventually("nothing is left", SLOW, async || {
        let state = fixture.state().await?;
        let groups: Vec<&str> = state.target_groups.iter().map(|group| group.name.as_str()).collect();
        let balancers: Vec<&str> = state.load_balancers.iter().map(|one| one.name.as_str()).collect();
        ensure!(balancers.is_empty() && groups.len() == 1, "left: {balancers:?} {groups:?}");
        ensure!(ids(&state) == ids(&before), "security groups: {:?}, not {:?}", ids(&state), ids(&before));
        ensure!(let_in(&state, &nodes).is_empty(), "nodes let in {:?}", let_in(&state, &nodes));
        let left = fixture.kubectl(&["get", "ingress,service,targetgroupbinding", "-o", "name"]).await?;
        ensure!(left.trim().is_empty(), "left: {left}");
        Ok(Some(()))
    });
    let gone = gone.await;
    let calls = fixture.scope.emulator().calls_since(&fixture.scope.region, mark).await?;
    eprintln!("beside::neither_undoes_the_other: {edits} edits, writes:{}", told(&calls));
    each_keeps_to_its_own(&calls, &nodes)?;
    gone.with_context(|| pair.logs())?;
    let Pair { fixture, mut lbc, .. } = pair;
    lbc.stop().await?;
    fixture.close().await
}
