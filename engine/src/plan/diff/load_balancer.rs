//! The load balancer itself: kept and changed, or replaced, unless it is protected.

use std::collections::BTreeSet;

use super::Differ;
use crate::plan::difference::Input;
use crate::plan::equal::{self, Known};
use crate::plan::operation::AwsOperation;
use crate::plan::stage::Stage;
use crate::stack::{
    Attributes, DELETION_PROTECTION, IpAddressType, LoadBalancer, LoadBalancerKind, LoadBalancerState,
    ObservedLoadBalancer, Ref,
};

impl<'a> Differ<'a> {
    /// Whether a load balancer that would have to go is protected: then nothing of the group is touched.
    pub(super) fn is_protected(&mut self) -> bool {
        let Input { desired, observed, .. } = self.input;
        let stay = [self.kept_load_balancer().map(|found| &found.arn), self.kept_nlb().map(|found| &found.arn)];
        let in_front = observed.nlbs.iter().filter(|_| !desired.keep_nlb).map(|found| (&found.arn, &found.is));
        let all = observed.load_balancers.iter().map(|found| (&found.arn, &found.is)).chain(in_front);
        let protected = all.filter(|(arn, is)| {
            !stay.contains(&Some(*arn))
                && is_protected(is)
                && !desired.lift_deletion_protection.contains(&is.kind)
                && self.is_own(arn)
        });
        let held = protected.map(|(_, is)| {
            let (what, setting) = match is.kind {
                LoadBalancerKind::Application => ("load balancer", "load-balancer-attributes"),
                LoadBalancerKind::Network => ("frontend NLB", "frontend-nlb-attributes"),
            };
            let name = &is.name;
            format!("deletion protection of {what} {name} to be lifted: set {DELETION_PROTECTION}=false in {setting}")
        });
        self.found.held = held.collect();
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
            self.delete_load_balancer(Stage::Replaced, &found.arn, &found.is);
        }
        let Some(desired) = desired else { return };
        match kept {
            None => {
                self.create_load_balancer(Stage::LoadBalancer, desired);
                self.listeners(&Ref::Of(desired.kind.resource()), &[]);
            }
            Some(found) => {
                self.update_load_balancer(Stage::LoadBalancer, desired, &found.arn, &found.is);
                if found.state == LoadBalancerState::Failed {
                    self.wait(format!(
                        "load balancer {} to be set up, which AWS could not do (state failed): delete it in AWS and it is made anew",
                        found.is.name
                    ));
                }
                self.listeners(&Ref::Known(found.arn.clone()), &found.listeners);
            }
        }
    }

    pub(super) fn delete_load_balancer(&mut self, stage: Stage, arn: &str, is: &LoadBalancer) {
        if is_protected(is) {
            let off = [(DELETION_PROTECTION.to_owned(), "false".to_owned())].into();
            self.load_balancer_attributes(stage, Ref::Known(arn.to_owned()), off);
        }
        self.aws(stage, AwsOperation::DeleteLoadBalancer { load_balancer: arn.to_owned() });
    }

    pub(super) fn create_load_balancer(&mut self, stage: Stage, desired: &LoadBalancer) {
        self.aws(stage, AwsOperation::CreateLoadBalancer { is: desired.clone() });
        self.load_balancer_attributes(stage, Ref::Of(desired.kind.resource()), desired.attributes.clone());
    }

    fn load_balancer_attributes(&mut self, stage: Stage, load_balancer: Ref, attributes: Attributes) {
        if !attributes.is_empty() {
            self.aws(stage, AwsOperation::ModifyLoadBalancerAttributes { load_balancer, attributes });
        }
    }

    pub(super) fn update_load_balancer(&mut self, stage: Stage, desired: &LoadBalancer, arn: &str, is: &LoadBalancer) {
        let load_balancer = || arn.to_owned();
        self.know(desired.kind.resource(), arn);
        if is.pools.public != desired.pools.public {
            let pool = desired.pools.public.clone();
            self.aws(stage, AwsOperation::ModifyIpPools { load_balancer: load_balancer(), pool });
        }
        self.retag(arn, &desired.tags, &is.tags);
        let groups = |groups: &[Ref], known: &Known| -> BTreeSet<Ref> {
            groups.iter().map(|group| equal::resolve(group, known)).collect()
        };
        if groups(&desired.security_groups, self.known()) != groups(&is.security_groups, self.known()) {
            let security_groups = desired.security_groups.clone();
            self.aws(stage, AwsOperation::SetSecurityGroups { load_balancer: load_balancer(), security_groups });
        }
        for operation in addresses(desired, arn, is) {
            self.aws(stage, operation);
        }
        let attributes = equal::attributes(&desired.attributes, &is.attributes);
        self.load_balancer_attributes(stage, Ref::Known(load_balancer()), attributes);
    }
}

/// Subnets and address type. AWS takes a subnet without IPv6 only for an `ipv4` load balancer, and the type `dualstack` only where
/// every subnet has IPv6: whoever leaves IPv6 changes the type first, everybody else the subnets.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#ip-address-type>
fn addresses(desired: &LoadBalancer, arn: &str, is: &LoadBalancer) -> Vec<AwsOperation> {
    let load_balancer = || arn.to_owned();
    let set = |subnets: &[String]| subnets.iter().cloned().collect::<BTreeSet<_>>();
    let mut operations = Vec::new();
    if set(&desired.subnets) != set(&is.subnets) {
        let (subnets, allocation_ids) = (desired.subnets.clone(), desired.allocation_ids.clone());
        operations.push(AwsOperation::SetSubnets { load_balancer: load_balancer(), subnets, allocation_ids });
    }
    if desired.ip_address_type != is.ip_address_type {
        let ip_address_type = desired.ip_address_type;
        operations.push(AwsOperation::SetIpAddressType { load_balancer: load_balancer(), ip_address_type });
    }
    if needs_ipv6(is.ip_address_type) && !needs_ipv6(desired.ip_address_type) {
        operations.reverse();
    }
    operations
}

/// Whether load balancers of this type need subnets with IPv6 addresses.
fn needs_ipv6(kind: IpAddressType) -> bool {
    kind != IpAddressType::Ipv4
}

fn is_protected(is: &LoadBalancer) -> bool {
    is.attributes.get(DELETION_PROTECTION).is_some_and(|value| value == "true")
}
