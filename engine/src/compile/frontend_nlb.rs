//! What a member says of the NLB in front of the load balancer.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::Compiler;
use crate::annotation::parse::{self, ParseError};
use crate::finding::{Code, Effect};
use crate::stack::{Attributes, Protocol, Scheme, Tags};

/// Where the keys begin that nothing reads unless an NLB is asked for.
const PREFIX: &str = "frontend-nlb-";

/// What a member says of the frontend NLB; `None` and empty: nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrontendNlbAsk {
    /// Whether there is to be one.
    pub enabled: Option<bool>,
    /// Its scheme.
    pub scheme: Option<Scheme>,
    /// Its subnets, by id or Name tag.
    pub subnets: Option<Vec<String>>,
    /// Its security groups by id or Name tag, in order.
    pub security_groups: Vec<String>,
    /// Allocation ids of elastic addresses, one a subnet.
    pub eip_allocations: Vec<String>,
    /// The NLB's ports and the ALB's that they lead to; empty: each listener under its own port.
    pub port_mapping: BTreeMap<u16, u16>,
    /// How the NLB checks the ALB.
    pub health_check: FrontendHealthCheckAsk,
    /// Attributes.
    pub attributes: Option<Attributes>,
    /// Tags in place of the ALB's.
    pub tags: Option<Tags>,
    /// The keys that say all this, without the one that asks for an NLB.
    pub keys: Vec<String>,
}

/// What a member says of the NLB's health checks, field by field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrontendHealthCheckAsk {
    /// A number or `traffic-port`.
    pub port: Option<String>,
    /// HTTP or HTTPS.
    pub protocol: Option<Protocol>,
    /// Path.
    pub path: Option<String>,
    /// Seconds between two checks.
    pub interval_seconds: Option<i32>,
    /// Seconds until a check failed.
    pub timeout_seconds: Option<i32>,
    /// In a row.
    pub healthy_threshold: Option<i32>,
    /// In a row.
    pub unhealthy_threshold: Option<i32>,
    /// HTTP codes.
    pub success_codes: Option<String>,
}

impl Compiler<'_> {
    pub(super) fn frontend_nlb(&mut self) -> FrontendNlbAsk {
        let before = self.reader.findings.len();
        let enabled = self.reader.bool("enable-frontend-nlb");
        let scheme = self.reader.raw("frontend-nlb-scheme").and_then(|raw| {
            self.reader.word("frontend-nlb-scheme", raw, Code::InvalidScheme, &Scheme::ALL, Scheme::parse)
        });
        let mapping = self.reader.read("frontend-nlb-listener-port-mapping", Code::InvalidValue, port_mapping);
        let ask = FrontendNlbAsk {
            enabled,
            scheme,
            subnets: self.frontend_subnets(),
            security_groups: self.reader.list("frontend-nlb-security-groups").unwrap_or_default(),
            eip_allocations: self.reader.list("frontend-nlb-eip-allocations").unwrap_or_default(),
            port_mapping: mapping.unwrap_or_default(),
            health_check: self.frontend_health_check(),
            attributes: self.frontend_map("frontend-nlb-attributes", Code::InvalidAttribute),
            tags: self.frontend_map("frontend-nlb-tags", Code::InvalidTags),
            keys: self
                .reader
                .suffixes()
                .map(|(key, _)| key.to_owned())
                .filter(|key| key.starts_with(PREFIX) && crate::annotation::row(key).is_some())
                .collect(),
        };
        if enabled != Some(true) {
            // Nothing reads them then, as far as this member goes.
            for finding in self.reader.findings.iter_mut().skip(before) {
                let key = finding.path.annotation_key().and_then(|key| key.strip_prefix(crate::annotation::PREFIX));
                if key.is_some_and(|key| key.starts_with(PREFIX)) {
                    finding.effect = Effect::Nothing;
                }
            }
        }
        ask
    }

    fn frontend_subnets(&mut self) -> Option<Vec<String>> {
        const SUFFIX: &str = "frontend-nlb-subnets";
        let raw = self.reader.raw(SUFFIX)?;
        self.reader.checked(SUFFIX);
        Some(parse::string_list(raw))
    }

    fn frontend_map(&mut self, suffix: &str, code: Code) -> Option<BTreeMap<String, String>> {
        self.reader.map(suffix, code).map(|map| map.into_iter().collect())
    }

    fn frontend_health_check(&mut self) -> FrontendHealthCheckAsk {
        let protocol = self.reader.raw("frontend-nlb-healthcheck-protocol").and_then(|raw| {
            let suffix = "frontend-nlb-healthcheck-protocol";
            self.reader.word(suffix, raw, Code::InvalidValue, &["HTTP", "HTTPS"], Protocol::parse)
        });
        let text = |suffix: &str| self.reader.raw(suffix).map(str::to_owned);
        let (path, success_codes) =
            (text("frontend-nlb-healthcheck-path"), text("frontend-nlb-healthcheck-success-codes"));
        FrontendHealthCheckAsk {
            port: self.reader.read("frontend-nlb-healthcheck-port", Code::InvalidHealthCheck, health_check_port),
            protocol,
            path,
            interval_seconds: self.frontend_number("interval-seconds", 5..=300),
            timeout_seconds: self.frontend_number("timeout-seconds", 2..=120),
            healthy_threshold: self.frontend_number("healthy-threshold-count", 2..=10),
            unhealthy_threshold: self.frontend_number("unhealthy-threshold-count", 2..=10),
            success_codes,
        }
    }

    fn frontend_number(&mut self, field: &str, range: RangeInclusive<i32>) -> Option<i32> {
        let suffix = format!("{PREFIX}healthcheck-{field}");
        let number = self.reader.read(&suffix, Code::InvalidValue, parse::go_int32)?;
        if !range.contains(&number) {
            let message = format!("{number} is not within {} and {}", range.start(), range.end());
            self.reader.refuse(Code::InvalidHealthCheck, &suffix, &number.to_string(), message);
        }
        Some(number)
    }
}

/// A number or `traffic-port`: there is no Service whose port could be named.
fn health_check_port(raw: &str) -> Result<String, ParseError> {
    if raw == "traffic-port" {
        return Ok(raw.to_owned());
    }
    let number = parse::go_int32(raw).ok().filter(|port| (1..=65535).contains(port));
    number
        .map(|port| port.to_string())
        .ok_or_else(|| ParseError::new("failed to resolve healthCheckPort: traffic-port or a number from 1 to 65535"))
}

/// `nlb=alb` pairs of ports.
fn port_mapping(raw: &str) -> Result<BTreeMap<u16, u16>, ParseError> {
    let port = |text: &str, of: &str| {
        let number = parse::go_int32(text).ok().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        number.ok_or_else(|| ParseError::new(format!("invalid {of} listener port: {text}")))
    };
    parse::string_map(raw)?.iter().map(|(nlb, alb)| Ok((port(nlb, "NLB")?, port(alb, "ALB")?))).collect()
}
