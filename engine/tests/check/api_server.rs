//! What a real API server says of objects, by a table that `tests/it` holds against one: `albedo check` gives the same verdict.

use std::path::Path;

use albedo_apiserver_objects::{Row, rows};
use albedo_engine::check::Rule;
use albedo_engine::manifest::FaultKind;

use super::{read, report};

/// What is said of an object that the API server refuses.
fn malformed(row: &Row) -> Vec<String> {
    let manifests = read(&[("in.yaml", row.object.to_string().as_bytes())]);
    let report = report(&manifests);
    let malformed = report.remarks.into_iter().filter(|remark| remark.rule == Rule::Fault(FaultKind::Malformed));
    malformed.map(|remark| remark.message).collect()
}

#[test]
fn the_verdict_is_that_of_the_api_server() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let rows: Vec<Row> = rows(root).into_iter().filter(|row| !row.is_of_server).collect();
    let mut faults = Vec::new();
    for row in &rows {
        let told = malformed(row);
        if told.is_empty() != (row.verdict == "-") {
            faults.push(format!("{}: the API server says {}, albedo check {told:?}", row.text, row.verdict));
        }
    }
    println!("{} objects", rows.len());
    assert!(rows.len() > 600 && faults.is_empty(), "{} of {}:\n{}", faults.len(), rows.len(), faults.join("\n"));
}
