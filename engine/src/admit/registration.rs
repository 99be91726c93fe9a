//! Which reviews the API server sends to which path: one table of webhooks, and the two configurations generated from it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ServiceReference,
    ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use serde::Deserialize;

mod cel;
mod conditions;
mod overrides;
mod policy;
mod rows;

pub use overrides::Overrides;
pub use policy::policy;
pub use rows::{GATES, GATES_PATH, PRE_STOP, PRE_STOP_PATH, ROWS};

/// The label, and its value, of what the chart makes.
const NAME_LABEL: &str = "app.kubernetes.io/name";
const NAME: &str = "albedo";

/// Whether a webhook validates or mutates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Validates the result of the mutating webhooks.
    Validating,
    /// Adds defaults.
    Mutating,
}

/// What the API server does when no replica answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum FailurePolicy {
    /// Refuses the request.
    Fail,
    /// Admits the request as if the webhook did not exist.
    Ignore,
}

impl FailurePolicy {
    /// Its name in a configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "Fail",
            Self::Ignore => "Ignore",
        }
    }
}

/// For which objects of its resource a webhook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Ingresses whose class name is one of [`Options::classes`], before or after the request.
    Own,
    /// Ingresses outside of [`Reach::Own`] that have a key with our prefix or no class.
    Others,
    /// All of them.
    All,
    /// Those in namespaces that have this label with this value, or with any value, other than the pods of Albedo itself.
    Labelled(&'static str, Option<&'static str>),
    /// None: it is not registered. A configuration that LBC left behind may still call the path,
    /// and this must not fail.
    Served,
}

/// One webhook.
#[derive(Debug, PartialEq, Eq)]
pub struct WebhookRow {
    /// Path of the URL.
    pub path: &'static str,
    /// Name in the configuration; for [`Reach::Served`] the name in LBC's configuration.
    pub webhook: &'static str,
    /// Validates or mutates.
    pub kind: Kind,
    /// API group of the objects, empty for the core group.
    pub group: &'static str,
    /// API version of the objects.
    pub version: &'static str,
    /// Plural of the objects' kind.
    pub resource: &'static str,
    /// `CREATE`, `UPDATE`, `DELETE`.
    pub operations: &'static [&'static str],
    /// What happens when no replica answers.
    pub failure_policy: FailurePolicy,
    /// Which objects.
    pub reach: Reach,
    /// Its purpose, in one line.
    pub note: &'static str,
}

impl WebhookRow {
    /// Whether it is part of our configurations.
    #[must_use]
    pub fn registered(&self) -> bool {
        self.reach != Reach::Served
    }
}

/// The address of the webhooks for the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Service of the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
    /// A URL without a path, such as `https://127.0.0.1:9443`; the rows' paths are appended.
    Url(String),
}

/// The options of the configurations.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Name of both configuration objects.
    pub name: String,
    /// Where the webhooks are.
    pub target: Target,
    /// PEM certificates of the CA that signs the serving certificate. `None`: an injector sets the field.
    pub ca_bundle: Option<Vec<u8>>,
    /// Whether the webhook of [`GATES`] is registered.
    pub gates: bool,
    /// Names of the classes that are ours: `spec.ingressClassName` or the legacy annotation. An empty name stands for
    /// an Ingress without a class.
    pub classes: Vec<String>,
    /// Namespaces whose objects are reviewed; None is all.
    pub namespace_selector: Option<LabelSelector>,
    /// What the operator changes.
    pub overrides: Overrides,
    /// User name of the controller. Its own writes are not reviewed.
    pub controller_user: Option<String>,
    /// `namespace/name` of the cert-manager Certificate whose CA cert-manager injects.
    pub inject_ca_from: Option<String>,
    /// How long the API server waits for an answer, in seconds, 1 to 30.
    pub timeout_seconds: i32,
}

impl Default for Options {
    /// The names that `deploy/albedo.yaml` gives.
    fn default() -> Self {
        Self {
            name: "albedo-webhook".to_owned(),
            target: Target::Service {
                namespace: "albedo-system".to_owned(),
                name: "albedo-webhook".to_owned(),
                port: 443,
            },
            ca_bundle: None,
            gates: true,
            classes: vec!["alb".to_owned()],
            namespace_selector: None,
            overrides: Overrides::default(),
            controller_user: Some("system:serviceaccount:albedo-system:albedo".to_owned()),
            inject_ca_from: None,
            timeout_seconds: 5,
        }
    }
}

/// The two configurations: every registered row of [`ROWS`] as one webhook, in the order of the table.
#[must_use]
pub fn configurations(options: &Options) -> (ValidatingWebhookConfiguration, MutatingWebhookConfiguration) {
    let is_wanted = |row: &&WebhookRow| row.registered() && (options.gates || row.path != GATES_PATH);
    let of = |kind: Kind| ROWS.iter().filter(is_wanted).filter(move |row| row.kind == kind);
    (
        ValidatingWebhookConfiguration {
            metadata: metadata(options),
            webhooks: Some(of(Kind::Validating).map(|row| validating(row, options)).collect()),
        },
        MutatingWebhookConfiguration {
            metadata: metadata(options),
            webhooks: Some(of(Kind::Mutating).map(|row| mutating(row, options)).collect()),
        },
    )
}

fn metadata(options: &Options) -> ObjectMeta {
    let annotations = options.inject_ca_from.as_ref().map(|from| one("cert-manager.io/inject-ca-from", from.as_str()));
    ObjectMeta {
        name: Some(options.name.clone()),
        labels: Some(one(NAME_LABEL, NAME)),
        annotations,
        ..ObjectMeta::default()
    }
}

fn one(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

fn validating(row: &WebhookRow, options: &Options) -> ValidatingWebhook {
    ValidatingWebhook {
        admission_review_versions: vec!["v1".to_owned()],
        client_config: client_config(row, options),
        failure_policy: Some(options.overrides.failure_policy(row).word().to_owned()),
        match_conditions: Some(match_conditions(row, options)),
        match_policy: Some("Equivalent".to_owned()),
        name: row.webhook.to_owned(),
        namespace_selector: namespace_selector(row, options),
        object_selector: object_selector(row, options),
        rules: Some(vec![rule(row)]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(options.timeout_seconds),
    }
}

fn mutating(row: &WebhookRow, options: &Options) -> MutatingWebhook {
    MutatingWebhook {
        admission_review_versions: vec!["v1".to_owned()],
        client_config: client_config(row, options),
        failure_policy: Some(options.overrides.failure_policy(row).word().to_owned()),
        match_conditions: Some(match_conditions(row, options)),
        match_policy: Some("Equivalent".to_owned()),
        name: row.webhook.to_owned(),
        namespace_selector: namespace_selector(row, options),
        object_selector: object_selector(row, options),
        // Defaults are computed once, from the object as its author sent it.
        reinvocation_policy: Some("Never".to_owned()),
        rules: Some(vec![rule(row)]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(options.timeout_seconds),
    }
}

/// The namespaces of the options, of these the labelled ones, and of these what the operator selects.
fn namespace_selector(row: &WebhookRow, options: &Options) -> Option<LabelSelector> {
    let mut selector = options.namespace_selector.clone();
    if let Some((label, value)) = options.overrides.label_of(row) {
        let labelled = selector.get_or_insert_default();
        match value {
            Some(value) => {
                drop(labelled.match_labels.get_or_insert_default().insert(label.to_owned(), value.to_owned()));
            }
            None => {
                let exists =
                    LabelSelectorRequirement { key: label.to_owned(), operator: "Exists".to_owned(), values: None };
                labelled.match_expressions.get_or_insert_default().push(exists);
            }
        }
    }
    options.overrides.select_namespaces(row, selector)
}

/// Replicas of Albedo never wait for Albedo, and the operator may leave out more.
fn object_selector(row: &WebhookRow, options: &Options) -> Option<LabelSelector> {
    let others = LabelSelectorRequirement {
        key: NAME_LABEL.to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(vec![NAME.to_owned()]),
    };
    let is_labelled = matches!(row.reach, Reach::Labelled(..));
    let selector = is_labelled.then(|| LabelSelector { match_expressions: Some(vec![others]), match_labels: None });
    options.overrides.select_objects(row, selector)
}

fn rule(row: &WebhookRow) -> RuleWithOperations {
    RuleWithOperations {
        api_groups: Some(vec![row.group.to_owned()]),
        api_versions: Some(vec![row.version.to_owned()]),
        operations: Some(row.operations.iter().map(|&operation| operation.to_owned()).collect()),
        resources: Some(vec![row.resource.to_owned()]),
        scope: Some("*".to_owned()),
    }
}

fn client_config(row: &WebhookRow, options: &Options) -> WebhookClientConfig {
    let (service, url) = match &options.target {
        Target::Service { namespace, name, port } => {
            let service = ServiceReference {
                name: name.clone(),
                namespace: namespace.clone(),
                path: Some(row.path.to_owned()),
                port: Some(i32::from(*port)),
            };
            (Some(service), None)
        }
        Target::Url(base) => (None, Some(format!("{}{}", base.trim_end_matches('/'), row.path))),
    };
    WebhookClientConfig { ca_bundle: options.ca_bundle.clone().map(ByteString), service, url }
}

fn match_conditions(row: &WebhookRow, options: &Options) -> Vec<MatchCondition> {
    let reach = match row.reach {
        Reach::Own => Some(("own-class", conditions::own(&options.classes))),
        Reach::Others => Some(("others", conditions::others(&options.classes))),
        Reach::All | Reach::Labelled(..) | Reach::Served => None,
    };
    // These objects have only spec and annotations. What is only created has not changed.
    let changed = row.operations.contains(&"UPDATE").then(|| ("changed", conditions::changed()));
    let is_sent_deletions = row.operations.contains(&"DELETE");
    let user = options.controller_user.as_ref().map(|user| ("not-albedo", conditions::not_user(user)));
    let conditions = [Some(("not-deleting", conditions::not_deleting())), user, reach, changed];
    let conditions = conditions.into_iter().flatten();
    let conditions = conditions.map(|(name, expression)| {
        // The other conditions are about `object`, which a deletion lacks.
        let is_of_object = name != "not-albedo";
        let expression =
            if is_sent_deletions && is_of_object { conditions::or_deleted(&expression) } else { expression };
        MatchCondition { name: name.to_owned(), expression }
    });
    conditions.collect()
}

#[cfg(test)]
mod tests;
