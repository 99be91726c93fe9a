//! The values of `IngressDefaults` as validation rules (CEL) of its CRD, generated from the rows of the catalogue: the API server checks them even while no
//! replica of Albedo answers.
//!
//! They are only what a rule can say with little cost; the webhook checks everything. `self` is the map of settings:
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>.

use super::catalogue::rows;
use super::defaults::without_default;
use super::parse::{GO_FALSE, GO_TRUE};
use super::row::{Grammar, SettingRow};

/// The most settings of an object: there are fewer keys than that without those of families.
pub const MOST_SETTINGS: i64 = 200;
/// The most characters of one value. Without a limit the API server takes rules for too expensive.
pub const LONGEST_VALUE: i64 = 8192;

/// A rule and what the API server says if it is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaRule {
    /// An expression that must be true.
    pub rule: String,
    /// What is wrong otherwise.
    pub message: String,
}

/// All rules, in the order of the catalogue.
#[must_use]
pub fn of_defaults() -> Vec<SchemaRule> {
    rows().filter(|row| !row.family).filter_map(rule).collect()
}

fn rule(row: &'static SettingRow) -> Option<SchemaRule> {
    let key = row.key;
    if let Some(why) = without_default(row) {
        return Some(SchemaRule {
            rule: format!("!('{key}' in self)"),
            message: format!("{key} has no default; {why}"),
        });
    }
    let value = format!("self['{key}']");
    let (holds, message) = match row.grammar {
        Grammar::OneOf(words) => (one_of(&value, words), format!("{key}: write {}", words.join(" or "))),
        Grammar::Bool => (one_of(&value, &[GO_TRUE, GO_FALSE].concat()), format!("{key}: write true or false")),
        Grammar::Int32 { min, max } => number(key, &value, min.into(), max.into()),
        Grammar::Int64 { min, max } => number(key, &value, min, max),
        Grammar::SslPolicy => (
            format!("{value}.startsWith('ELBSecurityPolicy-')"),
            format!("{key}: names of TLS policies begin with ELBSecurityPolicy-"),
        ),
        _ => return None,
    };
    Some(SchemaRule { rule: format!("!('{key}' in self) || {holds}"), message })
}

/// The condition that an expression is one of these words, which have no quotes.
pub(crate) fn one_of(value: &str, words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    format!("{value} in [{}]", words.join(", "))
}

/// More digits would not fit into a number of CEL.
fn number(key: &str, value: &str, min: i64, max: i64) -> (String, String) {
    let holds = format!("{value}.matches('^[+-]?[0-9]{{1,18}}$') && int({value}) >= {min} && int({value}) <= {max}");
    (holds, format!("{key}: write a whole number from {min} to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_of_the_catalogue() {
        let rules = of_defaults();
        let of = |key: &str| rules.iter().find(|one| one.rule.starts_with(&format!("!('{key}' in self)"))).unwrap();
        assert_eq!(of("scheme").rule, "!('scheme' in self) || self['scheme'] in ['internal', 'internet-facing']");
        assert_eq!(of("scheme").message, "scheme: write internal or internet-facing");
        assert_eq!(of("listen-ports").rule, "!('listen-ports' in self)");
        assert!(of("group.order").rule.contains("int(self['group.order']) >= -1000"));
        assert!(rules.len() > 30, "{}", rules.len());
        assert!(rules.iter().all(|one| !one.message.contains('\n')));
        let keys = i64::try_from(rows().count()).unwrap();
        assert!(keys < MOST_SETTINGS, "{keys} keys");
    }
}
