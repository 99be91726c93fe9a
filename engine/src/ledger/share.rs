//! The share of each member in the ledger: it is one object, and Kubernetes stores no object of more than 1.5 MiB.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{Ingress, IngressBackend};

/// The most bytes of the input of one member, as [`weight`] counts them.
pub const SHARE: usize = 192 * 1024;
/// The most bytes of all inputs together.
pub const WHOLE: usize = 768 * 1024;

/// Bytes of JSON around the texts of a path, a rule, a TLS entry and the whole, at most.
const PATH: usize = 320;
const RULE: usize = 160;
const TLS: usize = 160;
const REST: usize = 512;

/// An upper bound for the bytes of JSON that the input of an Ingress takes in the ledger, computed without writing it.
#[must_use]
pub fn weight(ingress: &Ingress) -> usize {
    let annotations = ingress.metadata.annotations.iter().flatten();
    let annotations: usize = annotations.map(|(key, value)| escaped(key, 1) + escaped(value, 1) + 8).sum();
    let name = |text: &Option<String>| text.as_deref().map_or(0, |text| escaped(text, 2));
    let Some(spec) = &ingress.spec else { return annotations + REST };
    let rules: usize = spec
        .rules
        .iter()
        .flatten()
        .map(|rule| {
            let paths = rule.http.iter().flat_map(|http| &http.paths);
            let paths: usize =
                paths.map(|path| name(&path.path) + escaped(&path.path_type, 2) + backend(&path.backend) + PATH).sum();
            name(&rule.host) + paths + RULE
        })
        .sum();
    let tls: usize = spec
        .tls
        .iter()
        .flatten()
        .map(|tls| {
            let hosts: usize = tls.hosts.iter().flatten().map(|host| escaped(host, 2) + 8).sum();
            name(&tls.secret_name) + hosts + TLS
        })
        .sum();
    let default = spec.default_backend.as_ref().map_or(0, |one| backend(one) + PATH);
    annotations + rules + tls + default + name(&spec.ingress_class_name) + REST
}

fn backend(backend: &IngressBackend) -> usize {
    let of = |text: Option<&String>| text.map_or(0, |text| escaped(text, 2));
    let service = backend.service.as_ref();
    let port = service.and_then(|service| service.port.as_ref()?.name.as_ref());
    let resource = backend.resource.as_ref();
    of(service.map(|service| &service.name))
        + of(port)
        + of(resource.map(|one| &one.name))
        + of(resource.map(|one| &one.kind))
        + of(resource.and_then(|one| one.api_group.as_ref()))
}

/// Bytes of a text in JSON; if `depth` is 2, of that JSON as a text in JSON again: the ledger stores the spec as text.
fn escaped(text: &str, depth: usize) -> usize {
    let of = |byte: u8| match (byte, depth) {
        (b'"' | b'\\', 1) => 2,
        (b'"' | b'\\', _) => 4,
        (0..=0x1f, _) => 7,
        _ => 1,
    };
    text.bytes().map(of).sum()
}

/// The inputs that are too large to be recorded, by index: those above [`SHARE`], and the largest of the others until all fit into
/// [`WHOLE`]. A small input is never left out because of a large one.
#[must_use]
pub fn left_out(weights: &[usize]) -> BTreeSet<usize> {
    let mut whole: usize = weights.iter().sum();
    if whole <= WHOLE && weights.iter().all(|weight| *weight <= SHARE) {
        return BTreeSet::new();
    }
    let mut largest: Vec<(usize, usize)> =
        weights.iter().copied().enumerate().map(|(at, weight)| (weight, at)).collect();
    largest.sort_unstable_by(|one, other| other.cmp(one));
    let mut left_out = BTreeSet::new();
    for (weight, at) in largest {
        if weight > SHARE || whole > WHOLE {
            left_out.insert(at);
            whole -= weight;
        }
    }
    left_out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::input_of;
    use super::*;

    #[test]
    fn who_is_left_out() {
        let kib = |sizes: &[usize]| sizes.iter().map(|size| size * 1024).collect::<Vec<_>>();
        for (sizes, expected) in [
            (vec![1, 2, 3], vec![]),
            (vec![193, 1], vec![0]),
            (vec![192, 192, 192, 192], vec![]),
            (vec![192, 10, 192, 192, 191], vec![3]),
            (vec![1200, 1200, 5], vec![0, 1]),
        ] {
            assert_eq!(left_out(&kib(&sizes)).into_iter().collect::<Vec<_>>(), expected, "{sizes:?}");
        }
        let many = vec![1024; 1000];
        assert_eq!(many.len() - left_out(&many).len(), WHOLE / 1024);
    }

    proptest! {
        /// The limit on the object depends on it.
        #[test]
        fn it_never_counts_too_little(
            texts in prop::collection::vec("[a-z\"\\\\\n\u{1}é🦀/*]{0,40}", 8),
            paths in 0..6_usize,
            named in any::<bool>(),
        ) {
            let port = if named { json!({"name": texts[0]}) } else { json!({"number": i32::MAX}) };
            let path = json!({"path": texts[1], "pathType": texts[2],
                "backend": {"service": {"name": texts[3], "port": port}}});
            let object = json!({"metadata": {"name": "web", "namespace": "ns",
                "annotations": {format!("alb.ingress.kubernetes.io/{}", texts[4]): texts[5]}},
                "spec": {"ingressClassName": texts[6], "tls": [{"hosts": [texts[7], texts[7]], "secretName": texts[0]}],
                    "defaultBackend": {"resource": {"apiGroup": texts[0], "kind": texts[1], "name": texts[2]}},
                    "rules": [{"host": texts[7], "http": {"paths": vec![path; paths]}}, {"host": texts[7]}]}});
            let ingress: Ingress = serde_json::from_value(object).expect("an Ingress");
            let is = serde_json::to_vec(&input_of(&ingress)).expect("JSON").len();
            prop_assert!(weight(&ingress) >= is, "{} {is}", weight(&ingress));
            prop_assert!(weight(&ingress) <= is * 3 + 2048, "{} {is}", weight(&ingress));
        }
    }
}
