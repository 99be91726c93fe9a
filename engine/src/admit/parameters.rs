//! The verdict on an `IngressClassParams` object: its new faults, before any Ingress uses it.

use serde_json::Value;

use super::verdict::answer_about;
use super::{Details, Mode, Policy, ReviewAnswer};
use crate::annotation::params::{self, Fault};
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::kinds::IngressClassParams;

/// The verdict on an object, given the new and the stored one. The schema of the CRD has checked the new one already.
pub(super) fn validate(
    object: &Value,
    old: Option<&Value>,
    name: &str,
    policy: &Policy,
    extra_attributes: &[String],
) -> ReviewAnswer {
    let faults = |object: &Value| -> Vec<Fault> {
        let read: Result<IngressClassParams, _> = serde_json::from_value(object.clone());
        read.map_or_else(|_| Vec::new(), |params| params::check(&params.spec, extra_attributes))
    };
    let before = old.map(faults).unwrap_or_default();
    if policy.mode == Mode::Off {
        return ReviewAnswer::allow();
    }
    let subject = ObjectRef::new("IngressClassParams", "", name);
    let found: Vec<Finding> = faults(object)
        .into_iter()
        .filter(|fault| !before.contains(fault))
        .map(|fault| {
            let doubtful = fault.error.unfamiliar && !fault.refused;
            let code = if doubtful { Code::UnfamiliarValue } else { Code::InvalidParameters };
            Finding::new(code, subject.clone(), FieldPath::at(fault.path), fault.error.message).help(fault.error.help)
        })
        .collect();
    let about = Details {
        kind: subject.kind.clone(),
        name: name.to_owned(),
        group: "elbv2.k8s.aws".to_owned(),
        causes: Vec::new(),
    };
    answer_about(about, "", &found, &[], policy, false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(spec: &Value) -> Value {
        json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams", "metadata": {"name": "own"}, "spec": spec})
    }

    #[test]
    fn what_is_new_and_wrong_is_refused() {
        let policy = Policy::default();
        let bad = object(&json!({"inboundCIDRs": ["10.0.0.1"], "sslRedirectPort": "yes"}));
        let answer = validate(&bad, None, "own", &policy, &[]);
        assert!(!answer.allowed && answer.code == 422);
        assert!(
            answer
                .message
                .starts_with("IngressClassParams.elbv2.k8s.aws \"own\" is invalid: spec.inboundCIDRs[0]: ALB032")
        );
        assert_eq!(answer.details.map(|details| details.causes.len()), Some(1));
        // Those of a class that are stored with these work; LBC's webhook refuses new ones.
        let odd = json!({"inboundCIDRs": ["10.0.0.1/8"], "subnets": {"tags": {"a": ["b", "b"]}}});
        assert_eq!(
            validate(&object(&odd), None, "own", &policy, &[]).details.map(|details| details.causes.len()),
            Some(2)
        );
        // sslRedirectPort, which only switches the redirect off, is a warning.
        assert_eq!(answer.warnings.len(), 1);
        assert!(validate(&bad, Some(&bad), "own", &policy, &[]).allowed);
        assert!(validate(&object(&json!({"scheme": "internal"})), None, "own", &policy, &[]).allowed);
        assert!(validate(&json!("odd"), None, "own", &policy, &[]).allowed);
        assert!(validate(&bad, None, "own", &Policy { mode: Mode::Off, ..policy }, &[]).allowed);
    }
}
