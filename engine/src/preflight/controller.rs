//! The running LBC: its Deployment, and its flags and feature gates in terms of Albedo.

use k8s_openapi::api::apps::v1::Deployment;

use super::{Input, Lines, count};
use crate::kinds::Key;
use crate::lbc::{self, Here, Translated, Translation, Verdict};

/// The label of LBC's chart and manifests, with its value.
const LABEL: (&str, &str) = ("app.kubernetes.io/name", "aws-load-balancer-controller");
/// The end of the name of LBC's image, whatever the registry.
const IMAGE: &str = "aws-load-balancer-controller";

/// A Deployment of LBC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// Namespace and name.
    pub key: Key,
    /// The image of its container.
    pub image: String,
    /// How many Pods it asks for.
    pub replicas: i32,
    /// Arguments of its container.
    pub words: Vec<String>,
    /// Labels of its Pods.
    pub labels: std::collections::BTreeMap<String, String>,
}

impl Controller {
    /// Its arguments in terms of Albedo.
    #[must_use]
    pub fn translation(&self) -> Translation {
        lbc::translate(&self.words)
    }
}

/// The Deployment of LBC: the one that is named, else the first with LBC's label or image.
#[must_use]
pub fn find(deployments: &[Deployment], named: Option<&Key>) -> Option<Controller> {
    let mut all = deployments.iter().map(|deployment| (Key::of(&deployment.metadata), deployment));
    match named {
        Some(named) => {
            all.find(|(key, _)| key == named).and_then(|(key, deployment)| controller(key, deployment, true))
        }
        None => all.find_map(|(key, deployment)| controller(key, deployment, false)),
    }
}

fn controller(key: Key, deployment: &Deployment, is_named: bool) -> Option<Controller> {
    let spec = deployment.spec.as_ref()?;
    let containers = &spec.template.spec.as_ref()?.containers;
    let is_lbcs = |image: &str| image.split(['@', ':']).next().unwrap_or_default().ends_with(IMAGE);
    let image = |container: &&k8s_openapi::api::core::v1::Container| container.image.as_deref().is_some_and(is_lbcs);
    let by_label = deployment
        .metadata
        .labels
        .as_ref()
        .is_some_and(|labels| labels.get(LABEL.0).is_some_and(|value| value == LABEL.1));
    // A Deployment may have sidecars; without LBC's image the first container counts, as with an image from a mirror.
    let container = containers.iter().find(image).or_else(|| containers.first().filter(|_| is_named || by_label))?;
    let words = container.command.iter().flatten().skip(1).chain(container.args.iter().flatten());
    Some(Controller {
        key,
        image: container.image.clone().unwrap_or_default(),
        replicas: spec.replicas.unwrap_or(1),
        words: words.cloned().collect(),
        labels: spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default(),
    })
}

/// The lines about it.
pub(super) fn lines(input: &Input<'_>, lines: &mut Lines<'_>) {
    if !input.found.is_live {
        return;
    }
    let Some(controller) = find(&input.found.deployments, input.named) else {
        let named = input.named.map(|key| format!("Deployment {key}")).unwrap_or_default();
        let fix =
            "name it with --lbc-deployment NAMESPACE/NAME; without it, settings are Albedo's defaults in this report";
        lines.warns(named, "LBC's Deployment is not found, so its flags are not known", fix);
        return;
    };
    let place = format!("Deployment {}", controller.key);
    let pods = count(usize::try_from(controller.replicas).unwrap_or_default(), "replica");
    lines.fine(&place, format!("image {}, {pods}", controller.image));
    let translation = controller.translation();
    for word in &translation.unknown {
        let fix = "leave it out of Albedo's arguments, after you know what it does: this version does not";
        lines.blocks(word, "LBC has this argument, and albedo run does not accept it", fix);
    }
    if let Some(error) = input.refused {
        lines.blocks(
            &place,
            format!("albedo run does not accept LBC's arguments: {error}"),
            "correct the argument that it names",
        );
    }
    let same = translation.rows.iter().filter(|row| row.verdict == Verdict::Same).count();
    lines.fine(&place, format!("{} of LBC mean the same in Albedo", count(same, "argument")));
    for row in translation.rows.iter().filter(|row| row.verdict != Verdict::Same) {
        line(row, lines);
    }
}

fn line(row: &Translated, lines: &mut Lines<'_>) {
    let place = row.value.as_ref().map_or_else(|| row.name.clone(), |value| format!("{}={value}", row.name));
    let note = row.row.note;
    match (row.verdict, row.row.here) {
        (Verdict::OtherDefault, Here::OtherDefault(here)) if !here.is_empty() => {
            let message = format!("other default: {here} instead of {}; {note}", row.row.default);
            lines.warns(&place, message, format!("to keep LBC's, start Albedo with {place}={}", row.row.default));
        }
        (Verdict::OtherDefault, _) => {
            lines.warns(&place, format!("other default: {note}"), "set it if this is not enough");
        }
        (Verdict::NotSupported, _) => {
            lines.warns(&place, format!("not supported: {note}"), "do without it, or stay with LBC");
        }
        (verdict, _) => lines.fine(&place, format!("{}: {note}", verdict.words())),
    }
}
