//! A golden case from its folder: the steps' objects as a cluster holds them, and what AWS holds as [`Facts`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use albedo_engine::facts::Facts;
use albedo_engine::kinds::{IngressClassParams, Key};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Scheme, TargetType};
use albedo_engine::world::{Kind, Object, SecretKeys, World};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::account;

/// When every case happens, and when its facts were read.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

/// A recording of the predecessor.
pub struct Case {
    /// `f001-defaults`.
    pub id: String,
    /// What the operator decided: the cluster `demo` and the case's flags.
    pub settings: Settings,
    /// The standard world and what the case adds to it.
    pub facts: Facts,
    /// One, or several one after the other.
    pub steps: Vec<Step>,
}

/// What is applied and deleted, and what came of it.
pub struct Step {
    /// The case's id, and the step's folder if the case has several.
    pub name: String,
    /// Objects, in the order in which they are applied.
    pub objects: Vec<Value>,
    /// Kind, namespace and name of what is deleted after that.
    pub deleted: Vec<(String, Key)>,
    /// The recording.
    pub expected: Value,
}

/// Folders of cases: those of the project, and a larger corpus beside it (or in `ALBEDO_GOLDEN`) where there is one.
pub fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let beside = std::env::var_os("ALBEDO_GOLDEN").map_or_else(|| root.join("../shared/golden/cases"), PathBuf::from);
    [root.join("tests/golden/cases"), beside].into_iter().filter(|folder| folder.is_dir()).collect()
}

/// All cases, by id; one that stands in several folders counts once.
pub fn all() -> Vec<Case> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for folder in folders() {
        for path in listed(&folder) {
            let case = Case::read(&path);
            cases.entry(case.id.clone()).or_insert(case);
        }
    }
    println!("{} golden cases with {} steps", cases.len(), cases.values().map(|case| case.steps.len()).sum::<usize>());
    cases.into_values().collect()
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Case {
    fn read(path: &Path) -> Self {
        let id = path.file_name().expect("a name").to_string_lossy().into_owned();
        let of_steps = path.join("steps");
        let steps = if of_steps.is_dir() { listed(&of_steps) } else { vec![path.to_owned()] };
        Self {
            settings: settings(&read(&path.join("case.json"))["flags"]),
            facts: account::facts(&read(&path.join("aws.json")), now()),
            steps: steps.iter().map(|step| Step::read(&id, step)).collect(),
            id,
        }
    }
}

impl Step {
    fn read(id: &str, path: &Path) -> Self {
        let folder = path.file_name().expect("a name").to_string_lossy();
        let objects = path.join("objects.yaml");
        let objects: Vec<Value> = if objects.is_file() {
            serde_saphyr::from_multiple(&text(&objects)).unwrap_or_else(|error| panic!("{id}: {error}"))
        } else {
            Vec::new()
        };
        let deleted = path.join("delete.json");
        let deleted = if deleted.is_file() { read(&deleted) } else { json!([]) };
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let deleted = deleted.as_array().into_iter().flatten().map(|one| {
            let namespace = one[1].as_str().unwrap_or(id);
            (word(&one[0]), Key::new(namespace, &word(&one[2])))
        });
        Self {
            name: if folder == id { id.to_owned() } else { format!("{id}/{folder}") },
            deleted: deleted.collect(),
            objects: objects.into_iter().filter(|object| !object.is_null()).collect(),
            expected: read(&path.join("expected.json")),
        }
    }
}

/// The flags of a case, spelled as the predecessor spells them.
fn settings(flags: &Value) -> Settings {
    let mut settings = Settings::new("demo");
    for flag in flags.as_array().into_iter().flatten() {
        let flag = flag.as_str().unwrap_or_default().trim_start_matches('-');
        let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
        let list = || value.split(',').map(str::to_owned).collect();
        let map =
            || value.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned()));
        let on = value == "true";
        match name {
            "external-managed-tags" => settings.external_managed_tags = list(),
            "default-tags" => settings.default_tags = map().collect(),
            "default-target-type" => settings.default_target_type = TargetType::parse(value).expect("a target type"),
            "default-load-balancer-scheme" => settings.default_scheme = Scheme::parse(value).expect("a scheme"),
            "default-ssl-policy" => value.clone_into(&mut settings.default_ssl_policy),
            "ingress-class" => value.clone_into(&mut settings.ingress_class),
            "allowed-certificate-authority-arns" => settings.allowed_certificate_authorities = list(),
            "backend-security-group" => settings.backend_security_group = Some(value.to_owned()),
            "enable-backend-security-group" => settings.enable_backend_security_group = on,
            "enable-manage-backend-security-group-rules" => settings.manage_backend_security_group_rules = on,
            "disable-restricted-sg-rules" => settings.disable_restricted_security_group_rules = on,
            "tolerate-non-existent-backend-action" => settings.tolerate_missing_action = on,
            "tolerate-non-existent-backend-service" => settings.tolerate_missing_service = on,
            "disable-ingress-class-annotation" => settings.forbid_class_annotation = on,
            "disable-ingress-group-name-annotation" => settings.forbid_group_name_annotation = on,
            "required-secrets-label" => settings.required_secret_labels = map().collect(),
            "enable-waf" => settings.enable_waf = on,
            "enable-wafv2" => settings.enable_wafv2 = on,
            "enable-shield" => settings.enable_shield = on,
            "feature-gates" => settings.gates.extend(map().map(|(gate, open)| (gate, open == "true"))),
            other => panic!("a case has the flag {other}, which its loader does not know"),
        }
    }
    settings
}

/// A cluster in memory: a world, and what of its objects the world does not keep.
pub struct Cluster {
    /// What Albedo knows.
    pub world: World,
    /// Values of Secrets, which the engine never sees: the recording shows them.
    pub secrets: BTreeMap<Key, BTreeMap<String, String>>,
    /// Objects that the API server itself refuses: they cannot be read as what they say they are.
    pub refused: Vec<Key>,
    applied: i64,
}

impl Cluster {
    /// The standard one: two nodes.
    pub fn new(settings: Settings) -> Self {
        let mut cluster =
            Self { world: World::new(settings), secrets: BTreeMap::new(), refused: Vec::new(), applied: 0 };
        for (name, instance, zone, address) in account::NODES {
            cluster.apply(&json!({
                "kind": "Node",
                "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone, "zone": zone.chars().last()}},
                "spec": {"providerID": format!("aws:///{zone}/{instance}")},
                "status": {"conditions": [{"type": "Ready", "status": "True"}],
                           "addresses": [{"type": "InternalIP", "address": address}]},
            }));
        }
        let class = json!({"kind": "IngressClass", "metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
        cluster.apply(&class);
        for kind in Kind::ALL {
            // Everything is listed: what is absent is absent.
            let objects: Vec<Object> = match kind {
                Kind::IngressClass => {
                    cluster.world.classes().map(|class| Object::IngressClass(Box::new((**class).clone()))).collect()
                }
                Kind::Node => cluster.world.nodes().map(|node| Object::Node(Box::new((**node).clone()))).collect(),
                _ => Vec::new(),
            };
            cluster.world.reset(kind, objects);
        }
        cluster
    }

    /// What a step does to it: applied in the order of kinds, Ingresses last, then deleted.
    pub fn take(&mut self, step: &Step) {
        for object in step.in_order() {
            self.apply(object);
        }
        for (kind, key) in &step.deleted {
            self.delete(kind, key);
        }
    }

    /// Applies one object as the API server would store it.
    pub fn apply(&mut self, object: &Value) {
        self.applied += 1;
        if let Some(object) = self.stored(object) {
            self.world.apply(object);
        }
    }

    fn stored(&mut self, object: &Value) -> Option<Object> {
        let key = key_of(object);
        Some(match object["kind"].as_str().unwrap_or_default() {
            "Namespace" => {
                let labels = serde_json::from_value(object["metadata"]["labels"].clone()).unwrap_or_default();
                Object::Namespace { name: key.name, labels }
            }
            "Ingress" => Object::Ingress(Box::new(self.ingress(object)?)),
            "IngressClass" => Object::IngressClass(Box::new(self.decode::<IngressClass>(object)?)),
            "IngressClassParams" => Object::IngressClassParams(Box::new(self.decode::<IngressClassParams>(object)?)),
            "Service" => {
                let mut service: Service = self.decode(object)?;
                service.metadata.uid = Some(uid(&key));
                allocate(&mut service);
                Object::Service(Box::new(service))
            }
            "Secret" => {
                let secret: Secret = self.decode(object)?;
                let labels = secret.metadata.labels.unwrap_or_default();
                let bytes = secret.data.unwrap_or_default();
                let mut values: BTreeMap<String, String> = bytes
                    .into_iter()
                    .map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes.0).into_owned()))
                    .collect();
                values.extend(secret.string_data.unwrap_or_default());
                let keys =
                    SecretKeys { keys: values.keys().cloned().collect(), labels, revision: self.applied.to_string() };
                self.secrets.insert(key.clone(), values);
                Object::Secret { key, keys }
            }
            "EndpointSlice" => Object::Endpoints(Box::new(self.decode::<EndpointSlice>(object)?.into())),
            "Pod" => Object::Pod(Box::new(self.decode::<Pod>(object)?.into())),
            "Node" => Object::Node(Box::new(self.decode::<Node>(object)?.into())),
            _ => return None,
        })
    }

    /// An Ingress keeps its uid, its finalizers and the time it was created when it is applied again.
    pub fn ingress(&mut self, object: &Value) -> Option<Ingress> {
        let mut ingress: Ingress = self.decode(object)?;
        let key = key_of(object);
        let created = Timestamp::from_second(now().as_second() - 100_000 + self.applied).expect("a time");
        let meta = &mut ingress.metadata;
        match self.world.ingress(&key) {
            Some(before) => {
                meta.creation_timestamp.clone_from(&before.metadata.creation_timestamp);
                meta.deletion_timestamp.clone_from(&before.metadata.deletion_timestamp);
                meta.finalizers.clone_from(&before.metadata.finalizers);
                meta.uid.clone_from(&before.metadata.uid);
            }
            None => {
                meta.creation_timestamp = Some(Time(created));
                meta.uid = Some(uid(&key));
            }
        }
        Some(ingress)
    }

    /// `None` for what the API server refuses, which is kept.
    fn decode<T: DeserializeOwned>(&mut self, object: &Value) -> Option<T> {
        let decoded = serde_json::from_value(object.clone()).ok();
        if decoded.is_none() {
            self.refused.push(key_of(object));
        }
        decoded
    }

    /// Deletes an object; an Ingress with finalizers stays, marked.
    pub fn delete(&mut self, kind: &str, key: &Key) {
        match kind {
            "Ingress" => {
                let Some(ingress) = self.world.ingress(key) else { return };
                let mut ingress = (**ingress).clone();
                if ingress.metadata.finalizers.as_ref().is_none_or(Vec::is_empty) {
                    self.world.delete(Kind::Ingress, key);
                } else {
                    ingress.metadata.deletion_timestamp = Some(Time(now()));
                    self.world.apply(Object::Ingress(Box::new(ingress)));
                }
            }
            "Service" => drop(self.world.delete(Kind::Service, key)),
            "Pod" => drop(self.world.delete(Kind::Pod, key)),
            "EndpointSlice" => drop(self.world.delete(Kind::Endpoints, key)),
            "Secret" => drop(self.world.delete(Kind::Secret, key)),
            "IngressClass" => drop(self.world.delete(Kind::IngressClass, &Key::new("", &key.name))),
            "IngressClassParams" => drop(self.world.delete(Kind::IngressClassParams, &Key::new("", &key.name))),
            "Node" => drop(self.world.delete(Kind::Node, &Key::new("", &key.name))),
            other => panic!("a case deletes a {other}, which its loader does not know"),
        }
    }
}

impl Step {
    /// The objects in the order in which they are applied: Ingresses last.
    pub fn in_order(&self) -> impl Iterator<Item = &Value> {
        let is = |object: &&Value| object["kind"] == "Ingress";
        self.objects.iter().filter(move |object| !is(object)).chain(self.objects.iter().filter(is))
    }
}

/// Namespace and name of an object.
pub fn key_of(object: &Value) -> Key {
    let word = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    Key::new(word("namespace"), word("name"))
}

/// A uid that is the same in each run.
fn uid(key: &Key) -> String {
    format!("uid-of-{key}")
}

/// What the API server adds to a Service.
fn allocate(service: &mut Service) {
    let Some(spec) = &mut service.spec else { return };
    spec.type_.get_or_insert_with(|| "ClusterIP".to_owned());
    for port in spec.ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
}
