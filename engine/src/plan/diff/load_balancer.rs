//! The load balancer itself: kept and changed, or replaced, unless it is protected.

use std::collections::BTreeSet;

use super::Differ;
use crate::plan::equal::{self, Known};
use crate::plan::operation::AwsOperation;
use crate::plan::stage::Stage;
use crate::stack::{DELETION_PROTECTION, LoadBalancer, ObservedLoadBalancer, Ref, ResourceId};

impl<'a> Differ<'a> {
    /// Whether a load balancer that would have to go is protected: then nothing of the group is touched.
    pub(super) fn is_protected(&mut self) -> bool {
        let lifted = self.input.desired.lift_deletion_protection;
        let kept = self.kept_load_balancer().map(|kept| kept.arn.as_str());
        let protected = |found: &&ObservedLoadBalancer| {
            kept != Some(found.arn.as_str()) && is_protected(found) && !lifted && self.is_own(&found.arn)
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

    /// The load balancer that exists and stays.
    pub(super) fn kept_load_balancer(&self) -> Option<&'a ObservedLoadBalancer> {
        let generation = self.input.desired.load_balancer.as_ref()?.generation();
        let mut fitting = self.input.observed.load_balancers.iter().filter(|found| found.is.generation() == generation);
        let first = fitting.next()?;
        // A stranger is taken over only where there is nothing else.
        Some(std::iter::once(first).chain(fitting).find(|found| self.is_own(&found.arn)).unwrap_or(first))
    }

    pub(super) fn load_balancer(&mut self) {
        let desired = self.input.desired.load_balancer.as_ref();
        let kept = self.kept_load_balancer();
        for found in &self.input.observed.load_balancers {
            if kept.is_some_and(|kept| kept.arn == found.arn) || !self.is_own(&found.arn) {
                continue;
            }
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
}

fn is_protected(found: &ObservedLoadBalancer) -> bool {
    found.is.attributes.get(DELETION_PROTECTION).is_some_and(|value| value == "true")
}
