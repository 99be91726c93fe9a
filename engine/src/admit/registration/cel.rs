//! What CEL can tell of an annotation's value: a condition that holds for every value that admission accepts.
//!
//! It is weaker than [`SettingRow::read`](crate::annotation::SettingRow::read) on purpose: where the two could differ, it holds.

use super::conditions::quoted;
use crate::annotation::parse::{GO_FALSE, GO_TRUE};
use crate::annotation::schema_rules::one_of;
use crate::annotation::{Grammar, SettingRow};

/// A condition on the value `v`, and what the value has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// The condition.
    pub cel: String,
    /// The end of a sentence that begins with "it has to be".
    pub words: String,
}

/// The condition on the values of a setting; `None`: CEL can tell nothing of them.
pub(super) fn condition(row: &SettingRow) -> Option<Condition> {
    let (cel, words) = match row.grammar {
        Grammar::Bool => (one_of("v", &[GO_TRUE, GO_FALSE].concat()), "true or false".to_owned()),
        Grammar::Int32 { min, max } => number(min.into(), max.into()),
        Grammar::Int64 { min, max } => number(min, max),
        Grammar::OneOf(words) if !row.passed_on => (one_of("v", words), words.join(" or ")),
        Grammar::StatusCodes(_) => (
            "v.matches('^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$')".to_owned(),
            "status codes and ranges, separated by commas: 200,301-302".to_owned(),
        ),
        Grammar::HealthCheckPort => {
            let (port, _) = number(1, 65_535);
            let cel = format!("v.size() > 0 && (!v.matches('^[+-]?[0-9]+$') || ({port}))");
            (cel, "a port from 1 to 65535, traffic-port, or the name of a Service's port".to_owned())
        }
        Grammar::TrafficPort => {
            let (port, _) = number(1, 65_535);
            (format!("v == 'traffic-port' || ({port})"), "traffic-port, or a port from 1 to 65535".to_owned())
        }
        Grammar::OneOf(_) => return None,
        other => return structured(other).or_else(|| text(other)),
    };
    Some(Condition { cel, words })
}

/// Texts of one piece.
fn text(grammar: Grammar) -> Option<Condition> {
    let (cel, words) = match grammar {
        Grammar::LoadBalancerName => (
            r"v.matches('^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$') && v.size() <= 32 && !v.startsWith('internal-')"
                .to_owned(),
            "at most 32 letters, digits and hyphens, no hyphen at either end, not beginning with internal-".to_owned(),
        ),
        Grammar::GroupName => (
            "v.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$') && v.size() <= 63".to_owned(),
            "at most 63 lower-case letters, digits, `-` and `.`, with a letter or digit at both ends".to_owned(),
        ),
        Grammar::WebAclName => (
            "v.matches('^[A-Za-z0-9_-]*$') && v.size() <= 128".to_owned(),
            "at most 128 letters, digits, hyphens and underscores".to_owned(),
        ),
        Grammar::CookieName => ("v.size() > 0 && !v.contains(' ')".to_owned(), "the name of a cookie".to_owned()),
        Grammar::Path => ("v.startsWith('/')".to_owned(), "a path that begins with a slash".to_owned()),
        Grammar::SslPolicy => (
            "v.startsWith('ELBSecurityPolicy-')".to_owned(),
            "the name of a TLS policy: ELBSecurityPolicy-…".to_owned(),
        ),
        // Any text, doubts, and words that AWS may know.
        _ => return None,
    };
    Some(Condition { cel, words })
}

/// Lists, pairs, JSON and ARNs.
fn structured(grammar: Grammar) -> Option<Condition> {
    let (cel, words) = match grammar {
        Grammar::Cidrs => (each("i.contains('/')"), "CIDR blocks, separated by commas: 203.0.113.0/24".to_owned()),
        Grammar::Ids(prefix) => {
            (each(&format!("i.trim().startsWith({})", quoted(prefix))), format!("ids that begin with {prefix}"))
        }
        Grammar::IdsOrNames(prefix) => {
            let id = format!("i.trim().matches({})", quoted(&format!("^{prefix}[0-9a-f]+$")));
            let cel = each(&format!("!i.trim().startsWith({}) || {id}", quoted(prefix)));
            (cel, format!("names, or ids of {prefix} and hexadecimal digits, separated by commas"))
        }
        Grammar::Labels | Grammar::Attributes(_) | Grammar::Tags | Grammar::Capacity | Grammar::PortMap => {
            (r"v.matches('^[\\s,]*$') || v.contains('=')".to_owned(), "key=value pairs, separated by commas".to_owned())
        }
        Grammar::Json(shape) => {
            let open = if shape.takes.starts_with("a list") { r"\\[" } else { r"\\{" };
            (format!(r"v.matches('^\\s*({open}|null|$)')"), format!("JSON: {}", shape.takes))
        }
        Grammar::Arn(kind) => {
            let service = kind.service();
            (format!("v.matches('^arn:[a-z-]+:{service}:')"), format!("an ARN: {}", kind.shape()))
        }
        Grammar::Certificates => (
            each("i.trim().matches('^arn:[a-z-]+:(acm|iam):')"),
            "ARNs of certificates in ACM or IAM, separated by commas".to_owned(),
        ),
        Grammar::WebAcl => (
            "v in ['', 'none'] || v.matches('^arn:[a-z-]+:wafv2:')".to_owned(),
            "the ARN of a regional web ACL, or none".to_owned(),
        ),
        _ => return None,
    };
    Some(Condition { cel, words })
}

/// A whole number; one of so many digits that CEL might not hold it passes.
fn number(min: i64, max: i64) -> (String, String) {
    let cel = format!("v.matches('^[+-]?[0-9]+$') && (v.size() > 15 || int(v) >= {min} && int(v) <= {max})");
    (cel, format!("a whole number from {min} to {max}"))
}

/// A condition on every item `i` of a list that is not empty.
fn each(condition: &str) -> String {
    format!("v.split(',').all(i, i.trim() == '' || ({condition}))")
}
