//! Each way in which AWS refuses, as the emulator has it and as its API documents it: there is a finding before it, or a section of docs/limits.md.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is what a test has for a fault"
)]

mod aged;
mod example;
mod subnet;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use albedo_engine::finding::{CODES, Certainty, Code};
use example::review;
use regex::Regex;
use serde::Deserialize;

/// A row of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// `FILE MESSAGE` or `FILE EXCEPTION`.
    #[serde(default)]
    emulator: Vec<String>,
    /// Error codes.
    #[serde(default)]
    aws: Vec<String>,
    /// The finding that comes before it.
    told: Option<String>,
    #[serde(default)]
    examples: Vec<String>,
    /// The section of docs/limits.md.
    limit: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/aws/refusals.yaml")).expect("the table");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// Every refusal in the sources of the emulator: the file, and its message as far as it stands there, or the exception.
fn refusals() -> Vec<(String, String)> {
    // Faults of those who call the control API, and what ends a call that is struck by an injected fault.
    let own = ["ValueError", "RuntimeError", "LookupError", "AttributeError", "AssertionError", "Lost"];
    let raised = Regex::new(r#"raise E\("\w+", f?"([^"]*)|raise (\w{2,})\(|yield f"(Value [^"]*)"#);
    let raised = raised.expect("a pattern");
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("tests/aws")).expect("the emulator") {
        let path = entry.expect("a file").path();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.extension().is_none_or(|extension| extension != "py") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        for hit in raised.captures_iter(&text) {
            let what = (1..=3).find_map(|group| hit.get(group)).map(|group| group.as_str()).unwrap_or_default();
            if !own.contains(&what) {
                found.push((file.clone(), what.to_owned()));
            }
        }
    }
    found
}

/// Sections of docs/limits.md, as links name them.
fn sections() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/limits.md")).expect("docs/limits.md");
    let titles = text.lines().filter_map(|line| line.strip_prefix("## "));
    titles.map(|title| title.to_lowercase().replace(' ', "-")).collect()
}

/// An example with its abbreviations written out.
fn whole(example: &str) -> String {
    let certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab";
    let to_action = "spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: f, port: {name: use-annotation}}}}]}}]}";
    let six = [r#"{"serviceName": "app", "servicePort": 80}"#; 6].join(", ");
    let text = example.replace("{certificate}", certificate).replace("{use f}", to_action).replace("{six}", &six);
    let long = Regex::new(r"\{long (\d+)\}").expect("a pattern");
    let count = |hit: &regex::Captures<'_>| hit[1].parse::<usize>().expect("a number");
    let text = long.replace_all(&text, |hit: &regex::Captures<'_>| "x".repeat(count(hit))).into_owned();
    let tags = Regex::new(r"\{tags (\d+)\}").expect("a pattern");
    let many = |hit: &regex::Captures<'_>| (0..count(hit)).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    tags.replace_all(&text, many).into_owned()
}

#[test]
fn the_emulator_refuses_nothing_that_is_not_in_the_table() {
    let rows = rows();
    let refusals = refusals();
    let is = |row: &str, (file, what): &(String, String)| {
        row.split_once(' ').is_some_and(|(of, begins)| of == file && what.starts_with(begins))
    };
    let listed: Vec<&String> = rows.iter().flat_map(|row| &row.emulator).collect();
    let mut faults = Vec::new();
    for refusal in &refusals {
        if !listed.iter().any(|row| is(row, refusal)) {
            faults.push(format!("no row has {} {}", refusal.0, refusal.1));
        }
    }
    for row in listed {
        if !refusals.iter().any(|refusal| is(row, refusal)) {
            faults.push(format!("the emulator refuses nothing with {row}"));
        }
    }
    assert!(refusals.len() > 80, "only {} refusals are found in its sources", refusals.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_row_is_told_at_apply_or_explained() {
    let sections = sections();
    let mut faults = Vec::new();
    let (mut named, mut examples) = (BTreeSet::new(), 0);
    for row in rows() {
        let what = format!("{:?} {:?}", row.emulator, row.aws);
        match (&row.told, &row.limit) {
            (Some(code), None) if Code::parse(code).is_some() && !row.examples.is_empty() => {
                for example in &row.examples {
                    examples += 1;
                    let (text, allowed) = review(&whole(example));
                    let warns = CODES.iter().any(|known| known.id == code && known.certainty != Certainty::Certain);
                    if !text.contains(code.as_str()) || allowed != warns {
                        faults.push(format!("{what}: {example}\n    allowed is {allowed}, instead of {code}: {text}"));
                    }
                }
            }
            (None, Some(section)) if sections.contains(section) && row.examples.is_empty() => {
                named.insert(section.clone());
            }
            _ => faults.push(format!("{what}: neither a code with examples nor a section of docs/limits.md")),
        }
    }
    faults.extend(sections.difference(&named).map(|section| format!("docs/limits.md: no row leads to #{section}")));
    println!("{examples} examples, {} sections", named.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
