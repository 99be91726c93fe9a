//! How the AWS SDK reaches its endpoints: a private CA, a proxy, FIPS and dual-stack names, credentials of a process. In place of AWS there is a
//! TLS front with a certificate of a CA of its own, and the emulator behind it.

use std::sync::{Arc, Mutex, PoisonError};

use albedo_testenv::{Authority, Pair};
use anyhow::{Result, ensure};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::base::{ALBEDO, Base};
use crate::fixture::Fixture;

/// Where Shield answers, and so the names that the certificate has to have beside those of the region.
pub const REGION: &str = "us-east-1";

/// A TLS front, and a proxy that leads every CONNECT to it and remembers what was asked for.
struct Front {
    tls: u16,
    proxy: u16,
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

fn configuration(pair: &Pair) -> Result<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_no_client_auth().with_single_cert(chain, key)?)
}

impl Front {
    async fn open(pair: &Pair, emulator: &str) -> Result<Self> {
        let emulator = emulator.trim_start_matches("http://").to_owned();
        let acceptor = TlsAcceptor::from(Arc::new(configuration(pair)?));
        let (tls, proxy) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let (tls_port, proxy_port) = (tls.local_addr()?.port(), proxy.local_addr()?.port());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = tls.accept().await {
                let (acceptor, emulator) = (acceptor.clone(), emulator.clone());
                connections.spawn(async move {
                    let mut client = acceptor.accept(stream).await.ok()?;
                    let mut behind = TcpStream::connect(emulator).await.ok()?;
                    copy_bidirectional(&mut client, &mut behind).await.ok()
                });
            }
        });
        let heard = Arc::clone(&asked);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = proxy.accept().await {
                connections.spawn(tunnel(stream, tls_port, Arc::clone(&heard)));
            }
        });
        Ok(Self { tls: tls_port, proxy: proxy_port, asked, _tasks: tasks })
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// `CONNECT host:443 HTTP/1.1` and headers, then bytes.
async fn tunnel(mut client: TcpStream, to: u16, heard: Arc<Mutex<Vec<String>>>) -> Option<(u64, u64)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
        head.push(client.read_u8().await.ok()?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let host = text.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(host);
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    let mut front = TcpStream::connect(("127.0.0.1", to)).await.ok()?;
    copy_bidirectional(&mut client, &mut front).await.ok()
}

/// `albedo facts` with these variables and no others of AWS's; how it ended, what it said, and what it wrote.
pub async fn facts(fixture: &Fixture, env: &[(&str, String)]) -> Result<(bool, String, Value)> {
    let vpc = fixture.scope.emulator().world(REGION).await?.vpc_id;
    let file = fixture.write("facts.json", "{}")?;
    let mut command = Command::new(ALBEDO);
    command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default()).env("NO_PROXY", "");
    command.env("AWS_MAX_ATTEMPTS", "1").env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(env.iter().map(|(name, value)| (*name, value.as_str())));
    command.args(["facts", &format!("--aws-region={REGION}"), &format!("--aws-vpc-id={vpc}"), "--output"]).arg(&file);
    let out = command.output().await?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let wrote = serde_json::from_str(&std::fs::read_to_string(&file)?).unwrap_or_default();
    Ok((out.status.success(), said, wrote))
}

/// Each row: variables, and the names that AWS is asked under through the proxy (none: there is no proxy).
pub async fn endpoints_are_reached(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "tls").await?;
    let authority = Authority::new("private CA of a test")?;
    let names = ["127.0.0.1", "localhost", "*.us-east-1.amazonaws.com", "*.us-east-1.api.aws", "*.amazonaws.com"];
    let front = Front::open(&authority.server(&names)?, fixture.scope.emulator().endpoint()).await?;
    let ca = fixture.write("ca.pem", &authority.pem())?.to_string_lossy().into_owned();
    let process = fixture.write(
        "credentials.sh",
        "#!/bin/sh\necho '{\"Version\": 1, \"AccessKeyId\": \"of-a-process\", \"SecretAccessKey\": \"s\"}'\n",
    )?;
    let profile = format!("[default]\ncredential_process = /bin/sh {}\n", process.display());
    let profile = fixture.write("config", &profile)?.to_string_lossy().into_owned();
    let keys = || vec![("AWS_ACCESS_KEY_ID", "test".to_owned()), ("AWS_SECRET_ACCESS_KEY", "test".to_owned())];
    let url = ("AWS_ENDPOINT_URL", format!("https://127.0.0.1:{}", front.tls));
    let trust = ("SSL_CERT_FILE", ca);
    let proxy = ("HTTPS_PROXY", format!("http://127.0.0.1:{}", front.proxy));
    let on = |name| (name, "true".to_owned());
    let with = |more: &[(&'static str, String)]| [keys(), more.to_vec()].concat();
    let rows: [(&str, Vec<(&str, String)>, &[&str]); 6] = [
        ("a private CA", with(&[url.clone(), trust.clone()]), &[]),
        ("a proxy", with(&[trust.clone(), proxy.clone()]), &["ec2.us-east-1.amazonaws.com:443"]),
        (
            "an endpoint that needs no proxy",
            with(&[url.clone(), trust.clone(), proxy.clone(), ("NO_PROXY", "localhost,127.0.0.1".to_owned())]),
            &[],
        ),
        (
            "FIPS",
            with(&[trust.clone(), proxy.clone(), on("AWS_USE_FIPS_ENDPOINT")]),
            &["ec2-fips.us-east-1.amazonaws.com:443"],
        ),
        (
            "dual-stack",
            with(&[trust.clone(), proxy.clone(), on("AWS_USE_DUALSTACK_ENDPOINT")]),
            &["ec2.us-east-1.api.aws:443"],
        ),
        ("credentials of a process", vec![url.clone(), trust.clone(), ("AWS_CONFIG_FILE", profile)], &[]),
    ];
    for (what, env, expected) in rows {
        let (ended, said, wrote) = facts(&fixture, &env).await?;
        ensure!(ended, "{what}: {said}");
        ensure!(wrote["subnets"]["value"].as_array().is_some_and(|subnets| !subnets.is_empty()), "{what}: {said}");
        let asked = front.asked();
        for name in expected {
            ensure!(asked.iter().any(|one| one == name), "{what}: {name} is not among {asked:?}");
        }
        ensure!(expected.is_empty() == asked.is_empty(), "{what}: {asked:?}");
    }
    // The check is a check: without the CA nobody is believed.
    let (_, said, wrote) = facts(&fixture, &with(&[url])).await?;
    ensure!(wrote["subnets"].is_null(), "a certificate of an unknown CA was accepted");
    ensure!(said.contains("DescribeSubnets"), "{said}");
    let calls = fixture.scope.emulator().calls(REGION).await?;
    ensure!(calls.iter().any(|call| call.caller == "of-a-process"), "the process was not asked for credentials");
    fixture.close().await
}
