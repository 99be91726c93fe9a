//! What is known of the account, read kind by kind: one that fails keeps what it had, with its age, and the others are new.

mod account;
mod certificates;
mod network;

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use albedo_engine::facts::{Aged, Facts, age};
use futures::future::OptionFuture;
use jiff::Timestamp;
use tokio::time::timeout;

pub(super) use certificates::Certificates;
use network::Groups;
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
    /// Web ACLs by name.
    WebAcls,
    /// Trust stores by name.
    TrustStores,
    /// Prefix lists with their most entries.
    PrefixLists,
    /// The subscription to Shield Advanced.
    Shield,
    /// Limits of the account.
    AccountLimits,
}

impl FactKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::VpcCidrs,
        Self::Subnets,
        Self::Routes,
        Self::Certificates,
        Self::SecurityGroups,
        Self::TargetGroups,
        Self::WebAcls,
        Self::TrustStores,
        Self::PrefixLists,
        Self::Shield,
        Self::AccountLimits,
    ];

    /// When facts of this kind were read last; `None`: never, or they have no time of their own.
    #[must_use]
    pub fn read_at(self, facts: &Facts) -> Option<Timestamp> {
        fn at<T>(known: Option<&Aged<T>>) -> Option<Timestamp> {
            known.map(|known| known.read_at)
        }
        match self {
            Self::VpcCidrs => at(facts.vpc_cidrs.as_ref()),
            Self::Subnets => at(facts.subnets.as_ref()),
            Self::Routes => None,
            Self::Certificates => at(facts.certificates.as_ref()),
            Self::SecurityGroups => at(facts.security_groups.as_ref()),
            Self::TargetGroups => at(facts.target_groups.as_ref()),
            Self::WebAcls => at(facts.web_acls.as_ref()),
            Self::TrustStores => at(facts.trust_stores.as_ref()),
            Self::PrefixLists => at(facts.prefix_lists.as_ref()),
            Self::Shield => at(facts.shield_subscribed.as_ref()),
            Self::AccountLimits => at(facts.account_limits.as_ref()),
        }
    }

    /// The kind that these words stand for.
    #[must_use]
    pub fn parse(words: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == words)
    }

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
            Self::WebAcls => "web ACLs",
            Self::TrustStores => "trust stores",
            Self::PrefixLists => "prefix lists",
            Self::Shield => "the subscription to Shield Advanced",
            Self::AccountLimits => "account limits",
        }
    }

    /// The IAM action that reading it takes.
    #[must_use]
    pub fn permission(self) -> &'static str {
        match self {
            Self::VpcCidrs => "ec2:DescribeVpcs",
            Self::Subnets => "ec2:DescribeSubnets",
            Self::Routes => "ec2:DescribeRouteTables",
            Self::Certificates => "acm:ListCertificates",
            Self::SecurityGroups => "ec2:DescribeSecurityGroups",
            Self::TargetGroups => "elasticloadbalancing:DescribeTargetGroups",
            Self::WebAcls => "wafv2:ListWebACLs",
            Self::TrustStores => "elasticloadbalancing:DescribeTrustStores",
            Self::PrefixLists => "ec2:DescribeManagedPrefixLists",
            Self::Shield => "shield:GetSubscriptionState",
            Self::AccountLimits => "elasticloadbalancing:DescribeAccountLimits",
        }
    }
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long all facts wait for a service of another region once they are there themselves.
const GRACE: Duration = Duration::from_millis(500);
/// What hardly ever changes is read again when it is older than this.
const SLOW: Duration = Duration::from_hours(1);

impl Cloud {
    /// Reads facts anew, each kind for itself, and gives back what failed: those kinds are as they were before.
    /// `now` becomes the age of the others. What hardly ever changes is passed over while it is young, unless `all` of it
    /// is asked for; what the operator switched off is never read.
    pub async fn refresh(&self, facts: &mut Facts, now: Timestamp, all: bool) -> Vec<(FactKind, CloudError)> {
        let foreign = self.foreign_subnets(facts);
        let due = |read_at: Option<Timestamp>| all || read_at.is_none_or(|at| age(at, now) >= SLOW);
        let limits = due(facts.account_limits.as_ref().map(|known| known.read_at)).then(|| self.account_limits());
        let lists = due(facts.prefix_lists.as_ref().map(|known| known.read_at)).then(|| self.prefix_lists());
        let shield = self.config().shield && due(facts.shield_subscribed.as_ref().map(|known| known.read_at));
        let shield = shield.then(|| self.shield_subscribed());
        let acls = self.config().web_acls.then(|| self.web_acls());
        let regional = async {
            futures::join!(
                async { futures::join!(self.vpc_cidrs(), self.subnets(&foreign), self.security_group_facts()) },
                self.certificates(),
                self.all_target_groups(),
                OptionFuture::from(acls),
                self.trust_stores(),
                async { futures::join!(OptionFuture::from(limits), OptionFuture::from(lists)) },
            )
        };
        let (regional, shield) = together(Box::pin(regional), OptionFuture::from(shield)).await;
        let (network, certificates, names, acls, stores, (limits, lists)) = regional;
        let (cidrs, subnets, security_groups) = network;
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
        match names {
            Ok(Groups { names, traits }) => {
                facts.target_group_names = Some(Aged { value: names, read_at: now });
                facts.target_groups = Some(Aged { value: traits, read_at: now });
            }
            Err(error) => failed.push((FactKind::TargetGroups, error)),
        }
        failed.extend(put(&mut facts.trust_stores, FactKind::TrustStores, stores, now));
        failed.extend(acls.and_then(|read| put(&mut facts.web_acls, FactKind::WebAcls, read, now)));
        failed.extend(lists.and_then(|read| put(&mut facts.prefix_lists, FactKind::PrefixLists, read, now)));
        failed.extend(limits.and_then(|read| put(&mut facts.account_limits, FactKind::AccountLimits, read, now)));
        let shield = shield.unwrap_or(Some(Err(CloudError::Slow { operation: "GetSubscriptionState" })));
        failed.extend(shield.and_then(|read| put(&mut facts.shield_subscribed, FactKind::Shield, read, now)));
        failed
    }
}

/// Both, but of the second one no more than what comes while the first is on its way, or soon after. A service of another region may be out
/// of reach (Shield answers in us-east-1 alone: not from China, `GovCloud`, or a VPC without a way out), and the others do not wait for that.
async fn together<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, Option<B>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    tokio::select! {
        biased;
        first = &mut first => (first, timeout(GRACE, second).await.ok()),
        second = &mut second => (first.await, Some(second)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_answer_delays_nobody() {
        let began = tokio::time::Instant::now();
        let silent = std::future::pending::<()>();
        assert_eq!(together(async { 1 }, silent).await, (1, None));
        assert!(began.elapsed() < GRACE * 4);
        assert_eq!(together(async { 1 }, async { 2 }).await, (1, Some(2)));
        let slow = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            1
        };
        assert_eq!(together(slow, async { 2 }).await, (1, Some(2)), "what comes first is kept");
    }
}
