//! Transforms of rules for requests.

use albedo_engine::stack::{Rewrite, Transform};
use aws_sdk_elasticloadbalancingv2::types as sdk;

use super::write::some;

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
