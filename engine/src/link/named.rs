//! What a member that takes no part names in AWS that is known not to be there: it hears of all that keeps it out.

use super::Linker;
use crate::annotation::catalogue::{SECURITY_GROUPS, SUBNETS};
use crate::annotation::{SettingRow, Source, Subnets};
use crate::compile::Fragment;
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};

impl Linker<'_> {
    /// A finding for each annotation of a member that names a subnet or security group which the facts do not have.
    pub(super) fn absent(&self, member: &Fragment) -> Vec<Finding> {
        let subject = ObjectRef::ingress(&member.key.namespace, &member.key.name);
        let finding = |code, row: &SettingRow, message: String| {
            Finding::new(code, subject.clone(), FieldPath::annotation(&row.full_key()), message)
                .effect(Effect::MemberQuarantined)
        };
        let mut findings = Vec::new();
        let known = self.input.facts.subnets.as_ref();
        let subnets = member.values.resolved(&SUBNETS).filter(|subnets| subnets.source != Source::Class);
        if let (Some(Subnets::Named(list)), Some(known)) = (subnets.map(|subnets| subnets.value), known)
            && let Err(fault) = self.named(&list, &known.value)
        {
            let age = known.age(self.input.now);
            findings.push(finding(fault.code, &SUBNETS.row, fault.message).value(&fault.value).age(age));
        }
        let groups = member.values.get(&SECURITY_GROUPS).unwrap_or_default();
        if let (_, Some(missing)) = self.find_groups(&groups) {
            let found = finding(Code::SecurityGroupNotFound, &SECURITY_GROUPS.row, missing.message);
            findings.push(found.value(&missing.value).age(missing.age));
        }
        findings
    }
}
