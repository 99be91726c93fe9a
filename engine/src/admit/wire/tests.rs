//! Tests of reading reviews and of the shape of answers.

use serde_json::{Value, json};

use super::super::registration::ROWS;
use super::*;

const TOOK: Duration = Duration::from_millis(2);

fn row(path: &str) -> &'static WebhookRow {
    ROWS.iter().find(|row| row.path == path).unwrap()
}

fn ingress_row() -> &'static WebhookRow {
    row("/validate-networking-v1-ingress")
}

fn review(request: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({"apiVersion": API_VERSION, "kind": KIND, "request": request})).unwrap()
}

fn request(object: &Value) -> Value {
    json!({
        "uid": "u-1", "operation": "CREATE", "namespace": "shop", "name": "front", "dryRun": true,
        "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "ingresses"},
        "userInfo": {"username": "ann", "groups": ["g"]}, "object": object, "oldObject": null,
    })
}

fn ingress(spec: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "front"}, "spec": spec})
}

fn answer(body: &[u8]) -> Value {
    let envelope = Envelope::read(body).unwrap();
    let answer = *envelope.open(ingress_row()).unwrap_err();
    serde_json::from_slice(&encode(&envelope.uid, &answer, TOOK).unwrap()).unwrap()
}

#[test]
fn a_review_is_decoded() {
    let body = review(&request(&ingress(&json!({"ingressClassName": "alb"}))));
    let envelope = Envelope::read(&body).unwrap();
    assert_eq!(envelope.uid, "u-1");
    let request = envelope.open(ingress_row()).unwrap();
    assert_eq!((request.namespace.as_str(), request.name.as_str(), request.user.as_str()), ("shop", "front", "ann"));
    assert!(request.dry_run);
    assert_eq!(request.operation, Operation::Create);
    assert_eq!(request.old_object, None);
    let Some(Object::Ingress(ingress)) = request.object else { panic!("not an Ingress") };
    assert_eq!(ingress.spec.unwrap().ingress_class_name.as_deref(), Some("alb"));
}

#[test]
fn what_may_be_absent_may_be_absent_or_null() {
    let specs = [
        json!(null),
        json!({}),
        json!({"rules": null, "tls": null, "defaultBackend": null}),
        json!({"rules": [{"host": null, "http": null}]}),
        json!({"rules": [{"http": {"paths": null}}]}),
        json!({"rules": [{"http": {"paths": [{"path": null, "backend": {"resource": {"kind": "a", "name": "b"}}}]}}]}),
        json!({"rules": [{"http": {"paths": [{"backend": {}}]}}], "fieldOfTheFuture": {"a": [1]}}),
    ];
    for spec in specs {
        let body = review(&request(&ingress(&spec)));
        assert!(Envelope::read(&body).unwrap().open(ingress_row()).is_ok(), "{spec}");
    }
    let bare = json!({
        "uid": "u-1", "operation": "DELETE",
        "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "ingresses"},
    });
    let body = review(&bare);
    let request = Envelope::read(&body).unwrap().open(ingress_row()).unwrap();
    assert_eq!((request.operation, request.object, request.name.as_str()), (Operation::Delete, None, ""));
}

#[test]
fn an_object_that_cannot_be_decoded_is_denied_with_its_path_and_uid() {
    let body = review(&request(&ingress(&json!({"rules": [{"host": "a"}, {"http": {"paths": [{"path": 7}]}}]}))));
    let review = answer(&body);
    let response = &review["response"];
    assert_eq!(response["uid"], "u-1");
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 400);
    let cause = &response["status"]["details"]["causes"][0];
    assert_eq!(cause["field"], "object.spec.rules[1].http.paths[0].path");
    assert!(cause["message"].as_str().unwrap().contains("invalid type: integer `7`, expected a string"), "{cause}");
    assert_eq!(response["status"]["details"]["name"], "front");
}

#[test]
fn an_object_of_another_kind_or_shape_is_denied() {
    for object in [json!([]), json!("x"), json!({"apiVersion": "v1", "kind": "Pod"}), json!({"metadata": 3})] {
        let review = answer(&review(&request(&object)));
        assert_eq!(review["response"]["status"]["code"], 400, "{object}");
        assert_eq!(review["response"]["uid"], "u-1");
    }
}

#[test]
fn a_request_of_the_wrong_shape_is_denied_with_its_uid() {
    for request in [json!({"uid": "u-2"}), json!({"uid": "u-2", "operation": "PATCH", "resource": 1})] {
        let review = answer(&review(&request));
        assert_eq!(review["response"]["uid"], "u-2");
        assert_eq!(review["response"]["allowed"], false);
        assert_eq!(review["response"]["status"]["code"], 400);
    }
}

#[test]
fn what_the_path_does_not_review_is_allowed() {
    let mut other = request(&json!({"kind": "Pod"}));
    other["resource"] = json!({"group": "", "version": "v1", "resource": "pods"});
    let answered = answer(&review(&other));
    assert_eq!(answered["response"]["allowed"], true);
    assert_eq!(answered["response"]["warnings"], json!(["/validate-networking-v1-ingress does not review pods of v1"]));
    let mut status = request(&json!(7));
    status["subResource"] = json!("status");
    assert_eq!(
        answer(&review(&status))["response"],
        json!({"uid": "u-1", "allowed": true, "auditAnnotations": {"milliseconds": "2"}})
    );
}

#[test]
fn other_kinds_are_passed_as_they_are() {
    let mut pod = request(&json!({"kind": "Pod", "spec": 1}));
    pod["resource"] = json!({"group": "", "version": "v1", "resource": "pods"});
    let body = review(&pod);
    let request = Envelope::read(&body).unwrap().open(row("/mutate-v1-pod")).unwrap();
    assert_eq!(request.object, Some(Object::Other(json!({"kind": "Pod", "spec": 1}))));
}

#[test]
fn what_has_no_uid_is_no_review() {
    let cases: [(&[u8], &str); 10] = [
        (b"[\"admission.k8s.io/v1\", \"AdmissionReview\", {\"uid\": \"u\"}]", "no request"),
        (
            b"{\"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\", \"request\": [\"u\"]}",
            "no request",
        ),
        (b"", "not JSON"),
        (b"\x00\xff\xfe", "not JSON"),
        (b"{\"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\", \"request\": {\"ui", "not JSON"),
        (b"[]", "not an AdmissionReview"),
        (b"{}", "not an AdmissionReview"),
        (b"{\"apiVersion\": \"admission.k8s.io/v1beta1\", \"kind\": \"AdmissionReview\"}", "not an AdmissionReview"),
        (b"{\"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\", \"request\": null}", "no request"),
        (b"{\"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\", \"request\": {}}", "no uid"),
    ];
    for (body, says) in cases {
        let error = Envelope::read(body).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_denial_has_the_shape_that_kubectl_prints() {
    let denial = ReviewAnswer {
        allowed: false,
        code: 422,
        reason: "Invalid".to_owned(),
        message: "two problems".to_owned(),
        details: Some(Details {
            kind: "Ingress".to_owned(),
            name: "front".to_owned(),
            group: "networking.k8s.io".to_owned(),
            causes: vec![Cause {
                reason: "FieldValueInvalid".to_owned(),
                message: "ALB001: wrong".to_owned(),
                field: "metadata.annotations[x]".to_owned(),
            }],
        }),
        warnings: vec!["look".to_owned()],
        patch: vec![PatchOp { op: "add", path: "/a".to_owned(), value: Some(json!("b")) }],
        ..ReviewAnswer::allow()
    };
    let encoded: Value = serde_json::from_slice(&encode("u", &denial, TOOK).unwrap()).unwrap();
    assert_eq!(
        encoded,
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
            "uid": "u", "allowed": false, "warnings": ["look"], "auditAnnotations": {"milliseconds": "2"},
            "status": {
                "status": "Failure", "code": 422, "reason": "Invalid", "message": "two problems",
                "details": {
                    "kind": "Ingress", "name": "front", "group": "networking.k8s.io",
                    "causes": [
                        {"reason": "FieldValueInvalid", "message": "ALB001: wrong", "field": "metadata.annotations[x]"},
                    ],
                },
            },
        }})
    );
}

#[test]
fn a_patch_is_base64_of_json_patch() {
    let mut answer = ReviewAnswer::allow();
    answer.patch = vec![PatchOp { op: "add", path: "/a~1b".to_owned(), value: Some(json!("c")) }];
    let encoded: Value = serde_json::from_slice(&encode("u", &answer, TOOK).unwrap()).unwrap();
    // echo -n '[{"op":"add","path":"/a~1b","value":"c"}]' | base64
    let patch = "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2F+MWIiLCJ2YWx1ZSI6ImMifV0=";
    let audited = json!({"milliseconds": "2"});
    assert_eq!(
        encoded["response"],
        json!({"uid": "u", "allowed": true, "patchType": "JSONPatch", "patch": patch, "auditAnnotations": audited})
    );
}

#[test]
fn warnings_are_short_and_few() {
    let long = "word ".repeat(40);
    let sent = warnings(std::slice::from_ref(&long));
    assert_eq!(sent.len(), 1);
    assert!(sent[0].chars().count() <= 120, "{}", sent[0]);
    assert!(sent[0].ends_with("word…"), "{}", sent[0]);
    assert_eq!(warnings(&["é".repeat(200)])[0].chars().count(), 120);
    assert_eq!(warnings(&["a\nb\t c".to_owned()]), ["a b c"]);
    let exact = "x".repeat(120);
    assert_eq!(warnings(std::slice::from_ref(&exact)), [exact]);

    let many: Vec<String> = (0..13).map(|n| n.to_string()).collect();
    let sent = warnings(&many);
    assert_eq!(sent.len(), 11);
    assert_eq!(sent[10], "and 3 more warnings");
    assert_eq!(warnings(&many[..11])[10], "and 1 more warning");
    assert_eq!(warnings(&many[..10]).len(), 10);
}
