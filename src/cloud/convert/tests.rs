//! What is sent comes back as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use albedo_engine::stack::{
    Action, AdditionalClaim, Authenticate, Condition, FixedResponse, Forward, HealthCheck, Patterns, PeerSource,
    Permission, Protocol, ProtocolVersion, QueryPair, Redirect, Ref, ResourceId, Rewrite, Rule, Stickiness, Tags,
    TargetGroupTuple, Transform,
};
use aws_sdk_ec2::types::SecurityGroup;
use aws_sdk_elasticloadbalancingv2::types as sdk;

use super::{ec2, rule, write};
use crate::cloud::known::Names;
use crate::cloud::{CloudError, Known, OidcClient, Warrant};

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
    let warrant = Warrant { remaining: &|| Duration::MAX, clients: &clients };
    with(&Names { operation: "CreateRule", known: &known, warrant })
}

fn there_and_back(conditions: &[Condition], actions: &[Action], transforms: &[Transform]) -> Rule {
    let actions = with_names(|names| write::actions(actions, names)).unwrap();
    let sent = sdk::Rule::builder()
        .priority("7")
        .set_conditions(Some(write::conditions(conditions)))
        .set_actions(Some(actions))
        .set_transforms(write::transforms(transforms))
        .build();
    rule::rule_from_aws(&sent, Tags::new()).unwrap()
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
    let jwt = Action::JwtValidation {
        jwks_endpoint: text("https://i/k"),
        issuer: text("https://i"),
        additional_claims: vec![claim],
    };
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
    let sent = with_names(|names| write::actions(&[action], names)).unwrap();
    let config = sent.first().unwrap().authenticate_oidc_config().unwrap();
    assert_eq!((config.client_id(), config.client_secret()), (Some("id"), Some("secret")));
}

#[test]
fn what_is_missing_is_named() {
    let action = Action::AuthenticateOidc(authenticate(&[], Some("ns/other")));
    let error = with_names(|names| write::actions(&[action], names)).unwrap_err();
    assert!(matches!(&error, CloudError::NoClient { secret, .. } if secret == "ns/other"), "{error}");
    let error = with_names(|names| write::actions(&[forward(Ref::Of(ResourceId::from("no")))], names)).unwrap_err();
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
    let read = rule::rule_from_aws(&old, Tags::new()).unwrap();
    let host = Condition::HostHeader(patterns(&["a.example.com"], &[]));
    assert_eq!(read.conditions, [host, Condition::PathPattern(patterns(&["/a"], &[]))].into());
    let target_groups = vec![TargetGroupTuple { target_group: Ref::Known(text("arn:tg")), weight: None }];
    assert_eq!(read.actions[..], [Action::Forward(Forward { target_groups, stickiness: None })]);
}

#[test]
fn what_cannot_be_said_never_passes_for_something_else() {
    let path = write::conditions(&[Condition::PathPattern(patterns(&["/a"], &[]))]);
    let new_field = sdk::RuleCondition::builder().field("client-mood").values("good").build();
    let new_action = sdk::Action::builder().r#type("teleport".into()).order(1).build();
    let known = with_names(|names| write::actions(&[forward(Ref::Known(text("arn:tg")))], names)).unwrap();
    let with = sdk::Rule::builder().priority("1").set_conditions(Some(path));
    let read = rule::rule_from_aws(&with.clone().conditions(new_field).build(), Tags::new()).unwrap();
    assert_eq!(read.conditions, [].into());
    let read = rule::rule_from_aws(&with.set_actions(Some(known)).actions(new_action).build(), Tags::new()).unwrap();
    assert_eq!((read.conditions.len(), read.actions.len()), (1, 0));
}

#[test]
fn the_default_rule_is_no_rule() {
    let default = sdk::Rule::builder().priority("default").is_default(true).build();
    assert_eq!(rule::rule_from_aws(&default, Tags::new()), None);
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
    assert_eq!(write::transforms(&[]), None);
    let keys = write::tags(&pairs(&[("b", "2"), ("a", "1")])).unwrap();
    assert_eq!(keys.iter().filter_map(sdk::Tag::key).collect::<Vec<_>>(), ["a", "b"]);
}
