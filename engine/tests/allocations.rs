//! What reading annotations may cost: allocations, counted and budgeted. Times are in benches/annotations.rs.

use albedo_engine::annotation::{check, row};
use allocation_counter::measure;
use indexmap::IndexMap;

/// Allocations that checking a value may make.
const BUDGETS: [(&str, u64); 15] = [
    ("scheme", 0),
    ("target-type", 0),
    ("group.name", 0),
    ("group.order", 0),
    ("listen-ports", 16),
    ("ssl-redirect", 0),
    ("certificate-arn", 8),
    ("ssl-policy", 0),
    ("healthcheck-path", 0),
    ("healthcheck-interval-seconds", 0),
    ("success-codes", 0),
    ("load-balancer-attributes", 12),
    ("tags", 16),
    ("actions.weighted", 32),
    ("conditions.blue", 40),
];

#[test]
fn every_annotation_keeps_its_budget() {
    let mut over = Vec::new();
    let mut total = 0;
    let typical = include_str!("../benches/typical.json");
    let typical: IndexMap<String, String> = serde_json::from_str(typical).expect("JSON");
    for (key, raw) in &typical {
        let budget = BUDGETS.iter().find(|(name, _)| name == key).map(|(_, budget)| *budget).expect("a budget");
        let row = row(key).expect("a row");
        let mut faults = Vec::new();
        let used = measure(|| faults = check(row, raw)).count_total;
        assert_eq!(faults, [], "{key}");
        total += used;
        println!("{key}: {used} of {budget}");
        if used > budget {
            over.push(format!("{key}: {used} allocations, {budget} are its budget"));
        }
    }
    println!("{total} allocations for {} annotations", typical.len());
    assert!(over.is_empty(), "{}", over.join("\n"));
}
