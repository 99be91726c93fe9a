//! Ingresses by the check of admission, and the classes that they have.

use super::{Input, Lines, Severity, count};
use crate::admit::{Context, Policy};
use crate::annotation::params;
use crate::check::{self, Level, Remark};
use crate::finding::Effect;
use crate::kinds::Key;
use crate::settings::{ALBEDO_CONTROLLER, CONTROLLER};
use crate::world::Kind;

/// The check of all Ingresses, as `albedo check` makes it.
pub(super) fn audit<'a>(input: &Input<'a>) -> check::Report<'a> {
    // Facts were read a moment ago, or somebody chose the file.
    let policy = Policy { fresh: std::time::Duration::MAX, ..Policy::default() };
    let context = Context {
        world: &input.manifests.world,
        facts: input.facts,
        settings: input.settings,
        policy: &policy,
        now: input.now,
    };
    check::check(input.manifests, context, false)
}

/// The lines about them.
pub(super) fn lines(input: &Input<'_>, audit: &check::Report<'_>, lines: &mut Lines<'_>) {
    for remark in &audit.remarks {
        let subject = remark.subject.as_ref().map(ToString::to_string).unwrap_or_default();
        let path = if remark.path.is_empty() { String::new() } else { format!("{}: ", remark.path) };
        let message = format!("{} {path}{}", remark.rule.id(), remark.message);
        lines.put(severity(input, remark), subject, message, remark.fix.clone());
    }
    let errors = count(audit.errors(), "error");
    lines.fine(
        "",
        format!("{} checked: {errors}; an edit that adds no fault is never refused", count(audit.ingresses, "Ingress")),
    );
}

/// A fault blocks if it keeps out an Ingress that is served now. Otherwise it is refused in an edit that adds it, or LBC fails
/// with it, too.
fn severity(input: &Input<'_>, remark: &Remark) -> Severity {
    let kept_out = remark.level == Level::Error && remark.effect.is_some_and(Effect::keeps_out);
    let served = remark.subject.as_ref().filter(|subject| subject.kind == "Ingress").is_some_and(|subject| {
        let ingress = input.manifests.world.ingress(&Key::new(&subject.namespace, &subject.name));
        let status = ingress.and_then(|ingress| ingress.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref());
        status.is_some_and(|hosts| !hosts.is_empty())
    });
    if kept_out && served { Severity::Blocks } else { Severity::Warns }
}

/// Classes of LBC with their parameters.
pub(super) fn classes(input: &Input<'_>, lines: &mut Lines<'_>) {
    let world = &input.manifests.world;
    for class in world.own_classes() {
        let place = format!("IngressClass {class}");
        let controller = world.controller_of(&class).unwrap_or_default();
        if input.beside && controller == CONTROLLER {
            let message = format!(
                "its Ingresses stay with LBC until they are moved to a class of the controller {ALBEDO_CONTROLLER}"
            );
            let fix = "move them as docs/beside-lbc.md says: if LBC runs meanwhile, it deletes their load balancers";
            lines.warns(&place, message, fix);
            continue;
        }
        lines.fine(&place, "Albedo takes it over");
        let object = world.classes().find(|object| object.metadata.name.as_deref() == Some(class.as_str()));
        let release = object.and_then(|object| object.metadata.annotations.as_ref()?.get("meta.helm.sh/release-name"));
        if let Some(release) = release {
            let message = format!("it is part of the Helm release {release}: helm uninstall deletes it");
            let fix = "keep that release installed, or save the IngressClass and its IngressClassParams first and apply them again right after";
            lines.warns(&place, message, fix);
        }
    }
    for Key { name, .. } in world.keys(Kind::IngressClassParams) {
        let Some(params) = world.params(&name) else { continue };
        let place = format!("IngressClassParams {name}");
        let faults = params::check(&params.spec, &input.settings.extra_attributes);
        for fault in &faults {
            let message = format!("{}: {}", fault.path, fault.error.message);
            lines.warns(&place, message, fault.error.help.clone().unwrap_or_default());
        }
        if faults.is_empty() {
            lines.fine(&place, "every field has the same meaning");
        }
    }
}
