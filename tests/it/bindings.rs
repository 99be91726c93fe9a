//! Bindings that people write: whose targets they may change, what they may leave out, and what one bad target costs.

use std::collections::BTreeSet;
use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON, policy, tail};
use crate::objects::rule;

const THEIRS: [&str; 2] = ["10.77.97.5", "10.77.97.6"];
/// Another account, and a role in it.
const ACCOUNT: &str = "999999999999";
const ROLE: &str = "arn:aws:iam::999999999999:role/targets";
/// A pod that ended while nobody looked.
const GONE: &str = "10.77.97.9";

struct Hands {
    fixture: Fixture,
}

impl Hands {
    /// A target group of another hand with two targets.
    async fn target_group(&self, name: &str, tags: Value) -> Result<String> {
        let vpc = &self.fixture.scope.world.vpc_id;
        let mut params = json!({"Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip"});
        if tags.is_array() {
            params["Tags"] = tags;
        }
        let made = self.call("CreateTargetGroup", &params).await?;
        let arn = made["TargetGroups"][0]["TargetGroupArn"].as_str().context("no ARN")?.to_owned();
        self.register(&arn).await?;
        Ok(arn)
    }

    async fn register(&self, arn: &str) -> Result<()> {
        let targets: Vec<Value> = THEIRS.iter().map(|id| json!({"Id": id, "Port": 8080})).collect();
        self.call("RegisterTargets", &json!({"TargetGroupArn": arn, "Targets": targets})).await.map(drop)
    }

    async fn call(&self, operation: &str, params: &Value) -> Result<Value> {
        self.fixture.scope.emulator().call(&self.fixture.scope.region, "elbv2", operation, params).await
    }

    /// Ids of the targets that do not drain.
    async fn targets(&self, arn: &str) -> Result<Vec<String>> {
        let health = self.call("DescribeTargetHealth", &json!({"TargetGroupArn": arn})).await?;
        let all = health["TargetHealthDescriptions"].as_array().cloned().unwrap_or_default();
        let stays = |one: &&Value| one["TargetHealth"]["State"] != "draining";
        let mut ids: Vec<String> =
            all.iter().filter(stays).filter_map(|one| one["Target"]["Id"].as_str().map(str::to_owned)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    async fn has(&self, arn: &str, what: &str, is: impl Fn(&[String]) -> bool) -> Result<()> {
        let found = eventually(what, SOON, async || {
            let targets = self.targets(arn).await?;
            ensure!(is(&targets), "they are {targets:?}");
            Ok(Some(()))
        });
        found.await.with_context(|| tail(&self.fixture.log()))
    }

    /// Waits for an event and the condition on a binding.
    async fn told(&self, name: &str, reason: &str, text: &str) -> Result<()> {
        let path = r#"jsonpath={range .items[*]}{.reason}: {.message}{"\n"}{end}"#;
        let selector = format!("--field-selector=involvedObject.kind=TargetGroupBinding,involvedObject.name={name}");
        let what = format!("{name} hears {reason}");
        let found = eventually(&what, SOON, async || {
            let events = self.fixture.kubectl(&["get", "events", &selector, "-o", path]).await?;
            let hit = events.lines().any(|line| line.starts_with(&format!("{reason}: ")) && line.contains(text));
            ensure!(hit, "there are {events}");
            Ok(Some(()))
        });
        found.await.with_context(|| tail(&self.fixture.log()))
    }

    async fn ready(&self, name: &str) -> Result<String> {
        let path = r#"jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.reason}{end}"#;
        self.fixture.kubectl(&["get", "targetgroupbinding", name, "-o", path]).await
    }

    /// From here on AWS allows to assume roles, too.
    async fn allow_roles(&self) -> Result<()> {
        let (scope, cluster) = (&self.fixture.scope, &self.fixture.scope.cluster);
        let own = policy(cluster, &scope.world.vpc_id, &[&format!("--assume-role={ROLE}")]).await?;
        scope.emulator().policies(&scope.region, &[own]).await
    }

    async fn unwritten(&self, mark: u64) -> Result<()> {
        let writes = self.fixture.writes_since(mark).await?;
        let of_targets = |one: &&albedo_testenv::Call| {
            one.operation.ends_with("registerTargets") || one.operation == "RegisterTargets"
        };
        let writes: Vec<_> = writes.iter().filter(of_targets).collect();
        ensure!(writes.is_empty(), "albedo wrote {writes:?}\n{}", tail(&self.fixture.log()));
        Ok(())
    }
}

/// A target group that a role of another account may change.
fn role_of(arn: &str) -> Value {
    json!({"targetGroupARN": arn, "targetType": "ip", "iamRoleArnToAssume": ROLE, "assumeRoleExternalId": "shop"})
}

fn is_theirs(id: &str) -> bool {
    THEIRS.contains(&id)
}

/// A binding of the Service web.
fn of_web(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["serviceRef"] = json!({"name": "web", "port": 80});
    json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": {"name": name}, "spec": spec})
}

/// A target group of another cluster, one that another controller binds, one that is
/// bound already: nothing is registered or deregistered, neither while the binding is there nor when it goes.
pub async fn other_peoples_targets_stay(base: Arc<Base>) -> Result<()> {
    let hands = Hands { fixture: Fixture::with_albedo(&base, "others").await? };
    let fixture = &hands.fixture;
    fixture.backends("ClusterIP").await?;
    let blue = json!([{"Key": "elbv2.k8s.aws/cluster", "Value": "blue"}, {"Key": "ingress.k8s.aws/stack", "Value": "shop"},
        {"Key": "ingress.k8s.aws/resource", "Value": "shop/web-web:80"}]);
    let foreign = hands.target_group("others-blue", blue).await?;
    let service = hands.target_group("others-service", Value::Null).await?;
    let mark = fixture.mark().await?;

    let spec = |arn: &str| json!({"targetGroupARN": arn, "targetType": "ip"});
    let mut restored = of_web("restored", &spec(&foreign));
    restored["metadata"]["finalizers"] = json!(["elbv2.k8s.aws/resources"]);
    restored["metadata"]["labels"] = json!({"ingress.k8s.aws/stack": "shop"});
    let mut labelled = of_web("labelled", &spec(&service));
    labelled["metadata"]["labels"] =
        json!({"service.k8s.aws/stack-name": "web", "service.k8s.aws/stack-namespace": "shop"});
    // It claims to have registered another's targets, as one that named that target group before.
    let claimed = hands.target_group("others-claimed", Value::Null).await?;
    let elsewhere = hands.target_group("others-elsewhere", Value::Null).await?;
    let mut claims = of_web("claims", &spec(&elsewhere));
    let line = format!("{claimed} {}", THEIRS.map(|id| format!("{id}:8080")).join(","));
    claims["metadata"]["annotations"] = json!({"albedo.dev/registered": line});
    claims["status"] = json!({"observedGeneration": 1});
    let all = [restored, labelled];
    fixture.apply(&all).await?;
    hands.told("restored", "OtherCluster", "blue").await?;
    hands.told("labelled", "OtherController", "service.k8s.aws/").await?;
    let ready = eventually("the condition tells", SOON, async || {
        let ready = hands.ready("restored").await?;
        Ok((ready == "False OtherCluster").then_some(()))
    });
    ready.await?;
    fixture.quiet().await?;
    for name in ["restored", "labelled"] {
        fixture.kubectl(&["delete", "targetgroupbinding", name, "--timeout=30s"]).await?;
    }
    fixture.quiet().await?;
    hands.unwritten(mark).await?;
    for arn in [&foreign, &service, &claimed] {
        ensure!(hands.targets(arn).await? == THEIRS, "{arn} lost targets");
    }
    fixture.apply(&[claims]).await?;
    hands.has(&elsewhere, "its own pods", |ids| ids.len() == 2 && !ids.iter().any(|id| is_theirs(id))).await?;
    ensure!(hands.targets(&claimed).await? == THEIRS, "{claimed} lost targets to a claim");
    fixture.kubectl(&["delete", "targetgroupbinding", "claims", "--timeout=30s"]).await?;
    ensure!(hands.targets(&claimed).await? == THEIRS, "{claimed} lost targets to a claim");
    the_older_binding_counts(&hands).await?;
    hands.fixture.close().await
}

/// Two bindings of one target group: the older one counts; when it goes, the other takes over without an empty moment.
async fn the_older_binding_counts(hands: &Hands) -> Result<()> {
    let fixture = &hands.fixture;
    let pair = hands.target_group("others-pair", Value::Null).await?;
    fixture.apply(&[of_web("first", &json!({"targetGroupARN": pair}))]).await?;
    hands.has(&pair, "two pods", |ids| ids.len() == 2 && !ids.iter().any(|id| is_theirs(id))).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let mut second = of_web("a-second", &json!({"targetGroupName": "others-pair"}));
    second["spec"]["serviceRef"] = json!({"name": "api", "port": 8000});
    let mark = fixture.mark().await?;
    fixture.apply(&[second]).await?;
    hands.told("a-second", "AlreadyBound", "first").await?;
    fixture.quiet().await?;
    hands.unwritten(mark).await?;
    fixture.kubectl(&["delete", "targetgroupbinding", "first", "--timeout=30s"]).await?;
    hands.has(&pair, "the pod of the second", |ids| ids.len() == 1).await?;
    let ready = eventually("it is ready", SOON, async || {
        Ok((hands.ready("a-second").await? == "True Reconciled").then_some(()))
    });
    ready.await?;
    fixture.kubectl(&["delete", "targetgroupbinding", "a-second", "--timeout=30s"]).await?;
    hands.has(&pair, "none", <[String]>::is_empty).await
}

/// What a binding leaves out is its target group's; a name is looked for until it is there. Moved to another target group, it takes with it
/// what it registered, and nothing else, after a restart too.
pub async fn a_short_binding_is_enough_and_may_be_moved(base: Arc<Base>) -> Result<()> {
    let mut hands = Hands { fixture: Fixture::with_albedo(&base, "short").await? };
    hands.allow_roles().await?;
    hands.fixture.backends("ClusterIP").await?;
    hands.fixture.apply(&[of_web("named", &json!({"targetGroupName": "short-one"}))]).await?;
    hands.told("named", "FailedReconcile", "short-one").await?;
    let one = hands.target_group("short-one", Value::Null).await?;
    let two = hands.target_group("short-two", Value::Null).await?;
    hands.has(&one, "two pods", |ids| ids.len() == 2 && !ids.iter().any(|id| is_theirs(id))).await?;
    hands.fixture.quiet().await?;
    hands.register(&one).await?;
    hands.fixture.albedo()?.kill().await?;
    hands.fixture.apply(&[of_web("named", &json!({"targetGroupName": "short-two"}))]).await?;
    hands.fixture.start().await?;
    hands.has(&two, "two pods", |ids| ids.len() == 2 && !ids.iter().any(|id| is_theirs(id))).await?;
    hands.has(&one, "what another hand registered", |ids| ids == THEIRS).await?;
    // It leaves the former one, too, when the same edit gives it to somebody else.
    hands.fixture.quiet().await?;
    let three = hands.target_group("short-three", Value::Null).await?;
    let mut given = of_web("named", &role_of(&three));
    given["spec"]["targetGroupName"] = Value::Null;
    hands.fixture.apply(&[given]).await?;
    hands.told("named", "FailedReconcile", "").await?;
    hands.has(&two, "none", <[String]>::is_empty).await?;
    hands.has(&three, "what another hand registered", |ids| ids == THEIRS).await?;
    hands.fixture.kubectl(&["delete", "targetgroupbinding", "named", "--timeout=30s"]).await?;
    hands.has(&two, "none", <[String]>::is_empty).await?;
    hands.has(&one, "what another hand registered", |ids| ids == THEIRS).await?;
    hands.fixture.close().await
}

/// A target that AWS refuses is named, and the others are registered. At the quota those that leave go first.
pub async fn one_bad_target_keeps_nobody_out(base: Arc<Base>) -> Result<()> {
    let hands = Hands { fixture: Fixture::with_albedo(&base, "bad").await? };
    let fixture = &hands.fixture;
    fixture.backends("ClusterIP").await?;
    let pod = r"jsonpath={.items[0].metadata.name}";
    let pod = fixture.kubectl(&["get", "pods", "-l", "app=web", "-o", pod]).await?;
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "bad", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["8.8.8.8"], "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": pod}},
            {"addresses": ["10.77.1.250"], "targetRef": {"kind": "Pod", "name": "never-seen"}}]});
    let arn = hands.target_group("bad-one", Value::Null).await?;
    let refused =
        json!([{"service": "elbv2", "operation": "RegisterTargets", "status": 400, "code": "TooManyTargets"}]);
    fixture.scope.emulator().faults(&fixture.scope.region, &refused).await?;
    let mark = fixture.mark().await?;
    fixture.apply(&[slice, of_web("bad", &json!({"targetGroupARN": arn}))]).await?;
    hands.has(&arn, "both pods", |ids| ids.len() == 2 && !ids.iter().any(|id| is_theirs(id))).await?;
    hands.told("bad", "FailedReconcile", "8.8.8.8").await?;
    hands.told("bad", "TargetsSkipped", "never-seen").await?;
    let writes = fixture.writes_since(mark).await?;
    let order: Vec<&str> = writes.iter().map(|call| call.operation.as_str()).collect();
    ensure!(order.starts_with(&["RegisterTargets", "DeregisterTargets", "RegisterTargets"]), "{order:?}");
    fixture.kubectl(&["delete", "endpointslice", "bad"]).await?;
    fixture.quiet().await?;
    hands.fixture.close().await
}

/// A second binding on a group's target group does nothing, whatever labels it wears and although the group's own one goes for a moment.
pub async fn a_group_keeps_its_target_group(base: Arc<Base>) -> Result<()> {
    let hands = Hands { fixture: Fixture::with_albedo(&base, "keeps").await? };
    let fixture = &hands.fixture;
    fixture.backends("ClusterIP").await?;
    fixture
        .apply(&[fixture.ingress(
            "shop",
            &[("target-type", "ip")],
            &json!([rule(None, &[("/", "Prefix", "web", 80)])]),
        )])
        .await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await?;
    let arn = fixture.state().await?.target_groups.first().context("no target group")?.arn.clone();
    let before = hands.targets(&arn).await?;
    ensure!(before.len() == 2, "{before:?}");
    let mark = fixture.mark().await?;
    let mut evil = of_web("aaa", &json!({"targetGroupARN": arn, "targetType": "ip"}));
    evil["spec"]["serviceRef"] = json!({"name": "api", "port": 8000});
    fixture.apply(&[evil]).await?;
    hands.told("aaa", "AlreadyBound", "already bound").await?;
    fixture.kubectl(&["delete", "targetgroupbinding", "aaa", "--timeout=30s"]).await?;
    fixture.quiet().await?;
    hands.unwritten(mark).await?;
    ensure!(hands.targets(&arn).await? == before);
    hands.fixture.close().await
}

/// A target group of a group that several clusters share: who comes and goes here is registered and deregistered, and targets of the others stay,
/// after a restart too. The limit of targets counts, and is told.
pub async fn what_clusters_share_keeps_the_targets_of_all(base: Arc<Base>) -> Result<()> {
    let mut hands = Hands { fixture: Fixture::with_albedo(&base, "clusters").await? };
    hands.fixture.backends("ClusterIP").await?;
    let annotations = [("target-type", "ip"), ("multi-cluster-target-group", "true")];
    let rules = json!([rule(None, &[("/", "Prefix", "web", 80)])]);
    hands.fixture.apply(&[hands.fixture.ingress("shop", &annotations, &rules)]).await?;
    hands.fixture.hostname("shop").await?;
    hands.fixture.quiet().await?;
    let arn = hands.fixture.state().await?.target_groups.first().context("no target group")?.arn.clone();
    hands.has(&arn, "two pods", |ids| ids.len() == 2).await?;
    hands.register(&arn).await?;
    let with_theirs = |ours: usize| {
        move |ids: &[String]| {
            ids.iter().filter(|id| is_theirs(id)).count() == THEIRS.len() && ids.len() == THEIRS.len() + ours
        }
    };
    hands.fixture.kubectl(&["scale", "deployment", "web", "--replicas=3"]).await?;
    hands.has(&arn, "three pods and theirs", with_theirs(3)).await?;
    hands.fixture.quiet().await?;
    hands.fixture.albedo()?.kill().await?;
    hands.fixture.kubectl(&["scale", "deployment", "web", "--replicas=1"]).await?;
    hands.fixture.start().await?;
    hands.has(&arn, "one pod and theirs", with_theirs(1)).await?;
    hands.fixture.quiet().await?;

    let limited = hands.target_group("clusters-limited", Value::Null).await?;
    hands.fixture.albedo()?.kill().await?;
    hands.fixture.flags(&["--max-targets-per-target-group=1"]);
    hands.fixture.start().await?;
    hands.fixture.kubectl(&["scale", "deployment", "web", "--replicas=2"]).await?;
    hands.fixture.kubectl(&["rollout", "status", "deployment", "web", "--timeout=60s"]).await?;
    hands.fixture.apply(&[of_web("limited", &json!({"targetGroupARN": limited, "targetType": "ip"}))]).await?;
    hands.told("limited", "TargetLimit", "--max-targets-per-target-group is 1").await?;
    hands.has(&limited, "one pod", |ids| ids.len() == 1 && !ids.iter().any(|id| is_theirs(id))).await?;
    hands.fixture.close().await
}

/// Two clusters bind one target group. What LBC noted in this one is taken over, and only that is deregistered; a list that anybody may write says nothing of
/// a binding that is new. With the binding its targets go, and those of the other cluster stay.
pub async fn two_clusters_share_a_target_group(base: Arc<Base>) -> Result<()> {
    let mut hands = Hands { fixture: Fixture::open(&base, "shared").await? };
    hands.fixture.backends("ClusterIP").await?;
    let blue = json!([{"Key": "elbv2.k8s.aws/cluster", "Value": "blue"}, {"Key": "ingress.k8s.aws/stack", "Value": "shop"},
        {"Key": "ingress.k8s.aws/resource", "Value": "shop/web-web:80"}]);
    let arn = hands.target_group("shared-one", blue).await?;
    let gone = json!([{"Id": GONE, "Port": 8080}]);
    hands.call("RegisterTargets", &json!({"TargetGroupArn": arn, "Targets": gone})).await?;
    let spec = json!({"targetGroupARN": arn, "targetType": "ip", "multiClusterTargetGroup": true});
    let mut lbcs = of_web("lbcs", &spec);
    lbcs["metadata"]["finalizers"] = json!(["elbv2.k8s.aws/resources"]);
    let list = |binding: &str, targets: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("aws-lbc-targets-{binding}")}, "data": {"targets": targets}});
    hands.fixture.apply(&[lbcs, list("lbcs", &format!("{GONE}:8080"))]).await?;
    let status = ["patch", "targetgroupbinding", "lbcs", "--subresource=status", "--type=merge", "-p"];
    hands.fixture.kubectl(&[&status[..], &[r#"{"status":{"observedGeneration":1}}"#]].concat()).await?;
    hands.fixture.start().await?;
    let own = |ours: usize| {
        move |ids: &[String]| {
            ids.iter().filter(|id| is_theirs(id)).count() == THEIRS.len()
                && !ids.iter().any(|id| id == GONE)
                && ids.len() == THEIRS.len() + ours
        }
    };
    hands.has(&arn, "its two pods, theirs, and not what is gone", own(2)).await?;
    hands.fixture.quiet().await?;
    let noted = async || {
        let list = hands
            .fixture
            .kubectl(&["get", "configmap", "aws-lbc-targets-lbcs", "-o", "jsonpath={.data.targets}"])
            .await?;
        anyhow::Ok(list.split(',').map(str::to_owned).collect::<Vec<_>>())
    };
    let first = noted().await?;
    ensure!(first.len() == 2 && first.iter().all(|one| one.ends_with(":8080") && !one.contains(GONE)), "{first:?}");
    hands.fixture.kubectl(&["scale", "deployment", "web", "--replicas=1"]).await?;
    hands.has(&arn, "one pod and theirs", own(1)).await?;
    hands.fixture.quiet().await?;
    ensure!(noted().await?.len() == 1, "what left is noted still");

    // A second one here claims what the other cluster registered.
    let theirs = THEIRS.map(|id| format!("{id}:8080")).join(",");
    let mut claims = of_web("claims", &spec);
    claims["spec"]["serviceRef"] = json!({"name": "api", "port": 8000});
    hands.fixture.apply(&[list("claims", &theirs), claims]).await?;
    hands.has(&arn, "a pod of each and theirs", own(2)).await?;
    hands.fixture.quiet().await?;
    hands.fixture.kubectl(&["delete", "targetgroupbinding", "claims", "--timeout=30s"]).await?;
    hands.has(&arn, "one pod and theirs", own(1)).await?;
    hands.fixture.kubectl(&["delete", "targetgroupbinding", "lbcs", "--timeout=30s"]).await?;
    hands.has(&arn, "theirs", |ids| ids == THEIRS).await?;
    let maps = hands.fixture.kubectl(&["get", "configmaps", "-o", "name"]).await?;
    ensure!(!maps.contains("aws-lbc-targets"), "{maps}");
    hands.fixture.close().await
}

/// Two clusters, each with an Albedo of its own, bind one target group: each registers and deregisters its own Pods. When one cluster lets go, the targets of
/// the other stay, also over its restart.
pub async fn two_albedos_share_a_target_group(base: Arc<Base>) -> Result<()> {
    let mut blue = Hands { fixture: Fixture::open(&base, "blue").await? };
    let mut green = Fixture::open(&base, "green").await?;
    // The second cluster is in the first one's VPC.
    let (region, vpc) = (blue.fixture.scope.region.clone(), blue.fixture.scope.world.vpc_id.clone());
    green.flags(&[&format!("--aws-region={region}"), &format!("--aws-vpc-id={vpc}")]);
    green
        .launch
        .env
        .extend([("AWS_REGION".to_owned(), (&region).into()), ("AWS_ACCESS_KEY_ID".to_owned(), "green".into())]);
    let own = policy(&blue.fixture.scope.cluster, &vpc, &[]).await?;
    let others = policy(&green.scope.cluster, &vpc, &[]).await?;
    blue.fixture.scope.emulator().policies(&region, &[own, others]).await?;

    let arn = blue.target_group("both", json!(null)).await?;
    let theirs: Vec<Value> = THEIRS.iter().map(|id| json!({"Id": id, "Port": 8080})).collect();
    blue.call("DeregisterTargets", &json!({"TargetGroupArn": arn, "Targets": theirs})).await?;
    let spec = json!({"targetGroupARN": arn, "targetType": "ip", "multiClusterTargetGroup": true});
    for fixture in [&mut blue.fixture, &mut green] {
        fixture.backends("ClusterIP").await?;
        fixture.apply(&[of_web("both", &spec)]).await?;
        fixture.start().await?;
    }
    blue.has(&arn, "two Pods of each cluster", |ids| ids.len() == 4).await?;
    let pods = async |fixture: &Fixture| {
        let path = "jsonpath={.items[*].status.podIP}";
        let listed = fixture.kubectl(&["get", "pods", "-l", "app=web", "-o", path]).await?;
        let mut ips: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
        ips.sort_unstable();
        anyhow::Ok(ips)
    };
    green.kubectl(&["scale", "deployment", "web", "--replicas=1"]).await?;
    blue.has(&arn, "one of them less", |ids| ids.len() == 3).await?;
    let of_blue = pods(&blue.fixture).await?;
    green.kubectl(&["delete", "targetgroupbinding", "both", "--timeout=30s"]).await?;
    blue.has(&arn, "those of the first alone", |ids| *ids == of_blue).await?;
    blue.fixture.albedo()?.stop().await?;
    blue.fixture.start().await?;
    blue.fixture.quiet().await?;
    blue.has(&arn, "the same after a restart", |ids| *ids == of_blue).await?;
    green.close().await?;
    blue.fixture.close().await
}

/// A target group of another account: its targets are registered with a role there, and no other call is made with it. Without the permission to assume it the
/// binding hears that.
pub async fn a_role_changes_targets_of_another_account(base: Arc<Base>) -> Result<()> {
    let hands = Hands { fixture: Fixture::with_albedo(&base, "account").await? };
    let fixture = &hands.fixture;
    hands.allow_roles().await?;
    let refused = json!([{"service": "sts", "operation": "AssumeRole", "status": 403, "code": "AccessDenied",
        "message": "not authorized to perform: sts:AssumeRole", "times": 1000}]);
    fixture.scope.emulator().faults(&fixture.scope.region, &refused).await?;
    fixture.backends("ClusterIP").await?;
    let there = async |service: &str, operation: &str, params: Value| {
        let emulator = fixture.scope.emulator();
        emulator.call_in(ACCOUNT, &fixture.scope.region, service, operation, &params).await
    };
    let vpc = there("ec2", "CreateVpc", json!({"CidrBlock": "10.99.0.0/16"})).await?;
    let vpc = vpc["Vpc"]["VpcId"].as_str().context("no VPC")?;
    let params = json!({"Name": "account-web", "Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip"});
    let made = there("elbv2", "CreateTargetGroup", params).await?;
    let arn = made["TargetGroups"][0]["TargetGroupArn"].as_str().context("no ARN")?;
    ensure!(arn.contains(ACCOUNT), "{arn}");
    let targets = async || {
        let health = there("elbv2", "DescribeTargetHealth", json!({"TargetGroupArn": arn})).await?;
        let all = health["TargetHealthDescriptions"].as_array().cloned().unwrap_or_default();
        anyhow::Ok(all.len())
    };
    fixture.apply(&[of_web("other", &role_of(arn))]).await?;
    hands.told("other", "FailedReconcile", "sts:AssumeRole").await?;
    ensure!(targets().await? == 0);

    fixture.scope.emulator().faults(&fixture.scope.region, &json!([])).await?;
    let mark = fixture.mark().await?;
    let by_name = json!({"targetGroupName": "account-web", "iamRoleArnToAssume": ROLE, "assumeRoleExternalId": "shop"});
    fixture.kubectl(&["delete", "targetgroupbinding", "other", "--timeout=30s"]).await?;
    fixture.apply(&[of_web("other", &by_name)]).await?;
    let both = eventually("both pods are targets in the other account", SOON, async || {
        Ok((targets().await? == 2).then_some(()))
    });
    both.await.with_context(|| tail(&fixture.log()))?;
    fixture.quiet().await?;
    fixture.kubectl(&["scale", "deployment", "web", "--replicas=1"]).await?;
    let one = eventually("one is", SOON, async || Ok((targets().await? == 1).then_some(())));
    one.await.with_context(|| tail(&fixture.log()))?;
    fixture.kubectl(&["delete", "targetgroupbinding", "other", "--timeout=30s"]).await?;
    ensure!(targets().await? == 0, "targets are left in the other account");

    let calls = fixture.scope.emulator().calls_since(&fixture.scope.region, mark).await?;
    let assumed: Vec<_> = calls.iter().filter(|call| call.operation == "AssumeRole" && call.status == 200).collect();
    ensure!(assumed.len() == 1, "one set of credentials serves all passes: {assumed:?}");
    ensure!(assumed[0].params["RoleArn"] == ROLE && assumed[0].params["ExternalId"] == "shop", "{assumed:?}");
    let registered: Vec<_> = calls.iter().filter(|call| call.operation == "RegisterTargets").collect();
    let is_all = |call: &&albedo_testenv::Call| {
        let targets = call.params["Targets"].as_array().cloned().unwrap_or_default();
        targets.iter().all(|target| target["AvailabilityZone"] == "all")
    };
    ensure!(registered.iter().all(is_all), "addresses of another VPC are for all zones: {registered:?}");
    let with_role: BTreeSet<&str> =
        calls.iter().filter(|call| call.caller.starts_with("ASIA")).map(|call| call.operation.as_str()).collect();
    let expected =
        ["DeregisterTargets", "DescribeTags", "DescribeTargetGroups", "DescribeTargetHealth", "RegisterTargets"];
    ensure!(with_role == BTreeSet::from(expected), "{with_role:?}");
    hands.fixture.close().await
}

/// At admission: a second binding and one that conflicts with its target group are refused, and what is absent is filled in where it is known.
pub async fn admission_knows_bindings(base: Arc<Base>) -> Result<()> {
    let hands = Hands { fixture: Fixture::with_webhooks(&base, "boundary", &[]).await? };
    let fixture = &hands.fixture;
    fixture.backends("ClusterIP").await?;
    let refusal = async |name: &str, spec: Value| -> Result<String> {
        let output = fixture.try_apply(&[of_web(name, &spec)], &[]).await?;
        ensure!(!output.status.success(), "{name} was admitted");
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let told = refusal("nothing", json!({"targetType": "ip"})).await?;
    ensure!(told.contains("ALB040") && told.contains("must provide either"), "{told}");
    let arn = hands.target_group("boundary-one", Value::Null).await?;
    fixture.apply(&[of_web("one", &json!({"targetGroupARN": arn}))]).await?;
    hands.has(&arn, "two pods", |ids| ids.len() == 2 && !ids.iter().any(|id| is_theirs(id))).await?;
    let told = refusal("two", json!({"targetGroupName": "boundary-one"})).await?;
    ensure!(told.contains("ALB120") && told.contains("already bound"), "{told}");
    hands.fixture.close().await
}
