//! How large an Ingress may be to be compiled at all: whoever writes a larger one pays for it alone, before it costs memory or time.

use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::finding::{Code, FieldPath, Finding};
use crate::kinds::{Key, MAX_ANNOTATION_BYTES, annotation_bytes};

/// Most paths, in all rules together. AWS's quota of rules is 100 for a load balancer and can be raised to a few hundred:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>.
pub const PATHS: usize = 2_000;
/// Most findings that are kept of one Ingress. Nobody reads more, and each costs memory.
pub const FINDINGS: usize = 1_000;

/// Why an Ingress is too large to be compiled.
pub(super) fn check(ingress: &Ingress) -> Option<Finding> {
    let finding = |at: &str, message: String| {
        let key = Key::of(&ingress.metadata);
        let subject = key.ingress();
        Finding::new(Code::OversizedIngress, subject, FieldPath::at(at), message)
    };
    let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
    // A rule without paths counts, too: it is looked at.
    let paths: usize = rules.map(|rule| rule.http.as_ref().map_or(1, |http| http.paths.len().max(1))).sum();
    if paths > PATHS {
        return Some(finding("spec.rules", format!("the Ingress has {paths} paths; at most {PATHS} are read")));
    }
    let bytes = annotation_bytes(&ingress.metadata);
    (bytes > MAX_ANNOTATION_BYTES).then(|| {
        finding(
            "metadata.annotations",
            format!("the annotations have {bytes} bytes; Kubernetes stores at most {MAX_ANNOTATION_BYTES}"),
        )
        .fix("shorten or remove annotations")
    })
}

/// The Ingress without spec and annotations.
pub(super) fn emptied(ingress: &Ingress) -> Ingress {
    let meta = &ingress.metadata;
    Ingress {
        metadata: ObjectMeta {
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            creation_timestamp: meta.creation_timestamp.clone(),
            ..ObjectMeta::default()
        },
        ..Ingress::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;
    use crate::finding::{Effect, ObjectRef};

    fn ingress(paths: usize, rules: usize, annotation: usize) -> Ingress {
        let path = serde_json::json!({"path": "/", "pathType": "Exact", "backend": {}});
        let mut all = vec![serde_json::json!({"http": {"paths": vec![path; paths]}})];
        all.extend(vec![serde_json::json!({"host": "a.example.com"}); rules]);
        let annotations = serde_json::json!({"k": "v".repeat(annotation)});
        serde_json::from_value(serde_json::json!({"metadata": {"annotations": annotations}, "spec": {"rules": all}}))
            .unwrap()
    }

    #[test]
    fn paths_rules_and_annotations_are_bounded() {
        let code = |ingress: &Ingress| check(ingress).map(|finding| finding.path.to_string());
        assert_eq!(code(&ingress(PATHS, 0, 0)), None);
        assert_eq!(code(&ingress(PATHS + 1, 0, 0)).as_deref(), Some("spec.rules"));
        assert_eq!(code(&ingress(1, PATHS - 1, 0)), None);
        assert_eq!(code(&ingress(1, PATHS, 0)).as_deref(), Some("spec.rules"));
        assert_eq!(code(&ingress(1, 0, MAX_ANNOTATION_BYTES - 1)), None);
        assert_eq!(code(&ingress(1, 0, MAX_ANNOTATION_BYTES)).as_deref(), Some("metadata.annotations"));
    }

    #[test]
    fn findings_are_bounded_and_the_one_that_keeps_out_stays() {
        let mut reader = Reader::new(ObjectRef::ingress("shop", "web"), None, false, &[]);
        for n in 0..3 * FINDINGS {
            reader.report(Code::UnknownAnnotation, n.to_string(), "x".repeat(10_000)).effect = Effect::Nothing;
        }
        reader.report(Code::UnknownAnnotation, "out", "x").effect = Effect::MemberQuarantined;
        reader.report(Code::UnknownAnnotation, "last", "x").effect = Effect::Nothing;
        let findings = reader.finish();
        assert_eq!(findings.len(), FINDINGS + 1);
        assert!(findings.last().is_some_and(|finding| finding.path.to_string() == "out"));
        assert!(findings.iter().all(|finding| finding.message.len() < 5_000));
    }
}
