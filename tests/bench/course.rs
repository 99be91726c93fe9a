//! The steps that are measured, one after the other on one test environment.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_testenv::{Albedo, Authority, Call, Launch, NodeSpec, Scope, State, TestEnv, eventually, settled};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::figures::{FigureRow, Table, Usage};
use crate::program::Program;

/// Longest that one step may take.
const LIMIT: Duration = Duration::from_mins(15);
/// Members of the group.
const GROUP: usize = 50;
pub const PREFIX: &str = "alb.ingress.kubernetes.io";
/// The other controller waits for a lease that the one before it has left behind, before it calls AWS.
const LEASE: Duration = Duration::from_secs(45);
/// Nobody has called AWS for so long: the other controller, which does not tell what it has left to do, rests.
const CALM: Duration = Duration::from_secs(8);

pub struct Course {
    size: usize,
    launch: Launch,
    program: Program,
    albedo: Albedo,
    /// The authority of the webhook's certificate, as PEM.
    authority: String,
    scope: Scope,
    test_env: Arc<TestEnv>,
}

impl Course {
    /// `admission` is the mode of admission of Albedo; nothing is registered at the API server in any.
    pub async fn start(program: &Program, size: usize, admission: &str) -> Result<Self> {
        let test_env = Arc::new(TestEnv::start().await?);
        let crds = test_env.dir().join("crds.yaml");
        std::fs::write(&crds, stdout(Command::new(&program.albedo).arg("crds").output().await?)?)?;
        let crds = crds.to_string_lossy().into_owned();
        test_env.plane().kubectl_ok(["apply", "--server-side", "-f", &crds]).await?;
        test_env.plane().kubectl_ok(["wait", "--for=condition=Established", "--timeout=30s", "-f", &crds]).await?;
        let scope = test_env.scope("bench").await?;
        test_env.plane().grant_lease(&scope.namespace, &scope.lease).await?;
        let certificates = test_env.dir().join("serving");
        let authority = Authority::new("bench")?;
        authority.server(&["127.0.0.1"])?.write(&certificates, "tls")?;
        let launch = program.launch(&test_env, &scope, &certificates, admission)?;
        let albedo = launch.start().await?;
        let (program, authority) = (program.clone(), authority.pem());
        let course = Self { size, launch, program, albedo, authority, scope, test_env };
        let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": course.scope.class}, "spec": {"controller": "ingress.k8s.aws/alb"}});
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                "containers": [{"name": "app", "image": "none", "ports": [{"containerPort": 8080}]}]}}}});
        let services = (0..size.max(GROUP + 1)).map(|n| {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("web-{n}")}, "spec": {
                "selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
        });
        course.apply([class, deployment].into_iter().chain(services).collect()).await?;
        course.scope.kubectl(&["rollout", "status", "deployment", "web", "--timeout=60s"]).await?;
        course.quiet().await?;
        Ok(course)
    }

    pub async fn run(&mut self, table: &mut Table) -> Result<()> {
        let (size, small) = (self.size, self.size <= GROUP);
        let per = |of_50, of_300| if small { of_50 } else { of_300 };
        let own: Vec<Value> = (0..size).map(|n| self.own(n)).collect();
        let step = self.measured(async |course: &Self| {
            course.apply(own.clone()).await?;
            course.addressed(size).await
        });
        let name = self.program.name;
        table.add(row(name, format!("{size} ALBs created"), size, step.await?, per("22.6 an ALB", "26.9 an ALB")));

        let step = self.restarted().await?;
        table.add(row(name, format!("restart on {size} ALBs"), size, step, per("16.2 an ALB", "26.3 an ALB, 322 s")));

        let step = self.measured(async |course: &Self| {
            course.scope.kubectl(&["label", "ingress", "own-0", "team=shop"]).await.map(drop)
        });
        table.add(row(name, "a label on one of them".to_owned(), 1, step.await?, "0 calls"));

        let step = self.measured(async |course: &Self| course.replace_pod().await);
        table.add(row(name, format!("one pod of {size} target groups replaced"), size, step.await?, ""));

        let step = self.measured(async |course: &Self| {
            course.scope.kubectl(&["delete", "ingress", "--all", "--timeout=600s"]).await.map(drop)
        });
        table.add(row(name, format!("{size} ALBs deleted"), size, step.await?, ""));
        if small {
            self.group(table).await?;
        }
        Ok(())
    }

    async fn group(&mut self, table: &mut Table) -> Result<()> {
        let name = self.program.name;
        let members: Vec<Value> = (0..GROUP).map(|n| self.member(n, &[n])).collect();
        let step = self.measured(async |course: &Self| {
            course.apply(members.clone()).await?;
            course.addressed(GROUP).await
        });
        table.add(row(name, format!("a group of {GROUP} created"), 1, step.await?, "372 calls"));
        let edited = self.member(0, &[0, GROUP]);
        let before = self.mark().await?;
        let step = self.measured(async |course: &Self| course.apply(vec![edited.clone()]).await);
        let step = step.await?;
        // The new rule answers from its making on; what comes after is bookkeeping.
        let until = self.since(before).await?;
        let made = until.iter().position(|call| call.operation == "CreateRule").map_or(until.len(), |at| at + 1);
        table.add(row(name, "one path added in it".to_owned(), 1, step, "119 calls"));
        println!("    the new path answers after {made} calls");
        let step = self.measured(async |course: &Self| {
            course.scope.kubectl(&["delete", "ingress", "--all", "--timeout=600s"]).await.map(drop)
        });
        table.add(row(name, "the group deleted".to_owned(), 1, step.await?, ""));
        Ok(())
    }

    /// Stops and starts it, and waits until it rests. It writes nothing.
    pub async fn restarted(&mut self) -> Result<Step> {
        let before = self.mark().await?;
        ensure!(self.albedo.stop().await?.success(), "albedo did not end well");
        let began = Instant::now();
        self.albedo = self.launch.start().await?;
        while self.program.is_peer && began.elapsed() < LEASE && self.since(before).await?.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.quiet().await?;
        let step = Step { calls: self.since(before).await?, took: began.elapsed(), usage: self.usage()? };
        let wrote = step.calls.iter().any(|call| call.write);
        ensure!(!wrote || self.program.is_peer, "a restart wrote to AWS: {:?}", writes(&step.calls));
        Ok(step)
    }

    /// A node in EC2 and in Kubernetes, with the first address of the block of its Pods.
    pub async fn add_node(&self, name: &str, instance: &str, ip: &str, pods: &str) -> Result<()> {
        let first = self.scope.world.nodes.first().context("no node")?;
        let (zone, subnet) = (first.zone.clone(), self.scope.world.subnet("private-a").context("no subnet")?);
        let planted = json!([{"kind": "node", "id": instance, "eni": instance.replacen("i-", "eni-", 1), "name": name,
            "subnet": subnet, "az": zone, "ip": ip, "prefixes": [format!("{pods}/24")]}]);
        self.scope.emulator().plant(&self.scope.region, &planted).await?;
        let (name, provider_id) = (name.to_owned(), format!("aws:///{zone}/{instance}"));
        let (ip, pod_cidr) = (ip.to_owned(), format!("{pods}/24"));
        let spec = NodeSpec { name, provider_id, zone, ip, pod_cidr, labels: BTreeMap::new() };
        self.test_env.kubelet().add_node(spec).await
    }

    pub async fn state(&self) -> Result<State> {
        self.scope.emulator().state(&self.scope.region).await
    }

    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.scope.kubectl(args).await
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        self.scope.api()
    }

    /// The IngressClass of all Ingresses.
    pub fn class(&self) -> &str {
        &self.scope.class
    }

    pub fn log_tail(&self) -> String {
        let log = self.albedo.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.split_at(lines.len().saturating_sub(10)).1.join("\n")
    }

    pub async fn stop(mut self) -> Result<()> {
        self.albedo.stop().await?;
        drop(self.scope);
        Arc::into_inner(self.test_env).context("the test environment is still in use")?.stop().await
    }

    /// Does something, waits until Albedo rests, and says what it cost.
    pub async fn measured(&self, act: impl AsyncFn(&Self) -> Result<()>) -> Result<Step> {
        let (mark, before, began) = (self.mark().await?, self.usage()?, Instant::now());
        act(self).await?;
        self.quiet().await?;
        let (took, after) = (began.elapsed(), self.usage()?);
        let usage = Usage { cpu: after.cpu.saturating_sub(before.cpu), ..after };
        Ok(Step { calls: self.since(mark).await?, took, usage })
    }

    /// An Ingress with a load balancer of its own.
    pub fn own(&self, n: usize) -> Value {
        self.ingress(&format!("own-{n}"), json!({}), &[n])
    }

    /// An Ingress of the group.
    pub fn member(&self, n: usize, services: &[usize]) -> Value {
        self.ingress(&format!("member-{n}"), json!({format!("{PREFIX}/group.name"): "bench"}), services)
    }

    pub fn ingress(&self, name: &str, mut annotations: Value, services: &[usize]) -> Value {
        if let Some(map) = annotations.as_object_mut() {
            map.insert(format!("{PREFIX}/target-type"), json!("ip"));
        }
        let paths: Vec<Value> = services
            .iter()
            .map(|n| {
                json!({"path": format!("/{n}"), "pathType": "Prefix",
                    "backend": {"service": {"name": format!("web-{n}"), "port": {"number": 80}}}})
            })
            .collect();
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"ingressClassName": self.scope.class, "rules": [{"host": format!("{name}.example.com"), "http": {"paths": paths}}]}})
    }

    pub async fn apply(&self, items: Vec<Value>) -> Result<()> {
        let file = self.test_env.dir().join("applied.json");
        std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
        self.scope.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]).await.map(drop)
    }

    /// Waits until so many Ingresses have an address.
    pub async fn addressed(&self, count: usize) -> Result<()> {
        let api: Api<Ingress> = self.scope.api();
        eventually("every Ingress has an address", LIMIT, async || {
            let all = api.list(&ListParams::default()).await?.items;
            let has = |ingress: &&Ingress| {
                ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref()).is_some()
            };
            Ok((all.iter().filter(has).count() >= count).then_some(()))
        })
        .await
    }

    async fn replace_pod(&self) -> Result<()> {
        let api: Api<Pod> = self.scope.api();
        let pods = api.list(&ListParams::default().labels("app=web")).await?.items;
        let name = pods.first().and_then(|pod| pod.metadata.name.clone()).context("there is no pod")?;
        self.scope.kubectl(&["delete", "pod", &name, "--timeout=60s"]).await?;
        self.scope.kubectl(&["rollout", "status", "deployment", "web", "--timeout=60s"]).await.map(drop)
    }

    /// Waits until the program has no work left and does nothing any more.
    pub async fn quiet(&self) -> Result<()> {
        if !self.program.is_peer {
            return self.launch.quiet(self.scope.emulator(), LIMIT).await;
        }
        let emulator = self.scope.emulator();
        loop {
            let last = settled("nobody calls AWS", LIMIT, async || Ok(Some(emulator.last(&self.scope.region).await?)));
            let last = last.await?;
            tokio::time::sleep(CALM).await;
            if emulator.last(&self.scope.region).await? == last {
                return Ok(());
            }
        }
    }

    pub async fn mark(&self) -> Result<u64> {
        self.scope.emulator().mark().await
    }

    pub async fn since(&self, mark: u64) -> Result<Vec<Call>> {
        self.scope.emulator().calls_since(&self.scope.region, mark).await
    }

    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.albedo.pid())
    }

    pub fn program(&self) -> &Program {
        &self.program
    }

    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub fn dir(&self) -> &Path {
        self.test_env.dir()
    }

    pub fn namespace(&self) -> &str {
        &self.scope.namespace
    }

    /// The value of a flag that the program is started with.
    pub fn flag(&self, name: &str) -> Result<&str> {
        self.launch.value(name).with_context(|| format!("it is started without --{name}"))
    }

    /// AWS's limits in this run.
    pub async fn quotas(&self, most: &Value) -> Result<()> {
        self.scope.emulator().quotas(&self.scope.region, most).await
    }

    /// What the program uses when it rests, and how long it takes from its start until it is ready with so many Ingresses. It ends before
    /// it has made anything of them.
    pub async fn starts(&mut self, sizes: &[usize], table: &mut Table) -> Result<()> {
        for size in sizes {
            self.albedo.stop().await?;
            let all: Vec<Value> = (0..*size).map(|n| self.own(n)).collect();
            for some in all.chunks(200) {
                self.apply(some.to_vec()).await?;
            }
            let mark = self.mark().await?;
            let began = Instant::now();
            self.albedo = self.launch.start().await?;
            let took = began.elapsed();
            if *size == 0 {
                self.quiet().await?;
            }
            let step = Step { calls: self.since(mark).await?, took, usage: self.usage()? };
            table.add(row(self.program.name, format!("start until ready, {size} Ingresses"), 1, step, ""));
        }
        Ok(())
    }
}

/// What a step cost.
pub struct Step {
    calls: Vec<Call>,
    took: Duration,
    usage: Usage,
}

impl Step {
    /// A row without figures of the predecessor.
    pub fn row(self, program: &'static str, step: String, balancers: usize) -> FigureRow {
        row(program, step, balancers, self, "")
    }
}

fn row(program: &'static str, step: String, balancers: usize, cost: Step, lbc: &'static str) -> FigureRow {
    let Step { calls, took, usage } = cost;
    FigureRow { program, step, balancers, calls, took, usage, lbc }
}

fn writes(calls: &[Call]) -> Vec<&str> {
    calls.iter().filter(|call| call.write).map(|call| call.operation.as_str()).collect()
}

fn stdout(output: Output) -> Result<Vec<u8>> {
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
