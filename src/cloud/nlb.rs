//! What AWS holds of the NLB in front of a group's load balancer.

use albedo_engine::stack::{ObservedNlb, ObservedNlbListener, ObservedNlbTargetGroup};
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
        let tagged = self.config().tag_listeners_and_rules;
        let arns = listeners.iter().filter(|_| tagged).filter_map(|listener| listener.listener_arn.clone());
        let mut tags = self.tags_of(arns.collect()).await?;
        let with_tags = |listener: &sdk::Listener| {
            let tags = listener.listener_arn().and_then(|arn| tags.remove(arn)).unwrap_or_default();
            nlb::listener(listener, tags)
        };
        listeners.iter().map(with_tags).collect()
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
