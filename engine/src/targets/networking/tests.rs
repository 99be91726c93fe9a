//! Tests of what is opened and what is shut.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn networking(value: Value) -> TargetGroupBindingNetworking {
    serde_json::from_value(value).unwrap()
}

/// From one group, one rule a port.
fn open(source: &str, ports: &[Value]) -> TargetGroupBindingNetworking {
    let rule = |port: &Value| json!({"from": [{"securityGroup": {"groupID": source}}], "ports": [port]});
    networking(json!({"ingress": ports.iter().map(rule).collect::<Vec<_>>()}))
}

fn tcp(port: impl Into<Value>) -> Value {
    json!({"protocol": "TCP", "port": port.into()})
}

fn interface(groups: &[(&str, &[&str])]) -> Interface {
    let tags = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), "owned".to_owned())).collect();
    let attached = groups.iter().map(|(id, keys)| AttachedGroup { id: (*id).to_owned(), tags: tags(keys) });
    Interface { id: "eni-1".to_owned(), security_groups: attached.collect() }
}

fn pod(name: &str, ports: &[(&str, i32)]) -> Pod {
    let ports = ports.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
    Pod { key: Key::new("ns", name), ports, ..Pod::default() }
}

fn need<'a>(networking: &'a TargetGroupBindingNetworking, interface: &'a Interface, pods: &[&'a Pod]) -> Need<'a> {
    let mut backends: Vec<_> = pods.iter().map(|pod| Backend { interface: Some(interface), pod: Some(pod) }).collect();
    if pods.is_empty() {
        backends.push(Backend { interface: Some(interface), pod: None });
    }
    Need { binding: Key::new("ns", "tgb"), networking, backends, complete: true }
}

fn run(needs: &[Need<'_>], restricted: bool) -> Wanted {
    wanted(needs, EndpointGroups { cluster: "c", tags: &Tags::new() }, restricted)
}

/// `group: permission`, in order.
fn shown(wanted: &Wanted) -> Vec<String> {
    let rows = wanted.groups.iter().flat_map(|(group, permissions)| permissions.iter().map(move |one| (group, one)));
    rows.map(|(group, one)| format!("{group}: {one}")).collect()
}

#[test]
fn ports_of_a_source_become_one_range() {
    let node = interface(&[("sg-n", &[])]);
    let a = open("sg-b", &[tcp(30080), tcp(30021)]);
    let b = open("sg-b", &[tcp(30090)]);
    let c = open("sg-c", &[tcp(30050)]);
    let needs = [need(&a, &node, &[]), need(&b, &node, &[]), need(&c, &node, &[])];
    assert_eq!(shown(&run(&needs, true)), ["sg-n: tcp 30021-30090 from sg-b", "sg-n: tcp 30050 from sg-c"]);
    assert_eq!(
        shown(&run(&needs, false)),
        [
            "sg-n: tcp 30021 from sg-b",
            "sg-n: tcp 30050 from sg-c",
            "sg-n: tcp 30080 from sg-b",
            "sg-n: tcp 30090 from sg-b"
        ]
    );
}

#[test]
fn every_permission_says_whose_it_is() {
    let node = interface(&[("sg-n", &[])]);
    let a = open("sg-b", &[tcp(80), tcp(90)]);
    let permissions = run(&[need(&a, &node, &[])], true).groups.remove("sg-n").unwrap();
    assert!(permissions.iter().all(|one| one.description.as_deref() == Some(DESCRIPTION)));
}

#[test]
fn all_ports_protocols_and_blocks() {
    let node = interface(&[("sg-n", &[])]);
    let rows = [
        (open("sg-b", &[json!({"protocol": "TCP"}), tcp(80)]), vec!["sg-n: tcp 0-65535 from sg-b"]),
        (open("sg-b", &[json!({})]), vec!["sg-n: tcp 0-65535 from sg-b"]),
        (
            networking(json!({"ingress": [{"from": [{"securityGroup": {"groupID": "sg-b"}}], "ports": []}]})),
            vec!["sg-n: tcp 0-65535 from sg-b"],
        ),
        (
            open("sg-b", &[tcp(53), json!({"protocol": "UDP", "port": 53})]),
            vec!["sg-n: tcp 53 from sg-b", "sg-n: udp 53 from sg-b"],
        ),
        (
            networking(json!({"ingress": [{
                "from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, {"ipBlock": {"cidr": "2001:db8::/32"}}],
                "ports": [{"port": 80}, {"port": 90}]
            }]})),
            vec![
                "sg-n: tcp 80 from 10.0.0.0/8",
                "sg-n: tcp 80 from 2001:db8::/32",
                "sg-n: tcp 90 from 10.0.0.0/8",
                "sg-n: tcp 90 from 2001:db8::/32",
            ],
        ),
        (networking(json!({})), vec![]),
    ];
    for (networking, expected) in rows {
        let wanted = run(&[need(&networking, &node, &[])], true);
        assert_eq!(shown(&wanted), expected);
        assert_eq!(wanted.faults, []);
    }
}

#[test]
fn a_named_port_is_each_pods_own() {
    let eni = interface(&[("sg-p", &[])]);
    let (a, b) = (pod("a", &[("http", 8080)]), pod("b", &[("http", 8090), ("admin", 9000)]));
    let http = open("sg-b", &[tcp("http")]);
    assert_eq!(shown(&run(&[need(&http, &eni, &[&a, &b])], true)), ["sg-p: tcp 8080-8090 from sg-b"]);
    let admin = open("sg-b", &[tcp("admin")]);
    let wanted = run(&[need(&admin, &eni, &[&a, &b])], true);
    assert_eq!(shown(&wanted), ["sg-p: tcp 9000 from sg-b"], "what can be told is opened");
    let fault = NetworkingError::NamedPortMissing { port: "admin".to_owned(), pod: "ns/a".to_owned() };
    assert_eq!(wanted.faults, [(Key::new("ns", "tgb"), fault)]);
}

#[test]
fn faults_are_the_bindings_own() {
    let node = interface(&[("sg-n", &[])]);
    let good = open("sg-b", &[tcp(80)]);
    let rows = [
        (open("sg-b", &[tcp("http")]), NetworkingError::NamedPortOfNode("http".to_owned())),
        (open("sg-b", &[tcp(0)]), NetworkingError::InvalidPort(0)),
        (open("sg-b", &[tcp(65536)]), NetworkingError::InvalidPort(65536)),
        (networking(json!({"ingress": [{"from": [{}], "ports": []}]})), NetworkingError::EmptyPeer),
    ];
    for (bad, fault) in rows {
        let needs = [need(&bad, &node, &[]), Need { binding: Key::new("ns", "good"), ..need(&good, &node, &[]) }];
        let wanted = run(&needs, true);
        assert_eq!(wanted.faults, [(Key::new("ns", "tgb"), fault)]);
        assert_eq!(shown(&wanted), ["sg-n: tcp 80 from sg-b"]);
    }
}

#[test]
fn the_group_that_is_opened() {
    type Row<'r> = (&'r [(&'r str, &'r [&'r str])], &'r Tags, Option<&'r str>);
    const TAG: &str = "kubernetes.io/cluster/c";
    let ports = open("sg-b", &[tcp(80)]);
    let extra = Tags::from([("for".to_owned(), "owned".to_owned())]);
    let none = Tags::new();
    let opened =
        |eni: &Interface, tags: &Tags| wanted(&[need(&ports, eni, &[])], EndpointGroups { cluster: "c", tags }, true);
    let rows: [Row<'_>; 7] = [
        (&[("sg-1", &[])], &none, Some("sg-1")),
        (&[("sg-1", &[])], &extra, Some("sg-1")),
        (&[("sg-1", &[]), ("sg-2", &[TAG])], &none, Some("sg-2")),
        (&[("sg-1", &[TAG]), ("sg-2", &[TAG, "for"])], &extra, Some("sg-2")),
        (&[("sg-1", &[TAG]), ("sg-2", &[TAG])], &none, None),
        (&[("sg-1", &["kubernetes.io/cluster/d"]), ("sg-2", &[])], &none, None),
        (&[], &none, None),
    ];
    for (groups, tags, expected) in rows {
        let wanted = opened(&interface(groups), tags);
        assert_eq!(wanted.groups.keys().next().map(String::as_str), expected, "{groups:?}");
        assert_eq!(wanted.faults.is_empty(), expected.is_some(), "{groups:?}");
    }
    let fault = opened(&interface(&[("sg-1", &[TAG]), ("sg-2", &[TAG])]), &none).faults.remove(0).1.to_string();
    let expected =
        "expected exactly one securityGroup tagged with kubernetes.io/cluster/c for eni eni-1, got: [sg-1, sg-2]";
    assert_eq!(fault, expected);
}

#[test]
fn a_hybrid_node_needs_nothing() {
    let ports = open("sg-b", &[tcp(80)]);
    let need = Need {
        binding: Key::new("ns", "tgb"),
        networking: &ports,
        backends: vec![Backend { interface: None, pod: None }],
        complete: true,
    };
    assert_eq!(run(&[need], true), Wanted::default());
}

fn permission(ports: (u16, u16), source: &str, description: Option<&str>) -> Permission {
    let description = description.map(str::to_owned);
    Permission { protocol: "tcp".to_owned(), ports: Some(ports), source: group_source(source), description }
}

fn wants(ports: &[(u16, u16)]) -> Wanted {
    let permissions = ports.iter().map(|ports| permission(*ports, "sg-b", Some(DESCRIPTION))).collect();
    Wanted { groups: BTreeMap::from([("sg-n".to_owned(), permissions)]), ..Wanted::default() }
}

fn holds(permissions: &[Permission]) -> BTreeMap<String, BTreeSet<Permission>> {
    BTreeMap::from([("sg-n".to_owned(), permissions.iter().cloned().collect())])
}

#[test]
fn difference() {
    let ours = |ports| permission(ports, "sg-b", Some(DESCRIPTION));
    let rows = [
        ("steady", wants(&[(80, 80)]), holds(&[ours((80, 80))]), vec![], vec![]),
        ("new", wants(&[(80, 80)]), BTreeMap::new(), vec![(80, 80)], vec![]),
        ("wider", wants(&[(80, 90)]), holds(&[ours((80, 80))]), vec![(80, 90)], vec![(80, 80)]),
        ("not needed any more", Wanted::default(), holds(&[ours((80, 80))]), vec![], vec![(80, 80)]),
        ("there by hand", wants(&[(80, 80)]), holds(&[permission((80, 80), "sg-b", None)]), vec![], vec![]),
        ("somebody else's", Wanted::default(), holds(&[permission((22, 22), "sg-x", Some("ssh"))]), vec![], vec![]),
        (
            "ours among labels",
            Wanted::default(),
            holds(&[permission((80, 80), "sg-b", Some("a=b, elbv2.k8s.aws/targetGroupBinding=shared"))]),
            vec![],
            vec![(80, 80)],
        ),
        (
            "ours by a longer name is not ours",
            Wanted::default(),
            holds(&[permission((80, 80), "sg-b", Some("elbv2.k8s.aws/targetGroupBinding=shared-not"))]),
            vec![],
            vec![],
        ),
    ];
    for (name, wanted, observed, authorize, revoke) in rows {
        let changes = diff(&wanted, &observed);
        assert!(changes.len() <= 1, "{name}");
        let ports = |list: fn(&PermissionChange) -> &Vec<Permission>| -> Vec<(u16, u16)> {
            changes.iter().flat_map(list).map(|one| one.ports.unwrap()).collect()
        };
        assert_eq!(ports(|change| &change.authorize), authorize, "{name}");
        assert_eq!(ports(|change| &change.revoke), revoke, "{name}");
    }
}

#[test]
fn nothing_of_a_source_is_revoked_while_a_need_of_it_is_unknown() {
    let node = interface(&[("sg-n", &[])]);
    let (good, named) = (open("sg-b", &[tcp(90)]), open("sg-b", &[tcp("http")]));
    let half = Need { complete: false, ..need(&good, &node, &[]) };
    let (old, other) =
        (permission((80, 80), "sg-b", Some(DESCRIPTION)), permission((80, 80), "sg-x", Some(DESCRIPTION)));
    for needs in [vec![half], vec![need(&good, &node, &[]), need(&named, &node, &[])]] {
        let changes = diff(&run(&needs, true), &holds(&[old.clone(), other.clone()]));
        assert_eq!(changes.len(), 1);
        let authorized: Vec<_> = changes[0].authorize.iter().map(|one| one.ports).collect();
        assert_eq!(authorized, [Some((90, 90))]);
        assert_eq!(changes[0].revoke, std::slice::from_ref(&other), "no binding lets that one in");
    }
}

#[test]
fn whom_a_permission_concerns() {
    let node = interface(&[("sg-n", &[])]);
    let ports = open("sg-b", &[tcp(80)]);
    let need = need(&ports, &node, &[]);
    assert!(need.concerns("sg-n", &group_source("sg-b")));
    assert!(!need.concerns("sg-n", &group_source("sg-x")));
    assert!(!need.concerns("sg-x", &group_source("sg-b")));
}

proptest! {
    #[test]
    fn a_range_holds_every_port_and_a_second_look_changes_nothing(
        ports in prop::collection::vec((1u16.., prop::sample::select(vec!["sg-a", "sg-b"])), 1..8),
        observed in prop::collection::vec((1u16.., prop::sample::select(vec!["sg-a", "sg-b"]), any::<bool>()), 0..4),
    ) {
        let node = interface(&[("sg-n", &[])]);
        let opened: Vec<_> = ports.iter().map(|(port, source)| open(source, &[tcp(*port)])).collect();
        let needs: Vec<_> = opened.iter().map(|networking| need(networking, &node, &[])).collect();
        let wanted = run(&needs, true);
        let permissions = &wanted.groups["sg-n"];
        for (port, source) in &ports {
            let covers = |one: &Permission| {
                one.source == group_source(source) && one.ports.is_some_and(|(from, to)| (from..=to).contains(port))
            };
            prop_assert!(permissions.iter().any(covers));
        }
        let described = |(port, source, ours): (u16, &str, bool)| {
            permission((port, port), source, ours.then_some(DESCRIPTION))
        };
        let mut held = holds(&observed.into_iter().map(described).collect::<Vec<_>>());
        for change in diff(&wanted, &held) {
            let group = held.entry(change.group).or_default();
            group.extend(change.authorize);
            group.retain(|one| !change.revoke.contains(one));
        }
        prop_assert_eq!(diff(&wanted, &held), []);
    }
}

#[test]
fn what_shuts_nothing_out_lets_in_what_is_new() {
    let ports = |change: &PermissionChange| change.authorize.iter().filter_map(|one| one.ports).collect::<Vec<_>>();
    let source = |ports, source: &str| permission(ports, source, None);
    let mut change = PermissionChange {
        group: "sg-n".to_owned(),
        authorize: vec![source((8080, 8080), "sg-b"), source((8080, 9091), "sg-b"), source((8081, 8081), "sg-c")],
        revoke: vec![source((8080, 9090), "sg-b")],
    };
    change.shut_nothing_out();
    assert_eq!(ports(&change), [(8080, 9091), (8081, 8081)]);
    assert!(change.revoke.is_empty());
    let all = Permission { protocol: "-1".to_owned(), ports: None, ..source((0, 0), "sg-b") };
    assert!(covers(&all, &all) && !covers(&source((0, 65535), "sg-b"), &all), "another protocol");
}
