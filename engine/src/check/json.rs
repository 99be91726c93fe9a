//! A report for programs: one JSON object. Fields are added, never renamed.

use serde::Serialize;

use super::{Level, Remark, Report};
use crate::finding::{Effect, ObjectRef};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    /// Incremented when a field changes its meaning.
    version: u32,
    ingresses: usize,
    errors: usize,
    warnings: usize,
    findings: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    level: Level,
    code: &'static str,
    title: &'static str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    template: Option<&'a str>,
    subject: Option<&'a ObjectRef>,
    related: &'a [ObjectRef],
    path: &'a str,
    pointer: &'a str,
    value: Option<&'a str>,
    allowed: &'a [String],
    message: &'a str,
    fix: &'a str,
    effect: Option<Effect>,
}

/// The report as JSON, with a final line end.
pub(super) fn json(report: &Report<'_>) -> String {
    let errors = report.errors();
    let whole = Whole {
        version: 1,
        ingresses: report.ingresses,
        errors,
        warnings: report.remarks.len() - errors,
        findings: report.remarks.iter().map(|remark| one(report, remark)).collect(),
    };
    // Only a map with keys other than strings cannot be written, and there is none.
    serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
}

fn one<'a>(report: &'a Report<'_>, remark: &'a Remark) -> One<'a> {
    let place = remark.place.as_ref();
    One {
        level: remark.level,
        code: remark.rule.id(),
        title: remark.rule.title(),
        file: report.file(remark),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        end_line: place.map(|place| place.end_line),
        end_column: place.map(|place| place.end_column),
        template: remark.template.as_deref(),
        subject: remark.subject.as_ref(),
        related: &remark.related,
        path: &remark.path,
        pointer: &remark.pointer,
        value: remark.value.as_deref(),
        allowed: &remark.allowed,
        message: &remark.message,
        fix: &remark.fix,
        effect: remark.effect,
    }
}
