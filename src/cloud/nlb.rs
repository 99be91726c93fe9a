//! What AWS holds of the NLB in front of a group's load balancer.

use std::collections::BTreeMap;

use albedo_engine::stack::{Attributes, ObservedNlb, ObservedNlbListener, ObservedNlbTargetGroup};
use aws_sdk_elasticloadbalancingv2::types as sdk;
use futures::future::{try_join, try_join_all};

use super::Cloud;
use super::convert::nlb;
use super::error::CloudError;
use super::inventory::Tagged;
use super::observe::load_balancer;

/// NLBs and target groups of type `alb`.
type Frontend = (Vec<ObservedNlb>, Vec<ObservedNlbTargetGroup>);

impl Cloud {
    pub(super) async fn observe_nlbs(
        &self,
        nlbs: Vec<(String, Tagged<sdk::LoadBalancer>)>,
        groups: Vec<(String, Tagged<sdk::TargetGroup>)>,
    ) -> Result<Frontend, CloudError> {
        let nlbs = nlbs.into_iter().map(|(arn, held)| self.observe_nlb(arn, held));
        let groups = groups.into_iter().map(|(arn, held)| self.observe_alb_target_group(arn, held));
        try_join(try_join_all(nlbs), try_join_all(groups)).await
    }

    async fn observe_nlb(&self, arn: String, held: Tagged<sdk::LoadBalancer>) -> Result<ObservedNlb, CloudError> {
        let (attributes, listeners) =
            try_join(self.load_balancer_attributes(&arn), self.observe_nlb_listeners(&arn)).await?;
        load_balancer(arn, held, attributes, listeners)
    }

    async fn observe_nlb_listeners(&self, arn: &str) -> Result<Vec<ObservedNlbListener>, CloudError> {
        let listeners = self.listeners(arn).await?;
        let arns: Vec<String> = listeners.iter().filter_map(|listener| listener.listener_arn.clone()).collect();
        let attributes = try_join_all(arns.iter().map(|arn| self.listener_attributes(arn))).await?;
        let mut attributes: BTreeMap<&String, Attributes> = arns.iter().zip(attributes).collect();
        let tagged = if self.config().tag_listeners_and_rules { arns.clone() } else { Vec::new() };
        let mut tags = self.tags_of(tagged).await?;
        let complete = |listener: &sdk::Listener| {
            let arn = listener.listener_arn.clone().unwrap_or_default();
            let (attributes, tags) = (attributes.remove(&arn), tags.remove(&arn));
            nlb::listener(listener, attributes.unwrap_or_default(), tags.unwrap_or_default())
        };
        listeners.iter().map(complete).collect()
    }

    async fn observe_alb_target_group(
        &self,
        arn: String,
        (group, tags): Tagged<sdk::TargetGroup>,
    ) -> Result<ObservedNlbTargetGroup, CloudError> {
        let targets = self.target_health(&arn).await?;
        let targets = targets.into_iter().filter(|health| !health.is_draining()).map(|health| health.target);
        Ok(ObservedNlbTargetGroup { is: nlb::target_group(&group, tags)?, targets: targets.collect(), arn })
    }
}
