//! What differs → one pass: operations in the order of their stages, rules in the order that leaves no gap.

use super::change::{RuleAt, RuleChange, Schedule, Step};
use super::difference::{Difference, Input};
use super::equal;
use super::operation::{AwsOperation, Operation};
use super::rules::{self, Routing};
use super::schedule::schedule;
use super::stage::Stage;
use super::table::Table;
use super::waiting::Waiting;
use super::{Gap, Plan, health, tags};
use crate::stack::{Listener, Protocol, Ref, ResourceId, Rule, Treatment};

/// Puts what differs in order.
#[must_use]
pub fn order(difference: Difference, input: Input<'_>) -> Plan {
    order_by(difference, input, Pace::Short)
}

/// Puts what differs in the order that is right without a look at any request: more calls, and nothing that could be thought
/// out wrongly.
#[must_use]
pub fn order_slowly(difference: Difference, input: Input<'_>) -> Plan {
    order_by(difference, input, Pace::Slow)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Short,
    Slow,
}

fn order_by(difference: Difference, input: Input<'_>, pace: Pace) -> Plan {
    let Difference { mut changes, mut routing, known, waits, held, later } = difference;
    changes.sort_by_key(|(stage, _)| *stage);
    let mut behind = changes.split_off(changes.partition_point(|(stage, _)| *stage < Stage::Routing));
    let operations = changes.into_iter().map(|(_, operation)| operation).collect();
    let mut plan = Plan { operations, known, waits, held, later, gaps: Vec::new() };
    let mut room = Room::new(&mut routing, input);
    let mut waiting = Waiting::default();
    for one in &routing {
        match plan.route(one, room.of(one), input, pace) {
            Some(tags) => behind.extend(tags),
            None => waiting.add(one, &plan.known, input),
        }
    }
    let mut behind = waiting.let_pass(behind, input);
    behind.sort_by_key(|(stage, _)| *stage);
    plan.operations.extend(behind.into_iter().map(|(_, operation)| operation));
    plan
}

impl Plan {
    /// Adds what changes in one listener, and gives back what may follow; `None`: it waits for targets.
    fn route(
        &mut self,
        routing: &Routing,
        room: usize,
        input: Input<'_>,
        pace: Pace,
    ) -> Option<Vec<(Stage, Operation)>> {
        let before = routing.default_before();
        let after = Treatment::by_default(&routing.after.default_actions);
        let default = before.is_some_and(|before| !equal::answers(after, Treatment::by_default(before), &self.known));
        let change = RuleChange::new(routing, default, room);
        let table = before.and_then(|_| Table::of(routing, &self.known));
        if let (Some(table), Some(targets)) = (&table, input.targets) {
            let wait = health::wait(routing, &table.taken_over(routing), &self.known, targets);
            if !wait.on.is_empty() {
                self.operations.extend(wait.warm.map(Operation::Aws));
                let names: Vec<String> = wait.on.iter().map(|one| self.name_of(one)).collect();
                self.waits.push(format!("healthy targets of {} before rules point there", names.join(", ")));
                return None;
            }
        }
        let table = table.filter(|_| pace == Pace::Short);
        let schedule = match table {
            Some(table) if table.has_warmed() => {
                let kept = schedule(&change, Some(&table));
                // No order at all is worse than one in which targets are checked anew.
                if kept.gaps.is_empty() { kept } else { schedule(&change, Some(&table.without_warmed())) }
            }
            table => schedule(&change, table.as_ref()),
        };
        let steps = Steps { routing, default };
        let first = self.operations.len();
        let calls = steps.operations(&schedule);
        self.gaps.extend(schedule.gaps.iter().map(|(after, request)| Gap {
            after: first + calls.iter().take_while(|(step, _)| step.is_none_or(|step| step <= *after)).count() - 1,
            request: request.clone(),
        }));
        self.operations.extend(calls.into_iter().map(|(_, operation)| Operation::Aws(operation)));
        Some(steps.retags(&schedule, input).into_iter().map(|one| (Stage::Tags, Operation::Aws(one))).collect())
    }
}

impl Plan {
    /// The id of a resource of the group, or its ARN if it is somebody else's.
    fn name_of(&self, one: &Ref) -> String {
        match one {
            Ref::Of(id) => id.to_string(),
            Ref::Known(arn) => {
                let id = self.known.iter().find(|(_, known)| *known == arn).map(|(id, _)| id.to_string());
                id.unwrap_or_else(|| arn.clone())
            }
        }
    }
}

/// How many rules the load balancer has room for.
struct Room {
    quota: usize,
    there: usize,
}

impl Room {
    /// Also puts listeners in the order in which they change: those that others redirect to first, unless there is no
    /// room for that; then those that shrink.
    fn new(routing: &mut [Routing], input: Input<'_>) -> Self {
        let desired = input.desired.listeners.values().map(|listener| listener.rules.len()).sum();
        let kept = |id: &str| input.desired.load_balancer.is_some() && !id.is_empty();
        let balancers = input.observed.load_balancers.iter().filter(|found| kept(&found.arn));
        let there = balancers.flat_map(|found| &found.listeners).map(|listener| listener.rules.len()).sum();
        let quota = input.rule_quota.max(there).max(desired);
        let growth = |routing: &Routing| routing.after.rules.len().saturating_sub(routing.there.len());
        let grows: usize = routing.iter().map(growth).sum();
        let tight = there + grows > quota;
        routing.sort_by_key(|one| {
            let shrinks = one.after.rules.len() < one.there.len();
            (tight && !shrinks, one.after.protocol != Protocol::Https, one.after.port)
        });
        Self { quota, there }
    }

    /// How many rules a listener may have while it changes.
    fn of(&mut self, routing: &Routing) -> usize {
        let others = self.there.saturating_sub(routing.there.len());
        self.there = others + routing.after.rules.len();
        self.quota.saturating_sub(others)
    }
}

/// The steps of one listener as operations.
struct Steps<'r> {
    routing: &'r Routing,
    default: bool,
}

impl Steps<'_> {
    /// Each operation with the number of its step; those around the steps have none.
    fn operations(&self, schedule: &Schedule) -> Vec<(Option<usize>, AwsOperation)> {
        let Modified { first, at_default, last } = self.modified();
        let modify = |is: Listener| Some((None, AwsOperation::ModifyListener { listener: self.arn()?, is }));
        let mut operations: Vec<(Option<usize>, AwsOperation)> = first.and_then(modify).into_iter().collect();
        for (number, step) in schedule.steps.iter().enumerate() {
            let operation = match step {
                Step::Modify(there, rule) => self.modify(*there, *rule),
                Step::Create(rule, priority) => self.create(*rule, *priority),
                Step::Priorities(moved) => Some(self.priorities(moved, schedule)),
                Step::Delete(there) => {
                    self.routing.there.get(*there).map(|found| AwsOperation::DeleteRule { rule: found.arn.clone() })
                }
                Step::Default => at_default
                    .clone()
                    .zip(self.arn())
                    .map(|(is, listener)| AwsOperation::ModifyListener { listener, is }),
            };
            operations.extend(operation.map(|operation| (Some(number), operation)));
        }
        operations.extend(last.and_then(modify));
        operations
    }

    fn arn(&self) -> Option<String> {
        match &self.routing.listener {
            Ref::Known(arn) => Some(arn.clone()),
            Ref::Of(_) => None,
        }
    }

    /// What the listener is modified to, and when. Rules that authenticate need HTTPS: it comes before them and goes after
    /// them.
    fn modified(&self) -> Modified {
        let Routing { before, after, modify, .. } = self.routing;
        let none = Modified { first: None, at_default: None, last: None };
        let Some(before) = before.as_ref().filter(|_| *modify) else { return none };
        let leaves = before.protocol == Protocol::Https && after.protocol == Protocol::Http;
        let comes = before.protocol == Protocol::Http && after.protocol == Protocol::Https;
        let with = |of: &Listener, default: &Listener| {
            let default_actions = default.default_actions.clone();
            Some(Listener { default_actions, ..of.clone() })
        };
        match (self.default, comes, leaves) {
            (false, _, true) => Modified { last: Some(after.clone()), ..none },
            (false, ..) => Modified { first: Some(after.clone()), ..none },
            (true, true, _) => Modified { first: with(after, before), at_default: Some(after.clone()), ..none },
            (true, _, true) => Modified { at_default: with(before, after), last: Some(after.clone()), ..none },
            (true, ..) => Modified { at_default: Some(after.clone()), ..none },
        }
    }

    fn modify(&self, there: usize, rule: usize) -> Option<AwsOperation> {
        let found = self.routing.there.get(there)?;
        let is = self.routing.after.rules.get(rule)?.clone();
        Some(rules::modify(found, is))
    }

    fn create(&self, rule: usize, priority: u32) -> Option<AwsOperation> {
        let is = Rule { priority, ..self.routing.after.rules.get(rule)?.clone() };
        Some(AwsOperation::CreateRule { listener: self.routing.listener.clone(), port: self.routing.after.port, is })
    }

    fn priorities(&self, moved: &[(RuleAt, u32)], schedule: &Schedule) -> AwsOperation {
        let made = |rule: usize| {
            schedule.steps.iter().find_map(|step| match step {
                Step::Create(made, priority) if *made == rule => Some(*priority),
                _ => None,
            })
        };
        let reference = |row: RuleAt| match row {
            RuleAt::There(there) => self.routing.there.get(there).map(|found| Ref::Known(found.arn.clone())),
            RuleAt::Made(rule) => made(rule).map(|place| Ref::Of(ResourceId::rule(self.routing.after.port, place))),
        };
        let priorities = moved.iter().filter_map(|(row, to)| Some((reference(*row)?, *to))).collect();
        AwsOperation::SetRulePriorities { priorities }
    }

    /// Rules that became others keep their tags until here.
    fn retags(&self, schedule: &Schedule, input: Input<'_>) -> Vec<AwsOperation> {
        let mut operations = Vec::new();
        for step in &schedule.steps {
            let Step::Modify(there, rule) = step else { continue };
            let pair = self.routing.there.get(*there).zip(self.routing.after.rules.get(*rule));
            let Some((found, rule)) = pair else { continue };
            operations.extend(tags::retag(&found.arn, &rule.tags.all(), &found.is.tags.all(), input));
        }
        operations
    }
}

/// What a listener is modified to before its rules change, among them, and after.
struct Modified {
    first: Option<Listener>,
    at_default: Option<Listener>,
    last: Option<Listener>,
}
