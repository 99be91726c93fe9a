//! The differences between two desired states. Items of a list are matched by what they are, not by their position.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::shape::shape;
use super::show;
use crate::stack::{Action, Desired, Listener, RESOURCE_TAG, Rule};

/// One difference; absent on one side is `None` there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DesiredChange {
    /// The group, and the member of its shape: `Listeners[80].Rules[path /a].Actions`.
    pub path: String,
    /// What was desired.
    pub before: Option<Value>,
    /// What is desired.
    pub after: Option<Value>,
    /// Both as text.
    #[serde(skip)]
    text: [Option<String>; 2],
}

/// How the items of a list are matched.
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

/// Lists whose items are compared one by one. In all other lists the order matters; they are compared as a whole.
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

/// Everything that differs between two sets of groups.
#[must_use]
pub fn compare(before: &[Desired], after: &[Desired]) -> Vec<DesiredChange> {
    let shapes = [before, after].map(|groups| groups.iter().map(shape).collect::<Vec<Value>>());
    let [before, after] = [(before, &shapes[0]), (after, &shapes[1])].map(|(groups, shapes)| {
        groups.iter().zip(shapes).map(|(group, shape)| Part { shape, of: Of::Group(group) }).collect::<Vec<_>>()
    });
    let mut changes = Vec::new();
    items(By::Pointer("/Group"), "", &before, &after, &mut changes);
    changes
}

/// The differences, one a line: `+` is added, `-` taken away, `~` changed.
#[must_use]
pub fn show_changes(changes: &[DesiredChange]) -> String {
    let line = |sign: char, path: &str, value: &str| {
        // A value that the path ends with is not repeated.
        if path == value || path.ends_with(&format!("[{value}]")) {
            format!("{sign} {path}\n")
        } else {
            format!("{sign} {path}: {value}\n")
        }
    };
    changes
        .iter()
        .map(|DesiredChange { path, text, .. }| match text {
            [Some(before), Some(after)] => format!("~ {path}: {before} -> {after}\n"),
            [None, Some(after)] => line('+', path, after),
            [Some(before), None] => line('-', path, before),
            [None, None] => String::new(),
        })
        .collect()
}

/// A part of a shape, and what it is the shape of.
#[derive(Clone, Copy)]
struct Part<'d> {
    shape: &'d Value,
    of: Of<'d>,
}

/// What is shown from its own type, and the lists that contain it.
#[derive(Clone, Copy)]
enum Of<'d> {
    Group(&'d Desired),
    Listeners(&'d Desired),
    Listener(&'d Listener),
    Rules(&'d [Rule]),
    Rule(&'d Rule),
    Actions(&'d [Action]),
    Other,
}

impl Part<'_> {
    fn member(self, key: &str) -> Option<Self> {
        let of = match (self.of, key) {
            (Of::Group(desired), "Listeners") => Of::Listeners(desired),
            (Of::Listener(listener), "Rules") => Of::Rules(&listener.rules),
            (Of::Listener(listener), "DefaultActions") => Of::Actions(&listener.default_actions),
            (Of::Rule(rule), "Actions") => Of::Actions(&rule.actions),
            _ => Of::Other,
        };
        Some(Self { shape: self.shape.get(key)?, of })
    }

    fn items(self) -> Vec<Self> {
        let item = |index: usize| match self.of {
            Of::Listeners(desired) => desired.listeners.values().nth(index).map(Of::Listener),
            Of::Rules(rules) => rules.get(index).map(Of::Rule),
            _ => None,
        };
        let items = self.shape.as_array().into_iter().flatten().enumerate();
        items.map(|(index, shape)| Self { shape, of: item(index).unwrap_or(Of::Other) }).collect()
    }

    /// Its actions, its name or its whole shape.
    fn text(self) -> String {
        match self.of {
            Of::Rule(rule) => show::actions_in_full(&rule.actions),
            Of::Actions(actions) => show::actions_in_full(actions),
            _ => brief(self.shape),
        }
    }
}

fn change(path: &str, before: Option<Part<'_>>, after: Option<Part<'_>>) -> DesiredChange {
    let value = |part: Option<Part<'_>>| part.map(|part| part.shape.clone());
    let text = [before, after].map(|part| part.map(Part::text));
    DesiredChange { path: path.to_owned(), before: value(before), after: value(after), text }
}

fn differ(
    path: &str,
    member: &str,
    before: Option<Part<'_>>,
    after: Option<Part<'_>>,
    changes: &mut Vec<DesiredChange>,
) {
    if let Some((_, by)) = LISTS.iter().find(|(name, _)| *name == member) {
        let [before, after] = [before, after].map(|side| side.map(Part::items).unwrap_or_default());
        return items(*by, path, &before, &after, changes);
    }
    let shapes = (before.map(|part| part.shape), after.map(|part| part.shape));
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = shapes {
        for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let path = if path.ends_with(": ") { format!("{path}{key}") } else { format!("{path}.{key}") };
            let [before, after] = [before, after].map(|side| side?.member(key));
            differ(&path, key, before, after, changes);
        }
    } else if shapes.0 != shapes.1 {
        changes.push(change(path, before, after));
    }
}

fn items(by: By, path: &str, before: &[Part<'_>], after: &[Part<'_>], changes: &mut Vec<DesiredChange>) {
    let (before, after) = (named(by, before), named(by, after));
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let at = if path.is_empty() { format!("{name}: ") } else { format!("{path}[{name}]") };
        match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => differ(&at, "", Some(*before), Some(*after), changes),
            (before, after) => changes.push(change(at.trim_end_matches(": "), before.copied(), after.copied())),
        }
    }
}

/// Items by name; later items of one name are numbered.
fn named<'d>(by: By, list: &[Part<'d>]) -> BTreeMap<String, Part<'d>> {
    let mut named = BTreeMap::new();
    // The resource tag of a rule only repeats its priority.
    for item in list.iter().filter(|item| item.shape.get("Key").is_none_or(|key| key != RESOURCE_TAG)) {
        let name = match (by, item.of) {
            (By::Pointer(pointer), _) => text(item.shape.pointer(pointer).unwrap_or(&Value::Null)),
            (By::Conditions, Of::Rule(rule)) => show::conditions(&rule.conditions),
            (By::Permission, _) => permission(item.shape),
            (By::Itself | By::Conditions, _) => text(item.shape),
        };
        let mut numbered = (2..).map(|number| format!("{name} #{number}"));
        let mut free = name.clone();
        while named.contains_key(&free) {
            free = numbered.next().unwrap_or_default();
        }
        named.insert(free, *item);
    }
    named
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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

/// The name of a resource, or its whole shape.
fn brief(value: &Value) -> String {
    const NAMES: [&str; 7] = ["Value", "Name", "GroupName", "CertificateArn", "Protocol", "Group", "TargetGroupArn"];
    if value.get("IpProtocol").is_some() {
        return permission(value);
    }
    match value {
        Value::Array(items) => items.iter().map(brief).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let name = NAMES.iter().find_map(|name| map.get(*name)).or_else(|| value.pointer("/metadata/name"));
            name.map_or_else(|| value.to_string(), text)
        }
        other => text(other),
    }
}
