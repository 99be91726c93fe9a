//! Desired − observed → what differs: the operations that it takes, each with its stage, in no order of time yet.

use std::collections::{BTreeMap, BTreeSet};

use super::equal::{self, Known};
use super::health::TargetsByArn;
use super::operation::{AwsOperation, KubeOperation, Operation};
use super::rules::Routing;
use super::stage::Stage;
use super::{ObservedBinding, tags};
use crate::stack::{
    CLUSTER_TAG, DELETION_PROTECTION, Desired, Found, Listener, LoadBalancer, Observed, ObservedListener,
    ObservedLoadBalancer, Permission, Protocol, RESOURCE_TAG, Ref, ResourceId, SHARED_RESOURCE_TAG, SecurityGroup,
    Tags, TargetGroup, backend_security_group_name,
};

/// Description of the shared backend security group.
const BACKEND_DESCRIPTION: &str = "[k8s] Shared Backend SecurityGroup for LoadBalancer";

/// What a plan is derived from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What should exist.
    pub desired: &'a Desired,
    /// What exists in AWS.
    pub observed: &'a Observed,
    /// The group's bindings in the cluster.
    pub bindings: &'a [ObservedBinding],
    /// The cluster's name.
    pub cluster: &'a str,
    /// Tag keys that somebody else manages.
    pub external_tags: &'a [String],
    /// Tags of every resource.
    pub default_tags: &'a Tags,
    /// How many rules a load balancer may have, the default ones aside.
    pub rule_quota: usize,
    /// Targets of the target groups that [`asks`](super::asks) names; `None`: nothing is waited for.
    pub targets: Option<&'a TargetsByArn>,
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Operations and where in a turn each stands.
    pub changes: Vec<(Stage, Operation)>,
    /// Rules and default actions, by listener: in which order they change depends on what requests get meanwhile.
    pub routing: Vec<Routing>,
    /// ARNs of resources that exist, by resource id.
    pub known: Known,
    /// What the turn has to wait for before the next one is derived.
    pub waits: Vec<String>,
    /// What only a person can end; then nothing else is in here.
    pub held: Vec<String>,
    /// What is still missing although nothing waits for it.
    pub later: Vec<String>,
}

/// What differs between what should be and what is.
#[must_use]
pub fn diff(input: Input<'_>) -> Difference {
    let mut differ = Differ { input, found: Difference::default() };
    differ.run();
    differ.found
}

pub(super) struct Differ<'a> {
    input: Input<'a>,
    found: Difference,
}

impl<'a> Differ<'a> {
    pub(super) fn aws(&mut self, stage: Stage, operation: AwsOperation) {
        self.found.changes.push((stage, Operation::Aws(operation)));
    }

    pub(super) fn kube(&mut self, stage: Stage, operation: KubeOperation) {
        self.found.changes.push((stage, Operation::Kube(operation)));
    }

    pub(super) fn later(&mut self, what: String) {
        self.found.later.push(what);
    }

    pub(super) fn known(&self) -> &Known {
        &self.found.known
    }

    pub(super) fn input(&self) -> Input<'a> {
        self.input
    }

    pub(super) fn know(&mut self, id: ResourceId, arn: &str) {
        self.found.known.insert(id, arn.to_owned());
    }

    pub(super) fn wait(&mut self, wait: String) {
        self.found.waits.push(wait);
    }

    fn run(&mut self) {
        if self.is_protected() {
            return;
        }
        self.security_groups();
        self.target_groups();
        self.bindings();
        self.release_load_balancer();
        self.load_balancer();
        self.frontend_nlb();
        self.addons();
    }

    /// Whether a load balancer that would have to go is protected: then nothing of the group is touched.
    fn is_protected(&mut self) -> bool {
        let desired = self.input.desired;
        let kept = desired.load_balancer.as_ref().map(|desired| desired.scheme);
        let protected = |found: &&ObservedLoadBalancer| {
            kept != Some(found.is.scheme) && is_protected(found) && !desired.lift_deletion_protection
        };
        let held = self.input.observed.load_balancers.iter().filter(protected).map(|found| {
            format!(
                "deletion protection of load balancer {} to be lifted: set {DELETION_PROTECTION}=false in load-balancer-attributes",
                found.is.name
            )
        });
        self.found.held = held.chain(self.protected_frontend_nlbs()).collect();
        !self.found.held.is_empty()
    }

    fn security_groups(&mut self) {
        let observed = self.input.observed;
        if self.input.desired.backend_security_group {
            let id = ResourceId::backend_security_group();
            match &observed.backend_security_group {
                Some(found) => {
                    self.found.known.insert(id, found.arn.clone());
                    let wanted = self.backend_tags();
                    self.retag_group(&found.arn, &wanted, &found.is.tags);
                }
                None => {
                    let is = SecurityGroup {
                        name: backend_security_group_name(self.input.cluster),
                        description: BACKEND_DESCRIPTION.to_owned(),
                        ingress: BTreeSet::new(),
                        tags: self.backend_tags(),
                    };
                    self.aws(Stage::LetIn, AwsOperation::CreateSecurityGroup { id, is });
                }
            }
        }
        let mut stale: Vec<&Found<SecurityGroup>> = observed.security_groups.iter().collect();
        if let Some(desired) = &self.input.desired.security_group {
            let id = ResourceId::managed_security_group();
            match stale.iter().position(|found| found.is.tags.get(RESOURCE_TAG) == Some(&id.0)) {
                None => {
                    self.aws(Stage::LetIn, AwsOperation::CreateSecurityGroup { id: id.clone(), is: desired.clone() });
                    self.permissions(&Ref::Of(id), desired, None);
                }
                Some(index) => {
                    let found = stale.remove(index);
                    self.found.known.insert(id, found.arn.clone());
                    self.retag_group(&found.arn, &desired.tags, &found.is.tags);
                    self.permissions(&Ref::Known(found.arn.clone()), desired, Some(&found.is));
                }
            }
        }
        for found in stale {
            self.aws(Stage::ShutOut, AwsOperation::DeleteSecurityGroup { group: found.arn.clone() });
        }
    }

    fn backend_tags(&self) -> Tags {
        let mut tags = self.input.default_tags.clone();
        tags.insert(CLUSTER_TAG.to_owned(), self.input.cluster.to_owned());
        tags.insert(SHARED_RESOURCE_TAG.to_owned(), ResourceId::backend_security_group().0);
        tags
    }

    /// Lets in first, shuts out after.
    fn permissions(&mut self, group: &Ref, desired: &SecurityGroup, observed: Option<&SecurityGroup>) {
        let by_meaning = |group: &SecurityGroup| -> BTreeMap<Permission, Permission> {
            let bare = |one: &Permission| Permission { description: None, ..one.clone() };
            group.ingress.iter().map(|one| (one.meaning(), bare(one))).collect()
        };
        let (wanted, there) = (by_meaning(desired), observed.map(by_meaning).unwrap_or_default());
        let without = |some: &BTreeMap<_, Permission>, others: &BTreeMap<Permission, _>| -> Vec<Permission> {
            some.iter().filter(|(meaning, _)| !others.contains_key(meaning)).map(|(_, one)| one.clone()).collect()
        };
        let (add, remove) = (without(&wanted, &there), without(&there, &wanted));
        if !add.is_empty() {
            let authorize = AwsOperation::AuthorizeSecurityGroupIngress { group: group.clone(), permissions: add };
            self.aws(Stage::LetIn, authorize);
        }
        if !remove.is_empty() {
            let revoke = AwsOperation::RevokeSecurityGroupIngress { group: group.clone(), permissions: remove };
            self.aws(Stage::ShutOut, revoke);
        }
    }

    fn retag_group(&mut self, group: &str, desired: &Tags, observed: &Tags) {
        let change = tags::change(desired, observed, self.input.cluster, self.input.external_tags);
        let group = Ref::Known(group.to_owned());
        if !change.set.is_empty() {
            self.aws(Stage::Tags, AwsOperation::CreateTags { group: group.clone(), tags: change.set });
        }
        if !change.remove.is_empty() {
            self.aws(Stage::Tags, AwsOperation::DeleteTags { group, keys: change.remove });
        }
    }

    pub(super) fn retag(&mut self, arn: &str, desired: &Tags, observed: &Tags) {
        for operation in tags::retag(arn, desired, observed, self.input) {
            self.aws(Stage::Tags, operation);
        }
    }

    fn target_groups(&mut self) {
        let mut stale: Vec<&Found<TargetGroup>> = self.input.observed.target_groups.iter().collect();
        for (id, desired) in &self.input.desired.target_groups {
            let fits = |found: &&Found<TargetGroup>| {
                found.is.tags.get(RESOURCE_TAG) == Some(&id.0)
                    && found.is.target_type == desired.target_type
                    && found.is.protocol == desired.protocol
                    && found.is.protocol_version == desired.protocol_version
                    && found.is.target_control_port == desired.target_control_port
            };
            match stale.iter().position(fits).map(|index| stale.remove(index)) {
                None => {
                    self.aws(
                        Stage::TargetGroups,
                        AwsOperation::CreateTargetGroup { id: id.clone(), is: desired.clone() },
                    );
                    self.target_group_attributes(&Ref::Of(id.clone()), desired, None);
                }
                Some(found) => {
                    self.found.known.insert(id.clone(), found.arn.clone());
                    self.retag(&found.arn, &desired.tags, &found.is.tags);
                    if desired.health_check != found.is.health_check {
                        self.aws(
                            Stage::TargetGroups,
                            AwsOperation::ModifyTargetGroup {
                                target_group: found.arn.clone(),
                                protocol_version: desired.protocol_version,
                                health_check: desired.health_check.clone(),
                            },
                        );
                    }
                    self.target_group_attributes(&Ref::Known(found.arn.clone()), desired, Some(&found.is));
                }
            }
        }
        for found in stale {
            self.aws(Stage::Ungroup, AwsOperation::DeleteTargetGroup { target_group: found.arn.clone() });
        }
    }

    fn target_group_attributes(&mut self, group: &Ref, desired: &TargetGroup, observed: Option<&TargetGroup>) {
        let known = observed.map(|observed| observed.attributes.clone()).unwrap_or_default();
        let attributes = equal::attributes(&desired.attributes, &known);
        if !attributes.is_empty() {
            let target_group = group.clone();
            self.aws(Stage::TargetGroups, AwsOperation::ModifyTargetGroupAttributes { target_group, attributes });
        }
    }

    fn bindings(&mut self) {
        let mut stale: Vec<&ObservedBinding> = self.input.bindings.iter().collect();
        for (id, desired) in &self.input.desired.bindings {
            let arn = self.found.known.get(id).cloned();
            let found = arn.as_ref().and_then(|arn| {
                let index = stale.iter().position(|found| found.target_group == *arn && !found.deleting)?;
                Some(stale.remove(index))
            });
            match found {
                Some(found) => {
                    let wanted = crate::stack::Binding {
                        // Birth-only.
                        name: found.is.name.clone(),
                        target_group: found.is.target_group.clone(),
                        networking: desired
                            .networking
                            .clone()
                            .map(|(source, ports)| (equal::resolve(&source, self.known()), ports)),
                        ..desired.clone()
                    };
                    if wanted != found.is {
                        self.kube(Stage::Bindings, KubeOperation::ApplyBinding(Box::new(wanted)));
                    }
                }
                None => {
                    // A target group keeps the name that it was born with, and its binding has the same.
                    let name = arn.as_deref().and_then(target_group_name).unwrap_or(&desired.name).to_owned();
                    let binding = crate::stack::Binding { name, ..desired.clone() };
                    self.kube(Stage::Bindings, KubeOperation::ApplyBinding(Box::new(binding)));
                }
            }
        }
        for found in stale {
            let (namespace, name) = (found.is.namespace.clone(), found.is.name.clone());
            self.kube(Stage::Unbind, KubeOperation::DeleteBinding { namespace, name });
        }
    }

    /// The load balancer that exists and stays.
    pub(super) fn kept_load_balancer(&self) -> Option<&'a ObservedLoadBalancer> {
        let scheme = self.input.desired.load_balancer.as_ref()?.scheme;
        self.input.observed.load_balancers.iter().find(|found| found.is.scheme == scheme)
    }

    fn load_balancer(&mut self) {
        let mut stale: Vec<&ObservedLoadBalancer> = self.input.observed.load_balancers.iter().collect();
        let desired = self.input.desired.load_balancer.as_ref();
        let kept = desired.and_then(|desired| stale.iter().position(|found| found.is.scheme == desired.scheme));
        let kept = kept.map(|index| stale.remove(index));
        for found in stale {
            if is_protected(found) {
                let off = [(DELETION_PROTECTION.to_owned(), "false".to_owned())];
                let load_balancer = Ref::Known(found.arn.clone());
                self.aws(
                    Stage::Replaced,
                    AwsOperation::ModifyLoadBalancerAttributes { load_balancer, attributes: off.into() },
                );
            }
            self.aws(Stage::Replaced, AwsOperation::DeleteLoadBalancer { load_balancer: found.arn.clone() });
        }
        let Some(desired) = desired else { return };
        let id = ResourceId::load_balancer();
        match kept {
            None => {
                self.aws(Stage::LoadBalancer, AwsOperation::CreateLoadBalancer { is: desired.clone() });
                if !desired.attributes.is_empty() {
                    self.aws(
                        Stage::LoadBalancer,
                        AwsOperation::ModifyLoadBalancerAttributes {
                            load_balancer: Ref::Of(id.clone()),
                            attributes: desired.attributes.clone(),
                        },
                    );
                }
                self.listeners(&Ref::Of(id), &[]);
            }
            Some(found) => {
                self.found.known.insert(id, found.arn.clone());
                self.update_load_balancer(desired, found);
                self.listeners(&Ref::Known(found.arn.clone()), &found.listeners);
            }
        }
    }

    fn update_load_balancer(&mut self, desired: &LoadBalancer, found: &ObservedLoadBalancer) {
        let load_balancer = found.arn.clone();
        if found.is.ipv4_ipam_pool_id != desired.ipv4_ipam_pool_id {
            let ipv4_ipam_pool_id = desired.ipv4_ipam_pool_id.clone();
            self.aws(
                Stage::LoadBalancer,
                AwsOperation::ModifyIpPools { load_balancer: load_balancer.clone(), ipv4_ipam_pool_id },
            );
        }
        self.retag(&load_balancer, &desired.tags, &found.is.tags);
        let groups = |groups: &[Ref], known: &Known| -> BTreeSet<Ref> {
            groups.iter().map(|group| equal::resolve(group, known)).collect()
        };
        if groups(&desired.security_groups, self.known()) != groups(&found.is.security_groups, self.known()) {
            let security_groups = desired.security_groups.clone();
            self.aws(
                Stage::LoadBalancer,
                AwsOperation::SetSecurityGroups { load_balancer: load_balancer.clone(), security_groups },
            );
        }
        let set = |subnets: &[String]| subnets.iter().cloned().collect::<BTreeSet<_>>();
        if set(&desired.subnets) != set(&found.is.subnets) {
            let subnets = desired.subnets.clone();
            self.aws(Stage::LoadBalancer, AwsOperation::SetSubnets { load_balancer: load_balancer.clone(), subnets });
        }
        if desired.ip_address_type != found.is.ip_address_type {
            let ip_address_type = desired.ip_address_type;
            self.aws(
                Stage::LoadBalancer,
                AwsOperation::SetIpAddressType { load_balancer: load_balancer.clone(), ip_address_type },
            );
        }
        let attributes = equal::attributes(&desired.attributes, &found.is.attributes);
        if !attributes.is_empty() {
            self.aws(
                Stage::LoadBalancer,
                AwsOperation::ModifyLoadBalancerAttributes { load_balancer: Ref::Known(load_balancer), attributes },
            );
        }
    }

    fn listeners(&mut self, load_balancer: &Ref, observed: &[ObservedListener]) {
        let desired: Vec<&'a Listener> = self.input.desired.listeners.values().collect();
        for found in observed.iter().filter(|found| !desired.iter().any(|one| one.port == found.is.port)) {
            self.aws(Stage::Unlisten, AwsOperation::DeleteListener { listener: found.arn.clone() });
        }
        for listener in desired {
            match observed.iter().find(|found| found.is.port == listener.port) {
                None => self.create_listener(load_balancer, listener),
                Some(found) => self.update_listener(listener, found),
            }
        }
    }

    fn create_listener(&mut self, load_balancer: &Ref, listener: &Listener) {
        let reference = Ref::Of(ResourceId::listener(listener.port));
        let made = AwsOperation::CreateListener { load_balancer: load_balancer.clone(), is: listener.clone() };
        self.aws(Stage::Listeners, made);
        // The default certificate is added to the others too, so that its names are found by SNI.
        for certificate in listener.certificates.iter().collect::<BTreeSet<_>>() {
            self.add_certificate(Stage::Listeners, &reference, certificate);
        }
        if !listener.attributes.is_empty() {
            let attributes = listener.attributes.clone();
            let listener = reference.clone();
            self.aws(Stage::Listeners, AwsOperation::ModifyListenerAttributes { listener, attributes });
        }
        self.routing(listener, reference, None);
    }

    fn update_listener(&mut self, listener: &Listener, found: &ObservedListener) {
        self.found.known.insert(ResourceId::listener(listener.port), found.arn.clone());
        self.retag(&found.arn, &listener.tags, &found.is.tags);
        let wanted: BTreeSet<&String> = listener.certificates.iter().collect();
        let there: BTreeSet<&String> = found.is.certificates.iter().skip(1).collect();
        let reference = Ref::Known(found.arn.clone());
        // Only a listener that is HTTPS by then takes certificates, and one that becomes HTTP loses them by itself.
        let stage = if found.is.protocol == Protocol::Https { Stage::Listeners } else { Stage::Unlisten };
        for certificate in wanted.difference(&there) {
            self.add_certificate(stage, &reference, certificate);
        }
        let attributes = equal::attributes(&listener.attributes, &found.is.attributes);
        if !attributes.is_empty() {
            let listener = reference.clone();
            self.aws(Stage::Listeners, AwsOperation::ModifyListenerAttributes { listener, attributes });
        }
        self.routing(listener, reference, Some(found));
        for certificate in there.difference(&wanted).filter(|_| listener.protocol == Protocol::Https) {
            let certificate = (*certificate).clone();
            let listener = found.arn.clone();
            self.aws(Stage::Unlisten, AwsOperation::RemoveListenerCertificate { listener, certificate });
        }
    }

    fn add_certificate(&mut self, stage: Stage, listener: &Ref, certificate: &str) {
        let (listener, certificate) = (listener.clone(), certificate.to_owned());
        self.aws(stage, AwsOperation::AddListenerCertificate { listener, certificate });
    }

    fn routing(&mut self, listener: &Listener, reference: Ref, found: Option<&ObservedListener>) {
        let routing = Routing::new(listener, reference, found, self.known());
        for (rule, found) in listener.rules.iter().zip(&routing.kept) {
            if let Some(found) = found.and_then(|index| routing.there.get(index)) {
                self.retag(&found.arn, &rule.tags, &found.is.tags);
            }
        }
        if !routing.is_settled() {
            self.found.routing.push(routing);
        }
    }
}

fn is_protected(found: &ObservedLoadBalancer) -> bool {
    found.is.attributes.get(DELETION_PROTECTION).is_some_and(|value| value == "true")
}

/// The name in a target group's ARN: `…:targetgroup/NAME/ID`.
fn target_group_name(arn: &str) -> Option<&str> {
    arn.split(":targetgroup/").nth(1)?.split('/').next()
}
