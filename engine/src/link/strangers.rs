//! What carries a group's tags and was not made for it, as far as anybody can tell: tags are anybody's to write.
//!
//! A resource is the group's own if the ledger names it, or if it has a name that is given to that resource. Without a ledger
//! one that fits what is wanted is taken over, as the predecessor does; but nothing else is ever deleted.

use std::collections::BTreeSet;

use crate::stack::{Observed, Scheme, Tags, load_balancer_name, managed_security_group_name, nlb_name, resource_of};
use crate::world::View;

const NAME: &str = "alb.ingress.kubernetes.io/load-balancer-name";

/// Parts of ARNs, and the words of the command line of AWS for what has them.
const KINDS_OF_ELBV2: [(&str, &str); 2] = [(":targetgroup/", "target-group"), (":loadbalancer/", "load-balancer")];

/// Something with the group's tags that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// ARN, or id of a security group.
    pub arn: String,
    /// Its name.
    pub name: String,
}

impl Orphan {
    /// What a person can do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        let Self { arn, .. } = self;
        match KINDS_OF_ELBV2.iter().find(|(part, _)| arn.contains(part)) {
            Some((_, kind)) => format!(
                "delete it with `aws elbv2 delete-{kind} --{kind}-arn {arn}`, or take the tag from it with `aws elbv2 remove-tags \
                 --resource-arns {arn} --tag-keys ingress.k8s.aws/stack`"
            ),
            None => format!(
                "delete it with `aws ec2 delete-security-group --group-id {arn}`, or take the tag from it with `aws ec2 delete-tags \
                 --resources {arn} --tags Key=ingress.k8s.aws/stack`"
            ),
        }
    }
}

/// Notes which of what was observed are strangers. Where the ledger knows what the group has, or nobody is in the group any more, they
/// are taken out of what was observed: nothing of them is wanted. Returns those.
pub fn set_strangers_apart(observed: &mut Observed, view: &View, cluster: &str) -> Vec<Orphan> {
    let own = Own::of(view, cluster);
    let named = names(observed);
    let strangers = named.into_iter().filter(|(orphan, kind, tags)| !own.has(orphan, *kind, tags));
    let strangers: Vec<Orphan> = strangers.map(|(orphan, ..)| orphan).collect();
    observed.strangers = strangers.iter().map(|orphan| orphan.arn.clone()).collect();
    if !own.is_known && !view.members.is_empty() {
        return Vec::new();
    }
    let Observed { load_balancers, target_groups, security_groups, nlbs, nlb_target_groups, strangers: apart, .. } =
        observed;
    load_balancers.retain(|found| !apart.contains(&found.arn));
    target_groups.retain(|found| !apart.contains(&found.arn));
    security_groups.retain(|found| !apart.contains(&found.arn));
    nlbs.retain(|found| !apart.contains(&found.arn));
    nlb_target_groups.retain(|found| !apart.contains(&found.arn));
    strangers
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    LoadBalancer,
    Nlb,
    TargetGroup,
    NlbTargetGroup,
    SecurityGroup,
}

fn names(observed: &Observed) -> Vec<(Orphan, Kind, Tags)> {
    let mut names = Vec::new();
    let mut add = |arn: &String, name: &String, kind, tags: &Tags| {
        names.push((Orphan { arn: arn.clone(), name: name.clone() }, kind, tags.clone()));
    };
    observed
        .load_balancers
        .iter()
        .for_each(|found| add(&found.arn, &found.is.name, Kind::LoadBalancer, &found.is.tags));
    observed.nlbs.iter().for_each(|found| add(&found.arn, &found.is.name, Kind::Nlb, &found.is.tags));
    observed.target_groups.iter().for_each(|found| add(&found.arn, &found.is.name, Kind::TargetGroup, &found.is.tags));
    let frontends = observed.nlb_target_groups.iter();
    frontends.for_each(|found| add(&found.arn, &found.is.name, Kind::NlbTargetGroup, &found.is.tags));
    observed
        .security_groups
        .iter()
        .for_each(|found| add(&found.arn, &found.is.name, Kind::SecurityGroup, &found.is.tags));
    names
}

/// What is the group's own.
struct Own {
    /// ARNs that the ledger names.
    ledger: BTreeSet<String>,
    /// Whether it names any: a group that was reached once.
    is_known: bool,
    /// Names of its load balancer, present and past.
    balancers: BTreeSet<String>,
    security_group: String,
    /// What names of the NLB's target groups begin with.
    group: String,
}

impl Own {
    fn of(view: &View, cluster: &str) -> Self {
        let status = view.ledger.as_ref().and_then(|ledger| ledger.status.as_ref());
        let resources = status.into_iter().flat_map(|status| status.resources.values().cloned());
        let balancer = status.and_then(|status| status.load_balancer.as_ref()).map(|is| is.arn.clone());
        let ledger: BTreeSet<String> = resources.chain(balancer).filter(|arn| !arn.is_empty()).collect();
        let mut balancers: BTreeSet<String> = [Scheme::Internal, Scheme::InternetFacing]
            .map(|scheme| load_balancer_name(cluster, &view.group, scheme))
            .into();
        balancers.extend(view.ingresses().filter_map(|one| one.metadata.annotations.as_ref()?.get(NAME).cloned()));
        let params = view.members.iter().filter_map(|member| member.class.params.as_ref());
        balancers.extend(params.filter_map(|params| params.spec.load_balancer_name.clone()));
        let security_group = managed_security_group_name(cluster, &view.group);
        let group = security_group.rsplit_once('-').map(|(begin, _)| format!("{begin}-")).unwrap_or_default();
        Self { is_known: !ledger.is_empty(), ledger, balancers, security_group, group }
    }

    fn has(&self, found: &Orphan, kind: Kind, tags: &Tags) -> bool {
        let name = found.name.as_str();
        self.ledger.contains(&found.arn)
            || match kind {
                Kind::LoadBalancer => self.balancers.contains(name),
                Kind::Nlb => self.balancers.iter().any(|balancer| nlb_name(balancer) == name),
                Kind::TargetGroup => is_of(name, resource_of(tags)),
                Kind::NlbTargetGroup => name.strip_prefix(&self.group).is_some_and(is_hash),
                Kind::SecurityGroup => name == self.security_group,
            }
    }
}

/// Whether a target group has a name as it is given: `k8s-NAMESPACE-SERVICE-HASH`, of the resource that its tag names.
fn is_of(name: &str, resource: Option<&str>) -> bool {
    let parts = || name.strip_prefix("k8s-")?.rsplit_once('-');
    let Some((begin, hash)) = parts() else { return false };
    let short = |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect() };
    let fits = |id: &str| {
        let (namespace, rest) = id.split_once('/')?;
        let named = begin.split_once('-')?;
        let namespace = short(namespace);
        Some(!named.0.is_empty() && namespace.starts_with(named.0) && short(rest).contains(named.1))
    };
    is_hash(hash) && resource.is_none_or(|id| fits(id).unwrap_or(true))
}

fn is_hash(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
