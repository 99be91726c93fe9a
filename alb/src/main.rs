//! `albedo-alb`: serves the load balancers of an endpoint, and prints where.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use albedo_alb::{Alb, Balancer, Config};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Serves the Application Load Balancers that an endpoint holds (the emulator of Albedo, moto, `LocalStack`) on loopback
/// addresses. Only loopback is ever dialled: a target 10.a.b.c is asked at 127.a.b.c.
#[derive(Debug, Parser)]
#[command(name = "albedo-alb", version)]
struct Arguments {
    /// What answers AWS calls.
    #[arg(long, env = "AWS_ENDPOINT_URL")]
    endpoint: String,
    /// Regions to serve, separated by commas.
    #[arg(long, env = "AWS_REGION", value_delimiter = ',', default_value = "us-east-1")]
    region: Vec<String>,
    /// Where the certificate of the test authority is written, which signs those of HTTPS listeners.
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// Says in the header `x-albedo-rule` of each answer which rule it comes from.
    #[arg(long)]
    tell_rule: bool,
    /// Where an identity provider is: `idp.example.com=127.0.0.1:8443`; may be given more than once.
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = host)]
    host: Vec<(String, SocketAddr)>,
    /// The access key id that calls are signed with.
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "albedo-alb")]
    access_key_id: String,
    /// Its secret.
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", default_value = "albedo-alb", hide_env_values = true)]
    secret_access_key: String,
}

fn host(text: &str) -> Result<(String, SocketAddr), String> {
    let (name, address) = text.split_once('=').ok_or("no `=` in it")?;
    let address: SocketAddr = address.parse().map_err(|_| format!("{address} is no address with a port"))?;
    if !address.ip().is_loopback() {
        return Err(format!("{address} is not on loopback"));
    }
    Ok((name.to_owned(), address))
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("albedo_alb=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let mut config = Config::new(arguments.endpoint, arguments.region);
    config.access_key = (arguments.access_key_id, arguments.secret_access_key);
    config.authority = arguments.authority;
    config.tells_rule = arguments.tell_rule;
    config.hosts = arguments.host.into_iter().collect();
    let alb = match Alb::start(config).await {
        Ok(alb) => alb,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    tokio::select! {
        () = shown(&alb) => {}
        ended = tokio::signal::ctrl_c() => {
            if let Err(error) = ended {
                tracing::error!(%error, "cannot wait for the end");
            }
        }
    }
    alb.stop().await;
    ExitCode::SUCCESS
}

/// Prints the table at each change, for ever.
async fn shown(alb: &Alb) {
    let mut before = Vec::new();
    loop {
        let now = alb.balancers();
        if now != before {
            print(&now);
            before = now;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[expect(clippy::print_stdout, reason = "the table is what the command is run for")]
fn print(balancers: &[Balancer]) {
    println!("load balancers: {}", balancers.len());
    for one in balancers {
        let ports = one.ports.iter().map(|(port, at)| match at.port() {
            same if same == *port => port.to_string(),
            other => format!("{port} (at {other})"),
        });
        println!("{}, {} → {} {}", one.name, one.dns_name, one.address, ports.collect::<Vec<_>>().join(", "));
    }
}
