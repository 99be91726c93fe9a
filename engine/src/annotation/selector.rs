//! What is wrong with what selects Ingresses: names of classes, and label selectors.
//!
//! Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>. An invalid selector matches nothing.

use super::names::{label_key, label_value};
use super::params::Fault;
use super::parse::{ParseError, shown};
use super::similar::nearest_of;
use crate::kinds::{LabelSelector, is_subdomain};

/// The operators, and whether each needs values.
const OPERATORS: [(&str, bool); 4] = [("In", true), ("NotIn", true), ("Exists", false), ("DoesNotExist", false)];

/// Everything that is wrong with names of classes.
pub(super) fn classes(names: &[String]) -> Vec<Fault> {
    let wrong = names.iter().enumerate().filter(|(_, name)| !is_subdomain(name));
    wrong
        .map(|(index, name)| {
            let error = ParseError::new(format!("`{}` can't be the name of an IngressClass", shown(name)));
            Fault::new(format!("spec.classes[{index}]"), error.help("write names as in spec.ingressClassName"))
        })
        .collect()
}

/// Everything that is wrong with a selector, if there is one.
pub(super) fn labels(path: &str, selector: Option<&LabelSelector>) -> Vec<Fault> {
    let Some(selector) = selector else { return Vec::new() };
    let mut found = Vec::new();
    for (key, value) in selector.match_labels.iter().flatten() {
        if let Some(fault) = label_key(key).or_else(|| label_value(value)) {
            found.push(Fault::new(format!("{path}.matchLabels[{key}]"), ParseError::new(fault)));
        }
    }
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        if let Some(fault) = label_key(&expression.key) {
            found.push(Fault::new(format!("{path}.key"), ParseError::new(fault)));
        }
        let operator = expression.operator.as_str();
        let values = expression.values.as_deref().unwrap_or_default();
        let row = OPERATORS.iter().find(|(name, _)| *name == operator);
        match row.map(|(_, needs_values)| (*needs_values, values.is_empty())) {
            None => {
                let names = OPERATORS.map(|(name, _)| name);
                let near = nearest_of(operator, names).map(|near| format!("did you mean {near}? "));
                let help = format!("{}write one of {}", near.unwrap_or_default(), names.join(", "));
                let error = ParseError::new(format!("unknown operator `{}`", shown(operator))).help(help);
                found.push(Fault::new(format!("{path}.operator"), error));
            }
            Some((true, true)) => {
                let error = ParseError::new(format!("operator {operator} needs values"));
                found.push(Fault::new(format!("{path}.values"), error.help("write at least one value")));
            }
            Some((false, false)) => {
                let error = ParseError::new(format!("operator {operator} takes no values"));
                found.push(Fault::new(format!("{path}.values"), error.help("remove the values")));
            }
            Some(_) => {}
        }
        for (number, value) in values.iter().enumerate() {
            if let Some(fault) = label_value(value) {
                found.push(Fault::new(format!("{path}.values[{number}]"), ParseError::new(fault)));
            }
        }
    }
    found
}
