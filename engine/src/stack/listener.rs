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

impl Listener {
    /// Whether an observed listener has what is desired of TLS: default certificate, policy, client certificates. What is not asked for
    /// is as AWS has it.
    #[must_use]
    pub fn is_met_in_tls(&self, observed: &Self) -> bool {
        let policy = self.ssl_policy.is_none() || self.ssl_policy == observed.ssl_policy;
        policy
            && self.certificates.first() == observed.certificates.first()
            && MutualAuthentication::is_met(
                self.mutual_authentication.as_ref(),
                observed.mutual_authentication.as_ref(),
            )
    }

    /// The trust store by which clients are verified, by ARN.
    #[must_use]
    pub fn trust_store(&self) -> Option<&str> {
        self.mutual_authentication.as_ref()?.trust_store_arn.as_deref()
    }

    /// Takes from what was observed before what is not asked for.
    pub fn keep_unasked(&mut self, before: &Self) {
        if self.ssl_policy.is_none() {
            self.ssl_policy.clone_from(&before.ssl_policy);
        }
        if self.mutual_authentication.is_none() {
            self.mutual_authentication.clone_from(&before.mutual_authentication);
        }
    }
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

impl MutualAuthentication {
    /// Whether client certificates are treated as asked; if nothing is asked they always are.
    #[must_use]
    pub fn is_met(asked: Option<&Self>, observed: Option<&Self>) -> bool {
        let Some(asked) = asked else { return true };
        let Some(observed) = observed else { return asked.mode == "off" };
        asked.mode == observed.mode
            && (asked.mode != "verify"
                || asked.trust_store_arn == observed.trust_store_arn
                    && asked.ignore_client_certificate_expiry.unwrap_or_default()
                        == observed.ignore_client_certificate_expiry.unwrap_or_default()
                    && asked.advertise_trust_store_ca_names.as_deref().unwrap_or("off")
                        == observed.advertise_trust_store_ca_names.as_deref().unwrap_or("off"))
    }
}
