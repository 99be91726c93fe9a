//! The whole: what should exist, put together of what the members ask for.

use std::collections::BTreeMap;

use super::Linker;
use super::frame::Frame;
use super::members::Aside;
use crate::compile::Fragment;
use crate::settings::Gate;
use crate::stack::{Desired, GroupId, IpAddressType, LoadBalancer, ResourceId, Tags, load_balancer_name, tracking};

impl<'a> Linker<'a> {
    /// What should exist, `None` when nothing may change; or those members without whom it has to be built.
    pub(super) fn build(&mut self) -> Result<Option<Desired>, Aside> {
        if self.input.view.members.is_empty() {
            return Ok(Some(Desired {
                lift_deletion_protection: self.leavers_lift("load-balancer-attributes"),
                lift_frontend_deletion_protection: self.leavers_lift("frontend-nlb-attributes"),
                ..Desired::empty(self.group().clone())
            }));
        }
        unless_any(self.place_certificates())?;
        if self.fragments.is_empty() {
            return Ok(None);
        }
        let frame = self.frame();
        if frame.redirect.is_none() {
            unless_any(self.exposed())?;
        }
        unless_any(self.culprits(&frame.faults))?;
        let goes_on = self.tell(&frame.faults);
        let desired = self.desired(frame);
        let totals = self.totals(&desired);
        unless_any(self.victims(&totals))?;
        self.warn_of_totals(&totals);
        self.warn_of_unweighed_lists(&desired);
        self.check_logs(&desired);
        self.report_unremembered();
        Ok(Some(desired).filter(|_| goes_on))
    }

    fn desired(&mut self, frame: Frame) -> Desired {
        let Frame { placement, groups, redirect, frontend, faults: _ } = frame;
        let listeners = self.listeners(redirect);
        let (target_groups, bindings) = self.target_groups(&groups, redirect);
        let load_balancer = LoadBalancer {
            name: self.first(|fragment| fragment.load_balancer.name.clone()).unwrap_or_else(|| {
                load_balancer_name(&self.input.settings.cluster_name, self.group(), placement.scheme)
            }),
            scheme: placement.scheme,
            ip_address_type: placement.ip_address_type,
            subnets: placement.subnets,
            security_groups: groups.of_load_balancer,
            customer_owned_ipv4_pool: self.first(|fragment| fragment.load_balancer.customer_owned_ipv4_pool.clone()),
            ipv4_ipam_pool_id: self.ipam_pool(),
            attributes: self.attributes(),
            tags: self.tags(&ResourceId::load_balancer(), self.fragments()),
        };
        let keep_frontend_nlb = frontend.is_kept() || self.keeps_frontend_nlb();
        let frontend_nlb = self.frontend_nlb(frontend, &load_balancer);
        let lift_deletion_protection =
            self.members_lift(&[&load_balancer.attributes], |fragment| Some(&fragment.load_balancer.attributes));
        Desired {
            group: self.group().clone(),
            frontend_nlb,
            keep_frontend_nlb,
            lift_frontend_deletion_protection: self.unprotects_frontend_nlb(),
            load_balancer: Some(load_balancer),
            addons: self.addons(),
            security_group: groups.managed,
            listeners,
            target_groups,
            bindings,
            backend_security_group: groups.backend,
            lift_deletion_protection,
        }
    }

    pub(super) fn group(&self) -> &'a GroupId {
        &self.input.view.group
    }

    /// What is linked, in group order.
    pub(super) fn fragments(&self) -> impl Iterator<Item = &Fragment> {
        self.fragments.iter().map(|fragment| &**fragment)
    }

    pub(super) fn first<T>(&self, get: impl Fn(&Fragment) -> Option<T>) -> Option<T> {
        self.fragments().find_map(get)
    }

    pub(super) fn ip_address_type(&self) -> IpAddressType {
        self.first(|fragment| fragment.load_balancer.ip_address_type).unwrap_or(IpAddressType::Ipv4)
    }

    /// Attributes of all members; where the parameters of the first member's class set one, they win.
    fn attributes(&self) -> BTreeMap<String, String> {
        let asked = self.fragments.iter().flat_map(|fragment| fragment.load_balancer.attributes.clone());
        let enforced = self.fragments.first().and_then(|fragment| fragment.params.clone());
        let enforced = enforced.map(|params| params.spec.load_balancer_attributes.clone()).unwrap_or_default();
        asked.chain(enforced.into_iter().map(|attribute| (attribute.key, attribute.value))).collect()
    }

    fn ipam_pool(&self) -> Option<String> {
        let enforced = self.fragments.first().and_then(|fragment| fragment.params.as_ref());
        let enforced = enforced.and_then(|params| params.spec.ipam_configuration.as_ref());
        enforced
            .and_then(|pools| pools.ipv4_ipam_pool_id.clone())
            .filter(|pool| !pool.is_empty())
            .or_else(|| self.first(|fragment| fragment.load_balancer.ipv4_ipam_pool_id.clone()))
    }

    /// The tags of a resource: those of the fragments that it comes from and the default ones, under the tracking tags.
    pub(super) fn tags<'f>(&self, id: &ResourceId, fragments: impl Iterator<Item = &'f Fragment>) -> Tags {
        let mut own = Tags::new();
        // Members of a group mostly say the same.
        for (key, value) in fragments.flat_map(|fragment| &fragment.tags) {
            if own.get(key) != Some(value) {
                own.insert(key.clone(), value.clone());
            }
        }
        let mut tags = self.input.settings.with_default_tags(own);
        tags.extend(tracking(&self.input.settings.cluster_name, self.group(), id));
        tags
    }

    /// Tags of listeners and rules, which a gate can switch off.
    pub(super) fn listener_tags<'f>(&self, id: &ResourceId, fragments: impl Iterator<Item = &'f Fragment>) -> Tags {
        if self.input.settings.gate(Gate::ListenerRulesTagging) { self.tags(id, fragments) } else { Tags::new() }
    }
}

/// Nothing, unless members have to be left out.
fn unless_any(aside: Aside) -> Result<(), Aside> {
    if aside.is_empty() { Ok(()) } else { Err(aside) }
}
