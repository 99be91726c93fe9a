//! One order of a table's changes, walked through step by step with all kinds of requests.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::change::{LAST_PRIORITY, RuleAt, RuleChange, Schedule, Step, unpaired};
use super::table::{Content, Table};
use crate::traffic::Set;

/// So many rules at most are put into another order on the way, and that into so many.
pub(super) const FEW: usize = 7;
const ORDERS: usize = 1000;

/// What has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Modify(usize, usize),
    Create(usize),
    Default,
    Delete(usize),
}

/// A row of the table as it is at some moment.
#[derive(Debug, Clone, Copy)]
struct Placed {
    priority: u32,
    row: RuleAt,
    content: Content,
}

/// The table at some moment.
#[derive(Debug, Clone)]
struct State {
    /// In the order of priorities.
    rows: Vec<Placed>,
    new_default: bool,
}

/// Some steps, where they lead, and what is left to do.
struct Branch {
    state: State,
    items: Vec<Item>,
    steps: Vec<Step>,
    /// Priorities are set at most once.
    moved: bool,
}

/// What makes two branches the same: places with what stands there, whether the default is new, whether priorities were set.
type Visited = (Vec<(u32, Content)>, bool, bool);

impl Branch {
    /// A step further; `done`: the item that it does, none if it sets priorities.
    fn to(&self, state: State, step: Step, done: Option<usize>) -> Self {
        let mut items = self.items.clone();
        if let Some(done) = done {
            items.remove(done);
        }
        let steps = self.steps.iter().cloned().chain([step]).collect();
        Self { state, items, steps, moved: self.moved }
    }
}

/// Walks through orders of one change.
pub(super) struct Attempt<'a> {
    pub change: &'a RuleChange<'a>,
    pub table: &'a Table,
}

impl Attempt<'_> {
    /// The steps, if there is a safe order with these pairs; `moving`: with a call that sets priorities.
    pub(super) fn walk(&self, pairs: &[(usize, usize)], moving: bool) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        let mut state = self.start();
        let mut items = items(self.change, pairs);
        if moving {
            steps.extend(self.make_room(&mut state));
        }
        self.drain(&mut state, &mut items, &mut steps, moving);
        if moving && !(items.is_empty() && self.is_reached(&state)) {
            let (next, step) = self.placed(&state, pairs);
            if !self.misrouted(&next).is_empty() {
                return None;
            }
            state = next;
            steps.extend(step);
            self.drain(&mut state, &mut items, &mut steps, false);
        }
        (items.is_empty() && self.is_reached(&state)).then_some(steps)
    }

    /// The fewest steps of any safe order of these pairs, fewer than `below`. Unlike `walk` it takes no step for good; it
    /// looks at so many tables at most.
    pub(super) fn search(&self, pairs: &[(usize, usize)], below: usize, tables: &mut usize) -> Option<Vec<Step>> {
        let first = Branch { state: self.start(), items: items(self.change, pairs), steps: Vec::new(), moved: false };
        // What is shortest with all that is left to do, first of those what is furthest.
        let rank = |branch: &Branch, number: usize| {
            let to_move = usize::from(!branch.moved && !self.is_placed(&branch.state, pairs));
            let left = branch.items.len() + to_move;
            Reverse((branch.steps.len() + left, left, number))
        };
        let mut open = BinaryHeap::from([rank(&first, 0)]);
        let mut branches = vec![first];
        let mut seen: BTreeSet<Visited> = BTreeSet::new();
        while let Some(Reverse((length, _, number))) = open.pop() {
            let branch = branches.get(number).filter(|_| length < below)?;
            if branch.items.is_empty() && self.is_reached(&branch.state) {
                return Some(branch.steps.clone());
            }
            for next in self.further(branch, pairs) {
                *tables = tables.checked_sub(1)?;
                let rows = next.state.rows.iter().map(|placed| (placed.priority, placed.content)).collect();
                let new = seen.insert((rows, next.state.new_default, next.moved));
                if new && self.misrouted(&next.state).is_empty() {
                    open.push(rank(&next, branches.len()));
                    branches.push(next);
                }
            }
        }
        None
    }

    /// All that one step leads to.
    fn further(&self, branch: &Branch, pairs: &[(usize, usize)]) -> Vec<Branch> {
        let mut next: Vec<Branch> = Vec::new();
        for (index, item) in branch.items.iter().enumerate() {
            let after = self.after(&branch.state, *item, !branch.moved);
            next.extend(after.into_iter().map(|(state, step)| branch.to(state, step, Some(index))));
        }
        if !branch.moved {
            let (state, step) = self.placed(&branch.state, pairs);
            next.extend(step.map(|step| Branch { moved: true, ..branch.to(state, step, None) }));
            next.extend(self.reordered(branch));
        }
        next
    }

    /// The rules in other orders that are safe, by one call.
    fn reordered(&self, branch: &Branch) -> Vec<Branch> {
        let rows = &branch.state.rows;
        if rows.len() > FEW {
            return Vec::new();
        }
        let contents: Vec<Content> = rows.iter().map(|placed| placed.content).collect();
        let orders = self.table.orders(&contents, branch.state.new_default, ORDERS);
        let in_order = |order: Vec<usize>| {
            let placed = order.into_iter().filter_map(|place| rows.get(place)).zip(1..);
            let (moved, rows): (Vec<_>, Vec<_>) = placed
                .map(|(placed, to)| {
                    ((placed.priority != to).then_some((placed.row, to)), Placed { priority: to, ..*placed })
                })
                .unzip();
            let step = Step::Priorities(moved.into_iter().flatten().collect());
            branch.to(State { rows, ..branch.state.clone() }, step, None)
        };
        orders.into_iter().map(in_order).collect()
    }

    /// The steps with these pairs, gaps or not: at each place where no step is safe, the one that hurts the fewest kinds.
    pub(super) fn force(&self, pairs: &[(usize, usize)]) -> Option<Schedule> {
        let mut schedule = Schedule::default();
        let mut state = self.start();
        let mut items = items(self.change, pairs);
        self.drain(&mut state, &mut items, &mut schedule.steps, true);
        let mut moved = false;
        while !(items.is_empty() && self.is_reached(&state)) {
            let mut next: Vec<(Set, State, Step, Option<usize>)> = Vec::new();
            if !moved {
                let (to, step) = self.placed(&state, pairs);
                next.extend(step.map(|step| (self.misrouted(&to), to, step, None)));
            }
            for (index, item) in items.iter().enumerate() {
                for (to, step) in self.after(&state, *item, false) {
                    next.push((self.misrouted(&to), to, step, Some(index)));
                }
            }
            let (wrong, to, step, item) = next.into_iter().min_by_key(|(wrong, ..)| wrong.len())?;
            moved |= item.is_none();
            if let Some(index) = item {
                items.remove(index);
            }
            state = to;
            schedule.steps.push(step);
            let after = schedule.steps.len() - 1;
            let hurt = wrong.numbers().filter_map(|kind| self.table.classes.get(kind));
            schedule.gaps.extend(hurt.map(|class| (after, class.example.clone())));
            self.drain(&mut state, &mut items, &mut schedule.steps, false);
        }
        Some(schedule)
    }

    fn start(&self) -> State {
        let there = self.change.routing.there.iter().enumerate();
        let mut rows: Vec<Placed> = there
            .map(|(index, found)| Placed { priority: found.is.priority, row: RuleAt::There(index), content: index })
            .collect();
        rows.sort_by_key(|placed| placed.priority);
        State { rows, new_default: false }
    }

    /// Takes every step that is safe, again and again.
    fn drain(&self, state: &mut State, items: &mut Vec<Item>, steps: &mut Vec<Step>, behind: bool) {
        loop {
            let before = items.len();
            items.retain(|item| {
                for (next, step) in self.after(state, *item, behind) {
                    if self.misrouted(&next).is_empty() {
                        *state = next;
                        steps.push(step);
                        return false;
                    }
                }
                true
            });
            if items.len() == before || items.is_empty() {
                return;
            }
        }
    }

    /// What an item can lead to; `behind`: new rules may be made behind all others, to be moved later.
    fn after(&self, state: &State, item: Item, behind: bool) -> Vec<(State, Step)> {
        let mut next = state.clone();
        match item {
            Item::Modify(there, rule) => {
                let content = self.change.content(rule);
                if let Some(placed) = next.rows.iter_mut().find(|placed| placed.row == RuleAt::There(there)) {
                    placed.content = content;
                }
                vec![(next, Step::Modify(there, rule))]
            }
            Item::Default => {
                next.new_default = true;
                vec![(next, Step::Default)]
            }
            Item::Delete(there) => {
                next.rows.retain(|placed| placed.row != RuleAt::There(there));
                vec![(next, Step::Delete(there))]
            }
            Item::Create(rule) => {
                if state.rows.len() >= self.change.room {
                    return Vec::new();
                }
                let last = state.rows.last().map_or(0, |placed| placed.priority);
                let wanted = self.change.priority(rule);
                let mut places = BTreeSet::from([wanted]);
                places.extend((behind && last < LAST_PRIORITY).then_some(last + 1));
                places.retain(|place| state.rows.iter().all(|placed| placed.priority != *place));
                let mut places: Vec<u32> = places.into_iter().collect();
                places.sort_by_key(|place| *place != wanted);
                let made = |place: u32| (self.with(state, rule, place), Step::Create(rule, place));
                places.into_iter().map(made).collect()
            }
        }
    }

    fn with(&self, state: &State, rule: usize, priority: u32) -> State {
        let mut next = state.clone();
        let at = next.rows.partition_point(|placed| placed.priority < priority);
        next.rows.insert(at, Placed { priority, row: RuleAt::Made(rule), content: self.change.content(rule) });
        next
    }

    /// A pass that broke off may have left rules at the last places: then nothing can be made behind them.
    fn make_room(&self, state: &mut State) -> Option<Step> {
        let last = state.rows.last().map_or(0, |placed| placed.priority);
        let fits = u32::try_from(self.change.fresh.len()).ok().and_then(|fresh| last.checked_add(fresh));
        if fits.is_some_and(|last| last <= LAST_PRIORITY) {
            return None;
        }
        let moved = state.rows.iter_mut().zip(1..).filter_map(|(placed, to)| {
            let from = std::mem::replace(&mut placed.priority, to);
            (from != to).then_some((placed.row, to))
        });
        Some(Step::Priorities(moved.collect()))
    }

    /// Everything at its place, what is on its way out behind all others in its order.
    fn placed(&self, state: &State, pairs: &[(usize, usize)]) -> (State, Option<Step>) {
        let mut next = state.clone();
        let leaving = next.rows.iter().filter(|placed| self.rule_of(placed.row, pairs).is_none()).count();
        let mut park = (1..=LAST_PRIORITY).rev().take(leaving).collect::<Vec<u32>>();
        for placed in &mut next.rows {
            placed.priority = match self.rule_of(placed.row, pairs) {
                Some(rule) => self.change.priority(rule),
                None => park.pop().unwrap_or(LAST_PRIORITY),
            };
        }
        let moved = next.rows.iter().zip(&state.rows).filter(|(to, from)| to.priority != from.priority);
        let moved: Vec<(RuleAt, u32)> = moved.map(|(to, _)| (to.row, to.priority)).collect();
        next.rows.sort_by_key(|placed| placed.priority);
        (next, (!moved.is_empty()).then_some(Step::Priorities(moved)))
    }

    /// Whether what stays is at its place.
    fn is_placed(&self, state: &State, pairs: &[(usize, usize)]) -> bool {
        let mut staying = state.rows.iter().filter_map(|placed| Some((placed, self.rule_of(placed.row, pairs)?)));
        staying.all(|(placed, rule)| placed.priority == self.change.priority(rule))
    }

    /// What a row is or becomes among the rules that should be there.
    fn rule_of(&self, row: RuleAt, pairs: &[(usize, usize)]) -> Option<usize> {
        match row {
            RuleAt::Made(rule) => Some(rule),
            RuleAt::There(there) => pairs
                .iter()
                .find_map(|(stale, rule)| (*stale == there).then_some(*rule))
                .or_else(|| self.change.kept.iter().position(|kept| *kept == Some(there))),
        }
    }

    fn misrouted(&self, state: &State) -> Set {
        self.table.misrouted(state.rows.iter().map(|placed| placed.content), state.new_default)
    }

    fn is_reached(&self, state: &State) -> bool {
        let rules = &self.change.routing.after.rules;
        state.rows.len() == rules.len()
            && state.rows.iter().all(|placed| {
                let rule = rules.iter().position(|rule| rule.priority == placed.priority);
                rule.is_some_and(|rule| self.change.content(rule) == placed.content)
            })
    }
}

/// The order that always works, without a look at requests. Where there is no room it deletes before it makes.
pub(super) fn unchecked(change: &RuleChange<'_>) -> Vec<Step> {
    // Without classes nothing is ever misrouted, so that every item is taken as it comes.
    let table = Table::default();
    let attempt = Attempt { change, table: &table };
    let mut state = attempt.start();
    let mut steps = Vec::new();
    let fits = change.routing.there.len() + change.fresh.len() <= change.room;
    let (mut making, mut leaving): (Vec<Item>, Vec<Item>) =
        items(change, &[]).into_iter().partition(|item| !matches!(item, Item::Delete(_)));
    if fits {
        steps.extend(attempt.make_room(&mut state));
        for item in making.drain(..) {
            if let Some((next, step)) = attempt.after(&state, item, true).pop() {
                state = next;
                steps.push(step);
            }
        }
    }
    let (next, step) = attempt.placed(&state, &[]);
    state = next;
    steps.extend(step);
    while !(making.is_empty() && leaving.is_empty()) {
        attempt.drain(&mut state, &mut making, &mut steps, false);
        if !leaving.is_empty() {
            let mut one: Vec<Item> = leaving.drain(..1).collect();
            attempt.drain(&mut state, &mut one, &mut steps, false);
        }
    }
    steps
}

/// What has to be done with these pairs, in the order in which it is tried.
fn items(change: &RuleChange<'_>, pairs: &[(usize, usize)]) -> Vec<Item> {
    let stale: BTreeSet<usize> = pairs.iter().map(|(stale, _)| *stale).collect();
    let fresh: BTreeSet<usize> = pairs.iter().map(|(_, fresh)| *fresh).collect();
    let mut items: Vec<Item> = pairs.iter().map(|(there, rule)| Item::Modify(*there, *rule)).collect();
    items.extend(unpaired(&change.fresh, &fresh).map(Item::Create));
    items.extend(change.default.then_some(Item::Default));
    let mut leaving: Vec<usize> = unpaired(&change.stale, &stale).collect();
    leaving.sort_by_key(|there| Reverse(change.routing.there.get(*there).map(|found| found.is.priority)));
    items.extend(leaving.into_iter().map(Item::Delete));
    items
}
