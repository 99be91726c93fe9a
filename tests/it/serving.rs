//! The load balancers of a test's region at work on loopback, and requests to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use albedo_alb::{Alb, Balancer, Config};
use albedo_testenv::{Asked, Connector, Load, NodePorts, trusting};
use anyhow::{Context as _, Result};

use crate::fixture::Fixture;

/// Requests a second.
const RATE: u32 = 200;
/// What a second of the load balancer's settings takes: checks of health come sooner.
const SECOND: Duration = Duration::from_millis(200);

/// What serves; dropped, it ends.
pub struct Serving {
    alb: Alb,
    connector: Connector,
    _node_ports: NodePorts,
}

impl Serving {
    /// Serves the region of a fixture, and the node ports of its namespace.
    pub async fn open(fixture: &Fixture) -> Result<Self> {
        let scope = &fixture.scope;
        let config = Config::new(scope.emulator().endpoint(), [&scope.region]);
        let alb = Alb::start(Config { second: SECOND, ..config }).await?;
        let connector = trusting(&alb.authority().pem())?;
        let node_ports = NodePorts::open(&scope.client(), &scope.namespace);
        Ok(Self { alb, connector, _node_ports: node_ports })
    }

    /// The load balancer of a name.
    pub fn named(&self, name: &str) -> Result<Balancer> {
        let served = self.alb.balancers().into_iter().find(|one| one.name == name);
        served.with_context(|| format!("{name} is not served"))
    }

    /// Where a DNS name's listener on a port is served.
    pub fn at(&self, dns_name: &str, port: u16) -> Option<SocketAddr> {
        self.alb.at(dns_name, port)
    }

    /// Sends one request of each kind, and insists on right answers.
    pub async fn check(&self, asked: &[Asked]) -> Result<()> {
        for one in asked {
            one.check(&self.connector).await?;
        }
        Ok(())
    }

    /// Begins with requests, for at most so long.
    pub fn load(&self, asked: Vec<Asked>, at_most: Duration) -> Load {
        Load::begin(asked, RATE, at_most, Arc::clone(&self.connector))
    }

    pub async fn stop(self) {
        self.alb.stop().await;
    }
}
