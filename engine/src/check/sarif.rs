//! A report as SARIF 2.1.0, which code scanning reads:
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Remark, Report, Rule};

/// The log, with a final line end.
pub(super) fn sarif(report: &Report<'_>) -> String {
    let rules: BTreeSet<Rule> = report.remarks.iter().map(|remark| remark.rule).collect();
    let rules: Vec<Rule> = rules.into_iter().collect();
    let results: Vec<Value> = report.remarks.iter().map(|remark| result(report, remark, &rules)).collect();
    let descriptions: Vec<Value> = rules.iter().map(|rule| describe(*rule)).collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "albedo", "version": env!("CARGO_PKG_VERSION"), "rules": descriptions}},
            // Columns count characters; the default would be UTF-16 units.
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": true}],
            "results": results,
        }],
    });
    // A tree of JSON values can always be written.
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

/// An object of the fields that have a value.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<String, Value>>())
}

fn describe(rule: Rule) -> Value {
    let row = match rule {
        Rule::Code(code) => Some(code.row()),
        Rule::Fault(_) => None,
    };
    object([
        ("id", Some(json!(rule.id()))),
        ("shortDescription", Some(json!({"text": rule.title()}))),
        ("fullDescription", row.map(|row| json!({"text": row.explanation}))),
        ("help", row.filter(|row| !row.fix.is_empty()).map(|row| json!({"text": row.fix}))),
    ])
}

fn result(report: &Report<'_>, remark: &Remark, rules: &[Rule]) -> Value {
    let text = match remark.fix.as_str() {
        "" => remark.message.clone(),
        fix => format!("{}; {fix}", remark.message),
    };
    object([
        ("ruleId", Some(json!(remark.rule.id()))),
        ("ruleIndex", rules.iter().position(|rule| *rule == remark.rule).map(|index| json!(index))),
        ("level", Some(json!(remark.level.word()))),
        ("message", Some(json!({"text": text}))),
        ("locations", location(report, remark).map(|location| json!([location]))),
        ("partialFingerprints", Some(json!({"albedo/v1": fingerprint(report, remark)}))),
    ])
}

/// Where a remark is: in a file, or at least at an object, as in a cluster.
fn location(report: &Report<'_>, remark: &Remark) -> Option<Value> {
    let region = remark.place.as_ref().map(|place| {
        json!({
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        })
    });
    let physical = report.file(remark).map(|file| {
        let artifact = json!({"uri": uri(file)});
        object([("artifactLocation", Some(artifact)), ("region", region)])
    });
    let logical = remark
        .subject
        .as_ref()
        .map(|subject| json!([{"fullyQualifiedName": format!("{subject}: {}", remark.path), "kind": "object"}]));
    (physical.is_some() || logical.is_some())
        .then(|| object([("physicalLocation", physical), ("logicalLocations", logical)]))
}

/// A fingerprint that does not change when lines are added above, so that code scanning recognises a remark.
fn fingerprint(report: &Report<'_>, remark: &Remark) -> String {
    let mut hash = Sha256::new();
    let subject = remark.subject.as_ref().map(ToString::to_string).unwrap_or_default();
    let parts = [report.file(remark).unwrap_or_default(), remark.rule.id(), &subject, &remark.path, &remark.pointer];
    for part in parts.into_iter().chain(remark.value.as_deref()) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A file's name as a URI reference (RFC 3986): relative as given, absolute with its scheme.
fn uri(name: &str) -> String {
    let mut uri = String::new();
    let name = name.strip_prefix("./").unwrap_or(name);
    if name.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
