//! What an `IngressDefaults` object says: which settings can have a default, and their values, read by the rows of the catalogue.

use super::catalogue::{
    ACTIONS, CONDITIONS, GROUP_NAME, LISTEN_PORTS, LOAD_BALANCER_NAME, TARGET_CONTROL_PORT, TRANSFORMS, row,
};
use super::control;
use super::nearest::nearest;
use super::params::Fault;
use super::parse::ParseError;
use super::row::{Scope, SettingRow};
use super::{PREFIX, selector};
use crate::kinds::IngressDefaultsSpec;

/// Settings that have no default, and why.
pub(super) fn without_default(row: &SettingRow) -> Option<&'static str> {
    const OF_BACKEND: &str = "it belongs to one backend of one Ingress: write it there";
    let rows: [(&SettingRow, &str); 7] = [
        (&LISTEN_PORTS.row, "without it, an Ingress listens on 443 if it has certificates, else on 80"),
        (&GROUP_NAME.row, "the IngressClassParams of a class put its Ingresses into a group: spec.group.name"),
        (&LOAD_BALANCER_NAME.row, "no two load balancers can have the same name"),
        (&ACTIONS.row, OF_BACKEND),
        (&CONDITIONS.row, OF_BACKEND),
        (&TRANSFORMS.row, OF_BACKEND),
        (&TARGET_CONTROL_PORT.row, OF_BACKEND),
    ];
    let listed = rows.into_iter().find(|(one, _)| *one == row).map(|(_, why)| why);
    listed.or((row.scope == Scope::Output).then_some("the controller writes it"))
}

/// The fault of a key that is not in the catalogue, with the nearest one that is. `key` has no prefix.
pub(super) fn unknown(key: &str) -> ParseError {
    let error = ParseError::new(format!("unknown setting {key}"));
    let help = match (key.strip_prefix(PREFIX), nearest(key)) {
        (Some(short), _) if row(short).is_some() => format!("write `{short}`: keys have no prefix here"),
        (_, Some(near)) => near.to_string(),
        (_, None) => "remove it: `albedo explain` lists all settings".to_owned(),
    };
    error.help(help)
}

/// Everything that is wrong with the default of one setting.
fn faults(key: &str, value: &str, extra_attributes: &[String]) -> Vec<ParseError> {
    let Some(row) = row(key) else { return vec![unknown(key)] };
    if let Some(why) = without_default(row) {
        return vec![ParseError::new(format!("{key} has no default")).help(why)];
    }
    let mut faults = row.read(value, extra_attributes).faults;
    faults.extend(control::text_fault(value).filter(|_| faults.is_empty()));
    // The place is one in an annotation's value; here the path is enough.
    for fault in &mut faults {
        fault.at = None;
    }
    faults
}

/// Everything that is wrong, in the order of the fields.
#[must_use]
pub fn check(spec: &IngressDefaultsSpec, extra_attributes: &[String]) -> Vec<Fault> {
    let mut found = selector::classes(&spec.classes);
    found.extend(selector::labels("spec.namespaceSelector", spec.namespace_selector.as_ref()));
    found.extend(selector::labels("spec.ingressSelector", spec.ingress_selector.as_ref()));
    for (key, value) in &spec.settings {
        let faults = faults(key, value, extra_attributes).into_iter();
        found.extend(faults.map(|error| Fault::new(format!("spec.settings[{key}]"), error)));
    }
    if spec.settings.is_empty() {
        let error = ParseError::new("no setting has a value, so nothing is written");
        found.push(Fault::new("spec.settings", error.help("write keys of annotations without their prefix")));
    }
    found
}

/// Whether the default of a setting can be written into Ingresses: then the row of the setting.
#[must_use]
pub fn usable(key: &str, value: &str, extra_attributes: &[String]) -> Option<&'static SettingRow> {
    let is_doubt = |fault: &ParseError| fault.unfamiliar;
    row(key).filter(|_| faults(key, value, extra_attributes).iter().all(is_doubt))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn faults_of(key: &str, value: &str) -> Vec<String> {
        let settings = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let spec = IngressDefaultsSpec { settings, ..IngressDefaultsSpec::default() };
        let told =
            |fault: Fault| format!("{}: {}; {}", fault.path, fault.error.message, fault.error.help.unwrap_or_default());
        check(&spec, &[]).into_iter().map(told).collect()
    }

    #[test]
    fn what_is_wrong_with_a_default() {
        for (key, value, told) in [
            ("scheme", "internal", ""),
            ("ssl-policy", "ELBSecurityPolicy-TLS13-1-2-2021-06", ""),
            ("listener-attributes.HTTPS-443", "routing.http.response.server.enabled=false", ""),
            ("scheme", "public", "spec.settings[scheme]: unknown value \"public\"; write internal or internet-facing"),
            ("schema", "internal", "spec.settings[schema]: unknown setting schema; did you mean `scheme`"),
            ("sslPolicy", "x", "did you mean `ssl-policy`"),
            ("alb.ingress.kubernetes.io/scheme", "internal", "write `scheme`: keys have no prefix here"),
            ("listen-ports", r#"[{"HTTP": 80}]"#, "listen-ports has no default; without it"),
            ("group.name", "shop", "group.name has no default; the IngressClassParams"),
            ("load-balancer-name", "shop", "no two load balancers"),
            ("actions.deny", "{}", "it belongs to one backend"),
            ("dry-run-plan", "", "the controller writes it"),
            ("inbound-cidrs", "10.0.0.1", "invalid CIDR address"),
            ("auth-scope", "a\u{1b}b", "control character"),
        ] {
            let found = faults_of(key, value);
            match told {
                "" => assert!(found.is_empty(), "{key}: {found:?}"),
                told => assert!(found.len() == 1 && found[0].contains(told), "{key}: {found:?}"),
            }
            assert_eq!(usable(key, value, &[]).is_some(), told.is_empty(), "{key}");
        }
    }

    #[test]
    fn a_value_that_may_be_newer_is_a_doubt() {
        let policy = "ELBSecurityPolicy-TLS14-1-4-2031-06";
        assert_eq!(faults_of("ssl-policy", policy).len(), 1);
        assert!(usable("ssl-policy", policy, &[]).is_some());
    }

    #[test]
    fn what_selects_is_checked() {
        let spec: IngressDefaultsSpec = serde_json::from_value(serde_json::json!({
            "classes": ["alb", "Alb!"], "settings": {},
            "namespaceSelector": {"matchLabels": {"a b": "c"},
                "matchExpressions": [{"key": "team", "operator": "in", "values": ["x"]}, {"key": "team", "operator": "In"}]},
            "ingressSelector": {"matchExpressions": [{"key": "team", "operator": "Exists", "values": ["x"]}]},
        }))
        .unwrap();
        let paths: Vec<String> = check(&spec, &[]).into_iter().map(|fault| fault.path).collect();
        assert_eq!(
            paths,
            [
                "spec.classes[1]",
                "spec.namespaceSelector.matchLabels[a b]",
                "spec.namespaceSelector.matchExpressions[0].operator",
                "spec.namespaceSelector.matchExpressions[1].values",
                "spec.ingressSelector.matchExpressions[0].values",
                "spec.settings",
            ]
        );
    }
}
