//! `albedo preflight`: what somebody has to know who is about to switch from LBC to Albedo. Pure: what a cluster and an account hold → a report.

mod account;
mod controller;
mod gates;
mod ingresses;
mod json;
mod served;
mod text;
mod webhooks;

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::apps::v1::Deployment;

use crate::check;
use crate::clean::clean;
use crate::facts::Facts;
use crate::kinds::Key;
use crate::manifest::Manifests;
use crate::settings::Settings;

pub use account::{Account, Tried, Unread, Untagged};
pub use controller::{Controller, find as find_controller};
pub use gates::{GatedPod, gated};
pub use served::{GATEWAY_CONTROLLERS, Gateway};

/// What a line means for the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something would not be served as before.
    Blocks,
    /// Something to know or to do, at any time.
    Warns,
    /// As it should be.
    Fine,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Warns => "warns",
            Self::Fine => "fine",
        }
    }
}

/// A part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// What could not be read.
    Unread,
    /// LBC's Deployment, its flags and feature gates.
    Controller,
    /// LBC's webhooks.
    Webhooks,
    /// Services of type `LoadBalancer`.
    Services,
    /// Gateways and accelerators.
    Gateways,
    /// `TargetGroupBinding`s.
    Bindings,
    /// Readiness gates.
    ReadinessGates,
    /// `IngressClass`es and their parameters.
    Classes,
    /// Ingresses, by the check of admission.
    Ingresses,
    /// Permissions in AWS.
    Permissions,
    /// Discovery of subnets.
    Subnets,
    /// Security groups of nodes.
    SecurityGroups,
    /// Tags of listeners and rules.
    Tags,
    /// Quotas of the account.
    Quotas,
    /// The clock.
    Clock,
}

impl Topic {
    /// The heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Unread => "Not read",
            Self::Controller => "The running LBC",
            Self::Webhooks => "Webhooks of LBC",
            Self::Services => "Services of type LoadBalancer",
            Self::Gateways => "Gateways and accelerators",
            Self::Bindings => "TargetGroupBindings",
            Self::ReadinessGates => "Readiness gates",
            Self::Classes => "IngressClasses",
            Self::Ingresses => "Ingresses",
            Self::Permissions => "Permissions in AWS",
            Self::Subnets => "Subnets",
            Self::SecurityGroups => "Security groups of nodes",
            Self::Tags => "Tags in AWS",
            Self::Quotas => "Quotas",
            Self::Clock => "Clock",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// The part that it belongs to.
    pub topic: Topic,
    /// What it means for the switch.
    pub severity: Severity,
    /// Where: an object, a flag or a resource; may be empty.
    #[serde(rename = "where")]
    pub place: String,
    /// What is so.
    pub message: String,
    /// What to do; empty if nothing.
    pub fix: String,
}

/// What the cluster holds beside the objects of the world.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// All Deployments, as far as they were read.
    pub deployments: Vec<Deployment>,
    /// Mutating webhooks.
    pub mutating: Vec<MutatingWebhookConfiguration>,
    /// Validating webhooks.
    pub validating: Vec<ValidatingWebhookConfiguration>,
    /// Gateways whose class is LBC's, and `GlobalAccelerator`s.
    pub gateways: Vec<Gateway>,
    /// Pods with readiness gates of LBC.
    pub pods: Vec<GatedPod>,
    /// What could not be read, with the reason.
    pub unread: Vec<String>,
    /// Seconds by which the clock of this machine is ahead of that of the API server.
    pub clock: Option<i64>,
    /// Whether a cluster was read: files do not show what runs.
    pub is_live: bool,
}

/// Everything that a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Ingresses, classes, parameters, Services, bindings, namespaces.
    pub manifests: &'a Manifests,
    /// The other objects.
    pub found: &'a Found,
    /// The Deployment of LBC that was named by `namespace/name`, if one was.
    pub named: Option<&'a Key>,
    /// Settings of Albedo, with LBC's arguments.
    pub settings: &'a Settings,
    /// Why LBC's arguments are not accepted by `albedo run`, if they are not.
    pub refused: Option<&'a str>,
    /// Whether LBC stays in the cluster for everything but Ingresses.
    pub beside: bool,
    /// Facts of the account.
    pub facts: &'a Facts,
    /// What else was read from AWS; `None`: AWS was not asked.
    pub account: Option<&'a Account>,
    /// The present time.
    pub now: Timestamp,
}

/// The lines of one part.
struct Lines<'l> {
    topic: Topic,
    all: &'l mut Vec<Line>,
}

impl Lines<'_> {
    fn put(
        &mut self,
        severity: Severity,
        place: impl fmt::Display,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let (place, message, fix) = (place.to_string(), message.into(), fix.into());
        self.all.push(Line { topic: self.topic, severity, place, message, fix });
    }

    fn blocks(&mut self, place: impl fmt::Display, message: impl Into<String>, fix: impl Into<String>) {
        self.put(Severity::Blocks, place, message, fix);
    }

    fn warns(&mut self, place: impl fmt::Display, message: impl Into<String>, fix: impl Into<String>) {
        self.put(Severity::Warns, place, message, fix);
    }

    fn fine(&mut self, place: impl fmt::Display, message: impl Into<String>) {
        self.put(Severity::Fine, place, message, "");
    }
}

type Part = fn(&Input<'_>, &mut Lines<'_>);

/// The parts, in the order of the page. The one of the Ingresses comes from the check of admission.
const PARTS: &[(Topic, Part)] = &[
    (Topic::Unread, unread),
    (Topic::Controller, controller::lines),
    (Topic::Webhooks, webhooks::lines),
    (Topic::Services, served::services),
    (Topic::Gateways, served::gateways),
    (Topic::Bindings, served::bindings),
    (Topic::ReadinessGates, gates::lines),
    (Topic::Classes, ingresses::classes),
    (Topic::Permissions, account::permissions),
    (Topic::Subnets, account::subnets),
    (Topic::SecurityGroups, account::security_groups),
    (Topic::Tags, account::tags),
    (Topic::Quotas, account::quotas),
    (Topic::Clock, account::clock),
];

/// The report.
#[derive(Debug)]
pub struct Report<'a> {
    /// All lines, by part; within a part as they were found.
    pub lines: Vec<Line>,
    /// Arguments of `albedo run` that behave as the running LBC; empty if it was not found.
    pub arguments: Vec<String>,
    /// The check of all Ingresses.
    pub audit: check::Report<'a>,
}

/// Makes the report.
#[must_use]
pub fn report<'a>(input: &Input<'a>) -> Report<'a> {
    let mut lines = Vec::new();
    for &(topic, part) in PARTS {
        part(input, &mut Lines { topic, all: &mut lines });
    }
    let audit = ingresses::audit(input);
    ingresses::lines(input, &audit, &mut Lines { topic: Topic::Ingresses, all: &mut lines });
    lines.sort_by_key(|line| line.topic);
    let arguments = controller::find(&input.found.deployments, input.named);
    let mut arguments = arguments.map(|controller| controller.translation().arguments).unwrap_or_default();
    if input.beside && !arguments.is_empty() {
        arguments.push("--beside-lbc".to_owned());
    }
    Report { lines, arguments, audit }
}

impl Report<'_> {
    /// How many lines have this severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.lines.iter().filter(|line| line.severity == severity).count()
    }

    /// As text for people.
    #[must_use]
    pub fn text(&self) -> String {
        clean(&text::text(self)).into_owned()
    }

    /// As JSON for programs.
    #[must_use]
    pub fn json(&self) -> String {
        clean(&json::json(self)).into_owned()
    }
}

fn unread(input: &Input<'_>, lines: &mut Lines<'_>) {
    for what in &input.found.unread {
        lines.blocks(
            "",
            what.clone(),
            "grant it to the user of the kubeconfig: what it concerns is not part of this report",
        );
    }
}

/// `1 Service`, `2 Services`, `2 Ingresses`.
fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}{}", if one.ends_with('s') { "es" } else { "s" }),
    }
}
