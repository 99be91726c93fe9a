//! TLS: certificates by name, HTTP/2, gRPC, client certificates, tokens, logins.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::client::Answer;
use crate::stage::{Stage, fixed, forward, run};
use crate::target::Target;

/// A client certificate and its key, as PEM.
type Identity<'i> = Option<&'i (String, String)>;

async fn connect(
    stage: &Stage,
    at: SocketAddr,
    name: &str,
    http2: bool,
    identity: Identity<'_>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(stage.alb.authority().certificate()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    let stream = TcpStream::connect(at).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

async fn get(
    stage: &Stage,
    at: SocketAddr,
    name: &str,
    path: &str,
    headers: &[(&str, &str)],
    identity: Identity<'_>,
) -> Answer {
    let stream = connect(stage, at, name, false, identity).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::get(path).header("host", name);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(sender.send_request(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap()).await
}

/// One request over HTTP/2; the answer with its trailers.
async fn over_http2(
    stage: &Stage,
    at: SocketAddr,
    name: &str,
    request: Request<Full<Bytes>>,
) -> (Answer, Option<hyper::HeaderMap>) {
    let stream = connect(stage, at, name, true, None).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    let (parts, body) = answer.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body: collected.to_bytes() };
    (answer, trailers)
}

#[test]
fn the_certificate_is_that_of_the_name() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let balancer = stage.balancer("tls").await;
        let group = stage.group("tls").await;
        stage.register(&group, &target.at).await;
        let domains: [&[&str]; 3] = [&["default.example.com"], &["*.example.org"], &["a.example.net", "b.example.net"]];
        stage.secure(&balancer, 443, &domains, forward(&group), json!({})).await;
        stage.balancer_attribute(&balancer, "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true").await;
        let at = stage.served("tls", 443).await;
        stage.until(&group, "healthy").await;
        for name in ["default.example.com", "x.example.org", "b.example.net"] {
            let answer = get(&stage, at, name, "/", &[], None).await;
            assert_eq!(answer.received("x-forwarded-proto").as_deref(), Some("https"));
            assert_eq!(answer.received("x-forwarded-port").as_deref(), Some("443"));
            assert_eq!(answer.received("x-amzn-tls-version").as_deref(), Some("TLSv1.3"));
        }
        // A name of no certificate gets the default one, which does not fit.
        assert!(connect(&stage, at, "other.example.com", false, None).await.is_err());
    });
}

#[test]
fn http2_and_grpc_pass_where_the_target_group_takes_them() {
    run(async {
        let stage = Stage::new().await;
        let (one, two, three) =
            (Target::start("one").await, Target::speaking("two", true).await, Target::speaking("three", true).await);
        three.health.store(0, std::sync::atomic::Ordering::Relaxed);
        let balancer = stage.balancer("http2").await;
        let plain = stage.group("plain").await;
        let http2 = stage.group_with("http2", json!({"ProtocolVersion": "HTTP2"})).await;
        let grpc =
            json!({"ProtocolVersion": "GRPC", "HealthCheckPath": "/AWS.ALB/healthcheck", "Matcher": {"GrpcCode": "0"}});
        let grpc = stage.group_with("grpc", grpc).await;
        for (group, target) in [(&plain, &one), (&http2, &two), (&grpc, &three)] {
            stage.register(group, &target.at).await;
        }
        let listener = stage.secure(&balancer, 443, &[&["a.example.com"]], forward(&plain), json!({})).await;
        for (priority, path, group) in [(1, "/two*", &http2), (2, "/three*", &grpc)] {
            let path = json!([{"Field": "path-pattern", "Values": [path]}]);
            stage.rule(&listener, priority, path, json!([forward(group)])).await;
        }
        let at = stage.served("http2", 443).await;
        for group in [&plain, &http2, &grpc] {
            stage.until(group, "healthy").await;
        }
        let request =
            |path: &str| Request::get(format!("https://a.example.com{path}")).body(Full::new(Bytes::new())).unwrap();
        let (answer, _) = over_http2(&stage, at, "a.example.com", request("/")).await;
        assert_eq!((answer.target().as_str(), answer.said()["version"].as_str()), ("one", Some("HTTP/1.1")));
        assert_eq!(answer.received("host").as_deref(), Some("a.example.com"));
        let (answer, _) = over_http2(&stage, at, "a.example.com", request("/two")).await;
        assert_eq!((answer.target().as_str(), answer.said()["version"].as_str()), ("two", Some("HTTP/2.0")));
        assert_eq!(answer.said()["authority"], "a.example.com");
        let call = Request::post("https://a.example.com/three.Service/Call").header("content-type", "application/grpc");
        let call = call.header("te", "trailers").body(Full::new(Bytes::from_static(&[0; 5]))).unwrap();
        let (answer, trailers) = over_http2(&stage, at, "a.example.com", call).await;
        assert_eq!((answer.target().as_str(), answer.said()["received"].as_u64()), ("three", Some(5)));
        assert_eq!(trailers.unwrap()["grpc-status"], "0");
        // Versions that do not go together.
        assert_eq!(get(&stage, at, "a.example.com", "/two", &[], None).await.status, 464);
        assert_eq!(over_http2(&stage, at, "a.example.com", request("/three")).await.0.status, 464);
    });
}

#[test]
fn client_certificates_are_verified_or_handed_on() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let balancer = stage.balancer("mtls").await;
        let group = stage.group("mtls").await;
        stage.register(&group, &target.at).await;
        let store = format!("arn:aws:elasticloadbalancing:{}:123456789012:truststore/store/1", stage.region);
        stage
            .emulator
            .plant(&stage.region, &json!([{"kind": "trust-store", "name": "store", "arn": store}]))
            .await
            .unwrap();
        let verify = json!({"MutualAuthentication": {"Mode": "verify", "TrustStoreArn": store}});
        stage.secure(&balancer, 443, &[&["a.example.com"]], forward(&group), verify).await;
        let passthrough = json!({"MutualAuthentication": {"Mode": "passthrough"}});
        stage.secure(&balancer, 8443, &[&["a.example.com"]], forward(&group), passthrough).await;
        let (verifying, passing) = (stage.served("mtls", 443).await, stage.served("mtls", 8443).await);
        stage.until(&group, "healthy").await;
        let client = stage.alb.authority().client("client.example.com").unwrap();
        let answer = get(
            &stage,
            verifying,
            "a.example.com",
            "/",
            &[("x-amzn-mtls-clientcert-subject", "CN=forged")],
            Some(&client),
        )
        .await;
        assert_eq!(answer.received("x-amzn-mtls-clientcert-subject").as_deref(), Some("CN=client.example.com"));
        assert_eq!(answer.received("x-amzn-mtls-clientcert-issuer").as_deref(), Some("CN=albedo-alb test authority"));
        let validity = answer.received("x-amzn-mtls-clientcert-validity").unwrap();
        assert!(validity.starts_with("NotBefore=") && validity.contains(";NotAfter="), "{validity}");
        assert!(!answer.received("x-amzn-mtls-clientcert-serial-number").unwrap().is_empty());
        assert!(
            answer.received("x-amzn-mtls-clientcert-leaf").unwrap().starts_with("-----BEGIN%20CERTIFICATE-----%0A")
        );
        // Of another authority, or none at all: no connection. TLS 1.3 tells a client only when it reads.
        let stranger = albedo_alb::Authority::new().unwrap().client("client.example.com").unwrap();
        for identity in [Some(&stranger), None] {
            assert!(refused(&stage, verifying, identity).await);
        }
        let answer = get(&stage, passing, "a.example.com", "/", &[], Some(&stranger)).await;
        assert!(answer.received("x-amzn-mtls-clientcert").unwrap().starts_with("-----BEGIN%20CERTIFICATE-----%0A"));
        let answer = get(&stage, passing, "a.example.com", "/", &[], None).await;
        assert_eq!(answer.received("x-amzn-mtls-clientcert"), None);
    });
}

async fn refused(stage: &Stage, at: SocketAddr, identity: Identity<'_>) -> bool {
    let Ok(stream) = connect(stage, at, "a.example.com", false, identity).await else { return true };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "a.example.com").body(Full::new(Bytes::new())).unwrap();
    sender.send_request(request).await.is_err()
}

/// Answers every request with these bytes, as an identity provider does with its keys.
async fn serving(body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    at
}

fn token(key: &KeyPair, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "RS256", "kid": "one"})), part(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

const ISSUER: &str = "https://idp.example.com";

/// A target behind one rule a gate, each with the path that it stands on; where that is served.
async fn gated(stage: &Stage, name: &str, target: &Target, gates: &[(&str, Value)]) -> SocketAddr {
    let balancer = stage.balancer(name).await;
    let group = stage.group(name).await;
    stage.register(&group, &target.at).await;
    let listener = stage.secure(&balancer, 443, &[&["a.example.com"]], fixed("200", "open"), json!({})).await;
    for (priority, (path, gate)) in (1..).zip(gates) {
        let path = json!([{"Field": "path-pattern", "Values": [path]}]);
        let mut last = forward(&group);
        crate::stage::merge(&mut last, json!({"Order": 2}));
        stage.rule(&listener, priority, path, json!([gate, last])).await;
    }
    let at = stage.served(name, 443).await;
    stage.until(&group, "healthy").await;
    at
}

#[test]
fn a_token_is_validated_whole() {
    run(async {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        // DER of two numbers: at 2048 bits the modulus begins at the tenth byte, and the exponent is the last three.
        let public = key.public_key().as_ref().to_vec();
        let (modulus, exponent) = (&public[9..265], &public[public.len() - 3..]);
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let keys = json!({"keys": [{"kty": "RSA", "kid": "one", "alg": "RS256", "n": encoded(modulus), "e": encoded(exponent)}]});
        let idp = serving(keys.to_string()).await;
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let jwt = |endpoint: String| {
            json!({"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": {
                "JwksEndpoint": endpoint, "Issuer": ISSUER,
                "AdditionalClaims": [{"Format": "space-separated-values", "Name": "scope", "Values": ["read"]}]}})
        };
        let gates =
            [("/jwt", jwt(format!("http://{idp}/keys"))), ("/outside", jwt("https://192.168.7.7/keys".to_owned()))];
        let at = gated(&stage, "tokens", &target, &gates).await;
        let good = json!({"iss": ISSUER, "exp": 4_000_000_000_u64, "scope": "read write"});
        let expired = json!({"iss": ISSUER, "exp": 1_000_000_000_u64, "scope": "read"});
        let other = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let rows = [
            ("/jwt", Some(format!("Bearer {}", token(&key, &good))), 200),
            ("/jwt", Some(format!("bearer {}", token(&key, &good))), 200),
            ("/jwt", Some(format!("Bearer {}", token(&key, &expired))), 401),
            ("/jwt", Some(format!("Bearer {}", token(&other, &good))), 401),
            ("/jwt", Some("Bearer nonsense".to_owned()), 401),
            ("/jwt", None, 401),
            ("/outside", Some(format!("Bearer {}", token(&key, &good))), 500),
        ];
        for (path, header, status) in rows {
            let headers: Vec<(&str, &str)> = header.iter().map(|header| ("authorization", header.as_str())).collect();
            assert_eq!(get(&stage, at, "a.example.com", path, &headers, None).await.status, status, "{header:?}");
        }
    });
}

#[test]
fn a_user_without_a_session_is_sent_to_the_identity_provider() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let oidc = |on: &str| {
            json!({"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {
            "Issuer": ISSUER, "AuthorizationEndpoint": format!("{ISSUER}/authorize"), "TokenEndpoint": format!("{ISSUER}/token"),
            "UserInfoEndpoint": format!("{ISSUER}/userinfo"), "ClientId": "client", "ClientSecret": "secret",
            "Scope": "openid email", "OnUnauthenticatedRequest": on, "AuthenticationRequestExtraParams": {"prompt": "login"}}})
        };
        let cognito = |domain: &str| {
            json!({"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": {
                "UserPoolArn": format!("arn:aws:cognito-idp:{}:123456789012:userpool/{}_abc", stage.region, stage.region),
                "UserPoolClientId": "pool-client", "UserPoolDomain": domain}})
        };
        let gates = [
            ("/login", oidc("authenticate")),
            ("/deny", oidc("deny")),
            ("/allow", oidc("allow")),
            ("/prefix", cognito("shop")),
            ("/whole", cognito("login.example.com")),
        ];
        let at = gated(&stage, "logins", &target, &gates).await;
        let answer = get(&stage, at, "a.example.com", "/login", &[], None).await;
        assert_eq!(answer.status, 302);
        let location: url::Url = answer.header("location").parse().unwrap();
        assert!(location.as_str().starts_with("https://idp.example.com/authorize?"), "{location}");
        let pairs: std::collections::BTreeMap<_, _> = location.query_pairs().into_owned().collect();
        let expected = [
            ("client_id", "client"),
            ("redirect_uri", "https://a.example.com/oauth2/idpresponse"),
            ("response_type", "code"),
            ("scope", "openid email"),
            ("prompt", "login"),
        ];
        for (key, value) in expected {
            assert_eq!(pairs.get(key).map(String::as_str), Some(value), "{location}");
        }
        assert!(!pairs["state"].is_empty());
        assert_eq!(get(&stage, at, "a.example.com", "/deny", &[], None).await.status, 401);
        let answer = get(&stage, at, "a.example.com", "/allow", &[("x-amzn-oidc-data", "forged")], None).await;
        assert_eq!((answer.status, answer.received("x-amzn-oidc-data")), (200, None));
        // A user pool's domain is a prefix of Cognito's, or a name of one's own.
        let prefixed = format!("https://shop.auth.{}.amazoncognito.com/oauth2/authorize?", stage.region);
        for (path, begins) in
            [("/prefix", prefixed.as_str()), ("/whole", "https://login.example.com/oauth2/authorize?")]
        {
            let answer = get(&stage, at, "a.example.com", path, &[], None).await;
            let location = answer.header("location");
            assert_eq!(answer.status, 302);
            assert!(location.starts_with(begins) && location.contains("client_id=pool-client"), "{location}");
        }
    });
}
