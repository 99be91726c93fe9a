//! The certificate changes under a stream of handshakes.

use std::collections::HashMap;
use std::os::unix::fs::symlink;

use super::*;

const ROTATIONS: usize = 20;

/// What came of the handshakes.
#[derive(Default)]
struct Tally {
    served: HashMap<Vec<u8>, usize>,
    failures: Vec<String>,
}

/// Shakes hands without a pause until `stop`, each time on a new connection, and asks one question on it.
async fn shake(address: SocketAddr, client: Arc<ClientConfig>, tally: Arc<Mutex<Tally>>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let outcome = async {
            let mut stream = connect(address, &client).await?;
            let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
            let (code, _) = talk(&mut stream, &request(VALIDATE, &review("u", "x"), "close")).await?;
            assert_eq!(code, 200);
            Ok::<_, io::Error>(leaf)
        };
        let outcome = outcome.await;
        let mut tally = tally.lock().unwrap();
        match outcome {
            Ok(leaf) => *tally.served.entry(leaf).or_default() += 1,
            Err(error) => tally.failures.push(error.to_string()),
        }
    }
}

/// Rotates with `put` and expects every pair to be served and no handshake to fail.
async fn rotate(directory: &TempDir, put: impl Fn(&Path, usize, &Pair)) {
    let authority = Authority::new();
    let mut pairs = vec![authority.pair()];
    put(directory.path(), 0, &pairs[0]);
    let (handle, cancel, readiness) = start(config(directory.path(), limits()), by_name()).await;
    until("ready", || readiness.missing().is_empty()).await;

    let tally = Arc::new(Mutex::new(Tally::default()));
    let stop = CancellationToken::new();
    let mut shaking = JoinSet::new();
    for _ in 0..4 {
        let (address, client) = (handle.bound().webhook.unwrap(), authority.client());
        shaking.spawn(shake(address, client, Arc::clone(&tally), stop.clone()));
    }
    let served = |pair: &Pair| tally.lock().unwrap().served.get(pair.der.as_ref()).copied().unwrap_or(0);
    until("served at first", || served(&pairs[0]) > 0).await;
    for round in 1..=ROTATIONS {
        let pair = authority.pair();
        put(directory.path(), round, &pair);
        until("served after a rotation", || served(&pair) > 20).await;
        pairs.push(pair);
    }
    stop.cancel();
    shaking.join_all().await;
    cancel.cancel();
    handle.join().await.unwrap();

    let tally = tally.lock().unwrap();
    assert_eq!(tally.failures, Vec::<String>::new());
    assert_eq!(tally.served.len(), ROTATIONS + 1);
    println!("{} handshakes over {ROTATIONS} rotations", tally.served.values().sum::<usize>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_written_in_place_are_taken_over_without_a_failed_handshake() {
    let directory = tempfile::tempdir().unwrap();
    // One after the other, with the half-rotated state held for longer than a look takes.
    rotate(&directory, |directory, _, pair| {
        fs::write(directory.join("tls.crt"), &pair.certificate).unwrap();
        std::thread::sleep(POLL * 3);
        fs::write(directory.join("tls.key"), &pair.key).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mounted_secret_is_taken_over_without_a_failed_handshake() {
    let directory = tempfile::tempdir().unwrap();
    rotate(&directory, |directory, round, pair| {
        // What the kubelet does: a new folder, and one rename of the link to it.
        let folder = format!("..2026_{round}");
        fs::create_dir(directory.join(&folder)).unwrap();
        put(&directory.join(&folder), pair);
        symlink(&folder, directory.join("..data_tmp")).unwrap();
        fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
        if round == 0 {
            symlink("..data/tls.crt", directory.join("tls.crt")).unwrap();
            symlink("..data/tls.key", directory.join("tls.key")).unwrap();
        } else {
            fs::remove_dir_all(directory.join(format!("..2026_{}", round - 1))).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_mismatched_pair_is_never_served() {
    let test_server = TestServer::new(limits(), by_name()).await;
    let served = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let first = served(&test_server.connect().await);
    let (other, third) = (test_server.authority.pair(), test_server.authority.pair());
    put(test_server.directory.path(), &Pair { key: third.key.clone(), ..other });
    let refused = "albedo_serving_certificate_refused_total 1";
    let start = Instant::now();
    while !test_server.metric(refused).await {
        assert!(start.elapsed() < PATIENCE);
    }
    assert_eq!(served(&test_server.connect().await), first);
    put(test_server.directory.path(), &third);
    let start = Instant::now();
    while served(&test_server.connect().await) != third.der {
        assert!(start.elapsed() < PATIENCE);
    }
    assert_eq!(test_server.post(VALIDATE, &review("u", "x")).await.0, 200);
    test_server.end().await;
}

#[tokio::test]
async fn webhooks_wait_for_the_first_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (handle, cancel, readiness) = start(config(directory.path(), limits()), by_name()).await;
    let bound = handle.bound();
    assert_eq!(get(bound.probes.unwrap(), "/readyz").await, (503, "not ready: webhook\n".to_owned()));
    assert_eq!(get(bound.probes.unwrap(), "/healthz").await.0, 200);
    // Refused at once, not left waiting.
    let start = Instant::now();
    assert!(connect(bound.webhook.unwrap(), &authority.client()).await.is_err());
    assert!(start.elapsed() < Duration::from_secs(2));

    put(directory.path(), &authority.pair());
    until("ready", || readiness.missing().is_empty()).await;
    assert_eq!(get(bound.probes.unwrap(), "/readyz").await, (200, "ok\n".to_owned()));
    let mut stream = connect(bound.webhook.unwrap(), &authority.client()).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    assert_eq!(talk(&mut stream, &request(VALIDATE, &review("u", "x"), "close")).await.unwrap().0, 200);
    cancel.cancel();
    handle.join().await.unwrap();
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    let test_server = TestServer::new(limits(), by_name()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(test_server.authority.roots())
            .with_no_client_auth();
        let mut stream = connect(test_server.webhook(), &Arc::new(client)).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        // Without ALPN, as well.
        assert_eq!(talk(&mut stream, &request(VALIDATE, &review("u", "x"), "close")).await.unwrap().0, 200);
    }
    test_server.end().await;
}

#[tokio::test]
async fn clients_show_a_certificate_when_they_are_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let clients = Authority::new();
    put(directory.path(), &authority.pair());
    let ca = directory.path().join("clients.pem");
    fs::write(&ca, clients.0.pem()).unwrap();
    let mut config = config(directory.path(), limits());
    config.webhook.as_mut().unwrap().source.client_ca = Some(ca.clone());
    let (handle, cancel, readiness) = start(config, by_name()).await;
    until("ready", || readiness.missing().is_empty()).await;
    let address = handle.bound().webhook.unwrap();
    let ask = async |client: Arc<ClientConfig>| {
        // Under TLS 1.3 a client learns that it was refused when it reads.
        let mut stream = connect(address, &client).await?;
        talk(&mut stream, &request(VALIDATE, &review("u", "x"), "close")).await
    };
    assert!(ask(authority.client()).await.is_err());
    assert!(ask(authority.client_with(&authority.pair())).await.is_err());
    assert_eq!(ask(authority.client_with(&clients.pair())).await.unwrap().0, 200);

    // The authority for clients is renewed like the certificate.
    let renewed = Authority::new();
    fs::write(&ca, renewed.0.pem()).unwrap();
    let start = Instant::now();
    while ask(authority.client_with(&renewed.pair())).await.is_err() {
        assert!(start.elapsed() < PATIENCE);
    }
    cancel.cancel();
    handle.join().await.unwrap();
}
