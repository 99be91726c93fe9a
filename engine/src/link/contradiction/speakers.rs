//! Whom a newcomer has to be compared with: of those who say something of a thing, the first and the last in the group.
//! The others say the same of it, for they were compared when they came; so a group costs as much time as its members say.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{EXCLUSIVE, PER_PORT};
use crate::compile::Fragment;

/// Something that members say and that has to be the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Thing {
    Exclusive(&'static str),
    Attribute(String),
    Tag(String),
    Listener(u16, &'static str),
    ListenerAttribute(u16, String),
    DefaultBackend(u16),
}

/// The speakers of a group, as places in the list of its fragments.
#[derive(Debug, Default)]
pub(in crate::link) struct Speakers {
    of: HashMap<Thing, (usize, usize)>,
}

impl Speakers {
    /// The speakers of fragments that agree.
    pub(in crate::link) fn of(fragments: &[Arc<Fragment>]) -> Self {
        let mut speakers = Self::default();
        for place in 0..fragments.len() {
            speakers.hear(fragments, place);
        }
        speakers
    }

    /// Takes note of what the fragment at a place says.
    pub(in crate::link) fn hear(&mut self, fragments: &[Arc<Fragment>], place: usize) {
        let Some(fragment) = fragments.get(place) else { return };
        let before = |one: usize, other: usize| match (fragments.get(one), fragments.get(other)) {
            (Some(one), Some(other)) => super::comes_before(one, other),
            _ => false,
        };
        for thing in things(fragment) {
            let (first, last) = self.of.entry(thing).or_insert((place, place));
            if before(place, *first) {
                *first = place;
            }
            if before(*last, place) {
                *last = place;
            }
        }
    }

    /// Those who say something of what a newcomer says something of, in the order in which they came.
    pub(in crate::link) fn on<'f>(&self, newcomer: &Fragment, fragments: &'f [Arc<Fragment>]) -> Vec<&'f Fragment> {
        let places = things(newcomer).into_iter().filter_map(|thing| self.of.get(&thing));
        let places: BTreeSet<usize> = places.flat_map(|(first, last)| [*first, *last]).collect();
        places.into_iter().filter_map(|place| fragments.get(place)).map(|fragment| &**fragment).collect()
    }
}

fn things(fragment: &Fragment) -> Vec<Thing> {
    let said = EXCLUSIVE.iter().filter(|(_, said)| said(fragment).is_some());
    let mut things: Vec<Thing> = said.map(|(suffix, _)| Thing::Exclusive(suffix)).collect();
    things.extend(fragment.load_balancer.attributes.keys().cloned().map(Thing::Attribute));
    things.extend(fragment.tags.keys().cloned().map(Thing::Tag));
    for (port, ask) in &fragment.listeners {
        let said = PER_PORT.iter().filter(|(_, said)| said(ask).is_some());
        things.extend(said.map(|(suffix, _)| Thing::Listener(*port, suffix)));
        things.extend(ask.attributes.keys().map(|key| Thing::ListenerAttribute(*port, key.clone())));
        things.extend(fragment.default_backend.as_ref().map(|_| Thing::DefaultBackend(*port)));
    }
    things
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::between;
    use super::*;
    use crate::annotation::PREFIX;
    use crate::compile::{Context, compile};
    use crate::facts::Facts;
    use crate::settings::{CONTROLLER, Settings};
    use crate::stack::GroupId;
    use crate::world::{Object, Overlay, World};

    /// Annotations of which each member has some.
    const SAID: [(&str, &[&str]); 8] = [
        ("scheme", &["internal", "internet-facing"]),
        ("ip-address-type", &["ipv4", "dualstack"]),
        ("tags", &["a=1", "a=2", "a=1,b=1", "b=2"]),
        ("load-balancer-attributes", &["idle_timeout.timeout_seconds=30", "idle_timeout.timeout_seconds=60"]),
        ("listen-ports", &[r#"[{"HTTP": 80}]"#, r#"[{"HTTP": 81}]"#, r#"[{"HTTP": 80}, {"HTTP": 81}]"#]),
        ("inbound-cidrs", &["10.0.0.0/8", "10.1.0.0/16"]),
        ("group.order", &["-1", "1"]),
        ("security-groups", &["sg-1", "sg-2"]),
    ];

    fn fragments(members: &[(Vec<Option<usize>>, bool)]) -> Vec<Arc<Fragment>> {
        let mut world = World::new(Settings::new("test"));
        let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
        let class: IngressClass = serde_json::from_value(class).unwrap();
        world.apply(Object::IngressClass(Box::new(class)));
        for (number, (said, default_backend)) in members.iter().enumerate() {
            let mut annotations = BTreeMap::from([(format!("{PREFIX}group.name"), "g")]);
            for ((suffix, values), choice) in SAID.iter().zip(said) {
                let value = choice.map(|choice| values[choice % values.len()]);
                annotations.extend(value.map(|value| (format!("{PREFIX}{suffix}"), value)));
            }
            let backend = json!({"service": {"name": "app", "port": {"number": 80}}});
            let mut spec = json!({"ingressClassName": "alb", "rules": []});
            if *default_backend {
                spec["defaultBackend"] = backend;
            }
            let one = json!({"metadata": {"name": format!("m{number:02}"), "namespace": "ns", "annotations": annotations},
                "spec": spec});
            let one: Ingress = serde_json::from_value(one).unwrap();
            world.apply(Object::Ingress(Box::new(one)));
        }
        let (settings, facts) = (world.settings(), Facts::default());
        let view = world.view(&GroupId::Explicit("g".to_owned()), &Overlay::None);
        let context = Context { settings: &settings, view: &view, facts: &facts };
        view.members.iter().filter_map(|member| compile(member, context).fragment).collect()
    }

    fn any_member() -> impl Strategy<Value = (Vec<Option<usize>>, bool)> {
        let one = prop::option::weighted(0.3, 0_usize..4);
        (prop::collection::vec(one, SAID.len()), prop::bool::weighted(0.2))
    }

    proptest! {
        /// Who agrees with the speakers agrees with all, whatever the order in which members come.
        #[test]
        fn speakers_speak_for_all(members in prop::collection::vec(any_member(), 2..10)) {
            let mut taken: Vec<Arc<Fragment>> = Vec::new();
            let mut speakers = Speakers::default();
            let mut agreed = 0;
            for newcomer in fragments(&members) {
                let with_all = taken.iter().all(|senior| between(&newcomer, senior).is_empty());
                let with_speakers = speakers.on(&newcomer, &taken).iter().all(|one| between(&newcomer, one).is_empty());
                prop_assert_eq!(with_all, with_speakers);
                if with_all {
                    taken.push(newcomer);
                    speakers.hear(&taken, taken.len() - 1);
                    agreed += 1;
                }
            }
            prop_assert!(agreed > 0);
        }
    }
}
