//! Every case that the predecessor took in and then failed on, or refused: here it is refused at the door, for the reason in
//! `refused.tsv`, which was read row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request};
use albedo_engine::kinds::Key;
use albedo_engine::world::Object;
use k8s_openapi::api::networking::v1::Ingress;

use crate::case::{self, Case, Cluster, now};

/// Code and path of everything that a denial of one of the case's Ingresses names, as they come one after the other.
fn refusals(case: &Case) -> BTreeSet<String> {
    let mut cluster = Cluster::new(case.settings.clone());
    let step = case.steps.first().expect("a step");
    let mut refusals = BTreeSet::new();
    for object in step.in_order() {
        if object["kind"] != "Ingress" {
            cluster.apply(object);
            continue;
        }
        let Some(candidate) = cluster.ingress(object) else { continue };
        let answer = review(case, &cluster, &candidate);
        let causes = answer.details.into_iter().flat_map(|details| details.causes);
        for cause in causes {
            let code = cause.message.split("ALB").nth(1).and_then(|rest| rest.get(..3)).unwrap_or("no code");
            let field = cause.field.replace(&case.id, "CASE");
            refusals.insert(format!("ALB{code} {field}"));
        }
        cluster.world.apply(Object::Ingress(Box::new(candidate)));
    }
    refusals
}

fn review(case: &Case, cluster: &Cluster, candidate: &Ingress) -> admit::Answer {
    let policy = Policy::default();
    let context =
        Context { world: &cluster.world, facts: &case.facts, settings: &case.settings, policy: &policy, now: now() };
    let key = Key::of(&candidate.metadata);
    let request = Request {
        row: ROWS.iter().find(|row| row.kind == WebhookKind::Validating).expect("a row"),
        operation: Operation::Create,
        namespace: key.namespace,
        name: key.name,
        dry_run: false,
        user: "somebody".to_owned(),
        object: Some(Reviewed::Ingress(Box::new(candidate.clone()))),
        old_object: None,
    };
    admit::review(&request, context)
}

/// Rows by case: what has to be among the refusals, and, after a `-`, why nothing has to.
fn table() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file()).expect("the table");
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| row.split_once('\t').expect("case, tab, refusal"))
        .map(|(case, refusal)| (case.to_owned(), refusal.to_owned()))
        .collect()
}

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refused.tsv")
}

#[test]
fn what_failed_is_refused_for_a_reason_that_was_read() {
    const FAILED: [&str; 3] = ["failed", "failed-silently", "refused-by-webhook"];
    let table = table();
    let (mut faults, mut rows, mut seen) = (Vec::new(), String::new(), 0);
    for case in case::all().iter().filter(|case| case.steps.len() == 1) {
        let ingresses = case.steps[0].expected["ingresses"].as_object().expect("Ingresses");
        if !ingresses.values().any(|one| FAILED.contains(&one["outcome"].as_str().unwrap_or_default())) {
            continue;
        }
        seen += 1;
        let refusals = refusals(case);
        let first = refusals.first().cloned().unwrap_or_else(|| "- is let in".to_owned());
        rows.push_str(&format!("{}\t{}\n", case.id, table.get(&case.id).unwrap_or(&first)));
        match table.get(&case.id) {
            None => faults.push(format!("{} has no row; it is refused for {refusals:?}", case.id)),
            Some(row) if row.starts_with("- ") && refusals.is_empty() => {}
            Some(row) if refusals.contains(row) => {}
            Some(row) => faults.push(format!("{}: {row} is not among {refusals:?}", case.id)),
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file(), rows).expect("a file that can be written");
    }
    println!("{seen} cases failed or were refused");
    assert!(faults.is_empty(), "{} cases\n{}", faults.len(), faults.join("\n"));
}
