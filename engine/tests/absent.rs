//! What a member names in AWS that is not there, or asks of the group that it cannot give: who is set aside for it, who goes on,
//! and what is told beside it.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

use std::collections::BTreeMap;

use albedo_engine::facts::{Aged, Facts, SecurityGroupFact, Subnet};
use albedo_engine::finding::Code;
use albedo_engine::link::{Existing, Input, Linked, MemberState, link};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{GroupId, Scheme};
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{from_value, json};

const P: &str = "alb.ingress.kubernetes.io/";

fn facts() -> Facts {
    let read_at = Timestamp::UNIX_EPOCH;
    let subnet = |id: &str, zone: &str| Subnet {
        id: id.to_owned(),
        vpc_id: "vpc-1".to_owned(),
        zone: zone.to_owned(),
        locale: "availability-zone".to_owned(),
        free_addresses: 100,
        ipv6: false,
        public: Some(false),
        tags: BTreeMap::from([("kubernetes.io/role/internal-elb".to_owned(), "1".to_owned())]),
    };
    let group = SecurityGroupFact {
        id: "sg-1".to_owned(),
        name: "one".to_owned(),
        tags: BTreeMap::from([("Name".to_owned(), "one".to_owned())]),
    };
    Facts {
        vpc_id: Some("vpc-1".to_owned()),
        subnets: Some(Aged { value: vec![subnet("subnet-1", "a"), subnet("subnet-2", "b")], read_at }),
        security_groups: Some(Aged { value: vec![group], read_at }),
        certificates: Some(Aged { value: Vec::new(), read_at }),
        ..Facts::default()
    }
}

fn member(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let mut map: BTreeMap<String, String> = BTreeMap::from([(format!("{P}group.name"), "g".to_owned())]);
    map.extend(annotations.iter().map(|(key, value)| (format!("{P}{key}"), (*value).to_owned())));
    let paths = json!([{"path": format!("/{name}"), "pathType": "Prefix",
        "backend": {"service": {"name": "app", "port": {"number": 80}}}}]);
    let object = json!({"metadata": {"name": name, "namespace": "ns", "uid": name, "annotations": map},
        "spec": {"ingressClassName": "alb", "rules": [{"host": format!("{name}.example.com"), "http": {"paths": paths}}]}});
    from_value(object).expect("an Ingress")
}

fn linked(members: &[Ingress], existing: Option<&Existing>) -> Linked {
    let mut world = World::new(Settings::new("cluster"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    let service = json!({"metadata": {"namespace": "ns", "name": "six"},
        "spec": {"ipFamilies": ["IPv6"], "ports": [{"port": 80, "targetPort": 8080}]}});
    world.apply(Object::Service(Box::new(from_value(service).expect("a Service"))));
    for one in members {
        world.apply(Object::Ingress(Box::new(one.clone())));
    }
    let view = world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None);
    let (settings, facts) = (world.settings(), facts());
    link(Input { settings: &settings, view: &view, facts: &facts, existing, now: Timestamp::UNIX_EPOCH })
}

fn states(linked: &Linked) -> Vec<MemberState> {
    linked.members.iter().map(|member| member.state).collect()
}

fn codes(linked: &Linked, member: usize) -> Vec<Code> {
    linked.members.get(member).expect("the member").findings.iter().map(|finding| finding.code).collect()
}

/// The others open HTTP alone and have an IPv4 load balancer.
#[test]
fn who_does_not_fit_is_set_aside_alone() {
    let mut ipv6 = member("a", &[("target-type", "ip")]);
    let backend = json!({"service": {"name": "six", "port": {"number": 80}}});
    ipv6.spec.get_or_insert_default().default_backend = from_value(backend).expect("a backend");
    let rows = [
        (member("a", &[("ssl-redirect", "443")]), Code::InvalidSslRedirect),
        (member("a", &[("ssl-redirect", "80")]), Code::InvalidSslRedirect),
        (ipv6, Code::ServiceTypeMismatch),
    ];
    for (one, code) in rows {
        let both = linked(&[one.clone(), member("b", &[])], None);
        assert_eq!(states(&both), [MemberState::SetAside, MemberState::Linked], "{code:?}");
        assert!(codes(&both, 0).contains(&code) && !codes(&both, 1).contains(&code), "{:?}", both.members);
        let listener = both.desired.expect("the other one's").listeners.remove(&80).expect("a listener");
        assert_eq!((listener.rules.len(), listener.default_actions.len()), (1, 1), "{code:?}");
        let alone = linked(std::slice::from_ref(&one), None);
        assert!(alone.desired.is_none() && codes(&alone, 0).contains(&code), "{code:?}");
        // Of a load balancer that exists and has no ledger it may be in AWS: then the group stays as it is.
        let existing = Existing { scheme: Scheme::Internal, subnets: Vec::new(), frontend_nlb: None };
        assert!(linked(&[one, member("b", &[])], Some(&existing)).desired.is_none(), "{code:?}");
    }
    let fits = linked(&[member("a", &[("ssl-redirect", "443")]), member("b", &HTTPS)], None);
    assert_eq!(states(&fits), [MemberState::Linked; 2]);
}

const HTTPS: [(&str, &str); 2] = [
    ("listen-ports", r#"[{"HTTPS": 443}]"#),
    ("certificate-arn", "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000001"),
];

#[test]
fn who_names_what_is_not_there_is_set_aside_alone() {
    let rows = [
        ("subnets", "subnet-1,subnet-9", Code::SubnetsNotFound),
        ("subnets", "no such name", Code::SubnetsNotFound),
        ("security-groups", "sg-9", Code::SecurityGroupNotFound),
        ("security-groups", "no such name", Code::SecurityGroupNotFound),
    ];
    for (suffix, value, code) in rows {
        let linked = linked(&[member("a", &[(suffix, value)]), member("b", &[])], None);
        assert_eq!(states(&linked), [MemberState::SetAside, MemberState::Linked], "{suffix}: {value}");
        assert!(codes(&linked, 0).contains(&code), "{:?}", linked.members);
        assert!(!codes(&linked, 1).contains(&code), "{:?}", linked.members);
        let desired = linked.desired.expect("the other one's");
        let listener = desired.listeners.get(&80).expect("a listener");
        assert_eq!(listener.rules.len(), 1);
        assert_eq!(desired.load_balancer.expect("a load balancer").subnets, ["subnet-1", "subnet-2"]);
    }
}

#[test]
fn who_names_what_is_there_is_linked() {
    let annotations = [("subnets", "subnet-1,subnet-2"), ("security-groups", "one")];
    let linked = linked(&[member("a", &annotations), member("b", &[])], None);
    assert_eq!(states(&linked), [MemberState::Linked, MemberState::Linked]);
}

#[test]
fn a_lone_member_with_what_is_not_there_changes_nothing() {
    let linked = linked(&[member("a", &[("subnets", "subnet-9,subnet-8")])], None);
    assert!(linked.desired.is_none());
    assert_eq!(codes(&linked, 0).iter().filter(|code| **code == Code::SubnetsNotFound).count(), 1);
}

/// It may be in AWS already: leaving it out could take its rules away.
#[test]
fn who_may_be_in_aws_already_keeps_the_group_as_it_is() {
    let existing = Existing { scheme: Scheme::Internal, subnets: vec!["subnet-1".to_owned()], frontend_nlb: None };
    let linked = linked(&[member("a", &[("subnets", "subnet-1,subnet-9")]), member("b", &[])], Some(&existing));
    assert!(linked.desired.is_none());
    assert!(codes(&linked, 0).contains(&Code::SubnetsNotFound));
}

#[test]
fn a_fault_of_the_object_hides_none_of_the_account() {
    let annotations = [
        ("wafv2-acl-arn", "arn:aws:wafv2:..."),
        ("security-groups", "sg-9"),
        ("subnets", "subnet-9"),
        ("listen-ports", r#"[{"HTTPS": 443}]"#),
    ];
    let linked = linked(&[member("a", &annotations)], None);
    let codes = codes(&linked, 0);
    let all = [Code::InvalidArn, Code::SecurityGroupNotFound, Code::SubnetsNotFound, Code::CertificateNotFound];
    assert!(all.iter().all(|code| codes.contains(code)), "{codes:?}");
}
