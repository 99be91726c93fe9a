//! Which group an Ingress belongs to: one of its own, or one that it names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Tags;

/// The identity of a group of Ingresses that share one load balancer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupId {
    /// Named by `group.name`, across namespaces.
    Explicit(String),
    /// The group of one Ingress.
    Implicit {
        /// The Ingress's namespace.
        namespace: String,
        /// The Ingress's name.
        name: String,
    },
}

/// Whose finalizer keeps an Ingress until what was made for it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// LBC and Albedo alike: a cluster can switch from one to the other.
    Shared,
    /// Albedo alone. LBC deletes the load balancer of every Ingress that has the shared finalizer and a class that is not LBC's.
    Albedo,
}

impl Holder {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Shared, Self::Albedo];

    fn domain(self) -> &'static str {
        match self {
            Self::Shared => "ingress.k8s.aws",
            Self::Albedo => "ingress.albedo.dev",
        }
    }
}

impl GroupId {
    /// The finalizer of a holder on members.
    #[must_use]
    pub fn finalizer(&self, holder: Holder) -> String {
        let domain = holder.domain();
        match self {
            Self::Explicit(name) => format!("group.{domain}/{name}"),
            Self::Implicit { .. } => format!("{domain}/{IMPLICIT}"),
        }
    }

    /// The group that a finalizer on the Ingress `namespace`/`name` stands for, if it is the holder's.
    #[must_use]
    pub fn of_finalizer(finalizer: &str, namespace: &str, name: &str, holder: Holder) -> Option<Self> {
        let (domain, rest) = finalizer.split_once('/')?;
        if domain == holder.domain() && rest == IMPLICIT {
            return Some(Self::Implicit { namespace: namespace.to_owned(), name: name.to_owned() });
        }
        let named = domain.strip_prefix("group.") == Some(holder.domain());
        named.then(|| Self::Explicit(rest.to_owned()))
    }

    /// The group that members name, of an `IngressGroup` object; `None` for that of a lone Ingress.
    #[must_use]
    pub fn explicit_of_object(name: &str) -> Option<Self> {
        // At most 63 characters: never so long that the object's name ends in a hash.
        name.strip_prefix("group.").map(|group| Self::Explicit(group.to_owned()))
    }

    /// The labels of the group's bindings, exactly these.
    #[must_use]
    pub fn binding_labels(&self) -> Tags {
        match self {
            Self::Explicit(name) => Tags::from([("ingress.k8s.aws/stack".to_owned(), name.clone())]),
            Self::Implicit { namespace, name } => Tags::from([
                ("ingress.k8s.aws/stack-namespace".to_owned(), namespace.clone()),
                ("ingress.k8s.aws/stack-name".to_owned(), name.clone()),
            ]),
        }
    }

    /// Whether the members name the group.
    #[must_use]
    pub fn is_explicit(&self) -> bool {
        matches!(self, Self::Explicit(_))
    }

    /// The name of the group's `IngressGroup` object: `group.NAME` or `ingress.NAMESPACE.NAME`. A namespace has no
    /// dots, so no two groups share one; a name too long for an object ends in a hash.
    #[must_use]
    pub fn object_name(&self) -> String {
        let full = match self {
            Self::Explicit(name) => format!("group.{name}"),
            Self::Implicit { namespace, name } => format!("ingress.{namespace}.{name}"),
        };
        if full.len() <= 253 {
            full
        } else {
            format!("{}.{}", super::names::cut(&full, 240), super::names::digest(&[&full]))
        }
    }
}

/// The name part of the finalizer of an Ingress that is a group of its own.
const IMPLICIT: &str = "resources";

/// The value of the tag `ingress.k8s.aws/stack`, and a part of every name.
impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit(name) => f.write_str(name),
            Self::Implicit { namespace, name } => write!(f, "{namespace}/{name}"),
        }
    }
}
