//! The NLB in front of the load balancer: its target groups, itself, its listeners, and the load balancer as their target.

use std::collections::BTreeMap;

use super::Differ;
use crate::plan::equal;
use crate::plan::operation::AwsOperation;
use crate::plan::stage::Stage;
use crate::stack::{
    LoadBalancerState, NlbListener, NlbTargetGroup, ObservedNlb, ObservedNlbListener, ObservedNlbTargetGroup,
    ProtocolVersion, Ref, ResourceId, Target, resource_of,
};

impl<'a> Differ<'a> {
    /// The NLB that exists and stays.
    pub(super) fn kept_nlb(&self) -> Option<&'a ObservedNlb> {
        let generation = self.input.desired.nlb.as_ref()?.is.generation();
        self.input.observed.nlbs.iter().find(|found| found.is.generation() == generation)
    }

    /// Takes out of the target groups whatever is not to be their target: AWS deletes neither a load balancer nor a
    /// listener of it while it is one.
    pub(super) fn release_load_balancer(&mut self) {
        let kept = self.kept_load_balancer().map(|found| found.arn.as_str());
        for group in &self.input().observed.nlb_target_groups {
            let port = self.nlb_listener_of(group).map(|(_, listener)| listener.target_group.target_port);
            let stays = |target: &Target| {
                kept == Some(target.id.as_str()) && (self.input().desired.keep_nlb || port == Some(target.port))
            };
            let targets: Vec<Target> = group.targets.iter().filter(|target| !stays(target)).cloned().collect();
            if !targets.is_empty() {
                let stage = if kept.is_some() { Stage::Unlisten } else { Stage::Replaced };
                self.aws(stage, AwsOperation::DeregisterTargets { target_group: group.arn.clone(), targets });
            }
        }
    }

    /// Makes the NLB right.
    pub(super) fn nlb(&mut self) {
        let (desired, observed) = (self.input().desired, self.input().observed);
        if desired.keep_nlb {
            return;
        }
        let stale_groups = observed.nlb_target_groups.iter().filter(|group| self.nlb_listener_of(group).is_none());
        let stale_groups = stale_groups.filter(|group| self.is_own(&group.arn));
        let stale_groups: Vec<String> = stale_groups.map(|group| group.arn.clone()).collect();
        for target_group in stale_groups {
            self.aws(Stage::Ungroup, AwsOperation::DeleteTargetGroup { target_group });
        }
        let kept = self.kept_nlb();
        for found in &observed.nlbs {
            if kept.is_none_or(|kept| kept.arn != found.arn) && self.is_own(&found.arn) {
                self.delete_load_balancer(Stage::Frontend, &found.arn, &found.is);
            }
        }
        let Some(wanted) = &desired.nlb else { return };
        for (port, listener) in &wanted.listeners {
            self.nlb_target_group(*port, &listener.target_group);
        }
        let (nlb, listeners) = match kept {
            None => {
                self.create_load_balancer(Stage::Frontend, &wanted.is);
                (Ref::Of(wanted.is.kind.resource()), [].as_slice())
            }
            Some(found) => {
                self.update_load_balancer(Stage::Frontend, &wanted.is, &found.arn, &found.is);
                (Ref::Known(found.arn.clone()), found.listeners.as_slice())
            }
        };
        self.nlb_listeners(&nlb, &wanted.listeners, listeners);
        self.register_load_balancer(&wanted.listeners);
    }

    /// The desired listener whose target group an observed one is.
    fn nlb_listener_of(&self, group: &ObservedNlbTargetGroup) -> Option<(&'a u16, &'a NlbListener)> {
        let id = resource_of(&group.is.tags)?;
        let listeners = &self.input().desired.nlb.as_ref()?.listeners;
        listeners.iter().find(|(port, _)| ResourceId::nlb_target_group(**port).as_str() == id)
    }

    fn observed_target_group(&self, port: u16) -> Option<&'a ObservedNlbTargetGroup> {
        let id = ResourceId::nlb_target_group(port);
        let groups = &self.input().observed.nlb_target_groups;
        groups.iter().find(|group| resource_of(&group.is.tags) == Some(id.as_str()))
    }

    fn nlb_target_group(&mut self, port: u16, desired: &NlbTargetGroup) {
        let id = ResourceId::nlb_target_group(port);
        let Some(found) = self.observed_target_group(port) else {
            self.aws(Stage::Frontend, AwsOperation::CreateNlbTargetGroup { id, is: desired.clone() });
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

    fn nlb_listeners(&mut self, nlb: &Ref, desired: &BTreeMap<u16, NlbListener>, observed: &[ObservedNlbListener]) {
        for stale in observed.iter().filter(|listener| !desired.contains_key(&listener.port)) {
            self.aws(Stage::Frontend, AwsOperation::DeleteListener { listener: stale.arn.clone() });
        }
        for (&port, listener) in desired {
            let target_group = self.target_group_ref(port);
            let Some(there) = observed.iter().find(|there| there.port == port) else {
                let (load_balancer, tags) = (nlb.clone(), listener.tags.clone());
                let made = AwsOperation::CreateNlbListener { load_balancer, port, target_group, tags };
                self.aws(Stage::Frontend, made);
                let made = Ref::Of(ResourceId::nlb_listener(port));
                self.modify_listener_attributes(Stage::Frontend, &made, listener.attributes.clone());
                continue;
            };
            self.know(ResourceId::nlb_listener(port), &there.arn);
            self.retag(&there.arn, &listener.tags, &there.tags);
            if there.forwards_to.iter().map(|arn| Ref::Known(arn.clone())).ne([target_group.clone()]) {
                let listener = there.arn.clone();
                self.aws(Stage::Frontend, AwsOperation::ModifyNlbListener { listener, port, target_group });
            }
            let attributes = equal::attributes(&listener.attributes, &there.attributes);
            self.modify_listener_attributes(Stage::Frontend, &Ref::Known(there.arn.clone()), attributes);
        }
    }

    fn target_group_ref(&self, port: u16) -> Ref {
        equal::resolve(&Ref::Of(ResourceId::nlb_target_group(port)), self.known())
    }

    /// A load balancer can be a target once it is active; until then the pass ends here.
    fn register_load_balancer(&mut self, listeners: &BTreeMap<u16, NlbListener>) {
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
            let target_group = self.target_group_ref(*port);
            self.aws(
                Stage::Frontend,
                AwsOperation::RegisterLoadBalancer { target_group, load_balancer, port: target_port },
            );
        }
    }
}
