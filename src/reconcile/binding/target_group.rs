//! Which target group a binding names, and what it is: read from AWS once in a while.

use std::sync::Arc;

use albedo_engine::kinds::TargetGroupBinding;
use albedo_engine::targets::{self, TargetGroupRead};
use futures::FutureExt as _;

use super::{PassError, Reconciler};
use crate::cloud::{Cloud, CloudError};

impl Reconciler {
    /// AWS with the permissions that a binding asks for: those of its role, else the own ones.
    async fn cloud_of(&self, binding: &TargetGroupBinding) -> Cloud {
        match binding.given_role() {
            Some((role, external_id)) => self.shared.cloud.assuming(role, external_id).boxed().await,
            None => self.shared.cloud.clone(),
        }
    }

    /// The same for one target group: a former one may be of another account than the role.
    pub(super) async fn cloud_for(&self, binding: &TargetGroupBinding, target_group: &str) -> Cloud {
        let is_its_own = binding.names(target_group) || binding.is_of_account(target_group);
        if is_its_own { self.cloud_of(binding).await } else { self.shared.cloud.clone() }
    }

    /// The ARN that a binding gives, or that of the name that it gives; `None` if it gives neither.
    pub(super) async fn arn_of(&self, binding: &TargetGroupBinding) -> Result<Option<String>, PassError> {
        if let Some(arn) = binding.given_arn() {
            return Ok(Some(arn.to_owned()));
        }
        let Some(name) = binding.given_name() else { return Ok(None) };
        if let Some(arn) = self.shared.bindings.arn(binding) {
            return Ok(Some(arn));
        }
        match self.cloud_of(binding).await.target_group_arn(name).boxed().await {
            Ok(arn) => {
                self.shared.bindings.learn_name(binding, &arn);
                Ok(Some(arn))
            }
            Err(CloudError::NotFound(_)) => Err(PassError::NoTargetGroup(name.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// What a target group is, not older than some minutes.
    pub(super) async fn read_target_group(
        &self,
        binding: &TargetGroupBinding,
        arn: &str,
    ) -> Result<Arc<TargetGroupRead>, PassError> {
        if let Some(known) = self.shared.bindings.target_group(arn) {
            return Ok(known);
        }
        let (traits, tags) = self.cloud_for(binding, arn).await.target_group(arn).boxed().await?;
        let group = Arc::new(TargetGroupRead { arn: arn.to_owned(), traits, tags });
        self.shared.bindings.learn(group.clone());
        Ok(group)
    }

    /// The binding with the fields that it lacks taken from its target group. Most lack none, and then nothing is read.
    pub(super) async fn filled(
        &self,
        binding: &TargetGroupBinding,
        arn: &str,
    ) -> Result<TargetGroupBinding, PassError> {
        if !targets::lacks_traits(binding) {
            return Ok(binding.clone());
        }
        Ok(targets::filled(binding, &self.read_target_group(binding, arn).await?.traits))
    }
}
