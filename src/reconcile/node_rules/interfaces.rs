//! Network interfaces behind targets: where each is looked for, and what was found lately.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures::FutureExt as _;

use super::BELIEVED;
use crate::cloud::{Cloud, CloudError, InterfaceFact};

/// What was looked for in vain is not looked for again before this, the double after the next time, and so on: a pass may come with
/// every change of a pod.
const IN_VAIN: Duration = Duration::from_secs(2);
/// The longest that it is not looked for.
const IN_VAIN_MOST: Duration = Duration::from_mins(4);

/// Where a target's network interface is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Nowhere: a hybrid node's pod is outside AWS.
    Outside,
    /// The first interface of this instance.
    Instance(String),
    /// This interface, which is the pod's own.
    Branch(String),
    /// The interface with this address: one of the node's, or, where the node is no instance of the account (as with Fargate), any of the VPC.
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
    /// Interfaces that are looked for one by one.
    single: BTreeMap<Place, Read<InterfaceFact>>,
    /// Places without an interface.
    missed: BTreeMap<Place, Missed>,
}

/// A place that was looked for in vain.
#[derive(Debug, Clone, Copy)]
struct Missed {
    /// When that was last.
    at: Instant,
    /// How often, one after the other.
    times: u32,
}

impl Missed {
    fn is_due(self, now: Instant) -> bool {
        let pause = IN_VAIN.saturating_mul(2_u32.saturating_pow(self.times.saturating_sub(1))).min(IN_VAIN_MOST);
        now.duration_since(self.at) >= pause
    }
}

#[derive(Debug)]
struct Read<T> {
    at: Instant,
    is: T,
}

impl Interfaces {
    /// Reads what is not known of these places, and forgets all others.
    ///
    /// Instances are read whole, so that calls grow with nodes and not with pods. An instance is read again when one of its pods has an address
    /// that is not known: its interfaces, and their addresses, come and go.
    pub(super) async fn learn(&mut self, cloud: &Cloud, places: &BTreeSet<&Place>) -> Result<(), CloudError> {
        let now = Instant::now();
        self.forget(places, now);
        let due = self.due(places, now);
        if due.is_empty() {
            return Ok(());
        }
        let (mut instances, mut ids, mut addresses) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for place in due {
            match place {
                Place::Instance(id) | Place::Address { instance: Some(id), .. } => instances.insert(id.clone()),
                Place::Address { address, instance: None, .. } => addresses.insert(address.clone()),
                Place::Branch(id) => ids.insert(id.clone()),
                Place::Outside => false,
            };
        }
        self.read_instances(cloud, instances.into_iter().collect(), now).await?;
        let mut facts = cloud.interfaces_by_id(&Vec::from_iter(ids)).boxed().await?;
        facts.extend(cloud.interfaces_by_address(&Vec::from_iter(addresses)).boxed().await?);
        self.keep_single(places, &facts, now);
        self.note_missed(places, now);
        Ok(())
    }

    /// Keeps the interfaces of places that are looked for one by one.
    fn keep_single(&mut self, places: &BTreeSet<&Place>, facts: &[InterfaceFact], now: Instant) {
        let by_id: BTreeMap<&str, &InterfaceFact> = facts.iter().map(|fact| (fact.id.as_str(), fact)).collect();
        let by_address: BTreeMap<IpAddr, &InterfaceFact> = facts
            .iter()
            .flat_map(|fact| fact.addresses.iter().filter_map(move |one| Some((one.parse().ok()?, fact))))
            .collect();
        for place in places.iter().copied() {
            let fact = match place {
                Place::Branch(id) => by_id.get(id.as_str()).copied(),
                Place::Address { address, instance: None, .. } => address.parse().ok().and_then(|address: IpAddr| {
                    by_address.get(&address).copied().or_else(|| facts.iter().find(|fact| has(fact, address)))
                }),
                Place::Address { .. } | Place::Instance(_) | Place::Outside => None,
            };
            if let Some(fact) = fact {
                self.single.insert(place.clone(), Read { at: now, is: fact.clone() });
            }
        }
    }

    /// Notes what was looked for now and is still not known: what is on an instance that was read, and what was due.
    fn note_missed(&mut self, places: &BTreeSet<&Place>, now: Instant) {
        for place in places.iter().copied() {
            let was_read = instance(place).is_none_or(|id| self.instances.get(id).is_some_and(|read| read.at == now));
            let missed = self.missed.get(place).copied();
            if *place == Place::Outside || self.of(place).is_some() {
                self.missed.remove(place);
            } else if was_read && missed.is_none_or(|missed| missed.is_due(now)) {
                let times = missed.map_or(0, |missed| missed.times).saturating_add(1);
                self.missed.insert(place.clone(), Missed { at: now, times });
            }
        }
    }

    /// The interface of a place.
    pub(super) fn of(&self, place: &Place) -> Option<&InterfaceFact> {
        let of_instance = |id: &String| self.instances.get(id).into_iter().flat_map(|read| &read.is);
        let single = || self.single.get(place).map(|read| &read.is);
        match place {
            Place::Outside => None,
            Place::Instance(id) => of_instance(id).find(|fact| fact.primary),
            Place::Branch(_) => single(),
            Place::Address { address, instance: Some(id), .. } => {
                let address = address.parse().ok()?;
                of_instance(id).find(|fact| has(fact, address))
            }
            Place::Address { instance: None, .. } => single(),
        }
    }

    /// Places whose interface is not known, and for which it is time to look.
    fn due<'p>(&self, places: &BTreeSet<&'p Place>, now: Instant) -> Vec<&'p Place> {
        let is_due = |place: &&'p Place| {
            **place != Place::Outside
                && self.of(place).is_none()
                && self.missed.get(place).is_none_or(|missed| missed.is_due(now))
        };
        places.iter().copied().filter(is_due).collect()
    }

    /// Only what is asked for and young stays, so that memory is bounded by the cluster's size.
    fn forget(&mut self, places: &BTreeSet<&Place>, now: Instant) {
        let instances: BTreeSet<&String> = places.iter().copied().filter_map(instance).collect();
        let is_young = |at: Instant| now.duration_since(at) < BELIEVED;
        self.instances.retain(|id, read| instances.contains(id) && is_young(read.at));
        self.single.retain(|place, read| places.contains(place) && is_young(read.at));
        self.missed.retain(|place, _| places.contains(place));
    }

    /// Reads instances; one that is not there has no interfaces.
    async fn read_instances(&mut self, cloud: &Cloud, ids: Vec<String>, at: Instant) -> Result<(), CloudError> {
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

/// Whether an interface has an address, or the block that it is from. AWS and Kubernetes may write an IPv6 address
/// differently.
fn has(fact: &InterfaceFact, address: IpAddr) -> bool {
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
                (Place::Branch("eni-b".to_owned()), Read { at, is: fact("eni-b", false, &[], &[]) }),
                (address("10.0.9.9", None), Read { at, is: fact("eni-f", false, &["10.0.9.9"], &[]) }),
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
            (address("10.0.9.9", node), None),
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
        let (instance, branch) = (Place::Instance("i-1".to_owned()), Place::Branch("eni-x".to_owned()));
        let places = BTreeSet::from([&instance, &branch]);
        let mut interfaces = known(began);
        interfaces.missed.insert(Place::Branch("eni-x".to_owned()), Missed { at: began, times: 1 });
        interfaces.missed.insert(Place::Branch("eni-y".to_owned()), Missed { at: began, times: 1 });
        interfaces.forget(&places, began);
        assert_eq!((interfaces.instances.len(), interfaces.single.len(), interfaces.missed.len()), (1, 0, 1));
        interfaces.forget(&places, began + BELIEVED);
        assert_eq!(interfaces.instances.len(), 0);
    }

    #[test]
    fn what_is_looked_for_in_vain_is_looked_for_less_and_less() {
        let began = Instant::now();
        let ghost = address("10.0.0.99", Some("i-1"));
        let places = BTreeSet::from([&ghost]);
        let mut interfaces = known(began);
        let (mut looks, mut gaps) = (Vec::new(), Vec::new());
        for second in 0..3600 {
            let now = began + Duration::from_secs(second);
            if !interfaces.due(&places, now).is_empty() {
                gaps.extend(looks.last().map(|last| second - last));
                looks.push(second);
                interfaces.instances.insert("i-1".to_owned(), Read { at: now, is: Vec::new() });
                interfaces.note_missed(&places, now);
            }
        }
        assert_eq!(gaps[..8], [2, 4, 8, 16, 32, 64, 128, 240]);
        assert_eq!(looks.len(), 21, "in an hour");
        let fact = fact("eni-1", true, &["10.0.0.99"], &[]);
        interfaces.instances.insert("i-1".to_owned(), Read { at: began, is: vec![fact] });
        interfaces.note_missed(&places, began);
        assert!(interfaces.missed.is_empty(), "it is known now");
    }

    #[test]
    fn a_new_address_does_not_wait_for_an_old_one() {
        let began = Instant::now();
        let (old, new) = (address("10.0.0.99", Some("i-1")), address("10.0.0.98", Some("i-1")));
        let mut interfaces = known(began);
        interfaces.missed.insert(old.clone(), Missed { at: began, times: 7 });
        let both = BTreeSet::from([&old, &new]);
        assert_eq!(interfaces.due(&both, began), [&new]);
        interfaces.instances.insert("i-1".to_owned(), Read { at: began, is: Vec::new() });
        interfaces.note_missed(&both, began);
        assert_eq!((interfaces.missed[&old].times, interfaces.missed[&new].times), (7, 1));
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
