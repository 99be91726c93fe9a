//! A cluster of a few Services, and what its Ingresses should become.

use std::collections::BTreeMap;

use albedo_engine::facts::Facts;
use albedo_engine::kinds::{IngressGroup, IngressGroupSpec, IngressGroupStatus};
use albedo_engine::ledger::input_of;
use albedo_engine::link::{Existing, Input, link};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Desired, Scheme};
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{Value, json};

const P: &str = "alb.ingress.kubernetes.io/";

#[expect(clippy::needless_pass_by_value, reason = "every caller makes the rules on the spot")]
pub fn member(name: &str, annotations: &[(&str, &str)], rules: Vec<Value>) -> Ingress {
    let annotations: BTreeMap<String, String> =
        annotations.iter().map(|(key, value)| (format!("{P}{key}"), (*value).to_owned())).collect();
    let object = json!({"metadata": {"name": name, "namespace": "ns-1", "uid": name, "annotations": annotations},
        "spec": {"ingressClassName": "alb", "rules": rules}});
    serde_json::from_value(object).expect("an Ingress")
}

pub fn rule(host: &str, path: &str, service: &str) -> Value {
    json!({"host": host, "http": {"paths": [{"path": path, "pathType": "Exact",
        "backend": {"service": {"name": service, "port": {"name": "http"}}}}]}})
}

/// What the group of the first of these should be, as far as nobody remembers anything.
pub fn desired(ingresses: Vec<Ingress>) -> Desired {
    desired_after(&[], ingresses)
}

/// What the group of the first of these should be, if the ledger has it that these others were linked last.
pub fn desired_after(linked: &[Ingress], ingresses: Vec<Ingress>) -> Desired {
    let mut world = World::new(Settings::new("demo"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    for name in ["svc-1", "svc-2"] {
        let service = json!({"metadata": {"name": name, "namespace": "ns-1", "uid": name}, "spec": {"type": "NodePort",
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 32768}]}});
        let service: Service = serde_json::from_value(service).expect("a Service");
        world.apply(Object::Service(Box::new(service)));
    }
    for one in ingresses {
        world.apply(Object::Ingress(Box::new(one)));
    }
    let group = world.group_ids().into_iter().next().expect("a group");
    if !linked.is_empty() {
        let mut ledger = IngressGroup::new(&group.object_name(), IngressGroupSpec { stack: group.to_string() });
        let last_good = linked.iter().map(input_of).collect();
        ledger.status = Some(IngressGroupStatus { last_good, ..IngressGroupStatus::default() });
        world.apply(Object::Group(Box::new(ledger)));
    }
    let (view, settings, facts) = (world.view(&group, &Overlay::None), world.settings(), Facts::default());
    let existing = Existing::new(Scheme::Internal, vec!["subnet-1".to_owned()]);
    let now = Timestamp::UNIX_EPOCH;
    let linked = link(Input { settings: &settings, view: &view, facts: &facts, existing: Some(&existing), now });
    linked.desired.unwrap_or_else(|| panic!("blocked: {:?}", linked.members))
}
