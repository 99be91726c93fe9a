//! Match conditions in CEL: which requests the API server sends at all. They hold when no replica is up, so what they
//! leave out can never be refused.
//!
//! `object` and `oldObject` are untyped here: reading a field that is absent is an error, and an error refuses the
//! request under `Fail`. So every optional field is asked for with `has` first. `oldObject` is null on CREATE.

use crate::annotation::{LEGACY_CLASS, PREFIX};

/// Every annotation that says something to us begins with one of these, or is [`LEGACY_CLASS`].
const PREFIXES: [&str; 2] = [PREFIX, "albedo.dev/"];

/// The object isn't being deleted: finalizers can always be removed.
pub(super) fn not_deleting() -> String {
    "!has(object.metadata.deletionTimestamp)".to_owned()
}

/// The request isn't `user`'s.
pub(super) fn not_user(user: &str) -> String {
    format!("request.userInfo.username != {}", quoted(user))
}

/// The class is one of `classes`, after the request or before it: an Ingress that leaves us is reviewed as well.
pub(super) fn own(classes: &[String]) -> String {
    let classes = classes.iter().map(|class| quoted(class)).collect::<Vec<_>>().join(", ");
    format!("[object, oldObject].exists(o, o != null && {} in [{classes}])", class_of("o"))
}

/// Not [`own`], and a key of ours or no class, after the request or before it.
pub(super) fn others(classes: &[String]) -> String {
    format!(
        "!{} && [object, oldObject].exists(o, o != null && ({} == '' || has(o.metadata.annotations) && \
         o.metadata.annotations.exists(k, k.startsWith({}))))",
        own(classes),
        class_of("o"),
        quoted(PREFIX),
    )
}

/// The request creates, or changes the spec or an annotation that says something to us. Labels, finalizers, status and
/// other people's annotations (among them kubectl's copy of the manifest) don't count.
pub(super) fn changed() -> String {
    let ours = PREFIXES.map(|prefix| format!("k.startsWith({})", quoted(prefix))).join(" || ");
    format!(
        "oldObject == null || \
         (has(object.spec) ? object.spec : {{}}) != (has(oldObject.spec) ? oldObject.spec : {{}}) || \
         [[object, oldObject], [oldObject, object]].exists(p, has(p[0].metadata.annotations) && \
         p[0].metadata.annotations.exists(k, (k == {class} || {ours}) && !(has(p[1].metadata.annotations) && \
         k in p[1].metadata.annotations && p[1].metadata.annotations[k] == p[0].metadata.annotations[k])))",
        class = quoted(LEGACY_CLASS),
    )
}

/// The class name of the object in variable `o`, or an empty text; the legacy annotation goes before the field, as it
/// does when the class is resolved.
fn class_of(o: &str) -> String {
    let class = quoted(LEGACY_CLASS);
    format!(
        "(has({o}.metadata.annotations) && {class} in {o}.metadata.annotations ? {o}.metadata.annotations[{class}] : \
         has({o}.spec) && has({o}.spec.ingressClassName) ? {o}.spec.ingressClassName : '')"
    )
}

/// A CEL string literal.
fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => literal.extend(['\\', c]),
            c if c.is_control() => literal.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}
