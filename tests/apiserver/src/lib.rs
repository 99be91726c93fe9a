//! The table of objects and of what a real API server says of each, for the tests of `albedo check` and of the API server; and generated groups.
//!
//! A crate of its own, because the engine's tests use it and must not build what other tests do.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "for tests"
)]

pub mod groups;

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

/// Where the table is, from the root of the repository.
pub const TABLE: &str = "tests/apiserver/objects.tsv";

/// A row of the table.
pub struct Row {
    /// The row up to its last column.
    pub text: String,
    /// The object.
    pub object: Value,
    /// The fields that are refused; `-`: none, `decode`: it cannot be decoded.
    pub verdict: String,
    /// Only a server can tell: it depends on its flags.
    pub is_of_server: bool,
}

/// All rows.
pub fn rows(root: &Path) -> Vec<Row> {
    let table = fs::read_to_string(root.join(TABLE)).expect("the table");
    let row = |line: &str| {
        let (text, verdict) = line.rsplit_once('\t').expect("a verdict");
        let (kind, changes) = text.split_once('\t').expect("changes");
        let changes: Map<String, Value> = serde_json::from_str(&whole(changes)).expect(text);
        let mut object = plain(kind);
        for (pointer, value) in changes {
            set(&mut object, &pointer, value);
        }
        let (is_of_server, verdict) = match verdict.strip_prefix("* ") {
            Some(verdict) => (true, verdict),
            None => (false, verdict),
        };
        Row { text: text.to_owned(), object, verdict: verdict.to_owned(), is_of_server }
    };
    table.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

/// Writes `{a 64}` out.
fn whole(text: &str) -> String {
    let mut parts = text.split('{');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let repeated = part.split_once('}').and_then(|(inside, rest)| {
            let (what, count) = inside.split_once(' ').filter(|(what, _)| what.chars().count() == 1)?;
            Some((what.repeat(count.parse().ok()?), rest))
        });
        match repeated {
            Some((written, rest)) => whole.extend([written.as_str(), rest]),
            None => whole.extend(["{", part]),
        }
    }
    whole
}

fn plain(kind: &str) -> Value {
    match kind {
        "Ingress" => json!({"apiVersion": "networking.k8s.io/v1", "kind": kind, "metadata": {"name": "web"},
            "spec": {"ingressClassName": "alb", "rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]}}),
        "Service" => json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "app"},
            "spec": {"type": "NodePort", "selector": {"app": "app"}, "ports": [{"port": 80, "targetPort": 8080}]}}),
        _ => json!({"apiVersion": "networking.k8s.io/v1", "kind": kind, "metadata": {"name": "alb"},
            "spec": {"controller": "ingress.k8s.aws/alb"}}),
    }
}

/// Sets what a JSON pointer names, and what is missing on the way.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    let tokens: Vec<String> =
        pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    for (number, token) in tokens.iter().enumerate() {
        let is_list = tokens.get(number + 1).is_some_and(|next| next.parse::<usize>().is_ok());
        if let Value::Array(items) = at {
            let index: usize = token.parse().expect("an index");
            if index == items.len() {
                items.push(Value::Null);
            }
            at = &mut items[index];
        } else {
            at = at.as_object_mut().expect("an object").entry(token.as_str()).or_insert(Value::Null);
        }
        if number + 1 < tokens.len() && !(at.is_object() || at.is_array()) {
            *at = if is_list { json!([]) } else { json!({}) };
        }
    }
    *at = value;
}
