//! Admission: from findings to the verdict on a review, and defaults.

mod audit;
mod binding;
mod configuration;
mod consequence;
mod defaults;
mod dependents;
mod explain;
mod gates;
mod layers;
mod oversized;
mod policies;
mod policy;
mod pre_stop;
mod preview;
pub mod registration;
mod verdict;
pub mod wire;

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::api::networking::v1::Ingress;
use serde::Serialize;
use serde_json::Value;

use crate::compile::Cache;
use crate::facts::Facts;
use crate::finding::Finding;
use crate::settings::Settings;
use crate::world::World;

pub use audit::Audit;
pub use defaults::write_defaults;
pub use explain::explain_defaults;
pub use policy::{Defaults, Mode, Policy};
pub use verdict::outside;

/// The most JSON values of an object that is decoded, counted by their separators. An Ingress with the largest number of paths has
/// less than half of this. A decoded value can take a hundred times the bytes of its text.
pub const VALUES: usize = 100_000;

/// The annotation that acknowledges the replacement of a load balancer.
pub const ALLOW_REPLACEMENT: &str = "albedo.dev/allow-replacement";

/// The operation of a request:
/// <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// CREATE.
    Create,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// CONNECT.
    Connect,
}

/// An object under review.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// An Ingress.
    Ingress(Box<Ingress>),
    /// Anything else.
    Other(Value),
    /// Not decoded, because it has this many JSON values, more than [`VALUES`].
    Oversized(usize),
}

/// One admission request, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The row whose path was called.
    pub row: &'static registration::WebhookRow,
    /// The operation.
    pub operation: Operation,
    /// Namespace, from the request: the object may lack it.
    pub namespace: String,
    /// Name; empty under `generateName`.
    pub name: String,
    /// A dry run: nothing will be stored.
    pub dry_run: bool,
    /// The user.
    pub user: String,
    /// The object as it would be stored.
    pub object: Option<Object>,
    /// The object as it is stored.
    pub old_object: Option<Object>,
}

/// One thing that is wrong, as clients print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The reason, as one word for programs.
    pub reason: String,
    /// The message. It is complete, because kubectl prints nothing else.
    pub message: String,
    /// Path of the field.
    pub field: String,
}

/// Details of a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// API group of the object.
    pub group: String,
    /// Everything that is wrong.
    pub causes: Vec<Cause>,
}

/// One operation of a JSON Patch (RFC 6902).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PatchOp {
    /// `add` or `replace`.
    pub op: &'static str,
    /// JSON pointer (RFC 6901).
    pub path: String,
    /// Value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// The answer to a review.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewAnswer {
    /// Whether the request goes through.
    pub allowed: bool,
    /// HTTP status of the denial; 200 when allowed.
    pub code: u16,
    /// Reason of the denial, as `metav1.Status` has it.
    pub reason: String,
    /// The whole of the denial.
    pub message: String,
    /// Details of the denial.
    pub details: Option<Details>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Changes, only of mutating webhooks.
    pub patch: Vec<PatchOp>,
    /// For the audit log of the API server.
    pub audit: Audit,
}

impl ReviewAnswer {
    /// The request is allowed.
    #[must_use]
    pub fn allow() -> Self {
        Self {
            allowed: true,
            code: 200,
            reason: String::new(),
            message: String::new(),
            details: None,
            warnings: Vec::new(),
            patch: Vec::new(),
            audit: Audit::default(),
        }
    }
}

impl ReviewAnswer {
    /// All texts that clients may print.
    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let causes = self.details.iter_mut().flat_map(|details| &mut details.causes);
        let causes = causes.flat_map(|cause| [&mut cause.message, &mut cause.field]);
        std::iter::once(&mut self.message).chain(&mut self.warnings).chain(causes)
    }

    /// No verdict can be given now.
    #[must_use]
    pub fn unavailable(message: &str) -> Self {
        Self {
            allowed: false,
            code: 503,
            reason: "ServiceUnavailable".to_owned(),
            message: message.to_owned(),
            ..Self::allow()
        }
    }
}

/// The input of a review besides the request.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The cluster.
    pub world: &'a World,
    /// The account.
    pub facts: &'a Facts,
    /// The operator's decisions.
    pub settings: &'a Settings,
    /// How strict admission is.
    pub policy: &'a Policy,
    /// The time.
    pub now: Timestamp,
}

/// Answers a review, without a cache.
#[must_use]
pub fn review(request: &Request, context: Context<'_>) -> ReviewAnswer {
    review_with(request, context, &mut Cache::default())
}

/// Answers a review, with members from the cache if their inputs are unchanged. The answer is the same.
/// Objects other than Ingresses, bindings, class parameters, defaults, policies, Pods, and what Ingresses depend on are allowed: after a switch from LBC its webhook configurations may still exist.
#[must_use]
pub fn review_with(request: &Request, context: Context<'_>, cache: &mut Cache) -> ReviewAnswer {
    let mut answer = decide(request, context, cache);
    let known_since = context.facts.subnets.as_ref().map(|known| known.age(context.now));
    answer.audit.mode = Some(verdict::mode_of(&request.namespace, context));
    answer.audit.facts_age = answer.audit.facts_age.or(known_since);
    answer
}

fn decide(request: &Request, context: Context<'_>, cache: &mut Cache) -> ReviewAnswer {
    let ingress = match &request.object {
        Some(Object::Ingress(ingress)) => ingress,
        Some(Object::Other(object)) => return review_other(request, object, context, cache),
        Some(Object::Oversized(values)) => return oversized::answer(request, *values, context),
        // The object of a deletion.
        None => {
            return dependents::row(request.row.resource)
                .filter(|_| {
                    request.row.kind == registration::Kind::Validating && request.operation == Operation::Delete
                })
                .map_or_else(ReviewAnswer::allow, |row| row.review(request, context, cache));
        }
    };
    if request.operation == Operation::Delete || ingress.metadata.deletion_timestamp.is_some() {
        return ReviewAnswer::allow();
    }
    let old = match &request.old_object {
        Some(Object::Ingress(old)) => Some(named(old, request)),
        _ => None,
    };
    let candidate = named(ingress, request);
    match request.row.kind {
        registration::Kind::Mutating => defaults::mutate(&candidate, old.as_deref(), context),
        registration::Kind::Validating => verdict::validate(request, &candidate, old.as_deref(), context, cache),
    }
}

/// The answer to a review of an object that is not an Ingress.
fn review_other(request: &Request, object: &Value, context: Context<'_>, cache: &mut Cache) -> ReviewAnswer {
    let old = match &request.old_object {
        Some(Object::Other(old)) => Some(old),
        _ => None,
    };
    // Beside LBC, parameters of its classes are its own.
    let is_ours = !context.settings.beside_lbc || context.world.is_of_own_class(&request.name);
    if request.row.resource == "ingressclassparams" && !is_ours {
        return ReviewAnswer::allow();
    }
    if let Some(row) = configuration::row(request.row.resource).filter(|_| request.operation != Operation::Delete) {
        let effects =
            || dependents::row(request.row.resource).map_or_else(Vec::new, |row| row.findings(request, context, cache));
        return row.validate(object, old, &request.name, effects, context);
    }
    let validates = request.row.kind == registration::Kind::Validating;
    if let Some(row) = dependents::row(request.row.resource).filter(|_| validates) {
        return row.review(request, context, cache);
    }
    match (request.row.resource, request.row.kind) {
        _ if request.operation == Operation::Delete => ReviewAnswer::allow(),
        ("pods", _) if request.row.path == registration::GATES_PATH => gates::mutate(request, object, context),
        ("pods", _) if request.row.path == registration::PRE_STOP_PATH => pre_stop::mutate(request, object, context),
        ("targetgroupbindings", registration::Kind::Mutating) => binding::mutate(request, object, context),
        ("targetgroupbindings", registration::Kind::Validating) => binding::validate(request, object, old, context),
        _ => ReviewAnswer::allow(),
    }
}

/// All findings on a world, for `albedo check`: on its defaults and policies, and on all its Ingresses in the order of their groups.
#[must_use]
pub fn survey(context: Context<'_>) -> Vec<Finding> {
    let mut findings = configuration::survey(context.world, context.settings);
    findings.extend(verdict::survey(context));
    findings
}

/// The object with the namespace and name of the request, which have precedence.
fn named<'a>(ingress: &'a Ingress, request: &Request) -> Cow<'a, Ingress> {
    let metadata = &ingress.metadata;
    let namespace = request.namespace.as_str();
    let placed = namespace.is_empty() || metadata.namespace.as_deref() == Some(namespace);
    if placed && metadata.name.as_ref().is_some_and(|name| !name.is_empty()) {
        return Cow::Borrowed(ingress);
    }
    let mut ingress = ingress.clone();
    if !namespace.is_empty() {
        ingress.metadata.namespace = Some(namespace.to_owned());
    }
    if ingress.metadata.name.as_deref().unwrap_or_default().is_empty() {
        ingress.metadata.name = Some(request.name.clone());
    }
    Cow::Owned(ingress)
}
