//! `docs/differences.md` lists every code that refuses what the predecessor provisions: nothing is built otherwise, and the Ingress is
//! refused all the same. The recordings show some of them; here they are derived from the catalogue and the table of codes.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use albedo_engine::admit::{self, Context, Policy};
use albedo_engine::annotation::{PREFIX, SettingRow, rows};
use albedo_engine::facts::Facts;
use albedo_engine::finding::{CODES, Certainty, Effect, Tier};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::world::{Object, World};
use jiff::Timestamp;
use serde_json::{Value, from_value, json};

/// Values that are wrong for most annotations.
const WRONG: [&str; 11] = [
    "",
    "x y",
    "yes",
    "-1",
    "a",
    "a=b",
    "99999",
    "[]",
    "{}",
    r#"[{"field": "no-such-field"}]"#,
    r#"{"type": "forward", "forwardConfig": {"targetGroups": []}}"#,
];

/// Keys that a row stands for: the names of a backend that is there, of one that is not, and of a listener.
fn keys(row: &SettingRow) -> Vec<String> {
    let parts: &[&str] = if row.family { &["app", "other", "app.80", "HTTP-81"] } else { &[""] };
    parts.iter().map(|part| format!("{}{}{part}", row.prefix, row.key)).collect()
}

/// A Service whose annotations take the place of the Ingress's, an Ingress, and what nothing else can be wrong with.
fn world(annotations: &BTreeMap<String, String>, of_service: bool) -> World {
    let mut settings = Settings::new("cluster");
    settings.default_target_type = albedo_engine::stack::TargetType::Ip;
    let mut world = World::new(settings);
    let own: BTreeMap<String, &str> = rows()
        .filter(|row| of_service && row.on_service.is_read() && !row.family && row.key != "tags")
        .map(|row| (format!("{PREFIX}{}", row.key), row.example))
        .filter(|(key, _)| !key.contains("auth-") && !key.ends_with("target-type"))
        .collect();
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let service = json!({"metadata": {"name": "app", "namespace": "ns", "uid": "u", "annotations": own},
        "spec": {"type": "ClusterIP", "ports": [{"port": 80, "targetPort": 8080}]}});
    let ingress: Value = json!({"metadata": {"name": "web", "namespace": "ns", "uid": "i", "annotations": annotations},
        "spec": {"ingressClassName": "alb", "rules": [{"host": "www.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]}});
    drop(world.apply(Object::IngressClass(Box::new(from_value(class).expect("a class")))));
    drop(world.apply(Object::Service(Box::new(from_value(service).expect("a Service")))));
    drop(world.apply(Object::Ingress(Box::new(from_value(ingress).expect("an Ingress")))));
    world
}

/// Codes that refuse an Ingress which is built as if it had none of them.
fn refusing_what_is_built() -> BTreeSet<&'static str> {
    let policy = Policy::default();
    // By their own effect; consequences are of an edit, which the predecessor carries out.
    let mut found: BTreeSet<&str> = CODES
        .iter()
        .filter(|row| {
            row.certainty == Certainty::Certain && (row.effect == Effect::Nothing || row.tier == Tier::Consequence)
        })
        .map(|row| row.id)
        .collect();
    for (key, value) in rows().flat_map(keys).flat_map(|key| WRONG.map(|value| (key.clone(), value))) {
        for of_service in [false, true] {
            let world = world(&BTreeMap::from([(key.clone(), value.to_owned())]), of_service);
            let (settings, facts) = (world.settings(), Facts::default());
            let (world, policy) = (&world, &policy);
            let context = Context { world, facts: &facts, settings: &settings, policy, now: Timestamp::UNIX_EPOCH };
            let findings = admit::survey(context);
            if findings.iter().all(|finding| finding.effect == Effect::Nothing) {
                found.extend(findings.iter().filter(|one| policy.denies(one, false)).map(|one| one.code.row().id));
            }
        }
    }
    found
}

#[test]
fn every_code_that_refuses_what_is_provisioned_is_listed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences.md");
    let text = std::fs::read_to_string(path).expect("docs/differences.md");
    let listed: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| ALB").and_then(|_| line.get(2..8))).collect();
    let found = refusing_what_is_built();
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/differences.md lacks {missing:?}");
    let by_recordings = ["ALB001", "ALB009", "ALB019", "ALB021"];
    assert!(
        by_recordings.iter().filter(|code| found.contains(*code)).count() > 1,
        "the derivation finds what the recordings do: {found:?}"
    );
}
