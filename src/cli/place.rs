//! The flags that say where the cluster is in AWS.

use std::collections::BTreeMap;

use albedo_engine::plan::operation::ApiService;
use clap::Args;

use super::flags::pairs;
use crate::cloud::Asked;

/// Where the cluster is in AWS. What is not given is found out.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// AWS region
    #[arg(long = "aws-region", env = "ALBEDO_AWS_REGION")]
    region: Option<String>,
    /// VPC of the cluster
    #[arg(long = "aws-vpc-id", env = "ALBEDO_AWS_VPC_ID")]
    vpc_id: Option<String>,
    /// Tags (key=value,…) that the VPC of the cluster carries
    #[arg(long = "aws-vpc-tags", env = "ALBEDO_AWS_VPC_TAGS", default_value = "")]
    vpc_tags: String,
    /// Endpoints of AWS services: `ServiceID=URL,…`
    #[arg(long = "aws-api-endpoints", env = "ALBEDO_AWS_API_ENDPOINTS", default_value = "")]
    api_endpoints: String,
}

impl Place {
    /// What these flags say.
    ///
    /// # Errors
    /// If a value cannot be read; the error names the flag.
    pub fn asked(&self) -> anyhow::Result<Asked> {
        self.asked_or(|_| None)
    }

    /// What these flags say; where one is not given, what `otherwise` has for its name without the dashes.
    ///
    /// # Errors
    /// If a value cannot be read; the error names the flag.
    pub fn asked_or(&self, otherwise: impl Fn(&str) -> Option<String>) -> anyhow::Result<Asked> {
        let text = |here: &str, name: &str| {
            if here.is_empty() { otherwise(name).unwrap_or_default() } else { here.to_owned() }
        };
        Ok(Asked {
            region: self.region.clone().or_else(|| otherwise("aws-region")),
            vpc_id: self.vpc_id.clone().or_else(|| otherwise("aws-vpc-id")),
            vpc_tags: pairs("--aws-vpc-tags", &text(&self.vpc_tags, "aws-vpc-tags"))?,
            endpoints: endpoints(&text(&self.api_endpoints, "aws-api-endpoints"))?,
        })
    }
}

/// Endpoints of services, `ServiceID=URL,…`.
fn endpoints(flag: &str) -> anyhow::Result<BTreeMap<ApiService, String>> {
    let mut endpoints = BTreeMap::new();
    for (id, url) in pairs("--aws-api-endpoints", flag)? {
        match ApiService::parse(&id) {
            Some(service) => drop(endpoints.insert(service, url)),
            None => tracing::warn!(service = id, "--aws-api-endpoints names a service that is not called"),
        }
    }
    Ok(endpoints)
}
