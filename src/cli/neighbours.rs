//! Objects that files lack, from the cluster of the current kubeconfig: read once; nothing is written.

use std::collections::BTreeSet;
use std::fmt::Debug;

use albedo_engine::admit::write_defaults;
use albedo_engine::kinds::{IngressClassParams, IngressDefaults, IngressPolicy};
use albedo_engine::manifest::{Manifests, Source};
use albedo_engine::settings::Settings;
use albedo_engine::world::Object;
use anyhow::Context;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::networking::v1::IngressClass;
use kube::api::ListParams;
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;

use super::{files, run};

/// The manifests of files, with objects from the cluster of the current kubeconfig.
///
/// # Errors
/// If there is no kubeconfig, the cluster does not answer, or the user may not read.
pub fn read(sources: Vec<Source>, settings: &Settings) -> anyhow::Result<Manifests> {
    run::cryptography()?;
    files::check_kubeconfigs().context("--cluster")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = Config::infer().await.context("--cluster: no usable kubeconfig")?;
        let mut manifests = Manifests::read(sources, settings, &config.default_namespace);
        let url = config.cluster_url.clone();
        let client = Client::try_from(config).context("--cluster")?;
        let found = all(&client, &manifests).await.with_context(|| format!("--cluster: asking {url}"))?;
        for object in found {
            manifests.add(object);
        }
        write_defaults(&mut manifests.world, settings);
        Ok(manifests)
    })
}

/// Classes and their parameters, defaults and policies, and the labels and Services of the Ingresses' namespaces.
async fn all(client: &Client, manifests: &Manifests) -> anyhow::Result<Vec<Object>> {
    let everything = ListParams::default();
    let classes: Api<IngressClass> = Api::all(client.clone());
    let classes = classes.list(&everything).await.context("list IngressClasses")?;
    let mut found: Vec<Object> = classes.into_iter().map(|class| Object::IngressClass(Box::new(class))).collect();

    let params = listed::<IngressClassParams>(client).await?.into_iter();
    found.extend(params.map(|params| Object::IngressClassParams(Box::new(params))));
    let defaults = listed::<IngressDefaults>(client).await?.into_iter();
    found.extend(defaults.map(|defaults| Object::Defaults(Box::new(defaults))));
    let policies = listed::<IngressPolicy>(client).await?.into_iter();
    found.extend(policies.map(|policy| Object::Policy(Box::new(policy))));

    let namespaces: BTreeSet<String> = manifests.ingresses().into_iter().map(|key| key.namespace).collect();
    let api: Api<Namespace> = Api::all(client.clone());
    for name in namespaces {
        if let Some(namespace) = api.get_opt(&name).await.with_context(|| format!("get Namespace {name}"))? {
            let labels = namespace.metadata.labels.unwrap_or_default();
            found.push(Object::Namespace { name: name.clone(), labels });
        }
        let services: Api<Service> = Api::namespaced(client.clone(), &name);
        let services = services.list(&everything).await.with_context(|| format!("list Services of {name}"))?;
        found.extend(services.into_iter().map(|service| Object::Service(Box::new(service))));
    }
    Ok(found)
}

/// All objects of a kind; a cluster without its CRD has none.
async fn listed<K>(client: &Client) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("list {}", K::plural(&()))),
    }
}
