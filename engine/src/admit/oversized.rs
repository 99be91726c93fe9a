//! The answer to an object that is too large to be decoded.

use super::registration::Kind;
use super::verdict::{answer_about, policy_for};
use super::{Audit, Context, Details, Mode, Object, Operation, Request, ReviewAnswer, VALUES, configuration};
use crate::compile::PATHS;
use crate::finding::{Code, FieldPath, Finding, ObjectRef};

/// Refuses a new object. A stored object that was too large before can be edited: the fault is not new, and it is not built.
pub(super) fn answer(request: &Request, values: usize, context: Context<'_>) -> ReviewAnswer {
    let kind = match (request.row.resource, configuration::row(request.row.resource)) {
        ("ingresses", _) => "Ingress",
        ("targetgroupbindings", _) => "TargetGroupBinding",
        (_, Some(row)) => row.kind,
        // Other objects are never decoded.
        (_, None) => return ReviewAnswer::allow(),
    };
    let policy = policy_for(&request.namespace, context);
    if request.operation == Operation::Delete || request.row.kind == Kind::Mutating || policy.mode == Mode::Off {
        return ReviewAnswer::allow();
    }
    let subject = ObjectRef::new(kind, &request.namespace, &request.name);
    let message = format!(
        "the object has {values} JSON values; at most {VALUES} are read, and an Ingress with {PATHS} paths has about half of them"
    );
    let mut finding = Finding::new(Code::OversizedIngress, subject, FieldPath::at("spec"), message);
    if kind != "Ingress" {
        finding = finding.fix("remove values from the object");
    }
    let about = Details {
        kind: kind.to_owned(),
        name: request.name.clone(),
        group: request.row.group.to_owned(),
        causes: Vec::new(),
    };
    let mut answer = answer_about(about, &request.namespace, &[finding], &[], &policy, false);
    if matches!(request.old_object, Some(Object::Oversized(_))) && !answer.allowed {
        let warned = Audit { warned: std::mem::take(&mut answer.audit.denied), ..answer.audit };
        answer = ReviewAnswer { warnings: vec![answer.message], audit: warned, ..ReviewAnswer::allow() };
    }
    answer
}
