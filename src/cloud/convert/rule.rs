//! Rules, conditions, actions and transforms as AWS tells of them.
//!
//! A part that the stack's types cannot say (a kind of action that came after us, put there by hand) empties the list it
//! stands in: no desired rule has an empty list, so such a rule never passes for one that is wanted.

use std::collections::{BTreeMap, HashMap};

use albedo_engine::stack::{
    Action, AdditionalClaim, Authenticate, Condition, FixedResponse, Forward, Patterns, QueryPair, Redirect, Ref,
    Rewrite, Rule, Stickiness, Tags, TargetGroupTuple, Transform,
};
use aws_sdk_elasticloadbalancingv2::types as sdk;

/// `None` for the default rule, whose priority is no number.
pub(in crate::cloud) fn rule_from_aws(from: &sdk::Rule, tags: Tags) -> Option<Rule> {
    let conditions: Option<Vec<_>> = from.conditions().iter().map(condition).collect();
    let transforms: Option<Vec<_>> = from.transforms().iter().map(transform).collect();
    let (conditions, transforms) = match (conditions, transforms) {
        (Some(conditions), Some(transforms)) => (conditions, transforms),
        // Without its transforms the rule could pass for one that has none, so the conditions go as well.
        _ => (Vec::new(), Vec::new()),
    };
    Some(Rule {
        priority: from.priority()?.parse().ok()?,
        conditions: conditions.into(),
        actions: actions_from_aws(from.actions()).into(),
        transforms: transforms.into(),
        tags: tags.into(),
    })
}

/// In their order; empty if one of them cannot be said.
pub(in crate::cloud) fn actions_from_aws(from: &[sdk::Action]) -> Vec<Action> {
    let mut ordered: Vec<&sdk::Action> = from.iter().collect();
    ordered.sort_by_key(|action| action.order().unwrap_or(i32::MAX));
    ordered.into_iter().map(action).collect::<Option<_>>().unwrap_or_default()
}

type ReadCondition = fn(&sdk::RuleCondition) -> Option<Condition>;

/// AWS gives values in the field's own member; of rules that were written in the old form, beside the field alone.
const CONDITIONS: [(&str, ReadCondition); 6] = [
    ("host-header", |c| {
        let own = c.host_header_config();
        Some(Condition::HostHeader(patterns(c, own.map(|own| (own.values(), own.regex_values())))))
    }),
    ("path-pattern", |c| {
        let own = c.path_pattern_config();
        Some(Condition::PathPattern(patterns(c, own.map(|own| (own.values(), own.regex_values())))))
    }),
    ("http-header", |c| {
        let own = c.http_header_config()?;
        let name = own.http_header_name.clone()?;
        Some(Condition::HttpHeader { name, patterns: patterns(c, Some((own.values(), own.regex_values()))) })
    }),
    ("http-request-method", |c| {
        let values = c.http_request_method_config().map_or(c.values(), |own| own.values());
        Some(Condition::HttpRequestMethod { values: values.to_vec() })
    }),
    ("query-string", |c| {
        let pair =
            |pair: &sdk::QueryStringKeyValuePair| Some(QueryPair { key: pair.key.clone(), value: pair.value.clone()? });
        Some(Condition::QueryString {
            values: c.query_string_config()?.values().iter().map(pair).collect::<Option<_>>()?,
        })
    }),
    ("source-ip", |c| {
        let values = c.source_ip_config().map_or(c.values(), |own| own.values());
        Some(Condition::SourceIp { values: values.to_vec() })
    }),
];

fn condition(from: &sdk::RuleCondition) -> Option<Condition> {
    let field = from.field()?;
    CONDITIONS.iter().find(|(name, _)| *name == field).and_then(|(_, read)| read(from))
}

fn patterns(from: &sdk::RuleCondition, own: Option<(&[String], &[String])>) -> Patterns {
    let (values, regex_values) = own.unwrap_or((from.values(), from.regex_values()));
    Patterns { values: values.to_vec(), regex_values: regex_values.to_vec() }
}

fn action(from: &sdk::Action) -> Option<Action> {
    match from.r#type()? {
        sdk::ActionTypeEnum::Forward => forward(from).map(Action::Forward),
        sdk::ActionTypeEnum::Redirect => redirect(from.redirect_config()?).map(Action::Redirect),
        sdk::ActionTypeEnum::FixedResponse => fixed_response(from.fixed_response_config()?).map(Action::FixedResponse),
        sdk::ActionTypeEnum::AuthenticateOidc => Some(Action::AuthenticateOidc(oidc(from.authenticate_oidc_config()?))),
        sdk::ActionTypeEnum::AuthenticateCognito => {
            Some(Action::AuthenticateCognito(cognito(from.authenticate_cognito_config()?)))
        }
        sdk::ActionTypeEnum::JwtValidation => jwt(from.jwt_validation_config()?),
        _ => None,
    }
}

/// An action in the old form names one target group beside the forward configuration, or without one.
fn forward(from: &sdk::Action) -> Option<Forward> {
    let Some(own) = from.forward_config().filter(|own| !own.target_groups().is_empty()) else {
        let target_group = Ref::Known(from.target_group_arn.clone()?);
        let target_groups = vec![TargetGroupTuple { target_group, weight: None }];
        return Some(Forward { target_groups, stickiness: None });
    };
    let tuple = |tuple: &sdk::TargetGroupTuple| {
        Some(TargetGroupTuple { target_group: Ref::Known(tuple.target_group_arn.clone()?), weight: tuple.weight })
    };
    let stickiness = |own: &sdk::TargetGroupStickinessConfig| Stickiness {
        enabled: own.enabled,
        duration_seconds: own.duration_seconds,
    };
    Some(Forward {
        target_groups: own.target_groups().iter().map(tuple).collect::<Option<_>>()?,
        stickiness: own.target_group_stickiness_config().map(stickiness),
    })
}

fn redirect(from: &sdk::RedirectActionConfig) -> Option<Redirect> {
    Some(Redirect {
        host: from.host.clone(),
        path: from.path.clone(),
        port: from.port.clone(),
        protocol: from.protocol.clone(),
        query: from.query.clone(),
        status_code: from.status_code()?.as_str().to_owned(),
    })
}

fn fixed_response(from: &sdk::FixedResponseActionConfig) -> Option<FixedResponse> {
    Some(FixedResponse {
        content_type: from.content_type.clone(),
        message_body: from.message_body.clone(),
        status_code: from.status_code.clone()?,
    })
}

/// AWS never tells the client secret.
fn oidc(from: &sdk::AuthenticateOidcActionConfig) -> Authenticate {
    Authenticate {
        config: config([
            ("issuer", &from.issuer),
            ("authorizationEndpoint", &from.authorization_endpoint),
            ("tokenEndpoint", &from.token_endpoint),
            ("userInfoEndpoint", &from.user_info_endpoint),
            ("clientID", &from.client_id),
        ]),
        client_secret_from: None,
        client_secret_revision: None,
        extra_params: extra(from.authentication_request_extra_params()),
        on_unauthenticated_request: or(from.on_unauthenticated_request().map(AsRef::as_ref), "authenticate"),
        scope: or(from.scope(), "openid"),
        session_cookie_name: or(from.session_cookie_name(), COOKIE),
        session_timeout: from.session_timeout().unwrap_or(SESSION),
    }
}

fn cognito(from: &sdk::AuthenticateCognitoActionConfig) -> Authenticate {
    Authenticate {
        config: config([
            ("userPoolARN", &from.user_pool_arn),
            ("userPoolClientID", &from.user_pool_client_id),
            ("userPoolDomain", &from.user_pool_domain),
        ]),
        client_secret_from: None,
        client_secret_revision: None,
        extra_params: extra(from.authentication_request_extra_params()),
        on_unauthenticated_request: or(from.on_unauthenticated_request().map(AsRef::as_ref), "authenticate"),
        scope: or(from.scope(), "openid"),
        session_cookie_name: or(from.session_cookie_name(), COOKIE),
        session_timeout: from.session_timeout().unwrap_or(SESSION),
    }
}

/// What AWS does when it is not told; it leaves some of these out of its answers.
const COOKIE: &str = "AWSELBAuthSessionCookie";
const SESSION: i64 = 604_800;

fn or(value: Option<&str>, default: &str) -> String {
    value.unwrap_or(default).to_owned()
}

fn config<const N: usize>(members: [(&str, &Option<String>); N]) -> BTreeMap<String, String> {
    members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
}

fn extra(from: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    from.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn jwt(from: &sdk::JwtValidationActionConfig) -> Option<Action> {
    let claim = |claim: &sdk::JwtValidationActionAdditionalClaim| {
        Some(AdditionalClaim {
            format: claim.format()?.as_str().to_owned(),
            name: claim.name.clone()?,
            values: claim.values().to_vec(),
        })
    };
    Some(Action::JwtValidation {
        jwks_endpoint: from.jwks_endpoint.clone()?,
        issuer: from.issuer.clone()?,
        additional_claims: from.additional_claims().iter().map(claim).collect::<Option<_>>()?,
    })
}

fn transform(from: &sdk::RuleTransform) -> Option<Transform> {
    match from.r#type()? {
        sdk::TransformTypeEnum::HostHeaderRewrite => {
            rewrites(from.host_header_rewrite_config()?.rewrites()).map(Transform::HostHeaderRewrite)
        }
        sdk::TransformTypeEnum::UrlRewrite => {
            rewrites(from.url_rewrite_config()?.rewrites()).map(Transform::UrlRewrite)
        }
        _ => None,
    }
}

fn rewrites(from: &[sdk::RewriteConfig]) -> Option<Vec<Rewrite>> {
    from.iter().map(|from| Some(Rewrite { regex: from.regex.clone()?, replace: from.replace.clone()? })).collect()
}
