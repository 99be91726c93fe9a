//! Network interfaces behind targets: where each is looked for, and what was found lately.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures::FutureExt as _;

use super::BELIEVED;
use crate::cloud::{Cloud, CloudError, InterfaceFact};

/// What was looked for in vain is not looked for again before this: a pass may come with every change of a pod.
const IN_VAIN: Duration = Duration::from_secs(2);

/// Where a target's network interface is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Nowhere: a hybrid node's pod is outside AWS.
    Outside,
    /// The first interface of this instance.
    Instance(String),
    /// This interface, which is the pod's own.
    Branch(String),
    /// The interface with this address: one of the node's, or one that Fargate made.
    Address {
        /// The address.
        address: String,
        /// Which pod has it.
        pod: String,
        /// Its node's instance, if that is one.
        instance: Option<String>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("outside AWS"),
            Self::Instance(id) | Self::Branch(id) | Self::Address { address: id, .. } => f.write_str(id),
        }
    }
}

/// What is known of interfaces: no more than the last pass asked for.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    /// All interfaces by instance.
    instances: BTreeMap<String, Read<Vec<InterfaceFact>>>,
    /// Interfaces by id, or by pod and address, as [`name`] has them.
    single: BTreeMap<String, Read<InterfaceFact>>,
    /// Places without an interface.
    missed: BTreeMap<Place, Instant>,
}

#[derive(Debug)]
struct Read<T> {
    at: Instant,
    is: T,
}

impl Interfaces {
    /// Reads what is not known of these places, and forgets all others.
    pub(super) async fn learn(&mut self, cloud: &Cloud, places: &BTreeSet<Place>) -> Result<(), CloudError> {
        let began = Instant::now();
        self.forget(places, began);
        let wanted: BTreeSet<&String> = places.iter().filter_map(instance).collect();
        let unread = wanted.into_iter().filter(|id| !self.instances.contains_key(*id)).cloned().collect();
        self.read_instances(cloud, unread, began).await?;
        // An interface that a node got since, and its new addresses, are not in what was read earlier.
        let stale = self.absent(places).filter_map(instance).collect::<BTreeSet<_>>().into_iter();
        let stale = stale.filter(|id| self.instances.get(*id).is_none_or(|read| read.at < began)).cloned().collect();
        self.read_instances(cloud, stale, began).await?;
        let (mut ids, mut addresses) = (Vec::new(), Vec::new());
        for place in self.absent(places) {
            match place {
                Place::Branch(id) => ids.push(id.clone()),
                Place::Address { address, .. } => addresses.push(address.clone()),
                Place::Instance(_) | Place::Outside => {}
            }
        }
        let mut facts = Vec::new();
        if !ids.is_empty() {
            facts.extend(cloud.interfaces_by_id(&ids).boxed().await?);
        }
        if !addresses.is_empty() {
            facts.extend(cloud.interfaces_by_address(&addresses).boxed().await?);
        }
        let absent: Vec<Place> = self.absent(places).cloned().collect();
        for place in absent {
            let is = |fact: &&InterfaceFact| match &place {
                Place::Branch(id) => fact.id == *id,
                Place::Address { address, .. } => has(fact, address),
                Place::Instance(_) | Place::Outside => false,
            };
            match facts.iter().find(is) {
                Some(fact) => {
                    self.single.insert(name(&place), Read { at: began, is: fact.clone() });
                }
                None => {
                    self.missed.insert(place, began);
                }
            }
        }
        Ok(())
    }

    /// The interface of a place.
    pub(super) fn of(&self, place: &Place) -> Option<&InterfaceFact> {
        let of_instance = |id: &String| self.instances.get(id).into_iter().flat_map(|read| &read.is);
        let single = || self.single.get(&name(place)).map(|read| &read.is);
        match place {
            Place::Outside => None,
            Place::Instance(id) => of_instance(id).find(|fact| fact.primary),
            Place::Branch(_) => single(),
            Place::Address { address, instance, .. } => {
                let mut all = instance.iter().flat_map(of_instance);
                all.find(|fact| has(fact, address)).or_else(single)
            }
        }
    }

    /// Places whose interface is not known and has not just been looked for.
    fn absent<'p>(&self, places: &'p BTreeSet<Place>) -> impl Iterator<Item = &'p Place> {
        let is_absent =
            |place: &&Place| **place != Place::Outside && self.of(place).is_none() && !self.missed.contains_key(*place);
        places.iter().filter(is_absent).collect::<Vec<_>>().into_iter()
    }

    /// Only what is asked for and young stays, so that memory is bounded by the cluster's size.
    fn forget(&mut self, places: &BTreeSet<Place>, now: Instant) {
        let instances: BTreeSet<&String> = places.iter().filter_map(instance).collect();
        let names: BTreeSet<String> = places.iter().map(name).collect();
        let young = |at: Instant, age: Duration| now.duration_since(at) < age;
        self.instances.retain(|id, read| instances.contains(id) && young(read.at, BELIEVED));
        self.single.retain(|name, read| names.contains(name) && young(read.at, BELIEVED));
        self.missed.retain(|place, at| places.contains(place) && young(*at, IN_VAIN));
    }

    /// Reads instances; one that is not there has no interfaces.
    async fn read_instances(&mut self, cloud: &Cloud, ids: Vec<String>, at: Instant) -> Result<(), CloudError> {
        if ids.is_empty() {
            return Ok(());
        }
        let facts = cloud.node_interfaces(&ids).boxed().await?;
        self.instances.extend(ids.into_iter().map(|id| (id, Read { at, is: Vec::new() })));
        for fact in facts {
            let read = fact.instance_id.as_ref().and_then(|id| self.instances.get_mut(id));
            if let Some(read) = read {
                read.is.push(fact);
            }
        }
        Ok(())
    }
}

/// The id of the interface that the VPC's resource controller gave a pod, from the pod's annotation.
pub(super) fn branch(annotation: &str) -> Option<String> {
    let interfaces: serde_json::Value = serde_json::from_str(annotation).ok()?;
    interfaces.get(0)?.get("eniId")?.as_str().map(str::to_owned)
}

fn instance(place: &Place) -> Option<&String> {
    match place {
        Place::Instance(id) => Some(id),
        Place::Address { instance, .. } => instance.as_ref(),
        Place::Branch(_) | Place::Outside => None,
    }
}

fn name(place: &Place) -> String {
    match place {
        Place::Outside => String::new(),
        Place::Instance(id) | Place::Branch(id) => id.clone(),
        Place::Address { address, pod, .. } => format!("{pod} {address}"),
    }
}

/// Whether an interface has an address, or the block that it is from. AWS and Kubernetes may write an IPv6 address
/// differently.
fn has(fact: &InterfaceFact, address: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    fact.addresses.iter().any(|one| one.parse() == Ok(address))
        || fact.prefixes.iter().any(|block| covers(block, address))
}

fn covers(block: &str, address: IpAddr) -> bool {
    let Some((base, length)) = block.split_once('/') else { return false };
    let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            let differs = base.to_bits() ^ address.to_bits();
            length <= u32::BITS && differs.checked_shr(u32::BITS - length).unwrap_or(0) == 0
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            let differs = base.to_bits() ^ address.to_bits();
            length <= u128::BITS && differs.checked_shr(u128::BITS - length).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(id: &str, primary: bool, addresses: &[&str], prefixes: &[&str]) -> InterfaceFact {
        InterfaceFact {
            id: id.to_owned(),
            instance_id: Some("i-1".to_owned()),
            primary,
            vpc_id: "vpc-1".to_owned(),
            security_groups: vec!["sg-n".to_owned()],
            addresses: addresses.iter().map(|one| (*one).to_owned()).collect(),
            prefixes: prefixes.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    fn address(address: &str, instance: Option<&str>) -> Place {
        Place::Address { address: address.to_owned(), pod: "ns/a@1".to_owned(), instance: instance.map(str::to_owned) }
    }

    fn known(at: Instant) -> Interfaces {
        let of_node = vec![
            fact("eni-2", false, &["10.0.0.9", "2001:db8:0::9"], &["10.0.1.16/28", "2001:db8:1::/80"]),
            fact("eni-1", true, &["10.0.0.4"], &[]),
        ];
        Interfaces {
            instances: BTreeMap::from([("i-1".to_owned(), Read { at, is: of_node })]),
            single: BTreeMap::from([
                ("eni-b".to_owned(), Read { at, is: fact("eni-b", false, &[], &[]) }),
                ("ns/a@1 10.0.9.9".to_owned(), Read { at, is: fact("eni-f", false, &["10.0.9.9"], &[]) }),
            ]),
            missed: BTreeMap::new(),
        }
    }

    #[test]
    fn each_place_has_its_interface() {
        let known = known(Instant::now());
        let node = Some("i-1");
        let rows = [
            (Place::Instance("i-1".to_owned()), Some("eni-1")),
            (Place::Instance("i-2".to_owned()), None),
            (Place::Branch("eni-b".to_owned()), Some("eni-b")),
            (Place::Outside, None),
            (address("10.0.0.4", node), Some("eni-1")),
            (address("10.0.0.9", node), Some("eni-2")),
            (address("10.0.1.31", node), Some("eni-2")),
            (address("10.0.1.32", node), None),
            (address("2001:db8::9", node), Some("eni-2")),
            (address("2001:db8:1::77", node), Some("eni-2")),
            (address("10.0.9.9", node), Some("eni-f")),
            (address("10.0.9.9", None), Some("eni-f")),
            (address("10.0.0.4", None), None),
            (address("what", node), None),
        ];
        for (place, expected) in rows {
            assert_eq!(known.of(&place).map(|fact| fact.id.as_str()), expected, "{place:?}");
        }
    }

    #[test]
    fn what_is_not_asked_for_or_old_is_forgotten() {
        let began = Instant::now();
        let places = BTreeSet::from([Place::Instance("i-1".to_owned()), Place::Branch("eni-x".to_owned())]);
        let mut interfaces = known(began);
        interfaces.missed.insert(Place::Branch("eni-x".to_owned()), began);
        interfaces.forget(&places, began);
        assert_eq!((interfaces.instances.len(), interfaces.single.len(), interfaces.missed.len()), (1, 0, 1));
        assert_eq!(interfaces.absent(&places).count(), 0, "it was just looked for");
        interfaces.forget(&places, began + IN_VAIN);
        assert_eq!(interfaces.absent(&places).count(), 1);
        interfaces.forget(&places, began + BELIEVED);
        assert_eq!(interfaces.instances.len(), 0);
    }

    #[test]
    fn the_interface_of_a_pod_of_its_own() {
        let annotation =
            r#"[{"eniId":"eni-b","ifAddress":"02:0a","privateIp":"10.0.0.7","vlanId":1,"subnetCidr":"10.0.0.0/24"}]"#;
        assert_eq!(branch(annotation).as_deref(), Some("eni-b"));
        assert_eq!(branch("[]"), None);
        assert_eq!(branch("eni-b"), None);
    }

    #[test]
    fn blocks() {
        let covers = |block, address: &str| covers(block, address.parse().unwrap());
        assert!(covers("0.0.0.0/0", "10.0.0.1") && covers("10.0.0.1/32", "10.0.0.1") && covers("::/0", "::1"));
        assert!(
            !covers("10.0.0.1/32", "10.0.0.2") && !covers("10.0.0.0/33", "10.0.0.0") && !covers("10.0.0.0", "10.0.0.0")
        );
        assert!(!covers("0.0.0.0/0", "::1") && !covers("what/8", "10.0.0.1"));
    }
}
