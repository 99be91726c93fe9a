//! Conditions of rules for requests.

use albedo_engine::stack::{Condition, QueryPair};
use aws_sdk_elasticloadbalancingv2::types as sdk;

use super::write::some;

/// `None` if there are none or one of them is unknown: AWS keeps what a request leaves out.
pub(in crate::cloud) fn to_aws(conditions: &[Condition]) -> Option<Vec<sdk::RuleCondition>> {
    conditions.iter().map(one_to_aws).collect::<Option<_>>().and_then(some)
}

macro_rules! patterns {
    ($config:ident, $from:expr) => {
        sdk::$config::builder()
            .set_values(some($from.values.clone()))
            .set_regex_values(some($from.regex_values.clone()))
    };
}

fn one_to_aws(from: &Condition) -> Option<sdk::RuleCondition> {
    let to = sdk::RuleCondition::builder().field(from.field());
    let to = match from {
        Condition::HostHeader(of) => to.host_header_config(patterns!(HostHeaderConditionConfig, of).build()),
        Condition::PathPattern(of) => to.path_pattern_config(patterns!(PathPatternConditionConfig, of).build()),
        Condition::HttpHeader { name, patterns: of } => {
            to.http_header_config(patterns!(HttpHeaderConditionConfig, of).http_header_name(name).build())
        }
        Condition::HttpRequestMethod { values } => to.http_request_method_config(
            sdk::HttpRequestMethodConditionConfig::builder().set_values(some(values.clone())).build(),
        ),
        Condition::QueryString { values } => {
            let pair = |pair: &QueryPair| {
                sdk::QueryStringKeyValuePair::builder().set_key(pair.key.clone()).value(&pair.value).build()
            };
            let values = some(values.iter().map(pair).collect());
            to.query_string_config(sdk::QueryStringConditionConfig::builder().set_values(values).build())
        }
        Condition::SourceIp { values } => {
            to.source_ip_config(sdk::SourceIpConditionConfig::builder().set_values(some(values.clone())).build())
        }
        Condition::Unknown { .. } => return None,
    };
    Some(to.build())
}
