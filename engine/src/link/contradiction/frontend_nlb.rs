//! Whether two members contradict each other in what they say of the NLB in front of the load balancer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Pair, Said, set};
use crate::compile::{Fragment, FrontendHealthCheckAsk};
use crate::finding::{Code, FieldPath, Finding};

/// What members say of the NLB as a whole.
const EXCLUSIVE: [(&str, Said); 4] = [
    ("frontend-nlb-scheme", |f| f.frontend_nlb.scheme.map(|scheme| scheme.to_string())),
    ("frontend-nlb-subnets", |f| f.frontend_nlb.subnets.as_deref().map(set)),
    ("frontend-nlb-security-groups", |f| listed(&f.frontend_nlb.security_groups)),
    ("frontend-nlb-eip-allocations", |f| {
        listed(&f.frontend_nlb.eip_allocations).map(|_| set(&f.frontend_nlb.eip_allocations))
    }),
];

/// What is the same in all members from the first on that has it: there absence is another value.
const IDENTICAL: [(&str, Said); 2] = [
    ("frontend-nlb-attributes", |f| f.frontend_nlb.attributes.as_ref().map(pairs)),
    ("frontend-nlb-tags", |f| f.frontend_nlb.tags.as_ref().map(pairs)),
];

/// A field of the health checks.
type SaidOfCheck = fn(&FrontendHealthCheckAsk) -> Option<String>;

/// What members say of the checks on one of the NLB's ports.
const CHECKS: [(&str, SaidOfCheck); 8] = [
    ("frontend-nlb-healthcheck-port", |check| check.port.clone()),
    ("frontend-nlb-healthcheck-protocol", |check| check.protocol.map(|protocol| protocol.to_string())),
    ("frontend-nlb-healthcheck-path", |check| check.path.clone()),
    ("frontend-nlb-healthcheck-interval-seconds", |check| check.interval_seconds.map(|seconds| seconds.to_string())),
    ("frontend-nlb-healthcheck-timeout-seconds", |check| check.timeout_seconds.map(|seconds| seconds.to_string())),
    ("frontend-nlb-healthcheck-healthy-threshold-count", |check| check.healthy_threshold.map(|n| n.to_string())),
    ("frontend-nlb-healthcheck-unhealthy-threshold-count", |check| check.unhealthy_threshold.map(|n| n.to_string())),
    ("frontend-nlb-healthcheck-success-codes", |check| check.success_codes.clone()),
];

/// The contradictions that a newcomer brings with it, each a finding on the newcomer: its own with each senior, and, when
/// it is the one that asks for an NLB, those among the seniors that meant nothing until then.
pub(in crate::link) fn brought_by(newcomer: &Fragment, seniors: &[Arc<Fragment>]) -> Vec<Finding> {
    let asks = |fragment: &Fragment| fragment.frontend_nlb.enabled == Some(true);
    let asked = seniors.iter().any(|senior| asks(senior));
    if !asked && !asks(newcomer) {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = seniors.iter().flat_map(|senior| between(newcomer, senior)).collect();
    if !asked {
        let pairs = seniors.iter().enumerate();
        let pairs = pairs.flat_map(|(place, one)| seniors.iter().take(place).map(move |other| (one, other)));
        for finding in pairs.flat_map(|(one, other)| between(one, other)) {
            let path = FieldPath::annotation(&format!("{}enable-frontend-nlb", crate::annotation::PREFIX));
            let pair = Pair { newcomer, senior: newcomer };
            let message = format!("{} of members that this would put an NLB in front of", finding.message);
            let of_others = Finding::new(Code::GroupConflict, pair.subject(), path, message);
            findings.push(of_others.value("true").related([finding.subject]).related(finding.related));
        }
    }
    findings
}

fn between(newcomer: &Fragment, senior: &Fragment) -> Vec<Finding> {
    let pair = Pair { newcomer, senior };
    let mut findings = Vec::new();
    for (suffix, said) in EXCLUSIVE {
        findings.extend(pair.differ(Code::GroupConflict, suffix, "", said(newcomer), said(senior)));
    }
    let newcomer_is_first = pair.newcomer_is_first();
    for (suffix, said) in IDENTICAL {
        let (mut own, mut other) = (said(newcomer), said(senior));
        let (first, second) = if newcomer_is_first { (&own, &mut other) } else { (&other, &mut own) };
        if first.is_some() && second.is_none() {
            *second = Some("(none)".to_owned());
        }
        findings.extend(pair.differ(Code::GroupConflict, suffix, "", own, other));
    }
    let theirs = senior.frontend_ports();
    for (port, target) in newcomer.frontend_ports() {
        let Some(other) = theirs.get(&port) else { continue };
        let place = format!(" on the NLB's port {port}");
        let suffix = "frontend-nlb-listener-port-mapping";
        let (own, other) = (Some(target.to_string()), Some(other.to_string()));
        findings.extend(pair.differ(Code::ListenerConflict, suffix, &place, own, other));
        for (suffix, said) in CHECKS {
            let checks = (said(&newcomer.frontend_nlb.health_check), said(&senior.frontend_nlb.health_check));
            findings.extend(pair.differ(Code::ListenerConflict, suffix, &place, checks.0, checks.1));
        }
    }
    findings
}

fn listed(list: &[String]) -> Option<String> {
    Some(list.join(",")).filter(|text| !text.is_empty())
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
