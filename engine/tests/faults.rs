//! What a group cannot be given: who is quarantined for it, whose rules go on, and what stays as it is in AWS.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

mod subnet;

use std::collections::BTreeMap;

use albedo_engine::facts::{Aged, Certificate, Facts, SecurityGroupFact};
use albedo_engine::finding::{Code, Effect, Finding};
use albedo_engine::kinds::{IngressGroup, IngressGroupSpec, IngressGroupStatus, LoadBalancerStatus};
use albedo_engine::ledger;
use albedo_engine::link::{Existing, ExistingNlb, Input, Linked, MemberState, link};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Desired, GroupId, IpAddressType, LoadBalancer, Ref, ResourceId, Scheme};
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, from_value, json};
use subnet::subnet;

use MemberState::{LastGood, Linked as In, Quarantined};

const P: &str = "alb.ingress.kubernetes.io/";
const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000001";
const HTTPS: [(&str, &str); 2] = [("listen-ports", r#"[{"HTTPS": 443}]"#), ("certificate-arn", ARN)];
const BOTH: (&str, &str) = ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);
const NLB: (&str, &str) = ("enable-frontend-nlb", "true");

#[expect(clippy::unnecessary_wraps, reason = "as the fields of facts are")]
fn aged<T>(value: T) -> Option<Aged<T>> {
    Some(Aged { value, read_at: Timestamp::UNIX_EPOCH })
}

fn facts() -> Facts {
    let subnet = |id: &str, zone: &str| subnet(id, zone, &[("kubernetes.io/role/internal-elb", "1")]);
    let group = SecurityGroupFact {
        id: "sg-1".to_owned(),
        name: "one".to_owned(),
        tags: BTreeMap::from([("Name".to_owned(), "one".to_owned())]),
    };
    Facts {
        vpc_id: Some("vpc-1".to_owned()),
        subnets: aged(vec![subnet("subnet-1", "a"), subnet("subnet-2", "b"), subnet("subnet-3", "b")]),
        security_groups: aged(vec![group]),
        certificates: aged(Vec::<Certificate>::new()),
        ..Facts::default()
    }
}

fn member(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let mut map: BTreeMap<String, String> = BTreeMap::from([(format!("{P}group.name"), "g".to_owned())]);
    map.extend(annotations.iter().map(|(key, value)| (format!("{P}{key}"), (*value).to_owned())));
    let paths = json!([{"path": format!("/{name}"), "pathType": "Prefix",
        "backend": {"service": {"name": "app", "port": {"number": 80}}}}]);
    let object = json!({"metadata": {"name": name, "namespace": "ns", "uid": name, "annotations": map,
            "creationTimestamp": format!("2026-01-01T00:00:0{}Z", name.bytes().next().map_or(0, |byte| byte % 10))},
        "spec": {"ingressClassName": "alb", "rules": [{"host": format!("{name}.example.com"), "http": {"paths": paths}}]}});
    from_value(object).expect("an Ingress")
}

/// A member of the class whose parameters can be changed.
fn of_class(mut ingress: Ingress) -> Ingress {
    ingress.spec.get_or_insert_default().ingress_class_name = Some("own".to_owned());
    ingress
}

/// The same with another path.
fn edited(mut ingress: Ingress) -> Ingress {
    let rules = ingress.spec.as_mut().and_then(|spec| spec.rules.as_mut());
    let http = rules.and_then(|rules| rules.first_mut()).and_then(|rule| rule.http.as_mut());
    http.and_then(|http| http.paths.first_mut()).expect("a path").path = Some("/edited".to_owned());
    ingress
}

/// A member that leads to the Service of that name, by address.
fn leading_to(service: &str, name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let mut ingress = member(name, &[annotations, &[("target-type", "ip")]].concat());
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    ingress.spec.get_or_insert_default().default_backend = from_value(backend).expect("a backend");
    ingress
}

/// A cluster at one moment.
#[derive(Clone)]
struct Fixture {
    members: Vec<Ingress>,
    params: Value,
    settings: Settings,
    facts: Facts,
    /// Who was linked when the load balancer was made; `None`: there is none.
    before: Option<Vec<Ingress>>,
    existing: Existing,
}

fn fixture(members: &[Ingress]) -> Fixture {
    let subnets = vec!["subnet-1".to_owned(), "subnet-2".to_owned()];
    Fixture {
        members: members.to_vec(),
        params: json!({}),
        settings: Settings::new("cluster"),
        facts: facts(),
        before: None,
        existing: Existing { ip_address_type: Some(IpAddressType::Ipv4), ..Existing::new(Scheme::Internal, subnets) },
    }
}

/// After these were linked.
fn after(before: &[Ingress], members: &[Ingress]) -> Fixture {
    Fixture { before: Some(before.to_vec()), ..fixture(members) }
}

impl Fixture {
    fn link(&self) -> Linked {
        let mut world = World::new(self.settings.clone());
        let class = |name: &str, parameters: Value| {
            let class =
                json!({"metadata": {"name": name}, "spec": {"controller": CONTROLLER, "parameters": parameters}});
            Object::IngressClass(Box::new(from_value(class).expect("a class")))
        };
        world.apply(class("alb", Value::Null));
        world.apply(class("own", json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "own"})));
        let params = json!({"metadata": {"name": "own"}, "spec": self.params});
        world.apply(Object::IngressClassParams(Box::new(from_value(params).expect("parameters"))));
        for (name, family) in [("six", "IPv6"), ("four", "IPv4")] {
            let service = json!({"metadata": {"namespace": "ns", "name": name},
                "spec": {"ipFamilies": [family], "ports": [{"port": 80, "targetPort": 8080}]}});
            world.apply(Object::Service(Box::new(from_value(service).expect("a Service"))));
        }
        for one in &self.members {
            world.apply(Object::Ingress(Box::new(one.clone())));
        }
        let group = GroupId::Explicit("g".to_owned());
        if let Some(before) = &self.before {
            let mut ledger = IngressGroup::new(&group.object_name(), IngressGroupSpec { stack: group.to_string() });
            let load_balancer = LoadBalancerStatus { scheme: "internal".to_owned(), ..LoadBalancerStatus::default() };
            ledger.status = Some(IngressGroupStatus {
                last_good: before.iter().map(ledger::input_of).collect(),
                load_balancer: Some(load_balancer),
                ..IngressGroupStatus::default()
            });
            world.apply(Object::Group(Box::new(ledger)));
        }
        let view = world.view(&group, &Overlay::None);
        let existing = self.before.as_ref().map(|_| &self.existing);
        link(Input { settings: &self.settings, view: &view, facts: &self.facts, existing, now: Timestamp::UNIX_EPOCH })
    }
}

fn states(linked: &Linked) -> Vec<MemberState> {
    linked.members.iter().map(|member| member.state).collect()
}

/// What a member is told of that code.
fn told(linked: &Linked, member: usize, code: Code) -> Vec<&Finding> {
    let findings = &linked.members.get(member).expect("the member").findings;
    findings.iter().filter(|finding| finding.code == code).collect()
}

fn effects(linked: &Linked, member: usize, code: Code) -> Vec<Effect> {
    told(linked, member, code).iter().map(|finding| finding.effect).collect()
}

fn desired(linked: &Linked) -> &Desired {
    linked.desired.as_ref().expect("something to build")
}

fn balancer(linked: &Linked) -> &LoadBalancer {
    desired(linked).load_balancer.as_ref().expect("a load balancer")
}

/// Paths of a listener's rules.
fn paths(linked: &Linked, port: u16) -> String {
    let listener = desired(linked).listeners.get(&port).expect("a listener");
    let rules = listener.rules.iter().map(|rule| format!("{:?}", rule.conditions));
    rules.collect()
}

#[test]
fn a_newcomer_that_does_not_fit_is_quarantined_alone() {
    let facing: &[(&str, &str)] = &[("scheme", "internet-facing")];
    let rows: [(Ingress, Code); 14] = [
        (member("a", &[("subnets", "subnet-1,subnet-9")]), Code::SubnetsNotFound),
        (member("a", &[("subnets", "no such name")]), Code::SubnetsNotFound),
        (member("a", &[("subnets", "subnet-2,subnet-3")]), Code::SubnetsUnusable),
        (member("a", &[("subnets", "subnet-1")]), Code::SubnetsUnusable),
        (member("a", &[("subnets", "subnet-1,subnet-2"), ("ip-address-type", "dualstack")]), Code::SubnetsUnusable),
        (member("a", &[("ip-address-type", "dualstack")]), Code::NoSubnets),
        (member("a", facing), Code::NoSubnets),
        (member("a", &[("security-groups", "sg-9")]), Code::SecurityGroupNotFound),
        (member("a", &[("security-groups", "no such name")]), Code::SecurityGroupNotFound),
        (member("a", &[("ssl-redirect", "443")]), Code::InvalidSslRedirect),
        (member("a", &[("ssl-redirect", "80")]), Code::InvalidSslRedirect),
        (leading_to("six", "a", &[]), Code::ServiceTypeMismatch),
        (member("a", &[NLB, ("frontend-nlb-eip-allocations", "eipalloc-1")]), Code::InvalidFrontendNlb),
        (member("a", &[NLB, ("frontend-nlb-subnets", "subnet-9")]), Code::SubnetsNotFound),
    ];
    let good = member("b", &[]);
    for (one, code) in rows {
        let path = one.metadata.annotations.clone();
        let both = fixture(&[one.clone(), good.clone()]).link();
        assert_eq!(states(&both), [Quarantined, In], "{code:?} {path:?}");
        assert!(effects(&both, 0, code).contains(&Effect::MemberQuarantined), "{:?}", both.members);
        assert!(told(&both, 1, code).is_empty(), "{:?}", both.members);
        assert_eq!(desired(&both).listeners[&80].rules.len(), 1, "{code:?}");
        assert_eq!(balancer(&both).subnets, ["subnet-1", "subnet-2"]);
        // There is nothing to build of it alone.
        let alone = fixture(std::slice::from_ref(&one)).link();
        assert!(alone.desired.is_none() && !told(&alone, 0, code).is_empty(), "{code:?} {path:?}");
        // Beside members that are in AWS it is the same.
        let joins = after(std::slice::from_ref(&good), &[one.clone(), good.clone()]);
        let mut joins = joins.clone();
        joins.existing.scheme = Scheme::Internal;
        let joined = joins.link();
        // What is discovered is not looked for where subnets are there already.
        if code != Code::NoSubnets || one.metadata.annotations.iter().flatten().any(|(_, value)| value == facing[0].1) {
            assert_eq!(states(&joined), [Quarantined, In], "{code:?} {path:?}");
        }
        // One that was linked otherwise goes on from that.
        let changed = after(&[member("a", &[]), good.clone()], &[one, good.clone()]).link();
        if code != Code::NoSubnets {
            assert_eq!(states(&changed), [LastGood, In], "{code:?} {path:?}");
            assert_eq!(desired(&changed).listeners[&80].rules.len(), 2, "{code:?}");
        }
    }
}

#[test]
fn who_names_what_is_there_is_linked() {
    let annotations = [("subnets", "subnet-1,subnet-2"), ("security-groups", "one")];
    assert_eq!(states(&fixture(&[member("a", &annotations), member("b", &[])]).link()), [In, In]);
    assert_eq!(states(&fixture(&[member("a", &[("ssl-redirect", "443")]), member("b", &HTTPS)]).link()), [In, In]);
}

#[test]
fn who_gave_way_to_one_that_is_quarantined_is_in_again() {
    let bad = member("a", &[("subnets", "subnet-1,subnet-9"), ("tags", "team=a")]);
    let other = member("b", &[("subnets", "subnet-1,subnet-2"), ("tags", "team=b")]);
    let linked = fixture(&[bad, other]).link();
    assert_eq!(states(&linked), [Quarantined, In], "{:?}", linked.members);
    assert!(told(&linked, 1, Code::GroupConflict).is_empty());
}

/// However many say something else that cannot be had: the work is bounded, and who says nothing of it is in.
#[test]
fn many_that_cannot_be_had_hold_nobody_up() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o"];
    let bad = |(number, name): (usize, &&str)| member(name, &[("ssl-redirect", &format!("{}", 9000 + number))]);
    let mut members: Vec<Ingress> = names.iter().enumerate().map(bad).collect();
    members.push(member("z", &[]));
    let states = states(&fixture(&members).link());
    assert_eq!(states.last(), Some(&In));
    assert_eq!(states.iter().filter(|state| **state == Quarantined).count(), names.len());
}

#[test]
fn a_fault_of_the_object_hides_none_of_the_account() {
    let annotations = [
        ("wafv2-acl-arn", "arn:aws:wafv2:..."),
        ("security-groups", "sg-9"),
        ("subnets", "subnet-9"),
        ("listen-ports", r#"[{"HTTPS": 443}]"#),
    ];
    let linked = fixture(&[member("a", &annotations)]).link();
    let all = [Code::InvalidArn, Code::SecurityGroupNotFound, Code::SubnetsNotFound, Code::CertificateNotFound];
    assert!(all.iter().all(|code| !told(&linked, 0, *code).is_empty()), "{:?}", linked.members);
}

/// Parameters of a class that name subnets which are not there.
fn missing() -> Value {
    json!({"subnets": {"ids": ["subnet-1", "subnet-9"]}})
}

#[test]
fn parameters_that_change_under_a_group_keep_its_subnets_and_rules_go_on() {
    let old = [of_class(member("a", &[])), member("b", &[])];
    let new = [edited(of_class(member("a", &[]))), member("b", &[])];
    let linked = Fixture { params: missing(), ..after(&old, &new) }.link();
    assert_eq!(states(&linked), [In, In], "{:?}", linked.members);
    assert_eq!(balancer(&linked).subnets, ["subnet-1", "subnet-2"]);
    assert!(paths(&linked, 80).contains("/edited"));
    let told_a = told(&linked, 0, Code::SubnetsNotFound);
    assert_eq!(told_a.len(), 1, "{told_a:?}");
    let finding = told_a[0];
    assert_eq!((finding.effect, finding.path.0.as_str()), (Effect::PartKept, "spec.ingressClassName"));
    assert_eq!(finding.related.first().map(ToString::to_string).as_deref(), Some("IngressClassParams own"));
    assert!(told(&linked, 1, Code::SubnetsNotFound).is_empty(), "it is not of that class");
    // One more of that class: it says nothing that is not said.
    let joined = [old.as_slice(), &[of_class(member("c", &[]))]].concat();
    let linked = Fixture { params: missing(), ..after(&old, &joined) }.link();
    assert_eq!(states(&linked), [In, In, In]);
    assert_eq!(effects(&linked, 2, Code::SubnetsNotFound), [Effect::PartKept]);
    // Without any of it in AWS, it alone brings it in.
    let linked = Fixture { params: missing(), ..after(&old[1..], &joined[1..]) }.link();
    assert_eq!(states(&linked), [In, Quarantined]);
}

#[test]
fn parameters_that_change_the_scheme_where_there_are_no_subnets_keep_the_load_balancer() {
    let members = [of_class(member("a", &[]))];
    for params in [
        json!({"scheme": "internet-facing"}),
        json!({"ipAddressType": "dualstack", "subnets": {"tags": {"kubernetes.io/role/internal-elb": ["1"]}}}),
    ] {
        let linked = Fixture { params, ..after(&members, &members) }.link();
        let kept = (balancer(&linked).scheme, balancer(&linked).ip_address_type, balancer(&linked).subnets.len());
        assert_eq!(kept, (Scheme::Internal, IpAddressType::Ipv4, 2), "{:?}", linked.members);
        assert_eq!(effects(&linked, 0, Code::NoSubnets), [Effect::PartKept]);
    }
}

#[test]
fn without_a_load_balancer_those_of_the_class_are_quarantined() {
    let broken = |members: &[Ingress]| Fixture { params: missing(), ..fixture(members) }.link();
    let linked = broken(&[of_class(member("a", &[])), member("b", &[])]);
    assert_eq!(states(&linked), [Quarantined, In]);
    assert_eq!(effects(&linked, 0, Code::SubnetsNotFound), [Effect::MemberQuarantined]);
    assert_eq!(balancer(&linked).subnets, ["subnet-1", "subnet-2"]);
    assert!(broken(&[of_class(member("a", &[]))]).desired.is_none());
    // Nobody says anything of subnets, and there are none.
    let nowhere =
        Fixture { facts: Facts { subnets: aged(Vec::new()), ..facts() }, ..fixture(&[member("a", &[])]) }.link();
    assert!(nowhere.desired.is_none());
    assert_eq!(effects(&nowhere, 0, Code::NoSubnets), [Effect::GroupBlocked]);
}

#[test]
fn what_vanishes_in_aws_stays_as_it_is_there() {
    let subnets = member("a", &[("subnets", "subnet-1,subnet-4")]);
    let linked = after(std::slice::from_ref(&subnets), &[edited(subnets.clone())]).link();
    assert_eq!((states(&linked), balancer(&linked).subnets.len()), (vec![In], 2));
    assert_eq!(effects(&linked, 0, Code::SubnetsNotFound), [Effect::PartKept]);
    assert!(paths(&linked, 80).contains("/edited"));

    let groups = member("a", &[("security-groups", "renamed")]);
    let mut changed = after(std::slice::from_ref(&groups), &[edited(groups.clone())]);
    let there = vec![Ref::Known("sg-7".to_owned()), Ref::Of(ResourceId::backend_security_group())];
    changed.existing.security_groups.clone_from(&there);
    let linked = changed.link();
    assert_eq!((states(&linked), &balancer(&linked).security_groups), (vec![In], &there));
    assert_eq!(effects(&linked, 0, Code::SecurityGroupNotFound), [Effect::PartKept]);
    assert!(desired(&linked).backend_security_group && desired(&linked).security_group.is_none());

    let discovered = member("a", &[BOTH]);
    let mut expired = after(std::slice::from_ref(&discovered), &[edited(discovered.clone())]);
    expired.existing.certificates = BTreeMap::from([(443, vec!["arn:old".to_owned()])]);
    let linked = expired.link();
    assert_eq!(states(&linked), [In], "{:?}", linked.members);
    assert_eq!(desired(&linked).listeners[&443].certificates, ["arn:old"]);
    assert_eq!(effects(&linked, 0, Code::CertificateNotFound), [Effect::PartKept]);
    // Certificates that could not be read, as after a start without ACM, are not gone either.
    expired.facts.certificates = None;
    let linked = expired.link();
    assert_eq!((states(&linked), effects(&linked, 0, Code::CertificateNotFound)), (vec![In], Vec::new()));
    assert_eq!(desired(&linked).listeners[&443].certificates, ["arn:old"]);
    // Another host has no certificate that could stay: what was asked for last goes on.
    let mut other = discovered.clone();
    other.spec.get_or_insert_default().rules.get_or_insert_default()[0].host = Some("other.example.com".to_owned());
    let mut moved = after(std::slice::from_ref(&discovered), &[other]);
    moved.existing = expired.existing;
    let linked = moved.link();
    assert_eq!((states(&linked), desired(&linked).listeners[&443].rules.len()), (vec![LastGood], 1));
}

#[test]
fn a_redirect_whose_listener_goes_stays_as_it_is() {
    let asks = member("a", &[("ssl-redirect", "443")]);
    let opens = member("b", &HTTPS);
    let both = [asks.clone(), opens.clone()];
    let mut left = after(&both, std::slice::from_ref(&asks));
    left.existing.ssl_redirect = Some(443);
    let linked = left.link();
    assert_eq!((states(&linked), desired(&linked).listeners[&80].rules.len()), (vec![In], 0), "it leads nowhere still");
    assert_eq!(effects(&linked, 0, Code::InvalidSslRedirect), [Effect::PartKept]);
    // Where nothing was led to HTTPS, nothing is.
    let class = of_class(member("a", &[]));
    let params = json!({"sslRedirectPort": "443"});
    let linked = Fixture { params, ..after(std::slice::from_ref(&class), std::slice::from_ref(&class)) }.link();
    assert_eq!(desired(&linked).listeners[&80].rules.len(), 1);
    assert_eq!(told(&linked, 0, Code::InvalidSslRedirect)[0].path.0, "spec.ingressClassName");
    // Who takes the listener away while another leans on it is the one to blame.
    let linked = after(&both, &[asks, member("b", &[])]).link();
    assert_eq!(states(&linked), [In, LastGood], "{:?}", linked.members);
    assert_eq!(effects(&linked, 1, Code::InvalidSslRedirect), [Effect::MemberQuarantined]);
    assert!(desired(&linked).listeners.contains_key(&443));
}

#[test]
fn backends_that_have_ipv6_alone_stand_behind_what_has_it() {
    let dualstack: &[(&str, &str)] = &[("ip-address-type", "dualstack")];
    let mut facts = facts();
    for subnet in facts.subnets.iter_mut().flat_map(|known| &mut known.value) {
        subnet.ipv6 = true;
    }
    let six = leading_to("six", "a", &[]);
    let fits = Fixture { facts: facts.clone(), ..fixture(&[six.clone(), member("b", dualstack)]) }.link();
    assert_eq!(states(&fits), [In, In]);
    // Who takes the addresses away is to blame, in whatever words.
    let before = [six.clone(), member("b", dualstack)];
    for back in [member("b", &[]), member("b", &[("ip-address-type", "ipv4")])] {
        let linked = Fixture { facts: facts.clone(), ..after(&before, &[six.clone(), back]) }.link();
        assert_eq!(states(&linked), [In, LastGood], "{:?}", linked.members);
        assert!(balancer(&linked).ip_address_type.is_dualstack());
    }
    // Parameters do: the load balancer keeps them.
    let own = of_class(six.clone());
    let mut kept = Fixture {
        params: json!({"ipAddressType": "ipv4"}),
        ..after(std::slice::from_ref(&own), std::slice::from_ref(&own))
    };
    kept.existing.ip_address_type = Some(IpAddressType::Dualstack);
    let linked = kept.link();
    assert!(balancer(&linked).ip_address_type.is_dualstack());
    assert_eq!(effects(&linked, 0, Code::ServiceTypeMismatch), [Effect::PartKept]);
    // The Service did: that member alone cannot be served.
    let both = [six, member("b", &[])];
    let linked = after(&both, &both).link();
    assert_eq!(states(&linked), [Quarantined, In]);
}

#[test]
fn an_nlb_that_cannot_be_had_stays_as_it_is() {
    let asks = member("a", &[NLB, ("frontend-nlb-subnets", "subnet-1,subnet-4")]);
    let mut group = after(std::slice::from_ref(&asks), &[edited(asks.clone()), member("b", &[])]);
    group.existing.nlb = Some(ExistingNlb { scheme: Scheme::Internal, subnets: vec!["subnet-1".to_owned()] });
    let linked = group.link();
    assert_eq!(states(&linked), [In, In]);
    let Desired { nlb, keep_nlb, listeners, .. } = desired(&linked);
    assert!(nlb.is_none() && *keep_nlb);
    assert_eq!(listeners[&80].rules.len(), 2);
    assert_eq!(effects(&linked, 0, Code::SubnetsNotFound), [Effect::PartKept]);
    // A newcomer that asks for something else of it goes alone.
    let good = member("a", &[NLB]);
    let addresses = member("b", &[("frontend-nlb-eip-allocations", "eipalloc-1, eipalloc-2")]);
    let linked = after(std::slice::from_ref(&good), &[good.clone(), addresses]).link();
    assert_eq!(states(&linked), [In, Quarantined]);
    assert!(desired(&linked).nlb.is_some());
}

#[test]
fn a_backend_group_that_is_switched_off_stays_with_those_who_use_it() {
    let uses = member("a", &[("security-groups", "sg-1"), ("manage-backend-security-group-rules", "true")]);
    let off = Settings { enable_backend_security_group: false, ..Settings::new("cluster") };
    let linked =
        Fixture { settings: off.clone(), ..after(std::slice::from_ref(&uses), std::slice::from_ref(&uses)) }.link();
    assert_eq!(effects(&linked, 0, Code::InvalidValue), [Effect::PartKept]);
    assert!(desired(&linked).backend_security_group);
    let linked = Fixture { settings: off, ..fixture(&[uses, member("b", &[])]) }.link();
    assert_eq!(states(&linked), [Quarantined, In]);
}

/// Nobody knows who is in AWS of a load balancer without a ledger: nobody is quarantined, and what is there stays.
#[test]
fn who_may_be_in_aws_already_goes_on() {
    for bad in [member("a", &[("subnets", "subnet-1,subnet-9")]), member("a", &[("ssl-redirect", "443")])] {
        let mut world = World::new(Settings::new("cluster"));
        let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
        world.apply(Object::IngressClass(Box::new(from_value(class).expect("a class"))));
        for one in [bad, member("b", &[])] {
            world.apply(Object::Ingress(Box::new(one)));
        }
        let view = world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None);
        let (settings, facts) = (world.settings(), facts());
        let existing = Some(&Existing::new(Scheme::Internal, vec!["subnet-1".to_owned()])).cloned();
        let (existing, now) = (existing.as_ref(), Timestamp::UNIX_EPOCH);
        let linked = link(Input { settings: &settings, view: &view, facts: &facts, existing, now });
        assert_eq!((states(&linked), desired(&linked).listeners[&80].rules.len()), (vec![In, In], 2));
        assert_eq!(linked.findings().filter(|finding| finding.effect == Effect::PartKept).count(), 1);
    }
}
