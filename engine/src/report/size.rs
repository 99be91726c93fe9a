//! The size of the ledger: Kubernetes stores no object of more than 1.5 MiB. What can be computed again is left out first.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::kinds::{IngressGroupStatus, MemberFinding};
use crate::ledger;

/// The most bytes of a status, as JSON. The rest is enough for metadata.
const MOST: usize = 1 << 20;

/// What is left out, one step after the other, until the rest fits.
const STEPS: [fn(&mut IngressGroupStatus); 6] = [
    |status| shorten(status, 10, 500),
    |status| shorten(status, 1, 200),
    |status| shorten(status, 0, 0),
    |status| {
        let inputs = std::mem::take(&mut status.last_good);
        status.last_good = inputs.into_iter().map(ledger::digest_of).collect();
    },
    |status| status.members.iter_mut().for_each(|member| member.uid.clear()),
    // The list of members contains them.
    |status| {
        let known: BTreeSet<(&str, &str)> =
            status.members.iter().map(|member| (member.namespace.as_str(), member.name.as_str())).collect();
        status.last_good.retain(|one| !known.contains(&(one.namespace.as_str(), one.name.as_str())));
    },
];

/// Reduces a status until it fits into an object.
pub(super) fn fit(status: &mut IngressGroupStatus) {
    for step in STEPS {
        if bytes(status) <= MOST {
            return;
        }
        step(status);
    }
}

/// Bytes of JSON.
pub(super) fn bytes(of: &impl Serialize) -> usize {
    serde_json::to_vec(of).map_or(0, |json| json.len())
}

/// Limits the findings of each member, and the characters of each finding.
fn shorten(status: &mut IngressGroupStatus, findings: usize, characters: usize) {
    for member in &mut status.members {
        member.findings.truncate(findings);
        for MemberFinding { message, .. } in &mut member.findings {
            if let Some((end, _)) = message.char_indices().nth(characters) {
                message.truncate(end);
                message.push('…');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{LastGood, MemberStatus};

    fn status(members: usize, findings: usize, spec: usize) -> IngressGroupStatus {
        let member = |number: usize| MemberStatus {
            namespace: "ns".to_owned(),
            name: format!("member-{number}"),
            uid: "u".repeat(36),
            state: "Linked".to_owned(),
            findings: vec![
                MemberFinding {
                    code: "ALB001".to_owned(),
                    message: "é".repeat(1_000),
                    ..MemberFinding::default()
                };
                findings
            ],
        };
        let input = |number: usize| LastGood {
            namespace: "ns".to_owned(),
            name: format!("member-{number}"),
            spec: "\"".repeat(spec),
            ..LastGood::default()
        };
        IngressGroupStatus {
            members: (0..members).map(member).collect(),
            last_good: (0..members).map(input).collect(),
            ..IngressGroupStatus::default()
        }
    }

    #[test]
    fn whatever_it_holds_it_fits_and_knows_its_members() {
        for (members, findings, spec) in
            [(2, 1_000, 10), (2, 10, 1_200_000), (300, 20, 5_000), (5_000, 0, 10), (5_000, 3, 200)]
        {
            let mut status = status(members, findings, spec);
            fit(&mut status);
            assert!(bytes(&status) <= MOST, "{members} {findings} {spec}: {}", bytes(&status));
            let known: BTreeSet<_> = status.known_members().collect();
            assert_eq!(known.len(), members);
        }
        let mut small = status(100, 2, 1_000);
        let before = small.clone();
        fit(&mut small);
        assert_eq!(small, before, "what fits stays as it is");
    }
}
