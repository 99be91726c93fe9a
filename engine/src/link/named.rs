//! What a member that takes no part names in AWS that is known not to be there: it hears of all that keeps it out.

use super::{Input, security_groups, subnets};
use crate::annotation::catalogue::{SECURITY_GROUPS, SUBNETS};
use crate::annotation::{SettingRow, Source, Subnets};
use crate::compile::Fragment;
use crate::finding::{Code, Effect, Finding};

/// A finding for each annotation of a member that names a subnet or security group which the facts do not have.
pub(super) fn absent(input: Input<'_>, member: &Fragment) -> Vec<Finding> {
    let subject = member.key.ingress();
    let finding = |code, row: &SettingRow, message: String| {
        Finding::new(code, subject.clone(), row.path(), message).effect(Effect::MemberQuarantined)
    };
    let mut findings = Vec::new();
    let known = input.facts.subnets.as_ref();
    let named = member.values.resolved(&SUBNETS).filter(|subnets| subnets.source != Source::Class);
    if let (Some(Subnets::Named(list)), Some(known)) = (named.map(|subnets| subnets.value), known)
        && let Err(fault) = subnets::named(input, &list, &known.value)
    {
        let age = known.age(input.now);
        findings.push(finding(fault.code, &SUBNETS.row, fault.message).value(&fault.value).age(age));
    }
    let groups = member.values.get(&SECURITY_GROUPS).unwrap_or_default();
    if let (_, Some(missing)) = security_groups::find(input, &groups) {
        let found = finding(Code::SecurityGroupNotFound, &SECURITY_GROUPS.row, missing.message);
        findings.push(found.value(&missing.value).age(missing.age));
    }
    findings
}
