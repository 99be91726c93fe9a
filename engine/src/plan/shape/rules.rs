//! Rules in the words of the AWS API: conditions, actions and transforms.

use serde_json::{Value, json};

use super::{members, reference, tags};
use crate::stack::{
    Action, AdditionalClaim, Authenticate, Condition, FixedResponse, Forward, Patterns, QueryPair, Redirect, Rewrite,
    Rule, TargetGroupTuple, Transform,
};

pub(super) fn rule(from: &Rule) -> Value {
    let Rule { priority, conditions, actions: of, transforms, tags: tagged } = from;
    members([
        ("Priority", json!(priority)),
        ("Conditions", conditions.iter().map(condition).collect()),
        ("Actions", actions(of)),
        ("Transforms", transforms.iter().map(transform).collect()),
        ("Tags", tags(&tagged.all())),
    ])
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html>
fn condition(from: &Condition) -> Value {
    let patterns = |Patterns { values, regex_values }: &Patterns, name: Option<&String>| {
        members([("HttpHeaderName", json!(name)), ("Values", json!(values)), ("RegexValues", json!(regex_values))])
    };
    let (field, config, value) = match from {
        Condition::HostHeader(of) => ("host-header", "HostHeaderConfig", patterns(of, None)),
        Condition::PathPattern(of) => ("path-pattern", "PathPatternConfig", patterns(of, None)),
        Condition::HttpHeader { name, patterns: of } => ("http-header", "HttpHeaderConfig", patterns(of, Some(name))),
        Condition::HttpRequestMethod { values } => {
            ("http-request-method", "HttpRequestMethodConfig", json!({"Values": values}))
        }
        Condition::QueryString { values } => {
            let pair = |QueryPair { key, value }: &QueryPair| members([("Key", json!(key)), ("Value", json!(value))]);
            ("query-string", "QueryStringConfig", json!({"Values": values.iter().map(pair).collect::<Vec<_>>()}))
        }
        Condition::SourceIp { values } => ("source-ip", "SourceIpConfig", json!({"Values": values})),
    };
    members([("Field", json!(field)), (config, value)])
}

/// In their order, numbered from 1.
pub(super) fn actions(from: &[Action]) -> Value {
    (1..).zip(from).map(|(order, from)| action(from, order)).collect()
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Action.html>
fn action(from: &Action, order: i32) -> Value {
    let (kind, config, value) = match from {
        Action::Forward(of) => ("forward", "ForwardConfig", forward(of)),
        Action::Redirect(of) => ("redirect", "RedirectConfig", redirect(of)),
        Action::FixedResponse(FixedResponse { content_type, message_body, status_code }) => (
            "fixed-response",
            "FixedResponseConfig",
            members([
                ("ContentType", json!(content_type)),
                ("MessageBody", json!(message_body)),
                ("StatusCode", json!(status_code)),
            ]),
        ),
        Action::AuthenticateOidc(of) => ("authenticate-oidc", "AuthenticateOidcConfig", authenticate(of)),
        Action::AuthenticateCognito(of) => ("authenticate-cognito", "AuthenticateCognitoConfig", authenticate(of)),
        Action::JwtValidation { jwks_endpoint, issuer, additional_claims } => {
            let claim = |AdditionalClaim { format, name, values }: &AdditionalClaim| {
                members([("Format", json!(format)), ("Name", json!(name)), ("Values", json!(values))])
            };
            let config = members([
                ("JwksEndpoint", json!(jwks_endpoint)),
                ("Issuer", json!(issuer)),
                ("AdditionalClaims", additional_claims.iter().map(claim).collect()),
            ]);
            ("jwt-validation", "JwtValidationConfig", config)
        }
    };
    members([("Type", json!(kind)), ("Order", json!(order)), (config, value)])
}

fn forward(from: &Forward) -> Value {
    let tuple = |tuple: &TargetGroupTuple| {
        members([("TargetGroupArn", reference(&tuple.target_group)), ("Weight", json!(tuple.weight))])
    };
    let sticky = from
        .stickiness
        .as_ref()
        .map(|from| members([("Enabled", json!(from.enabled)), ("DurationSeconds", json!(from.duration_seconds))]));
    members([
        ("TargetGroups", from.target_groups.iter().map(tuple).collect()),
        ("TargetGroupStickinessConfig", sticky.into()),
    ])
}

fn redirect(from: &Redirect) -> Value {
    let Redirect { host, path, port, protocol, query, status_code } = from;
    members([
        ("Protocol", json!(protocol)),
        ("Port", json!(port)),
        ("Host", json!(host)),
        ("Path", json!(path)),
        ("Query", json!(query)),
        ("StatusCode", json!(status_code)),
    ])
}

/// The client of an identity provider is in a Secret, which is named instead of it.
fn authenticate(from: &Authenticate) -> Value {
    let Authenticate {
        config,
        client_secret_from,
        client_secret_revision: _,
        extra_params,
        on_unauthenticated_request,
        scope,
        session_cookie_name,
        session_timeout,
    } = from;
    let mut all = members([
        ("AuthenticationRequestExtraParams", json!(extra_params)),
        ("ClientFromSecret", json!(client_secret_from)),
        ("OnUnauthenticatedRequest", json!(on_unauthenticated_request)),
        ("Scope", json!(scope)),
        ("SessionCookieName", json!(session_cookie_name)),
        ("SessionTimeout", json!(session_timeout)),
    ]);
    if let Value::Object(all) = &mut all {
        all.extend(config.iter().map(|(key, value)| (pascal(key), json!(value))));
    }
    all
}

/// `userPoolARN` of an annotation is `UserPoolArn` in the API.
fn pascal(key: &str) -> String {
    let key = key.replace("ARN", "Arn").replace("ID", "Id");
    let mut letters = key.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleTransform.html>
fn transform(from: &Transform) -> Value {
    let (kind, config, rewrites) = match from {
        Transform::HostHeaderRewrite(rewrites) => ("host-header-rewrite", "HostHeaderRewriteConfig", rewrites),
        Transform::UrlRewrite(rewrites) => ("url-rewrite", "UrlRewriteConfig", rewrites),
    };
    let rewrite = |Rewrite { regex, replace }: &Rewrite| json!({"Regex": regex, "Replace": replace});
    json!({"Type": kind, config: {"Rewrites": rewrites.iter().map(rewrite).collect::<Vec<_>>()}})
}
