//! What an `IngressPolicy` object says: which rules a setting can have, and the values in them, read by the rows of the catalogue.

use super::arn::is_account;
use super::catalogue::{LISTEN_PORTS, row};
use super::cidr::Cidr;
use super::defaults::unknown;
use super::params::Fault;
use super::parse::{ParseError, shown};
use super::row::{Grammar, SettingRow};
use super::{control, selector, ssl_policy};
use crate::kinds::{IngressPolicySpec, SettingRule, TargetGroupRule};

/// Characters that make a word a pattern.
const WILDCARDS: [char; 2] = ['*', '?'];

/// Whether a word of a policy is a pattern.
#[must_use]
pub fn is_pattern(word: &str) -> bool {
    word.contains(WILDCARDS)
}

/// One field of a rule: its name, whether it is given, the settings that can have it, and what these are.
pub(super) struct FieldRow {
    pub field: &'static str,
    is_given: fn(&SettingRule) -> bool,
    pub fits: fn(&SettingRow) -> bool,
    pub of: &'static str,
}

pub(super) const FIELDS: [FieldRow; 7] = [
    FieldRow { field: "allowed", is_given: |rule| rule.allowed.is_some(), fits: has_items, of: "values without JSON" },
    FieldRow { field: "denied", is_given: |rule| rule.denied.is_some(), fits: has_items, of: "values without JSON" },
    FieldRow { field: "minimum", is_given: |rule| rule.minimum.is_some(), fits: is_number, of: "numbers" },
    FieldRow { field: "maximum", is_given: |rule| rule.maximum.is_some(), fits: is_number, of: "numbers" },
    FieldRow {
        field: "within",
        is_given: |rule| rule.within.is_some(),
        fits: |row| row.grammar == Grammar::Cidrs,
        of: "blocks of addresses (inbound-cidrs)",
    },
    FieldRow {
        field: "accounts",
        is_given: |rule| rule.accounts.is_some(),
        fits: |row| matches!(row.grammar, Grammar::Certificates | Grammar::Arn(_) | Grammar::WebAcl),
        of: "ARNs (certificate-arn, wafv2-acl-arn, acm-pca-arn)",
    },
    FieldRow {
        field: "minimumTlsVersion",
        is_given: |rule| rule.minimum_tls_version.is_some(),
        fits: |row| row.grammar == Grammar::SslPolicy,
        of: "TLS policies (ssl-policy)",
    },
];

/// Whether values are words, numbers, lists or pairs. The ports of `listen-ports` are pairs, too: `443=HTTPS`.
fn has_items(row: &SettingRow) -> bool {
    !matches!(row.grammar, Grammar::Json(_)) || *row == LISTEN_PORTS.row
}

fn is_number(row: &SettingRow) -> bool {
    matches!(row.grammar, Grammar::Int32 { .. } | Grammar::Int64 { .. } | Grammar::Capacity)
}

/// Everything that is wrong, in the order of the fields.
#[must_use]
pub fn check(spec: &IngressPolicySpec, extra_attributes: &[String]) -> Vec<Fault> {
    let mut found = selector::classes(&spec.classes);
    found.extend(selector::labels("spec.namespaceSelector", spec.namespace_selector.as_ref()));
    if let Some(error) = spec.reason.as_deref().and_then(control::text_fault) {
        found.push(Fault::new("spec.reason", error));
    }
    for (key, rule) in &spec.settings {
        let path = format!("spec.settings[{key}]");
        match row(key) {
            None => found.push(Fault::new(path, unknown(key))),
            Some(row) => found.extend(of_rule(&path, row, rule, extra_attributes)),
        }
    }
    for (index, word) in spec.target_groups.iter().flat_map(|TargetGroupRule { allowed }| allowed).enumerate() {
        if !word.starts_with("arn:") && !word.starts_with(WILDCARDS) {
            let error = ParseError::new(format!("`{}` is not the ARN of a target group", shown(word)));
            let help =
                "write arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID, with `*` and `?` as wildcards";
            found.push(Fault::new(format!("spec.targetGroups.allowed[{index}]"), error.help(help)));
        }
    }
    if spec.settings.is_empty() && spec.target_groups.is_none() {
        let error = ParseError::new("the policy has no rule").help("write spec.settings or spec.targetGroups");
        found.push(Fault::new("spec.settings", error));
    }
    found
}

fn of_rule(path: &str, row: &'static SettingRow, rule: &SettingRule, extra_attributes: &[String]) -> Vec<Fault> {
    let mut found = Vec::new();
    for field in FIELDS.iter().filter(|field| (field.is_given)(rule) && !(field.fits)(row)) {
        let error = ParseError::new(format!("{} has no {}: it is a rule of {}", row.key, field.field, field.of));
        let help = "remove it; `required` and `forbidden` are rules of all settings";
        found.push(Fault::new(format!("{path}.{}", field.field), error.help(help)));
    }
    if !found.is_empty() {
        return found;
    }
    found.extend(of_lists(path, row, rule, extra_attributes));
    found.extend(of_limits(path, rule));
    if *rule == SettingRule::default() {
        found.push(Fault::new(path, ParseError::new("the rule is empty").help("write for example allowed: [VALUE]")));
    }
    if rule.required == Some(true) && rule.forbidden == Some(true) {
        let error = ParseError::new("a setting cannot be required and forbidden");
        found.push(Fault::new(format!("{path}.forbidden"), error.help("keep one of the two")));
    }
    found
}

/// Words and empty lists.
fn of_lists(path: &str, row: &'static SettingRow, rule: &SettingRule, extra_attributes: &[String]) -> Vec<Fault> {
    let mut found = Vec::new();
    for (field, words) in [("allowed", &rule.allowed), ("denied", &rule.denied)] {
        for (index, word) in words.iter().flatten().enumerate().filter(|(_, word)| !is_pattern(word)) {
            if *row == LISTEN_PORTS.row {
                continue;
            }
            let faults = row.read(word, extra_attributes).faults.into_iter();
            found.extend(
                faults.map(|error| Fault::new(format!("{path}.{field}[{index}]"), ParseError { at: None, ..error })),
            );
        }
    }
    let lists =
        [("allowed", &rule.allowed), ("denied", &rule.denied), ("within", &rule.within), ("accounts", &rule.accounts)];
    for (field, _) in lists.into_iter().filter(|(_, list)| list.as_ref().is_some_and(Vec::is_empty)) {
        let error = ParseError::new(format!("{field} is empty, and has no effect"));
        found.push(Fault::new(
            format!("{path}.{field}"),
            error.help("write forbidden: true if the setting must not have a value"),
        ));
    }
    found
}

/// Ranges, blocks of addresses, accounts and TLS versions.
fn of_limits(path: &str, rule: &SettingRule) -> Vec<Fault> {
    let mut found = Vec::new();
    if let (Some(minimum), Some(maximum)) = (rule.minimum, rule.maximum)
        && minimum > maximum
    {
        let error = ParseError::new(format!("minimum {minimum} is more than maximum {maximum}"));
        found.push(Fault::new(
            format!("{path}.minimum"),
            error.help("write a minimum that is not more than the maximum"),
        ));
    }
    for (index, block) in rule.within.iter().flatten().enumerate() {
        found.extend(Cidr::parse(block).err().map(|error| Fault::new(format!("{path}.within[{index}]"), error)));
    }
    for (index, account) in rule.accounts.iter().flatten().enumerate() {
        if !is_account(account) {
            let error = ParseError::new(format!("account `{}` must have 12 digits", shown(account)));
            let help = "write the id in quotes, so that YAML keeps its zeros";
            found.push(Fault::new(format!("{path}.accounts[{index}]"), error.help(help)));
        }
    }
    if let Some(version) = &rule.minimum_tls_version
        && ssl_policy::TlsVersion::parse(version).is_none()
    {
        let error = ParseError::new(format!("unknown TLS version `{}`", shown(version)));
        found.push(Fault::new(
            format!("{path}.minimumTlsVersion"),
            error.help("write \"1.0\", \"1.1\", \"1.2\" or \"1.3\""),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_policy() {
        for (settings, told) in [
            (json!({"scheme": {"allowed": ["internal"]}}), ""),
            (json!({"ssl-policy": {"minimumTlsVersion": "1.2", "denied": ["*-Ext?-*"]}}), ""),
            (json!({"inbound-cidrs": {"within": ["10.0.0.0/8"]}, "group.name": {"allowed": ["team-a-*"]}}), ""),
            (
                json!({"certificate-arn": {"accounts": ["123456789012"]}, "listen-ports": {"allowed": ["443=HTTPS"]}}),
                "",
            ),
            (json!({"tags": {"allowed": ["team=*"]}, "auth-idp-oidc": {"forbidden": true}}), ""),
            (json!({"scheme": {"allowed": ["public"]}}), "spec.settings[scheme].allowed[0]: unknown value \"public\""),
            (json!({"schema": {"allowed": ["internal"]}}), "spec.settings[schema]: unknown setting schema"),
            (json!({"scheme": {}}), "spec.settings[scheme]: the rule is empty"),
            (json!({"scheme": {"minimum": 1}}), "spec.settings[scheme].minimum: scheme has no minimum"),
            (json!({"auth-idp-oidc": {"allowed": ["*"]}}), "a rule of values without JSON"),
            (json!({"group.order": {"minimum": 2, "maximum": 1}}), "minimum 2 is more than maximum 1"),
            (
                json!({"inbound-cidrs": {"within": ["10.0.0.1"]}}),
                "spec.settings[inbound-cidrs].within[0]: invalid CIDR",
            ),
            (json!({"certificate-arn": {"accounts": ["1234"]}}), "account `1234` must have 12 digits"),
            (json!({"ssl-policy": {"minimumTlsVersion": "TLS1.2"}}), "unknown TLS version `TLS1.2`"),
            (json!({"scheme": {"required": true, "forbidden": true}}), "cannot be required and forbidden"),
            (json!({"scheme": {"allowed": []}}), "allowed is empty, and has no effect"),
            (json!({}), "spec.settings: the policy has no rule"),
        ] {
            let spec: IngressPolicySpec = serde_json::from_value(json!({"settings": settings})).unwrap();
            let found: Vec<String> =
                check(&spec, &[]).into_iter().map(|fault| format!("{}: {}", fault.path, fault.error.message)).collect();
            match told {
                "" => assert!(found.is_empty(), "{settings}: {found:?}"),
                told => assert!(found.len() == 1 && found[0].contains(told), "{settings}: {found:?}"),
            }
        }
    }
}
