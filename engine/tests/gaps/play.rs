//! Plays a plan call by call on one listener, as AWS would, and looks at every kind of request in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use albedo_engine::plan::{AwsOperation, Operation};
use albedo_engine::stack::{Action, Condition, Ref, ResourceId, Rule};
use albedo_engine::traffic::{Class, classes};

use crate::generate::{Pair, folded};

/// A request that gets neither its old nor its new answer.
pub struct Found {
    pub after: usize,
    pub request: String,
}

/// Rules by priority, each with what it is known by.
type Table = BTreeMap<u32, (String, Rule)>;

/// Whether it is a call that the minimum counts.
pub fn moves_rules(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Aws(
            AwsOperation::CreateRule { .. }
                | AwsOperation::ModifyRule { .. }
                | AwsOperation::DeleteRule { .. }
                | AwsOperation::SetRulePriorities { .. }
                | AwsOperation::ModifyListener { .. }
        )
    )
}

/// All misroutings; panics when AWS would refuse a call, or when the end is not what is desired.
pub fn play(pair: &Pair, operations: &[Operation]) -> Vec<Found> {
    let mut fixture = Fixture::new(pair);
    let mut found = Vec::new();
    for (after, operation) in operations.iter().enumerate() {
        fixture.apply(operation).unwrap_or_else(|refusal| panic!("seed {}: operation {after}: {refusal}", pair.seed));
        assert!(fixture.table.len() <= pair.room(), "seed {}: more rules than the quota after {after}", pair.seed);
        found.extend(fixture.misrouted().into_iter().map(|request| Found { after, request }));
    }
    let end = |priority: u32, rule: &Rule| Rule { priority, conditions: folded(rule).into(), ..rule.clone() };
    let rules: Vec<Rule> = fixture.table.iter().map(|(priority, (_, rule))| end(*priority, rule)).collect();
    let wanted: Vec<Rule> = pair.after.rules.iter().map(|rule| end(rule.priority, rule)).collect();
    assert_eq!(rules, wanted, "seed {}: the end", pair.seed);
    assert_eq!(fixture.default, pair.after.default_actions, "seed {}", pair.seed);
    found
}

/// The same, but a call that AWS would refuse is passed over: for orders that nobody planned.
pub fn play_loosely(pair: &Pair, operations: &[Operation]) -> Vec<String> {
    let mut fixture = Fixture::new(pair);
    let mut found = Vec::new();
    for operation in operations {
        if fixture.apply(operation).is_ok() {
            found.extend(fixture.misrouted());
        }
    }
    found
}

struct Fixture {
    table: Table,
    default: Vec<Action>,
    kinds: Vec<Class>,
    /// The rules whose conditions the kinds know.
    known: Vec<Arc<[Condition]>>,
    ends: Vec<[Vec<Action>; 2]>,
}

impl Fixture {
    fn new(pair: &Pair) -> Self {
        let known: Vec<Arc<[Condition]>> =
            pair.before.rules.iter().chain(&pair.after.rules).map(|rule| rule.conditions.clone()).collect();
        let conditions: Vec<&[Condition]> = known.iter().map(|list| &**list).collect();
        let kinds = classes(80, &conditions);
        assert!(kinds.complete);
        let table = |rules: &[Rule]| -> Table {
            rules
                .iter()
                .map(|rule| (rule.priority, (ResourceId::rule(80, rule.priority).to_string(), rule.clone())))
                .collect()
        };
        let mut fixture = Self {
            table: table(&pair.after.rules),
            default: pair.after.default_actions.clone(),
            kinds: kinds.all,
            known,
            ends: Vec::new(),
        };
        let new = fixture.answers();
        fixture.table = table(&pair.before.rules);
        fixture.default.clone_from(&pair.before.default_actions);
        fixture.ends = fixture.answers().into_iter().zip(new).map(|(old, new)| [old, new]).collect();
        fixture
    }

    fn answers(&self) -> Vec<Vec<Action>> {
        let places: Vec<(usize, &Rule)> = self
            .table
            .values()
            .map(|(_, rule)| {
                let place = self.known.iter().position(|known| *known == rule.conditions);
                (place.expect("the conditions of a rule"), rule)
            })
            .collect();
        let answer = |class: &Class| {
            let taken = places.iter().find(|(place, _)| class.matches.contains(*place));
            taken.map_or_else(|| self.default.clone(), |(_, rule)| rule.actions.to_vec())
        };
        self.kinds.iter().map(answer).collect()
    }

    fn misrouted(&self) -> Vec<String> {
        let answers = self.answers().into_iter().zip(&self.ends).zip(&self.kinds);
        let wrong = answers.filter(|((got, ends), _)| !ends.contains(got));
        wrong.map(|((got, ends), class)| format!("{} gets {got:?} and not one of {ends:?}", class.example)).collect()
    }

    fn place(&self, name: &str) -> Result<u32, String> {
        let place = self.table.iter().find(|(_, (known, _))| known == name).map(|(place, _)| *place);
        place.ok_or_else(|| format!("no rule {name}"))
    }

    fn apply(&mut self, operation: &Operation) -> Result<(), String> {
        let Operation::Aws(operation) = operation else { return Ok(()) };
        match operation {
            AwsOperation::CreateRule { is, .. } => {
                if self.table.contains_key(&is.priority) {
                    return Err(format!("priority {} is in use", is.priority));
                }
                // As the edge does: known by the id it was made with.
                let name = format!("made:{}", is.priority);
                self.table.insert(is.priority, (name, is.clone()));
            }
            AwsOperation::ModifyRule { rule, is, .. } => {
                let place = self.place(rule)?;
                self.table.insert(place, (rule.clone(), is.clone()));
            }
            AwsOperation::DeleteRule { rule } => {
                let place = self.place(rule)?;
                self.table.remove(&place);
            }
            AwsOperation::SetRulePriorities { priorities } => {
                let mut moved = Vec::new();
                for (rule, to) in priorities {
                    let name = match rule {
                        Ref::Known(arn) => arn.clone(),
                        Ref::Of(id) => format!("made:{}", id.as_str().split(':').nth(1).unwrap_or_default()),
                    };
                    let place = self.place(&name)?;
                    moved.push((*to, place));
                }
                let rules: Vec<_> = moved.iter().map(|(to, from)| (*to, self.table.remove(from))).collect();
                for (to, rule) in rules {
                    let rule = rule.ok_or("named twice")?;
                    if self.table.insert(to, rule).is_some() {
                        return Err(format!("priority {to} is in use"));
                    }
                }
            }
            AwsOperation::ModifyListener { is, .. } => self.default.clone_from(&is.default_actions),
            AwsOperation::AddTags { .. } | AwsOperation::RemoveTags { .. } => {}
            other => return Err(format!("what is {other:?} for?")),
        }
        Ok(())
    }
}
