//! Which target group a binding names, and what it is: read from AWS once in a while.

use std::sync::Arc;

use albedo_engine::kinds::TargetGroupBinding;
use albedo_engine::targets::{self, TargetGroupRead};
use futures::FutureExt as _;

use super::{PassError, Reconciler};
use crate::cloud::CloudError;

impl Reconciler {
    /// The ARN that a binding gives, or that of the name that it gives; `None` if it gives neither.
    pub(super) async fn arn_of(&self, binding: &TargetGroupBinding) -> Result<Option<String>, PassError> {
        if let Some(arn) = binding.given_arn() {
            return Ok(Some(arn.to_owned()));
        }
        let Some(name) = binding.given_name() else { return Ok(None) };
        if let Some(arn) = self.shared.bindings.arn(name) {
            return Ok(Some(arn));
        }
        match self.shared.cloud.target_group_arn(name).boxed().await {
            Ok(arn) => {
                self.shared.bindings.learn_name(name, &arn);
                Ok(Some(arn))
            }
            Err(CloudError::NotFound(_)) => Err(PassError::NoTargetGroup(name.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// What a target group is, not older than some minutes.
    pub(super) async fn read_target_group(&self, arn: &str) -> Result<Arc<TargetGroupRead>, PassError> {
        if let Some(known) = self.shared.bindings.target_group(arn) {
            return Ok(known);
        }
        let (traits, tags) = self.shared.cloud.target_group(arn).boxed().await?;
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
        Ok(targets::filled(binding, &self.read_target_group(arn).await?.traits))
    }
}
