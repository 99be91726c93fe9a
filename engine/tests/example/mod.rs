//! Examples as the rows of findings have them, reviewed: what is laid over a plain Ingress, and the world and the account around it.

use std::collections::BTreeMap;

use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS, WebhookRow};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request};
use albedo_engine::annotation::PREFIX;
use albedo_engine::facts::{Certificate, Facts, SecurityGroupFact, Subnet};
use albedo_engine::kinds::{IngressClassParams, IngressPolicy, TargetGroupBinding};
use albedo_engine::settings::Settings;
use albedo_engine::stack::TargetGroupTraits;
use albedo_engine::world::{Kind, Object, World};
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{Value, json};

use crate::aged::{aged, now};
use crate::subnet::subnet;

const LEGACY: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/legacy/1";

fn named(name: &str, arn: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), arn.to_owned())])
}

pub fn facts(example: &Value) -> Facts {
    let limits = example["limits"].as_object().into_iter().flatten();
    let limits = limits.filter_map(|(name, most)| Some((name.clone(), most.as_i64()?)));
    let mut account_limits = BTreeMap::from([("listeners-per-application-load-balancer".to_owned(), 3)]);
    account_limits.extend(limits);
    let roles = [("kubernetes.io/role/internal-elb", "1"), ("kubernetes.io/role/elb", "1")];
    let subnet = |id: &str, zone: &str| subnet(id, zone, &roles);
    let more = example["subnets"].as_array().into_iter().flatten().map(|more| {
        let text = |field: &str| more[field].as_str().expect("a text");
        Subnet { free_addresses: more["free"].as_i64().expect("a number"), ..subnet(text("id"), text("zone")) }
    });
    let mut subnets = vec![
        subnet("subnet-0a11", "eu-central-1a"),
        subnet("subnet-0a12", "eu-central-1a"),
        subnet("subnet-0b22", "eu-central-1b"),
    ];
    subnets.extend(more);
    let group = |id: &str| SecurityGroupFact { id: id.to_owned(), name: "own".to_owned(), tags: BTreeMap::new() };
    Facts {
        region: Some("eu-central-1".to_owned()),
        vpc_id: Some("vpc-1".to_owned()),
        vpc_cidrs: aged(vec!["10.0.0.0/16".to_owned()]),
        subnets: aged(subnets),
        certificates: aged(vec![Certificate {
            arn: "arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab".to_owned(),
            status: "ISSUED".to_owned(),
            domains: vec!["*.example.com".to_owned()],
            certificate_authority: None,
        }]),
        security_groups: aged(["sg-0a11", "sg-0a21", "sg-0a22", "sg-0a23", "sg-0a24", "sg-0a25"].map(group).into()),
        target_group_names: aged(named("legacy", LEGACY)),
        target_groups: aged(BTreeMap::from([(
            LEGACY.to_owned(),
            TargetGroupTraits {
                target_type: "ip".to_owned(),
                protocol: "HTTP".to_owned(),
                ip_address_type: "ipv4".to_owned(),
                vpc_id: "vpc-1".to_owned(),
            },
        )])),
        web_acls: aged(named("web", "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/web/1")),
        trust_stores: aged(named(
            "clients",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:truststore/clients/1",
        )),
        prefix_lists: aged(BTreeMap::from([("pl-0a11".to_owned(), 10)])),
        shield_subscribed: aged(false),
        account_limits: aged(account_limits),
    }
}

fn plain(annotations: &Value, spec: &Value, name: &str) -> Ingress {
    let mut whole = json!({
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
        "spec": {
            "ingressClassName": "alb",
            "rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]
        }
    });
    if let (Some(target), Some(source)) = (whole["spec"].as_object_mut(), spec.as_object()) {
        target.extend(source.clone());
    }
    serde_json::from_value(whole).expect("an Ingress")
}

pub fn world(example: &Value) -> World {
    let mut world = World::new(Settings::new("test"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    let mut services = vec![json!({"kind": "Service", "metadata": {"name": "app"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}})];
    services.extend(example["objects"].as_array().cloned().unwrap_or_default());
    for mut object in services {
        match object["kind"].as_str() {
            Some("Service") => {
                object["metadata"]["namespace"] = json!("shop");
                let service: Service = serde_json::from_value(object).expect("a Service");
                world.apply(Object::Service(Box::new(service)));
            }
            Some("IngressClass") => {
                let class: IngressClass = serde_json::from_value(object).expect("a class");
                world.apply(Object::IngressClass(Box::new(class)));
            }
            Some("IngressClassParams") => {
                let params: IngressClassParams = serde_json::from_value(object).expect("IngressClassParams");
                world.apply(Object::IngressClassParams(Box::new(params)));
            }
            Some("Ingress") => {
                let ingress: Ingress = serde_json::from_value(object).expect("an Ingress");
                world.apply(Object::Ingress(Box::new(ingress)));
            }
            Some("TargetGroupBinding") => {
                let binding: TargetGroupBinding = serde_json::from_value(object).expect("a TargetGroupBinding");
                world.apply(Object::Binding(Box::new(binding)));
            }
            Some("Namespace") => {
                let namespace: Namespace = serde_json::from_value(object).expect("a Namespace");
                let labels = namespace.metadata.labels.unwrap_or_default();
                world.apply(Object::Namespace { name: namespace.metadata.name.unwrap_or_default(), labels });
            }
            Some("IngressPolicy") => {
                let policy: IngressPolicy = serde_json::from_value(object).expect("an IngressPolicy");
                world.apply(Object::Policy(Box::new(policy)));
            }
            other => panic!("no such kind in examples: {other:?}"),
        }
    }
    for (number, annotations) in example["siblings"].as_array().into_iter().flatten().enumerate() {
        let sibling = plain(annotations, &Value::Null, &format!("sibling-{number}"));
        world.apply(Object::Ingress(Box::new(sibling)));
    }
    world.reset(Kind::Group, Vec::new());
    world
}

/// What the operator decides in an example.
fn settings(example: &Value) -> Settings {
    let mut settings = Settings::new("test");
    for flag in example["flags"].as_array().into_iter().flatten() {
        match flag.as_str() {
            Some("--disable-ingress-group-name-annotation") => settings.forbid_group_name_annotation = true,
            other => panic!("no such flag in examples: {other:?}"),
        }
    }
    settings
}

/// What a review of an example answers, denials and warnings together, and whether it is admitted.
pub fn review(example: &str) -> (String, bool) {
    let example = example.replace("{p}", PREFIX);
    let example: Value = serde_saphyr::from_str(&example).unwrap_or_else(|error| panic!("{example}: {error}"));
    let world = world(&example);
    let (facts, settings, policy) = (facts(&example), settings(&example), Policy::default());
    let context = Context { world: &world, facts: &facts, settings: &settings, policy: &policy, now: now() };
    if let Some(spec) = example.get("binding") {
        return review_binding(spec, example.get("before"), context);
    }
    if let Some(object) = example.get("configuration") {
        return review_configuration(object, context);
    }
    let mut candidate = plain(&example["annotations"], &example["spec"], "web");
    if let (Some(count), Some(spec)) = (example["paths"].as_u64(), &mut candidate.spec) {
        let paths = spec.rules.iter_mut().flatten().filter_map(|rule| Some(&mut rule.http.as_mut()?.paths));
        paths.for_each(|paths| *paths = (0..count).flat_map(|_| paths.clone()).collect());
    }
    let old = example.get("before").map(|before| plain(&before["annotations"], &before["spec"], "web"));
    let request = Request {
        row: ROWS.iter().find(|row| row.kind == WebhookKind::Validating).expect("a row"),
        operation: if old.is_some() { Operation::Update } else { Operation::Create },
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        dry_run: false,
        user: "somebody".to_owned(),
        object: Some(Reviewed::Ingress(Box::new(candidate))),
        old_object: old.map(|old| Reviewed::Ingress(Box::new(old))),
    };
    let answer = admit::review(&request, context);
    (format!("{} {}", answer.message, answer.warnings.join(" ")), answer.allowed)
}

/// The same of a binding's spec, and of the one that is stored.
fn review_binding(spec: &Value, before: Option<&Value>, context: Context<'_>) -> (String, bool) {
    let object = |spec: &Value| {
        let mut spec = spec.clone();
        spec["serviceRef"] = json!({"name": "app", "port": 80});
        let (version, meta) = ("elbv2.k8s.aws/v1beta1", json!({"name": "web", "namespace": "shop"}));
        Reviewed::Other(json!({"apiVersion": version, "kind": "TargetGroupBinding", "metadata": meta, "spec": spec}))
    };
    let is_row = |row: &&WebhookRow| row.kind == WebhookKind::Validating && row.resource == "targetgroupbindings";
    let request = Request {
        row: ROWS.iter().find(is_row).expect("a row"),
        operation: if before.is_some() { Operation::Update } else { Operation::Create },
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        dry_run: false,
        user: "somebody".to_owned(),
        object: Some(object(spec)),
        old_object: before.map(object),
    };
    let answer = admit::review(&request, context);
    (format!("{} {}", answer.message, answer.warnings.join(" ")), answer.allowed)
}

/// The same of an object that decides about Ingresses.
fn review_configuration(object: &Value, context: Context<'_>) -> (String, bool) {
    let mut object = object.clone();
    object["apiVersion"] = json!("albedo.dev/v1alpha1");
    object["metadata"]["name"] = json!("web");
    let resource = match object["kind"].as_str() {
        Some("IngressClassParams") => "ingressclassparams",
        Some("IngressDefaults") => "ingressdefaults",
        Some("IngressPolicy") => "ingresspolicies",
        other => panic!("no such kind in examples: {other:?}"),
    };
    let request = Request {
        row: ROWS.iter().find(|row| row.resource == resource).expect("a row"),
        operation: Operation::Create,
        namespace: String::new(),
        name: "web".to_owned(),
        dry_run: false,
        user: "somebody".to_owned(),
        object: Some(Reviewed::Other(object)),
        old_object: None,
    };
    let answer = admit::review(&request, context);
    (format!("{} {}", answer.message, answer.warnings.join(" ")), answer.allowed)
}
