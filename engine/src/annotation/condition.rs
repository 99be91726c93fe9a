//! `conditions.<name>`: what a request must be like, beyond the rule's host and path, as JSON.

use super::cidr::Cidr;
use super::condition_limits::{LONGEST, expression, header_name, host, method, path, too_long};
use super::decode::{self, Decoded, FromJson, Members, Spot, members, object};
use super::parse::ParseError;
use super::read::{Read, Shape};
use super::similar::did_you_mean;
use super::value::JsonValue;
use crate::stack::{Condition, Patterns, QueryPair};

/// A field that conditions can be on: one row a field.
struct Row {
    /// AWS's name of it.
    field: &'static str,
    /// The member that has its values.
    member: &'static str,
    read: fn(&[Spot<'_>]) -> Condition,
    /// What AWS refuses in one of its values.
    fault: fn(&str) -> Option<ParseError>,
}

#[rustfmt::skip]
const ROWS: [Row; 6] = [
    Row { field: "host-header",         member: "hostHeaderConfig",        read: |given| Condition::HostHeader(Patterns::from_json(given)),  fault: host },
    Row { field: "path-pattern",        member: "pathPatternConfig",       read: |given| Condition::PathPattern(Patterns::from_json(given)), fault: path },
    Row { field: "http-header",         member: "httpHeaderConfig",        read: header,                                                     fault: |_| None },
    Row { field: "http-request-method", member: "httpRequestMethodConfig", read: |given| Condition::HttpRequestMethod { values: values(given) }, fault: method },
    Row { field: "query-string",        member: "queryStringConfig",       read: |given| Condition::QueryString { values: values(given) },   fault: |_| None },
    Row { field: "source-ip",           member: "sourceIPConfig",          read: |given| Condition::SourceIp { values: values(given) },      fault: cidr },
];

object!(Patterns { "values" => values, "regexValues" => regex_values });
object!(QueryPair { "key" => key, "value" => value });

fn values<T: FromJson>(given: &[Spot<'_>]) -> Vec<T> {
    members(given, |config| config.get("values"))
}

fn header(given: &[Spot<'_>]) -> Condition {
    members(given, |config| Condition::HttpHeader {
        name: config.get("httpHeaderName"),
        patterns: Patterns { values: config.get("values"), regex_values: config.get("regexValues") },
    })
}

fn cidr(value: &str) -> Option<ParseError> {
    let fault = Cidr::parse(value).err()?;
    Some(fault.help("write a CIDR block such as 10.0.0.0/8, or 10.0.0.7/32 for one address"))
}

/// This kind of JSON.
pub static SHAPE: Shape = Shape {
    takes: "a list of objects with field and the configuration that belongs to it",
    read: |raw| Read::typed(read(raw)),
    multiline: None,
};

impl JsonValue for Vec<Condition> {}

/// Reads the annotation. LBC silently drops a condition on an unknown field; here it is dropped too, but with a fault.
#[must_use]
pub fn read(raw: &str) -> Decoded<Vec<Condition>> {
    decode::read(raw, |given| Some(decode::list(given, condition).into_iter().flatten().collect()))
}

fn condition(given: &[Spot<'_>]) -> Option<Condition> {
    members(given, |of| {
        let field: String = of.get("field");
        // LBC reads all configurations and uses the field's own.
        let configs = ROWS.map(|row| of.option(row.member, row.read));
        let Some((row, config)) = ROWS.iter().zip(configs).find(|(row, _)| row.field == field) else {
            unknown(of, &field);
            return None;
        };
        let member = row.member;
        let Some(condition) = config else {
            let error = ParseError::new(format!("missing {member}"));
            of.refuse("", error.help(format!("add {member} with the values to the condition on {field}")));
            return None;
        };
        for (below, cause, help) in refused(&condition) {
            let error = ParseError::new(format!("invalid {member}: {cause}")).help(help);
            of.refuse(&format!("/{member}{below}"), error);
        }
        limits(of, row, &condition);
        Some(condition)
    })
}

/// Reports an unknown field: without the condition, the rule matches more requests than its author wants.
fn unknown(of: &Members<'_>, field: &str) {
    let fields = ROWS.map(|row| row.field);
    let near = did_you_mean(field, fields);
    let error = ParseError::new(format!("field `{field}` must be one of {}{near}", fields.join(", ")));
    of.doubt("/field", error.help("correct the field: until then the rule is built without this condition"));
}

/// What LBC refuses in a condition: a JSON pointer that starts at its configuration, the cause and the fix.
fn refused(condition: &Condition) -> Vec<(String, &'static str, &'static str)> {
    const WRITE: &str = "write at least one value";
    match condition {
        Condition::HostHeader(of) | Condition::PathPattern(of) | Condition::HttpHeader { patterns: of, .. } => {
            let cause = match (of.values.is_empty(), of.regex_values.is_empty()) {
                (true, true) => ("values or regexValues must be specified", WRITE),
                (false, false) => {
                    ("precisely one of values and regexValues can be specified", "leave values or regexValues out")
                }
                _ => return Vec::new(),
            };
            vec![(String::new(), cause.0, cause.1)]
        }
        Condition::QueryString { values } if values.is_empty() => {
            vec![("/values".to_owned(), "Values cannot be empty", WRITE)]
        }
        Condition::QueryString { values } => {
            let empty = values.iter().enumerate().filter(|(_, pair)| pair.value.is_empty());
            let fault =
                |index| (format!("/values/{index}/value"), "value cannot be empty", "write the value, or `*` for any");
            empty.map(|(index, _)| fault(index)).collect()
        }
        others if others.size() == 0 => vec![("/values".to_owned(), "values cannot be empty", WRITE)],
        _ => Vec::new(),
    }
}

/// What the `ELBv2` API refuses of a condition though LBC lets it pass.
fn limits(of: &Members<'_>, row: &Row, condition: &Condition) {
    let member = row.member;
    if let Some(error) = condition.header().and_then(header_name) {
        of.doubt(&format!("/{member}/httpHeaderName"), error);
    }
    let is_query = matches!(condition, Condition::QueryString { .. });
    for (index, (key, value)) in condition.values().enumerate() {
        if is_query {
            for (part, text) in [("key", key.unwrap_or_default()), ("value", value)] {
                let at = || format!("/{member}/values/{index}/{part}");
                if let Some(error) = too_long(text, LONGEST, part) {
                    of.doubt(&at(), error);
                }
            }
        } else if let Some(error) = one(value, row.fault) {
            of.doubt(&format!("/{member}/values/{index}"), error);
        }
    }
    for (index, value) in condition.regex_values().iter().enumerate() {
        if let Some(error) = one(value, expression) {
            of.doubt(&format!("/{member}/regexValues/{index}"), error);
        }
    }
}

fn one(value: &str, fault: fn(&str) -> Option<ParseError>) -> Option<ParseError> {
    if value.is_empty() {
        return Some(ParseError::new("a value must not be empty").help("write the value, or remove it"));
    }
    too_long(value, LONGEST, "value").or_else(|| fault(value))
}

#[cfg(test)]
mod tests;
