//! The SDK's clients: one set that reads and retries, one that writes and never does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use albedo_engine::plan::operation::ApiService;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::answers;
use super::attempts::Attempts;
use super::throttle::Buckets;

/// Until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Until one attempt has its whole answer. A write has one attempt, so this is all the time it can take.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until a read has its answer, retries and the waits between them included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Ends the user agent of each call as `app/…`: what `CloudTrail` shows of us.
const APP_NAME: &str = concat!("albedo-", env!("CARGO_PKG_VERSION"));

/// Clients that read: the SDK retries.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pub(super) elbv2: aws_sdk_elasticloadbalancingv2::Client,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) acm: aws_sdk_acm::Client,
    pub(super) wafv2: aws_sdk_wafv2::Client,
    pub(super) waf_regional: aws_sdk_wafregional::Client,
    pub(super) shield: aws_sdk_shield::Client,
}

/// Clients that write: one attempt. A second one is our decision, after a look at the lease.
#[derive(Debug, Clone)]
pub(super) struct Writers {
    pub(super) elbv2: aws_sdk_elasticloadbalancingv2::Client,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) wafv2: aws_sdk_wafv2::Client,
    pub(super) waf_regional: aws_sdk_wafregional::Client,
    pub(super) shield: aws_sdk_shield::Client,
}

/// Both sets.
#[derive(Debug, Clone)]
pub(super) struct Sdk {
    pub(super) read: Readers,
    pub(super) write: Writers,
}

impl Sdk {
    /// Clients by a loader of their configuration.
    pub(super) async fn of(
        loader: ConfigLoader,
        endpoints: &BTreeMap<ApiService, String>,
        buckets: &Arc<Buckets>,
    ) -> Self {
        let config = loader.load().await;
        let clients = Clients { endpoints, buckets };
        Self { read: Readers::new(&config, clients), write: Writers::new(&config, clients) }
    }
}

/// Credentials, profile and endpoints by the SDK's standard chain: environment, profile, web identity, container, instance metadata;
/// `AWS_ENDPOINT_URL`. Timeouts and attempts are those of clients that read. Loads nothing yet.
pub(super) fn loader(region: &str, max_attempts: u32) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    // Pinned: a later version may bring other retries and timeouts under our feet.
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::standard().with_max_attempts(max_attempts))
        .timeout_config(timeouts)
        .http_client(answers::http_client());
    match AppName::new(APP_NAME) {
        Ok(app_name) => loader.app_name(app_name),
        Err(_) => loader,
    }
}

/// What all clients share.
#[derive(Clone, Copy)]
struct Clients<'a> {
    endpoints: &'a BTreeMap<ApiService, String>,
    buckets: &'a Arc<Buckets>,
}

/// A client of a service, at the endpoint that was asked for, which tells the buckets of each answer.
macro_rules! client {
    ($sdk:ident, $service:ident, $config:expr, $clients:expr) => {{
        let attempts = Attempts { service: ApiService::$service, buckets: $clients.buckets.clone() };
        let mut builder = $sdk::config::Builder::from($config).interceptor(attempts);
        if let Some(url) = $clients.endpoints.get(&ApiService::$service) {
            builder = builder.endpoint_url(url);
        }
        $sdk::Client::from_conf(builder.build())
    }};
}

impl Readers {
    fn new(config: &SdkConfig, clients: Clients<'_>) -> Self {
        Self {
            elbv2: client!(aws_sdk_elasticloadbalancingv2, Elbv2, config, clients),
            ec2: client!(aws_sdk_ec2, Ec2, config, clients),
            acm: client!(aws_sdk_acm, Acm, config, clients),
            wafv2: client!(aws_sdk_wafv2, WafV2, config, clients),
            waf_regional: client!(aws_sdk_wafregional, WafRegional, config, clients),
            shield: client!(aws_sdk_shield, Shield, &in_shields_region(config), clients),
        }
    }
}

impl Writers {
    fn new(config: &SdkConfig, clients: Clients<'_>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = &config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts).build();
        Self {
            elbv2: client!(aws_sdk_elasticloadbalancingv2, Elbv2, config, clients),
            ec2: client!(aws_sdk_ec2, Ec2, config, clients),
            wafv2: client!(aws_sdk_wafv2, WafV2, config, clients),
            waf_regional: client!(aws_sdk_wafregional, WafRegional, config, clients),
            shield: client!(aws_sdk_shield, Shield, &in_shields_region(config), clients),
        }
    }
}

/// Shield is one service for all regions and answers in this one:
/// <https://docs.aws.amazon.com/general/latest/gr/shield.html>.
fn in_shields_region(config: &SdkConfig) -> SdkConfig {
    config.to_builder().region(Region::from_static("us-east-1")).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_agent_takes_our_name() {
        assert!(AppName::new(APP_NAME).is_ok());
    }

    #[test]
    fn services_by_id() {
        for service in ApiService::ALL {
            assert_eq!(ApiService::parse(service.id()), Some(service));
        }
        assert_eq!(ApiService::parse("S3"), None);
    }
}
