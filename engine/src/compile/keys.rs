//! Keys under our prefix that nothing reads, and those that this version does not act on yet.

use super::Compiler;
use crate::annotation::{PREFIX, catalogue, nearest};
use crate::finding::{Code, FieldPath, Finding};

/// Keys that are known and not acted on yet.
const NOT_YET: [&str; 9] = [
    "wafv2-acl-arn",
    "wafv2-acl-name",
    "waf-acl-id",
    "web-acl-id",
    "shield-advanced-protection",
    "minimum-load-balancer-capacity",
    "enable-frontend-nlb",
    "create-acm-cert",
    "acm-pca-arn",
];

impl Compiler<'_> {
    pub(super) fn check_keys(&mut self) {
        for (suffix, value) in self.reader.suffixes() {
            match catalogue::row(suffix) {
                None => self.unknown_key(suffix, value),
                Some(_) if NOT_YET.contains(&suffix) || suffix.starts_with("frontend-nlb-") => {
                    let message = format!("{suffix} is not provisioned by this version");
                    self.reader.refuse(Code::NotYetProvisioned, suffix, value, message);
                }
                Some(_) => {}
            }
        }
    }

    fn unknown_key(&mut self, suffix: &str, value: &str) {
        // The key itself is what is wrong, so it is the value that the message shows.
        let path = FieldPath::annotation(&format!("{PREFIX}{suffix}"));
        let subject = crate::finding::ObjectRef::ingress(&self.key.namespace, &self.key.name);
        let near = nearest::nearest(suffix);
        let message = format!("unknown annotation {PREFIX}{suffix}");
        let mut finding = Finding::new(Code::UnknownAnnotation, subject, path, message).value(value);
        match near {
            Some(near) => {
                finding.mend = near.to_string();
                finding.allowed = near.key.into_iter().collect();
            }
            None => finding.mend = "remove it: nothing reads it".to_owned(),
        }
        self.reader.push(finding);
    }
}
