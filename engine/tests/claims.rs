//! A finalizer is what an author wrote. Who leaves a group is told by the group's ledger, and without one by what AWS holds.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

use albedo_engine::kinds::{IngressGroup, Key};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Found, GroupId, Observed, TargetGroup};
use albedo_engine::world::{Kind, Leaving, Object, Overlay, Unit, View, World};
use serde_json::{Value, json};

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object")
}

fn shop() -> GroupId {
    GroupId::Explicit("shop".to_owned())
}

/// An Ingress of the class with these finalizers of groups.
fn ingress(namespace: &str, name: &str, class: &str, group: Option<&str>, claims: &[String]) -> Object {
    let finalizers: Vec<String> = claims.iter().map(|claim| format!("group.ingress.k8s.aws/{claim}")).collect();
    let annotations = group.map(|group| json!({"alb.ingress.kubernetes.io/group.name": group}));
    Object::Ingress(read(json!({
        "metadata": {"namespace": namespace, "name": name, "finalizers": finalizers, "annotations": annotations},
        "spec": {"ingressClassName": class}})))
}

fn deleted(object: Object) -> Object {
    let Object::Ingress(mut ingress) = object else { return object };
    ingress.metadata.deletion_timestamp = Some(read(json!("2026-01-01T00:00:00Z")));
    Object::Ingress(ingress)
}

fn ledger(members: &[(&str, &str)]) -> Object {
    let members: Vec<Value> =
        members.iter().map(|(ns, name)| json!({"namespace": ns, "name": name, "state": "Linked"})).collect();
    let ledger: IngressGroup = read(json!({"apiVersion": "albedo.dev/v1alpha1", "kind": "IngressGroup",
        "metadata": {"name": "group.shop"}, "spec": {"stack": "shop"}, "status": {"members": members}}));
    Object::Group(Box::new(ledger))
}

/// A group with the member `victim/web`, which its ledger knows.
fn world() -> World {
    let mut world = World::new(Settings::new("demo"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    world.apply(Object::IngressClass(read(class)));
    world.apply(ingress("victim", "web", "alb", Some("shop"), &claim("shop")));
    world.apply(ledger(&[("victim", "web")]));
    world
}

fn claim(group: &str) -> Vec<String> {
    vec![group.to_owned()]
}

fn leaving(view: &View) -> Vec<String> {
    let named = |leaving: &Leaving| match leaving {
        Leaving::Left(ingress) => format!("left {}", Key::of(&ingress.metadata)),
        Leaving::Unknown(ingress, _) => format!("unknown {}", Key::of(&ingress.metadata)),
    };
    view.leaving.iter().map(named).collect()
}

#[test]
fn a_claim_on_a_group_that_does_not_know_it_means_nothing() {
    for class in ["nope", "foreign"] {
        let mut world = world();
        let evil = ingress("evil", "f", class, None, &claim("shop"));
        assert_eq!(world.apply(evil.clone()).into_iter().collect::<Vec<_>>(), own(class), "{class}");
        assert!(leaving(&world.view(&shop(), &Overlay::None)).is_empty(), "{class}");
        let Object::Ingress(candidate) = evil else { continue };
        let overlay = Overlay::Put(std::sync::Arc::from(candidate));
        assert!(leaving(&world.view(&shop(), &overlay)).is_empty(), "neither at admission: {class}");
    }
}

/// What an Ingress of a class that is not there touches: itself, to be told so.
fn own(class: &str) -> Vec<Unit> {
    let itself = Unit::Group(GroupId::Implicit { namespace: "evil".to_owned(), name: "f".to_owned() });
    if class == "nope" || class == "foreign" { vec![itself] } else { Vec::new() }
}

#[test]
fn who_is_known_leaves() {
    let mut world = world();
    world.apply(ingress("other", "api", "alb", Some("shop"), &claim("shop")));
    world.apply(ledger(&[("victim", "web"), ("other", "api")]));
    world.apply(ingress("other", "api", "nope", Some("shop"), &claim("shop")));
    assert_eq!(leaving(&world.view(&shop(), &Overlay::None)), ["unknown other/api"]);
    world.apply(deleted(ingress("other", "api", "nope", Some("shop"), &claim("shop"))));
    assert_eq!(leaving(&world.view(&shop(), &Overlay::None)), ["left other/api"]);
}

#[test]
fn without_a_ledger_what_aws_holds_decides() {
    let mut world = world();
    world.apply(ingress("other", "api", "nope", Some("shop"), &claim("shop")));
    world.apply(ingress("evil", "f", "nope", None, &claim("shop")));
    world.delete(Kind::Group, &Key::new("", "group.shop"));
    let mut view = world.view(&shop(), &Overlay::None);
    assert_eq!(leaving(&view), ["unknown evil/f", "unknown other/api"]);
    let mut is: TargetGroup = target_group();
    is.tags.insert("ingress.k8s.aws/resource".to_owned(), "other/api-svc:80".to_owned());
    let observed = Observed { target_groups: vec![Found { arn: "arn".to_owned(), is }], ..Observed::default() };
    view.leave_out_strangers(&observed);
    assert_eq!(leaving(&view), ["unknown other/api"]);
    // The ledger that is written then knows who is who.
    world.apply(ledger(&[("victim", "web"), ("other", "api")]));
    assert_eq!(leaving(&world.view(&shop(), &Overlay::None)), ["unknown other/api"]);
}

fn target_group() -> TargetGroup {
    read(json!({"name": "k8s-other-svc-0123456789", "target_type": "ip", "port": 80, "protocol": "HTTP",
        "protocol_version": "HTTP1", "ipv6": false, "target_control_port": null,
        "health_check": {"port": "traffic-port", "protocol": "HTTP", "path": "/", "success_codes": "200",
            "interval_seconds": 15, "timeout_seconds": 5, "healthy_threshold": 2, "unhealthy_threshold": 2},
        "attributes": {}, "tags": {}}))
}

/// It is let go when it is deleted, for nobody else takes the finalizer from it.
#[test]
fn who_was_about_to_join_is_let_go() {
    let mut world = world();
    world.apply(ingress("victim", "new", "nope", Some("shop"), &claim("shop")));
    assert!(world.strays(&shop(), 10).is_empty(), "it cannot be told whose it is");
    let touched = world.apply(deleted(ingress("victim", "new", "nope", Some("shop"), &claim("shop"))));
    assert!(touched.contains(&Unit::Group(shop())));
    let strays: Vec<Key> = world.strays(&shop(), 10).iter().map(|stray| Key::of(&stray.metadata)).collect();
    assert_eq!(strays, [Key::new("victim", "new")]);
    assert!(leaving(&world.view(&shop(), &Overlay::None)).is_empty(), "nobody waits for it");
}

/// An Ingress with a thousand finalizers makes a handful of groups at a time, and those wait for all others.
#[test]
fn a_thousand_claims_are_a_few() {
    let mut world = world();
    let claims: Vec<String> = (0..1000).map(|number| format!("group{number}")).collect();
    world.apply(ingress("evil", "f", "foreign", None, &claims));
    let groups = world.group_ids();
    assert!(groups.len() < 12, "{}", groups.len());
    for group in &groups {
        assert_eq!(world.is_only_claimed(group), *group != shop(), "{group}");
    }
}

/// Somebody gives a load balancer, a target group and a security group of their own the tags of the group.
mod strangers {
    use albedo_engine::link::set_strangers_apart;
    use albedo_engine::stack::{SecurityGroup, Tags};
    use std::collections::BTreeSet;

    use super::*;

    fn tagged(resource: &str) -> Tags {
        let pairs = [
            ("elbv2.k8s.aws/cluster", "demo"),
            ("ingress.k8s.aws/stack", "shop"),
            ("ingress.k8s.aws/resource", resource),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    fn target(name: &str) -> Found<TargetGroup> {
        let is = TargetGroup { name: name.to_owned(), tags: tagged("victim/web-svc:80"), ..target_group() };
        Found { arn: format!("arn:aws:elasticloadbalancing:r:1:targetgroup/{name}/0"), is }
    }

    fn guard(name: &str) -> Found<SecurityGroup> {
        let (description, ingress) = (String::new(), BTreeSet::new());
        let is = SecurityGroup { name: name.to_owned(), description, ingress, tags: tagged("ManagedLBSecurityGroup") };
        Found { arn: format!("sg-{name}"), is }
    }

    fn observed() -> Observed {
        let own = albedo_engine::stack::managed_security_group_name("demo", &shop());
        Observed {
            target_groups: vec![target("k8s-victim-svc-0123456789"), target("payments"), target("k8s-prod")],
            security_groups: vec![guard(&own), guard("database")],
            ..Observed::default()
        }
    }

    fn left(observed: &Observed) -> Vec<&str> {
        let groups = observed.target_groups.iter().map(|found| found.is.name.as_str());
        groups.chain(observed.security_groups.iter().map(|found| found.is.name.as_str())).collect()
    }

    #[test]
    fn what_is_neither_recorded_nor_named_so_is_left_alone() {
        let mut world = world();
        world
            .apply(with_resources(&[("victim/web-svc:80", "arn:aws:elasticloadbalancing:r:1:targetgroup/k8s-prod/0")]));
        let mut found = observed();
        let orphans = set_strangers_apart(&mut found, &world.view(&shop(), &Overlay::None), "demo");
        let names: Vec<&str> = orphans.iter().map(|orphan| orphan.name.as_str()).collect();
        assert_eq!(names, ["payments", "database"]);
        assert_eq!(
            left(&found)[..2],
            ["k8s-victim-svc-0123456789", "k8s-prod"],
            "the ledger names one, a name the other"
        );
        assert!(!left(&found).contains(&"database"), "{:?}", left(&found));
        let fixes: Vec<String> = orphans.iter().map(albedo_engine::link::Orphan::fix).collect();
        assert!(fixes[0].contains("delete-target-group --target-group-arn arn:"), "{fixes:?}");
        assert!(fixes[1].contains("delete-security-group --group-id sg-database"), "{fixes:?}");
    }

    /// Without a ledger it may be taken over where it fits; it is told of nobody then, and not deleted either.
    #[test]
    fn without_a_ledger_nothing_is_lost() {
        let mut world = world();
        world.delete(Kind::Group, &Key::new("", "group.shop"));
        let mut found = observed();
        let view = world.view(&shop(), &Overlay::None);
        assert_eq!(set_strangers_apart(&mut found, &view, "demo"), []);
        assert_eq!(found.target_groups.len(), 3);
        assert_eq!(found.strangers.len(), 3, "{:?}", found.strangers);
    }

    /// The last member goes and the ledger is lost: what has Albedo's names is cleaned up, the rest told.
    #[test]
    fn a_group_whose_ledger_was_lost_is_cleaned_up() {
        let mut world = world();
        world.delete(Kind::Group, &Key::new("", "group.shop"));
        world.apply(deleted(ingress("victim", "web", "alb", Some("shop"), &claim("shop"))));
        let view = world.view(&shop(), &Overlay::None);
        assert_eq!(view.leaving.len(), 1);
        let mut found = observed();
        let orphans = set_strangers_apart(&mut found, &view, "demo");
        assert_eq!(orphans.len(), 3, "{orphans:?}");
        assert_eq!(left(&found)[0], "k8s-victim-svc-0123456789");
    }

    fn with_resources(resources: &[(&str, &str)]) -> Object {
        let Object::Group(mut ledger) = ledger(&[("victim", "web")]) else { return ledger(&[]) };
        let resources = resources.iter().map(|(id, arn)| ((*id).to_owned(), (*arn).to_owned()));
        if let Some(status) = &mut ledger.status {
            status.resources = resources.collect();
        }
        Object::Group(ledger)
    }
}
