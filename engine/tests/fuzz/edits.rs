//! Small edits of JSON, texts and bytes: what a person, a template or an attacker changes in something that was right.

use std::sync::LazyLock;

use albedo_chance::Chance;
use albedo_engine::annotation::every_row;
use serde_json::{Map, Value, json};

/// Pieces that some grammar has a meaning for, and what none has.
const PIECES: &[&str] = &[
    "",
    " ",
    ",",
    "=",
    ":",
    ";",
    "/",
    "*",
    "?",
    ".",
    "-",
    "_",
    "\\",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "&",
    "#",
    "%",
    "$",
    "${",
    "\n",
    "\r",
    "\t",
    "\0",
    "\u{1b}[31m",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "é",
    "🦀",
    "ſ",
    "true",
    "false",
    "null",
    "0",
    "-1",
    "80",
    "443",
    "65536",
    "4294967296",
    "1e999",
    "HTTP",
    "HTTPS",
    "internal",
    "internet-facing",
    "ip",
    "instance",
    "{}",
    "[]",
    "\\u0000",
    "arn:aws:acm:eu-central-1:123456789012:certificate/0",
    "subnet-0a11",
    "sg-0a11",
    "10.0.0.0/8",
    "::/0",
    "example.com",
    "*.example.com",
    "forward",
    "redirect",
    "use-annotation",
    "ssl-redirect",
    "::error::",
    "../",
    "a/b",
];

/// Names of fields that are read somewhere.
const FIELDS: &[&str] = &[
    "metadata",
    "name",
    "namespace",
    "uid",
    "annotations",
    "labels",
    "finalizers",
    "deletionTimestamp",
    "creationTimestamp",
    "generateName",
    "ownerReferences",
    "spec",
    "status",
    "ingressClassName",
    "rules",
    "host",
    "http",
    "paths",
    "path",
    "pathType",
    "backend",
    "service",
    "port",
    "number",
    "resource",
    "tls",
    "hosts",
    "secretName",
    "defaultBackend",
    "kind",
    "apiVersion",
    "targetGroupARN",
    "targetGroupName",
    "targetType",
    "serviceRef",
    "networking",
    "ingress",
    "from",
    "ipBlock",
    "cidr",
    "ports",
    "protocol",
    "nodeSelector",
    "matchLabels",
    "matchExpressions",
    "vpcID",
    "ipAddressType",
    "multiClusterTargetGroup",
    "scheme",
    "group",
    "subnets",
    "ids",
    "tags",
    "loadBalancerAttributes",
    "key",
    "value",
    "listeners",
    "listenerAttributes",
    "request",
    "operation",
    "object",
    "oldObject",
    "dryRun",
    "userInfo",
    "username",
    "subResource",
    "version",
    "options",
    "no-such-field",
];

/// Annotations with a value that is right.
static ANNOTATIONS: LazyLock<Vec<(String, &'static str)>> = LazyLock::new(|| {
    every_row()
        .map(|row| (format!("{}{}{}", row.prefix, row.key, if row.family { "app" } else { "" }), row.example))
        .collect()
});

/// A value out of place.
fn odd(chance: &mut Chance) -> Value {
    match chance.below(16) {
        0 => Value::Null,
        1 => json!(chance.one_in(2)),
        2 => json!(*chance.pick(&[0_i64, 1, -1, 80, 65_536, i64::MAX, i64::MIN])),
        3 => json!(u64::MAX),
        4 => json!(1.5e300),
        5 => json!({}),
        6 => json!([]),
        7 => (0..chance.below(160)).fold(json!("deep"), |inner, _| json!([inner])),
        8 => (0..chance.below(60)).fold(json!(1), |inner, _| json!({"a": inner})),
        9 => Value::String(chance.pick(PIECES).repeat(chance.below(300))),
        10 => json!({*chance.pick(FIELDS): *chance.pick(PIECES)}),
        11 => json!([*chance.pick(PIECES), *chance.pick(PIECES)]),
        _ => json!(*chance.pick(PIECES)),
    }
}

/// A text with a piece in it, without a part, or with a part twice.
pub fn text(text: &mut String, chance: &mut Chance) {
    let mut at = || {
        let mut at = chance.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (one, two) = (at(), at());
    let range = one.min(two)..one.max(two);
    match chance.below(6) {
        0 => text.replace_range(range, ""),
        1 => {
            let part = text.get(range).map(str::to_owned);
            text.insert_str(one, &part.unwrap_or_default());
        }
        2 => *text = text.to_uppercase(),
        3 => *text = chance.pick(&ANNOTATIONS).1.to_owned(),
        _ => text.insert_str(one, chance.pick::<&str>(PIECES)),
    }
    // What is doubled again and again would take all the time.
    if text.len() > 8_192 {
        text.truncate((0..=8_192).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default());
    }
}

/// One edit somewhere in a value.
pub fn value(value: &mut Value, chance: &mut Chance) {
    match value {
        Value::Object(fields) if !fields.is_empty() && !chance.one_in(4) => {
            let key = fields.keys().nth(chance.below(fields.len())).cloned().unwrap_or_default();
            if let Some(inner) = fields.get_mut(&key) {
                self::value(inner, chance);
            }
        }
        Value::Array(items) if !items.is_empty() && !chance.one_in(4) => {
            let at = chance.below(items.len());
            self::value(&mut items[at], chance);
        }
        Value::Object(fields) => object(fields, chance),
        Value::Array(items) => array(items, chance),
        Value::String(text) if !chance.one_in(4) => self::text(text, chance),
        Value::Number(_) if chance.one_in(2) => {
            *value = json!(*chance.pick(&[0_i64, -1, 1, 79, 443, 65_535, 65_536, i64::MAX]));
        }
        _ => *value = odd(chance),
    }
}

fn object(fields: &mut Map<String, Value>, chance: &mut Chance) {
    let key = fields.keys().nth(chance.below(fields.len())).cloned().unwrap_or_default();
    match chance.below(6) {
        0 => drop(fields.remove(&key)),
        1 => {
            if let Some(inner) = fields.remove(&key) {
                fields.insert((*chance.pick(FIELDS)).to_owned(), inner);
            }
        }
        2 => {
            if let Some(inner) = fields.remove(&key) {
                let mut name = key;
                text(&mut name, chance);
                fields.insert(name, inner);
            }
        }
        3 => drop(fields.insert((*chance.pick(FIELDS)).to_owned(), odd(chance))),
        // Only in a map of annotations this is more than noise, and that is where most objects end.
        _ => {
            let (name, example) = chance.pick(&ANNOTATIONS);
            let mut example = (*example).to_owned();
            if chance.one_in(2) {
                text(&mut example, chance);
            }
            fields.insert(name.clone(), Value::String(example));
        }
    }
}

fn array(items: &mut Vec<Value>, chance: &mut Chance) {
    let at = chance.below(items.len());
    match (chance.below(4), items.get(at).cloned()) {
        (0, Some(_)) => drop(items.remove(at)),
        (1, Some(item)) => items.extend(std::iter::repeat_n(item, chance.below(20))),
        (2, Some(mut item)) => {
            value(&mut item, chance);
            items.push(item);
        }
        _ => items.push(odd(chance)),
    }
}

/// Bytes changed, cut, doubled or put in.
pub fn bytes(bytes: &mut Vec<u8>, chance: &mut Chance) {
    chance.edit(bytes, PIECES);
}
