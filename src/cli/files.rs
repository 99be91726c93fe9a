//! Manifests in files as a world: what `check` and `plan` look at instead of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use albedo_engine::kinds::{IngressClassParams, Key};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::world::{Kind, Object, SecretKeys, World};
use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, IngressClassSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A world from files, and where each Ingress was found.
pub struct Files {
    /// The world.
    pub world: World,
    /// File by Ingress.
    pub origin: BTreeMap<Key, String>,
    /// Files and documents that cannot be read, each with its reason. The others were read all the same.
    pub faults: Vec<String>,
}

/// Reads files, folders and `-` for standard input. What cannot be read becomes a fault of its own.
///
/// # Errors
/// A path that does not exist or a folder that cannot be listed.
pub fn read(paths: &[PathBuf], settings: &Settings) -> anyhow::Result<Files> {
    let mut files = Files { world: World::new(settings.clone()), origin: BTreeMap::new(), faults: Vec::new() };
    let mut found = Vec::new();
    for path in paths {
        collect(path, &mut found)?;
    }
    for path in found {
        let name = path.display().to_string();
        match content(&path).and_then(|text| documents(&text)) {
            Ok(documents) => documents.into_iter().for_each(|document| files.take(document, &name)),
            Err(error) => files.faults.push(format!("{name}: {error:#}")),
        }
    }
    files.assume_classes();
    Ok(files)
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.as_os_str() != "-" && !path.exists() {
        bail!("{} does not exist", path.display());
    }
    if path.as_os_str() == "-" || !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        let extension = entry.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if entry.is_dir() || matches!(extension, "yaml" | "yml" | "json") {
            collect(&entry, found)?;
        }
    }
    Ok(())
}

fn content(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path).context("cannot be read")?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > LARGEST {
        bail!("is larger than {} MiB", LARGEST / 1024 / 1024);
    }
    let text = String::from_utf8(bytes).context("is no UTF-8 text")?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

fn documents(text: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| anyhow::anyhow!("is no YAML: {error}"))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

impl Files {
    fn take(&mut self, document: Value, file: &str) {
        if let Err(error) = self.add(document, file) {
            self.faults.push(format!("{file}: {error:#}"));
        }
    }

    fn add(&mut self, document: Value, file: &str) -> anyhow::Result<()> {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let (true, Some(Value::Array(items))) = (kind.ends_with("List"), document.get("items")) {
            items.clone().into_iter().for_each(|item| self.take(item, file));
            return Ok(());
        }
        let object = match kind.as_str() {
            "Ingress" => {
                let mut ingress: Ingress = decode(document, &kind, &name)?;
                place(&mut ingress.metadata);
                self.origin.insert(Key::of(&ingress.metadata), file.to_owned());
                Object::Ingress(Box::new(ingress))
            }
            "Service" => {
                let mut service: Service = decode(document, &kind, &name)?;
                place(&mut service.metadata);
                allocate(&mut service);
                Object::Service(Box::new(service))
            }
            "IngressClass" => Object::IngressClass(Box::new(decode(document, &kind, &name)?)),
            "IngressClassParams" => {
                let params: IngressClassParams = decode(document, &kind, &name)?;
                Object::IngressClassParams(Box::new(params))
            }
            "Namespace" => {
                let namespace: Namespace = decode(document, &kind, &name)?;
                Object::Namespace { name, labels: namespace.metadata.labels.unwrap_or_default() }
            }
            "Secret" => {
                let mut secret: Secret = decode(document, &kind, &name)?;
                place(&mut secret.metadata);
                let data = secret.data.unwrap_or_default().into_keys();
                let keys = data.chain(secret.string_data.unwrap_or_default().into_keys()).collect();
                Object::Secret { key: Key::of(&secret.metadata), keys: SecretKeys { keys, revision: String::new() } }
            }
            _ => return Ok(()),
        };
        self.world.apply(object);
        Ok(())
    }

    /// Classes that Ingresses name and no file defines are taken for ours: the check is about what would be applied.
    fn assume_classes(&mut self) {
        let known: BTreeSet<String> = self.world.classes().filter_map(|class| class.metadata.name.clone()).collect();
        let named = self.world.keys(Kind::Ingress).into_iter().filter_map(|key| {
            let ingress = self.world.ingress(&key)?;
            ingress.spec.as_ref()?.ingress_class_name.clone()
        });
        for name in named.collect::<BTreeSet<String>>().difference(&known) {
            let class = IngressClass {
                metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
                spec: Some(IngressClassSpec { controller: Some(CONTROLLER.to_owned()), parameters: None }),
            };
            self.world.apply(Object::IngressClass(Box::new(class)));
        }
    }
}

fn decode<T: DeserializeOwned>(document: Value, kind: &str, name: &str) -> anyhow::Result<T> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        anyhow::Error::new(error.into_inner()).context(format!("{kind} {name} cannot be read at {path}"))
    })
}

/// The namespace that `kubectl apply` would use.
fn place(meta: &mut ObjectMeta) {
    meta.namespace.get_or_insert_with(|| "default".to_owned());
}

/// A `NodePort` is allocated when a Service is applied; before that any number stands for it.
fn allocate(service: &mut Service) {
    let Some(spec) = &mut service.spec else { return };
    let has_node_ports = matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer"));
    for port in spec.ports.iter_mut().flatten().filter(|_| has_node_ports) {
        port.node_port.get_or_insert(30_000);
    }
}
