//! Rights that are granted and rights that were seen to be used: read from what is shipped and from what was logged, and held together.
//!
//! A right of Kubernetes is written `patch ingresses.networking.k8s.io/status`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::account::ACCOUNT;

/// Rights by what was logged.
#[derive(Debug, Default)]
pub struct UsedRights {
    pub used: BTreeSet<String>,
    /// Asked for and not had.
    pub refused: BTreeSet<String>,
}

/// What cannot be told from rights alone: each row a right and the reason.
pub type Reviewed<'a> = &'a [(&'a str, &'a str)];

/// Rights that the roles in a text of YAML documents grant, whatever names they are held to.
pub fn granted_by_roles(yaml: &str) -> Result<BTreeSet<String>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).context("roles")?;
    let mut granted = BTreeSet::new();
    for rule in documents.iter().filter_map(|one| one.get("rules")?.as_array()).flatten() {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                granted.extend(texts(rule, "verbs").map(|verb| right(verb, group, resource)));
            }
        }
    }
    Ok(granted)
}

/// What the policies of AWS refused Albedo, by the lines of the emulator's record of calls: `elasticloadbalancing:AddTags on arn:…`. The
/// emulator's own test is refused on purpose.
pub fn refused_in_aws(log: &str) -> Result<BTreeSet<String>> {
    let mut refused = BTreeSet::new();
    for line in log.lines() {
        let call: Value = serde_json::from_str(line).context("a line of the record of calls")?;
        let text = |field: &str| call.get(field).and_then(Value::as_str);
        let is_albedo = text("userAgent").is_some_and(|agent| agent.contains("app/albedo-"));
        refused.extend(text("denied").filter(|_| is_albedo).map(str::to_owned));
    }
    Ok(refused)
}

impl UsedRights {
    /// Adds what the lines of an API server's audit log tell of Albedo.
    pub fn audited(&mut self, log: &str) -> Result<()> {
        for line in log.lines() {
            let event: Value = serde_json::from_str(line).context("a line of an audit log")?;
            let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            // Discovery has no resource, and everybody may ask for it.
            if text("/user/username") != ACCOUNT || text("/objectRef/resource").is_empty() {
                continue;
            }
            let (resource, part) = (text("/objectRef/resource"), text("/objectRef/subresource"));
            let resource = if part.is_empty() { resource.to_owned() } else { format!("{resource}/{part}") };
            let right = right(text("/verb"), text("/objectRef/apiGroup"), &resource);
            let had = text("/annotations/authorization.k8s.io~1decision") == "allow";
            let known = if had { &mut self.used } else { &mut self.refused };
            known.insert(right);
        }
        Ok(())
    }
}

/// What is used and not granted; `beyond` are rights that come from elsewhere.
pub fn missing(granted: &BTreeSet<String>, used: &BTreeSet<String>, beyond: Reviewed<'_>) -> Vec<String> {
    let is_known = |right: &str| beyond.iter().any(|(known, _)| *known == right);
    let missing = used.iter().filter(|right| !is_known(right) && !granted.contains(*right));
    missing.map(|right| format!("used and not granted: {right}")).collect()
}

/// What is granted and was not used, unless `unreached` has it, whose rows may be used by chance; and the rows there that nobody needs any more.
pub fn unused(granted: &BTreeSet<String>, used: &BTreeSet<String>, unreached: Reviewed<'_>) -> Vec<String> {
    let is_known = |right: &str| unreached.iter().any(|(known, _)| *known == right);
    let unused = granted.iter().filter(|right| !used.contains(*right) && !is_known(right));
    let mut said: Vec<String> = unused.map(|right| format!("granted and never used: {right}")).collect();
    let old = unreached.iter().filter(|(right, _)| !granted.contains(*right));
    said.extend(old.map(|(right, _)| format!("a row of what no test reaches is granted no more: {right}")));
    said
}

fn texts<'a>(rule: &'a Value, key: &str) -> impl Iterator<Item = &'a str> + Clone {
    rule.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn right(verb: &str, group: &str, resource: &str) -> String {
    let (whole, part) = resource.split_once('/').map_or((resource, ""), |(whole, part)| (whole, part));
    let mut right = format!("{verb} {whole}");
    for (mark, text) in [('.', group), ('/', part)] {
        if !text.is_empty() {
            right.push(mark);
            right.push_str(text);
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: &str = "kind: ClusterRole\nrules:\n  - apiGroups: ['', apps]\n    resources: [pods/status]\n    verbs: [get, patch]\n\
                         ---\nkind: ClusterRoleBinding\n";

    fn set(rights: &[&str]) -> BTreeSet<String> {
        rights.iter().map(|right| (*right).to_owned()).collect()
    }

    #[test]
    fn rights_are_read_from_what_grants_them() -> Result<()> {
        let expected = ["get pods.apps/status", "get pods/status", "patch pods.apps/status", "patch pods/status"];
        assert_eq!(granted_by_roles(ROLES)?, set(&expected));
        Ok(())
    }

    #[test]
    fn rights_are_read_from_logs() -> Result<()> {
        let event = |user: &str, decision: &str| {
            format!(
                r#"{{"verb": "patch", "user": {{"username": "{user}"}}, "objectRef": {{"resource": "pods", "subresource": "status"}},
                "annotations": {{"authorization.k8s.io/decision": "{decision}"}}}}"#
            )
            .replace('\n', "")
        };
        let discovery = format!(r#"{{"verb": "get", "user": {{"username": "{ACCOUNT}"}}}}"#);
        let mut seen = UsedRights::default();
        seen.audited(&[event("admin", "allow"), event(ACCOUNT, "forbid"), discovery].join("\n"))?;
        assert_eq!((&seen.used, &seen.refused), (&set(&[]), &set(&["patch pods/status"])));
        seen.audited(&event(ACCOUNT, "allow"))?;
        assert_eq!(seen.used, set(&["patch pods/status"]));
        let agent = "\"userAgent\": \"aws-sdk-rust/1 app/albedo-1\"";
        let calls = format!(
            "{{{agent}, \"denied\": null}}\n{{{agent}, \"denied\": \"a:B on *\"}}\n{{\"denied\": \"c:D on *\"}}"
        );
        assert_eq!(refused_in_aws(&calls)?, set(&["a:B on *"]));
        Ok(())
    }

    #[test]
    fn what_differs_is_told() {
        let (granted, used) = (set(&["a:Put", "a:Drop"]), set(&["a:Put", "a:Move"]));
        assert_eq!(missing(&granted, &used, &[]), ["used and not granted: a:Move"]);
        assert!(missing(&granted, &used, &[("a:Move", "")]).is_empty());
        assert_eq!(unused(&granted, &used, &[]), ["granted and never used: a:Drop"]);
        assert!(unused(&granted, &used, &[("a:Drop", "")]).is_empty());
        let old = unused(&granted, &used, &[("a:Drop", ""), ("a:Put", ""), ("a:Gone", "")]);
        assert_eq!(old, ["a row of what no test reaches is granted no more: a:Gone"]);
    }
}
