//! `albedo iam-policy`: prints the policy of the controller's role.

use std::process::ExitCode;

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
        let purpose = if self.for_untagged { Purpose::TagUntagged } else { Purpose::Run };
        let scope =
            Scope { partition: self.partition, cluster: self.cluster_name.as_deref(), vpc: self.aws_vpc_id.as_deref() };
        printing::put(&policy(purpose, scope).context("the policy cannot be written as JSON")?)?;
        Ok(ExitCode::SUCCESS)
    }
}
