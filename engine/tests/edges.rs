//! Edges of what the predecessor takes: what it looks at only where it counts does no harm elsewhere, and what it takes for a
//! fault is one here.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is what a test has for a fault"
)]

mod subnet;

use std::collections::BTreeMap;

use albedo_engine::facts::{Aged, Facts};
use albedo_engine::finding::{Code, Effect};
use albedo_engine::link::{Input, Linked, MemberState, link};
use albedo_engine::manifest::{Manifests, Source};
use albedo_engine::settings::Settings;
use albedo_engine::stack::{Action, Desired, Listener, TargetGroup};
use albedo_engine::world::Overlay;
use jiff::Timestamp;
use serde_json::{Value, json};
use subnet::subnet;

const P: &str = "alb.ingress.kubernetes.io/";
const CERTIFICATE: &str = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-4000-8000-000000000001";
const BOTH: &str = r#"[{"HTTP": 80}, {"HTTPS": 443}]"#;
const OIDC: &str = r#"{"issuer": "https://id.example.com", "authorizationEndpoint": "https://id.example.com/a",
    "tokenEndpoint": "https://id.example.com/t", "userInfoEndpoint": "https://id.example.com/u", "secretName": "none"}"#;

type Annotations<'a> = &'a [(&'a str, &'a str)];

fn annotated(annotations: Annotations<'_>) -> BTreeMap<String, String> {
    annotations.iter().map(|(key, value)| (format!("{P}{key}"), (*value).to_owned())).collect()
}

fn backend(service: &str, port: &Value) -> Value {
    let kind = if port.is_string() { "name" } else { "number" };
    json!({"service": {"name": service, "port": {kind: port}}})
}

fn rules(path: &str, kind: &str, service: &str, port: &Value) -> Value {
    json!({"rules": [{"http": {"paths": [{"path": path, "pathType": kind, "backend": backend(service, port)}]}}]})
}

/// The rules of most: all paths to port 80 of the Service `app`.
fn plain() -> Value {
    rules("/", "Prefix", "app", &json!(80))
}

fn ingress(name: &str, annotations: Annotations<'_>, mut spec: Value) -> Value {
    if spec["ingressClassName"].is_null() {
        spec["ingressClassName"] = json!("alb");
    }
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": spec,
        "metadata": {"name": name, "namespace": "ns", "annotations": annotated(annotations)}})
}

fn service(annotations: Annotations<'_>, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "spec": spec,
        "metadata": {"name": "app", "namespace": "ns", "annotations": annotated(annotations)}})
}

/// The Service of most: one port without a name, open on the nodes.
fn app(annotations: Annotations<'_>) -> Value {
    service(annotations, &json!({"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}))
}

/// A class whose parameters say something.
fn class(name: &str, spec: &Value) -> [Value; 2] {
    let reference = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": name});
    [
        json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams", "metadata": {"name": name}, "spec": spec}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
            "spec": {"controller": "ingress.k8s.aws/alb", "parameters": reference}}),
    ]
}

fn facts() -> Facts {
    let subnet = |id: &str, zone: &str| subnet(id, zone, &[("kubernetes.io/role/internal-elb", "1")]);
    let read_at = Timestamp::UNIX_EPOCH;
    let there = |kind: &str| {
        let arn = format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:{kind}/there/0123456789abcdef");
        Some(Aged { value: BTreeMap::from([("there".to_owned(), arn)]), read_at })
    };
    Facts {
        vpc_id: Some("vpc-1".to_owned()),
        subnets: Some(Aged { value: vec![subnet("subnet-1", "a"), subnet("subnet-2", "b")], read_at }),
        target_groups: None,
        target_group_names: there("targetgroup"),
        trust_stores: there("truststore"),
        ..Facts::default()
    }
}

/// The one group of some objects.
fn linked(objects: &[Value]) -> Linked {
    linked_with(&Settings::new("cluster"), objects)
}

fn linked_with(settings: &Settings, objects: &[Value]) -> Linked {
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let sources = vec![Source::new("objects", text.join("\n---\n").into_bytes(), true)];
    let mut manifests = Manifests::read(sources, settings, "default");
    assert!(manifests.faults.is_empty(), "{:?}", manifests.faults);
    manifests.assume_classes();
    let groups: Vec<_> = manifests.world.group_ids().into_iter().collect();
    let [group] = groups.as_slice() else { panic!("{groups:?}") };
    let view = manifests.world.view(group, &Overlay::None);
    link(Input { settings, view: &view, facts: &facts(), existing: None, now: Timestamp::UNIX_EPOCH })
}

fn desired(linked: &Linked) -> &Desired {
    let all = linked.members.iter().all(|member| member.state == MemberState::Linked);
    linked.desired.as_ref().filter(|_| all).unwrap_or_else(|| panic!("{:#?}", linked.members))
}

fn listener(linked: &Linked, port: u16) -> &Listener {
    desired(linked).listeners.get(&port).expect("a listener")
}

fn target_group(linked: &Linked) -> &TargetGroup {
    desired(linked).target_groups.values().next().expect("a target group")
}

/// The code for which the one member is quarantined.
fn fault(linked: &Linked) -> Option<Code> {
    linked.findings().find(|finding| finding.effect == Effect::MemberQuarantined).map(|finding| finding.code)
}

#[test]
fn who_asks_for_an_action_that_is_not_written_logs_in_first() {
    let annotations = [
        ("certificate-arn", CERTIFICATE),
        ("listen-ports", BOTH),
        ("auth-type", "cognito"),
        (
            "auth-idp-cognito",
            r#"{"userPoolARN": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_x", "userPoolClientID": "c", "userPoolDomain": "d"}"#,
        ),
    ];
    let linked = linked(&[ingress("a", &annotations, rules("/", "Prefix", "none", &json!("use-annotation")))]);
    let actions = |port| listener(&linked, port).rules.first().map(|rule| &*rule.actions);
    assert!(matches!(actions(443), Some([Action::AuthenticateCognito(_), Action::FixedResponse(_)])), "{linked:?}");
    assert!(matches!(actions(80), Some([Action::FixedResponse(_)])), "{linked:?}");
}

#[test]
fn what_logging_in_needs_is_looked_for_on_https_listeners_alone() {
    let of_type = ("auth-type", "oidc");
    for annotations in [&[of_type][..], &[of_type, ("auth-idp-oidc", OIDC)]] {
        let plain_http = linked(&[ingress("a", annotations, plain()), app(&[])]);
        assert_eq!(listener(&plain_http, 80).rules.first().map(|rule| rule.actions.len()), Some(1));
        let https = [annotations, &[("certificate-arn", CERTIFICATE)]].concat();
        let https = linked(&[ingress("a", &https, plain()), app(&[])]);
        let code = if annotations.len() == 1 { Code::InvalidAuthentication } else { Code::MissingSecret };
        assert_eq!(fault(&https), Some(code));
    }
    let malformed = [of_type, ("auth-idp-oidc", "{")];
    assert_eq!(fault(&linked(&[ingress("a", &malformed, plain()), app(&[])])), Some(Code::InvalidAuthentication));
}

/// An identity provider that cannot be read opens no backend, whoever wrote it.
#[test]
fn who_logs_in_by_a_services_annotations_is_not_let_in_without() {
    let certificate = ("certificate-arn", CERTIFICATE);
    let malformed = [("auth-type", "oidc"), ("auth-idp-oidc", "{")];
    for of_ingress in [&[certificate][..], &[certificate, ("auth-type", "oidc")]] {
        let linked = linked(&[ingress("a", of_ingress, plain()), app(&malformed)]);
        assert_eq!(fault(&linked), Some(Code::InvalidAuthentication), "{linked:#?}");
    }
}

#[test]
fn what_is_read_for_some_paths_and_targets_alone_does_no_harm_to_others() {
    let regex = [("use-regex-path-match", "yes")];
    assert_eq!(fault(&linked(&[ingress("a", &regex, plain()), app(&[])])), None);
    let any = rules("/x", "ImplementationSpecific", "app", &json!(80));
    assert_eq!(fault(&linked(&[ingress("a", &regex, any), app(&[])])), Some(Code::InvalidValue));

    let labels = |kind| [("target-node-labels", "pool"), ("target-type", kind)];
    assert_eq!(fault(&linked(&[ingress("a", &labels("ip"), plain()), app(&[])])), None);
    assert_eq!(fault(&linked(&[ingress("a", &labels("instance"), plain()), app(&[])])), Some(Code::InvalidValue));
}

#[test]
fn a_services_target_control_port_wins() {
    const KEY: &str = "target-control-port.app.80";
    let of_ingress = [("target-type", "ip"), (KEY, "3000")];
    for (annotations, of_service, expected) in [
        (&of_ingress[..], &[][..], 3000),
        (&of_ingress, &[(KEY, "4000")], 4000),
        (&of_ingress[..1], &[(KEY, "4000")], 4000),
    ] {
        let linked = linked(&[ingress("a", annotations, plain()), app(of_service)]);
        assert_eq!(target_group(&linked).target_control_port, Some(expected));
    }
}

#[test]
fn what_cannot_be_read_on_a_service_is_no_less_a_fault() {
    for (annotation, code) in [("tags", Code::InvalidTags), ("multi-cluster-target-group", Code::InvalidValue)] {
        let linked = linked(&[ingress("a", &[], plain()), app(&[(annotation, "x")])]);
        assert_eq!(fault(&linked), Some(code), "{annotation}");
    }
    let own = [("multi-cluster-target-group", "true")];
    let bindings = |linked: &Linked| desired(linked).bindings.values().all(|binding| binding.multi_cluster);
    assert!(bindings(&linked(&[ingress("a", &own, plain()), app(&[("multi-cluster-target-group", "false")])])));
}

#[test]
fn the_empty_name_is_that_of_the_port_without_one() {
    let action =
        r#"{"type": "forward", "forwardConfig": {"targetGroups": [{"serviceName": "app", "servicePort": ""}]}}"#;
    let annotations = [("actions.x", action), ("healthcheck-port", "")];
    let linked = linked(&[ingress("a", &annotations, rules("/", "Prefix", "x", &json!("use-annotation"))), app(&[])]);
    let group = target_group(&linked);
    assert_eq!((group.port, group.health_check.port.as_str()), (30080, "30080"));
}

#[test]
fn who_opens_no_port_has_neither_rules_nor_target_groups() {
    let linked = linked(&[ingress("a", &[("listen-ports", "[{}]")], plain()), app(&[])]);
    let desired = desired(&linked);
    assert_eq!((desired.listeners.len(), desired.target_groups.len(), desired.bindings.len()), (0, 0, 0));
    assert!(desired.load_balancer.is_some());
}

#[test]
fn mutual_authentication_says_something() {
    let with = |raw| {
        let annotations = [("certificate-arn", CERTIFICATE), ("mutual-authentication", raw)];
        fault(&linked(&[ingress("a", &annotations, plain()), app(&[])]))
    };
    assert_eq!(with("[]"), Some(Code::InvalidMutualAuthentication));
    assert_eq!(with(r#"[{"port": 443, "mode": "off", "trustStore": ""}]"#), None);
}

/// AWS says "contains a character that is not valid"; of what its documentation leaves out alone nobody is refused.
#[test]
fn what_aws_takes_in_hosts_and_paths() {
    let said = |host: &str, path: &str, kind: &str| {
        let mut spec = rules(path, kind, "app", &json!(80));
        spec["rules"][0]["host"] = json!(host);
        let linked = linked(&[ingress("a", &[], spec), app(&[])]);
        assert!(desired(&linked).load_balancer.is_some());
        linked.findings().map(|finding| (finding.code, finding.path.0.clone())).collect::<Vec<_>>()
    };
    let (of_host, of_path) = ("spec.rules[0].host".to_owned(), "spec.rules[0].http.paths[0].path".to_owned());
    let long = format!("{}.example.com", ["x".repeat(60), "y".repeat(60)].join("."));
    let any = "ImplementationSpecific";
    assert_eq!(said("a.example.com", "/a_b-c.d$e/~f@g:h+i&*?", any), []);
    assert_eq!(said("a.example.com", "/api(/|$)(.*)", any), [(Code::InvalidPath, of_path.clone())]);
    assert_eq!(said("a.example.com", "/{id}", "Exact"), [(Code::InvalidPath, of_path.clone())]);
    assert_eq!(said("a.example.com", "/a,b", "Prefix"), [(Code::UnfamiliarValue, of_path)]);
    for host in ["app", "a.c0m"] {
        assert_eq!(said(host, "/", "Prefix"), [(Code::InvalidHost, of_host.clone())], "{host}");
    }
    assert_eq!(said("*.example.com", "/", "Prefix"), []);
    assert_eq!(said(&long, "/", "Prefix"), [(Code::RuleTooLarge, of_host)]);
}

#[test]
fn what_is_named_by_its_arn_is_there() {
    let arn =
        |kind: &str| format!("arn:aws:elasticloadbalancing:eu-central-1:123456789012:{kind}/there/0123456789abcdef");
    let with = |annotations: Annotations<'_>| {
        let spec = rules("/", "Prefix", "x", &json!("use-annotation"));
        fault(&linked(&[ingress("a", annotations, spec)]))
    };
    let forward = |arn: &str| with(&[("actions.x", &json!({"type": "forward", "targetGroupARN": arn}).to_string())]);
    assert_eq!(forward(&arn("targetgroup")), None);
    assert_eq!(forward(&arn("targetgroup").replace("there", "gone")), Some(Code::TargetGroupNotFound));
    let mutual = |port: u16, store: &str| {
        let mutual = json!([{"port": port, "mode": "verify", "trustStore": store}]).to_string();
        with(&[("certificate-arn", CERTIFICATE), ("mutual-authentication", &mutual)])
    };
    let gone = arn("truststore").replace("there", "gone");
    assert_eq!((mutual(443, &arn("truststore")), mutual(443, "there")), (None, None));
    assert_eq!(mutual(443, &gone), Some(Code::TrustStoreNotFound));
    assert_eq!(mutual(8443, &gone), None, "no listener has it");
    assert_eq!(mutual(8443, "gone"), Some(Code::TrustStoreNotFound), "names are looked up all the same");
}

/// Members of one group, one of which has a class whose parameters name a port to redirect to.
#[test]
fn a_redirect_of_the_class() {
    let with = |port: &str, annotations: Annotations<'_>| {
        let both = [("group.name", "g"), ("certificate-arn", CERTIFICATE), ("listen-ports", BOTH)];
        let mut spec = plain();
        spec["ingressClassName"] = json!("redirecting");
        let other = [&both[..], annotations].concat();
        let mut objects = vec![app(&[]), ingress("a", &both, spec), ingress("b", &other, plain())];
        objects.extend(class("redirecting", &json!({"sslRedirectPort": port})));
        linked(&objects)
    };
    let redirects = |linked: &Linked| matches!(&listener(linked, 80).default_actions[..], [Action::Redirect(_)]);
    let asked = [("ssl-redirect", "443")];
    assert!(redirects(&with("443", &[])));
    assert!(redirects(&with("+443", &asked)));
    assert!(redirects(&with("", &asked)), "the empty text says nothing");
    assert!(!redirects(&with("https", &asked)), "no number: nobody's HTTP is redirected");
    assert_eq!(fault(&with("70000", &[])), Some(Code::InvalidParameters));
}

#[test]
fn default_backends_do_not_conflict_where_http_is_redirected() {
    let with = |annotations: Annotations<'_>| {
        let spec = || json!({"defaultBackend": backend("app", &json!(80))});
        let secure = [("group.name", "g"), ("certificate-arn", CERTIFICATE), ("listen-ports", BOTH)];
        let first = [&secure[..], annotations].concat();
        linked(&[app(&[]), ingress("a", &first, spec()), ingress("b", &[("group.name", "g")], spec())])
    };
    let redirected = with(&[("ssl-redirect", "443")]);
    assert!(matches!(&listener(&redirected, 80).default_actions[..], [Action::Redirect(_)]));
    assert!(matches!(&listener(&redirected, 443).default_actions[..], [Action::Forward(_)]));
    assert_eq!(desired(&redirected).target_groups.len(), 1, "nothing leads to the other's");
    assert!(with(&[]).findings().any(|finding| finding.code == Code::ListenerConflict));
}

/// A redirect that cannot be had takes nobody's default backend away: they conflict with each other as without it.
#[test]
fn who_is_quarantined_does_not_redirect() {
    let spec = || json!({"defaultBackend": backend("app", &json!(80))});
    let member = |name: &str, more: Annotations<'_>| ingress(name, &[&[("group.name", "g")], more].concat(), spec());
    let asking = ingress("c", &[("group.name", "g"), ("ssl-redirect", "443")], plain());
    let linked = linked(&[app(&[]), member("a", &[]), member("b", &[]), asking]);
    let states: Vec<MemberState> = linked.members.iter().map(|member| member.state).collect();
    assert_eq!(
        states,
        [MemberState::Linked, MemberState::Quarantined, MemberState::Quarantined],
        "{:#?}",
        linked.members
    );
    let codes: Vec<Code> = linked.findings().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::ListenerConflict, Code::InvalidSslRedirect]);
}

/// With `--feature-gates=WeightedTargetGroups=false` a forward names its target group by ARN alone, and several are a fault.
#[test]
fn weights_need_their_gate() {
    let forward = |groups: &Value, stickiness: &Value| {
        json!({"type": "forward", "forwardConfig": {"targetGroups": groups, "targetGroupStickinessConfig": stickiness}})
            .to_string()
    };
    let build = |open: bool, groups: &Value| {
        let mut settings = Settings::new("cluster");
        settings.gates.insert("WeightedTargetGroups".to_owned(), open);
        let action = forward(groups, &json!({"enabled": true, "durationSeconds": 60}));
        let one = ingress("web", &[("actions.go", &action)], rules("/", "Prefix", "go", &json!("use-annotation")));
        linked_with(&settings, &[one, app(&[])])
    };
    let tuple = |weight: i32| json!({"serviceName": "app", "servicePort": 80, "weight": weight});
    let one = json!([tuple(7)]);
    let action = |linked: &Linked| match &*listener(linked, 80).rules[0].actions {
        [Action::Forward(forward)] => (forward.target_groups[0].weight, forward.stickiness.is_some()),
        other => panic!("{other:?}"),
    };
    assert_eq!(action(&build(true, &one)), (Some(7), true));
    assert_eq!(action(&build(false, &one)), (None, false));
    let two = json!([tuple(1), tuple(2)]);
    assert_eq!(fault(&build(true, &two)), None);
    assert_eq!(fault(&build(false, &two)), Some(Code::InvalidAction));
}

/// `--required-secrets-label`.
#[test]
fn a_secret_carries_the_label_that_the_operator_asks_for() {
    let build = |wanted: &[(&str, &str)], labels: &Value| {
        let mut settings = Settings::new("cluster");
        settings.required_secret_labels =
            wanted.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let annotations = [("certificate-arn", CERTIFICATE), ("auth-type", "oidc"), ("auth-idp-oidc", OIDC)];
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "none", "namespace": "ns",
            "labels": labels}, "stringData": {"clientID": "a", "clientSecret": "b"}});
        linked_with(&settings, &[ingress("web", &annotations, plain()), app(&[]), secret])
    };
    let wanted = [("for", "albedo")];
    assert_eq!(fault(&build(&[], &json!({}))), None);
    assert_eq!(fault(&build(&wanted, &json!({"for": "albedo", "team": "shop"}))), None);
    for labels in [json!({}), json!({"for": "others"})] {
        assert_eq!(fault(&build(&wanted, &labels)), Some(Code::MissingSecret), "{labels}");
    }
}
