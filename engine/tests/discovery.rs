//! Discovery of subnets explained: each subnet with its reason, where discovery fails and where it leaves a zone out.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

mod subnet;

use albedo_engine::describe::{self, describe};
use albedo_engine::facts::{Aged, Facts, Subnet};
use albedo_engine::finding::Finding;
use albedo_engine::kinds::Key;
use albedo_engine::link::{self, Discovery, Input, MemberState};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{IpAddressType, Scheme};
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use serde_json::json;
use subnet::subnet;

const ROLE: (&str, &str) = ("kubernetes.io/role/elb", "1");

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

fn facts(subnets: Vec<Subnet>) -> Facts {
    Facts {
        vpc_id: Some("vpc-1".to_owned()),
        subnets: Some(Aged { value: subnets, read_at: now() }),
        ..Facts::default()
    }
}

/// One subnet of each kind.
fn every_kind() -> Vec<Subnet> {
    vec![
        subnet("subnet-0a", "a", &[ROLE, ("Name", "public-a")]),
        subnet("subnet-0b", "a", &[ROLE]),
        subnet("subnet-0c", "a", &[ROLE, ("kubernetes.io/cluster/test", "shared")]),
        Subnet { free_addresses: 7, ..subnet("subnet-0d", "b", &[ROLE]) },
        subnet("subnet-0e", "b", &[ROLE, ("kubernetes.io/cluster/other", "owned")]),
        subnet("subnet-0f", "c", &[("kubernetes.io/role/elb", "true")]),
        subnet("subnet-10", "c", &[("kubernetes.io/role/internal-elb", "1")]),
        Subnet { vpc_id: "vpc-2".to_owned(), ..subnet("subnet-11", "b", &[ROLE]) },
    ]
}

fn looks(subnets: Vec<Subnet>, ip_address_type: IpAddressType) -> Vec<String> {
    let (settings, facts, scheme) = (Settings::new("test"), facts(subnets), Scheme::InternetFacing);
    let looks = Discovery { settings: &settings, facts: &facts, scheme, ip_address_type, tags: None }.looks();
    looks.iter().map(ToString::to_string).collect()
}

#[test]
fn each_subnet_has_its_reason() {
    assert_eq!(
        looks(every_kind(), IpAddressType::Ipv4),
        [
            "subnet-0c (a): chosen",
            "subnet-0a (public-a, a): its zone has subnet-0c",
            "subnet-0b (a): its zone has subnet-0c",
            "subnet-0d (b): 7 free addresses, 8 are needed",
            "subnet-0e (b): it belongs to another cluster (tag kubernetes.io/cluster/other)",
            "subnet-11 (b): it is in vpc-2, another VPC than the cluster's",
            "subnet-0f (c): tag kubernetes.io/role/elb is \"true\" instead of \"1\"",
            "subnet-10 (c): no tag kubernetes.io/role/elb",
        ]
    );
    let six = vec![subnet("subnet-0a", "a", &[ROLE]), Subnet { ipv6: true, ..subnet("subnet-0b", "a", &[ROLE]) }];
    assert_eq!(
        looks(six, IpAddressType::Dualstack),
        ["subnet-0a (a): it has no IPv6 block, which dualstack needs", "subnet-0b (a): chosen"]
    );
    // Where no subnet has the tag, routes decide.
    let routes = [Some(true), Some(false), None];
    let by_routes = routes.into_iter().enumerate();
    let by_routes =
        by_routes.map(|(n, public)| Subnet { public, ..subnet(&format!("subnet-{n}"), &n.to_string(), &[]) });
    assert_eq!(
        looks(by_routes.collect(), IpAddressType::Ipv4),
        ["subnet-0 (0): chosen", "subnet-1 (1): its routes make it private", "subnet-2 (2): its routes are not known"]
    );
}

/// What is told of a plain internet-facing Ingress: its findings, what `plan` shows, what `explain ingress` shows.
fn told(subnets: Vec<Subnet>) -> (MemberState, String, Vec<String>, String) {
    let (settings, facts) = (Settings::new("test"), facts(subnets));
    let mut world = World::new(settings.clone());
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let ingress = json!({"metadata": {"name": "web", "namespace": "shop",
        "annotations": {"alb.ingress.kubernetes.io/scheme": "internet-facing"}},
        "spec": {"ingressClassName": "alb", "defaultBackend": {"service": {"name": "app", "port": {"number": 80}}}}});
    world.apply(Object::IngressClass(Box::new(serde_json::from_value(class).expect("a class"))));
    world.apply(Object::Ingress(Box::new(serde_json::from_value(ingress).expect("an Ingress"))));
    let group = world.group_ids().into_iter().next().expect("a group");
    let view = world.view(&group, &Overlay::None);
    let input = Input { settings: &settings, view: &view, facts: &facts, existing: None, now: now() };
    let linked = link::link(input);
    let texts: Vec<String> = linked.findings().map(Finding::text).collect();
    let member = linked.members.first().expect("a member");
    let described =
        describe::Input { world: &world, settings: &settings, facts: &facts, events: &[], unread: &[], now: now() };
    let described = describe(&Key::new("shop", "web"), described).expect("an Ingress").text(now());
    (member.state, texts.join("\n"), link::looks_of(input), described)
}

#[test]
fn where_discovery_fails_the_reasons_are_told_at_apply() {
    let few = every_kind().into_iter().filter(|subnet| subnet.zone != "a").collect();
    let (state, findings, plan, described) = told(few);
    assert_eq!(state, MemberState::Quarantined);
    for reason in [
        "ALB203",
        "subnet-0d (b): 7 free addresses",
        "subnet-0e (b): it belongs to another cluster",
        "subnet-10 (c): no tag",
    ] {
        assert!(findings.contains(reason), "{reason}: {findings}");
    }
    assert_eq!(plan.len(), 5);
    assert!(described.contains("subnets by discovery\n  subnet-0d (b): 7 free addresses, 8 are needed"), "{described}");
    // One zone is too few, and a person expects two.
    let (_, findings, ..) = told(every_kind());
    assert!(findings.contains("less than minimal") && findings.contains("subnet-0d (b): 7 free"), "{findings}");
}

#[test]
fn a_message_is_bounded() {
    let many = (0..500).map(|n| Subnet { free_addresses: 0, ..subnet(&format!("subnet-{n:04}"), "a", &[ROLE]) });
    let (_, findings, plan, _) = told(many.collect());
    assert!(findings.contains("; and 494 more") && findings.len() < 1000, "{} bytes: {findings}", findings.len());
    assert_eq!(plan.len(), 500);
}

#[test]
fn a_zone_that_is_left_out_is_warned_of() {
    let two = || vec![subnet("subnet-0a", "a", &[ROLE]), subnet("subnet-0b", "b", &[ROLE])];
    let with = |more: Subnet| two().into_iter().chain([more]).collect();
    let full = Subnet { free_addresses: 3, ..subnet("subnet-0c", "c", &[ROLE]) };
    let (state, findings, ..) = told(with(full));
    assert_eq!(state, MemberState::Linked);
    let expected =
        "ALB212: the load balancer gets subnets in a, b, and none in c. subnet-0c (c): 3 free addresses, 8 are needed";
    assert!(findings.contains(expected), "{findings}");
    // A zone in which nothing is tagged is left out on purpose, and so is a second subnet of a zone.
    for quiet in [subnet("subnet-0c", "c", &[]), Subnet { free_addresses: 3, ..subnet("subnet-0c", "b", &[ROLE]) }] {
        let (_, findings, ..) = told(with(quiet));
        assert!(!findings.contains("ALB212"), "{findings}");
    }
}
