//! Tests of the verdicts on bindings.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::admit::registration::{Kind as RowKind, ROWS};
use crate::admit::{Object as Reviewed, Policy, review};
use crate::facts::{Aged, Facts};
use crate::settings::Settings;
use crate::world::{Object, World};

const ARN: &str = "arn:aws:elasticloadbalancing:eu-test-1:123456789012:targetgroup/web/0123456789abcdef";

fn object(namespace: &str, name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["serviceRef"] = json!({"name": "web", "port": 80});
    let meta = json!({"namespace": namespace, "name": name});
    json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": KIND, "metadata": meta, "spec": spec})
}

fn facts() -> Facts {
    let now = Timestamp::UNIX_EPOCH;
    let traits = |kind: &str, vpc: &str| TargetGroupTraits {
        target_type: kind.to_owned(),
        protocol: "HTTP".to_owned(),
        ip_address_type: "ipv4".to_owned(),
        vpc_id: vpc.to_owned(),
    };
    let groups = BTreeMap::from([
        (ARN.to_owned(), traits("ip", "vpc-0123abcd")),
        (ARN.replace("/web/", "/peer/"), traits("ip", "vpc-99999999")),
        (ARN.replace("/web/", "/alb/"), traits("alb", "vpc-0123abcd")),
    ]);
    let names = groups.keys().map(|arn| (target_group_name(arn).unwrap().to_owned(), arn.clone())).collect();
    Facts {
        vpc_id: Some("vpc-0123abcd".to_owned()),
        target_groups: Some(Aged { value: groups, read_at: now }),
        target_group_names: Some(Aged { value: names, read_at: now }),
        ..Facts::default()
    }
}

fn asked(kind: RowKind, spec: &Value, old: Option<&Value>, stored: &[Value]) -> ReviewAnswer {
    let mut world = World::new(Settings::new("demo"));
    for one in stored {
        world.apply(Object::Binding(Box::new(serde_json::from_value(one.clone()).unwrap())));
    }
    let (facts, settings, policy) = (facts(), Settings::new("demo"), Policy::default());
    let context =
        Context { world: &world, facts: &facts, settings: &settings, policy: &policy, now: Timestamp::UNIX_EPOCH };
    let is_row =
        |row: &&crate::admit::registration::WebhookRow| row.kind == kind && row.resource == "targetgroupbindings";
    let reviewed = |spec: &Value| Reviewed::Other(object("shop", "mine", spec));
    let request = Request {
        row: ROWS.iter().find(is_row).unwrap(),
        operation: if old.is_some() { Operation::Update } else { Operation::Create },
        namespace: "shop".to_owned(),
        name: "mine".to_owned(),
        dry_run: false,
        user: "somebody".to_owned(),
        object: Some(reviewed(spec)),
        old_object: old.map(reviewed),
    };
    review(&request, context)
}

fn refusal(spec: &Value, old: Option<&Value>, stored: &[Value]) -> Option<String> {
    let answer = asked(RowKind::Validating, spec, old, stored);
    (!answer.allowed).then_some(answer.message)
}

#[test]
fn a_port_that_the_service_lacks() {
    let refusal = |ports: &Value| {
        let mut world = World::new(Settings::new("demo"));
        let service = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": ports}});
        world.apply(Object::Service(Box::new(serde_json::from_value(service).unwrap())));
        let (facts, settings, policy) = (facts(), Settings::new("demo"), Policy::default());
        let context =
            Context { world: &world, facts: &facts, settings: &settings, policy: &policy, now: Timestamp::UNIX_EPOCH };
        let subject = ObjectRef::new(KIND, "shop", "mine");
        let binding = serde_json::from_value(object("shop", "mine", &json!({"targetGroupARN": ARN}))).unwrap();
        Review { binding: &binding, subject, context }.port().map(|finding| finding.message)
    };
    assert_eq!(refusal(&json!([{"name": "http", "port": 80}])), None);
    let other = refusal(&json!([{"port": 8080}, {"name": "80", "port": 81}]));
    assert_eq!(other.as_deref(), Some("Service web has no port 80; it has ports 8080, 81"));
    assert_eq!(refusal(&json!([])).as_deref(), Some("Service web has no port 80; it has no ports"));
}

#[test]
fn roles_of_other_accounts() {
    let role = "arn:aws:iam::999999999999:role/path/targets";
    for (role, id, refused) in [
        (role, "x", None),
        (role, "", None),
        ("arn:aws-cn:iam::999999999999:role/r", "", None),
        ("arn:aws:iam::999999999999:user/u", "", Some("not an ARN of an IAM role")),
        ("arn:aws:iam::99:role/r", "", Some("not an ARN of an IAM role")),
        ("targets", "", Some("not an ARN of an IAM role")),
        ("", "x", Some("no effect without iamRoleArnToAssume")),
    ] {
        let spec = json!({"targetGroupARN": ARN.replace("123456789012", "999999999999"), "targetType": "ip", "iamRoleArnToAssume": role, "assumeRoleExternalId": id});
        let told = refusal(&spec, None, &[]);
        match refused {
            None => assert_eq!(told, None, "{role} {id}"),
            Some(text) => assert!(told.as_ref().is_some_and(|told| told.contains(text)), "{role} {id}: {told:?}"),
        }
    }
}

#[test]
fn what_the_object_and_its_target_group_tell() {
    let rows = [
        (json!({"targetGroupARN": ARN}), None),
        (json!({"targetGroupName": "unknown", "targetType": "instance"}), None),
        (json!({}), Some("must provide either targetGroupARN or targetGroupName")),
        (json!({"targetGroupARN": "", "targetGroupName": ""}), Some("must provide either")),
        (json!({"targetGroupARN": "web"}), Some("not an ARN of a target group")),
        (json!({"targetGroupARN": format!("{ARN}\n")}), Some("not an ARN of a target group")),
        (json!({"targetGroupARN": ARN, "targetType": "ip", "nodeSelector": {}}), Some("spec.nodeSelector")),
        (json!({"targetGroupARN": ARN, "nodeSelector": {}}), Some("spec.nodeSelector")),
        (json!({"targetGroupARN": ARN, "targetType": "instance"}), Some("the target group has ip")),
        (json!({"targetGroupName": "web", "targetType": "instance"}), Some("the target group has ip")),
        (json!({"targetGroupARN": ARN, "ipAddressType": "ipv6"}), Some("the target group has ipv4")),
        (json!({"targetGroupARN": ARN, "targetGroupProtocol": "TCP"}), Some("the target group has HTTP")),
        (json!({"targetGroupARN": ARN, "vpcID": "vpc-99999999"}), Some("the target group has vpc-0123abcd")),
        (json!({"targetGroupARN": ARN, "vpcID": "vpc-1"}), Some("not the id of a VPC")),
        (json!({"targetGroupName": "alb"}), Some("type alb")),
        (
            json!({"targetGroupName": "x", "targetType": "instance", "iamRoleArnToAssume": "arn:aws:iam::1:role/r"}),
            Some("spec.iamRoleArnToAssume"),
        ),
        (
            json!({"targetGroupName": "x", "targetType": "instance", "targetGroupProtocol": "TCP_QUIC"}),
            Some("nodes cannot be targets of QUIC"),
        ),
    ];
    for (spec, expected) in rows {
        let refused = refusal(&spec, None, &[]);
        match expected {
            None => assert_eq!(refused, None, "{spec}"),
            Some(text) => assert!(refused.as_ref().is_some_and(|told| told.contains(text)), "{spec}: {refused:?}"),
        }
    }
}

#[test]
fn a_target_group_is_bound_once() {
    let other = |namespace: &str, spec: Value| [object(namespace, "first", &spec)];
    let (by_arn, by_name) = (json!({"targetGroupARN": ARN}), json!({"targetGroupName": "web"}));
    for mine in [&by_arn, &by_name] {
        for theirs in [&by_arn, &by_name] {
            let told = refusal(mine, None, &other("shop", theirs.clone())).unwrap();
            assert!(told.contains("already bound by TargetGroupBinding shop/first"), "{told}");
            let told = refusal(mine, None, &other("victim", theirs.clone())).unwrap();
            assert!(told.contains("already bound") && !told.contains("victim"), "{told}");
        }
    }
    let shared = json!({"targetGroupARN": ARN, "multiClusterTargetGroup": true});
    assert_eq!(refusal(&shared, None, &other("a", shared.clone())), None);
    assert!(refusal(&shared, None, &other("a", by_arn.clone())).is_some());
    assert_eq!(refusal(&by_arn, None, &other("a", json!({"targetGroupName": "elsewhere"}))), None);
    // What was so before is nobody's new fault, and an edit to a target group that is taken is.
    let labelled = json!({"targetGroupARN": ARN, "networking": {}});
    assert_eq!(refusal(&labelled, Some(&by_arn), &other("a", by_arn.clone())), None);
    assert!(refusal(&by_arn, Some(&json!({"targetGroupName": "x"})), &other("a", by_arn.clone())).is_some());
}

#[test]
fn some_fields_stay() {
    let was = json!({"targetGroupName": "x", "targetType": "ip", "vpcID": "vpc-0123abcd"});
    let with = |key: &str, value: Value| {
        let mut spec = was.clone();
        spec[key] = value;
        spec
    };
    assert!(refusal(&with("targetType", json!("instance")), Some(&was), &[]).is_some());
    assert!(refusal(&with("vpcID", json!("vpc-99999999")), Some(&was), &[]).is_some());
    assert!(refusal(&with("ipAddressType", json!("ipv6")), Some(&was), &[]).is_some());
    assert_eq!(refusal(&with("ipAddressType", json!("ipv4")), Some(&was), &[]), None);
    assert_eq!(refusal(&with("targetGroupName", json!("y")), Some(&was), &[]), None);
    assert_eq!(refusal(&json!({"targetGroupName": "x"}), Some(&was), &[]), None, "taken from the target group again");
}

#[test]
fn what_is_absent_is_filled_in_at_creation() {
    let patch = |spec: Value, old: Option<&Value>| -> Vec<String> {
        let patch = asked(RowKind::Mutating, &spec, old, &[]).patch;
        patch.iter().map(|one| format!("{} {}", one.path, one.value.clone().unwrap_or_default())).collect()
    };
    let all = [
        "/spec/ipAddressType \"ipv4\"",
        "/spec/targetGroupProtocol \"HTTP\"",
        "/spec/targetType \"ip\"",
        "/spec/vpcID \"vpc-0123abcd\"",
    ];
    assert_eq!(patch(json!({"targetGroupARN": ARN}), None), all);
    assert_eq!(patch(json!({"targetGroupName": "web"}), None), all);
    assert_eq!(patch(json!({"targetGroupName": "web", "targetType": "instance", "vpcID": ""}), None).len(), 3);
    assert_eq!(patch(json!({"targetGroupName": "peer"}), None).len(), 3, "not the VPC of others");
    assert!(patch(json!({"targetGroupName": "alb"}), None).is_empty());
    assert!(patch(json!({"targetGroupName": "unknown"}), None).is_empty());
    assert!(patch(json!({"targetGroupARN": ARN}), Some(&json!({"targetGroupARN": ARN}))).is_empty());
}
