//! Actions of rules and listeners for requests.

use albedo_engine::stack::{Action, AdditionalClaim, Authenticate, FixedResponse, Forward, JwtValidation, Redirect};
use aws_sdk_elasticloadbalancingv2::types as sdk;
use aws_sdk_elasticloadbalancingv2::types::ActionTypeEnum as Type;

use super::write::some;
use crate::cloud::error::CloudError;
use crate::cloud::facts::FactKind;
use crate::cloud::known::Names;
use crate::cloud::unlisted;

/// Numbered from 1 in the given order. `None` if one of them is unknown: AWS keeps what a request leaves out.
pub(in crate::cloud) fn to_aws(actions: &[Action], names: &Names<'_>) -> Result<Option<Vec<sdk::Action>>, CloudError> {
    let numbered = (1..).zip(actions);
    numbered.map(|(order, from)| Ok(one_to_aws(from, names)?.map(|to| to.order(order).build()))).collect()
}

fn one_to_aws(from: &Action, names: &Names<'_>) -> Result<Option<sdk::builders::ActionBuilder>, CloudError> {
    let to = sdk::Action::builder();
    Ok(Some(match from {
        Action::Forward(from) => to.r#type(Type::Forward).forward_config(forward_to_aws(from, names)?),
        Action::Redirect(from) => to.r#type(Type::Redirect).redirect_config(redirect_to_aws(from)),
        Action::FixedResponse(from) => {
            to.r#type(Type::FixedResponse).fixed_response_config(fixed_response_to_aws(from))
        }
        Action::AuthenticateOidc(from) => {
            to.r#type(Type::AuthenticateOidc).authenticate_oidc_config(oidc_to_aws(from, names)?)
        }
        Action::AuthenticateCognito(from) => {
            to.r#type(Type::AuthenticateCognito).authenticate_cognito_config(cognito_to_aws(from))
        }
        Action::JwtValidation(JwtValidation { jwks_endpoint, issuer, additional_claims }) => {
            let claims = additional_claims.iter().map(claim_to_aws).collect();
            let config = sdk::JwtValidationActionConfig::builder()
                .jwks_endpoint(jwks_endpoint)
                .issuer(issuer)
                .set_additional_claims(some(claims));
            to.r#type(Type::JwtValidation).jwt_validation_config(config.build())
        }
        Action::Unknown { .. } => return Ok(None),
    }))
}

/// Always in the weighted form, for one target group too: the predecessor's rules look like that.
fn forward_to_aws(from: &Forward, names: &Names<'_>) -> Result<sdk::ForwardActionConfig, CloudError> {
    let mut to = sdk::ForwardActionConfig::builder();
    for tuple in &from.target_groups {
        let arn = unlisted::id(names.operation, FactKind::TargetGroups, names.resolve(&tuple.target_group)?)?;
        to = to.target_groups(sdk::TargetGroupTuple::builder().target_group_arn(arn).set_weight(tuple.weight).build());
    }
    let stickiness = from.stickiness.as_ref().map(|from| {
        sdk::TargetGroupStickinessConfig::builder()
            .set_enabled(from.enabled)
            .set_duration_seconds(from.duration_seconds)
            .build()
    });
    Ok(to.set_target_group_stickiness_config(stickiness).build())
}

fn redirect_to_aws(from: &Redirect) -> sdk::RedirectActionConfig {
    sdk::RedirectActionConfig::builder()
        .set_host(from.host.clone())
        .set_path(from.path.clone())
        .set_port(from.port.clone())
        .set_protocol(from.protocol.clone())
        .set_query(from.query.clone())
        .status_code(from.status_code.as_str().into())
        .build()
}

fn fixed_response_to_aws(from: &FixedResponse) -> sdk::FixedResponseActionConfig {
    sdk::FixedResponseActionConfig::builder()
        .set_content_type(from.content_type.clone())
        .set_message_body(from.message_body.clone())
        .status_code(&from.status_code)
        .build()
}

fn oidc_to_aws(from: &Authenticate, names: &Names<'_>) -> Result<sdk::AuthenticateOidcActionConfig, CloudError> {
    let client = names.client(from.client_secret_from.as_deref())?;
    let member = |key: &str| from.config.get(key).cloned();
    Ok(sdk::AuthenticateOidcActionConfig::builder()
        .set_issuer(member("issuer"))
        .set_authorization_endpoint(member("authorizationEndpoint"))
        .set_token_endpoint(member("tokenEndpoint"))
        .set_user_info_endpoint(member("userInfoEndpoint"))
        .set_client_id(member("clientID").or(Some(client.id)))
        .client_secret(client.secret)
        .session_cookie_name(&from.session_cookie_name)
        .scope(&from.scope)
        .session_timeout(from.session_timeout)
        .set_authentication_request_extra_params(extra_to_aws(from))
        .on_unauthenticated_request(from.on_unauthenticated_request.as_str().into())
        .build())
}

fn cognito_to_aws(from: &Authenticate) -> sdk::AuthenticateCognitoActionConfig {
    let member = |key: &str| from.config.get(key).cloned();
    sdk::AuthenticateCognitoActionConfig::builder()
        .set_user_pool_arn(member("userPoolARN"))
        .set_user_pool_client_id(member("userPoolClientID"))
        .set_user_pool_domain(member("userPoolDomain"))
        .session_cookie_name(&from.session_cookie_name)
        .scope(&from.scope)
        .session_timeout(from.session_timeout)
        .set_authentication_request_extra_params(extra_to_aws(from))
        .on_unauthenticated_request(from.on_unauthenticated_request.as_str().into())
        .build()
}

fn extra_to_aws(from: &Authenticate) -> Option<std::collections::HashMap<String, String>> {
    let params = &from.extra_params;
    (!params.is_empty()).then(|| params.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn claim_to_aws(from: &AdditionalClaim) -> sdk::JwtValidationActionAdditionalClaim {
    sdk::JwtValidationActionAdditionalClaim::builder()
        .format(from.format.as_str().into())
        .name(&from.name)
        .set_values(some(from.values.clone()))
        .build()
}
