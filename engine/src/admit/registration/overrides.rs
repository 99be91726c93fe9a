//! What the operator of a cluster changes of the registration of webhooks: `--webhook-overrides`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde::Deserialize;

use super::{FailurePolicy, Reach, WebhookRow};

/// Changes by the kind of objects that the webhooks review.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Overrides {
    ingresses: Change,
    pods: Change,
}

/// Changes of the webhooks of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Change {
    /// What happens when no replica answers.
    failure_policy: Option<FailurePolicy>,
    /// Only objects with these labels are reviewed.
    object_selector: Selector,
    /// Only objects of namespaces with these labels are reviewed. For readiness gates it is in place of LBC's label.
    namespace_selector: Selector,
}

/// A label selector that knows its fields: one with a misspelled field would select everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Selector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Operator {
    fn word(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

impl Overrides {
    /// Reads them from JSON; an empty text changes nothing.
    ///
    /// # Errors
    /// If it is not JSON, or if it has a field, a policy or an operator that does not exist; the error says where.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        if text.is_empty() { Ok(Self::default()) } else { serde_json::from_str(text) }
    }

    fn of(&self, row: &WebhookRow) -> Option<&Change> {
        match row.resource {
            "ingresses" => Some(&self.ingresses),
            "pods" => Some(&self.pods),
            _ => None,
        }
    }

    /// What happens when no replica answers. Ingresses of other controllers are never refused then.
    pub(super) fn failure_policy(&self, row: &WebhookRow) -> FailurePolicy {
        let given = self.of(row).filter(|_| row.reach != Reach::Others).and_then(|change| change.failure_policy);
        given.unwrap_or(row.failure_policy)
    }

    /// The label of namespaces that the row asks for, unless the operator selects namespaces otherwise.
    pub(super) fn label_of(&self, row: &WebhookRow) -> Option<(&'static str, Option<&'static str>)> {
        let Reach::Labelled(label, value) = row.reach else { return None };
        // A label without a fixed value tells how the Pod is changed, so it cannot be replaced.
        let is_replaced = value.is_some() && self.of(row).is_some_and(|change| !change.namespace_selector.is_empty());
        (!is_replaced).then_some((label, value))
    }

    /// Adds what the operator selects by labels of the object.
    pub(super) fn select_objects(&self, row: &WebhookRow, selector: Option<LabelSelector>) -> Option<LabelSelector> {
        match self.of(row) {
            Some(change) => change.object_selector.added_to(selector),
            None => selector,
        }
    }

    /// Adds what the operator selects by labels of namespaces.
    pub(super) fn select_namespaces(&self, row: &WebhookRow, selector: Option<LabelSelector>) -> Option<LabelSelector> {
        match self.of(row) {
            Some(change) => change.namespace_selector.added_to(selector),
            None => selector,
        }
    }
}

impl Selector {
    fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    fn added_to(&self, selector: Option<LabelSelector>) -> Option<LabelSelector> {
        if self.is_empty() {
            return selector;
        }
        let mut selector = selector.unwrap_or_default();
        for (label, value) in &self.match_labels {
            // As an expression: a label that is asked for twice, with two values, selects nothing.
            let values = Some(vec![value.clone()]);
            let expression = LabelSelectorRequirement { key: label.clone(), operator: "In".to_owned(), values };
            selector.match_expressions.get_or_insert_default().push(expression);
        }
        for one in &self.match_expressions {
            let operator = one.operator.word().to_owned();
            let expression = LabelSelectorRequirement { key: one.key.clone(), operator, values: one.values.clone() };
            selector.match_expressions.get_or_insert_default().push(expression);
        }
        Some(selector)
    }
}
