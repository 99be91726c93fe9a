//! `albedo preflight` on objects and facts: each part by a case that is fine and one that is not.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a panic is what a test has for a fault")]

use albedo_engine::facts::{Aged, Facts, Subnet};
use albedo_engine::kinds::Key;
use albedo_engine::manifest::{Manifests, Source};
use albedo_engine::preflight::{
    Account, Found, Gateway, Input, Line, Severity, Topic, Tried, Unread, Untagged, gated, report,
};
use albedo_engine::settings::Settings;
use albedo_engine::targets::{AttachedGroup, Interface};
use albedo_engine::world::Object;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A cluster, an account and how the command was called.
struct Case {
    manifests: Manifests,
    found: Found,
    settings: Settings,
    facts: Facts,
    account: Option<Account>,
    beside: bool,
    refused: Option<String>,
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object")
}

impl Case {
    fn new(yaml: &str) -> Self {
        let settings = Settings::new("demo");
        let manifests =
            Manifests::read(vec![Source::new("a.yaml", yaml.as_bytes().to_vec(), false)], &settings, "shop");
        let found = Found { is_live: true, ..Found::default() };
        Self { manifests, found, settings, facts: Facts::default(), account: None, beside: false, refused: None }
    }

    fn lines(&self) -> Vec<Line> {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let input = Input {
            manifests: &self.manifests,
            found: &self.found,
            named: None,
            settings: &self.settings,
            refused: self.refused.as_deref(),
            beside: self.beside,
            facts: &self.facts,
            account: self.account.as_ref(),
            now,
        };
        let report = report(&input);
        let json: Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!(json["lines"].as_array().map(Vec::len), Some(report.lines.len()));
        assert!(report.text().contains(&format!("{} block", report.count(Severity::Blocks))));
        report.lines
    }

    /// Lines of a part that are not fine, as `severity place: message`.
    fn faults(&self, topic: Topic) -> Vec<String> {
        let lines = self.lines().into_iter().filter(|line| line.topic == topic && line.severity != Severity::Fine);
        lines.map(|line| format!("{} {}: {}", line.severity.word(), line.place, line.message)).collect()
    }
}

/// That there is one fault, and it begins so and contains this.
fn one(faults: &[String], start: &str, part: &str) {
    assert!(faults.len() == 1 && faults[0].starts_with(start) && faults[0].contains(part), "{faults:#?}");
}

fn lbc(args: &[&str], replicas: i32) -> Value {
    json!({
        "metadata": {"name": "aws-load-balancer-controller", "namespace": "kube-system",
            "labels": {"app.kubernetes.io/name": "aws-load-balancer-controller"}},
        "spec": {"replicas": replicas, "selector": {}, "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": "aws-load-balancer-controller"}},
            "spec": {"containers": [{"name": "c", "image": "public.ecr.aws/eks/aws-load-balancer-controller:v3.5.0", "args": args}]}}}
    })
}

#[test]
fn arguments_of_the_running_lbc_are_translated() {
    let mut case = Case::new("");
    one(&case.faults(Topic::Controller), "warns ", "LBC's Deployment is not found");
    let args = ["--cluster-name=demo", "--sync-period=10h", "--aws-max-retries=10", "--aws-api-throttle=x"];
    case.found.deployments = vec![object(lbc(&args, 2))];
    assert_eq!(case.faults(Topic::Controller), Vec::<String>::new());
    case.found.deployments = vec![object(lbc(&[&args[..], &["--enable-endpoint-slices=false"]].concat(), 2))];
    one(&case.faults(Topic::Controller), "warns --enable-endpoint-slices=false: not supported", "EndpointSlices");
    case.found.deployments = vec![object(lbc(&args[..2], 2))];
    let faults = case.faults(Topic::Controller);
    assert!(
        faults.iter().any(|fault| fault.contains("--aws-max-retries: other default: 3 instead of 10")),
        "{faults:#?}"
    );
    case.found.deployments = vec![object(lbc(&[&args[..], &["--not-yet-known=1"]].concat(), 2))];
    one(&case.faults(Topic::Controller), "blocks --not-yet-known=1: ", "does not accept");
    case.found.deployments = vec![object(lbc(&args, 2))];
    case.refused = Some("--default-target-type pod".to_owned());
    one(&case.faults(Topic::Controller), "blocks Deployment kube-system/", "--default-target-type pod");
}

#[test]
fn webhooks_that_would_be_left_behind_are_named() {
    let webhook = |name: &str, policy: &str| {
        json!({"metadata": {"name": "aws-load-balancer-webhook"}, "webhooks": [{"name": name, "failurePolicy": policy,
            "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "aws-load-balancer-webhook-service", "namespace": "kube-system"}},
            "rules": [{"resources": ["ingresses"]}]}]})
    };
    let mut case = Case::new("");
    case.found.deployments = vec![object(lbc(&[], 2))];
    assert_eq!(case.faults(Topic::Webhooks), Vec::<String>::new());
    case.found.validating = vec![object(webhook("vingress.elbv2.k8s.aws", "Fail"))];
    let place = "ValidatingWebhookConfiguration aws-load-balancer-webhook";
    one(&case.faults(Topic::Webhooks), &format!("warns {place}"), "ingresses that it matches fails");
    case.found.deployments = vec![object(lbc(&[], 0))];
    one(&case.faults(Topic::Webhooks), &format!("blocks {place}"), "and it does not run");
    case.found.validating = vec![object(webhook("other.example.com", "Fail"))];
    assert_eq!(case.faults(Topic::Webhooks), Vec::<String>::new(), "somebody else's");
    // Under whatever name, if it calls LBC's Service.
    let service = json!({"metadata": {"name": "aws-load-balancer-webhook-service", "namespace": "kube-system"},
        "spec": {"selector": {"app.kubernetes.io/name": "aws-load-balancer-controller"}}});
    case.manifests.add(Object::Service(Box::new(object(service))));
    one(&case.faults(Topic::Webhooks), &format!("blocks {place}"), "other.example.com");
}

#[test]
fn what_lbc_serves_and_albedo_does_not_blocks() {
    let service = |name: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n{more}\n  ports: [{{port: 80, nodePort: 30080}}]\n---\n"
        )
    };
    let external =
        "  annotations: {service.beta.kubernetes.io/aws-load-balancer-type: external}\nspec:\n  type: LoadBalancer";
    let others = [
        service("plain", "spec:\n  type: NodePort"),
        service("in-tree", "spec:\n  type: LoadBalancer"),
        service("class", "spec:\n  type: LoadBalancer\n  loadBalancerClass: example.com/other"),
    ];
    assert_eq!(Case::new(&others.concat()).faults(Topic::Services), Vec::<String>::new());
    for own in [external, "spec:\n  type: LoadBalancer\n  loadBalancerClass: service.k8s.aws/nlb"] {
        let mut case = Case::new(&service("web", own));
        one(&case.faults(Topic::Services), "blocks Service shop/web: ", "Albedo does not");
        case.beside = true;
        assert_eq!(case.faults(Topic::Services), Vec::<String>::new());
    }
    let mut case = Case::new(&service("web", "spec:\n  type: LoadBalancer\n  loadBalancerClass: own/nlb"));
    case.found.deployments = vec![object(lbc(&["--load-balancer-class", "own/nlb"], 2))];
    one(&case.faults(Topic::Services), "blocks Service shop/web: ", "Albedo does not");

    let mut case = Case::new("");
    assert_eq!(case.faults(Topic::Gateways), Vec::<String>::new());
    case.found.gateways = vec![Gateway { kind: "Gateway", key: Key::new("shop", "edge") }];
    one(&case.faults(Topic::Gateways), "blocks Gateway shop/edge: ", "Albedo does not");
}

#[test]
fn bindings_that_albedo_does_not_touch_block() {
    let binding = |meta: Value, spec: Value| {
        let mut whole = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
            "metadata": {"name": "tgb", "namespace": "shop"}, "spec": {"targetGroupARN": "arn", "serviceRef": {"name": "web", "port": 80}}});
        for (field, more) in [("metadata", meta), ("spec", spec)] {
            let more = more.as_object().cloned().unwrap_or_default();
            whole[field].as_object_mut().expect("an object").extend(more);
        }
        let mut case = Case::new("");
        case.manifests.add(Object::Binding(Box::new(object(whole))));
        case
    };
    assert_eq!(binding(json!({}), json!({})).faults(Topic::Bindings), Vec::<String>::new());
    let shared = binding(json!({}), json!({"multiClusterTargetGroup": true}));
    assert_eq!(shared.faults(Topic::Bindings), Vec::<String>::new());
    let role = binding(json!({}), json!({"iamRoleArnToAssume": "arn:aws:iam::1:role/x"}));
    assert_eq!(role.faults(Topic::Bindings), Vec::<String>::new());
    let labels = json!({"labels": {"service.k8s.aws/stack-name": "web"}});
    let mut service = binding(labels, json!({}));
    one(&service.faults(Topic::Bindings), "blocks TargetGroupBinding shop/tgb: ", "another controller");
    service.beside = true;
    assert_eq!(service.faults(Topic::Bindings), Vec::<String>::new());
}

#[test]
fn readiness_gates_are_told() {
    let pod = |status: &str| {
        gated(&object(json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"containers": [], "readinessGates": [{"conditionType": "target-health.elbv2.k8s.aws/tgb"}]},
            "status": {"conditions": [{"type": "target-health.elbv2.k8s.aws/tgb", "status": status}]}})))
    };
    let plain = object(
        json!({"metadata": {"name": "a"}, "spec": {"containers": [], "readinessGates": [{"conditionType": "own/x"}]}}),
    );
    assert_eq!(gated(&plain), None);
    let mut case = Case::new(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {elbv2.k8s.aws/pod-readiness-gate-inject: enabled}\n",
    );
    assert_eq!(case.faults(Topic::ReadinessGates), Vec::<String>::new());
    case.found.pods.extend(pod("True"));
    one(&case.faults(Topic::ReadinessGates), "warns Pod shop/web: 1 Pod with a gate", "stays true");
    case.found.pods = pod("False").into_iter().collect();
    one(&case.faults(Topic::ReadinessGates), "blocks Pod shop/web: 1 Pod with a gate", "never become Ready");
    let binding = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
        "metadata": {"name": "tgb", "namespace": "shop"},
        "spec": {"targetGroupARN": "arn", "targetType": "ip", "serviceRef": {"name": "web", "port": 80}}});
    case.manifests.add(Object::Binding(Box::new(object(binding))));
    assert_eq!(case.faults(Topic::ReadinessGates), Vec::<String>::new(), "Albedo takes it over");
}

const CLASS: &str = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata:\n  name: alb\nspec:\n  controller: ingress.k8s.aws/alb\n---\n\
    apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  type: NodePort\n  ports: [{port: 80, nodePort: 30080}]\n---\n";

/// An Ingress with an annotation; served: its status has a host.
fn ingress(annotation: &str, served: bool) -> String {
    let status = if served { "status: {loadBalancer: {ingress: [{hostname: a.example.com}]}}\n" } else { "" };
    format!(
        "{CLASS}apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  annotations: {{{annotation}}}\nspec:\n  \
         ingressClassName: alb\n  defaultBackend: {{service: {{name: web, port: {{number: 80}}}}}}\n{status}"
    )
}

#[test]
fn ingresses_are_checked_as_at_admission() {
    assert_eq!(Case::new(&ingress("", true)).faults(Topic::Ingresses), Vec::<String>::new());
    let unknown = Case::new(&ingress("alb.ingress.kubernetes.io/listen_ports: x", true));
    one(&unknown.faults(Topic::Ingresses), "warns Ingress shop/web: ALB001", "listen_ports");
    let scheme = "alb.ingress.kubernetes.io/scheme: outside";
    one(&Case::new(&ingress(scheme, true)).faults(Topic::Ingresses), "blocks Ingress shop/web: ALB002", "outside");
    // LBC does not serve it either.
    one(&Case::new(&ingress(scheme, false)).faults(Topic::Ingresses), "warns Ingress shop/web: ALB002", "outside");
}

#[test]
fn classes_and_their_parameters_are_checked() {
    let params = |spec: &str| {
        Case::new(&format!(
            "{CLASS}apiVersion: elbv2.k8s.aws/v1beta1\nkind: IngressClassParams\nmetadata:\n  name: alb\nspec:\n  {spec}\n"
        ))
    };
    assert_eq!(params("scheme: internal").faults(Topic::Classes), Vec::<String>::new());
    one(
        &params("inboundCIDRs: [10.0.0.1]").faults(Topic::Classes),
        "warns IngressClassParams alb: ",
        "spec.inboundCIDRs[0]",
    );
    let helm = CLASS.replacen("  name: alb\n", "  name: alb\n  annotations: {meta.helm.sh/release-name: lbc}\n", 1);
    one(&Case::new(&helm).faults(Topic::Classes), "warns IngressClass alb: ", "Helm release lbc");
    let mut beside = params("scheme: internal");
    beside.beside = true;
    one(&beside.faults(Topic::Classes), "warns IngressClass alb: ", "stay with LBC until they are moved");
}

#[test]
fn what_aws_says_is_told() {
    let mut case = Case::new("");
    case.account = Some(Account::default());
    for topic in [Topic::SecurityGroups, Topic::Tags] {
        assert_eq!(case.faults(topic), Vec::<String>::new());
    }
    let unread = |needed| Unread { what: "subnets".into(), error: "AccessDenied".into(), denied: true, needed };
    let attached = |id: &str| AttachedGroup {
        id: id.to_owned(),
        tags: [("kubernetes.io/cluster/demo".to_owned(), "owned".to_owned())].into(),
    };
    let account = Account {
        unread: vec![unread(true), unread(false)],
        tried: vec![
            Tried { action: "ec2:CreateSecurityGroup", outcome: Err((true, "UnauthorizedOperation".into())) },
            Tried { action: "ec2:RevokeSecurityGroupIngress", outcome: Ok(()) },
        ],
        interfaces: vec![
            Interface { id: "eni-1".into(), security_groups: vec![attached("sg-1")] },
            Interface { id: "eni-2".into(), security_groups: vec![attached("sg-1"), attached("sg-2")] },
        ],
        untagged: vec![Untagged { group: "shop/web".into(), listeners: 1, rules: 2 }],
        groups: 1,
    };
    case.account = Some(account);
    let faults = case.faults(Topic::Permissions);
    assert!(
        faults.iter().any(|fault| fault.starts_with("blocks subnets: cannot read subnets: AccessDenied")),
        "{faults:#?}"
    );
    assert!(faults.iter().any(|fault| fault.starts_with("warns subnets: ")), "{faults:#?}");
    assert!(faults.iter().any(|fault| fault.starts_with("blocks ec2:CreateSecurityGroup: ")), "{faults:#?}");
    assert!(!faults.iter().any(|fault| fault.contains("ec2:RevokeSecurityGroupIngress")), "{faults:#?}");
    one(&case.faults(Topic::SecurityGroups), "blocks eni-2 (sg-1, sg-2): ", "exactly one securityGroup");
    one(&case.faults(Topic::Tags), "warns group shop/web: 1 listener and 2 rules without tags", "");
}

#[test]
fn subnets_and_quotas_come_from_facts() {
    let read_at = Timestamp::from_second(1_800_000_000).expect("a time");
    let subnet = |id: &str, zone: &str| Subnet {
        id: id.to_owned(),
        vpc_id: "vpc-1".to_owned(),
        zone: zone.to_owned(),
        locale: "availability-zone".to_owned(),
        free_addresses: 200,
        ipv6: false,
        public: Some(false),
        tags: [("kubernetes.io/role/internal-elb".to_owned(), "1".to_owned())].into(),
    };
    let mut case = Case::new("");
    assert_eq!(case.faults(Topic::Subnets), Vec::<String>::new(), "nothing was read");
    case.facts.vpc_id = Some("vpc-1".to_owned());
    case.facts.subnets = Some(Aged { value: vec![subnet("subnet-1", "a"), subnet("subnet-2", "b")], read_at });
    one(&case.faults(Topic::Subnets), "warns scheme internet-facing: ", "couldn't auto-discover subnets");
    let limits = [("rules-per-application-load-balancer".to_owned(), 50)].into();
    case.facts.account_limits = Some(Aged { value: limits, read_at });
    let faults = case.faults(Topic::Quotas);
    assert!(faults[0].starts_with("warns rules-per-application-load-balancer: 50 "), "{faults:#?}");
    case.settings.security_group_rules_quota = Some(60);
    assert_eq!(case.faults(Topic::Quotas).len(), 1);
}

#[test]
fn the_clock_and_what_may_not_be_read_are_told() {
    let mut case = Case::new("");
    for (ahead, start) in
        [(3, ""), (-20, "warns : this machine is 20 s behind"), (400, "blocks : this machine is 400 s ahead of")]
    {
        case.found.clock = Some(ahead);
        let faults = case.faults(Topic::Clock);
        assert!(if start.is_empty() { faults.is_empty() } else { faults[0].starts_with(start) }, "{faults:#?}");
    }
    case.found.unread = vec!["cannot list pods: forbidden".to_owned()];
    one(&case.faults(Topic::Unread), "blocks : cannot list pods", "");
}
