//! What members of a group say together: equal opinions and silence go together, conflicts refuse the newcomer, who is
//! told of the other, and quarantine it if it is stored all the same.

use albedo_engine::link::MemberState;
use serde_json::{Value, json};

use crate::fixture::{CERTIFICATE, Fixture, ingress, says, states};

const OTHER: &str = "arn:aws:acm:eu-central-1:123456789012:certificate/ffffffff-1234-4f5e-9abc-0123456789ab";
const PORTS: &str = r#"[{"HTTP": 80}, {"HTTPS": 443}]"#;

/// A row of the table of merges: what both say beside the key, a value, one that means the same, one that is a conflict.
struct Row {
    key: &'static str,
    both: Value,
    value: &'static str,
    same: &'static str,
    other: &'static str,
    code: &'static str,
}

fn rows() -> Vec<Row> {
    let tls = json!({"listen-ports": PORTS, "certificate-arn": CERTIFICATE});
    let row = |key, value, same, other| Row { key, both: json!({}), value, same, other, code: "ALB105" };
    let port =
        |key, both: &Value, value, same, other| Row { key, both: both.clone(), value, same, other, code: "ALB106" };
    vec![
        row("load-balancer-name", "one", "one", "two"),
        row("scheme", "internal", "internal", "internet-facing"),
        row("ip-address-type", "ipv4", "ipv4", "dualstack"),
        row("subnets", "subnet-0a11,subnet-0b22", "subnet-0b22,subnet-0a11", "subnet-0a12,subnet-0b23"),
        row("security-groups", "sg-0a11,sg-0b22", "sg-0a11, sg-0b22", "sg-0b22,sg-0a11"),
        row("customer-owned-ipv4-pool", "pool-1", "pool-1", "pool-2"),
        Row {
            both: json!({"scheme": "internet-facing"}),
            ..row("ipam-ipv4-pool-id", "ipam-pool-1", "ipam-pool-1", "ipam-pool-2")
        },
        row(
            "load-balancer-attributes",
            "idle_timeout.timeout_seconds=60",
            "routing.http2.enabled=false",
            "idle_timeout.timeout_seconds=90",
        ),
        row("tags", "a=1", "b=2", "a=2"),
        Row { both: tls.clone(), ..row("ssl-redirect", "443", "443", "80") },
        Row {
            both: json!({"security-groups": "sg-0a11"}),
            ..row("manage-backend-security-group-rules", "true", "true", "false")
        },
        Row {
            key: "listener-attributes.HTTP-80",
            ..row("", "routing.http.response.server.enabled=false", "", "routing.http.response.server.enabled=true")
        },
        port(
            "ssl-policy",
            &tls,
            "ELBSecurityPolicy-TLS13-1-2-2021-06",
            "ELBSecurityPolicy-TLS13-1-2-2021-06",
            "ELBSecurityPolicy-TLS13-1-3-2021-06",
        ),
        port(
            "listen-ports",
            &json!({"certificate-arn": CERTIFICATE}),
            r#"[{"HTTP": 80}]"#,
            r#"[{"HTTPS": 443}]"#,
            r#"[{"HTTPS": 80}]"#,
        ),
        port("inbound-cidrs", &json!({}), "10.0.0.0/8,192.168.0.0/16", "192.168.0.0/16,10.0.0.0/8", "10.0.0.0/16"),
        port("security-group-prefix-lists", &json!({}), "pl-1", "pl-1", "pl-2"),
        port(
            "mutual-authentication",
            &tls,
            r#"[{"port": 443, "mode": "passthrough"}]"#,
            r#"[{"port": 443, "mode": "passthrough"}]"#,
            r#"[{"port": 443, "mode": "off"}]"#,
        ),
    ]
}

fn short(row: &Row, value: Option<&str>) -> Value {
    let mut short = row.both.clone();
    short["group.name"] = json!("g");
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        short[row.key] = json!(value);
    }
    short
}

#[test]
fn opinions_that_agree_go_together_and_conflicts_refuse_the_newcomer() {
    for row in rows() {
        let mut fixture = Fixture::new();
        fixture.store("old", &short(&row, Some(row.value)), &json!({}));
        for (what, value) in [("silence", None), ("the same", Some(row.same))] {
            let newcomer = ingress("new", &short(&row, value), &json!({}));
            let linked = fixture.with(&newcomer);
            let linked_both = states(&linked).iter().all(|(_, state)| *state == MemberState::Linked);
            assert!(linked_both && linked.desired.is_some(), "{} and {what}: {linked:?}", row.key);
            let answer = fixture.answer(&newcomer);
            assert!(answer.allowed, "{} and {what}: {}", row.key, answer.message);
        }
        let newcomer = ingress("new", &short(&row, Some(row.other)), &json!({}));
        let answer = fixture.answer(&newcomer);
        assert!(!answer.allowed, "{}: {} beside {} is let in", row.key, row.other, row.value);
        let key = row.key.split('.').next().unwrap_or_default();
        says(row.key, &answer.message, &[row.code, key, "shop/old", "shop/new"]);
        let alone = fixture.linked("g").desired;
        let linked = fixture.with(&newcomer);
        assert_eq!(states(&linked), [("new", MemberState::Quarantined), ("old", MemberState::Linked)], "{}", row.key);
        assert_eq!(linked.desired, alone, "{}: the other goes on as if it were alone", row.key);
    }
}

#[test]
fn one_default_backend_a_port() {
    let spec = json!({"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}});
    let on = |ports: &str| json!({"group.name": "g", "listen-ports": ports});
    let mut fixture = Fixture::new();
    fixture.store("old", &on(r#"[{"HTTP": 80}]"#), &spec);
    let answer = fixture.answer(&ingress("new", &on(r#"[{"HTTP": 80}]"#), &spec));
    assert!(!answer.allowed);
    says("two default backends", &answer.message, &["ALB106", "spec.defaultBackend", "shop/old", "port 80"]);
    assert!(fixture.answer(&ingress("new", &on(r#"[{"HTTP": 8080}]"#), &spec)).allowed, "on another port");
}

#[test]
fn certificates_of_a_port_are_put_together() {
    let of = |arn: &str| json!({"group.name": "g", "certificate-arn": arn});
    let mut fixture = Fixture::new();
    fixture.store("a", &of(CERTIFICATE), &json!({})).store("b", &of(&format!("{OTHER},{CERTIFICATE}")), &json!({}));
    let desired = fixture.linked("g").desired.expect("a desired state");
    assert_eq!(desired.listeners[&443].certificates, [CERTIFICATE, OTHER, CERTIFICATE]);
}

#[test]
fn parameters_of_a_class_stand_for_their_members_opinion() {
    let mut fixture = Fixture::new();
    fixture.class("internal", "ingress.k8s.aws/alb", Some(&json!({"scheme": "internal", "group": {"name": "g"}})));
    fixture.store("old", &json!({"scheme": "internet-facing"}), &json!({"ingressClassName": "internal"}));
    let newcomer = ingress("new", &json!({"group.name": "g", "scheme": "internet-facing"}), &json!({}));
    let answer = fixture.answer(&newcomer);
    assert!(!answer.allowed);
    says("scheme", &answer.message, &["ALB105", "scheme", "shop/old: internal"]);
    assert!(fixture.answer(&ingress("new", &json!({"group.name": "g", "scheme": "internal"}), &json!({}))).allowed);
}

#[test]
fn attributes_of_the_first_members_class_settle_the_matter() {
    let mut fixture = Fixture::new();
    let params = json!({"loadBalancerAttributes": [{"key": "idle_timeout.timeout_seconds", "value": "30"}]});
    fixture.class("thirty", "ingress.k8s.aws/alb", Some(&params));
    let attribute = |seconds: &str, order: &str| {
        let attributes = format!("idle_timeout.timeout_seconds={seconds}");
        json!({"group.name": "g", "group.order": order, "load-balancer-attributes": attributes})
    };
    fixture.store("first", &attribute("60", "-1"), &json!({"ingressClassName": "thirty"}));
    assert!(fixture.answer(&ingress("new", &attribute("90", "1"), &json!({}))).allowed);
    fixture.store("new", &attribute("90", "1"), &json!({}));
    let balancer = fixture.linked("g").desired.and_then(|desired| desired.load_balancer).expect("a load balancer");
    assert_eq!(balancer.attributes["idle_timeout.timeout_seconds"], "30");
}

#[test]
fn the_schemes_owner_is_named_when_it_would_be_replaced() {
    let mut fixture = Fixture::new();
    fixture.store("old", &json!({"group.name": "g", "scheme": "internet-facing"}), &json!({}));
    let answer = fixture.answer(&ingress("new", &json!({"group.name": "g", "scheme": "internal"}), &json!({})));
    assert!(!answer.allowed);
    says("scheme", &answer.message, &["ALB105", "shop/old", "internet-facing", "internal"]);
    // Nobody said it yet: then it is the load balancer that would go.
    let mut fixture = Fixture::new();
    fixture.store("old", &json!({"group.name": "g"}), &json!({}));
    let newcomer = json!({"group.name": "g", "scheme": "internet-facing"});
    let answer = fixture.answer(&ingress("new", &newcomer, &json!({})));
    assert!(!answer.allowed);
    says("scheme", &answer.message, &["ALB301", "internal → internet-facing", "DNS name", "allow-replacement"]);
    let mut acknowledged = newcomer;
    acknowledged["albedo.dev/allow-replacement"] = json!("true");
    let answer = fixture.answer(&ingress("new", &acknowledged, &json!({})));
    assert!(answer.allowed && answer.warnings.iter().any(|told| told.contains("ALB301")), "{:?}", answer.warnings);
}

#[test]
fn order_and_name_of_a_group_are_checked() {
    let fixture = Fixture::new();
    let refused = |short: Value, words: &[&str]| {
        let answer = fixture.answer(&ingress("new", &short, &json!({})));
        assert!(!answer.allowed, "{short}");
        says(&short.to_string(), &answer.message, words);
    };
    refused(json!({"group.name": "g", "group.order": "1001"}), &["ALB008", "1001", "-1000"]);
    refused(json!({"group.name": "g", "group.order": "first"}), &["ALB008", "first"]);
    refused(json!({"group.name": "G"}), &["ALB007", "lower"]);
    refused(json!({"group.name": ""}), &["ALB007"]);
}
