//! A report as workflow commands, which GitHub Actions shows beside the lines of a pull request:
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>.

use super::{Remark, Report};
use crate::clean::clean;

/// One command for each remark, then the summary as an ordinary line of the log. It begins with a number, never with `::`.
pub(super) fn github(report: &Report<'_>) -> String {
    let mut text = String::new();
    for remark in &report.remarks {
        text.push_str(&command(report, remark));
        text.push('\n');
    }
    text + &report.summary() + "\n"
}

fn command(report: &Report<'_>, remark: &Remark) -> String {
    let mut properties = Vec::new();
    if let Some(file) = report.file(remark) {
        properties.push(format!("file={}", property(file)));
    }
    if let Some(place) = &remark.place {
        properties.push(format!("line={},endLine={}", place.line, place.end_line));
        // GitHub accepts columns only within one line.
        if place.end_line == place.line {
            properties.push(format!("col={},endColumn={}", place.column, place.end_column));
        }
    }
    properties.push(format!("title={}", property(&format!("{} {}", remark.rule.id(), remark.rule.title()))));
    let mut message = remark.message.clone();
    if !remark.fix.is_empty() {
        message.push_str(&format!("; {}", remark.fix));
    }
    if let Some(subject) = &remark.subject {
        message.push_str(&format!("\n{subject}"));
    }
    if !remark.path.is_empty() {
        message.push_str(&format!(": {}", remark.path));
    }
    format!("::{} {}::{}", remark.level.word(), properties.join(","), data(&message))
}

/// The text of a command.
fn data(text: &str) -> String {
    clean(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
