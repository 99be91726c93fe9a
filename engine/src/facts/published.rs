//! Facts as a replica that reads AWS publishes them for replicas that do not: what admission needs as one canonical text, and the times beside it.
//!
//! Facts that have not changed make the same text, so they need not be stored again when they are read again. A kind that is left out is one that was never read, of
//! which no finding is derived.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::Error as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{FREE_ADDRESSES, Facts};

/// The form of the text. A replica that knows another one keeps the facts that it has. A kind or a member that is added needs no other number, because unknown ones
/// are ignored.
pub const FORM: u32 = 1;

/// What is left out, one after another, of facts that are too large to be published; what the fewest reviews need comes first.
const LEFT_OUT_FIRST: &[fn(&mut Facts)] = &[
    |facts| facts.target_groups = None,
    |facts| facts.target_group_names = None,
    |facts| facts.security_groups = None,
    |facts| facts.certificates = None,
    |facts| facts.subnets = None,
];

/// Published facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Everything but the times, as JSON.
    pub content: String,
    /// When each kind was read, by its name in the content.
    pub read_at: BTreeMap<String, String>,
}

impl Published {
    /// What admission needs of the facts, without the kinds that are left out first, as many as this number says. `None`: so many cannot be left out.
    ///
    /// # Errors
    /// If they have no JSON form.
    pub fn of(facts: &Facts, left_out: usize) -> Result<Option<Self>, serde_json::Error> {
        let Some(left_out) = LEFT_OUT_FIRST.get(..left_out) else { return Ok(None) };
        let mut facts = needed(facts.clone());
        for leave_out in left_out {
            leave_out(&mut facts);
        }
        let Value::Object(members) = serde_json::to_value(&facts)? else { return Ok(None) };
        let (mut content, mut read_at) = (Map::new(), BTreeMap::new());
        for (name, mut member) in members {
            let time =
                member.as_object_mut().and_then(|member| Some((member.remove("read_at")?, member.remove("value")?)));
            match time {
                Some((Value::String(time), value)) => {
                    read_at.insert(name.clone(), time);
                    content.insert(name, value);
                }
                _ if member.is_null() => {}
                _ => drop(content.insert(name, member)),
            }
        }
        Ok(Some(Self { content: serde_json::to_string(&content)?, read_at }))
    }

    /// The facts. A time after `now` is of another clock and becomes `now`: facts that never grow old would refuse for ever.
    ///
    /// # Errors
    /// If the content has another form, or a kind has no time.
    pub fn facts(&self, now: Timestamp) -> Result<Facts, serde_json::Error> {
        let mut members: Map<String, Value> = serde_json::from_str(&self.content)?;
        for (name, time) in &self.read_at {
            let time: Timestamp =
                time.parse().map_err(|error| serde_json::Error::custom(format!("{name}: {error}")))?;
            if let Some(member) = members.get_mut(name) {
                *member = json!({"value": member.take(), "read_at": time.min(now)});
            }
        }
        serde_json::from_value(Value::Object(members))
    }

    /// The name of the content: equal for equal content alone.
    #[must_use]
    pub fn digest(&self) -> String {
        Sha256::digest(&self.content).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What admission reads, in one order and without what changes all the time and decides nothing.
fn needed(mut facts: Facts) -> Facts {
    facts.vpc_cidrs = None;
    for subnet in facts.subnets.iter_mut().flat_map(|known| &mut known.value) {
        subnet.free_addresses = subnet.free_addresses.min(FREE_ADDRESSES);
    }
    for group in facts.security_groups.iter_mut().flat_map(|known| &mut known.value) {
        group.tags.retain(|key, _| key == "Name");
    }
    if let Some(known) = &mut facts.subnets {
        known.value.sort_by(|one, other| one.id.cmp(&other.id));
    }
    if let Some(known) = &mut facts.certificates {
        known.value.sort_by(|one, other| one.arn.cmp(&other.arn));
    }
    if let Some(known) = &mut facts.security_groups {
        known.value.sort_by(|one, other| one.id.cmp(&other.id));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Aged, Certificate, SecurityGroupFact, Subnet};
    use crate::stack::Tags;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn certificate(id: &str) -> Certificate {
        let arn = format!("arn:aws:acm:eu-central-1:123456789012:certificate/{id}");
        Certificate {
            arn,
            status: "ISSUED".to_owned(),
            domains: vec!["a.example.com".to_owned()],
            certificate_authority: None,
        }
    }

    fn some(read_at: Timestamp) -> Facts {
        let subnet = |id: &str, free_addresses| Subnet {
            id: id.to_owned(),
            vpc_id: "vpc-1".to_owned(),
            zone: "eu-central-1a".to_owned(),
            locale: "availability-zone".to_owned(),
            free_addresses,
            ipv6: false,
            public: Some(true),
            tags: Tags::from([("kubernetes.io/role/elb".to_owned(), "1".to_owned())]),
        };
        let tags = Tags::from([("Name".to_owned(), "web".to_owned()), ("cost".to_owned(), "1".to_owned())]);
        Facts {
            region: Some("eu-central-1".to_owned()),
            vpc_id: Some("vpc-1".to_owned()),
            vpc_cidrs: Some(Aged { value: vec!["10.0.0.0/16".to_owned()], read_at }),
            subnets: Some(Aged { value: vec![subnet("subnet-b", 250), subnet("subnet-a", 3)], read_at }),
            certificates: Some(Aged { value: vec![certificate("2"), certificate("1")], read_at }),
            security_groups: Some(Aged {
                value: vec![SecurityGroupFact { id: "sg-1".to_owned(), name: "web".to_owned(), tags }],
                read_at,
            }),
            shield_subscribed: Some(Aged { value: false, read_at: at(5) }),
            ..Facts::default()
        }
    }

    #[test]
    fn what_is_published_is_read() {
        let published = Published::of(&some(at(1000)), 0).unwrap().unwrap();
        let read = published.facts(at(2000)).unwrap();
        assert_eq!(read, needed(some(at(1000))));
        assert_eq!(
            read.subnets.as_ref().unwrap().value.iter().map(|one| one.free_addresses).collect::<Vec<_>>(),
            [3, 8]
        );
        assert_eq!(read.security_groups.unwrap().value[0].tags.len(), 1);
        assert_eq!((read.vpc_cidrs, read.web_acls), (None, None));
    }

    #[test]
    fn the_same_facts_make_the_same_text() {
        let one = Published::of(&some(at(1000)), 0).unwrap().unwrap();
        let mut later = some(at(1120));
        later.certificates.as_mut().unwrap().value.reverse();
        later.subnets.as_mut().unwrap().value[0].free_addresses = 249;
        let other = Published::of(&later, 0).unwrap().unwrap();
        assert_eq!((&one.content, one.digest()), (&other.content, other.digest()));
        assert_ne!(one.read_at, other.read_at);
        later.subnets.as_mut().unwrap().value[0].free_addresses = 7;
        assert_ne!(Published::of(&later, 0).unwrap().unwrap().digest(), one.digest());
    }

    #[test]
    fn times_of_another_clock_do_not_keep_facts_young() {
        let published = Published::of(&some(at(9000)), 0).unwrap().unwrap();
        assert_eq!(published.facts(at(1000)).unwrap().subnets.unwrap().read_at, at(1000));
    }

    #[test]
    fn what_a_newer_replica_adds_is_ignored_and_damage_is_not() {
        let published = Published::of(&some(at(1000)), 0).unwrap().unwrap();
        let newer = published.content.replacen('{', r#"{"listener_limits":{"a":1},"#, 1);
        let newer = Published { content: newer, ..published.clone() };
        assert_eq!(newer.facts(at(2000)).unwrap(), published.facts(at(2000)).unwrap());
        for content in ["", "[]", r#"{"subnets": 1}"#, r#"{"subnets": [{"id": 1}]}"#] {
            let damaged = Published { content: content.to_owned(), ..published.clone() };
            assert!(damaged.facts(at(2000)).is_err(), "{content}");
        }
        let timeless = Published { read_at: BTreeMap::new(), ..published };
        assert!(timeless.facts(at(2000)).is_err());
    }

    #[test]
    fn what_is_too_large_is_left_out_in_order() {
        let all = some(at(1000));
        let lengths: Vec<usize> =
            (0..=5).map(|count| Published::of(&all, count).unwrap().unwrap().content.len()).collect();
        assert!(lengths.is_sorted_by(|one, other| one >= other), "{lengths:?}");
        let least = Published::of(&all, 5).unwrap().unwrap().facts(at(2000)).unwrap();
        assert_eq!((least.region, least.subnets, least.certificates), (all.region.clone(), None, None));
        assert_eq!(Published::of(&all, 6).unwrap(), None);
    }
}
