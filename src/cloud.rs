//! The edge towards AWS: the one function that every call goes through, facts of the account, what AWS holds of a group, and
//! the operations of a plan.
//!
//! | module | what it is |
//! |---|---|
//! | [`sdk`] | clients: readers retry, writers don't |
//! | [`answers`] | how large an answer may be |
//! | [`call`] | the one function that every call goes through |
//! | [`throttle`], [`metrics`], [`error`] | what it does on the way |
//! | [`identity`] | which region and VPC this is |
//! | [`facts`], [`interfaces`] | what is known of the account |
//! | [`inventory`], [`describe`], [`observe`] | what AWS holds of a group |
//! | [`roles`] | the same for target groups of other accounts |
//! | [`addons`] | what is attached to a load balancer |
//! | [`dry_run`] | which writes are allowed, asked without a change |
//! | [`operations`], [`known`] | one operation of a plan |
//! | [`convert`] | between AWS's types and the stack's |

mod addons;
mod answers;
mod attempts;
mod call;
mod convert;
mod describe;
mod dry_run;
mod error;
mod facts;
mod identity;
mod interfaces;
mod inventory;
mod known;
mod metrics;
mod nlb;
mod observe;
mod operations;
mod roles;
mod sdk;
mod throttle;
mod unlisted;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use albedo_engine::plan::operation::{ApiCall, ApiService};
use albedo_engine::settings::{Gate, Settings};
use albedo_engine::stack::Addon;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

pub use call::on_behalf_of;
pub use error::CloudError;
pub use facts::FactKind;
pub use identity::{Asked, Identity, NodePlace, identify};
pub use interfaces::InterfaceFact;
pub use known::{Applied, Known, OidcClient, WriteContext};
pub use metrics::Metrics;
pub use throttle::Throttle;

/// What the operator decided about AWS, and what was found out about where we are.
#[derive(Debug, Clone)]
pub struct CloudConfig {
    /// Region, `eu-central-1`.
    pub region: String,
    /// VPC of the cluster.
    pub vpc_id: String,
    /// Cluster name, as in tags.
    pub cluster_name: String,
    /// Attempts of a read, the first included. Writes always have one.
    pub max_attempts: u32,
    /// Endpoints in place of those of the standard chain.
    pub endpoints: BTreeMap<ApiService, String>,
    /// How often which operations may be called.
    pub throttle: Throttle,
    /// Whether listeners and rules carry tags; otherwise they are not read either.
    pub tag_listeners_and_rules: bool,
    /// Whether web ACLs are looked up by name.
    pub web_acls: bool,
    /// Whether it is asked if the account is subscribed to Shield Advanced.
    pub shield: bool,
}

impl CloudConfig {
    /// The defaults.
    #[must_use]
    pub fn new(region: &str, vpc_id: &str, cluster_name: &str) -> Self {
        Self {
            region: region.to_owned(),
            vpc_id: vpc_id.to_owned(),
            cluster_name: cluster_name.to_owned(),
            max_attempts: 3,
            endpoints: BTreeMap::new(),
            throttle: Throttle::default(),
            tag_listeners_and_rules: true,
            web_acls: true,
            shield: true,
        }
    }

    /// For the cluster of these settings in this place.
    #[must_use]
    pub fn of(place: &Identity, settings: &Settings) -> Self {
        Self {
            tag_listeners_and_rules: settings.gate(Gate::ListenerRulesTagging),
            web_acls: settings.allows(Addon::WebAcl),
            shield: settings.allows(Addon::Shield),
            ..Self::new(&place.region, &place.vpc_id, &settings.cluster_name)
        }
    }
}

/// AWS. Clones share connections, throttle, metrics and caches.
#[derive(Debug, Clone)]
pub struct Cloud {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: CloudConfig,
    sdk: sdk::Sdk,
    caller: call::Caller,
    inventory: inventory::Inventory,
    certificates: facts::Certificates,
    zones: facts::Zones,
    roles: roles::Roles,
}

impl Cloud {
    /// Reads the SDK's configuration from the environment; calls nothing yet.
    pub async fn new(config: CloudConfig) -> Self {
        let loader = sdk::loader(&config.region, config.max_attempts);
        Self::of(config, loader).await
    }

    /// With clients that are configured by a loader.
    async fn of(config: CloudConfig, loader: aws_config::ConfigLoader) -> Self {
        Self::counted(config, loader, Metrics::default()).await
    }

    /// The same; its calls are counted there.
    async fn counted(config: CloudConfig, loader: aws_config::ConfigLoader, metrics: Metrics) -> Self {
        let caller = call::Caller::new(&config.throttle, metrics);
        let sdk = sdk::Sdk::of(loader, &config.endpoints, &caller.buckets).await;
        let shared = Shared {
            config,
            sdk,
            caller,
            inventory: inventory::Inventory::default(),
            certificates: facts::Certificates::default(),
            zones: facts::Zones::default(),
            roles: roles::Roles::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &CloudConfig {
        &self.shared.config
    }

    /// Counts of calls, to be registered.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.caller.metrics
    }

    /// Forgets what is known of the account's resources: the next [`Cloud::observe`] reads all tags anew.
    pub fn invalidate(&self) {
        self.shared.inventory.invalidate();
    }

    fn read(&self) -> &sdk::Readers {
        &self.shared.sdk.read
    }

    fn write(&self) -> &sdk::Writers {
        &self.shared.sdk.write
    }

    fn caller(&self) -> &call::Caller {
        &self.shared.caller
    }

    fn inventory(&self) -> &inventory::Inventory {
        &self.shared.inventory
    }

    fn described(&self) -> &facts::Certificates {
        &self.shared.certificates
    }

    fn zones(&self) -> &facts::Zones {
        &self.shared.zones
    }

    /// Makes one reading call.
    fn call<T, E>(
        &self,
        op: ApiCall,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, CloudError>>
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        self.caller().call(op, send)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use albedo_engine::facts::Facts;
    use albedo_engine::plan::operation::AwsOperation;
    use albedo_engine::stack::GroupId;

    use super::*;

    /// What [`Cloud`] gives has to be spawnable; the compiler says so here rather than at a caller's.
    #[tokio::test]
    async fn futures_can_be_sent_between_threads() {
        fn sendable(_: impl Future + Send) {}
        let cloud = Cloud::new(CloudConfig::new("eu-test-1", "vpc-1", "test")).await;
        let (mut facts, mut known, clients) = (Facts::default(), Known::default(), BTreeMap::new());
        let write_context = WriteContext { remaining: &|| Duration::ZERO, clients: &clients };
        let operation = AwsOperation::DeleteRule { rule: "arn".to_owned() };
        sendable(cloud.observe(&GroupId::Explicit("group".to_owned())));
        sendable(cloud.refresh(&mut facts, jiff::Timestamp::UNIX_EPOCH, true));
        sendable(cloud.apply(&operation, &mut known, &write_context));
        sendable(cloud.extra_subnets(&[]));
        sendable(cloud.node_interfaces(&[]));
        sendable(cloud.interfaces_by_address(&[]));
        sendable(identify(&Asked::default(), &[]));
        sendable(async move {
            let clients = BTreeMap::new();
            let write_context = WriteContext { remaining: &|| Duration::ZERO, clients: &clients };
            let mut known = Known::of(&cloud.observe(&GroupId::Explicit("group".to_owned())).await?);
            cloud.apply(&operation, &mut known, &write_context).await
        });
    }

    #[tokio::test]
    async fn nothing_is_sent_without_lease_proof() {
        let cloud = Cloud::new(CloudConfig::new("eu-test-1", "vpc-1", "test")).await;
        let clients = BTreeMap::new();
        let write_context = WriteContext { remaining: &|| Duration::from_millis(9_999), clients: &clients };
        let operation = AwsOperation::DeleteRule { rule: "arn".to_owned() };
        let error = cloud.apply(&operation, &mut Known::default(), &write_context).await.unwrap_err();
        assert_eq!(error.to_string(), "AWS DeleteRule was not sent: this replica's lease ends too soon");
    }
}
