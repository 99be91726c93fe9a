//! Listeners and rules.

use albedo_engine::stack::{Listener, MutualAuthentication, Ref, Rule, Tags};
use aws_sdk_elasticloadbalancingv2::operation::create_listener::builders::CreateListenerFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::{MutualAuthenticationAttributes, RulePriorityPair};

use super::{Applied, CloudError, Writing, done, send};
use crate::cloud::convert::{action, condition, rule, write};
use crate::cloud::error::need;
use crate::cloud::unlisted;

/// What a listener is made with and what it is changed to: two types with the same members.
macro_rules! listening {
    ($request:expr, $is:expr, $names:expr) => {
        $request
            .protocol($is.protocol.as_str().into())
            .set_default_actions(action::to_aws(&$is.default_actions, $names)?)
            .set_certificates($is.certificates.first().map(|arn| vec![write::certificate(arn)]))
            .set_ssl_policy($is.ssl_policy.clone())
            .set_mutual_authentication($is.mutual_authentication.as_ref().map(mutual_authentication))
    };
}

impl Writing<'_> {
    pub(super) async fn create_listener(&self, balancer: &Ref, is: &Listener) -> Result<Applied, CloudError> {
        unlisted::listener(self.call.name, is)?;
        let request = self.new_listener(self.arn(balancer)?, is.port, &is.tags);
        self.send_listener(listening!(request, is, &self.names())).await
    }

    /// A request for a listener of either kind of load balancer, its protocol and actions aside.
    pub(super) fn new_listener(&self, balancer: &str, port: u16, tags: &Tags) -> CreateListenerFluentBuilder {
        let request = self.cloud.write().elbv2.create_listener().load_balancer_arn(balancer);
        request.port(port.into()).set_tags(write::tags(tags))
    }

    pub(super) async fn send_listener(&self, request: CreateListenerFluentBuilder) -> Result<Applied, CloudError> {
        let made = self.send(|| request.clone().send()).await?.listeners.unwrap_or_default().into_iter().next();
        let arn = need(self.call.name, "ListenerArn", made.and_then(|one| one.listener_arn))?;
        Ok(Applied { arn: Some(arn), dns_name: None })
    }

    pub(super) async fn modify_listener(&self, arn: &str, is: &Listener) -> Result<Applied, CloudError> {
        unlisted::listener(self.call.name, is)?;
        let request = self.cloud.write().elbv2.modify_listener().listener_arn(arn).port(is.port.into());
        let request = listening!(request, is, &self.names());
        self.send(|| request.clone().send()).await.map(done)
    }

    pub(super) async fn create_rule(&self, listener: &Ref, is: &Rule) -> Result<Applied, CloudError> {
        let actions = action::to_aws(&is.actions, &self.names())?;
        let answer = send!(
            self,
            elbv2
                .create_rule()
                .listener_arn(self.arn(listener)?)
                .priority(priority(is.priority))
                .set_conditions(condition::to_aws(&is.conditions))
                .set_actions(actions)
                .set_transforms(rule::transforms_to_aws(&is.transforms))
                .set_tags(write::tags(&is.tags.all()))
        )?;
        let made = answer.rules.unwrap_or_default().into_iter().next();
        let arn = need(self.call.name, "RuleArn", made.and_then(|one| one.rule_arn))?;
        Ok(Applied { arn: Some(arn), dns_name: None })
    }

    pub(super) async fn modify_rule(&self, arn: &str, is: &Rule, reset: bool) -> Result<Applied, CloudError> {
        let actions = action::to_aws(&is.actions, &self.names())?;
        send!(
            self,
            elbv2
                .modify_rule()
                .rule_arn(arn)
                .set_conditions(condition::to_aws(&is.conditions))
                .set_actions(actions)
                .set_transforms(rule::transforms_to_aws(&is.transforms))
                .set_reset_transforms(reset.then_some(true))
        )
        .map(done)
    }

    pub(super) async fn set_rule_priorities(&self, priorities: &[(Ref, u32)]) -> Result<Applied, CloudError> {
        let pair = |(rule, to): &(Ref, u32)| {
            Ok(RulePriorityPair::builder().rule_arn(self.arn(rule)?).priority(priority(*to)).build())
        };
        let pairs = priorities.iter().map(pair).collect::<Result<_, CloudError>>()?;
        send!(self, elbv2.set_rule_priorities().set_rule_priorities(Some(pairs))).map(done)
    }
}

fn mutual_authentication(from: &MutualAuthentication) -> MutualAuthenticationAttributes {
    MutualAuthenticationAttributes::builder()
        .mode(&from.mode)
        .set_trust_store_arn(from.trust_store_arn.clone())
        .set_ignore_client_certificate_expiry(from.ignore_client_certificate_expiry)
        .set_advertise_trust_store_ca_names(from.advertise_trust_store_ca_names.as_deref().map(Into::into))
        .build()
}

/// 1–50000, so that it always fits; what doesn't fit is for AWS to refuse.
fn priority(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
