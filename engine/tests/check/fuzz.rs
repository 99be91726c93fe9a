//! Whatever a file holds: no panic, every place lies in its text, and every output can be read.
//! `make fuzz` runs it a million times.

use albedo_engine::check::Look;
use proptest::prelude::*;
use serde_json::Value;

use super::{ingress, read, report};

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
    fn manifests(bytes in file()) {
        holds(&bytes);
    }

    #[test]
    fn bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes);
    }
}
