//! The objects of a cluster, each kind read once; what may not be read is recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use albedo_engine::kinds::{IngressClassParams, Key, TargetGroupBinding};
use albedo_engine::preflight::{Found, GATEWAY_CONTROLLERS, Gateway, gated};
use albedo_engine::world::{Object, SecretKeys, secret_refs};
use anyhow::Context as _;
use hyper::Request;
use hyper::header::DATE;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::client::Body;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// The kind of accelerators.
const ACCELERATOR: &str = "GlobalAccelerator";
/// Objects in a page of a list.
const PAGE: u32 = 500;

/// Reads everything that the report needs.
///
/// # Errors
/// If the cluster does not answer.
pub(super) async fn read(client: Client) -> anyhow::Result<(Vec<Object>, Found)> {
    let mut reader = Reader { found: Found { is_live: true, ..Found::default() }, objects: Vec::new(), client };
    reader.found.clock = reader.clock().await?;
    reader.world().await?;
    reader.found.deployments = reader.all().await?;
    reader.found.mutating = reader.all().await?;
    reader.found.validating = reader.all().await?;
    let mut pods = Vec::new();
    reader.each(|pod: Pod| pods.extend(gated(&pod))).await?;
    reader.found.pods = pods;
    reader.gateways().await?;
    Ok((reader.objects, reader.found))
}

struct Reader {
    client: Client,
    objects: Vec<Object>,
    found: Found,
}

impl Reader {
    /// The objects of the world.
    async fn world(&mut self) -> anyhow::Result<()> {
        let classes: Vec<IngressClass> = self.all().await?;
        let params: Vec<IngressClassParams> = self.all().await?;
        let namespaces: Vec<Namespace> = self.all().await?;
        let services: Vec<Service> = self.all().await?;
        let bindings: Vec<TargetGroupBinding> = self.all().await?;
        let ingresses: Vec<Ingress> = self.all().await?;
        let mut nodes = Vec::new();
        self.each(|node: Node| nodes.push(Object::Node(Box::new(node.into())))).await?;
        let known: BTreeMap<Key, Arc<Service>> =
            services.iter().map(|service| (Key::of(&service.metadata), Arc::new(service.clone()))).collect();
        // Secrets are not read: they are assumed to be as LBC needs them.
        let secrets = ingresses.iter().flat_map(|ingress| secret_refs(ingress, &known));
        let secrets = secrets.map(|key| Object::Secret { key, keys: SecretKeys::of_client() });
        self.objects.extend(secrets);
        self.objects.extend(classes.into_iter().map(|one| Object::IngressClass(Box::new(one))));
        self.objects.extend(params.into_iter().map(|one| Object::IngressClassParams(Box::new(one))));
        self.objects.extend(
            namespaces
                .into_iter()
                .map(|one| Object::Namespace { name: one.name_any(), labels: one.metadata.labels.unwrap_or_default() }),
        );
        self.objects.extend(services.into_iter().map(|one| Object::Service(Box::new(one))));
        self.objects.extend(bindings.into_iter().map(|one| Object::Binding(Box::new(one))));
        self.objects.extend(nodes);
        self.objects.extend(ingresses.into_iter().map(|one| Object::Ingress(Box::new(one))));
        Ok(())
    }

    /// Gateways of LBC's classes, and accelerators.
    async fn gateways(&mut self) -> anyhow::Result<()> {
        let gateway_api = |kind| GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", kind);
        let controller = |class: &DynamicObject| class.data.pointer("/spec/controllerName").cloned();
        let is_lbcs = |class: &DynamicObject| {
            controller(class).is_some_and(|name| GATEWAY_CONTROLLERS.iter().any(|lbcs| name == *lbcs))
        };
        let classes = self.dynamic(&gateway_api("GatewayClass")).await?;
        let classes: Vec<String> = classes.iter().filter(|class| is_lbcs(class)).map(ResourceExt::name_any).collect();
        if !classes.is_empty() {
            let of_lbc = |gateway: &DynamicObject| {
                let class = gateway.data.pointer("/spec/gatewayClassName").and_then(|name| name.as_str());
                class.is_some_and(|class| classes.iter().any(|one| one == class))
            };
            let gateways = self.dynamic(&gateway_api("Gateway")).await?;
            let gateways = gateways.iter().filter(|gateway| of_lbc(gateway));
            self.found.gateways.extend(gateways.map(|one| Gateway { kind: "Gateway", key: Key::of(&one.metadata) }));
        }
        let accelerators = self.dynamic(&GroupVersionKind::gvk("aga.k8s.aws", "v1beta1", ACCELERATOR)).await?;
        let accelerators = accelerators.iter().map(|one| Gateway { kind: ACCELERATOR, key: Key::of(&one.metadata) });
        self.found.gateways.extend(accelerators);
        Ok(())
    }

    /// All objects of a kind.
    async fn all<K>(&mut self) -> anyhow::Result<Vec<K>>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let mut all = Vec::new();
        self.each(|one: K| all.push(one)).await?;
        Ok(all)
    }

    /// Every object of a kind, page by page, so that large kinds are not held as a whole.
    async fn each<K>(&mut self, take: impl FnMut(K)) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let api: Api<K> = Api::all(self.client.clone());
        self.pages(&api, &K::plural(&()), take).await
    }

    async fn dynamic(&mut self, kind: &GroupVersionKind) -> anyhow::Result<Vec<DynamicObject>> {
        let resource = ApiResource::from_gvk(kind);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let mut all = Vec::new();
        self.pages(&api, &resource.plural, |one| all.push(one)).await?;
        Ok(all)
    }

    async fn pages<K>(&mut self, api: &Api<K>, plural: &str, mut take: impl FnMut(K)) -> anyhow::Result<()>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = match api.list(&params).await {
                Ok(page) => page,
                // A cluster that does not know the kind has no objects of it.
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    self.found.unread.push(format!("cannot list {plural}: {}", status.message));
                    return Ok(());
                }
                Err(error) => return Err(error).with_context(|| format!("list {plural}")),
            };
            let next = page.metadata.continue_.clone().filter(|token| !token.is_empty());
            page.items.into_iter().for_each(&mut take);
            match next {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// Seconds by which this machine's clock is ahead of the API server's, if it sends its time.
    async fn clock(&self) -> anyhow::Result<Option<i64>> {
        let request = Request::get("/version").body(Body::empty()).context("GET /version")?;
        let response = self.client.send(request).await.context("GET /version")?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        Ok(date.map(|date| Timestamp::now().as_second() - date.timestamp().as_second()))
    }
}
