//! Tests of whose targets a binding may change.

use serde_json::{Value, json};

use super::*;

const ARN: &str = "arn:aws:elasticloadbalancing:eu-test-1:123456789012:targetgroup/k8s-shop-web/0123456789abcdef";
const HERE: Here<'_> = Here { cluster: "demo", vpc: "vpc-1" };

fn binding(namespace: &str, name: &str, more: &Value) -> TargetGroupBinding {
    let mut object = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2024-01-01T00:00:02Z"},
        "spec": {"targetGroupARN": ARN, "serviceRef": {"name": "web", "port": 80}}});
    for part in ["metadata", "spec"] {
        for (key, value) in more[part].as_object().into_iter().flatten() {
            object[part][key] = value.clone();
        }
    }
    serde_json::from_value(object).unwrap()
}

fn group(tags: &[(&str, &str)]) -> TargetGroupRead {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    TargetGroupRead {
        arn: ARN.to_owned(),
        traits: TargetGroupTraits { vpc_id: "vpc-1".to_owned(), ..TargetGroupTraits::default() },
        tags,
    }
}

const SHOP: [(&str, &str); 3] = [(CLUSTER_TAG, "demo"), (STACK_TAG, "shop"), (RESOURCE_TAG, "victim/web-web:80")];

#[test]
fn who_is_held_and_why() {
    type Row<'r> = (&'r str, TargetGroupBinding, Vec<(&'r str, &'r str)>, Option<&'r str>);
    let labels = json!({"metadata": {"labels": {"ingress.k8s.aws/stack": "shop"}}});
    let multi = json!({"spec": {"multiClusterTargetGroup": true}});
    let plain = json!({});
    let rows: Vec<Row<'_>> = vec![
        ("a hand-made one", binding("a", "b", &plain), vec![], None),
        ("of this cluster, without a group", binding("a", "b", &plain), vec![(CLUSTER_TAG, "demo")], None),
        ("of another cluster", binding("a", "b", &plain), vec![(CLUSTER_TAG, "blue")], Some("cluster \"blue\"")),
        (
            "of another cluster, with the labels of its group",
            binding("victim", "k8s-shop-web", &labels),
            vec![(CLUSTER_TAG, "blue"), (STACK_TAG, "shop"), (RESOURCE_TAG, "victim/web-web:80")],
            Some("cluster \"blue\""),
        ),
        ("of version 1 elsewhere", binding("a", "b", &plain), vec![("ingress.k8s.aws/cluster", "x")], Some("\"x\"")),
        ("of Auto Mode elsewhere", binding("a", "b", &plain), vec![("eks:eks-cluster-name", "x")], Some("\"x\"")),
        ("of a Service", binding("a", "b", &plain), vec![("service.k8s.aws/stack", "a/b")], Some("another controller")),
        ("the group's own", binding("victim", "k8s-shop-web", &labels), SHOP.to_vec(), None),
        ("labels elsewhere", binding("evil", "k8s-shop-web", &labels), SHOP.to_vec(), Some("an IngressGroup made it")),
        ("no labels", binding("victim", "k8s-shop-web", &plain), SHOP.to_vec(), Some("an IngressGroup made it")),
        ("a group that is gone", binding("a", "b", &plain), vec![(STACK_TAG, "gone")], None),
        ("shared", binding("a", "b", &multi), vec![], None),
        ("shared, of another cluster", binding("a", "b", &multi), vec![(CLUSTER_TAG, "blue")], None),
        (
            "shared, of a group elsewhere",
            binding("a", "b", &multi),
            vec![(CLUSTER_TAG, "blue"), (STACK_TAG, "shop")],
            None,
        ),
        ("shared, of a group here", binding("a", "b", &multi), SHOP.to_vec(), Some("an IngressGroup made it")),
        (
            "shared, of a Service",
            binding("a", "b", &multi),
            vec![("service.k8s.aws/stack", "a/b")],
            Some("another controller"),
        ),
        (
            "a VPC that it names",
            binding("a", "b", &json!({"spec": {"vpcID": "vpc-2"}})),
            vec![],
            Some("in vpc-1, and spec.vpcID is \"vpc-2\""),
        ),
    ];
    for (name, binding, tags, held) in rows {
        let lives = |group: &GroupId| *group == GroupId::Explicit("shop".to_owned());
        let hold = held_by_target_group(&binding, &group(&tags), HERE, lives).map(|hold| hold.to_string());
        match held {
            None => assert_eq!(hold, None, "{name}"),
            Some(text) => assert!(hold.as_ref().is_some_and(|hold| hold.contains(text)), "{name}: {hold:?}"),
        }
    }
    let mut elsewhere = group(&[]);
    elsewhere.traits.vpc_id = "vpc-2".to_owned();
    let hold = |binding| held_by_target_group(&binding, &elsewhere, HERE, |_| true);
    assert!(matches!(hold(binding("a", "b", &plain)), Some(Hold::OtherVpc { said: false, .. })));
    assert_eq!(hold(binding("a", "b", &json!({"spec": {"vpcID": "vpc-2"}}))), None, "peered on purpose");
    let role = json!({"spec": {"iamRoleArnToAssume": "arn:aws:iam::999999999999:role/r"}});
    assert_eq!(hold(binding("a", "b", &role)), None, "another account has its own VPC");
}

#[test]
fn some_are_held_whatever_their_target_group_is() {
    let held = |more: Value| held_by_itself(&binding("a", "b", &more)).map(|hold| hold.reason());
    assert_eq!(held(json!({})), None);
    assert_eq!(held(json!({"spec": {"iamRoleArnToAssume": "arn:aws:iam::1:role/r"}})), None);
    assert_eq!(held(json!({"metadata": {"labels": {"service.k8s.aws/stack-name": "a"}}})), Some("OtherController"));
    assert_eq!(held(json!({"metadata": {"labels": {"gateway.k8s.aws.nlb/stack-name": "a"}}})), Some("OtherController"));
    assert_eq!(held(json!({"metadata": {"labels": {"ingress.k8s.aws/stack": "shop"}}})), None);
}

#[test]
fn of_several_the_own_one_then_the_oldest() {
    let at = |time: &str, labels: &Value| json!({"metadata": {"creationTimestamp": time, "labels": labels}});
    let labels = json!({"ingress.k8s.aws/stack": "shop"});
    let own = binding("victim", "k8s-shop-web", &at("2024-01-01T00:00:09Z", &labels));
    let old = binding("evil", "aaa", &at("2024-01-01T00:00:01Z", &json!({})));
    let claims = binding("evil", "k8s-shop-web", &at("2024-01-01T00:00:01Z", &labels));
    let name = |bindings: &[&TargetGroupBinding], tags: &[(&str, &str)]| {
        first(bindings.iter().copied(), &group(tags)).map(|one| Key::of(&one.metadata).to_string())
    };
    assert_eq!(name(&[&old, &claims, &own], &SHOP).as_deref(), Some("victim/k8s-shop-web"));
    let hand = binding("b", "hand", &at("2024-01-01T00:00:02Z", &json!({})));
    assert_eq!(name(&[&hand, &old], &[]).as_deref(), Some("evil/aaa"));
    assert_eq!(name(&[], &[]), None);
}

#[test]
fn a_target_group_is_named_by_arn_or_by_name() {
    let by_name = binding("a", "b", &json!({"spec": {"targetGroupARN": null, "targetGroupName": "k8s-shop-web"}}));
    let by_arn = binding("a", "b", &json!({"spec": {"targetGroupName": "other"}}));
    assert!(by_name.names(ARN) && by_arn.names(ARN));
    assert!(by_name.shares_target_group(&by_arn) && by_arn.shares_target_group(&by_name));
    assert!(!by_arn.names("arn:aws:elasticloadbalancing:eu-test-1:123456789012:targetgroup/other/1"));
    let elsewhere = json!({"targetGroupARN": null, "targetGroupName": "k8s-shop-web", "iamRoleArnToAssume": "arn:aws:iam::999999999999:role/r"});
    let elsewhere = binding("a", "b", &json!({"spec": elsewhere}));
    assert!(!elsewhere.names(ARN) && elsewhere.names(&ARN.replace("123456789012", "999999999999")));
    assert!(!elsewhere.shares_target_group(&by_name) && !elsewhere.shares_target_group(&by_arn));
    let none = binding("a", "b", &json!({"spec": {"targetGroupARN": ""}}));
    assert!(!none.names(ARN) && !none.shares_target_group(&none));
}

#[test]
fn absent_fields_come_from_the_target_group() {
    let traits = TargetGroupTraits {
        target_type: "ip".to_owned(),
        protocol: "HTTPS".to_owned(),
        ip_address_type: "ipv6".to_owned(),
        vpc_id: "vpc-9".to_owned(),
    };
    let spec = filled(&binding("a", "b", &json!({"spec": {"targetType": "", "vpcID": "vpc-1"}})), &traits).spec;
    assert_eq!(spec.target_type.as_deref(), Some("ip"));
    assert_eq!(spec.target_group_protocol.as_deref(), Some("HTTPS"));
    assert_eq!(spec.ip_address_type.as_deref(), Some("ipv6"));
    assert_eq!(spec.vpc_id.as_deref(), Some("vpc-1"), "what is said stays");
}
