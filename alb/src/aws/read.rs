//! Reads what AWS holds of a region's load balancers, the way any client does: by describing it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use albedo_elbv2::{Incomplete, need};
use albedo_engine::stack::{Action, Attributes, Listener, Protocol, Ref, Tags, Target, TargetHealth};
use aws_sdk_elasticloadbalancingv2::error::{DisplayErrorContext, SdkError};
use aws_sdk_elasticloadbalancingv2::types as sdk;
use futures::future::{try_join, try_join_all, try_join3};

use super::Clients;
use crate::snapshot::{Balancer, Group, Snapshot};

/// Why AWS could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// AWS says something else.
    #[error("{0}")]
    Aws(String),
    /// An answer lacks something.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
}

impl<E: std::error::Error + 'static, R: std::fmt::Debug + 'static> From<SdkError<E, R>> for ReadError {
    fn from(error: SdkError<E, R>) -> Self {
        Self::Aws(DisplayErrorContext(error).to_string())
    }
}

/// All pages of a list.
macro_rules! paged {
    ($request:expr, $items:ident) => {{
        let mut all = Vec::new();
        let mut marker = None;
        loop {
            let page = $request.set_marker(marker).send().await?;
            all.extend(page.$items.unwrap_or_default());
            marker = page.next_marker.filter(|next| !next.is_empty());
            if marker.is_none() {
                break all;
            }
        }
    }};
}

/// Reads a region; remembers what never changes.
#[derive(Debug)]
pub(crate) struct Reader {
    clients: Clients,
    instances: BTreeMap<String, IpAddr>,
    certificates: BTreeMap<String, Vec<String>>,
}

impl Reader {
    /// A reader that knows nothing yet.
    pub(crate) fn new(clients: Clients) -> Self {
        Self { clients, instances: BTreeMap::new(), certificates: BTreeMap::new() }
    }

    /// What there is now.
    pub(crate) async fn read(&mut self, version: u64) -> Result<Snapshot, ReadError> {
        let elbv2 = &self.clients.elbv2;
        let listed = paged!(elbv2.describe_load_balancers(), load_balancers);
        let albs = listed.iter().filter(|one| one.r#type() == Some(&sdk::LoadBalancerTypeEnum::Application));
        let balancers = try_join_all(albs.map(|one| self.balancer(one))).await?;
        let balancers: BTreeMap<String, Balancer> = balancers.into_iter().collect();
        let listed = paged!(elbv2.describe_target_groups(), target_groups);
        let used = used(&balancers);
        let groups = try_join_all(listed.iter().map(|one| self.group(one, &used))).await?;
        let groups: BTreeMap<String, Group> = groups.into_iter().flatten().collect();
        self.learn_instances(&groups).await?;
        self.learn_certificates(&balancers).await?;
        Ok(Snapshot {
            version,
            balancers,
            groups,
            instances: self.instances.clone(),
            certificates: self.certificates.clone(),
        })
    }

    async fn balancer(&self, from: &sdk::LoadBalancer) -> Result<(String, Balancer), ReadError> {
        let arn = need("DescribeLoadBalancers", "LoadBalancerArn", from.load_balancer_arn.clone())?;
        let elbv2 = &self.clients.elbv2;
        let attributes = async {
            let answer = elbv2.describe_load_balancer_attributes().load_balancer_arn(&arn).send().await?;
            let pairs = answer.attributes.unwrap_or_default().into_iter();
            Ok::<Attributes, ReadError>(pairs.filter_map(|one| one.key.zip(one.value)).collect())
        };
        let listeners = async {
            let listed = paged!(elbv2.describe_listeners().load_balancer_arn(&arn), listeners);
            try_join_all(listed.iter().map(|one| self.listener(one))).await
        };
        let (attributes, listeners) = try_join(attributes, listeners).await?;
        let balancer = Balancer {
            is: albedo_elbv2::load_balancer(from, Tags::new(), attributes)?,
            dns_name: need("DescribeLoadBalancers", "DNSName", from.dns_name.clone())?,
            state: albedo_elbv2::state(from)?,
            listeners: listeners.into_iter().map(|listener| (listener.port, listener)).collect(),
        };
        Ok((arn, balancer))
    }

    async fn listener(&self, from: &sdk::Listener) -> Result<Listener, ReadError> {
        let arn = need("DescribeListeners", "ListenerArn", from.listener_arn.clone())?;
        let elbv2 = &self.clients.elbv2;
        let attributes = async {
            let answer = elbv2.describe_listener_attributes().listener_arn(&arn).send().await?;
            let pairs = answer.attributes.unwrap_or_default().into_iter();
            Ok::<Attributes, ReadError>(pairs.filter_map(|one| one.key.zip(one.value)).collect())
        };
        let rules = async { Ok(paged!(elbv2.describe_rules().listener_arn(&arn), rules)) };
        let secure = from.protocol().is_some_and(|protocol| protocol.as_str() == Protocol::Https.as_str());
        let certificates = async {
            if !secure {
                return Ok(Vec::new());
            }
            let all = paged!(elbv2.describe_listener_certificates().listener_arn(&arn), certificates);
            let further = all.into_iter().filter(|one| one.is_default() != Some(true));
            Ok(further.filter_map(|one| one.certificate_arn).collect::<Vec<_>>())
        };
        let (attributes, rules, certificates) = try_join3(attributes, rules, certificates).await?;
        let mut is = albedo_elbv2::listener(from, Tags::new(), attributes)?;
        is.certificates.extend(certificates);
        is.rules = rules.iter().filter_map(|rule| albedo_elbv2::rule(rule, Tags::new())).collect();
        is.rules.sort_by_key(|rule| rule.priority);
        Ok(is)
    }

    /// `None` for one that no Application Load Balancer forwards to over HTTP: of TCP, of functions.
    async fn group(
        &self,
        from: &sdk::TargetGroup,
        used: &BTreeSet<String>,
    ) -> Result<Option<(String, Group)>, ReadError> {
        let arn = need("DescribeTargetGroups", "TargetGroupArn", from.target_group_arn.clone())?;
        if albedo_elbv2::target_group(from, Tags::new(), Attributes::new()).is_err() {
            return Ok(None);
        }
        let elbv2 = &self.clients.elbv2;
        let attributes = async {
            let answer = elbv2.describe_target_group_attributes().target_group_arn(&arn).send().await?;
            let pairs = answer.attributes.unwrap_or_default().into_iter();
            Ok::<Attributes, ReadError>(pairs.filter_map(|one| one.key.zip(one.value)).collect())
        };
        let health = async {
            let answer = elbv2.describe_target_health().target_group_arn(&arn).send().await?;
            let said = answer.target_health_descriptions.unwrap_or_default();
            Ok(said.iter().map(albedo_elbv2::target_health).collect::<Result<Vec<_>, _>>()?)
        };
        let (attributes, health) = try_join(attributes, health).await?;
        let is = albedo_elbv2::target_group(from, Tags::new(), attributes)?;
        let stays = |one: TargetHealth| (!one.is_draining()).then_some(one.target);
        let targets: Vec<Target> = health.into_iter().filter_map(stays).collect();
        let used = used.contains(&arn);
        Ok(Some((arn, Group { is, used, targets })))
    }

    /// The private addresses of instances that are targets and not known yet.
    async fn learn_instances(&mut self, groups: &BTreeMap<String, Group>) -> Result<(), ReadError> {
        let ids = groups.values().flat_map(|group| &group.targets).map(|target| target.id.as_str());
        let unknown: BTreeSet<&str> =
            ids.filter(|id| id.starts_with("i-") && !self.instances.contains_key(*id)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let ids = unknown.into_iter().map(str::to_owned).collect();
        let answer = self.clients.ec2.describe_instances().set_instance_ids(Some(ids)).send().await?;
        let instances = answer.reservations.iter().flatten().flat_map(aws_sdk_ec2::types::Reservation::instances);
        let address = |one: &aws_sdk_ec2::types::Instance| {
            Some((one.instance_id.clone()?, one.private_ip_address.as_deref()?.parse().ok()?))
        };
        self.instances.extend(instances.filter_map(address));
        Ok(())
    }

    /// The domains of certificates that are in use and not known yet. One that cannot be read has none: its listener serves all the same.
    async fn learn_certificates(&mut self, balancers: &BTreeMap<String, Balancer>) -> Result<(), ReadError> {
        let listeners = balancers.values().flat_map(|balancer| balancer.listeners.values());
        let arns: BTreeSet<&String> = listeners.flat_map(|listener| &listener.certificates).collect();
        let unknown: Vec<String> =
            arns.into_iter().filter(|arn| !self.certificates.contains_key(*arn)).cloned().collect();
        for arn in unknown {
            let answer = self.clients.acm.describe_certificate().certificate_arn(&arn).send().await;
            let domains = match answer {
                Ok(answer) => answer.certificate.map(|is| {
                    let names = is.subject_alternative_names.unwrap_or_default();
                    if names.is_empty() { is.domain_name.into_iter().collect() } else { names }
                }),
                Err(error) => {
                    tracing::debug!(arn, error = %DisplayErrorContext(&error), "ACM does not tell of a certificate");
                    None
                }
            };
            self.certificates.insert(arn, domains.unwrap_or_default());
        }
        Ok(())
    }
}

/// ARNs of the target groups that a listener or a rule forwards to.
fn used(balancers: &BTreeMap<String, Balancer>) -> BTreeSet<String> {
    let listeners = balancers.values().flat_map(|balancer| balancer.listeners.values());
    let actions = listeners.flat_map(|listener| {
        listener.default_actions.iter().chain(listener.rules.iter().flat_map(|rule| rule.actions.iter()))
    });
    let tuples = actions.filter_map(|action| match action {
        Action::Forward(forward) => Some(&forward.target_groups),
        _ => None,
    });
    let arns = tuples.flatten().filter_map(|tuple| match &tuple.target_group {
        Ref::Known(arn) => Some(arn.clone()),
        Ref::Of(_) => None,
    });
    arns.collect()
}
