//! Tests of both target types, each a table of what one thing changes.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ServiceSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde_json::json;

use super::*;
use crate::kinds::{Endpoint, EndpointPort, TargetHealthGate, readiness_gate};

struct Case {
    binding: TargetGroupBinding,
    service: Service,
    slices: Vec<Endpoints>,
    pods: Vec<Pod>,
    nodes: Vec<Node>,
    vpc_cidrs: Option<Vec<String>>,
    fail_open: bool,
}

/// One ready pod and one node behind `app`, port 80 (`http`), target port 8080, `NodePort` 30080.
fn case(target_type: &str) -> Case {
    let binding = json!({
        "apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": {"name": "tgb", "namespace": "ns"},
        "spec": {"targetGroupARN": "arn", "targetType": target_type, "serviceRef": {"name": "app", "port": 80}}
    });
    let service = json!({
        "metadata": {"name": "app", "namespace": "ns"},
        "spec": {"type": "NodePort", "ports": [
            {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
            {"name": "admin", "port": 81, "targetPort": 8081, "nodePort": 30081}
        ]}
    });
    let ports = [("http", 8080), ("admin", 8081)];
    Case {
        binding: serde_json::from_value(binding).unwrap(),
        service: serde_json::from_value(service).unwrap(),
        slices: vec![Endpoints {
            key: Key::new("ns", "app-1"),
            service: "app".to_owned(),
            address_type: "IPv4".to_owned(),
            ports: ports.map(|(name, port)| EndpointPort { name: name.to_owned(), port }).to_vec(),
            endpoints: vec![endpoint("10.0.0.1", "a")],
        }],
        pods: vec![pod("a")],
        nodes: vec![node("n", "i-1")],
        vpc_cidrs: Some(vec!["10.0.0.0/16".to_owned(), "2001:db8::/56".to_owned()]),
        fail_open: true,
    }
}

fn endpoint(address: &str, pod: &str) -> Endpoint {
    Endpoint { address: address.to_owned(), pod: Some(pod.to_owned()), ready: true, ..Endpoint::default() }
}

fn pod(name: &str) -> Pod {
    Pod { key: Key::new("ns", name), node: "n".into(), containers_ready: true, ..Pod::default() }
}

fn node(name: &str, id: &str) -> Node {
    Node {
        name: name.to_owned(),
        provider_id: format!("aws:///eu-central-1a/{id}"),
        ready: "True".to_owned(),
        ..Node::default()
    }
}

impl Case {
    fn read(&self, service: ServiceRead<'_>) -> Result<Resolution, TargetsError> {
        let slices: Vec<_> = self.slices.iter().cloned().map(Arc::new).collect();
        let nodes: Vec<_> = self.nodes.iter().cloned().map(Arc::new).collect();
        let pods = |key: &Key| self.pods.iter().find(|pod| pod.key == *key).cloned().map(Arc::new);
        let sources = Sources {
            service,
            slices: &slices,
            pods: &pods,
            nodes: &nodes,
            vpc_cidrs: self.vpc_cidrs.as_deref(),
            fail_open: self.fail_open,
        };
        resolve(&self.binding, sources)
    }

    fn run(&self) -> Result<Resolved, TargetsError> {
        match self.read(ServiceRead::Found(&self.service))? {
            Resolution::Targets(resolved) => Ok(resolved),
            Resolution::Gone => panic!("the Service was found"),
        }
    }

    /// Targets as `id:port[@zone]`, reasons of what was skipped, whether it failed open.
    fn shown(&self) -> (Vec<String>, Vec<SkipReason>, bool) {
        let resolved = self.run().unwrap();
        assert!(resolved.origins.keys().eq(resolved.targets.iter()), "each target has its origin");
        let zone =
            |target: &Target| target.availability_zone.as_ref().map(|zone| format!("@{zone}")).unwrap_or_default();
        let targets = resolved.targets.iter().map(|target| format!("{}:{}{}", target.id, target.port, zone(target)));
        (targets.collect(), resolved.skipped.iter().map(|one| one.reason).collect(), resolved.failed_open)
    }

    fn spec(&mut self) -> &mut ServiceSpec {
        self.service.spec.as_mut().unwrap()
    }
}

type Edit = fn(&mut Case);
type Row<'r> = (&'r str, Edit, &'r [&'r str], &'r [SkipReason], bool);

fn check(target_type: &str, rows: &[Row<'_>]) {
    for (name, edit, targets, skipped, failed_open) in rows {
        let mut case = case(target_type);
        edit(&mut case);
        let shown = case.shown();
        assert_eq!(shown.0, *targets, "{name}");
        assert_eq!(shown.1, *skipped, "{name}");
        assert_eq!(shown.2, *failed_open, "{name}");
    }
}

#[test]
fn pods_that_are_ready() {
    check(
        "ip",
        &[
            ("as it is", |_| {}, &["10.0.0.1:8080"], &[], false),
            (
                "port by name",
                |c| c.binding.spec.service_ref.port = IntOrString::String("admin".to_owned()),
                &["10.0.0.1:8081"],
                &[],
                false,
            ),
            (
                "a port without a name",
                |c| {
                    c.spec().ports.as_mut().unwrap().truncate(1);
                    c.spec().ports.as_mut().unwrap()[0].name = None;
                    c.slices[0].ports = vec![EndpointPort { name: String::new(), port: 9000 }];
                },
                &["10.0.0.1:9000"],
                &[],
                false,
            ),
            ("no slices", |c| c.slices.clear(), &[], &[], false),
            ("a slice of another Service", |c| c.slices[0].service = "other".to_owned(), &[], &[], false),
            ("a slice of another namespace", |c| c.slices[0].key.namespace = "other".to_owned(), &[], &[], false),
            ("IPv6 slice of an IPv4 binding", |c| c.slices[0].address_type = "IPv6".to_owned(), &[], &[], false),
            (
                "IPv6",
                |c| {
                    c.binding.spec.ip_address_type = Some("ipv6".to_owned());
                    c.slices[0].address_type = "IPv6".to_owned();
                    c.slices[0].endpoints[0].address = "2001:db8::1".to_owned();
                },
                &["2001:db8::1:8080"],
                &[],
                false,
            ),
            ("no pod behind it", |c| c.slices[0].endpoints[0].pod = None, &[], &[], false),
            ("an unknown pod", |c| c.pods.clear(), &[], &[SkipReason::PodNotSeen], false),
            ("no port", |c| c.slices[0].ports[0].port = 0, &[], &[SkipReason::InvalidPort], false),
            ("in two slices", |c| c.slices.push(c.slices[0].clone()), &["10.0.0.1:8080"], &[], false),
            ("ready on a lost node", |c| c.nodes.clear(), &["10.0.0.1:8080"], &[], false),
        ],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn pods_that_are_not_ready() {
    fn unready(case: &mut Case, node: &str) {
        case.slices[0].endpoints[0].ready = false;
        case.nodes[0].ready = node.to_owned();
    }
    check(
        "ip",
        &[
            ("containers are", |c| unready(c, "True"), &["10.0.0.1:8080"], &[], false),
            (
                "containers are not",
                |c| {
                    unready(c, "True");
                    c.pods[0].containers_ready = false;
                },
                &[],
                &[SkipReason::NotReady],
                false,
            ),
            (
                "containers are not and its gate waits",
                |c| {
                    unready(c, "True");
                    c.pods[0].containers_ready = false;
                    c.pods[0].target_health_gates =
                        vec![TargetHealthGate { condition_type: readiness_gate("tgb"), condition: None }];
                },
                &[],
                &[SkipReason::AwaitsHealth],
                false,
            ),
            (
                "terminating",
                |c| {
                    unready(c, "True");
                    c.slices[0].endpoints[0].terminating = true;
                },
                &[],
                &[SkipReason::Terminating],
                false,
            ),
            ("node not ready", |c| unready(c, "False"), &[], &[SkipReason::NodeNotReady], false),
            ("node without the condition", |c| unready(c, ""), &[], &[SkipReason::NodeNotReady], false),
            (
                "node not there",
                |c| {
                    unready(c, "True");
                    c.nodes.clear();
                },
                &[],
                &[SkipReason::NodeNotSeen],
                false,
            ),
            ("node unknown", |c| unready(c, "Unknown"), &["10.0.0.1:8080"], &[], true),
            (
                "node unknown, failing closed",
                |c| {
                    unready(c, "Unknown");
                    c.fail_open = false;
                },
                &[],
                &[SkipReason::NodeNotReady],
                false,
            ),
            (
                "node unknown, another one ready",
                |c| {
                    unready(c, "Unknown");
                    c.slices[0].endpoints.push(endpoint("10.0.0.2", "b"));
                    c.pods.push(pod("b"));
                },
                &["10.0.0.2:8080"],
                &[SkipReason::NodeNotReady],
                false,
            ),
        ],
    );
}

#[test]
fn zones_of_addresses() {
    check(
        "ip",
        &[
            (
                "outside",
                |c| c.slices[0].endpoints[0].address = "192.168.0.1".to_owned(),
                &["192.168.0.1:8080@all"],
                &[],
                false,
            ),
            (
                "inside a second block",
                |c| {
                    c.slices[0].endpoints[0].address = "100.64.0.1".to_owned();
                    c.vpc_cidrs.as_mut().unwrap().push("100.64.0.0/16".to_owned());
                },
                &["100.64.0.1:8080"],
                &[],
                false,
            ),
            (
                "blocks not known",
                |c| {
                    c.slices[0].endpoints[0].address = "192.168.0.1".to_owned();
                    c.vpc_cidrs = None;
                },
                &["192.168.0.1:8080"],
                &[],
                false,
            ),
            (
                "no block of that family",
                |c| {
                    c.binding.spec.ip_address_type = Some("ipv6".to_owned());
                    c.slices[0].address_type = "IPv6".to_owned();
                    c.slices[0].endpoints[0].address = "2001:db8::1".to_owned();
                    c.vpc_cidrs = Some(vec!["10.0.0.0/16".to_owned()]);
                },
                &["2001:db8::1:8080"],
                &[],
                false,
            ),
            (
                "another account",
                |c| c.binding.spec.iam_role_arn_to_assume = Some("arn:r".to_owned()),
                &["10.0.0.1:8080@all"],
                &[],
                false,
            ),
        ],
    );
}

fn label(case: &mut Case, key: &str, value: &str) {
    case.nodes[0].labels.insert(key.to_owned(), value.to_owned());
}

#[test]
fn nodes_by_labels_and_taints() {
    const OUT: &[SkipReason] = &[SkipReason::ExcludedByLabel];
    fn taint(case: &mut Case, key: &str, effect: &str) {
        case.nodes[0].taints.push((key.to_owned(), effect.to_owned()));
    }
    check(
        "instance",
        &[
            ("as it is", |_| {}, &["i-1:30080"], &[], false),
            ("type LoadBalancer", |c| c.spec().type_ = Some("LoadBalancer".to_owned()), &["i-1:30080"], &[], false),
            (
                "local traffic policy",
                |c| c.spec().external_traffic_policy = Some("Local".to_owned()),
                &["i-1:30080"],
                &[],
                false,
            ),
            ("master", |c| label(c, "node-role.kubernetes.io/master", ""), &[], OUT, false),
            ("control plane", |c| label(c, "node-role.kubernetes.io/control-plane", ""), &["i-1:30080"], &[], false),
            (
                "excluded",
                |c| label(c, "node.kubernetes.io/exclude-from-external-load-balancers", "false"),
                &[],
                OUT,
                false,
            ),
            (
                "excluded of old",
                |c| label(c, "alpha.service-controller.kubernetes.io/exclude-balancer", "true"),
                &[],
                OUT,
                false,
            ),
            ("Fargate", |c| label(c, "eks.amazonaws.com/compute-type", "fargate"), &[], OUT, false),
            ("EC2", |c| label(c, "eks.amazonaws.com/compute-type", "ec2"), &["i-1:30080"], &[], false),
            (
                "autoscaler",
                |c| taint(c, "ToBeDeletedByClusterAutoscaler", "PreferNoSchedule"),
                &[],
                &[SkipReason::BeingRemoved],
                false,
            ),
            (
                "Karpenter",
                |c| taint(c, "karpenter.sh/disrupted", "NoSchedule"),
                &[],
                &[SkipReason::BeingRemoved],
                false,
            ),
            (
                "Karpenter, other effect",
                |c| taint(c, "karpenter.sh/disrupted", "NoExecute"),
                &["i-1:30080"],
                &[],
                false,
            ),
            ("cordoned", |c| taint(c, "node.kubernetes.io/unschedulable", "NoSchedule"), &["i-1:30080"], &[], false),
            ("no nodes", |c| c.nodes.clear(), &[], &[], false),
        ],
    );
}

#[test]
fn nodes_by_state() {
    check(
        "instance",
        &[
            ("not ready", |c| c.nodes[0].ready = "False".to_owned(), &[], &[SkipReason::NodeNotReady], false),
            ("unknown", |c| c.nodes[0].ready = "Unknown".to_owned(), &["i-1:30080"], &[], true),
            (
                "unknown, failing closed",
                |c| {
                    c.nodes[0].ready = "Unknown".to_owned();
                    c.fail_open = false;
                },
                &[],
                &[SkipReason::NodeNotReady],
                false,
            ),
            (
                "unknown, another one ready",
                |c| {
                    c.nodes[0].ready = "Unknown".to_owned();
                    c.nodes.push(node("m", "i-2"));
                },
                &["i-2:30080"],
                &[SkipReason::NodeNotReady],
                false,
            ),
            (
                "a bad one that is no target",
                |c| {
                    c.nodes.push(Node { ready: "False".to_owned(), ..node("m", "vm") });
                },
                &["i-1:30080"],
                &[SkipReason::NodeNotReady],
                false,
            ),
        ],
    );
}

#[test]
fn nodes_by_selector() {
    let requirement = |operator: &str, values: &[&str]| LabelSelectorRequirement {
        key: "pool".to_owned(),
        operator: operator.to_owned(),
        values: (!values.is_empty()).then(|| values.iter().map(|value| (*value).to_owned()).collect()),
    };
    let labels = |value: &str| BTreeMap::from([("pool".to_owned(), value.to_owned())]);
    let selector = |match_labels, one: Option<LabelSelectorRequirement>| LabelSelector {
        match_labels,
        match_expressions: one.map(|one| vec![one]),
    };
    let rows = [
        (selector(None, None), true),
        (selector(Some(labels("web")), None), true),
        (selector(Some(labels("db")), None), false),
        (selector(None, Some(requirement("In", &["db", "web"]))), true),
        (selector(None, Some(requirement("NotIn", &["web"]))), false),
        (selector(None, Some(requirement("Exists", &[]))), true),
        (selector(None, Some(requirement("DoesNotExist", &[]))), false),
        (selector(Some(labels("web")), Some(requirement("In", &["db"]))), false),
    ];
    for (selector, fits) in rows {
        let mut case = case("instance");
        label(&mut case, "pool", "web");
        let text = format!("{selector:?}");
        case.binding.spec.node_selector = Some(selector);
        let expected = if fits { vec![] } else { vec![SkipReason::NotSelected] };
        assert_eq!(case.shown().1, expected, "{text}");
    }
    let mut case = case("instance");
    case.binding.spec.node_selector = Some(selector(Some(labels("db")), Some(requirement("Near", &[]))));
    assert_eq!(case.run(), Err(TargetsError::Selector("Near".to_owned())));
}

#[test]
fn errors() {
    let rows: [(&str, Edit, &str); 8] = [
        ("ip", |c| c.binding.spec.target_type = None, "spec.targetType is \"\", allowed are instance and ip"),
        (
            "ip",
            |c| c.binding.spec.target_type = Some("alb".to_owned()),
            "spec.targetType is \"alb\", allowed are instance and ip",
        ),
        (
            "ip",
            |c| c.binding.spec.service_ref.port = IntOrString::Int(8080),
            "unable to find port 8080 on service ns/app; it has 80 (http), 81 (admin)",
        ),
        (
            "instance",
            |c| c.binding.spec.service_ref.port = IntOrString::String("80".to_owned()),
            "unable to find port 80 on service ns/app; it has 80 (http), 81 (admin)",
        ),
        ("instance", |c| c.spec().type_ = None, "service type must be either 'NodePort' or 'LoadBalancer': ns/app"),
        (
            "instance",
            |c| c.spec().type_ = Some("ClusterIP".to_owned()),
            "service type must be either 'NodePort' or 'LoadBalancer': ns/app",
        ),
        (
            "instance",
            |c| c.spec().ports.as_mut().unwrap()[0].node_port = None,
            "port 80 of service ns/app has no nodePort",
        ),
        (
            "instance",
            |c| c.spec().ports.as_mut().unwrap()[0].node_port = Some(0),
            "port 80 of service ns/app has no nodePort",
        ),
    ];
    for (target_type, edit, message) in rows {
        let mut case = case(target_type);
        edit(&mut case);
        assert_eq!(case.run().unwrap_err().to_string(), message);
    }
}

#[test]
fn one_object_never_stops_the_others() {
    use SkipReason::{NoAddress, NodeNotReady, NotAnInstance};
    check(
        "instance",
        &[
            ("a hybrid node", |c| c.nodes.push(node("m", "mi-0123")), &["i-1:30080"], &[NotAnInstance], false),
            (
                "a node without providerID",
                |c| {
                    c.nodes.push(node("m", ""));
                    c.nodes[1].provider_id.clear();
                },
                &["i-1:30080"],
                &[NotAnInstance],
                false,
            ),
            (
                "a hybrid node that is ready keeps none from failing open",
                |c| {
                    c.nodes.push(node("m", "mi-0123"));
                    c.nodes[0].ready = "Unknown".to_owned();
                },
                &["i-1:30080"],
                &[NodeNotReady],
                true,
            ),
        ],
    );
    check(
        "ip",
        &[
            (
                "a pod without an address",
                |c| {
                    c.slices[0].endpoints.push(endpoint("", "b"));
                    c.pods.push(pod("b"));
                },
                &["10.0.0.1:8080"],
                &[NoAddress],
                false,
            ),
            (
                "a pod of the namespace that targetRef names",
                |c| {
                    c.slices[0].endpoints[0].pod_namespace = Some("other".into());
                    c.pods[0].key = Key::new("other", "a");
                },
                &["10.0.0.1:8080"],
                &[],
                false,
            ),
        ],
    );
}

#[test]
fn only_a_service_that_was_read_as_gone_is_gone() {
    for target_type in ["ip", "instance"] {
        let case = case(target_type);
        assert_eq!(case.read(ServiceRead::Gone), Ok(Resolution::Gone));
        let missing = TargetsError::ServiceNotFound(Key::new("ns", "app"));
        assert_eq!(case.read(ServiceRead::NotCached), Err(missing));
    }
}

#[test]
fn what_is_behind_a_target_is_told() {
    let origin = |target_type: &str| case(target_type).run().unwrap().origins.into_values().next().unwrap().to_string();
    assert_eq!(origin("ip"), "Pod ns/a");
    assert_eq!(origin("instance"), "Node n");
}
