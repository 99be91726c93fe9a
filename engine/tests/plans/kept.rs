//! Plans while a member is left out of which nobody remembers what it asked for: what may be its own stays.

use albedo_engine::plan::{ObservedBinding, TargetsByArn, as_observed, keep};
use albedo_engine::stack::{Desired, Observed, Protocol, Rule, Scheme};

use crate::cluster::{desired, member, rule};
use crate::next;

const GROUP: (&str, &str) = ("group.name", "g");
const PORTS: (&str, &str) = ("listen-ports", r#"[{"HTTP": 80}, {"HTTP": 8080}]"#);

fn shop(path: &str) -> Desired {
    let shop = member("shop", &[GROUP, ("group.order", "1")], vec![rule("a.example", path, "svc-1")]);
    let blog = member("blog", &[GROUP, ("group.order", "3")], vec![rule("a.example", "/blog", "svc-1")]);
    desired(vec![shop, blog])
}

/// What AWS holds of three members, one of which has a port and a target group of its own.
fn there() -> (Observed, Vec<ObservedBinding>) {
    let shop = member("shop", &[GROUP, ("group.order", "1")], vec![rule("a.example", "/shop", "svc-1")]);
    let old = member("old", &[GROUP, PORTS, ("group.order", "2")], vec![rule("a.example", "/old", "svc-2")]);
    let blog = member("blog", &[GROUP, ("group.order", "3")], vec![rule("a.example", "/blog", "svc-1")]);
    as_observed(&desired(vec![shop, old, blog]))
}

fn paths(desired: &Desired, port: u16) -> Vec<String> {
    let rules = desired.listeners.get(&port).into_iter().flat_map(|listener| &listener.rules);
    let path = |rule: &Rule| serde_json::json!(rule.conditions).pointer("/1/values/0").cloned().unwrap_or_default();
    rules.map(|rule| format!("{} {}", rule.priority, path(rule))).collect()
}

#[test]
fn nothing_goes_while_a_member_is_left_out() {
    let (observed, bindings) = there();
    let kept = keep(shop("/shop"), &observed, &bindings).expect("it goes together");
    assert_eq!(paths(&kept, 80), ["1 \"/shop\"", "2 \"/old\"", "3 \"/blog\""]);
    assert_eq!(paths(&kept, 8080).len(), 1);
    let plan = next(&kept, &observed, &bindings, &TargetsByArn::new());
    assert!(plan.is_empty(), "{}", albedo_engine::plan::show(&plan));
    let without = next(&shop("/shop"), &observed, &bindings, &TargetsByArn::new());
    assert!(albedo_engine::plan::show(&without).contains("DeleteListener"), "it would without");
}

#[test]
fn the_others_go_on() {
    let (observed, bindings) = there();
    let kept = keep(shop("/cart"), &observed, &bindings).expect("it goes together");
    // Nobody knows that the old path was the healthy member's own.
    assert_eq!(paths(&kept, 80), ["1 \"/shop\"", "2 \"/old\"", "3 \"/cart\"", "4 \"/blog\""]);
    let plan = albedo_engine::plan::show(&next(&kept, &observed, &bindings, &TargetsByArn::new()));
    assert!(plan.contains("+ CreateRule") && !plan.contains("\n- "), "{plan}");
}

#[test]
fn what_cannot_stand_beside_it_changes_nothing() {
    let (observed, bindings) = there();
    let mut other = shop("/shop");
    if let Some(balancer) = &mut other.load_balancer {
        balancer.scheme = Scheme::InternetFacing;
    }
    assert_eq!(keep(other, &observed, &bindings), None);
    let mut other = shop("/shop");
    if let Some(listener) = other.listeners.get_mut(&80) {
        listener.protocol = Protocol::Https;
    }
    assert_eq!(keep(other, &observed, &bindings), None);
}

#[test]
fn where_nothing_is_there_nothing_is_kept() {
    let wanted = shop("/shop");
    assert_eq!(keep(wanted.clone(), &Observed::default(), &[]), Some(wanted));
}
