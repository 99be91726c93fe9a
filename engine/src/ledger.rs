//! The ledger: what was applied last, as data. Linking and reporting read it; the `IngressGroup` object of the group stores it.

mod share;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{Ingress, IngressSpec};
use sha2::{Digest, Sha256};

use crate::kinds::{IngressGroup, Key, LastGood};
use crate::stack::Desired;
use crate::world::ClassifiedMember;

pub use share::{SHARE, WHOLE, left_out, weight};

/// The input of a member, as the ledger records it: the annotations that Albedo reads, and the spec.
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
        digest: String::new(),
    }
}

/// The digest of an input, to recognise it. The ledger records only this of an input that is too large.
#[must_use]
pub fn digest_of(input: LastGood) -> LastGood {
    if !input.digest.is_empty() {
        return input;
    }
    // Maps of texts always have a JSON form.
    let content = serde_json::to_vec(&(&input.annotations, &input.spec)).unwrap_or_default();
    LastGood { digest: hexadecimal(&content), annotations: BTreeMap::new(), spec: String::new(), ..input }
}

fn hexadecimal(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn entry<'l>(ledger: Option<&'l IngressGroup>, key: &Key) -> Option<&'l LastGood> {
    let kept = &ledger?.status.as_ref()?.last_good;
    kept.iter().find(|one| one.namespace == key.namespace && one.name == key.name)
}

/// A member compared with what was linked last.
#[derive(Debug, Clone)]
pub enum Standing {
    /// It was not linked before, or there is no record.
    New,
    /// It is unchanged.
    Unchanged,
    /// It has changed: the member as it was.
    Changed(Box<ClassifiedMember>),
}

/// Compares a member with what was linked last. A recorded input that cannot be read counts as none.
#[must_use]
pub fn standing(ledger: Option<&IngressGroup>, member: &ClassifiedMember) -> Standing {
    let Some(kept) = entry(ledger, &member.key()) else { return Standing::New };
    let input = input_of(&member.ingress);
    if !kept.digest.is_empty() {
        // Only the digest is recorded: it shows whether the input is the same, not what it was.
        return if *kept == digest_of(input) { Standing::Unchanged } else { Standing::New };
    }
    if *kept == input {
        return Standing::Unchanged;
    }
    let Ok(spec) = serde_json::from_str::<IngressSpec>(&kept.spec) else { return Standing::New };
    let mut ingress = (*member.ingress).clone();
    let foreign = ingress.metadata.annotations.take().unwrap_or_default();
    let foreign = foreign.into_iter().filter(|(key, _)| !key.starts_with(crate::annotation::PREFIX));
    ingress.metadata.annotations = Some(foreign.chain(kept.annotations.clone()).collect::<BTreeMap<_, _>>());
    ingress.spec = Some(spec);
    Standing::Changed(Box::new(ClassifiedMember { ingress: Arc::new(ingress), class: member.class.clone() }))
}

/// SHA-256 over the desired state, in hexadecimal digits.
#[must_use]
pub fn fingerprint(desired: &Desired) -> String {
    // A struct of plain maps and lists always has a JSON form.
    let text = serde_json::to_vec(desired).unwrap_or_default();
    hexadecimal(&text)
}
