//! The operations that a plan is made of: one a call of AWS or of Kubernetes.

mod addons;
mod api;
mod describe;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

pub use addons::addon_calls;
pub(super) use addons::{shapes as addon_shapes, words as addon_words};
pub use api::{ApiCall, ApiService};
pub use describe::{
    Aspect, CallDescription, CallEffect, DependsOn, Importance, NewResource, ResourceKind, ResourceParts, RouteChange,
};
pub use text::{call, line};

use crate::stack::{
    Addon, Attributes, Binding, HealthCheck, IpAddressType, Listener, LoadBalancer, NlbTargetGroup, Permission, Ref,
    ResourceId, Rule, SecurityGroup, Tags, Target, TargetGroup,
};

/// One operation of a plan.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are calls of AWS")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Operation {
    /// A call of AWS.
    Aws(AwsOperation),
    /// A write to the cluster.
    Kube(KubeOperation),
}

/// A write to the cluster that belongs into the order of AWS calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum KubeOperation {
    /// Create the binding, or change it to this.
    ApplyBinding(Box<Binding>),
    /// Delete the binding and wait until its targets are let go.
    DeleteBinding {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
}

/// One writing call of AWS. What is created is known by its resource id until it has an ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum AwsOperation {
    /// `ec2:CreateSecurityGroup`, tags in the call.
    CreateSecurityGroup {
        /// Resource id.
        id: ResourceId,
        /// What to create; its permissions follow by [`AwsOperation::AuthorizeSecurityGroupIngress`].
        is: SecurityGroup,
    },
    /// `ec2:AuthorizeSecurityGroupIngress`.
    AuthorizeSecurityGroupIngress {
        /// The group.
        group: Ref,
        /// What to let in.
        permissions: Vec<Permission>,
    },
    /// `ec2:RevokeSecurityGroupIngress`.
    RevokeSecurityGroupIngress {
        /// The group.
        group: Ref,
        /// What to let in no more.
        permissions: Vec<Permission>,
    },
    /// `ec2:CreateTags`.
    CreateTags {
        /// The security group.
        group: Ref,
        /// Tags to set.
        tags: Tags,
    },
    /// `ec2:DeleteTags`.
    DeleteTags {
        /// The security group.
        group: Ref,
        /// Keys to remove.
        keys: Vec<String>,
    },
    /// `ec2:DeleteSecurityGroup`.
    DeleteSecurityGroup {
        /// `sg-…`.
        group: String,
    },
    /// `elbv2:CreateTargetGroup`.
    CreateTargetGroup {
        /// Resource id.
        id: ResourceId,
        /// What to create; its attributes follow by [`AwsOperation::ModifyTargetGroupAttributes`].
        is: TargetGroup,
    },
    /// `elbv2:ModifyTargetGroup`.
    ModifyTargetGroup {
        /// ARN.
        target_group: String,
        /// Version of HTTP, which decides how success codes are sent.
        protocol_version: crate::stack::ProtocolVersion,
        /// Health checks.
        health_check: HealthCheck,
    },
    /// `elbv2:ModifyTargetGroupAttributes`, those given alone.
    ModifyTargetGroupAttributes {
        /// The target group.
        target_group: Ref,
        /// Attributes to set.
        attributes: Attributes,
    },
    /// `elbv2:DeleteTargetGroup`.
    DeleteTargetGroup {
        /// ARN.
        target_group: String,
    },
    /// `elbv2:CreateLoadBalancer`.
    CreateLoadBalancer {
        /// What to create; its attributes follow by [`AwsOperation::ModifyLoadBalancerAttributes`].
        is: LoadBalancer,
    },
    /// `elbv2:ModifyLoadBalancerAttributes`, those given alone.
    ModifyLoadBalancerAttributes {
        /// The load balancer.
        load_balancer: Ref,
        /// Attributes to set.
        attributes: Attributes,
    },
    /// `elbv2:SetSecurityGroups`.
    SetSecurityGroups {
        /// ARN.
        load_balancer: String,
        /// All of them.
        security_groups: Vec<Ref>,
    },
    /// `elbv2:SetSubnets`.
    SetSubnets {
        /// ARN.
        load_balancer: String,
        /// All of them.
        subnets: Vec<String>,
        /// Elastic addresses of an NLB, by subnet.
        allocation_ids: BTreeMap<String, String>,
    },
    /// `elbv2:SetIpAddressType`.
    SetIpAddressType {
        /// ARN.
        load_balancer: String,
        /// The new type.
        ip_address_type: IpAddressType,
    },
    /// `elbv2:ModifyIpPools`.
    ModifyIpPools {
        /// ARN.
        load_balancer: String,
        /// The pool, or `None` to let go of it.
        pool: Option<String>,
    },
    /// Attaches an add-on, in place of what is attached. AWS reserves capacity only for an active load balancer.
    Attach {
        /// The load balancer.
        load_balancer: Ref,
        /// The add-on, whose row names the call.
        addon: Addon,
        /// What to attach.
        is: String,
    },
    /// Detaches an add-on.
    Detach {
        /// The load balancer.
        load_balancer: Ref,
        /// The add-on, whose row names the call.
        addon: Addon,
        /// What is attached.
        was: String,
    },
    /// `elbv2:DeleteLoadBalancer`.
    DeleteLoadBalancer {
        /// ARN.
        load_balancer: String,
    },
    /// `elbv2:CreateTargetGroup` of type `alb`, for a listener of the NLB.
    CreateNlbTargetGroup {
        /// Resource id.
        id: ResourceId,
        /// What to create; its target follows by [`AwsOperation::RegisterLoadBalancer`].
        is: NlbTargetGroup,
    },
    /// `elbv2:CreateListener` with protocol TCP.
    CreateNlbListener {
        /// The NLB.
        load_balancer: Ref,
        /// Port.
        port: u16,
        /// Where it forwards to.
        target_group: Ref,
        /// Tags.
        tags: Tags,
    },
    /// `elbv2:ModifyListener` of the NLB: where it forwards to.
    ModifyNlbListener {
        /// ARN.
        listener: String,
        /// Its port, for messages.
        port: u16,
        /// Where it forwards to.
        target_group: Ref,
    },
    /// `elbv2:RegisterTargets` with the one target that a target group of type `alb` takes.
    RegisterLoadBalancer {
        /// The target group.
        target_group: Ref,
        /// ARN of the ALB, which is active.
        load_balancer: String,
        /// The ALB's port.
        port: u16,
    },
    /// `elbv2:CreateListener` with the default certificate.
    CreateListener {
        /// The load balancer.
        load_balancer: Ref,
        /// What to create; its rules, other certificates and attributes follow.
        is: Listener,
    },
    /// `elbv2:ModifyListener`: port, protocol, default actions, default certificate, TLS policy, client certificates.
    ModifyListener {
        /// ARN.
        listener: String,
        /// What it should be.
        is: Listener,
    },
    /// `elbv2:ModifyListenerAttributes`, those given alone.
    ModifyListenerAttributes {
        /// The listener.
        listener: Ref,
        /// Attributes to set.
        attributes: Attributes,
    },
    /// `elbv2:AddListenerCertificates`, one a call.
    AddListenerCertificate {
        /// The listener.
        listener: Ref,
        /// ARN.
        certificate: String,
    },
    /// `elbv2:RemoveListenerCertificates`, one a call.
    RemoveListenerCertificate {
        /// ARN.
        listener: String,
        /// ARN.
        certificate: String,
    },
    /// `elbv2:DeleteListener`.
    DeleteListener {
        /// ARN.
        listener: String,
    },
    /// `elbv2:CreateRule`.
    CreateRule {
        /// The listener.
        listener: Ref,
        /// Its port, for messages.
        port: u16,
        /// What to create.
        is: Rule,
    },
    /// `elbv2:ModifyRule`: everything but priority and tags.
    ModifyRule {
        /// ARN.
        rule: String,
        /// What it should be.
        is: Rule,
        /// What AWS keeps of a rule unless it is told to reset it: see [`Rule::resets`].
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        reset: bool,
    },
    /// `elbv2:SetRulePriorities`, all at once.
    SetRulePriorities {
        /// Rule and new priority.
        priorities: Vec<(Ref, u32)>,
    },
    /// `elbv2:DeleteRule`.
    DeleteRule {
        /// ARN.
        rule: String,
    },
    /// `elbv2:AddTags`, one resource a call.
    AddTags {
        /// ARN, or what will have one.
        resource: Ref,
        /// Tags to set.
        tags: Tags,
    },
    /// `elbv2:RemoveTags`, one resource a call.
    RemoveTags {
        /// ARN.
        resource: String,
        /// Keys to remove.
        keys: Vec<String>,
    },
    /// `elbv2:RegisterTargets`, at most 200 a call.
    RegisterTargets {
        /// ARN.
        target_group: String,
        /// Targets.
        targets: Vec<Target>,
    },
    /// `elbv2:DeregisterTargets`, at most 200 a call.
    DeregisterTargets {
        /// ARN.
        target_group: String,
        /// Targets.
        targets: Vec<Target>,
    },
}
