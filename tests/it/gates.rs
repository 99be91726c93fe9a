//! Readiness gates: a rollout waits until new targets are healthy, and pods of LBC with its gates become Ready.

use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, GATES, SOON, tail};
use crate::objects::rule;

const GATE: &str = "target-health.elbv2.k8s.aws/";
/// What AWS and LBC say of a target that was registered a moment ago.
const REGISTERING: (&str, &str) = ("Elb.RegistrationInProgress", "Target registration is in progress");

/// The pods of the Deployment web that are not on their way out, by name.
async fn pods(fixture: &Fixture) -> Result<Vec<Pod>> {
    let all = fixture.scope.api::<Pod>().list(&ListParams::default().labels("app=web")).await?.items;
    Ok(all.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect())
}

/// The gates of target health that a pod has.
fn gates(pod: &Pod) -> Vec<String> {
    let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    gates.map(|gate| gate.condition_type.clone()).filter(|gate| gate.starts_with(GATE)).collect()
}

/// Status, reason and message of a condition.
fn said(pod: &Pod, kind: &str) -> Option<[String; 3]> {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut of_kind = conditions.filter(|condition| condition.type_ == kind);
    of_kind.next().map(|one| [one.status.clone(), text(&one.reason), text(&one.message)])
}

fn says(pod: &Pod, gate: &str, [status, reason, message]: [&str; 3]) -> bool {
    said(pod, gate) == Some([status, reason, message].map(str::to_owned))
}

fn is_ready(pod: &Pod) -> bool {
    said(pod, "Ready").is_some_and(|[status, ..]| status == "True")
}

/// Waits until all pods of web are as a test has it.
async fn until(fixture: &Fixture, what: &str, is: impl Fn(&[Pod]) -> bool) -> Result<Vec<Pod>> {
    let found = eventually(what, SOON, async || {
        let pods = pods(fixture).await?;
        let told: Vec<_> = pods.iter().map(|pod| (pod.name_any(), gates(pod), is_ready(pod))).collect();
        ensure!(is(&pods), "they are {told:?}");
        Ok(Some(pods))
    });
    found.await.with_context(|| tail(&fixture.log()))
}

async fn initial(fixture: &Fixture, seconds: u32) -> Result<()> {
    let life = json!({"targets": {"initialSeconds": seconds, "drainingSeconds": 1}});
    fixture.scope.emulator().life(&fixture.scope.region, &life).await
}

/// An Ingress for web, whose pods are the targets.
async fn ingress(fixture: &Fixture) -> Result<()> {
    let rules = json!([rule(None, &[("/", "Prefix", "web", 80)])]);
    fixture.apply(&[fixture.ingress("shop", &[("target-type", "ip")], &rules)]).await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await
}

async fn binding(fixture: &Fixture) -> Result<String> {
    fixture.kubectl(&["get", "targetgroupbindings", "-o", "jsonpath={.items[0].metadata.name}"]).await
}

/// A rollout does not go on while new targets are `initial`: also while Albedo is away, and after it is back. Steady, nothing is read or written.
pub async fn a_rollout_waits_until_targets_are_healthy(base: Arc<Base>) -> Result<()> {
    let flags = ["--targetgroupbinding-requeue-duration=1s"];
    let mut fixture = Fixture::with_webhooks(&base, "gates", &flags).await?;
    fixture.backends("ClusterIP").await?;
    fixture.label_namespace(&[GATES]).await?;
    ingress(&fixture).await?;
    let gate = format!("{GATE}{}", binding(&fixture).await?);
    let old: Vec<String> = pods(&fixture).await?.iter().map(ResourceExt::name_any).collect();
    ensure!(pods(&fixture).await?.iter().all(|pod| gates(pod).is_empty()), "pods that are there get no gate");

    initial(&fixture, 3600).await?;
    fixture.kubectl(&["rollout", "restart", "deployment", "web"]).await?;
    let waits = |pods: &[Pod]| {
        let (before, new): (Vec<&Pod>, Vec<&Pod>) = pods.iter().partition(|pod| old.contains(&pod.name_any()));
        let is_new = |pod: &&Pod| {
            gates(pod) == [gate.clone()] && !is_ready(pod) && says(pod, &gate, ["False", REGISTERING.0, REGISTERING.1])
        };
        before.len() == 2 && !new.is_empty() && new.iter().all(is_new)
    };
    until(&fixture, "new pods wait beside the old ones", waits).await?;
    fixture.albedo()?.kill().await?;
    fixture.start().await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    until(&fixture, "they wait after a restart", waits).await?;

    initial(&fixture, 0).await?;
    fixture.kubectl(&["rollout", "status", "deployment", "web", "--timeout=60s"]).await?;
    let open =
        |pods: &[Pod]| pods.len() == 2 && pods.iter().all(|pod| says(pod, &gate, ["True", "", ""]) && is_ready(pod));
    until(&fixture, "all are new and ready", open).await?;
    fixture.quiet().await?;

    let versions = |pods: &[Pod]| pods.iter().map(ResourceExt::resource_version).collect::<Vec<_>>();
    let (before, mark) = (versions(&pods(&fixture).await?), fixture.mark().await?);
    fixture.albedo()?.kill().await?;
    fixture.start().await?;
    fixture.quiet().await?;
    ensure!(fixture.writes_since(mark).await?.is_empty(), "a restart wrote to AWS");
    ensure!(versions(&pods(&fixture).await?) == before, "a restart wrote to pods");
    let quiet = fixture.mark().await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let calls = fixture.scope.emulator().calls_since(&fixture.scope.region, quiet).await?;
    let reads: Vec<_> = calls.iter().filter(|call| call.operation == "DescribeTargetHealth").collect();
    ensure!(reads.is_empty(), "nobody waits, and the health of targets was read: {reads:?}");

    fixture.albedo()?.kill().await?;
    fixture.kubectl(&["scale", "deployment", "web", "--replicas=3"]).await?;
    until(&fixture, "without Albedo pods come without a gate", |pods| {
        pods.iter().filter(|pod| gates(pod).is_empty() && is_ready(pod)).count() == 1
    })
    .await?;
    fixture.start().await?;
    fixture.close().await
}

/// The replica that holds the lease is killed while Pods wait: the other one sets their conditions.
pub async fn a_waiting_pod_survives_a_change_of_leaders(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "heirs").await?;
    base.test_env.plane().grant_lease(&fixture.scope.namespace, &fixture.scope.lease).await?;
    fixture.flags(&["--targetgroupbinding-requeue-duration=1s", "--enable-leader-election=true"]);
    let heir = fixture.replica("two")?;
    fixture.start().await?;
    fixture.register().await?;
    fixture.backends("ClusterIP").await?;
    fixture.label_namespace(&[GATES]).await?;
    ingress(&fixture).await?;
    let gate = format!("{GATE}{}", binding(&fixture).await?);
    let mut heir = heir.start().await?;
    initial(&fixture, 3600).await?;
    fixture.kubectl(&["rollout", "restart", "deployment", "web"]).await?;
    let is_waiting = |pod: &Pod| says(pod, &gate, ["False", REGISTERING.0, REGISTERING.1]);
    let waiting = until(&fixture, "a pod waits", |pods| pods.iter().any(is_waiting)).await?;
    let waiting: Vec<String> = waiting.iter().filter(|pod| is_waiting(pod)).map(ResourceExt::name_any).collect();
    fixture.albedo()?.kill().await?;
    initial(&fixture, 0).await?;
    let open = |pod: &Pod| !waiting.contains(&pod.name_any()) || says(pod, &gate, ["True", "", ""]) && is_ready(pod);
    until(&fixture, "those that waited are ready", |pods| pods.iter().all(open)).await?;
    ensure!(heir.stop().await?.success(), "the other replica did not end well");
    fixture.start().await?;
    fixture.close().await
}

/// A pod of web with gates and conditions as LBC leaves them.
fn gated(name: &str, gates: &[&str]) -> Value {
    let gates: Vec<Value> = gates.iter().map(|gate| json!({"conditionType": format!("{GATE}{gate}")})).collect();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}}, "spec": {
        "containers": [{"name": "app", "image": "none", "ports": [{"containerPort": 8080}]}], "readinessGates": gates}})
}

async fn condition(fixture: &Fixture, pod: &str, gate: &str, [status, reason, message]: [&str; 3]) -> Result<()> {
    let condition = json!({"type": format!("{GATE}{gate}"), "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
    fixture.scope.api::<Pod>().patch_status(pod, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Pods that wait under LBC become Ready under Albedo; one whose target becomes unhealthy says so when it is looked at; with several gates all have to
/// open; conditions open when the binding goes, and those of nobody's gates are left alone.
pub async fn pods_of_lbc_become_ready(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "switch").await?;
    fixture.flags(&["--targetgroupbinding-requeue-duration=1s"]);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
        "selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    let vpc = &fixture.scope.world.vpc_id;
    let mut objects = vec![service, gated("waits", &["one"]), gated("both", &["one", "two"]), gated("lost", &["gone"])];
    for name in ["one", "two"] {
        let params =
            json!({"Name": format!("switch-{name}"), "Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip"});
        let made = call(&fixture, "CreateTargetGroup", &params).await?;
        let arn = made["TargetGroups"][0]["TargetGroupArn"].as_str().context("no ARN")?;
        serve(&fixture, name, arn).await?;
        objects.push(json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
            "metadata": {"name": name, "finalizers": ["elbv2.k8s.aws/resources"]},
            "spec": {"targetGroupARN": arn, "targetType": "ip", "serviceRef": {"name": "web", "port": 80}}}));
    }
    fixture.apply(&objects).await?;
    until(&fixture, "three pods run", |pods| pods.len() == 3 && pods.iter().all(|pod| said(pod, "Ready").is_some()))
        .await?;
    condition(&fixture, "waits", "one", ["False", REGISTERING.0, REGISTERING.1]).await?;
    condition(&fixture, "lost", "gone", ["False", "Target.Timeout", "Request timed out"]).await?;
    let state = |pods: &[Pod], name: &str, gate: &str| {
        let pod = pods.iter().find(|pod| pod.name_any() == name)?;
        said(pod, &format!("{GATE}{gate}"))
    };
    let open = Some(["True", "", ""].map(str::to_owned));

    fixture.start().await?;
    until(&fixture, "those of bindings are ready", |pods| {
        let ready: Vec<String> = pods.iter().filter(|pod| is_ready(pod)).map(ResourceExt::name_any).collect();
        ready == ["both", "waits"] && state(pods, "both", "two") == open && state(pods, "both", "one") == open
    })
    .await?;
    fixture.quiet().await?;

    // One target is ill; a pod that comes has the health of all told.
    let ip = fixture.kubectl(&["get", "pod", "waits", "-o", "jsonpath={.status.podIP}"]).await?;
    fixture.scope.emulator().health(&fixture.scope.region, "*", &ip, Some("unhealthy")).await?;
    fixture.apply(&[gated("later", &["one"])]).await?;
    until(&fixture, "the ill one is told", |pods| {
        state(pods, "waits", "one").is_some_and(|[status, ..]| status == "False") && state(pods, "later", "one") == open
    })
    .await?;
    fixture.kubectl(&["delete", "targetgroupbinding", "one", "--timeout=30s"]).await?;
    let released = Some(["True", "", "Target Group Binding is deleted"].map(str::to_owned));
    until(&fixture, "its gate opens with the end of the binding", |pods| {
        let ill = pods.iter().find(|pod| pod.name_any() == "waits").is_some_and(is_ready);
        ill && state(pods, "waits", "one") == released && state(pods, "later", "one") == open
    })
    .await?;
    let lost = Some(["False", "Target.Timeout", "Request timed out"].map(str::to_owned));
    ensure!(state(&pods(&fixture).await?, "lost", "gone") == lost, "a gate of no binding was written to");
    fixture.kubectl(&["delete", "service", "web"]).await?;
    fixture.kubectl(&["delete", "targetgroupbinding", "two", "--timeout=30s"]).await?;
    fixture.close().await
}

/// Containers of targets sleep before they stop, by the label of the namespace; the API server takes the hook. Other pods stop at once.
pub async fn targets_sleep_before_they_stop(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "sleep", &[]).await?;
    let namespace = &fixture.scope.namespace;
    fixture.kubectl(&["label", "namespace", namespace, "albedo.dev/pre-stop-sleep=20"]).await?;
    fixture.backends("ClusterIP").await?;
    ingress(&fixture).await?;
    let hook = |pod: &Pod| -> Result<Value> {
        let spec = serde_json::to_value(pod.spec.as_ref().context("no spec")?)?;
        Ok(json!([spec["containers"][0]["lifecycle"], spec["terminationGracePeriodSeconds"]]))
    };
    let sleeps = json!([{"preStop": {"sleep": {"seconds": 20}}}, 50]);
    fixture.kubectl(&["rollout", "restart", "deployment", "web", "api"]).await?;
    fixture.kubectl(&["rollout", "status", "deployment", "web", "api", "--timeout=60s"]).await?;
    let new = until(&fixture, "new pods of web", |pods| pods.len() == 2 && pods.iter().all(is_ready)).await?;
    for pod in &new {
        ensure!(hook(pod)? == sleeps, "{}", hook(pod)?);
    }
    let api = fixture.scope.api::<Pod>().list(&ListParams::default().labels("app=api")).await?.items;
    for pod in api.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        ensure!(hook(pod)? == json!([null, 30]), "no Ingress leads to it: {}", hook(pod)?);
    }
    fixture.close().await
}

async fn call(fixture: &Fixture, operation: &str, params: &Value) -> Result<Value> {
    fixture.scope.emulator().call(&fixture.scope.region, "elbv2", operation, params).await
}

/// A load balancer that uses the target group: without one its targets are never healthy.
async fn serve(fixture: &Fixture, name: &str, target_group: &str) -> Result<()> {
    let private = fixture.scope.world.subnets.iter().filter(|subnet| !subnet.public);
    let subnets: Vec<&str> = private.map(|subnet| subnet.id.as_str()).collect();
    let params = json!({"Name": format!("switch-{name}"), "Subnets": subnets, "Scheme": "internal"});
    let made = call(fixture, "CreateLoadBalancer", &params).await?;
    let arn = made["LoadBalancers"][0]["LoadBalancerArn"].as_str().context("no ARN")?;
    let action = json!({"Type": "forward", "TargetGroupArn": target_group});
    let params = json!({"LoadBalancerArn": arn, "Protocol": "HTTP", "Port": 80, "DefaultActions": [action]});
    call(fixture, "CreateListener", &params).await.map(drop)
}
