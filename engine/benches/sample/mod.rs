//! Groups, worlds and requests of any size, for benches.

use std::collections::BTreeMap;

use albedo_engine::facts::{Aged, Certificate, Facts, Subnet};
use albedo_engine::link::Input;
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::GroupId;
use albedo_engine::world::{Object, Overlay, View, World};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::json;

/// The group that [`world`] has.
pub const GROUP: &str = "shop";

/// Now.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

/// The account.
pub fn facts() -> Facts {
    let subnet = |id: &str, zone: &str| Subnet {
        id: id.to_owned(),
        vpc_id: "vpc-1".to_owned(),
        zone: zone.to_owned(),
        locale: "availability-zone".to_owned(),
        free_addresses: 100,
        ipv6: false,
        public: Some(true),
        tags: BTreeMap::from([("kubernetes.io/role/internal-elb".to_owned(), "1".to_owned())]),
    };
    let aged = Aged { value: Vec::new(), read_at: now() };
    Facts {
        region: Some("eu-central-1".to_owned()),
        vpc_id: Some("vpc-1".to_owned()),
        subnets: Some(Aged {
            value: vec![subnet("subnet-0a11", "eu-central-1a"), subnet("subnet-0b22", "eu-central-1b")],
            read_at: now(),
        }),
        certificates: Some(Aged::<Vec<Certificate>> { value: Vec::new(), read_at: now() }),
        security_groups: Some(aged),
        ..Facts::default()
    }
}

/// A Service of its own in the namespace of [`ingress`].
pub fn service(number: usize) -> Service {
    let service = json!({"metadata": {"name": format!("app-{number}"), "namespace": "shop", "uid": format!("uid-{number}")},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}});
    serde_json::from_value(service).expect("a Service")
}

/// An Ingress with so many rules, on a host of its own; `edition` makes another state of the same object.
pub fn ingress(group: Option<&str>, number: usize, rules: usize, edition: usize) -> Ingress {
    let path = |rule: usize| {
        json!({"path": format!("/part-{rule}/{edition}"), "pathType": "Prefix",
            "backend": {"service": {"name": format!("app-{number}"), "port": {"number": 80}}}})
    };
    let paths: Vec<_> = (0..rules).map(path).collect();
    let mut annotations = json!({
        "alb.ingress.kubernetes.io/scheme": "internal",
        "alb.ingress.kubernetes.io/target-type": "instance",
        "alb.ingress.kubernetes.io/healthcheck-path": "/health",
        "alb.ingress.kubernetes.io/tags": "team=shop,stage=test",
    });
    if let (Some(group), Some(map)) = (group, annotations.as_object_mut()) {
        map.insert("alb.ingress.kubernetes.io/group.name".to_owned(), json!(group));
    }
    let object = json!({"metadata": {"name": format!("web-{number}"), "namespace": "shop", "uid": format!("web-{number}"),
            "annotations": annotations, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"ingressClassName": "alb", "rules": [{"host": format!("h{number}.example.com"), "http": {"paths": paths}}]}});
    serde_json::from_value(object).expect("an Ingress")
}

/// A world with one class.
pub fn empty() -> World {
    let mut world = World::new(Settings::new("bench"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    world
}

/// A world with one group of so many members with so many rules each.
pub fn world(members: usize, rules: usize) -> World {
    let mut world = empty();
    for number in 0..members {
        world.apply(Object::Service(Box::new(service(number))));
        world.apply(Object::Ingress(Box::new(ingress(Some(GROUP), number, rules, 0))));
    }
    world
}

/// The view of the group of [`world`].
pub fn view(world: &World) -> View {
    world.view(&GroupId::Explicit(GROUP.to_owned()), &Overlay::None)
}

/// Views of the group of [`world`] between which one member changes: each is linked after the one before, in a circle.
pub fn editions(members: usize, rules: usize) -> Vec<View> {
    let mut world = world(members, rules);
    let edition = |edition| {
        world.apply(Object::Ingress(Box::new(ingress(Some(GROUP), members / 2, rules, edition))));
        view(&world)
    };
    (0..21).map(edition).collect()
}

/// What linking a view takes.
pub fn input<'a>(settings: &'a Settings, view: &'a View, facts: &'a Facts) -> Input<'a> {
    Input { settings, view, facts, existing: None, now: now() }
}
