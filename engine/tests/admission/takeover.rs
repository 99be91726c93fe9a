//! A low order is all that it takes to get another namespace's requests: who loses them hears of it, and a namespace can forbid it.

use std::collections::BTreeMap;

use albedo_engine::report::{self, Outcome, Reached};
use albedo_engine::world::Object;
use serde_json::{Value, json};

use crate::fixture::{Fixture, ingress, says};

fn rules(host: &str, path: &str) -> Value {
    json!({"rules": [{"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix",
        "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]})
}

fn first() -> Value {
    json!({"group.name": "g", "group.order": "-1000"})
}

/// A cluster in which the namespace `victim` has an Ingress for all of `a.example.com`.
fn fixture(labels: &[(&str, &str)]) -> Fixture {
    let mut fixture = Fixture::new();
    let mut victim = ingress("pay", &json!({"group.name": "g"}), &rules("a.example.com", "/"));
    victim.metadata.namespace = Some("victim".to_owned());
    fixture.world.apply(Object::Ingress(Box::new(victim)));
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    fixture.world.apply(Object::Namespace { name: "victim".to_owned(), labels });
    fixture
}

const FORBIDS: [(&str, &str); 1] = [("albedo.dev/takeover", "forbid")];

#[test]
fn who_takes_requests_is_warned_or_refused() {
    for (host, path, takes) in [
        ("a.example.com", "/login", true),
        ("A.EXAMPLE.com", "/", true),
        ("*.example.com", "/", true),
        ("b.example.com", "/", false),
    ] {
        let candidate = ingress("evil", &first(), &rules(host, path));
        let answer = fixture(&[]).answer(&candidate);
        let warned = answer.warnings.iter().any(|warning| warning.contains("ALB113") && warning.contains("victim/pay"));
        assert_eq!((answer.allowed, warned), (true, takes), "{host}{path}: {answer:?}");
        let answer = fixture(&FORBIDS).answer(&candidate);
        assert_eq!(answer.allowed, !takes, "{host}{path}: {answer:?}");
        if takes {
            says(host, &answer.message, &["ALB113", "victim/pay", "spec.rules[0].http.paths[0]"]);
        }
    }
    let behind = ingress("late", &json!({"group.name": "g", "group.order": "1000"}), &rules("a.example.com", "/login"));
    let answer = fixture(&FORBIDS).answer(&behind);
    // It hears that it gets nothing; it takes nothing.
    assert!(answer.allowed && !answer.warnings.iter().any(|one| one.contains("to Ingress victim")), "{answer:?}");
}

#[test]
fn what_is_so_already_is_not_refused() {
    let mut fixture = fixture(&FORBIDS);
    fixture.store("evil", &first(), &rules("a.example.com", "/login"));
    let mut edited = first();
    edited["tags"] = json!("team=evil");
    let answer = fixture.answer(&ingress("evil", &edited, &rules("a.example.com", "/login")));
    assert!(answer.allowed, "{answer:?}");
    // The victim's own edits are its own matter.
    let mut own = ingress("pay", &json!({"group.name": "g", "tags": "a=b"}), &rules("a.example.com", "/"));
    own.metadata.namespace = Some("victim".to_owned());
    let label = |fixture: &mut Fixture| {
        let labels = FORBIDS.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        fixture.world.apply(Object::Namespace { name: "shop".to_owned(), labels });
    };
    label(&mut fixture);
    let answer = fixture.answer(&own);
    assert!(answer.allowed, "{answer:?}");
}

#[test]
fn who_loses_requests_hears_of_it() {
    let redirect = json!({"group.name": "g", "group.order": "-1000",
        "actions.away": r#"{"type": "redirect", "redirectConfig": {"host": "evil.example.com", "statusCode": "HTTP_302"}}"#});
    let away = json!({"rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix",
        "backend": {"service": {"name": "away", "port": {"name": "use-annotation"}}}}]}}]});
    for (annotations, spec, path) in [
        (&first(), &rules("a.example.com", "/login"), "spec.rules[0].http.paths[0]"),
        (&first(), &rules("*.example.com", "/"), "spec.rules[0].http.paths[0]"),
        (&redirect, &away, "spec.rules[0].http.paths[0]"),
    ] {
        let mut fixture = fixture(&[]);
        fixture.store("evil", annotations, spec);
        let linked = fixture.linked("g");
        let events = report::events(&linked, &Outcome::Reached { changed: true }, &Reached::default(), None);
        let told: Vec<_> = events.iter().filter(|event| event.reason == "RequestsTaken").collect();
        assert!(!told.is_empty() && told.iter().all(|event| event.key.to_string() == "victim/pay"), "{events:?}");
        assert!(told.iter().all(|event| event.warning && event.text.contains("shop/evil")), "{told:?}");
        assert!(told.iter().any(|event| event.text.contains(path)), "{told:?}");
    }
    // Among those of one namespace it is nobody's business.
    let mut fixture = Fixture::new();
    fixture.store("pay", &json!({"group.name": "g"}), &rules("a.example.com", "/"));
    fixture.store("first", &first(), &rules("a.example.com", "/login"));
    let events = report::events(&fixture.linked("g"), &Outcome::Reached { changed: true }, &Reached::default(), None);
    assert!(events.iter().all(|event| event.reason != "RequestsTaken"), "{events:?}");
}
