//! Rules that no request reaches, and members without any rule.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::findings::Findings;
use super::group::Group;
use super::rules::Routing;
use super::takeover;
use crate::annotation::catalogue::SSL_REDIRECT;
use crate::compile::Origin;
use crate::finding::{Code, FieldPath, Finding};
use crate::stack::Listener;

/// Reports rules that never answer, or that answer what another namespace would have answered; `redirected`: HTTP listeners redirect
/// everything to HTTPS.
pub(super) fn report(group: Group<'_>, routing: &Routing, redirected: bool, findings: &mut Findings) {
    for (port, listener) in &routing.listeners {
        let origins = routing.origins.get(port).map(Vec::as_slice).unwrap_or_default();
        report_unreached(listener, origins, findings);
        takeover::report(listener, origins, findings);
    }
    report_left_out(routing, findings);
    if redirected {
        report_unserved(group, findings);
    }
}

/// Rules that no request reaches, because an earlier one takes all of theirs.
fn report_unreached(listener: &Listener, origins: &[Arc<Origin>], findings: &mut Findings) {
    for (rule, by) in crate::traffic::unreachable(listener) {
        let (Some(origin), Some(first)) = (origins.get(rule), origins.get(by)) else { continue };
        let message =
            format!("no request reaches it on port {}: {} of {} takes all first", listener.port, first.path, first.key);
        let path = FieldPath::at(&origin.path);
        let finding = Finding::new(Code::UnreachedRule, origin.key.ingress(), path, message);
        findings.report(&origin.key, finding.related([first.key.ingress()]));
    }
}

/// Paths whose rules are left out on every port. One that is left out here and not there is as it should be: a redirect
/// to HTTPS leads back to itself on the HTTPS port.
fn report_left_out(routing: &Routing, findings: &mut Findings) {
    if routing.left_out.is_empty() {
        return;
    }
    let alive: BTreeSet<&Arc<Origin>> = routing.origins.values().flatten().collect();
    let mut told = BTreeSet::new();
    for (origin, finding) in &routing.left_out {
        if !alive.contains(origin) && told.insert(origin) {
            findings.report(&origin.key, finding.clone());
        }
    }
}

/// Members without any rule: they have HTTP listeners alone, and the group redirects HTTP to HTTPS.
fn report_unserved(group: Group<'_>, findings: &mut Findings) {
    let speaker = group.fragments().find(|fragment| fragment.values.get(&SSL_REDIRECT).is_some());
    for fragment in group.fragments().filter(|fragment| !fragment.routes(true) && fragment.routes_something) {
        let message = "none of its rules is built: it has HTTP listeners alone, and the group redirects HTTP to HTTPS";
        let path = FieldPath::at("spec.rules");
        let finding = Finding::new(Code::UnreachedRule, fragment.key.ingress(), path, message)
            .fix("add an HTTPS port to listen-ports, as in [{\"HTTP\": 80}, {\"HTTPS\": 443}]")
            .related(speaker.filter(|speaker| speaker.key != fragment.key).map(|speaker| speaker.key.ingress()));
        findings.report(&fragment.key, finding);
    }
}
