//! Good, bad and hostile requests, each followed by a good one.

use super::*;

async fn fine(ground: &Ground) {
    let (code, body) = ground.post(VALIDATE, &review("fine", "x")).await;
    assert_eq!((code, response(&body)), (200, serde_json::json!({"uid": "fine", "allowed": true})));
}

#[tokio::test]
async fn what_is_no_review_is_answered_with_400() {
    let ground = Ground::new(limits(), by_name()).await;
    let garbage: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let whole = review("u", "x");
    let cases: [(&[u8], &str); 5] = [
        (&garbage, "not JSON"),
        (&whole[..whole.len() / 2], "not JSON"),
        (br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#, "no request"),
        (b"{}", "not an AdmissionReview"),
        (b"", "not JSON"),
    ];
    for (body, says) in cases {
        let (code, text) = ground.post(VALIDATE, body).await;
        assert_eq!(code, 400);
        assert!(text.contains(says), "{text}");
        fine(&ground).await;
    }
    assert!(ground.metric(&format!("albedo_admission_unreadable_total{{path=\"{VALIDATE}\"}} 5")).await);
    ground.end().await;
}

#[tokio::test]
async fn an_oversized_body_is_answered_with_413() {
    let ground = Ground::new(limits(), by_name()).await;
    let mut stream = ground.connect().await;
    let (code, text) =
        talk(&mut stream, &request(VALIDATE, &vec![b' '; 8 * 1024 * 1024 + 1], "keep-alive")).await.unwrap();
    assert_eq!((code, text.as_str()), (413, "the body is larger than 8388608 bytes\n"));
    // It was read to its end, so the connection is still good.
    assert_eq!(talk(&mut stream, &request(VALIDATE, &review("u", "x"), "close")).await.unwrap().0, 200);

    // Large, and within the limit.
    let mut body = review("u", "x");
    body.resize(8 * 1024 * 1024, b' ');
    assert_eq!(ground.post(VALIDATE, &body).await.0, 200);
    fine(&ground).await;
    ground.end().await;
}

#[tokio::test]
async fn a_panic_is_answered_with_its_uid_and_hurts_nobody_else() {
    let ground = Ground::new(limits(), by_name()).await;
    let mut stream = ground.connect().await;
    for round in 0..3 {
        let uid = format!("u-{round}");
        let request_bytes = request(VALIDATE, &review(&uid, "panic"), "keep-alive");
        let (code, body) = talk(&mut stream, &request_bytes).await.unwrap();
        let response = response(&body);
        assert_eq!(code, 200);
        assert_eq!((&response["uid"], &response["allowed"]), (&uid.clone().into(), &false.into()));
        assert_eq!(response["status"]["code"], 500);
        assert!(response["status"]["message"].as_str().unwrap().contains(&uid));
        // On the same connection, too.
        let (code, _) = talk(&mut stream, &request(VALIDATE, &review("v", "x"), "keep-alive")).await.unwrap();
        assert_eq!(code, 200);
    }
    assert!(ground.metric(&format!("albedo_admission_reviews_total{{path=\"{VALIDATE}\",allowed=\"false\"}} 3")).await);
    ground.end().await;
}

#[tokio::test]
async fn every_path_of_the_table_answers_and_no_other() {
    let ground = Ground::new(limits(), by_name()).await;
    for row in albedo_engine::admit::registration::ROWS {
        let review = serde_json::json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "operation": "CREATE", "object": null,
                "resource": {"group": row.group, "version": row.version, "resource": row.resource},
            },
        });
        let (code, body) = ground.post(row.path, &serde_json::to_vec(&review).unwrap()).await;
        assert_eq!((code, response(&body)), (200, serde_json::json!({"uid": "u", "allowed": true})), "{}", row.path);
    }
    assert_eq!(ground.post("/elsewhere", b"").await.0, 404);
    // The API server adds the time limit as a query.
    assert_eq!(ground.post(&format!("{VALIDATE}?timeout=5s"), &review("u", "x")).await.0, 200);
    let mut stream = ground.connect().await;
    let get = format!("GET {VALIDATE} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(talk(&mut stream, get.as_bytes()).await.unwrap().0, 405);
    ground.end().await;
}

#[tokio::test]
async fn deep_nesting_is_an_answer_not_a_crash() {
    let ground = Ground::new(limits(), by_name()).await;
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    let ingress = format!(r#"{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","future":{deep}}}"#);
    let labels = format!(r#"{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{{"labels":{deep}}}}}"#);
    let cases = [
        ("/mutate-v1-pod", "", "pods", &deep, false),
        (VALIDATE, "networking.k8s.io", "ingresses", &ingress, true),
        (VALIDATE, "networking.k8s.io", "ingresses", &labels, false),
    ];
    for (path, group, resource, object, allowed) in cases {
        let review = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","operation":"CREATE",
            "resource":{{"group":"{group}","version":"v1","resource":"{resource}"}},"object":{object}}}}}"#
        );
        let (code, body) = ground.post(path, review.as_bytes()).await;
        assert_eq!(code, 200);
        assert_eq!(response(&body)["uid"], "u");
        assert_eq!(response(&body)["allowed"], allowed, "{body}");
        fine(&ground).await;
    }
    ground.end().await;
}
