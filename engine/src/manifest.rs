//! Kubernetes manifests as text → a world, with the place of every field. Pure: the caller reads the files.

mod decode;
mod node;
mod object;
mod place;
mod schema;
mod source;
mod validation;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::{IngressClass, IngressClassSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::finding::ObjectRef;
use crate::kinds::Key;
use crate::settings::{ALBEDO_CONTROLLER, Settings};
use crate::world::{Kind, Object, World};

use node::{Node, Shape, text};
use schema::Misfit;
use source::Document;

pub use place::{Part, Place};
pub use source::{LARGEST, Source, Trouble};

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The file cannot be read as text.
    Unreadable,
    /// A document is not YAML, or too large.
    NotYaml,
    /// A document is not a manifest.
    NotAManifest,
    /// No API server supports it any more.
    GoneApi,
    /// The API server refuses it.
    Malformed,
    /// It is in the input twice.
    DefinedTwice,
}

impl FaultKind {
    /// The name for programs.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotYaml => "not-yaml",
            Self::NotAManifest => "not-a-manifest",
            Self::GoneApi => "gone-api",
            Self::Malformed => "malformed",
            Self::DefinedTwice => "defined-twice",
        }
    }

    /// The title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Unreadable => "the file cannot be read",
            Self::NotYaml => "the document is no YAML",
            Self::NotAManifest => "the document is not a manifest",
            Self::GoneApi => "no cluster supports this API any more",
            Self::Malformed => "the API server refuses it",
            Self::DefinedTwice => "the object is in the input twice",
        }
    }

    /// Whether `kubectl apply` fails; otherwise it is a warning.
    #[must_use]
    pub fn stops(self) -> bool {
        self != Self::DefinedTwice
    }
}

/// A fault of the input itself, not a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// Number of the source.
    pub source: usize,
    /// The place in it.
    pub place: Option<Place>,
    /// The object, if known.
    pub subject: Option<ObjectRef>,
    /// The field, if there is one.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub fix: String,
}

/// An object and where it was found.
#[derive(Debug)]
struct Found {
    source: usize,
    document: Document,
    node: Node,
}

/// Manifests as a world.
#[derive(Debug)]
pub struct Manifests {
    /// The world.
    pub world: World,
    /// The files.
    pub sources: Vec<Source>,
    /// Faults of the input. The rest was read.
    pub faults: Vec<Fault>,
    /// Files of folders that hold no manifest.
    pub passed_over: usize,
    found: BTreeMap<ObjectRef, Found>,
    namespace: String,
}

impl Manifests {
    /// Reads the objects that the engine uses: Ingresses, their classes, parameters, defaults, policies, Services, namespaces and Secrets.
    /// Objects without a namespace are in `namespace`.
    #[must_use]
    pub fn read(sources: Vec<Source>, settings: &Settings, namespace: &str) -> Self {
        let mut manifests = Self {
            world: World::new(settings.clone()),
            sources: Vec::new(),
            faults: Vec::new(),
            passed_over: 0,
            found: BTreeMap::new(),
            namespace: namespace.to_owned(),
        };
        for (number, source) in sources.into_iter().enumerate() {
            manifests.take_source(number, &source);
            manifests.sources.push(source);
        }
        manifests
    }

    /// The Ingresses that were found.
    #[must_use]
    pub fn ingresses(&self) -> Vec<Key> {
        let found = self.found.keys().filter(|object| object.kind == "Ingress");
        found.map(|object| Key::new(&object.namespace, &object.name)).collect()
    }

    /// The place of a field of an object: the number of the source and the place; `None` if the object is in no file.
    #[must_use]
    pub fn locate(&self, subject: &ObjectRef, path: &str, part: Part<'_>) -> Option<(usize, Option<Place>)> {
        let Found { source: number, document, node } = self.found.get(subject)?;
        let chunk = Chunk { number: *number, source: self.sources.get(*number)?, document };
        Some((*number, chunk.place(node, path, part)))
    }

    /// The Helm template of an object.
    #[must_use]
    pub fn template(&self, subject: &ObjectRef) -> Option<&str> {
        self.found.get(subject)?.document.template.as_deref()
    }

    /// A fault in one line: file, place, what is wrong, and how to fix it.
    #[must_use]
    pub fn told(&self, fault: &Fault) -> String {
        let file = self.sources.get(fault.source).map_or("-", |source| source.name.as_str());
        let place = fault.place.as_ref().map_or(String::new(), |place| format!(":{}:{}", place.line, place.column));
        let fix = if fault.fix.is_empty() { String::new() } else { format!("; {}", fault.fix) };
        format!("{file}{place}: {}{fix}", fault.message)
    }

    /// Adds an object from elsewhere, such as a cluster, unless the manifests have it: these would be applied.
    pub fn add(&mut self, object: Object) {
        let key = object.key();
        let has = match &object {
            Object::IngressClass(_) => self.has("IngressClass", &key),
            Object::IngressClassParams(_) => self.has("IngressClassParams", &key),
            Object::Defaults(_) => self.has("IngressDefaults", &key),
            Object::Policy(_) => self.has("IngressPolicy", &key),
            Object::Service(_) => self.has("Service", &key),
            Object::Namespace { .. } => self.has("Namespace", &key),
            _ => false,
        };
        if !has {
            self.world.apply(object);
        }
    }

    fn has(&self, kind: &str, key: &Key) -> bool {
        self.found.contains_key(&ObjectRef::new(kind, &key.namespace, &key.name))
    }

    /// Classes that Ingresses name and no manifest defines count as ours, so that their Ingresses are checked.
    pub fn assume_classes(&mut self) {
        let known: BTreeSet<String> = self.world.classes().filter_map(|class| class.metadata.name.clone()).collect();
        let named = self.world.keys(Kind::Ingress).into_iter().filter_map(|key| {
            let ingress = self.world.ingress(&key)?;
            ingress.spec.as_ref()?.ingress_class_name.clone()
        });
        for name in named.collect::<BTreeSet<String>>().difference(&known) {
            let class = IngressClass {
                metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
                spec: Some(IngressClassSpec { controller: Some(ALBEDO_CONTROLLER.to_owned()), parameters: None }),
            };
            self.world.apply(Object::IngressClass(Box::new(class)));
        }
    }

    fn fault(&mut self, kind: FaultKind, source: usize, place: Option<Place>, message: String, fix: String) {
        self.faults.push(Fault { kind, source, place, subject: None, path: String::new(), message, fix });
    }

    fn take_source(&mut self, number: usize, source: &Source) {
        if let Some(Trouble { message, fix, place }) = source.trouble.clone() {
            self.fault(FaultKind::Unreadable, number, place, message, fix);
            return;
        }
        let mut held = false;
        for document in source::documents(&source.text) {
            let (start, text) = (document.bytes.start, source.text.get(document.bytes.clone()).unwrap_or_default());
            match node::parse(text) {
                Err(error) => {
                    held = true;
                    let place = node::place(&error, text);
                    let place = place.map(|at| source.place(start + at.start..start + at.end));
                    let (message, fix) = node::trouble(&error, text);
                    self.fault(FaultKind::NotYaml, number, place, message, fix);
                }
                Ok(nodes) => {
                    let chunk = Chunk { number, source, document: &document };
                    for node in nodes {
                        held |= self.take(chunk, node);
                    }
                }
            }
        }
        self.passed_over += usize::from(!held && !source.named);
        if !held && source.named {
            let fix = "give it objects with apiVersion and kind, or leave it out";
            self.fault(FaultKind::NotAManifest, number, None, "contains no manifest".to_owned(), fix.to_owned());
        }
    }

    /// Adds a document. Returns whether it was a manifest, or a fault was reported for it.
    fn take(&mut self, chunk: Chunk<'_>, mut node: Node) -> bool {
        if node.value == Shape::Null {
            return false;
        }
        let kind = text(&node, "kind").to_owned();
        let lacks =
            if kind.is_empty() { Some("kind") } else { Some("apiVersion").filter(|key| text(&node, key).is_empty()) };
        if let Some(lacks) = lacks {
            if chunk.source.named {
                let message = match node.value {
                    Shape::Map(_) => format!("not a manifest: it has no {lacks}"),
                    _ => format!("not a manifest: it is {}", node.value.name()),
                };
                let place = chunk.place(&node, "", Part::Value);
                let fix = "give it apiVersion and kind, or leave it out".to_owned();
                self.fault(FaultKind::NotAManifest, chunk.number, place, message, fix);
            }
            return chunk.source.named;
        }
        match node::get_mut(&mut node, "items").map(|items| &mut items.value) {
            Some(Shape::List(items)) if kind.ends_with("List") => {
                for item in std::mem::take(items) {
                    self.take(chunk, item);
                }
            }
            _ => self.take_object(chunk, node),
        }
        true
    }

    fn take_object(&mut self, chunk: Chunk<'_>, mut node: Node) {
        let Some(row) = object::row(&node) else { return };
        let mut misfits = schema::strings(&mut node, chunk.text());
        let subject = object::subject(row, &node, &self.namespace, &mut misfits);
        let mut kind = FaultKind::Malformed;
        if let Some(gone) = object::gone(row, &node) {
            kind = FaultKind::GoneApi;
            misfits.push(gone);
        } else {
            misfits.extend(schema::unknown_fields(row.kind, &node));
            match (row.read)(&node, &subject) {
                Ok(object) => {
                    // A misspelt field is reported once, as misspelt.
                    let told: BTreeSet<String> =
                        misfits.iter().filter(|one| one.key).map(|one| parent(&one.path)).collect();
                    let more = validation::misfits(&object).into_iter();
                    misfits.extend(more.filter(|misfit| !told.contains(&parent(&misfit.path))));
                    self.world.apply(object);
                }
                Err(misfit) => misfits.push(misfit),
            }
        }
        let mut told: Vec<(FaultKind, Misfit)> = misfits.into_iter().map(|misfit| (kind, misfit)).collect();
        if let Some(earlier) = self.found.get(&subject).filter(|_| row.kind == "Ingress") {
            told.push((FaultKind::DefinedTwice, self.twice(&subject, earlier, chunk.source)));
        }
        for (kind, Misfit { path, key, message, fix }) in told {
            let place = chunk.place(&node, &path, if key { Part::Key } else { Part::Value });
            let subject = Some(subject.clone());
            self.faults.push(Fault { kind, source: chunk.number, place, subject, path, message, fix });
        }
        self.found.insert(subject, Found { source: chunk.number, document: chunk.document.clone(), node });
    }

    fn twice(&self, subject: &ObjectRef, earlier: &Found, now: &Source) -> Misfit {
        let source = self.sources.get(earlier.source).unwrap_or(now);
        let chunk = Chunk { number: earlier.source, source, document: &earlier.document };
        let line = chunk.place(&earlier.node, "metadata.name", Part::Value).map_or(1, |place| place.line);
        Misfit {
            path: "metadata.name".to_owned(),
            key: false,
            message: format!("{subject} is also at {}:{line}; only the last one is checked", source.name),
            fix: "check together what is applied together: one environment at a time".to_owned(),
        }
    }
}

/// The path of the parent of a field.
fn parent(path: &str) -> String {
    path.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned()
}

/// A document of a source, while it is being read.
#[derive(Debug, Clone, Copy)]
struct Chunk<'a> {
    number: usize,
    source: &'a Source,
    document: &'a Document,
}

impl<'a> Chunk<'a> {
    /// Its text.
    fn text(&self) -> &'a str {
        self.source.text.get(self.document.bytes.clone()).unwrap_or_default()
    }

    /// The place of a field of one of its objects in the source.
    fn place(&self, node: &Node, path: &str, part: Part<'_>) -> Option<Place> {
        let start = self.document.bytes.start;
        let bytes = place::locate(self.text(), node, path, part)?;
        Some(self.source.place(start + bytes.start..start + bytes.end))
    }
}
