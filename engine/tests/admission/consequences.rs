//! What a change does to a load balancer that exists has to be meant, or is told.

use albedo_engine::admit::ReviewAnswer;
use albedo_engine::kinds::{IngressGroup, IngressGroupSpec, IngressGroupStatus, LoadBalancerStatus};
use albedo_engine::settings::CONTROLLER;
use serde_json::{Value, json};

use crate::fixture::{Fixture, ingress, says};

/// A group's ledger with the load balancer that it has, if it has one.
fn ledger(object: &str, load_balancer: Option<&str>) -> IngressGroup {
    let mut ledger = IngressGroup::new(object, IngressGroupSpec { stack: object.to_owned() });
    let is = |name: &str| LoadBalancerStatus {
        name: name.to_owned(),
        arn: format!("arn:{name}"),
        dns_name: format!("{name}.elb.example"),
        scheme: "internal".to_owned(),
    };
    ledger.status = Some(IngressGroupStatus { load_balancer: load_balancer.map(is), ..IngressGroupStatus::default() });
    ledger
}

/// The answer to an edit of the Ingress `web`.
fn edit(fixture: &mut Fixture, before: &Value, after: &Value) -> ReviewAnswer {
    fixture.store("web", before, &json!({}));
    fixture.answer(&ingress("web", after, &json!({})))
}

fn warns(answer: &ReviewAnswer, words: &[&str]) {
    assert!(answer.allowed, "{}", answer.message);
    says("warnings", &answer.warnings.join("\n"), words);
}

#[test]
fn another_group_is_another_load_balancer() {
    let (alone, shop, other) = (json!({}), json!({"group.name": "shop"}), json!({"group.name": "other"}));
    let answer = edit(&mut Fixture::new(), &shop, &other);
    assert!(!answer.allowed);
    says("move", &answer.message, &["ALB303", "shop → other", "is deleted and", "DNS name", "allow-replacement"]);
    let mut meant = other.clone();
    meant["albedo.dev/allow-replacement"] = json!("true");
    warns(&edit(&mut Fixture::new(), &shop, &meant), &["ALB303"]);

    let mut fixture = Fixture::new();
    fixture.store("sibling", &shop, &json!({})).remember(ledger("group.shop", Some("k8s-shop")));
    let answer = edit(&mut fixture, &shop, &alone);
    says("out of a group", &answer.message, &["ALB303", "k8s-shop.elb.example", "no longer serves", "→ shop/web"]);
    let answer = edit(&mut Fixture::new(), &alone, &shop);
    says("into a group", &answer.message, &["ALB303", "shop/web → shop"]);

    // Nothing was made of it yet.
    let mut fixture = Fixture::new();
    fixture.remember(ledger("ingress.shop.web", None));
    let answer = edit(&mut fixture, &alone, &shop);
    assert!(answer.allowed && answer.warnings.is_empty(), "{answer:?}");
    // It is new, or stays where it is.
    assert!(Fixture::new().answer(&ingress("new", &shop, &json!({}))).allowed);
    let answer = edit(&mut Fixture::new(), &shop, &json!({"group.name": "shop", "group.order": "7"}));
    assert!(answer.allowed && answer.warnings.is_empty(), "{answer:?}");
}

#[test]
fn a_load_balancer_keeps_its_name() {
    let (one, two, none) = (json!({"load-balancer-name": "one"}), json!({"load-balancer-name": "two"}), json!({}));
    warns(&edit(&mut Fixture::new(), &one, &two), &["ALB304", "one exists and cannot be renamed to two"]);
    warns(&edit(&mut Fixture::new(), &one, &none), &["ALB304", "one exists and cannot be renamed to k8s-shop-web-"]);
    let mut fixture = Fixture::new();
    fixture.policy.strict = true;
    says("strict", &edit(&mut fixture, &one, &two).message, &["ALB304"]);
    // The ledger knows the name that it was born with: back to that there is nothing to tell.
    let mut fixture = Fixture::new();
    fixture.remember(ledger("ingress.shop.web", Some("two")));
    let answer = edit(&mut fixture, &one, &two);
    assert!(answer.allowed && answer.warnings.is_empty(), "{answer:?}");
    // One that replaces it has the new name.
    let replaced =
        json!({"load-balancer-name": "two", "scheme": "internet-facing", "albedo.dev/allow-replacement": "true"});
    let answer = edit(&mut Fixture::new(), &one, &replaced);
    warns(&answer, &["ALB301"]);
    assert!(!answer.warnings.join("\n").contains("ALB304"), "{answer:?}");
}

/// A dry run tells which settings an edit changes, and where each value comes from.
#[test]
fn a_preview_tells_where_settings_come_from() {
    let mut fixture = Fixture::new();
    let attributes = json!([{"key": "idle_timeout.timeout_seconds", "value": "90"}]);
    fixture.class("alb", CONTROLLER, Some(&json!({"loadBalancerAttributes": attributes})));
    let before = json!({"tags": "team=web"});
    fixture.store("web", &before, &json!({}));
    let after = json!({"tags": "team=web,floor=two", "load-balancer-attributes": "idle_timeout.timeout_seconds=30"});
    let preview = fixture.preview(&ingress("web", &after, &json!({})));
    assert!(preview.allowed, "{}", preview.message);
    let told: Vec<&String> = preview.warnings.iter().filter(|line| line.starts_with("setting ")).collect();
    assert_eq!(told, ["setting tags floor: two (annotation)"], "{preview:#?}");
    let created = fixture.preview(&ingress("new", &after, &json!({})));
    let told = created.warnings.join("\n");
    says("create", &told, &["idle_timeout.timeout_seconds: 90 (IngressClassParams alb, spec.loadBalancerAttributes)"]);
}
