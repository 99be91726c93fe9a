//! While one listener waits for targets the pass goes on with everything else: on generated edits of two listeners with target
//! groups of all states of health nothing goes that a request still leans on, and AWS would refuse no delete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use albedo_engine::plan::{self, AwsOperation, Input, KubeOperation, Operation, Plan, Targets, TargetsByArn};
use albedo_engine::stack::{
    Action, Binding, Desired, HealthCheck, Listener, Observed, Protocol, ProtocolVersion, Ref, ResourceId, ServicePort,
    Tags, TargetGroup, TargetType,
};

use crate::generate::{Dice, Pair, desired};
use crate::{first, on_all, pairs};

/// Two listeners, on ports 80 and 443, of which the second may come or go; with the target groups that they name.
fn edit(seed: u64, dice: &mut Dice) -> [Desired; 2] {
    let (one, other) = (Pair::of(seed), Pair::of(seed ^ 0x0dd5));
    let (first, second) = (|listener| by_id(80, listener), |listener| by_id(443, listener));
    let (comes, goes) = (dice.below(4) == 0, dice.below(3) == 0);
    let before = [Some(first(one.before)), (!comes).then(|| second(other.before))];
    let after = [Some(first(one.after)), (comes || !goes).then(|| second(other.after))];
    [before, after].map(|listeners| {
        let mut desired = desired(listeners.into_iter().flatten());
        let named: BTreeSet<String> = desired.listeners.values().flat_map(actions).flat_map(groups).collect();
        desired.target_groups =
            named.iter().map(|name| (ResourceId::from(name.as_str()), target_group(name).into())).collect();
        desired.bindings = named.iter().map(|name| (ResourceId::from(name.as_str()), binding(name))).collect();
        desired
    })
}

/// The listener on a port, its target groups those of the stack.
fn by_id(port: u16, mut listener: Listener) -> Listener {
    listener.port = port;
    let rules = listener.rules.iter_mut().flat_map(|rule| Arc::make_mut(&mut rule.actions));
    for action in rules.chain(&mut listener.default_actions) {
        let Action::Forward(forward) = action else { continue };
        for tuple in &mut forward.target_groups {
            tuple.target_group = Ref::Of(ResourceId::from(name(&tuple.target_group)));
        }
    }
    listener
}

fn name(target_group: &Ref) -> String {
    match target_group {
        Ref::Known(name) => name.clone(),
        Ref::Of(id) => id.to_string(),
    }
}

fn actions(listener: &Listener) -> Vec<Action> {
    listener.rules.iter().flat_map(|rule| rule.actions.to_vec()).chain(listener.default_actions.clone()).collect()
}

fn groups(action: Action) -> Vec<String> {
    let Action::Forward(forward) = action else { return Vec::new() };
    forward.target_groups.iter().map(|tuple| name(&tuple.target_group)).collect()
}

fn target_group(name: &str) -> TargetGroup {
    TargetGroup {
        name: name.to_owned(),
        target_type: TargetType::Ip,
        protocol: Protocol::Http,
        protocol_version: ProtocolVersion::Http1,
        target_control_port: None,
        port: 80,
        ipv6: false,
        health_check: HealthCheck {
            port: "traffic-port".to_owned(),
            protocol: Protocol::Http,
            path: "/".to_owned(),
            interval_seconds: 15,
            timeout_seconds: 5,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            success_codes: "200".to_owned(),
        },
        attributes: BTreeMap::new(),
        tags: Tags::from([("ingress.k8s.aws/resource".to_owned(), name.to_owned())]),
    }
}

fn binding(name: &str) -> Binding {
    Binding {
        name: name.to_owned(),
        namespace: "ns".to_owned(),
        labels: Tags::new(),
        target_group: Ref::Of(ResourceId::from(name)),
        target_type: TargetType::Ip,
        target_group_protocol: Protocol::Http,
        service: name.to_owned(),
        service_port: ServicePort::Number(80),
        networking: None,
        node_labels: BTreeMap::new(),
        ipv6: false,
        vpc_id: "vpc".to_owned(),
        multi_cluster: false,
    }
}

/// What rules and defaults do, by the ARN of the rule or listener; a listener's rules begin with its ARN.
struct Held {
    actions: BTreeMap<String, Vec<Action>>,
    ports: BTreeMap<String, u16>,
}

impl Held {
    fn of(observed: &Observed) -> Self {
        let mut held = Self { actions: BTreeMap::new(), ports: BTreeMap::new() };
        for listener in observed.load_balancers.iter().flat_map(|found| &found.listeners) {
            held.ports.insert(listener.arn.clone(), listener.is.port);
            held.actions.insert(listener.arn.clone(), listener.is.default_actions.clone());
            let rules = listener.rules.iter().map(|found| (found.arn.clone(), found.is.actions.to_vec()));
            held.actions.extend(rules);
        }
        held
    }

    /// What AWS would refuse, or would leave a request without an end.
    fn apply(&mut self, operation: &Operation, after: &Desired) -> Result<(), String> {
        match operation {
            Operation::Aws(AwsOperation::ModifyRule { rule: arn, is, .. }) => {
                self.actions.insert(arn.clone(), is.actions.to_vec());
            }
            Operation::Aws(AwsOperation::CreateRule { port, is, .. }) => {
                self.actions.insert(format!("{port}:made:{}", is.priority), is.actions.to_vec());
            }
            Operation::Aws(AwsOperation::ModifyListener { listener, is }) => {
                self.actions.insert(listener.clone(), is.default_actions.clone());
            }
            Operation::Aws(AwsOperation::DeleteRule { rule }) => drop(self.actions.remove(rule)),
            Operation::Aws(AwsOperation::DeleteListener { listener }) => {
                let port = self.ports[listener];
                self.actions.retain(|arn, _| arn != listener && !arn.starts_with(&format!("{port}:")));
                let wanted = |action: &Action| after.listeners.values().flat_map(actions).any(|one| one == *action);
                let mut left = self.actions.values().flatten();
                if left.any(|action| action.landing() == Some(port) && !wanted(action)) {
                    return Err(format!("a rule still redirects to port {port}"));
                }
            }
            Operation::Aws(AwsOperation::DeleteTargetGroup { target_group: arn })
            | Operation::Kube(KubeOperation::DeleteBinding { name: arn, .. })
                if self.actions.values().flatten().cloned().flat_map(groups).any(|named| named == *arn) =>
            {
                return Err(format!("a rule still names {arn}"));
            }
            _ => {}
        }
        Ok(())
    }
}

fn plan(seed: u64) -> (Plan, bool) {
    let mut dice = Dice::new(seed ^ 0x7a17);
    let [before, after] = edit(seed, &mut dice);
    let (observed, bindings) = plan::as_observed(&before);
    let states = [Targets::Usable, Targets::Usable, Targets::Unchecked, Targets::Awaited, Targets::GivenUp];
    let targets: TargetsByArn = before.target_groups.keys().map(|id| (id.to_string(), *dice.one(&states))).collect();
    let input = Input {
        desired: &after,
        observed: &observed,
        bindings: &bindings,
        cluster: "c",
        external_tags: &[],
        default_tags: &Tags::new(),
        rule_quota: 1000,
        targets: Some(&targets),
    };
    let plan = plan::plan(input);
    let wrong = plan::check(&plan, input);
    assert!(wrong.is_empty(), "seed {seed}: {wrong:?}\n{}", plan::show(&plan));
    let mut held = Held::of(&observed);
    for operation in &plan.operations {
        if let Err(refusal) = held.apply(operation, &after) {
            panic!("seed {seed}: {refusal}\n{}", plan::show(&plan));
        }
    }
    let deletes = |operation: &Operation| {
        matches!(
            operation,
            Operation::Aws(AwsOperation::DeleteTargetGroup { .. } | AwsOperation::DeleteListener { .. })
        )
    };
    let goes_on = plan.operations.iter().any(deletes);
    (plan, goes_on)
}

#[test]
fn who_waits_holds_up_nobody_else() {
    let found = on_all(first()..first() + (pairs() / 5).max(2000), |seed| {
        let (plan, goes_on) = plan(seed);
        [!plan.waits.is_empty(), !plan.waits.is_empty() && goes_on].map(usize::from)
    });
    let [waiting, going_on] = [0, 1].map(|place| found.iter().map(|counts| counts[place]).sum::<usize>());
    println!("{waiting} of {} plans wait, {going_on} of them delete something", found.len());
    assert!(waiting > found.len() / 20 && going_on > waiting / 20, "{waiting} wait and {going_on} go on");
}
