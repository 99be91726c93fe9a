//! What operations need beside themselves: ARNs by resource id, the right to write, clients of identity providers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use albedo_engine::stack::{Observed, Ref, ResourceId, resource_of};

use super::error::CloudError;
use super::sdk::ATTEMPT_TIMEOUT;

/// ARNs (or ids) by resource id: what was observed, and what has been made since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    arns: BTreeMap<ResourceId, String>,
}

impl Known {
    /// Starts with what was observed. Of two resources with one id the first counts, as in the plan.
    #[must_use]
    pub fn of(observed: &Observed) -> Self {
        let mut known = Self::default();
        for balancer in &observed.load_balancers {
            known.first(ResourceId::load_balancer(), &balancer.arn);
            for listener in &balancer.listeners {
                known.first(ResourceId::listener(listener.is.port), &listener.arn);
                for rule in &listener.rules {
                    known.first(ResourceId::rule(listener.is.port, rule.is.priority), &rule.arn);
                }
            }
        }
        let groups = observed.target_groups.iter().map(|group| (&group.is.tags, &group.arn));
        let security = observed.security_groups.iter().map(|group| (&group.is.tags, &group.arn));
        for (tags, arn) in groups.chain(security) {
            if let Some(id) = resource_of(tags).map(ResourceId::from) {
                known.first(id, arn);
            }
        }
        for nlb in &observed.nlbs {
            known.first(ResourceId::nlb(), &nlb.arn);
            for listener in &nlb.listeners {
                known.first(ResourceId::nlb_listener(listener.port), &listener.arn);
            }
        }
        for group in &observed.nlb_target_groups {
            if let Some(id) = resource_of(&group.is.tags).map(ResourceId::from) {
                known.first(id, &group.arn);
            }
        }
        if let Some(group) = &observed.backend_security_group {
            known.first(ResourceId::backend_security_group(), &group.arn);
        }
        known
    }

    fn first(&mut self, id: ResourceId, arn: &str) {
        self.arns.entry(id).or_insert_with(|| arn.to_owned());
    }

    /// Says which ARN (or id) a resource has now; what was known before is replaced.
    pub fn insert(&mut self, id: ResourceId, arn: String) {
        self.arns.insert(id, arn);
    }

    /// Forgets an ARN (or id) that is gone, and what went with it: a load balancer's listeners, a listener's rules.
    pub fn forget(&mut self, arn: &str) {
        // …:loadbalancer/app/NAME/ID, …:listener/app/NAME/ID/LISTENER, …:listener-rule/app/NAME/ID/LISTENER/RULE
        let path = |arn: &str| arn.split_once('/').map(|(_, path)| format!("{path}/"));
        let gone = path(arn);
        self.arns.retain(|_, known| {
            let inside = gone.as_ref().zip(path(known)).is_some_and(|(gone, path)| path.starts_with(gone.as_str()));
            known != arn && !inside
        });
    }

    /// Follows rules to their new priorities, which their resource ids name.
    pub fn reprioritize(&mut self, priorities: &[(String, u32)]) {
        let mut moved = Vec::new();
        for (arn, to) in priorities {
            let id = self.arns.iter().find(|(_, known)| *known == arn).map(|(id, _)| id.clone());
            if let Some((id, (port, _))) = id.as_ref().and_then(|id| Some((id, id.as_str().split_once(':')?))) {
                moved.push((format!("{port}:{to}").into(), arn.clone()));
                self.arns.remove(id);
            }
        }
        self.arns.extend(moved);
    }

    /// All of them.
    #[must_use]
    pub fn names(&self) -> &BTreeMap<ResourceId, String> {
        &self.arns
    }

    /// The ARN (or id) behind a reference, if it is known.
    #[must_use]
    pub fn resolve<'a>(&'a self, reference: &'a Ref) -> Option<&'a str> {
        match reference {
            Ref::Known(arn) => Some(arn),
            Ref::Of(id) => self.arns.get(id).map(String::as_str),
        }
    }
}

/// What came of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// ARN (or id) of what was created.
    pub arn: Option<String>,
    /// DNS name of a load balancer that was created.
    pub dns_name: Option<String>,
}

/// The client that a load balancer is at an identity provider, from a Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct OidcClient {
    /// Client id.
    pub id: String,
    /// Client secret.
    pub secret: String,
}

/// Neither half goes into a log.
impl fmt::Debug for OidcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OidcClient(…)")
    }
}

/// What a writer lends to each operation.
#[derive(Clone, Copy)]
pub struct WriteContext<'a> {
    /// How long the right to write lasts from now. Asked before each sending: a request is not sent unless its answer
    /// (or its timeout) comes within this time.
    pub remaining: &'a (dyn Fn() -> Duration + Send + Sync),
    /// Clients by Secret (`namespace/name`): at least those that the operation's `authenticate-oidc` actions name.
    pub clients: &'a BTreeMap<String, OidcClient>,
}

impl fmt::Debug for WriteContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteContext").field("remaining", &(self.remaining)()).finish_non_exhaustive()
    }
}

impl WriteContext<'_> {
    /// Whether a request that is sent now is over before the right to write is.
    pub(super) fn check(&self, operation: &'static str) -> Result<(), CloudError> {
        if (self.remaining)() >= ATTEMPT_TIMEOUT { Ok(()) } else { Err(CloudError::NoLeaseProof { operation }) }
    }
}

/// Looks up what one operation refers to, and says which operation when something is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) operation: &'static str,
    pub(super) known: &'a Known,
    pub(super) write_context: WriteContext<'a>,
}

impl<'a> Names<'a> {
    pub(super) fn resolve(&self, reference: &'a Ref) -> Result<&'a str, CloudError> {
        self.known.resolve(reference).ok_or_else(|| CloudError::Unresolved {
            operation: self.operation,
            resource: match reference {
                Ref::Of(id) => id.clone(),
                Ref::Known(arn) => arn.as_str().into(),
            },
        })
    }

    pub(super) fn client(&self, secret: Option<&str>) -> Result<OidcClient, CloudError> {
        let secret = secret.unwrap_or_default();
        self.write_context
            .clients
            .get(secret)
            .cloned()
            .ok_or_else(|| CloudError::NoClient { operation: self.operation, secret: secret.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BALANCER: &str = "arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/1";

    fn known() -> Known {
        let mut known = Known::default();
        known.insert(ResourceId::load_balancer(), BALANCER.to_owned());
        for (port, listener) in [(80, "a"), (443, "b")] {
            let arn = format!("arn:aws:elasticloadbalancing:r:1:listener/app/web/1/{listener}");
            known.insert(ResourceId::listener(port), arn);
            for priority in 1..=2 {
                known.insert(ResourceId::rule(port, priority), rule(listener, priority));
            }
        }
        known.insert("ns/i-s:80".into(), "arn:aws:elasticloadbalancing:r:1:targetgroup/app/1".to_owned());
        known.insert(ResourceId::managed_security_group(), "sg-1".to_owned());
        known
    }

    fn rule(listener: &str, rule: u32) -> String {
        format!("arn:aws:elasticloadbalancing:r:1:listener-rule/app/web/1/{listener}/{rule}")
    }

    #[test]
    fn what_goes_takes_its_parts_along() {
        let mut known = known();
        known.forget("arn:aws:elasticloadbalancing:r:1:listener/app/web/1/a");
        assert_eq!(known.arns.len(), 6);
        known.forget("sg-1");
        assert_eq!(known.arns.len(), 5);
        known.forget(BALANCER);
        assert_eq!(known.arns.keys().map(ToString::to_string).collect::<Vec<_>>(), ["ns/i-s:80"]);
    }

    #[test]
    fn rules_are_followed_through_a_swap() {
        let mut known = known();
        known.reprioritize(&[(rule("b", 1), 2), (rule("b", 2), 1)]);
        assert_eq!(known.resolve(&Ref::Of(ResourceId::rule(443, 1))), Some(rule("b", 2).as_str()));
        assert_eq!(known.resolve(&Ref::Of(ResourceId::rule(443, 2))), Some(rule("b", 1).as_str()));
        assert_eq!(known.resolve(&Ref::Of(ResourceId::rule(80, 1))), Some(rule("a", 1).as_str()));
    }
}
