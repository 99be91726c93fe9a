//! Tests of the gates that new Pods get.

use jiff::Timestamp;

use super::*;
use crate::admit::registration::ROWS;
use crate::admit::{Object as Reviewed, Policy, review};
use crate::facts::{Aged, Facts};
use crate::settings::Settings;
use crate::stack::TargetGroupTraits;
use crate::world::{Object, World};

const GATE: &str = "target-health.elbv2.k8s.aws/";

fn binding(name: &str, spec: &Value, more: &Value) -> Object {
    let mut object = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"targetGroupARN": format!("arn-{name}"), "targetType": "ip", "serviceRef": {"name": "web", "port": 80}}});
    let merge =
        |into: &mut Value, from: &Value| into.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
    merge(&mut object["spec"], spec);
    for (key, value) in more.as_object().unwrap() {
        let mut there = object.get(key).cloned().unwrap_or_else(|| json!({}));
        merge(&mut there, value);
        object[key] = there;
    }
    Object::Binding(Box::new(serde_json::from_value(object).unwrap()))
}

fn service(name: &str, selector: &Value) -> Object {
    let service = json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"selector": selector}});
    Object::Service(Box::new(serde_json::from_value(service).unwrap()))
}

fn pod(labels: &Value, gates: &[&str]) -> Value {
    let mut pod = json!({"metadata": {"generateName": "web-", "labels": labels}, "spec": {"containers": []}});
    if !gates.is_empty() {
        pod["spec"]["readinessGates"] = gates.iter().map(|gate| json!({"conditionType": gate})).collect();
    }
    pod
}

fn reviewed(world: &World, settings: &Settings, pod: &Value, operation: Operation) -> ReviewAnswer {
    let traits = |target_type: &str| TargetGroupTraits {
        target_type: target_type.to_owned(),
        protocol: "HTTP".to_owned(),
        ip_address_type: "ipv4".to_owned(),
        vpc_id: "vpc-1".to_owned(),
    };
    let known = [("arn-short".to_owned(), traits("ip")), ("arn-nodes".to_owned(), traits("instance"))];
    let target_groups = Some(Aged { value: known.into(), read_at: Timestamp::UNIX_EPOCH });
    let facts = Facts { target_groups, ..Facts::default() };
    let context = Context { world, facts: &facts, settings, policy: &Policy::default(), now: Timestamp::UNIX_EPOCH };
    let request = Request {
        row: ROWS.iter().find(|row| row.path == "/mutate-v1-pod").unwrap(),
        operation,
        namespace: "shop".to_owned(),
        name: String::new(),
        dry_run: false,
        user: "system:serviceaccount:kube-system:replicaset-controller".to_owned(),
        object: Some(Reviewed::Other(pod.clone())),
        old_object: None,
    };
    let answer = review(&request, context);
    assert!(answer.allowed && answer.warnings.is_empty());
    answer
}

/// The gates that a Pod has afterwards; `None`: nothing is changed.
fn gates_after(objects: Vec<Object>, settings: &Settings, pod: &Value) -> Option<Vec<String>> {
    let mut world = World::new(settings.clone());
    for object in objects {
        world.apply(object);
    }
    let mut answer = reviewed(&world, settings, pod, Operation::Create);
    let mut after = pod.clone();
    let change = answer.patch.pop()?;
    assert!(answer.patch.is_empty());
    let is_there = after["spec"].get("readinessGates").is_some();
    assert_eq!((change.op, change.path.as_str()), (if is_there { "replace" } else { "add" }, PATH));
    after["spec"]["readinessGates"] = change.value.unwrap();
    assert_eq!(reviewed(&world, settings, &after, Operation::Create).patch, Vec::new(), "once is enough");
    assert_eq!(reviewed(&world, settings, pod, Operation::Update).patch, Vec::new(), "only new Pods");
    let gates = after["spec"]["readinessGates"].as_array().unwrap();
    Some(gates.iter().map(|gate| type_of(gate).replace(GATE, "")).collect())
}

#[test]
fn which_gates_a_pod_gets() {
    type Row<'r> = (&'r str, Vec<Object>, Option<Vec<&'r str>>);
    let web = || service("web", &json!({"app": "web"}));
    let plain = || binding("b", &json!({}), &json!({}));
    let held = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "OtherCluster", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let rows: Vec<Row<'_>> = vec![
        ("one binding", vec![web(), plain()], Some(vec!["b"])),
        ("two of them, by name", vec![web(), plain(), binding("a", &json!({}), &json!({}))], Some(vec!["a", "b"])),
        ("none", vec![web()], None),
        ("no Service", vec![plain()], None),
        ("another Service", vec![service("web", &json!({"app": "api"})), plain()], None),
        ("a Service that selects more narrowly", vec![service("web", &json!({"app": "web", "x": "y"})), plain()], None),
        ("a Service without a selector", vec![service("web", &json!({})), plain()], None),
        ("nodes", vec![web(), binding("b", &json!({"targetType": "instance"}), &json!({}))], None),
        ("what AWS has", vec![web(), binding("short", &json!({"targetType": ""}), &json!({}))], Some(vec!["short"])),
        ("nodes in AWS", vec![web(), binding("nodes", &json!({"targetType": ""}), &json!({}))], None),
        ("not known", vec![web(), binding("unknown", &json!({"targetType": ""}), &json!({}))], None),
        ("one that is held", vec![web(), binding("b", &json!({}), &held)], None),
        ("one that goes", vec![web(), binding("b", &json!({}), &going)], None),
        (
            "another controller's",
            vec![
                web(),
                binding("b", &json!({}), &json!({"metadata": {"labels": {"service.k8s.aws/stack-name": "x"}}})),
            ],
            None,
        ),
    ];
    let settings = Settings::new("demo");
    for (name, objects, expected) in rows {
        let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect());
        assert_eq!(gates_after(objects, &settings, &pod(&json!({"app": "web", "v": "1"}), &[])), expected, "{name}");
    }
}

#[test]
fn gates_that_are_there_stay() {
    let objects = || vec![service("web", &json!({"app": "web"})), binding("b", &json!({}), &json!({}))];
    let settings = Settings::new("demo");
    let after = |gates: &[&str]| gates_after(objects(), &settings, &pod(&json!({"app": "web"}), gates));
    let own = "target-health.elbv2.k8s.aws/b";
    let old = "target-health.alb.ingress.k8s.aws/shop_web_80";
    assert_eq!(after(&["x/y"]), Some(vec!["x/y".to_owned(), "b".to_owned()]));
    assert_eq!(after(&[own]), None);
    assert_eq!(after(&[old, "x/y"]), Some(vec!["x/y".to_owned(), "b".to_owned()]));
    let others = gates_after(objects(), &settings, &pod(&json!({"app": "api"}), &[old]));
    assert_eq!(others, None, "a gate of an older version goes only with a new one");
}

#[test]
fn a_flag_and_lbc_itself_switch_it_off() {
    let objects = || vec![service("web", &json!({"app": "web"})), binding("b", &json!({}), &json!({}))];
    let off = Settings { inject_readiness_gates: false, ..Settings::new("demo") };
    let beside = Settings { beside_lbc: true, ..Settings::new("demo") };
    for settings in [off, beside] {
        assert_eq!(gates_after(objects(), &settings, &pod(&json!({"app": "web"}), &[])), None);
    }
}

#[test]
fn odd_pods_are_let_through() {
    let settings = Settings::new("demo");
    let world = World::new(settings.clone());
    for odd in
        [json!({}), json!([]), json!(null), json!({"spec": []}), json!({"spec": {"readinessGates": {}}, "metadata": 7})]
    {
        assert_eq!(reviewed(&world, &settings, &odd, Operation::Create).patch, Vec::new(), "{odd}");
    }
}
