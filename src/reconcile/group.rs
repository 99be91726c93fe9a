//! A group's pass: view → link → observe → diff → apply → report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use albedo_engine::facts::Facts;
use albedo_engine::finding::{Code, Effect, Tier};
use albedo_engine::kinds::{IngressGroupStatus, Key};
use albedo_engine::ledger;
use albedo_engine::link::{self, Existing, Linked, MemberState};
use albedo_engine::plan::{self, Plan};
use albedo_engine::report::{self, Outcome, Reached};
use albedo_engine::stack::{Desired, GroupId, Holder, Observed};
use albedo_engine::world::{Overlay, Unit, View, secret_refs};
use jiff::Timestamp;
use tokio::time::Instant;

use super::applying::Applying;
use super::observing::{Observation, start};
use super::planning::observed_bindings;
use super::queue::Lane;
use super::{Next, PassError, Reconciler, Shared};
use crate::cloud::OidcClient;
use crate::cluster::{Host, Note, ReadError, Severity, Subject};

/// Pause before another look at what was just made.
const MADE: Duration = Duration::from_secs(1);

/// Pause before another look at what only a person can change.
const BLOCKED: Duration = Duration::from_secs(30);

/// Pause before another look at what AWS lacks, while the rest of the group goes on.
const MISSED: Duration = Duration::from_mins(2);

/// Clients of identity providers by Secret (`namespace/name`), read for one pass and kept no longer.
pub(super) type Clients = BTreeMap<String, OidcClient>;

impl Reconciler {
    pub(super) async fn group(&self, group: &GroupId) -> Result<Next, PassError> {
        let mut view = self.view(group);
        if view.members.is_empty() && view.leaving.is_empty() {
            self.misplaced(group);
            return Ok(Next::Rest);
        }
        if self.is_held_by_the_unknown(&view) {
            return Ok(Next::Rest);
        }
        let prepared = self.prepare(&view).await;
        let (clients, mut seen) = prepared.inspect_err(|error| self.explain_failure_to_all(&view, error))?;
        view = self.view(group);
        view.leave_out_strangers(&seen.observed);
        if view.members.is_empty() && view.leaving.is_empty() || self.is_held_by_the_unknown(&view) {
            return Ok(Next::Rest);
        }
        self.set_strangers_apart(&view, &mut seen.observed);
        let linked = self.link(&view, &seen.observed).await;
        let result = self.pursue(&view, &linked, &mut seen, &clients).await;
        let result = self.settled(&view, &linked, result);
        if result.is_err() && !seen.refused.is_empty() {
            self.blame(&view, &seen.observed, &seen.refused);
        }
        match &result {
            Ok((Outcome::Reached { .. }, reached)) => self.keep(&view, &linked, &seen.observed, reached),
            Ok((Outcome::Blocked, _)) => {}
            // No list that is some seconds old is asked again.
            Err(error) if error.is_not_found() => self.shared.observations.doubt(Unit::Group(group.clone())),
            _ => self.shared.observations.forget(group),
        }
        let (outcome, reached) = match &result {
            Ok((outcome, reached)) => (outcome.clone(), reached.clone()),
            Err(error) if error.is_passing() => return result.map(|_| Next::Rest),
            Err(error) => {
                let (told, outline) = (error.told(), error.outline());
                (Outcome::Failed { error: told, outline, passes: error.may_pass() }, error.reached())
            }
        };
        self.report(&view, &linked, &outcome, &reached).await?;
        if let Err(error) = &result {
            self.explain_failure(&view, error);
        }
        result?;
        self.end(&view, &linked, outcome, &reached).await
    }

    /// Makes AWS be as it is desired, as far as one pass goes.
    async fn pursue(
        &self,
        view: &View,
        linked: &Linked,
        seen: &mut Observation,
        clients: &Clients,
    ) -> Result<(Outcome, Reached), PassError> {
        if let Some(held) = self.is_another_clusters(view, linked, seen).await? {
            return Ok((Outcome::Held(vec![held]), Reached::default()));
        }
        if linked.desired.is_none() {
            return Ok((Outcome::Blocked, Reached::default()));
        }
        match self.converge(view, linked, seen, clients).await {
            Err(PassError::Unreleased(binding)) => Ok((Outcome::Waiting(vec![binding]), Reached::default())),
            other => other,
        }
    }

    /// What a pass leaves to be done, and those that leave let go when it was the last.
    async fn end(&self, view: &View, linked: &Linked, outcome: Outcome, reached: &Reached) -> Result<Next, PassError> {
        match outcome {
            Outcome::Waiting(waits) => {
                self.explain_wait(view, &waits);
                Ok(Next::Wait)
            }
            Outcome::Held(by) => {
                self.explain_wait(view, &by);
                Ok(Next::Again(BLOCKED))
            }
            Outcome::Reached { changed } => {
                self.release(view).await?;
                // What has just been made may be there in a moment; what is not by then takes minutes.
                let pause = if changed { MADE } else { self.shared.stabilization };
                Ok(match reached.later {
                    true => Next::Again(pause),
                    // Nothing in the cluster changes when AWS has what is missing.
                    false if rests_on_aws(linked) || self.is_refused(view) => Next::Look(MISSED),
                    false => Next::Rest,
                })
            }
            // A group-wide finding rests on facts: they may have changed by then.
            Outcome::Blocked => {
                self.explain_wait(view, &blocking(linked));
                Ok(Next::Again(BLOCKED))
            }
            Outcome::Failed { .. } => Ok(Next::Rest),
        }
    }

    /// What a pass needs before it can tell what to do: clients of identity providers, held members, what AWS holds.
    async fn prepare(&self, view: &View) -> Result<(Clients, Observation), PassError> {
        let clients = self.read_secrets(view).await?;
        self.hold(view).await?;
        self.confirm_leaving(view).await?;
        let seen = self.observed(view).await?;
        Ok((clients, seen))
    }

    fn view(&self, group: &GroupId) -> View {
        self.shared.cluster.read(|world| world.view(group, &Overlay::None))
    }

    /// Reads the Secrets that members need: the world learns which keys they have, the pass gets the clients.
    async fn read_secrets(&self, view: &View) -> Result<Clients, PassError> {
        let mut clients = Clients::new();
        for member in &view.members {
            for key in secret_refs(&member.ingress, &view.services) {
                let secret = match self.shared.cluster.secret_value(&key).await {
                    // To the member that names it an unreadable Secret is as good as none; the others go on.
                    Err(error @ ReadError::Forbidden { .. }) => {
                        tracing::warn!(%error, "grant get on this Secret to albedo's ServiceAccount");
                        None
                    }
                    Err(error @ ReadError::Refused { .. }) => {
                        tracing::warn!(%error, "the Ingress that names this Secret waits for it");
                        None
                    }
                    other => other?,
                };
                let change = match &secret {
                    Some(secret) => albedo_engine::world::Object::Secret { key: key.clone(), keys: secret.keys() },
                    None => {
                        self.shared.cluster.tell(|world| {
                            world.forget_secret(&key);
                            albedo_engine::world::Changes::new()
                        });
                        continue;
                    }
                };
                // This pass looks at it; no other one is needed for it.
                self.shared.cluster.tell(|world| {
                    world.apply(change);
                    albedo_engine::world::Changes::new()
                });
                let id = secret.as_ref().and_then(|one| one.text("clientID").or_else(|| one.text("clientId")));
                let value = secret.as_ref().and_then(|one| one.text("clientSecret"));
                if let Some((id, value)) = id.zip(value) {
                    let client = OidcClient {
                        id: id.trim_end().to_owned(),
                        secret: value.trim_end_matches(char::is_control).to_owned(),
                    };
                    clients.insert(key.to_string(), client);
                }
            }
        }
        Ok(clients)
    }

    /// Adds the group's finalizer to members before the first call of AWS. It takes the place of the one that was written before
    /// `--beside-lbc` changed: with the shared finalizer on a member of ours, LBC would delete its load balancer.
    async fn hold(&self, view: &View) -> Result<(), PassError> {
        let Shared { cluster, lease_proof, .. } = &*self.shared;
        let written = view.finalizers.first();
        let former = Holder::ALL.map(|holder| view.group.finalizer(holder));
        for member in &view.members {
            let held =
                |finalizer: &String| member.ingress.metadata.finalizers.iter().flatten().any(|one| one == finalizer);
            if let Some(written) = written.filter(|written| !held(written)) {
                cluster.add_finalizer(lease_proof, &member.ingress, written).await?;
            }
            for finalizer in former.iter().filter(|one| Some(*one) != written && held(one)) {
                cluster.remove_finalizer(lease_proof, &member.ingress, finalizer).await?;
            }
        }
        Ok(())
    }

    /// Links. What AWS may hold of a member that cannot be linked at all is kept.
    async fn link(&self, view: &View, observed: &Observed) -> Linked {
        let mut linked = self.link_fresh(view, observed).await;
        if !linked.leaves_out(view) {
            return linked;
        }
        linked.note_unknown(view);
        let Some(desired) = linked.desired.clone() else { return linked };
        let kept = plan::keep(desired, observed, &observed_bindings(view));
        if kept != linked.desired {
            linked.note_kept(view);
            linked.desired = kept;
        }
        linked
    }

    /// Links; when a finding rests on AWS's facts, they are read anew and it is linked once more.
    async fn link_fresh(&self, view: &View, observed: &Observed) -> Linked {
        let existing = Existing::of(observed);
        let facts = self.shared.account.get();
        let linked = self.link_with(view, &facts, existing.as_ref());
        if !rests_on_aws(&linked) {
            return linked;
        }
        let refreshed = self.shared.account.refresh_unless_young(&self.shared.cloud).await;
        let foreign = linked.findings().filter(|finding| finding.code == Code::SubnetsNotFound);
        let foreign = foreign.filter_map(|finding| finding.value.as_deref()).flat_map(|ids| ids.split(", "));
        let foreign: Vec<String> = foreign.filter(|id| id.starts_with("subnet-")).map(str::to_owned).collect();
        if !foreign.is_empty() {
            self.shared.account.learn_subnets(&self.shared.cloud, &foreign).await;
        }
        if !refreshed && foreign.is_empty() {
            return linked;
        }
        let facts = self.shared.account.get();
        self.link_with(view, &facts, existing.as_ref())
    }

    pub(super) fn link_with(&self, view: &View, facts: &Arc<Facts>, existing: Option<&Existing>) -> Linked {
        let settings = &self.shared.settings;
        let input = link::Input { settings, view, facts, existing, now: Timestamp::now() };
        link::link_refused(input, self.candidates(input, facts), self.shared.refusals.of(view, Instant::now()))
    }

    /// Members as they are compiled; those that have not changed are remembered.
    pub(super) fn candidates(&self, input: link::Input<'_>, facts: &Arc<Facts>) -> Vec<link::Candidate> {
        let mut cache = self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.know(facts);
        link::candidates(input, &mut cache)
    }

    /// One pass of the plan.
    async fn converge(
        &self,
        view: &View,
        linked: &Linked,
        seen: &mut Observation,
        clients: &Clients,
    ) -> Result<(Outcome, Reached), PassError> {
        let needs_backend = linked.desired.as_ref().is_some_and(|desired| desired.backend_security_group);
        // Two groups that both find it missing must not both make it.
        let _alone = if needs_backend && seen.observed.backend_security_group.is_none() {
            let alone = self.shared.backend.lock().await;
            *seen = self.read_anew(&view.group).await?;
            self.set_strangers_apart(view, &mut seen.observed);
            Some(alone)
        } else {
            None
        };
        let observed = &mut seen.observed;
        let unread = self.observe_addons(linked, observed).await;
        if let (Some(desired), Some(status)) = (&linked.desired, ledger_status(view)) {
            plan::note_sent(observed, desired, &status.client_secrets);
        }
        let Some(plan) = self.plan(view, linked, observed).await? else {
            return Ok((Outcome::Blocked, Reached::default()));
        };
        if !plan.operations.is_empty() {
            tracing::info!(group = %view.group, operations = plan.operations.len(), "plan\n{}", plan::show(&plan));
            self.begin(view, linked, &plan, seen.is_fresh).await?;
        }
        let mut applying = Applying::new(&plan, &view.group, &seen.observed, clients, start(&seen.observed), unread);
        let carried_out = self.carry_out(view, linked, &mut applying).await;
        seen.refused = std::mem::take(&mut applying.refused);
        carried_out?;
        let mut reached = applying.end()?;
        if !plan.held.is_empty() {
            return Ok((Outcome::Held(plan.held), reached));
        }
        if !plan.waits.is_empty() {
            return Ok((Outcome::Waiting(plan.waits), reached));
        }
        reached.later = !plan.later.is_empty();
        reached.troubles = self.troubles_of(view, linked, |id| reached.resources.get(id).cloned());
        Ok((Outcome::Reached { changed: !plan.operations.is_empty() }, reached))
    }

    /// What is asked for, then who may know of it, then clean-up, which AWS may refuse for minutes.
    async fn carry_out(&self, view: &View, linked: &Linked, applying: &mut Applying<'_>) -> Result<(), PassError> {
        self.build(applying).await?;
        if applying.plan.held.is_empty() && applying.plan.waits.is_empty() {
            self.write_hosts(view, linked, &applying.reached).await?;
        }
        self.clean_up(applying).await
    }

    /// Tells Ingresses under which names their load balancer is reached.
    async fn write_hosts(&self, view: &View, linked: &Linked, reached: &Reached) -> Result<(), PassError> {
        let Some(desired) = linked.desired.as_ref().filter(|desired| desired.load_balancer.is_some()) else {
            return Ok(());
        };
        let ports = desired.listeners.keys().copied().collect();
        let mut hosts = vec![Host { hostname: reached.dns_name.to_lowercase(), ports }];
        if desired.nlb.is_some() || desired.keep_nlb && !reached.nlb_dns_name.is_empty() {
            // Without ports, as the predecessor writes it.
            hosts.push(Host { hostname: reached.nlb_dns_name.to_lowercase(), ports: BTreeSet::new() });
        }
        let quarantined =
            linked.members.iter().filter(|member| matches!(member.state, MemberState::Quarantined | MemberState::Kept));
        let quarantined: BTreeSet<&Key> = quarantined.map(|member| &member.key).collect();
        for member in view.members.iter().filter(|member| !quarantined.contains(&member.key())) {
            self.shared.cluster.update_ingress_status(&self.shared.lease_proof, &member.ingress, &hosts).await?;
        }
        Ok(())
    }

    /// What AWS refuses only until it has caught up with a change is waited for: for some minutes it is no failure.
    fn settled(
        &self,
        view: &View,
        linked: &Linked,
        result: Result<(Outcome, Reached), PassError>,
    ) -> Result<(Outcome, Reached), PassError> {
        match result {
            Err(error) if error.is_settling() => {
                let ends = linked.desired.as_ref().is_some_and(|desired| desired.load_balancer.is_none());
                match self.shared.settling.is_expected(&view.group, ends, Instant::now()) {
                    true => Ok((Outcome::Waiting(vec![error.told()]), error.reached())),
                    false => Err(error),
                }
            }
            other => {
                self.shared.settling.over(&view.group);
                other
            }
        }
    }

    /// Before anything changes the ledger says so: who comes after a crash must not believe it.
    async fn begin(&self, view: &View, linked: &Linked, plan: &Plan, is_fresh: bool) -> Result<(), PassError> {
        let applied = ledger_status(view).and_then(|status| status.applied.as_ref());
        let same = |desired: &Desired| applied.is_some_and(|known| known.fingerprint == ledger::fingerprint(desired));
        if is_fresh && linked.desired.as_ref().is_some_and(same) {
            tracing::warn!(group = %view.group, "AWS was changed by another hand; it is put back");
            self.shared.metrics.drift(plan.operations.len());
        }
        if let Some(begun) = view.ledger.as_deref().and_then(|ledger| report::begun(ledger, Timestamp::now())) {
            self.shared.cluster.write_group(&self.shared.lease_proof, &begun).await?;
        }
        Ok(())
    }

    /// Says what came of the pass: the ledger, and events on those whom it concerns.
    async fn report(
        &self,
        view: &View,
        linked: &Linked,
        outcome: &Outcome,
        reached: &Reached,
    ) -> Result<(), PassError> {
        for event in report::events(linked, outcome, reached, view.ledger.as_deref()) {
            let Some(member) = view.members.iter().find(|member| member.key() == event.key) else { continue };
            let severity = if event.warning { Severity::Warning } else { Severity::Normal };
            self.shared.events.publish(Note {
                subject: Subject::ingress(&member.ingress),
                severity,
                reason: event.reason.to_owned(),
                text: event.text,
            });
        }
        let gone = linked.desired.as_ref().is_some_and(|desired| desired.load_balancer.is_none());
        if gone && matches!(outcome, Outcome::Reached { .. }) {
            // A ledger that this process has not seen yet (lists that were refused) would stay for ever.
            let unseen = || report::ledger(view, linked, outcome, reached, Timestamp::now());
            let ledger = view.ledger.as_deref().cloned().unwrap_or_else(unseen);
            self.shared.cluster.delete_group(&self.shared.lease_proof, &ledger).await?;
            self.add(Unit::BackendGroup, Lane::Change, Duration::from_millis(200));
            return Ok(());
        }
        let ledger = report::ledger(view, linked, outcome, reached, Timestamp::now());
        self.shared.cluster.write_group(&self.shared.lease_proof, &ledger).await?;
        Ok(())
    }
}

/// What the ledger says of a group.
pub(super) fn ledger_status(view: &View) -> Option<&IngressGroupStatus> {
    view.ledger.as_ref()?.status.as_ref()
}

/// Whether something cannot be had because of what AWS holds.
fn rests_on_aws(linked: &Linked) -> bool {
    linked.findings().any(|finding| finding.effect != Effect::Nothing && finding.code.row().tier == Tier::Aws)
}

/// The findings that keep a group as it is, as something to wait for.
fn blocking(linked: &Linked) -> Vec<String> {
    let grave = linked.findings().filter(|finding| finding.effect != Effect::Nothing);
    let (blocking, others): (Vec<_>, Vec<_>) = grave.partition(|finding| finding.effect == Effect::GroupBlocked);
    // Without one of them it is that no member is left whose rules could stand beside what goes.
    let named = if blocking.is_empty() { others } else { blocking };
    named.into_iter().map(|finding| format!("{} to be fixed: {finding}", finding.subject)).collect()
}
