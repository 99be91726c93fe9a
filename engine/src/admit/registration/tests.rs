//! Tests of the table and of what is generated from it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

fn json_of(options: &Options) -> (Value, Value) {
    let (validating, mutating) = configurations(options);
    (serde_json::to_value(validating).unwrap(), serde_json::to_value(mutating).unwrap())
}

#[test]
fn names_are_unique_and_qualified() {
    let names: BTreeSet<_> = ROWS.iter().map(|row| row.webhook).collect();
    assert_eq!(names.len(), ROWS.len());
    for name in names {
        assert!(name.split('.').count() >= 3, "{name}");
    }
}

#[test]
fn a_path_means_one_resource_and_one_kind() {
    for a in ROWS {
        assert!(a.path.starts_with('/'), "{}", a.path);
        for b in ROWS.iter().filter(|b| b.path == a.path) {
            assert_eq!((a.kind, a.group, a.version, a.resource), (b.kind, b.group, b.version, b.resource));
        }
    }
}

#[test]
fn only_our_own_classes_fail_closed() {
    for row in ROWS.iter().filter(|row| row.failure_policy == FailurePolicy::Fail) {
        assert_eq!(row.reach, Reach::Own, "{}", row.webhook);
    }
}

#[test]
fn no_webhook_sees_secrets() {
    assert!(ROWS.iter().all(|row| row.resource != "secrets" && row.resource != "*"));
}

#[test]
fn those_of_ingresses_bindings_and_pods_are_registered() {
    let (validating, mutating) = json_of(&Options::default());
    let names = |value: &Value| -> Vec<String> {
        value["webhooks"].as_array().unwrap().iter().map(|w| w["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        names(&validating),
        [
            "vingress.albedo.dev",
            "vingress-others.albedo.dev",
            "vingressclassparams.albedo.dev",
            "vingressclass.albedo.dev",
            "vservice.albedo.dev",
            "vtargetgroupbinding.albedo.dev",
            "vingressdefaults.albedo.dev",
            "vingresspolicy.albedo.dev"
        ]
    );
    assert_eq!(
        names(&mutating),
        [
            "mingress.albedo.dev",
            "mingress-others.albedo.dev",
            "mpod.albedo.dev",
            "mpod-pre-stop.albedo.dev",
            "mtargetgroupbinding.albedo.dev"
        ]
    );
}

#[test]
fn a_service_is_called_on_the_path_of_the_row() {
    let (validating, mutating) = json_of(&Options::default());
    assert_eq!(validating["kind"], "ValidatingWebhookConfiguration");
    assert_eq!(validating["metadata"]["name"], "albedo-webhook");
    let webhook = &validating["webhooks"][0];
    assert_eq!(
        webhook["clientConfig"],
        json!({"service": {
            "namespace": "albedo-system", "name": "albedo-webhook", "port": 443,
            "path": "/validate-networking-v1-ingress",
        }})
    );
    assert_eq!(webhook["failurePolicy"], "Fail");
    assert_eq!(webhook["sideEffects"], "None");
    assert_eq!(webhook["matchPolicy"], "Equivalent");
    assert_eq!(webhook["timeoutSeconds"], 5);
    assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]));
    assert_eq!(
        webhook["rules"],
        json!([{
            "apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["ingresses"], "scope": "*",
        }])
    );
    assert_eq!(mutating["webhooks"][1]["failurePolicy"], "Ignore");
    assert_eq!(mutating["webhooks"][1]["clientConfig"]["service"]["path"], "/mutate-networking-v1-ingress");
}

#[test]
fn a_url_takes_the_path_once() {
    for base in ["https://127.0.0.1:9443", "https://127.0.0.1:9443/"] {
        let options = Options {
            target: Target::Url(base.to_owned()),
            ca_bundle: Some(b"pem".to_vec()),
            inject_ca_from: Some("ns/serving".to_owned()),
            ..Options::default()
        };
        let (validating, _) = json_of(&options);
        assert_eq!(
            validating["webhooks"][0]["clientConfig"],
            json!({"caBundle": "cGVt", "url": "https://127.0.0.1:9443/validate-networking-v1-ingress"})
        );
        assert_eq!(validating["metadata"]["annotations"], json!({"cert-manager.io/inject-ca-from": "ns/serving"}));
    }
}

#[test]
fn every_webhook_skips_deletions_and_the_controller() {
    let (validating, mutating) = json_of(&Options::default());
    for configuration in [validating, mutating] {
        for webhook in configuration["webhooks"].as_array().unwrap() {
            let names: Vec<_> =
                webhook["matchConditions"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
            let reach = match (&webhook["failurePolicy"], &webhook["rules"][0]["resources"][0]) {
                (policy, _) if policy == "Fail" => Some("own-class"),
                (_, resource) if resource == "ingresses" => Some("others"),
                _ => None,
            };
            let changed = (webhook["rules"][0]["resources"][0] != "pods").then_some("changed");
            let expected = [Some("not-deleting"), Some("not-albedo"), reach, changed];
            assert_eq!(names, expected.into_iter().flatten().collect::<Vec<_>>());
        }
    }
}

/// Who deletes sends no object; what is changed without a part that counts is not sent.
#[test]
fn deletions_are_sent_of_what_ingresses_depend_on() {
    let (validating, _) = json_of(&Options::default());
    let sent = |webhook: &&Value| webhook["rules"][0]["operations"].as_array().unwrap().contains(&json!("DELETE"));
    let all: Vec<Value> = validating["webhooks"].as_array().unwrap().iter().filter(sent).cloned().collect();
    assert_eq!(all.len(), 3);
    for webhook in all {
        assert_eq!(webhook["failurePolicy"], "Ignore", "who deletes is never kept from it: {webhook}");
        for condition in webhook["matchConditions"].as_array().unwrap() {
            let expression = condition["expression"].as_str().unwrap();
            let is_safe = expression.starts_with("object == null || (") || condition["name"] == "not-albedo";
            assert!(is_safe, "reads a field of an object that is not there: {expression}");
        }
    }
}

#[test]
fn class_names_cannot_break_out_of_their_literal() {
    let options = Options { classes: vec!["a'b\\c\n".to_owned(), String::new()], ..Options::default() };
    let (validating, _) = json_of(&options);
    let expression = validating["webhooks"][0]["matchConditions"][2]["expression"].as_str().unwrap();
    assert!(expression.ends_with(r"in ['a\'b\\c\u000a', ''])"), "{expression}");
}

#[test]
fn pods_are_reviewed_in_labelled_namespaces_alone() {
    let of_pods = |options: &Options| -> Vec<Value> {
        let (_, mutating) = json_of(options);
        let all = mutating["webhooks"].as_array().unwrap().clone();
        all.into_iter().filter(|webhook| webhook["rules"][0]["resources"] == json!(["pods"])).collect()
    };
    let [webhook, pre_stop] = of_pods(&Options::default()).try_into().unwrap();
    let exists = json!([{"key": "albedo.dev/pre-stop-sleep", "operator": "Exists"}]);
    assert_eq!(pre_stop["namespaceSelector"], json!({"matchExpressions": exists}));
    let label = json!({"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"});
    assert_eq!(webhook["namespaceSelector"], json!({"matchLabels": label}));
    assert_eq!((&webhook["failurePolicy"], &webhook["rules"][0]["operations"]), (&json!("Ignore"), &json!(["CREATE"])));
    let own = json!([{"key": "app.kubernetes.io/name", "operator": "NotIn", "values": ["albedo"]}]);
    assert_eq!(webhook["objectSelector"]["matchExpressions"], own);
    let namespaces = LabelSelector { match_labels: Some(one("team", "web")), match_expressions: None };
    let [webhook, _] =
        of_pods(&Options { namespace_selector: Some(namespaces), ..Options::default() }).try_into().unwrap();
    let labels = json!({"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled", "team": "web"});
    assert_eq!(webhook["namespaceSelector"], json!({"matchLabels": labels}));
    assert_eq!(of_pods(&Options { gates: false, ..Options::default() }), [pre_stop], "a flag switches gates off");
}

fn webhooks(options: &Options) -> Vec<Value> {
    let (validating, mutating) = json_of(options);
    let all = [validating, mutating];
    all.iter().flat_map(|one| one["webhooks"].as_array().unwrap().clone()).collect()
}

#[test]
fn an_operator_changes_who_is_reviewed() {
    let text = r#"{"pods": {"failurePolicy": "Fail", "objectSelector": {"matchLabels": {"tier": "web"}},
            "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
        "ingresses": {"failurePolicy": "Ignore", "objectSelector": {"matchExpressions": [{"key": "canary", "operator": "DoesNotExist"}]},
            "namespaceSelector": {"matchExpressions": [{"key": "env", "operator": "In", "values": ["prod"]}]}}}"#;
    let expression = |key: &str, operator: &str| LabelSelectorRequirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values: None,
    };
    let own = LabelSelector { match_expressions: Some(vec![expression("not-system", "Exists")]), match_labels: None };
    let options =
        Options { overrides: Overrides::parse(text).unwrap(), namespace_selector: Some(own), ..Options::default() };
    let of = |name: &str| webhooks(&options).into_iter().find(|webhook| webhook["name"] == name).unwrap();
    let system = json!({"key": "not-system", "operator": "Exists"});
    let not_albedo = json!({"key": "app.kubernetes.io/name", "operator": "NotIn", "values": ["albedo"]});
    let gates = of("mpod.albedo.dev");
    assert_eq!(gates["failurePolicy"], "Fail");
    let team = json!({"key": "team", "operator": "Exists"});
    assert_eq!(gates["namespaceSelector"], json!({"matchExpressions": [system, team]}), "in place of LBC's label");
    let web = json!({"key": "tier", "operator": "In", "values": ["web"]});
    assert_eq!(gates["objectSelector"], json!({"matchExpressions": [not_albedo, web]}));
    let sleeps = json!({"key": "albedo.dev/pre-stop-sleep", "operator": "Exists"});
    let pre_stop = of("mpod-pre-stop.albedo.dev");
    assert_eq!(
        pre_stop["namespaceSelector"],
        json!({"matchExpressions": [system, sleeps, team]}),
        "seconds are in the label"
    );
    for name in
        ["vingress.albedo.dev", "vingress-others.albedo.dev", "mingress.albedo.dev", "mingress-others.albedo.dev"]
    {
        let webhook = of(name);
        assert_eq!(webhook["failurePolicy"], "Ignore", "{name}");
        let canary = json!({"matchExpressions": [{"key": "canary", "operator": "DoesNotExist"}]});
        assert_eq!(webhook["objectSelector"], canary, "{name}");
        let prod = json!({"key": "env", "operator": "In", "values": ["prod"]});
        assert_eq!(webhook["namespaceSelector"], json!({"matchExpressions": [system, prod]}), "{name}");
    }
    assert_eq!(of("vtargetgroupbinding.albedo.dev")["namespaceSelector"], json!({"matchExpressions": [system]}));
}

#[test]
fn an_operator_never_closes_the_door_for_other_controllers() {
    let overrides = Overrides::parse(r#"{"ingresses": {"failurePolicy": "Fail"}}"#).unwrap();
    let all = webhooks(&Options { overrides, ..Options::default() });
    assert_eq!(all, webhooks(&Options::default()));
}

#[test]
fn a_misspelled_override_is_an_error() {
    assert_eq!(Overrides::parse("").unwrap(), Overrides::default());
    for wrong in [
        "{",
        r#"{"services": {}}"#,
        r#"{"pods": {"failurepolicy": "Fail"}}"#,
        r#"{"pods": {"failurePolicy": "fail"}}"#,
        r#"{"pods": {"objectSelector": {"matchLabel": {"a": "b"}}}}"#,
        r#"{"pods": {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}}}"#,
    ] {
        assert!(Overrides::parse(wrong).is_err(), "{wrong}");
    }
}
