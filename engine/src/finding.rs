//! What is wrong with an object, as data: code, subject, field path, value, allowed values, mend and effect.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod audience;
mod codes;

pub use audience::{Audience, Readers};
pub use codes::{CODES, Code, CodeRow};

/// What a finding changes in AWS. It is separate from the verdict at the door: an unknown key is refused at
/// `kubectl apply` and changes nothing for an object that is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// The member is provisioned as if the finding were not there.
    Nothing,
    /// What AWS has in the place of what cannot be had stays as it is; the rest of the group goes on, this member included.
    PartKept,
    /// The member is left out of its group (or linked from its last good input); the others go on.
    MemberSetAside,
    /// Nothing of the group changes until this is mended.
    GroupBlocked,
}

impl Effect {
    const ALL: [Self; 4] = [Self::Nothing, Self::PartKept, Self::MemberSetAside, Self::GroupBlocked];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "Nothing",
            Self::PartKept => "PartKept",
            Self::MemberSetAside => "MemberSetAside",
            Self::GroupBlocked => "GroupBlocked",
        }
    }

    /// The effect of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.name() == name)
    }

    /// Whether the member takes no part with what it asks for.
    #[must_use]
    pub fn keeps_out(self) -> bool {
        matches!(self, Self::MemberSetAside | Self::GroupBlocked)
    }
}

/// How sure the fact behind a finding is, which decides the verdict (`ALB0xx` … `ALB3xx`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The object alone.
    Static,
    /// Other objects of the cluster.
    Cluster,
    /// What AWS holds.
    Aws,
    /// What a change would do to an ALB that exists.
    Consequence,
}

/// A Kubernetes object by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Kind, as in `kind:` of a manifest.
    pub kind: String,
    /// Namespace; empty for what is cluster-scoped.
    pub namespace: String,
    /// Name; may be empty under `generateName`.
    pub name: String,
}

impl ObjectRef {
    /// A reference to `kind` `namespace`/`name`.
    #[must_use]
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// A reference to an Ingress.
    #[must_use]
    pub fn ingress(namespace: &str, name: &str) -> Self {
        Self::new("Ingress", namespace, name)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// The path of a field in an object, in the form that Kubernetes uses in its own messages:
/// `spec.rules[0].http.paths[1].path`, `metadata.annotations[alb.ingress.kubernetes.io/scheme]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldPath(pub String);

impl FieldPath {
    /// The path of an annotation.
    #[must_use]
    pub fn annotation(key: &str) -> Self {
        Self(format!("metadata.annotations[{key}]"))
    }

    /// A path given as text.
    #[must_use]
    pub fn at(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// The annotation key that this path names, if it names one.
    #[must_use]
    pub fn annotation_key(&self) -> Option<&str> {
        self.0.strip_prefix("metadata.annotations[")?.split(']').next()
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stretch of an annotation's value: what is to be underlined.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// JSON pointer (RFC 6901) to it, when the value is JSON and can be read; else empty.
    pub pointer: String,
    /// Offset of its first byte from the start of the value.
    pub offset: usize,
    /// Its length in bytes; 0 at the end of the value, where something is missing.
    pub length: usize,
    /// The line of the value that it begins in, from 1.
    pub line: usize,
    /// The character of that line that it begins with, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            f.write_str(&self.pointer)
        } else if self.line > 1 {
            write!(f, "line {}, column {}", self.line, self.column)
        } else {
            write!(f, "column {}", self.column)
        }
    }
}

/// One thing that is wrong, complete in itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The stable code.
    pub code: Code,
    /// The object that has to be mended.
    pub subject: ObjectRef,
    /// Objects that take part: a sibling with another value, the Service that is not there.
    pub related: Vec<ObjectRef>,
    /// Where in the subject.
    pub path: FieldPath,
    /// Where in the annotation's value, when that is narrower than all of it.
    pub place: Option<Place>,
    /// The value found there, cut at [`Finding::VALUE_LIMIT`] characters; never a secret.
    pub value: Option<String>,
    /// What would be accepted, where that can be listed.
    pub allowed: Vec<String>,
    /// What is wrong, lower case, without the path.
    pub message: String,
    /// What to write instead.
    pub mend: String,
    /// What it changes in AWS.
    pub effect: Effect,
    /// Age of the AWS fact that it rests on.
    pub age: Option<Duration>,
    /// The operator has decided that what is absent is wrong: it denies although its code only warns.
    pub firm: bool,
    /// The Ingress says that the consequence is meant.
    #[serde(skip)]
    pub is_acknowledged: bool,
    /// Who reads its texts, if that is not the subject's namespace.
    #[serde(skip)]
    pub audience: Option<Box<Audience>>,
}

impl Finding {
    /// Longest value that a finding carries, in characters.
    pub const VALUE_LIMIT: usize = 200;

    /// Longest message, in characters.
    pub const MESSAGE_LIMIT: usize = 1000;

    /// A finding with the effect that its code has by default.
    #[must_use]
    pub fn new(code: Code, subject: ObjectRef, path: FieldPath, message: impl Into<String>) -> Self {
        Self {
            code,
            subject,
            related: Vec::new(),
            path,
            place: None,
            value: None,
            allowed: Vec::new(),
            message: cut(&message.into(), Self::MESSAGE_LIMIT),
            mend: code.row().mend.to_owned(),
            effect: code.row().effect,
            age: None,
            firm: false,
            is_acknowledged: false,
            audience: None,
        }
    }

    /// With the value that was found, cut at a sane length.
    #[must_use]
    pub fn value(mut self, value: &str) -> Self {
        self.value = Some(cut(value, Self::VALUE_LIMIT));
        self
    }

    /// With the values that would be accepted.
    #[must_use]
    pub fn allowed<S: Into<String>>(mut self, allowed: impl IntoIterator<Item = S>) -> Self {
        self.allowed = allowed.into_iter().map(Into::into).collect();
        self
    }

    /// With a mend of its own instead of its code's.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }

    /// With the fix that is known for this very fault, if one is.
    #[must_use]
    pub fn help(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.mend(help),
            None => self,
        }
    }

    /// With objects that take part.
    #[must_use]
    pub fn related(mut self, related: impl IntoIterator<Item = ObjectRef>) -> Self {
        self.related.extend(related);
        self
    }

    /// With an effect other than its code's.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// With the place in the annotation's value.
    #[must_use]
    pub fn place(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// With the age of the fact that it rests on.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// The whole of it in one line, without the path: what a cause of a denial says.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}", self.code, self.message);
        // Of an item of a list the message says which; a pointer, or the point where reading stopped, has to be told.
        if let Some(place) = self.place.as_ref().filter(|place| !place.pointer.is_empty() || place.length <= 1) {
            text.push_str(&format!(" (at {place})"));
        }
        if let Some(age) = self.age {
            text.push_str(&format!(" (seen in AWS {})", ago(age)));
        }
        if !self.mend.is_empty() {
            text.push_str("; ");
            text.push_str(&self.mend);
        }
        text
    }
}

/// An age as people say it, in the largest unit that leaves two at least.
#[must_use]
pub fn ago(age: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "days"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = age.as_secs();
    let unit = UNITS.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    match unit {
        Some((unit, word)) => format!("{} {word} ago", seconds / unit),
        None => "just now".to_owned(),
    }
}

/// At most so many characters of a text.
fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_units_for_people() {
        for (seconds, text) in [
            (0, "just now"),
            (45, "45 s ago"),
            (180, "3 min ago"),
            (7_300, "2 h ago"),
            (90_000, "25 h ago"),
            (1_000_000, "11 days ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }
}
