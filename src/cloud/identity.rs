//! Which region and which VPC this is, when no flag says it.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use albedo_engine::plan::operation::ApiService;
use albedo_engine::stack::Tags;
use aws_config::imds;
use aws_config::provider_config::ProviderConfig;

use super::answers;
use super::call::Caller;
use super::convert::ec2::filter;
use super::error::CloudError;
use super::metrics::Metrics;
use super::sdk::{self, Sdk};
use super::throttle::Throttle;

/// What the operator says of where we are.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `--aws-region`.
    pub region: Option<String>,
    /// `--aws-vpc-id`.
    pub vpc_id: Option<String>,
    /// `--aws-vpc-tags`: the VPC that carries all of them. An empty value fits any.
    pub vpc_tags: Tags,
    /// `--aws-api-endpoints`.
    pub endpoints: BTreeMap<ApiService, String>,
}

/// Where we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Region.
    pub region: String,
    /// VPC.
    pub vpc_id: String,
}

/// What a Node's `providerID` tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodePlace {
    /// Availability zone, `eu-central-1a`.
    pub zone: String,
    /// Instance id; `None` for Fargate.
    pub instance_id: Option<String>,
}

impl NodePlace {
    /// Reads `aws:///eu-central-1a/i-0123456789abcdef0`.
    #[must_use]
    pub fn parse(provider_id: &str) -> Option<Self> {
        let mut parts = provider_id.strip_prefix("aws://")?.split('/').filter(|part| !part.is_empty());
        let zone = parts.next()?.to_owned();
        let instance_id = parts.next_back().filter(|id| id.starts_with("i-")).map(str::to_owned);
        Some(Self { zone, instance_id })
    }

    /// The region of the zone: up to the part with its number, without the zone's letter (`us-west-2` of `us-west-2a`,
    /// of the local zone `us-west-2-lax-1a` and of the wavelength zone `us-west-2-wl1-las-wlz-1`).
    #[must_use]
    pub fn region(&self) -> Option<String> {
        let mut region = Vec::new();
        for part in self.zone.split('-') {
            let number = part.trim_end_matches(|c: char| !c.is_ascii_digit());
            if part.starts_with(|c: char| c.is_ascii_digit()) {
                region.push(number);
                return (region.len() > 2).then(|| region.join("-"));
            }
            region.push(part);
        }
        None
    }
}

/// Nobody said where we are; what was tried, and what came of it.
#[derive(Debug)]
pub struct IdentityError {
    /// `AWS region` or `VPC`.
    pub what: &'static str,
    /// The flag that would settle it.
    pub flag: &'static str,
    /// In the order in which it was tried.
    pub tried: Vec<Tried>,
}

/// One source and what came of it.
#[derive(Debug)]
pub struct Tried {
    /// The source.
    pub source: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a source that did not say where we are.
#[derive(Debug)]
pub enum Outcome {
    /// It has nothing to say, and why.
    Nothing(&'static str),
    /// It says several things.
    Several(Vec<String>),
    /// It could not be asked.
    Failed(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} is not known, set {}; tried", self.what, self.flag)?;
        for (at, Tried { source, outcome }) in self.tried.iter().enumerate() {
            write!(f, "{} {source}: ", if at == 0 { "" } else { ";" })?;
            match outcome {
                Outcome::Nothing(why) => f.write_str(why)?,
                Outcome::Several(found) => write!(f, "more than one, {}", found.join(", "))?,
                Outcome::Failed(error) => write!(f, "{error}")?,
            }
        }
        Ok(())
    }
}

impl Error for IdentityError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.tried.iter().find_map(|tried| match &tried.outcome {
            Outcome::Failed(error) => Some(error.as_ref() as &(dyn Error + 'static)),
            _ => None,
        })
    }
}

/// Finds out where we are. Region: flag, environment, the nodes' zones, instance metadata. VPC: flag, tags, the nodes'
/// instances, instance metadata.
///
/// # Errors
///
/// When none of them says, with what each said instead.
pub async fn identify(asked: &Asked, nodes: &[NodePlace]) -> Result<Identity, IdentityError> {
    let metadata = Metadata::from_env();
    let region = region(asked, nodes, &metadata).await?;
    let vpc_id = vpc(asked, nodes, &metadata, &region).await?;
    Ok(Identity { region, vpc_id })
}

/// A source's answer: what it says, or why it says nothing.
type Said = Result<String, Outcome>;

/// Keeps what was tried until something answers.
struct Search(IdentityError);

impl Search {
    fn new(what: &'static str, flag: &'static str) -> Self {
        Self(IdentityError { what, flag, tried: Vec::new() })
    }

    /// The answer, if it is one; otherwise it is noted down.
    fn take(&mut self, source: &'static str, said: Said) -> Option<String> {
        said.map_err(|outcome| self.0.tried.push(Tried { source, outcome })).ok()
    }
}

/// In the predecessor's order.
const REGION_VARIABLES: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];

async fn region(asked: &Asked, nodes: &[NodePlace], metadata: &Metadata) -> Result<String, IdentityError> {
    let mut search = Search::new("AWS region", "--aws-region");
    let given = |value: Option<String>| value.filter(|value| !value.is_empty()).ok_or(Outcome::Nothing("not given"));
    if let Some(region) = search.take("--aws-region", given(asked.region.clone())) {
        return Ok(region);
    }
    for variable in REGION_VARIABLES {
        if let Some(region) = search.take(variable, given(env::var(variable).ok())) {
            return Ok(region);
        }
    }
    if let Some(region) = search.take("zones of nodes", only(nodes.iter().filter_map(NodePlace::region), NO_NODES)) {
        return Ok(region);
    }
    let said = metadata.get("/latest/meta-data/placement/region").await;
    search.take("instance metadata", said).ok_or(search.0)
}

async fn vpc(asked: &Asked, nodes: &[NodePlace], metadata: &Metadata, region: &str) -> Result<String, IdentityError> {
    let mut search = Search::new("VPC", "--aws-vpc-id");
    let given = asked.vpc_id.clone().filter(|id| !id.is_empty()).ok_or(Outcome::Nothing("not given"));
    if let Some(id) = search.take("--aws-vpc-id", given) {
        return Ok(id);
    }
    let caller = Caller::new(&Throttle::default(), Metrics::default());
    let sdk = Sdk::of(sdk::loader(region, 3), &asked.endpoints, &caller.buckets).await;
    let network = Network { sdk, caller };
    let by_tags = search.take("--aws-vpc-tags", network.vpc_by_tags(&asked.vpc_tags).await);
    if by_tags.is_some() || !asked.vpc_tags.is_empty() {
        // Whoever names tags means that VPC and no other.
        return by_tags.ok_or(search.0);
    }
    if let Some(id) = search.take("instances of nodes", network.vpc_of_nodes(nodes).await) {
        return Ok(id);
    }
    search.take("instance metadata", metadata.vpc().await).ok_or(search.0)
}

const NO_NODES: &str = "no node has a providerID of AWS";

/// The one thing that all say.
fn only(found: impl Iterator<Item = String>, none: &'static str) -> Said {
    let mut found: BTreeSet<_> = found.collect();
    match (found.pop_first(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(one), false) => Err(Outcome::Several(std::iter::once(one).chain(found).collect())),
        (None, _) => Err(Outcome::Nothing(none)),
    }
}

/// EC2, before it is known which VPC is ours.
struct Network {
    sdk: Sdk,
    caller: Caller,
}

/// A node is enough; a few more, in case that one is just gone.
const ASKED_NODES: usize = 20;

impl Network {
    async fn vpc_by_tags(&self, tags: &Tags) -> Said {
        if tags.is_empty() {
            return Err(Outcome::Nothing("not given"));
        }
        let filters = tags.iter().map(|(key, value)| match value.as_str() {
            "" => filter("tag-key", vec![key.clone()]),
            value => filter(&format!("tag:{key}"), vec![value.to_owned()]),
        });
        let request = self.sdk.read.ec2.describe_vpcs().set_filters(Some(filters.collect()));
        let answer = self.caller.call(ApiService::Ec2.call("DescribeVpcs"), request.send()).await.map_err(failed)?;
        let ids = answer.vpcs.into_iter().flatten().filter_map(|vpc| vpc.vpc_id);
        only(ids, "no VPC carries all of these tags")
    }

    async fn vpc_of_nodes(&self, nodes: &[NodePlace]) -> Said {
        let ids: Vec<_> = nodes.iter().filter_map(|node| node.instance_id.clone()).take(ASKED_NODES).collect();
        if ids.is_empty() {
            return Err(Outcome::Nothing(NO_NODES));
        }
        let request = self.sdk.read.ec2.describe_instances().filters(filter("instance-id", ids));
        let answer =
            self.caller.call(ApiService::Ec2.call("DescribeInstances"), request.send()).await.map_err(failed)?;
        let reservations = answer.reservations.into_iter().flatten();
        let instances = reservations.flat_map(|reservation| reservation.instances.unwrap_or_default());
        only(instances.filter_map(|instance| instance.vpc_id), "AWS knows none of the instances in this region")
    }
}

fn failed(error: CloudError) -> Outcome {
    Outcome::Failed(Box::new(error))
}

/// The metadata of the instance that this runs on, unless the SDK's variable switches it off.
struct Metadata(Option<imds::Client>);

/// Where there is no such service, connecting to it can take for ever.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

impl Metadata {
    fn from_env() -> Self {
        let disabled = env::var("AWS_EC2_METADATA_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        let client = || {
            imds::Client::builder()
                .configure(&ProviderConfig::default().with_http_client(answers::http_client()))
                .connect_timeout(METADATA_TIMEOUT)
                .read_timeout(METADATA_TIMEOUT)
                .max_attempts(2)
                .build()
        };
        Self((!disabled).then(client))
    }

    async fn get(&self, path: &str) -> Said {
        let client = self.0.as_ref().ok_or(Outcome::Nothing("switched off by AWS_EC2_METADATA_DISABLED"))?;
        let text = client.get(path).await.map_err(|error| Outcome::Failed(Box::new(error)))?;
        let text = text.as_ref().trim();
        if text.is_empty() { Err(Outcome::Nothing("it is silent on this")) } else { Ok(text.to_owned()) }
    }

    /// The VPC of the first network interface.
    async fn vpc(&self) -> Said {
        let mac = self.get("/latest/meta-data/mac").await?;
        self.get(&format!("/latest/meta-data/network/interfaces/macs/{mac}/vpc-id")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_ids() {
        for (text, zone, instance) in [
            ("aws:///us-east-1a/i-0d00000000000000a", "us-east-1a", Some("i-0d00000000000000a")),
            ("aws:///us-east-1a/abc/fargate-ip-10-0-0-1.ec2.internal", "us-east-1a", None),
        ] {
            let place = NodePlace::parse(text).unwrap();
            assert_eq!((place.zone.as_str(), place.instance_id.as_deref()), (zone, instance));
        }
        assert_eq!(NodePlace::parse("gce://project/zone/name"), None);
        assert_eq!(NodePlace::parse("aws://"), None);
    }

    #[test]
    fn regions_of_zones() {
        for (zone, region) in [
            ("us-east-1a", Some("us-east-1")),
            ("us-gov-west-1b", Some("us-gov-west-1")),
            ("us-west-2-lax-1a", Some("us-west-2")),
            ("us-east-1-wl1-bos-wlz-1", Some("us-east-1")),
            ("ap-southeast-10c", Some("ap-southeast-10")),
            ("kind", None),
            ("zone-1", None),
        ] {
            let place = NodePlace { zone: zone.to_owned(), instance_id: None };
            assert_eq!(place.region().as_deref(), region, "{zone}");
        }
    }

    #[test]
    fn says_all_that_was_tried() {
        let error = IdentityError {
            what: "VPC",
            flag: "--aws-vpc-id",
            tried: vec![
                Tried { source: "--aws-vpc-id", outcome: Outcome::Nothing("not given") },
                Tried { source: "--aws-vpc-tags", outcome: Outcome::Several(vec!["vpc-1".into(), "vpc-2".into()]) },
                Tried { source: "instance metadata", outcome: Outcome::Failed("no route".into()) },
            ],
        };
        assert_eq!(
            error.to_string(),
            "the VPC is not known, set --aws-vpc-id; tried --aws-vpc-id: not given; --aws-vpc-tags: more than one, \
             vpc-1, vpc-2; instance metadata: no route"
        );
        assert!(error.source().is_some());
    }
}
