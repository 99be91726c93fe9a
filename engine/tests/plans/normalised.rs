//! What AWS gives back otherwise than it was asked for, or another hand may do, needs no pass; beside it what does.

use albedo_engine::plan::{self, ObservedBinding, TargetsByArn, as_observed};
use albedo_engine::stack::{Desired, Observed, ObservedListener, ObservedLoadBalancer, PeerSource, Permission};

use super::{CERTIFICATE, next};
use crate::cluster::{desired, member, rule};

/// What it is about, the same otherwise written, something that differs, and the call that this takes.
type Row = (&'static str, fn(&mut Observed), fn(&mut Observed), &'static str);

fn balancer(observed: &mut Observed) -> &mut ObservedLoadBalancer {
    observed.load_balancers.first_mut().expect("a load balancer")
}

fn listener(observed: &mut Observed) -> &mut ObservedListener {
    balancer(observed).listeners.first_mut().expect("a listener")
}

fn permissions(observed: &mut Observed, change: fn(Permission) -> Permission) {
    let group = observed.security_groups.first_mut().expect("a security group");
    group.is.ingress = std::mem::take(&mut group.is.ingress).into_iter().map(change).collect();
}

const ROWS: &[Row] = &[
    (
        "bits of hosts, and descriptions of permissions",
        |of| {
            permissions(of, |one| Permission {
                source: PeerSource::Ipv4("10.0.0.0/8".to_owned()),
                description: Some("by hand".to_owned()),
                ..one
            });
        },
        |of| permissions(of, |one| Permission { source: PeerSource::Ipv4("10.0.0.0/9".to_owned()), ..one }),
        "RevokeSecurityGroupIngress",
    ),
    (
        "a name that is born with it",
        |of| "another".clone_into(&mut balancer(of).is.name),
        |of| balancer(of).is.ip_address_type = albedo_engine::stack::IpAddressType::Dualstack,
        "SetIpAddressType",
    ),
    (
        "order of subnets",
        |of| balancer(of).is.subnets.reverse(),
        |of| drop(balancer(of).is.subnets.pop()),
        "SetSubnets",
    ),
    (
        "order of security groups",
        |of| balancer(of).is.security_groups.reverse(),
        |of| drop(balancer(of).is.security_groups.pop()),
        "SetSecurityGroups",
    ),
    (
        "attributes nobody asks for",
        |of| drop(balancer(of).is.attributes.insert("routing.http2.enabled".to_owned(), "true".to_owned())),
        |of| drop(balancer(of).is.attributes.insert("idle_timeout.timeout_seconds".to_owned(), "60".to_owned())),
        "ModifyLoadBalancerAttributes",
    ),
    (
        "tags of AWS and of older controllers",
        |of| {
            balancer(of).is.tags.extend(
                ["aws:cloudformation:stack-name", "kubernetes.io/cluster-name", "kubernetes.io/cluster/demo"]
                    .map(|key| (key.to_owned(), "x".to_owned())),
            );
        },
        |of| drop(balancer(of).is.tags.insert("owner".to_owned(), "x".to_owned())),
        "RemoveTags",
    ),
    (
        "order of certificates behind the default one",
        |of| listener(of).is.certificates.get_mut(1..).expect("others").reverse(),
        |of| listener(of).is.certificates.reverse(),
        "ModifyListener",
    ),
    (
        "a TLS policy nobody asks for",
        |of| listener(of).is.ssl_policy = Some("ELBSecurityPolicy-2016-08".to_owned()),
        |of| listener(of).is.protocol = albedo_engine::stack::Protocol::Http,
        "ModifyListener",
    ),
    (
        "order of rules",
        |of| listener(of).rules.reverse(),
        |of| listener(of).rules.iter_mut().for_each(|found| found.is.priority += 1),
        "SetRulePriorities",
    ),
    (
        "port and addresses that a target group is born with",
        |of| of.target_groups.iter_mut().for_each(|found| (found.is.port, found.is.ipv6) = (9, true)),
        |of| of.target_groups.iter_mut().for_each(|found| found.is.health_check.interval_seconds += 1),
        "ModifyTargetGroup",
    ),
    (
        "attributes of a target group nobody asks for",
        |of| {
            for found in &mut of.target_groups {
                found.is.attributes.insert("stickiness.enabled".to_owned(), "false".to_owned());
            }
        },
        |of| {
            for found in &mut of.target_groups {
                found.is.attributes.insert("deregistration_delay.timeout_seconds".to_owned(), "300".to_owned());
            }
        },
        "ModifyTargetGroupAttributes",
    ),
    (
        "what a security group is born with",
        |of| of.security_groups.iter_mut().for_each(|found| "x".clone_into(&mut found.is.description)),
        |of| of.security_groups.iter_mut().for_each(|found| found.is.ingress.clear()),
        "AuthorizeSecurityGroupIngress",
    ),
];

fn wanted() -> Desired {
    let arns = format!("{CERTIFICATE}1,{CERTIFICATE}3,{CERTIFICATE}2");
    let annotations = [
        ("certificate-arn", arns.as_str()),
        ("inbound-cidrs", "10.1.2.3/8"),
        ("load-balancer-attributes", "idle_timeout.timeout_seconds=120"),
        ("target-group-attributes", "deregistration_delay.timeout_seconds=30"),
    ];
    let rules = vec![rule("a.example.com", "/a", "svc-1"), rule("a.example.com", "/b", "svc-2")];
    let mut wanted = desired(vec![member("web", &annotations, rules)]);
    wanted.load_balancer.as_mut().expect("a load balancer").subnets.push("subnet-2".to_owned());
    wanted
}

#[test]
fn what_aws_normalises_needs_no_pass() {
    let wanted = wanted();
    let (observed, bindings): (Observed, Vec<ObservedBinding>) = as_observed(&wanted);
    let pass = |change: fn(&mut Observed)| {
        let mut observed = observed.clone();
        change(&mut observed);
        plan::show(&next(&wanted, &observed, &bindings, &TargetsByArn::new()))
    };
    for (what, same, other, call) in ROWS {
        assert_eq!(pass(*same), "", "{what}");
        let text = pass(*other);
        assert!(text.lines().any(|line| line.contains(call)), "{what}: no {call} in\n{text}");
    }
}
