//! From an Ingress to a load balancer and back: what is made, byte for byte; what an edit writes, call by call; what is left.

use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON};
use crate::names;
use crate::objects::{deployment, finalizers, rule, service};

/// A shop: two Services, HTTP and HTTPS, Pods as targets.
struct Shop {
    fixture: Fixture,
    certificate: String,
}

impl Shop {
    async fn open(base: &Arc<Base>, name: &str) -> Result<Self> {
        let mut fixture = Fixture::open(base, name).await?;
        let certificate = fixture.scope.emulator().certificate(&fixture.scope.region, &["*.example.com"]).await?;
        fixture.start().await?;
        fixture.register().await?;
        fixture.backends("ClusterIP").await?;
        let shop = Self { fixture, certificate };
        shop.fixture.apply(&[shop.ingress(&[], None)]).await?;
        shop.fixture.hostname("shop").await?;
        shop.fixture.quiet().await?;
        Ok(shop)
    }

    /// The Ingress with some annotations added or changed, and other paths if they are given.
    fn ingress(&self, changes: &[(&str, &str)], paths: Option<&[(&str, &str, &str, u16)]>) -> Value {
        let mut annotations = vec![
            ("scheme", "internet-facing"),
            ("target-type", "ip"),
            ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#),
            ("certificate-arn", self.certificate.as_str()),
        ];
        annotations.retain(|(key, _)| changes.iter().all(|(changed, _)| changed != key));
        annotations.extend_from_slice(changes);
        let paths = paths.unwrap_or(&[("/api", "Prefix", "api", 8000), ("/", "Prefix", "web", 80)]);
        self.fixture.ingress("shop", &annotations, &json!([rule(Some("shop.example.com"), paths)]))
    }

    /// The stack's name: `namespace/name` of the one Ingress.
    fn stack(&self) -> String {
        format!("{}/shop", self.fixture.scope.namespace)
    }

    fn balancer_name(&self) -> String {
        names::load_balancer(&self.fixture.scope.cluster, &self.fixture.scope.namespace, "shop", "internet-facing")
    }

    async fn target_group_name(&self, service: &str, port: &str, target_port: &str) -> Result<String> {
        let (scope, stack) = (&self.fixture.scope, self.stack());
        let uid = scope.api::<Service>().get(service).await?.metadata.uid.context("a Service without uid")?;
        let name = names::TargetGroup {
            cluster: &scope.cluster,
            group: &stack,
            namespace: &scope.namespace,
            ingress: "shop",
            service,
            uid: &uid,
            port,
            target_port,
            target_type: "ip",
        };
        Ok(name.name())
    }

    /// Addresses of a Deployment's pods with a port, as the picture has them.
    async fn targets(&self, app: &str, port: u16) -> Result<String> {
        let jsonpath = r#"jsonpath={range .items[*]}{.status.podIP}{"\n"}{end}"#;
        let said = self.fixture.kubectl(&["get", "pods", "-l", &format!("app={app}"), "-o", jsonpath]).await?;
        let mut addresses: Vec<&str> = said.lines().collect();
        addresses.sort_unstable();
        Ok(addresses.iter().map(|ip| format!("    {ip}:{port} healthy\n")).collect())
    }

    /// What AWS has to hold.
    async fn picture(&self) -> Result<String> {
        let (scope, stack) = (&self.fixture.scope, self.stack());
        let own = names::security_group(&scope.cluster, &scope.namespace, "shop");
        let shared = names::backend_security_group(&scope.cluster);
        let rules = format!(
            "    1: host shop.example.com and path /api | /api/* -> {stack}-api:8000
    2: host shop.example.com and path /* -> {stack}-web:80
    default: -> answer 404
"
        );
        let certificate = self.certificate.rsplit('/').next().unwrap_or_default();
        let (api_targets, web_targets) = (self.targets("api", 9090).await?, self.targets("web", 8080).await?);
        // What is open on the nodes follows the pods that are there.
        let ports = if web_targets.is_empty() { "9090" } else { "8080-9090" };
        Ok(format!(
            "load balancer {balancer} (internet-facing, ipv4)
  subnets public-a, public-b, public-c
  security groups {own}, {shared}
  listener HTTP 80
{rules}  listener HTTPS 443, certificate {certificate}
{rules}  target group {api} (HTTP 9090, ip) {stack}-api:8000
{api_targets}  target group {web} (HTTP 8080, ip) {stack}-web:80
{web_targets}security group {nodes}
  tcp {ports} from {shared}
security group {own}
  tcp 80 from 0.0.0.0/0
  tcp 443 from 0.0.0.0/0
security group {shared}
",
            balancer = self.balancer_name(),
            nodes = format_args!("{}-node", scope.cluster),
            api = self.target_group_name("api", "8000", "9090").await?,
            web = self.target_group_name("web", "80", "8080").await?,
        ))
    }

    /// Waits for as many endpoints as Deployments ask for: between two pods that become ready Albedo rests too.
    async fn pods_are_ready(&self, objects: &[Value]) -> Result<()> {
        for object in objects.iter().filter(|object| object["kind"] == "Deployment") {
            let name = object["metadata"]["name"].as_str().context("a name")?;
            let service = format!("kubernetes.io/service-name={name}");
            eventually(&format!("the pods of {name} are ready"), SOON, async || {
                let slices = self.fixture.kubectl(&["get", "endpointslices", "-l", &service, "-o", "json"]).await?;
                let slices: Value = serde_json::from_str(&slices)?;
                let endpoints =
                    slices["items"].as_array().into_iter().flatten().filter_map(|slice| slice["endpoints"].as_array());
                let ready = endpoints.flatten().filter(|endpoint| endpoint["conditions"]["ready"] == true).count();
                Ok((object["spec"]["replicas"] == ready).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Applies an edit, waits until all is at rest, and answers the names of the calls that changed something.
    async fn edit(&self, objects: &[Value]) -> Result<Vec<String>> {
        let mark = self.fixture.mark().await?;
        self.fixture.apply(objects).await?;
        self.pods_are_ready(objects).await?;
        self.fixture.quiet().await?;
        let calls = self.fixture.writes_since(mark).await?;
        ensure!(calls.iter().all(|call| call.error.is_none()), "{calls:?}");
        Ok(calls.into_iter().map(|call| call.operation).collect())
    }
}

pub async fn an_ingress_becomes_a_load_balancer(base: Arc<Base>) -> Result<()> {
    let shop = Shop::open(&base, "becomes").await?;
    let (fixture, scope) = (&shop.fixture, &shop.fixture.scope);
    let state = fixture.state().await?;
    let (is, wanted) = (state.picture(&scope.world), shop.picture().await?);
    ensure!(is == wanted, "AWS holds\n{is}\nand should hold\n{wanted}");

    let balancer = state.load_balancer(&shop.balancer_name()).context("no load balancer")?;
    let tags = |resource: &str| names::tags(&scope.cluster, &shop.stack(), resource);
    ensure!(balancer.tags == tags("LoadBalancer"), "{:?}", balancer.tags);
    for listener in &balancer.listeners {
        ensure!(listener.tags == tags(&listener.port.to_string()), "{:?}", listener.tags);
        for rule in listener.rules.iter().filter(|rule| !rule.is_default) {
            ensure!(rule.tags == tags(&format!("{}:{}", listener.port, rule.priority)), "{:?}", rule.tags);
        }
    }
    for (service, port) in [("api", 8000), ("web", 80)] {
        let resource = format!("{}-{service}:{port}", shop.stack());
        ensure!(state.target_groups.iter().any(|tg| tg.tags == tags(&resource)), "no target group tagged {resource}");
    }
    let group = state.security_groups.iter().find(|sg| sg.tags == tags("ManagedLBSecurityGroup"));
    let described = group.and_then(|sg| sg.rest.get("Description")?.as_str());
    ensure!(described == Some("[k8s] Managed SecurityGroup for LoadBalancer"), "{described:?}");

    in_kubernetes(&shop, &balancer.dns_name).await?;
    shop.fixture.close().await
}

/// Finalizers, status, event, binding and the group's object of a shop that is there.
async fn in_kubernetes(shop: &Shop, dns_name: &str) -> Result<()> {
    let fixture = &shop.fixture;
    let ingress = fixture.stored("shop").await?;
    ensure!(finalizers(&ingress) == ["ingress.k8s.aws/resources"], "{:?}", finalizers(&ingress));
    let status = serde_json::to_value(&ingress.status)?;
    let ports = json!([{"port": 80, "protocol": ""}, {"port": 443, "protocol": ""}]);
    let wanted = json!({"loadBalancer": {"ingress": [{"hostname": dns_name.to_lowercase(), "ports": ports}]}});
    ensure!(status == wanted, "{status}");
    let events = fixture.events("shop").await?;
    ensure!(events == [("SuccessfullyReconciled".to_owned(), "Successfully reconciled".to_owned())], "{events:?}");

    let name = shop.target_group_name("web", "80", "8080").await?;
    let binding: Value =
        serde_json::from_str(&fixture.kubectl(&["get", "targetgroupbinding", &name, "-o", "json"]).await?)?;
    let labels =
        json!({"ingress.k8s.aws/stack-name": "shop", "ingress.k8s.aws/stack-namespace": fixture.scope.namespace});
    ensure!(binding["metadata"]["labels"] == labels, "{binding:#}");
    ensure!(binding["metadata"]["finalizers"] == json!(["elbv2.k8s.aws/resources"]), "{binding:#}");
    ensure!(binding["spec"]["serviceRef"] == json!({"name": "web", "port": 80}), "{binding:#}");
    ensure!(binding["spec"]["targetType"] == "ip" && binding["status"]["observedGeneration"] == 1, "{binding:#}");

    let groups = fixture.kubectl(&["get", "ingressgroups", "--no-headers"]).await?;
    let object = format!("ingress.{}.shop", fixture.scope.namespace);
    let line = groups.lines().find(|line| line.starts_with(&object)).with_context(|| groups.clone())?;
    let columns: Vec<&str> = line.split_whitespace().collect();
    let wanted = [object.as_str(), &shop.balancer_name(), &dns_name.to_lowercase(), "1", "0", "Ready"];
    ensure!(columns.starts_with(&wanted), "{columns:?}");
    let header = fixture.kubectl(&["get", "ingressgroups", &object]).await?;
    let titles: Vec<&str> = header.lines().next().unwrap_or_default().split_whitespace().collect();
    ensure!(titles == ["NAME", "LOAD-BALANCER", "HOSTNAME", "MEMBERS", "QUARANTINED", "STATE", "AGE"], "{titles:?}");
    Ok(())
}

/// Each row: what is edited and the calls that it takes, no more and no others.
pub async fn edits_write_only_what_they_must(base: Arc<Base>) -> Result<()> {
    let shop = Shop::open(&base, "edits").await?;
    let other = shop.fixture.scope.emulator().certificate(&shop.fixture.scope.region, &["shop.example.com"]).await?;
    let (https, certificate) = (("listen-ports", r#"[{"HTTPS": 443}]"#), ("certificate-arn", other.as_str()));
    let (api, web) = (("/api", "Prefix", "api", 8000), ("/", "Prefix", "web", 80));
    let idle = ("load-balancer-attributes", "idle_timeout.timeout_seconds=120");
    // An exact path goes before the others, so both of theirs move, on each of two listeners.
    let moved = ["SetRulePriorities", "CreateRule", "AddTags", "AddTags"].repeat(2);
    let back = ["SetRulePriorities", "DeleteRule", "AddTags", "AddTags"].repeat(2);
    let rows: &[(&str, Value, &[&str])] = &[
        ("the same again", shop.ingress(&[], None), &[]),
        ("a path more", shop.ingress(&[], Some(&[api, web, ("/about", "Exact", "web", 80)])), &moved),
        ("a path less", shop.ingress(&[], None), &back),
        ("an attribute", shop.ingress(&[idle], None), &["ModifyLoadBalancerAttributes"]),
        (
            "another certificate",
            shop.ingress(&[idle, certificate], None),
            &["ModifyListener", "AddListenerCertificates", "RemoveListenerCertificates"],
        ),
        (
            "a port less",
            shop.ingress(&[idle, certificate, https], None),
            &["RevokeSecurityGroupIngress", "DeleteListener"],
        ),
        (
            "a backend less",
            shop.ingress(&[idle, certificate, https], Some(&[web])),
            &[
                "SetRulePriorities",
                "DeleteRule",
                "AddTags",
                "DeregisterTargets",
                "AuthorizeSecurityGroupIngress", // the nodes' opening: one port now, a range before
                "RevokeSecurityGroupIngress",
                "DeleteTargetGroup",
            ],
        ),
    ];
    for (what, object, wanted) in rows {
        // Sorted: targets, openings and the rest are written side by side.
        let (mut calls, mut wanted) = (shop.edit(std::slice::from_ref(object)).await?, wanted.to_vec());
        calls.sort();
        wanted.sort_unstable();
        ensure!(calls == wanted, "{what}: {calls:?} instead of {wanted:?}");
    }
    shop.fixture.close().await
}

/// A range of ports becomes another: the new one first.
const DOOR: [&str; 2] = ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"];

/// Targets follow the pods, and the group is not looked at for it.
pub async fn pods_come_and_go(base: Arc<Base>) -> Result<()> {
    let shop = Shop::open(&base, "pods").await?;
    let passes = shop.fixture.passes("group").await?;
    let rows: &[(&str, Value, &[&str])] = &[
        ("a pod more", deployment("web", 3, 8080), &["RegisterTargets"]),
        ("two pods less", deployment("web", 1, 8080), &["DeregisterTargets"]),
        // The nodes' opening is closed after the last target went, and opened before the first comes.
        ("no pod", deployment("web", 0, 8080), &["DeregisterTargets", DOOR[0], DOOR[1]]),
        ("two pods", deployment("web", 2, 8080), &[DOOR[0], DOOR[1], "RegisterTargets"]),
    ];
    for (what, object, wanted) in rows {
        let mut calls = shop.edit(std::slice::from_ref(object)).await?;
        // Pods become ready one by one or together.
        calls.dedup();
        ensure!(calls == *wanted, "{what}: {calls:?} instead of {wanted:?}");
        let (is, wanted) = (shop.fixture.state().await?.picture(&shop.fixture.scope.world), shop.picture().await?);
        ensure!(is == wanted, "{what}: AWS holds\n{is}\nand should hold\n{wanted}");
    }
    ensure!(shop.fixture.passes("group").await? == passes, "pods made the group be looked at");

    let mut calls = shop.edit(&[service("web", "ClusterIP", 80, 8081)]).await?;
    calls.sort();
    calls.dedup();
    let wanted = [DOOR[0], "DeregisterTargets", "RegisterTargets", DOOR[1]];
    ensure!(calls == wanted, "another target port: {calls:?}");
    let targets = shop.fixture.state().await?.target_groups.into_iter().flat_map(|tg| tg.targets);
    let ports: Vec<u16> = targets.map(|target| target.port).collect();
    ensure!(ports == [9090, 8081, 8081] || ports == [8081, 8081, 9090], "{ports:?}");
    shop.fixture.close().await
}

pub async fn deletion_leaves_nothing(base: Arc<Base>) -> Result<()> {
    let shop = Shop::open(&base, "deletion").await?;
    let fixture = &shop.fixture;
    fixture.kubectl(&["delete", "ingress", "shop", "--timeout=60s"]).await?;
    // The finalizer went last: nothing of the group itself is left when the Ingress is gone.
    let state = fixture.state().await?;
    ensure!(
        state.load_balancers.is_empty() && state.target_groups.is_empty(),
        "{}",
        state.picture(&fixture.scope.world)
    );
    fixture.quiet().await?;
    let left = fixture.state().await?.picture(&fixture.scope.world);
    ensure!(left.is_empty(), "AWS still holds\n{left}");
    let bindings = fixture.kubectl(&["get", "targetgroupbindings", "-o", "name"]).await?;
    ensure!(bindings.is_empty(), "{bindings}");
    let groups = fixture.kubectl(&["get", "ingressgroups", "-o", "name"]).await?;
    ensure!(!groups.contains(&fixture.scope.namespace), "{groups}");
    let order: Vec<String> = fixture.writes_since(0).await?.into_iter().map(|call| call.operation).collect();
    let at = |name: &str| order.iter().position(|operation| operation == name).context(name.to_owned());
    ensure!(
        at("DeleteLoadBalancer")? < at("DeleteTargetGroup")? && at("DeleteTargetGroup")? < at("DeleteSecurityGroup")?,
        "{order:?}"
    );
    shop.fixture.close().await
}

pub async fn a_restart_writes_nothing(base: Arc<Base>) -> Result<()> {
    let mut shop = Shop::open(&base, "restart").await?;
    let (before, mark) = (shop.fixture.versions("shop").await?, shop.fixture.mark().await?);
    let events = shop.fixture.events("shop").await?;
    let status = shop.fixture.albedo()?.stop().await?;
    ensure!(status.success(), "albedo ended with {status}");
    shop.fixture.start().await?;
    shop.fixture.looked_at(mark).await?;
    shop.fixture.quiet().await?;
    // What is listed for all groups together agrees with the ledger, and the bindings say what is registered.
    let single = ["DescribeRules", "DescribeListeners", "DescribeTargetHealth", "DescribeTargetGroupAttributes"];
    let calls = shop.fixture.scope.emulator().calls_since(&shop.fixture.scope.region, mark).await?;
    let asked = calls.into_iter().find(|call| single.contains(&call.operation.as_str()));
    ensure!(asked.is_none(), "a restart read a single resource: {asked:?}");
    let writes = shop.fixture.writes_since(mark).await?;
    ensure!(writes.is_empty(), "a restart wrote {writes:?}");
    let after = shop.fixture.versions("shop").await?;
    ensure!(before == after, "a restart wrote to Kubernetes: {before:?} became {after:?}");
    ensure!(shop.fixture.events("shop").await? == events, "a restart made events");
    let wanted = shop.picture().await?;
    let is = shop.fixture.state().await?.picture(&shop.fixture.scope.world);
    ensure!(is == wanted, "AWS holds\n{is}\nand should hold\n{wanted}");
    shop.fixture.close().await
}
