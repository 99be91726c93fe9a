//! Generated groups: examples of all codes, right ones and wrong ones, mixed in one group, with settings of the catalogue added.

use std::collections::BTreeMap;

use albedo_chance::Chance;
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

/// What groups are made of.
pub struct Parts {
    /// Examples of findings as YAML has them: annotations and spec. Of each pair the first is accepted.
    examples: Vec<Value>,
    /// Settings: prefix and key, whether the key stands for a family, a right value.
    settings: Vec<(String, bool, &'static str)>,
}

impl Parts {
    /// Of examples in pairs; those that need a world of their own are left out.
    pub fn new(examples: impl IntoIterator<Item = Value>, settings: Vec<(String, bool, &'static str)>) -> Self {
        const APART: [&str; 5] = ["binding", "configuration", "limits", "flags", "before"];
        // Most are right, or too few groups would be admitted.
        let often = examples
            .into_iter()
            .enumerate()
            .flat_map(|(at, one)| std::iter::repeat_n(one, if at % 2 == 0 { 4 } else { 1 }));
        let examples = often.filter(|example| APART.iter().all(|part| example.get(part).is_none())).collect();
        Self { examples, settings }
    }

    /// Ingresses that arrive one after another. About half of them are in the group `team`.
    pub fn ingresses(&self, chance: &mut Chance) -> Vec<Value> {
        (0..=chance.below(4)).map(|number| self.ingress(chance, number)).collect()
    }

    fn ingress(&self, chance: &mut Chance, number: usize) -> Value {
        let example = chance.pick(&self.examples);
        let mut annotations: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in example["annotations"].as_object().into_iter().flatten() {
            annotations.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
        }
        for _ in 0..chance.below(3) {
            let (key, is_family, right) = chance.pick(&self.settings);
            let key = match key {
                key if key.ends_with("listener-attributes.") => format!("{key}HTTP-80"),
                key if key.ends_with("target-control-port.") => format!("{key}web.80"),
                family if *is_family => format!("{family}{}", chance.pick(&["web", "f", "app"])),
                key => key.clone(),
            };
            let value = if chance.one_in(10) { (*chance.pick(&ODD)).to_owned() } else { (*right).to_owned() };
            annotations.insert(key, value);
        }
        if chance.one_in(2) {
            annotations.insert("alb.ingress.kubernetes.io/group.name".to_owned(), "team".to_owned());
        }
        let mut spec = json!({"ingressClassName": "alb", "rules": rules(chance)});
        if let (Some(target), Some(source)) = (spec.as_object_mut(), example["spec"].as_object()) {
            target.extend(source.clone());
        }
        json!({"spec": spec, "metadata": {"name": format!("i{number}"), "namespace": "shop",
            "uid": format!("uid-{number}"), "annotations": annotations, "creationTimestamp": format!("2026-01-01T00:00:{number:02}Z")}})
    }
}

/// The Services that generated rules and settings name, beside `app` of the examples.
pub const SERVICES: [(&str, &str); 2] = [("web", "NodePort"), ("inner", "ClusterIP")];

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
