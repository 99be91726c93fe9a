//! Who gives way: unchanged in the ledger before older before the name; and how one that gives way takes part.

use albedo_engine::kinds::{IngressGroup, IngressGroupSpec, IngressGroupStatus, Key};
use albedo_engine::ledger;
use albedo_engine::link::{Linked, MemberState};
use albedo_engine::stack::GroupId;
use albedo_engine::world::Object;
use serde_json::{Value, json};

use crate::fixture::{Fixture, ingress, states};
use MemberState::{LastGood, Linked as Now, Quarantined};

fn group(short: Value) -> Value {
    let mut short = short;
    short["group.name"] = json!("g");
    short
}

fn scheme(word: &str) -> Value {
    group(json!({"scheme": word}))
}

/// A ledger in which these were linked last.
fn linked_last(inputs: &[(&str, Value)]) -> IngressGroup {
    let id = GroupId::Explicit("g".to_owned());
    let mut ledger = IngressGroup::new(&id.object_name(), IngressGroupSpec::default());
    let last_good = inputs.iter().map(|(name, short)| ledger::input_of(&ingress(name, short, &json!({}))));
    ledger.status = Some(IngressGroupStatus { last_good: last_good.collect(), ..IngressGroupStatus::default() });
    ledger
}

fn is(linked: &Linked) -> String {
    linked
        .desired
        .as_ref()
        .and_then(|desired| desired.load_balancer.as_ref())
        .map_or_else(|| "nothing".to_owned(), |balancer| balancer.scheme.to_string())
}

#[test]
fn the_older_stays_whatever_its_name_and_order() {
    let mut fixture = Fixture::new();
    let mut older = scheme("internal");
    older["group.order"] = json!("9");
    fixture.store("z", &older, &json!({})).store("a", &scheme("internet-facing"), &json!({}));
    let linked = fixture.linked("g");
    assert_eq!(states(&linked), [("a", Quarantined), ("z", Now)]);
    assert_eq!(is(&linked), "internal");
}

#[test]
fn of_the_same_age_the_first_by_name_stays() {
    let mut fixture = Fixture::new();
    fixture.store("b", &scheme("internal"), &json!({}));
    let age = fixture.world.ingress(&Key::new("shop", "b")).expect("it").metadata.creation_timestamp.clone();
    let mut twin = ingress("a", &scheme("internet-facing"), &json!({}));
    twin.metadata.creation_timestamp = age;
    fixture.world.apply(Object::Ingress(Box::new(twin)));
    assert_eq!(states(&fixture.linked("g")), [("a", Now), ("b", Quarantined)]);
}

#[test]
fn the_unchanged_stays_though_it_is_younger() {
    let mut fixture = Fixture::new();
    fixture.store("old", &scheme("internal"), &json!({})).store("young", &scheme("internet-facing"), &json!({}));
    // The older one was silent when both were linked last.
    fixture.remember(linked_last(&[("old", group(json!({}))), ("young", scheme("internet-facing"))]));
    let linked = fixture.linked("g");
    assert_eq!(states(&linked), [("old", LastGood), ("young", Now)], "the older one goes on as it was");
    assert_eq!(is(&linked), "internet-facing");
    let told: Vec<&str> = linked.findings().map(|finding| finding.subject.name.as_str()).collect();
    assert_eq!(told, ["old"], "the loser alone hears of it");
}

#[test]
fn two_that_both_changed_go_by_age() {
    let mut fixture = Fixture::new();
    fixture.store("old", &scheme("internal"), &json!({})).store("young", &scheme("internet-facing"), &json!({}));
    fixture.remember(linked_last(&[("old", group(json!({}))), ("young", group(json!({})))]));
    let linked = fixture.linked("g");
    assert_eq!(states(&linked), [("old", Now), ("young", LastGood)]);
    assert_eq!(is(&linked), "internal");
}

#[test]
fn a_last_input_that_conflicts_too_is_quarantined() {
    let mut fixture = Fixture::new();
    fixture.store("old", &scheme("internal"), &json!({})).store(
        "young",
        &group(json!({"scheme": "public"})),
        &json!({}),
    );
    fixture.remember(linked_last(&[("old", scheme("internal")), ("young", scheme("internet-facing"))]));
    assert_eq!(states(&fixture.linked("g")), [("old", Now), ("young", Quarantined)]);
}

#[test]
fn a_last_input_that_is_bad_as_well_is_no_help() {
    let mut fixture = Fixture::new();
    fixture.store("one", &group(json!({"target-type": "pod"})), &json!({})).store("two", &group(json!({})), &json!({}));
    fixture.remember(linked_last(&[("one", group(json!({"target-type": "node"}))), ("two", group(json!({})))]));
    assert_eq!(states(&fixture.linked("g")), [("one", Quarantined), ("two", Now)]);
}

#[test]
fn a_member_that_was_never_linked_waits_and_the_others_go_on() {
    let mut fixture = Fixture::new();
    fixture.store("bad", &group(json!({"target-type": "pod"})), &json!({})).store(
        "good",
        &group(json!({})),
        &json!({}),
    );
    let linked = fixture.linked("g");
    assert_eq!(states(&linked), [("bad", Quarantined), ("good", Now)]);
    let desired = linked.desired.expect("the rest of the group");
    assert_eq!((desired.listeners[&80].rules.len(), desired.target_groups.len()), (1, 1));
    assert!(linked.members[1].findings.is_empty(), "the good one hears nothing: {:?}", linked.members[1].findings);
}

#[test]
fn a_group_without_any_good_member_stays_as_it_is() {
    let mut fixture = Fixture::new();
    fixture.store("bad", &group(json!({"target-type": "pod"})), &json!({}));
    assert!(fixture.linked("g").desired.is_none(), "nothing may be built or taken away");
}

#[test]
fn a_last_input_goes_on_with_todays_services() {
    let mut fixture = Fixture::new();
    fixture.store("one", &group(json!({"target-type": "pod"})), &json!({}));
    fixture.remember(linked_last(&[("one", group(json!({"target-type": "ip"})))]));
    let desired = fixture.linked("g").desired.expect("its last good input");
    assert_eq!(desired.target_groups.values().map(|group| group.port).collect::<Vec<_>>(), [8080]);
}

#[test]
fn a_candidate_without_a_time_of_creation_is_the_youngest() {
    let mut fixture = Fixture::new();
    fixture.store("z", &scheme("internal"), &json!({}));
    let linked = fixture.with(&ingress("a", &scheme("internet-facing"), &json!({})));
    assert_eq!(states(&linked), [("a", Quarantined), ("z", Now)]);
}
