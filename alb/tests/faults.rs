//! What goes wrong between clients, the load balancer and targets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use albedo_alb::By;
use hyper::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{get, send};
use crate::stage::{SOON, Stage, address, forward, run};
use crate::target::Target;

/// A load balancer with one target, whose name is also that of everything else.
async fn simple(stage: &Stage, name: &str, target: SocketAddr) -> (SocketAddr, String) {
    let balancer = stage.balancer(name).await;
    let group = stage.group(name).await;
    stage.register(&group, &target).await;
    stage.listener(&balancer, 80, forward(&group)).await;
    let at = stage.served(name, 80).await;
    stage.until(&group, "healthy").await;
    (at, balancer)
}

/// All that comes until the connection ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset ends it too.
    drop(tokio::time::timeout(SOON, stream.read_to_end(&mut all)).await.expect("the connection ends"));
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_hundred_megabytes_pass_both_ways() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let (at, _) = simple(&stage, "large", target.at).await;
        let body = vec![b'x'; 100 << 20];
        let answer = send(at, "a", Method::POST, "/", &[], body).await;
        assert_eq!(answer.said()["received"].as_u64(), Some(100 << 20));
        let answer = get(at, "a", &format!("/bytes?count={}", 100 << 20)).await;
        assert_eq!(answer.body.len(), 100 << 20);
    });
}

#[test]
fn a_target_that_is_silent_gives_504_and_a_client_that_stops_sending_408() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let (at, balancer) = simple(&stage, "silent", target.at).await;
        // 10 s of AWS are 2 s here.
        stage.balancer_attribute(&balancer, "idle_timeout.timeout_seconds", "10").await;
        stage.served("silent", 80).await;
        assert_eq!(get(at, "a", "/?wait=60000").await.status, 504);
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nbeginning").await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        // The head of an answer came, then nothing: there is no other code to give, the connection is cut.
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("beginning") && !answer.ends_with("0\r\n\r\n"),
            "{answer}"
        );
    });
}

#[test]
fn idle_connections_are_closed_and_a_thousand_of_them_hinder_nobody() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let (at, balancer) = simple(&stage, "idle", target.at).await;
        let mut idle = Vec::new();
        for _ in 0..1000 {
            idle.push(TcpStream::connect(at).await.unwrap());
        }
        assert_eq!(get(at, "a", "/").await.status, 200);
        let mut kept = TcpStream::connect(at).await.unwrap();
        kept.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        stage.balancer_attribute(&balancer, "idle_timeout.timeout_seconds", "5").await;
        stage.served("idle", 80).await;
        let answer = rest(&mut kept).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        for stream in &mut idle {
            assert_eq!(rest(stream).await, "");
        }
        assert_eq!(get(at, "a", "/").await.status, 200);
    });
}

#[test]
fn a_slow_client_gets_its_answer_as_long_as_something_moves() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let (at, balancer) = simple(&stage, "slow", target.at).await;
        stage.balancer_attribute(&balancer, "idle_timeout.timeout_seconds", "10").await;
        stage.served("slow", 80).await;
        let mut stream = TcpStream::connect(at).await.unwrap();
        let began = Instant::now();
        for piece in ["POST / HTTP/1.1\r\n", "host: a\r\ncontent-le", "ngth: 4\r\n\r\n", "12", "34"] {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        assert!(began.elapsed() > Duration::from_secs(3), "longer than the idle timeout of 2 s");
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    });
}

#[test]
fn a_client_that_does_not_read_is_left_after_the_idle_timeout() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let (at, balancer) = simple(&stage, "lazy", target.at).await;
        stage.balancer_attribute(&balancer, "idle_timeout.timeout_seconds", "10").await;
        stage.served("lazy", 80).await;
        let mut stream = TcpStream::connect(at).await.unwrap();
        let asked = format!("GET /bytes?count={} HTTP/1.1\r\nhost: a\r\n\r\n", 100 << 20);
        stream.write_all(asked.as_bytes()).await.unwrap();
        // 10 s of AWS are 2 s here, and two more are added to be sure that nothing moves.
        tokio::time::sleep(Duration::from_secs(8)).await;
        let read = rest(&mut stream).await.len();
        assert!(read < 100 << 20, "all of it came to somebody who did not read: {read}");
    });
}

#[test]
fn a_client_that_leaves_is_counted_as_460() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let (at, _) = simple(&stage, "leaves", target.at).await;
        for half in [false, true] {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(b"GET /?wait=60000 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            if half {
                stream.shutdown().await.unwrap();
                assert_eq!(rest(&mut stream).await, "", "half-closed is closed");
            }
        }
        let began = Instant::now();
        while stage.alb.served().of("leaves", By::LoadBalancer, 460) < 2 {
            assert!(began.elapsed() < SOON, "{:?}", stage.alb.served().all());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

/// A target that answers health checks, and everything else with these bytes before it closes, or with a reset.
async fn rude(bytes: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind((address(), 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let count = stream.read(&mut request).await.unwrap_or_default();
            let answer = match request[..count].starts_with(b"GET /health") {
                true => Some(&b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"[..]),
                false => bytes,
            };
            match answer {
                Some(answer) => drop(stream.write_all(answer).await),
                // Closed with nothing to linger for, the kernel sends a reset.
                None => stream.set_zero_linger().unwrap(),
            }
        }
    });
    at
}

#[test]
fn a_target_that_resets_or_talks_nonsense_gives_502() {
    run(async {
        let stage = Stage::new().await;
        let rows: [(&str, Option<&'static [u8]>); 4] = [
            ("resets", None),
            ("closes", Some(b"")),
            ("nonsense", Some(b"SSH-2.0-OpenSSH\r\n\r\n")),
            ("half-a-head", Some(b"HTTP/1.1 200 OK\r\ncontent-")),
        ];
        for (name, bytes) in rows {
            let (at, _) = simple(&stage, name, rude(bytes).await).await;
            assert_eq!(get(at, "a", "/").await.status, 502, "{name}");
        }
        // Half an answer is handed on as half an answer.
        let half = rude(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")).await;
        let (at, _) = simple(&stage, "half-a-body", half).await;
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("half"), "{answer}");
    });
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways() {
    run(async {
        let (stage, target) = (Stage::new().await, Target::start("one").await);
        let (at, _) = simple(&stage, "socket", target.at).await;
        let mut stream = TcpStream::connect(at).await.unwrap();
        let asked = b"GET /socket HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n";
        stream.write_all(asked).await.unwrap();
        let mut answer = String::new();
        while !answer.contains("\r\n\r\n") {
            answer.push(char::from(stream.read_u8().await.unwrap()));
        }
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("upgrade: websocket"), "{answer}");
        for word in ["hello", "again"] {
            stream.write_all(word.as_bytes()).await.unwrap();
            let mut echoed = [0; 5];
            stream.read_exact(&mut echoed).await.unwrap();
            assert_eq!(echoed, word.to_ascii_uppercase().as_bytes());
        }
    });
}
