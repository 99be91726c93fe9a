//! The enums of the catalogue in words.

use crate::annotation::{Grammar, Merge, OnService, PREFIX, Scope, SettingRow, arn};

/// A value as YAML that is read as a string: JSON and text in single quotes.
pub(super) fn yaml(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

pub(super) fn first_sentence(doc: &str) -> &str {
    doc.find(". ").and_then(|end| doc.get(..=end)).unwrap_or(doc)
}

/// The properties of a row, by name.
pub(super) fn facts(row: &SettingRow) -> Vec<(&'static str, String)> {
    let mut facts = vec![("value", takes(row.grammar)), ("belongs to", scope(row.scope).to_owned())];
    let mut fact = |name, value: &str| {
        if !value.is_empty() {
            facts.push((name, value.to_owned()));
        }
    };
    fact("default", row.default);
    fact("in a group", merge(row.merge));
    fact("on a Service", service(row.on_service));
    fact(
        "overridden by",
        &row.parameter.map(|one| format!("spec.{} of IngressClassParams", one.field)).unwrap_or_default(),
    );
    let codes: Vec<String> = row.codes().map(|code| code.to_string()).collect();
    fact("findings", &if row.scope == Scope::Output { String::new() } else { codes.join(", ") });
    facts
}

fn service(does: OnService) -> &'static str {
    match does {
        OnService::Unread => "",
        OnService::AddsByKey => "yes, added by key",
        OnService::Replaces | OnService::Either => "yes, its value overrides that of the Ingress",
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::GroupExclusive | Scope::GroupMergeable => "the load balancer",
        Scope::Listener => "listeners, by port",
        Scope::Ingress => "this Ingress alone",
        Scope::Rule => "the rules of this Ingress",
        Scope::TargetGroup => "the target groups of the backends of this Ingress",
        Scope::NetworkLoadBalancer => "the frontend network load balancer",
        Scope::Output => "output: the controller writes it",
    }
}

fn merge(merge: Merge) -> &'static str {
    match merge {
        Merge::Own => "",
        Merge::Same => "all members that set it must have the same value",
        Merge::SameSet => "the same items, in any order",
        Merge::SameList => "the same items in the same order",
        Merge::SameNonEmpty => "all members that set a non-empty value must have the same value",
        Merge::Identical => "the same in every member, and absent in all if it is absent in the first",
        Merge::KeyUnion => "merged by key; one key with two values is a conflict",
        Merge::PortUnion => "united by port",
        Merge::SamePerPort => "all members that listen on a port and set it must have the same value",
        Merge::SameSetPerPort => "all members that listen on a port and set it must have the same items, in any order",
        Merge::KeyUnionPerPort => "united by key for each port",
        Merge::JoinPerPort => "joined for each port, in the order of the group",
    }
}

fn takes(grammar: Grammar) -> String {
    match grammar {
        Grammar::Text | Grammar::WebAclName | Grammar::CookieName => "text".to_owned(),
        Grammar::Bool => "true or false (or 1, t, T, TRUE, True, 0, f, F, FALSE, False)".to_owned(),
        Grammar::Int32 { min, max } => format!("a whole number from {min} to {max}"),
        Grammar::Int64 { min, max } => format!("a whole number from {min} to {max}"),
        Grammar::IdsOrNames(prefix) => format!("ids ({prefix}…) or values of the tag Name, separated by commas"),
        Grammar::Ids(prefix) => format!("ids ({prefix}…), separated by commas"),
        Grammar::Id(prefix) => format!("an id ({prefix}…)"),
        Grammar::Labels => "labels, key=value, separated by commas".to_owned(),
        Grammar::Attributes(owner) => format!("attributes of {}, key=value, separated by commas", owner.name()),
        Grammar::Tags => "tags, key=value, separated by commas; a comma in a value is written \\,".to_owned(),
        Grammar::Capacity => "CapacityUnits=number".to_owned(),
        Grammar::OneOf(words) => format!("one of {}", words.join(", ")),
        Grammar::Json(shape) => format!("JSON: {}", shape.takes),
        Grammar::Arn(kind) => kind.shape().to_owned(),
        Grammar::Certificates => "ARNs of certificates in ACM or IAM, separated by commas".to_owned(),
        Grammar::WebAcl => format!("{}, or none", arn::Kind::WebAcl.shape()),
        Grammar::LoadBalancerName => "a name of at most 32 letters, digits and hyphens".to_owned(),
        Grammar::SslPolicy => "the name of a TLS policy".to_owned(),
        Grammar::Path => "a path that begins with /".to_owned(),
        Grammar::Cidrs => "CIDRs, separated by commas".to_owned(),
        Grammar::GroupName => "a name of at most 63 lower-case letters, digits, - and .".to_owned(),
        Grammar::HealthCheckPort => "a port number, traffic-port, or the name of a port of the Service".to_owned(),
        Grammar::TrafficPort => "a port number, or traffic-port".to_owned(),
        Grammar::StatusCodes(last) => format!("statuses and ranges up to {last}, separated by commas"),
        Grammar::PortMap => "port=port, separated by commas".to_owned(),
    }
}

/// The key in prose: without our prefix.
pub(super) fn short_key(row: &SettingRow) -> String {
    let key = if row.prefix == PREFIX { row.key.to_owned() } else { row.full_key() };
    key + row.placeholder
}
