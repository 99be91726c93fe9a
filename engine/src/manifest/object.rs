//! The kinds that are read, one row each, with the conversion into an object of the world.

use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;

use super::decode::decode;
use super::node::{Node, get, text};
use super::schema::Misfit;
use crate::finding::ObjectRef;
use crate::kinds::{IngressClassParams, IngressDefaults, IngressPolicy, Key};
use crate::stack::UNALLOCATED_NODE_PORT;
use crate::world::{Object, SecretKeys};

/// A kind that is read.
pub(super) struct KindRow {
    pub(super) kind: &'static str,
    /// The supported `apiVersion`.
    version: &'static str,
    /// Former API groups.
    before: &'static [&'static str],
    namespaced: bool,
    pub(super) read: fn(&Node, &ObjectRef) -> Result<Object, Misfit>,
}

macro_rules! rows {
    ($($kind:literal, $version:literal, $before:expr, $namespaced:literal, $read:expr;)+) => {
        &[$(KindRow { kind: $kind, version: $version, before: $before, namespaced: $namespaced, read: $read },)+]
    };
}

static ROWS: &[KindRow] = rows! {
    "Ingress", "networking.k8s.io/v1", &["extensions"], true, ingress;
    "Service", "v1", &[], true, service;
    "IngressClass", "networking.k8s.io/v1", &[], false, |node, _| Ok(Object::IngressClass(Box::new(read::<IngressClass>(node)?)));
    "IngressClassParams", "elbv2.k8s.aws/v1beta1", &[], false, |node, _| Ok(Object::IngressClassParams(Box::new(read::<IngressClassParams>(node)?)));
    "IngressDefaults", "albedo.dev/v1alpha1", &[], false, |node, _| Ok(Object::Defaults(Box::new(read::<IngressDefaults>(node)?)));
    "IngressPolicy", "albedo.dev/v1alpha1", &[], false, |node, _| Ok(Object::Policy(Box::new(read::<IngressPolicy>(node)?)));
    "Namespace", "v1", &[], false, namespace;
    "Secret", "v1", &[], true, secret;
};

/// The row of an object's kind and API group.
pub(super) fn row(node: &Node) -> Option<&'static KindRow> {
    let kind = text(node, "kind");
    let given = group(text(node, "apiVersion"));
    ROWS.iter().find(|row| row.kind == kind && (group(row.version) == given || row.before.contains(&given)))
}

fn group(version: &str) -> &str {
    version.rsplit_once('/').map_or("", |(group, _)| group)
}

/// The fault of an `apiVersion` that is no longer supported, with the present one.
pub(super) fn gone(row: &KindRow, node: &Node) -> Option<Misfit> {
    let version = text(node, "apiVersion");
    (row.version != version).then(|| Misfit {
        path: "apiVersion".to_owned(),
        key: false,
        message: format!("no cluster supports {} of {version} any more", row.kind),
        fix: match row.kind {
            "Ingress" => format!(
                "write apiVersion: {}, with backends of the form service: {{name: …, port: {{number: …}}}} and a pathType for each path",
                row.version
            ),
            _ => format!("write apiVersion: {}", row.version),
        },
    })
}

/// Kind, namespace and name.
pub(super) fn subject(row: &KindRow, node: &Node, default: &str, misfits: &mut Vec<Misfit>) -> ObjectRef {
    let metadata = get(node, "metadata");
    let of = |key| metadata.map(|metadata| text(metadata, key)).unwrap_or_default();
    let name = match of("name") {
        "" => of("generateName"),
        name => name,
    };
    if name.is_empty() {
        misfits.push(Misfit {
            path: "metadata.name".to_owned(),
            key: true,
            message: format!("the {} has no name", row.kind),
            fix: "give it metadata.name".to_owned(),
        });
    }
    let namespace = match of("namespace") {
        _ if !row.namespaced => "",
        "" => default,
        namespace => namespace,
    };
    ObjectRef::new(row.kind, namespace, name)
}

fn read<T: DeserializeOwned>(node: &Node) -> Result<T, Misfit> {
    decode(node).map_err(|misread| Misfit {
        path: misread.path,
        key: false,
        message: misread.message,
        fix: "write what the API reference asks for".to_owned(),
    })
}

fn place(meta: &mut ObjectMeta, subject: &ObjectRef) {
    meta.namespace = Some(subject.namespace.clone());
    meta.name = Some(subject.name.clone());
}

fn ingress(node: &Node, subject: &ObjectRef) -> Result<Object, Misfit> {
    let mut ingress: Ingress = read(node)?;
    place(&mut ingress.metadata, subject);
    Ok(Object::Ingress(Box::new(ingress)))
}

fn service(node: &Node, subject: &ObjectRef) -> Result<Object, Misfit> {
    let mut service: Service = read(node)?;
    place(&mut service.metadata, subject);
    if let Some(spec) = &mut service.spec {
        // The API server allocates a NodePort when the Service is applied; this is a placeholder.
        let has_node_ports = match spec.type_.as_deref() {
            Some("NodePort") => true,
            Some("LoadBalancer") => spec.allocate_load_balancer_node_ports != Some(false),
            _ => false,
        };
        for port in spec.ports.iter_mut().flatten().filter(|_| has_node_ports) {
            port.node_port.get_or_insert(UNALLOCATED_NODE_PORT.into());
        }
    }
    Ok(Object::Service(Box::new(service)))
}

fn namespace(node: &Node, subject: &ObjectRef) -> Result<Object, Misfit> {
    let namespace: Namespace = read(node)?;
    Ok(Object::Namespace { name: subject.name.clone(), labels: namespace.metadata.labels.unwrap_or_default() })
}

/// Only its keys, never their values.
fn secret(node: &Node, subject: &ObjectRef) -> Result<Object, Misfit> {
    let secret: Secret = read(node)?;
    let labels = secret.metadata.labels.unwrap_or_default();
    let data = secret.data.unwrap_or_default().into_keys();
    let keys = data.chain(secret.string_data.unwrap_or_default().into_keys()).collect();
    let key = Key::new(&subject.namespace, &subject.name);
    Ok(Object::Secret { key, keys: SecretKeys { keys, labels, revision: String::new() } })
}
