//! Members that get requests first which a member of another namespace would have got: a lower order is all that it takes. Both are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::findings::Findings;
use crate::compile::Origin;
use crate::finding::{Code, FieldPath, Finding, Readers};
use crate::stack::Listener;
use crate::traffic::{Owner, taken};

/// Reports who takes requests on a listener, in groups of several namespaces.
pub(super) fn report(listener: &Listener, origins: &[Arc<Origin>], findings: &mut Findings) {
    let mut namespaces = BTreeMap::new();
    let mut members = BTreeMap::new();
    let owners: Vec<Owner> = origins
        .iter()
        .map(|origin| {
            let (next, one) = (namespaces.len(), members.len());
            let party = *namespaces.entry(origin.key.namespace.as_str()).or_insert(next);
            Owner { party, member: *members.entry(&origin.key).or_insert(one) }
        })
        .collect();
    if namespaces.len() < 2 {
        return;
    }
    for (first, later) in taken(listener, &owners) {
        if let (Some(taker), Some(victim)) = (origins.get(first), origins.get(later)) {
            findings.report(&taker.key, finding(listener.port, taker, victim));
        }
    }
}

fn finding(port: u16, taker: &Origin, victim: &Origin) -> Finding {
    let message = format!(
        "on port {port} it may take requests first that would go to Ingress {}, {}: it stands before it in the group",
        victim.key, victim.path
    );
    // Places in the two specs: neither reads a value of the other.
    let readers = Readers::from([taker.key.namespace.clone(), victim.key.namespace.clone()]);
    Finding::new(Code::TakesRequests, taker.key.ingress(), FieldPath::at(&taker.path), message.clone())
        .related([victim.key.ingress()])
        .known_to(readers, message)
}
