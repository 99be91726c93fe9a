//! Applies one operation of a plan: a table from operation to call.

mod balancers;
mod listeners;
mod nlb;
mod security;
mod sending;
mod targets;

use albedo_engine::plan::operation::{Aspect, AwsOperation, CallEffect, ResourceParts};
use albedo_engine::stack::Ref;

pub(super) use self::sending::{Writing, send};
use super::Cloud;
use super::convert::ec2::{keys_to_aws, tags_to_aws};
use super::convert::write::{self, some};
use super::error::CloudError;
use super::inventory::{Inventory, Touch};
use super::known::{Applied, Known, WriteContext};
use super::unlisted;

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
    /// [`CloudError::NoLeaseProof`] when the right to write ends too soon. After an error that
    /// [is uncertain](CloudError::is_uncertain) the operation may have been done: observe before the next.
    pub async fn apply(
        &self,
        operation: &AwsOperation,
        known: &mut Known,
        write_context: &WriteContext<'_>,
    ) -> Result<Applied, CloudError> {
        let described = operation.describe();
        let midway = Midway(Some(self.inventory()));
        let writing = Writing { cloud: self, call: described.call, known, write_context: *write_context };
        let written = writing.carry_out(operation).await;
        midway.over();
        self.note(&described.effect, known, &written);
        let made = written?;
        match &described.effect {
            CallEffect::Create(new) => made.arn.iter().for_each(|arn| known.insert(new.id(), arn.clone())),
            CallEffect::Delete(_, arn) => known.forget(arn),
            CallEffect::Reorder(priorities) => {
                let moved = |(rule, to): &(Ref, u32)| Some((known.resolve(rule)?.to_owned(), *to));
                let moved: Vec<(String, u32)> = priorities.iter().filter_map(moved).collect();
                known.reprioritize(&moved);
            }
            CallEffect::Change(..) | CallEffect::Add(..) | CallEffect::Remove(..) => {}
        }
        Ok(made)
    }

    /// Tells those who remember resources which are no longer as they have them, however the write ended.
    fn note(&self, effect: &CallEffect<'_>, known: &Known, written: &Result<Applied, CloudError>) {
        let inventory = self.inventory();
        let changed = |of: &Ref| known.resolve(of).iter().for_each(|arn| inventory.touch(arn, Touch::Changed));
        match effect {
            CallEffect::Create(_) => match written {
                Ok(made) => made.arn.iter().for_each(|arn| inventory.touch(arn, Touch::Changed)),
                // It may be there, under an ARN that nobody told us, or somebody else's is in its place.
                Err(CloudError::AlreadyExists(_)) => inventory.invalidate(),
                Err(error) if error.is_uncertain() => inventory.invalidate(),
                Err(_) => {}
            },
            CallEffect::Delete(_, arn) => {
                inventory.touch(arn, if written.is_ok() { Touch::Gone } else { Touch::Changed });
            }
            CallEffect::Change(_, of, aspect) => match aspect {
                Aspect::Properties => changed(of),
                Aspect::Attributes(_) | Aspect::Attachment(..) => {}
            },
            CallEffect::Add(of, parts) | CallEffect::Remove(of, parts) => match parts {
                ResourceParts::Tags(_) | ResourceParts::Permissions(_) => changed(of),
                ResourceParts::Certificate(_) | ResourceParts::Targets(_) | ResourceParts::LoadBalancer(..) => {}
            },
            CallEffect::Reorder(_) => {}
        }
    }
}

impl Writing<'_> {
    /// The operation as a call: at once where it is one request, by a method where it takes more.
    #[expect(clippy::too_many_lines, reason = "a table: one row an operation")]
    async fn carry_out(&self, operation: &AwsOperation) -> Result<Applied, CloudError> {
        use AwsOperation as Op;
        match operation {
            Op::CreateSecurityGroup { id: _, is } => self.create_security_group(is).await,
            Op::AuthorizeSecurityGroupIngress { group, permissions } => self.authorize(group, permissions).await,
            Op::RevokeSecurityGroupIngress { group, permissions } => self.revoke(group, permissions).await,
            Op::CreateTags { group, tags } => {
                send!(self, ec2.create_tags().resources(self.arn(group)?).set_tags(Some(tags_to_aws(tags)))).map(done)
            }
            Op::DeleteTags { group, keys } => {
                send!(self, ec2.delete_tags().resources(self.arn(group)?).set_tags(Some(keys_to_aws(keys)))).map(done)
            }
            Op::DeleteSecurityGroup { group } => gone_is_fine(send!(self, ec2.delete_security_group().group_id(group))),

            Op::CreateTargetGroup { id: _, is } => self.create_target_group(is).await,
            Op::ModifyTargetGroup { target_group, protocol_version, health_check } => {
                self.modify_target_group(target_group, *protocol_version, health_check).await
            }
            Op::ModifyTargetGroupAttributes { target_group, attributes } => {
                let (arn, attributes) = (self.arn(target_group)?, write::target_group_attributes(attributes));
                send!(self, elbv2.modify_target_group_attributes().target_group_arn(arn).set_attributes(attributes))
                    .map(done)
            }
            Op::DeleteTargetGroup { target_group } => {
                gone_is_fine(send!(self, elbv2.delete_target_group().target_group_arn(target_group)))
            }
            Op::RegisterTargets { target_group, targets } => self.register(target_group, targets).await,
            Op::DeregisterTargets { target_group, targets } => self.deregister(target_group, targets).await,

            Op::CreateLoadBalancer { is } => self.create_load_balancer(is).await,
            Op::ModifyLoadBalancerAttributes { load_balancer, attributes } => {
                self.modify_load_balancer_attributes(load_balancer, attributes).await
            }
            Op::SetSecurityGroups { load_balancer, security_groups } => {
                let ids = Some(self.security_groups(security_groups)?);
                send!(self, elbv2.set_security_groups().load_balancer_arn(load_balancer).set_security_groups(ids))
                    .map(done)
            }
            Op::SetSubnets { load_balancer, subnets, allocation_ids } => {
                unlisted::subnets(self.call.name, subnets)?;
                let mappings = some(write::subnets(subnets, allocation_ids));
                send!(self, elbv2.set_subnets().load_balancer_arn(load_balancer).set_subnet_mappings(mappings))
                    .map(done)
            }
            Op::SetIpAddressType { load_balancer, ip_address_type } => {
                let kind = ip_address_type.as_str().into();
                send!(self, elbv2.set_ip_address_type().load_balancer_arn(load_balancer).ip_address_type(kind))
                    .map(done)
            }
            Op::ModifyIpPools { load_balancer, pool } => self.modify_ip_pools(load_balancer, pool.as_deref()).await,
            Op::DeleteLoadBalancer { load_balancer } => {
                // Deletion protection is honoured, whoever switched it on: it is an error and stays.
                gone_is_fine(send!(self, elbv2.delete_load_balancer().load_balancer_arn(load_balancer)))
            }

            Op::Attach { load_balancer, addon, is } => self.attach(load_balancer, *addon, is).await,
            Op::Detach { load_balancer, addon, was } => self.detach(load_balancer, *addon, was).await,

            Op::CreateNlbTargetGroup { id: _, is } => self.create_nlb_target_group(is).await,
            Op::CreateNlbListener { load_balancer, port, target_group, tags } => {
                self.create_nlb_listener(load_balancer, *port, target_group, tags).await
            }
            Op::ModifyNlbListener { listener, port: _, target_group } => {
                let action = nlb::forward_to(self.arn(target_group)?);
                send!(self, elbv2.modify_listener().listener_arn(listener).default_actions(action)).map(done)
            }
            Op::RegisterLoadBalancer { target_group, load_balancer, port } => {
                self.register_load_balancer(target_group, load_balancer, *port).await
            }

            Op::CreateListener { load_balancer, is } => self.create_listener(load_balancer, is).await,
            Op::ModifyListener { listener, is } => self.modify_listener(listener, is).await,
            Op::ModifyListenerAttributes { listener, attributes } => {
                let (arn, attributes) = (self.arn(listener)?, write::listener_attributes(attributes));
                send!(self, elbv2.modify_listener_attributes().listener_arn(arn).set_attributes(attributes)).map(done)
            }
            Op::AddListenerCertificate { listener, certificate } => {
                let (arn, certificate) = (self.arn(listener)?, write::certificate(certificate));
                send!(self, elbv2.add_listener_certificates().listener_arn(arn).certificates(certificate)).map(done)
            }
            Op::RemoveListenerCertificate { listener, certificate } => {
                let certificate = write::certificate(certificate);
                gone_is_fine(send!(
                    self,
                    elbv2.remove_listener_certificates().listener_arn(listener).certificates(certificate)
                ))
            }
            Op::DeleteListener { listener } => {
                gone_is_fine(send!(self, elbv2.delete_listener().listener_arn(listener)))
            }

            Op::CreateRule { listener, port: _, is } => self.create_rule(listener, is).await,
            Op::ModifyRule { rule, is, reset } => self.modify_rule(rule, is, *reset).await,
            Op::SetRulePriorities { priorities } => self.set_rule_priorities(priorities).await,
            Op::DeleteRule { rule } => gone_is_fine(send!(self, elbv2.delete_rule().rule_arn(rule))),

            Op::AddTags { resource, tags } => {
                let (arn, tags) = (self.arn(resource)?, write::tags(tags));
                send!(self, elbv2.add_tags().resource_arns(arn).set_tags(tags)).map(done)
            }
            Op::RemoveTags { resource, keys } => {
                send!(self, elbv2.remove_tags().resource_arns(resource).set_tag_keys(Some(keys.clone()))).map(done)
            }
        }
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

/// Takes "it is gone already" for done.
pub(super) fn gone_is_fine<T>(result: Result<T, CloudError>) -> Result<Applied, CloudError> {
    match result {
        Ok(_) | Err(CloudError::NotFound(_)) => Ok(Applied::default()),
        Err(error) => Err(error),
    }
}

/// What comes of a call that creates nothing.
pub(super) fn done<T>(_: T) -> Applied {
    Applied::default()
}
