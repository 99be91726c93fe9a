//! Keys under our prefix that nothing reads, and values that nothing read.

use super::Compiler;
use crate::annotation::{PREFIX, catalogue, check, nearest};
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};

/// Keys whose values are checked by what reads them, in this group or class.
const NOT_CHECKED: [&str; 2] = ["group.name", "subnets"];

/// The code of a fault in a value, by the key or family.
fn code_of(key: &str) -> Code {
    const CODES: [(&str, Code); 17] = [
        ("scheme", Code::InvalidScheme),
        ("target-type", Code::InvalidTargetType),
        ("certificate-arn", Code::InvalidCertificateArn),
        ("listen-ports", Code::InvalidListenPorts),
        ("group.order", Code::InvalidGroupOrder),
        ("actions.", Code::InvalidAction),
        ("conditions.", Code::InvalidCondition),
        ("transforms.", Code::InvalidTransform),
        ("auth-type", Code::InvalidAuthentication),
        ("auth-idp-oidc", Code::InvalidAuthentication),
        ("auth-idp-cognito", Code::InvalidAuthentication),
        ("jwt-validation", Code::InvalidAuthentication),
        ("mutual-authentication", Code::InvalidAuthentication),
        ("inbound-cidrs", Code::InvalidCidr),
        ("load-balancer-name", Code::InvalidName),
        ("ssl-redirect", Code::InvalidSslRedirect),
        ("tags", Code::InvalidTags),
    ];
    CODES.iter().find(|(name, _)| *name == key).map_or(Code::InvalidValue, |(_, code)| *code)
}

impl Compiler<'_> {
    pub(super) fn check_keys(&mut self) {
        for (suffix, value) in self.reader.suffixes() {
            if catalogue::row(suffix).is_none() {
                self.unknown_key(suffix, value);
            }
        }
    }

    /// Values that nothing read, of an action that no path uses, say, and what AWS is known to refuse although it could be
    /// read. They change nothing in AWS: what could be read was, and AWS has the last word on the rest.
    pub(super) fn check_values(&mut self) {
        for (suffix, value) in self.reader.suffixes() {
            let Some(row) = catalogue::row(suffix) else { continue };
            let path = FieldPath::annotation(&format!("{PREFIX}{suffix}"));
            if NOT_CHECKED.contains(&row.key) || self.reader.findings.iter().any(|finding| finding.path == path) {
                continue;
            }
            for error in check(row, value) {
                self.reader.fault(suffix, value, code_of(row.key), error).effect = Effect::Nothing;
            }
        }
    }

    fn unknown_key(&mut self, suffix: &str, value: &str) {
        // The key itself is what is wrong, so it is the value that the message shows.
        let path = FieldPath::annotation(&format!("{PREFIX}{suffix}"));
        let subject = ObjectRef::ingress(&self.key.namespace, &self.key.name);
        let near = nearest(suffix);
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
