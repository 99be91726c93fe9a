//! The NLB in front of a group: what members say of it put together, conflicts, addresses, and its plans.

#![expect(clippy::expect_used, clippy::panic, reason = "a panic is what a test has for a fault")]

mod subnet;

use std::collections::BTreeMap;

use albedo_engine::facts::{Aged, Facts, Subnet};
use albedo_engine::finding::{Code, Effect, Finding};
use albedo_engine::link::{Existing, ExistingNlb, Input, Linked, MemberState, link};
use albedo_engine::plan::{self, ObservedBinding, Plan, as_observed};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Desired, GroupId, IpAddressType, LoadBalancerState, Nlb, Observed, Scheme, Tags};
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::json;
use subnet::subnet;

const P: &str = "alb.ingress.kubernetes.io/";
const ON: (&str, &str) = ("enable-frontend-nlb", "true");

type Annotations<'a> = &'a [(&'a str, &'a str)];

/// Members `m0`, `m1`, … of the group `g`, the first the oldest; their Service is not there.
fn members(all: &[Annotations<'_>]) -> Vec<Ingress> {
    let one = |(number, annotations): (usize, &Annotations<'_>)| {
        let annotations = annotations.iter().map(|(key, value)| (format!("{P}{key}"), (*value).to_owned()));
        let group = [(format!("{P}group.name"), "g".to_owned())];
        let annotations: BTreeMap<String, String> = annotations.chain(group).collect();
        let object = json!({
            "metadata": {"name": format!("m{number}"), "namespace": "ns", "uid": number.to_string(),
                "annotations": annotations, "creationTimestamp": format!("2026-01-01T00:00:{number:02}Z")},
            "spec": {"ingressClassName": "alb", "rules": [{"host": format!("m{number}.example.com"), "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}});
        serde_json::from_value(object).expect("an Ingress")
    };
    all.iter().enumerate().map(one).collect()
}

fn facts() -> Facts {
    let subnet = |id: &str, zone: &str, role: &str| Subnet {
        ipv6: true,
        ..subnet(id, zone, &[(&format!("kubernetes.io/role/{role}"), "1")])
    };
    let subnets = vec![
        subnet("subnet-0a", "a", "elb"),
        subnet("subnet-0b", "b", "elb"),
        subnet("subnet-1a", "a", "internal-elb"),
        subnet("subnet-1b", "b", "internal-elb"),
    ];
    let subnets = Some(Aged { value: subnets, read_at: Timestamp::UNIX_EPOCH });
    Facts { vpc_id: Some("vpc-1".to_owned()), subnets, ..Facts::default() }
}

fn settings() -> Settings {
    let mut settings = Settings::new("demo");
    settings.default_tags = [("default".to_owned(), "yes".to_owned())].into();
    settings
}

fn link_with(all: &[Annotations<'_>], existing: Option<&Existing>) -> Linked {
    let mut world = World::new(settings());
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    for ingress in members(all) {
        world.apply(Object::Ingress(Box::new(ingress)));
    }
    let view = world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None);
    let (settings, facts) = (settings(), facts());
    link(Input { settings: &settings, view: &view, facts: &facts, existing, now: Timestamp::UNIX_EPOCH })
}

fn linked(all: &[Annotations<'_>]) -> Linked {
    link_with(all, None)
}

fn desired(linked: &Linked) -> &Desired {
    linked.desired.as_ref().unwrap_or_else(|| panic!("blocked: {:?}", linked.members))
}

fn nlb(all: &[Annotations<'_>]) -> Nlb {
    let linked = linked(all);
    assert!(linked.members.iter().all(|member| member.state == MemberState::Linked), "{:?}", linked.members);
    desired(&linked).nlb.clone().expect("an NLB")
}

fn ports(nlb: &Nlb) -> Vec<(u16, u16)> {
    nlb.listeners.iter().map(|(port, listener)| (*port, listener.target_group.target_port)).collect()
}

fn subnets(nlb: &Nlb) -> Vec<(&str, Option<&str>)> {
    nlb.is.subnets.iter().map(|id| (id.as_str(), nlb.is.allocation_ids.get(id).map(String::as_str))).collect()
}

fn found(linked: &Linked, code: Code) -> Vec<&Finding> {
    linked.findings().filter(|finding| finding.code == code).collect()
}

#[test]
fn defaults() {
    let nlb = nlb(&[&[ON, ("scheme", "internet-facing"), ("tags", "team=web")]]);
    assert_eq!(nlb.is.scheme, Scheme::Internal, "the flag's, not the ALB's");
    assert_eq!(subnets(&nlb), [("subnet-1a", None), ("subnet-1b", None)], "discovered for its own scheme");
    assert_eq!(nlb.is.security_groups.len(), 2, "the ALB's");
    assert_eq!((nlb.is.tags["team"].as_str(), nlb.is.tags["default"].as_str()), ("web", "yes"));
    assert_eq!(ports(&nlb), [(80, 80)]);
    let group = &nlb.listeners[&80].target_group;
    assert_eq!(group.tags["ingress.k8s.aws/resource"], "FrontendNlb-tg-TCP-80");
    let check = &group.health_check;
    assert_eq!((check.port.as_str(), check.path.as_str(), check.success_codes.as_str()), ("traffic-port", "/", "200"));
    let numbers = [check.interval_seconds, check.timeout_seconds, check.healthy_threshold, check.unhealthy_threshold];
    assert_eq!(numbers, [15, 5, 2, 2]);
    assert_eq!(desired(&linked(&[&[]])).nlb, None);
    assert_eq!(desired(&linked(&[&[("enable-frontend-nlb", "false")]])).nlb, None);
}

#[test]
fn what_members_say_is_put_together() {
    let nlb = nlb(&[
        &[ON, ("listen-ports", r#"[{"HTTP": 80}]"#), ("frontend-nlb-healthcheck-path", "/up")],
        &[
            ("listen-ports", r#"[{"HTTP": 80}, {"HTTP": 8080}]"#),
            ("frontend-nlb-listener-port-mapping", "80=80, 9000=8080, 7000=7001"),
            ("frontend-nlb-healthcheck-interval-seconds", "20"),
        ],
        &[
            ("frontend-nlb-tags", "N=1"),
            ("frontend-nlb-attributes", "load_balancing.cross_zone.enabled=true"),
            ("frontend-nlb-listener-attributes", "tcp.idle_timeout.seconds=600"),
        ],
    ]);
    assert_eq!(ports(&nlb), [(80, 80), (9000, 8080)]);
    let check = &nlb.listeners[&80].target_group.health_check;
    assert_eq!((check.path.as_str(), check.interval_seconds), ("/up", 20));
    assert_eq!(nlb.listeners[&9000].target_group.health_check.path, "/");
    assert_eq!(nlb.is.attributes["load_balancing.cross_zone.enabled"], "true");
    assert!(nlb.listeners.values().all(|listener| listener.attributes["tcp.idle_timeout.seconds"] == "600"));
    assert_eq!((nlb.is.tags.get("N").map(String::as_str), nlb.is.tags.get("default")), (Some("1"), None));
}

#[test]
fn conflicts_quarantine_the_younger() {
    let cases: &[(&str, &str, &str, Code)] = &[
        ("enable-frontend-nlb", "true", "false", Code::GroupConflict),
        ("frontend-nlb-scheme", "internal", "internet-facing", Code::GroupConflict),
        ("frontend-nlb-subnets", "subnet-1a,subnet-1b", "subnet-1a", Code::GroupConflict),
        ("frontend-nlb-security-groups", "sg-1,sg-2", "sg-2,sg-1", Code::GroupConflict),
        ("frontend-nlb-eip-allocations", "eipalloc-1, eipalloc-2", "eipalloc-3, eipalloc-4", Code::GroupConflict),
        ("frontend-nlb-attributes", "a=1", "a=2", Code::GroupConflict),
        ("frontend-nlb-listener-attributes", "a=1", "a=2", Code::GroupConflict),
        ("frontend-nlb-tags", "a=1", "a=2", Code::GroupConflict),
        ("frontend-nlb-listener-port-mapping", "90=80", "90=81", Code::ListenerConflict),
        ("frontend-nlb-healthcheck-port", "80", "traffic-port", Code::ListenerConflict),
        ("frontend-nlb-healthcheck-protocol", "HTTP", "HTTPS", Code::ListenerConflict),
        ("frontend-nlb-healthcheck-path", "/a", "/b", Code::ListenerConflict),
        ("frontend-nlb-healthcheck-interval-seconds", "10", "20", Code::ListenerConflict),
        ("frontend-nlb-healthcheck-timeout-seconds", "5", "6", Code::ListenerConflict),
        ("frontend-nlb-healthcheck-healthy-threshold-count", "2", "3", Code::ListenerConflict),
        ("frontend-nlb-healthcheck-unhealthy-threshold-count", "2", "3", Code::ListenerConflict),
        ("frontend-nlb-healthcheck-success-codes", "200", "204", Code::ListenerConflict),
    ];
    let listen = ("listen-ports", r#"[{"HTTP": 80}, {"HTTP": 81}]"#);
    for (key, one, other, code) in cases {
        let on = if *key == "enable-frontend-nlb" { listen } else { ON };
        // Only there do elastic addresses go.
        let facing = if key.contains("eip") { ("frontend-nlb-scheme", "internet-facing") } else { listen };
        let all: [Annotations<'_>; 2] = [&[on, listen, facing, (key, one)], &[listen, (key, other)]];
        let linked = linked(&all);
        let states: Vec<MemberState> = linked.members.iter().map(|member| member.state).collect();
        assert_eq!(states, [MemberState::Linked, MemberState::Quarantined], "{key}: {:?}", linked.members);
        let findings = found(&linked, *code);
        assert!(findings.iter().any(|finding| finding.path.0.contains(key)), "{key}: {findings:?}");
        // The same goes together, and so does whatever it is while nobody asks for an NLB.
        let agreed: [Annotations<'_>; 2] = [&[on, listen, facing, (key, one)], &[listen, (key, one)]];
        assert!(link_with(&agreed, None).members.iter().all(|member| member.state == MemberState::Linked), "{key}");
        if *key != "enable-frontend-nlb" {
            let unused: [Annotations<'_>; 2] = [&[listen, (key, one)], &[listen, (key, other)]];
            let linked = link_with(&unused, None);
            assert!(linked.members.iter().all(|member| member.state == MemberState::Linked), "{key}");
            assert_eq!(found(&linked, Code::FrontendNlbOff).len(), 2, "{key}");
        }
    }
}

#[test]
fn from_the_first_that_has_them_attributes_are_the_same_in_all() {
    let attributes = ("frontend-nlb-attributes", "deletion_protection.enabled=true");
    let state = |all: &[Annotations<'_>]| linked(all).members.iter().map(|member| member.state).collect::<Vec<_>>();
    assert_eq!(state(&[&[ON], &[attributes]]), [MemberState::Linked; 2]);
    assert_eq!(state(&[&[ON, attributes], &[]]), [MemberState::Linked, MemberState::Quarantined]);
    // Tags are another matter: who is silent has no opinion.
    let tags = ("frontend-nlb-tags", "a=1");
    assert_eq!(state(&[&[ON, tags], &[]]), [MemberState::Linked; 2]);
}

#[test]
fn who_asks_for_an_nlb_brings_the_conflicts_of_others_with_it() {
    let linked =
        linked(&[&[("frontend-nlb-scheme", "internal")], &[("frontend-nlb-scheme", "internet-facing")], &[ON]]);
    let states: Vec<MemberState> = linked.members.iter().map(|member| member.state).collect();
    assert_eq!(states, [MemberState::Linked, MemberState::Linked, MemberState::Quarantined], "{:?}", linked.members);
    assert!(desired(&linked).keep_nlb, "an NLB that is there already stays");
}

#[test]
fn elastic_addresses_go_to_subnets_in_their_order() {
    let facing = ("frontend-nlb-scheme", "internet-facing");
    let two = ("frontend-nlb-eip-allocations", "eipalloc-1, eipalloc-2");
    let given = nlb(&[&[ON, facing, two, ("frontend-nlb-subnets", "subnet-0b,subnet-0a")]]);
    assert_eq!(subnets(&given), [("subnet-0b", Some("eipalloc-1")), ("subnet-0a", Some("eipalloc-2"))]);
    let discovered = nlb(&[&[ON, facing, two]]);
    assert_eq!(subnets(&discovered), [("subnet-0a", Some("eipalloc-1")), ("subnet-0b", Some("eipalloc-2"))]);
    let one = ("frontend-nlb-eip-allocations", "eipalloc-1");
    let refused: [(Annotations<'_>, &str); 3] = [
        (&[ON, two], "EIP allocations can only be set for internet facing load balancers"),
        (&[ON, facing, one], "count of EIP allocations (1) and subnets (2) must match"),
        (&[ON, ("ip-address-type", "dualstack-without-public-ipv4")], "an NLB cannot be"),
    ];
    for (annotations, message) in refused {
        let linked = linked(&[annotations]);
        assert_eq!(linked.desired, None, "{annotations:?}");
        let findings = found(&linked, Code::InvalidFrontendNlb);
        assert!(findings.iter().any(|finding| finding.message.contains(message)), "{annotations:?}: {findings:?}");
    }
}

#[test]
fn a_port_that_leads_nowhere_is_passed_over() {
    let linked = linked(&[&[ON, ("frontend-nlb-listener-port-mapping", "8443=443, 80=80")]]);
    assert_eq!(ports(desired(&linked).nlb.as_ref().expect("an NLB")), [(80, 80)]);
    let findings = found(&linked, Code::InvalidFrontendNlb);
    assert_eq!(findings.iter().map(|finding| finding.effect).collect::<Vec<_>>(), [Effect::Nothing]);
    assert_eq!(findings.first().and_then(|finding| finding.value.as_deref()), Some("8443=443"));
}

#[test]
fn unreadable_values_count_for_who_asks_for_an_nlb() {
    let cases = [
        ("frontend-nlb-scheme", "public"),
        ("frontend-nlb-subnets", ""),
        ("frontend-nlb-listener-port-mapping", "http=80"),
        ("frontend-nlb-healthcheck-port", "http"),
        ("frontend-nlb-healthcheck-protocol", "TCP"),
        ("frontend-nlb-healthcheck-interval-seconds", "15s"),
        ("frontend-nlb-healthcheck-timeout-seconds", "1"),
        ("frontend-nlb-attributes", "a"),
        ("frontend-nlb-listener-attributes", "a"),
        ("frontend-nlb-tags", "a"),
    ];
    for bad in cases {
        assert_eq!(linked(&[&[ON, bad]]).members[0].state, MemberState::Quarantined, "{bad:?}");
        let unused = linked(&[&[bad]]);
        assert_eq!(unused.members[0].state, MemberState::Linked, "{bad:?}");
        assert!(unused.findings().any(|finding| finding.path.0.contains(bad.0)), "{bad:?}");
    }
}

#[test]
fn subnets_of_an_nlb_that_exists_stay() {
    let nlb = |scheme| ExistingNlb { scheme, subnets: vec!["subnet-1b".to_owned()] };
    let existing = |scheme| Existing {
        nlb: Some(nlb(scheme)),
        ..Existing::new(Scheme::Internal, vec!["subnet-1a".to_owned(), "subnet-1b".to_owned()])
    };
    let chosen = |scheme| {
        let linked = link_with(&[&[ON]], Some(&existing(scheme)));
        desired(&linked).nlb.as_ref().map(|nlb| nlb.is.subnets.len())
    };
    assert_eq!(chosen(Scheme::Internal), Some(1));
    assert_eq!(chosen(Scheme::InternetFacing), Some(2), "another scheme is another NLB");
}

fn replan(desired: &Desired, observed: &Observed, bindings: &[ObservedBinding]) -> Plan {
    let (external_tags, default_tags) = (&[][..], &Tags::new());
    let (cluster, rule_quota, targets) = ("demo", 100, None);
    plan::plan(plan::Input { desired, observed, bindings, cluster, external_tags, default_tags, rule_quota, targets })
}

fn lines(plan: &Plan) -> Vec<String> {
    let text = plan::show(plan);
    text.lines().map(|line| line.split(" arn").next().unwrap_or(line).to_owned()).collect()
}

fn from(before: &[Annotations<'_>], change: impl FnOnce(&mut Observed), after: &[Annotations<'_>]) -> Vec<String> {
    let (before, after) = (linked(before), linked(after));
    let (mut observed, bindings) = as_observed(desired(&before));
    change(&mut observed);
    lines(&replan(desired(&after), &observed, &bindings))
}

#[test]
fn plans() {
    let nothing = |_: &mut Observed| {};
    assert!(from(&[&[ON]], nothing, &[&[ON]]).is_empty());
    let on = from(&[&[]], nothing, &[&[ON]]);
    assert_eq!(on.len(), 4, "{on:#?}");
    assert!(on[0].ends_with("for FrontendNlb-tg-TCP-80") && on[1].ends_with("(internal, NLB)"), "{on:#?}");
    assert_eq!(on[3], "+ RegisterTargets <FrontendNlb-tg-TCP-80>: the load balancer's port 80");
    let provisioning = |observed: &mut Observed| observed.load_balancers[0].state = LoadBalancerState::Provisioning;
    let waiting = from(&[&[]], provisioning, &[&[ON]]);
    assert_eq!(waiting[3], "wait for the load balancer to be active before its frontend NLB leads to it");
    let off = [
        "- DeregisterTargets FrontendNlb-tg-TCP-80: 1 targets",
        "- DeleteLoadBalancer FrontendNlb",
        "- DeleteTargetGroup FrontendNlb-tg-TCP-80",
    ];
    assert_eq!(from(&[&[ON]], nothing, &[&[]]), off);
    // The ALB is let go before it is replaced, and registered anew once the other one is active.
    let replaced = from(&[&[ON]], nothing, &[&[ON, ("scheme", "internet-facing")]]);
    assert_eq!(replaced.first().map(String::as_str), Some(off[0]), "{replaced:#?}");
    assert!(replaced.last().is_some_and(|line| line.starts_with("wait for the load balancer")), "{replaced:#?}");
    let checked = from(&[&[ON]], nothing, &[&[ON, ("frontend-nlb-healthcheck-path", "/up")]]);
    assert_eq!(checked, ["~ ModifyTargetGroup FrontendNlb-tg-TCP-80"]);
    let subnets = from(&[&[ON]], nothing, &[&[ON, ("frontend-nlb-subnets", "subnet-1a")]]);
    assert_eq!(subnets, ["~ SetSubnets FrontendNlb: subnet-1a"]);
    let tampered = from(&[&[ON]], |observed| observed.nlb_target_groups[0].targets.clear(), &[&[ON]]);
    assert_eq!(tampered, ["+ RegisterTargets FrontendNlb-tg-TCP-80: the load balancer's port 80"]);
}

/// AWS refuses a subnet without IPv6 while the NLB is `dualstack`.
#[test]
fn the_address_type_leaves_ipv6_before_the_subnets_change() {
    let dualstack = |observed: &mut Observed| {
        observed.nlbs[0].is.ip_address_type = IpAddressType::Dualstack;
        observed.nlbs[0].is.subnets = vec!["subnet-9".to_owned()];
    };
    let plan = from(&[&[ON]], dualstack, &[&[ON]]);
    assert_eq!(plan.len(), 2, "{plan:#?}");
    assert_eq!(plan[0], "~ SetIpAddressType FrontendNlb: ipv4");
    assert!(plan[1].starts_with("~ SetSubnets FrontendNlb: "), "{plan:#?}");
}

#[test]
fn protection_is_honoured_until_it_is_lifted() {
    let protected = ("frontend-nlb-attributes", "deletion_protection.enabled=true");
    let lifted = ("frontend-nlb-attributes", "deletion_protection.enabled=false");
    let facing = ("frontend-nlb-scheme", "internet-facing");
    let kept: [Annotations<'_>; 3] = [&[], &[("enable-frontend-nlb", "false")], &[ON, protected, facing]];
    for after in kept {
        let plan = from(&[&[ON, protected]], |_| {}, &[after]);
        assert_eq!(plan.len(), 1, "{plan:#?}");
        assert!(plan[0].starts_with("wait for deletion protection of frontend NLB"), "{plan:#?}");
    }
    let gone = from(&[&[ON, protected]], |_| {}, &[&[("enable-frontend-nlb", "false"), lifted]]);
    assert_eq!(
        gone[1..3],
        [
            "~ ModifyLoadBalancerAttributes FrontendNlb: deletion_protection.enabled".to_owned(),
            "- DeleteLoadBalancer FrontendNlb".to_owned(),
        ]
    );
}
