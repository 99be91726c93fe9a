//! What AWS holds of one group.

use std::collections::{BTreeMap, BTreeSet};

use albedo_engine::plan::operation::ApiService;
use albedo_engine::stack::{
    Action, Addons, Attributes, Found, GroupId, Observed, ObservedListener, ObservedLoadBalancer, Protocol,
    SecurityGroup, Tags, TargetGroup, TargetHealth,
};
use aws_sdk_elasticloadbalancingv2::types as sdk;
use futures::future::{OptionFuture, try_join, try_join_all, try_join3};

use super::Cloud;
use super::call::paged;
use super::convert;
use super::error::{CloudError, need};
use super::inventory::{Tagged, has_alb};

impl Cloud {
    /// Everything that carries the tags of the group and this cluster in this VPC, and the cluster's backend security group.
    ///
    /// Which resources there are comes from an index that is a few seconds old at most; what they are is read now.
    ///
    /// # Errors
    ///
    /// Whatever AWS says. When something goes while it is read that is `NotFound`, and the next time sees it gone.
    pub async fn observe(&self, group: &GroupId) -> Result<Observed, CloudError> {
        let observed = self.observe_now(group).await;
        if matches!(observed, Err(CloudError::NotFound(_))) {
            self.invalidate();
        }
        observed
    }

    async fn observe_now(&self, group: &GroupId) -> Result<Observed, CloudError> {
        let (held, backend) = self.held(group).await?;
        let (nlbs, balancers): (Vec<_>, Vec<_>) =
            held.load_balancers.into_iter().partition(|(_, (balancer, _))| is_nlb(balancer));
        let (frontends, groups): (Vec<_>, Vec<_>) =
            held.target_groups.into_iter().partition(|(_, (group, _))| has_alb(group));
        let balancers = balancers.into_iter().map(|(arn, held)| self.observe_load_balancer(arn, held));
        let groups = groups.into_iter().map(|(arn, held)| self.observe_target_group(arn, held));
        let frontend = self.observe_nlbs(nlbs, frontends);
        let (load_balancers, target_groups, (nlbs, nlb_target_groups)) =
            try_join3(try_join_all(balancers), try_join_all(groups), frontend).await?;
        Ok(Observed {
            load_balancers,
            target_groups,
            nlbs,
            nlb_target_groups,
            security_groups: held.security_groups.into_iter().map(security_group).collect::<Result<_, _>>()?,
            backend_security_group: backend.map(security_group).transpose()?,
            strangers: BTreeSet::new(),
        })
    }

    /// Whether a load balancer is there, past everything that is remembered.
    ///
    /// # Errors
    ///
    /// Whatever AWS says.
    pub async fn is_there(&self, load_balancer: &str) -> Result<bool, CloudError> {
        Ok(!self.existing_load_balancers(vec![load_balancer.to_owned()]).await?.is_empty())
    }

    /// The cluster whose tag a load balancer carries: the empty text if none; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// Whatever AWS says.
    pub async fn cluster_of(&self, load_balancer: &str) -> Result<Option<String>, CloudError> {
        if !self.is_there(load_balancer).await? {
            return Ok(None);
        }
        let mut tags = self.tags_of(vec![load_balancer.to_owned()]).await?;
        Ok(tags.remove(load_balancer).map(|tags| super::inventory::cluster_of(&tags).unwrap_or_default().to_owned()))
    }

    /// As much of [`Cloud::observe`] as the index has, which is read for all groups together: load balancers without
    /// attributes and listeners, target groups without attributes. `None` for a group with an NLB.
    ///
    /// # Errors
    ///
    /// Whatever AWS says.
    pub async fn outline(&self, group: &GroupId) -> Result<Option<Observed>, CloudError> {
        let (held, backend) = self.held(group).await?;
        if held.load_balancers.values().any(|(balancer, _)| is_nlb(balancer)) {
            return Ok(None);
        }
        let balancer = |(arn, held)| load_balancer(arn, held, Attributes::new(), Vec::new());
        let target_group = |(arn, (group, tags)): (String, Tagged<sdk::TargetGroup>)| {
            Ok(Found { is: albedo_elbv2::target_group(&group, tags, Attributes::new())?, arn })
        };
        Ok(Some(Observed {
            load_balancers: held.load_balancers.into_iter().map(balancer).collect::<Result<_, CloudError>>()?,
            target_groups: held.target_groups.into_iter().map(target_group).collect::<Result<_, CloudError>>()?,
            nlbs: Vec::new(),
            nlb_target_groups: Vec::new(),
            security_groups: held.security_groups.into_iter().map(security_group).collect::<Result<_, _>>()?,
            backend_security_group: backend.map(security_group).transpose()?,
            strangers: BTreeSet::new(),
        }))
    }

    async fn observe_load_balancer(
        &self,
        arn: String,
        held: Tagged<sdk::LoadBalancer>,
    ) -> Result<ObservedLoadBalancer, CloudError> {
        let (attributes, listeners) =
            try_join(self.load_balancer_attributes(&arn), self.observe_listeners(&arn)).await?;
        load_balancer(arn, held, attributes, listeners)
    }

    pub(super) async fn listeners(&self, balancer: &str) -> Result<Vec<sdk::Listener>, CloudError> {
        paged("DescribeListeners", |marker| async {
            let request = self.read().elbv2.describe_listeners().load_balancer_arn(balancer).set_marker(marker);
            let page = self.call(ApiService::Elbv2.call("DescribeListeners"), request.send()).await?;
            Ok((page.listeners, page.next_marker))
        })
        .await
    }

    /// By port.
    async fn observe_listeners(&self, balancer: &str) -> Result<Vec<ObservedListener>, CloudError> {
        let listeners = self.listeners(balancer).await?;
        let read = try_join_all(listeners.into_iter().map(|listener| self.read_listener(listener))).await?;
        // Tags of listeners and rules together: hardly more calls than for the listeners alone.
        let mut tags = self.listener_tags(&read).await?;
        let mut observed = Vec::new();
        for ReadListener { arn, listener, attributes, certificates, rules } in read {
            let mut tags_of = |arn: &String| tags.remove(arn).unwrap_or_default();
            let mut is = albedo_elbv2::listener(&listener, tags_of(&arn), attributes)?;
            is.certificates.extend(certificates);
            warn_of(&arn, &Action::unknown(&is.default_actions).collect::<Vec<_>>());
            let found = |rule: sdk::Rule| {
                let arn = rule.rule_arn.clone()?;
                let is = albedo_elbv2::rule(&rule, tags_of(&arn))?;
                warn_of(&arn, &is.unknown());
                Some(Found { is, arn })
            };
            let mut rules: Vec<_> = rules.into_iter().filter_map(found).collect();
            rules.sort_by_key(|rule| rule.is.priority);
            observed.push(ObservedListener { arn, is, rules });
        }
        observed.sort_by_key(|listener| listener.is.port);
        Ok(observed)
    }

    async fn read_listener(&self, listener: sdk::Listener) -> Result<ReadListener, CloudError> {
        let arn = need("DescribeListeners", "ListenerArn", listener.listener_arn.clone())?;
        let secure = listener.protocol().is_some_and(|protocol| protocol.as_str() == Protocol::Https.as_str());
        let certificates: OptionFuture<_> = secure.then(|| self.further_certificates(&arn)).into();
        let (attributes, rules, certificates) =
            try_join3(self.listener_attributes(&arn), self.rules(&arn), async { certificates.await.transpose() })
                .await?;
        Ok(ReadListener { attributes, rules, certificates: certificates.unwrap_or_default(), listener, arn })
    }

    pub(super) async fn rules(&self, listener: &str) -> Result<Vec<sdk::Rule>, CloudError> {
        paged("DescribeRules", |marker| async {
            let request = self.read().elbv2.describe_rules().listener_arn(listener).set_marker(marker);
            let page = self.call(ApiService::Elbv2.call("DescribeRules"), request.send()).await?;
            Ok((page.rules, page.next_marker))
        })
        .await
    }

    /// ARNs of the certificates that are chosen by server name, sorted. The default one is among them if it was also added
    /// to the list.
    async fn further_certificates(&self, listener: &str) -> Result<Vec<String>, CloudError> {
        let all = paged("DescribeListenerCertificates", |marker| async {
            let request = self.read().elbv2.describe_listener_certificates().listener_arn(listener).set_marker(marker);
            let page = self.call(ApiService::Elbv2.call("DescribeListenerCertificates"), request.send()).await?;
            Ok((page.certificates, page.next_marker))
        })
        .await?;
        let further = all.into_iter().filter(|one| one.is_default() != Some(true));
        let mut arns: Vec<_> = further.filter_map(|one| one.certificate_arn).collect();
        arns.sort_unstable();
        Ok(arns)
    }

    async fn listener_tags(&self, read: &[ReadListener]) -> Result<BTreeMap<String, Tags>, CloudError> {
        if !self.config().tag_listeners_and_rules {
            return Ok(BTreeMap::new());
        }
        let arns = read.iter().flat_map(|one| {
            // The default rule carries no tags of ours.
            let rules = one.rules.iter().filter(|rule| rule.is_default() != Some(true));
            std::iter::once(one.arn.clone()).chain(rules.filter_map(|rule| rule.rule_arn.clone()))
        });
        self.tags_of(arns.collect()).await
    }

    async fn observe_target_group(
        &self,
        arn: String,
        (group, tags): Tagged<sdk::TargetGroup>,
    ) -> Result<Found<TargetGroup>, CloudError> {
        let attributes = self.target_group_attributes(&arn).await?;
        Ok(Found { is: albedo_elbv2::target_group(&group, tags, attributes)?, arn })
    }

    pub(super) async fn load_balancer_attributes(&self, arn: &str) -> Result<Attributes, CloudError> {
        let request = self.read().elbv2.describe_load_balancer_attributes().load_balancer_arn(arn);
        let answer = self.call(ApiService::Elbv2.call("DescribeLoadBalancerAttributes"), request.send()).await?;
        Ok(answer.attributes.into_iter().flatten().filter_map(|one| one.key.zip(one.value)).collect())
    }

    pub(super) async fn listener_attributes(&self, arn: &str) -> Result<Attributes, CloudError> {
        let request = self.read().elbv2.describe_listener_attributes().listener_arn(arn);
        let answer = self.call(ApiService::Elbv2.call("DescribeListenerAttributes"), request.send()).await?;
        Ok(answer.attributes.into_iter().flatten().filter_map(|one| one.key.zip(one.value)).collect())
    }

    async fn target_group_attributes(&self, arn: &str) -> Result<Attributes, CloudError> {
        let request = self.read().elbv2.describe_target_group_attributes().target_group_arn(arn);
        let answer = self.call(ApiService::Elbv2.call("DescribeTargetGroupAttributes"), request.send()).await?;
        Ok(answer.attributes.into_iter().flatten().filter_map(|one| one.key.zip(one.value)).collect())
    }

    /// The targets of a target group and what AWS says of them, draining ones included.
    ///
    /// # Errors
    ///
    /// `NotFound` when the target group is not there.
    pub async fn target_health(&self, target_group_arn: &str) -> Result<Vec<TargetHealth>, CloudError> {
        let request = self.read().elbv2.describe_target_health().target_group_arn(target_group_arn);
        let answer = self.call(ApiService::Elbv2.call("DescribeTargetHealth"), request.send()).await?;
        answer.target_health_descriptions.iter().flatten().map(|one| Ok(albedo_elbv2::target_health(one)?)).collect()
    }
}

/// A listener and what AWS tells of it in other calls.
struct ReadListener {
    arn: String,
    listener: sdk::Listener,
    attributes: Attributes,
    /// Certificates beside the default one.
    certificates: Vec<String>,
    /// The default rule included.
    rules: Vec<sdk::Rule>,
}

/// Somebody else configured it, with a feature of AWS that is newer than this version.
fn warn_of(arn: &str, unknown: &[&str]) {
    if !unknown.is_empty() {
        tracing::warn!(arn, unknown = unknown.join(", "), "AWS holds parts of a rule that this version does not know");
    }
}

fn is_nlb(balancer: &sdk::LoadBalancer) -> bool {
    balancer.r#type() == Some(&sdk::LoadBalancerTypeEnum::Network)
}

pub(super) fn load_balancer<L>(
    arn: String,
    (balancer, tags): Tagged<sdk::LoadBalancer>,
    attributes: Attributes,
    listeners: Vec<L>,
) -> Result<ObservedLoadBalancer<String, L>, CloudError> {
    Ok(ObservedLoadBalancer {
        dns_name: need("DescribeLoadBalancers", "DNSName", balancer.dns_name.clone())?,
        state: albedo_elbv2::state(&balancer)?,
        is: albedo_elbv2::load_balancer(&balancer, tags, attributes)?,
        addons: Addons::new(),
        listeners,
        arn,
    })
}

fn security_group(
    (arn, (group, _)): (String, Tagged<aws_sdk_ec2::types::SecurityGroup>),
) -> Result<Found<SecurityGroup>, CloudError> {
    Ok(Found { is: convert::ec2::security_group(&group)?, arn })
}
