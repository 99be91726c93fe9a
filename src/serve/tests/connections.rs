//! Slow clients, too many of them, and the end of the server.

use super::*;

/// Time until the server closes the connection.
async fn closed<S: AsyncRead + Unpin>(stream: &mut S) -> Duration {
    let start = Instant::now();
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap();
    start.elapsed()
}

#[tokio::test]
async fn a_slow_client_is_cut_and_holds_up_nobody() {
    let short = Duration::from_millis(200);
    let limits =
        Limits { handshake: short, first_request: short, head: short, body: short, idle: short * 3, ..limits() };
    let test_server = TestServer::new(limits, by_name()).await;

    let mut silent = TcpStream::connect(test_server.webhook()).await.unwrap();
    let mut mute = test_server.connect().await;
    let mut dribbling = test_server.connect().await;
    dribbling.write_all(b"POST /validate-networking-v1-ingress HTTP/1.1\r\nHost: x\r\nX-A:").await.unwrap();
    let mut halfway = test_server.connect().await;
    let whole = request(VALIDATE, &review("u", "x"), "keep-alive");
    halfway.write_all(&whole[..whole.len() - 5]).await.unwrap();
    let mut idle = test_server.connect().await;
    assert_eq!(talk(&mut idle, &whole).await.unwrap().0, 200);

    let start = Instant::now();
    assert_eq!(test_server.post(VALIDATE, &review("u", "x")).await.0, 200);
    assert!(start.elapsed() < short, "{:?}", start.elapsed());

    let (code, text) = answer(&mut halfway).await.unwrap();
    assert_eq!((code, text.as_str()), (408, "the body did not arrive in time\n"));
    for stream in [&mut mute, &mut dribbling, &mut halfway] {
        assert!(closed(stream).await < Duration::from_secs(2));
    }
    assert!(closed(&mut silent).await < Duration::from_secs(2));
    // An idle connection is closed too, much later.
    assert_eq!(talk(&mut idle, &whole).await.unwrap().0, 200);
    assert!(closed(&mut idle).await > short);
    assert!(test_server.metric("albedo_tls_handshake_failures_total{reason=\"timeout\"} 1").await);
    test_server.end().await;
}

#[tokio::test]
async fn connections_are_bounded_and_the_longest_idle_gives_way() {
    let test_server = TestServer::new(Limits { connections: 2, ..limits() }, by_name()).await;
    let whole = request(VALIDATE, &review("u", "x"), "keep-alive");
    let (mut one, mut two) = (test_server.connect().await, test_server.connect().await);
    for stream in [&mut one, &mut two] {
        assert_eq!(talk(stream, &whole).await.unwrap().0, 200);
    }
    assert!(test_server.metric("albedo_connections{listener=\"webhook\"} 2").await);
    let mut third = tokio::time::timeout(PATIENCE, test_server.connect()).await.unwrap();
    assert_eq!(talk(&mut third, &whole).await.unwrap().0, 200);
    assert!(closed(&mut one).await < Duration::from_secs(2));
    assert_eq!(talk(&mut two, &whole).await.unwrap().0, 200);
    assert!(test_server.metric("albedo_connections_cut_total{listener=\"webhook\"} 1").await);
    test_server.end().await;
}

/// As many idle connections as there are places, of one address, and twice as many again: who comes later is served all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_keep_nobody_out() {
    let test_server = TestServer::new(Limits { connections: 40, of_address: 40, ..limits() }, by_name()).await;
    let mut held = Vec::new();
    for number in 0..120 {
        let mut stream = test_server.connect().await;
        if number % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            assert_eq!(answer(&mut stream).await.unwrap().0, 404);
        }
        held.push(stream);
        if number % 10 == 0 {
            assert_eq!(test_server.post(VALIDATE, &review("u", "x")).await.0, 200);
        }
    }
    test_server.end().await;
}

/// Connections that never end their handshake, many more than an address may have under way: neither its own nor another address's
/// next one waits for their deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_never_end_keep_nobody_out() {
    let limits = Limits { handshakes_of_address: 4, handshake: PATIENCE, ..limits() };
    let test_server = TestServer::new(limits, by_name()).await;
    let mut held = Vec::new();
    for _ in 0..12 {
        let mut stream = TcpStream::connect(test_server.webhook()).await.unwrap();
        // The beginning of a record of a handshake.
        stream.write_all(&[22, 3, 1]).await.unwrap();
        held.push(stream);
    }
    let start = Instant::now();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let other = socket.connect(test_server.webhook()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut other = TlsConnector::from(Arc::clone(&test_server.client)).connect(name, other).await.unwrap();
    assert_eq!(talk(&mut other, &request(VALIDATE, &review("u", "x"), "close")).await.unwrap().0, 200);
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!(test_server.post(VALIDATE, &review("u", "x")).await.0, 200);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let metrics = get(test_server.handle.bound().metrics.unwrap(), "/metrics").await.1;
    let cut = metrics.lines().find_map(|line| line.strip_prefix("albedo_connections_cut_total{listener=\"webhook\"} "));
    assert!(cut.is_some_and(|cut| cut.parse::<u32>().unwrap() >= 8), "{cut:?}");
    test_server.end().await;
}

#[tokio::test]
async fn a_second_request_has_no_more_time_than_the_first() {
    let short = Duration::from_millis(300);
    let test_server = TestServer::new(Limits { head: short, first_request: short, ..limits() }, by_name()).await;
    let mut stream = test_server.connect().await;
    assert_eq!(talk(&mut stream, &request(VALIDATE, &review("u", "x"), "keep-alive")).await.unwrap().0, 200);
    // Idle, it may stay.
    tokio::time::sleep(short * 2).await;
    let start = Instant::now();
    let (mut read, mut write) = tokio::io::split(stream);
    let drip = tokio::spawn(async move {
        while write.write_all(b"P").await.is_ok() && write.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(closed(&mut read).await < Duration::from_secs(2));
    assert!(start.elapsed() >= short, "{:?}", start.elapsed());
    drip.abort();
    // Who sends no review has no right to stay.
    let mut other = test_server.connect().await;
    other.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut other).await.unwrap().0, 404);
    assert!(closed(&mut other).await < Duration::from_secs(2));
    test_server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_bodies_keep_nobody_out() {
    let test_server = TestServer::new(limits(), by_name()).await;
    let mut large = review("u", "x");
    large.resize(2 << 20, b' ');
    let mut held = Vec::new();
    for _ in 0..33 {
        let mut stream = test_server.connect().await;
        let whole = request(VALIDATE, &large, "keep-alive");
        // Those that find no room are answered before they have sent all.
        let _ = tokio::time::timeout(Duration::from_millis(50), stream.write_all(&whole[..whole.len() - 5])).await;
        held.push(stream);
    }
    for body in [review("u", "x"), large] {
        let start = Instant::now();
        assert_eq!(test_server.post(VALIDATE, &body).await.0, 200);
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }
    test_server.end().await;
}

#[tokio::test]
async fn a_body_that_drips_is_cut() {
    let test_server = TestServer::new(Limits { body: Duration::from_secs(20), ..limits() }, by_name()).await;
    let mut stream = test_server.connect().await;
    let whole = request(VALIDATE, &review("u", "x"), "keep-alive");
    stream.write_all(&whole[..whole.len() - 5]).await.unwrap();
    let start = Instant::now();
    assert_eq!(answer(&mut stream).await.unwrap().0, 408);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    test_server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_request_that_has_begun_is_answered_at_the_end() {
    let test_server = TestServer::new(limits(), by_name()).await;
    let mut idle = test_server.connect().await;
    assert_eq!(talk(&mut idle, &request(VALIDATE, &review("u", "x"), "keep-alive")).await.unwrap().0, 200);
    let mut busy = test_server.connect().await;
    busy.write_all(&request(VALIDATE, &review("busy", "slow"), "keep-alive")).await.unwrap();
    // Its body is still under way when the end comes.
    let mut sending = test_server.connect().await;
    let whole = request(VALIDATE, &review("sending", "x"), "keep-alive");
    sending.write_all(&whole[..whole.len() - 5]).await.unwrap();
    // Connected, and nothing said yet.
    let mut fresh = test_server.connect().await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    let address = test_server.webhook();
    let client = Arc::clone(&test_server.client);
    let TestServer { handle, cancel, directory, .. } = test_server;
    cancel.cancel();
    let end = tokio::spawn(handle.join());
    assert!(closed(&mut idle).await < Duration::from_millis(400));
    let (head, body) = {
        fresh.write_all(&request(VALIDATE, &review("fresh", "x"), "keep-alive")).await.unwrap();
        whole_answer(&mut fresh).await.unwrap()
    };
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(response(&body)["uid"], "fresh");
    sending.write_all(&whole[whole.len() - 5..]).await.unwrap();
    let (head, body) = whole_answer(&mut sending).await.unwrap();
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(response(&body)["uid"], "sending");
    assert_eq!(response(&answer(&mut busy).await.unwrap().1)["uid"], "busy");
    tokio::time::timeout(PATIENCE, end).await.unwrap().unwrap().unwrap();
    assert!(connect(address, &client).await.is_err());
    drop(directory);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nothing_is_lost_while_the_listener_lingers() {
    let test_server = TestServer::new(Limits { linger: Duration::from_millis(600), ..limits() }, by_name()).await;
    let (address, client) = (test_server.webhook(), Arc::clone(&test_server.client));
    let stop = CancellationToken::new();
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (client, stop, answered) = (Arc::clone(&client), stop.clone(), Arc::clone(&answered));
        callers.spawn(async move {
            // As Go's client does: a connection is kept until an answer closes it.
            let mut kept: Option<TlsStream<TcpStream>> = None;
            while !stop.is_cancelled() {
                let mut stream = match kept.take() {
                    Some(stream) => stream,
                    None => connect(address, &client).await.unwrap(),
                };
                stream.write_all(&request(VALIDATE, &review("u", "x"), "keep-alive")).await.unwrap();
                let (head, _) = whole_answer(&mut stream).await.unwrap();
                assert!(head.starts_with("http/1.1 200"));
                answered.fetch_add(1, Ordering::Relaxed);
                if !head.contains("connection: close") {
                    kept = Some(stream);
                }
            }
        });
    }
    until("answered", || answered.load(Ordering::Relaxed) > 50).await;
    let probes = test_server.handle.bound().probes.unwrap();
    test_server.cancel.cancel();
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Unready at once, and still able to say so.
    assert_eq!(get(probes, "/readyz").await, (503, "not ready: webhook\n".to_owned()));
    let before = answered.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(answered.load(Ordering::Relaxed) > before);
    // By now the endpoints would have gone.
    stop.cancel();
    callers.join_all().await;
    test_server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_outlasts_the_drain_is_cut() {
    let limits = Limits { drain: Duration::from_millis(200), ..limits() };
    let test_server = TestServer::new(limits, by_name()).await;
    let mut stuck = test_server.connect().await;
    let whole = request(VALIDATE, &review("u", "x"), "keep-alive");
    stuck.write_all(&whole[..whole.len() - 5]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    test_server.end().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    closed(&mut stuck).await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let test_server = TestServer::new(limits(), by_name()).await;
    let mut config = config(test_server.directory.path(), limits());
    config.webhook.as_mut().unwrap().address = test_server.webhook();
    let registry = Arc::new(Mutex::default());
    let started = Serve::start(
        config,
        by_name(),
        Readiness::new(),
        Liveness::new(Duration::MAX),
        registry,
        CancellationToken::new(),
    )
    .await;
    assert!(matches!(started.unwrap_err(), Error::Bind { listener: "webhook", .. }));
    test_server.end().await;
}
