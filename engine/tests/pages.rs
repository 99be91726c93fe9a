//! The pages of the docs that are generated from the catalogue, kept current; and every example in them, checked.
//! `UPDATE=1` writes them anew.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

use std::path::Path;

use albedo_engine::annotation::{Scope, check, every_row};
use albedo_engine::explain::{annotations_page, findings_page};
use albedo_engine::lbc;
use serde_json::Value;

fn is_current(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page).expect("a page that can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/{name} is old: UPDATE=1 cargo test -p albedo-engine --test pages");
}

#[test]
fn the_pages_are_current() {
    is_current("annotations.md", &annotations_page());
    is_current("findings.md", &findings_page());
    is_current("lbc-flags.md", &lbc::page());
}

/// The blocks of a page that are YAML.
fn examples(page: &str) -> Vec<Value> {
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| serde_saphyr::from_str(block).expect("an example that is YAML")).collect()
}

#[test]
fn every_example_of_an_annotation_passes_as_it_is_printed() {
    let examples = examples(&annotations_page());
    let rows: Vec<_> = every_row().filter(|row| !row.example.is_empty()).collect();
    assert_eq!(examples.len(), rows.len());
    for example in examples {
        let (key, value) = example.as_object().and_then(|object| object.iter().next()).expect("one annotation");
        let row = rows.iter().find(|row| match key.strip_prefix(&row.full_key()) {
            Some(rest) => rest.is_empty() != row.family,
            None => false,
        });
        let row = row.expect("a row of the catalogue");
        assert!(row.scope != Scope::Output);
        assert_eq!(check(row, value.as_str().expect("text")), [], "{key}");
    }
}

/// What the codes' examples do is tests/findings.rs' matter; here they are what is printed.
#[test]
fn every_example_of_a_finding_is_yaml() {
    assert!(examples(&findings_page()).len() >= 2 * albedo_engine::finding::CODES.len());
}
