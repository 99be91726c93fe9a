//! What is answered to a change of an object on which stored Ingresses depend.

use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Request, ReviewAnswer};
use albedo_engine::settings::{CONTROLLER, Settings};
use serde_json::{Value, json};

use crate::fixture::{Fixture, now, says};

/// The answer to a new form of an object, or to its deletion.
fn change(fixture: &Fixture, resource: &str, namespace: &str, name: &str, object: Option<Value>) -> ReviewAnswer {
    let settings = fixture.world.settings();
    let (world, facts, policy) = (&fixture.world, &fixture.facts, &fixture.policy);
    let is_row =
        |row: &&admit::registration::WebhookRow| row.kind == WebhookKind::Validating && row.resource == resource;
    let request = Request {
        row: ROWS.iter().find(is_row).expect("a row"),
        operation: if object.is_some() { Operation::Update } else { Operation::Delete },
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dry_run: false,
        user: "somebody".to_owned(),
        object: object.map(Reviewed::Other),
        old_object: None,
    };
    admit::review(&request, Context { world, facts, settings: &settings, policy, now: now() })
}

fn service(kind: &str, port: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", "uid": "web"},
        "spec": {"type": kind, "ports": [{"name": "http", "port": port, "targetPort": 8080, "nodePort": (kind == "NodePort").then_some(30_080)}]}})
}

fn params(spec: &Value) -> Value {
    json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams", "metadata": {"name": "own"}, "spec": spec})
}

fn of_own_class() -> Value {
    json!({"ingressClassName": "own"})
}

#[track_caller]
fn warns(what: &str, answer: &ReviewAnswer, words: &[&str]) {
    assert!(answer.allowed, "{what}: {}", answer.message);
    says(what, &answer.warnings.join("\n"), words);
}

#[test]
fn who_changes_a_service_is_told_which_ingresses_lose_it() {
    let mut fixture = Fixture::new();
    for name in ["a", "b", "c", "d"] {
        fixture.store(name, &json!({}), &Value::Null);
    }
    fixture.store(
        "elsewhere",
        &json!({}),
        &json!({"defaultBackend": {"service": {"name": "inner", "port": {"number": 80}}}, "rules": null}),
    );
    let told = change(&fixture, "services", "shop", "web", Some(service("NodePort", 81)));
    warns("another port", &told, &["ALB118: breaks Ingresses shop/a, shop/b, shop/c and 1 more: ALB102"]);
    assert_eq!(told.warnings.len(), 1, "{:?}", told.warnings);
    let told = change(&fixture, "services", "shop", "web", Some(service("ClusterIP", 80)));
    warns("another type", &told, &["ALB118: breaks Ingresses", "ALB103"]);
    let told = change(&fixture, "services", "shop", "web", None);
    warns("a deletion", &told, &["ALB118: breaks Ingresses", "ALB101"]);
    let told = change(&fixture, "services", "shop", "web", Some(service("NodePort", 80)));
    assert!(told.allowed && told.warnings.is_empty(), "the same: {:?}", told.warnings);
    let told = change(&fixture, "services", "shop", "unused", None);
    assert!(told.allowed && told.warnings.is_empty(), "nothing needs it: {:?}", told.warnings);
}

#[test]
fn what_was_broken_before_is_not_told() {
    let mut fixture = Fixture::new();
    fixture.store(
        "a",
        &json!({}),
        &json!({"defaultBackend": {"service": {"name": "web", "port": {"number": 99}}}, "rules": null}),
    );
    let told = change(&fixture, "services", "shop", "web", Some(service("NodePort", 81)));
    assert!(told.allowed && told.warnings.is_empty(), "{:?}", told.warnings);
}

/// A group has members of two namespaces: names are known to all of them, what one wrote is not.
#[test]
fn only_names_are_told_of_other_namespaces() {
    let mut fixture = Fixture::new();
    fixture.class("own", CONTROLLER, Some(&json!({})));
    let marker = json!({"load-balancer-attributes": "idle_timeout.timeout_seconds=77"});
    fixture.store("a", &marker, &of_own_class());
    let told = change(
        &fixture,
        "ingressclassparams",
        "",
        "own",
        Some(params(&json!({"subnets": {"ids": ["subnet-0a11", "subnet-0a12"]}}))),
    );
    assert!(!told.allowed);
    says("the refusal", &told.message, &["ALB118: breaks Ingress shop/a: ALB202 subnets that do not go together"]);
    assert!(!told.message.contains("77"), "{}", told.message);
}

#[test]
fn parameters_that_break_ingresses_are_refused() {
    let mut fixture = Fixture::new();
    fixture.class("own", CONTROLLER, Some(&json!({})));
    fixture.store("a", &json!({}), &of_own_class());
    fixture.store("b", &json!({"group.name": "g"}), &of_own_class());
    fixture.store("c", &json!({}), &Value::Null);
    let answer = |spec: &Value| change(&fixture, "ingressclassparams", "", "own", Some(params(spec)));
    let told = answer(&json!({"namespaceSelector": {"matchLabels": {"team": "other"}}}));
    assert!(!told.allowed, "{:?}", told.warnings);
    says("another namespace", &told.message, &["ALB118: breaks Ingresses shop/a, shop/b: ALB109"]);
    let told = answer(&json!({"scheme": "internet-facing"}));
    assert!(!told.allowed, "{:?}", told.warnings);
    let text = "ALB119: replaces the load balancer of Ingresses shop/a, shop/b: scheme internal → internet-facing";
    says("another scheme", &told.message, &[text, "albedo.dev/allow-replacement"]);
    let told = answer(&json!({"group": {"name": "all"}}));
    assert!(!told.allowed, "{:?}", told.warnings);
    says(
        "another group",
        &told.message,
        &["ALB119: moves Ingress shop/a from group shop/a to all", "from group g to all"],
    );
    let told = answer(&json!({"tags": [{"key": "team", "value": "web"}]}));
    assert!(told.allowed && told.warnings.is_empty(), "{:?} {}", told.warnings, told.message);
    let mut meant = params(&json!({"scheme": "internet-facing"}));
    meant["metadata"]["annotations"] = json!({"albedo.dev/allow-replacement": "true"});
    warns("what is meant", &change(&fixture, "ingressclassparams", "", "own", Some(meant)), &["ALB119"]);
    // An uninstallation deletes everything in some order.
    warns(
        "a deletion",
        &change(&fixture, "ingressclassparams", "", "own", None),
        &["ALB118: breaks Ingresses shop/a, shop/b: ALB104"],
    );
}

#[test]
fn who_changes_a_class_is_told() {
    let mut fixture = Fixture::new();
    fixture.store("a", &json!({}), &Value::Null);
    let class = |controller: &str, params: Value| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "alb"},
            "spec": {"controller": controller, "parameters": params}})
    };
    let told = change(&fixture, "ingressclasses", "", "alb", None);
    warns("a deletion", &told, &["ALB118: breaks Ingress shop/a: ALB104"]);
    let absent = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "absent"});
    let told = change(&fixture, "ingressclasses", "", "alb", Some(class(CONTROLLER, absent)));
    warns("parameters that do not exist", &told, &["ALB118: breaks Ingress shop/a: ALB104", "absent"]);
    let told = change(&fixture, "ingressclasses", "", "alb", Some(class("example.com/other", Value::Null)));
    warns("another controller", &told, &["takes Ingress shop/a away"]);
    let told = change(&fixture, "ingressclasses", "", "unused", None);
    assert!(told.allowed && told.warnings.is_empty(), "{:?}", told.warnings);
}

#[test]
fn beside_lbc_its_parameters_are_its_own() {
    let mut fixture = Fixture::by(Settings { beside_lbc: true, ..Settings::new("test") });
    fixture.class("own", "ingress.k8s.aws/alb", Some(&json!({})));
    let told = change(&fixture, "ingressclassparams", "", "own", Some(params(&json!({"sslPolicy": "nonsense"}))));
    assert!(told.allowed && told.warnings.is_empty(), "{:?} {}", told.warnings, told.message);
}
