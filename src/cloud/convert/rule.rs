//! Rules and their transforms, from AWS and to AWS.

use albedo_engine::stack::{Rewrite, Rule, Tags, Transform};
use aws_sdk_elasticloadbalancingv2::types as sdk;

use super::write::some;
use super::{action, condition};

/// `None` for the default rule, whose priority is no number.
pub(in crate::cloud) fn rule_from_aws(from: &sdk::Rule, tags: Tags) -> Option<Rule> {
    Some(Rule {
        priority: from.priority()?.parse().ok()?,
        conditions: from.conditions().iter().map(condition::from_aws).collect(),
        actions: action::from_aws(from.actions()).into(),
        transforms: from.transforms().iter().map(transform).collect(),
        tags: tags.into(),
    })
}

/// A transform that cannot be read is kept as unknown.
fn transform(from: &sdk::RuleTransform) -> Transform {
    let read = match from.r#type() {
        Some(sdk::TransformTypeEnum::HostHeaderRewrite) => {
            let config = from.host_header_rewrite_config();
            config.and_then(|config| rewrites(config.rewrites())).map(Transform::HostHeaderRewrite)
        }
        Some(sdk::TransformTypeEnum::UrlRewrite) => {
            let config = from.url_rewrite_config();
            config.and_then(|config| rewrites(config.rewrites())).map(Transform::UrlRewrite)
        }
        _ => None,
    };
    let name = from.r#type().map(sdk::TransformTypeEnum::as_str).unwrap_or_default();
    read.unwrap_or_else(|| Transform::Unknown(name.to_owned()))
}

fn rewrites(from: &[sdk::RewriteConfig]) -> Option<Vec<Rewrite>> {
    from.iter().map(|from| Some(Rewrite { regex: from.regex.clone()?, replace: from.replace.clone()? })).collect()
}

/// `None` if there are none or one of them is unknown: AWS keeps what a request leaves out.
pub(in crate::cloud) fn transforms_to_aws(transforms: &[Transform]) -> Option<Vec<sdk::RuleTransform>> {
    transforms.iter().map(transform_to_aws).collect::<Option<_>>().and_then(some)
}

fn transform_to_aws(from: &Transform) -> Option<sdk::RuleTransform> {
    let to = sdk::RuleTransform::builder();
    let (_, _, _, rewrites) = from.parts();
    let one = |from: &Rewrite| sdk::RewriteConfig::builder().regex(&from.regex).replace(&from.replace).build();
    let rewrites = some(rewrites.iter().map(one).collect());
    let to = match from {
        Transform::HostHeaderRewrite(_) => to
            .r#type(sdk::TransformTypeEnum::HostHeaderRewrite)
            .host_header_rewrite_config(sdk::HostHeaderRewriteConfig::builder().set_rewrites(rewrites).build()),
        Transform::UrlRewrite(_) => to
            .r#type(sdk::TransformTypeEnum::UrlRewrite)
            .url_rewrite_config(sdk::UrlRewriteConfig::builder().set_rewrites(rewrites).build()),
        Transform::Unknown(_) => return None,
    };
    Some(to.build())
}
