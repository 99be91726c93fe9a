//! Albedo from outside: bytes on its webhook port that no API server would send, an AWS that is not there, probes, the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_testenv::{eventually, free_port, http_get};
use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::{rule, service};

pub const VALIDATE: &str = "/validate-networking-v1-ingress";
/// The end has to come well within the 30 s that Kubernetes grants.
const END: Duration = Duration::from_secs(10);

/// Somebody who speaks HTTPS to one Albedo.
#[derive(Clone)]
pub struct Client {
    tls: TlsConnector,
    port: u16,
}

impl Client {
    pub fn new(base: &Base, fixture: &Fixture) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(base.authority.pem().as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), port: fixture.flag("webhook-bind-port")?.parse()? })
    }

    async fn send(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Result<(u16, String)> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let stream = self.tls.connect(ServerName::try_from("127.0.0.1")?, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        let answer = sender.send_request(request.body(Full::new(body.into()))?).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        driver.abort();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<(u16, String)> {
        self.send("POST", path, body).await.with_context(|| format!("POST {path}"))
    }

    /// The response in the answer to a review.
    async fn review(&self, path: &str, review: &Value) -> Result<Value> {
        let (status, body) = self.post(path, review.to_string()).await?;
        ensure!(status == 200, "{path}: {status} {body}");
        let answer: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
        let kind = (answer.get("apiVersion").and_then(Value::as_str), answer.get("kind").and_then(Value::as_str));
        ensure!(kind == (Some("admission.k8s.io/v1"), Some("AdmissionReview")), "{body}");
        let mut response = answer.get("response").cloned().with_context(|| body.clone())?;
        // Every answer has something for the audit log.
        let audited = response.as_object_mut().and_then(|response| response.remove("auditAnnotations"));
        ensure!(
            audited.is_some_and(|audited| audited.get("milliseconds").is_some()),
            "nothing for the audit log: {body}"
        );
        ensure!(response.get("uid") == review.pointer("/request/uid"), "another uid: {body}");
        Ok(response)
    }

    /// A good Ingress is let in and a bad one is not, each under its own uid.
    pub async fn judges(&self, fixture: &Fixture) -> Result<()> {
        let good = self.review(VALIDATE, &of_ingress("good", &fixture.ingress("good", &[], &json!([])))).await?;
        ensure!(allowed(&good), "a good Ingress was refused: {good}");
        let bad = fixture.ingress("bad", &[("no-such-key", "x")], &json!([]));
        let bad = self.review(VALIDATE, &of_ingress("bad", &bad)).await?;
        ensure!(!allowed(&bad) && message(&bad).contains("ALB001"), "a bad Ingress was let in: {bad}");
        Ok(())
    }
}

fn allowed(response: &Value) -> bool {
    response.get("allowed") == Some(&json!(true))
}

fn message(response: &Value) -> &str {
    response.pointer("/status/message").and_then(Value::as_str).unwrap_or_default()
}

/// A review of a creation.
fn of(uid: &str, (group, version, resource): (&str, &str, &str), object: &Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": uid, "operation": "CREATE", "namespace": "elsewhere", "name": uid,
        "resource": {"group": group, "version": version, "resource": resource},
        "userInfo": {"username": "somebody"}, "object": object}})
}

fn of_ingress(uid: &str, object: &Value) -> Value {
    of(uid, ("networking.k8s.io", "v1", "ingresses"), object)
}

/// Bytes without any meaning, the same in every run.
fn garbage(length: u32) -> Vec<u8> {
    (0..length).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// What is no review is answered with a status and a reason, and the next one is judged as if nothing had been.
pub async fn what_is_no_review_is_answered(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::with_albedo(&base, "no-review").await?;
    let client = Client::new(&base, &fixture)?;
    let whole = of_ingress("cut", &fixture.ingress("cut", &[], &json!([]))).to_string();
    let envelope = |more: Value| {
        let mut review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
        if let (Some(review), Value::Object(more)) = (review.as_object_mut(), more) {
            review.extend(more);
        }
        review.to_string().into_bytes()
    };
    let old = whole.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
    let rows: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("garbage", garbage(1_000_000), 400, "the body is not JSON"),
        ("half a review", whole.as_bytes().iter().copied().take(whole.len() / 2).collect(), 400, "not JSON"),
        ("nothing", Vec::new(), 400, "not JSON"),
        ("brackets", vec![b'['; 1_000_000], 400, "not JSON"),
        ("no request", envelope(json!({})), 400, "the AdmissionReview has no request"),
        ("a request of null", envelope(json!({"request": null})), 400, "the AdmissionReview has no request"),
        ("no uid", envelope(json!({"request": {"operation": "CREATE"}})), 400, "has no uid"),
        ("another kind", br#"{"apiVersion": "v1", "kind": "Pod"}"#.to_vec(), 400, "not an AdmissionReview"),
        ("another version", old.into_bytes(), 400, "v1beta1"),
        ("too much", vec![b' '; 9 * 1024 * 1024], 413, "larger than 4194304 bytes"),
    ];
    for (what, body, status, words) in rows {
        let (is, text) = client.post(VALIDATE, body).await.with_context(|| what.to_owned())?;
        ensure!(is == status && text.contains(words) && text.ends_with('\n'), "{what}: {is} {text:?}");
        client.judges(&fixture).await.with_context(|| format!("after {what}"))?;
    }
    for (method, path, status) in [("GET", VALIDATE, 405), ("POST", "/validate-no-such-thing", 404), ("GET", "/", 404)]
    {
        let (is, text) = client.send(method, path, "").await?;
        ensure!(is == status, "{method} {path}: {is} {text:?}");
    }
    // Cut off in the middle of a handshake, as port scanners do.
    drop(TcpStream::connect(("127.0.0.1", client.port)).await?);
    client.judges(&fixture).await?;
    fixture.albedo()?.process().check()?;
    fixture.close().await
}

/// Odd objects in sound reviews are judged, whatever the API server would have let through.
pub async fn odd_objects_are_judged(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::with_albedo(&base, "odd-objects").await?;
    let client = Client::new(&base, &fixture)?;
    let bucket = json!([{"http": {"paths": [{"path": "/", "pathType": "Prefix",
        "backend": {"resource": {"apiGroup": "example.com", "kind": "Bucket", "name": "b"}}}]}}]);
    let host_alone = json!([{"host": "a.example.com"}, rule(None, &[("/", "Prefix", "web", 80)])]);
    let with = |field: &str, value: Value| {
        let mut object = fixture.ingress("odd", &[], &json!([]));
        if let Some(place) = object.pointer_mut(field) {
            *place = value;
        }
        object
    };
    let by_annotation =
        json!({"metadata": {"name": "x", "annotations": {"kubernetes.io/ingress.class": fixture.scope.class}}});
    let rows: Vec<(&str, Value, Option<&str>)> = vec![
        ("a backend that is no Service", fixture.ingress("odd", &[], &bucket), Some("ALB010")),
        ("a rule without http", fixture.ingress("odd", &[], &host_alone), None),
        ("a spec of null", with("/spec", Value::Null), None),
        ("rules of null", with("/spec/rules", Value::Null), None),
        ("neither spec nor rules", by_annotation, None),
        ("an object of null", Value::Null, None),
        ("metadata of null", with("/metadata", Value::Null), None),
        ("an object that is a number", json!(7), Some("object cannot be decoded")),
        ("rules that are a text", with("/spec/rules", json!("all")), Some("object.spec.rules cannot be decoded")),
        (
            "annotations of numbers",
            with("/metadata", json!({"annotations": {"a": 1}})),
            Some("annotations.a cannot be"),
        ),
    ];
    for (what, object, refusal) in rows {
        let response = client.review(VALIDATE, &of_ingress("odd", &object)).await.with_context(|| what.to_owned())?;
        match refusal {
            None => ensure!(allowed(&response), "{what}: {response}"),
            Some(words) => ensure!(!allowed(&response) && message(&response).contains(words), "{what}: {response}"),
        }
        client.judges(&fixture).await.with_context(|| format!("after {what}"))?;
    }
    fixture.albedo()?.process().check()?;
    fixture.close().await
}

/// The predecessor's other webhooks may still be registered: each of their paths lets everything through, unchanged.
pub async fn other_paths_let_through(base: Arc<Base>) -> Result<()> {
    const PODS: (&str, &str, &str) = ("", "v1", "pods");
    const BINDINGS: (&str, &str, &str) = ("elbv2.k8s.aws", "v1beta1", "targetgroupbindings");
    let fixture = Fixture::with_albedo(&base, "other-paths").await?;
    let client = Client::new(&base, &fixture)?;
    let rows = [
        ("/mutate-v1-pod", PODS),
        ("/mutate-v1-pod-server-id", PODS),
        ("/mutate-alb-target-control-namespace-v1-pod", PODS),
        ("/mutate-alb-target-control-object-v1-pod", PODS),
        ("/mutate-v1-service", ("", "v1", "services")),
        ("/mutate-elbv2-k8s-aws-v1beta1-targetgroupbinding", BINDINGS),
        ("/validate-elbv2-k8s-aws-v1beta1-targetgroupbinding", BINDINGS),
        ("/validate-elbv2-k8s-aws-v1beta1-ingressclassparams", ("elbv2.k8s.aws", "v1beta1", "ingressclassparams")),
        ("/validate-aga-k8s-aws-v1beta1-globalaccelerator", ("aga.k8s.aws", "v1beta1", "globalaccelerators")),
    ];
    for (path, resource) in rows {
        let object = json!({"metadata": {"name": "x"}, "spec": {"anything": [1, 2, 3]}});
        let response = client.review(path, &of("other", resource, &object)).await?;
        ensure!(response == json!({"uid": "other", "allowed": true}), "{path}: {response}");
        // What does not belong there is let through, too, and it is said.
        let response = client.review(path, &of("lost", ("apps", "v1", "deployments"), &object)).await?;
        ensure!(allowed(&response) && response.to_string().contains("deployments"), "{path}: {response}");
    }
    fixture.close().await
}

/// AWS cannot be reached: mistakes are still refused, good Ingresses wait, and the trouble is logged.
pub async fn aws_is_out_of_reach(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "out-of-reach").await?;
    let nowhere = format!("http://127.0.0.1:{}", free_port()?);
    fixture.launch.env.push(("AWS_ENDPOINT_URL".to_owned(), nowhere.into()));
    fixture.start().await?;
    fixture.register().await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let bad = fixture.ingress("bad", &[("target-type", "pod")], &json!([]));
    let out = fixture.try_apply(&[bad], &[]).await?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(!out.status.success() && said.contains("ALB003"), "a bad Ingress was let in: {said}");
    fixture.apply(&[fixture.ingress("good", &[], &json!([]))]).await?;
    eventually("the trouble is logged", SOON, async || {
        let log = fixture.log();
        let told = |line: &str| line.contains("a pass failed") && line.contains("\\\"good\\\"");
        Ok(log.lines().any(told).then_some(()))
    })
    .await
    .with_context(|| tail(&fixture.log()))?;
    Client::new(&base, &fixture)?.judges(&fixture).await?;
    answers(&fixture).await?;
    ends(&mut fixture).await?;
    fixture.close().await
}

/// Nobody says which VPC this is: what was tried is told, and admission answers all the same.
pub async fn what_was_tried_is_told(base: Arc<Base>) -> Result<()> {
    let rows: [(bool, &[&str], &[&str]); 2] = [
        (
            false,
            &[],
            &[
                "the VPC is not known, set --aws-vpc-id; tried --aws-vpc-id: not given",
                "--aws-vpc-tags: not given",
                "instances of nodes: ",
                "instance metadata: switched off by AWS_EC2_METADATA_DISABLED",
            ],
        ),
        (true, &["--aws-vpc-tags=no=such"], &["--aws-vpc-tags: no VPC carries all of these tags"]),
    ];
    for (reachable, flags, wanted) in rows {
        let mut fixture = Fixture::open(&base, "tried").await?;
        let given = |arg: &std::ffi::OsString| arg.to_string_lossy().starts_with("--aws-");
        fixture.launch.args.retain(|arg| !given(arg));
        fixture.flags(flags);
        fixture.launch.env.retain(|(name, _)| name != "AWS_REGION");
        if !reachable {
            let nowhere = format!("http://127.0.0.1:{}", free_port()?);
            fixture.launch.env.push(("AWS_ENDPOINT_URL".to_owned(), nowhere.into()));
        }
        fixture.start().await?;
        eventually("what was tried is told", SOON, async || {
            let log = fixture.log();
            Ok(wanted.iter().all(|words| log.contains(words)).then_some(()))
        })
        .await
        .with_context(|| tail(&fixture.log()))?;
        Client::new(&base, &fixture)?.judges(&fixture).await?;
        answers(&fixture).await?;
        ends(&mut fixture).await?;
        fixture.close().await?;
    }
    Ok(())
}

/// Probes and metrics answer while it runs; SIGTERM ends it in time, at rest, at work and with a client that says nothing.
pub async fn sigterm_ends_in_time(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::with_albedo(&base, "ends").await?;
    answers(&fixture).await?;
    ends(&mut fixture).await?;

    fixture.start().await?;
    let port: u16 = fixture.flag("webhook-bind-port")?.parse()?;
    let silent = TcpStream::connect(("127.0.0.1", port)).await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let slow = json!([{"target": "Action=CreateLoadBalancer", "delayMs": 2000}]);
    fixture.scope.emulator().faults(&fixture.scope.region, &slow).await?;
    fixture.apply(&[fixture.ingress("web", &[], &json!([]))]).await?;
    eventually("it is at work", SOON, async || {
        let calls = fixture.writes_since(0).await?;
        Ok(calls.iter().any(|call| call.operation == "CreateSecurityGroup").then_some(()))
    })
    .await?;
    ends(&mut fixture).await?;
    drop(silent);

    // What was begun is gone on with.
    fixture.start().await?;
    fixture.hostname("web").await?;
    fixture.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    fixture.close().await
}

/// Probes and metrics.
async fn answers(fixture: &Fixture) -> Result<()> {
    let (probes, metrics) = (fixture.flag("health-probe-bind-addr")?, fixture.flag("metrics-bind-addr")?);
    for (url, words) in [
        (format!("http://{probes}/healthz"), "ok\n"),
        (format!("http://{probes}/readyz"), "ok\n"),
        (format!("http://{metrics}/metrics"), "# EOF"),
    ] {
        let (status, body) = http_get(&url).await?;
        ensure!(status == 200 && String::from_utf8_lossy(&body).contains(words), "{url}: {status} {body:?}");
    }
    Ok(())
}

/// SIGTERM, and the end that has to follow.
async fn ends(fixture: &mut Fixture) -> Result<()> {
    let (began, before) = (Instant::now(), fixture.log().lines().count());
    let status = fixture.albedo()?.stop().await?;
    ensure!(status.code() == Some(0), "albedo ended with {status}:\n{}", tail(&fixture.log()));
    ensure!(began.elapsed() < END, "the end took {:?}:\n{}", began.elapsed(), tail(&fixture.log()));
    let log = fixture.log();
    let errors: Vec<&str> = log.lines().skip(before).filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
    ensure!(errors.is_empty(), "who is told to end makes no mistake by that: {errors:?}");
    Ok(())
}
