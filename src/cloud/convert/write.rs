//! The stack's types as AWS takes them in requests.

use std::collections::BTreeMap;

use albedo_engine::stack::{
    Action, AdditionalClaim, Attributes, Authenticate, Condition, FixedResponse, Forward, HealthCheck,
    MutualAuthentication, Patterns, ProtocolVersion, Redirect, Rewrite, SubnetMapping, Tags, Target, Transform,
};
use aws_sdk_elasticloadbalancingv2::types as sdk;

use crate::cloud::error::CloudError;
use crate::cloud::known::Names;

/// Sorted by key; `None` without any, since AWS refuses an empty list.
pub(in crate::cloud) fn tags(tags: &Tags) -> Option<Vec<sdk::Tag>> {
    let tag = |(key, value): (&String, &String)| sdk::Tag::builder().key(key).value(value).build();
    some(tags.iter().map(tag).collect())
}

/// `None` when empty: AWS tells an empty list from none, and takes none alone.
pub(in crate::cloud) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

pub(in crate::cloud) fn targets(targets: &[Target]) -> Vec<sdk::TargetDescription> {
    let target = |target: &Target| {
        sdk::TargetDescription::builder()
            .id(&target.id)
            .port(target.port.into())
            .set_availability_zone(target.availability_zone.clone())
            .build()
    };
    targets.iter().map(target).collect()
}

/// In parts of no more than `most` where AWS takes no more in one call. What is said of one thing (`access_logs.s3.…`) stays together,
/// because AWS looks at it together.
pub(in crate::cloud) fn at_most(attributes: &Attributes, most: usize) -> Vec<Attributes> {
    let family = |key: &str| key.rsplit_once('.').map_or(key, |(family, _)| family).to_owned();
    let mut families: BTreeMap<String, Attributes> = BTreeMap::new();
    for (key, value) in attributes {
        families.entry(family(key)).or_default().insert(key.clone(), value.clone());
    }
    let mut parts: Vec<Attributes> = Vec::new();
    for family in families.into_values() {
        match parts.last_mut().filter(|part| part.len() + family.len() <= most) {
            Some(part) => part.extend(family),
            None => parts.push(family),
        }
    }
    parts
}

/// HTTP codes, or gRPC codes for a target group that speaks it.
pub(in crate::cloud) fn matcher(version: ProtocolVersion, check: &HealthCheck) -> sdk::Matcher {
    let codes = &check.success_codes;
    match version {
        ProtocolVersion::Grpc => sdk::Matcher::builder().grpc_code(codes).build(),
        ProtocolVersion::Http1 | ProtocolVersion::Http2 => sdk::Matcher::builder().http_code(codes).build(),
    }
}

pub(in crate::cloud) fn mutual_authentication(from: &MutualAuthentication) -> sdk::MutualAuthenticationAttributes {
    sdk::MutualAuthenticationAttributes::builder()
        .mode(&from.mode)
        .set_trust_store_arn(from.trust_store_arn.clone())
        .set_ignore_client_certificate_expiry(from.ignore_client_certificate_expiry)
        .set_advertise_trust_store_ca_names(from.advertise_trust_store_ca_names.as_deref().map(Into::into))
        .build()
}

pub(in crate::cloud) fn subnets(subnets: &[String]) -> Vec<sdk::SubnetMapping> {
    subnets.iter().map(|id| sdk::SubnetMapping::builder().subnet_id(id).build()).collect()
}

/// Subnets with the elastic addresses that are given for them.
pub(in crate::cloud) fn mappings(mappings: &[SubnetMapping]) -> Vec<sdk::SubnetMapping> {
    let mapping = |from: &SubnetMapping| {
        sdk::SubnetMapping::builder().subnet_id(&from.subnet).set_allocation_id(from.allocation_id.clone()).build()
    };
    mappings.iter().map(mapping).collect()
}

pub(in crate::cloud) fn ipam_pools(pool: &str) -> sdk::IpamPools {
    sdk::IpamPools::builder().ipv4_ipam_pool_id(pool).build()
}

pub(in crate::cloud) fn certificate(arn: &str) -> sdk::Certificate {
    sdk::Certificate::builder().certificate_arn(arn).build()
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident: $type:ident,)+) => {
        $($(#[$doc])*
        pub(in crate::cloud) fn $name(attributes: &Attributes) -> Option<Vec<sdk::$type>> {
            let pair = |(key, value): (&String, &String)| sdk::$type::builder().key(key).value(value).build();
            some(attributes.iter().map(pair).collect())
        })+
    };
}

attributes! {
    /// Sorted by key.
    load_balancer_attributes: LoadBalancerAttribute,
    /// Sorted by key.
    listener_attributes: ListenerAttribute,
    /// Sorted by key.
    target_group_attributes: TargetGroupAttribute,
}

pub(in crate::cloud) fn conditions(conditions: &[Condition]) -> Vec<sdk::RuleCondition> {
    conditions.iter().map(condition).collect()
}

fn condition(from: &Condition) -> sdk::RuleCondition {
    let empty = sdk::RuleCondition::builder();
    match from {
        Condition::HostHeader(Patterns { values, regex_values }) => empty.field("host-header").host_header_config(
            sdk::HostHeaderConditionConfig::builder()
                .set_values(some(values.clone()))
                .set_regex_values(some(regex_values.clone()))
                .build(),
        ),
        Condition::PathPattern(Patterns { values, regex_values }) => empty.field("path-pattern").path_pattern_config(
            sdk::PathPatternConditionConfig::builder()
                .set_values(some(values.clone()))
                .set_regex_values(some(regex_values.clone()))
                .build(),
        ),
        Condition::HttpHeader { name, patterns } => empty.field("http-header").http_header_config(
            sdk::HttpHeaderConditionConfig::builder()
                .http_header_name(name)
                .set_values(some(patterns.values.clone()))
                .set_regex_values(some(patterns.regex_values.clone()))
                .build(),
        ),
        Condition::HttpRequestMethod { values } => empty.field("http-request-method").http_request_method_config(
            sdk::HttpRequestMethodConditionConfig::builder().set_values(some(values.clone())).build(),
        ),
        Condition::QueryString { values } => {
            let pair = |pair: &albedo_engine::stack::QueryPair| {
                sdk::QueryStringKeyValuePair::builder().set_key(pair.key.clone()).value(&pair.value).build()
            };
            let values = some(values.iter().map(pair).collect());
            empty
                .field("query-string")
                .query_string_config(sdk::QueryStringConditionConfig::builder().set_values(values).build())
        }
        Condition::SourceIp { values } => empty
            .field("source-ip")
            .source_ip_config(sdk::SourceIpConditionConfig::builder().set_values(some(values.clone())).build()),
    }
    .build()
}

/// Numbered from 1 in the order given.
pub(in crate::cloud) fn actions(actions: &[Action], names: &Names<'_>) -> Result<Vec<sdk::Action>, CloudError> {
    (1..).zip(actions).map(|(order, from)| Ok(action(from, names)?.order(order).build())).collect()
}

fn action(from: &Action, names: &Names<'_>) -> Result<sdk::builders::ActionBuilder, CloudError> {
    use sdk::ActionTypeEnum as Type;
    let empty = sdk::Action::builder();
    Ok(match from {
        Action::Forward(from) => empty.r#type(Type::Forward).forward_config(forward(from, names)?),
        Action::Redirect(from) => empty.r#type(Type::Redirect).redirect_config(redirect(from)),
        Action::FixedResponse(from) => empty.r#type(Type::FixedResponse).fixed_response_config(fixed_response(from)),
        Action::AuthenticateOidc(from) => {
            empty.r#type(Type::AuthenticateOidc).authenticate_oidc_config(oidc(from, names)?)
        }
        Action::AuthenticateCognito(from) => {
            empty.r#type(Type::AuthenticateCognito).authenticate_cognito_config(cognito(from))
        }
        Action::JwtValidation { jwks_endpoint, issuer, additional_claims } => {
            let claims = additional_claims.iter().map(claim).collect();
            let config = sdk::JwtValidationActionConfig::builder()
                .jwks_endpoint(jwks_endpoint)
                .issuer(issuer)
                .set_additional_claims(some(claims));
            empty.r#type(Type::JwtValidation).jwt_validation_config(config.build())
        }
    })
}

/// Always in the weighted form, for one target group too: the predecessor's rules look like that.
fn forward(from: &Forward, names: &Names<'_>) -> Result<sdk::ForwardActionConfig, CloudError> {
    let mut to = sdk::ForwardActionConfig::builder();
    for tuple in &from.target_groups {
        let arn = names.resolve(&tuple.target_group)?;
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

fn redirect(from: &Redirect) -> sdk::RedirectActionConfig {
    sdk::RedirectActionConfig::builder()
        .set_host(from.host.clone())
        .set_path(from.path.clone())
        .set_port(from.port.clone())
        .set_protocol(from.protocol.clone())
        .set_query(from.query.clone())
        .status_code(from.status_code.as_str().into())
        .build()
}

fn fixed_response(from: &FixedResponse) -> sdk::FixedResponseActionConfig {
    sdk::FixedResponseActionConfig::builder()
        .set_content_type(from.content_type.clone())
        .set_message_body(from.message_body.clone())
        .status_code(&from.status_code)
        .build()
}

fn oidc(from: &Authenticate, names: &Names<'_>) -> Result<sdk::AuthenticateOidcActionConfig, CloudError> {
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
        .set_authentication_request_extra_params(extra(from))
        .on_unauthenticated_request(from.on_unauthenticated_request.as_str().into())
        .build())
}

fn cognito(from: &Authenticate) -> sdk::AuthenticateCognitoActionConfig {
    let member = |key: &str| from.config.get(key).cloned();
    sdk::AuthenticateCognitoActionConfig::builder()
        .set_user_pool_arn(member("userPoolARN"))
        .set_user_pool_client_id(member("userPoolClientID"))
        .set_user_pool_domain(member("userPoolDomain"))
        .session_cookie_name(&from.session_cookie_name)
        .scope(&from.scope)
        .session_timeout(from.session_timeout)
        .set_authentication_request_extra_params(extra(from))
        .on_unauthenticated_request(from.on_unauthenticated_request.as_str().into())
        .build()
}

fn extra(from: &Authenticate) -> Option<std::collections::HashMap<String, String>> {
    let params = &from.extra_params;
    (!params.is_empty()).then(|| params.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn claim(from: &AdditionalClaim) -> sdk::JwtValidationActionAdditionalClaim {
    sdk::JwtValidationActionAdditionalClaim::builder()
        .format(from.format.as_str().into())
        .name(&from.name)
        .set_values(some(from.values.clone()))
        .build()
}

pub(in crate::cloud) fn transforms(transforms: &[Transform]) -> Option<Vec<sdk::RuleTransform>> {
    some(transforms.iter().map(transform).collect())
}

fn transform(from: &Transform) -> sdk::RuleTransform {
    let empty = sdk::RuleTransform::builder();
    match from {
        Transform::HostHeaderRewrite(from) => {
            let config = sdk::HostHeaderRewriteConfig::builder().set_rewrites(some(rewrites(from))).build();
            empty.r#type(sdk::TransformTypeEnum::HostHeaderRewrite).host_header_rewrite_config(config)
        }
        Transform::UrlRewrite(from) => {
            let config = sdk::UrlRewriteConfig::builder().set_rewrites(some(rewrites(from))).build();
            empty.r#type(sdk::TransformTypeEnum::UrlRewrite).url_rewrite_config(config)
        }
    }
    .build()
}

fn rewrites(from: &[Rewrite]) -> Vec<sdk::RewriteConfig> {
    let one = |from: &Rewrite| sdk::RewriteConfig::builder().regex(&from.regex).replace(&from.replace).build();
    from.iter().map(one).collect()
}
