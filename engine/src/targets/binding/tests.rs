//! Tests of the two directions, among them objects as the predecessor was seen to write them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ARN: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/k8s-ns-app-0123456789/0123456789abcdef";

fn binding() -> Binding {
    Binding {
        name: "k8s-ns-app-0123456789".to_owned(),
        namespace: "ns".to_owned(),
        labels: BTreeMap::from([("ingress.k8s.aws/stack".to_owned(), "flow".to_owned())]),
        target_group: Ref::Known(ARN.to_owned()),
        target_type: TargetType::Ip,
        target_group_protocol: Protocol::Http,
        service: "app".to_owned(),
        service_port: ServicePort::Number(8080),
        networking: Some((Ref::Known("sg-1".to_owned()), vec![Some(ServicePort::Number(18080))])),
        node_labels: BTreeMap::new(),
        ipv6: false,
        vpc_id: "vpc-1".to_owned(),
        multi_cluster: false,
    }
}

fn spec(object: &TargetGroupBinding) -> Value {
    serde_json::to_value(&object.spec).unwrap()
}

fn rule(port: &Value) -> Value {
    json!({"from": [{"securityGroup": {"groupID": "sg-1"}}], "ports": [port]})
}

#[test]
fn as_the_predecessor_writes_them() {
    let ip = json!({
        "targetGroupARN": ARN, "ipAddressType": "ipv4", "networking": {"ingress": [rule(&json!({"port": 18080, "protocol": "TCP"}))]},
        "serviceRef": {"name": "app", "port": 8080}, "targetGroupProtocol": "HTTP", "targetType": "ip", "vpcID": "vpc-1"
    });
    let closed = json!({
        "targetGroupARN": ARN, "ipAddressType": "ipv4", "serviceRef": {"name": "argocd-server", "port": 443},
        "targetGroupProtocol": "HTTPS", "targetType": "ip", "vpcID": "vpc-1"
    });
    let instances = json!({
        "targetGroupARN": ARN, "ipAddressType": "ipv4",
        "networking": {"ingress": [
            rule(&json!({"port": 30021, "protocol": "TCP"})), rule(&json!({"port": 30037, "protocol": "TCP"}))
        ]},
        "nodeSelector": {"matchLabels": {"elb-target": "istio-gateway-node"}},
        "serviceRef": {"name": "istio-ingressgateway", "port": "http"},
        "targetGroupProtocol": "HTTP", "targetType": "instance", "vpcID": "vpc-1"
    });
    let all_ports = json!({
        "targetGroupARN": ARN, "ipAddressType": "ipv6", "networking": {"ingress": [rule(&json!({"protocol": "TCP"}))]},
        "serviceRef": {"name": "app", "port": 8080}, "targetGroupProtocol": "HTTP", "targetType": "ip", "vpcID": "vpc-1",
        "multiClusterTargetGroup": true
    });
    let group = || Ref::Known("sg-1".to_owned());
    let rows = [
        (binding(), ip),
        (
            Binding {
                networking: None,
                service: "argocd-server".to_owned(),
                service_port: ServicePort::Number(443),
                target_group_protocol: Protocol::Https,
                ..binding()
            },
            closed,
        ),
        (
            Binding {
                networking: Some((group(), vec![Some(ServicePort::Number(30021)), Some(ServicePort::Number(30037))])),
                node_labels: BTreeMap::from([("elb-target".to_owned(), "istio-gateway-node".to_owned())]),
                service: "istio-ingressgateway".to_owned(),
                service_port: ServicePort::Name("http".to_owned()),
                target_type: TargetType::Instance,
                ..binding()
            },
            instances,
        ),
        (Binding { networking: Some((group(), vec![None])), ipv6: true, multi_cluster: true, ..binding() }, all_ports),
    ];
    for (binding, expected) in rows {
        let object = to_kind(&binding, ARN, Some("sg-1"));
        assert_eq!(spec(&object), expected);
        assert_eq!(from_kind(&object), Some(binding));
    }
}

#[test]
fn metadata_is_name_namespace_and_the_labels_of_the_group() {
    let object = serde_json::to_value(to_kind(&binding(), ARN, Some("sg-1"))).unwrap();
    assert_eq!(object["apiVersion"], "elbv2.k8s.aws/v1beta1");
    assert_eq!(object["kind"], "TargetGroupBinding");
    let metadata =
        json!({"name": "k8s-ns-app-0123456789", "namespace": "ns", "labels": {"ingress.k8s.aws/stack": "flow"}});
    assert_eq!(object["metadata"], metadata);
    assert!(object.get("status").is_none());
}

#[test]
fn references_are_resolved_by_the_caller() {
    let id = crate::stack::ResourceId::backend_security_group();
    let unresolved = Binding {
        target_group: Ref::Of("ns/web-app:80".into()),
        networking: Some((Ref::Of(id), vec![None])),
        ..binding()
    };
    let read = |source: Option<&str>| from_kind(&to_kind(&unresolved, ARN, source)).unwrap();
    assert_eq!(read(Some("sg-9")).networking, Some((Ref::Known("sg-9".to_owned()), vec![None])));
    assert_eq!(read(Some("sg-9")).target_group, Ref::Known(ARN.to_owned()));
    // Nothing that AWS would take.
    assert_eq!(read(None).networking, Some((Ref::Known("<backend-sg>".to_owned()), vec![None])));
    let known = to_kind(&binding(), ARN, None);
    assert_eq!(from_kind(&known), Some(binding()));
}

/// An object like ours with some fields of its spec written otherwise; `null` removes one.
fn edited(edits: &Value) -> TargetGroupBinding {
    let mut object = serde_json::to_value(to_kind(&binding(), ARN, None)).unwrap();
    for (key, value) in edits.as_object().unwrap() {
        if value.is_null() {
            object["spec"].as_object_mut().unwrap().remove(key);
        } else {
            object["spec"][key] = value.clone();
        }
    }
    serde_json::from_value(object).unwrap()
}

#[test]
fn what_a_turn_could_not_have_written_is_none() {
    let peers = |from: Value| json!({"ingress": [{"from": from, "ports": [{"protocol": "TCP"}]}]});
    let rows = [
        json!({"targetGroupARN": null, "targetGroupName": "mine"}),
        json!({"targetGroupARN": ""}),
        json!({"targetType": null}),
        json!({"targetType": "lambda"}),
        json!({"targetGroupProtocol": "TCP"}),
        json!({"ipAddressType": "dualstack"}),
        json!({"iamRoleArnToAssume": "arn:aws:iam::111122223333:role/other"}),
        json!({"assumeRoleExternalId": "x"}),
        json!({"nodeSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}),
        json!({"networking": {}}),
        json!({"networking": peers(json!([]))}),
        json!({"networking": peers(json!([{}]))}),
        json!({"networking": peers(json!([{"ipBlock": {"cidr": "10.0.0.0/8"}}]))}),
        json!({"networking": peers(json!([{"securityGroup": {"groupID": "sg-1"}}, {"securityGroup": {"groupID": "sg-2"}}]))}),
        json!({"networking": {"ingress": [
            {"from": [{"securityGroup": {"groupID": "sg-1"}}], "ports": []},
            {"from": [{"securityGroup": {"groupID": "sg-2"}}], "ports": []}
        ]}}),
        json!({"networking": {"ingress": [rule(&json!({"protocol": "UDP", "port": 53}))]}}),
    ];
    for edits in rows {
        assert_eq!(from_kind(&edited(&edits)), None, "{edits}");
    }
}

#[test]
fn what_older_versions_left_out_is_read() {
    let ports = |networking: Value| edited(&json!({"networking": networking}));
    let rule = json!({"from": [{"securityGroup": {"groupID": "sg-1"}}], "ports": [{"port": 18080}]});
    let rows = [
        edited(&json!({"targetGroupProtocol": null})),
        edited(&json!({"ipAddressType": null})),
        edited(&json!({"ipAddressType": ""})),
        edited(&json!({"nodeSelector": {}})),
        edited(&json!({"multiClusterTargetGroup": false})),
        edited(&json!({"iamRoleArnToAssume": "", "assumeRoleExternalId": ""})),
        ports(json!({"ingress": [rule]})),
    ];
    for object in rows {
        assert_eq!(from_kind(&object), Some(binding()), "{}", spec(&object));
    }
    assert_eq!(from_kind(&edited(&json!({"vpcID": null}))).unwrap().vpc_id, "");
    let several = json!({"ingress": [{
        "from": [{"securityGroup": {"groupID": "sg-1"}}],
        "ports": [{"port": 80, "protocol": "TCP"}, {"port": "admin", "protocol": "TCP"}]
    }, {"from": [{"securityGroup": {"groupID": "sg-1"}}], "ports": []}]});
    let expected = vec![Some(ServicePort::Number(80)), Some(ServicePort::Name("admin".to_owned())), None];
    assert_eq!(from_kind(&ports(several)).unwrap().networking.unwrap().1, expected);
}

fn port() -> impl Strategy<Value = ServicePort> {
    prop_oneof![(1..65536).prop_map(ServicePort::Number), "[a-z]{1,8}".prop_map(ServicePort::Name)]
}

prop_compose! {
    fn bindings()(
        texts in (".{0,12}", "[a-z]{1,8}", "[a-z]{1,8}", "vpc-[0-9a-f]{0,8}|"),
        labels in prop::collection::btree_map("[a-z]{1,4}", "[a-z]{0,4}", 0..3),
        node_labels in prop::collection::btree_map("[a-z]{1,4}", "[a-z]{0,4}", 0..3),
        service_port in port(),
        networking in prop::option::of(("sg-[0-9a-f]{8}", prop::collection::vec(prop::option::of(port()), 1..4))),
        flags in any::<[bool; 4]>(),
    ) -> Binding {
        let (name, namespace, service, vpc_id) = texts;
        let [instance, https, ipv6, multi_cluster] = flags;
        Binding {
            name,
            namespace,
            labels,
            target_group: Ref::Known(ARN.to_owned()),
            target_type: if instance { TargetType::Instance } else { TargetType::Ip },
            target_group_protocol: if https { Protocol::Https } else { Protocol::Http },
            service,
            service_port,
            networking: networking.map(|(group, ports)| (Ref::Known(group), ports)),
            node_labels,
            ipv6,
            vpc_id,
            multi_cluster,
        }
    }
}

proptest! {
    #[test]
    fn there_and_back(binding in bindings()) {
        let source = binding.networking.as_ref().map(|(source, _)| source.to_string());
        let object = to_kind(&binding, ARN, source.as_deref());
        let text = serde_json::to_string(&object).unwrap();
        let read: TargetGroupBinding = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(from_kind(&read), Some(binding));
    }
}
