//! The whole: what should exist, put together of what the members ask for.

use super::Linker;
use super::base_config::BaseConfig;
use super::members::ToQuarantine;
use crate::annotation::catalogue::{
    CUSTOMER_OWNED_IPV4_POOL, FRONTEND_NLB_ATTRIBUTES, IPAM_IPV4_POOL_ID, LOAD_BALANCER_ATTRIBUTES, LOAD_BALANCER_NAME,
};
use crate::compile::Fragment;
use crate::settings::Gate;
use crate::stack::{Desired, GroupId, LoadBalancer, ResourceId, Tags, load_balancer_name, tracking};

impl<'a> Linker<'a> {
    /// What should exist, `None` when nothing may change; or those members without whom it has to be built.
    pub(super) fn build(&mut self) -> Result<Option<Desired>, ToQuarantine> {
        if self.input.view.members.is_empty() {
            return Ok(Some(Desired {
                lift_deletion_protection: self.leavers_lift(&LOAD_BALANCER_ATTRIBUTES),
                lift_frontend_deletion_protection: self.leavers_lift(&FRONTEND_NLB_ATTRIBUTES),
                ..Desired::empty(self.group().clone())
            }));
        }
        unless_any(self.place_certificates())?;
        if self.fragments.is_empty() {
            return Ok(None);
        }
        let base_config = self.base_config();
        if base_config.redirect.is_none() {
            unless_any(self.exposed())?;
        }
        unless_any(self.culprits(&base_config.faults))?;
        let goes_on = self.tell(&base_config.faults);
        let desired = self.desired(base_config);
        let totals = self.totals(&desired);
        unless_any(self.victims(&totals))?;
        self.warn_of_totals(&totals);
        self.warn_of_unweighed_lists(&desired);
        self.check_logs(&desired);
        self.report_unremembered();
        Ok(Some(desired).filter(|_| goes_on))
    }

    fn desired(&mut self, base_config: BaseConfig) -> Desired {
        let BaseConfig { placement, groups, redirect, frontend, faults: _ } = base_config;
        let listeners = self.listeners(redirect);
        let (target_groups, bindings) = self.target_groups(&groups, redirect);
        let load_balancer = LoadBalancer {
            name: self.merged(&LOAD_BALANCER_NAME).unwrap_or_else(|| {
                load_balancer_name(&self.input.settings.cluster_name, self.group(), placement.scheme)
            }),
            scheme: placement.scheme,
            ip_address_type: placement.ip_address_type,
            subnets: placement.subnets,
            security_groups: groups.of_load_balancer,
            customer_owned_ipv4_pool: self.merged(&CUSTOMER_OWNED_IPV4_POOL),
            ipv4_ipam_pool_id: self.merged(&IPAM_IPV4_POOL_ID),
            attributes: self.united(&LOAD_BALANCER_ATTRIBUTES),
            tags: self.tags(&ResourceId::load_balancer(), self.fragments()),
        };
        let keep_frontend_nlb = frontend.is_kept() || self.keeps_frontend_nlb();
        let frontend_nlb = self.frontend_nlb(frontend, &load_balancer);
        let lift_deletion_protection =
            self.members_lift(std::slice::from_ref(&load_balancer.attributes), &LOAD_BALANCER_ATTRIBUTES);
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
fn unless_any(to_quarantine: ToQuarantine) -> Result<(), ToQuarantine> {
    if to_quarantine.is_empty() { Ok(()) } else { Err(to_quarantine) }
}
