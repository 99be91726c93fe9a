//! What the audit log of the API server gets to know of a review: a few annotations, whose number and size have a bound.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Mode;
use crate::finding::{Code, Finding};

/// The most policies that are named.
const POLICIES: usize = 10;

/// What decided a review.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Codes of findings that denied.
    pub denied: BTreeSet<Code>,
    /// Codes of findings that warned.
    pub warned: BTreeSet<Code>,
    /// What becomes of findings in this namespace; `None` if the object could not be decoded.
    pub mode: Option<Mode>,
    /// Names of the `IngressPolicy` objects that findings are about.
    pub policies: BTreeSet<String>,
    /// Whether a finding rests on facts of AWS: they should be read again.
    pub rests_on_facts: bool,
    /// The age of the facts: the oldest that a finding rests on, or else of the subnets. `None`: nothing is known of the account.
    pub facts_age: Option<Duration>,
    /// Settings that were written into the object, by their keys without the prefix.
    pub defaults: BTreeSet<String>,
}

impl Audit {
    /// Notes findings that denied, or that warned.
    pub(super) fn note(&mut self, denying: &[&Finding], warning: &[&Finding]) {
        self.denied.extend(denying.iter().map(|finding| finding.code));
        self.warned.extend(warning.iter().map(|finding| finding.code));
        for finding in denying.iter().chain(warning) {
            let policies = finding.related.iter().filter(|object| object.kind == "IngressPolicy");
            self.policies.extend(policies.map(|object| object.name.clone()));
            self.facts_age = self.facts_age.max(finding.age);
        }
        self.rests_on_facts = self.facts_age.is_some();
    }

    /// The annotations. The API server writes the name of the webhook before each key.
    #[must_use]
    pub fn annotations(&self, took: Duration) -> BTreeMap<&'static str, String> {
        let mut annotations = BTreeMap::from([("milliseconds", took.as_millis().to_string())]);
        let mut lists = vec![("denied-by", codes(&self.denied)), ("warned-of", codes(&self.warned))];
        lists.push(("defaults", self.defaults.iter().cloned().collect::<Vec<_>>().join(",")));
        let policies: Vec<&str> = self.policies.iter().take(POLICIES).map(String::as_str).collect();
        let more = self.policies.len().saturating_sub(POLICIES);
        let more = if more > 0 { format!(",and {more} more") } else { String::new() };
        lists.push(("policies", policies.join(",") + &more));
        annotations.extend(lists.into_iter().filter(|(_, list)| !list.is_empty()));
        if let Some(mode) = self.mode {
            annotations.insert("mode", mode.as_str().to_owned());
            annotations.insert("facts-used", self.rests_on_facts.to_string());
            let age = self.facts_age.map_or_else(|| "none".to_owned(), |age| age.as_secs().to_string());
            annotations.insert("facts-age-seconds", age);
        }
        annotations
    }
}

/// There are as many codes as rows in the table, so a list of them has a bound.
fn codes(codes: &BTreeSet<Code>) -> String {
    codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{CODES, FieldPath, ObjectRef};

    fn finding(code: Code) -> Finding {
        Finding::new(code, ObjectRef::ingress("shop", "front"), FieldPath::at("spec"), "m")
    }

    #[test]
    fn what_decided_is_told() {
        let old = finding(Code::CertificateNotFound).age(Duration::from_secs(90));
        let young = finding(Code::SubnetsNotFound).age(Duration::from_secs(9));
        let policies = (0..12).map(|number| ObjectRef::new("IngressPolicy", "", &format!("policy-{number:02}")));
        let broken = finding(Code::UnknownAnnotation).related(policies);
        let mut audit = Audit { mode: Some(Mode::Enforce), ..Audit::default() };
        audit.note(&[&old, &broken], &[&young]);
        audit.facts_age = audit.facts_age.or(Some(Duration::from_secs(1)));
        let told = audit.annotations(Duration::from_millis(7));
        assert_eq!(told["denied-by"], format!("{},{}", Code::UnknownAnnotation, Code::CertificateNotFound));
        assert_eq!(told["warned-of"], Code::SubnetsNotFound.to_string());
        assert_eq!((told["facts-used"].as_str(), told["facts-age-seconds"].as_str()), ("true", "90"));
        assert_eq!((told["mode"].as_str(), told["milliseconds"].as_str()), ("enforce", "7"));
        assert!(told["policies"].ends_with("policy-09,and 2 more") && !told.contains_key("defaults"), "{told:?}");
    }

    #[test]
    fn the_annotations_have_a_bound() {
        let every: BTreeSet<Code> = CODES.iter().map(|row| row.code).collect();
        let audit = Audit { denied: every.clone(), warned: every, mode: Some(Mode::Off), ..Audit::default() };
        let told = audit.annotations(Duration::MAX);
        assert!(told.values().all(|value| value.len() < 4096), "{told:?}");
        assert_eq!(told["facts-age-seconds"], "none");
        // As the API server has it: the part of a qualified name after the slash.
        let is_name = |key: &str| key.len() < 64 && key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(told.keys().all(|key| is_name(key)));
    }
}
