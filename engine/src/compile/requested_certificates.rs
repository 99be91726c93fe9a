//! Certificates that the predecessor requests from ACM, behind its gate `EnableCertificateManagement`. This version requests
//! none: with the gate shut the annotations are ignored, as there; with it open a member that relies on them waits.

use super::Compiler;
use crate::annotation::parse;
use crate::finding::{Code, Effect};
use crate::settings::Gate;

const CREATE: &str = "create-acm-cert";
const AUTHORITY: &str = "acm-pca-arn";

impl Compiler<'_> {
    pub(super) fn check_requested_certificates(&mut self) {
        let gate = Gate::EnableCertificateManagement;
        let open = self.settings().gate(gate);
        let why = if open {
            "this version requests no certificates"
        } else {
            "it is ignored while the feature gate EnableCertificateManagement is off, and this version requests no certificates"
        };
        // What cannot be read counts as false.
        let asked = self.reader.raw(CREATE).filter(|raw| parse::go_bool(raw).unwrap_or_default());
        if let Some(raw) = asked {
            // A certificate that is named is used, and none requested, there too.
            let relied_on = open && self.reader.list("certificate-arn").is_none();
            let finding = self.reader.refuse(Code::NotYetProvisioned, CREATE, raw, format!("{CREATE}: {why}"));
            finding.effect = if relied_on { Effect::MemberQuarantined } else { Effect::Nothing };
        }
        if let Some(raw) = self.reader.raw(AUTHORITY) {
            self.reader.refuse(Code::NotYetProvisioned, AUTHORITY, raw, format!("{AUTHORITY}: {why}"));
        }
    }
}
