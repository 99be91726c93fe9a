//! The predecessor's own vectors, from Ingresses to what is built of them: paths, their order, conditions, the optimiser on
//! HTTPS, certificates, redirects, JSON in any case, and one build as a whole. Names and string maps are beside their code.

#![expect(clippy::expect_used, clippy::panic, reason = "a panic is what a test has for a fault")]

use std::collections::BTreeMap;

use albedo_engine::facts::{Aged, Facts};
use albedo_engine::finding::Code;
use albedo_engine::link::{Existing, Input, Linked, MemberState, link};
use albedo_engine::settings::{CONTROLLER, Gate, Settings};
use albedo_engine::stack::{
    Action, Condition, Desired, FixedResponse, GroupId, IpAddressType, Patterns, Protocol, ProtocolVersion, Ref,
    ResourceId, Rule, Scheme, ServicePort, TargetType,
};
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{Value, json};

const P: &str = "alb.ingress.kubernetes.io/";
const CERTIFICATE: &str = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-4000-8000-00000000000";
const ANY: &str = "ImplementationSpecific";
const FIXED: &str = r#"{"type": "fixed-response", "fixedResponseConfig": {"statusCode": "200"}}"#;

/// An Ingress of `ns-1`, its annotations without their prefix.
#[expect(clippy::needless_pass_by_value, reason = "every caller makes the rules on the spot")]
fn ingress(name: &str, annotations: &[(&str, &str)], rules: Value) -> Ingress {
    let annotations: BTreeMap<String, String> =
        annotations.iter().map(|(key, value)| (format!("{P}{key}"), (*value).to_owned())).collect();
    let object = json!({"metadata": {"name": name, "namespace": "ns-1", "uid": name, "annotations": annotations},
        "spec": {"ingressClassName": "alb", "rules": rules}});
    serde_json::from_value(object).expect("an Ingress")
}

fn link_all(ingresses: Vec<Ingress>, services: Vec<Value>, group: &GroupId) -> Linked {
    link_in(Settings::new("cluster-dummy"), &Facts::default(), ingresses, services, group)
}

fn link_in(
    settings: Settings,
    facts: &Facts,
    ingresses: Vec<Ingress>,
    services: Vec<Value>,
    group: &GroupId,
) -> Linked {
    let mut world = World::new(settings);
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    for service in services {
        let service: Service = serde_json::from_value(service).expect("a Service");
        world.apply(Object::Service(Box::new(service)));
    }
    for one in ingresses {
        world.apply(Object::Ingress(Box::new(one)));
    }
    let view = world.view(group, &Overlay::None);
    let settings = world.settings();
    let existing = Existing::new(Scheme::Internal, vec!["subnet-1".to_owned()]);
    let existing = Some(&existing);
    link(Input { settings: &settings, view: &view, facts, existing, now: Timestamp::UNIX_EPOCH })
}

/// One Ingress whose backends are actions.
fn alone(annotations: &[(&str, &str)], rules: Value) -> Linked {
    let group = GroupId::Implicit { namespace: "ns-1".to_owned(), name: "a".to_owned() };
    link_all(vec![ingress("a", annotations, rules)], Vec::new(), &group)
}

fn desired(linked: &Linked) -> &Desired {
    linked.desired.as_ref().unwrap_or_else(|| panic!("blocked: {:?}", linked.members))
}

fn rules(linked: &Linked, port: u16) -> &[Rule] {
    &desired(linked).listeners.get(&port).expect("a listener").rules
}

fn path(path: &str, kind: &str, action: &str) -> Value {
    json!({"path": path, "pathType": kind, "backend": {"service": {"name": action, "port": {"name": "use-annotation"}}}})
}

fn paths_of(rule: &Rule) -> &Patterns {
    let found = rule.conditions.iter().find_map(|condition| match condition {
        Condition::PathPattern(patterns) => Some(patterns),
        _ => None,
    });
    found.expect("a path")
}

fn first_paths(rules: &[Rule]) -> Vec<&str> {
    rules.iter().map(|rule| paths_of(rule).values.first().expect("a value").as_str()).collect()
}

#[test]
fn paths_become_patterns() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("Exact", "/abc/", &["/abc/"]),
        ("Prefix", "/", &["/*"]),
        ("Prefix", "/abc", &["/abc", "/abc/*"]),
        ("Prefix", "/abc/", &["/abc", "/abc/*"]),
        ("Prefix", "/abc/def/", &["/abc/def", "/abc/def/*"]),
        (ANY, "/*", &["/*"]),
        (ANY, "/?", &["/?"]),
        (ANY, "/abc/", &["/abc/"]),
    ];
    for (kind, given, expected) in cases {
        let linked = alone(&[("actions.x", FIXED)], json!([{"http": {"paths": [path(given, kind, "x")]}}]));
        let patterns = paths_of(rules(&linked, 80).first().expect("a rule"));
        assert_eq!(patterns.values, *expected, "{kind} {given}");
        assert!(patterns.regex_values.is_empty(), "{kind} {given}");
    }
    for (kind, given) in [("Exact", "/*"), ("Exact", "/?"), ("Prefix", "/*")] {
        let linked = alone(&[("actions.x", FIXED)], json!([{"http": {"paths": [path(given, kind, "x")]}}]));
        assert!(linked.findings().any(|finding| finding.code == Code::InvalidPath), "{kind} {given}");
    }
    let annotations = [("actions.x", FIXED), ("use-regex-path-match", "true")];
    let linked = alone(&annotations, json!([{"http": {"paths": [path("/^/api/.+$", ANY, "x")]}}]));
    let patterns = paths_of(rules(&linked, 80).first().expect("a rule"));
    assert_eq!((patterns.values.len(), &patterns.regex_values[..]), (0, &["^/api/.+$".to_owned()][..]));
}

#[test]
fn paths_are_sorted_by_type_then_length() {
    let given = [
        path("/aaa", "Exact", "x"),
        path("/abc", "Prefix", "x"),
        path("/aaa/bbb", "Prefix", "x"),
        path("/ccc", "ImplementationSpecific", "x"),
        path("/z", "ImplementationSpecific", "x"),
    ];
    let linked = alone(&[("actions.x", FIXED)], json!([{"http": {"paths": given}}]));
    assert_eq!(first_paths(rules(&linked, 80)), ["/aaa", "/aaa/bbb", "/abc", "/ccc", "/z"]);
}

#[test]
fn hosts_and_paths_of_conditions_join_those_of_the_rule() {
    let condition = |field: &str, config: &str, values: Value| json!([{"field": field, config: values}]).to_string();
    let build = |conditions: &str| {
        let rule = json!([{"host": "example.com", "http": {"paths": [path("/api", "Prefix", "x")]}}]);
        alone(&[("actions.x", FIXED), ("conditions.x", conditions)], rule)
    };
    let hosts = build(&condition("host-header", "hostHeaderConfig", json!({"values": ["another-example.com"]})));
    let host = rules(&hosts, 80).first().and_then(|rule| rule.conditions.first());
    let both = ["example.com".to_owned(), "another-example.com".to_owned()];
    assert!(matches!(host, Some(Condition::HostHeader(patterns)) if patterns.values == both), "{host:?}");
    assert_eq!(rules(&hosts, 80).first().map(|rule| rule.conditions.len()), Some(2));

    let paths = build(&condition("path-pattern", "pathPatternConfig", json!({"values": ["/another-api/*"]})));
    let patterns = paths_of(rules(&paths, 80).first().expect("a rule"));
    assert_eq!(patterns.values, ["/api", "/api/*", "/another-api/*"]);

    let mixed = build(&condition("host-header", "hostHeaderConfig", json!({"regexValues": ["^a$", "^b$"]})));
    let message = "host condition must specify exactly one of Values and RegexValues, got both Values [example.com] and RegexValues [^a$ ^b$]";
    assert!(mixed.findings().any(|finding| finding.message.contains(message)), "{:?}", mixed.members);
}

#[test]
fn redirects_on_https_are_dropped_when_they_loop_and_shadow_what_follows() {
    let certificate = format!("{CERTIFICATE}1");
    let action = |to: Value| json!({"type": "redirect", "redirectConfig": to}).to_string();
    let to_app = action(json!({"path": "/app", "statusCode": "HTTP_301"}));
    let status_only = action(json!({"statusCode": "HTTP_301"}));
    let home = action(json!({"host": "home.example.com", "statusCode": "HTTP_301"}));
    let narrow = json!([{"field": "query-string", "queryStringConfig": {"values": [{"key": "k", "value": "v"}]}}]);
    let narrow = narrow.to_string();
    let build = |second: &str, conditions: Option<&str>| {
        let mut annotations = vec![
            ("certificate-arn", certificate.as_str()),
            ("actions.www", to_app.as_str()),
            ("actions.second", second),
            ("actions.app", FIXED),
        ];
        annotations.extend(conditions.map(|conditions| ("conditions.second", conditions)));
        let paths = [path("/www", ANY, "www"), path("/*", ANY, "second"), path("/app", ANY, "app")];
        let linked = alone(&annotations, json!([{"http": {"paths": paths}}]));
        first_paths(rules(&linked, 443)).into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(build(&status_only, None), ["/www", "/app"]);
    assert_eq!(build(&home, None), ["/www", "/*"]);
    assert_eq!(build(&home, Some(&narrow)), ["/www", "/*", "/app"], "a qualified redirect shadows nothing");
}

#[test]
fn certificates_come_from_those_who_have_any() {
    let group = GroupId::Explicit("g".to_owned());
    let rule = json!([{"http": {"paths": [path("/", "Prefix", "x")]}}]);
    let ninth = format!("{CERTIFICATE}9");
    let build = |first: &[(&str, &str)]| {
        let first = [&[("group.name", "g"), ("actions.x", FIXED)], first].concat();
        let second = [("group.name", "g"), ("actions.x", FIXED), ("certificate-arn", ninth.as_str())];
        let members = vec![ingress("a", &first, rule.clone()), ingress("b", &second, rule.clone())];
        link_all(members, Vec::new(), &group)
    };
    let plain = build(&[]);
    assert_eq!(
        desired(&plain).listeners.get(&443).map(|listener| listener.certificates.clone()),
        Some(vec![ninth.clone()])
    );
    assert_eq!(desired(&plain).listeners.get(&443).map(|listener| listener.rules.len()), Some(1));
}

#[test]
fn who_names_no_host_takes_the_certificates_of_others_on_its_port() {
    let group = GroupId::Explicit("g".to_owned());
    let facts =
        Facts { certificates: Some(Aged { value: Vec::new(), read_at: Timestamp::UNIX_EPOCH }), ..Facts::default() };
    let rule = json!([{"http": {"paths": [path("/", "Prefix", "x")]}}]);
    let own = [("group.name", "g"), ("actions.x", FIXED)];
    let certificate = format!("{CERTIFICATE}1");
    let bare = |listen: &str| ingress("a", &[&own[..], &[("listen-ports", listen)]].concat(), rule.clone());
    let served = ingress("b", &[&own[..], &[("certificate-arn", certificate.as_str())]].concat(), rule.clone());
    for (listen, linked) in [(r#"[{"HTTPS": 443}]"#, 2), (r#"[{"HTTPS": 443}, {"HTTPS": 8443}]"#, 1)] {
        let members = vec![bare(listen), served.clone()];
        let outcome = link_in(Settings::new("cluster-dummy"), &facts, members, Vec::new(), &group);
        let states = outcome.members.iter().filter(|member| member.state == MemberState::Linked);
        assert_eq!(states.count(), linked, "{listen}: {:?}", outcome.members);
    }
}

#[test]
fn requested_certificates_are_ignored_while_their_gate_is_shut() {
    let group = GroupId::Implicit { namespace: "ns-1".to_owned(), name: "a".to_owned() };
    let certificate = format!("{CERTIFICATE}1");
    let named = ("certificate-arn", certificate.as_str());
    let build = |open: bool, annotations: &[(&str, &str)]| {
        let mut settings = Settings::new("cluster-dummy");
        settings.gates.insert(Gate::EnableCertificateManagement.name().to_owned(), open);
        let all = [&[("actions.x", FIXED)][..], annotations].concat();
        let one = ingress("a", &all, json!([{"host": "a.b", "http": {"paths": [path("/", "Prefix", "x")]}}]));
        link_in(settings, &Facts::default(), vec![one], Vec::new(), &group)
    };
    let found = |linked: &Linked| linked.findings().filter(|one| one.code == Code::NotYetProvisioned).count();
    let plain = build(false, &[]);
    let ignored = build(false, &[("create-acm-cert", "true"), ("acm-pca-arn", "arn:aws:acm-pca:r:1:x")]);
    assert_eq!(ignored.desired, plain.desired, "exactly as if they were not there");
    assert_eq!((found(&plain), found(&ignored)), (0, 2));
    assert_eq!(found(&build(true, &[("create-acm-cert", "maybe")])), 0, "what cannot be read counts as false");
    assert_eq!(build(true, &[("create-acm-cert", "true")]).desired, None, "it must not listen for HTTP instead");
    assert!(build(true, &[("create-acm-cert", "true"), named]).desired.is_some(), "one that is named is used");
}

#[test]
fn two_redirects_to_tls_conflict() {
    let group = GroupId::Explicit("g".to_owned());
    let certificate = format!("{CERTIFICATE}1");
    let member = |name: &str, port: &str| {
        let listen = r#"[{"HTTPS": 443}, {"HTTPS": 8443}, {"HTTP": 80}]"#;
        let annotations = [
            ("group.name", "g"),
            ("actions.x", FIXED),
            ("certificate-arn", certificate.as_str()),
            ("listen-ports", listen),
            ("ssl-redirect", port),
        ];
        ingress(name, &annotations, json!([{"http": {"paths": [path("/", "Prefix", "x")]}}]))
    };
    let linked = link_all(vec![member("a", "443"), member("b", "8443")], Vec::new(), &group);
    let message = "conflicting ssl-redirect, ns-1/b: 8443 | ns-1/a: 443";
    assert!(linked.findings().any(|finding| finding.message.contains(message)), "{:?}", linked.members);
}

#[test]
fn json_keys_count_in_any_case() {
    let certificate = format!("{CERTIFICATE}1");
    let build = |cognito: &str, action: &str| {
        let annotations = [
            ("certificate-arn", certificate.as_str()),
            ("auth-type", "cognito"),
            ("auth-idp-cognito", cognito),
            ("actions.x", action),
        ];
        let linked = alone(&annotations, json!([{"http": {"paths": [path("/a", "Exact", "x")]}}]));
        rules(&linked, 443).first().expect("a rule").actions.clone()
    };
    let documented = build(
        r#"{"userPoolARN": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_x", "userPoolClientID": "b", "userPoolDomain": "c"}"#,
        r#"{"type": "redirect", "redirectConfig": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301", "path": "/b"}}"#,
    );
    let pascal = build(
        r#"{"UserPoolArn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_x", "UserPoolClientId": "b", "UserPoolDomain": "c"}"#,
        r#"{"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301", "Path": "/b"}}"#,
    );
    assert_eq!(documented, pascal);
    assert!(matches!(&documented[..], [Action::AuthenticateCognito(_), Action::Redirect(_)]), "{documented:?}");
}

/// The Ingress and Services of the predecessor's example of a whole build.
fn example() -> Linked {
    let service = |name: &str, kind: &str, annotations: Value, node_port: u16| {
        json!({"metadata": {"name": name, "namespace": "ns-1", "uid": "", "annotations": annotations},
            "spec": {"type": kind, "ports": [
                {"name": "http", "port": 80, "targetPort": 8080, "nodePort": node_port},
                {"name": "https", "port": 443, "targetPort": 8443, "nodePort": node_port + 100}]}})
    };
    let third: BTreeMap<String, &str> = [
        ("target-type", "ip"),
        ("backend-protocol", "HTTPS"),
        ("healthcheck-port", "9090"),
        ("healthcheck-protocol", "HTTPS"),
        ("healthcheck-path", "/health-check"),
        ("healthcheck-interval-seconds", "20"),
        ("healthcheck-timeout-seconds", "10"),
        ("healthy-threshold-count", "7"),
        ("unhealthy-threshold-count", "5"),
        ("success-codes", "200-300"),
    ]
    .map(|(key, value)| (format!("{P}{key}"), value))
    .into();
    let services = vec![
        service("svc-1", "NodePort", json!({}), 32768),
        service("svc-2", "NodePort", json!({}), 32769),
        service("svc-3", "ClusterIP", json!(third), 32770),
    ];
    let backend = |given: &str, service: &str, port: &str| {
        json!({"path": given, "pathType": "ImplementationSpecific",
            "backend": {"service": {"name": service, "port": {"name": port}}}})
    };
    let rules = json!([
        {"host": "app-1.example.com", "http": {"paths": [
            backend("/svc-1", "svc-1", "http"), backend("/svc-2", "svc-2", "http")]}},
        {"host": "app-2.example.com", "http": {"paths": [backend("/svc-3", "svc-3", "https")]}},
    ]);
    let group = GroupId::Implicit { namespace: "ns-1".to_owned(), name: "ing-1".to_owned() };
    link_all(vec![ingress("ing-1", &[], rules)], services, &group)
}

#[test]
fn a_whole_build() {
    let linked = example();
    let desired = desired(&linked);
    let balancer = desired.load_balancer.as_ref().expect("a load balancer");
    assert_eq!(
        (balancer.name.as_str(), balancer.scheme, balancer.ip_address_type),
        ("k8s-ns1-ing1-b7e914000d", Scheme::Internal, IpAddressType::Ipv4)
    );
    let groups = [ResourceId::managed_security_group(), ResourceId::backend_security_group()].map(Ref::Of);
    assert_eq!(balancer.security_groups, groups);
    let managed = desired.security_group.as_ref().expect("a security group");
    assert_eq!(managed.name, "k8s-ns1-ing1-bd83176788");
    assert_eq!(managed.ingress.iter().map(ToString::to_string).collect::<Vec<_>>(), ["tcp 80 from 0.0.0.0/0"]);
    let listener = desired.listeners.get(&80).expect("a listener");
    assert_eq!((desired.listeners.len(), listener.protocol), (1, Protocol::Http));
    let not_found = FixedResponse {
        content_type: Some("text/plain".to_owned()),
        message_body: None,
        status_code: "404".to_owned(),
    };
    assert_eq!(listener.default_actions, [Action::FixedResponse(not_found)]);
    for (rule, number) in listener.rules.iter().zip(1..) {
        assert_eq!(rule.priority, number);
        assert!(
            matches!(&rule.conditions[..], [Condition::HostHeader(_), Condition::PathPattern(_)]),
            "{:?}",
            rule.conditions
        );
        let single = |action: &Action| matches!(action, Action::Forward(to) if matches!(&to.target_groups[..], [one] if one.weight.is_none()));
        assert!(rule.actions.iter().all(single), "{:?}", rule.actions);
    }
    assert_eq!((listener.rules.len(), desired.target_groups.len(), desired.bindings.len()), (3, 3, 3));
}

#[test]
fn the_target_groups_of_a_whole_build() {
    let linked = example();
    let desired = desired(&linked);
    let group = |service: &str, port: &str| {
        let id = ResourceId::target_group("ns-1", "ing-1", service, &ServicePort::Name(port.to_owned()));
        (&desired.target_groups[&id], &desired.bindings[&id])
    };
    let (first, _) = group("svc-1", "http");
    assert_eq!(
        (first.name.as_str(), first.port, first.target_type, first.protocol, first.protocol_version),
        ("k8s-ns1-svc1-9889425938", 32768, TargetType::Instance, Protocol::Http, ProtocolVersion::Http1)
    );
    let check = &first.health_check;
    let numbers = [check.interval_seconds, check.timeout_seconds, check.healthy_threshold, check.unhealthy_threshold];
    assert_eq!(
        (check.port.as_str(), check.protocol, check.path.as_str(), check.success_codes.as_str(), numbers),
        ("traffic-port", Protocol::Http, "/", "200", [15, 5, 2, 2])
    );
    let (third, binding) = group("svc-3", "https");
    assert_eq!(
        (third.name.as_str(), third.port, third.target_type, third.protocol),
        ("k8s-ns1-svc3-bf42870fba", 8443, TargetType::Ip, Protocol::Https)
    );
    let check = &third.health_check;
    let numbers = [check.interval_seconds, check.timeout_seconds, check.healthy_threshold, check.unhealthy_threshold];
    assert_eq!(
        (check.port.as_str(), check.protocol, check.path.as_str(), check.success_codes.as_str(), numbers),
        ("9090", Protocol::Https, "/health-check", "200-300", [20, 10, 7, 5])
    );
    let ports = [8443, 9090].map(|port| Some(ServicePort::Number(port))).to_vec();
    assert_eq!(binding.networking, Some((Ref::Of(ResourceId::backend_security_group()), ports)));
}
