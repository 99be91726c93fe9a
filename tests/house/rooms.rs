//! What may use what: one row a module, in order from the bottom up. A row may name only rows above it.

use std::collections::BTreeSet;

use crate::scan::{Path, Source, Token, word};

/// One module (the first folder or file name below `src`) of the engine or of the edge.
pub struct RoomRow {
    pub room: &'static str,
    /// Rooms it may use beside itself; `room::Item` allows that item alone.
    pub may: &'static [&'static str],
    /// Crates it may use, of those that some room must not.
    pub crates: &'static [Family],
}

/// Crates that belong to certain rooms; a name that ends in `*` is a prefix. Crates of no family are free.
type Family = &'static [&'static str];

const TYPES: Family = &["k8s_openapi"];
const KUBE: Family = &["kube", "kube_*"];
const AWS: Family =
    &["aws_config", "aws_credential_types", "aws_runtime", "aws_sdk_*", "aws_sigv4", "aws_smithy_*", "aws_types"];
const WEB: Family = &["axum", "axum_*", "hyper", "hyper_util", "http_body_util", "tower", "tower_*"];
const TLS: Family = &["rustls", "rustls_*", "tokio_rustls"];
/// Errors without a type: for who only prints them.
const ANYHOW: Family = &["anyhow"];
const FAMILIES: &[Family] = &[TYPES, KUBE, AWS, WEB, TLS, ANYHOW];

/// In the place of a list: everything.
const ANY: &[&str] = &["*"];

macro_rules! rows {
    ($($room:ident: [$($may:literal),*] [$($family:ident),*];)*) => {
        &[$(RoomRow { room: stringify!($room), may: &[$($may),*], crates: &[$($family),*] },)*]
    };
}

/// The rooms of the engine.
#[rustfmt::skip]
pub const ENGINE: &[RoomRow] = rows! {
    clean:      [] [];
    finding:    [] [];
    glob:       [] [];
    stack:      ["finding"] [];
    kinds:      ["finding"] [TYPES, KUBE];
    facts:      ["finding", "stack", "glob"] [];
    settings:   ["finding", "stack"] [];
    lbc:        ["settings"] [];
    annotation: ["finding", "stack", "kinds", "facts", "settings"] [];
    iam:        ["annotation"] [];
    explain:    ["finding", "annotation"] [];
    world:      ["finding", "stack", "kinds", "facts", "settings", "annotation"] [TYPES];
    compile:    ["finding", "stack", "kinds", "facts", "settings", "annotation", "world"] [TYPES];
    traffic:    ["finding", "stack", "settings", "glob"] [];
    ledger:     ["finding", "stack", "settings", "kinds", "annotation", "world"] [TYPES];
    manifest:   ["finding", "annotation", "stack", "kinds", "settings", "world"] [TYPES];
    link:       ["finding", "stack", "kinds", "facts", "settings", "annotation", "world", "compile", "traffic", "ledger"] [TYPES];
    targets:    ["finding", "stack", "settings", "kinds"] [TYPES];
    plan:       ["finding", "stack", "settings", "traffic", "ledger"] [];
    describe:   ["finding", "stack", "kinds", "facts", "settings", "annotation", "world", "compile", "ledger", "link", "plan"] [TYPES];
    admit:      ["clean", "finding", "glob", "stack", "kinds", "facts", "settings", "annotation", "world", "compile", "traffic", "ledger", "link", "targets", "plan"] [TYPES];
    check:      ["clean", "finding", "world", "admit", "manifest"] [];
    preflight:  ["clean", "finding", "stack", "kinds", "facts", "settings", "annotation", "lbc", "world", "link", "targets", "admit", "manifest", "check"] [TYPES];
    report:     ["clean", "finding", "stack", "settings", "kinds", "world", "ledger", "link", "plan"] [TYPES];
};

/// The rooms of the edge.
#[rustfmt::skip]
pub const EDGE: &[RoomRow] = rows! {
    liveness:  [] [];
    metrics:   [] [];
    version:   [] [];
    cluster:   ["clean", "settings", "annotation::schema_rules", "kinds", "world", "ledger", "liveness", "metrics"] [TYPES, KUBE];
    cloud:     ["settings", "stack", "facts", "plan::operation", "liveness", "metrics"] [AWS];
    reconcile: ["finding", "stack", "kinds", "facts", "settings", "annotation", "world", "compile", "traffic", "ledger", "link", "targets",
                "plan", "report", "liveness", "metrics", "cluster", "cloud"] [TYPES, KUBE];
    serve:     ["finding", "stack", "kinds", "facts", "settings", "annotation", "world", "compile", "traffic", "ledger", "link", "plan",
                "admit", "liveness", "metrics", "version", "cluster"] [TYPES, KUBE, WEB, TLS];
    cli:       ["*"] [TYPES, KUBE, AWS, WEB, TLS, ANYHOW];
    app:       ["*"] [TYPES, KUBE, AWS, WEB, TLS, ANYHOW];
    main:      ["*"] [TYPES, KUBE, AWS, WEB, TLS, ANYHOW];
};

/// The rooms of the local load balancer (`alb/`). `backend` and `health` know each other, and so do `serve` and the rooms that look at the
/// connection and rule of a request: `gate`, `mtls`, `sticky`, `tls`.
#[rustfmt::skip]
pub const ALB: &[RoomRow] = rows! {
    address:   [] [];
    authority: [] [TLS];
    bodies:    [] [WEB];
    served:    [] [];
    trusting:  [] [TLS];
    snapshot:  ["stack"] [];
    aws:       ["stack", "snapshot"] [AWS, WEB];
    dial:      ["stack", "bodies", "trusting"] [WEB, TLS];
    reports:   ["aws"] [];
    health:    ["stack", "aws", "backend", "dial", "reports"] [WEB];
    backend:   ["stack", "address", "aws", "bodies", "dial", "health", "reports", "snapshot"] [];
    transform: ["stack"] [WEB];
    gate:      ["stack", "traffic", "address", "bodies", "dial", "serve"] [WEB];
    mtls:      ["stack", "serve"] [WEB, TLS];
    sticky:    ["stack", "traffic", "backend", "serve", "snapshot"] [WEB];
    tls:       ["stack", "authority", "mtls", "serve", "snapshot"] [TLS];
    serve:     ["stack", "traffic", "address", "authority", "backend", "bodies", "dial", "gate", "mtls", "served", "snapshot", "sticky", "tls",
                "transform"] [WEB];
    region:    ["aws", "reports", "serve", "snapshot"] [];
    main:      ["*"] [];
};

/// What a file of a room names against its row, as `line: what is wrong`, each room once a line. `file` is relative to `src`.
///
/// Tests are held to the rooms too, but may use any crate: they stand in for the other side.
pub fn breaks(rows: &[RoomRow], file: &str, source: &Source) -> Vec<String> {
    let mut module = module_of(file);
    if module.is_empty() {
        module.push("main".to_owned());
    }
    let Some(row) = rows.iter().find(|row| row.room == module[0]) else {
        return vec![format!("1: the room `{}` has no row in tests/house/rooms.rs", module[0])];
    };
    let here = if row.room == "main" { Vec::new() } else { module };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for path in source.paths() {
        let target = room_path(&here, &path);
        let why = match &target {
            Some(target) => against_rooms(row, target),
            None if path.test || is_test(file) => None,
            None => against_crates(row, &path),
        };
        let named = target.and_then(|target| target.into_iter().next());
        found.extend(why.filter(|_| seen.insert((path.line, named))).map(|why| format!("{}: {why}", path.line)));
    }
    found
}

/// `cloud/convert/read.rs` is `cloud::convert::read`; `lib.rs` and `main.rs` are the root.
fn module_of(file: &str) -> Vec<String> {
    let parts = file.trim_end_matches(".rs").split('/');
    let mut parts: Vec<String> = parts.map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod")
        || (parts.len() == 1 && matches!(parts[0].as_str(), "lib" | "main"))
    {
        parts.pop();
    }
    parts
}

fn against_crates(row: &RoomRow, path: &Path) -> Option<String> {
    let first = path.segments.first()?;
    let family = FAMILIES.iter().find(|family| family.iter().any(|name| fits(name, first)))?;
    (!row.crates.contains(family)).then(|| {
        format!("`{}` uses the crate {first} ({}), which its row doesn't list", row.room, path.segments.join("::"))
    })
}

fn against_rooms(row: &RoomRow, target: &[String]) -> Option<String> {
    let room = row.room;
    if row.may == ANY || target.first().is_some_and(|first| first == room) {
        return None;
    }
    if target.first().is_none_or(|first| first == "*") {
        return Some(format!("`{room}` takes in the crate's root, which hides what it uses"));
    }
    let allowed =
        |entry: &str| entry.split("::").enumerate().all(|(at, part)| target.get(at).is_some_and(|has| has == part));
    (!row.may.iter().copied().any(allowed))
        .then(|| format!("`{room}` uses {}; its row allows: {}", target.join("::"), row.may.join(", ")))
}

/// `tests.rs`, `…_tests.rs` and whatever is below a folder `tests`.
pub fn is_test(file: &str) -> bool {
    let stem = file.trim_end_matches(".rs");
    stem.ends_with("_tests") || stem.split('/').any(|part| part == "tests")
}

/// The path below the root of the engine or the edge; nothing for a path into another crate or a name in scope.
fn room_path(here: &[String], path: &Path) -> Option<Vec<String>> {
    let mut module: Vec<String> = here.iter().chain(&path.inside).cloned().collect();
    let mut rest = path.segments.iter().map(String::as_str).peekable();
    match rest.next()? {
        "crate" | "albedo_engine" | "albedo" | "albedo_alb" => module.clear(),
        "self" => {}
        "super" => {
            module.pop();
        }
        _ => return None,
    }
    while rest.next_if_eq(&"super").is_some() {
        module.pop();
    }
    module.extend(rest.map(str::to_owned));
    Some(module)
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

/// I/O, clock and output in the engine: the compiler can't keep these out, std is always there.
pub fn impurities(source: &Source) -> Vec<String> {
    const STD: &[&str] = &["env", "fs", "io", "os", "process", "thread"];
    let mut found = Vec::new();
    for path in source.paths().iter().filter(|path| !path.test) {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        let why = match segments.as_slice() {
            ["std", module, ..] if STD.contains(module) => "does I/O",
            // Addresses are data.
            ["std", "net", item, ..] if !item.starts_with("Ip") && !item.starts_with("AddrParse") => "does I/O",
            ["std", "net"] => "does I/O",
            ["std", "time", "Instant" | "SystemTime" | "*", ..] | [.., "now"] => "reads the clock",
            _ => continue,
        };
        found.push(format!("{}: the engine is pure, {} {why}", path.line, segments.join("::")));
    }
    for name in ["print", "println", "eprint", "eprintln", "dbg"] {
        let lines = source.find(&[word(name), Token::Mark('!')], false);
        found.extend(lines.iter().map(|line| format!("{line}: the engine is pure, {name}! writes")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{ANY, EDGE, ENGINE, RoomRow, breaks, impurities};
    use crate::scan::Source;

    fn engine(file: &str, text: &str) -> Vec<String> {
        breaks(ENGINE, file, &Source::read(text))
    }

    fn edge(file: &str, text: &str) -> Vec<String> {
        breaks(EDGE, file, &Source::read(text))
    }

    #[test]
    fn a_row_names_only_rows_above_it() {
        let rows: Vec<&RoomRow> = ENGINE.iter().chain(EDGE).collect();
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.may != ANY) {
            for entry in row.may {
                let room = entry.split("::").next().unwrap();
                assert!(rows[..at].iter().any(|above| above.room == room), "{} names {entry}", row.room);
            }
        }
    }

    #[test]
    fn what_a_row_lists_is_allowed() {
        assert!(engine("link/subnets.rs", "use crate::compile::{Spec, Fragment};\nuse super::Input;").is_empty());
        assert!(engine("kinds.rs", "pub(crate) mod pod; use kube::CustomResource; use self::pod::Pod;").is_empty());
        assert!(
            edge("cloud/operations.rs", "use albedo_engine::plan::operation::ApiCall; use aws_sdk_ec2::types::Tag;")
                .is_empty()
        );
        assert!(edge("serve/tls.rs", "use rustls::crypto::aws_lc_rs; use crate::serve::accept;").is_empty());
        assert!(edge("cluster/tests/api.rs", "use hyper::Request;").is_empty());
        assert!(edge("cluster/watch.rs", "#[cfg(test)] mod tests { use hyper::Request; }").is_empty());
        assert!(edge("main.rs", "mod app; fn main() { app::main(); crate::cli::run() }").is_empty());
    }

    #[test]
    fn what_a_row_does_not_list_is_found_with_its_line() {
        let found =
            engine("plan/diff.rs", "use crate::stack::Tags;\nuse crate::{\n    stack::Rule,\n    link::Linked,\n};");
        assert_eq!(found, ["4: `plan` uses link::Linked; its row allows: finding, stack, settings, traffic, ledger"]);
        for (file, text) in [
            ("stack.rs", "fn f() -> crate::annotation::Row { }"),
            ("stack/names.rs", "use super::super::annotation::Row;"),
            ("stack/names.rs", "mod inner { use super::super::super::annotation::Row; }"),
            ("stack/names.rs", "#[cfg(test)] mod tests { use crate::annotation::Row; }"),
            ("stack.rs", "use super::annotation;"),
            ("stack.rs", "use super::*;"),
            ("stack.rs", "use crate as root;"),
            ("stack.rs", "use crate::{self as root};"),
            ("stack.rs", "macro_rules! m { () => { $crate::annotation::PREFIX } }"),
            ("plan.rs", "use k8s_openapi::api::core::v1::Pod;"),
            ("weather.rs", ""),
        ] {
            assert_eq!(engine(file, text).len(), 1, "{file}: {text}");
        }
        for (file, text) in [
            ("cluster/tests/api.rs", "use crate::cloud::{Cloud, Inventory};"),
            ("cluster/watch.rs", "use hyper::Request;"),
            ("cluster/watch.rs", "use albedo_engine::plan;"),
            ("cluster/watch.rs", "use crate::cloud::Cloud;"),
            ("cluster/watch.rs", "async fn f(x: aws_sdk_acm::Client) {}"),
            ("cloud/call.rs", "use kube::Client;"),
            ("cloud/call.rs", "use albedo_engine::{kinds::Key, stack::Tags};"),
            ("cloud/call.rs", "use albedo_engine::plan::KubeOperation;"),
            ("cloud/call.rs", "use albedo_engine::plan;"),
            ("cloud/call.rs", "use anyhow::Context;"),
            ("reconcile/pass.rs", "use albedo_engine::admit::Verdict;"),
            ("reconcile/pass.rs", "use axum as web;"),
            ("serve/webhook.rs", "use crate::{reconcile::Queue};"),
            ("serve.rs", "use super::cloud::Cloud;"),
            ("serve.rs", "use ::aws_config;"),
        ] {
            assert_eq!(edge(file, text).len(), 1, "{file}: {text}");
        }
    }

    #[test]
    fn the_engine_reads_no_clock_and_does_no_io() {
        for text in [
            "use std::{fmt, fs};",
            "std::net::TcpStream::connect(x)",
            "std::env::var(\"X\")",
            "jiff::Timestamp::now()",
            "Zoned::now()",
            "println!(\"x\")",
        ] {
            assert_eq!(impurities(&Source::read(text)).len(), 1, "{text}");
        }
        let fine = "use std::{fmt, net::{IpAddr, Ipv4Addr}}; use std::time::Duration; // println!\n#[cfg(test)] mod tests { use std::fs; }";
        assert!(impurities(&Source::read(fine)).is_empty());
    }
}
