//! Desired − observed → one turn, in the order: security groups, target groups and their bindings, load balancer,
//! listeners, rules, the NLB in front, then what is not needed any more, and last what is attached to the load balancer.

use std::collections::BTreeSet;

use super::equal::{self, Known};
use super::operation::{AwsOperation, KubeOperation, Operation};
use super::{ObservedBinding, Plan, tags};
use crate::stack::{
    CLUSTER_TAG, DELETION_PROTECTION, Desired, Found, Listener, LoadBalancer, Observed, ObservedListener,
    ObservedLoadBalancer, RESOURCE_TAG, Ref, ResourceId, SHARED_RESOURCE_TAG, SecurityGroup, Tags, TargetGroup,
    backend_security_group_name,
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
}

/// The next turn.
#[must_use]
pub fn diff(input: Input<'_>) -> Plan {
    let mut differ = Differ { input, plan: Plan::default() };
    differ.run();
    differ.plan
}

pub(super) struct Differ<'a> {
    input: Input<'a>,
    plan: Plan,
}

impl<'a> Differ<'a> {
    pub(super) fn aws(&mut self, operation: AwsOperation) {
        self.plan.operations.push(Operation::Aws(operation));
    }

    pub(super) fn later(&mut self, what: String) {
        self.plan.later.push(what);
    }

    pub(super) fn known(&self) -> &Known {
        &self.plan.known
    }

    pub(super) fn input(&self) -> Input<'a> {
        self.input
    }

    pub(super) fn know(&mut self, id: ResourceId, arn: &str) {
        self.plan.known.insert(id, arn.to_owned());
    }

    pub(super) fn wait(&mut self, wait: String) {
        self.plan.waits.push(wait);
    }

    fn run(&mut self) {
        if self.is_protected() {
            return;
        }
        let stale_groups = self.security_groups();
        let stale_targets = self.target_groups();
        let stale_bindings = self.bindings();
        if !self.plan.waits.is_empty() {
            return;
        }
        self.release_load_balancer();
        self.load_balancer();
        let stale_frontends = self.frontend_nlb();
        for (namespace, name) in stale_bindings {
            self.plan.operations.push(Operation::Kube(KubeOperation::DeleteBinding { namespace, name }));
        }
        for target_group in stale_targets.into_iter().chain(stale_frontends) {
            self.aws(AwsOperation::DeleteTargetGroup { target_group });
        }
        for group in stale_groups {
            self.aws(AwsOperation::DeleteSecurityGroup { group });
        }
        self.addons();
    }

    /// Whether a load balancer that would have to go is protected: then nothing of the group is touched.
    fn is_protected(&mut self) -> bool {
        let desired = self.input.desired;
        let kept = desired.load_balancer.as_ref().map(|desired| desired.scheme);
        let protected = |found: &&ObservedLoadBalancer| {
            kept != Some(found.is.scheme)
                && found.is.attributes.get(DELETION_PROTECTION).is_some_and(|value| value == "true")
                && !desired.lift_deletion_protection
        };
        let waits = self.input.observed.load_balancers.iter().filter(protected).map(|found| {
            format!(
                "deletion protection of load balancer {} to be lifted: set {DELETION_PROTECTION}=false in load-balancer-attributes",
                found.is.name
            )
        });
        self.plan.waits = waits.chain(self.protected_frontend_nlbs()).collect();
        !self.plan.waits.is_empty()
    }

    /// Makes the security groups right; gives back those that are not needed any more.
    fn security_groups(&mut self) -> Vec<String> {
        let observed = self.input.observed;
        if self.input.desired.backend_security_group {
            let id = ResourceId::backend_security_group();
            match &observed.backend_security_group {
                Some(found) => {
                    self.plan.known.insert(id, found.arn.clone());
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
                    self.aws(AwsOperation::CreateSecurityGroup { id, is });
                }
            }
        }
        let mut stale: Vec<String> = observed.security_groups.iter().map(|found| found.arn.clone()).collect();
        let Some(desired) = &self.input.desired.security_group else { return stale };
        let id = ResourceId::managed_security_group();
        let found = observed.security_groups.iter().find(|found| found.is.tags.get(RESOURCE_TAG) == Some(&id.0));
        match found {
            None => {
                self.aws(AwsOperation::CreateSecurityGroup { id: id.clone(), is: desired.clone() });
                self.permissions(&Ref::Of(id), desired, None);
            }
            Some(found) => {
                stale.retain(|group| *group != found.arn);
                self.plan.known.insert(id, found.arn.clone());
                self.retag_group(&found.arn, &desired.tags, &found.is.tags);
                self.permissions(&Ref::Known(found.arn.clone()), desired, Some(&found.is));
            }
        }
        stale
    }

    fn backend_tags(&self) -> Tags {
        let mut tags = self.input.default_tags.clone();
        tags.insert(CLUSTER_TAG.to_owned(), self.input.cluster.to_owned());
        tags.insert(SHARED_RESOURCE_TAG.to_owned(), ResourceId::backend_security_group().0);
        tags
    }

    /// Lets in first, shuts out after: descriptions are not compared.
    fn permissions(&mut self, group: &Ref, desired: &SecurityGroup, observed: Option<&SecurityGroup>) {
        let bare = |group: &SecurityGroup| -> BTreeSet<_> {
            let permissions = group.ingress.iter().cloned();
            permissions.map(|permission| crate::stack::Permission { description: None, ..permission }).collect()
        };
        let (wanted, there) = (bare(desired), observed.map(bare).unwrap_or_default());
        let add: Vec<_> = wanted.difference(&there).cloned().collect();
        let remove: Vec<_> = there.difference(&wanted).cloned().collect();
        if !add.is_empty() {
            self.aws(AwsOperation::AuthorizeSecurityGroupIngress { group: group.clone(), permissions: add });
        }
        if !remove.is_empty() {
            self.aws(AwsOperation::RevokeSecurityGroupIngress { group: group.clone(), permissions: remove });
        }
    }

    fn retag_group(&mut self, group: &str, desired: &Tags, observed: &Tags) {
        let change = tags::change(desired, observed, self.input.cluster, self.input.external_tags);
        let group = Ref::Known(group.to_owned());
        if !change.set.is_empty() {
            self.aws(AwsOperation::CreateTags { group: group.clone(), tags: change.set });
        }
        if !change.remove.is_empty() {
            self.aws(AwsOperation::DeleteTags { group, keys: change.remove });
        }
    }

    pub(super) fn retag(&mut self, arn: &str, desired: &Tags, observed: &Tags) {
        let change = tags::change(desired, observed, self.input.cluster, self.input.external_tags);
        if !change.set.is_empty() {
            self.aws(AwsOperation::AddTags { resource: Ref::Known(arn.to_owned()), tags: change.set });
        }
        if !change.remove.is_empty() {
            self.aws(AwsOperation::RemoveTags { resource: arn.to_owned(), keys: change.remove });
        }
    }

    /// Makes and changes target groups; gives back those that are not needed any more.
    fn target_groups(&mut self) -> Vec<String> {
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
                    self.aws(AwsOperation::CreateTargetGroup { id: id.clone(), is: desired.clone() });
                    self.target_group_attributes(&Ref::Of(id.clone()), desired, None);
                }
                Some(found) => {
                    self.plan.known.insert(id.clone(), found.arn.clone());
                    self.retag(&found.arn, &desired.tags, &found.is.tags);
                    if desired.health_check != found.is.health_check {
                        self.aws(AwsOperation::ModifyTargetGroup {
                            target_group: found.arn.clone(),
                            protocol_version: desired.protocol_version,
                            health_check: desired.health_check.clone(),
                        });
                    }
                    self.target_group_attributes(&Ref::Known(found.arn.clone()), desired, Some(&found.is));
                }
            }
        }
        stale.into_iter().map(|found| found.arn.clone()).collect()
    }

    fn target_group_attributes(&mut self, group: &Ref, desired: &TargetGroup, observed: Option<&TargetGroup>) {
        let known = observed.map(|observed| observed.attributes.clone()).unwrap_or_default();
        let attributes = equal::attributes(&desired.attributes, &known);
        if !attributes.is_empty() {
            let target_group = group.clone();
            self.aws(AwsOperation::ModifyTargetGroupAttributes { target_group, attributes });
        }
    }

    /// Makes and changes bindings; gives back those that are not needed any more. Where a target group replaces one that
    /// serves, the turn ends here until its targets are registered.
    fn bindings(&mut self) -> Vec<(String, String)> {
        let mut stale: Vec<&ObservedBinding> = self.input.bindings.iter().collect();
        for (id, desired) in &self.input.desired.bindings {
            let arn = self.plan.known.get(id).cloned();
            let found = arn.as_ref().and_then(|arn| {
                let index = stale.iter().position(|found| found.target_group == *arn && !found.deleting)?;
                Some(stale.remove(index))
            });
            let replaces = self.replaces(id, arn.as_deref());
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
                        self.plan.operations.push(Operation::Kube(KubeOperation::ApplyBinding(Box::new(wanted))));
                    }
                    if replaces && !found.registered {
                        self.plan.waits.push(format!("targets of {id} to be registered before rules point to them"));
                    }
                }
                None => {
                    // A target group keeps the name that it was born with, and its binding has the same.
                    let name = arn.as_deref().and_then(target_group_name).unwrap_or(&desired.name).to_owned();
                    let binding = crate::stack::Binding { name, ..desired.clone() };
                    self.plan.operations.push(Operation::Kube(KubeOperation::ApplyBinding(Box::new(binding))));
                    if replaces {
                        self.plan.waits.push(format!("targets of {id} to be registered before rules point to them"));
                    }
                }
            }
        }
        let deleted = |found: &&ObservedBinding| (found.is.namespace.clone(), found.is.name.clone());
        stale.iter().map(deleted).collect()
    }

    /// Whether a target group takes the place of another one that exists.
    fn replaces(&self, id: &ResourceId, arn: Option<&str>) -> bool {
        let same = |found: &&Found<TargetGroup>| found.is.tags.get(RESOURCE_TAG) == Some(&id.0);
        self.input.observed.target_groups.iter().filter(same).any(|found| Some(found.arn.as_str()) != arn)
    }

    /// The load balancer that exists and stays.
    pub(super) fn kept_load_balancer(&self) -> Option<&'a ObservedLoadBalancer> {
        let scheme = self.input.desired.load_balancer.as_ref()?.scheme;
        self.input.observed.load_balancers.iter().find(|found| found.is.scheme == scheme)
    }

    fn load_balancer(&mut self) {
        let mut stale: Vec<&ObservedLoadBalancer> = self.input.observed.load_balancers.iter().collect();
        let Some(desired) = &self.input.desired.load_balancer else {
            for found in stale {
                if found.is.attributes.get(DELETION_PROTECTION).is_some_and(|value| value == "true") {
                    let off = [(DELETION_PROTECTION.to_owned(), "false".to_owned())];
                    let load_balancer = Ref::Known(found.arn.clone());
                    self.aws(AwsOperation::ModifyLoadBalancerAttributes { load_balancer, attributes: off.into() });
                }
                self.aws(AwsOperation::DeleteLoadBalancer { load_balancer: found.arn.clone() });
            }
            return;
        };
        let kept = stale.iter().position(|found| found.is.scheme == desired.scheme).map(|index| stale.remove(index));
        for found in stale {
            self.aws(AwsOperation::DeleteLoadBalancer { load_balancer: found.arn.clone() });
        }
        let id = ResourceId::load_balancer();
        match kept {
            None => {
                self.aws(AwsOperation::CreateLoadBalancer { is: desired.clone() });
                if !desired.attributes.is_empty() {
                    self.aws(AwsOperation::ModifyLoadBalancerAttributes {
                        load_balancer: Ref::Of(id.clone()),
                        attributes: desired.attributes.clone(),
                    });
                }
                self.listeners(&Ref::Of(id), &[]);
            }
            Some(found) => {
                self.plan.known.insert(id, found.arn.clone());
                self.update_load_balancer(desired, found);
                self.listeners(&Ref::Known(found.arn.clone()), &found.listeners);
            }
        }
    }

    fn update_load_balancer(&mut self, desired: &LoadBalancer, found: &ObservedLoadBalancer) {
        let load_balancer = found.arn.clone();
        if found.is.ipv4_ipam_pool_id != desired.ipv4_ipam_pool_id {
            let ipv4_ipam_pool_id = desired.ipv4_ipam_pool_id.clone();
            self.aws(AwsOperation::ModifyIpPools { load_balancer: load_balancer.clone(), ipv4_ipam_pool_id });
        }
        self.retag(&load_balancer, &desired.tags, &found.is.tags);
        let groups = |groups: &[Ref], known: &Known| -> BTreeSet<Ref> {
            groups.iter().map(|group| equal::resolve(group, known)).collect()
        };
        if groups(&desired.security_groups, self.known()) != groups(&found.is.security_groups, self.known()) {
            let security_groups = desired.security_groups.clone();
            self.aws(AwsOperation::SetSecurityGroups { load_balancer: load_balancer.clone(), security_groups });
        }
        let set = |subnets: &[String]| subnets.iter().cloned().collect::<BTreeSet<_>>();
        if set(&desired.subnets) != set(&found.is.subnets) {
            let subnets = desired.subnets.clone();
            self.aws(AwsOperation::SetSubnets { load_balancer: load_balancer.clone(), subnets });
        }
        if desired.ip_address_type != found.is.ip_address_type {
            let ip_address_type = desired.ip_address_type;
            self.aws(AwsOperation::SetIpAddressType { load_balancer: load_balancer.clone(), ip_address_type });
        }
        let attributes = equal::attributes(&desired.attributes, &found.is.attributes);
        if !attributes.is_empty() {
            self.aws(AwsOperation::ModifyLoadBalancerAttributes {
                load_balancer: Ref::Known(load_balancer),
                attributes,
            });
        }
    }

    fn listeners(&mut self, load_balancer: &Ref, observed: &[ObservedListener]) {
        let desired: Vec<&'a Listener> = self.input.desired.listeners.values().collect();
        for found in observed.iter().filter(|found| !desired.iter().any(|one| one.port == found.is.port)) {
            self.aws(AwsOperation::DeleteListener { listener: found.arn.clone() });
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
        self.aws(AwsOperation::CreateListener { load_balancer: load_balancer.clone(), is: listener.clone() });
        // The default certificate is added to the others too, so that its names are found by SNI.
        for certificate in listener.certificates.iter().collect::<BTreeSet<_>>() {
            let operation =
                AwsOperation::AddListenerCertificate { listener: reference.clone(), certificate: certificate.clone() };
            self.aws(operation);
        }
        if !listener.attributes.is_empty() {
            let attributes = listener.attributes.clone();
            self.aws(AwsOperation::ModifyListenerAttributes { listener: reference.clone(), attributes });
        }
        self.rules(&reference, listener, &[]);
    }

    fn update_listener(&mut self, listener: &Listener, found: &ObservedListener) {
        self.plan.known.insert(ResourceId::listener(listener.port), found.arn.clone());
        self.retag(&found.arn, &listener.tags, &found.is.tags);
        let same = listener.protocol == found.is.protocol
            && equal::actions(&listener.default_actions, &found.is.default_actions, self.known())
            && listener.certificates.first() == found.is.certificates.first()
            && (listener.ssl_policy.is_none() || listener.ssl_policy == found.is.ssl_policy)
            && equal::mutual(listener.mutual_authentication.as_ref(), found.is.mutual_authentication.as_ref());
        if !same {
            self.aws(AwsOperation::ModifyListener { listener: found.arn.clone(), is: listener.clone() });
        }
        let wanted: BTreeSet<&String> = listener.certificates.iter().collect();
        let there: BTreeSet<&String> = found.is.certificates.iter().skip(1).collect();
        let reference = Ref::Known(found.arn.clone());
        for certificate in wanted.difference(&there) {
            let certificate = (*certificate).clone();
            self.aws(AwsOperation::AddListenerCertificate { listener: reference.clone(), certificate });
        }
        let attributes = equal::attributes(&listener.attributes, &found.is.attributes);
        if !attributes.is_empty() {
            self.aws(AwsOperation::ModifyListenerAttributes { listener: reference.clone(), attributes });
        }
        self.rules(&reference, listener, &found.rules);
        for certificate in there.difference(&wanted) {
            let certificate = (*certificate).clone();
            self.aws(AwsOperation::RemoveListenerCertificate { listener: found.arn.clone(), certificate });
        }
    }
}

/// The name in a target group's ARN: `…:targetgroup/NAME/ID`.
fn target_group_name(arn: &str) -> Option<&str> {
    arn.split(":targetgroup/").nth(1)?.split('/').next()
}
