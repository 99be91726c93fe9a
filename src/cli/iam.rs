//! `albedo iam-policy`: prints the policy of the controller's role.

use std::process::ExitCode;

use albedo_engine::annotation::arn::is_role;
use albedo_engine::iam::{Purpose, Scope, partition, policy};
use anyhow::{Context, ensure};
use clap::Args;

use super::printing;

/// Prints an IAM policy.
#[derive(Debug, Args)]
pub struct IamPolicy {
    /// Partition of the account: aws, aws-cn, aws-us-gov, …
    #[arg(long, default_value = "aws", value_parser = partition)]
    partition: &'static str,
    /// Allow changes only of what this cluster's tag is on; default: what any cluster's tag is on
    #[arg(long)]
    cluster_name: Option<String>,
    /// Allow security groups to be created and to get rules only in this VPC; default: in any
    #[arg(long)]
    aws_vpc_id: Option<String>,
    /// ARN of a role that may be assumed for targets of another account; may be given several times
    #[arg(long = "assume-role", value_name = "ARN")]
    assume_roles: Vec<String>,
    /// Print the policy that also allows to tag what LBC left without tags, for as long as it is taken over
    #[arg(long)]
    for_untagged: bool,
}

impl IamPolicy {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        for (flag, value) in [("--cluster-name", &self.cluster_name), ("--aws-vpc-id", &self.aws_vpc_id)] {
            let Some(value) = value else { continue };
            // These have a meaning in a policy, so that it would allow other clusters, too.
            let is_plain = !value.is_empty() && !value.contains(['*', '?', '$']);
            ensure!(is_plain, "{flag} `{value}`: a name without *, ? and $ is needed");
        }
        for role in &self.assume_roles {
            ensure!(
                is_role(role) && !role.contains(['*', '?', '$']),
                "--assume-role `{role}`: the ARN of a role is needed, such as arn:{}:iam::222222222222:role/albedo-targets",
                self.partition
            );
        }
        let purpose = if self.for_untagged { Purpose::TagUntagged } else { Purpose::Run };
        let (partition, roles) = (self.partition, self.assume_roles.as_slice());
        let (cluster, vpc) = (self.cluster_name.as_deref(), self.aws_vpc_id.as_deref());
        let scope = Scope { partition, cluster, vpc, roles };
        printing::put(&policy(purpose, scope).context("the policy cannot be written as JSON")?)?;
        Ok(ExitCode::SUCCESS)
    }
}
