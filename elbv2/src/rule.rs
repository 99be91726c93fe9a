//! Rules and their transforms, as AWS tells of them.

use albedo_engine::stack::{Rewrite, Rule, Tags, Transform};
use aws_sdk_elasticloadbalancingv2::types as sdk;

use crate::{actions, condition};

/// `None` for the default rule, whose priority is no number.
#[must_use]
pub fn rule(from: &sdk::Rule, tags: Tags) -> Option<Rule> {
    Some(Rule {
        priority: from.priority()?.parse().ok()?,
        conditions: from.conditions().iter().map(condition).collect(),
        actions: actions(from.actions()).into(),
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
