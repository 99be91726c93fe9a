//! Listeners and target groups of an NLB as AWS tells of them, in the stack's types.

use albedo_engine::stack::{Attributes, NlbTargetGroup, ObservedNlbListener, Tags};
use aws_sdk_elasticloadbalancingv2::types as sdk;

use crate::cloud::error::{CloudError, need};

const TARGET_GROUPS: &str = "DescribeTargetGroups";
const LISTENERS: &str = "DescribeListeners";

pub(in crate::cloud) fn listener(
    from: &sdk::Listener,
    attributes: Attributes,
    tags: Tags,
) -> Result<ObservedNlbListener, CloudError> {
    // AWS tells of a lone target group twice: in the action itself and in its forward configuration.
    let of_action = |action: &sdk::Action| {
        let tuples = action.forward_config().map(sdk::ForwardActionConfig::target_groups).unwrap_or_default();
        let arns: Vec<String> = tuples.iter().filter_map(|tuple| tuple.target_group_arn.clone()).collect();
        if arns.is_empty() { action.target_group_arn.clone().into_iter().collect() } else { arns }
    };
    Ok(ObservedNlbListener {
        arn: need(LISTENERS, "ListenerArn", from.listener_arn.clone())?,
        port: need(LISTENERS, "Port", from.port().and_then(|port| u16::try_from(port).ok()))?,
        forwards_to: from.default_actions().iter().flat_map(of_action).collect(),
        attributes,
        tags,
    })
}

pub(in crate::cloud) fn target_group(from: &sdk::TargetGroup, tags: Tags) -> Result<NlbTargetGroup, CloudError> {
    let port = need(TARGET_GROUPS, "Port", from.port().and_then(|port| u16::try_from(port).ok()))?;
    Ok(NlbTargetGroup {
        name: need(TARGET_GROUPS, "TargetGroupName", from.target_group_name.clone())?,
        port,
        target_port: port,
        health_check: albedo_elbv2::health_check(from)?,
        tags,
    })
}
