//! Applies one operation of a plan.

mod addons;
mod balancers;
mod frontend;
mod listeners;
mod security;
mod targets;

use std::error::Error;
use std::time::Duration;

use albedo_engine::plan::AwsOperation as Op;
use albedo_engine::stack::{Ref, ResourceId};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{Instant, sleep};

use super::Cloud;
use super::call;
use super::convert::write;
use super::error::CloudError;
use super::inventory::{Inventory, Touch};
use super::known::{Applied, Known, Names, Warrant};

/// Operation, codes that pass by themselves, pause between tries, and how long to try in place. A pass that ends with one of them after
/// that is waited for by its group (`src/reconcile/settling.rs`).
const PATIENCE: &[(&str, &[&str], Duration, Duration)] = &[
    // What was made a moment ago is not yet known everywhere in AWS.
    ("AuthorizeSecurityGroupIngress", &["InvalidGroup.NotFound"], SHORTLY, BRIEFLY),
    ("CreateTags", &["InvalidGroup.NotFound", "InvalidID"], SHORTLY, BRIEFLY),
    // Which may have been made when no answer came in time: the next pass sees it.
    ("CreateLoadBalancer", &["Timeout"], SHORTLY, BRIEFLY),
    ("CreateLoadBalancer", NEW_GROUP, SHORTLY, BRIEFLY),
    ("SetSecurityGroups", NEW_GROUP, SHORTLY, BRIEFLY),
    (
        "CreateListener",
        &["LoadBalancerNotFound", "ListenerNotFound", "TargetGroupNotFound", ASSOCIATED],
        SHORTLY,
        BRIEFLY,
    ),
    ("ModifyListener", &[ASSOCIATED], SHORTLY, BRIEFLY),
    ("ModifyRule", &[ASSOCIATED], SHORTLY, BRIEFLY),
    ("RegisterTargets", &["TargetGroupNotFound"], SHORTLY, BRIEFLY),
    ("ModifyListenerAttributes", &["ListenerNotFound"], SHORTLY, BRIEFLY),
    ("ModifyLoadBalancerAttributes", &["LoadBalancerNotFound"], SHORTLY, BRIEFLY),
    ("ModifyTargetGroupAttributes", &["TargetGroupNotFound"], SHORTLY, BRIEFLY),
    ("AddListenerCertificates", &["ListenerNotFound"], SHORTLY, BRIEFLY),
    ("AddTags", &["LoadBalancerNotFound", "ListenerNotFound", "RuleNotFound", "TargetGroupNotFound"], SHORTLY, BRIEFLY),
    ("CreateRule", &["ListenerNotFound", "TargetGroupNotFound", ASSOCIATED], SHORTLY, BRIEFLY),
    // WAF and Shield learn of a load balancer some time after it is made: seconds by their documents, minutes by reports.
    ("AssociateWebACL", NEW_BALANCER, Duration::from_secs(2), BRIEFLY),
    ("CreateProtection", &["ResourceNotFoundException", "InvalidResourceException"], Duration::from_secs(2), BRIEFLY),
    // A load balancer lets go of these some time after it is gone.
    ("DeleteTargetGroup", &["ResourceInUse"], Duration::from_secs(2), Duration::from_secs(20)),
    ("DeleteSecurityGroup", &["DependencyViolation"], Duration::from_secs(2), Duration::from_secs(10)),
];
const SHORTLY: Duration = Duration::from_millis(500);
const BRIEFLY: Duration = Duration::from_secs(5);
/// A security group that EC2 knows and another service does not yet.
const NEW_GROUP: &[&str] = &["InvalidSecurityGroup", "InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound"];
/// A load balancer that WAF does not know yet; it also takes longer than any other call, and associating twice is the same as once.
const NEW_BALANCER: &[&str] = &["WAFUnavailableEntityException", "WAFNonexistentItemException", "Timeout"];
/// A target group that still belongs to the load balancer that was replaced.
const ASSOCIATED: &str = "TargetGroupAssociationLimit";

/// How long a write that AWS throttles is repeated in place, the lease permitting.
const THROTTLED: Duration = Duration::from_mins(2);

impl CloudError {
    /// Whether AWS answers so for a while after a change of ours.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        self.answer().is_some_and(|answer| row(answer.operation, &answer.code).is_some())
    }
}

impl Cloud {
    /// Sends one operation and waits for AWS's answer; what it creates is added to `known`, what it deletes is taken out.
    ///
    /// Deleting what is gone, permitting what is permitted and revoking what is not are successes. A write is sent once;
    /// only what was certainly not carried out is sent again: refusals that pass by themselves (made a moment ago, still in use) for
    /// 20 s at most, throttled calls for two minutes.
    ///
    /// # Errors
    ///
    /// What AWS says; [`CloudError::Unresolved`] when the operation refers to something that nothing has made,
    /// [`CloudError::NotTenured`] when the right to write ends too soon. After an error that
    /// [is uncertain](CloudError::is_uncertain) the operation may have been done: observe before the next.
    pub async fn apply(&self, operation: &Op, known: &mut Known, warrant: &Warrant<'_>) -> Result<Applied, CloudError> {
        let midway = Midway(Some(self.inventory()));
        let written = self.dispatch(operation, &*known, *warrant).await;
        midway.over();
        self.note(operation, known, &written);
        let balancer = attached_to(operation).and_then(|one| known.resolve(one)).or_else(|| deletes(operation));
        self.addons().note(operation, balancer, written.is_ok());
        let made = written?;
        if let (Some(id), Some(arn)) = (creates(operation), &made.arn) {
            known.insert(id, arn.clone());
        }
        if let Some(arn) = deletes(operation) {
            known.forget(arn);
        }
        if let Op::SetRulePriorities { priorities } = operation {
            let moved = |(rule, to): &(Ref, u32)| Some((known.resolve(rule)?.to_owned(), *to));
            let moved: Vec<(String, u32)> = priorities.iter().filter_map(moved).collect();
            known.reprioritize(&moved);
        }
        Ok(made)
    }

    /// Tells the inventory which of its resources are no longer as it has them, however the write ended.
    fn note(&self, operation: &Op, known: &Known, written: &Result<Applied, CloudError>) {
        let inventory = self.inventory();
        if let Some(arn) = deletes(operation) {
            inventory.touch(arn, if written.is_ok() { Touch::Gone } else { Touch::Changed });
        }
        if let Some(arn) = changes(operation).as_ref().and_then(|reference| known.resolve(reference)) {
            inventory.touch(arn, Touch::Changed);
        }
        match (creates(operation), written) {
            (Some(_), Ok(Applied { arn: Some(arn), .. })) => inventory.touch(arn, Touch::Changed),
            // It may be there, under an ARN that nobody told us, or somebody else's is in its place.
            (Some(_), Err(CloudError::AlreadyExists(_))) => inventory.invalidate(),
            (Some(_), Err(error)) if error.is_uncertain() => inventory.invalidate(),
            _ => {}
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table: one row an operation")]
    async fn dispatch(&self, operation: &Op, known: &Known, warrant: Warrant<'_>) -> Result<Applied, CloudError> {
        let writing = Writing { cloud: self, known, warrant };
        match operation {
            Op::CreateSecurityGroup { id: _, is } => return writing.create_security_group(is).await,
            Op::AuthorizeSecurityGroupIngress { group, permissions } => writing.authorize(group, permissions).await,
            Op::RevokeSecurityGroupIngress { group, permissions } => writing.revoke(group, permissions).await,
            Op::CreateTags { group, tags } => writing.tag_security_group(group, tags).await,
            Op::DeleteTags { group, keys } => writing.untag_security_group(group, keys).await,
            Op::DeleteSecurityGroup { group } => writing.delete_security_group(group).await,
            Op::CreateTargetGroup { id: _, is } => return writing.create_target_group(is).await,
            Op::ModifyTargetGroup { target_group, protocol_version, health_check } => {
                writing.modify_target_group(target_group, *protocol_version, health_check).await
            }
            Op::ModifyTargetGroupAttributes { target_group, attributes } => {
                writing.modify_target_group_attributes(target_group, attributes).await
            }
            Op::DeleteTargetGroup { target_group } => writing.delete_target_group(target_group).await,
            Op::RegisterTargets { target_group, targets } => writing.register(target_group, targets).await,
            Op::DeregisterTargets { target_group, targets } => writing.deregister(target_group, targets).await,
            Op::CreateLoadBalancer { is } => return writing.create_load_balancer(is).await,
            Op::ModifyLoadBalancerAttributes { load_balancer, attributes } => {
                writing.modify_load_balancer_attributes(load_balancer, attributes).await
            }
            Op::SetSecurityGroups { load_balancer, security_groups } => {
                writing.set_security_groups(load_balancer, security_groups).await
            }
            Op::SetSubnets { load_balancer, subnets } => {
                writing.set_subnets(load_balancer, write::subnets(subnets)).await
            }
            Op::SetIpAddressType { load_balancer, ip_address_type } => {
                writing.set_ip_address_type(load_balancer, *ip_address_type).await
            }
            Op::ModifyIpPools { load_balancer, ipv4_ipam_pool_id } => {
                writing.modify_ip_pools(load_balancer, ipv4_ipam_pool_id.as_deref()).await
            }
            Op::AssociateWebAcl { load_balancer, web_acl } => writing.associate_web_acl(load_balancer, web_acl).await,
            Op::DisassociateWebAcl { load_balancer } => writing.disassociate_web_acl(load_balancer).await,
            Op::AssociateClassicWebAcl { load_balancer, web_acl } => {
                writing.associate_classic_web_acl(load_balancer, web_acl).await
            }
            Op::DisassociateClassicWebAcl { load_balancer } => {
                writing.disassociate_classic_web_acl(load_balancer).await
            }
            Op::CreateProtection { load_balancer } => writing.create_protection(load_balancer).await,
            Op::DeleteProtection { load_balancer: _, protection } => writing.delete_protection(protection).await,
            Op::ModifyCapacityReservation { load_balancer, units } => {
                writing.modify_capacity_reservation(load_balancer, *units).await
            }
            Op::DeleteLoadBalancer { load_balancer } => writing.delete_load_balancer(load_balancer).await,
            Op::CreateFrontendTargetGroup { id: _, is } => return writing.create_frontend_target_group(is).await,
            Op::CreateFrontendNlb { is } => return writing.create_frontend_nlb(is).await,
            Op::SetFrontendSubnets { load_balancer, subnets } => {
                writing.set_subnets(load_balancer, write::mappings(subnets)).await
            }
            Op::CreateFrontendListener { load_balancer, port, target_group, tags } => {
                return writing.create_frontend_listener(load_balancer, *port, target_group, tags).await;
            }
            Op::ModifyFrontendListener { listener, port: _, target_group } => {
                writing.modify_frontend_listener(listener, target_group).await
            }
            Op::RegisterLoadBalancer { target_group, load_balancer, port } => {
                writing.register_load_balancer(target_group, load_balancer, *port).await
            }
            Op::CreateListener { load_balancer, is } => return writing.create_listener(load_balancer, is).await,
            Op::ModifyListener { listener, is } => writing.modify_listener(listener, is).await,
            Op::ModifyListenerAttributes { listener, attributes } => {
                writing.modify_listener_attributes(listener, attributes).await
            }
            Op::AddListenerCertificate { listener, certificate } => {
                writing.add_certificate(listener, certificate).await
            }
            Op::RemoveListenerCertificate { listener, certificate } => {
                writing.remove_certificate(listener, certificate).await
            }
            Op::DeleteListener { listener } => writing.delete_listener(listener).await,
            Op::CreateRule { listener, port: _, is } => return writing.create_rule(listener, is).await,
            Op::ModifyRule { rule, is, reset_transforms } => writing.modify_rule(rule, is, *reset_transforms).await,
            Op::SetRulePriorities { priorities } => writing.set_rule_priorities(priorities).await,
            Op::DeleteRule { rule } => writing.delete_rule(rule).await,
            Op::AddTags { resource, tags } => writing.add_tags(resource, tags).await,
            Op::RemoveTags { resource, keys } => writing.remove_tags(resource, keys).await,
        }
        .map(|()| Applied::default())
    }
}

/// A write that is dropped before its answer may have been done: then nothing that is known counts any longer.
struct Midway<'a>(Option<&'a Inventory>);

impl Midway<'_> {
    fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Midway<'_> {
    fn drop(&mut self) {
        if let Some(inventory) = self.0 {
            inventory.invalidate();
        }
    }
}

/// The resource that an operation makes.
fn creates(operation: &Op) -> Option<ResourceId> {
    match operation {
        Op::CreateSecurityGroup { id, .. }
        | Op::CreateTargetGroup { id, .. }
        | Op::CreateFrontendTargetGroup { id, .. } => Some(id.clone()),
        Op::CreateFrontendNlb { .. } => Some(ResourceId::frontend_nlb()),
        Op::CreateFrontendListener { port, .. } => Some(ResourceId::frontend_listener(*port)),
        Op::CreateLoadBalancer { .. } => Some(ResourceId::load_balancer()),
        Op::CreateListener { is, .. } => Some(ResourceId::listener(is.port)),
        Op::CreateRule { port, is, .. } => Some(ResourceId::rule(*port, is.priority)),
        _ => None,
    }
}

/// ARN or id of what an operation deletes.
fn deletes(operation: &Op) -> Option<&str> {
    match operation {
        Op::DeleteSecurityGroup { group: arn }
        | Op::DeleteTargetGroup { target_group: arn }
        | Op::DeleteLoadBalancer { load_balancer: arn }
        | Op::DeleteListener { listener: arn }
        | Op::DeleteRule { rule: arn } => Some(arn),
        _ => None,
    }
}

/// What an operation alters of the resources that the inventory holds. Attributes, listeners and rules are not in there.
fn changes(operation: &Op) -> Option<Ref> {
    match operation {
        Op::AuthorizeSecurityGroupIngress { group, .. }
        | Op::RevokeSecurityGroupIngress { group, .. }
        | Op::CreateTags { group, .. }
        | Op::DeleteTags { group, .. } => Some(group.clone()),
        Op::AddTags { resource, .. } => Some(resource.clone()),
        Op::ModifyTargetGroup { target_group: arn, .. }
        | Op::SetSecurityGroups { load_balancer: arn, .. }
        | Op::SetSubnets { load_balancer: arn, .. }
        | Op::SetFrontendSubnets { load_balancer: arn, .. }
        | Op::SetIpAddressType { load_balancer: arn, .. }
        | Op::ModifyIpPools { load_balancer: arn, .. }
        | Op::RemoveTags { resource: arn, .. } => Some(Ref::Known(arn.clone())),
        _ => None,
    }
}

/// The load balancer that an operation attaches something to or takes something from.
fn attached_to(operation: &Op) -> Option<&Ref> {
    match operation {
        Op::AssociateWebAcl { load_balancer, .. }
        | Op::DisassociateWebAcl { load_balancer }
        | Op::AssociateClassicWebAcl { load_balancer, .. }
        | Op::DisassociateClassicWebAcl { load_balancer }
        | Op::CreateProtection { load_balancer }
        | Op::DeleteProtection { load_balancer, .. }
        | Op::ModifyCapacityReservation { load_balancer, .. } => Some(load_balancer),
        _ => None,
    }
}

/// One writer at one operation.
#[derive(Debug, Clone, Copy)]
struct Writing<'a> {
    cloud: &'a Cloud,
    known: &'a Known,
    warrant: Warrant<'a>,
}

impl<'a> Writing<'a> {
    fn names(&self, op: call::Op) -> Names<'a> {
        Names { operation: op.name, known: self.known, warrant: self.warrant }
    }

    /// Sends a write when its turn has come and while the lease still covers it; again as long as its row in
    /// [`PATIENCE`] says so. What AWS throttles was not carried out: it is sent again when the bucket, which has learnt of it, lets it.
    async fn send<T, E, S>(&self, op: call::Op, send: impl Fn() -> S) -> Result<T, CloudError>
    where
        S: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let began = Instant::now();
        loop {
            self.cloud.caller().turn(op).await;
            self.warrant.check(op.name)?;
            match self.cloud.caller().send(op, Box::pin(send())).await {
                Err(CloudError::Throttled(_)) if began.elapsed() < THROTTLED => {}
                Err(error) => match pause(op.name, error.code(), began.elapsed()) {
                    Some(pause) => sleep(pause).await,
                    None => return Err(error),
                },
                done => return done,
            }
        }
    }
}

/// How long to wait before the next try, if there is one.
fn pause(operation: &str, code: &str, tried: Duration) -> Option<Duration> {
    let (_, _, pause, limit) = row(operation, code)?;
    (tried + *pause <= *limit).then_some(*pause)
}

fn row(operation: &str, code: &str) -> Option<&'static (&'static str, &'static [&'static str], Duration, Duration)> {
    PATIENCE.iter().find(|(of, codes, ..)| *of == operation && codes.contains(&code))
}

/// Takes "it is gone already" for done.
fn gone_is_fine<T>(result: Result<T, CloudError>) -> Result<(), CloudError> {
    match result {
        Ok(_) | Err(CloudError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends() {
        let s = Duration::from_secs;
        assert_eq!(pause("DeleteTargetGroup", "ResourceInUse", s(0)), Some(s(2)));
        assert_eq!(pause("DeleteTargetGroup", "ResourceInUse", s(18)), Some(s(2)));
        assert_eq!(pause("DeleteTargetGroup", "ResourceInUse", s(19)), None);
        assert_eq!(pause("DeleteTargetGroup", "Throttling", s(0)), None);
        assert_eq!(pause("DeleteLoadBalancer", "ResourceInUse", s(0)), None);
    }
}
