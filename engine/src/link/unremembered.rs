//! Members whose input is too large for the ledger: they are told that there is nothing to go back to.

use super::findings::Findings;
use crate::finding::{Code, FieldPath, Finding};
use crate::ledger;
use crate::world::View;

pub(super) fn report(view: &View, findings: &mut Findings) {
    let members = &view.members;
    let weights: Vec<usize> = members.iter().map(|member| ledger::weight(&member.ingress)).collect();
    for at in ledger::left_out(&weights) {
        let Some((member, weight)) = members.get(at).zip(weights.get(at)) else { continue };
        let key = member.key();
        let kib = |bytes: usize| bytes.div_ceil(1024);
        let message = format!(
            "it takes about {} KiB of the group's ledger, which has room for {} KiB of one Ingress and {} KiB of all: what it \
             asks for is not remembered",
            kib(*weight),
            kib(ledger::SHARE),
            kib(ledger::WHOLE)
        );
        findings.report(&key, Finding::new(Code::NotRemembered, key.ingress(), FieldPath::at("spec"), message));
    }
}
