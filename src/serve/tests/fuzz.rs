//! Requests that are nearly right, and bytes that are none: each connection gets an answer or its end in time, nothing panics, and who
//! asks properly is answered all the while. `make fuzz` runs more of them.

use std::sync::Once;
use std::sync::atomic::AtomicBool;

use albedo_chance::{Chance, runs};
use futures::stream::{self, StreamExt as _};
use tokio::net::TcpListener;

use super::*;

/// Longest wait of the server for anything.
const SHORT: Duration = Duration::from_millis(200);
/// An answer or the end has come by then: the server's waits one after the other, on a slow machine.
const IN_TIME: Duration = Duration::from_secs(15);
/// Connections at a time.
const AT_ONCE: usize = 32;
/// Codes of answers. Never 500: that is a panic, or a defect.
const CODES: [u16; 11] = [200, 400, 404, 405, 408, 411, 413, 414, 417, 431, 503];

const PIECES: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    ": ",
    " ",
    "\t",
    "\0",
    "GET ",
    "POST ",
    "OPTIONS ",
    "CONNECT ",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/9.9",
    "/validate-networking-v1-ingress",
    "//",
    "/../",
    "%00",
    "%2e",
    "?a=b",
    "#",
    "*",
    "http://a/",
    "Content-Length: 5\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length: -1\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Expect: 100-continue\r\n",
    "Connection: upgrade\r\nUpgrade: h2c\r\n",
    "Connection: keep-alive\r\n",
    "Connection: close\r\n",
    "Host: a\r\n",
    "X: \u{e9}\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "-1\r\n",
    "1;a=b\r\nx\r\n",
    "{}",
    "{\"uid\":\"a\"}",
    "null",
    "\u{16}\u{3}\u{1}",
];

/// A proper request: its body at once or in chunks, perhaps another one behind it.
fn proper(chance: &mut Chance) -> Vec<u8> {
    let path = *chance.pick(&[VALIDATE, "/mutate-networking-v1-ingress", "/mutate-v1-pod", "/", "/no-such-path"]);
    let body = match chance.below(8) {
        0 => vec![b' '; chance.below(100_000)],
        1 => b"[".repeat(chance.below(5_000)),
        _ => review("u", "x"),
    };
    let method = *chance.pick(&["POST", "POST", "POST", "POST", "GET", "HEAD", "PUT"]);
    let connection = *chance.pick(&["keep-alive", "close"]);
    let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n");
    let mut bytes = match chance.below(3) {
        0 => {
            let mut bytes = (head + "Transfer-Encoding: chunked\r\n\r\n").into_bytes();
            for chunk in body.chunks(1 + chance.below(400)) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
            bytes
        }
        _ => [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat(),
    };
    if chance.one_in(6) {
        bytes.extend(proper(chance));
    }
    bytes
}

fn bytes(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = proper(chance);
    match chance.below(10) {
        0 => bytes = (0..chance.below(300)).map(|_| u8::try_from(chance.below(256)).unwrap()).collect(),
        1 => {
            // Headers that fill the buffer, or nearly.
            let header = format!("X-{}: {}\r\n", "a".repeat(chance.below(200)), "b".repeat(chance.below(17_000)));
            let at = bytes.windows(2).position(|two| two == b"\r\n").unwrap_or_default() + 2;
            bytes.splice(at..at, header.repeat(1 + chance.below(20)).bytes());
        }
        2 => {}
        _ => chance.edit(&mut bytes, PIECES),
    }
    bytes
}

/// Codes of the answers that follow each other.
fn codes(answers: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answers);
    let code = |line: &str| line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    text.split("\r\n").filter_map(code).collect()
}

async fn one(address: SocketAddr, run: u64) {
    let mut chance = Chance::of_run(run);
    let bytes = bytes(&mut chance);
    let (pieces, stays) = (chance.below(4), chance.one_in(8));
    let began = Instant::now();
    let talked = tokio::time::timeout(IN_TIME, async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let write = async {
            for piece in bytes.chunks(bytes.len() / (pieces + 1) + 1) {
                // The server may have closed it by now.
                if writer.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            if !stays {
                let _ = writer.shutdown().await;
            }
        };
        let mut answers = Vec::new();
        let read = async {
            let _ = reader.read_to_end(&mut answers).await;
        };
        futures::join!(write, read);
        answers
    });
    let shown = || String::from_utf8_lossy(&bytes).into_owned();
    let Ok(answers) = talked.await else { panic!("run {run}: no end after {:?}: {:?}", began.elapsed(), shown()) };
    let begins = answers.is_empty() || answers.starts_with(b"HTTP/1.");
    assert!(begins, "run {run}: {:?} is no answer to {:?}", String::from_utf8_lossy(&answers), shown());
    let codes = codes(&answers);
    assert!(codes.iter().all(|code| *code == 100 || CODES.contains(code)), "run {run}: {codes:?} to {:?}", shown());
    assert!(!String::from_utf8_lossy(&answers).contains("which is a bug"), "run {run}: a panic at {:?}", shown());
}

/// A review is answered, if not at once: on a slow machine its own connection may miss the short deadlines.
async fn asked_properly(address: SocketAddr) {
    for _ in 0..10 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if let Ok((code, body)) = talk(&mut stream, &request(VALIDATE, &review("u", "x"), "close")).await {
            assert_eq!((code, response(&body)["uid"].as_str()), (200, Some("u")));
            return;
        }
    }
    panic!("nobody answers a proper review");
}

/// Whether a task of this test's runtime has panicked, which is on one thread.
fn panics_are_counted() -> &'static AtomicBool {
    static PANICKED: AtomicBool = AtomicBool::new(false);
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (own, before) = (std::thread::current().id(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == own {
                PANICKED.store(true, Ordering::Relaxed);
            }
            before(panic);
        }));
    });
    &PANICKED
}

#[tokio::test]
async fn bytes_of_strangers_are_answered_or_cut() {
    let limits = Limits { first_request: SHORT, head: SHORT, idle: SHORT, body: SHORT, ..limits() };
    let registry: SharedRegistry = Arc::new(Mutex::default());
    let metrics = Metrics::new(&registry);
    let decide: Decide = Arc::new(|_, _| ReviewAnswer::allow());
    let routes = webhook::routes(&decide, limits.body, &metrics);
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, cancel) = (socket.local_addr().unwrap(), CancellationToken::new());
    let listener = Listener { name: "webhook", socket, tls: None, routes, limits, metrics };
    let server = tokio::spawn(listener.run(cancel.clone()));
    let panicked = panics_are_counted();

    let (runs, began) = (runs(400), Instant::now());
    let count = runs.end - runs.start;
    stream::iter(runs)
        .for_each_concurrent(AT_ONCE, async |run| {
            one(address, run).await;
            if run % 64 == 0 {
                asked_properly(address).await;
            }
        })
        .await;
    assert!(!panicked.load(Ordering::Relaxed), "a connection panicked");
    println!("http: {count} runs in {:?}", began.elapsed());
    cancel.cancel();
    tokio::time::timeout(PATIENCE, server).await.unwrap().unwrap();
}
