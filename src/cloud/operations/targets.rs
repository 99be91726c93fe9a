//! Target groups and their targets.

use albedo_engine::stack::{HealthCheck, ProtocolVersion, Tags, Target, TargetGroup};
use aws_sdk_elasticloadbalancingv2::operation::create_target_group::builders::CreateTargetGroupFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetGroupIpAddressTypeEnum, TargetTypeEnum};

use super::{Applied, CloudError, Writing, done, gone_is_fine, send};
use crate::cloud::convert::write;
use crate::cloud::error::need;

/// Targets that AWS takes in one call.
const CHUNK: usize = 200;

/// What target groups of both kinds are made with alike.
pub(super) struct NewTargetGroup<'a> {
    pub name: &'a str,
    pub kind: TargetTypeEnum,
    pub port: u16,
    pub protocol: ProtocolEnum,
    pub version: ProtocolVersion,
    pub check: &'a HealthCheck,
    pub tags: &'a Tags,
}

/// Health checks in a request that makes a target group, or in one that changes it: two types with the same members.
macro_rules! checked {
    ($request:expr, $version:expr, $check:expr) => {
        $request
            .health_check_port(&$check.port)
            .health_check_protocol($check.protocol.as_str().into())
            .health_check_path(&$check.path)
            .health_check_interval_seconds($check.interval_seconds)
            .health_check_timeout_seconds($check.timeout_seconds)
            .healthy_threshold_count($check.healthy_threshold)
            .unhealthy_threshold_count($check.unhealthy_threshold)
            .matcher(write::matcher($version, $check))
    };
}

impl Writing<'_> {
    pub(super) async fn create_target_group(&self, is: &TargetGroup) -> Result<Applied, CloudError> {
        let new = NewTargetGroup {
            name: &is.name,
            kind: is.target_type.as_str().into(),
            port: is.port,
            protocol: is.protocol.as_str().into(),
            version: is.protocol_version,
            check: &is.health_check,
            tags: &is.tags,
        };
        self.create_group(new, |request| {
            request
                .protocol_version(is.protocol_version.as_str())
                .set_target_control_port(is.target_control_port.map(Into::into))
                // Only when it is not AWS's default: an `instance` target group takes no type.
                .set_ip_address_type(is.ipv6.then_some(TargetGroupIpAddressTypeEnum::Ipv6))
        })
        .await
    }

    /// `more` adds what one kind alone takes.
    pub(super) async fn create_group(
        &self,
        new: NewTargetGroup<'_>,
        more: impl FnOnce(CreateTargetGroupFluentBuilder) -> CreateTargetGroupFluentBuilder,
    ) -> Result<Applied, CloudError> {
        let request = self
            .cloud
            .write()
            .elbv2
            .create_target_group()
            .name(new.name)
            .target_type(new.kind)
            .port(new.port.into())
            .protocol(new.protocol)
            .vpc_id(&self.cloud.config().vpc_id)
            .set_tags(write::tags(new.tags));
        let request = more(checked!(request, new.version, new.check));
        let made = self.send(|| request.clone().send()).await?.target_groups.unwrap_or_default().into_iter().next();
        let arn = need(self.call.name, "TargetGroupArn", made.and_then(|one| one.target_group_arn))?;
        Ok(Applied { arn: Some(arn), dns_name: None })
    }

    pub(super) async fn modify_target_group(
        &self,
        arn: &str,
        version: ProtocolVersion,
        check: &HealthCheck,
    ) -> Result<Applied, CloudError> {
        let request = self.cloud.write().elbv2.modify_target_group().target_group_arn(arn);
        let request = checked!(request, version, check);
        self.send(|| request.clone().send()).await.map(done)
    }

    /// In chunks; those before a chunk that fails are registered, and registering them again changes nothing.
    pub(super) async fn register(&self, arn: &str, targets: &[Target]) -> Result<Applied, CloudError> {
        for chunk in targets.chunks(CHUNK) {
            let chunk = Some(write::targets(chunk));
            send!(self, elbv2.register_targets().target_group_arn(arn).set_targets(chunk))?;
        }
        Ok(Applied::default())
    }

    /// In chunks. Targets that are not registered, and those of a target group that is gone, are let go already.
    pub(super) async fn deregister(&self, arn: &str, targets: &[Target]) -> Result<Applied, CloudError> {
        for chunk in targets.chunks(CHUNK) {
            let chunk = Some(write::targets(chunk));
            gone_is_fine(send!(self, elbv2.deregister_targets().target_group_arn(arn).set_targets(chunk)))?;
        }
        Ok(Applied::default())
    }
}
