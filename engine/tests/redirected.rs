//! Members behind a redirect to HTTPS: what none of their rules acts on costs nobody anything, and they are told.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

use albedo_engine::facts::Facts;
use albedo_engine::finding::{Code, Effect};
use albedo_engine::link::{Input, Linked, MemberState, link};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Action, Desired, GroupId, Protocol};
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use serde_json::{Value, from_value, json};

const P: &str = "alb.ingress.kubernetes.io/";
const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000001";
const HTTPS: (&str, &str) = ("listen-ports", r#"[{"HTTPS": 443}]"#);
const BOTH: (&str, &str) = ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);
const TO_HTTPS: (&str, &str) = ("ssl-redirect", "443");
/// Wrong in the rules: the Service has no `NodePort`.
const INSTANCE: (&str, &str) = ("target-type", "instance");
const IP: (&str, &str) = ("target-type", "ip");

fn linked(members: &[(&str, &[(&str, &str)])]) -> Linked {
    let mut world = World::new(Settings::new("cluster"));
    let apply = |world: &mut World, object: Object| drop(world.apply(object));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    apply(&mut world, Object::IngressClass(Box::new(from_value(class).expect("a class"))));
    let service = json!({"metadata": {"name": "app", "namespace": "ns", "uid": "u"}, "spec": {"type": "ClusterIP", "ports": [{"port": 80, "targetPort": 8080}]}});
    apply(&mut world, Object::Service(Box::new(from_value(service).expect("a Service"))));
    for (number, (name, annotations)) in members.iter().enumerate() {
        let mut map = serde_json::Map::from_iter([(format!("{P}group.name"), json!("g"))]);
        map.extend(annotations.iter().map(|(key, value)| (format!("{P}{key}"), json!(value))));
        if annotations.iter().any(|(_, value)| value.contains("HTTPS")) {
            map.insert(format!("{P}certificate-arn"), json!(ARN));
        }
        let ingress: Value = json!({
            "metadata": {"name": name, "namespace": "ns", "uid": name, "annotations": map, "creationTimestamp": format!("2026-01-01T00:00:0{number}Z")},
            "spec": {"ingressClassName": "alb", "rules": [{"host": format!("{name}.example.com"), "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]}});
        apply(&mut world, Object::Ingress(Box::new(from_value(ingress).expect("an Ingress"))));
    }
    let view = world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None);
    let settings = world.settings();
    link(Input {
        settings: &settings,
        view: &view,
        facts: &Facts::default(),
        existing: None,
        now: Timestamp::UNIX_EPOCH,
    })
}

fn state(linked: &Linked, name: &str) -> MemberState {
    linked.members.iter().find(|member| member.key.name == name).expect("a member").state
}

fn desired(linked: &Linked) -> &Desired {
    linked.desired.as_ref().expect("a desired state")
}

/// Where port 80 leads everything.
fn redirect(linked: &Linked) -> Option<String> {
    match desired(linked).listeners.get(&80)?.default_actions.first()? {
        Action::Redirect(redirect) => redirect.port.clone(),
        _ => None,
    }
}

fn told(linked: &Linked, name: &str) -> Vec<Code> {
    let member = linked.members.iter().find(|member| member.key.name == name).expect("a member");
    member.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn an_unusable_backend_behind_a_redirect_costs_nothing() {
    for (one, two) in [([HTTPS, IP], [TO_HTTPS, INSTANCE]), ([BOTH, IP], [TO_HTTPS, INSTANCE])] {
        let linked = linked(&[("one", &one), ("two", &two)]);
        assert_eq!(state(&linked, "two"), MemberState::Linked, "{linked:?}");
        assert_eq!(redirect(&linked).as_deref(), Some("443"));
        assert_eq!(told(&linked, "two"), [Code::UnreachedRule]);
        assert_eq!(desired(&linked).target_groups.len(), 1, "nothing is made for rules that nobody has");
    }
}

#[test]
fn who_is_right_behind_a_redirect_alone_is_left_out_without_one() {
    let alone = linked(&[("one", &[HTTPS, IP]), ("two", &[INSTANCE])]);
    assert_eq!(state(&alone, "two"), MemberState::Quarantined);
    assert!(!desired(&alone).listeners.contains_key(&80), "{alone:?}");
    // The redirect leads to a port that nobody opens: it is not built, and then the backend counts.
    let nowhere = linked(&[("one", &[("listen-ports", r#"[{"HTTP": 80}]"#), IP]), ("two", &[TO_HTTPS, INSTANCE])]);
    assert_eq!(state(&nowhere, "two"), MemberState::Quarantined);
    assert_eq!(redirect(&nowhere), None);
    let faults = nowhere.findings().filter(|finding| finding.effect == Effect::MemberQuarantined);
    assert!(faults.into_iter().any(|finding| finding.code == Code::ServiceTypeMismatch), "{nowhere:?}");
}

#[test]
fn other_faults_count_behind_a_redirect_too() {
    let linked = linked(&[("one", &[BOTH, IP, TO_HTTPS]), ("two", &[INSTANCE, ("listen-ports", "[]")])]);
    assert_eq!(state(&linked, "two"), MemberState::Quarantined);
}

#[test]
fn a_redirect_outlives_the_rules_of_who_asks_for_it() {
    let linked = linked(&[("one", &[BOTH, IP]), ("two", &[BOTH, TO_HTTPS, INSTANCE])]);
    assert_eq!(state(&linked, "two"), MemberState::Quarantined);
    assert_eq!(
        redirect(&linked).as_deref(),
        Some("443"),
        "port 80 of the others must not begin to answer in plaintext"
    );
    let https = desired(&linked).listeners.get(&443).expect("a listener");
    assert_eq!((https.protocol, https.rules.len()), (Protocol::Https, 1));
}

#[test]
fn rules_that_no_listener_has_are_told() {
    let group = linked(&[("one", &[BOTH, IP, TO_HTTPS]), ("two", &[IP])]);
    assert_eq!((told(&group, "one"), told(&group, "two")), (Vec::new(), vec![Code::UnreachedRule]));
    let both = linked(&[("one", &[BOTH, IP, TO_HTTPS]), ("two", &[BOTH, IP])]);
    assert_eq!(told(&both, "two"), Vec::new(), "HTTPS has its rules");
}
