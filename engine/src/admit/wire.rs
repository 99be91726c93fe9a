//! An `AdmissionReview` as bytes: read tolerantly, the uid first, and answered in a form that kubectl prints well.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::registration::WebhookRow;
use super::{Cause, Details, Object, Operation, PatchOp, Request, ReviewAnswer, VALUES};

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// Longest warning in characters; the API server cuts longer ones anywhere.
const WARNING_LENGTH: usize = 120;
/// The most warnings that are sent; the rest is only counted.
const WARNINGS: usize = 10;

/// Why a body cannot be answered with a review: it has no uid.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or of another shape.
    #[error("the body is not JSON of the right shape")]
    Json(#[source] serde_json::Error),
    /// Another kind of object.
    #[error("the body is {kind:?} of {api_version:?}, not an AdmissionReview of admission.k8s.io/v1")]
    Kind {
        /// As it was sent.
        api_version: String,
        /// As it was sent.
        kind: String,
    },
    /// A review without a request.
    #[error("the AdmissionReview has no request")]
    NoRequest,
    /// A request without a uid.
    #[error("the request of the AdmissionReview has no uid")]
    NoUid(#[source] serde_json::Error),
}

/// A review of which the uid is known, and its objects are not decoded yet.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// The uid, which the answer must repeat.
    pub uid: String,
    request: &'a RawValue,
    /// The request, if all of it could be read with the uid: its text is gone through once, not twice.
    wire: Option<Wire<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outer<'a> {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(borrow, default)]
    request: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Uid {
    uid: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    uid: String,
    resource: Resource,
    #[serde(default)]
    sub_resource: Option<String>,
    operation: Verb,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    user_info: Option<User>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old_object: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Resource {
    group: String,
    version: String,
    #[serde(rename = "resource")]
    plural: String,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default)]
    username: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    Create,
    Update,
    Delete,
    Connect,
}

impl<'a> Envelope<'a> {
    /// The uid, before anything else can go wrong.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if there is none.
    pub fn read(body: &'a [u8]) -> Result<Self, Unreadable> {
        let outer: Outer<'a> = serde_json::from_slice(body).map_err(Unreadable::Json)?;
        if outer.api_version != API_VERSION || outer.kind != KIND {
            return Err(Unreadable::Kind { api_version: outer.api_version, kind: outer.kind });
        }
        // serde would also accept a list, with its items as the fields in their order.
        let request = outer.request.filter(|request| request.get().starts_with('{')).ok_or(Unreadable::NoRequest)?;
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Unreadable::NoRequest);
        }
        match serde_json::from_str::<Wire<'a>>(request.get()) {
            Ok(wire) => Ok(Self { uid: wire.uid.clone(), request, wire: Some(wire) }),
            Err(_) => {
                let Uid { uid } = serde_json::from_str(request.get()).map_err(Unreadable::NoUid)?;
                Ok(Self { uid, request, wire: None })
            }
        }
    }

    /// The request.
    ///
    /// # Errors
    ///
    /// The answer, if nothing needs a decision: the path does not review this kind, or the object cannot be decoded.
    pub fn open(&self, row: &'static WebhookRow) -> Result<Request, Box<ReviewAnswer>> {
        let again: Wire<'a>;
        let wire = match &self.wire {
            Some(wire) => wire,
            None => {
                again = decode(self.request)
                    .map_err(|(path, error)| Box::new(malformed(row, "", "request", &path, &error)))?;
                &again
            }
        };
        let Resource { group, version, plural } = &wire.resource;
        if (group.as_str(), version.as_str(), plural.as_str()) != (row.group, row.version, row.resource) {
            let mut answer = ReviewAnswer::allow();
            let slash = if group.is_empty() { "" } else { "/" };
            let path = row.path;
            answer.warnings.push(format!("{path} does not review {plural} of {group}{slash}{version}"));
            return Err(Box::new(answer));
        }
        if wire.sub_resource.as_ref().is_some_and(|sub| !sub.is_empty()) {
            return Err(Box::new(ReviewAnswer::allow()));
        }
        let name = wire.name.clone().unwrap_or_default();
        let decoded = |field: &str, raw: Option<&RawValue>| {
            raw.map(|raw| object(row, raw))
                .transpose()
                .map_err(|(path, error)| Box::new(malformed(row, &name, field, &path, &error)))
        };
        let new = decoded("object", wire.object)?;
        let old = decoded("oldObject", wire.old_object)?;
        Ok(Request {
            row,
            operation: match wire.operation {
                Verb::Create => Operation::Create,
                Verb::Update => Operation::Update,
                Verb::Delete => Operation::Delete,
                Verb::Connect => Operation::Connect,
            },
            namespace: wire.namespace.clone().unwrap_or_default(),
            name,
            dry_run: wire.dry_run.unwrap_or(false),
            user: wire.user_info.as_ref().and_then(|user| user.username.clone()).unwrap_or_default(),
            object: new,
            old_object: old,
        })
    }
}

fn object(row: &WebhookRow, raw: &RawValue) -> Result<Object, (String, serde_json::Error)> {
    // A text has fewer values than bytes: most need not be counted.
    if raw.get().len() > VALUES {
        let values = values(raw.get());
        if values > VALUES {
            return Ok(Object::Oversized(values));
        }
    }
    if (row.group, row.resource) == ("networking.k8s.io", "ingresses") {
        Ok(Object::Ingress(Box::new(decode(raw)?)))
    } else {
        Ok(Object::Other(decode(raw)?))
    }
}

/// About how many values a JSON text has: the number of characters that precede a value. It needs no memory and no recursion.
fn values(json: &str) -> usize {
    let (mut count, mut in_text, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' | b',' | b':' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

/// The value, or the path of the error. To keep the path costs an allocation for each key, so it is looked for only after an error.
fn decode<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, (String, serde_json::Error)> {
    if let Ok(value) = serde_json::from_str(raw.get()) {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_str(raw.get());
    serde_path_to_error::deserialize(&mut json).map_err(|error| (error.path().to_string(), error.into_inner()))
}

/// The denial of an object that cannot be decoded.
fn malformed(row: &WebhookRow, name: &str, root: &str, path: &str, error: &serde_json::Error) -> ReviewAnswer {
    let field = if path.is_empty() || path == "." { root.to_owned() } else { format!("{root}.{path}") };
    let message = format!("{field} cannot be decoded: {error}");
    ReviewAnswer {
        allowed: false,
        code: 400,
        reason: "BadRequest".to_owned(),
        message: message.clone(),
        details: Some(Details {
            kind: row.resource.to_owned(),
            name: name.to_owned(),
            group: row.group.to_owned(),
            causes: vec![Cause { reason: "FieldValueInvalid".to_owned(), message, field }],
        }),
        ..ReviewAnswer::allow()
    }
}

/// The denial after a panic during the decision.
#[must_use]
pub fn broken(row: &WebhookRow, uid: &str) -> ReviewAnswer {
    ReviewAnswer {
        allowed: false,
        code: 500,
        reason: "InternalError".to_owned(),
        message: format!("albedo failed while it reviewed this request, which is a bug; path {}, uid {uid}", row.path),
        ..ReviewAnswer::allow()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<ByteString>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    audit_annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(rename = "status")]
    outcome: &'static str,
    code: u16,
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<StatusDetails<'a>>,
}

#[derive(Serialize)]
struct StatusDetails<'a> {
    kind: &'a str,
    name: &'a str,
    group: &'a str,
    causes: Vec<StatusCause<'a>>,
}

#[derive(Serialize)]
struct StatusCause<'a> {
    reason: &'a str,
    message: &'a str,
    field: &'a str,
}

/// The answer as an `AdmissionReview`; it took so long.
///
/// # Errors
///
/// If a value of the patch cannot be written as JSON.
pub fn encode(uid: &str, answer: &ReviewAnswer, took: Duration) -> Result<Vec<u8>, serde_json::Error> {
    let patch = if answer.allowed { patch(&answer.patch)? } else { None };
    let response = Response {
        uid,
        allowed: answer.allowed,
        status: (!answer.allowed).then(|| status(answer)),
        patch_type: patch.is_some().then_some("JSONPatch"),
        patch,
        warnings: warnings(&answer.warnings),
        audit_annotations: answer.audit.annotations(took),
    };
    serde_json::to_vec(&Review { api_version: API_VERSION, kind: KIND, response })
}

/// `ByteString` prints as base64, which the API wants here.
fn patch(operations: &[PatchOp]) -> Result<Option<ByteString>, serde_json::Error> {
    if operations.is_empty() { Ok(None) } else { serde_json::to_vec(operations).map(|patch| Some(ByteString(patch))) }
}

fn status(answer: &ReviewAnswer) -> Status<'_> {
    let details = answer.details.as_ref().map(|details| StatusDetails {
        kind: &details.kind,
        name: &details.name,
        group: &details.group,
        causes: details
            .causes
            .iter()
            .map(|cause| StatusCause { reason: &cause.reason, message: &cause.message, field: &cause.field })
            .collect(),
    });
    Status { outcome: "Failure", code: answer.code, reason: &answer.reason, message: &answer.message, details }
}

/// The first warnings, each cut to its limit, and the number of the others.
fn warnings(all: &[String]) -> Vec<String> {
    let mut sent: Vec<String> = all.iter().take(WARNINGS).map(|warning| shortened(warning)).collect();
    match all.len().saturating_sub(WARNINGS) {
        0 => {}
        1 => sent.push("and 1 more warning".to_owned()),
        more => sent.push(format!("and {more} more warnings")),
    }
    sent
}

/// Whole words up to the limit, on one line, with a mark where the text was cut.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= WARNING_LENGTH {
        return line;
    }
    let mut short = String::new();
    for word in line.split(' ') {
        let space = usize::from(!short.is_empty());
        // One character is reserved for the mark.
        if short.chars().count() + space + word.chars().count() + 1 > WARNING_LENGTH {
            break;
        }
        if space == 1 {
            short.push(' ');
        }
        short.push_str(word);
    }
    if short.is_empty() {
        short = line.chars().take(WARNING_LENGTH - 1).collect();
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
