//! Who reads a finding, and what of it: values of a namespace are told to that namespace alone.
//!
//! A finding's texts quote values of the object that is wrong. Unless the finding says otherwise, only the namespace of that object
//! reads them. A finding on several members of a group says who may read it ([`Finding::known_to`]), and what all others read
//! instead. Names of Ingresses are no values: who shares a load balancer has to know with whom.

use std::collections::BTreeSet;

use super::{FieldPath, Finding, ObjectRef};

/// Namespaces that may read a text.
pub type Readers = BTreeSet<String>;

/// Who reads a finding as it is, and what the others read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Audience {
    readers: Readers,
    /// The message for the others: without any value of a namespace.
    outline: String,
}

impl Finding {
    /// Only these namespaces may read the texts of the finding. All others, its own included, read `outline`.
    #[must_use]
    pub fn known_to(mut self, readers: Readers, outline: impl Into<String>) -> Self {
        self.audience = Some(Box::new(Audience { readers, outline: outline.into() }));
        self
    }

    /// The namespaces that may read the texts of the finding; `None`: everybody may, its object belongs to no namespace.
    #[must_use]
    pub fn readers(&self) -> Option<Readers> {
        match &self.audience {
            Some(audience) => Some(audience.readers.clone()),
            None if self.subject.namespace.is_empty() => None,
            None => Some(Readers::from([self.subject.namespace.clone()])),
        }
    }

    /// The finding as somebody of a namespace may read it. Whatever speaks to authors (reviews, events) speaks through this.
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
        // Where others are named at all, it is by what a group's members have in common.
        let named = |object: &&ObjectRef| object.namespace.is_empty() || object.kind == "Ingress" || is_own;
        Self {
            path: if is_own { self.path.clone() } else { self.path.without_names() },
            place: None,
            value: None,
            allowed: Vec::new(),
            related: self.related.iter().filter(named).cloned().collect(),
            message: outline,
            mend: if self.is_acknowledged { self.mend.clone() } else { row.mend.to_owned() },
            audience: None,
            ..self.clone()
        }
    }
}

impl FieldPath {
    /// The path without the key of an annotation: a part of some keys is a name that their author chose.
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
            .mend("write marker")
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
