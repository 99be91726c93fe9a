//! The NLB in front of the load balancer: its target groups, itself, its listeners, and the load balancer as their target.

use std::collections::{BTreeMap, BTreeSet};

use super::Differ;
use crate::plan::equal;
use crate::plan::operation::AwsOperation;
use crate::plan::stage::Stage;
use crate::stack::{
    DELETION_PROTECTION, FrontendListener, FrontendNlb, FrontendTargetGroup, LoadBalancerState, ObservedFrontendNlb,
    ObservedFrontendTargetGroup, ProtocolVersion, Ref, ResourceId, SubnetMapping, Target, resource_of,
};

impl<'a> Differ<'a> {
    /// Frontend NLBs that would have to go and are protected.
    pub(super) fn protected_frontend_nlbs(&self) -> impl Iterator<Item = String> + use<'a> {
        let (desired, observed) = (self.input().desired, self.input().observed);
        let stays = |found: &&ObservedFrontendNlb| {
            desired.frontend_nlb.as_ref().is_some_and(|nlb| nlb.generation() == found.is.generation())
        };
        let kept = observed.frontend_nlbs.iter().find(stays).map(|found| found.arn.as_str());
        let protected = move |found: &&ObservedFrontendNlb| {
            kept != Some(found.arn.as_str())
                && !observed.strangers.contains(&found.arn)
                && found.is.attributes.get(DELETION_PROTECTION).is_some_and(|value| value == "true")
                && !desired.lift_frontend_deletion_protection
                && !desired.keep_frontend_nlb
        };
        observed.frontend_nlbs.iter().filter(protected).map(|found| {
            format!(
                "deletion protection of frontend NLB {} to be lifted: set {DELETION_PROTECTION}=false in frontend-nlb-attributes",
                found.is.name
            )
        })
    }

    /// Takes out of the target groups whatever is not to be their target: AWS deletes neither a load balancer nor a
    /// listener of it while it is one.
    pub(super) fn release_load_balancer(&mut self) {
        let kept = self.kept_load_balancer().map(|found| found.arn.as_str());
        for group in &self.input().observed.frontend_target_groups {
            let port = self.frontend_listener_of(group).map(|(_, listener)| listener.target_group.target_port);
            let stays = |target: &Target| {
                kept == Some(target.id.as_str())
                    && (self.input().desired.keep_frontend_nlb || port == Some(target.port))
            };
            let targets: Vec<Target> = group.targets.iter().filter(|target| !stays(target)).cloned().collect();
            if !targets.is_empty() {
                let stage = if kept.is_some() { Stage::Unlisten } else { Stage::Replaced };
                self.aws(stage, AwsOperation::DeregisterTargets { target_group: group.arn.clone(), targets });
            }
        }
    }

    /// Makes the NLB right.
    pub(super) fn frontend_nlb(&mut self) {
        let (desired, observed) = (self.input().desired, self.input().observed);
        if desired.keep_frontend_nlb {
            return;
        }
        let stale_groups =
            observed.frontend_target_groups.iter().filter(|group| self.frontend_listener_of(group).is_none());
        let stale_groups = stale_groups.filter(|group| self.is_own(&group.arn));
        let stale_groups: Vec<String> = stale_groups.map(|group| group.arn.clone()).collect();
        for target_group in stale_groups {
            self.aws(Stage::Ungroup, AwsOperation::DeleteTargetGroup { target_group });
        }
        let mut stale: Vec<&ObservedFrontendNlb> = observed.frontend_nlbs.iter().collect();
        let Some(wanted) = &desired.frontend_nlb else {
            self.delete_frontend_nlbs(&stale);
            return;
        };
        let kept = stale.iter().position(|found| found.is.generation() == wanted.generation());
        let kept = kept.map(|index| stale.remove(index));
        self.delete_frontend_nlbs(&stale);
        for (port, listener) in &wanted.listeners {
            self.frontend_target_group(*port, &listener.target_group);
        }
        match kept {
            None => self.create_frontend_nlb(wanted),
            Some(found) => self.update_frontend_nlb(wanted, found),
        }
        self.register_load_balancer(&wanted.listeners);
    }

    /// The desired listener whose target group an observed one is.
    fn frontend_listener_of(&self, group: &ObservedFrontendTargetGroup) -> Option<(&'a u16, &'a FrontendListener)> {
        let id = resource_of(&group.is.tags)?;
        let listeners = &self.input().desired.frontend_nlb.as_ref()?.listeners;
        listeners.iter().find(|(port, _)| ResourceId::frontend_target_group(**port).as_str() == id)
    }

    fn observed_target_group(&self, port: u16) -> Option<&'a ObservedFrontendTargetGroup> {
        let id = ResourceId::frontend_target_group(port);
        let groups = &self.input().observed.frontend_target_groups;
        groups.iter().find(|group| resource_of(&group.is.tags) == Some(id.as_str()))
    }

    fn delete_frontend_nlbs(&mut self, stale: &[&ObservedFrontendNlb]) {
        let own = |found: &&&ObservedFrontendNlb| !self.input.observed.strangers.contains(&found.arn);
        let stale: Vec<_> = stale.iter().filter(own).collect();
        for found in stale {
            if found.is.attributes.get(DELETION_PROTECTION).is_some_and(|value| value == "true") {
                let off = [(DELETION_PROTECTION.to_owned(), "false".to_owned())];
                let load_balancer = Ref::Known(found.arn.clone());
                self.aws(
                    Stage::Frontend,
                    AwsOperation::ModifyLoadBalancerAttributes { load_balancer, attributes: off.into() },
                );
            }
            self.aws(Stage::Frontend, AwsOperation::DeleteLoadBalancer { load_balancer: found.arn.clone() });
        }
    }

    fn frontend_target_group(&mut self, port: u16, desired: &FrontendTargetGroup) {
        let id = ResourceId::frontend_target_group(port);
        let Some(found) = self.observed_target_group(port) else {
            self.aws(Stage::Frontend, AwsOperation::CreateFrontendTargetGroup { id, is: desired.clone() });
            return;
        };
        self.know(id, &found.arn);
        self.retag(&found.arn, &desired.tags, &found.is.tags);
        if desired.health_check != found.is.health_check {
            self.aws(
                Stage::Frontend,
                AwsOperation::ModifyTargetGroup {
                    target_group: found.arn.clone(),
                    protocol_version: ProtocolVersion::Http1,
                    health_check: desired.health_check.clone(),
                },
            );
        }
    }

    fn create_frontend_nlb(&mut self, desired: &FrontendNlb) {
        let nlb = Ref::Of(ResourceId::frontend_nlb());
        self.aws(Stage::Frontend, AwsOperation::CreateFrontendNlb { is: desired.clone() });
        if !desired.attributes.is_empty() {
            let (load_balancer, attributes) = (nlb.clone(), desired.attributes.clone());
            self.aws(Stage::Frontend, AwsOperation::ModifyLoadBalancerAttributes { load_balancer, attributes });
        }
        for (port, listener) in &desired.listeners {
            self.create_frontend_listener(&nlb, *port, listener);
        }
    }

    fn create_frontend_listener(&mut self, nlb: &Ref, port: u16, listener: &FrontendListener) {
        self.aws(
            Stage::Frontend,
            AwsOperation::CreateFrontendListener {
                load_balancer: nlb.clone(),
                port,
                target_group: self.frontend_target_group_ref(port),
                tags: listener.tags.clone(),
            },
        );
    }

    fn frontend_target_group_ref(&self, port: u16) -> Ref {
        equal::resolve(&Ref::Of(ResourceId::frontend_target_group(port)), self.known())
    }

    fn update_frontend_nlb(&mut self, desired: &FrontendNlb, found: &ObservedFrontendNlb) {
        let arn = found.arn.clone();
        self.know(ResourceId::frontend_nlb(), &arn);
        self.retag(&arn, &desired.tags, &found.is.tags);
        let groups = |groups: &[Ref], known: &equal::Known| -> BTreeSet<Ref> {
            groups.iter().map(|group| equal::resolve(group, known)).collect()
        };
        if groups(&desired.security_groups, self.known()) != groups(&found.is.security_groups, self.known()) {
            let security_groups = desired.security_groups.clone();
            self.aws(Stage::Frontend, AwsOperation::SetSecurityGroups { load_balancer: arn.clone(), security_groups });
        }
        let set = |subnets: &[SubnetMapping]| -> BTreeSet<String> {
            subnets.iter().map(|mapping| mapping.subnet.clone()).collect()
        };
        if set(&desired.subnets) != set(&found.is.subnets) {
            let subnets = desired.subnets.clone();
            self.aws(Stage::Frontend, AwsOperation::SetFrontendSubnets { load_balancer: arn.clone(), subnets });
        }
        if desired.ip_address_type != found.is.ip_address_type {
            let ip_address_type = desired.ip_address_type;
            self.aws(Stage::Frontend, AwsOperation::SetIpAddressType { load_balancer: arn.clone(), ip_address_type });
        }
        let attributes = equal::attributes(&desired.attributes, &found.is.attributes);
        if !attributes.is_empty() {
            let load_balancer = Ref::Known(arn.clone());
            self.aws(Stage::Frontend, AwsOperation::ModifyLoadBalancerAttributes { load_balancer, attributes });
        }
        for stale in found.listeners.iter().filter(|listener| !desired.listeners.contains_key(&listener.port)) {
            self.aws(Stage::Frontend, AwsOperation::DeleteListener { listener: stale.arn.clone() });
        }
        for (port, listener) in &desired.listeners {
            let Some(there) = found.listeners.iter().find(|there| there.port == *port) else {
                self.create_frontend_listener(&Ref::Known(arn.clone()), *port, listener);
                continue;
            };
            self.know(ResourceId::frontend_listener(*port), &there.arn);
            self.retag(&there.arn, &listener.tags, &there.tags);
            let target_group = self.frontend_target_group_ref(*port);
            if there.forwards_to.iter().map(|arn| Ref::Known(arn.clone())).ne([target_group.clone()]) {
                self.aws(
                    Stage::Frontend,
                    AwsOperation::ModifyFrontendListener { listener: there.arn.clone(), port: *port, target_group },
                );
            }
        }
    }

    /// A load balancer can be a target once it is active; until then the pass ends here.
    fn register_load_balancer(&mut self, listeners: &BTreeMap<u16, FrontendListener>) {
        let active = [LoadBalancerState::Active, LoadBalancerState::ActiveImpaired];
        let load_balancer = self.kept_load_balancer();
        let ready = load_balancer.filter(|found| active.contains(&found.state)).map(|found| found.arn.clone());
        for (port, listener) in listeners {
            let target_port = listener.target_group.target_port;
            let there = |target: &Target| {
                load_balancer.is_some_and(|found| found.arn == target.id) && target.port == target_port
            };
            if self.observed_target_group(*port).is_some_and(|group| group.targets.iter().any(there)) {
                continue;
            }
            let Some(load_balancer) = ready.clone() else {
                self.wait("the load balancer to be active before its frontend NLB leads to it".to_owned());
                return;
            };
            let target_group = self.frontend_target_group_ref(*port);
            self.aws(
                Stage::Frontend,
                AwsOperation::RegisterLoadBalancer { target_group, load_balancer, port: target_port },
            );
        }
    }
}
