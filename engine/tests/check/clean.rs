//! What a file says can neither move a cursor nor speak to the runner of the job, whatever the output.

use albedo_engine::check::Look;
use proptest::prelude::*;
use serde_json::Value;

use super::{ingress, read, report};

/// Pieces of what terminals and runners obey, as YAML's double quotes write them.
const PIECES: &[&str] = &[
    "\\e[2J",
    "\\x1b]0;x\\a",
    "\\u009b31m",
    "\\u0085",
    "\\u202e",
    "\\n::error file=x::y",
    "\\r::set-env name=x::y",
    "\\n  ::stop-commands::x",
    "::warning::x",
    "##[error]x",
    "##vso[task.x]y",
    "%0A::error::x",
    "plain",
    "\\b\\b",
    "\\0",
    "é",
];

fn piece() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..4).prop_map(|pieces| pieces.concat())
}

const KEYS: &[&str] =
    &["scheme", "target-type", "subnets", "tags", "listen-ports", "actions.app", "group.name", "listenPorts"];

/// Escapes of colours, which a report for a terminal has of its own.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    let is_of_colours = |c: char| c.is_ascii_digit() || c == ';';
    let rest = parts.map(|part| part.trim_start_matches(is_of_colours).strip_prefix('m').expect("a colour"));
    rest.fold(first, |text, part| text + part)
}

fn is_obeyed(c: char) -> bool {
    c != '\n' && c != '\t' && (c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

fn holds(name: &str, file: &str) {
    let manifests = read(&[(name, file.as_bytes())]);
    let report = report(&manifests);
    let (json, sarif, github) = (report.json(), report.sarif(), report.github());
    let coloured = without_colours(&report.text(Look::Coloured));
    for text in [&report.text(Look::Plain), &coloured, &json, &sarif, &github] {
        assert!(!text.chars().any(is_obeyed), "{text:?}");
        assert!(!text.contains("##[") && !text.contains("##vso["), "{text:?}");
    }
    for text in [&report.text(Look::Plain), &coloured, &json, &sarif] {
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
    }
    for json in [&json, &sarif] {
        serde_json::from_str::<Value>(json).expect("JSON");
    }
    let commands = github.lines().filter(|line| line.trim_start().starts_with("::"));
    assert_eq!(commands.count(), report.remarks.len(), "{github}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn in_values(key in prop::sample::select(KEYS), value in piece(), name in piece()) {
        let file = ingress(&format!("alb.ingress.kubernetes.io/{key}: \"{value}\""));
        holds("in.yaml", &file);
        holds("in.yaml", &file.replace("name: web", &format!("name: \"{name}\"")));
        holds("in.yaml", &file.replace("path: /", &format!("path: \"{value}\"")));
        holds("in.yaml", &file.replace("kind: Ingress", &format!("kind: Ingress\n\"{name}\": \"{value}\"")));
    }

    /// Raw, in the text of the file and in its name.
    #[test]
    fn in_files(value in piece(), name in piece()) {
        let raw = |text: &str| {
            let named = [("\\e", "\u{1b}"), ("\\x1b", "\u{1b}"), ("\\a", "\u{7}"), ("\\u009b", "\u{9b}"), ("\\u0085", "\u{85}"),
                ("\\u202e", "\u{202e}"), ("\\n", "\n"), ("\\r", "\r"), ("\\b", "\u{8}"), ("\\0", "\0")];
            named.iter().fold(text.to_owned(), |text, (written, raw)| text.replace(written, raw))
        };
        holds(&raw(&name), &ingress(&format!("alb.ingress.kubernetes.io/scheme: {}", raw(&value))));
        holds(&raw(&name), &raw(&value));
    }
}
