//! The load balancers of a region at work: who listens where, and what they share.

mod answer;
mod errors;
mod forward;
mod headers;
mod pick;
mod port;
mod tunnel;
mod watched;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use albedo_engine::stack::Protocol;
use tokio::sync::watch;

use crate::address::candidates;
use crate::authority::Authority;
use crate::backend::Backends;
use crate::gate::Keys;
use crate::served::Served;
use crate::snapshot::{Balancer, Snapshot};
pub(crate) use answer::Asked;
pub(crate) use errors::{AWSELB, Trouble};
pub(crate) use pick::{Dice, arn};
pub(crate) use port::Front;
use port::Open;

/// What a region's load balancers share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) region: String,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) backends: Backends,
    pub(crate) served: Arc<Served>,
    pub(crate) dice: Dice,
    /// How long a second of AWS's settings is.
    pub(crate) second: Duration,
    /// Whether answers carry which rule and which target group they come from.
    pub(crate) tells_rule: bool,
    /// Signs the certificates of HTTPS listeners.
    pub(crate) authority: Arc<Authority>,
    /// Key sets of issuers of tokens.
    pub(crate) keys: Keys,
    pub(crate) places: Mutex<BTreeMap<String, Place>>,
}

/// A load balancer that serves.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) dns_name: String,
    pub(crate) address: IpAddr,
    open: BTreeMap<u16, Open>,
}

impl Place {
    /// Listeners' ports and where each is served.
    pub(crate) fn ports(&self) -> Vec<(u16, SocketAddr)> {
        self.open.iter().map(|(port, open)| (*port, open.at)).collect()
    }
}

impl Site {
    /// Opens and closes ports as a snapshot has it, then serves by it.
    pub(crate) async fn follow(self: &Arc<Self>, snapshot: Arc<Snapshot>) {
        self.backends.follow(&snapshot);
        // Ports that go are closed while the old snapshot knows them, so that no connection comes to a listener that is gone. Those that stay are
        // served by the new snapshot before new ones are opened, and never by none.
        self.places().retain(|arn, place| {
            let balancer = snapshot.balancers.get(arn).filter(|balancer| balancer.is_active());
            let stays = |port: &u16, open: &mut Open| {
                balancer
                    .and_then(|balancer| balancer.listeners.get(port))
                    .is_some_and(|is| is.protocol == open.protocol)
            };
            place.open.retain(stays);
            balancer.is_some()
        });
        self.snapshot.send_replace(snapshot.clone());
        for (arn, balancer) in snapshot.balancers.iter().filter(|(_, balancer)| balancer.is_active()) {
            // Without an open port any address will do: somebody else may have taken the ports of the one that it had.
            let address = self.places().get(arn).filter(|place| !place.open.is_empty()).map(|place| place.address);
            match address {
                Some(address) => self.open_more(arn, address, balancer).await,
                None => {
                    if let Some(place) = self.settle(arn, balancer).await {
                        self.places().insert(arn.clone(), place);
                    }
                }
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<String, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the ports of a load balancer that are not open yet.
    async fn open_more(self: &Arc<Self>, arn: &str, address: IpAddr, balancer: &Balancer) {
        for listener in balancer.listeners.values() {
            let is_open = self.places().get(arn).is_none_or(|place| place.open.contains_key(&listener.port));
            if is_open {
                continue;
            }
            match Open::bind(self.clone(), arn, address, listener.port, listener.protocol).await {
                Ok(open) => {
                    if let Some(place) = self.places().get_mut(arn) {
                        place.open.insert(listener.port, open);
                    }
                }
                Err(error) => {
                    tracing::warn!(name = balancer.is.name, %address, port = listener.port, %error, "cannot listen");
                }
            }
        }
    }

    /// The first address on which all ports of a load balancer are free.
    async fn settle(self: &Arc<Self>, arn: &str, balancer: &Balancer) -> Option<Place> {
        let (name, dns_name) = (balancer.is.name.clone(), balancer.dns_name.clone());
        let others = |(other, place): (&String, &Place)| (other != arn).then_some(place.address);
        let taken: Vec<IpAddr> = self.places().iter().filter_map(others).collect();
        for address in candidates(arn).filter(|address| !taken.contains(address)) {
            let mut open = BTreeMap::new();
            for listener in balancer.listeners.values() {
                match Open::bind(self.clone(), arn, address, listener.port, listener.protocol).await {
                    Ok(one) => drop(open.insert(listener.port, one)),
                    Err(error) => {
                        tracing::debug!(%address, port = listener.port, %error, "another address is tried");
                        break;
                    }
                }
            }
            if open.len() == balancer.listeners.len() {
                return Some(Place { name, dns_name, address, open });
            }
        }
        tracing::warn!(name, "no loopback address has the ports of this load balancer free");
        None
    }

    /// Whether a load balancer of this name serves all of its listeners as of a version.
    pub(crate) fn serves(&self, name: &str, version: u64) -> bool {
        let snapshot = self.snapshot.borrow().clone();
        let places = self.places();
        snapshot.version >= version
            && snapshot.balancers.iter().any(|(arn, balancer)| {
                balancer.is.name == name
                    && places.get(arn).is_some_and(|place| place.open.keys().eq(balancer.listeners.keys()))
            })
    }

    /// Stops listening; running requests are cut.
    pub(crate) fn close(&self) {
        self.places().clear();
    }
}

/// Whether connections of a listener are over TLS.
pub(crate) fn is_secure(protocol: Protocol) -> bool {
    protocol == Protocol::Https
}
