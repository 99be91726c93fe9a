//! What is said of an Ingress, by how it and its group stand: one row a state.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which clippy does not know as such"
)]

use albedo_engine::describe::{Description, Input, SeenBy, Setting, State, describe};
use albedo_engine::facts::Facts;
use albedo_engine::kinds::{IngressGroup, Key};
use albedo_engine::link;
use albedo_engine::report::{self, Outcome, Reached};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::GroupId;
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use serde_json::{Value, json};

const GROUP: &str = "g";

fn world() -> World {
    let mut world = World::new(Settings::new("test"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    world.apply(Object::IngressClass(Box::new(serde_json::from_value(class).expect("a class"))));
    let service = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "1"}, "spec": {"type": "NodePort",
        "ports": [{"port": 80, "nodePort": 30080}]}});
    world.apply(Object::Service(Box::new(serde_json::from_value(service).expect("a Service"))));
    world
}

/// A member of the group, with `more` laid over its metadata and annotations after their prefix.
fn ingress(name: &str, annotations: &[(&str, &str)], more: &Value) -> Object {
    let mut metadata = json!({"name": name, "namespace": "shop", "uid": name,
        "creationTimestamp": "2026-01-01T00:00:00Z", "finalizers": [format!("group.ingress.k8s.aws/{GROUP}")]});
    metadata["annotations"]["alb.ingress.kubernetes.io/group.name"] = json!(GROUP);
    for (key, value) in annotations {
        metadata["annotations"][format!("alb.ingress.kubernetes.io/{key}")] = json!(value);
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        metadata[key] = value.clone();
    }
    let object = json!({"metadata": metadata, "spec": {"ingressClassName": "alb",
        "rules": [{"host": format!("{name}.example.com"), "http": {"paths": [{"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}});
    Object::Ingress(Box::new(serde_json::from_value(object).expect("an Ingress")))
}

/// What a pass that ended so leaves in the ledger.
fn pass(world: &mut World, outcome: &Outcome) {
    let (group, facts, settings) = (GroupId::Explicit(GROUP.to_owned()), Facts::default(), world.settings());
    let view = world.view(&group, &Overlay::None);
    let now = Timestamp::UNIX_EPOCH;
    let linked = link::link(link::Input { settings: &settings, view: &view, facts: &facts, existing: None, now });
    let reached = Reached { arn: "arn:aws:x:loadbalancer/app/name/1".to_owned(), ..Reached::default() };
    world.apply(Object::Group(Box::new(report::ledger(&view, &linked, outcome, &reached, now))));
}

fn told(world: &World, unread: &[String]) -> Description {
    let input = Input {
        world,
        settings: &world.settings(),
        facts: &Facts::default(),
        events: &[],
        unread,
        now: Timestamp::UNIX_EPOCH,
    };
    describe(&Key::new("shop", "web"), input).expect("it is there")
}

const REACHED: Outcome = Outcome::Reached { changed: true };
const BAD: (&str, &str) = ("listen-ports", "80");

fn waiting(what: &str) -> Outcome {
    Outcome::Waiting(vec![what.to_owned()])
}

#[test]
fn each_state_is_told_from_the_others() {
    let (good, bad) = (ingress("web", &[], &json!({})), ingress("web", &[BAD], &json!({})));
    let edited = ingress("web", &[("group.order", "5")], &json!({}));
    let deleted = ingress("web", &[BAD], &json!({"deletionTimestamp": "2026-01-02T00:00:00Z"}));
    let failed = Outcome::Failed { error: "AWS said no".to_owned(), outline: String::new(), passes: false };
    let held = Outcome::Held(vec!["protection".to_owned()]);
    // The Ingress at one pass's end, how the pass ended, the Ingress now; what is told of it.
    let rows: [(&Object, Option<&Outcome>, &Object, State, &str); 13] = [
        (&good, None, &good, State::UnderWay, "the first pass of the controller"),
        (&good, Some(&REACHED), &good, State::Served, ""),
        (&good, Some(&REACHED), &edited, State::UnderWay, "to apply the last edit"),
        (&good, Some(&waiting("healthy targets")), &good, State::UnderWay, "healthy targets"),
        (&good, Some(&failed), &good, State::Failing, "AWS said no"),
        (&good, Some(&Outcome::Blocked), &good, State::Blocked, ""),
        (&bad, Some(&Outcome::Blocked), &bad, State::Quarantined, "listen-ports"),
        (&good, Some(&REACHED), &deleted, State::Leaving, ""),
        (&good, Some(&waiting("a binding")), &deleted, State::Leaving, "a binding"),
        (&good, Some(&held), &deleted, State::Held, "protection"),
        (&good, Some(&failed), &deleted, State::Held, "AWS said no"),
        (&good, None, &ingress("web", &[("group.name", "No Name")], &json!({"finalizers": []})), State::Misplaced, ""),
        (&good, None, &deleted, State::Leaving, ""),
    ];
    for (index, (before, outcome, now, state, text)) in rows.into_iter().enumerate() {
        let mut world = world();
        world.apply(before.clone());
        if let Some(outcome) = outcome {
            pass(&mut world, outcome);
        }
        world.apply(now.clone());
        let told = told(&world, &[]);
        let whole = serde_json::to_string(&told).expect("JSON");
        assert_eq!(told.state, state, "row {index}: {whole}");
        assert!(whole.contains(text), "row {index} without {text}: {whole}");
        let well = matches!(state, State::Served | State::UnderWay | State::Leaving);
        assert_eq!(told.state.is_well(), well, "row {index}");
        assert!(told.text(Timestamp::UNIX_EPOCH).starts_with("Ingress shop/web: "), "row {index}");
    }
}

/// An edit that cannot be used: what was asked for before is in AWS, and shown.
#[test]
fn who_is_kept_is_shown_as_it_was() {
    let mut world = world();
    world.apply(ingress("web", &[], &json!({})));
    pass(&mut world, &REACHED);
    world.apply(ingress("web", &[BAD], &json!({})));
    let before = told(&world, &[]);
    assert_eq!(before.state, State::UnderWay, "the controller has not looked yet");
    assert_eq!(before.faults.iter().map(|fault| fault.seen_by).collect::<Vec<_>>(), [SeenBy::Now]);
    pass(&mut world, &REACHED);
    let kept = told(&world, &[]);
    assert_eq!((kept.state, kept.faults[0].seen_by), (State::Kept, SeenBy::Both));
    assert_eq!(kept.groups[0].listeners[0].rules.len(), 1, "{kept:?}");
    world.apply(ingress("web", &[], &json!({})));
    let fixed = told(&world, &[]);
    assert_eq!(fixed.faults[0].seen_by, SeenBy::Controller, "{fixed:?}");
}

/// Of a shared group an Ingress is shown what is its own, and which other one holds it up.
#[test]
fn siblings_are_named_where_they_block() {
    let mut world = world();
    world.apply(ingress("web", &[], &json!({})));
    world.apply(ingress("other", &[], &json!({})));
    pass(&mut world, &REACHED);
    let rules = |told: &Description| told.groups[0].listeners[0].rules.iter().map(|rule| rule.text.clone()).collect();
    let shown: Vec<String> = rules(&told(&world, &[]));
    assert!(shown.len() == 1 && shown[0].contains("web.example.com"), "{shown:?}");

    let group = GroupId::Explicit(GROUP.to_owned());
    let mut ledger: IngressGroup = world.group_object(&group).expect("a ledger").as_ref().clone();
    let status = ledger.status.as_mut().expect("a status");
    "Blocked".clone_into(&mut status.state);
    let finding = json!({"code": "ALB201", "path": "metadata.annotations[x]", "message": "ALB201: no subnets; tag some",
            "effect": "GroupBlocked"});
    let of_other = status.members.iter_mut().find(|member| member.name == "other").expect("other");
    of_other.findings = vec![serde_json::from_value(finding).expect("a finding")];
    world.apply(Object::Group(Box::new(ledger)));
    let told = told(&world, &[]);
    assert_eq!(told.state, State::Blocked);
    let text = told.text(Timestamp::UNIX_EPOCH);
    assert!(text.contains("ALB201 Ingress shop/other, metadata.annotations[x]: no subnets; tag some"), "{text}");
}

/// What could not be read is never taken for absent.
#[test]
fn little_that_could_be_read_is_no_fault() {
    let mut world = World::new(Settings::new("test"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    world.apply(Object::IngressClass(Box::new(serde_json::from_value(class).expect("a class"))));
    world.apply(ingress("web", &[], &json!({})));
    assert!(!told(&world, &[]).faults.is_empty(), "the Service is not there");
    let told = told(&world, &["list services: forbidden".to_owned()]);
    assert!(told.faults.is_empty(), "{told:?}");
    assert!(told.text(Timestamp::UNIX_EPOCH).contains("list services: forbidden"));
    assert!(told.summary.contains("could not be read"), "{}", told.summary);
}

/// Each setting is told with its value and where that comes from: what a class, a Service, a flag or another member decides too.
#[test]
fn settings_are_told_with_their_source() {
    let mut world = world();
    let params = json!({"metadata": {"name": "public"}, "spec": {"scheme": "internet-facing",
        "tags": [{"key": "team", "value": "platform"}],
        "loadBalancerAttributes": [{"key": "idle_timeout.timeout_seconds", "value": "90"}]}});
    world.apply(Object::IngressClassParams(Box::new(serde_json::from_value(params).expect("parameters"))));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER,
        "parameters": {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "public"}}});
    world.apply(Object::IngressClass(Box::new(serde_json::from_value(class).expect("a class"))));
    let service = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "1",
        "annotations": {"alb.ingress.kubernetes.io/healthcheck-path": "/live"}},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}});
    world.apply(Object::Service(Box::new(serde_json::from_value(service).expect("a Service"))));
    let own = [
        ("scheme", "internal"),
        ("tags", "team=web,floor=two"),
        ("healthcheck-path", "/ready"),
        ("healthcheck-interval-seconds", "20"),
        ("load-balancer-attributes", "idle_timeout.timeout_seconds=30,routing.http2.enabled=false"),
    ];
    world.apply(ingress("web", &own, &json!({})));
    world.apply(ingress("other", &[("ip-address-type", "dualstack")], &json!({})));
    let told = told(&world, &[]);
    let group = &told.groups[0];
    let lines: Vec<String> = group.settings.iter().chain(&group.target_groups[0].settings).map(Setting::line).collect();
    let expected = [
        "scheme: internet-facing (IngressClassParams public, spec.scheme)",
        "tags team: platform (IngressClassParams public, spec.tags)",
        "tags floor: two (annotation)",
        "load-balancer-attributes idle_timeout.timeout_seconds: 90 (IngressClassParams public, spec.loadBalancerAttributes)",
        "load-balancer-attributes routing.http2.enabled: false (annotation)",
        "ip-address-type: dualstack (annotation of Ingress shop/other)",
        "healthcheck-path: /live (annotation of Service web)",
        "healthcheck-interval-seconds: 20 (annotation)",
        "target-type: instance (flag of the controller)",
        "backend-protocol: HTTP (default)",
    ];
    for line in expected {
        assert!(lines.iter().any(|one| one == line), "no {line:?} in {lines:#?}");
    }
    let text = told.text(Timestamp::UNIX_EPOCH);
    assert!(text.contains("scheme: internet-facing (IngressClassParams public, spec.scheme)"), "{text}");
    assert!(!text.contains("(default)"), "{text}");
}
