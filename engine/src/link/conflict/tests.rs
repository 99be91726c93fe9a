//! That a newcomer is told of exactly what makes its group inconsistent, whatever the order in which members come.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::compile::{Context, compile};
use crate::facts::Facts;
use crate::kinds::IngressClassParams;
use crate::settings::{CONTROLLER, Settings};
use crate::stack::GroupId;
use crate::world::{Object, Overlay, World};

/// Annotations of which each member has some.
const SAID: [(&str, &[&str]); 15] = [
    ("scheme", &["internal", "internet-facing"]),
    ("tags", &["a=1", "a=2", "a=1,b=1", "b=2"]),
    ("load-balancer-attributes", &["idle_timeout.timeout_seconds=30", "idle_timeout.timeout_seconds=60"]),
    (
        "listener-attributes.HTTP-80",
        &["routing.http.response.server.enabled=true", "routing.http.response.server.enabled=false"],
    ),
    ("listen-ports", &[r#"[{"HTTP": 80}]"#, r#"[{"HTTP": 81}]"#, r#"[{"HTTP": 80}, {"HTTP": 81}]"#]),
    ("inbound-cidrs", &["10.0.0.0/8", "10.1.0.0/16"]),
    ("group.order", &["-1", "1"]),
    ("ipam-ipv4-pool-id", &["ipam-pool-1", "ipam-pool-2"]),
    ("minimum-load-balancer-capacity", &["CapacityUnits=100", "CapacityUnits=200"]),
    ("enable-frontend-nlb", &["true", "false"]),
    ("frontend-nlb-scheme", &["internal", "internet-facing"]),
    ("frontend-nlb-tags", &["a=1", "a=2"]),
    ("frontend-nlb-attributes", &["deletion_protection.enabled=true"]),
    ("frontend-nlb-listener-port-mapping", &["90=80", "90=81,91=80"]),
    ("frontend-nlb-healthcheck-path", &["/a", "/b"]),
];
/// Classes: one says nothing, one settles what the first member's can settle.
const CLASSES: [&str; 2] = ["plain", "settling"];

#[derive(Debug, Clone)]
struct Member {
    said: Vec<Option<usize>>,
    default_backend: bool,
    class: usize,
}

fn fragments(members: &[Member]) -> Vec<Arc<Fragment>> {
    let mut world = World::new(Settings::new("test"));
    let params = json!({"metadata": {"name": "settling"}, "spec": {
        "loadBalancerAttributes": [{"key": "idle_timeout.timeout_seconds", "value": "10"}],
        "listeners": [{"protocol": "HTTP", "port": 80,
            "listenerAttributes": [{"key": "routing.http.response.server.enabled", "value": "true"}]}],
        "ipamConfiguration": {"ipv4IPAMPoolId": "ipam-pool-0"},
        "minimumLoadBalancerCapacity": {"capacityUnits": 50}}});
    let params: IngressClassParams = serde_json::from_value(params).unwrap();
    world.apply(Object::IngressClassParams(Box::new(params)));
    for name in CLASSES {
        let reference = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": name});
        let mut class = json!({"metadata": {"name": name}, "spec": {"controller": CONTROLLER}});
        if name == "settling" {
            class["spec"]["parameters"] = reference;
        }
        let class: IngressClass = serde_json::from_value(class).unwrap();
        world.apply(Object::IngressClass(Box::new(class)));
    }
    for (number, Member { said, default_backend, class }) in members.iter().enumerate() {
        let mut annotations = BTreeMap::from([(format!("{PREFIX}group.name"), "g")]);
        for ((suffix, values), choice) in SAID.iter().zip(said) {
            let value = choice.map(|choice| values[choice % values.len()]);
            annotations.extend(value.map(|value| (format!("{PREFIX}{suffix}"), value)));
        }
        let mut spec = json!({"ingressClassName": CLASSES[*class], "rules": []});
        if *default_backend {
            spec["defaultBackend"] = json!({"service": {"name": "app", "port": {"number": 80}}});
        }
        let one = json!({"metadata": {"name": format!("m{number:02}"), "namespace": "ns", "annotations": annotations},
            "spec": spec});
        let one: Ingress = serde_json::from_value(one).unwrap();
        world.apply(Object::Ingress(Box::new(one)));
    }
    let (settings, facts) = (world.settings(), Facts::default());
    let view = world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None);
    let context = Context { settings: &settings, view: &view, facts: &facts };
    view.members.iter().filter_map(|member| compile(member, context).fragment().cloned()).collect()
}

/// Each against each, all of them being there.
fn agree(members: &[Arc<Fragment>]) -> bool {
    let mut ordered: Vec<&Fragment> = members.iter().map(|member| &**member).collect();
    ordered.sort_by(|one, other| one.in_group_order(other));
    let nlb = ordered.iter().any(|member| asks_for_nlb(member));
    let settled = |member: Option<&&Fragment>| member.is_some_and(|member| member.params.is_some());
    let counts = |key: &SettingKey| match key {
        key if key.is_of_nlb() => nlb,
        SettingKey::Item(row, _) if row.key == "load-balancer-attributes" => !settled(ordered.first()),
        SettingKey::Group(row) if ["ipam-ipv4-pool-id", "minimum-load-balancer-capacity"].contains(&row.key) => {
            !settled(ordered.first())
        }
        SettingKey::PortItem(_, port, ..) => {
            !settled(ordered.iter().find(|member| member.listeners.contains_key(port)))
        }
        _ => true,
    };
    ordered.iter().enumerate().all(|(place, one)| {
        ordered.iter().skip(place + 1).all(|other| {
            one.settings.iter().filter(|own| counts(&own.key)).all(|own| match other.setting(&own.key) {
                Some(theirs) => own.value == theirs.value,
                None => own.key.row().is_none_or(|row| row.merge != Merge::Identical),
            })
        })
    })
}

fn any_member() -> impl Strategy<Value = Member> {
    let one = prop::option::weighted(0.25, 0_usize..4);
    (prop::collection::vec(one, SAID.len()), prop::bool::weighted(0.1), prop::sample::select(vec![0, 1, 1]))
        .prop_map(|(said, default_backend, class)| Member { said, default_backend, class })
}

proptest! {
    #[test]
    fn a_newcomer_is_told_of_what_does_not_agree(members in prop::collection::vec(any_member(), 2..8)) {
        let mut taken: Vec<Arc<Fragment>> = Vec::new();
        let mut agreement = Agreement::default();
        for newcomer in fragments(&members) {
            let conflicts = agreement.conflicts(&newcomer);
            let all: Vec<Arc<Fragment>> = taken.iter().cloned().chain([newcomer.clone()]).collect();
            prop_assert_eq!(conflicts.is_empty(), agree(&all), "{:?}", conflicts);
            if conflicts.is_empty() {
                agreement.take_in(&newcomer);
                taken.push(newcomer);
            }
        }
        prop_assert!(!taken.is_empty());
    }
}
