//! Kinds of targets, and how one of several is chosen.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::client::get;
use crate::stage::{SOON, Stage, address, emulator, forward, run};
use crate::target::Target;

#[test]
fn an_instance_is_asked_at_its_private_address() {
    run(async {
        let stage = Stage::new().await;
        let node = stage.world.nodes[0].clone();
        let [_, a, b, c] = node.ip.parse::<Ipv4Addr>().unwrap().octets();
        let target = Target::at(IpAddr::from([127, a, b, c]), "node").await;
        let balancer = stage.balancer("instances").await;
        let group = stage.group_with("instances", json!({"TargetType": "instance"})).await;
        let registered = json!([{"Id": node.instance_id, "Port": target.at.port()}]);
        stage.call("RegisterTargets", json!({"TargetGroupArn": group, "Targets": registered})).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("instances", 80).await;
        stage.until(&group, "healthy").await;
        assert_eq!(get(at, "a", "/").await.target(), "node");
    });
}

/// A target that speaks TLS, with a certificate of an authority of its own.
async fn secure() -> SocketAddr {
    let (certificate, key) = albedo_alb::Authority::new().unwrap().client("target").unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((address(), 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok() {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret";
                drop(stream.write_all(answer).await);
                drop(stream.shutdown().await);
            }
        }
    });
    at
}

#[test]
fn a_target_over_tls_may_have_any_certificate() {
    run(async {
        let stage = Stage::new().await;
        let balancer = stage.balancer("secrets").await;
        let group = stage.group_with("secrets", json!({"Protocol": "HTTPS", "HealthCheckProtocol": "HTTPS"})).await;
        stage.register(&group, &secure().await).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("secrets", 80).await;
        stage.until(&group, "healthy").await;
        let answer = get(at, "a", "/").await;
        assert_eq!((answer.status, answer.text()), (200, "secret"));
    });
}

#[test]
fn the_target_with_the_fewest_open_requests_gets_the_next_one() {
    run(async {
        let (stage, one, two) = (Stage::new().await, Target::start("one").await, Target::start("two").await);
        let balancer = stage.balancer("fewest").await;
        let group = stage.group("fewest").await;
        let fewest = [("load_balancing.algorithm.type", "least_outstanding_requests")];
        stage.group_attributes(&group, &fewest).await;
        stage.register(&group, &one.at).await;
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = stage.served("fewest", 80).await;
        stage.until(&group, "healthy").await;
        let busy: Vec<_> = (0..5).map(|_| tokio::spawn(async move { get(at, "a", "/?wait=20000").await })).collect();
        while one.requests.load(Ordering::Relaxed) < 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stage.register(&group, &two.at).await;
        stage.until(&group, "healthy").await;
        let mut targets = BTreeMap::new();
        for _ in 0..20 {
            *targets.entry(get(at, "a", "/").await.target()).or_insert(0) += 1;
        }
        assert_eq!(targets, BTreeMap::from([("two".to_owned(), 20)]));
        busy.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

#[test]
fn a_grpc_target_is_judged_by_the_status_of_its_answer() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::speaking("grpc", true).await);
        let balancer = stage.balancer("judged").await;
        let more = json!({"ProtocolVersion": "GRPC", "HealthCheckPath": "/AWS.ALB/healthcheck", "Matcher": {"GrpcCode": "0,12"}});
        let group = stage.group_with("judged", more).await;
        stage.register(&group, &target.at).await;
        target.health.store(14, Ordering::Relaxed);
        stage.secure(&balancer, 443, &[&["a.example.com"]], forward(&group), json!({})).await;
        stage.served("judged", 443).await;
        stage.until(&group, "unhealthy").await;
        assert_eq!(stage.health(&group).await[0].1.as_deref(), Some("Target.ResponseCodeMismatch"));
        target.health.store(12, Ordering::Relaxed);
        stage.until(&group, "healthy").await;
    });
}

#[test]
fn an_endpoint_that_tells_of_no_changes_is_read_again_and_again() {
    run(async {
        let endpoint = quiet(emulator().await.endpoint()).await;
        let (stage, target) = (Stage::with(|config| config.endpoint = endpoint).await, Target::start("one").await);
        let balancer = stage.balancer("polled").await;
        let group = stage.group("polled").await;
        stage.register(&group, &target.at).await;
        let began = std::time::Instant::now();
        // Before its listener it may have been served already.
        stage.alb.serves("polled", 0, SOON).await.unwrap();
        stage.listener(&balancer, 80, forward(&group)).await;
        let at = loop {
            if let Some((_, at)) = stage.alb.serves("polled", 0, SOON).await.unwrap().ports.first() {
                break *at;
            }
            assert!(began.elapsed() < SOON * 2, "the listener is not served");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        while get(at, "a", "/").await.status != 200 {
            assert!(began.elapsed() < SOON * 2);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(get(at, "a", "/").await.target(), "one");
    });
}

#[test]
fn two_programs_can_serve_one_load_balancer() {
    run(async {
        let stage = Stage::new().await;
        let config = albedo_alb::Config::new(stage.emulator.endpoint(), [stage.region.as_str()]);
        let second = albedo_alb::Alb::start(config).await.unwrap();
        let balancer = stage.balancer("twice").await;
        // Without a listener both have the same address.
        stage.alb.serves("twice", 0, SOON).await.unwrap();
        second.serves("twice", 0, SOON).await.unwrap();
        stage.listener(&balancer, 80, crate::stage::fixed("200", "here")).await;
        let one = stage.served("twice", 80).await;
        let change = stage.emulator.change(&stage.region).await.unwrap();
        let two = second.serves("twice", change, SOON).await.unwrap().ports[0].1;
        assert_ne!(one, two);
        for at in [one, two] {
            assert_eq!(get(at, "a", "/").await.text(), "here");
        }
        second.stop().await;
    });
}

/// An endpoint before the emulator that has none of the emulator's own calls; its URL.
async fn quiet(emulator: &str) -> String {
    let emulator: SocketAddr = emulator.trim_start_matches("http://").parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut first = [0; 16];
                let count = client.peek(&mut first).await.unwrap_or_default();
                if first[..count].windows(8).any(|part| part == b"/albedo/") {
                    let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    return drop(client.write_all(answer).await);
                }
                let Ok(mut server) = tokio::net::TcpStream::connect(emulator).await else { return };
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    url
}
