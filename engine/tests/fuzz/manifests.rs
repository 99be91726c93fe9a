//! Whatever a file holds: no panic, every place lies in its text, and every output can be read.

use albedo_chance::Chance;
use albedo_engine::admit::{Context, Policy};
use albedo_engine::check::{Look, Report, check};
use albedo_engine::facts::Facts;
use albedo_engine::manifest::{Manifests, Source};
use albedo_engine::settings::Settings;
use proptest::prelude::*;
use serde_json::Value;

use crate::{OF_FILES, Target, account, edits, runs};

const TARGET: Target = Target { name: "manifests", few: 200, stack: OF_FILES };

/// The manifests of files with these names and bytes, each named on the command line.
pub fn read(files: &[(&str, &[u8])]) -> Manifests {
    let sources = files.iter().map(|(name, bytes)| Source::new(*name, bytes.to_vec(), true)).collect();
    let mut manifests = Manifests::read(sources, &Settings::new(""), "default");
    manifests.assume_classes();
    manifests
}

/// What is said of manifests.
fn report(manifests: &Manifests) -> Report<'_> {
    let (facts, settings, policy) = (Facts::default(), Settings::new(""), Policy::default());
    let context =
        Context { world: &manifests.world, facts: &facts, settings: &settings, policy: &policy, now: account::now() };
    check(manifests, context, false)
}

/// An Ingress with these lines under `annotations:`, and its Service.
fn ingress(annotations: &str) -> String {
    let annotations: String = annotations.lines().map(|line| format!("    {line}\n")).collect();
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {type: NodePort, ports: [{port: 80}]}\n";
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  annotations:\n{annotations}\
         spec:\n  ingressClassName: alb\n  rules:\n    - http:\n        paths:\n          - path: /\n            \
         pathType: Prefix\n            backend:\n              service:\n                name: app\n                \
         port:\n                  number: 80\n---\n{service}"
    )
}

/// Keys and values as people write them, and pieces that break them.
fn annotation() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        4 => prop::sample::select(vec![
            "scheme", "target-type", "listen-ports", "subnets", "tags", "actions.app", "conditions.app", "transforms.app",
            "certificate-arn", "ssl-redirect", "group.name", "group.order", "load-balancer-attributes", "auth-idp-oidc",
            "mutual-authentication", "jwt-validation", "inbound-cidrs", "listener-attributes.HTTPS-443", "listenPorts",
        ]).prop_map(|key| format!("alb.ingress.kubernetes.io/{key}")),
        1 => "[a-z./]{1,12}",
    ];
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            "\"",
            "'",
            ":",
            ",",
            "\\",
            "\\u00e9",
            "443",
            "-1",
            "null",
            "HTTP",
            "\"type\"",
            "forward",
            "é",
            "🦀",
            "subnet-0a",
            " ",
            "\n",
            "\t",
            "\r\n",
            "#",
            "&a",
            "*a",
            "!!str",
            "%",
            "|",
            ">",
            "internal",
            "yes",
            "arn:aws:acm:",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,6}",
    ];
    let value = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    (key, value, 0..6_u8).prop_map(|(key, value, style)| {
        let block = value.lines().map(|line| format!("\n  {line}")).collect::<String>();
        match style {
            0 => format!("{key}: {value}"),
            1 => format!("{key}: {}", Value::from(value)),
            2 => format!("{key}: '{}'", value.replace('\'', "''")),
            3 => format!("{key}: |{block}"),
            4 => format!("{key}: >-{block}"),
            _ => format!("? {key}\n: {value}"),
        }
    })
}

/// A manifest, some of its bytes changed.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop::collection::vec(annotation(), 0..4).prop_map(|lines| ingress(&lines.join("\n")).into_bytes());
    let change = (any::<prop::sample::Index>(), prop::sample::select(b"{}[]:-#\"'\n\t &*|>%\xff\0".to_vec()));
    (whole, prop_oneof![3 => Just(0_usize), 1 => 1..4_usize], prop::collection::vec(change, 4)).prop_map(
        |(mut bytes, count, changes)| {
            for (at, byte) in changes.into_iter().take(count) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

fn holds(bytes: &[u8]) {
    let manifests = read(&[("in.yaml", bytes)]);
    let report = report(&manifests);
    for remark in &report.remarks {
        let Some(place) = &remark.place else { continue };
        let text = &report.sources[0].text;
        if report.sources[0].trouble.is_none() {
            assert!(text.get(place.bytes.clone()).is_some(), "{place:?} is not in the text");
        }
        assert!(
            place.line >= 1 && place.column >= 1 && (place.line, place.column) <= (place.end_line, place.end_column)
        );
    }
    for json in [report.json(), report.sarif()] {
        serde_json::from_str::<Value>(&json).expect("JSON");
    }
    assert_eq!(report.github().lines().count(), report.remarks.len() + 1);
    assert!(report.text(Look::Plain).ends_with(&(report.summary() + "\n")));
}

proptest! {
    #[test]
    fn one_ingress(bytes in file()) {
        holds(&bytes);
    }

    #[test]
    fn bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes);
    }
}

/// Files to begin with: those of the repository, objects of every kind, and lists of them.
fn files() -> Vec<Vec<u8>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let examples = std::fs::read_dir(root.join("examples")).expect("examples").map(|one| one.expect("a file").path());
    let cases = std::fs::read_dir(root.join("tests/golden/cases")).expect("cases");
    let cases = cases.map(|case| case.expect("a case").path().join("objects.yaml"));
    let mut paths: Vec<_> = examples.chain(cases).filter(|path| path.is_file()).collect();
    // A run is the same on every machine.
    paths.sort();
    let mut files: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("a file")).collect();
    let objects: Vec<_> = account::objects().into_iter().map(|(object, _)| object).collect();
    files.extend(objects.iter().map(|object| object.to_string().into_bytes()));
    files.extend(
        objects.chunks(5).map(|items| {
            serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string().into_bytes()
        }),
    );
    files
}

/// Lines moved, doubled, indented or taken out.
fn lines(file: &mut Vec<u8>, chance: &mut Chance) {
    let mut lines: Vec<_> = file.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (at, other) = (chance.below(lines.len()), chance.below(lines.len()));
    if lines.is_empty() {
        return;
    }
    match chance.below(5) {
        0 => drop(lines.remove(at)),
        1 => lines.swap(at, other),
        2 => lines.insert(at, lines[other].clone()),
        3 => drop(lines[at].splice(0..0, chance.pick(&["  ", "- ", "\t", "# "]).bytes())),
        _ => lines[at] = lines[at].iter().skip(2).copied().collect(),
    }
    *file = lines.concat();
}

#[test]
fn files_of_all_kinds() {
    let files = files();
    runs(&TARGET, |chance| {
        let mut file = chance.pick(&files).clone();
        if chance.one_in(8) {
            file.extend_from_slice(b"\n---\n");
            let more: &Vec<u8> = chance.pick(&files);
            file.extend_from_slice(more);
        }
        for _ in 0..=chance.below(3) {
            match (serde_json::from_slice::<Value>(&file), chance.below(4)) {
                (Ok(mut value), 0..3) => {
                    edits::value(&mut value, chance);
                    file = value.to_string().into_bytes();
                }
                (_, 1) => edits::bytes(&mut file, chance),
                _ => lines(&mut file, chance),
            }
        }
        holds(&file);
    });
}
