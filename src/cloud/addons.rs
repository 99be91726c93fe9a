//! What is attached to a load balancer, read only where somebody says something of it, and remembered for a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use albedo_engine::plan::operation::Attachment;
use albedo_engine::stack::{Addons, ObservedAddons, ObservedLoadBalancer, Shield, WebAcl};
use tokio::time::Instant;

use super::Cloud;
use super::call::{elbv2, shield, waf_regional, wafv2};
use super::error::{CloudError, need};

/// How long an answer serves; what we write ourselves is known at once. AWS lets one `GetWebACLForResource` through a
/// second, and each is about one load balancer.
const FRESH: Duration = Duration::from_mins(10);
/// Load balancers that are remembered.
const MOST: usize = 10_000;

/// Answers by the ARN of a load balancer.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<String, Remembered>>);

#[derive(Debug, Default, Clone)]
struct Remembered {
    wafv2: Option<(WebAcl, Instant)>,
    waf_classic: Option<(WebAcl, Instant)>,
    shield: Option<(Shield, Instant)>,
    capacity_units: Option<(i32, Instant)>,
}

impl Memory {
    fn get(&self, arn: &str) -> Remembered {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(arn).cloned().unwrap_or_default()
    }

    fn put(&self, arn: &str, set: impl FnOnce(&mut Remembered)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Deleted by others, most of them; what still counts is read again.
        if known.len() >= MOST && !known.contains_key(arn) {
            known.clear();
        }
        set(known.entry(arn.to_owned()).or_default());
    }

    pub(super) fn forget(&self, arn: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(arn);
    }

    /// Keeps what a write attached to a load balancer; one that failed may have been done.
    pub(super) fn note(&self, arn: &str, attached: Attachment<'_>, done: bool) {
        if !done {
            return self.forget(arn);
        }
        let now = Instant::now();
        let web_acl =
            |acl: Option<&str>| Some((acl.map_or(WebAcl::Nothing, |acl| WebAcl::Associated(acl.to_owned())), now));
        self.put(arn, |known| match attached {
            Attachment::WebAcl(acl) => known.wafv2 = web_acl(acl),
            Attachment::ClassicWebAcl(acl) => known.waf_classic = web_acl(acl),
            // Its id is needed to delete it, and only AWS's own answer has that for certain.
            Attachment::Shield(true) => known.shield = None,
            Attachment::Shield(false) => known.shield = Some((Shield::Unprotected, now)),
            Attachment::CapacityUnits(units) => known.capacity_units = Some((units, now)),
        });
    }
}

fn fresh<T>(known: Option<(T, Instant)>, now: Instant) -> Option<T> {
    known.filter(|(_, at)| now.saturating_duration_since(*at) < FRESH).map(|(value, _)| value)
}

/// What was read; why it was not goes to the others.
fn kept<T>(read: Result<T, CloudError>, unread: &mut Vec<CloudError>) -> Option<T> {
    read.map_err(|error| unread.push(error)).ok()
}

impl Cloud {
    /// Fills in what is attached to a load balancer, as far as something is asked of it. Answers are up to ten minutes old. Each service
    /// is asked for itself: what one does not answer stays unknown, and its error is given back.
    pub async fn observe_addons(&self, asked: &Addons, balancer: &mut ObservedLoadBalancer) -> Vec<CloudError> {
        let (arn, now) = (balancer.arn.as_str(), Instant::now());
        let known = self.addons().get(arn);
        let mut seen = ObservedAddons {
            wafv2: fresh(known.wafv2, now),
            waf_classic: fresh(known.waf_classic, now),
            shield: fresh(known.shield, now),
            capacity_units: fresh(known.capacity_units, now),
        };
        let mut unread = Vec::new();
        if asked.wafv2.is_some() && seen.wafv2.is_none() {
            seen.wafv2 = kept(self.web_acl_of(arn).await, &mut unread);
            self.addons().put(arn, |known| known.wafv2 = seen.wafv2.clone().map(|acl| (acl, now)));
        }
        if asked.waf_classic.is_some() && seen.waf_classic.is_none() {
            seen.waf_classic = kept(self.classic_web_acl_of(arn).await, &mut unread);
            self.addons().put(arn, |known| known.waf_classic = seen.waf_classic.clone().map(|acl| (acl, now)));
        }
        if asked.shield.is_some() && seen.shield.is_none() {
            seen.shield = kept(self.protection_of(arn).await, &mut unread);
            self.addons().put(arn, |known| known.shield = seen.shield.clone().map(|one| (one, now)));
        }
        if asked.capacity_units.is_some() && seen.capacity_units.is_none() {
            seen.capacity_units = kept(self.capacity_of(arn).await, &mut unread);
            self.addons().put(arn, |known| known.capacity_units = seen.capacity_units.map(|units| (units, now)));
        }
        balancer.addons = seen;
        unread
    }

    pub(super) async fn web_acl_of(&self, balancer: &str) -> Result<WebAcl, CloudError> {
        let op = wafv2("GetWebACLForResource");
        let answer = self.call(op, self.read().wafv2.get_web_acl_for_resource().resource_arn(balancer).send()).await?;
        Ok(answer.web_acl.map_or(WebAcl::Nothing, |acl| WebAcl::Associated(acl.arn)))
    }

    pub(super) async fn classic_web_acl_of(&self, balancer: &str) -> Result<WebAcl, CloudError> {
        let op = waf_regional("GetWebACLForResource");
        let request = self.read().waf_regional.get_web_acl_for_resource().resource_arn(balancer);
        let answer = self.call(op, request.send()).await?;
        Ok(answer.web_acl_summary.map_or(WebAcl::Nothing, |acl| WebAcl::Associated(acl.web_acl_id)))
    }

    pub(super) async fn protection_of(&self, balancer: &str) -> Result<Shield, CloudError> {
        let op = shield("DescribeProtection");
        match self.call(op, self.read().shield.describe_protection().resource_arn(balancer).send()).await {
            Ok(answer) => {
                let protection = need(op.name, "Protection", answer.protection)?;
                let id = need(op.name, "Id", protection.id)?;
                Ok(Shield::Protected { id, name: protection.name.unwrap_or_default() })
            }
            Err(CloudError::NotFound(_)) => Ok(Shield::Unprotected),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn capacity_of(&self, balancer: &str) -> Result<i32, CloudError> {
        let request = self.read().elbv2.describe_capacity_reservation().load_balancer_arn(balancer);
        let answer = self.call(elbv2("DescribeCapacityReservation"), request.send()).await?;
        Ok(answer.minimum_load_balancer_capacity.and_then(|reserved| reserved.capacity_units).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn associate(done: bool, memory: &Memory) {
        memory.note("arn", Attachment::WebAcl(Some("acl")), done);
    }

    #[test]
    fn what_was_written_is_known_and_what_failed_is_not() {
        let memory = Memory::default();
        associate(true, &memory);
        let now = Instant::now();
        assert_eq!(fresh(memory.get("arn").wafv2, now), Some(WebAcl::Associated("acl".to_owned())));
        assert_eq!(fresh(memory.get("arn").wafv2, now + FRESH), None);
        associate(false, &memory);
        assert_eq!(fresh(memory.get("arn").wafv2, now), None);
    }

    #[test]
    fn a_load_balancer_that_is_gone_is_forgotten() {
        let memory = Memory::default();
        associate(true, &memory);
        memory.forget("arn");
        assert!(memory.get("arn").wafv2.is_none());
    }
}
