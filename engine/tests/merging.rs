//! What members, their classes and the operator say of one load balancer, put together, and what of it counts.

#![expect(clippy::expect_used, clippy::panic, reason = "a panic is what a test has for a fault")]

mod subnet;

use std::collections::BTreeMap;

use albedo_engine::facts::{Aged, Facts, SecurityGroupFact};
use albedo_engine::finding::{Code, Effect};
use albedo_engine::link::{Input, Linked, MemberState, link};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Action, Addon, Attachment, Desired, GroupId, Ref, Tags};
use albedo_engine::world::{Membership, Object, Overlay, World};
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{Value, from_value, json};
use subnet::subnet;

const P: &str = "alb.ingress.kubernetes.io/";
const BOTH: (&str, &str) = ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);
const CERTIFICATE: (&str, &str) =
    ("certificate-arn", "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000001");

fn facts() -> Facts {
    let read_at = Timestamp::UNIX_EPOCH;
    let subnet = |id: &str, zone: &str, name: &str| {
        subnet(id, zone, &[("kubernetes.io/role/internal-elb", "1"), ("Name", name)])
    };
    let group = |id: &str, name: &str| SecurityGroupFact {
        id: id.to_owned(),
        name: id.to_owned(),
        tags: tags(&[("Name", name)]),
    };
    let subnets =
        vec![subnet("subnet-1", "a", "in-a"), subnet("subnet-2", "b", "in-b"), subnet("subnet-3", "c", "out-c")];
    let groups = vec![group("sg-1", "web"), group("sg-2", "web"), group("sg-3", "api"), group("sg-4", "apt")];
    Facts {
        vpc_id: Some("vpc-1".to_owned()),
        subnets: Some(Aged { value: subnets, read_at }),
        security_groups: Some(Aged { value: groups, read_at }),
        certificates: Some(Aged { value: Vec::new(), read_at }),
        ..Facts::default()
    }
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A member of the group `g`; its class is `alb`, or `own` if it is to have the parameters.
fn member(name: &str, class: &str, annotations: &[(&str, &str)]) -> Ingress {
    let mut map: BTreeMap<String, String> = BTreeMap::from([(format!("{P}group.name"), "g".to_owned())]);
    map.extend(annotations.iter().map(|(key, value)| (format!("{P}{key}"), (*value).to_owned())));
    let object = json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "annotations": map},
        "spec": {"ingressClassName": class}});
    from_value(object).expect("an Ingress")
}

fn world(settings: Settings, params: &Value, members: &[Ingress]) -> World {
    let mut world = World::new(settings);
    let object = json!({"metadata": {"name": "own"}, "spec": params});
    world.apply(Object::IngressClassParams(Box::new(from_value(object).expect("parameters"))));
    let reference = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "own"});
    for (name, parameters) in [("alb", Value::Null), ("own", reference)] {
        let class = json!({"metadata": {"name": name}, "spec": {"controller": CONTROLLER, "parameters": parameters}});
        let class: IngressClass = from_value(class).expect("a class");
        world.apply(Object::IngressClass(Box::new(class)));
    }
    for one in members {
        world.apply(Object::Ingress(Box::new(one.clone())));
    }
    world
}

fn linked_by(settings: Settings, params: &Value, members: &[Ingress]) -> Linked {
    linked_as(&GroupId::Explicit("g".to_owned()), settings, params, members)
}

fn linked_as(group: &GroupId, settings: Settings, params: &Value, members: &[Ingress]) -> Linked {
    let world = world(settings, params, members);
    let view = world.view(group, &Overlay::None);
    let (settings, facts) = (world.settings(), facts());
    link(Input { settings: &settings, view: &view, facts: &facts, existing: None, now: Timestamp::UNIX_EPOCH })
}

fn linked(params: &Value, members: &[Ingress]) -> Linked {
    linked_by(Settings::new("cluster"), params, members)
}

fn states(linked: &Linked) -> Vec<MemberState> {
    linked.members.iter().map(|member| member.state).collect()
}

fn desired(linked: Linked) -> Desired {
    let findings: Vec<String> = linked.findings().map(|finding| format!("{finding:?}")).collect();
    linked.desired.unwrap_or_else(|| panic!("nothing is desired: {findings:#?}"))
}

const LINKED: MemberState = MemberState::Linked;
const QUARANTINED: MemberState = MemberState::Quarantined;

/// Whom a class's parameters leave without a redirect is in no conflict.
#[test]
fn ports_to_redirect_to_do_not_conflict_where_nobody_is_redirected() {
    let one = |name: &str, port: &str| member(name, "alb", &[BOTH, CERTIFICATE, ("ssl-redirect", port)]);
    let all = [member("l", "own", &[BOTH, CERTIFICATE]), one("m", "443"), one("n", "8443")];
    let off = linked(&json!({"sslRedirectPort": "https"}), &all);
    assert_eq!(states(&off), [LINKED; 3]);
    assert!(!matches!(desired(off).listeners[&80].default_actions[..], [Action::Redirect(_)]));
    assert_eq!(states(&linked(&json!({}), &all)), [LINKED, LINKED, QUARANTINED]);
}

#[test]
fn default_tags_stand_over_those_of_members_or_under_them_all() {
    let mut settings = Settings::new("cluster");
    settings.default_tags = tags(&[("team", "platform"), ("stage", "dev")]);
    let members = [member("m", "alb", &[("tags", "team=shop")]), member("n", "alb", &[])];
    for (low, team) in [(false, "platform"), (true, "shop")] {
        settings.gates.insert("EnableDefaultTagsLowPriority".to_owned(), low);
        let linked = linked_by(settings.clone(), &json!({}), &members);
        assert_eq!(states(&linked), [LINKED; 2], "low: {low}");
        let desired = desired(linked);
        let balancer = desired.load_balancer.expect("a load balancer");
        assert_eq!((balancer.tags["team"].as_str(), balancer.tags["stage"].as_str()), (team, "dev"), "low: {low}");
        assert_eq!(desired.listeners[&80].tags["team"], team);
    }
    let against = [members[0].clone(), member("n", "alb", &[("tags", "team=api")])];
    assert_eq!(states(&linked_by(settings, &json!({}), &against)), [LINKED, QUARANTINED]);
}

/// The label that every namespace has from the API server.
#[test]
fn a_class_selects_namespaces_by_their_names() {
    for (selector, selected) in [
        (json!({"matchLabels": {"kubernetes.io/metadata.name": "shop"}}), true),
        (json!({"matchLabels": {"kubernetes.io/metadata.name": "other"}}), false),
        (json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}), true),
        // Kubernetes refuses these.
        (json!({"matchExpressions": [{"key": "tier", "operator": "NotIn"}]}), false),
        (json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist", "values": ["x"]}]}), false),
    ] {
        let one = member("m", "own", &[]);
        let world = world(Settings::new("cluster"), &json!({"namespaceSelector": selector}), &[]);
        assert_eq!(matches!(world.membership(&one), Membership::Member(..)), selected, "{selector}");
    }
}

#[test]
fn security_groups_are_named_as_ec2_filters_them() {
    for (given, found) in [
        ("web", Some(["sg-1", "sg-2"].as_slice())),
        ("api, sg-4", Some(&["sg-4", "sg-3"])),
        ("api, api", Some(&["sg-3"])),
        ("we*", Some(&["sg-1", "sg-2"])),
        ("ap?", None),
        ("ap?, ?pi", Some(&["sg-3", "sg-4"])),
        ("web, nobody", None),
        ("sg-4, sg-4", None),
    ] {
        let linked = linked(&json!({}), &[member("m", "alb", &[("security-groups", given)])]);
        let groups = linked.desired.and_then(|desired| desired.load_balancer).map(|is| is.security_groups);
        let expected = found.map(|ids| ids.iter().map(|id| Ref::Known((*id).to_owned())).collect::<Vec<_>>());
        assert_eq!(groups, expected, "{given}");
    }
}

#[test]
fn a_class_chooses_subnets_by_tags_as_ec2_filters_them() {
    for (name, ids) in [("in-*", ["subnet-1", "subnet-2"].as_slice()), ("*-?", &["subnet-1", "subnet-2", "subnet-3"])] {
        let params = json!({"subnets": {"tags": {"Name": [name]}}});
        let balancer = desired(linked(&params, &[member("m", "own", &[])])).load_balancer.expect("a load balancer");
        assert_eq!(balancer.subnets, ids, "{name}");
    }
}

/// Beside a managed security group nothing reads the annotation.
#[test]
fn rules_of_targets_are_a_question_of_own_security_groups() {
    const KEY: &str = "manage-backend-security-group-rules";
    let odd = linked(&json!({}), &[member("m", "alb", &[(KEY, "yes")])]);
    assert_eq!(states(&odd), [LINKED]);
    let finding = odd.findings().find(|finding| finding.code == Code::InvalidValue).expect("a finding");
    assert_eq!(finding.effect, Effect::Nothing);
    let own = ("security-groups", "sg-1");
    assert_eq!(states(&linked(&json!({}), &[member("m", "alb", &[(KEY, "yes"), own])])), [QUARANTINED]);
    let (on, off) = (member("m", "alb", &[(KEY, "true")]), member("n", "alb", &[(KEY, "false")]));
    assert_eq!(states(&linked(&json!({}), &[on.clone(), off.clone()])), [LINKED; 2]);
    assert_eq!(states(&linked(&json!({}), &[on, off, member("o", "alb", &[own])])), [LINKED, QUARANTINED, LINKED]);
}

#[test]
fn a_load_balancers_name_is_not_empty() {
    let linked = linked(&json!({}), &[member("m", "alb", &[("load-balancer-name", "")])]);
    assert_eq!(states(&linked), [QUARANTINED]);
    assert!(linked.findings().any(|finding| finding.code == Code::InvalidName));
}

/// In a group of several it may be another member's class that settles it.
#[test]
fn what_the_class_of_an_ingress_of_its_own_settles_is_not_read() {
    let capacity = ("minimum-load-balancer-capacity", "Units=5");
    let params = json!({"minimumLoadBalancerCapacity": {"capacityUnits": 200}});
    let mut one = member("m", "own", &[capacity]);
    assert_eq!(states(&linked(&params, std::slice::from_ref(&one))), [QUARANTINED]);
    one.metadata.annotations.get_or_insert_default().remove(&format!("{P}group.name"));
    let group = GroupId::Implicit { namespace: "shop".to_owned(), name: "m".to_owned() };
    let alone = linked_as(&group, Settings::new("cluster"), &params, &[one]);
    assert_eq!(states(&alone), [LINKED]);
    assert_eq!(desired(alone).addons.get(&Addon::Capacity), Some(&Attachment::To("200".to_owned())));
}
