//! What is sent comes back as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use albedo_engine::stack::{
    Action, AdditionalClaim, Attributes, Authenticate, Condition, FixedResponse, Forward, HealthCheck, JwtValidation,
    Patterns, PeerSource, Permission, Protocol, ProtocolVersion, QueryPair, Redirect, Ref, ResourceId, Rewrite, Rule,
    Stickiness, Tags, TargetGroupTuple, Transform,
};
use aws_sdk_ec2::types::SecurityGroup;
use aws_sdk_elasticloadbalancingv2::types as sdk;

use super::{action, condition, ec2, rule, write};
use crate::cloud::known::Names;
use crate::cloud::{CloudError, Known, OidcClient, WriteContext};

fn text(text: &str) -> String {
    text.to_owned()
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| text(one)).collect()
}

fn pairs(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(key, value)| (text(key), text(value))).collect()
}

fn patterns(values: &[&str], regex_values: &[&str]) -> Patterns {
    Patterns { values: texts(values), regex_values: texts(regex_values) }
}

/// Calls `with` with names that know a target group, a security group and a client.
fn with_names<T>(with: impl FnOnce(&Names<'_>) -> T) -> T {
    let mut known = Known::default();
    known.insert(ResourceId::from("ns/ing-svc:80"), text("arn:tg"));
    known.insert(ResourceId::managed_security_group(), text("sg-1"));
    let clients = BTreeMap::from([(text("ns/idp"), OidcClient { id: text("id"), secret: text("secret") })]);
    let write_context = WriteContext { remaining: &|| Duration::MAX, clients: &clients };
    with(&Names { operation: "CreateRule", known: &known, write_context })
}

fn there_and_back(conditions: &[Condition], actions: &[Action], transforms: &[Transform]) -> Rule {
    let actions = with_names(|names| action::to_aws(actions, names)).unwrap();
    let sent = sdk::Rule::builder()
        .priority("7")
        .set_conditions(condition::to_aws(conditions))
        .set_actions(actions)
        .set_transforms(rule::transforms_to_aws(transforms))
        .build();
    albedo_elbv2::rule(&sent, Tags::new()).unwrap()
}

#[test]
fn conditions() {
    let pair = |key: Option<&str>, value| QueryPair { key: key.map(text), value: text(value) };
    let conditions = [
        Condition::HostHeader(patterns(&["a.example.com", "*.b.example.com"], &[])),
        Condition::HostHeader(patterns(&[], &["^a+$"])),
        Condition::PathPattern(patterns(&["/a/*"], &[])),
        Condition::PathPattern(patterns(&[], &["^/a"])),
        Condition::HttpHeader { name: text("X-A"), patterns: patterns(&["b*"], &[]) },
        Condition::HttpHeader { name: text("X-A"), patterns: patterns(&[], &["b+"]) },
        Condition::HttpRequestMethod { values: texts(&["GET", "HEAD"]) },
        Condition::QueryString { values: vec![pair(Some("k"), "v"), pair(None, "w")] },
        Condition::SourceIp { values: texts(&["10.0.0.0/8", "2001:db8::/32"]) },
    ];
    assert_eq!(there_and_back(&conditions, &[], &[]).conditions, conditions.into());
}

fn forward(target_group: Ref) -> Action {
    let target_groups = vec![TargetGroupTuple { target_group, weight: Some(3) }];
    let stickiness = Some(Stickiness { enabled: Some(true), duration_seconds: Some(60) });
    Action::Forward(Forward { target_groups, stickiness })
}

fn authenticate(config: &[(&str, &str)], client_secret_from: Option<&str>) -> Authenticate {
    Authenticate {
        config: pairs(config),
        client_secret_from: client_secret_from.map(text),
        client_secret_revision: None,
        extra_params: pairs(&[("prompt", "login")]),
        on_unauthenticated_request: text("deny"),
        scope: text("openid email"),
        session_cookie_name: text("cookie"),
        session_timeout: 60,
    }
}

#[test]
fn actions() {
    let oidc = [
        ("authorizationEndpoint", "https://i/a"),
        ("clientID", "id"),
        ("issuer", "https://i"),
        ("tokenEndpoint", "https://i/t"),
        ("userInfoEndpoint", "https://i/u"),
    ];
    let cognito = [("userPoolARN", "arn:pool"), ("userPoolClientID", "client"), ("userPoolDomain", "domain")];
    let claim = AdditionalClaim { format: text("string-array"), name: text("aud"), values: texts(&["a", "b"]) };
    let redirect = Redirect {
        host: Some(text("#{host}")),
        path: None,
        port: Some(text("443")),
        protocol: Some(text("HTTPS")),
        query: None,
        status_code: text("HTTP_301"),
    };
    let fixed = FixedResponse { content_type: Some(text("text/plain")), message_body: None, status_code: text("503") };
    let jwt = Action::JwtValidation(JwtValidation {
        jwks_endpoint: text("https://i/k"),
        issuer: text("https://i"),
        additional_claims: vec![claim],
    });
    let sent = [
        Action::AuthenticateOidc(authenticate(&oidc, Some("ns/idp"))),
        Action::AuthenticateCognito(authenticate(&cognito, None)),
        jwt.clone(),
        Action::Redirect(redirect.clone()),
        Action::FixedResponse(fixed.clone()),
        forward(Ref::Of(ResourceId::from("ns/ing-svc:80"))),
    ];
    let back = [
        // AWS tells neither the secret nor where it came from.
        Action::AuthenticateOidc(authenticate(&oidc, None)),
        Action::AuthenticateCognito(authenticate(&cognito, None)),
        jwt,
        Action::Redirect(redirect),
        Action::FixedResponse(fixed),
        forward(Ref::Known(text("arn:tg"))),
    ];
    assert_eq!(there_and_back(&[], &sent, &[]).actions[..], back);
}

#[test]
fn the_client_id_may_come_from_the_secret_too() {
    let action = Action::AuthenticateOidc(authenticate(&[], Some("ns/idp")));
    let sent = with_names(|names| action::to_aws(&[action], names)).unwrap().unwrap();
    let config = sent.first().unwrap().authenticate_oidc_config().unwrap();
    assert_eq!((config.client_id(), config.client_secret()), (Some("id"), Some("secret")));
}

#[test]
fn what_is_missing_is_named() {
    let action = Action::AuthenticateOidc(authenticate(&[], Some("ns/other")));
    let error = with_names(|names| action::to_aws(&[action], names)).unwrap_err();
    assert!(matches!(&error, CloudError::NoClient { secret, .. } if secret == "ns/other"), "{error}");
    let error = with_names(|names| action::to_aws(&[forward(Ref::Of(ResourceId::from("no")))], names)).unwrap_err();
    assert_eq!(error.to_string(), "AWS CreateRule needs <no>, which does not exist yet");
}

#[test]
fn transforms() {
    let rewrite = |regex, replace| vec![Rewrite { regex: text(regex), replace: text(replace) }];
    let transforms = [
        Transform::HostHeaderRewrite(rewrite("^(.+)$", "in.$1")),
        Transform::UrlRewrite(rewrite("^/api/(.*)$", "/$1")),
    ];
    assert_eq!(there_and_back(&[], &[], &transforms).transforms[..], transforms);
}

#[test]
fn old_forms_are_read() {
    let condition = |field: &str, value: &str| sdk::RuleCondition::builder().field(field).values(value).build();
    let action = sdk::Action::builder().r#type(sdk::ActionTypeEnum::Forward).target_group_arn("arn:tg").build();
    let old = sdk::Rule::builder()
        .priority("1")
        .conditions(condition("host-header", "a.example.com"))
        .conditions(condition("path-pattern", "/a"))
        .actions(action)
        .build();
    let read = albedo_elbv2::rule(&old, Tags::new()).unwrap();
    let host = Condition::HostHeader(patterns(&["a.example.com"], &[]));
    assert_eq!(read.conditions, [host, Condition::PathPattern(patterns(&["/a"], &[]))].into());
    let target_groups = vec![TargetGroupTuple { target_group: Ref::Known(text("arn:tg")), weight: None }];
    assert_eq!(read.actions[..], [Action::Forward(Forward { target_groups, stickiness: None })]);
}

#[test]
fn what_is_unknown_is_kept_and_never_sent() {
    let new_field = sdk::RuleCondition::builder().field("client-mood").values("good").build();
    // A field that is known, without what it needs.
    let nameless = sdk::RuleCondition::builder().field("http-header").values("a").build();
    let new_action = sdk::Action::builder().r#type("teleport".into()).order(1).build();
    let new_transform = sdk::RuleTransform::builder().r#type("body-rewrite".into()).build();
    let path = Condition::PathPattern(patterns(&["/a"], &[]));
    let to = forward(Ref::Known(text("arn:tg")));
    let mut sent = with_names(|names| action::to_aws(std::slice::from_ref(&to), names)).unwrap().unwrap();
    sent[0].order = Some(2);
    let rule = sdk::Rule::builder()
        .priority("1")
        .set_conditions(condition::to_aws(std::slice::from_ref(&path)))
        .conditions(new_field)
        .conditions(nameless)
        .actions(sent.remove(0))
        // Before the other, by its order.
        .actions(new_action)
        .transforms(new_transform);
    let read = albedo_elbv2::rule(&rule.build(), Tags::new()).unwrap();
    let unknown = |name: &str, value: &str| Condition::Unknown { name: text(name), values: texts(&[value]) };
    assert_eq!(read.conditions[..], [path, unknown("client-mood", "good"), unknown("http-header", "a")]);
    assert_eq!(read.actions[..], [Action::Unknown { name: text("teleport") }, to]);
    assert_eq!(read.transforms[..], [Transform::Unknown(text("body-rewrite"))]);
    assert_eq!(read.unknown(), ["client-mood", "http-header", "teleport", "body-rewrite"]);
    // A part that is left out of a request stays as it is in AWS.
    assert_eq!(condition::to_aws(&read.conditions), None);
    assert_eq!(with_names(|names| action::to_aws(&read.actions, names)).unwrap(), None);
    assert_eq!(rule::transforms_to_aws(&read.transforms), None);
}

#[test]
fn the_default_rule_is_no_rule() {
    let default = sdk::Rule::builder().priority("default").is_default(true).build();
    assert_eq!(albedo_elbv2::rule(&default, Tags::new()), None);
}

#[test]
fn permissions() {
    let permission = |protocol: &str, ports, source, description: Option<&str>| Permission {
        protocol: text(protocol),
        ports,
        source,
        description: description.map(text),
    };
    let v4 = || PeerSource::Ipv4(text("10.0.0.0/8"));
    let group = |group| PeerSource::SecurityGroup(group);
    let sent = [
        permission("tcp", Some((80, 80)), v4(), None),
        permission("tcp", Some((0, 65535)), PeerSource::Ipv6(text("::/0")), Some("why")),
        permission("tcp", Some((443, 443)), PeerSource::PrefixList(text("pl-1")), None),
        permission("tcp", Some((1, 2)), group(Ref::Of(ResourceId::managed_security_group())), Some("shared")),
        permission("-1", None, v4(), None),
        permission("icmp", None, v4(), None),
        permission("icmp", Some((3, u16::MAX)), v4(), None),
        permission("icmpv6", Some((128, 0)), v4(), None),
    ];
    let aws = with_names(|names| ec2::permissions_to_aws(&sent, names)).unwrap();
    let icmp: Vec<_> = aws.iter().skip(5).map(|one| (one.from_port(), one.to_port())).collect();
    assert_eq!(icmp, [(Some(-1), Some(-1)), (Some(3), Some(-1)), (Some(128), Some(0))]);
    let there = SecurityGroup::builder().group_name("name").set_ip_permissions(Some(aws)).build();
    let back = ec2::security_group(&there).unwrap().ingress;
    let want: BTreeSet<_> = sent
        .into_iter()
        .map(|one| match one.source {
            PeerSource::SecurityGroup(_) => Permission { source: group(Ref::Known(text("sg-1"))), ..one },
            _ => one,
        })
        .collect();
    assert_eq!(back, want);
}

#[test]
fn success_codes_go_where_the_version_wants_them() {
    let check = HealthCheck {
        port: text("traffic-port"),
        protocol: Protocol::Http,
        path: text("/"),
        interval_seconds: 15,
        timeout_seconds: 5,
        healthy_threshold: 2,
        unhealthy_threshold: 2,
        success_codes: text("0-5"),
    };
    let grpc = write::matcher(ProtocolVersion::Grpc, &check);
    assert_eq!((grpc.grpc_code(), grpc.http_code()), (Some("0-5"), None));
    let http = write::matcher(ProtocolVersion::Http2, &check);
    assert_eq!((http.grpc_code(), http.http_code()), (None, Some("0-5")));
}

#[test]
fn empty_lists_are_left_out() {
    assert_eq!(write::tags(&Tags::new()), None);
    assert_eq!(rule::transforms_to_aws(&[]), None);
    let keys = write::tags(&pairs(&[("b", "2"), ("a", "1")])).unwrap();
    assert_eq!(keys.iter().filter_map(sdk::Tag::key).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn attributes_go_in_parts_that_keep_what_belongs_together() {
    let mut all: Attributes = (0..18).map(|index| (format!("a{index:02}.value"), "1".to_owned())).collect();
    for log in ["access_logs", "connection_logs"] {
        for key in ["enabled", "bucket", "prefix"] {
            all.insert(format!("{log}.s3.{key}"), "x".to_owned());
        }
    }
    let parts = write::at_most(&all, 20);
    assert!(parts.iter().all(|part| part.len() <= 20), "{parts:?}");
    assert_eq!(parts.iter().map(Attributes::len).sum::<usize>(), all.len());
    for log in ["access_logs", "connection_logs"] {
        let holds = |part: &&Attributes| part.keys().any(|key| key.starts_with(log));
        assert_eq!(parts.iter().filter(holds).count(), 1, "{log} is in one call");
    }
    assert_eq!(write::at_most(&Attributes::new(), 20).len(), 0);
}
