//! Totals of groups against quotas, at both entry points: who is quarantined, who is only warned, and that less is never refused.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

use std::collections::BTreeMap;

use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request};
use albedo_engine::facts::{Aged, Facts, Quota};
use albedo_engine::finding::Code;
use albedo_engine::kinds::{Endpoint, Endpoints, IngressGroup, IngressGroupSpec, IngressGroupStatus, Key, Node};
use albedo_engine::ledger;
use albedo_engine::link::{Existing, Input, Linked, MemberState, link};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{GroupId, Scheme};
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::json;

const P: &str = "alb.ingress.kubernetes.io/";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

fn facts(limits: &[(Quota, i64)]) -> Facts {
    let value = limits.iter().map(|(quota, max)| (quota.name().to_owned(), *max)).collect();
    Facts { account_limits: Some(Aged { value, read_at: now() }), ..Facts::default() }
}

/// The member of group `g` that was created in that minute, with so many paths.
fn member(minute: usize, paths: usize) -> Ingress {
    let path = |n: usize| {
        json!({"path": format!("/m{minute}/p{n}"), "pathType": "Exact",
            "backend": {"service": {"name": "app", "port": {"number": 80}}}})
    };
    let paths: Vec<_> = (0..paths).map(path).collect();
    let object = json!({"metadata": {"name": format!("m{minute}"), "namespace": "shop",
            "annotations": {format!("{P}group.name"): "g"}, "creationTimestamp": format!("2026-01-01T00:{minute:02}:00Z")},
        "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": paths}}]}});
    serde_json::from_value(object).expect("an Ingress")
}

fn world(members: Vec<Ingress>) -> World {
    let mut world = World::new(Settings::new("test"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    let service = json!({"metadata": {"name": "app", "namespace": "shop"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}});
    let service: Service = serde_json::from_value(service).expect("a Service");
    world.apply(Object::Service(Box::new(service)));
    for one in members {
        world.apply(Object::Ingress(Box::new(one)));
    }
    world
}

fn linked(world: &World, facts: &Facts) -> Linked {
    linked_with(world, facts, None)
}

fn linked_with(world: &World, facts: &Facts, existing: Option<&Existing>) -> Linked {
    let settings = world.settings();
    let view = world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None);
    link(Input { settings: &settings, view: &view, facts, existing, now: now() })
}

/// State and codes of each member, and the number of rules.
fn outcome(linked: &Linked) -> (Vec<(MemberState, Vec<Code>)>, usize) {
    let codes = |member: &albedo_engine::link::LinkedMember| member.findings.iter().map(|one| one.code).collect();
    let members = linked.members.iter().map(|member| (member.state, codes(member))).collect();
    let rules = linked.desired.iter().flat_map(|desired| desired.listeners.values()).map(|one| one.rules.len()).sum();
    (members, rules)
}

#[test]
fn the_youngest_that_makes_the_group_too_large_is_quarantined() {
    use MemberState::{Linked as In, Quarantined};
    let ten = facts(&[(Quota::Rules, 10)]);
    let rows = [
        (vec![4, 3], &ten, vec![(In, vec![]), (In, vec![])], 7),
        (vec![4, 4], &ten, vec![(In, vec![]), (In, vec![Code::QuotaNear])], 8),
        (
            vec![4, 4, 3],
            &ten,
            vec![(In, vec![]), (In, vec![Code::QuotaNear]), (Quarantined, vec![Code::QuotaExceeded])],
            8,
        ),
        (vec![11], &ten, vec![(Quarantined, vec![Code::QuotaExceeded])], 0),
    ];
    for (sizes, facts, members, rules) in rows {
        let ingresses = (0..).zip(&sizes).map(|(minute, paths)| member(minute, *paths)).collect();
        assert_eq!(outcome(&linked(&world(ingresses), facts)), (members, rules), "{sizes:?}");
    }
}

#[test]
fn a_default_that_may_have_been_raised_only_warns() {
    use MemberState::Linked as In;
    let ingresses = vec![member(0, 99), member(1, 2)];
    let found = linked(&world(ingresses), &Facts::default());
    assert_eq!(outcome(&found), (vec![(In, vec![]), (In, vec![Code::QuotaNear])], 101));
    let message = found.findings().map(|finding| finding.message.clone()).collect::<String>();
    assert_eq!(
        message,
        "group g has 101 rules on a load balancer, without the default rules; AWS allows 100 unless the account's quota was raised"
    );
}

/// Targets come and go by themselves: whoever makes them too many is told and stays.
#[test]
fn targets_are_counted_and_leave_nobody_out() {
    use MemberState::Linked as In;
    let slice = |name: &str, family: &str, addresses: usize| {
        let endpoint = Endpoint { address: "192.0.2.1".to_owned(), ..Endpoint::default() };
        let key = Key::new("shop", name);
        let endpoints = vec![endpoint; addresses];
        Object::Endpoints(Box::new(Endpoints {
            key,
            service: "app".to_owned(),
            address_type: family.to_owned(),
            ports: Vec::new(),
            endpoints,
        }))
    };
    let of_type = |minute, kind: &str| {
        let mut one = member(minute, 1);
        one.metadata.annotations.get_or_insert_default().insert(format!("{P}target-type"), kind.to_owned());
        one
    };
    let rows = [
        (vec!["ip"], vec![]),
        (vec!["ip", "ip"], vec![Code::QuotaNear]),
        (vec!["ip", "instance"], vec![Code::QuotaNear]),
        (vec!["instance", "instance"], vec![]),
    ];
    for (kinds, last) in rows {
        let mut world = world((0..).zip(&kinds).map(|(minute, kind)| of_type(minute, kind)).collect());
        world.apply(slice("app-1", "IPv4", 4));
        world.apply(slice("app-2", "IPv4", 2));
        world.apply(slice("app-3", "IPv6", 90));
        for node in ["a", "b", "c"] {
            world.apply(Object::Node(Box::new(Node { name: node.to_owned(), ..Node::default() })));
        }
        let (found, _) = outcome(&linked(&world, &facts(&[(Quota::Targets, 10)])));
        assert_eq!(found.last(), Some(&(In, last)), "{kinds:?}");
        assert!(found.iter().rev().skip(1).all(|one| *one == (In, vec![])), "{kinds:?}");
    }
}

#[test]
fn who_is_in_aws_already_stays_and_who_grew_keeps_what_it_had() {
    let ten = facts(&[(Quota::Rules, 10)]);
    let stored = [member(0, 5), member(1, 5)];
    let status = IngressGroupStatus {
        last_good: stored.iter().map(ledger::input_of).collect(),
        ..IngressGroupStatus::default()
    };
    let group = GroupId::Explicit("g".to_owned());
    let mut object = IngressGroup::new(&group.object_name(), IngressGroupSpec { stack: group.to_string() });
    object.status = Some(status);
    let with_ledger = |members: Vec<Ingress>| {
        let mut world = world(members);
        world.apply(Object::Group(Box::new(object.clone())));
        linked(&world, &ten)
    };
    // The older one grew: the younger one is as it was and stays.
    let found = with_ledger(vec![member(0, 6), member(1, 5)]);
    let members: Vec<MemberState> = found.members.iter().map(|member| member.state).collect();
    assert_eq!((members, outcome(&found).1), (vec![MemberState::LastGood, MemberState::Linked], 10));
    // Nor does one of a load balancer that is taken over, of which no ledger says who is in AWS.
    let existing = Existing::new(Scheme::Internal, Vec::new());
    let taken_over = world(vec![member(0, 6), member(1, 5)]);
    assert_eq!(outcome(&linked_with(&taken_over, &ten, Some(&existing))).1, 11);
    // A quota that is lower than what serves takes nothing away.
    let five = facts(&[(Quota::Rules, 5)]);
    let mut unchanged = world(stored.to_vec());
    unchanged.apply(Object::Group(Box::new(object)));
    assert_eq!(outcome(&linked(&unchanged, &five)).1, 10);
}

fn review(old: Option<Ingress>, new: Ingress, others: Vec<Ingress>, facts: &Facts) -> admit::ReviewAnswer {
    let world = world(others.into_iter().chain(old.clone()).collect());
    let (settings, policy) = (world.settings(), Policy::default());
    let context = Context { world: &world, facts, settings: &settings, policy: &policy, now: now() };
    let request = Request {
        row: ROWS.iter().find(|row| row.kind == WebhookKind::Validating).expect("a row"),
        operation: if old.is_some() { Operation::Update } else { Operation::Create },
        namespace: "shop".to_owned(),
        name: new.metadata.name.clone().unwrap_or_default(),
        dry_run: false,
        user: "somebody".to_owned(),
        object: Some(Reviewed::Ingress(Box::new(new))),
        old_object: old.map(|old| Reviewed::Ingress(Box::new(old))),
    };
    admit::review(&request, context)
}

#[test]
fn more_is_refused_and_less_never_is() {
    let ten = facts(&[(Quota::Rules, 10)]);
    let refused = review(None, member(1, 3), vec![member(0, 8)], &ten);
    assert!(!refused.allowed);
    for fact in ["ALB231", "group g has 11 rules", "AWS allows 10"] {
        assert!(refused.message.contains(fact), "{fact}: {}", refused.message);
    }
    let stale = Facts {
        account_limits: ten.account_limits.clone().map(|limits| Aged { read_at: Timestamp::UNIX_EPOCH, ..limits }),
        ..Facts::default()
    };
    assert!(review(None, member(1, 3), vec![member(0, 8)], &stale).allowed, "an old fact only warns");
    assert!(review(Some(member(1, 8)), member(1, 7), vec![member(0, 8)], &ten).allowed, "less than before");
    assert!(!review(Some(member(1, 7)), member(1, 8), vec![member(0, 8)], &ten).allowed, "more than before");
    let warned = review(None, member(1, 1), vec![member(0, 8)], &ten);
    assert!(warned.allowed && warned.warnings.iter().any(|text| text.contains("ALB132")), "{:?}", warned.warnings);
}

#[test]
fn a_rule_that_aws_refuses_is_told_by_its_path() {
    let mut large = member(0, 2);
    let values: Vec<String> = (0..5).map(|n| format!("10.{n}.0.0/16")).collect();
    let condition = json!([{"field": "source-ip", "sourceIpConfig": {"values": values}}]).to_string();
    let once = json!([{"field": "http-request-method", "httpRequestMethodConfig": {"values": ["GET"]}},
        {"field": "http-request-method", "httpRequestMethodConfig": {"values": ["PUT"]}}])
    .to_string();
    for (condition, message) in [
        (condition, "the rule has 6 condition values; AWS takes 5"),
        (once, "the rule has 2 http-request-method conditions; AWS takes one"),
    ] {
        let annotations: &mut BTreeMap<String, String> = large.metadata.annotations.get_or_insert_default();
        annotations.insert(format!("{P}conditions.app"), condition);
        let found = linked(&world(vec![large.clone()]), &Facts::default());
        let paths: Vec<(String, String)> =
            found.findings().map(|finding| (finding.path.to_string(), finding.message.clone())).collect();
        let expected = ["spec.rules[0].http.paths[0]", "spec.rules[0].http.paths[1]"];
        assert_eq!(paths, expected.map(|path| (path.to_owned(), message.to_owned())));
        assert!(found.desired.is_none());
    }
}

/// A manifest of 2 MB cannot ask for memory without end.
#[test]
fn what_rules_repeat_is_bounded() {
    let mut large = member(0, 1_900);
    let value = json!([{"field": "query-string", "queryStringConfig": {"values": [{"value": "x".repeat(100_000)}]}}]);
    let annotations = large.metadata.annotations.get_or_insert_default();
    annotations.insert(format!("{P}conditions.app"), value.to_string());
    let found = linked(&world(vec![large]), &Facts::default());
    assert!(found.desired.is_none());
    assert!(found.findings().any(|finding| finding.message.contains("more than 16 MiB of annotations")));
}

#[test]
fn wildcards_and_other_totals_have_their_quotas() {
    let mut one = member(0, 1);
    let annotations = one.metadata.annotations.get_or_insert_default();
    annotations.insert(format!("{P}listen-ports"), r#"[{"HTTP": 80}, {"HTTP": 81}, {"HTTP": 82}]"#.to_owned());
    annotations.insert(format!("{P}inbound-cidrs"), "10.0.0.0/8,10.1.0.0/16,10.2.0.0/16".to_owned());
    let condition = json!([{"field": "path-pattern", "pathPatternConfig": {"values": ["/*a*b*c*?"]}}]).to_string();
    annotations.insert(format!("{P}conditions.app"), condition);
    for (quota, enough, words) in [
        (Quota::Listeners, 3, "3 listeners"),
        (Quota::Rules, 3, "3 rules"),
        (Quota::TargetGroups, 1, "1 target groups"),
        (Quota::SecurityGroupRules, 9, "9 inbound rules"),
        (Quota::ConditionWildcards, 5, "5 wildcards"),
    ] {
        let found = |max: i64| linked(&world(vec![one.clone()]), &facts(&[(quota, max)]));
        let exceeded = |found: &Linked| found.findings().find(|finding| finding.code == Code::QuotaExceeded).cloned();
        assert_eq!(exceeded(&found(enough)), None, "{quota:?}");
        let finding = exceeded(&found(enough - 1)).expect("a finding");
        assert!(finding.message.contains(words), "{}", finding.message);
    }
}

#[test]
fn ports_of_the_frontend_nlb_have_a_quota() {
    use MemberState::{Linked as In, Quarantined};
    let with = |minute: usize, ports: &str| {
        let mut one = member(minute, 1);
        let annotations = one.metadata.annotations.get_or_insert_default();
        annotations.insert(format!("{P}enable-frontend-nlb"), "true".to_owned());
        annotations.insert(format!("{P}frontend-nlb-listener-port-mapping"), ports.to_owned());
        one
    };
    let three = facts(&[(Quota::FrontendListeners, 3)]);
    let fits = linked(&world(vec![with(0, "81=80,82=80")]), &three);
    assert_eq!(outcome(&fits).0, [(In, vec![])]);
    let over = linked(&world(vec![with(0, "81=80,82=80"), with(1, "83=80,84=80")]), &three);
    assert_eq!(outcome(&over).0, [(In, vec![]), (Quarantined, vec![Code::QuotaExceeded])]);
    let told = over.findings().next().expect("a finding").to_string();
    assert!(
        told.contains("frontend-nlb-listener-port-mapping") && told.contains("listeners on the frontend NLB"),
        "{told}"
    );
}
