//! Listeners: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html>.

use serde::{Deserialize, Serialize};

use super::{Action, Attributes, Protocol, Rule, Tags};

/// A listener with its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// 1–65535.
    pub port: u16,
    /// HTTP or HTTPS.
    pub protocol: Protocol,
    /// What answers a request that no rule matches.
    pub default_actions: Vec<Action>,
    /// Certificate ARNs: the default one first. Empty on HTTP.
    pub certificates: Vec<String>,
    /// TLS policy name; `None` on HTTP.
    pub ssl_policy: Option<String>,
    /// Client certificates; `None` leaves what AWS holds.
    pub mutual_authentication: Option<MutualAuthentication>,
    /// Desired: those that an Ingress sets. Observed: all.
    pub attributes: Attributes,
    /// Tags, tracking ones included.
    pub tags: Tags,
    /// Rules in priority order, without the default one.
    pub rules: Vec<Rule>,
}

/// Verification of client certificates (mTLS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutualAuthentication {
    /// `off`, `passthrough` or `verify`.
    pub mode: String,
    /// ARN of the trust store; with `verify` alone.
    pub trust_store_arn: Option<String>,
    /// Accept expired client certificates.
    pub ignore_client_certificate_expiry: Option<bool>,
    /// `on` or `off`.
    pub advertise_trust_store_ca_names: Option<String>,
}
