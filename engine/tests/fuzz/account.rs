//! The cluster and the account that inputs are held against, and what is right in them: the examples of all findings.

use std::collections::BTreeMap;

use albedo_engine::annotation::PREFIX;
use albedo_engine::facts::{Aged, Certificate, Facts, SecurityGroupFact, Subnet};
use albedo_engine::finding::CODES;
use albedo_engine::settings::Settings;
use albedo_engine::stack::TargetGroupTraits;
use albedo_engine::world::{Kind, Object, World};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const LEGACY: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/legacy/1";

pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

fn aged<T>(value: T) -> Aged<T> {
    Aged { value, read_at: now() }
}

fn named(name: &str, arn: &str) -> Aged<BTreeMap<String, String>> {
    aged(BTreeMap::from([(name.to_owned(), arn.to_owned())]))
}

fn subnet(id: &str, zone: &str, role: &str) -> Subnet {
    Subnet {
        id: id.to_owned(),
        vpc_id: "vpc-1".to_owned(),
        zone: zone.to_owned(),
        locale: "availability-zone".to_owned(),
        free_addresses: 100,
        ipv6: true,
        public: Some(role == "elb"),
        tags: BTreeMap::from([(format!("kubernetes.io/role/{role}"), "1".to_owned())]),
    }
}

/// Every kind of fact.
pub fn facts() -> Facts {
    let traits = TargetGroupTraits {
        target_type: "ip".to_owned(),
        protocol: "HTTP".to_owned(),
        ip_address_type: "ipv4".to_owned(),
        vpc_id: "vpc-1".to_owned(),
    };
    Facts {
        region: Some("eu-central-1".to_owned()),
        vpc_id: Some("vpc-1".to_owned()),
        vpc_cidrs: Some(aged(vec!["10.0.0.0/16".to_owned()])),
        subnets: Some(aged(vec![
            subnet("subnet-0a11", "eu-central-1a", "internal-elb"),
            subnet("subnet-0b22", "eu-central-1b", "internal-elb"),
            subnet("subnet-0a12", "eu-central-1a", "elb"),
            subnet("subnet-0b23", "eu-central-1b", "elb"),
        ])),
        certificates: Some(aged(vec![Certificate {
            arn: "arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab".to_owned(),
            status: "ISSUED".to_owned(),
            domains: vec!["*.example.com".to_owned(), "example.com".to_owned()],
            certificate_authority: None,
        }])),
        security_groups: Some(aged(vec![SecurityGroupFact {
            id: "sg-0a11".to_owned(),
            name: "own".to_owned(),
            tags: BTreeMap::from([("Name".to_owned(), "own".to_owned())]),
        }])),
        target_group_names: Some(named("legacy", LEGACY)),
        target_groups: Some(aged(BTreeMap::from([(LEGACY.to_owned(), traits)]))),
        web_acls: Some(named("web", "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/web/1")),
        trust_stores: Some(named(
            "clients",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:truststore/clients/1",
        )),
        prefix_lists: Some(aged(BTreeMap::from([("pl-0a11".to_owned(), 10)]))),
        shield_subscribed: Some(aged(false)),
        account_limits: Some(aged(BTreeMap::from([("rules-per-application-load-balancer".to_owned(), 100)]))),
    }
}

/// The examples of all findings, each one a right and a wrong input.
fn examples() -> impl Iterator<Item = Value> {
    CODES.iter().flat_map(|row| [row.accepts, row.refuses]).map(|example| {
        serde_saphyr::from_str(&example.replace("{p}", PREFIX)).unwrap_or_else(|error| panic!("{example}: {error}"))
    })
}

/// An Ingress with these annotations and members of its spec.
pub fn ingress(name: &str, annotations: &Value, spec: &Value) -> Value {
    let mut whole = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "annotations": annotations},
        "spec": {
            "ingressClassName": "alb",
            "rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]
        }
    });
    if let (Some(target), Some(source)) = (whole["spec"].as_object_mut(), spec.as_object()) {
        target.extend(source.clone());
    }
    whole
}

/// Objects as they are stored or about to be, with what was stored before, if anything.
pub fn objects() -> Vec<(Value, Value)> {
    let mut all = Vec::new();
    for example in examples() {
        let before = example.get("before");
        if let Some(spec) = example.get("binding") {
            let binding = |spec: &Value| {
                let mut spec = spec.clone();
                spec["serviceRef"] = json!({"name": "app", "port": 80});
                let meta = json!({"name": "web", "namespace": "shop"});
                json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": meta, "spec": spec})
            };
            all.push((binding(spec), before.map_or(Value::Null, binding)));
            continue;
        }
        let candidate = ingress("web", &example["annotations"], &example["spec"]);
        all.push((candidate, before.map_or(Value::Null, |one| ingress("web", &one["annotations"], &one["spec"]))));
        let others = example["objects"].as_array().cloned().unwrap_or_default();
        all.extend(others.into_iter().map(|mut object| {
            let version = match object["kind"].as_str() {
                Some("Service" | "Namespace") => "v1",
                Some("Ingress" | "IngressClass") => "networking.k8s.io/v1",
                _ => "elbv2.k8s.aws/v1beta1",
            };
            object["apiVersion"] = json!(version);
            (object, Value::Null)
        }));
    }
    all
}

fn object<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("an object")
}

/// A class, a Service, and some members of groups.
pub fn world() -> World {
    let mut world = World::new(Settings::new("test"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb",
        "parameters": {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "alb"}}});
    world.apply(Object::IngressClass(Box::new(object(class))));
    let params = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams",
        "metadata": {"name": "alb"}, "spec": {"tags": [{"key": "team", "value": "shop"}]}});
    world.apply(Object::IngressClassParams(Box::new(object(params))));
    let service = json!({"metadata": {"name": "app", "namespace": "shop"},
        "spec": {"type": "NodePort", "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}]}});
    world.apply(Object::Service(Box::new(object(service))));
    for number in 0..3 {
        let annotations =
            json!({format!("{PREFIX}group.name"): "shop", format!("{PREFIX}group.order"): number.to_string()});
        let sibling = ingress(&format!("sibling-{number}"), &annotations, &Value::Null);
        world.apply(Object::Ingress(Box::new(object(sibling))));
    }
    world.reset(Kind::Group, Vec::new());
    world
}
