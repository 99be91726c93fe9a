//! What AWS refuses of a group that is created, by the documented limits of its API: said once more, by nothing that admission uses.
//!
//! It follows the emulator in tests/aws, whose sources name the documentation of each. What depends on other resources of the account is left out,
//! and so is what the documentation does not tell: of such values admission warns (ALB026).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use albedo_engine::facts::Facts;
use albedo_engine::stack::{
    Action, Condition, Desired, FixedResponse, Forward, Listener, LoadBalancer, Patterns, PeerSource, Protocol,
    ProtocolVersion, Redirect, Ref, Rule, Scheme, Tags, TargetGroup,
};
use regex::Regex;

/// A week, in seconds.
const WEEK: i64 = 604_800;

/// Everything that AWS would refuse.
pub fn refusals(desired: &Desired, facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(balancer) = &desired.load_balancer {
        of_balancer(balancer, facts, &mut found);
    }
    for group in desired.target_groups.values() {
        of_target_group(group, &mut found);
    }
    for listener in desired.listeners.values() {
        of_listener(listener, desired, facts, &mut found);
    }
    for permission in desired.security_group.iter().flat_map(|group| &group.ingress) {
        let is_known = match &permission.source {
            PeerSource::Ipv4(block) => block.parse::<ipnet::Ipv4Net>().is_ok(),
            PeerSource::Ipv6(block) => block.parse::<ipnet::Ipv6Net>().is_ok(),
            PeerSource::PrefixList(list) => {
                facts.prefix_lists.as_ref().is_none_or(|known| known.value.contains_key(list))
            }
            PeerSource::SecurityGroup(_) => true,
        };
        refuse(!is_known, format!("a security group with the source {:?}", permission.source), &mut found);
    }
    found
}

fn refuse(it: bool, what: impl Into<String>, found: &mut Vec<String>) {
    if it {
        found.push(what.into());
    }
}

/// A pattern, compiled once.
macro_rules! is {
    ($pattern:literal, $text:expr) => {{
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).expect("a pattern"));
        PATTERN.is_match($text)
    }};
}

fn of_balancer(balancer: &LoadBalancer, facts: &Facts, found: &mut Vec<String>) {
    let name = balancer.name.as_str();
    let is_name = is!("^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$", name) && !name.starts_with("internal-");
    refuse(!is_name, format!("the name {name:?}"), found);
    let known = facts.subnets.as_ref().map(|subnets| &subnets.value).expect("subnets");
    let zone = |id: &String| known.iter().find(|subnet| subnet.id == *id).map(|subnet| subnet.zone.as_str());
    let zones: BTreeSet<Option<&str>> = balancer.subnets.iter().map(zone).collect();
    refuse(zones.contains(&None), format!("a subnet of {:?}", balancer.subnets), found);
    refuse(zones.len() < 2 || zones.len() < balancer.subnets.len(), format!("zones {zones:?}"), found);
    refuse(balancer.security_groups.len() > 5, "more than 5 security groups", found);
    let groups = facts.security_groups.as_ref().map(|groups| &groups.value).expect("security groups");
    for group in &balancer.security_groups {
        if let Ref::Known(id) = group {
            let is_there = groups.iter().any(|known| known.id == *id);
            refuse(!is_there, format!("the security group {id}"), found);
        }
    }
    let is_internal = balancer.scheme == Scheme::Internal;
    let lacks_public = balancer.ip_address_type.as_str() == "dualstack-without-public-ipv4";
    refuse(is_internal && lacks_public, "no public addresses on an internal one", found);
    refuse(is_internal && balancer.pools.public.is_some(), "an IPAM pool on an internal one", found);
    of_attributes(&balancer.attributes, found);
    for logs in ["access_logs", "connection_logs", "health_check_logs"] {
        let value = |key: &str| balancer.attributes.get(&format!("{logs}.s3.{key}")).map(String::as_str);
        let lacks = value("enabled") == Some("true") && value("bucket").is_none_or(str::is_empty);
        refuse(lacks, format!("{logs} without a bucket"), found);
    }
    of_tags(&balancer.tags, found);
}

fn of_tags(tags: &Tags, found: &mut Vec<String>) {
    refuse(tags.len() > 50, "more than 50 tags", found);
    for (key, value) in tags {
        let fits = |text: &str| is!(r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$", text);
        let is_tag =
            (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256 && fits(key) && fits(value);
        refuse(!is_tag || key.to_lowercase().starts_with("aws:"), format!("the tag {key:?}={value:?}"), found);
    }
}

/// Values of attributes: words, or a range.
fn of_attributes(attributes: &BTreeMap<String, String>, found: &mut Vec<String>) {
    const FLAGS: [&str; 12] = [
        "access_logs.s3.enabled",
        "connection_logs.s3.enabled",
        "health_check_logs.s3.enabled",
        "deletion_protection.enabled",
        "routing.http2.enabled",
        "routing.http.drop_invalid_header_fields.enabled",
        "routing.http.preserve_host_header.enabled",
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
        "routing.http.xff_client_port.enabled",
        "waf.fail_open.enabled",
        "zonal_shift.config.enabled",
        "stickiness.enabled",
    ];
    const WORDS: [(&str, &[&str]); 5] = [
        ("routing.http.desync_mitigation_mode", &["monitor", "defensive", "strictest"]),
        ("routing.http.xff_header_processing.mode", &["append", "preserve", "remove"]),
        ("load_balancing.algorithm.type", &["round_robin", "least_outstanding_requests", "weighted_random"]),
        ("load_balancing.algorithm.anomaly_mitigation", &["on", "off"]),
        ("load_balancing.cross_zone.enabled", &["true", "false", "use_load_balancer_configuration"]),
    ];
    const RANGES: [(&str, i64, i64); 6] = [
        ("idle_timeout.timeout_seconds", 1, 4_000),
        ("client_keep_alive.seconds", 60, WEEK),
        ("deregistration_delay.timeout_seconds", 0, 3_600),
        ("slow_start.duration_seconds", 0, 900),
        ("stickiness.lb_cookie.duration_seconds", 1, WEEK),
        ("stickiness.app_cookie.duration_seconds", 1, WEEK),
    ];
    for (key, value) in attributes {
        let is_flag = FLAGS.contains(&key.as_str()).then(|| ["true", "false"].contains(&value.as_str()));
        let is_word = WORDS.iter().find(|(one, _)| one == key).map(|(_, words)| words.contains(&value.as_str()));
        let range = RANGES.iter().find(|(one, ..)| one == key);
        let is_number =
            range.map(|(_, least, most)| value.parse().is_ok_and(|number| (*least..=*most).contains(&number)));
        let fits = [is_flag, is_word, is_number].into_iter().flatten().all(|fits| fits);
        let starts =
            key == "slow_start.duration_seconds" && value.parse().is_ok_and(|seconds| (1..30).contains(&seconds));
        refuse(!fits || starts, format!("the attribute {key}={value}"), found);
    }
    let sticky = |key: &str| attributes.get(key).map(String::as_str);
    let by_cookie = (sticky("stickiness.enabled"), sticky("stickiness.type")) == (Some("true"), Some("app_cookie"));
    let lacks = by_cookie && sticky("stickiness.app_cookie.cookie_name").is_none_or(str::is_empty);
    refuse(lacks, "app_cookie without the name of a cookie", found);
}

fn of_target_group(group: &TargetGroup, found: &mut Vec<String>) {
    let check = &group.health_check;
    refuse(group.name.len() > 32, format!("the name {:?}", group.name), found);
    refuse(!check.path.starts_with('/') || check.path.len() > 1_024, format!("the path {:?}", check.path), found);
    refuse(!(5..=300).contains(&check.interval_seconds), format!("an interval of {}", check.interval_seconds), found);
    refuse(!(2..=120).contains(&check.timeout_seconds), format!("a timeout of {}", check.timeout_seconds), found);
    refuse(check.timeout_seconds >= check.interval_seconds, "a timeout that is not below the interval", found);
    for threshold in [check.healthy_threshold, check.unhealthy_threshold] {
        refuse(!(2..=10).contains(&threshold), format!("a threshold of {threshold}"), found);
    }
    let codes = check.success_codes.split(',').flat_map(|range| range.split('-'));
    let (least, most) = if group.protocol_version == ProtocolVersion::Grpc { (0, 99) } else { (200, 599) };
    for code in codes {
        let fits = code.trim().parse().is_ok_and(|code: i64| (least..=most).contains(&code));
        refuse(!fits, format!("the success codes {:?}", check.success_codes), found);
    }
    let is_port = check.port == "traffic-port" || check.port.parse::<u16>().is_ok_and(|port| port > 0);
    refuse(!is_port, format!("the health check port {:?}", check.port), found);
    of_attributes(&group.attributes, found);
    of_tags(&group.tags, found);
}

fn of_listener(listener: &Listener, desired: &Desired, facts: &Facts, found: &mut Vec<String>) {
    let is_tls = listener.protocol == Protocol::Https;
    refuse(listener.port == 0, "port 0", found);
    refuse(is_tls && listener.certificates.is_empty(), "HTTPS without a certificate", found);
    refuse(!is_tls && !listener.certificates.is_empty(), "certificates on HTTP", found);
    refuse(listener.certificates.len() > 26, "more than 25 certificates beside the default one", found);
    let known = facts.certificates.as_ref().map(|known| &known.value).expect("certificates");
    let region = facts.region.as_deref().unwrap_or_default();
    for arn in listener.certificates.iter().filter(|arn| arn.contains(":acm:")) {
        let is_there = arn.contains(&format!(":{region}:")) && known.iter().any(|one| one.arn == *arn);
        refuse(!is_there, format!("the certificate {arn}"), found);
    }
    let policy = listener.ssl_policy.as_deref();
    refuse(
        policy.is_some_and(|policy| !policy.starts_with("ELBSecurityPolicy-")),
        format!("the policy {policy:?}"),
        found,
    );
    refuse(!is_tls && listener.mutual_authentication.is_some(), "client certificates on HTTP", found);
    if let Some(mutual) = &listener.mutual_authentication {
        refuse(
            (mutual.mode == "verify") != mutual.trust_store_arn.is_some(),
            "a trust store without verify, or without one",
            found,
        );
    }
    refuse(listener.rules.len() > 100, "more than 100 rules", found);
    of_actions(&listener.default_actions, is_tls, desired, found);
    let mut priorities = BTreeSet::new();
    for rule in &listener.rules {
        let is_free = priorities.insert(rule.priority) && (1..=50_000).contains(&rule.priority);
        refuse(!is_free, format!("the priority {}", rule.priority), found);
        of_rule(rule, is_tls, desired, found);
    }
    of_tags(&listener.tags, found);
}

fn of_rule(rule: &Rule, is_tls: bool, desired: &Desired, found: &mut Vec<String>) {
    refuse(rule.conditions.is_empty(), "a rule without a condition", found);
    let values: usize = rule.conditions.iter().map(count).sum();
    refuse(values > 5, format!("{values} values of conditions"), found);
    for condition in rule.conditions.iter() {
        refuse(count(condition) == 0, format!("a condition without a value: {condition:?}"), found);
        let (texts, fits): (&[String], fn(&str) -> bool) = match condition {
            Condition::HostHeader(Patterns { values, .. }) => {
                (values, |text| text.len() <= 128 && is!(r"^[A-Za-z0-9.*?-]*\.[A-Za-z*?]+$", text))
            }
            Condition::PathPattern(Patterns { values, .. }) => {
                (values, |text| (1..=128).contains(&text.len()) && !is!(r"[\^()\[\]{}|]", text))
            }
            Condition::HttpRequestMethod { values } => (values, |text| is!("^[A-Z_-]{1,40}$", text)),
            Condition::SourceIp { values } => (values, |text| text.parse::<ipnet::IpNet>().is_ok()),
            Condition::HttpHeader { patterns, .. } => (&patterns.values, |text| (1..=128).contains(&text.len())),
            Condition::QueryString { .. } | Condition::Unknown { .. } => (&[], |_| true),
        };
        for text in texts {
            refuse(!fits(text), format!("the value {text:?} of {}", condition.field()), found);
        }
    }
    of_actions(&rule.actions, is_tls, desired, found);
}

/// The values of a condition, as AWS counts them.
fn count(condition: &Condition) -> usize {
    match condition {
        Condition::HostHeader(of) | Condition::PathPattern(of) => of.values.len() + of.regex_values.len(),
        Condition::HttpHeader { patterns, .. } => patterns.values.len() + patterns.regex_values.len(),
        Condition::HttpRequestMethod { values } | Condition::SourceIp { values } => values.len(),
        Condition::Unknown { values, .. } => values.len(),
        Condition::QueryString { values } => values.len(),
    }
}

fn of_actions(actions: &[Action], is_tls: bool, desired: &Desired, found: &mut Vec<String>) {
    let ends = |action: &Action| matches!(action, Action::Forward(_) | Action::Redirect(_) | Action::FixedResponse(_));
    let last = actions.last();
    refuse(!last.is_some_and(ends), format!("the last action {last:?}"), found);
    refuse(actions.iter().filter(|action| ends(action)).count() > 1, "two last actions", found);
    for action in actions {
        match action {
            Action::Forward(forward) => of_forward(forward, is_tls, desired, found),
            Action::Redirect(redirect) => of_redirect(redirect, found),
            Action::FixedResponse(response) => of_response(response, found),
            Action::AuthenticateOidc(of) | Action::AuthenticateCognito(of) => {
                refuse(!is_tls, "authentication on HTTP", found);
                refuse(
                    !(1..=WEEK).contains(&of.session_timeout),
                    format!("a session of {} s", of.session_timeout),
                    found,
                );
                let on = of.on_unauthenticated_request.as_str();
                refuse(
                    !["deny", "allow", "authenticate"].contains(&on),
                    format!("on an unauthenticated request {on:?}"),
                    found,
                );
            }
            Action::JwtValidation(of) => {
                refuse(!is_tls, "tokens on HTTP", found);
                refuse(!of.jwks_endpoint.starts_with("https://"), format!("keys at {:?}", of.jwks_endpoint), found);
            }
            Action::Unknown { name } => refuse(true, format!("the action {name}"), found),
        }
    }
}

fn of_redirect(redirect: &Redirect, found: &mut Vec<String>) {
    let parts = [&redirect.host, &redirect.path, &redirect.port, &redirect.protocol, &redirect.query];
    let same = ["#{host}", "/#{path}", "#{port}", "#{protocol}", "#{query}"];
    let stays = parts.iter().zip(same).all(|(part, same)| part.as_deref().is_none_or(|part| part == same));
    refuse(stays, "a redirect to itself", found);
    refuse(!["HTTP_301", "HTTP_302"].contains(&redirect.status_code.as_str()), &redirect.status_code, found);
    let port = redirect.port.as_deref();
    let is_port = |port: &str| port == "#{port}" || port.parse::<u16>().is_ok_and(|port| port > 0);
    refuse(!port.is_none_or(is_port), format!("a redirect to port {port:?}"), found);
    let protocol = redirect.protocol.as_deref().unwrap_or("HTTP");
    refuse(!["HTTP", "HTTPS", "#{protocol}"].contains(&protocol), format!("a redirect to {protocol}"), found);
    let path = redirect.path.as_deref().unwrap_or("/");
    refuse(!path.starts_with('/') || path.len() > 128, format!("a redirect to the path {path:?}"), found);
    let query = redirect.query.as_deref().unwrap_or_default();
    refuse(query.starts_with('?') || query.len() > 128, format!("a redirect to the query {query:?}"), found);
}

fn of_response(response: &FixedResponse, found: &mut Vec<String>) {
    refuse(!is!("^(2|4|5)[0-9]{2}$", &response.status_code), format!("the code {:?}", response.status_code), found);
    refuse(response.message_body.as_ref().is_some_and(|body| body.len() > 1_024), "a body over 1024", found);
    let kinds = ["text/plain", "text/css", "text/html", "application/javascript", "application/json"];
    let kind = response.content_type.as_deref().filter(|kind| !kind.is_empty());
    refuse(kind.is_some_and(|kind| !kinds.contains(&kind)), format!("the content type {kind:?}"), found);
}

fn of_forward(forward: &Forward, is_tls: bool, desired: &Desired, found: &mut Vec<String>) {
    refuse(forward.target_groups.is_empty(), "a forward to nothing", found);
    refuse(forward.target_groups.len() > 5, "more than 5 target groups", found);
    let enabled = forward.stickiness.as_ref().is_some_and(|sticky| sticky.enabled == Some(true));
    let seconds = forward.stickiness.as_ref().and_then(|sticky| sticky.duration_seconds);
    let fits = seconds.is_none_or(|seconds| (1..=WEEK).contains(&i64::from(seconds)));
    refuse(enabled && (seconds.is_none() || !fits), format!("sticky for {seconds:?}"), found);
    let shared = forward.target_groups.iter().filter(|one| one.weight != Some(0)).count() > 1;
    for one in &forward.target_groups {
        let weight = one.weight.unwrap_or(1);
        refuse(!(0..=999).contains(&weight), format!("the weight {weight}"), found);
        let Ref::Of(id) = &one.target_group else { continue };
        let Some(group) = desired.target_groups.get(id) else {
            found.push(format!("a forward to {id}, which is not made"));
            continue;
        };
        let sticky = group.attributes.get("stickiness.enabled").is_some_and(|value| value == "true");
        refuse(shared && sticky && !enabled && weight != 0, format!("{id} is sticky, and the forward is not"), found);
        let is_plain = group.protocol_version == ProtocolVersion::Http1;
        refuse(!is_tls && !is_plain, format!("{id} speaks {} behind HTTP", group.protocol_version), found);
    }
}
