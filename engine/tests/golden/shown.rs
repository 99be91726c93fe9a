//! Desired states of some recordings as text and in the shapes of the API, and what differs from step to step: as they were
//! read and found good. `UPDATE=1` writes them anew.

use std::path::Path;

use albedo_engine::link::{Input, link};
use albedo_engine::plan;
use albedo_engine::stack::Desired;
use albedo_engine::world::Overlay;
use serde_json::Value;

use crate::case::{self, Case, Cluster, now};

fn steps(case: &Case) -> Vec<Vec<Desired>> {
    let mut cluster = Cluster::new(case.settings.clone());
    let steps = case.steps.iter().map(|step| {
        cluster.take(step);
        let groups = cluster.world.group_ids().into_iter().filter_map(|group| {
            let view = cluster.world.view(&group, &Overlay::None);
            let input = Input { settings: &case.settings, view: &view, facts: &case.facts, existing: None, now: now() };
            link(input).desired
        });
        groups.collect()
    });
    steps.collect()
}

fn holds(file: &str, is: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/shown").join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, is).expect("a file that can be written");
    }
    let was = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(is, was, "{file}: UPDATE=1 writes it anew");
}

#[test]
fn desired_states_read_as_they_did() {
    for name in ["f159-group-merge", "f081-action-weighted", "f117-auth-cognito", "s03-scheme-and-name-change"] {
        let cases = case::all();
        let case = cases.iter().find(|case| case.id == name).expect("a case");
        let steps = steps(case);
        let text: String = steps.first().into_iter().flatten().map(plan::show_desired).collect();
        holds(&format!("{name}.txt"), &text);
        let shapes: Vec<Vec<Value>> = steps.iter().map(|step| step.iter().map(plan::shape).collect()).collect();
        let json = serde_json::to_string_pretty(&shapes[0]).expect("JSON");
        holds(&format!("{name}.json"), &format!("{json}\n"));
    }
}

#[test]
fn steps_differ_by_what_was_edited() {
    for name in ["s01-paths-come-and-go", "s03-scheme-and-name-change", "s07-certificates-rotate"] {
        let cases = case::all();
        let case = cases.iter().find(|case| case.id == name).expect("a case");
        let mut text = String::new();
        for (number, pair) in steps(case).windows(2).enumerate() {
            let changes = plan::compare(&pair[0], &pair[1]);
            assert!(plan::compare(&pair[1], &pair[1]).is_empty(), "{name}: a state differs from itself");
            let back = plan::compare(&pair[1], &pair[0]);
            assert_eq!(changes.len(), back.len(), "{name}: other changes there than back");
            text.push_str(&format!("step {} to {}\n{}", number + 1, number + 2, plan::show_changes(&changes)));
        }
        holds(&format!("{name}.diff"), &text);
    }
}
