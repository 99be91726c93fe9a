//! Which member brought in what AWS refuses: at the second refusal it is quarantined, and the others' edits reach AWS.
//!
//! AWS names a value, not an Ingress. The culprit is a newcomer (new, or changed since it was last linked) without whose present input the
//! plan does not have the refused operation. Who is as it was when it was last linked is in AWS already and is never to blame.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use albedo_engine::annotation::PREFIX;
use albedo_engine::finding::{Code, Effect, FieldPath, Finding, Readers};
use albedo_engine::kinds::{Key, LastGood};
use albedo_engine::ledger;
use albedo_engine::link::{self, Existing};
use albedo_engine::plan::operation::{Aspect, CallEffect, ResourceKind};
use albedo_engine::plan::{self, AwsOperation, Operation};
use albedo_engine::stack::Observed;
use albedo_engine::world::{ClassifiedMember, View};
use jiff::Timestamp;
use tokio::time::Instant;

use super::Reconciler;
use super::planning::observed_bindings;

/// An operation that AWS refused for its input, and what it said.
pub(super) type Refused = (AwsOperation, String);

/// AWS may take later what it refuses now (an access log's bucket gets its policy): then it is tried again.
const AGAIN: Duration = Duration::from_mins(10);
/// Words of a member's input that are looked for in what AWS said, in bytes at least: shorter ones are in every sentence.
const SHORTEST: usize = 4;
/// Members that are remembered.
const MOST: usize = 4096;

/// What AWS refused, by the member that brought it in.
#[derive(Debug, Default)]
pub(super) struct Refusals(std::sync::Mutex<BTreeMap<Key, Refusal>>);

#[derive(Debug)]
struct Refusal {
    /// The input that was refused. Another one is tried.
    input: LastGood,
    times: u32,
    at: Instant,
    finding: Finding,
}

impl Refusal {
    fn is_quarantine(&self, now: Instant) -> bool {
        self.times >= 2 && now.saturating_duration_since(self.at) < AGAIN
    }
}

impl Refusals {
    /// Counts a refusal of a member's input.
    fn add(&self, input: LastGood, finding: Finding, now: Instant) {
        let key = Key::new(&input.namespace, &input.name);
        let mut known = self.lock();
        known.retain(|_, refusal| now.saturating_duration_since(refusal.at) < AGAIN);
        if known.len() >= MOST && !known.contains_key(&key) {
            return;
        }
        let times = known.get(&key).filter(|refusal| refusal.input == input).map_or(0, |refusal| refusal.times);
        known.insert(key, Refusal { input, times: times + 1, at: now, finding });
    }

    /// Members of a view whose present input AWS refused twice, each with the reason.
    pub(super) fn of(&self, view: &View, now: Instant) -> BTreeMap<Key, Vec<Finding>> {
        let known = self.lock();
        if known.is_empty() {
            return BTreeMap::new();
        }
        let quarantined = view.members.iter().filter_map(|member| {
            let key = member.key();
            let refusal = known.get(&key).filter(|refusal| refusal.is_quarantine(now))?;
            (refusal.input == ledger::input_of(&member.ingress)).then(|| (key, vec![refusal.finding.clone()]))
        });
        quarantined.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reconciler {
    /// Whether AWS has refused what a member asks for: it is tried again after a while.
    pub(super) fn is_refused(&self, view: &View) -> bool {
        !self.shared.refusals.of(view, Instant::now()).is_empty()
    }

    /// Finds who brought in what AWS refused in this pass.
    pub(super) fn blame(&self, view: &View, observed: &Observed, refused: &[Refused]) {
        // Whoever is alone keeps nobody up.
        if view.members.len() < 2 {
            return;
        }
        let facts = self.shared.account.get();
        let existing = Existing::of(observed);
        let settings = &self.shared.settings;
        let input = link::Input { settings, view, facts: &facts, existing: existing.as_ref(), now: Timestamp::now() };
        let candidates = self.candidates(input, &facts);
        let (now, bindings) = (Instant::now(), observed_bindings(view));
        let known = self.shared.refusals.of(view, now);
        let newcomers: Vec<&Key> =
            candidates.iter().filter(|one| one.is_newcomer()).map(link::Candidate::key).collect();
        for (operation, said) in refused {
            let mut suspects: Vec<_> = view.members.iter().filter(|one| newcomers.contains(&&one.key())).collect();
            // Whoever wrote a word that AWS complains of first, then the youngest.
            suspects.sort_by_cached_key(|one| {
                let text = serde_json::to_string(&ledger::input_of(&one.ingress)).unwrap_or_default();
                (
                    !quoted(said).any(|word| text.contains(word)),
                    std::cmp::Reverse(one.ingress.metadata.creation_timestamp.clone()),
                )
            });
            let takes = |refused: BTreeMap<Key, Vec<Finding>>| {
                let linked = link::link_refused(input, candidates.clone(), refused);
                let desired = linked.desired.as_ref()?;
                let plan = plan::plan(self.input(desired, observed, &bindings));
                Some(plan.operations.contains(&Operation::Aws(operation.clone())))
            };
            // Without this nobody could be told from anybody else.
            if takes(known.clone()) != Some(true) {
                continue;
            }
            let culprit = suspects.into_iter().find(|one| {
                let mut without = known.clone();
                without.insert(one.key(), vec![finding(&one.key(), operation, said, view)]);
                takes(without) == Some(false)
            });
            if let Some(culprit) = culprit {
                let key = culprit.key();
                tracing::warn!(member = %key, said, "AWS refuses what this Ingress asks for");
                self.shared.refusals.add(ledger::input_of(&culprit.ingress), finding(&key, operation, said, view), now);
            }
        }
    }
}

/// The words that AWS puts between quotes.
fn quoted(said: &str) -> impl Iterator<Item = &str> {
    said.split(['\'', '"', '`']).skip(1).step_by(2).filter(|word| word.len() >= 3)
}

/// Whether AWS's words have a part of what a member of another namespace wrote.
fn quotes_others(said: &str, key: &Key, view: &View) -> bool {
    let text = |of: &ClassifiedMember| {
        let LastGood { annotations, spec, .. } = ledger::input_of(&of.ingress);
        annotations.into_values().chain([spec]).collect::<Vec<_>>().join(" ")
    };
    let (own, others): (Vec<_>, Vec<_>) =
        view.members.iter().partition(|member| member.key().namespace == key.namespace);
    let own = own.into_iter().map(text).collect::<String>();
    let is_edge = |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '.' | '_' | '/' | ':');
    let is_theirs = |word: &&str| word.len() >= SHORTEST && said.contains(*word) && !own.contains(*word);
    others.into_iter().map(text).any(|text| text.split(is_edge).any(|word| is_theirs(&word)))
}

fn finding(key: &Key, operation: &AwsOperation, said: &str, view: &View) -> Finding {
    let annotation = match operation.describe().effect {
        CallEffect::Change(ResourceKind::LoadBalancer, _, Aspect::Attributes(_)) => Some("load-balancer-attributes"),
        CallEffect::Change(ResourceKind::TargetGroup, _, Aspect::Attributes(_)) => Some("target-group-attributes"),
        CallEffect::Change(..) | CallEffect::Create(_) | CallEffect::Add(..) => None,
        CallEffect::Remove(..) | CallEffect::Reorder(_) | CallEffect::Delete(..) => None,
    };
    let code = if annotation.is_some() { Code::InvalidAttribute } else { Code::InvalidValue };
    let path = annotation.map_or_else(
        || FieldPath::at("metadata.annotations"),
        |name| FieldPath::annotation(&format!("{PREFIX}{name}")),
    );
    let message = format!("AWS refuses what only this Ingress asks for: {said}");
    let finding = Finding::new(code, key.ingress(), path, message)
        .effect(Effect::MemberQuarantined)
        .fix("write a value that AWS takes; it is tried again when the Ingress is edited, and every ten minutes");
    if !quotes_others(said, key, view) {
        return finding;
    }
    let outline = format!(
        "AWS refuses what only this Ingress asks for; its words stand in IngressGroup {}",
        view.group.object_name()
    );
    finding.known_to(Readers::new(), outline)
}

#[cfg(test)]
mod tests {
    use albedo_engine::settings::Settings;
    use albedo_engine::stack::GroupId;
    use albedo_engine::world::{Object, Overlay, World};
    use serde_json::json;

    use super::*;

    fn input(value: &str) -> LastGood {
        LastGood { namespace: "ns".to_owned(), name: "shop".to_owned(), spec: value.to_owned(), ..LastGood::default() }
    }

    fn some_finding() -> Finding {
        let operation = AwsOperation::DeleteRule { rule: "arn".to_owned() };
        finding(&Key::new("ns", "shop"), &operation, "no", &view(&[]))
    }

    #[test]
    fn the_second_refusal_of_the_same_input_counts_and_not_for_ever() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let stands = |at: Instant| refusals.lock().values().any(|refusal| refusal.is_quarantine(at));
        refusals.add(input("a"), some_finding(), now);
        assert!(!stands(now), "the first may have been a mistake of AWS");
        refusals.add(input("b"), some_finding(), now);
        assert!(!stands(now), "another input begins anew");
        refusals.add(input("b"), some_finding(), now);
        assert!(stands(now));
        assert!(!stands(now + AGAIN));
    }

    fn view(buckets: &[(&str, &str)]) -> View {
        let mut world = World::new(Settings::new("test"));
        let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}});
        world.apply(Object::IngressClass(Box::new(serde_json::from_value(class).unwrap())));
        for (namespace, bucket) in buckets {
            let annotations = [("group.name", "g"), ("load-balancer-attributes", bucket)];
            let annotations: BTreeMap<String, &str> =
                annotations.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)).collect();
            let ingress = json!({"metadata": {"name": "shop", "namespace": namespace, "annotations": annotations},
                "spec": {"ingressClassName": "alb"}});
            world.apply(Object::Ingress(Box::new(serde_json::from_value(ingress).unwrap())));
        }
        world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None)
    }

    #[test]
    fn words_of_another_namespace_are_not_passed_on() {
        let view = view(&[("ns", "access_logs.s3.bucket=ours"), ("other", "access_logs.s3.bucket=theirs")]);
        assert_eq!(view.members.len(), 2);
        let operation = AwsOperation::DeleteRule { rule: "arn".to_owned() };
        let told = |said: &str| finding(&Key::new("ns", "shop"), &operation, said, &view).told_to("ns").to_string();
        assert!(told("no such bucket: ours").contains("no such bucket: ours"));
        assert!(told("access_logs.s3.bucket is wrong").contains("s3.bucket is wrong"));
        let hidden = told("no such bucket: theirs");
        assert!(!hidden.contains("theirs") && hidden.contains("IngressGroup"), "{hidden}");
    }

    #[test]
    fn words_between_quotes() {
        let words: Vec<&str> =
            quoted("Load balancer attribute key 'no.such.attribute' is not \"recognized\" in 'eu'").collect();
        assert_eq!(words, ["no.such.attribute", "recognized"]);
    }
}
