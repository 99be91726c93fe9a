//! Conditions of rules, as AWS tells of them.

use albedo_engine::stack::{Condition, Patterns, QueryPair};
use aws_sdk_elasticloadbalancingv2::types as sdk;

type Read = fn(&sdk::RuleCondition) -> Option<Condition>;

/// AWS returns values in the field's own member, or beside the field for rules in the old form.
const FIELDS: [(&str, Read); 6] = [
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

/// A condition that cannot be read is kept as unknown.
#[must_use]
pub fn condition(from: &sdk::RuleCondition) -> Condition {
    let name = from.field().unwrap_or_default();
    let read = FIELDS.iter().find(|(field, _)| *field == name).and_then(|(_, read)| read(from));
    read.unwrap_or_else(|| Condition::Unknown { name: name.to_owned(), values: from.values().to_vec() })
}

fn patterns(from: &sdk::RuleCondition, own: Option<(&[String], &[String])>) -> Patterns {
    let (values, regex_values) = own.unwrap_or((from.values(), from.regex_values()));
    Patterns { values: values.to_vec(), regex_values: regex_values.to_vec() }
}
