//! What the metadata of every object has to be.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validation`, `ValidateObjectMeta`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::super::schema::Misfit;
use super::{Found, is_label};
use crate::annotation::names;
use crate::annotation::parse::shown;
use crate::kinds::{MAX_ANNOTATION_BYTES, annotation_bytes};

/// Finalizers without a domain.
const STANDARD: [&str; 3] = ["foregroundDeletion", "orphan", "kubernetes"];

impl Found {
    /// What every object's metadata has to be.
    pub(super) fn metadata(&mut self, meta: &ObjectMeta) {
        if let Some(namespace) = meta.namespace.as_deref().filter(|name| !name.is_empty() && !is_label(name)) {
            let message = format!("`{}` can't be a namespace's name", shown(namespace));
            self.add("metadata.namespace", message, "use lower-case letters, digits and `-`, at most 63");
        }
        for (key, value) in meta.labels.iter().flatten() {
            if let Some(fault) = names::label_key(key).or_else(|| names::label_value(value)) {
                self.add(format!("metadata.labels[{key}]"), fault, "correct or remove the label");
            }
        }
        for key in meta.annotations.iter().flatten().map(|(key, _)| key) {
            // The name before the slash is not case-sensitive.
            if names::label_key(&key.to_ascii_lowercase()).is_some() {
                let message = format!("`{}` can't be an annotation's key", shown(key));
                let fix = "write DOMAIN/NAME with at most 63 letters, digits, `-`, `_` and `.` behind the slash";
                self.0.push(Misfit {
                    path: format!("metadata.annotations[{key}]"),
                    key: true,
                    message,
                    fix: fix.to_owned(),
                });
            }
        }
        self.finalizers(meta);
        self.owners(meta);
        let bytes = annotation_bytes(meta);
        if bytes > MAX_ANNOTATION_BYTES {
            let message =
                format!("the annotations have {bytes} bytes together, an object takes {MAX_ANNOTATION_BYTES}");
            self.add("metadata.annotations", message, "write shorter annotations, or several Ingresses of one group");
        }
    }

    pub(super) fn name(&mut self, meta: &ObjectMeta, kind: &str, fits: fn(&str) -> bool, words: &str) {
        let begin = meta.generate_name.as_deref().filter(|begin| !begin.is_empty());
        if let Some(begin) = begin.filter(|begin| !fits(&without_last_dash(begin))) {
            let message = format!("`{}` can't be the beginning of the name of {kind}", shown(begin));
            self.add("metadata.generateName", message, format!("use {words}; a `-` may be its end"));
        }
        // Without a name, the generated one stands in its place.
        let name = meta.name.as_deref().filter(|name| !name.is_empty() && Some(*name) != begin);
        if let Some(name) = name.filter(|name| !fits(name)) {
            self.add("metadata.name", format!("`{}` can't be the name of {kind}", shown(name)), format!("use {words}"));
        }
    }

    fn finalizers(&mut self, meta: &ObjectMeta) {
        let all = meta.finalizers.as_deref().unwrap_or_default();
        for (index, name) in all.iter().enumerate() {
            let is_known = name.contains('/') || STANDARD.contains(&name.as_str());
            if !is_known || names::label_key(name).is_some() {
                let message = format!("`{}` can't be a finalizer", shown(name));
                self.add(format!("metadata.finalizers[{index}]"), message, "write DOMAIN/NAME, or remove it");
            }
        }
        if ["foregroundDeletion", "orphan"].iter().all(|name| all.iter().any(|other| other == name)) {
            let message = "the finalizers foregroundDeletion and orphan exclude each other";
            self.add("metadata.finalizers", message, "remove one of them");
        }
    }

    fn owners(&mut self, meta: &ObjectMeta) {
        let owners = meta.owner_references.as_deref().unwrap_or_default();
        let controllers = owners.iter().filter(|owner| owner.controller == Some(true)).count();
        if controllers > 1 {
            let message = format!("{controllers} owners are the controller of the object");
            self.add("metadata.ownerReferences", message, "write controller: true for one of them at most");
        }
        for (index, owner) in owners.iter().enumerate() {
            let fields = [("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)];
            for (field, _) in fields.iter().filter(|(_, value)| value.is_empty()) {
                let at = format!("metadata.ownerReferences[{index}].{field}");
                self.add(at, format!("the owner has no {field}"), format!("write the {field} of the owner"));
            }
            if owner.api_version.is_empty() || owner.api_version.matches('/').count() > 1 {
                let at = format!("metadata.ownerReferences[{index}].apiVersion");
                let message = format!("`{}` can't be an API version", shown(&owner.api_version));
                self.add(at, message, "write the apiVersion of the owner");
            }
            if (owner.api_version.as_str(), owner.kind.as_str()) == ("v1", "Event") {
                let message = "an Event can't be the owner of an object";
                self.add(format!("metadata.ownerReferences[{index}]"), message, "remove it");
            }
        }
    }
}

/// The beginning of a name, as it is checked: what is generated follows a dash.
fn without_last_dash(begin: &str) -> String {
    match begin.strip_suffix('-').and_then(|rest| rest.char_indices().last().map(|(end, _)| rest.get(..end))) {
        Some(rest) => format!("{}a", rest.unwrap_or_default()),
        None => begin.to_owned(),
    }
}
