//! A net for the time when no replica answers: a `ValidatingAdmissionPolicy` for what CEL can tell of an Ingress alone, from the rows of
//! the catalogue.
//!
//! It never refuses what admission admits. So it looks at new or changed annotations only, at Ingresses of classes that exist and are
//! Albedo's, and not at namespaces whose label switches enforcement off; and the API server ignores it if it fails.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::MatchCondition;
use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ParamKind, ParamRef, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation,
    Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};

use super::cel;
use super::conditions::{not_deleting, quoted};
use crate::admit::verdict::MODE_LABEL;
use crate::annotation::catalogue::{CERTIFICATE_ARN, ENABLE_FRONTEND_NLB, LISTEN_PORTS};
use crate::annotation::parse::GO_TRUE;
use crate::annotation::schema_rules::one_of;
use crate::annotation::{LEGACY_CLASS, PREFIX, SettingRow, When, rows};
use crate::finding::Code;
use crate::settings::{ALBEDO_CONTROLLER, CONTROLLER};

/// The policy, and its binding for each class. `warns`: it warns instead of refusing.
#[must_use]
pub fn policy(
    name: &str,
    classes: &[String],
    warns: bool,
) -> (ValidatingAdmissionPolicy, Vec<ValidatingAdmissionPolicyBinding>) {
    let metadata = |name: String| ObjectMeta { name: Some(name), ..ObjectMeta::default() };
    let rule = NamedRuleWithOperations {
        api_groups: Some(vec!["networking.k8s.io".to_owned()]),
        api_versions: Some(vec!["v1".to_owned()]),
        operations: Some(vec!["CREATE".to_owned(), "UPDATE".to_owned()]),
        resources: Some(vec!["ingresses".to_owned()]),
        ..NamedRuleWithOperations::default()
    };
    let policy = ValidatingAdmissionPolicy {
        metadata: metadata(name.to_owned()),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Ignore".to_owned()),
            match_conditions: Some(vec![MatchCondition {
                name: "not-deleting".to_owned(),
                expression: not_deleting(),
            }]),
            match_constraints: Some(MatchResources { resource_rules: Some(vec![rule]), ..MatchResources::default() }),
            param_kind: Some(ParamKind {
                api_version: Some("networking.k8s.io/v1".to_owned()),
                kind: Some("IngressClass".to_owned()),
            }),
            variables: Some(variables()),
            validations: Some(validations()),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    };
    let selector = LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: MODE_LABEL.to_owned(),
            operator: "NotIn".to_owned(),
            values: Some(vec!["off".to_owned(), "warn".to_owned()]),
        }]),
        match_labels: None,
    };
    let binding = |class: &String| ValidatingAdmissionPolicyBinding {
        metadata: metadata(format!("{name}-{class}")),
        spec: Some(ValidatingAdmissionPolicyBindingSpec {
            match_resources: Some(MatchResources {
                namespace_selector: Some(selector.clone()),
                ..MatchResources::default()
            }),
            param_ref: Some(ParamRef {
                name: Some(class.clone()),
                parameter_not_found_action: Some("Allow".to_owned()),
                ..ParamRef::default()
            }),
            policy_name: Some(name.to_owned()),
            validation_actions: Some(vec![if warns { "Warn" } else { "Deny" }.to_owned()]),
        }),
    };
    (policy, classes.iter().map(binding).collect())
}

/// What validations share.
fn variables() -> Vec<Variable> {
    let annotations = |of: &str| format!("has({of}.metadata.annotations) ? {of}.metadata.annotations : {{}}");
    let controllers = [CONTROLLER, ALBEDO_CONTROLLER].map(quoted).join(", ");
    let variable = |name: &str, expression: String| Variable { name: name.to_owned(), expression };
    vec![
        variable("now", annotations("object")),
        variable("before", format!("oldObject == null ? {{}} : ({})", annotations("oldObject"))),
        variable(
            "ours",
            format!(
                "has(params.spec.controller) && params.spec.controller in [{controllers}] && has(object.spec.ingressClassName) && \
                 object.spec.ingressClassName == params.metadata.name && !({} in variables.now)",
                quoted(LEGACY_CLASS)
            ),
        ),
        variable(
            "keys",
            format!(
                "variables.ours ? variables.now.filter(k, k.startsWith({}) && !(k in variables.before && variables.before[k] == \
                 variables.now[k])) : []",
                quoted(PREFIX)
            ),
        ),
    ]
}

/// When admission looks at the annotation of a row at all, as far as it depends on other annotations or on the class. It may look in more cases.
fn guard(row: &SettingRow) -> Option<String> {
    let value = |of: &SettingRow| {
        let key = quoted(&of.full_key());
        format!("({key} in variables.now ? variables.now[{key}] : '')")
    };
    let needs = match row.when {
        When::NetworkLoadBalancer => one_of(&value(&ENABLE_FRONTEND_NLB.row), &GO_TRUE),
        // The port is 443 then.
        When::Https => format!(
            "!({} in variables.now) && {}.matches('[^\\\\s,]')",
            quoted(&LISTEN_PORTS.row.full_key()),
            value(&CERTIFICATE_ARN.row)
        ),
        When::Always
        | When::Elsewhere
        | When::HttpsPorts
        | When::ManagedSecurityGroup
        | When::OwnSecurityGroups
        | When::Without(..)
        | When::Backend
        | When::BackendAsks => String::new(),
    };
    // Parameters of the class may take its place.
    let own = if row.parameter.is_some() { "!has(params.spec.parameters)" } else { "" };
    let parts: Vec<&str> = [own, needs.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" && "))
}

fn validations() -> Vec<Validation> {
    [unknown_keys()].into_iter().chain(rows().filter_map(validation)).collect()
}

/// Keys that no row has.
fn unknown_keys() -> Validation {
    let (families, keys): (Vec<_>, Vec<_>) = rows().partition(|row| row.family);
    let list = |rows: &[&SettingRow]| rows.iter().map(|row| quoted(&row.full_key())).collect::<Vec<_>>().join(", ");
    let expression = format!(
        "variables.keys.all(k, k in [{}] || [{}].exists(f, k.startsWith(f) && k != f))",
        list(&keys),
        list(&families)
    );
    let known = "albedo explain lists the keys that are known";
    refusal(expression, &[Code::UnknownAnnotation].into(), &format!("an annotation under {PREFIX} is unknown; {known}"))
}

/// The values of a row.
fn validation(row: &'static SettingRow) -> Option<Validation> {
    // The group's name decides about membership; of other keys that are read before the rest, what cannot be read counts as absent.
    if row.when == When::Elsewhere && row.parameter.is_none() {
        return None;
    }
    let cel::Condition { cel, words } = cel::condition(row)?;
    let key = row.full_key();
    let quoted_key = quoted(&key);
    let keys = match row.family {
        true => format!("variables.keys.filter(k, k.startsWith({quoted_key}))"),
        false => format!("[{quoted_key}].filter(k, k in variables.keys)"),
    };
    let checked = format!("{keys}.map(k, variables.now[k]).all(v, {cel})");
    let expression = match guard(row) {
        Some(guard) => format!("!({guard}) || {checked}"),
        None => checked,
    };
    let name = if row.family { format!("{key}{}", row.placeholder) } else { key };
    // A value that cannot be read has another code in some rows than one that is out of range.
    let codes: BTreeSet<Code> = [row.unreadable, row.code].into();
    Some(refusal(expression, &codes, &format!("{name} has to be {words}")))
}

fn refusal(expression: String, codes: &BTreeSet<Code>, message: &str) -> Validation {
    let codes: Vec<&str> = codes.iter().map(|code| code.row().id).collect();
    Validation {
        expression,
        message: Some(format!("{}: {message}", codes.join(", "))),
        reason: Some("Invalid".to_owned()),
        ..Validation::default()
    }
}
