//! What a member that takes no part names in AWS that is known not to be there: it hears of all that keeps it out.

use super::Linker;
use crate::annotation::PREFIX;
use crate::compile::{Fragment, SubnetsAsk};
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};

impl Linker<'_> {
    /// A finding for each annotation of a member that names a subnet or security group which the facts do not have.
    pub(super) fn absent(&self, member: &Fragment) -> Vec<Finding> {
        let subject = ObjectRef::ingress(&member.key.namespace, &member.key.name);
        let finding = |code, suffix: &str, message: String| {
            Finding::new(code, subject.clone(), FieldPath::annotation(&format!("{PREFIX}{suffix}")), message)
                .effect(Effect::MemberSetAside)
        };
        let mut findings = Vec::new();
        let known = self.input.facts.subnets.as_ref();
        if let (Some(SubnetsAsk::Annotated(list)), Some(known)) = (&member.load_balancer.subnets, known)
            && let Err(fault) = self.named(list, &known.value)
        {
            let age = known.age(self.input.now);
            findings.push(finding(fault.code, "subnets", fault.message).value(&fault.value).age(age));
        }
        if let (_, Some(missing)) = self.find_groups(&member.load_balancer.security_groups) {
            let found = finding(Code::SecurityGroupNotFound, "security-groups", missing.message);
            findings.push(found.value(&missing.value).age(missing.age));
        }
        findings
    }
}
