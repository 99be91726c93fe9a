//! Add-ons of a load balancer: read only where somebody says something of them and remembered for a while; attached and detached.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use albedo_engine::plan::operation::ApiService;
use albedo_engine::stack::{Addon, Addons, Attachment, ObservedLoadBalancer, Ref, SHIELD_PROTECTION};
use aws_sdk_elasticloadbalancingv2::types::MinimumLoadBalancerCapacity;
use tokio::time::Instant;

use super::Cloud;
use super::error::{CloudError, need};
use super::facts::FactKind;
use super::known::Applied;
use super::operations::{Writing, done, gone_is_fine, send};
use super::unlisted;

/// How long an answer serves; what we write ourselves is known at once. AWS lets one `GetWebACLForResource` through a
/// second, and each is about one load balancer.
const FRESH: Duration = Duration::from_mins(10);
/// Load balancers that are remembered.
const MOST: usize = 10_000;

/// Answers, and when they were given, by the ARN of a load balancer.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<String, BTreeMap<Addon, (Attachment, Instant)>>>);

impl Memory {
    /// What still serves.
    fn get(&self, arn: &str, now: Instant) -> Addons {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(arn).into_iter().flatten();
        let fresh = known.filter(|(_, (_, at))| now.saturating_duration_since(*at) < FRESH);
        fresh.map(|(addon, (is, _))| (*addon, is.clone())).collect()
    }

    fn put(&self, arn: &str, addon: Addon, is: Attachment, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Deleted by others, most of them; what still counts is read again.
        if known.len() >= MOST && !known.contains_key(arn) {
            known.clear();
        }
        known.entry(arn.to_owned()).or_default().insert(addon, (is, now));
    }

    pub(super) fn forget(&self, arn: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(arn);
    }

    /// Keeps what a write attached to a load balancer; one that failed may have been done.
    pub(super) fn note(&self, arn: &str, addon: Addon, is: Option<&str>, done: bool) {
        match is {
            _ if !done => self.forget(arn),
            // Its id is needed to delete it, and only AWS's own answer has that for certain.
            Some(_) if addon == Addon::Shield => {
                if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(arn) {
                    known.remove(&addon);
                }
            }
            Some(is) => self.put(arn, addon, Attachment::To(is.to_owned()), Instant::now()),
            None => self.put(arn, addon, Attachment::Nothing, Instant::now()),
        }
    }
}

impl Cloud {
    /// What is attached to a load balancer, as far as something is asked of it. Answers are up to ten minutes old. Each service is asked for
    /// itself: what one does not answer stays unknown, and its error is given back.
    pub async fn observe_addons(&self, asked: &Addons, balancer: &mut ObservedLoadBalancer) -> Vec<CloudError> {
        let (arn, now) = (balancer.arn.as_str(), Instant::now());
        balancer.addons = self.addons().get(arn, now);
        let mut unread = Vec::new();
        for &addon in asked.keys() {
            if balancer.addons.contains_key(&addon) {
                continue;
            }
            match self.attached(addon, arn).await {
                Ok(is) => {
                    self.addons().put(arn, addon, is.clone(), now);
                    balancer.addons.insert(addon, is);
                }
                Err(error) => unread.push(error),
            }
        }
        unread
    }

    pub(super) async fn attached(&self, addon: Addon, balancer: &str) -> Result<Attachment, CloudError> {
        match addon {
            Addon::WebAcl => self.web_acl_of(balancer).await,
            Addon::ClassicWebAcl => self.classic_web_acl_of(balancer).await,
            Addon::Shield => self.protection_of(balancer).await,
            Addon::Capacity => self.capacity_of(balancer).await,
        }
    }

    async fn web_acl_of(&self, balancer: &str) -> Result<Attachment, CloudError> {
        let op = ApiService::WafV2.call("GetWebACLForResource");
        let answer = self.call(op, self.read().wafv2.get_web_acl_for_resource().resource_arn(balancer).send()).await?;
        Ok(answer.web_acl.map_or(Attachment::Nothing, |acl| Attachment::To(acl.arn)))
    }

    async fn classic_web_acl_of(&self, balancer: &str) -> Result<Attachment, CloudError> {
        let op = ApiService::WafRegional.call("GetWebACLForResource");
        let request = self.read().waf_regional.get_web_acl_for_resource().resource_arn(balancer);
        let answer = self.call(op, request.send()).await?;
        Ok(answer.web_acl_summary.map_or(Attachment::Nothing, |acl| Attachment::To(acl.web_acl_id)))
    }

    async fn protection_of(&self, balancer: &str) -> Result<Attachment, CloudError> {
        let op = ApiService::Shield.call("DescribeProtection");
        match self.call(op, self.read().shield.describe_protection().resource_arn(balancer).send()).await {
            Ok(answer) => {
                let protection = need(op.name, "Protection", answer.protection)?;
                let id = need(op.name, "Id", protection.id)?;
                Ok(Attachment::of_protection(id, &protection.name.unwrap_or_default()))
            }
            Err(CloudError::NotFound(_)) => Ok(Attachment::Nothing),
            Err(error) => Err(error),
        }
    }

    async fn capacity_of(&self, balancer: &str) -> Result<Attachment, CloudError> {
        let request = self.read().elbv2.describe_capacity_reservation().load_balancer_arn(balancer);
        let answer = self.call(ApiService::Elbv2.call("DescribeCapacityReservation"), request.send()).await?;
        let units = answer.minimum_load_balancer_capacity.and_then(|reserved| reserved.capacity_units);
        Ok(Attachment::units(units.unwrap_or_default()))
    }
}

impl Writing<'_> {
    pub(super) async fn attach(&self, balancer: &Ref, addon: Addon, is: &str) -> Result<Applied, CloudError> {
        let arn = self.arn(balancer)?;
        match addon {
            Addon::WebAcl => {
                let acl = unlisted::id(self.call.name, FactKind::WebAcls, is)?;
                send!(self, wafv2.associate_web_acl().web_acl_arn(acl).resource_arn(arn)).map(done)
            }
            Addon::ClassicWebAcl => {
                send!(self, waf_regional.associate_web_acl().web_acl_id(is).resource_arn(arn)).map(done)
            }
            Addon::Shield => match send!(self, shield.create_protection().name(SHIELD_PROTECTION).resource_arn(arn)) {
                Ok(_) | Err(CloudError::AlreadyExists(_)) => Ok(Applied::default()),
                Err(error) => Err(error),
            },
            Addon::Capacity => {
                let units = MinimumLoadBalancerCapacity::builder().set_capacity_units(is.parse().ok()).build();
                send!(
                    self,
                    elbv2.modify_capacity_reservation().load_balancer_arn(arn).minimum_load_balancer_capacity(units)
                )
                .map(done)
            }
        }
    }

    pub(super) async fn detach(&self, balancer: &Ref, addon: Addon, was: &str) -> Result<Applied, CloudError> {
        let arn = self.arn(balancer)?;
        match addon {
            Addon::WebAcl => send!(self, wafv2.disassociate_web_acl().resource_arn(arn)).map(done),
            Addon::ClassicWebAcl => send!(self, waf_regional.disassociate_web_acl().resource_arn(arn)).map(done),
            Addon::Shield => gone_is_fine(send!(self, shield.delete_protection().protection_id(was))),
            Addon::Capacity => {
                send!(self, elbv2.modify_capacity_reservation().load_balancer_arn(arn).reset_capacity_reservation(true))
                    .map(done)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn associate(done: bool, memory: &Memory) {
        memory.note("arn", Addon::ClassicWebAcl, Some("acl"), done);
    }

    #[test]
    fn what_was_written_is_known_and_what_failed_is_not() {
        let memory = Memory::default();
        associate(true, &memory);
        let now = Instant::now();
        let known = Addons::from([(Addon::ClassicWebAcl, Attachment::To("acl".to_owned()))]);
        assert_eq!(memory.get("arn", now), known);
        assert_eq!(memory.get("arn", now + FRESH), Addons::new());
        associate(false, &memory);
        assert_eq!(memory.get("arn", now), Addons::new());
    }

    #[test]
    fn the_id_of_a_protection_is_read_and_not_guessed() {
        let memory = Memory::default();
        memory.note("arn", Addon::Shield, None, true);
        let now = Instant::now();
        assert_eq!(memory.get("arn", now), Addons::from([(Addon::Shield, Attachment::Nothing)]));
        memory.note("arn", Addon::Shield, Some(SHIELD_PROTECTION), true);
        assert_eq!(memory.get("arn", now), Addons::new());
    }

    #[test]
    fn a_load_balancer_that_is_gone_is_forgotten() {
        let memory = Memory::default();
        associate(true, &memory);
        memory.forget("arn");
        assert_eq!(memory.get("arn", Instant::now()), Addons::new());
    }
}
