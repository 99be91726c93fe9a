//! A report for people, in the format of rustc: the line, a caret under the value, what is wrong, and how to fix it.

use annotate_snippets::{AnnotationKind, Group, Level as Shown, Origin, Renderer, Snippet};

use super::{Level, Remark, Report};
use crate::clean::{clean, clean_line};

/// The style of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Without colours.
    Plain,
    /// With the colours of a terminal.
    Coloured,
}

/// The report, with the summary at the end.
pub(super) fn text(report: &Report<'_>, look: Look) -> String {
    let renderer = match look {
        Look::Plain => Renderer::plain(),
        Look::Coloured => Renderer::styled(),
    };
    let mut text = String::new();
    for remark in &report.remarks {
        text.push_str(&render(&renderer, report, remark));
        text.push_str("\n\n");
    }
    text.push_str(&report.summary());
    text.push('\n');
    text
}

/// Text from a file is cleaned before it is put into the report. Afterwards its escapes could not be distinguished from those of colours.
fn render(renderer: &Renderer, report: &Report<'_>, remark: &Remark) -> String {
    let level = match remark.level {
        Level::Error => Shown::ERROR,
        Level::Warning => Shown::WARNING,
    };
    let (message, fix) = (clean(&remark.message), clean(&remark.fix));
    let file = report.file(remark).map(clean_line);
    let lines = lines(report, remark);
    let group = Group::with_title(level.primary_title(&*message).id(remark.rule.id()));
    let group = match (&file, &lines) {
        (Some(file), Some((line, shown, span))) => {
            let span = AnnotationKind::Primary.span(span.clone());
            group.element(Snippet::source(&**shown).line_start(*line).path(&**file).annotation(span))
        }
        (Some(file), None) => group.element(Origin::path(&**file)),
        (None, _) => group,
    };
    let group = group.elements(notes(remark).into_iter().map(|note| Shown::NOTE.message(note)));
    let group = if fix.is_empty() { group } else { group.element(Shown::HELP.message(&*fix)) };
    renderer.render(&[group])
}

/// The first line of the place of a remark, its number, and the part to underline.
fn lines(report: &Report<'_>, remark: &Remark) -> Option<(usize, String, std::ops::Range<usize>)> {
    let place = remark.place.as_ref()?;
    let text = report.sources.get(remark.source?)?.text.as_str();
    let start = text.get(..place.bytes.start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let rest = text.get(place.bytes.start..)?;
    let line_end = place.bytes.start + rest.find('\n').unwrap_or(rest.len());
    let shown = text.get(start..line_end)?.trim_end_matches('\r');
    let begin = place.bytes.start.min(start + shown.len());
    let end = place.bytes.end.min(start + shown.len()).max(begin);
    let (begin, end) = (begin - start, end - start);
    let clean_to = |end: usize| shown.get(..end).map_or(0, |part| clean_line(part).len());
    Some((place.line, clean_line(shown).into_owned(), clean_to(begin)..clean_to(end).max(clean_to(begin))))
}

fn notes(remark: &Remark) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(subject) = &remark.subject {
        let path = if remark.path.is_empty() { String::new() } else { format!(": {}", remark.path) };
        let pointer = if remark.pointer.is_empty() { String::new() } else { format!(", at {}", remark.pointer) };
        notes.push(format!("{subject}{path}{pointer}"));
    }
    if let Some(template) = &remark.template {
        notes.push(format!("rendered from {template}"));
    }
    if !remark.related.is_empty() {
        let related: Vec<String> = remark.related.iter().map(ToString::to_string).collect();
        notes.push(format!("see also {}", related.join(", ")));
    }
    notes.into_iter().map(|note| clean(&note).into_owned()).collect()
}
