//! Mistakes from real reports, and what looks like one and is none.

use albedo_engine::settings::Settings;
use serde_json::{Value, json};

use crate::fixture::{CERTIFICATE, Fixture, ingress, says};

fn to(service: &str, port: &Value, path: &str, kind: &str) -> Value {
    json!({"rules": [{"host": "a.example.com", "http": {"paths": [
        {"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": port}}}]}}]})
}

/// The Ingress is let in without a word.
#[track_caller]
fn accepts(short: &Value, spec: &Value) {
    let answer = Fixture::new().answer(&ingress("a", short, spec));
    assert!(answer.allowed && answer.warnings.is_empty(), "{short}: {} {:?}", answer.message, answer.warnings);
}

/// The Ingress is refused, in these words among others.
#[track_caller]
fn rejects(short: &Value, spec: &Value, words: &[&str]) {
    rejects_at(&Fixture::new(), short, spec, words);
}

#[track_caller]
fn rejects_at(fixture: &Fixture, short: &Value, spec: &Value, words: &[&str]) {
    let answer = fixture.answer(&ingress("a", short, spec));
    assert!(!answer.allowed, "{short} is let in: {:?}", answer.warnings);
    let causes = answer.details.expect("details").causes;
    let told: Vec<String> = causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    says(&short.to_string(), &told.join("; "), words);
}

/// The Ingress is let in with a warning; with `strict` it is not.
#[track_caller]
fn warns(short: &Value, spec: &Value, words: &[&str]) {
    let mut fixture = Fixture::new();
    let answer = fixture.answer(&ingress("a", short, spec));
    assert!(answer.allowed, "{short}: {}", answer.message);
    says(&short.to_string(), &answer.warnings.join("; "), words);
    fixture.policy.strict = true;
    rejects_at(&fixture, short, spec, words);
}

#[test]
fn keys_in_camel_case_are_each_told_their_name() {
    rejects(
        &json!({"listenPorts": r#"[{"HTTP": 80}]"#, "targetType": "ip", "sslPolicy": "x"}),
        &json!({}),
        &["ALB001", "`listen-ports`", "`target-type`", "`ssl-policy`"],
    );
}

#[test]
fn a_target_type_is_one_of_two() {
    rejects(&json!({"target-type": "pod"}), &json!({}), &["ALB003", "\"pod\"", "ip (pods", "instance (nodes"]);
}

#[test]
fn instance_needs_a_node_port() {
    let spec = to("inner", &json!({"number": 80}), "/", "Prefix");
    let words = ["ALB103", "inner", "ClusterIP", "NodePort", "target-type: ip"];
    rejects(&json!({}), &spec, &[&words[..], &["--default-target-type"]].concat());
    rejects(&json!({"target-type": "instance"}), &spec, &[&words[..], &["the Ingress's annotation"]].concat());
    accepts(&json!({"target-type": "ip"}), &spec);
    let mut fixture = Fixture::new();
    fixture.class("alb", "ingress.k8s.aws/alb", Some(&json!({"targetType": "instance"})));
    rejects_at(&fixture, &json!({"target-type": "ip"}), &spec, &[&words[..], &["the class's parameters"]].concat());
}

#[test]
fn a_service_that_is_missing_may_come_later() {
    warns(&json!({}), &to("wbe", &json!({"number": 80}), "/", "Prefix"), &["ALB101", "wbe", "503", "web"]);
    rejects(&json!({}), &to("web", &json!({"number": 81}), "/", "Prefix"), &["ALB102", "81", "80 (http)"]);
}

#[test]
fn certificates_are_of_the_region_and_well_formed() {
    let elsewhere = CERTIFICATE.replace("eu-central-1", "us-east-1");
    rejects(&json!({"certificate-arn": elsewhere}), &json!({}), &["ALB205", "us-east-1", "eu-central-1"]);
    let twice = CERTIFICATE.replace("arn:aws", "arn:arn:aws");
    rejects(&json!({"certificate-arn": twice}), &json!({}), &["ALB005", "arn:arn:", "twice"]);
    accepts(&json!({"certificate-arn": format!("{CERTIFICATE},")}), &json!({}));
}

#[test]
fn actions_are_json_and_exist() {
    rejects(
        &json!({"actions.ssl-redirect": "443"}),
        &json!({}),
        &["ALB012", "actions.ssl-redirect", "a JSON action object", "ssl-redirect: \"443\""],
    );
    let redirect = r#"{"type": "redirect", "redirectConfig": {"host": "b.example.com", "statusCode": "HTTP_301"}}"#;
    rejects(
        &json!({"actions.jmp": redirect}),
        &to("jump", &json!({"name": "use-annotation"}), "/", "Prefix"),
        &["ALB019", "spec.rules[0].http.paths[0]", "actions.jump", "actions.jmp"],
    );
    let pascal = r#"{"Type": "redirect", "RedirectConfig": {"Host": "b.example.com", "StatusCode": "HTTP_301"}}"#;
    accepts(&json!({"actions.jump": pascal}), &to("jump", &json!({"name": "use-annotation"}), "/", "Prefix"));
}

#[test]
fn a_condition_has_values() {
    rejects(
        &json!({"conditions.web": r#"[{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "X", "values": []}}]"#}),
        &json!({}),
        &["ALB013", "conditions.web", "httpHeaderConfig", "values"],
    );
}

#[test]
fn wildcards_belong_to_implementation_specific_paths() {
    let number = json!({"number": 80});
    rejects(
        &json!({}),
        &to("web", &number, "/*", "Prefix"),
        &["ALB009", "path: / with pathType: Prefix", "path: /* with pathType: ImplementationSpecific"],
    );
    accepts(&json!({}), &to("web", &number, "/*", "ImplementationSpecific"));
}

#[test]
fn attributes_are_known() {
    rejects(
        &json!({"load-balancer-attributes": "deletion_protection.enable=true"}),
        &json!({}),
        &["deletion_protection.enable", "deletion_protection.enabled"],
    );
}

#[test]
fn subnets_are_in_two_zones() {
    rejects(&json!({"subnets": "subnet-0a11,subnet-0a12"}), &json!({}), &["ALB202", "eu-central-1a", "two zones"]);
    rejects(&json!({"subnets": "subnet-0a11,subnet-0c33"}), &json!({}), &["ALB201", "subnet-0c33"]);
    accepts(&json!({"subnets": "subnet-0a11,subnet-0b22"}), &json!({}));
    // What is known of AWS is too old to refuse for.
    let mut fixture = Fixture::new();
    if let Some(aged) = &mut fixture.facts.subnets {
        aged.read_at = jiff::Timestamp::from_second(1_799_000_000).expect("a time");
    }
    let answer = fixture.answer(&ingress("a", &json!({"subnets": "subnet-0a11,subnet-0a12"}), &json!({})));
    assert!(answer.allowed && answer.warnings.iter().any(|told| told.contains("ALB202")), "{:?}", answer.warnings);
}

#[test]
fn a_secret_that_is_missing_keeps_one_ingress_waiting() {
    let oidc = r#"{"issuer":"https://i","authorizationEndpoint":"https://i/a","tokenEndpoint":"https://i/t","userInfoEndpoint":"https://i/u","secretName":"client"}"#;
    let short = json!({"auth-type": "oidc", "auth-idp-oidc": oidc, "group.name": "g", "certificate-arn": CERTIFICATE});
    warns(&short, &json!({}), &["ALB107", "client"]);
    let mut fixture = Fixture::new();
    fixture.store("b", &json!({"group.name": "g"}), &json!({}));
    let linked = fixture.with(&ingress("a", &short, &json!({})));
    let rules = linked.desired.expect("the rest of the group").listeners[&80].rules.len();
    assert_eq!(rules, 1);
}

#[test]
fn what_the_predecessor_accepts_is_accepted() {
    accepts(&json!({"listen-ports": r#"[{"HTTP": 80, "HTTPS": 443}]"#, "certificate-arn": CERTIFICATE}), &json!({}));
    accepts(&json!({"kubernetes.io/ingress.class": "alb"}), &json!({"ingressClassName": null}));
}

#[test]
fn annotations_that_nobody_reads_are_told_of() {
    let mut fixture = Fixture::new();
    fixture.class("nginx", "k8s.io/ingress-nginx", None);
    let answer = fixture.answer(&ingress("a", &json!({"scheme": "internal"}), &json!({"ingressClassName": "nginx"})));
    assert!(answer.allowed);
    says("another's class", &answer.warnings.join("; "), &["ALB108", "nginx", "alb"]);
}

#[test]
fn an_old_fault_refuses_nothing() {
    let mut fixture = Fixture::new();
    fixture.store("a", &json!({"target-type": "pod", "schema": "internal"}), &json!({}));
    let edited = ingress("a", &json!({"target-type": "pod", "schema": "internal", "tags": "a=b"}), &json!({}));
    let answer = fixture.answer(&edited);
    assert!(answer.allowed, "{}", answer.message);
    let worse = ingress("a", &json!({"target-type": "pod", "schema": "internal", "scheme": "public"}), &json!({}));
    assert!(!fixture.answer(&worse).allowed, "a new fault beside the old ones");
}

/// The operator's bans hold what is new: an Ingress that has the annotation already goes on, in another group too.
#[test]
fn annotations_that_the_operator_forbids() {
    const CLASS: &str = "kubernetes.io/ingress.class";
    let forbidding = |class, group| {
        let mut settings = Settings::new("test");
        (settings.forbid_class_annotation, settings.forbid_group_name_annotation) = (class, group);
        Fixture::by(settings)
    };
    let unclassed = json!({"ingressClassName": null});
    let legacy = |more: &str| json!({CLASS: "alb", "scheme": "internal", "tags": more});
    let grouped = |name: &str| json!({"group.name": name, "albedo.dev/allow-replacement": "true"});
    let named = |mut annotations: Value| {
        annotations["group.name"] = json!("shop");
        annotations["albedo.dev/allow-replacement"] = json!("true");
        annotations
    };
    let rows = [
        (forbidding(true, false), None, legacy("a=1"), true),
        (forbidding(false, true), None, legacy("a=1"), false),
        (forbidding(true, false), Some(json!({CLASS: "nginx"})), legacy("a=1"), true),
        (forbidding(true, false), Some(legacy("a=1")), legacy("a=2"), false),
        (forbidding(true, false), Some(legacy("a=1")), named(legacy("a=1")), false),
        (forbidding(false, true), None, grouped("shop"), true),
        (forbidding(false, true), Some(grouped("shop")), grouped("other"), true),
        (forbidding(false, true), Some(grouped("shop")), json!({}), false),
    ];
    for (mut fixture, before, after, refused) in rows {
        if let Some(before) = &before {
            fixture.store("web", before, &unclassed);
        }
        let spec = if after.get(CLASS).is_some() { unclassed.clone() } else { json!({}) };
        let answer = fixture.answer(&ingress("web", &after, &spec));
        assert_eq!(answer.message.contains("ALB034"), refused, "{before:?} → {after}: {}", answer.message);
    }
}

#[test]
fn keys_that_the_class_overrides_are_told_of() {
    let mut fixture = Fixture::new();
    let params = json!({
        "tags": [{"key": "team", "value": "platform"}],
        "loadBalancerAttributes": [{"key": "idle_timeout.timeout_seconds", "value": "10"}],
        "listeners": [{"protocol": "HTTP", "port": 80, "listenerAttributes": [
            {"key": "routing.http.response.server.enabled", "value": "true"}]}]});
    fixture.class("own", albedo_engine::settings::CONTROLLER, Some(&params));
    let spec = json!({"ingressClassName": "own"});
    for (key, value, field, item) in [
        ("tags", "team=web,env=dev", "tags", "team"),
        (
            "load-balancer-attributes",
            "routing.http2.enabled=false,idle_timeout.timeout_seconds=60",
            "loadBalancerAttributes",
            "idle_timeout.timeout_seconds",
        ),
        (
            "listener-attributes.HTTP-80",
            "routing.http.response.server.enabled=false",
            "listeners",
            "routing.http.response.server.enabled",
        ),
    ] {
        let answer = fixture.answer(&ingress("a", &json!({key: value}), &spec));
        assert!(answer.allowed, "{key}: {}", answer.message);
        let expected =
            format!("ALB112: spec.{field} of the class's IngressClassParams wins over {item} in this annotation");
        let [told] = answer.warnings.as_slice() else { panic!("{key}: {:?}", answer.warnings) };
        says(key, told, &[&expected]);
    }
    // Keys that the class does not set.
    let others = json!({"tags": "env=dev", "listener-attributes.HTTP-81": "routing.http.response.server.enabled=false",
        "listen-ports": r#"[{"HTTP": 80}, {"HTTP": 81}]"#});
    let answer = fixture.answer(&ingress("a", &others, &spec));
    assert!(answer.allowed && answer.warnings.is_empty(), "{} {:?}", answer.message, answer.warnings);
}
