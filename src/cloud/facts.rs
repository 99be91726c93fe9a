//! What is known of the account, read kind by kind: one that fails keeps what it had, with its age, and the others are new.

mod certificates;
mod network;

use std::fmt;

use albedo_engine::facts::{Aged, Facts};
use jiff::Timestamp;

pub(super) use certificates::Certificates;
pub(super) use network::Zones;

use super::Cloud;
use super::error::CloudError;

/// A kind of fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactKind {
    /// Address blocks of the VPC.
    VpcCidrs,
    /// Subnets.
    Subnets,
    /// Routes, which tell public subnets from private ones. When they fail, subnets are new all the same.
    Routes,
    /// Certificates.
    Certificates,
    /// Security groups.
    SecurityGroups,
    /// Target groups by name.
    TargetGroups,
}

impl FactKind {
    /// The kind in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VpcCidrs => "VPC address blocks",
            Self::Subnets => "subnets",
            Self::Routes => "routes",
            Self::Certificates => "certificates",
            Self::SecurityGroups => "security groups",
            Self::TargetGroups => "target groups",
        }
    }
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Cloud {
    /// Reads all facts anew, each kind for itself, and gives back what failed: those kinds are as they were before.
    /// `now` becomes the age of the others.
    pub async fn refresh(&self, facts: &mut Facts, now: Timestamp) -> Vec<(FactKind, CloudError)> {
        let foreign = self.foreign_subnets(facts);
        let (cidrs, subnets, certificates, security_groups, names) = futures::join!(
            self.vpc_cidrs(),
            self.subnets(&foreign),
            self.certificates(),
            self.security_group_facts(),
            self.target_group_names(),
        );
        let mut failed = Vec::new();
        let subnets = subnets.map(|(subnets, routes)| {
            failed.extend(routes.map(|error| (FactKind::Routes, error)));
            subnets
        });
        facts.region = Some(self.config().region.clone());
        facts.vpc_id = Some(self.config().vpc_id.clone());
        failed.extend(put(&mut facts.vpc_cidrs, FactKind::VpcCidrs, cidrs, now));
        failed.extend(put(&mut facts.subnets, FactKind::Subnets, subnets, now));
        failed.extend(put(&mut facts.certificates, FactKind::Certificates, certificates, now));
        failed.extend(put(&mut facts.security_groups, FactKind::SecurityGroups, security_groups, now));
        failed.extend(put(&mut facts.target_group_names, FactKind::TargetGroups, names, now));
        failed
    }
}

fn put<T>(
    slot: &mut Option<Aged<T>>,
    kind: FactKind,
    read: Result<T, CloudError>,
    now: Timestamp,
) -> Option<(FactKind, CloudError)> {
    match read {
        Ok(value) => {
            *slot = Some(Aged { value, read_at: now });
            None
        }
        Err(error) => Some((kind, error)),
    }
}
