//! What AWS holds of a group: remembered from the last pass, believed of the ledger, or read; and what is kept of it afterwards.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use albedo_engine::annotation::RECONCILE_AT;
use albedo_engine::kinds::Key;
use albedo_engine::ledger;
use albedo_engine::link::{Existing, Linked};
use albedo_engine::plan;
use albedo_engine::report::Reached;
use albedo_engine::stack::{GroupId, Observed};
use albedo_engine::world::{Unit, View};
use futures::FutureExt as _;
use tokio::time::Instant;

use super::queue::Lane;
use super::refusals::Refused;
use super::{PassError, Reconciler};
use crate::cloud::{CloudError, Known};

/// What AWS holds, and whether it was all read just now.
pub(super) struct Observation {
    pub(super) observed: Observed,
    pub(super) is_fresh: bool,
    /// What AWS refused of the pass for its input.
    pub(super) refused: Vec<Refused>,
}

impl Reconciler {
    /// What AWS holds of a group. What the last pass left is believed for a while, and so is what the ledger says was
    /// applied last, as long as reads that cover all groups together agree with it.
    pub(super) async fn observed(&self, view: &View) -> Result<Observation, PassError> {
        let unit = Unit::Group(view.group.clone());
        self.hear_people(view).await;
        if self.shared.observations.is_doubted(&unit) {
            // Lists that cover all groups are some seconds old.
            self.shared.cloud.invalidate();
        }
        if !self.shared.observations.is_due(&unit) {
            if let Some(known) = self.shared.observations.recall(&view.group) {
                return Ok(Observation { observed: (*known).clone(), is_fresh: false, refused: Vec::new() });
            }
            if let Some(observed) = self.believed(view).await? {
                self.shared.observations.remember(&view.group, Arc::new(observed.clone()));
                return Ok(Observation { observed, is_fresh: false, refused: Vec::new() });
            }
        }
        self.read_anew(&view.group).await
    }

    /// Who edits a member, or asks for a full read, is not answered from what is remembered: after an edit the load balancer has to be
    /// there, and what is asked for is read.
    async fn hear_people(&self, view: &View) {
        let asked = view.members.iter().filter_map(|member| {
            let notes = member.ingress.metadata.annotations.as_ref()?;
            Some((member.key(), notes.get(RECONCILE_AT)?.clone()))
        });
        if self.shared.observations.is_asked(&view.group, asked.collect()) {
            tracing::info!(group = %view.group, "{RECONCILE_AT} asks for it: everything is read");
            self.doubt_all(view);
            return;
        }
        let edited = self.shared.observations.is_edited(&view.group, edit_of(view));
        let known = self.shared.observations.recall(&view.group).filter(|_| edited);
        for balancer in known.iter().flat_map(|known| &known.load_balancers) {
            match self.shared.cloud.is_there(&balancer.arn).boxed().await {
                Ok(true) => {}
                Ok(false) => self.shared.observations.doubt(Unit::Group(view.group.clone())),
                Err(error) => {
                    tracing::debug!(group = %view.group, %error, "it cannot be told whether the load balancer is there");
                }
            }
        }
    }

    /// Everything of a group is compared with AWS the next time: itself, its bindings, the rules of nodes and pods.
    fn doubt_all(&self, view: &View) {
        self.shared.observations.doubt(Unit::Group(view.group.clone()));
        let bindings = view.bindings.iter().map(|binding| Unit::Binding(Key::of(&binding.metadata)));
        for unit in bindings.chain([Unit::NodeRules]) {
            self.shared.observations.doubt(unit.clone());
            self.add(unit, Lane::Change, Duration::ZERO);
        }
    }

    /// Reads all of it.
    pub(super) async fn read_anew(&self, group: &GroupId) -> Result<Observation, PassError> {
        self.shared.observations.forget(group);
        let observed = self.shared.cloud.observe(group).boxed().await?;
        self.shared.observations.looked(Unit::Group(group.clone()));
        Ok(Observation { observed, is_fresh: true, refused: Vec::new() })
    }

    /// What the ledger says was applied last, if that is what is desired now and what AWS lists fits to it.
    async fn believed(&self, view: &View) -> Result<Option<Observed>, PassError> {
        let status = view.ledger.as_ref().and_then(|ledger| ledger.status.as_ref());
        let Some((status, applied)) = status.and_then(|status| Some((status, status.applied.as_ref()?))) else {
            return Ok(None);
        };
        let Some(outline) = self.shared.cloud.outline(&view.group).boxed().await? else { return Ok(None) };
        let facts = self.shared.account.get();
        let linked = self.link_with(view, &facts, Existing::of(&outline).as_ref());
        let Some(desired) = &linked.desired else { return Ok(None) };
        if ledger::fingerprint(desired) != applied.fingerprint {
            return Ok(None);
        }
        let arn = |id: &albedo_engine::stack::ResourceId| status.resources.get(id.as_str()).cloned();
        let remembered = plan::remember(desired, arn, &outline);
        let Some(observed) = remembered.and_then(|remembered| plan::confirm(remembered, &outline)) else {
            return Ok(None);
        };
        Ok(self.is_reached(view, desired, &observed).then_some(observed))
    }

    /// Keeps what a pass that reached the desired state has left, or forgets what was known.
    pub(super) fn keep(&self, view: &View, linked: &Linked, observed: &Observed, reached: &Reached) {
        let desired = linked.desired.as_ref().filter(|desired| desired.load_balancer.is_some() && !reached.later);
        let arn = |id: &albedo_engine::stack::ResourceId| reached.resources.get(id).cloned();
        let kept = desired.and_then(|desired| plan::remember(desired, arn, observed)).map(|mut kept| {
            for found in &mut kept.load_balancers {
                found.dns_name.clone_from(&reached.dns_name);
            }
            for found in &mut kept.nlbs {
                found.dns_name.clone_from(&reached.nlb_dns_name);
            }
            kept
        });
        match kept {
            Some(kept) => self.shared.observations.remember(&view.group, Arc::new(kept)),
            None => self.shared.observations.forget(&view.group),
        }
    }

    /// Reads what is attached to the load balancer, as far as somebody says something of it and it is not known. Each service is asked for
    /// itself: what one does not answer stays unknown, which changes nothing, and its error is given back.
    pub(super) async fn observe_addons(&self, linked: &Linked, observed: &mut Observed) -> Vec<CloudError> {
        let Some(desired) = linked.desired.as_ref().filter(|desired| !desired.addons.is_empty()) else {
            return Vec::new();
        };
        let mut unread = Vec::new();
        for balancer in &mut observed.load_balancers {
            let (arn, now) = (balancer.arn.as_str(), Instant::now());
            balancer.addons = self.shared.observations.addons(arn, now);
            for addon in desired.addons.keys() {
                if balancer.addons.contains_key(addon) {
                    continue;
                }
                match self.shared.cloud.attached(*addon, arn).boxed().await {
                    Ok(is) => {
                        self.shared.observations.attached(arn, *addon, is.clone(), now);
                        balancer.addons.insert(*addon, is);
                    }
                    Err(error) => unread.push(error),
                }
            }
        }
        unread
    }
}

/// What people have written in the members of a group, as a hash. Who has them is not what counts, finalizers and status neither.
fn edit_of(view: &View) -> u64 {
    let mut hasher = DefaultHasher::new();
    for member in &view.members {
        let meta = &member.ingress.metadata;
        (member.key(), &meta.uid, meta.generation, &meta.annotations).hash(&mut hasher);
    }
    hasher.finish()
}

/// What is known of a group when its pass begins.
pub(super) fn start(observed: &Observed) -> Reached {
    let mut reached = Reached::default();
    if let Some(found) = observed.load_balancers.first() {
        reached.arn.clone_from(&found.arn);
        reached.dns_name.clone_from(&found.dns_name);
    }
    if let Some(found) = observed.nlbs.first() {
        reached.nlb_dns_name.clone_from(&found.dns_name);
    }
    reached.resources = Known::of(observed).names().clone();
    reached
}
