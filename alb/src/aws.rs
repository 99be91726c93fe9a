//! The AWS side: clients of an endpoint, reading what it holds, waiting until that changes, telling it of the health of targets.

mod control;
mod read;

use aws_sdk_elasticloadbalancingv2::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::{Builder, tls};

pub(crate) use control::{Control, ControlError, Report};
pub(crate) use read::{ReadError, Reader};

/// Clients of a region at an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    elbv2: aws_sdk_elasticloadbalancingv2::Client,
    ec2: aws_sdk_ec2::Client,
    acm: aws_sdk_acm::Client,
}

macro_rules! client {
    ($sdk:ident, $endpoint:expr, $region:expr, $credentials:expr, $http:expr) => {
        $sdk::Client::from_conf(
            // Pinned, as in the controller.
            $sdk::config::Builder::new()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new($region.to_owned()))
                .credentials_provider($credentials.clone())
                .endpoint_url($endpoint)
                .http_client($http.clone())
                .build(),
        )
    };
}

impl Clients {
    /// Clients that sign with these keys.
    pub(crate) fn new(endpoint: &str, region: &str, (id, secret): (&str, &str)) -> Self {
        let credentials = Credentials::new(id, secret, None, None, "albedo-alb");
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        let http = Builder::new().tls_provider(provider).build_https();
        Self {
            elbv2: client!(aws_sdk_elasticloadbalancingv2, endpoint, region, credentials, http),
            ec2: client!(aws_sdk_ec2, endpoint, region, credentials, http),
            acm: client!(aws_sdk_acm, endpoint, region, credentials, http),
        }
    }
}
