//! Reviews from their bytes to the bytes of the answer.

use std::sync::Arc;
use std::time::Duration;

use albedo_engine::admit::registration::{Kind, ROWS, WebhookRow};
use albedo_engine::admit::wire::{Envelope, encode};
use albedo_engine::admit::{Context, Policy, review_with};
use albedo_engine::compile::Cache;
use albedo_engine::settings::Settings;
use albedo_engine::world::{Object, World};
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

use super::{Figure, allocations};
use crate::sample::{GROUP, facts, ingress, now, service, world};

/// As the API server sends it: with the fields that it and kubectl add.
fn body(object: &Ingress, old: Option<&Ingress>) -> Vec<u8> {
    let stored = |one: &Ingress| {
        let mut value = serde_json::to_value(one).expect("JSON");
        let managed = json!([{"manager": "kubectl", "operation": "Apply", "apiVersion": "networking.k8s.io/v1",
            "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:annotations": {
            "f:alb.ingress.kubernetes.io/scheme": {}, "f:alb.ingress.kubernetes.io/target-type": {}}},
            "f:spec": {"f:ingressClassName": {}, "f:rules": {}}}}]);
        value
            .pointer_mut("/metadata")
            .and_then(Value::as_object_mut)
            .expect("metadata")
            .insert("managedFields".to_owned(), managed);
        value
    };
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    let review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": operation, "namespace": "shop", "name": object.metadata.name,
        "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"},
        "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "ingresses"},
        "userInfo": {"username": "ann", "groups": ["system:authenticated"]}, "dryRun": false,
        "object": stored(object), "oldObject": old.map(stored), "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}}});
    serde_json::to_vec(&review).expect("JSON")
}

fn row() -> &'static WebhookRow {
    ROWS.iter().find(|row| row.resource == "ingresses" && row.kind == Kind::Validating).expect("a row")
}

/// The second review of the same body: what the first one compiled is remembered, as in a program that runs.
fn cost(world: &World, body: &[u8]) -> u64 {
    let (settings, facts, policy) = (Settings::new("bench"), Arc::new(facts()), Policy::default());
    let context = Context { world, facts: &facts, settings: &settings, policy: &policy, now: now() };
    let mut cache = Cache::new(16 << 20);
    cache.know(&facts);
    let mut answer = || {
        let envelope = Envelope::read(body).expect("a review");
        let request = envelope.open(row()).expect("a request");
        let answer = review_with(&request, context, &mut cache);
        assert!(answer.allowed, "{}", answer.message);
        encode(&envelope.uid, &answer, Duration::ZERO).expect("JSON")
    };
    drop(answer());
    allocations(answer)
}

pub fn figures() -> Vec<Figure> {
    let mut alone = world(0, 0);
    alone.apply(Object::Service(Box::new(service(0))));
    let small = ingress(None, 0, 5, 0);
    let (new, edited) = (body(&small, None), body(&ingress(None, 0, 5, 1), Some(&small)));
    let large = body(&ingress(None, 0, 90, 0), None);
    let mut group = world(100, 1);
    group.apply(Object::Service(Box::new(service(100))));
    let joining = body(&ingress(Some(GROUP), 99, 1, 1), Some(&ingress(Some(GROUP), 99, 1, 0)));
    let figure = |what: &str, world: &World, body: &[u8]| {
        (format!("{what}, {} bytes", body.len()), "allocations", cost(world, body))
    };
    vec![
        figure("review of an Ingress of 5 rules, created", &alone, &new),
        figure("review of an Ingress of 5 rules, edited", &alone, &edited),
        figure("review of an Ingress of 90 rules, created", &alone, &large),
        figure("review of a member of a group of 100, edited", &group, &joining),
    ]
}
