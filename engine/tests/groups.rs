//! Groups from manifests to plans: the vectors of certificates, permissions, redirects and rules, conflicts, ledger,
//! and that a plan of what is there already is empty.

#![expect(clippy::expect_used, clippy::panic, reason = "a panic is what a test has for a fault")]

use std::collections::BTreeMap;
use std::sync::Arc;

use albedo_engine::facts::Facts;
use albedo_engine::finding::Code;
use albedo_engine::kinds::{IngressGroup, IngressGroupSpec, IngressGroupStatus};
use albedo_engine::ledger;
use albedo_engine::link::{Existing, Input, Linked, MemberState, link};
use albedo_engine::plan::{self, Plan, as_observed};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Action, Condition, Desired, GroupId, LoadBalancerKind, Protocol, Scheme, Tags};
use albedo_engine::world::{Object, Overlay, View, World};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{Value, json};

const P: &str = "alb.ingress.kubernetes.io/";
const CERTIFICATE: &str = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-4000-8000-00000000000";

fn world() -> World {
    let mut world = World::new(Settings::new("cluster-dummy"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    for (number, name) in ["svc-1", "svc-2", "svc-3"].into_iter().enumerate() {
        let service = json!({"metadata": {"name": name, "namespace": "ns-1", "uid": ""}, "spec": {"type": "NodePort",
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 32768},
                      {"name": "https", "port": 443, "targetPort": 8443, "nodePort": 32769 + number}]}});
        let service: Service = serde_json::from_value(service).expect("a Service");
        world.apply(Object::Service(Box::new(service)));
    }
    world
}

#[expect(clippy::needless_pass_by_value, reason = "every caller makes the rules on the spot")]
fn ingress(name: &str, created: u32, annotations: &[(&str, &str)], rules: Value) -> Ingress {
    let annotations: BTreeMap<String, String> =
        annotations.iter().map(|(key, value)| (format!("{P}{key}"), (*value).to_owned())).collect();
    let object = json!({"metadata": {"name": name, "namespace": "ns-1", "uid": name, "annotations": annotations,
        "creationTimestamp": format!("2026-01-01T00:00:{created:02}Z")},
        "spec": {"ingressClassName": "alb", "rules": rules}});
    serde_json::from_value(object).expect("an Ingress")
}

fn rule(host: &str, path: &str, service: &str, port: &str) -> Value {
    json!({"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix",
        "backend": {"service": {"name": service, "port": {"name": port}}}}]}})
}

fn group_with(ingresses: Vec<Ingress>, name: &GroupId, ledger: Option<IngressGroup>) -> (Linked, View) {
    let mut world = world();
    for one in ingresses {
        world.apply(Object::Ingress(Box::new(one)));
    }
    if let Some(ledger) = ledger {
        world.apply(Object::Group(Box::new(ledger)));
    }
    let view = world.view(name, &Overlay::None);
    let (settings, facts) = (world.settings(), Facts::default());
    let existing = Existing::new(Scheme::Internal, vec!["subnet-1".to_owned()]);
    let input = Input {
        settings: &settings,
        view: &view,
        facts: &facts,
        existing: Some(&existing),
        now: Timestamp::UNIX_EPOCH,
    };
    (link(input), view)
}

fn group(ingresses: Vec<Ingress>) -> Linked {
    group_with(ingresses, &GroupId::Explicit("g".to_owned()), None).0
}

fn desired(linked: &Linked) -> &Desired {
    linked.desired.as_ref().unwrap_or_else(|| panic!("blocked: {:?}", linked.members))
}

fn again(desired: &Desired) -> Plan {
    let (observed, bindings) = as_observed(desired);
    replan(desired, &observed, &bindings)
}

fn replan(desired: &Desired, observed: &albedo_engine::stack::Observed, bindings: &[plan::ObservedBinding]) -> Plan {
    plan::plan(plan::Input {
        desired,
        observed,
        bindings,
        cluster: "cluster-dummy",
        external_tags: &[],
        default_tags: &Tags::new(),
        rule_quota: 100,
        targets: None,
    })
}

#[test]
fn a_whole_build_has_the_names_and_rules_of_the_vectors() {
    let mut one = ingress(
        "ing-1",
        0,
        &[],
        json!([
            {"host": "app-1.example.com", "http": {"paths": [
                {"path": "/svc-1", "pathType": "Prefix", "backend": {"service": {"name": "svc-1", "port": {"name": "http"}}}},
                {"path": "/svc-2", "pathType": "Prefix", "backend": {"service": {"name": "svc-2", "port": {"name": "http"}}}}]}},
            rule("app-2.example.com", "/svc-3", "svc-3", "https"),
        ]),
    );
    one.metadata.annotations = None;
    let name = GroupId::Implicit { namespace: "ns-1".to_owned(), name: "ing-1".to_owned() };
    let (linked, _) = group_with(vec![one], &name, None);
    let desired = desired(&linked);
    let load_balancer = desired.load_balancer.as_ref().expect("a load balancer");
    assert_eq!(load_balancer.name, "k8s-ns1-ing1-b7e914000d");
    assert_eq!(desired.security_group.as_ref().map(|group| group.name.as_str()), Some("k8s-ns1-ing1-bd83176788"));
    let listener = &desired.listeners[&80];
    assert_eq!((listener.protocol, listener.rules.len()), (Protocol::Http, 3));
    assert_eq!(listener.rules[0].tags.all()["ingress.k8s.aws/resource"], "80:1");
    let names: Vec<&str> = desired.target_groups.values().map(|group| group.name.as_str()).collect();
    assert!(names.contains(&"k8s-ns1-svc1-9889425938"), "{names:?}");
    let plan = again(desired);
    assert!(plan.is_empty(), "{}", plan::show(&plan));
}

#[test]
fn certificates_are_merged_in_group_order() {
    let member = |name: &str, order: &str, arns: &[u8]| {
        let arns: Vec<String> = arns.iter().map(|number| format!("{CERTIFICATE}{number}")).collect();
        ingress(
            name,
            0,
            &[("group.name", "g"), ("group.order", order), ("certificate-arn", &arns.join(","))],
            json!([rule("a.example.com", "/", "svc-1", "http")]),
        )
    };
    let cases: [(&[u8], &[u8], &[u8]); 3] =
        [(&[1], &[1], &[1, 1]), (&[1, 2], &[2, 3], &[1, 2, 3]), (&[1, 1], &[], &[1, 1])];
    for (first, second, merged) in cases {
        let mut members = vec![member("a", "1", first)];
        if !second.is_empty() {
            members.push(member("b", "2", second));
        }
        let linked = group(members);
        let numbers: Vec<String> = merged.iter().map(|number| format!("{CERTIFICATE}{number}")).collect();
        assert_eq!(desired(&linked).listeners[&443].certificates, numbers);
        let plan = again(desired(&linked));
        assert!(plan.is_empty(), "{}", plan::show(&plan));
    }
}

#[test]
fn permissions_follow_cidrs_prefix_lists_and_address_types() {
    type Case<'c> = (&'c [(&'c str, &'c str)], &'c [&'c str]);
    let cases: [Case<'_>; 4] = [
        (&[], &["tcp 80 from 0.0.0.0/0"]),
        (&[("ip-address-type", "dualstack")], &["tcp 80 from 0.0.0.0/0", "tcp 80 from ::/0"]),
        (&[("security-group-prefix-lists", "pl-1")], &["tcp 80 from pl-1"]),
        (
            &[("inbound-cidrs", "10.0.0.0/8"), ("security-group-prefix-lists", "pl-1")],
            &["tcp 80 from 10.0.0.0/8", "tcp 80 from pl-1"],
        ),
    ];
    for (annotations, expected) in cases {
        let annotations: Vec<(&str, &str)> =
            [("group.name", "g")].into_iter().chain(annotations.iter().copied()).collect();
        let linked = group(vec![ingress("a", 0, &annotations, json!([rule("a.example.com", "/", "svc-1", "http")]))]);
        let managed = desired(&linked).security_group.clone().expect("a security group");
        let permissions: Vec<String> = managed.ingress.iter().map(ToString::to_string).collect();
        assert_eq!(permissions, expected);
    }
}

#[test]
fn ssl_redirect_of_one_member_silences_http_of_all() {
    let arn = format!("{CERTIFICATE}1");
    let secure = ingress(
        "a",
        0,
        &[
            ("group.name", "g"),
            ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#),
            ("certificate-arn", &arn),
            ("ssl-redirect", "443"),
        ],
        json!([rule("a.example.com", "/", "svc-1", "http")]),
    );
    let plain = ingress("b", 1, &[("group.name", "g")], json!([rule("b.example.com", "/", "svc-2", "http")]));
    let linked = group(vec![secure, plain]);
    let desired = desired(&linked);
    assert!(desired.listeners[&80].rules.is_empty());
    assert!(
        matches!(&desired.listeners[&80].default_actions[..], [Action::Redirect(redirect)] if redirect.port.as_deref() == Some("443"))
    );
    assert_eq!(desired.listeners[&443].rules.len(), 1);
    assert_eq!(desired.target_groups.len(), 1, "a member that only redirects routes nowhere");

    for (port, message) in [("8443", "does not exist"), ("80", "non-SSL")] {
        let wrong =
            ingress("a", 0, &[("group.name", "g"), ("ssl-redirect", port)], json!([rule("a.b", "/", "svc-1", "http")]));
        let linked = group(vec![wrong]);
        assert_eq!(
            linked.desired.as_ref().expect("the load balancer is there").listeners[&80].rules.len(),
            1,
            "what is in AWS leads nowhere"
        );
        assert!(
            linked
                .findings()
                .any(|finding| finding.code == Code::InvalidSslRedirect && finding.message.contains(message))
        );
    }
}

#[test]
fn redirects_to_themselves_and_what_they_shadow_are_dropped() {
    let action = |to: Value| json!({"type": "redirect", "redirectConfig": to}).to_string();
    let (www, loops) =
        (action(json!({"path": "/app", "statusCode": "HTTP_301"})), action(json!({"statusCode": "HTTP_301"})));
    let home = action(json!({"host": "home.example.com", "statusCode": "HTTP_301"}));
    let fixed = json!({"type": "fixed-response", "fixedResponseConfig": {"statusCode": "200"}}).to_string();
    let path = |path: &str, action: &str| {
        json!({"path": path, "pathType": "ImplementationSpecific",
            "backend": {"service": {"name": action, "port": {"name": "use-annotation"}}}})
    };
    for (second, kept) in [(&loops, ["/www", "/app"]), (&home, ["/www", "/*"])] {
        let annotations =
            [("group.name", "g"), ("actions.www", &www), ("actions.second", second), ("actions.app", &fixed)];
        let rules = json!([{"http": {"paths": [path("/www", "www"), path("/*", "second"), path("/app", "app")]}}]);
        let linked = group(vec![ingress("a", 0, &annotations, rules)]);
        let paths: Vec<&str> = desired(&linked).listeners[&80]
            .rules
            .iter()
            .map(|rule| match &rule.conditions[..] {
                [Condition::PathPattern(patterns)] => patterns.values[0].as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(paths, kept);
    }
}

#[test]
fn of_two_that_conflict_the_younger_is_quarantined_and_alone_hears_why() {
    let member = |name: &str, created: u32, scheme: &str| {
        let annotations = [("group.name", "g"), ("scheme", scheme)];
        ingress(name, created, &annotations, json!([rule(&format!("{name}.example.com"), "/", "svc-1", "http")]))
    };
    let linked = group(vec![member("a", 9, "internet-facing"), member("b", 1, "internal")]);
    let states: Vec<(&str, MemberState, usize)> =
        linked.members.iter().map(|member| (member.key.name.as_str(), member.state, member.findings.len())).collect();
    assert_eq!(states, [("a", MemberState::Quarantined, 1), ("b", MemberState::Linked, 0)]);
    let finding = linked.findings().next().expect("a finding");
    assert_eq!((finding.code, finding.value.as_deref()), (Code::GroupConflict, Some("internet-facing")));
    assert!(finding.message.contains("ns-1/b: internal"), "{finding}");
    assert_eq!(desired(&linked).load_balancer.as_ref().map(|balancer| balancer.scheme), Some(Scheme::Internal));
}

#[test]
fn a_member_that_breaks_is_linked_from_its_last_good_input() {
    let good = ingress("a", 0, &[("group.name", "g")], json!([rule("a.example.com", "/", "svc-1", "http")]));
    let bad = ingress(
        "a",
        0,
        &[("group.name", "g"), ("target-type", "pod")],
        json!([rule("x.example.com", "/", "svc-1", "http")]),
    );
    let name = GroupId::Explicit("g".to_owned());
    let mut object = IngressGroup::new(&name.object_name(), IngressGroupSpec { stack: name.to_string() });
    object.status =
        Some(IngressGroupStatus { last_good: vec![ledger::input_of(&good)], ..IngressGroupStatus::default() });
    let (linked, _) = group_with(vec![bad.clone()], &name, Some(object));
    assert_eq!(linked.members[0].state, MemberState::LastGood);
    assert!(linked.findings().any(|finding| finding.code == Code::InvalidTargetType));
    let rule = &desired(&linked).listeners[&80].rules[0];
    assert!(matches!(&rule.conditions[0], Condition::HostHeader(hosts) if hosts.values == ["a.example.com"]));

    let (linked, _) = group_with(vec![bad], &name, None);
    assert_eq!(linked.members[0].state, MemberState::Quarantined);
    assert!(linked.desired.is_none(), "without a ledger nothing of the group is known that could be built");
}

#[test]
fn an_edit_leads_to_the_calls_that_it_needs_and_then_to_none() {
    let with = |paths: &[&str]| {
        let rules: Vec<Value> = paths.iter().map(|path| rule("a.example.com", path, "svc-1", "http")).collect();
        group(vec![ingress("a", 0, &[("group.name", "g")], json!(rules))])
    };
    let (before, after) = (with(&["/a", "/b"]), with(&["/new", "/a", "/b"]));
    let (observed, bindings) = as_observed(desired(&before));
    let plan = replan(desired(&after), &observed, &bindings);
    let text = plan::show(&plan);
    assert!(text.starts_with("+ CreateRule 80 3:") && text.contains("\n~ SetRulePriorities 80:1 to 2"), "{text}");
    assert!(text.lines().skip(2).all(|line| line.starts_with("~ AddTags")), "{text}");
    let back = replan(desired(&before), &as_observed(desired(&after)).0, &bindings);
    assert_eq!(plan::show(&back).lines().filter(|line| line.starts_with("- DeleteRule")).count(), 1);
}

#[test]
fn deletion_protection_holds_everything_until_it_is_lifted() {
    let linked = group(vec![ingress(
        "a",
        0,
        &[("group.name", "g"), ("load-balancer-attributes", "deletion_protection.enabled=true")],
        json!([rule("a.example.com", "/", "svc-1", "http")]),
    )]);
    let (observed, bindings) = as_observed(desired(&linked));
    let empty = Desired::empty(GroupId::Explicit("g".to_owned()));
    let plan = replan(&empty, &observed, &bindings);
    assert!(plan.operations.is_empty() && plan.held.len() == 1, "{}", plan::show(&plan));
    let plan = replan(
        &Desired { lift_deletion_protection: [LoadBalancerKind::Application].into(), ..empty },
        &observed,
        &bindings,
    );
    let text = plan::show(&plan);
    assert!(text.starts_with("~ ModifyLoadBalancerAttributes") && text.contains("- DeleteLoadBalancer"), "{text}");
}

#[test]
fn a_class_or_namespace_that_changes_nothing_touches_no_group() {
    let mut world = world();
    let touched =
        world.apply(Object::Ingress(Box::new(ingress("web", 0, &[], json!([rule("a.b", "/", "svc-1", "http")])))));
    assert_eq!(touched.len(), 1);
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    assert!(world.apply(Object::Namespace { name: "ns-1".to_owned(), labels }).is_empty());
    let class = |controller: &str, name: &str| -> IngressClass {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"controller": controller}}))
            .expect("a class")
    };
    assert!(world.apply(Object::IngressClass(Box::new(class(CONTROLLER, "other")))).is_empty());
    assert!(world.apply(Object::IngressClass(Box::new(class(CONTROLLER, "alb")))).is_empty());
    assert_eq!(world.apply(Object::IngressClass(Box::new(class("example.com/theirs", "alb")))).len(), 1);
}

#[test]
fn a_view_costs_one_groups_objects() {
    let mut world = world();
    for number in 0..200 {
        let name = format!("other-{number}");
        world.apply(Object::Ingress(Box::new(ingress(&name, 0, &[], json!([rule("a.b", "/", "svc-1", "http")])))));
    }
    let name = GroupId::Implicit { namespace: "ns-1".to_owned(), name: "other-7".to_owned() };
    let view = world.view(&name, &Overlay::None);
    assert_eq!((view.members.len(), view.services.len()), (1, 1));
    assert_eq!(world.group_ids().len(), 200);
    let overlay = Overlay::Put(Arc::new(ingress("new", 0, &[], json!([]))));
    assert_eq!(world.view(&name, &overlay).members.len(), 1, "a candidate of another group is no member of this one");
}
