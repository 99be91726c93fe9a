//! What each call of AWS does, as one table. Who plans, checks, shows or applies operations asks here and matches on the answer: a new
//! operation doesn't compile until every question about it is answered.

use super::{ApiCall, ApiService, AwsOperation, addons};
use crate::stack::{Addon, Attributes, Listener, LoadBalancerKind, Permission, Ref, ResourceId, Rule, Tags, Target};

/// What one call of AWS does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallDescription<'o> {
    /// The action of AWS's API that carries it out.
    pub call: ApiCall,
    /// What it creates, changes or deletes.
    pub effect: CallEffect<'o>,
    /// Which listeners and rules it touches, and how.
    pub routes: RouteChange<'o>,
    /// What has to be in effect before it.
    pub depends_on: DependsOn<'o>,
    /// What follows for the rest of the plan when AWS refuses it.
    pub importance: Importance,
}

/// What a call does to which resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEffect<'o> {
    /// Creates a resource.
    Create(NewResource<'o>),
    /// Changes a part of a resource that always has a value.
    Change(ResourceKind, Ref, Aspect<'o>),
    /// Adds parts to a resource.
    Add(Ref, ResourceParts<'o>),
    /// Removes parts of a resource.
    Remove(Ref, ResourceParts<'o>),
    /// Gives rules other priorities.
    Reorder(&'o [(Ref, u32)]),
    /// Deletes the resource with this ARN, or id.
    Delete(ResourceKind, &'o str),
}

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// A security group.
    SecurityGroup,
    /// A target group, also one of an NLB.
    TargetGroup,
    /// A load balancer of either kind.
    LoadBalancer,
    /// A listener, also one of an NLB.
    Listener,
    /// A rule.
    Rule,
}

/// A resource that a call creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewResource<'o> {
    /// A security group: resource id and name.
    SecurityGroup(&'o ResourceId, &'o str),
    /// A target group: resource id and name.
    TargetGroup(&'o ResourceId, &'o str),
    /// A target group of the NLB: resource id and name.
    NlbTargetGroup(&'o ResourceId, &'o str),
    /// A load balancer: kind and name.
    LoadBalancer(LoadBalancerKind, &'o str),
    /// A listener: load balancer and port.
    Listener(&'o Ref, u16),
    /// A listener of the NLB: the NLB and port.
    NlbListener(&'o Ref, u16),
    /// A rule: listener, its port, and priority.
    Rule(&'o Ref, u16, u32),
}

impl NewResource<'_> {
    /// Its resource id.
    #[must_use]
    pub fn id(&self) -> ResourceId {
        match *self {
            Self::SecurityGroup(id, _) | Self::TargetGroup(id, _) | Self::NlbTargetGroup(id, _) => id.clone(),
            Self::LoadBalancer(kind, _) => kind.resource(),
            Self::Listener(_, port) => ResourceId::listener(port),
            Self::NlbListener(_, port) => ResourceId::nlb_listener(port),
            Self::Rule(_, port, priority) => ResourceId::rule(port, priority),
        }
    }
}

/// What a call changes of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aspect<'o> {
    /// What AWS tells when it describes the resource.
    Properties,
    /// Some of its attributes.
    Attributes(&'o Attributes),
    /// What is attached of an add-on.
    Attachment(Addon, Option<&'o str>),
}

/// Parts of a resource that are added and removed one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceParts<'o> {
    /// Tags, by key.
    Tags(Vec<&'o str>),
    /// Permissions of a security group.
    Permissions(&'o [Permission]),
    /// A certificate of a listener, by ARN.
    Certificate(&'o str),
    /// Targets of a target group.
    Targets(&'o [Target]),
    /// A load balancer as the target of an NLB: ARN and port.
    LoadBalancer(&'o str, u16),
}

/// What a call does to listeners and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteChange<'o> {
    /// Nothing: every request gets the answer that it got before.
    Unchanged,
    /// There is one more listener, without rules.
    ListenerCreated(&'o Listener),
    /// A listener changes, its rules aside.
    ListenerChanged(&'o Listener),
    /// The listener with this ARN is gone.
    ListenerDeleted(&'o str),
    /// The listener on a port has one more rule.
    RuleCreated(u16, &'o Rule),
    /// The rule with this ARN changes, its priority aside.
    RuleChanged(&'o str, &'o Rule),
    /// The rule with this ARN is gone.
    RuleDeleted(&'o str),
    /// Rules have other priorities.
    RulesMoved(&'o [(Ref, u32)]),
    /// No rule can forward to the target group with this ARN any more.
    TargetGroupDeleted(&'o str),
}

impl<'o> RouteChange<'o> {
    /// The rule that is created, or what a rule changes into.
    #[must_use]
    pub fn rule(self) -> Option<&'o Rule> {
        match self {
            Self::RuleCreated(_, rule) | Self::RuleChanged(_, rule) => Some(rule),
            Self::Unchanged
            | Self::ListenerCreated(_)
            | Self::ListenerChanged(_)
            | Self::ListenerDeleted(_)
            | Self::RuleDeleted(_)
            | Self::RulesMoved(_)
            | Self::TargetGroupDeleted(_) => None,
        }
    }
}

/// Which rules have to be in effect before a call. While a listener waits for targets it has its old rules, and the call waits with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DependsOn<'o> {
    /// None: it is right with the old rules and with the new ones.
    Nothing,
    /// Those of this listener.
    Listener(Ref),
    /// If the resource is a rule, it has to be at its new priority.
    Priority(Ref),
    /// No rule forwards to the target group with this ARN.
    NoForward(&'o str),
    /// No rule redirects to a port that one of these permissions opens.
    NoRedirect(&'o [Permission]),
    /// Those of all listeners: until then the old rules are protected.
    AllListeners,
}

/// What a refusal means for the rest of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Later operations need it: the pass ends.
    Required,
    /// Later operations are right without it: the refusal is reported, and the pass goes on.
    Optional,
    /// It removes what nothing needs any more, and later operations are right without it.
    CleanUp,
    /// It removes what nothing needs any more, and later operations need it gone.
    RequiredCleanUp,
}

impl Importance {
    /// Whether all that follows in a plan is right without the operation.
    #[must_use]
    pub fn is_optional(self) -> bool {
        self == Self::Optional || self == Self::CleanUp
    }

    /// Whether the operation only removes what nothing needs any more.
    #[must_use]
    pub fn is_clean_up(self) -> bool {
        self == Self::CleanUp || self == Self::RequiredCleanUp
    }
}

impl AwsOperation {
    /// What the call does.
    #[rustfmt::skip]
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table: one row an operation")]
    pub fn describe(&self) -> CallDescription<'_> {
        use ApiService::{Ec2, Elbv2};
        use Aspect::{Attributes, Properties};
        use DependsOn::{NoForward, NoRedirect, Nothing, Priority};
        use CallEffect::{Add, Change, Create, Delete, Remove, Reorder};
        use ResourceKind::{Listener, LoadBalancer, Rule, SecurityGroup, TargetGroup};
        use Importance::{CleanUp, Optional, Required, RequiredCleanUp};
        use ResourceParts::{Certificate, Permissions, Targets};
        use RouteChange::Unchanged;
        match self {
            // Operation => API call, effect, routes, depends on, importance.
            Self::CreateSecurityGroup { id, is } =>
                row(Ec2, "CreateSecurityGroup", Create(NewResource::SecurityGroup(id, &is.name)), Unchanged, Nothing, Required),
            Self::AuthorizeSecurityGroupIngress { group, permissions } =>
                row(Ec2, "AuthorizeSecurityGroupIngress", Add(group.clone(), Permissions(permissions)), Unchanged, Nothing, Required),
            Self::RevokeSecurityGroupIngress { group, permissions } =>
                row(Ec2, "RevokeSecurityGroupIngress", Remove(group.clone(), Permissions(permissions)), Unchanged, NoRedirect(permissions), CleanUp),
            Self::CreateTags { group, tags: set } =>
                row(Ec2, "CreateTags", Add(group.clone(), tags(set)), Unchanged, Nothing, Optional),
            Self::DeleteTags { group, keys: removed } =>
                row(Ec2, "DeleteTags", Remove(group.clone(), keys(removed)), Unchanged, Nothing, CleanUp),
            Self::DeleteSecurityGroup { group } =>
                row(Ec2, "DeleteSecurityGroup", Delete(SecurityGroup, group), Unchanged, Nothing, CleanUp),

            Self::CreateTargetGroup { id, is } =>
                row(Elbv2, "CreateTargetGroup", Create(NewResource::TargetGroup(id, &is.name)), Unchanged, Nothing, Required),
            Self::ModifyTargetGroup { target_group, .. } =>
                row(Elbv2, "ModifyTargetGroup", Change(TargetGroup, known(target_group), Properties), Unchanged, Nothing, Required),
            Self::ModifyTargetGroupAttributes { target_group, attributes } =>
                row(Elbv2, "ModifyTargetGroupAttributes", Change(TargetGroup, target_group.clone(), Attributes(attributes)), Unchanged, Nothing, Optional),
            Self::DeleteTargetGroup { target_group } =>
                row(Elbv2, "DeleteTargetGroup", Delete(TargetGroup, target_group), RouteChange::TargetGroupDeleted(target_group), NoForward(target_group), CleanUp),
            Self::RegisterTargets { target_group, targets } =>
                row(Elbv2, "RegisterTargets", Add(known(target_group), Targets(targets)), Unchanged, Nothing, Required),
            Self::DeregisterTargets { target_group, targets } =>
                row(Elbv2, "DeregisterTargets", Remove(known(target_group), Targets(targets)), Unchanged, Nothing, Required),

            Self::CreateLoadBalancer { is } =>
                row(Elbv2, "CreateLoadBalancer", Create(NewResource::LoadBalancer(is.kind, &is.name)), Unchanged, Nothing, Required),
            Self::ModifyLoadBalancerAttributes { load_balancer, attributes } =>
                row(Elbv2, "ModifyLoadBalancerAttributes", Change(LoadBalancer, load_balancer.clone(), Attributes(attributes)), Unchanged, Nothing, Optional),
            Self::SetSecurityGroups { load_balancer, .. } =>
                row(Elbv2, "SetSecurityGroups", Change(LoadBalancer, known(load_balancer), Properties), Unchanged, Nothing, Required),
            Self::SetSubnets { load_balancer, .. } =>
                row(Elbv2, "SetSubnets", Change(LoadBalancer, known(load_balancer), Properties), Unchanged, Nothing, Required),
            Self::SetIpAddressType { load_balancer, .. } =>
                row(Elbv2, "SetIpAddressType", Change(LoadBalancer, known(load_balancer), Properties), Unchanged, Nothing, Required),
            Self::ModifyIpPools { load_balancer, .. } =>
                row(Elbv2, "ModifyIpPools", Change(LoadBalancer, known(load_balancer), Properties), Unchanged, Nothing, Required),
            Self::DeleteLoadBalancer { load_balancer } =>
                row(Elbv2, "DeleteLoadBalancer", Delete(LoadBalancer, load_balancer), Unchanged, Nothing, Required),

            Self::Attach { load_balancer, addon, is } => addons::describe(load_balancer, *addon, Some(is)),
            Self::Detach { load_balancer, addon, .. } => addons::describe(load_balancer, *addon, None),

            Self::CreateNlbTargetGroup { id, is } =>
                row(Elbv2, "CreateTargetGroup", Create(NewResource::NlbTargetGroup(id, &is.name)), Unchanged, Nothing, Required),
            Self::CreateNlbListener { load_balancer: of, port, .. } =>
                row(Elbv2, "CreateListener", Create(NewResource::NlbListener(of, *port)), Unchanged, Nothing, Required),
            Self::ModifyNlbListener { listener, .. } =>
                row(Elbv2, "ModifyListener", Change(Listener, known(listener), Properties), Unchanged, Nothing, Required),
            Self::RegisterLoadBalancer { target_group, load_balancer, port } =>
                row(Elbv2, "RegisterTargets", Add(target_group.clone(), ResourceParts::LoadBalancer(load_balancer, *port)), Unchanged, Nothing, Required),

            Self::CreateListener { load_balancer: of, is } =>
                row(Elbv2, "CreateListener", Create(NewResource::Listener(of, is.port)), RouteChange::ListenerCreated(is), Nothing, Required),
            Self::ModifyListener { listener, is } =>
                row(Elbv2, "ModifyListener", Change(Listener, known(listener), Properties), RouteChange::ListenerChanged(is), Nothing, Required),
            Self::ModifyListenerAttributes { listener, attributes } =>
                row(Elbv2, "ModifyListenerAttributes", Change(Listener, listener.clone(), Attributes(attributes)), Unchanged, Nothing, Optional),
            Self::AddListenerCertificate { listener, certificate } =>
                row(Elbv2, "AddListenerCertificates", Add(listener.clone(), Certificate(certificate)), Unchanged, DependsOn::Listener(listener.clone()), Required),
            Self::RemoveListenerCertificate { listener, certificate } =>
                row(Elbv2, "RemoveListenerCertificates", Remove(known(listener), Certificate(certificate)), Unchanged, DependsOn::Listener(known(listener)), CleanUp),
            Self::DeleteListener { listener } =>
                row(Elbv2, "DeleteListener", Delete(Listener, listener), RouteChange::ListenerDeleted(listener), DependsOn::Listener(known(listener)), RequiredCleanUp),

            Self::CreateRule { listener: of, port, is } =>
                row(Elbv2, "CreateRule", Create(NewResource::Rule(of, *port, is.priority)), RouteChange::RuleCreated(*port, is), Nothing, Required),
            Self::ModifyRule { rule, is, .. } =>
                row(Elbv2, "ModifyRule", Change(Rule, known(rule), Properties), RouteChange::RuleChanged(rule, is), Nothing, Required),
            Self::SetRulePriorities { priorities } =>
                row(Elbv2, "SetRulePriorities", Reorder(priorities), RouteChange::RulesMoved(priorities), Nothing, Required),
            Self::DeleteRule { rule } =>
                row(Elbv2, "DeleteRule", Delete(Rule, rule), RouteChange::RuleDeleted(rule), Nothing, Required),

            Self::AddTags { resource, tags: set } =>
                row(Elbv2, "AddTags", Add(resource.clone(), tags(set)), Unchanged, Priority(resource.clone()), Optional),
            Self::RemoveTags { resource, keys: removed } =>
                row(Elbv2, "RemoveTags", Remove(known(resource), keys(removed)), Unchanged, Priority(known(resource)), CleanUp),
        }
    }
}

fn row<'o>(
    api: ApiService,
    name: &'static str,
    effect: CallEffect<'o>,
    routes: RouteChange<'o>,
    depends_on: DependsOn<'o>,
    importance: Importance,
) -> CallDescription<'o> {
    CallDescription { call: ApiCall { api, name }, effect, routes, depends_on, importance }
}

fn known(arn: &str) -> Ref {
    Ref::Known(arn.to_owned())
}

fn tags(tags: &Tags) -> ResourceParts<'_> {
    ResourceParts::Tags(tags.keys().map(String::as_str).collect())
}

fn keys(keys: &[String]) -> ResourceParts<'_> {
    ResourceParts::Tags(keys.iter().map(String::as_str).collect())
}
