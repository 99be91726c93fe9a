//! Rules in the words of the AWS API: conditions, actions and transforms.

use serde_json::{Value, json};

use super::{members, reference, tags};
use crate::stack::{
    Action, AdditionalClaim, Authenticate, Condition, FixedResponse, Forward, JwtValidation, Redirect, Rewrite, Rule,
    TargetGroupTuple, Transform,
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
    let value = |(key, value): (Option<&str>, &str)| match from {
        Condition::QueryString { .. } => members([("Key", json!(key)), ("Value", json!(value))]),
        _ => json!(value),
    };
    let values = members([
        ("HttpHeaderName", json!(from.header())),
        ("Values", from.values().map(value).collect()),
        ("RegexValues", json!(from.regex_values())),
    ]);
    members([("Field", json!(from.field())), (from.row().map_or("Unknown", |row| row.member), values)])
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
        Action::JwtValidation(JwtValidation { jwks_endpoint, issuer, additional_claims }) => {
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
        Action::Unknown { name } => (name.as_str(), "Unknown", Value::Null),
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
    let (kind, member, _, rewrites) = from.parts();
    let rewrite = |Rewrite { regex, replace }: &Rewrite| json!({"Regex": regex, "Replace": replace});
    let rewrites = members([("Rewrites", rewrites.iter().map(rewrite).collect())]);
    members([("Type", json!(kind)), (member, rewrites)])
}
