//! Names of load balancers that another group gives its own.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::group::Group;
use crate::annotation::Source;
use crate::annotation::catalogue::LOAD_BALANCER_NAME;
use crate::finding::{Code, Finding};

/// Tells each member that names the load balancer like a member of another group that came first. A load balancer that exists has its name
/// already.
pub(super) fn check(group: Group<'_>, findings: &mut Findings) {
    if group.input.existing.is_some() {
        return;
    }
    for fragment in group.fragments() {
        let Some(other) = group.input.view.namesakes.get(&fragment.key) else { continue };
        let named = fragment.values.resolved(&LOAD_BALANCER_NAME).filter(|named| named.source != Source::Class);
        let Some(named) = named else { continue };
        let message = format!(
            "{other} of another group has the load balancer {}: AWS has one of each name in an account and region",
            named.value
        );
        let path = LOAD_BALANCER_NAME.row.path();
        let finding = Finding::new(Code::NameInUse, fragment.key.ingress(), path, message);
        // Whoever is in another namespace has not told its name to this one.
        let readers = BTreeSet::from([fragment.key.namespace.clone()]);
        let outline = "another Ingress of the cluster has a load balancer of this name";
        let finding = match other.namespace == fragment.key.namespace {
            true => finding.known_to(readers, outline),
            false => Finding { message: outline.to_owned(), ..finding },
        };
        let related = Some(other.ingress()).filter(|_| other.namespace == fragment.key.namespace);
        findings.report(&fragment.key, finding.value(&named.value).related(related));
    }
}
