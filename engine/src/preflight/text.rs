//! The report for people: one page.

use super::{Line, Report, Severity};

/// The report, with the result at the end.
pub(super) fn text(report: &Report<'_>) -> String {
    let mut text = String::new();
    let mut topic = None;
    for line in &report.lines {
        if topic != Some(line.topic) {
            let first = if topic.is_none() { "" } else { "\n" };
            text.push_str(&format!("{first}{}\n", line.topic.title()));
            topic = Some(line.topic);
        }
        text.push_str(&entry(line));
    }
    if !report.arguments.is_empty() {
        text.push_str("\nArguments of albedo run that behave as this LBC\n");
        report.arguments.iter().for_each(|argument| text.push_str(&format!("  {argument}\n")));
    }
    text.push_str(&format!("\n{}\n", summary(report)));
    text
}

fn entry(line: &Line) -> String {
    let place = if line.place.is_empty() { String::new() } else { format!("{}: ", line.place) };
    let fix = if line.fix.is_empty() { String::new() } else { format!("         to do: {}\n", line.fix) };
    format!("  {:<6} {place}{}\n{fix}", line.severity.word(), line.message)
}

/// The last line.
fn summary(report: &Report<'_>) -> String {
    let (blocks, warns) = (report.count(Severity::Blocks), report.count(Severity::Warns));
    let verdict = if blocks == 0 { "nothing blocks the switch" } else { "not ready for the switch" };
    format!("{verdict}: {blocks} block, {warns} warn, {} fine", report.count(Severity::Fine))
}
