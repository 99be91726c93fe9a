//! Members whose input is too large for the ledger: they are told that there is nothing to go back to.

use super::Linker;
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::ledger;

impl Linker<'_> {
    pub(super) fn report_unremembered(&mut self) {
        let members = &self.input.view.members;
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
            let subject = ObjectRef::ingress(&key.namespace, &key.name);
            self.report(&key, Finding::new(Code::NotRemembered, subject, FieldPath::at("spec"), message));
        }
    }
}
