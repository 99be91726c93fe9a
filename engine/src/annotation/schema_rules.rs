//! What `IngressDefaults` and `IngressPolicy` say as validation rules (CEL) of their CRDs, generated from the rows of the catalogue: the API server checks
//! them even while no replica of Albedo answers.
//!
//! They are only what a rule can say with little cost; the webhook checks everything. `self` is the map of settings:
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>.

use super::catalogue::rows;
use super::defaults::without_default;
use super::parse::{GO_FALSE, GO_TRUE};
use super::policy::{FIELDS, FieldRow};
use super::row::{Grammar, SettingRow};

/// The most settings of an object: there are fewer keys than that without those of families.
pub const MOST_SETTINGS: i64 = 200;
/// The most characters of one value. Without a limit the API server takes rules for too expensive.
pub const LONGEST_VALUE: i64 = 8192;

/// The most words of a list in a policy, and the most characters of one.
pub const MOST_WORDS: i64 = 100;
/// See [`MOST_WORDS`].
pub const LONGEST_WORD: i64 = 512;

/// A rule and what the API server says if it is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaRule {
    /// An expression that must be true.
    pub rule: String,
    /// What is wrong otherwise.
    pub message: String,
}

/// All rules of `IngressPolicy`: which settings have a field, then words in the order of the catalogue, then fields that exclude each other.
#[must_use]
pub fn of_policies() -> Vec<SchemaRule> {
    let together = [
        (
            "!(has(self[key].required) && self[key].required && has(self[key].forbidden) && self[key].forbidden)",
            "a setting cannot be required and forbidden",
        ),
        (
            "!has(self[key].minimum) || !has(self[key].maximum) || self[key].minimum <= self[key].maximum",
            "minimum is more than maximum",
        ),
    ];
    let together = together
        .map(|(holds, message)| SchemaRule { rule: format!("self.all(key, {holds})"), message: message.to_owned() });
    let words = rows().filter(|row| !row.family).filter_map(words);
    FIELDS.iter().map(fitting).chain(words).chain(together).collect()
}

/// A field is a rule of certain settings.
fn fitting(field: &FieldRow) -> SchemaRule {
    let name = field.field;
    // The shorter list of the two.
    let (fit, unfit): (Vec<&SettingRow>, Vec<&SettingRow>) = rows().partition(|row| (field.fits)(row));
    let (listed, not) = if fit.len() <= unfit.len() { (fit, "") } else { (unfit, "!") };
    let keys: Vec<&str> = listed.iter().filter(|row| !row.family).map(|row| row.key).collect();
    let families = listed.iter().filter(|row| row.family).map(|row| format!(" || key.startsWith('{}')", row.key));
    let is_listed = format!("({}{})", one_of("key", &keys), families.collect::<String>());
    SchemaRule {
        rule: format!("self.all(key, !has(self[key].{name}) || {not}{is_listed})"),
        message: format!("{name} is a rule of {}", field.of),
    }
}

/// The words of a setting that has only certain ones. Patterns are words of their own.
fn words(row: &'static SettingRow) -> Option<SchemaRule> {
    let key = row.key;
    let (words, told) = match row.grammar {
        Grammar::OneOf(words) if !row.passed_on => (words.to_vec(), words.join(" or ")),
        Grammar::Bool => ([GO_TRUE, GO_FALSE].concat(), "true or false".to_owned()),
        _ => return None,
    };
    let holds = format!("w.contains('*') || w.contains('?') || {}", one_of("w", &words));
    let of = |list: &str| format!("(!has(self['{key}'].{list}) || self['{key}'].{list}.all(w, {holds}))");
    Some(SchemaRule {
        rule: format!("!('{key}' in self) || {} && {}", of("allowed"), of("denied")),
        message: format!("{key}: write {told} in allowed and denied, or a pattern with `*` or `?`"),
    })
}

/// All rules of `IngressDefaults`, in the order of the catalogue.
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
    fn rules_of_policies_are_of_the_catalogue() {
        let rules = of_policies();
        let of = |start: &str| &rules.iter().find(|one| one.rule.starts_with(start)).unwrap().rule;
        let minimum = of("self.all(key, !has(self[key].minimum) ||");
        assert!(minimum.contains("'group.order'") && !minimum.contains("'scheme'"), "{minimum}");
        let allowed = of("self.all(key, !has(self[key].allowed) ||");
        assert!(allowed.contains("|| !(key in [") && allowed.contains("key.startsWith('actions.')"), "{allowed}");
        assert!(!allowed.contains("'listen-ports'"), "its ports are words: {allowed}");
        let scheme = of("!('scheme' in self)");
        assert!(scheme.contains("self['scheme'].denied.all(w, "), "{scheme}");
        assert!(scheme.contains("|| w in ['internal', 'internet-facing'])"), "{scheme}");
        assert!(rules.iter().all(|one| !one.message.contains('\n')));
    }

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
