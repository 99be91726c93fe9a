//! Web ACLs, Shield and reserved capacity from annotations and parameters to plans.

#![expect(clippy::expect_used, clippy::panic, reason = "a panic is what a test has for a fault")]

use std::collections::BTreeMap;

use albedo_engine::facts::{Aged, Facts};
use albedo_engine::finding::Code;
use albedo_engine::kinds::IngressClassParams;
use albedo_engine::link::{Existing, Input, Linked, MemberState, link};
use albedo_engine::plan::{self, ObservedBinding, Plan, as_observed};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Addon, Addons, Attachment, Desired, GroupId, LoadBalancerState, Observed, Scheme, Tags};
use albedo_engine::world::{Object, Overlay, World};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{Value, json};

const P: &str = "alb.ingress.kubernetes.io/";
const WEB: &str = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/web/1";
const API: &str = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/api/2";

/// A group, its class's parameters, flags and facts.
struct Scene {
    settings: Settings,
    facts: Facts,
    params: Value,
    members: Vec<Vec<(&'static str, &'static str)>>,
}

impl Scene {
    fn of(members: &[&[(&'static str, &'static str)]]) -> Self {
        let acls = BTreeMap::from([("web", WEB), ("api", API)].map(|(name, arn)| (name.to_owned(), arn.to_owned())));
        let read_at = Timestamp::UNIX_EPOCH;
        let facts = Facts {
            region: Some("eu-central-1".to_owned()),
            web_acls: Some(Aged { value: acls, read_at }),
            shield_subscribed: Some(Aged { value: true, read_at }),
            ..Facts::default()
        };
        let members = members.iter().map(|pairs| pairs.to_vec()).collect();
        Self { settings: Settings::new("demo"), facts, params: json!({}), members }
    }

    fn link(&self) -> Linked {
        let mut world = World::new(self.settings.clone());
        let params = json!({"metadata": {"name": "alb"}, "spec": self.params});
        let params: IngressClassParams = serde_json::from_value(params).expect("parameters");
        world.apply(Object::IngressClassParams(Box::new(params)));
        let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER,
            "parameters": {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "alb"}}});
        let class: IngressClass = serde_json::from_value(class).expect("a class");
        world.apply(Object::IngressClass(Box::new(class)));
        let service = json!({"metadata": {"name": "app", "namespace": "shop", "uid": "app"},
            "spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}});
        let service: Service = serde_json::from_value(service).expect("a Service");
        world.apply(Object::Service(Box::new(service)));
        for (number, pairs) in self.members.iter().enumerate() {
            let mut annotations: BTreeMap<String, &str> =
                pairs.iter().map(|(key, value)| (format!("{P}{key}"), *value)).collect();
            annotations.insert(format!("{P}group.name"), "g");
            let ingress = json!({
                "metadata": {"name": format!("ing-{number}"), "namespace": "shop", "uid": number.to_string(),
                    "annotations": annotations, "creationTimestamp": format!("2026-01-01T00:00:{number:02}Z")},
                "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]}});
            let ingress: Ingress = serde_json::from_value(ingress).expect("an Ingress");
            world.apply(Object::Ingress(Box::new(ingress)));
        }
        let view = world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None);
        let existing = Existing::new(Scheme::Internal, vec!["subnet-1".to_owned()]);
        let (settings, facts) = (&self.settings, &self.facts);
        link(Input { settings, view: &view, facts, existing: Some(&existing), now: Timestamp::UNIX_EPOCH })
    }

    fn addons(&self) -> Addons {
        desired(&self.link()).addons.clone()
    }
}

fn desired(linked: &Linked) -> &Desired {
    linked.desired.as_ref().unwrap_or_else(|| panic!("blocked: {:?}", linked.members))
}

fn states(linked: &Linked) -> Vec<MemberState> {
    linked.members.iter().map(|member| member.state).collect()
}

fn to(this: &str) -> Attachment {
    Attachment::To(this.to_owned())
}

fn one(addon: Addon, is: Attachment) -> Addons {
    Addons::from([(addon, is)])
}

/// Annotations of each member, ours without their prefix.
type Members<'a> = &'a [&'a [(&'a str, &'a str)]];

#[test]
fn what_the_group_asks() {
    let rows: [(Members<'_>, Addons); 14] = [
        (&[&[]], Addons::default()),
        (&[&[("wafv2-acl-arn", WEB)], &[]], one(Addon::WebAcl, to(WEB))),
        (&[&[("wafv2-acl-arn", "none")]], one(Addon::WebAcl, Attachment::Nothing)),
        (&[&[("wafv2-acl-arn", "")]], one(Addon::WebAcl, Attachment::Nothing)),
        (&[&[("wafv2-acl-name", "api")]], one(Addon::WebAcl, to(API))),
        // No value is no opinion; the newer key of WAF Classic hides the older one all the same.
        (&[&[("wafv2-acl-name", "")], &[("waf-acl-id", "")]], Addons::default()),
        (&[&[("waf-acl-id", ""), ("web-acl-id", "old")]], Addons::default()),
        (
            &[&[("wafv2-acl-name", ""), ("wafv2-acl-arn", WEB)], &[("wafv2-acl-name", ""), ("web-acl-id", "")]],
            one(Addon::WebAcl, to(WEB)),
        ),
        // A name goes before any ARN of the group, even before two that conflict with each other.
        (
            &[&[("wafv2-acl-arn", WEB)], &[("wafv2-acl-name", "none")], &[("wafv2-acl-arn", API)]],
            one(Addon::WebAcl, Attachment::Nothing),
        ),
        (&[&[("wafv2-acl-arn", "no ARN"), ("wafv2-acl-name", "api")]], one(Addon::WebAcl, to(API))),
        (&[&[("web-acl-id", "old"), ("waf-acl-id", "new")]], one(Addon::ClassicWebAcl, to("new"))),
        (&[&[("web-acl-id", "none")]], one(Addon::ClassicWebAcl, Attachment::Nothing)),
        (&[&[("shield-advanced-protection", "f")]], one(Addon::Shield, Attachment::Nothing)),
        (&[&[("minimum-load-balancer-capacity", "CapacityUnits=500")]], one(Addon::Capacity, to("500"))),
    ];
    for (members, expected) in rows {
        let linked = Scene::of(members).link();
        assert_eq!(desired(&linked).addons, expected, "{members:?}");
        assert!(states(&linked).iter().all(|state| *state == MemberState::Linked), "{linked:?}");
    }
}

#[test]
fn what_cannot_be_meant_quarantines_its_member() {
    let rows: [(&str, &str, Code); 8] = [
        (
            "wafv2-acl-arn",
            concat!("arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/web/1", "\n"),
            Code::InvalidArn,
        ),
        ("wafv2-acl-arn", "web", Code::InvalidArn),
        ("wafv2-acl-arn", "arn:aws:wafv2:us-east-1:123456789012:global/webacl/web/1", Code::InvalidArn),
        ("wafv2-acl-arn", "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/web/9", Code::WebAclNotFound),
        ("wafv2-acl-name", "wbe", Code::WebAclNotFound),
        ("shield-advanced-protection", "yes", Code::InvalidValue),
        ("minimum-load-balancer-capacity", "Units=500", Code::InvalidValue),
        ("minimum-load-balancer-capacity", "CapacityUnits=-1", Code::InvalidValue),
    ];
    for (key, value, code) in rows {
        let linked = Scene::of(&[&[], &[(key, value)]]).link();
        assert_eq!(states(&linked), [MemberState::Linked, MemberState::Quarantined], "{key}: {value}");
        let found: Vec<_> = linked.findings().filter(|finding| finding.code != Code::ListenerConflict).collect();
        assert!(found.iter().any(|finding| finding.code == code), "{key}: {value}: {found:?}");
        assert_eq!(desired(&linked).addons, Addons::default());
    }
}

#[test]
fn the_age_of_the_fact_is_told() {
    let mut scene = Scene::of(&[&[("wafv2-acl-name", "wbe")]]);
    scene.facts.web_acls.as_mut().expect("web ACLs").read_at = Timestamp::from_second(-120).expect("a time");
    let linked = scene.link();
    let finding = linked.findings().find(|finding| finding.code == Code::WebAclNotFound).expect("a finding");
    assert_eq!(finding.age.map(|age| age.as_secs()), Some(120));
    assert_eq!(finding.fix, "did you mean web?");
}

#[test]
fn an_acl_of_another_region_is_told_and_left_to_aws() {
    let elsewhere = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/web/1";
    let linked = Scene::of(&[&[("wafv2-acl-arn", elsewhere)]]).link();
    assert!(linked.findings().any(|finding| finding.code == Code::WebAclNotFound));
    assert_eq!(desired(&linked).addons, one(Addon::WebAcl, to(elsewhere)));
}

#[test]
fn members_that_disagree() {
    for (key, one, other) in [
        ("wafv2-acl-arn", WEB, API),
        ("wafv2-acl-arn", WEB, "none"),
        ("wafv2-acl-name", "web", "api"),
        ("waf-acl-id", "a", "b"),
        ("shield-advanced-protection", "true", "false"),
        ("minimum-load-balancer-capacity", "CapacityUnits=500", "CapacityUnits=600"),
    ] {
        let linked = Scene::of(&[&[(key, one)], &[(key, other)]]).link();
        assert_eq!(states(&linked), [MemberState::Linked, MemberState::Quarantined], "{key}");
        assert!(linked.findings().any(|finding| finding.code == Code::GroupConflict), "{key}");
    }
}

#[test]
fn parameters_go_before_annotations() {
    // As with the predecessor a name goes before an ARN, wherever both stand; who writes the name is told what it takes away.
    for (name, expected) in [("none", Attachment::Nothing), ("web", to(WEB)), ("", to(API))] {
        let mut scene = Scene::of(&[&[("wafv2-acl-name", name)]]);
        scene.params = json!({"wafv2AclArn": API, "wafv2AclName": ""});
        let linked = scene.link();
        assert_eq!(desired(&linked).addons, one(Addon::WebAcl, expected), "{name}");
        let told =
            linked.findings().filter(|finding| finding.message.contains("wafv2AclArn of IngressClassParams alb"));
        assert_eq!(told.count(), usize::from(!name.is_empty()), "{name}: {linked:?}");
    }
    let mut scene = Scene::of(&[&[("wafv2-acl-arn", WEB), ("minimum-load-balancer-capacity", "CapacityUnits=500")]]);
    scene.params = json!({"wafv2AclArn": API, "minimumLoadBalancerCapacity": {"capacityUnits": 900}});
    assert_eq!(scene.addons(), Addons::from([(Addon::WebAcl, to(API)), (Addon::Capacity, to("900"))]));
    scene.params = json!({"wafv2AclName": "api"});
    assert_eq!(scene.addons().get(&Addon::WebAcl), Some(&to(API)));
    scene.params = json!({"wafv2AclName": "wbe"});
    let linked = scene.link();
    let finding = linked.findings().find(|finding| finding.code == Code::WebAclNotFound).expect("a finding");
    assert_eq!(finding.path.to_string(), "spec.ingressClassName");
    assert!(finding.message.contains("IngressClassParams alb"), "{finding}");
}

#[test]
fn what_is_switched_off_is_left_alone() {
    let mut scene = Scene::of(&[&[
        ("wafv2-acl-name", "nobody's"),
        ("waf-acl-id", "a"),
        ("shield-advanced-protection", "true"),
        ("minimum-load-balancer-capacity", "CapacityUnits=500"),
    ]]);
    scene.settings.enable_waf = false;
    scene.settings.enable_wafv2 = false;
    scene.settings.enable_shield = false;
    scene.settings.gates.insert("LBCapacityReservation".to_owned(), false);
    assert_eq!(scene.addons(), Addons::default());
}

#[test]
fn without_a_subscription_shield_is_left_alone() {
    let mut scene = Scene::of(&[&[("shield-advanced-protection", "true")]]);
    scene.facts.shield_subscribed.as_mut().expect("a subscription").value = false;
    let linked = scene.link();
    assert_eq!(desired(&linked).addons, Addons::default());
    assert!(linked.findings().any(|finding| finding.code == Code::ShieldNotSubscribed));
}

#[test]
fn names_are_taken_as_they_are_while_nothing_is_known() {
    let mut scene = Scene::of(&[&[("wafv2-acl-name", "web")]]);
    scene.facts = Facts::default();
    assert_eq!(scene.addons(), one(Addon::WebAcl, to("web")));
}

fn everything() -> Linked {
    Scene::of(&[&[
        ("wafv2-acl-arn", WEB),
        ("waf-acl-id", "classic"),
        ("shield-advanced-protection", "true"),
        ("minimum-load-balancer-capacity", "CapacityUnits=500"),
    ]])
    .link()
}

fn planned(desired: &Desired, observed: &Observed, bindings: &[ObservedBinding]) -> Plan {
    plan::plan(plan::Input {
        desired,
        observed,
        bindings,
        cluster: "demo",
        external_tags: &[],
        default_tags: &Tags::new(),
        rule_quota: 100,
        targets: None,
    })
}

fn replan(desired: &Desired, change: impl FnOnce(&mut albedo_engine::stack::ObservedLoadBalancer)) -> Plan {
    let (mut observed, bindings) = as_observed(desired);
    change(observed.load_balancers.first_mut().expect("a load balancer"));
    planned(desired, &observed, &bindings)
}

#[test]
fn what_is_attached_already_costs_nothing() {
    let linked = everything();
    let plan = replan(desired(&linked), |_| {});
    assert!(plan.is_empty(), "{}", plan::show(&plan));
    // A protection that somebody made by hand protects as well.
    let by_hand = Attachment::of_protection("p-1".to_owned(), "by hand");
    let plan = replan(desired(&linked), |found| drop(found.addons.insert(Addon::Shield, by_hand)));
    assert!(plan.is_empty(), "{}", plan::show(&plan));
}

#[test]
fn what_was_not_read_is_left_alone() {
    let linked = everything();
    let plan = replan(desired(&linked), |found| found.addons = Addons::new());
    assert!(plan.is_empty(), "{}", plan::show(&plan));
}

#[test]
fn what_is_missing_is_attached() {
    let linked = everything();
    let plan = replan(desired(&linked), |found| {
        found.addons.insert(Addon::WebAcl, to(API));
        found.addons.insert(Addon::ClassicWebAcl, Attachment::Nothing);
        found.addons.insert(Addon::Shield, Attachment::Nothing);
        found.addons.insert(Addon::Capacity, Attachment::Nothing);
    });
    let expected = format!(
        "~ AssociateWebACL LoadBalancer: {WEB}\n\
         ~ AssociateWebACL LoadBalancer: classic of WAF Classic\n\
         + CreateProtection LoadBalancer\n\
         ~ ModifyCapacityReservation LoadBalancer: 500 units\n"
    );
    assert_eq!(plan::show(&plan), expected);
}

#[test]
fn capacity_waits_for_the_load_balancer_and_nothing_waits_for_capacity() {
    let linked = everything();
    let plan = replan(desired(&linked), |found| {
        found.state = LoadBalancerState::Provisioning;
        found.addons.insert(Addon::Capacity, Attachment::Nothing);
        found.addons.insert(Addon::WebAcl, Attachment::Nothing);
    });
    assert_eq!(plan.operations.len(), 1, "{}", plan::show(&plan));
    assert!(plan.waits.is_empty());
    assert_eq!(plan.later, ["the load balancer to be active before 500 capacity units are reserved"]);
}

#[test]
fn what_is_asked_away_is_taken_away() {
    let linked = Scene::of(&[&[
        ("wafv2-acl-arn", "none"),
        ("waf-acl-id", "none"),
        ("shield-advanced-protection", "false"),
        ("minimum-load-balancer-capacity", "CapacityUnits=0"),
    ]])
    .link();
    let with = |name: &str| {
        let name = name.to_owned();
        replan(desired(&linked), move |found| {
            found.addons.insert(Addon::WebAcl, to(WEB));
            found.addons.insert(Addon::ClassicWebAcl, to("classic"));
            found.addons.insert(Addon::Shield, Attachment::of_protection("p-1".to_owned(), &name));
            found.addons.insert(Addon::Capacity, to("500"));
        })
    };
    let expected = "~ DisassociateWebACL LoadBalancer\n\
         ~ DisassociateWebACL LoadBalancer of WAF Classic\n\
         - DeleteProtection LoadBalancer\n\
         ~ ModifyCapacityReservation LoadBalancer: 0 units\n";
    assert_eq!(plan::show(&with("managed by aws-load-balancer-controller")), expected);
    assert_eq!(plan::show(&with("managed by aws-alb-ingress-controller")), expected);
    let others = plan::show(&with("by hand"));
    assert!(!others.contains("DeleteProtection"), "{others}");
}

/// AWS refuses clean-up for minutes: what protects a load balancer never stands behind it.
#[test]
fn what_is_attached_comes_before_what_goes() {
    let linked = everything();
    let (mut observed, bindings) = as_observed(desired(&linked));
    let stale = albedo_engine::stack::SecurityGroup {
        name: "old".to_owned(),
        description: String::new(),
        ingress: std::collections::BTreeSet::new(),
        tags: Tags::new(),
    };
    observed.security_groups.push(albedo_engine::stack::Found { arn: "sg-old".to_owned(), is: stale });
    observed.load_balancers.first_mut().expect("a load balancer").addons.insert(Addon::WebAcl, Attachment::Nothing);
    let plan = planned(desired(&linked), &observed, &bindings);
    assert_eq!(plan.clean_up(), 1, "{}", plan::show(&plan));
    assert!(plan::show(&plan).starts_with("~ AssociateWebACL"), "{}", plan::show(&plan));
}

/// Subnets without IPv6 fit an `ipv4` load balancer alone, so the type changes first where it leaves IPv6, and last where it takes it.
#[test]
fn addresses_change_in_the_order_that_aws_takes() {
    use albedo_engine::stack::IpAddressType::{self, Dualstack, DualstackWithoutPublicIpv4, Ipv4};
    let rows: [(IpAddressType, &str, &[&str]); 3] = [
        (Dualstack, "ipv4", &["SetIpAddressType", "SetSubnets"]),
        (DualstackWithoutPublicIpv4, "ipv4", &["SetIpAddressType", "SetSubnets"]),
        (Ipv4, "dualstack", &["SetSubnets", "SetIpAddressType"]),
    ];
    for (from, to, order) in rows {
        let linked = Scene::of(&[&[("ip-address-type", to)]]).link();
        let plan = replan(desired(&linked), |found| {
            found.is.ip_address_type = from;
            found.is.subnets = vec!["subnet-8".to_owned(), "subnet-9".to_owned()];
        });
        let text = plan::show(&plan);
        let places: Vec<_> = order.iter().map(|name| text.find(&format!("{name} ")).unwrap_or(usize::MAX)).collect();
        assert!(places.is_sorted() && !places.contains(&usize::MAX), "{from:?} to {to}:\n{text}");
    }
}

/// One that AWS could not set up is told; one that lacks resources serves.
#[test]
fn a_load_balancer_that_failed_is_told() {
    let linked = everything();
    let plan = replan(desired(&linked), |found| found.state = LoadBalancerState::Failed);
    assert!(plan.waits.iter().any(|wait| wait.contains("state failed")), "{:?}", plan.waits);
    let plan = replan(desired(&linked), |found| {
        found.state = LoadBalancerState::ActiveImpaired;
        found.addons.insert(Addon::Capacity, Attachment::Nothing);
    });
    assert!(plan.waits.is_empty() && plan.operations.len() == 1, "{}", plan::show(&plan));
}
