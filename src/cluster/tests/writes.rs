//! What is sent when somebody else was faster, when something is gone, and when nothing has to be sent.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use albedo_engine::kinds::{IngressGroup, Key, TargetGroupBinding};
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::api::{Call, Calls, cluster, refusal};
use crate::cluster::{Host, LeaseProof, Note, Severity, Subject, WriteError};

const INGRESS: &str = "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/web";
const BINDINGS: &str = "/apis/elbv2.k8s.aws/v1beta1/namespaces/shop/targetgroupbindings";

fn stored(version: &str, uid: &str, finalizers: &[&str]) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": "shop",
        "uid": uid, "resourceVersion": version, "finalizers": finalizers}})
}

fn ingress(version: &str, finalizers: &[&str]) -> Ingress {
    serde_json::from_value(stored(version, "u", finalizers)).unwrap()
}

fn sent(calls: &Calls) -> Vec<(String, Value)> {
    calls.lock().unwrap().iter().map(|call| (call.method.clone(), call.body.clone())).collect()
}

#[tokio::test]
async fn a_conflict_is_looked_at_anew() {
    let (cluster, calls) = cluster(|call| match call.body["metadata"]["resourceVersion"].as_str() {
        None => Some((200, stored("2", "u", &["theirs"]))),
        Some("1") => Some(refusal(409, "Conflict", "web")),
        Some(_) => Some((200, stored("3", "u", &["theirs", "ours"]))),
    });
    cluster.add_finalizer(&LeaseProof::forever(), &ingress("1", &[]), "ours").await.unwrap();
    let patch = |version: &str, finalizers: &[&str]| {
        ("PATCH".to_owned(), json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}}))
    };
    assert_eq!(sent(&calls), [patch("1", &["ours"]), ("GET".to_owned(), Value::Null), patch("2", &["theirs", "ours"])]);
}

#[tokio::test]
async fn a_conflict_that_lasts_is_told() {
    let (cluster, calls) = cluster(|call| match call.method.as_str() {
        "GET" => Some((200, stored("2", "u", &["ours"]))),
        _ => Some(refusal(409, "Conflict", "web")),
    });
    let error = cluster.remove_finalizer(&LeaseProof::forever(), &ingress("1", &["ours"]), "ours").await.unwrap_err();
    assert!(matches!(error, WriteError::Conflict { .. }));
    assert_eq!(
        error.to_string(),
        "cannot remove the finalizer ours from the Ingress shop/web: it has changed meanwhile"
    );
    assert_eq!(calls.lock().unwrap().iter().filter(|call| call.is("PATCH", INGRESS)).count(), 5);
}

#[tokio::test]
async fn another_object_of_the_name_is_left_alone() {
    let (cluster, calls) = cluster(|call| match call.method.as_str() {
        "GET" => Some((200, stored("9", "another", &[]))),
        _ => Some(refusal(409, "Conflict", "web")),
    });
    let error = cluster.add_finalizer(&LeaseProof::forever(), &ingress("1", &[]), "ours").await.unwrap_err();
    assert!(matches!(error, WriteError::Conflict { .. }));
    assert_eq!(sent(&calls).len(), 2, "it was written");
}

#[tokio::test]
async fn a_finalizer_is_removed_even_if_it_was_added_unseen() {
    let (cluster, calls) = cluster(|_| Some((200, stored("2", "u", &["ours", "theirs"]))));
    cluster.remove_finalizer(&LeaseProof::forever(), &ingress("1", &[]), "ours").await.unwrap();
    let patch = json!({"metadata": {"resourceVersion": "2", "finalizers": ["theirs"]}});
    assert_eq!(sent(&calls), [("GET".to_owned(), Value::Null), ("PATCH".to_owned(), patch)]);
}

#[tokio::test]
async fn gone_and_not_served_are_two_things() {
    let (cluster, _) = cluster(|call| match call.path.as_str() {
        INGRESS => Some(refusal(404, "NotFound", "web")),
        _ => Some((404, json!("404 page not found"))),
    });
    cluster.remove_finalizer(&LeaseProof::forever(), &ingress("1", &["ours"]), "ours").await.unwrap();
    assert!(cluster.live_ingress(&Key::new("shop", "web")).await.unwrap().is_none());
    let error = cluster.delete_binding(&LeaseProof::forever(), &binding("1", &json!({}))).await.unwrap_err();
    assert!(matches!(error, WriteError::Other { .. }), "{error:?}");
    assert_eq!(cluster.missing_crds().await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_status_that_says_it_already_is_not_written() {
    let (cluster, calls) = cluster(|_| Some((200, stored("2", "u", &[]))));
    let hosts = [Host { hostname: "a.example".to_owned(), ports: BTreeSet::from([80]) }];
    let mut ingress = ingress("1", &[]);
    cluster.update_ingress_status(&LeaseProof::forever(), &ingress, &hosts).await.unwrap();
    let [call] = <[Call; 1]>::try_from(std::mem::take(&mut *calls.lock().unwrap())).unwrap();
    assert!(call.is("PATCH", &format!("{INGRESS}/status")), "{call:?}");
    assert_eq!(
        call.body,
        json!({"metadata": {"resourceVersion": "1"},
            "status": {"loadBalancer": {"ingress": [{"hostname": "a.example", "ports": [{"port": 80, "protocol": ""}]}]}}})
    );
    ingress.status = serde_json::from_value(call.body["status"].clone()).unwrap();
    cluster.update_ingress_status(&LeaseProof::forever(), &ingress, &hosts).await.unwrap();
    assert!(calls.lock().unwrap().is_empty());
}

fn binding(version: &str, labels: &Value) -> TargetGroupBinding {
    serde_json::from_value(json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
        "metadata": {"name": "b", "namespace": "shop", "uid": "u", "resourceVersion": version, "labels": labels},
        "spec": {"serviceRef": {"name": "s", "port": 80}}}))
    .unwrap()
}

#[tokio::test]
async fn a_binding_that_is_there_unseen_is_patched() {
    let (cluster, calls) = cluster(|call| match call.method.as_str() {
        "POST" => Some(refusal(409, "AlreadyExists", "b")),
        _ => Some((200, serde_json::to_value(binding("4", &json!({"old": "1"}))).unwrap())),
    });
    let mut desired = binding("", &json!({"new": "2"}));
    desired.metadata.resource_version = None;
    cluster.apply_binding(&LeaseProof::forever(), &desired).await.unwrap();
    let calls = calls.lock().unwrap();
    let [create, look, patch] = calls.as_slice() else { panic!("{calls:?}") };
    assert!(create.is("POST", BINDINGS) && look.method == "GET" && patch.is("PATCH", &format!("{BINDINGS}/b")));
    assert_eq!(patch.body, json!({"metadata": {"resourceVersion": "4", "labels": {"old": null, "new": "2"}}}));
}

#[tokio::test]
async fn a_delete_is_of_what_was_seen() {
    let (cluster, calls) = cluster(|_| Some(refusal(409, "Conflict", "b")));
    let error = cluster.delete_binding(&LeaseProof::forever(), &binding("7", &json!({}))).await.unwrap_err();
    assert!(matches!(error, WriteError::Conflict { .. }));
    assert_eq!(calls.lock().unwrap()[0].body["preconditions"], json!({"resourceVersion": "7", "uid": "u"}));
}

#[tokio::test]
async fn a_ledger_is_created_and_then_its_status_is_written() {
    let mut group: IngressGroup =
        serde_json::from_value(json!({"apiVersion": "albedo.dev/v1alpha1", "kind": "IngressGroup",
        "metadata": {"name": "group.x"}, "spec": {"stack": "x"}, "status": {"state": "Ready"}}))
        .unwrap();
    let wanted = group.clone();
    group.status = None;
    group.metadata.resource_version = Some("1".to_owned());
    let answer = serde_json::to_value(&group).unwrap();
    let (cluster, calls) = cluster(move |_| Some((200, answer.clone())));
    cluster.write_group(&LeaseProof::forever(), &wanted).await.unwrap();
    let calls = calls.lock().unwrap();
    let [create, patch] = calls.as_slice() else { panic!("{calls:?}") };
    assert!(create.is("POST", "/apis/albedo.dev/v1alpha1/ingressgroups"));
    assert!(patch.is("PATCH", "/apis/albedo.dev/v1alpha1/ingressgroups/group.x/status"));
    assert_eq!(
        (&patch.body["metadata"]["resourceVersion"], &patch.body["status"]["state"]),
        (&json!("1"), &json!("Ready"))
    );
}

#[tokio::test]
async fn an_event_counts_and_survives_what_others_do() {
    // Created, counted, gone by then and created again, there already from another process.
    let turn = AtomicUsize::new(0);
    let (cluster, calls) = cluster(move |call| match turn.fetch_add(1, Ordering::SeqCst) {
        2 => Some(refusal(404, "NotFound", "web.1")),
        4 => Some(refusal(409, "AlreadyExists", "web.2")),
        5 => Some((200, json!({"metadata": {"name": "e"}, "involvedObject": {}, "count": 41}))),
        _ => Some((
            200,
            if call.method == "POST" { call.body.clone() } else { json!({"metadata": {}, "involvedObject": {}}) },
        )),
    });
    let (events, writer) = cluster.events();
    let note = |text: &str| Note {
        subject: Subject::ingress(&ingress("1", &[])),
        severity: Severity::Normal,
        reason: "R".to_owned(),
        text: text.to_owned(),
    };
    for text in ["a", "a", "a", "b"] {
        events.publish(note(text));
    }
    drop(events);
    writer.run(CancellationToken::new()).await;
    let calls = calls.lock().unwrap();
    let seen: Vec<(&str, &Value)> = calls.iter().map(|call| (call.method.as_str(), &call.body["count"])).collect();
    let (null, [one, two, three, there]) = (Value::Null, [1, 2, 3, 42].map(|count| json!(count)));
    assert_eq!(
        seen,
        [
            ("POST", &one),
            ("PATCH", &two),
            ("PATCH", &three),
            ("POST", &one),
            ("POST", &one),
            ("PATCH", &null),
            ("PATCH", &there),
        ]
    );
}
