//! What has to wait while a listener waits for targets: only what the rules that it still has lean on, or what protects them.
//!
//! Everything else of the pass goes on. A listener that waits gives its old answers, so those have to stay as they are:
//! the target groups that it forwards to, the listeners that it redirects to and who may reach them, its certificates,
//! web ACLs. The tags of its rules name places that they do not have yet.

use std::collections::BTreeSet;

use super::difference::Input;
use super::equal::{self, Known};
use super::operation::{DependsOn, KubeOperation, Operation};
use super::rules::Routing;
use super::stage::Stage;
use crate::stack::{Action, Found, ObservedListener, Permission, Ref, Rule, TargetGroupTuple};

/// What listeners that wait lean on.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Their ARNs.
    listeners: BTreeSet<String>,
    /// ARNs of the rules that they have.
    rules: BTreeSet<String>,
    /// ARNs of the target groups that those name.
    target_groups: BTreeSet<String>,
    /// Ports that those redirect to and that nobody will listen on.
    ports: BTreeSet<u16>,
}

impl Waiting {
    /// A listener that waits.
    pub(super) fn add(&mut self, routing: &Routing, known: &Known, input: Input<'_>) {
        let there = (&routing.listener, routing.there.as_slice(), routing.default_before().unwrap_or_default());
        self.lean(there, known, input);
        // What they redirect to and would go stays for as long, and leans on something itself.
        let listeners = || input.observed.load_balancers.iter().flat_map(|found| &found.listeners);
        let kept = |waiting: &Self| {
            let stays = |found: &&ObservedListener| {
                waiting.ports.contains(&found.is.port) && !waiting.listeners.contains(&found.arn)
            };
            listeners().find(stays)
        };
        while let Some(found) = kept(self) {
            let reference = Ref::Known(found.arn.clone());
            self.lean((&reference, &found.rules, &found.is.default_actions), known, input);
        }
    }

    /// On what the rules and default actions of a listener lean.
    fn lean(&mut self, of: (&Ref, &[Found<Rule>], &[Action]), known: &Known, input: Input<'_>) {
        let (listener, rules, default) = of;
        let arn = |reference: &Ref| match equal::resolve(reference, known) {
            Ref::Known(arn) => Some(arn),
            Ref::Of(_) => None,
        };
        self.listeners.extend(arn(listener));
        self.rules.extend(rules.iter().map(|found| found.arn.clone()));
        for action in rules.iter().flat_map(|found| found.is.actions.iter()).chain(default) {
            self.ports.extend(action.landing().filter(|port| !input.desired.listeners.contains_key(port)));
            if let Action::Forward(forward) = action {
                let named = |tuple: &TargetGroupTuple| arn(&tuple.target_group);
                self.target_groups.extend(forward.target_groups.iter().filter_map(named));
            }
        }
    }

    /// What need not wait.
    pub(super) fn let_pass(&self, mut changes: Vec<(Stage, Operation)>, input: Input<'_>) -> Vec<(Stage, Operation)> {
        if !self.listeners.is_empty() {
            changes.retain(|(_, operation)| !self.leans_on(operation, input));
        }
        changes
    }

    fn leans_on(&self, operation: &Operation, input: Input<'_>) -> bool {
        let aws = match operation {
            Operation::Kube(KubeOperation::ApplyBinding(_)) => return false,
            Operation::Kube(KubeOperation::DeleteBinding { namespace, name }) => {
                let of = |found: &&super::ObservedBinding| found.is.namespace == *namespace && found.is.name == *name;
                let found = input.bindings.iter().find(of);
                return found.is_some_and(|found| self.target_groups.contains(&found.target_group));
            }
            Operation::Aws(aws) => aws,
        };
        let is_among = |waiting: &BTreeSet<String>, one: &Ref| match one {
            Ref::Known(arn) => waiting.contains(arn),
            Ref::Of(_) => false,
        };
        match aws.describe().depends_on {
            DependsOn::Nothing => false,
            DependsOn::Listener(listener) => is_among(&self.listeners, &listener),
            DependsOn::Priority(rule) => is_among(&self.rules, &rule),
            DependsOn::NoForward(target_group) => self.target_groups.contains(target_group),
            DependsOn::NoRedirect(permissions) => permissions.iter().any(|one| self.is_reached_by(one)),
            DependsOn::AllListeners => true,
        }
    }

    fn is_reached_by(&self, permission: &Permission) -> bool {
        let (first, last) = permission.ports.unwrap_or((0, u16::MAX));
        self.ports.range(first..=last).next().is_some()
    }
}
