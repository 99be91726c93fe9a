//! Actions of rules: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Action.html>.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Ref;

/// One action of a rule or of a listener's default. `R`: how it refers to target groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Action<R = Ref> {
    /// To one or more target groups.
    Forward(Forward<R>),
    /// To another URL.
    Redirect(Redirect),
    /// An answer by the load balancer itself.
    FixedResponse(FixedResponse),
    /// `OpenID` Connect first.
    AuthenticateOidc(Authenticate),
    /// Amazon Cognito first.
    AuthenticateCognito(Authenticate),
    /// A JSON web token first.
    JwtValidation(JwtValidation),
    /// An action that AWS holds and this version cannot read.
    Unknown {
        /// Its type in AWS's words.
        name: String,
    },
}

/// Target groups with weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward<R = Ref> {
    /// Up to five.
    pub target_groups: Vec<TargetGroupTuple<R>>,
    /// Stickiness between the target groups.
    pub stickiness: Option<Stickiness>,
}

/// A target group and its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroupTuple<R = Ref> {
    /// The target group.
    pub target_group: R,
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
    /// Desired: `metadata.resourceVersion` of that Secret, if it was read. Observed: the version whose client secret was sent to AWS, if the
    /// ledger knows it: AWS never returns the secret.
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

impl Authenticate {
    /// An identity provider with AWS's defaults for everything else.
    #[must_use]
    pub fn with(config: BTreeMap<String, String>, extra_params: BTreeMap<String, String>) -> Self {
        Self {
            config,
            client_secret_from: None,
            client_secret_revision: None,
            extra_params,
            on_unauthenticated_request: "authenticate".to_owned(),
            scope: "openid".to_owned(),
            session_cookie_name: "AWSELBAuthSessionCookie".to_owned(),
            session_timeout: 604_800,
        }
    }
}

/// Validation of a JSON web token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwtValidation {
    /// URL of the key set.
    pub jwks_endpoint: String,
    /// Who issued the token.
    pub issuer: String,
    /// Claims that have to be there.
    pub additional_claims: Vec<AdditionalClaim>,
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

impl Action {
    /// The port that a redirect names on the same host.
    #[must_use]
    pub fn landing(&self) -> Option<u16> {
        let Self::Redirect(redirect) = self else { return None };
        let stays = redirect.host.as_deref().is_none_or(|host| host == "#{host}");
        redirect.port.as_deref().filter(|_| stays)?.parse().ok()
    }

    /// AWS's names of the unknown actions in a list.
    pub fn unknown(actions: &[Self]) -> impl Iterator<Item = &str> {
        actions.iter().filter_map(|action| match action {
            Self::Unknown { name } => Some(name.as_str()),
            _ => None,
        })
    }
}

impl<R> Action<R> {
    /// The same action for another way to refer to target groups; `None` for a forward.
    #[must_use]
    pub fn without_target_groups<S>(self) -> Option<Action<S>> {
        Some(match self {
            Self::Forward(_) => return None,
            Self::Redirect(of) => Action::Redirect(of),
            Self::FixedResponse(of) => Action::FixedResponse(of),
            Self::AuthenticateOidc(of) => Action::AuthenticateOidc(of),
            Self::AuthenticateCognito(of) => Action::AuthenticateCognito(of),
            Self::JwtValidation(of) => Action::JwtValidation(of),
            Self::Unknown { name } => Action::Unknown { name },
        })
    }
}

impl<R> Forward<R> {
    /// The same forward for another way to refer to target groups; target groups without such a reference are left out.
    #[must_use]
    pub fn filter_map<S>(self, mut refer: impl FnMut(R) -> Option<S>) -> Forward<S> {
        let tuples = self.target_groups.into_iter();
        let tuples = tuples.filter_map(|TargetGroupTuple { target_group, weight }| {
            Some(TargetGroupTuple { target_group: refer(target_group)?, weight })
        });
        Forward { target_groups: tuples.collect(), stickiness: self.stickiness }
    }
}

/// One text for plans and traces: `forward to <a>`. `{:#}` shows every setting, for comparisons.
impl<R: fmt::Display> fmt::Display for Action<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(forward) => forward.fmt(f),
            Self::Redirect(redirect) => redirect.fmt(f),
            Self::FixedResponse(response) => response.fmt(f),
            Self::AuthenticateOidc(of) => write!(f, "authenticate by OIDC").and_then(|()| of.details(f)),
            Self::AuthenticateCognito(of) => write!(f, "authenticate by Cognito").and_then(|()| of.details(f)),
            Self::JwtValidation(of) => of.fmt(f),
            Self::Unknown { name } => write!(f, "{name} (unknown action)"),
        }
    }
}

impl<R: fmt::Display> fmt::Display for Forward<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, TargetGroupTuple { target_group, weight }) in self.target_groups.iter().enumerate() {
            write!(f, "{}{target_group}", if index == 0 { "forward to " } else { ", " })?;
            if let Some(weight) = weight.filter(|_| self.target_groups.len() > 1) {
                write!(f, " ({weight})")?;
            }
        }
        match self.stickiness.as_ref().filter(|_| f.alternate()) {
            Some(Stickiness { enabled: Some(true), duration_seconds }) => match duration_seconds {
                Some(seconds) => write!(f, ", sticky for {seconds} s"),
                None => f.write_str(", sticky"),
            },
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |part: &'_ Option<String>, keep: &str| part.clone().unwrap_or_else(|| keep.to_owned());
        let (protocol, host) = (or(&self.protocol, "#{protocol}"), or(&self.host, "#{host}"));
        let (port, path) = (or(&self.port, "#{port}"), or(&self.path, "/#{path}"));
        write!(f, "redirect {} to {protocol}://{host}:{port}{path}", self.status_code)?;
        match self.query.as_deref().filter(|query| *query != "#{query}") {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for FixedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answer {}", self.status_code)?;
        if !f.alternate() {
            return Ok(());
        }
        self.content_type.iter().try_for_each(|kind| write!(f, " {kind}"))?;
        self.message_body.iter().try_for_each(|body| write!(f, ": {body}"))
    }
}

impl Authenticate {
    /// With `{:#}`: all settings.
    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return Ok(());
        }
        let config = self.config.iter().chain(&self.extra_params).map(|(key, value)| format!("{key}={value}"));
        let secret = self.client_secret_from.iter().map(|secret| format!("client of Secret {secret}"));
        let all: Vec<String> = config.chain(secret).collect();
        write!(
            f,
            " ({}, scope {}, cookie {} for {} s, otherwise {})",
            all.join(", "),
            self.scope,
            self.session_cookie_name,
            self.session_timeout,
            self.on_unauthenticated_request
        )
    }
}

impl fmt::Display for JwtValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("validate the token")?;
        if !f.alternate() {
            return Ok(());
        }
        write!(f, " of {} by {}", self.issuer, self.jwks_endpoint)?;
        self.additional_claims
            .iter()
            .try_for_each(|claim| write!(f, ", {} ({}) {}", claim.name, claim.format, claim.values.join(" | ")))
    }
}
