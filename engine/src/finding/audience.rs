//! Who may read which part of a finding: only the namespace of a value may read it.
//!
//! The texts of a finding quote values of its subject. By default, only the namespace of the subject may
//! read them. A finding about several members of a group sets who may read it ([`Finding::known_to`]), and what all others read
//! instead. Names of Ingresses are not protected: who shares a load balancer must know with whom.

use std::collections::BTreeSet;

use super::{FieldPath, Finding, ObjectRef};

/// Namespaces that may read a text.
pub type Readers = BTreeSet<String>;

/// Who may read the full finding, and what the others read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Audience {
    readers: Readers,
    /// The message for the others, without values of a namespace.
    outline: String,
}

impl Finding {
    /// Only these namespaces may read the texts of the finding. All others, even the one of its subject, read `outline`.
    #[must_use]
    pub fn known_to(mut self, readers: Readers, outline: impl Into<String>) -> Self {
        self.audience = Some(Box::new(Audience { readers, outline: outline.into() }));
        self
    }

    /// The namespaces that may read the texts of the finding; `None`: everybody may, because its object belongs to no namespace.
    #[must_use]
    pub fn readers(&self) -> Option<Readers> {
        match &self.audience {
            Some(audience) => Some(audience.readers.clone()),
            None if self.subject.namespace.is_empty() => None,
            None => Some(Readers::from([self.subject.namespace.clone()])),
        }
    }

    /// The finding as a namespace may read it. All texts for authors (reviews, events) go through this function.
    #[must_use]
    pub fn told_to(&self, namespace: &str) -> Self {
        if self.readers().is_none_or(|readers| readers.contains(namespace)) {
            return self.clone();
        }
        let row = self.code.row();
        let is_own = self.subject.namespace == namespace;
        let outline = match &self.audience {
            Some(audience) => audience.outline.clone(),
            None => format!("{} ({})", row.title, self.subject),
        };
        // Other objects are named only by what all members of a group may know.
        let named = |object: &&ObjectRef| object.namespace.is_empty() || object.kind == "Ingress" || is_own;
        Self {
            path: if is_own { self.path.clone() } else { self.path.without_names() },
            place: None,
            value: None,
            allowed: Vec::new(),
            related: self.related.iter().filter(named).cloned().collect(),
            message: outline,
            fix: if self.is_acknowledged { self.fix.clone() } else { row.fix.to_owned() },
            audience: None,
            ..self.clone()
        }
    }
}

impl FieldPath {
    /// The path without the key of the annotation: some keys contain a name that their author chose.
    fn without_names(&self) -> Self {
        if self.annotation_key().is_some() { Self::at("metadata.annotations") } else { self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;

    fn finding(namespace: &str) -> Finding {
        let path = FieldPath::annotation("alb.ingress.kubernetes.io/actions.marker");
        Finding::new(Code::GroupConflict, ObjectRef::ingress(namespace, "web"), path, "marker against marker")
            .value("marker")
            .allowed(["marker"])
            .fix("write marker")
            .related([ObjectRef::new("Service", namespace, "marker"), ObjectRef::ingress("b", "api")])
    }

    #[test]
    fn values_are_read_in_their_namespace_alone() {
        let own = finding("a");
        assert_eq!(own.told_to("a"), own);
        let told = own.told_to("b");
        assert!(!format!("{told:?}").contains("marker"), "{told:?}");
        assert!(told.message.contains("Ingress a/web"), "{told:?}");
        let both = finding("a").known_to(Readers::from(["b".to_owned()]), "a says one thing and b another");
        assert_eq!(both.told_to("b"), both);
        let told = both.told_to("a");
        assert_eq!(told.message, "a says one thing and b another");
        assert_eq!((&told.value, told.allowed.len()), (&None, 0));
        assert_eq!(finding("").told_to("b"), finding(""), "what belongs to no namespace");
    }
}
