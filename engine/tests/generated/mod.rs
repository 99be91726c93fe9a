//! Generated groups: examples of all codes, right ones and wrong ones, mixed in one group, with settings of the catalogue added.

use std::collections::BTreeMap;

use albedo_chance::Chance;
use albedo_engine::annotation::{PREFIX, rows};
use albedo_engine::finding::CODES;
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

/// Values that are wrong for most settings, and right for some.
const ODD: [&str; 12] = [
    "",
    "nonsense",
    "0",
    "-1",
    "4001",
    "true",
    "a=b",
    "[]",
    "443",
    "none",
    r#"[{"HTTP": 80}, {"HTTPS": 443}]"#,
    "stickiness.enabled=true",
];

/// Parts of examples that need a world of their own.
const APART: [&str; 5] = ["binding", "configuration", "limits", "flags", "before"];

const HOSTS: [Option<&str>; 5] =
    [None, Some("www.example.com"), Some("*.example.com"), Some("api.example.com"), Some("localhost")];
const PATHS: [(&str, &str); 8] = [
    ("/", "Prefix"),
    ("/a", "Prefix"),
    ("/b", "Exact"),
    ("/c/*", "ImplementationSpecific"),
    ("/d?", "ImplementationSpecific"),
    ("/*", "Prefix"),
    ("/e f", "Exact"),
    ("/g(h)", "ImplementationSpecific"),
];

/// All examples that can be mixed.
pub fn examples() -> Vec<Value> {
    let texts = CODES.iter().flat_map(|row| [row.accepts, row.refuses]);
    let read = |text: &str| -> Value { serde_saphyr::from_str(&text.replace("{p}", PREFIX)).expect("an example") };
    // Most are right, or too few groups would be admitted.
    let texts = texts.enumerate().flat_map(|(at, text)| std::iter::repeat_n(text, if at % 2 == 0 { 4 } else { 1 }));
    texts.map(read).filter(|example| APART.iter().all(|part| example.get(part).is_none())).collect()
}

/// The Services that generated rules and settings name, beside `app` of the examples.
pub const SERVICES: [(&str, &str); 2] = [("web", "NodePort"), ("inner", "ClusterIP")];

/// Ingresses that arrive one after another. About half of them are in the group `team`.
pub fn ingresses(chance: &mut Chance, examples: &[Value]) -> Vec<Ingress> {
    (0..=chance.below(4)).map(|number| ingress(chance, examples, number)).collect()
}

fn ingress(chance: &mut Chance, examples: &[Value], number: usize) -> Ingress {
    let example = chance.pick(examples);
    let mut annotations: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in example["annotations"].as_object().into_iter().flatten() {
        annotations.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    for _ in 0..chance.below(3) {
        let all: Vec<_> = rows().collect();
        let row = *chance.pick(&all);
        let key = match row.key {
            "listener-attributes." => "listener-attributes.HTTP-80".to_owned(),
            "target-control-port." => "target-control-port.web.80".to_owned(),
            family if row.family => format!("{family}{}", chance.pick(&["web", "f", "app"])),
            key => key.to_owned(),
        };
        let value = if chance.one_in(10) { (*chance.pick(&ODD)).to_owned() } else { row.example.to_owned() };
        annotations.insert(format!("{}{key}", row.prefix), value);
    }
    if chance.one_in(2) {
        annotations.insert(format!("{PREFIX}group.name"), "team".to_owned());
    }
    let mut spec = json!({"ingressClassName": "alb", "rules": rules(chance)});
    if let (Some(target), Some(source)) = (spec.as_object_mut(), example["spec"].as_object()) {
        target.extend(source.clone());
    }
    let ingress = json!({"spec": spec, "metadata": {"name": format!("i{number}"), "namespace": "shop",
        "uid": format!("uid-{number}"), "annotations": annotations, "creationTimestamp": format!("2026-01-01T00:00:{number:02}Z")}});
    serde_json::from_value(ingress).expect("an Ingress")
}

fn rules(chance: &mut Chance) -> Vec<Value> {
    let backend = |chance: &mut Chance| match chance.below(40) {
        0 => json!({"service": {"name": "inner", "port": {"number": 80}}}),
        1 => json!({"service": {"name": "f", "port": {"name": "use-annotation"}}}),
        2 => json!({"service": {"name": "web", "port": {"name": "http"}}}),
        3 => json!({"service": {"name": "web", "port": {"number": 81}}}),
        _ => json!({"service": {"name": "web", "port": {"number": 80}}}),
    };
    let rule = |chance: &mut Chance| {
        let (path, kind) = PATHS.get(chance.below(8 * PATHS.len())).unwrap_or(&PATHS[0]);
        let host = HOSTS.get(chance.below(4 * HOSTS.len())).copied().flatten();
        json!({"host": host, "http": {"paths": [{"path": path, "pathType": kind, "backend": backend(chance)}]}})
    };
    (0..=chance.below(3)).map(|_| rule(chance)).collect()
}
