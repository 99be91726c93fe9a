//! Prefix lists that the managed security group lets in and that do not exist.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::group::Group;
use crate::annotation::Source;
use crate::annotation::catalogue::SECURITY_GROUP_PREFIX_LISTS;
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::stack::{Desired, PeerSource};

/// Tells each member that names a prefix list which the account does not have. AWS has the last word.
pub(super) fn check(group: Group<'_>, desired: &Desired, findings: &mut Findings) {
    let Some(known) = &group.input.facts.prefix_lists else { return };
    let sources = desired.security_group.iter().flat_map(|group| &group.ingress).map(|rule| &rule.source);
    let named = sources.filter_map(|source| match source {
        PeerSource::PrefixList(id) => Some(id),
        _ => None,
    });
    let missing: BTreeSet<&String> = named.filter(|id| !known.value.contains_key(*id)).collect();
    for fragment in group.fragments().filter(|_| !missing.is_empty()) {
        let Some(named) = fragment.values.resolved(&SECURITY_GROUP_PREFIX_LISTS) else { continue };
        for id in named.value.iter().filter(|id| missing.contains(id)) {
            let of_class = fragment.params.as_ref().filter(|_| named.source == Source::Class);
            let path = match of_class {
                Some(_) => FieldPath::at("spec.ingressClassName"),
                None => SECURITY_GROUP_PREFIX_LISTS.row.path(),
            };
            let params = of_class.and_then(|params| params.metadata.name.as_deref());
            let params = params.map(|name| ObjectRef::new("IngressClassParams", "", name));
            let message = format!("couldn't find prefix list {id} in this account and region");
            let finding = Finding::new(Code::PrefixListNotFound, fragment.key.ingress(), path, message);
            findings.report(&fragment.key, finding.value(id).related(params).age(known.age(group.input.now)));
        }
    }
}
