//! Members that get requests first which a member of another namespace would have got: a lower order is all that it takes. Both are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Linker, Origin};
use crate::finding::{Code, FieldPath, Finding, ObjectRef, Readers};
use crate::kinds::Key;
use crate::stack::Listener;
use crate::traffic::{Owner, taken};

impl Linker<'_> {
    /// Reports who takes requests on a listener, in groups of several namespaces.
    pub(super) fn report_takeovers(&mut self, listener: &Listener, origins: &[Arc<Origin>]) {
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
        let found: Vec<(Key, Finding)> = taken(listener, &owners)
            .into_iter()
            .filter_map(|(first, later)| {
                let (taker, victim) = (origins.get(first)?, origins.get(later)?);
                Some((taker.key.clone(), finding(listener.port, taker, victim)))
            })
            .collect();
        for (key, finding) in found {
            self.report(&key, finding);
        }
    }
}

fn finding(port: u16, taker: &Origin, victim: &Origin) -> Finding {
    let of = |origin: &Origin| ObjectRef::ingress(&origin.key.namespace, &origin.key.name);
    let message = format!(
        "on port {port} it may take requests first that would go to Ingress {}, {}: it stands before it in the group",
        victim.key, victim.path
    );
    // Places in the two specs: neither reads a value of the other.
    let readers = Readers::from([taker.key.namespace.clone(), victim.key.namespace.clone()]);
    Finding::new(Code::TakesRequests, of(taker), FieldPath::at(&taker.path), message.clone())
        .related([of(victim)])
        .known_to(readers, message)
}
