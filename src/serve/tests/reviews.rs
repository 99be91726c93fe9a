//! Good, bad and hostile requests, each followed by a good one.

use super::*;

async fn fine(test_server: &TestServer) {
    let (code, body) = test_server.post(VALIDATE, &review("fine", "x")).await;
    assert_eq!((code, response(&body)), (200, serde_json::json!({"uid": "fine", "allowed": true})));
}

#[tokio::test]
async fn what_is_no_review_is_answered_with_400() {
    let test_server = TestServer::new(limits(), by_name()).await;
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
        let (code, text) = test_server.post(VALIDATE, body).await;
        assert_eq!(code, 400);
        assert!(text.contains(says), "{text}");
        fine(&test_server).await;
    }
    assert!(test_server.metric(&format!("albedo_admission_unreadable_total{{path=\"{VALIDATE}\"}} 5")).await);
    test_server.end().await;
}

#[tokio::test]
async fn an_oversized_body_is_answered_with_413() {
    let test_server = TestServer::new(limits(), by_name()).await;
    let mut stream = test_server.connect().await;
    let (code, text) =
        talk(&mut stream, &request(VALIDATE, &vec![b' '; 4 * 1024 * 1024 + 1], "keep-alive")).await.unwrap();
    assert_eq!((code, text.as_str()), (413, "the body is larger than 4194304 bytes\n"));
    // It was read to its end, so the connection is still good.
    assert_eq!(talk(&mut stream, &request(VALIDATE, &review("u", "x"), "close")).await.unwrap().0, 200);

    // Large, and within the limit.
    let mut body = review("u", "x");
    body.resize(4 * 1024 * 1024, b' ');
    assert_eq!(test_server.post(VALIDATE, &body).await.0, 200);
    fine(&test_server).await;
    test_server.end().await;
}

#[tokio::test]
async fn a_panic_is_answered_with_its_uid_and_hurts_nobody_else() {
    let test_server = TestServer::new(limits(), by_name()).await;
    let mut stream = test_server.connect().await;
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
    assert!(
        test_server.metric(&format!("albedo_admission_reviews_total{{path=\"{VALIDATE}\",allowed=\"false\"}} 3")).await
    );
    test_server.end().await;
}

#[tokio::test]
async fn every_path_of_the_table_answers_and_no_other() {
    let test_server = TestServer::new(limits(), by_name()).await;
    for row in albedo_engine::admit::registration::ROWS {
        let review = serde_json::json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "operation": "CREATE", "object": null,
                "resource": {"group": row.group, "version": row.version, "resource": row.resource},
            },
        });
        let (code, body) = test_server.post(row.path, &serde_json::to_vec(&review).unwrap()).await;
        assert_eq!((code, response(&body)), (200, serde_json::json!({"uid": "u", "allowed": true})), "{}", row.path);
    }
    assert_eq!(test_server.post("/elsewhere", b"").await.0, 404);
    // The API server adds the time limit as a query.
    assert_eq!(test_server.post(&format!("{VALIDATE}?timeout=5s"), &review("u", "x")).await.0, 200);
    let mut stream = test_server.connect().await;
    let get = format!("GET {VALIDATE} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(talk(&mut stream, get.as_bytes()).await.unwrap().0, 405);
    test_server.end().await;
}

#[tokio::test]
async fn deep_nesting_is_an_answer_not_a_crash() {
    let test_server = TestServer::new(limits(), by_name()).await;
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let ingress = |deep: &str| format!(r#"{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","future":{deep}}}"#);
    let (deep, shallower) = (nested(200_000), nested(90_000));
    let labels =
        format!(r#"{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{{"labels":{shallower}}}}}"#);
    let (future, too_many) = (ingress(&shallower), ingress(&deep));
    // What has too many values is not decoded; the decision is that of who knows the policy.
    let cases = [
        ("/mutate-v1-pod", "", "pods", &deep, true),
        ("/mutate-v1-pod", "", "pods", &shallower, false),
        (VALIDATE, "networking.k8s.io", "ingresses", &future, true),
        (VALIDATE, "networking.k8s.io", "ingresses", &too_many, true),
        (VALIDATE, "networking.k8s.io", "ingresses", &labels, false),
    ];
    for (path, group, resource, object, allowed) in cases {
        let review = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","operation":"CREATE",
            "resource":{{"group":"{group}","version":"v1","resource":"{resource}"}},"object":{object}}}}}"#
        );
        let (code, body) = test_server.post(path, review.as_bytes()).await;
        assert_eq!(code, 200);
        assert_eq!(response(&body)["uid"], "u");
        assert_eq!(response(&body)["allowed"], allowed, "{body}");
        fine(&test_server).await;
    }
    test_server.end().await;
}

#[tokio::test]
async fn what_has_too_many_values_is_not_decoded() {
    let oversized: Decide = Arc::new(|request: Request, _| match request.object {
        Some(albedo_engine::admit::Object::Oversized(values)) => ReviewAnswer::unavailable(&format!("{values} values")),
        _ => ReviewAnswer::allow(),
    });
    let test_server = TestServer::new(limits(), oversized).await;
    let text = String::from_utf8(review("u", "x")).unwrap();
    // Quoted marks are no values.
    let quoted = text.replace("Ingress\"", &format!("Ingress\",\"odd\":\"{}\"", "[\\\"{,:".repeat(50_000)));
    assert_eq!(response(&test_server.post(VALIDATE, quoted.as_bytes()).await.1)["allowed"], true);
    let many =
        text.replace("Ingress\"", &format!("Ingress\",\"spec\":{{\"rules\":[{}]}}", vec!["{}"; 100_000].join(",")));
    let (_, body) = test_server.post(VALIDATE, many.as_bytes()).await;
    assert!(response(&body)["status"]["message"].as_str().unwrap().starts_with("2000"), "{body}");
    test_server.end().await;
}

fn padded(uid: &str, name: &str, size: usize) -> Vec<u8> {
    let mut body = review(uid, name);
    body.resize(size, b' ');
    body
}

#[tokio::test]
async fn small_reviews_never_wait_for_large_ones_nor_the_runtime_for_any() {
    let test_server = TestServer::new(limits(), by_name()).await;
    let (address, client) = (test_server.webhook(), Arc::clone(&test_server.client));
    let send = |body: Vec<u8>| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            let mut stream = connect(address, &client).await.unwrap();
            let start = Instant::now();
            (talk(&mut stream, &request(VALIDATE, &body, "close")).await.unwrap(), start.elapsed())
        })
    };
    let first = send(padded("first", "long", 1 << 20));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = send(padded("second", "x", 1 << 20));
    let start = Instant::now();
    // This test has one thread, as a runtime whose other threads are busy has.
    fine(&test_server).await;
    assert_eq!(get(test_server.handle.bound().probes.unwrap(), "/healthz").await.0, 200);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let ((code, text), took) = second.await.unwrap();
    assert_eq!((code, text.as_str()), (503, "too many reviews at once\n"));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(first.await.unwrap().0.0, 200);
    test_server.end().await;
}
