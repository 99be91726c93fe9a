//! The report for programs: one JSON object. Fields are added, never renamed.

use serde::Serialize;
use serde_json::Value;

use super::{Line, Report, Severity};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    /// Incremented when a field changes its meaning.
    version: u32,
    blocks: usize,
    warns: usize,
    fine: usize,
    lines: &'a [Line],
    /// Arguments of `albedo run`.
    arguments: &'a [String],
    /// The object of `albedo check --output json`.
    audit: Value,
}

/// The report as JSON, with a final line end.
pub(super) fn json(report: &Report<'_>) -> String {
    let whole = Whole {
        version: 1,
        blocks: report.count(Severity::Blocks),
        warns: report.count(Severity::Warns),
        fine: report.count(Severity::Fine),
        lines: &report.lines,
        arguments: &report.arguments,
        // It is what this crate wrote.
        audit: serde_json::from_str(&report.audit.json()).unwrap_or_default(),
    };
    // Only a map with keys other than strings cannot be written, and there is none.
    serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
}
