//! Plans and desired states as text for people.

use std::fmt::Write as _;

use super::Plan;
use super::operation::{addon_words, line};
use crate::stack::{
    Action, Attributes, Condition, Desired, Listener, Nlb, ResourceId, TRACKING_TAGS, Tags, TargetGroup,
};

/// A plan, one line an operation.
#[must_use]
pub fn show(plan: &Plan) -> String {
    let mut text = String::new();
    for operation in &plan.operations {
        text.push_str(&line(operation));
        text.push('\n');
    }
    for gap in &plan.gaps {
        text.push_str(&format!("gap after operation {}, for want of room: {}\n", gap.after + 1, gap.request));
    }
    for wait in plan.waits.iter().chain(&plan.held) {
        text.push_str(&format!("wait for {wait}\n"));
    }
    for later in &plan.later {
        text.push_str(&format!("later wait for {later}\n"));
    }
    text
}

/// The desired state of a group as a tree.
#[must_use]
pub fn show_desired(desired: &Desired) -> String {
    let mut text = format!("group {}\n", desired.group);
    // Writing to a String cannot fail.
    let mut put = |depth: usize, line: String| {
        let _ = writeln!(text, "{:width$}{line}", "", width = depth * 2);
    };
    if let Some(load_balancer) = &desired.load_balancer {
        let name = if load_balancer.name.is_empty() { "?" } else { &load_balancer.name };
        put(1, format!("load balancer {name} ({}, {})", load_balancer.scheme, load_balancer.ip_address_type.as_str()));
        let subnets = if load_balancer.subnets.is_empty() { "?".to_owned() } else { load_balancer.subnets.join(", ") };
        put(2, format!("subnets {subnets}"));
        let groups: Vec<String> = load_balancer.security_groups.iter().map(ToString::to_string).collect();
        put(2, format!("security groups {}", groups.join(", ")));
        for pool in load_balancer.pools.ids() {
            put(2, format!("addresses from {pool}"));
        }
        attribute_lines(&load_balancer.attributes, &mut put);
        tag_line(&load_balancer.tags, &mut put);
        desired.addons.iter().for_each(|(addon, is)| put(2, addon_words(*addon, is)));
    }
    if let Some(group) = &desired.security_group {
        put(1, format!("security group {}", group.name));
        for permission in &group.ingress {
            put(2, permission.to_string());
        }
    }
    for listener in desired.listeners.values() {
        listener_lines(listener, &mut put);
    }
    if let Some(nlb) = &desired.nlb {
        nlb_lines(nlb, &mut put);
    }
    for (id, group) in &desired.target_groups {
        target_group_lines(id, group, &mut put);
    }
    text
}

fn target_group_lines(id: &ResourceId, group: &TargetGroup, put: &mut impl FnMut(usize, String)) {
    put(
        1,
        format!(
            "target group {id}: {} ({}, {} {}, port {})",
            group.name,
            group.target_type,
            group.protocol,
            group.protocol_version,
            super::shape::port(group)
        ),
    );
    let check = &group.health_check;
    put(
        2,
        format!(
            "health check {} {} on {} every {} s for {} s: {}, healthy after {}, unhealthy after {}",
            check.protocol,
            check.path,
            check.port,
            check.interval_seconds,
            check.timeout_seconds,
            check.success_codes,
            check.healthy_threshold,
            check.unhealthy_threshold
        ),
    );
    attribute_lines(&group.attributes, put);
    tag_line(&group.tags, put);
}

fn nlb_lines(nlb: &Nlb, put: &mut impl FnMut(usize, String)) {
    let name = if nlb.is.name.is_empty() { "?" } else { &nlb.is.name };
    put(1, format!("frontend NLB {name} ({}, {})", nlb.is.scheme, nlb.is.ip_address_type.as_str()));
    let subnets = nlb.is.subnets.iter().map(|subnet| match nlb.is.allocation_ids.get(subnet) {
        Some(allocation) => format!("{subnet} with {allocation}"),
        None => subnet.clone(),
    });
    let subnets: Vec<String> = subnets.collect();
    put(2, format!("subnets {}", if subnets.is_empty() { "?".to_owned() } else { subnets.join(", ") }));
    attribute_lines(&nlb.is.attributes, put);
    for (port, listener) in &nlb.listeners {
        let (group, check) = (&listener.target_group, &listener.target_group.health_check);
        put(2, format!("listener TCP {port} -> port {} of the load balancer, by {}", group.target_port, group.name));
        put(3, format!("health check {} {} on {}", check.protocol, check.path, check.port));
        attribute_lines(&listener.attributes, &mut |level, line| put(level + 1, line));
    }
}

fn attribute_lines(attributes: &Attributes, put: &mut impl FnMut(usize, String)) {
    for (key, value) in attributes {
        put(2, format!("attribute {key} = {value}"));
    }
}

/// The tags that are not there for us to find the resource again.
fn tag_line(tags: &Tags, put: &mut impl FnMut(usize, String)) {
    let own = tags.iter().filter(|(key, _)| !TRACKING_TAGS.contains(&key.as_str()));
    let own: Vec<String> = own.map(|(key, value)| format!("{key}={value}")).collect();
    if !own.is_empty() {
        put(2, format!("tags {}", own.join(", ")));
    }
}

fn listener_lines(listener: &Listener, put: &mut impl FnMut(usize, String)) {
    put(1, format!("listener {} {}", listener.protocol, listener.port));
    for certificate in &listener.certificates {
        put(2, format!("certificate {certificate}"));
    }
    if let Some(policy) = &listener.ssl_policy {
        put(2, format!("policy {policy}"));
    }
    if let Some(mutual) = &listener.mutual_authentication {
        let store = mutual.trust_store_arn.as_ref().map(|store| format!(" against {store}")).unwrap_or_default();
        put(2, format!("client certificates: {}{store}", mutual.mode));
    }
    attribute_lines(&listener.attributes, put);
    for one in &listener.rules {
        put(2, one.to_string());
    }
    put(2, format!("otherwise {}", actions(&listener.default_actions)));
}

/// Conditions in one line.
#[must_use]
pub fn conditions(conditions: &[Condition]) -> String {
    conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// Actions with all that may differ between them, for a comparison.
pub(super) fn actions_in_full(actions: &[Action]) -> String {
    actions.iter().map(|action| format!("{action:#}")).collect::<Vec<_>>().join(", then ")
}

/// Actions in one line, in the order in which they are done.
#[must_use]
pub fn actions(actions: &[Action]) -> String {
    actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", then ")
}
