//! Actions of rules and listeners, as AWS tells of them.

use std::collections::BTreeMap;

use albedo_engine::stack::{
    Action, AdditionalClaim, Authenticate, FixedResponse, Forward, JwtValidation, Redirect, Ref, Stickiness,
    TargetGroupTuple,
};
use aws_sdk_elasticloadbalancingv2::types as sdk;
use aws_sdk_elasticloadbalancingv2::types::ActionTypeEnum as Type;

/// In the order in which AWS performs them.
#[must_use]
pub fn actions(from: &[sdk::Action]) -> Vec<Action> {
    let mut ordered: Vec<&sdk::Action> = from.iter().collect();
    ordered.sort_by_key(|action| action.order().unwrap_or(i32::MAX));
    ordered.into_iter().map(action).collect()
}

/// An action that cannot be read is kept as unknown.
fn action(from: &sdk::Action) -> Action {
    let name = from.r#type().map(Type::as_str).unwrap_or_default();
    read(from).unwrap_or_else(|| Action::Unknown { name: name.to_owned() })
}

fn read(from: &sdk::Action) -> Option<Action> {
    match from.r#type()? {
        Type::Forward => forward(from).map(Action::Forward),
        Type::Redirect => redirect(from.redirect_config()?).map(Action::Redirect),
        Type::FixedResponse => fixed_response(from.fixed_response_config()?).map(Action::FixedResponse),
        Type::AuthenticateOidc => from.authenticate_oidc_config().map(oidc).map(Action::AuthenticateOidc),
        Type::AuthenticateCognito => from.authenticate_cognito_config().map(cognito).map(Action::AuthenticateCognito),
        Type::JwtValidation => jwt(from.jwt_validation_config()?).map(Action::JwtValidation),
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

/// AWS never returns the client secret, and leaves out some defaults.
macro_rules! authenticate {
    ($from:expr, $config:expr) => {{
        let extra = $from.authentication_request_extra_params().into_iter().flatten();
        let defaults =
            Authenticate::with(config($config), extra.map(|(key, value)| (key.clone(), value.clone())).collect());
        let on_unauthenticated = $from.on_unauthenticated_request().map(|action| action.as_str().to_owned());
        Authenticate {
            on_unauthenticated_request: on_unauthenticated.unwrap_or(defaults.on_unauthenticated_request),
            scope: $from.scope.clone().unwrap_or(defaults.scope),
            session_cookie_name: $from.session_cookie_name.clone().unwrap_or(defaults.session_cookie_name),
            session_timeout: $from.session_timeout.unwrap_or(defaults.session_timeout),
            ..defaults
        }
    }};
}

fn oidc(from: &sdk::AuthenticateOidcActionConfig) -> Authenticate {
    authenticate!(
        from,
        [
            ("issuer", &from.issuer),
            ("authorizationEndpoint", &from.authorization_endpoint),
            ("tokenEndpoint", &from.token_endpoint),
            ("userInfoEndpoint", &from.user_info_endpoint),
            ("clientID", &from.client_id),
        ]
    )
}

fn cognito(from: &sdk::AuthenticateCognitoActionConfig) -> Authenticate {
    authenticate!(
        from,
        [
            ("userPoolARN", &from.user_pool_arn),
            ("userPoolClientID", &from.user_pool_client_id),
            ("userPoolDomain", &from.user_pool_domain),
        ]
    )
}

fn config<const N: usize>(members: [(&str, &Option<String>); N]) -> BTreeMap<String, String> {
    members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
}

fn jwt(from: &sdk::JwtValidationActionConfig) -> Option<JwtValidation> {
    let claim = |claim: &sdk::JwtValidationActionAdditionalClaim| {
        Some(AdditionalClaim {
            format: claim.format()?.as_str().to_owned(),
            name: claim.name.clone()?,
            values: claim.values().to_vec(),
        })
    };
    Some(JwtValidation {
        jwks_endpoint: from.jwks_endpoint.clone()?,
        issuer: from.issuer.clone()?,
        additional_claims: from.additional_claims().iter().map(claim).collect::<Option<_>>()?,
    })
}
