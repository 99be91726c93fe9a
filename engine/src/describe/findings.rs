//! The faults of an Ingress: findings from the ledger, and findings computed here.

use serde::Serialize;

use crate::finding::{Code, Effect, Finding, Tier};
use crate::kinds::{Key, MemberFinding, MemberStatus};

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// The finding's code; absent where AWS or Kubernetes refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The Ingress to fix, `namespace/name`, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<String>,
    /// The field; empty if there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Its effect on AWS, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Who found it.
    pub seen_by: SeenBy,
}

/// Who found a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeenBy {
    /// The reconciler, and the objects still show it.
    Both,
    /// The reconciler, and the objects do not show it any more.
    Controller,
    /// Only the objects; the reconciler has not seen it yet.
    Now,
}

impl Fault {
    /// A refusal by AWS or Kubernetes.
    pub(super) fn refusal(message: &str) -> Self {
        Self {
            code: None,
            ingress: None,
            path: String::new(),
            message: message.to_owned(),
            effect: None,
            seen_by: SeenBy::Both,
        }
    }
}

/// The findings of a member. `present`: the reconciler has seen its present input; `whole`: all its objects could be read.
pub(super) fn of_member(entry: Option<&MemberStatus>, now: &[Finding], whole: bool) -> Vec<Fault> {
    let told = entry.into_iter().flat_map(|entry| &entry.findings);
    let same = |code: &str, path: &str| {
        now.iter().find(|finding| finding.code.to_string() == code && finding.path.to_string() == path)
    };
    let mut faults: Vec<Fault> = told
        .map(|told| {
            let found = same(&told.code, &told.path);
            let code = Code::parse(&told.code);
            // A finding that rests on AWS cannot be computed here.
            let could = whole && code.is_some_and(|code| matches!(code.row().tier, Tier::Static | Tier::Cluster));
            Fault {
                code: Some(told.code.clone()),
                ingress: None,
                path: told.path.clone(),
                message: without_code(&told.code, &told.message).to_owned(),
                effect: effect(told).or_else(|| found.map(|found| found.effect)),
                seen_by: if found.is_none() && could { SeenBy::Controller } else { SeenBy::Both },
            }
        })
        .collect();
    for finding in now {
        let (code, path) = (finding.code.to_string(), finding.path.to_string());
        let known = faults.iter().any(|fault| fault.code.as_deref() == Some(&code) && fault.path == path);
        if known || !whole && finding.code.row().tier != Tier::Static {
            continue;
        }
        faults.push(Fault {
            message: without_code(&code, &Finding { age: None, ..finding.clone() }.text()).to_owned(),
            code: Some(code),
            ingress: None,
            path,
            effect: Some(finding.effect),
            seen_by: SeenBy::Now,
        });
    }
    faults
}

/// Findings of other members that keep the whole group as it is.
pub(super) fn of_siblings(key: &Key, members: &[MemberStatus]) -> Vec<Fault> {
    let others = members.iter().filter(|member| member.namespace != key.namespace || member.name != key.name);
    let blocking = others.flat_map(|member| member.findings.iter().map(move |finding| (member, finding)));
    let blocking = blocking.filter(|(_, finding)| effect(finding) == Some(Effect::GroupBlocked));
    let fault = |(member, finding): (&MemberStatus, &MemberFinding)| Fault {
        code: Some(finding.code.clone()),
        ingress: Some(format!("{}/{}", member.namespace, member.name)),
        path: finding.path.clone(),
        message: without_code(&finding.code, &finding.message).to_owned(),
        effect: Some(Effect::GroupBlocked),
        seen_by: SeenBy::Both,
    };
    blocking.map(fault).collect()
}

/// What a finding of the reconciler changes in AWS; one that does not say so, what its code does by itself.
fn effect(told: &MemberFinding) -> Option<Effect> {
    Effect::parse(&told.effect).or_else(|| Code::parse(&told.code).map(|code| code.row().effect))
}

fn without_code<'m>(code: &str, message: &'m str) -> &'m str {
    message.strip_prefix(code).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message)
}
