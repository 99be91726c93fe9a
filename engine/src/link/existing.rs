//! The load balancer that exists, as far as it decides what should: what of it stays where what is asked for cannot be had.

use std::collections::BTreeMap;

use crate::kinds::IngressGroup;
use crate::stack::{Action, IpAddressType, Listener, Observed, Protocol, Ref, ResourceId, Scheme, resource_of};

/// A load balancer that exists, as far as it decides what should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its scheme.
    pub scheme: Scheme,
    /// Its addresses; `None`: nobody knows.
    pub ip_address_type: Option<IpAddressType>,
    /// Its subnets, kept unless others are asked for.
    pub subnets: Vec<String>,
    /// Its security groups, those of the stack by their resource ids.
    pub security_groups: Vec<Ref>,
    /// The port to which its HTTP listeners lead everything.
    pub ssl_redirect: Option<u16>,
    /// Certificates of its HTTPS listeners, the default one first, by port.
    pub certificates: BTreeMap<u16, Vec<String>>,
    /// The NLB in front of it.
    pub nlb: Option<ExistingNlb>,
}

/// An NLB that exists, as far as it decides what should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingNlb {
    /// Its scheme.
    pub scheme: Scheme,
    /// Its subnets, kept unless others are asked for.
    pub subnets: Vec<String>,
}

impl Existing {
    /// One of which no more is known.
    #[must_use]
    pub fn new(scheme: Scheme, subnets: Vec<String>) -> Self {
        Self {
            scheme,
            ip_address_type: None,
            subnets,
            security_groups: Vec::new(),
            ssl_redirect: None,
            certificates: BTreeMap::new(),
            nlb: None,
        }
    }

    /// The one that AWS holds.
    #[must_use]
    pub fn of(observed: &Observed) -> Option<Self> {
        let found = observed.load_balancers.first()?;
        let listeners = || found.listeners.iter().map(|listener| &listener.is);
        let certificates = listeners().filter(|listener| !listener.certificates.is_empty());
        Some(Self {
            ip_address_type: Some(found.is.ip_address_type),
            security_groups: found.is.security_groups.iter().map(|group| named(group, observed)).collect(),
            ssl_redirect: listeners().find_map(ssl_redirect),
            certificates: certificates.map(|listener| (listener.port, listener.certificates.clone())).collect(),
            nlb: observed
                .nlbs
                .first()
                .map(|found| ExistingNlb { scheme: found.is.scheme, subnets: found.is.subnets.clone() }),
            ..Self::new(found.is.scheme, found.is.subnets.clone())
        })
    }

    /// The one that the ledger tells of, for those who do not look into AWS: that it is there, and its scheme.
    #[must_use]
    pub fn remembered(ledger: Option<&IngressGroup>) -> Option<Self> {
        let known = ledger?.status.as_ref()?.load_balancer.as_ref()?;
        Some(Self::new(Scheme::parse(&known.scheme)?, Vec::new()))
    }
}

/// A security group by its resource id, if it is one of the stack's.
fn named(group: &Ref, observed: &Observed) -> Ref {
    let Ref::Known(arn) = group else { return group.clone() };
    let backend = ResourceId::backend_security_group();
    let own = observed.security_groups.iter().map(|found| (found, resource_of(&found.is.tags)));
    let shared = observed.backend_security_group.iter().map(|found| (found, Some(backend.as_str())));
    let id = own.chain(shared).find(|(found, _)| found.arn == *arn).and_then(|(_, id)| id);
    id.map_or_else(|| group.clone(), |id| Ref::Of(ResourceId::from(id)))
}

/// The port to which a listener leads everything, if it does as `ssl-redirect` would have it.
fn ssl_redirect(listener: &Listener) -> Option<u16> {
    let [Action::Redirect(redirect)] = listener.default_actions.as_slice() else { return None };
    let leads = listener.protocol == Protocol::Http
        && redirect.protocol.as_deref() == Some("HTTPS")
        && redirect.status_code == "HTTP_301";
    redirect.port.as_ref().filter(|_| leads)?.parse().ok()
}
