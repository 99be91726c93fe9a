//! What is wrong with an object, as data: code, subject, field path, value, allowed values, fix and effect.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod audience;
mod codes;

pub use audience::{Audience, Readers};
pub use codes::{CODES, Certainty, Code, CodeRow};

/// The effect of a finding on AWS. It is separate from the verdict: an unknown key is refused at
/// `kubectl apply` and changes nothing for an object that is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// The member is provisioned as without the finding.
    Nothing,
    /// AWS keeps what it has for the part that is not possible; the rest of the group, including this member, is updated.
    PartKept,
    /// The member is left out of its group, or linked from its last good input; the other members are updated.
    MemberQuarantined,
    /// Nothing of the group changes until this is fixed.
    GroupBlocked,
}

impl Effect {
    const ALL: [Self; 4] = [Self::Nothing, Self::PartKept, Self::MemberQuarantined, Self::GroupBlocked];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "Nothing",
            Self::PartKept => "PartKept",
            Self::MemberQuarantined => "MemberQuarantined",
            Self::GroupBlocked => "GroupBlocked",
        }
    }

    /// The effect of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.name() == name)
    }

    /// Whether the present input of the member is not used.
    #[must_use]
    pub fn keeps_out(self) -> bool {
        matches!(self, Self::MemberQuarantined | Self::GroupBlocked)
    }
}

/// The source of the fact behind a finding, which decides the verdict (`ALB0xx` … `ALB3xx`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The object alone.
    Static,
    /// Other objects of the cluster.
    Cluster,
    /// What AWS holds.
    Aws,
    /// What an edit would do to an existing ALB.
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

/// A part of the value of an annotation, to be underlined.
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

/// One fault, with everything that a message needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The stable code.
    pub code: Code,
    /// The object to fix.
    pub subject: ObjectRef,
    /// Other objects that are concerned: another member with a different value, the Service that does not exist.
    pub related: Vec<ObjectRef>,
    /// The field of the subject.
    pub path: FieldPath,
    /// The part of the value of the annotation, unless it is the whole value.
    pub place: Option<Place>,
    /// The value, cut at [`Finding::VALUE_LIMIT`] characters; never a secret.
    pub value: Option<String>,
    /// The values that would be accepted, if they can be listed.
    pub allowed: Vec<String>,
    /// What is wrong, lower case, without the path.
    pub message: String,
    /// How to fix it.
    pub fix: String,
    /// Its effect on AWS.
    pub effect: Effect,
    /// Age of the AWS fact that it rests on.
    pub age: Option<Duration>,
    /// It denies although its code only warns about absent objects, because the operator decided so.
    pub firm: bool,
    /// It only warns although its code denies, because the operator decided so or because it is not new.
    #[serde(skip)]
    pub lenient: bool,
    /// The author has acknowledged the consequence.
    #[serde(skip)]
    pub is_acknowledged: bool,
    /// The namespaces that may read its texts, if it is not only that of the subject.
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
            fix: code.row().fix.to_owned(),
            effect: code.row().effect,
            age: None,
            firm: false,
            lenient: false,
            is_acknowledged: false,
            audience: None,
        }
    }

    /// Sets the value, cut to the limit.
    #[must_use]
    pub fn value(mut self, value: &str) -> Self {
        self.value = Some(cut(value, Self::VALUE_LIMIT));
        self
    }

    /// Sets the values that would be accepted.
    #[must_use]
    pub fn allowed<S: Into<String>>(mut self, allowed: impl IntoIterator<Item = S>) -> Self {
        self.allowed = allowed.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a fix for this fault, instead of that of its code.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// Sets the fix for this fault, if there is one.
    #[must_use]
    pub fn help(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.fix(help),
            None => self,
        }
    }

    /// Sets the other objects that are concerned.
    #[must_use]
    pub fn related(mut self, related: impl IntoIterator<Item = ObjectRef>) -> Self {
        self.related.extend(related);
        self
    }

    /// Sets an effect other than that of its code.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Sets the place in the value of the annotation.
    #[must_use]
    pub fn place(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// Sets the age of the fact that it rests on.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// The whole finding in one line, without the path: the text of a cause of a denial.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}", self.code, self.message);
        // The message names an item of a list. Only a pointer, or the point where the parser stopped, must be added.
        if let Some(place) = self.place.as_ref().filter(|place| !place.pointer.is_empty() || place.length <= 1) {
            text.push_str(&format!(" (at {place})"));
        }
        if let Some(age) = self.age {
            text.push_str(&format!(" (seen in AWS {})", ago(age)));
        }
        if !self.fix.is_empty() {
            text.push_str("; ");
            text.push_str(&self.fix);
        }
        text
    }
}

/// An age in the largest unit of which there are at least two.
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

/// A text, cut at a number of characters.
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
