//! A plan played against the model of traffic before it is applied: what each kind of request gets after each operation.
//!
//! This looks at whole passes and knows nothing of how they were put in order. A plan that misroutes anybody, but where it
//! says itself that the quota leaves no other way, has a defect and is not applied.
//!
//! Not covered: regular expressions are taken to match or not each on its own, and where that makes more kinds than can be
//! told apart some are left out ([`classes`]); which certificate a client is shown; stickiness.

mod undone;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::difference::Input;
use super::equal::{self, Known};
use super::health::{self, serves};
use super::operation::{KubeOperation, Operation, RouteChange};
use super::targets::TargetsByArn;
use super::{Gap, Plan};
use crate::stack::{Action, Condition, Listener, Ref, ResourceId, Rule, Treatment};
use crate::traffic::{Class, Request, classes, meets};

/// A kind of requests that would get neither its old nor its new answer, or a resource that the plan deletes after it
/// has applied it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misroute {
    /// Index of the operation after which; as many as there are operations: at the end.
    pub after: usize,
    /// One of the requests, or the resource.
    pub request: String,
    /// What it would get, or what becomes of it.
    pub gets: String,
}

impl fmt::Display for Misroute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after operation {}: {} {}", self.after + 1, self.request, self.gets)
    }
}

/// What would go wrong, of each operation and kind of requests once. No request does with a new load balancer: nobody uses it.
#[must_use]
pub fn check(plan: &Plan, input: Input<'_>) -> Vec<Misroute> {
    let mut wrong = undone::undone(&plan.operations, input);
    wrong.extend(misrouted(plan, input));
    wrong
}

fn misrouted(plan: &Plan, input: Input<'_>) -> Vec<Misroute> {
    let arn = plan.known.get(&ResourceId::load_balancer());
    let Some(found) = input.observed.load_balancers.iter().find(|found| Some(&found.arn) == arn) else {
        return Vec::new();
    };
    let before = found.listeners.iter().map(|listener| {
        let rules = listener.rules.iter().map(|rule| (rule.is.priority, (rule.arn.clone(), Content::of(&rule.is))));
        let state = State { default: listener.is.default_actions.clone(), rules: rules.collect() };
        (listener.is.port, (listener.arn.clone(), state))
    });
    let mut course = Play::new(before.collect(), &plan.known, input);
    let mut wrong = Vec::new();
    for (after, operation) in plan.operations.iter().enumerate() {
        if course.apply(operation) {
            wrong.extend(course.misrouted(after, &plan.gaps));
        }
    }
    if plan.waits.is_empty() && plan.held.is_empty() {
        wrong.extend(course.unfinished(plan.operations.len()));
    }
    wrong
}

/// What a rule is, its place aside.
#[derive(Debug, Clone)]
struct Content(Rule);

impl Content {
    fn of(rule: &Rule) -> Self {
        Self(rule.clone())
    }
}

/// A listener at some moment.
#[derive(Debug, Clone)]
struct State {
    default: Vec<Action>,
    /// By priority: what the rule is known by, and what it is.
    rules: BTreeMap<u32, (String, Content)>,
}

/// What is done with a request; `None`: nobody listens.
type RuleAnswer<'s> = Option<Treatment<'s>>;

/// A port, the kinds of requests that come to it, and what each gets in the end and got in the beginning.
struct Port {
    kinds: Vec<Class>,
    /// For each list of conditions, which kinds meet it.
    meets: Vec<(Arc<[Condition]>, Vec<bool>)>,
    /// Where the list of a rule of `ends` is in memory, and its place in `meets`. `ends` keeps the lists there.
    places: BTreeMap<usize, usize>,
    ends: [Option<State>; 2],
}

fn address(conditions: &Arc<[Condition]>) -> usize {
    Arc::as_ptr(conditions).addr()
}

struct Play<'a> {
    known: &'a Known,
    input: Input<'a>,
    /// Listeners by port: ARN and state.
    listeners: BTreeMap<u16, (String, State)>,
    ports: BTreeMap<u16, Port>,
    /// Target groups that are gone or let go of their targets.
    gone: BTreeSet<String>,
    touched: BTreeSet<u16>,
}

impl<'a> Play<'a> {
    fn new(listeners: BTreeMap<u16, (String, State)>, known: &'a Known, input: Input<'a>) -> Self {
        let desired = &input.desired.listeners;
        let numbers: BTreeSet<u16> = listeners.keys().chain(desired.keys()).copied().collect();
        let ports = numbers.into_iter().map(|port| {
            let before = listeners.get(&port).map(|(_, state)| state.clone());
            let after = desired.get(&port).map(State::desired);
            (port, Port::new(port, [before, after]))
        });
        Self { known, input, ports: ports.collect(), listeners, gone: BTreeSet::new(), touched: BTreeSet::new() }
    }

    /// Whether it changes what requests get.
    fn apply(&mut self, operation: &Operation) -> bool {
        self.touched.clear();
        match operation {
            Operation::Aws(operation) => self.route(operation.describe().routes),
            Operation::Kube(KubeOperation::DeleteBinding { namespace, name }) => {
                // One that another hand deletes has let go of its targets, whatever this plan does, and one of a target group that
                // is gone has none.
                let is_there = |arn: &str| self.input.observed.target_groups.iter().any(|group| group.arn == arn);
                let of = |found: &&super::ObservedBinding| {
                    found.is.namespace == *namespace
                        && found.is.name == *name
                        && !found.deleting
                        && is_there(&found.target_group)
                };
                self.gone.extend(self.input.bindings.iter().find(of).map(|found| found.target_group.clone()));
                self.touched.extend(self.ports.keys());
            }
            Operation::Kube(KubeOperation::ApplyBinding(_)) => {}
        }
        !self.touched.is_empty()
    }

    fn route(&mut self, routes: RouteChange<'_>) {
        match routes {
            RouteChange::Unchanged => {}
            RouteChange::ListenerCreated(is) => {
                let name = Ref::Of(ResourceId::listener(is.port)).to_string();
                let state = State { default: is.default_actions.clone(), rules: BTreeMap::new() };
                self.listeners.insert(is.port, (name, state));
                self.touched.insert(is.port);
            }
            RouteChange::ListenerChanged(is) => {
                if let Some((_, state)) = self.listeners.get_mut(&is.port) {
                    state.default.clone_from(&is.default_actions);
                }
                self.touched.insert(is.port);
            }
            RouteChange::ListenerDeleted(listener) => {
                self.listeners.retain(|_, (arn, _)| arn != listener);
                // Others may redirect there.
                self.touched.extend(self.ports.keys());
            }
            RouteChange::RuleCreated(port, is) => {
                let name = Ref::Of(ResourceId::rule(port, is.priority)).to_string();
                if let Some((_, state)) = self.listeners.get_mut(&port) {
                    state.rules.insert(is.priority, (name, Content::of(is)));
                }
                self.touched.insert(port);
            }
            RouteChange::RuleChanged(rule, is) => self.edit(rule, |rules, place| {
                rules.insert(place, (rule.to_owned(), Content::of(is)));
            }),
            RouteChange::RuleDeleted(rule) => self.edit(rule, |rules, place| {
                rules.remove(&place);
            }),
            RouteChange::RulesMoved(priorities) => self.reprioritize(priorities),
            RouteChange::TargetGroupDeleted(target_group) => {
                self.gone.insert(target_group.to_owned());
                self.touched.extend(self.ports.keys());
            }
        }
    }

    fn edit(&mut self, rule: &str, change: impl Fn(&mut BTreeMap<u32, (String, Content)>, u32)) {
        for (port, (_, state)) in &mut self.listeners {
            let place = state.rules.iter().find(|(_, (name, _))| name == rule).map(|(place, _)| *place);
            if let Some(place) = place {
                change(&mut state.rules, place);
                self.touched.insert(*port);
            }
        }
    }

    fn reprioritize(&mut self, priorities: &[(Ref, u32)]) {
        for (port, (_, state)) in &mut self.listeners {
            let mut moved = Vec::new();
            for (rule, to) in priorities {
                let name = rule.to_string();
                let place = state.rules.iter().find(|(_, (known, _))| *known == name).map(|(place, _)| *place);
                moved.extend(place.and_then(|place| state.rules.remove(&place)).map(|rule| (*to, rule)));
            }
            if !moved.is_empty() {
                self.touched.insert(*port);
                state.rules.extend(moved);
            }
        }
    }

    fn misrouted(&self, after: usize, told: &[Gap]) -> Vec<Misroute> {
        let mut wrong = Vec::new();
        for number in &self.touched {
            let Some(port) = self.ports.get(number) else { continue };
            let state = self.listeners.get(number).map(|(_, state)| state);
            let told: Vec<&Gap> = told.iter().filter(|gap| gap.after <= after && gap.request.port == *number).collect();
            for kind in 0..port.kinds.len() {
                if told.iter().any(|gap| port.is_of(kind, &gap.request)) {
                    continue;
                }
                let got = port.answer(state, kind);
                let problem = self.problem(port, kind, got, state);
                wrong.extend(problem.map(|gets| Misroute { after, request: port.example(kind), gets }));
            }
        }
        wrong
    }

    fn problem(&self, port: &Port, kind: usize, got: RuleAnswer<'_>, state: Option<&State>) -> Option<String> {
        let [old, new] = [0, 1].map(|end| port.answer(port.ends.get(end).and_then(Option::as_ref), kind));
        let is = |one: RuleAnswer<'_>| same(got, one, self.known);
        let Some(Treatment { actions, .. }) = got else {
            return (!is(old) && !is(new)).then(|| "finds nobody who listens".to_owned());
        };
        let listens_newly = old.is_none() && state.is_some_and(|state| std::ptr::eq(state.default.as_slice(), actions));
        if !is(old) && !is(new) && !listens_newly {
            return Some(format!("gets {}, neither its old answer nor its new one", super::show::actions(actions)));
        }
        let targets = health::target_groups(actions);
        let gone = targets.iter().find_map(|one| match equal::resolve(one, self.known) {
            Ref::Known(arn) if self.gone.contains(&arn) => Some(arn),
            _ => None,
        });
        if let Some(gone) = gone {
            return Some(format!("is forwarded to {gone}, which is gone"));
        }
        let none = TargetsByArn::new();
        let targets = self.input.targets.unwrap_or(&none);
        let served = self.input.targets.is_some() && old.is_some_and(|old| serves(old.actions, self.known, targets));
        if !is(old) && served && !health::is_ready(actions, self.known, targets) {
            return Some(format!("gets {}, which has no usable target yet", super::show::actions(actions)));
        }
        let lands = actions.iter().find_map(Action::landing).filter(|port| !self.listeners.contains_key(port))?;
        let [was, will_be] = [0, 1]
            .map(|end| self.ports.get(&lands).is_some_and(|port| port.ends.get(end).is_some_and(Option::is_some)));
        match (is(old), is(new)) {
            (false, _) if will_be => Some(format!("is redirected to port {lands}, where nobody listens yet")),
            (_, false) if was => Some(format!("is redirected to port {lands}, where nobody listens any more")),
            _ => None,
        }
    }

    /// What differs from what should be in the end.
    fn unfinished(&self, after: usize) -> Vec<Misroute> {
        let mut wrong = Vec::new();
        for (number, port) in &self.ports {
            let state = self.listeners.get(number).map(|(_, state)| state);
            for kind in 0..port.kinds.len() {
                let new = port.answer(port.ends.get(1).and_then(Option::as_ref), kind);
                if !same(port.answer(state, kind), new, self.known) {
                    let gets = "does not get its new answer in the end".to_owned();
                    wrong.push(Misroute { after, request: port.example(kind), gets });
                }
            }
        }
        wrong
    }
}

impl State {
    fn desired(listener: &Listener) -> Self {
        let rules = listener.rules.iter().map(|rule| (rule.priority, (String::new(), Content::of(rule))));
        Self { default: listener.default_actions.clone(), rules: rules.collect() }
    }
}

impl Port {
    fn new(port: u16, ends: [Option<State>; 2]) -> Self {
        let contents = ends.iter().flatten().flat_map(|state| state.rules.values().map(|(_, content)| content));
        let mut conditions: Vec<Arc<[Condition]>> = Vec::new();
        for content in contents {
            if !conditions.contains(&content.0.conditions) {
                conditions.push(content.0.conditions.clone());
            }
        }
        let lists: Vec<&[Condition]> = conditions.iter().map(|list| &**list).collect();
        let kinds = classes(port, &lists).all;
        let meeting = |(place, conditions): (usize, Arc<[Condition]>)| {
            let of =
                |class: &Class| meets(&conditions, &class.example).unwrap_or_else(|| class.matches.contains(place));
            let met = kinds.iter().map(of).collect();
            (conditions, met)
        };
        let places = ends.iter().flatten().flat_map(|state| state.rules.values()).filter_map(|(_, content)| {
            let place = conditions.iter().position(|known| *known == content.0.conditions)?;
            Some((address(&content.0.conditions), place))
        });
        let places = places.collect();
        let meets = conditions.into_iter().enumerate().map(meeting).collect();
        Self { kinds, meets, places, ends }
    }

    /// Which kinds of requests meet the conditions of a rule. Each call asks it for each rule and kind, so lists are told apart by where they
    /// are before they are compared.
    fn met(&self, content: &Content) -> Option<&Vec<bool>> {
        let place = self.places.get(&address(&content.0.conditions));
        let known = place.and_then(|place| self.meets.get(*place));
        let known = known.or_else(|| self.meets.iter().find(|(conditions, _)| *conditions == content.0.conditions));
        known.map(|(_, met)| met)
    }

    fn answer<'s>(&self, state: Option<&'s State>, kind: usize) -> RuleAnswer<'s> {
        let state = state?;
        let taken = state
            .rules
            .values()
            .map(|(_, content)| content)
            .find(|content| self.met(content).and_then(|met| met.get(kind)).copied().unwrap_or(false));
        Some(taken.map_or(Treatment::by_default(&state.default), |content| content.0.treatment()))
    }

    /// Whether a request is of a kind: it meets the same conditions. What can't be told decides nothing.
    fn is_of(&self, kind: usize, request: &Request) -> bool {
        self.meets.iter().all(|(conditions, met)| {
            meets(conditions, request).is_none_or(|meets| met.get(kind).is_some_and(|met| *met == meets))
        })
    }

    fn example(&self, kind: usize) -> String {
        self.kinds.get(kind).map(|class| class.example.to_string()).unwrap_or_default()
    }
}

fn same(one: RuleAnswer<'_>, other: RuleAnswer<'_>, known: &Known) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => equal::answers(one, other, known),
        _ => false,
    }
}
