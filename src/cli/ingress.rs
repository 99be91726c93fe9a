//! `albedo explain ingress`: the state of an Ingress, read once with a kubeconfig. It writes nothing and does not call AWS.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use albedo_engine::describe::{self, Description, Event};
use albedo_engine::kinds::{IngressClassParams, IngressGroup, Key, TargetGroupBinding};
use albedo_engine::settings::{ALBEDO_CONTROLLER, Settings};
use albedo_engine::stack::{GroupId, Scheme, TargetType};
use albedo_engine::world::{Object, SecretKeys, View, World, secret_refs};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{self as core, Namespace, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, IngressClassSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::{facts, kubeconfig, printing, run};

/// The names of the kind Ingress in `kubectl`.
const KINDS: [&str; 4] = ["ingress", "ingresses", "ing", "ingress.networking.k8s.io"];

/// The format of the description.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One object, see docs/operations.md
    Json,
}

/// The cluster to read, and the relevant flags of the controller.
#[derive(Debug, Args)]
pub struct Reading {
    /// Namespace of the Ingress, unless it is in NS/NAME; default: that of the kubeconfig's context
    #[arg(short, long)]
    namespace: Option<String>,
    /// The kubeconfig; default: KUBECONFIG, ~/.kube/config or the Pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Its context; default: the current one
    #[arg(long)]
    context: Option<String>,
    /// Facts of the AWS account, for an Ingress that the controller has not seen: a file from `albedo facts`
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// The controller's flag; default: the type of the group's bindings if all are the same, else instance
    #[arg(long)]
    default_target_type: Option<String>,
    /// The controller's flag
    #[arg(long, default_value = "internal")]
    default_load_balancer_scheme: String,
    /// Format of the description
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// The Ingress that the words name (`ingress NS/NAME`, `ingress NAME`, `ingress/NAME`), with its namespace if given; `None` if
/// they don't name an Ingress.
///
/// # Errors
/// If there are more or fewer words.
pub fn named(words: &[String]) -> anyhow::Result<Option<(Option<String>, String)>> {
    let Some(first) = words.first() else { return Ok(None) };
    let (kind, name) = first.split_once('/').map_or((first.as_str(), None), |(kind, name)| (kind, Some(name)));
    if !KINDS.contains(&kind) {
        return Ok(None);
    }
    let name = match (name, words.get(1..).unwrap_or_default()) {
        (Some(name), []) => name,
        (None, [name]) => name,
        _ => bail!("explain {}: write `ingress NAMESPACE/NAME`, or `ingress NAME -n NAMESPACE`", words.join(" ")),
    };
    let (namespace, name) = name.split_once('/').map_or((None, name), |(ns, name)| (Some(ns.to_owned()), name));
    Ok(Some((namespace, name.to_owned())))
}

impl Reading {
    /// The settings of the controller by the flags that are given here.
    ///
    /// # Errors
    /// If a flag has another value than it can have.
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        let settings = Settings {
            default_scheme: Scheme::parse(&self.default_load_balancer_scheme)
                .context("--default-load-balancer-scheme: internal or internet-facing")?,
            ..facts::settings(None, "")
        };
        let target_type = self
            .default_target_type
            .as_deref()
            .map(|word| TargetType::parse(word).context("--default-target-type: instance or ip"));
        Ok(Settings {
            default_target_type: target_type.transpose()?.unwrap_or(settings.default_target_type),
            ..settings
        })
    }

    /// The exit code is 0 if the Ingress is served or being provisioned, 1 if somebody must act.
    pub(super) fn explain(&self, namespace: Option<String>, name: &str) -> anyhow::Result<ExitCode> {
        run::cryptography()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let description = runtime.block_on(self.describe(namespace, name))?;
        match self.output {
            Output::Text => printing::put(&description.text(Timestamp::now()))?,
            Output::Json => printing::put(&(serde_json::to_string_pretty(&description)? + "\n"))?,
        }
        Ok(if description.state.is_well() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    async fn describe(&self, namespace: Option<String>, name: &str) -> anyhow::Result<Description> {
        let config = kubeconfig::config(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        let namespace =
            namespace.or_else(|| self.namespace.clone()).unwrap_or_else(|| config.default_namespace.clone());
        let (key, url) = (Key::new(&namespace, name), config.cluster_url.clone());
        let settings = Settings {
            default_scheme: Scheme::parse(&self.default_load_balancer_scheme)
                .context("--default-load-balancer-scheme: internal or internet-facing")?,
            ..facts::settings(None, "")
        };
        let mut reader = Reader {
            client: Client::try_from(config)?,
            world: World::new(settings.clone()),
            events: Vec::new(),
            unread: Vec::new(),
        };
        reader.read(&key).await.with_context(|| format!("asking {url}"))?;
        let settings = Settings { default_target_type: self.target_type(&reader.world)?, ..settings };
        let input = describe::Input {
            world: &reader.world,
            settings: &settings,
            facts: &facts::read(self.facts.as_deref())?,
            events: &reader.events,
            unread: &reader.unread,
            now: Timestamp::now(),
        };
        describe::describe(&key, input).with_context(|| format!("Ingress {key} not found at {url}"))
    }

    /// The default target type: the bindings show which one the controller uses.
    fn target_type(&self, world: &World) -> anyhow::Result<TargetType> {
        if let Some(given) = &self.default_target_type {
            return TargetType::parse(given).context("--default-target-type: instance or ip");
        }
        let types: BTreeSet<_> =
            world.bindings().filter_map(|(_, binding)| binding.spec.target_type.as_deref()).collect();
        Ok(if types == BTreeSet::from(["ip"]) { TargetType::Ip } else { TargetType::Instance })
    }
}

/// Reads the objects for the description, as far as the user may.
struct Reader {
    client: Client,
    world: World,
    events: Vec<Event>,
    unread: Vec<String>,
}

impl Reader {
    async fn read(&mut self, key: &Key) -> anyhow::Result<()> {
        let api: Api<Ingress> = Api::namespaced(self.client.clone(), &key.namespace);
        let Some(ingress) = api.get_opt(&key.name).await.with_context(|| format!("get Ingress {key}"))? else {
            return Ok(());
        };
        self.classes(&ingress).await?;
        self.world.apply(Object::Ingress(Box::new(ingress)));
        for view in describe::groups_of(key, &self.world) {
            self.group(&view).await?;
        }
        let members = describe::groups_of(key, &self.world);
        self.neighbours(&members).await?;
        self.events(key, &members).await
    }

    /// Classes, their parameters, and labels of namespaces if parameters select by them. If classes may not be read,
    /// the class of the Ingress counts as ours.
    async fn classes(&mut self, ingress: &Ingress) -> anyhow::Result<()> {
        let mut classes = self.list::<IngressClass>(Api::all(self.client.clone()), "").await?;
        if !self.unread.is_empty() {
            let name = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.clone());
            let spec = Some(IngressClassSpec { controller: Some(ALBEDO_CONTROLLER.to_owned()), parameters: None });
            classes.push(IngressClass { metadata: ObjectMeta { name, ..ObjectMeta::default() }, spec });
        }
        for class in classes {
            self.world.apply(Object::IngressClass(Box::new(class)));
        }
        let params = self.list::<IngressClassParams>(Api::all(self.client.clone()), "").await?;
        let selects = params.iter().any(|params| params.spec.namespace_selector.is_some());
        for params in params {
            self.world.apply(Object::IngressClassParams(Box::new(params)));
        }
        if selects {
            for namespace in self.list::<Namespace>(Api::all(self.client.clone()), "").await? {
                let labels = namespace.metadata.labels.unwrap_or_default();
                self.world.apply(Object::Namespace { name: namespace.metadata.name.unwrap_or_default(), labels });
            }
        }
        Ok(())
    }

    /// The other objects of a group: the ledger, the other members, the bindings.
    async fn group(&mut self, view: &View) -> anyhow::Result<()> {
        let name = view.group.object_name();
        let api: Api<IngressGroup> = Api::all(self.client.clone());
        match api.get_opt(&name).await {
            Ok(group) => {
                if let Some(group) = group {
                    self.world.apply(Object::Group(Box::new(group)));
                }
            }
            Err(error) => self.pass(error, &format!("get IngressGroup {name}"))?,
        }
        let selector: Vec<String> =
            view.group.binding_labels().iter().map(|(label, value)| format!("{label}={value}")).collect();
        let bindings: Api<TargetGroupBinding> = match &view.group {
            GroupId::Explicit(_) => {
                for ingress in self.list::<Ingress>(Api::all(self.client.clone()), "").await? {
                    self.world.apply(Object::Ingress(Box::new(ingress)));
                }
                Api::all(self.client.clone())
            }
            GroupId::Implicit { namespace, .. } => Api::namespaced(self.client.clone(), namespace),
        };
        for binding in self.list(bindings, &selector.join(",")).await? {
            self.world.apply(Object::Binding(Box::new(binding)));
        }
        Ok(())
    }

    /// Services of the members' namespaces. Secrets are not read: they are assumed to be correct, and what the
    /// controller found about them is in the ledger.
    async fn neighbours(&mut self, views: &[View]) -> anyhow::Result<()> {
        let ingresses = || views.iter().flat_map(|view| &view.members).map(|member| &member.ingress);
        let namespaces: BTreeSet<String> =
            ingresses().filter_map(|ingress| ingress.metadata.namespace.clone()).collect();
        let mut services = std::collections::BTreeMap::new();
        for namespace in namespaces {
            for service in self.list::<Service>(Api::namespaced(self.client.clone(), &namespace), "").await? {
                services.insert(Key::of(&service.metadata), std::sync::Arc::new(service.clone()));
                self.world.apply(Object::Service(Box::new(service)));
            }
        }
        for key in ingresses().flat_map(|ingress| secret_refs(ingress, &services)) {
            self.world.apply(Object::Secret { key, keys: SecretKeys::of_client() });
        }
        Ok(())
    }

    /// Events on the Ingress, and on the bindings of its groups.
    async fn events(&mut self, key: &Key, views: &[View]) -> anyhow::Result<()> {
        let uid = self.world.ingress(key).and_then(|ingress| ingress.metadata.uid.clone()).unwrap_or_default();
        let bindings = views.iter().flat_map(|view| &view.bindings).map(|binding| &binding.metadata);
        let uids: BTreeSet<String> = bindings.filter_map(|meta| meta.uid.clone()).chain([uid]).collect();
        for kind in ["Ingress", "TargetGroupBinding"] {
            let api: Api<core::Event> = Api::namespaced(self.client.clone(), &key.namespace);
            let params = ListParams::default().fields(&format!("involvedObject.kind={kind}"));
            match api.list(&params).await {
                Ok(events) => {
                    let own =
                        |event: &core::Event| event.involved_object.uid.as_ref().is_some_and(|uid| uids.contains(uid));
                    self.events.extend(events.into_iter().filter(own).map(said));
                }
                Err(error) => self.pass(error, &format!("list events on {kind} in {}", key.namespace))?,
            }
        }
        Ok(())
    }

    /// All objects with these labels; none if the cluster does not know the kind or the user may not read it.
    async fn list<K>(&mut self, api: Api<K>, labels: &str) -> anyhow::Result<Vec<K>>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        match api.list(&ListParams::default().labels(labels)).await {
            Ok(list) => Ok(list.items),
            Err(error) => self.pass(error, &format!("list {}", K::plural(&()))).map(|()| Vec::new()),
        }
    }

    /// Records an object that may not be read, and continues; a kind that the cluster does not know has no objects.
    fn pass(&mut self, error: kube::Error, what: &str) -> anyhow::Result<()> {
        match error {
            kube::Error::Api(status) if status.code == 403 => {
                let said = format!("{what}: {}", status.message);
                if !self.unread.contains(&said) {
                    self.unread.push(said);
                }
                Ok(())
            }
            kube::Error::Api(status) if status.code == 404 => Ok(()),
            error => Err(anyhow::Error::new(error).context(what.to_owned())),
        }
    }
}

fn said(event: core::Event) -> Event {
    let object = event.involved_object;
    let place = object.namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let at = event.last_timestamp.map(|time| time.0).or(event.event_time.map(|time| time.0));
    Event {
        at: at.or(event.metadata.creation_timestamp.map(|time| time.0)),
        object: format!("{} {place}{}", object.kind.unwrap_or_default(), object.name.unwrap_or_default()),
        severity: event.type_.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        text: event.message.unwrap_or_default(),
        count: event.count.unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn ingresses_are_named_as_kubectl_does() {
        let shop = |namespace: Option<&str>| Some((namespace.map(str::to_owned), "web".to_owned()));
        for (text, expected) in [
            ("ingress shop/web", shop(Some("shop"))),
            ("ing web", shop(None)),
            ("ingress/web", shop(None)),
            ("ingress.networking.k8s.io/web", shop(None)),
            ("ingresses/shop/web", shop(Some("shop"))),
            ("scheme", None),
            ("alb.ingress.kubernetes.io/scheme", None),
        ] {
            assert_eq!(named(&words(text)).unwrap(), expected, "{text}");
        }
        for text in ["ingress", "ingress a b", "ingress/a b"] {
            assert!(named(&words(text)).unwrap_err().to_string().contains("NAMESPACE/NAME"), "{text}");
        }
    }
}
