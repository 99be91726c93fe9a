//! Checks of the API server before any webhook: the fields of an Ingress, and annotations that are
//! not strings. <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/>

use std::borrow::Cow;

use super::node::{Node, Shape, get_mut};

/// A fault of a field: its path, whether the key or the value is wrong, the message, the fix.
pub(super) struct Misfit {
    pub(super) path: String,
    pub(super) key: bool,
    pub(super) message: String,
    pub(super) fix: String,
}

/// What a field may contain.
enum Field {
    /// Anything.
    Open,
    /// These fields.
    Fields(&'static [(&'static str, Field)]),
    /// A list of these.
    Items(&'static Field),
}

use Field::{Fields, Items, Open};

const PORT: Field = Fields(&[("name", Open), ("number", Open)]);
const BACKEND: Field = Fields(&[
    ("service", Fields(&[("name", Open), ("port", PORT)])),
    ("resource", Fields(&[("apiGroup", Open), ("kind", Open), ("name", Open)])),
]);
const PATH: Field = Fields(&[("path", Open), ("pathType", Open), ("backend", BACKEND)]);
const RULE: Field = Fields(&[("host", Open), ("http", Fields(&[("paths", Items(&PATH))]))]);
const TLS: Field = Fields(&[("hosts", Open), ("secretName", Open)]);
const METADATA: Field = Fields(&[
    ("annotations", Open),
    ("creationTimestamp", Open),
    ("deletionGracePeriodSeconds", Open),
    ("deletionTimestamp", Open),
    ("finalizers", Open),
    ("generateName", Open),
    ("generation", Open),
    ("labels", Open),
    ("managedFields", Open),
    ("name", Open),
    ("namespace", Open),
    ("ownerReferences", Open),
    ("resourceVersion", Open),
    ("selfLink", Open),
    ("uid", Open),
]);
const INGRESS: Field = Fields(&[
    ("apiVersion", Open),
    ("kind", Open),
    ("metadata", METADATA),
    ("status", Fields(&[("loadBalancer", Open)])),
    (
        "spec",
        Fields(&[
            ("defaultBackend", BACKEND),
            ("ingressClassName", Open),
            ("rules", Items(&RULE)),
            ("tls", Items(&TLS)),
        ]),
    ),
]);

const CLASS: Field = Fields(&[
    ("apiVersion", Open),
    ("kind", Open),
    ("metadata", METADATA),
    (
        "spec",
        Fields(&[
            ("controller", Open),
            (
                "parameters",
                Fields(&[("apiGroup", Open), ("kind", Open), ("name", Open), ("namespace", Open), ("scope", Open)]),
            ),
        ]),
    ),
]);
const SERVICE_PORT: Field = Fields(&[
    ("appProtocol", Open),
    ("name", Open),
    ("nodePort", Open),
    ("port", Open),
    ("protocol", Open),
    ("targetPort", Open),
]);
const SERVICE: Field = Fields(&[
    ("apiVersion", Open),
    ("kind", Open),
    ("metadata", METADATA),
    ("status", Open),
    (
        "spec",
        Fields(&[
            ("allocateLoadBalancerNodePorts", Open),
            ("clusterIP", Open),
            ("clusterIPs", Open),
            ("externalIPs", Open),
            ("externalName", Open),
            ("externalTrafficPolicy", Open),
            ("healthCheckNodePort", Open),
            ("internalTrafficPolicy", Open),
            ("ipFamilies", Open),
            ("ipFamilyPolicy", Open),
            ("loadBalancerClass", Open),
            ("loadBalancerIP", Open),
            ("loadBalancerSourceRanges", Open),
            ("ports", Items(&SERVICE_PORT)),
            ("publishNotReadyAddresses", Open),
            ("selector", Open),
            ("sessionAffinity", Open),
            ("sessionAffinityConfig", Open),
            ("trafficDistribution", Open),
            ("type", Open),
        ]),
    ),
]);

/// Common wrong fields, from a former API or from another place, each with its fix.
const MOVED: &[(&str, &str)] = &[
    ("serviceName", "write service: {name: …, port: {number: …}}: serviceName was of networking.k8s.io/v1beta1"),
    ("servicePort", "write service: {name: …, port: {number: …}}: servicePort was of networking.k8s.io/v1beta1"),
    ("backend", "write defaultBackend: spec.backend was of networking.k8s.io/v1beta1"),
    ("pathtype", "write pathType"),
    ("annotations", "annotations belong under metadata"),
];

/// Fields that no object of the kind has: kubectl refuses them, and a server that does not drops them.
pub(super) fn unknown_fields(kind: &str, object: &Node) -> Vec<Misfit> {
    let fields = match kind {
        "Ingress" => &INGRESS,
        "IngressClass" => &CLASS,
        "Service" => &SERVICE,
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    walk(object, fields, "", &mut found);
    found
}

fn walk(node: &Node, field: &Field, path: &str, found: &mut Vec<Misfit>) {
    match (field, &node.value) {
        (Fields(known), Shape::Map(entries)) => {
            for (name, value) in entries {
                let name = name.value.as_str();
                let here = || if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                match known.iter().find(|(known, _)| *known == name) {
                    Some((_, Open)) => {}
                    Some((_, inner)) => walk(value, inner, &here(), found),
                    None => found.push(unknown(here(), name, known)),
                }
            }
        }
        (Items(inner), Shape::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, inner, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn unknown(path: String, name: &str, known: &[(&str, Field)]) -> Misfit {
    let moved = MOVED.iter().find(|(old, _)| *old == name).map(|(_, fix)| (*fix).to_owned());
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let nearest = names.iter().find(|known| known.eq_ignore_ascii_case(name));
    let fix = moved.or_else(|| nearest.map(|known| format!("write {known}")));
    Misfit {
        path,
        key: true,
        message: format!("unknown field {name}: kubectl refuses it, or the API server drops it without a warning"),
        fix: fix.unwrap_or_else(|| format!("one of {}", names.join(", "))),
    }
}

/// Names, annotations and labels that YAML does not read as strings. They are converted to strings, so that the rest can be checked.
pub(super) fn strings(object: &mut Node, text: &str) -> Vec<Misfit> {
    let mut found = Vec::new();
    let Some(metadata) = get_mut(object, "metadata") else { return found };
    for field in ["name", "generateName", "namespace"] {
        let misfit = get_mut(metadata, field).and_then(|value| string(value, text, format!("metadata.{field}"), field));
        found.extend(misfit);
    }
    for field in ["annotations", "labels"] {
        let Some(Shape::Map(entries)) = get_mut(metadata, field).map(|node| &mut node.value) else { continue };
        for (key, value) in entries {
            found.extend(string(value, text, format!("metadata.{field}[{}]", key.value), field));
        }
    }
    found
}

/// Converts a value to the string that was meant, and reports a value that is not a string.
fn string(value: &mut Node, text: &str, path: String, field: &str) -> Option<Misfit> {
    let raw = text.get(value.bytes()).unwrap_or_default().trim_end();
    let string: Cow<'_, str> = match &value.value {
        Shape::Text(word) if !(word == raw && is_boolean(word)) => return None,
        // An absent value is an empty string to the API server.
        Shape::Null => {
            value.value = Shape::Text(String::new());
            return None;
        }
        Shape::Map(_) | Shape::List(_) => Cow::Borrowed(""),
        _ => Cow::Borrowed(raw),
    };
    let what = if matches!(value.value, Shape::Text(_)) { "a boolean" } else { value.value.name() };
    let (given, fix) = match string.as_ref() {
        "" => (what.to_owned(), "write its value as one string, in quotes or after `|-`".to_owned()),
        string => (format!("{string} is {what}"), format!("put it in quotes: \"{string}\"")),
    };
    let key = string.is_empty();
    value.value = Shape::Text(string.into_owned());
    Some(Misfit { path, key, message: format!("{given}, but the API server accepts only strings in {field}"), fix })
}

/// The words that kubectl's YAML reads as booleans besides `true` and `false`:
/// <https://yaml.org/type/bool.html>.
fn is_boolean(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false")
}
