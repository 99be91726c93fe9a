//! Listeners, their certificates, and rules.

use albedo_engine::stack::{Attributes, Listener, Ref, Rule, Tags};
use aws_sdk_elasticloadbalancingv2::operation::create_listener::builders::CreateListenerFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::RulePriorityPair;

use super::{Applied, CloudError, Writing, gone_is_fine};
use crate::cloud::call::elbv2;
use crate::cloud::convert::{action, condition, rule, write};
use crate::cloud::error::need;

impl Writing<'_> {
    pub(super) async fn create_listener(&self, balancer: &Ref, is: &Listener) -> Result<Applied, CloudError> {
        let op = elbv2("CreateListener");
        let names = self.names(op);
        let request = self
            .new_listener(names.resolve(balancer)?, is.port, &is.tags)
            .protocol(is.protocol.as_str().into())
            .set_default_actions(action::to_aws(&is.default_actions, &names)?)
            .set_certificates(is.certificates.first().map(|arn| vec![write::certificate(arn)]))
            .set_ssl_policy(is.ssl_policy.clone())
            .set_mutual_authentication(is.mutual_authentication.as_ref().map(write::mutual_authentication));
        self.send_listener(request).await
    }

    /// A request for a listener of either kind of load balancer, its protocol and actions aside.
    pub(super) fn new_listener(&self, balancer: &str, port: u16, tags: &Tags) -> CreateListenerFluentBuilder {
        let request = self.cloud.write().elbv2.create_listener().load_balancer_arn(balancer);
        request.port(port.into()).set_tags(write::tags(tags))
    }

    pub(super) async fn send_listener(&self, request: CreateListenerFluentBuilder) -> Result<Applied, CloudError> {
        let op = elbv2("CreateListener");
        let answer = self.send(op, || request.clone().send()).await?;
        let made = answer.listeners.unwrap_or_default().into_iter().next();
        Ok(Applied { arn: Some(need(op.name, "ListenerArn", made.and_then(|one| one.listener_arn))?), dns_name: None })
    }

    pub(super) async fn modify_listener(&self, arn: &str, is: &Listener) -> Result<(), CloudError> {
        let op = elbv2("ModifyListener");
        let names = self.names(op);
        let request = self
            .cloud
            .write()
            .elbv2
            .modify_listener()
            .listener_arn(arn)
            .port(is.port.into())
            .protocol(is.protocol.as_str().into())
            .set_default_actions(action::to_aws(&is.default_actions, &names)?)
            .set_certificates(is.certificates.first().map(|arn| vec![write::certificate(arn)]))
            .set_ssl_policy(is.ssl_policy.clone())
            .set_mutual_authentication(is.mutual_authentication.as_ref().map(write::mutual_authentication));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn modify_listener_attributes(
        &self,
        listener: &Ref,
        attributes: &Attributes,
    ) -> Result<(), CloudError> {
        let op = elbv2("ModifyListenerAttributes");
        let request = self
            .cloud
            .write()
            .elbv2
            .modify_listener_attributes()
            .listener_arn(self.names(op).resolve(listener)?)
            .set_attributes(write::listener_attributes(attributes));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn add_certificate(&self, listener: &Ref, certificate: &str) -> Result<(), CloudError> {
        let op = elbv2("AddListenerCertificates");
        let request = self.cloud.write().elbv2.add_listener_certificates();
        let request =
            request.listener_arn(self.names(op).resolve(listener)?).certificates(write::certificate(certificate));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn remove_certificate(&self, listener: &str, certificate: &str) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.remove_listener_certificates();
        let request = request.listener_arn(listener).certificates(write::certificate(certificate));
        gone_is_fine(self.send(elbv2("RemoveListenerCertificates"), || request.clone().send()).await)
    }

    pub(super) async fn delete_listener(&self, arn: &str) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.delete_listener().listener_arn(arn);
        gone_is_fine(self.send(elbv2("DeleteListener"), || request.clone().send()).await)
    }

    pub(super) async fn create_rule(&self, listener: &Ref, is: &Rule) -> Result<Applied, CloudError> {
        let op = elbv2("CreateRule");
        let names = self.names(op);
        let request = self
            .cloud
            .write()
            .elbv2
            .create_rule()
            .listener_arn(names.resolve(listener)?)
            .priority(priority(is.priority))
            .set_conditions(condition::to_aws(&is.conditions))
            .set_actions(action::to_aws(&is.actions, &names)?)
            .set_transforms(rule::transforms_to_aws(&is.transforms))
            .set_tags(write::tags(&is.tags.all()));
        let answer = self.send(op, || request.clone().send()).await?;
        let made = answer.rules.unwrap_or_default().into_iter().next();
        Ok(Applied { arn: Some(need(op.name, "RuleArn", made.and_then(|one| one.rule_arn))?), dns_name: None })
    }

    pub(super) async fn modify_rule(&self, arn: &str, is: &Rule, reset_transforms: bool) -> Result<(), CloudError> {
        let op = elbv2("ModifyRule");
        let request = self
            .cloud
            .write()
            .elbv2
            .modify_rule()
            .rule_arn(arn)
            .set_conditions(condition::to_aws(&is.conditions))
            .set_actions(action::to_aws(&is.actions, &self.names(op))?)
            .set_transforms(rule::transforms_to_aws(&is.transforms))
            .set_reset_transforms(reset_transforms.then_some(true));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn set_rule_priorities(&self, priorities: &[(Ref, u32)]) -> Result<(), CloudError> {
        let op = elbv2("SetRulePriorities");
        let names = self.names(op);
        let pair = |(rule, to): &(Ref, u32)| {
            Ok(RulePriorityPair::builder().rule_arn(names.resolve(rule)?).priority(priority(*to)).build())
        };
        let pairs = priorities.iter().map(pair).collect::<Result<_, CloudError>>()?;
        let request = self.cloud.write().elbv2.set_rule_priorities().set_rule_priorities(Some(pairs));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn delete_rule(&self, arn: &str) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.delete_rule().rule_arn(arn);
        gone_is_fine(self.send(elbv2("DeleteRule"), || request.clone().send()).await)
    }
}

/// 1–50000, so that it always fits; what doesn't fit is for AWS to refuse.
fn priority(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
