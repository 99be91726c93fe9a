//! Large Ingresses cost their own memory in the ledger, not the ledger: it always fits into an object, and the others are remembered.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

use std::collections::BTreeMap;

use albedo_engine::annotation::PREFIX;
use albedo_engine::facts::Facts;
use albedo_engine::finding::Code;
use albedo_engine::kinds::{IngressGroup, Key};
use albedo_engine::link::{Existing, Input, Linked, MemberState, link};
use albedo_engine::report::{self, Outcome, Reached};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{GroupId, Scheme};
use albedo_engine::world::{Kind, Object, Overlay, View, World};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::json;

/// What etcd takes in one request.
const ETCD: usize = 1_536 * 1024;

fn world() -> World {
    let mut world = World::new(Settings::new("test"));
    for kind in Kind::ALL {
        world.reset(kind, Vec::new());
    }
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    let service = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "web"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}});
    let service: Service = serde_json::from_value(service).expect("a Service");
    world.apply(Object::Service(Box::new(service)));
    world
}

/// An Ingress of group `g` with that many paths, each of that many characters.
fn ingress(name: &str, paths: usize, length: usize, scheme: &str) -> Ingress {
    let annotations = BTreeMap::from([("group.name", "g"), ("scheme", scheme)]);
    let annotations: BTreeMap<String, &str> =
        annotations.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)).collect();
    let path = |number: usize| {
        json!({"path": format!("/{number}/{}", "p".repeat(length)), "pathType": "Exact",
            "backend": {"service": {"name": "web", "port": {"number": 80}}}})
    };
    let object = json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "annotations": annotations},
        "spec": {"ingressClassName": "alb", "rules": [{"host": format!("{name}.example.com"),
            "http": {"paths": (0..paths).map(path).collect::<Vec<_>>()}}]}});
    serde_json::from_value(object).expect("an Ingress")
}

fn pass(world: &mut World) -> (View, Linked, IngressGroup) {
    let view = world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None);
    let (settings, facts) = (world.settings(), Facts::default());
    let existing = Existing::new(Scheme::Internal, vec!["subnet-1".to_owned()]);
    let now = Timestamp::UNIX_EPOCH;
    let linked = link(Input { settings: &settings, view: &view, facts: &facts, existing: Some(&existing), now });
    let ledger = report::ledger(&view, &linked, &Outcome::Reached { changed: true }, &Reached::default(), now);
    world.apply(Object::Group(Box::new(ledger.clone())));
    (view, linked, ledger)
}

fn state(linked: &Linked, name: &str) -> Option<MemberState> {
    linked.members.iter().find(|member| member.key == Key::new("shop", name)).map(|member| member.state)
}

#[test]
fn two_ingresses_of_a_megabyte_leave_room_for_the_others() {
    let mut world = world();
    for name in ["large", "larger"] {
        let ingress = ingress(name, 1_900, 560, "internal");
        assert!(serde_json::to_vec(&ingress).expect("JSON").len() > 1_200_000);
        world.apply(Object::Ingress(Box::new(ingress)));
    }
    world.apply(Object::Ingress(Box::new(ingress("small", 3, 10, "internal"))));
    let (_, linked, ledger) = pass(&mut world);
    let size = serde_json::to_vec(&ledger).expect("JSON").len();
    assert!(size < ETCD, "{size}");
    let told: Vec<&str> = linked
        .findings()
        .filter(|finding| finding.code == Code::NotRemembered)
        .map(|finding| finding.subject.name.as_str())
        .collect();
    assert_eq!(told, ["large", "larger"]);
    assert!(linked.members.iter().all(|member| member.state == MemberState::Linked), "{:?}", linked.members);

    // They are known again: nobody is a newcomer, and another pass writes the same.
    let (_, again, same) = pass(&mut world);
    assert_eq!(same.status.expect("a status").last_good, ledger.status.expect("a status").last_good);
    assert_eq!(again.desired, linked.desired);

    // The small one breaks and goes on as it was; a large one breaks, and has nothing to go back to.
    for name in ["small", "large"] {
        world.apply(Object::Ingress(Box::new(ingress(name, 3, 10, "public"))));
    }
    let (_, linked, _) = pass(&mut world);
    assert_eq!(state(&linked, "small"), Some(MemberState::LastGood));
    assert_eq!(state(&linked, "large"), Some(MemberState::Quarantined));
}

/// A younger one that conflicts with a member of which only a digest is kept still gives way to it.
#[test]
fn who_is_known_by_a_digest_was_there_first() {
    let mut world = world();
    world.apply(Object::Ingress(Box::new(ingress("z", 1_900, 560, "internal"))));
    pass(&mut world);
    world.apply(Object::Ingress(Box::new(ingress("a", 1, 10, "internet-facing"))));
    let (_, linked, _) = pass(&mut world);
    assert_eq!((state(&linked, "z"), state(&linked, "a")), (Some(MemberState::Linked), Some(MemberState::Quarantined)));
}

/// What is wrong with many members takes no more room than there is.
#[test]
fn faults_of_many_leave_the_ledger_storable() {
    let mut world = world();
    for number in 0..300 {
        let mut one = ingress(&format!("m{number}"), 1, 10, "internal");
        let annotations = one.metadata.annotations.get_or_insert_default();
        for unknown in 0..20 {
            annotations.insert(format!("{PREFIX}unknown-{unknown}-{}", "k".repeat(200)), "v".repeat(200));
        }
        world.apply(Object::Ingress(Box::new(one)));
    }
    let (_, linked, ledger) = pass(&mut world);
    let told: usize = linked.findings().map(|finding| finding.text().len()).sum();
    assert!(told > ETCD, "the findings alone are not too large: {told}");
    let size = serde_json::to_vec(&ledger).expect("JSON").len();
    assert!(size < ETCD, "{size}");
    assert_eq!(ledger.status.expect("a status").members.len(), 300);
}
