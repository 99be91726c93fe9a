//! The pass over the rules of nodes and pods: their security groups let the load balancers of all bindings in.

mod interfaces;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use albedo_engine::kinds::{Key, Node, Pod, TargetGroupBinding};
use albedo_engine::plan::AwsOperation;
use albedo_engine::stack::{Permission, Ref, SecurityGroup};
use albedo_engine::targets::{
    AttachedGroup, Backend, EndpointGroups, Interface, Need, Origin, PermissionChange, Resolution, SkipReason, Wanted,
    networking_diff, wanted,
};
use albedo_engine::world::{Kind, Unit};
use futures::FutureExt as _;
use tokio::sync::MutexGuard;

use super::binding::{FINALIZER, TOGETHER};
use super::{Next, PassError, Reconciler};
use crate::cloud::{Cloud, CloudError, InterfaceFact, Known, WriteContext};
use interfaces::{Interfaces, Place};

/// What was read of security groups and network interfaces is believed for this long at most, less where `--sync-period` is shorter:
/// rules that were changed by hand are put right after it.
const BELIEVED: Duration = Duration::from_mins(10);
/// Longest that a registration waits for the rules.
const FIRST: Duration = Duration::from_secs(15);
/// Event on a binding whose targets don't let its load balancer in.
const FAILED: &str = "FailedNetworkReconcile";
/// It is said again after this.
const SAY_AGAIN: Duration = Duration::from_mins(1);
/// Pause before another look at what is kept because bindings are missing.
const MISSING: Duration = Duration::from_secs(30);
/// A permission that AWS refused is not tried again before this: each try takes some seconds, and others wait meanwhile.
const REFUSED: Duration = Duration::from_secs(30);

/// What was read in earlier passes. All of it can be lost at any time.
#[derive(Debug, Default)]
pub(super) struct Memory {
    interfaces: Interfaces,
    groups: Groups,
    /// What AWS refused of single permissions, and when.
    refused: Vec<(Instant, Refusal)>,
    /// What bindings were told, and when.
    said: BTreeMap<(Key, String), Instant>,
}

/// Security groups as they were read and have been written to since, or nothing when a write failed.
#[derive(Debug, Default)]
struct Groups {
    read_at: Option<Instant>,
    /// Those that were looked for by id. One of them that is not there is not looked for again.
    asked: BTreeSet<String>,
    found: BTreeMap<String, SecurityGroup>,
}

/// A binding and where its targets are.
struct Standing {
    binding: Arc<TargetGroupBinding>,
    key: Key,
    places: Vec<(Place, Option<Arc<Pod>>)>,
    /// Whether all of its targets are known.
    complete: bool,
}

/// A standing with its network interfaces, in the order of the places; `None` for a hybrid node.
struct Founded {
    standing: Standing,
    interfaces: Vec<Option<Arc<Interface>>>,
    /// Targets without an interface.
    lost: BTreeSet<String>,
}

/// A permission that AWS refused, with its group.
#[derive(Debug, Clone)]
struct Refusal {
    group: String,
    permission: Permission,
    error: Arc<CloudError>,
}

impl Reconciler {
    pub(super) async fn node_rules(&self) -> Result<Next, PassError> {
        let memory = self.shared.node_rules.lock().await;
        // The targets of a binding whose pass is due or under way may be gone from the cluster and still be registered, so that the load balancer
        // sends them requests. New ones are let in by that pass (`let_in_first`).
        let is_binding = |unit: &Unit| matches!(unit, Unit::Binding(_));
        if self.shared.queue.should_wait(&Unit::NodeRules, Duration::ZERO, is_binding) {
            return Ok(Next::Again(TOGETHER));
        }
        self.rules(memory).await
    }

    /// Before targets are registered their load balancer is let in, or its first health checks would fail. A pass that
    /// began since this was asked has seen the same targets and is enough. Registration goes on whatever comes of it.
    pub(super) async fn let_in_first(&self) {
        let begun = self.shared.rules_begun.load(Ordering::Acquire);
        let pass = async {
            let memory = self.shared.node_rules.lock().await;
            if self.shared.rules_begun.load(Ordering::Acquire) == begun {
                self.rules(memory).await?;
            }
            Ok::<(), PassError>(())
        };
        match tokio::time::timeout(FIRST, pass).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "targets are registered although not all are let in"),
            Err(_) => tracing::warn!("targets are registered although it takes long to let them in"),
        }
    }

    async fn rules(&self, mut memory: MutexGuard<'_, Memory>) -> Result<Next, PassError> {
        self.shared.rules_begun.fetch_add(1, Ordering::AcqRel);
        // Both at once: bindings that come while this pass reads are none of those that it builds on.
        let (bindings, lacks) = self.shared.cluster.read(|world| {
            let all = world.bindings().filter(|(_, binding)| lets_in(binding));
            (all.map(|(key, binding)| (key.clone(), binding.clone())).collect(), world.lacks_bindings())
        });
        let standings = self.standings(bindings).await;
        let places = standings.iter().flat_map(|standing| &standing.places).map(|(place, _)| place).collect();
        if let Err(error) = self.read(&mut memory, &places).await {
            let said = standings.iter().map(|standing| (standing.key.clone(), error.to_string())).collect();
            if !error.may_pass() {
                self.rules_fail(&said, &BTreeSet::new());
            }
            self.say_once(&mut memory, said);
            return Err(error.into());
        }
        let mut interfaces = BTreeMap::new();
        let founded = standings.into_iter().map(|standing| found(standing, &memory, &mut interfaces));
        let founded: Vec<Founded> = founded.collect();
        let needs: Vec<Need<'_>> = founded.iter().filter_map(Founded::need).collect();
        let (wanted, mut changes) = self.difference(&needs, &memory.groups);
        let shuts_out = changes.iter().any(|change| !change.revoke.is_empty());
        let misses = shuts_out && (lacks || self.may_lose_bindings().await);
        if misses {
            changes.iter_mut().for_each(PermissionChange::shut_nothing_out);
        }
        let mut refusals = Vec::new();
        for mut change in changes {
            let known = memory.hold_back(&mut change);
            let (written, idle) = (change.clone(), change.authorize.is_empty() && change.revoke.is_empty());
            // Unknown while it is written: who is cut short does not know what has been done.
            let mut groups = std::mem::take(&mut memory.groups);
            let fresh = self.change(change, &known).await;
            if idle || (known.is_empty() && fresh.is_empty()) {
                groups.wrote(written);
                memory.groups = groups;
            }
            memory
                .refused
                .extend(fresh.iter().filter(|one| is_of_one(&one.error)).map(|one| (Instant::now(), one.clone())));
            refusals.extend(known.into_iter().chain(fresh));
        }
        let said = said(&founded, &needs, wanted, &refusals);
        self.rules_fail(&said, &missing(&needs, &refusals));
        let first = said.iter().next().map(|(key, text)| format!("{key}: {text}"));
        self.say_once(&mut memory, said);
        drop(memory);
        let refused = refusals.first().map(|refusal| format!("{}: {}", refusal.group, refusal.error));
        let next = if misses { Next::Again(MISSING) } else { Next::Rest };
        refused.or(first).map_or(Ok(next), |text| Err(PassError::Networking(text)))
    }

    async fn read(&self, memory: &mut Memory, places: &BTreeSet<&Place>) -> Result<(), CloudError> {
        let Memory { interfaces, groups, .. } = memory;
        interfaces.learn(&self.shared.cloud, places).boxed().await?;
        let facts = places.iter().filter_map(|place| interfaces.of(place));
        let attached = facts.flat_map(|fact| fact.security_groups.iter().cloned()).collect();
        let observations = &self.shared.observations;
        let doubted = observations.is_doubted(&Unit::NodeRules);
        let believed = if doubted { Duration::ZERO } else { BELIEVED.min(observations.believed()) };
        let learnt = groups.learn(&self.shared.cloud, &self.shared.settings.cluster_name, attached, believed);
        learnt.boxed().await?;
        if doubted {
            observations.looked(Unit::NodeRules);
        }
        Ok(())
    }

    /// Bindings with their targets' places.
    async fn standings(&self, bindings: Vec<(Key, Arc<TargetGroupBinding>)>) -> Vec<Standing> {
        let mut standings = Vec::new();
        for (key, binding) in bindings {
            let resolved = match self.resolve(&key, &binding).await {
                Ok(Resolution::Targets(resolved)) => Some(resolved),
                Ok(Resolution::Gone) => Some(albedo_engine::targets::Resolved::default()),
                // The binding's own pass says so, and keeps its targets.
                Err(error) => {
                    tracing::debug!(binding = %key, %error, "rules stay: its targets cannot be told");
                    None
                }
            };
            let complete = resolved.as_ref().is_some_and(|resolved| {
                !resolved.skipped.iter().any(|skipped| skipped.reason == SkipReason::PodNotSeen)
            });
            let origins = resolved.into_iter().flat_map(|resolved| resolved.origins);
            let places = self.shared.cluster.read(|world| {
                let place = |(target, origin): (albedo_engine::stack::Target, Origin)| match origin {
                    Origin::Node(_) => (Place::Instance(target.id), None),
                    Origin::Pod(key) => {
                        let pod = world.pod(&key).cloned();
                        let node = pod.as_ref().and_then(|pod| world.node(&pod.node));
                        (place_of(&target.id, pod.as_deref(), node.map(AsRef::as_ref)), pod)
                    }
                };
                origins.map(place).collect()
            });
            standings.push(Standing { binding, key, places, complete });
        }
        standings
    }

    fn difference(&self, needs: &[Need<'_>], groups: &Groups) -> (Wanted, Vec<PermissionChange>) {
        let settings = &self.shared.settings;
        let choice = EndpointGroups { cluster: &settings.cluster_name, tags: &settings.endpoint_security_group_tags };
        let wanted = wanted(needs, choice, !settings.disable_restricted_security_group_rules);
        let there = groups.found.iter().map(|(id, group)| (id.clone(), group.ingress.iter().cloned().collect()));
        let mut changes = networking_diff(&wanted, &there.collect());
        // What an object that cannot be read needs, nobody knows.
        if self.shared.cluster.unreadable().iter().any(|object| object.kind == Kind::Binding) {
            changes.iter_mut().for_each(PermissionChange::shut_nothing_out);
        }
        (wanted, changes)
    }

    /// Lets in, then shuts out. Where letting in failed, now or lately, nothing of that source is shut out: what is there
    /// may be all that lets it in.
    async fn change(&self, change: PermissionChange, lately: &[Refusal]) -> Vec<Refusal> {
        let PermissionChange { group, authorize, mut revoke } = change;
        let sources = |of: &[Refusal]| of.iter().map(|one| one.permission.source.clone()).collect::<BTreeSet<_>>();
        let held = sources(lately);
        revoke.retain(|permission| !held.contains(&permission.source));
        if authorize.is_empty() && revoke.is_empty() {
            return Vec::new();
        }
        tracing::info!(
            %group, authorize = authorize.len(), revoke = revoke.len(), "rules of nodes and pods change"
        );
        let mut refusals = self.authorize(&group, authorize).await;
        let full = refusals.iter().any(|refusal| matches!(*refusal.error, CloudError::TooMany(_)));
        if full && !revoke.is_empty() {
            // Only what goes first makes room for what comes.
            let shut = self.revoke(&group, std::mem::take(&mut revoke)).await;
            refusals = self.authorize(&group, refusals.into_iter().map(|refusal| refusal.permission).collect()).await;
            refusals.extend(shut);
        }
        let held = sources(&refusals);
        revoke.retain(|permission| !held.contains(&permission.source));
        let shut = self.revoke(&group, revoke).await;
        refusals.extend(shut);
        refusals
    }

    /// Lets in. What AWS does not take in one call goes one by one: a source that is not there, say, has to be in nobody
    /// else's way.
    async fn authorize(&self, group: &str, permissions: Vec<Permission>) -> Vec<Refusal> {
        let send = |permissions: Vec<Permission>| {
            let group = Ref::Known(group.to_owned());
            self.put(AwsOperation::AuthorizeSecurityGroupIngress { group, permissions })
        };
        let error = match permissions.as_slice() {
            [] => return Vec::new(),
            all => match send(all.to_vec()).await {
                Ok(()) => return Vec::new(),
                Err(error) => error,
            },
        };
        if !is_of_one(&error) || permissions.len() == 1 {
            return refuse(group, permissions, error).collect();
        }
        let mut refusals = Vec::new();
        for permission in permissions {
            if let Err(error) = send(vec![permission.clone()]).await {
                refusals.extend(refuse(group, vec![permission], error));
            }
        }
        refusals
    }

    async fn revoke(&self, group: &str, permissions: Vec<Permission>) -> Vec<Refusal> {
        if permissions.is_empty() {
            return Vec::new();
        }
        let (known, again) = (Ref::Known(group.to_owned()), permissions.clone());
        match self.put(AwsOperation::RevokeSecurityGroupIngress { group: known, permissions }).await {
            // A group that is gone lets nobody in.
            Ok(()) | Err(CloudError::NotFound(_)) => Vec::new(),
            Err(error) => refuse(group, again, error).collect(),
        }
    }

    async fn put(&self, operation: AwsOperation) -> Result<(), CloudError> {
        let clients = BTreeMap::new();
        let write_context = WriteContext { remaining: &|| self.shared.lease_proof.remaining(), clients: &clients };
        self.shared.cloud.apply(&operation, &mut Known::default(), &write_context).boxed().await.map(drop)
    }

    /// Says on each binding what it has not been told lately: passes come as often as pods do.
    fn say_once(&self, memory: &mut Memory, said: BTreeSet<(Key, String)>) {
        memory.said.retain(|about, at| said.contains(about) && at.elapsed() < SAY_AGAIN);
        for about in said {
            if memory.said.contains_key(&about) {
                continue;
            }
            if let Some(binding) = self.shared.cluster.read(|world| world.binding(&about.0).cloned()) {
                self.say(&binding, FAILED, about.1.clone());
            }
            memory.said.insert(about, Instant::now());
        }
    }
}

/// What went wrong, for the bindings that it concerns.
fn said(founded: &[Founded], needs: &[Need<'_>], wanted: Wanted, refusals: &[Refusal]) -> BTreeSet<(Key, String)> {
    let mut said: BTreeSet<_> = wanted.faults.into_iter().map(|(key, fault)| (key, fault.to_string())).collect();
    said.extend(founded.iter().filter_map(|one| Some((one.standing.key.clone(), one.lost_targets()?))));
    for Refusal { group, permission, error } in refusals {
        let concerned = needs.iter().filter(|need| need.concerns(group, &permission.source));
        said.extend(concerned.map(|need| (need.binding.clone(), format!("{group}: {error}"))));
    }
    said
}

/// The bindings for which AWS did not know a security group: that of a load balancer was deleted by hand, say.
fn missing(needs: &[Need<'_>], refusals: &[Refusal]) -> BTreeSet<Key> {
    let gone = refusals.iter().filter(|refusal| matches!(*refusal.error, CloudError::NotFound(_)));
    let concerned = gone.flat_map(|Refusal { group, permission, .. }| {
        needs.iter().filter(move |need| need.concerns(group, &permission.source))
    });
    concerned.map(|need| need.binding.clone()).collect()
}

impl Founded {
    fn need(&self) -> Option<Need<'_>> {
        let Standing { binding, key, places, complete } = &self.standing;
        let backends = self.interfaces.iter().zip(places);
        let backends =
            backends.map(|(interface, (_, pod))| Backend { interface: interface.as_deref(), pod: pod.as_deref() });
        Some(Need {
            binding: key.clone(),
            networking: binding.spec.networking.as_ref()?,
            backends: backends.collect(),
            complete: *complete && self.lost.is_empty(),
        })
    }

    /// What is said of targets whose interface nobody knows; the first few stand for all.
    fn lost_targets(&self) -> Option<String> {
        const NAMED: usize = 5;
        let named: Vec<&str> = self.lost.iter().take(NAMED).map(String::as_str).collect();
        let more = self.lost.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!named.is_empty()).then(|| format!("cannot resolve the network interface of: [{}]{more}", named.join(", ")))
    }
}

impl Memory {
    /// Takes out of a change what was refused lately.
    fn hold_back(&mut self, change: &mut PermissionChange) -> Vec<Refusal> {
        self.refused.retain(|(at, _)| at.elapsed() < REFUSED);
        let lately = self.refused.iter().map(|(_, refusal)| refusal);
        let (again, new) = (lately.filter(|one| one.group == change.group), &mut change.authorize);
        let again: Vec<Refusal> = again.filter(|one| new.contains(&one.permission)).cloned().collect();
        new.retain(|permission| !again.iter().any(|one| one.permission == *permission));
        again
    }
}

impl Groups {
    /// Reads the groups `attached` to interfaces, and those with the cluster's tag, in which rules may be that nobody
    /// needs any more.
    async fn learn(
        &mut self,
        cloud: &Cloud,
        cluster: &str,
        attached: BTreeSet<String>,
        believed: Duration,
    ) -> Result<(), CloudError> {
        let young = self.read_at.is_some_and(|at| at.elapsed() < believed);
        if young && attached.iter().all(|id| self.asked.contains(id) || self.found.contains_key(id)) {
            return Ok(());
        }
        self.forget();
        let tag = format!("kubernetes.io/cluster/{cluster}");
        let tagged = cloud.security_groups_tagged(&tag, &["owned", "shared"]).await?;
        self.found.extend(tagged.into_iter().map(|group| (group.arn, group.is)));
        let others: Vec<String> = attached.iter().filter(|id| !self.found.contains_key(*id)).cloned().collect();
        if !others.is_empty() {
            let others = cloud.security_groups(&others).await?;
            self.found.extend(others.into_iter().map(|group| (group.arn, group.is)));
        }
        self.asked = attached;
        self.read_at = Some(Instant::now());
        Ok(())
    }

    /// Remembers what was written: AWS may show for some seconds what was there before.
    fn wrote(&mut self, change: PermissionChange) {
        let Some(group) = self.found.get_mut(&change.group) else { return };
        group.ingress.retain(|permission| !change.revoke.contains(permission));
        group.ingress.extend(change.authorize);
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Whether a binding needs rules: it has some, and its targets are, or may still be, registered.
fn lets_in(binding: &TargetGroupBinding) -> bool {
    let leaves = binding.metadata.deletion_timestamp.is_some();
    let holds = binding.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
    let rules = binding.spec.networking.as_ref().is_some_and(|networking| !networking.ingress.is_empty());
    rules && (holds || !leaves)
}

/// Where a pod is to be looked for.
fn place_of(address: &str, pod: Option<&Pod>, node: Option<&Node>) -> Place {
    let is_hybrid =
        node.is_some_and(|node| node.labels.get("eks.amazonaws.com/compute-type").is_some_and(|kind| kind == "hybrid"));
    if is_hybrid {
        return Place::Outside;
    }
    if let Some(interface) = pod.and_then(|pod| pod.pod_eni.as_deref()).and_then(interfaces::branch) {
        return Place::Branch(interface);
    }
    Place::Address {
        address: address.to_owned(),
        // An address goes from pod to pod, and with Fargate to another interface each time.
        pod: pod.map(|pod| format!("{}@{}", pod.key, pod.created_ms)).unwrap_or_default(),
        instance: node.and_then(Node::instance_id).map(str::to_owned),
    }
}

/// `interfaces`: those that were made for other places, by id. Many pods share one.
fn found(standing: Standing, memory: &Memory, interfaces: &mut BTreeMap<String, Arc<Interface>>) -> Founded {
    let mut founded = Founded { interfaces: Vec::new(), lost: BTreeSet::new(), standing };
    for (place, pod) in &founded.standing.places {
        let fact = memory.interfaces.of(place);
        if fact.is_none() && *place != Place::Outside {
            let name = pod.as_ref().map_or_else(|| place.to_string(), |pod| format!("{} ({place})", pod.key));
            founded.lost.insert(name);
        }
        founded.interfaces.push(fact.map(|fact| {
            let known = interfaces.get(&fact.id).cloned();
            known.unwrap_or_else(|| {
                let made = Arc::new(interface(fact, &memory.groups));
                interfaces.insert(fact.id.clone(), made.clone());
                made
            })
        }));
    }
    founded
}

fn interface(fact: &InterfaceFact, groups: &Groups) -> Interface {
    let tags = |id: &String| groups.found.get(id).map(|group| group.tags.clone()).unwrap_or_default();
    let attached = fact.security_groups.iter().map(|id| AttachedGroup { id: id.clone(), tags: tags(id) });
    Interface { id: fact.id.clone(), security_groups: attached.collect() }
}

/// Whether it may be about one permission of several in a call.
fn is_of_one(error: &CloudError) -> bool {
    matches!(error, CloudError::NotFound(_) | CloudError::Invalid(_) | CloudError::Unknown(_))
}

fn refuse(group: &str, permissions: Vec<Permission>, error: CloudError) -> impl Iterator<Item = Refusal> {
    let (group, error) = (group.to_owned(), Arc::new(error));
    permissions.into_iter().map(move |permission| Refusal { group: group.clone(), permission, error: error.clone() })
}
