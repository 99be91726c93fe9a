//! Listeners, rules, conditions, actions and transforms:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html>.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Attributes, Protocol, Ref, RuleTags, Tags};

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
    /// Desired: those that are asked for. Observed: all.
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

/// A rule of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// 1–50000, lower first.
    pub priority: u32,
    /// All have to match. Shared by who asked for them and all states that hold the rule.
    pub conditions: Arc<[Condition]>,
    /// What is done, the routing action last. Shared in the same way.
    pub actions: Arc<[Action]>,
    /// Rewrites before routing. Shared in the same way.
    pub transforms: Arc<[Transform]>,
    /// Tags, tracking ones included.
    pub tags: RuleTags,
}

/// Values of a host-header or path-pattern condition: wildcards or regular expressions, one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patterns {
    /// `*` and `?` are wildcards.
    pub values: Vec<String>,
    /// Regular expressions.
    pub regex_values: Vec<String>,
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "field", rename_all = "kebab-case")]
pub enum Condition {
    /// The host of the request, without regard to case.
    HostHeader(Patterns),
    /// The path of the request, with regard to case.
    PathPattern(Patterns),
    /// A header.
    HttpHeader {
        /// Name of the header, without regard to case.
        name: String,
        /// What its value is matched against.
        patterns: Patterns,
    },
    /// The method.
    HttpRequestMethod {
        /// Methods, upper case.
        values: Vec<String>,
    },
    /// The query.
    QueryString {
        /// Pairs, one of which has to match.
        values: Vec<QueryPair>,
    },
    /// The address of the client as the load balancer sees it.
    SourceIp {
        /// CIDRs.
        values: Vec<String>,
    },
}

impl Condition {
    /// The field that it is on, in AWS's words.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::HostHeader(_) => "host-header",
            Self::PathPattern(_) => "path-pattern",
            Self::HttpHeader { .. } => "http-header",
            Self::HttpRequestMethod { .. } => "http-request-method",
            Self::QueryString { .. } => "query-string",
            Self::SourceIp { .. } => "source-ip",
        }
    }

    /// How many values it has, which a rule's quota counts.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::HostHeader(patterns) | Self::PathPattern(patterns) | Self::HttpHeader { patterns, .. } => {
                patterns.values.len() + patterns.regex_values.len()
            }
            Self::HttpRequestMethod { values } | Self::SourceIp { values } => values.len(),
            Self::QueryString { values } => values.len(),
        }
    }
}

/// A key and a value of a query string; without a key any key matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryPair {
    /// Key.
    pub key: Option<String>,
    /// Value.
    pub value: String,
}

/// One action of a rule or of a listener's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Action {
    /// To one or more target groups.
    Forward(Forward),
    /// To another URL.
    Redirect(Redirect),
    /// An answer by the load balancer itself.
    FixedResponse(FixedResponse),
    /// `OpenID` Connect first.
    AuthenticateOidc(Authenticate),
    /// Amazon Cognito first.
    AuthenticateCognito(Authenticate),
    /// A JSON web token first.
    JwtValidation {
        /// URL of the key set.
        jwks_endpoint: String,
        /// Who issued the token.
        issuer: String,
        /// Claims that have to be there.
        additional_claims: Vec<AdditionalClaim>,
    },
}

/// Target groups with weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Up to five.
    pub target_groups: Vec<TargetGroupTuple>,
    /// Stickiness between the target groups.
    pub stickiness: Option<Stickiness>,
}

/// A target group and its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroupTuple {
    /// The target group.
    pub target_group: Ref,
    /// 0–999.
    pub weight: Option<i32>,
}

/// Stickiness between target groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stickiness {
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// Seconds, 1–604800.
    pub duration_seconds: Option<i32>,
}

/// A redirect; `None` keeps that part of the request's URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// Host.
    pub host: Option<String>,
    /// Path, with the leading `/`.
    pub path: Option<String>,
    /// Port.
    pub port: Option<String>,
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub protocol: Option<String>,
    /// Query, without the leading `?`.
    pub query: Option<String>,
    /// `HTTP_301` or `HTTP_302`.
    pub status_code: String,
}

impl Action {
    /// The port of the same host that a redirect leads to, if it names one.
    #[must_use]
    pub fn landing(&self) -> Option<u16> {
        let Self::Redirect(redirect) = self else { return None };
        let stays = redirect.host.as_deref().is_none_or(|host| host == "#{host}");
        redirect.port.as_deref().filter(|_| stays)?.parse().ok()
    }
}

/// An answer by the load balancer itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedResponse {
    /// Content type.
    pub content_type: Option<String>,
    /// Body, ≤ 1024 bytes.
    pub message_body: Option<String>,
    /// 2xx, 4xx or 5xx, as text.
    pub status_code: String,
}

/// What both ways of authentication share, and what each has of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authenticate {
    /// Cognito: `userPoolARN`, `userPoolClientID`, `userPoolDomain`. OIDC: `issuer`, the three endpoints, `clientID`.
    pub config: BTreeMap<String, String>,
    /// OIDC: the Secret (namespace/name) whose client secret is read when the action is sent; never its bytes.
    pub client_secret_from: Option<String>,
    /// Desired: `metadata.resourceVersion` of that Secret, as far as it was read. Observed: the one of which AWS has the client secret,
    /// as far as the ledger knows, for AWS never returns the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_revision: Option<String>,
    /// Up to ten extra parameters of the redirect.
    pub extra_params: BTreeMap<String, String>,
    /// `deny`, `allow` or `authenticate`.
    pub on_unauthenticated_request: String,
    /// Scope.
    pub scope: String,
    /// Cookie name.
    pub session_cookie_name: String,
    /// Seconds, 1–604800.
    pub session_timeout: i64,
}

/// A claim that a token has to carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdditionalClaim {
    /// `single-string`, `string-array` or `space-separated-values`.
    pub format: String,
    /// Name of the claim.
    pub name: String,
    /// Values, one of which has to match.
    pub values: Vec<String>,
}

/// A rewrite of the request before routing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", content = "rewrites", rename_all = "kebab-case")]
pub enum Transform {
    /// Of the host header.
    HostHeaderRewrite(Vec<Rewrite>),
    /// Of the path and query.
    UrlRewrite(Vec<Rewrite>),
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rewrite {
    /// What is replaced.
    pub regex: String,
    /// By what.
    pub replace: String,
}
