//! Match conditions in CEL: which requests the API server sends at all. They apply even if no replica is up, so requests that they
//! exclude can never be refused.
//!
//! `object` and `oldObject` are untyped here: reading a field that is absent is an error, and an error refuses the
//! request under `Fail`. So every optional field is tested with `has` first. `oldObject` is null on CREATE.

use crate::annotation::{LEGACY_CLASS, PREFIX};

/// Every annotation that Albedo reads begins with one of these, or is [`LEGACY_CLASS`].
const PREFIXES: [&str; 2] = [PREFIX, "albedo.dev/"];

/// The object is not being deleted: it must always be possible to remove finalizers.
pub(super) fn not_deleting() -> String {
    "!has(object.metadata.deletionTimestamp)".to_owned()
}

/// The condition holds, or the request deletes the object.
pub(super) fn or_deleted(condition: &str) -> String {
    format!("object == null || ({condition})")
}

/// The request is not from `user`.
pub(super) fn not_user(user: &str) -> String {
    format!("request.userInfo.username != {}", quoted(user))
}

/// The class is one of `classes`, after the request or before it: an Ingress that changes to another controller is reviewed, too.
pub(super) fn own(classes: &[String]) -> String {
    let classes = classes.iter().map(|class| quoted(class)).collect::<Vec<_>>().join(", ");
    format!("[object, oldObject].exists(o, o != null && {} in [{classes}])", class_of("o"))
}

/// Not [`own`], and with a key of ours or without a class, after the request or before it.
pub(super) fn others(classes: &[String]) -> String {
    format!(
        "!{} && [object, oldObject].exists(o, o != null && ({} == '' || has(o.metadata.annotations) && \
         o.metadata.annotations.exists(k, k.startsWith({}))))",
        own(classes),
        class_of("o"),
        quoted(PREFIX),
    )
}

/// The request creates an object, or changes the spec or an annotation that Albedo reads. Labels, finalizers, status and
/// other annotations (such as kubectl's copy of the manifest) don't count.
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

/// The class name of the object in variable `o`, or an empty text. The legacy annotation has precedence over the field, as
/// in the resolution of classes.
fn class_of(o: &str) -> String {
    let class = quoted(LEGACY_CLASS);
    format!(
        "(has({o}.metadata.annotations) && {class} in {o}.metadata.annotations ? {o}.metadata.annotations[{class}] : \
         has({o}.spec) && has({o}.spec.ingressClassName) ? {o}.spec.ingressClassName : '')"
    )
}

/// A CEL string literal.
pub(super) fn quoted(text: &str) -> String {
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
