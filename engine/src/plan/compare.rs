//! What differs between two desired states in their API shapes: by what a thing is, not by where it stands in a list.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::stack::RESOURCE_TAG;

/// One difference; absent on one side is `None` there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Change {
    /// The group, and the member of its shape: `Listeners[80].Rules[path /a].Actions`.
    pub path: String,
    /// What was desired.
    pub before: Option<Value>,
    /// What is desired.
    pub after: Option<Value>,
}

/// What tells the items of a list apart.
#[derive(Clone, Copy)]
enum By {
    /// The value at a JSON pointer.
    Pointer(&'static str),
    /// The conditions of a rule, so that a rule that only moves is the same one.
    Conditions,
    /// The ports and the source of a permission.
    Permission,
    /// The item as a whole: the list is a set.
    Itself,
}

/// Lists whose items are compared one by one. All others mean something by their order and are compared as a whole.
const LISTS: [(&str, By); 12] = [
    ("AdditionalCertificates", By::Pointer("/CertificateArn")),
    ("Attributes", By::Pointer("/Key")),
    ("IpPermissions", By::Permission),
    ("Listeners", By::Pointer("/Port")),
    ("Rules", By::Conditions),
    ("ManagedSecurityGroups", By::Pointer("/GroupName")),
    ("SecurityGroups", By::Itself),
    ("Subnets", By::Itself),
    ("Tags", By::Pointer("/Key")),
    ("TargetGroupBindings", By::Pointer("/spec/targetGroupARN")),
    ("TargetGroups", By::Pointer("/ResourceId")),
    ("ingress", By::Itself),
];

/// Everything that differs between two sets of groups, each in its [`super::shape`].
#[must_use]
pub fn compare(before: &[Value], after: &[Value]) -> Vec<Change> {
    let mut changes = Vec::new();
    items(By::Pointer("/Group"), "", before, after, &mut changes);
    changes
}

/// The differences, one a line: `+` is added, `-` taken away, `~` changed.
#[must_use]
pub fn show_changes(changes: &[Change]) -> String {
    let line = |sign: char, path: &str, value: &Value| {
        let value = brief(value);
        // What a path ends in need not be said again.
        if path == value || path.ends_with(&format!("[{value}]")) {
            format!("{sign} {path}\n")
        } else {
            format!("{sign} {path}: {value}\n")
        }
    };
    changes
        .iter()
        .map(|Change { path, before, after }| match (before, after) {
            (Some(before), Some(after)) => format!("~ {path}: {} -> {}\n", brief(before), brief(after)),
            (None, Some(after)) => line('+', path, after),
            (Some(before), None) => line('-', path, before),
            (None, None) => String::new(),
        })
        .collect()
}

fn differ(path: &str, member: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    if let Some((_, by)) = LISTS.iter().find(|(name, _)| *name == member) {
        let items_of = |side: Option<&Value>| side.and_then(Value::as_array).cloned().unwrap_or_default();
        return items(*by, path, &items_of(before), &items_of(after), changes);
    }
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                let path = if path.ends_with(": ") { format!("{path}{key}") } else { format!("{path}.{key}") };
                differ(&path, key, before.get(key), after.get(key), changes);
            }
        }
        (before, after) if before == after => {}
        (before, after) => {
            changes.push(Change { path: path.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}

fn items(by: By, path: &str, before: &[Value], after: &[Value], changes: &mut Vec<Change>) {
    let (before, after) = (named(by, before), named(by, after));
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let at = if path.is_empty() { format!("{name}: ") } else { format!("{path}[{name}]") };
        match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => differ(&at, "", Some(before), Some(after), changes),
            (before, after) => changes.push(Change {
                path: at.trim_end_matches(": ").to_owned(),
                before: before.map(|value| (*value).clone()),
                after: after.map(|value| (*value).clone()),
            }),
        }
    }
}

/// Items by what tells them apart; of equal ones the later are numbered.
fn named(by: By, list: &[Value]) -> BTreeMap<String, &Value> {
    let mut named = BTreeMap::new();
    // The resource tag of a rule follows its priority and says nothing of its own.
    for item in list.iter().filter(|item| item.get("Key").is_none_or(|key| key != RESOURCE_TAG)) {
        let name = match by {
            By::Pointer(pointer) => text(item.pointer(pointer).unwrap_or(&Value::Null)),
            By::Conditions => conditions(item),
            By::Permission => permission(item),
            By::Itself => text(item),
        };
        let mut numbered = (2..).map(|number| format!("{name} #{number}"));
        let mut free = name.clone();
        while named.contains_key(&free) {
            free = numbered.next().unwrap_or_default();
        }
        named.insert(free, item);
    }
    named
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list<'v>(of: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> {
    of.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// The configuration of a condition or an action, whichever it is.
fn config(of: &Value) -> &Value {
    let members = of.as_object().into_iter().flatten();
    members.filter(|(key, _)| key.ends_with("Config")).map(|(_, value)| value).next().unwrap_or(&Value::Null)
}

/// The conditions of a rule in words.
fn conditions(rule: &Value) -> String {
    let words = list(rule, "Conditions").map(|condition| {
        let config = config(condition);
        let field = condition.get("Field").map(text).unwrap_or_default();
        let name = config.get("HttpHeaderName").map(|name| format!(" {}", text(name))).unwrap_or_default();
        let values: Vec<String> = list(config, "Values").chain(list(config, "RegexValues")).map(text).collect();
        format!("{field}{name} {}", values.join(" | "))
    });
    words.collect::<Vec<_>>().join(" and ")
}

/// A permission in words: `tcp 443 from 10.0.0.0/8`.
fn permission(of: &Value) -> String {
    const SOURCES: [&str; 4] = [
        "/IpRanges/0/CidrIp",
        "/Ipv6Ranges/0/CidrIpv6",
        "/PrefixListIds/0/PrefixListId",
        "/UserIdGroupPairs/0/GroupId",
    ];
    let member = |name: &str| of.get(name).map(text).unwrap_or_default();
    let source = SOURCES.iter().find_map(|pointer| of.pointer(pointer)).map(text).unwrap_or_default();
    let (from, to) = (member("FromPort"), member("ToPort"));
    let ports = if from == to { from } else { format!("{from}-{to}") };
    format!("{} {ports} from {source}", member("IpProtocol"))
}

/// A thing in a few words: what it does, or what it is called.
fn brief(value: &Value) -> String {
    const NAMES: [&str; 7] = ["Value", "Name", "GroupName", "CertificateArn", "Protocol", "Group", "TargetGroupArn"];
    if let Some(Value::Array(actions)) = value.get("Actions") {
        return actions.iter().map(brief).collect::<Vec<_>>().join(", then ");
    }
    if value.get("IpProtocol").is_some() {
        return permission(value);
    }
    if let Some(kind) = value.get("Type").filter(|_| value.get("Order").is_some()) {
        let config = config(value);
        let groups: Vec<String> = list(config, "TargetGroups").map(brief).collect();
        let to = if groups.is_empty() { config.to_string() } else { groups.join(", ") };
        return format!("{} {to}", text(kind));
    }
    match value {
        Value::Array(items) => items.iter().map(brief).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let weight = map.get("Weight").map(|weight| format!(" ({weight})")).unwrap_or_default();
            let name = NAMES.iter().find_map(|name| map.get(*name)).or_else(|| value.pointer("/metadata/name"));
            name.map_or_else(|| value.to_string(), |name| text(name) + &weight)
        }
        other => text(other),
    }
}
