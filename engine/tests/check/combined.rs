//! What AWS refuses though each value is right by itself, and the fix that fits the very fault.

use albedo_engine::admit::{Context, Policy};
use albedo_engine::check::{Level, check};
use albedo_engine::facts::{Aged, Facts};
use albedo_engine::settings::Settings;
use jiff::Timestamp;

use super::{ingress, read};

const P: &str = "alb.ingress.kubernetes.io";

/// What is said of a file: level and code, and the whole text of each.
fn said_with(file: &str, settings: &Settings, facts: &Facts) -> Vec<(String, String)> {
    let manifests = read(&[("in.yaml", file.as_bytes())]);
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    let policy = Policy::default();
    let context = Context { world: &manifests.world, facts, settings, policy: &policy, now };
    let report = check(&manifests, context, false);
    let short = |level: Level| if level == Level::Error { "error" } else { "warning" };
    let told = report.remarks.iter();
    told.map(|one| {
        (format!("{} {}", short(one.level), one.rule.id()), format!("{}: {}; {}", one.path, one.message, one.fix))
    })
    .collect()
}

fn said(file: &str) -> Vec<(String, String)> {
    said_with(file, &Settings::new(""), &Facts::default())
}

/// A case: the file has this finding alone, and its text has these words; or none, where there is no code.
fn holds(file: &str, code: &str, words: &[&str]) {
    let found = said(file);
    if code.is_empty() {
        assert!(found.is_empty(), "{file}\n{found:#?}");
        return;
    }
    assert!(found.len() == 1 && found[0].0 == code, "{code} expected\n{file}\n{found:#?}");
    for word in words {
        assert!(found[0].1.contains(word), "{word:?} is not in {:?}", found[0].1);
    }
}

/// An Ingress whose one path leads to the action `canary`, which forwards to `app` and `other`.
fn weighted(annotations: &str, weights: (u8, u8), rest: &str) -> String {
    let (one, other) = weights;
    let action = format!(
        r#"{{"type": "forward", "forwardConfig": {{"targetGroups": [{{"serviceName": "app", "servicePort": 80, "weight": {one}}}, {{"serviceName": "other", "servicePort": 80, "weight": {other}}}]{rest}}}}}"#
    );
    let file = ingress(&format!("{P}/target-type: ip\n{annotations}\n{P}/actions.canary: '{action}'"));
    let file = file.replacen("name: app", "name: canary", 1).replacen("number: 80", "name: use-annotation", 1);
    format!("{file}---\napiVersion: v1\nkind: Service\nmetadata:\n  name: other\nspec:\n  ports:\n    - port: 80\n")
}

#[test]
fn sticky_targets_behind_a_weighted_forward() {
    let sticky = format!("{P}/target-group-attributes: stickiness.enabled=true");
    let group = r#", "targetGroupStickinessConfig": {"enabled": true, "durationSeconds": 600}"#;
    let off = r#", "targetGroupStickinessConfig": {"enabled": false}"#;
    holds(
        &weighted(&sticky, (90, 10), ""),
        "error ALB012",
        &["stickiness.enabled=true", "targetGroupStickinessConfig"],
    );
    holds(&weighted(&sticky, (90, 10), off), "error ALB012", &["targetGroupStickinessConfig"]);
    holds(&weighted(&sticky, (90, 10), group), "", &[]);
    holds(&weighted(&sticky, (100, 0), ""), "", &[]);
    holds(&weighted(&format!("{P}/target-group-attributes: stickiness.enabled=false"), (90, 10), ""), "", &[]);
    // By the Service.
    let by_service = weighted("a: b", (50, 50), "")
        .replace("metadata:\n  name: other\n", &format!("metadata:\n  name: other\n  annotations:\n    {sticky}\n"));
    holds(&by_service, "error ALB012", &["targets of other"]);
    // One target group alone.
    holds(&ingress(&format!("{P}/target-type: ip\n{sticky}")), "", &[]);
}

#[test]
fn attributes_that_aws_refuses() {
    let of = |key: &str, value: &str| ingress(&format!("{P}/target-type: ip\n{P}/{key}: {value}"));
    let listener = |value: &str| of("listener-attributes.HTTP-80", &format!("'routing.http.response.{value}'"));
    for (file, words) in [
        (listener(r#"strict_transport_security.header_value="max-age=600""#), "header_value=max-age=600"),
        (listener(r#"strict_transport_security.header_value=max-age="600;preload""#), "leave the quotes out"),
        (listener("strict_transport_security.header_value=max-age:600"), "max-age=SECONDS"),
        (listener("access_control_allow_credentials.header_value=yes"), "true or false belongs there"),
        (listener("x_content_type_options.header_value=sniff"), "nosniff belongs there"),
        (listener("access_control_max_age.header_value=1h"), "a whole number of seconds"),
        (listener("x_frame_options.header_value=SAME"), "DENY or SAMEORIGIN"),
        (listener("access_control_allow_methods.header_value=GET,POST"), r"header_value=GET\,POST"),
        (
            listener("content_security_policy.header_value=a\u{7}b").replace('\'', "\"").replace('\u{7}', "\\a"),
            "control character",
        ),
        (of("load-balancer-attributes", "no.such.attribute=1"), "--extra-attributes"),
        (of("load-balancer-attributes", "idle_timeout=120"), "did you mean `idle_timeout.timeout_seconds`?"),
        (of("load-balancer-attributes", "stickiness.enabled=true"), "write it into target-group-attributes"),
        (of("load-balancer-attributes", "access_logs.s3.enabled=true"), "add access_logs.s3.bucket=NAME"),
        (of("load-balancer-attributes", "connection_logs.s3.enabled=true"), "add connection_logs.s3.bucket=NAME"),
        (
            of("load-balancer-attributes", "'health_check_logs.s3.enabled=true,health_check_logs.s3.bucket='"),
            "add health_check_logs.s3.bucket=NAME",
        ),
        (
            of("load-balancer-attributes", "'access_logs.s3.enabled=true,access_logs.s3.bucket=My_Logs'"),
            "the name of a bucket",
        ),
        (
            of("load-balancer-attributes", "'access_logs.s3.enabled=true,access_logs.s3.bucket=s3://logs'"),
            "the name of a bucket",
        ),
        (
            of(
                "load-balancer-attributes",
                "'access_logs.s3.enabled=true,access_logs.s3.bucket=logs,access_logs.s3.prefix=AWSLogs/x'",
            ),
            "without AWSLogs",
        ),
    ] {
        holds(&file, "error ALB025", &[words]);
    }
    for file in [
        listener("strict_transport_security.header_value=max-age=31536000; includeSubDomains; preload"),
        listener("access_control_allow_credentials.header_value=true"),
        listener(r"access_control_allow_methods.header_value=GET\,POST"),
        of(
            "load-balancer-attributes",
            "'access_logs.s3.enabled=true,access_logs.s3.bucket=logs,access_logs.s3.prefix=shop'",
        ),
        of("load-balancer-attributes", "access_logs.s3.enabled=false"),
    ] {
        holds(&file, "", &[]);
    }
    let settings = Settings { extra_attributes: vec!["no.such.attribute".to_owned()], ..Settings::new("") };
    let file = of("load-balancer-attributes", "no.such.attribute=1");
    assert_eq!(said_with(&file, &settings, &Facts::default()), []);
}

#[test]
fn logs_of_a_group_go_where_one_member_says() {
    let member = |name: &str, value: &str| {
        let file =
            ingress(&format!("{P}/target-type: ip\n{P}/group.name: shop\n{P}/load-balancer-attributes: {value}"));
        file.replacen("name: web", &format!("name: {name}"), 1)
    };
    let (on, to) = (member("a", "access_logs.s3.enabled=true"), member("b", "access_logs.s3.bucket=logs"));
    holds(&on, "error ALB025", &["access_logs.s3.bucket=NAME"]);
    let to = to.split("---").next().expect("an Ingress").to_owned();
    let to = to.replacen("path: /\n", "path: /b\n", 1);
    assert!(said(&format!("{to}---\n{on}")).iter().all(|(code, _)| code != "error ALB025"));
}

#[test]
fn values_that_stand_twice_in_a_condition() {
    let of = |host: &str, path: &str, conditions: &str| {
        let file = ingress(&format!("{P}/target-type: ip\n{P}/conditions.app: '{conditions}'"));
        file.replacen("- http:", &format!("- host: {host}\n      http:"), 1).replacen(
            "path: /\n",
            &format!("path: {path}\n"),
            1,
        )
    };
    let hosts =
        r#"[{"field": "host-header", "hostHeaderConfig": {"values": ["Survey.example.com", "b.example.com"]}}]"#;
    let paths = r#"[{"field": "path-pattern", "pathPatternConfig": {"values": ["/app/*"]}}]"#;
    let methods = r#"[{"field": "http-request-method", "httpRequestMethodConfig": {"values": ["GET", "GET"]}}]"#;
    let sources = r#"[{"field": "source-ip", "sourceIpConfig": {"values": ["10.0.0.0/8", "10.0.0.0/8"]}}]"#;
    let headers = r#"[{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "X", "values": ["a", "A"]}}]"#;
    let query = r#"[{"field": "query-string", "queryStringConfig": {"values": [{"key": "a", "value": "b"}, {"key": "a", "value": "b"}]}}]"#;
    for (conditions, word) in [
        (hosts, "`Survey.example.com`"),
        (paths, "`/app/*`"),
        (methods, "`GET`"),
        (sources, "`10.0.0.0/8`"),
        (headers, "`A`"),
        (query, "`a=b`"),
    ] {
        holds(&of("survey.example.com", "/app", conditions), "warning ALB033", &[word]);
    }
    // Five values are left of six, and six different ones are too many.
    let many = |last: &str| {
        let hosts = ["survey.example.com", "a.example.com", last].map(|host| format!("\"{host}\"")).join(", ");
        format!(r#"[{{"field": "host-header", "hostHeaderConfig": {{"values": [{hosts}]}}}}]"#)
    };
    holds(&of("survey.example.com", "/app", &many("b.example.com")), "warning ALB033", &[]);
    let six = many("b.example.com").replace("survey.", "other.");
    holds(&of("survey.example.com", "/app", &six), "error ALB031", &["6 condition values"]);
    holds(
        &of(
            "a.example.com",
            "/app",
            r#"[{"field": "host-header", "hostHeaderConfig": {"values": ["b.example.com:80"]}}]"#,
        ),
        "error ALB013",
        &["has a port in it"],
    );
}

#[test]
fn control_characters_and_names_of_secrets() {
    for (key, value, code) in [
        (
            "actions.app",
            r#"'{"type": "fixed-response", "fixedResponseConfig": {"statusCode": "200", "messageBody": "a\u0000"}}'"#,
            "error ALB012",
        ),
        ("auth-scope", r#""open\eid""#, "error ALB015"),
        ("tags", r#""a=b\x9b""#, "error ALB021"),
        ("load-balancer-attributes", r#""access_logs.s3.prefix=a\x7f""#, "error ALB025"),
    ] {
        let found = said(&ingress(&format!("{P}/target-type: ip\n{P}/{key}: {value}")));
        assert!(
            found.iter().any(|(told, text)| told == code && text.contains("control character")),
            "{key}: {found:#?}"
        );
    }
    let idp = |name: &str| {
        let url = |path: &str| format!("https://id.example.com/{path}");
        format!(
            r#"'{{"issuer": "{}", "authorizationEndpoint": "{}", "tokenEndpoint": "{}", "userInfoEndpoint": "{}", "secretName": "{name}"}}'"#,
            url(""),
            url("a"),
            url("t"),
            url("u")
        )
    };
    for name in ["a/b", "../x", "a?b", "a%2fb", "other/secret", "Upper"] {
        let file = ingress(&format!("{P}/target-type: ip\n{P}/auth-type: oidc\n{P}/auth-idp-oidc: {}", idp(name)));
        let found = said(&file);
        assert!(
            found.iter().any(|(code, text)| code == "error ALB015" && text.contains("name of a Secret")),
            "{name}: {found:#?}"
        );
        assert!(found.iter().all(|(code, _)| !code.contains("ALB107")), "{name}: {found:#?}");
    }
}

#[test]
fn prefix_lists_by_their_weight() {
    let of = |ports: &str| {
        ingress(&format!(
            "{P}/target-type: ip\n{P}/listen-ports: '{ports}'\n{P}/security-group-prefix-lists: pl-0a1b2c3d4e5f60718"
        ))
    };
    let two = of(r#"[{"HTTP": 80}, {"HTTP": 8080}]"#);
    holds(&two, "warning ALB132", &["pl-0a1b2c3d4e5f60718", "2 ports"]);
    holds(&of(r#"[{"HTTP": 80}]"#), "", &[]);
    let facts = |entries: i64| Facts {
        prefix_lists: Some(Aged {
            value: [("pl-0a1b2c3d4e5f60718".to_owned(), entries)].into(),
            read_at: Timestamp::from_second(1_800_000_000).expect("a time"),
        }),
        ..Facts::default()
    };
    let found = said_with(&two, &Settings::new(""), &facts(55));
    assert!(found.len() == 1 && found[0].0 == "error ALB231" && found[0].1.contains("110 inbound rules"), "{found:#?}");
    assert_eq!(said_with(&two, &Settings::new(""), &facts(10)), []);
    let raised = Settings { security_group_rules_quota: Some(200), ..Settings::new("") };
    assert_eq!(said_with(&two, &raised, &facts(55)), []);
}

#[test]
fn services_that_cannot_have_targets() {
    let of = |target_type: &str, spec: &str| {
        let file = ingress(&format!("{P}/target-type: {target_type}"));
        file.replace("  type: NodePort\n", spec)
    };
    let external = "  type: ExternalName\n  externalName: db.example.com\n";
    for target_type in ["ip", "instance"] {
        holds(
            &of(target_type, external),
            "error ALB103",
            &["ExternalName (db.example.com)", "redirect to db.example.com"],
        );
    }
    let portless = of("ip", external).replace("  ports:\n    - port: 80\n", "");
    holds(&portless, "error ALB103", &["it has no endpoints"]);
    holds(&of("ip", "  clusterIP: None\n"), "", &[]);
    holds(&of("instance", "  clusterIP: None\n"), "error ALB103", &["is headless", "target-type: ip on the Ingress"]);
    holds(&of("instance", "  type: ClusterIP\n"), "error ALB103", &["or type: NodePort on Service app"]);
    let unallocated = "  type: LoadBalancer\n  allocateLoadBalancerNodePorts: false\n";
    holds(&of("instance", unallocated), "error ALB103", &["allocateLoadBalancerNodePorts: true"]);
    holds(&of("instance", "  type: LoadBalancer\n"), "", &[]);
}

#[test]
fn what_the_operator_does_not_tolerate_is_refused() {
    let file = ingress(&format!("{P}/target-type: ip")).replacen("name: app", "name: gone", 1);
    assert_eq!(said(&file).iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["warning ALB101"]);
    let settings = Settings { tolerate_missing_service: false, ..Settings::new("") };
    let found = said_with(&file, &settings, &Facts::default());
    assert!(
        found.len() == 1 && found[0].0 == "error ALB101" && found[0].1.contains("create the Service first"),
        "{found:#?}"
    );
}
