//! Rules of the listeners of a group, and where each comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group::Group;
use super::optimiser::{self, Dropped, Optimised, Tried};
use crate::compile::{Fragment, Origin, RuleSpec};
use crate::finding::{Code, FieldPath, Finding};
use crate::stack::{Listener, Protocol, ResourceId, RuleTags};

/// Where each rule comes from, by port and in the order of the listener's rules.
pub(super) type Origins = BTreeMap<u16, Vec<Arc<Origin>>>;

/// Listeners with their rules.
pub(super) struct Routing {
    pub listeners: BTreeMap<u16, Listener>,
    pub origins: Origins,
    /// Rules that are left out on one port or another, and why.
    pub left_out: Vec<(Arc<Origin>, Finding)>,
}

/// Adds the rules to listeners; `redirected`: HTTP listeners redirect everything to HTTPS and have none.
pub(super) fn rules(group: Group<'_>, listeners: BTreeMap<u16, Listener>, redirected: bool) -> Routing {
    let mut routing = Routing { listeners, origins: BTreeMap::new(), left_out: Vec::new() };
    for (port, listener) in &mut routing.listeners {
        let (port, protocol) = (*port, listener.protocol);
        let fragments = group.fragments_on(port).filter(|_| protocol == Protocol::Https || !redirected);
        let asked = fragments.flat_map(|fragment| fragment.rules.iter().map(move |spec| (fragment, spec)));
        let Optimised { kept, dropped } = optimiser::optimise(asked, |(_, spec)| tried(spec, protocol), port, protocol);
        let dropped = dropped.into_iter().map(|((_, spec), why)| {
            let by = match why {
                Dropped::Loops => None,
                Dropped::Behind(place) => kept.get(place).map(|(_, spec)| &*spec.origin),
            };
            (spec.origin.clone(), left_out(port, &spec.origin, by))
        });
        routing.left_out.extend(dropped);
        let rule = |(priority, (fragment, spec)): (u32, &(&Fragment, &RuleSpec))| {
            let tags = match group.tags_listeners() {
                true => RuleTags::new(fragment.rule_tags.clone(), ResourceId::rule(port, priority)),
                false => RuleTags::default(),
            };
            spec.rule(protocol, priority, tags)
        };
        listener.rules = (1..).zip(&kept).map(rule).collect();
        routing.origins.insert(port, kept.iter().map(|(_, spec)| spec.origin.clone()).collect());
    }
    routing
}

/// A rule that the optimiser leaves out: behind a redirect, or a redirect that leads back to itself.
fn left_out(port: u16, origin: &Origin, by: Option<&Origin>) -> Finding {
    let finding =
        |message: String| Finding::new(Code::UnreachedRule, origin.key.ingress(), FieldPath::at(&origin.path), message);
    match by {
        Some(by) => {
            let message = format!("left out on port {port}: the redirect {} of {} takes all first", by.path, by.key);
            finding(message).related([by.key.ingress()])
        }
        None => finding(format!("left out on port {port}: its redirect leads back to itself"))
            .fix("redirect to another host, path, port or protocol, or remove it"),
    }
}

/// What of a rule decides whether it ever acts.
fn tried(spec: &RuleSpec, protocol: Protocol) -> Tried<'_> {
    Tried { conditions: &spec.conditions, actions: spec.actions_on(protocol) }
}
