//! What was applied last, as data: read by linking and reporting, kept in the group's `IngressGroup` object.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{Ingress, IngressSpec};
use sha2::{Digest, Sha256};

use crate::kinds::{IngressGroup, Key, LastGood};
use crate::stack::Desired;
use crate::world::ClassifiedMember;

/// The input of a member, as the ledger keeps it: annotations that mean something here and the spec.
#[must_use]
pub fn input_of(ingress: &Ingress) -> LastGood {
    let key = Key::of(&ingress.metadata);
    let annotations = ingress.metadata.annotations.iter().flatten();
    LastGood {
        namespace: key.namespace,
        name: key.name,
        annotations: annotations
            .filter(|(key, _)| key.starts_with(crate::annotation::PREFIX) || *key == crate::world::LEGACY_CLASS)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        spec: ingress.spec.as_ref().and_then(|spec| serde_json::to_string(spec).ok()).unwrap_or_default(),
    }
}

fn entry<'l>(ledger: Option<&'l IngressGroup>, key: &Key) -> Option<&'l LastGood> {
    let kept = &ledger?.status.as_ref()?.last_good;
    kept.iter().find(|one| one.namespace == key.namespace && one.name == key.name)
}

/// Whether a member is as it was when it was last linked.
#[must_use]
pub fn is_unchanged(ledger: Option<&IngressGroup>, member: &ClassifiedMember) -> bool {
    entry(ledger, &member.key()).is_some_and(|kept| *kept == input_of(&member.ingress))
}

/// The member as it was when it was last linked, if that is another state than its present one.
#[must_use]
pub fn last_good(ledger: Option<&IngressGroup>, member: &ClassifiedMember) -> Option<ClassifiedMember> {
    let kept = entry(ledger, &member.key())?;
    if *kept == input_of(&member.ingress) {
        return None;
    }
    let spec: IngressSpec = serde_json::from_str(&kept.spec).ok()?;
    let mut ingress = (*member.ingress).clone();
    let foreign = ingress.metadata.annotations.take().unwrap_or_default();
    let foreign = foreign.into_iter().filter(|(key, _)| !key.starts_with(crate::annotation::PREFIX));
    ingress.metadata.annotations = Some(foreign.chain(kept.annotations.clone()).collect::<BTreeMap<_, _>>());
    ingress.spec = Some(spec);
    Some(ClassifiedMember { ingress: Arc::new(ingress), class: member.class.clone() })
}

/// SHA-256 over the desired state, in hexadecimal digits.
#[must_use]
pub fn fingerprint(desired: &Desired) -> String {
    // A struct of plain maps and lists always has a JSON form.
    let text = serde_json::to_vec(desired).unwrap_or_default();
    Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect()
}
