//! What LBC serves and Albedo does not: Services, Gateways, accelerators, and bindings that Albedo does not touch.

use k8s_openapi::api::core::v1::Service;

use super::{Input, Lines, controller, count};
use crate::kinds::Key;
use crate::lbc;
use crate::targets::held_by_itself;
use crate::world::Kind;

/// Controllers of `GatewayClass`es that are LBC's.
pub const GATEWAY_CONTROLLERS: [&str; 2] = ["gateway.k8s.aws/alb", "gateway.k8s.aws/nlb"];
/// The annotation that gives a Service without a class to LBC, with its values:
/// <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/service/nlb/>.
const TYPE: &str = "service.beta.kubernetes.io/aws-load-balancer-type";
const TYPES: [&str; 2] = ["external", "nlb-ip"];
/// LBC's finalizer of a Service.
const FINALIZER: &str = "service.k8s.aws/resources";

/// An object that LBC serves with load balancers or accelerators of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// `Gateway` or `GlobalAccelerator`.
    pub kind: &'static str,
    /// Namespace and name.
    pub key: Key,
}

/// Services of type `LoadBalancer`.
pub(super) fn services(input: &Input<'_>, lines: &mut Lines<'_>) {
    let class = load_balancer_class(input);
    let world = &input.manifests.world;
    let keys = world.keys(Kind::Service).into_iter();
    let served: Vec<Key> =
        keys.filter(|key| world.service(key).is_some_and(|service| is_served(service, &class))).collect();
    for key in &served {
        stays(input, lines, format!("Service {key}"), "its load balancer");
    }
    if served.is_empty() {
        lines.fine("", "LBC serves none");
    }
}

/// Gateways and accelerators.
pub(super) fn gateways(input: &Input<'_>, lines: &mut Lines<'_>) {
    for gateway in &input.found.gateways {
        stays(input, lines, format!("{} {}", gateway.kind, gateway.key), "what LBC created for it");
    }
    if input.found.gateways.is_empty() && input.found.is_live {
        lines.fine("", "LBC serves none");
    }
}

fn stays(input: &Input<'_>, lines: &mut Lines<'_>, place: String, what: &str) {
    if input.beside {
        return lines.fine(place, "LBC continues to serve it");
    }
    let message =
        format!("LBC serves it, and Albedo does not: without LBC {what} stays as it is, and nothing follows a change");
    lines.blocks(
        place,
        message,
        "keep LBC for it beside Albedo (see docs/beside-lbc.md, then --beside-lbc here), or delete it first",
    );
}

/// The class that LBC's arguments name.
fn load_balancer_class(input: &Input<'_>) -> String {
    const FLAG: &str = "load-balancer-class";
    let words =
        controller::find(&input.found.deployments, input.named).map(|controller| controller.words).unwrap_or_default();
    let given = lbc::arguments(&words).into_iter().rev().find(|argument| argument.name == FLAG);
    given.map_or_else(
        || lbc::flag(FLAG).map(|row| row.default.to_owned()).unwrap_or_default(),
        |argument| argument.value,
    )
}

fn is_served(service: &Service, class: &str) -> bool {
    let metadata = &service.metadata;
    if metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER) {
        return true;
    }
    let Some(spec) = service.spec.as_ref().filter(|spec| spec.type_.as_deref() == Some("LoadBalancer")) else {
        return false;
    };
    match spec.load_balancer_class.as_deref() {
        Some(own) => own == class,
        None => {
            metadata.annotations.iter().flatten().any(|(key, value)| key == TYPE && TYPES.contains(&value.as_str()))
        }
    }
}

/// Bindings that Albedo does not touch.
pub(super) fn bindings(input: &Input<'_>, lines: &mut Lines<'_>) {
    let all = input.manifests.world.bindings().count();
    if input.beside {
        return lines.fine("", format!("{} that LBC continues to serve", count(all, "binding")));
    }
    let mut taken_over = all;
    for (key, binding) in input.manifests.world.bindings() {
        let Some(hold) = held_by_itself(binding) else { continue };
        taken_over -= 1;
        let fix = "or keep LBC for it beside Albedo (see docs/beside-lbc.md)";
        lines.blocks(format!("TargetGroupBinding {key}"), hold.to_string(), fix);
    }
    lines.fine("", format!("{} that Albedo takes over", count(taken_over, "binding")));
}
