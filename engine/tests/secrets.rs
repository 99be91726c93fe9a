//! What one namespace writes, another never reads: groups over two namespaces with a mark in every value, host and path, and every answer,
//! warning, preview and event that the other namespace gets is searched for the marks.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a panic is what a test has for a fault")]

mod aged;
mod subnet;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use aged::{aged, now};
use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request, ReviewAnswer};
use albedo_engine::annotation::PREFIX;
use albedo_engine::facts::{Facts, SecurityGroupFact, Subnet};
use albedo_engine::link::{Existing, Input, link};
use albedo_engine::report::{self, Outcome, Reached};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{GroupId, Scheme};
use albedo_engine::world::{Kind, Object, Overlay, SecretKeys, World};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use subnet::subnet;

/// Annotations whose values can carry a mark: `#` stands for it, four hexadecimal digits.
const MARKED: &[(&str, &str)] = &[
    ("subnets", "subnet-0a#1, subnet-0a#2"),
    ("security-groups", "sg-0a#"),
    ("security-group-prefix-lists", "pl-0a#"),
    ("load-balancer-name", "lb-#"),
    (
        "load-balancer-attributes",
        "access_logs.s3.enabled=true,access_logs.s3.bucket=bucket-#,access_logs.s3.prefix=prefix-#",
    ),
    ("load-balancer-attributes", "no.such-#=v-#"),
    ("tags", "key-#=value-#"),
    ("tags", "team=value-#"),
    ("certificate-arn", "arn:aws:acm:eu-west-1:123456789012:certificate/2a4e6f80-1234-4abc-9def-0123456#"),
    ("ssl-policy", "ELBSecurityPolicy-#"),
    ("inbound-cidrs", "fd00:#::/64"),
    ("wafv2-acl-arn", "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/acl-#/1"),
    ("wafv2-acl-name", "acl-#"),
    ("waf-acl-id", "id-#"),
    ("customer-owned-ipv4-pool", "ipv4pool-coip-0a#"),
    ("ipam-ipv4-pool-id", "ipam-pool-0a#"),
    ("minimum-load-balancer-capacity", "CapacityUnits=#"),
    ("frontend-nlb-subnets", "subnet-0a#1"),
    ("frontend-nlb-security-groups", "sg-0b#"),
    ("frontend-nlb-eip-allocations", "eipalloc-0a#"),
    ("frontend-nlb-tags", "key-#=value-#"),
    ("frontend-nlb-attributes", "access_logs.s3.enabled=true,access_logs.s3.bucket=bucket-#"),
    ("frontend-nlb-healthcheck-path", "/health-#"),
    (
        "listener-attributes.HTTP-80",
        "routing.http.response.access_control_allow_origin.header_value=https://host-#.example.com",
    ),
    ("mutual-authentication", r#"[{"port": 443, "mode": "verify", "trustStore": "store-#"}]"#),
    ("target-group-attributes", "no.such=v-#"),
    ("healthcheck-path", "/health-#"),
    ("success-codes", "code-#"),
    ("target-node-labels", "label-#=v-#"),
    (
        "actions.web",
        r#"{"type": "redirect", "redirectConfig": {"host": "host-#.example.com", "statusCode": "HTTP_301"}}"#,
    ),
    ("actions.web", r#"{"type": "forward", "targetGroupName": "tg-#"}"#),
    (
        "conditions.web",
        r#"[{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "X-#", "values": ["v-#"]}}]"#,
    ),
    (
        "transforms.web",
        r#"[{"type": "url-rewrite", "urlRewriteConfig": {"rewrites": [{"regex": "^/r-#", "replace": "/"}]}}]"#,
    ),
    ("auth-idp-cognito", r#"{"userPoolARN": "arn-#", "userPoolClientID": "c-#", "userPoolDomain": "d-#"}"#),
    ("auth-scope", "scope-#"),
    ("jwt-validation", r#"{"jwksEndpoint": "https://id-#.example.com/k", "issuer": "https://id-#.example.com"}"#),
    ("group.order", "order-#"),
    ("scheme", "scheme-#"),
    ("made-up-#", "value-#"),
];

/// Annotations without a mark that bring others into effect, or into conflict.
const PLAIN: &[(&str, &str)] = &[
    ("scheme", "internal"),
    ("scheme", "internet-facing"),
    ("ip-address-type", "dualstack"),
    ("ip-address-type", "dualstack-without-public-ipv4"),
    ("enable-frontend-nlb", "true"),
    ("frontend-nlb-scheme", "internal"),
    ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#),
    ("ssl-redirect", "443"),
    ("ssl-redirect", "8443"),
    ("manage-backend-security-group-rules", "true"),
    ("group.order", "-1000"),
    ("group.order", "1000"),
    ("target-type", "ip"),
    ("use-regex-path-match", "true"),
    ("shield-advanced-protection", "true"),
];

/// An account that knows the subnets of one side, without IPv6, so that others can break what they are good for.
fn facts(marks: &[u16]) -> Facts {
    let own = marks.iter().flat_map(|mark| {
        [("1", "eu-west-1a"), ("2", "eu-west-1b")]
            .map(|(end, zone)| Subnet { ipv6: false, ..subnet(&format!("subnet-0a{mark:04x}{end}"), zone, &[]) })
    });
    let roles = [("kubernetes.io/role/internal-elb", "1"), ("kubernetes.io/role/elb", "1")];
    let common = [subnet("subnet-0c1", "eu-west-1a", &roles), subnet("subnet-0c2", "eu-west-1b", &roles)];
    Facts {
        region: Some("eu-west-1".to_owned()),
        vpc_id: Some("vpc-1".to_owned()),
        subnets: aged(common.into_iter().chain(own).collect()),
        certificates: aged(Vec::new()),
        security_groups: aged(vec![SecurityGroupFact {
            id: "sg-0c1".to_owned(),
            name: "own".to_owned(),
            tags: BTreeMap::new(),
        }]),
        target_group_names: aged(BTreeMap::new()),
        web_acls: aged(BTreeMap::new()),
        trust_stores: aged(BTreeMap::new()),
        shield_subscribed: aged(false),
        ..Facts::default()
    }
}

/// What one Ingress is made of: places in the tables, and a mark for each value.
#[derive(Debug, Clone)]
struct Seed {
    marked: Vec<usize>,
    plain: Vec<usize>,
    /// Without a host of its own, and on which path.
    shape: u8,
}

fn seeds() -> impl Strategy<Value = Seed> {
    let marked = prop::collection::vec(0..MARKED.len(), 0..5);
    let plain = prop::collection::vec(0..PLAIN.len(), 0..4);
    (marked, plain, any::<u8>()).prop_map(|(marked, plain, shape)| Seed { marked, plain, shape })
}

/// An Ingress of group `g` with a mark in every value; the mark is the same for all of them.
fn ingress(namespace: &str, name: &str, created: u32, seed: &Seed, mark: u16) -> Ingress {
    let mark = format!("{mark:04x}");
    let mut annotations = BTreeMap::from([(format!("{PREFIX}group.name"), "g".to_owned())]);
    for index in &seed.plain {
        let (key, value) = PLAIN[*index];
        annotations.insert(format!("{PREFIX}{key}"), value.to_owned());
    }
    for index in &seed.marked {
        let (key, value) = MARKED[*index];
        annotations.insert(format!("{PREFIX}{}", key.replace('#', &mark)), value.replace('#', &mark));
    }
    let own_host = format!("h{mark}.example.com");
    let own_path = format!("/p{mark}");
    let (host, path) = match seed.shape % 5 {
        0 => (None, "/"),
        1 => (None, own_path.as_str()),
        2 => (Some(own_host.as_str()), own_path.as_str()),
        3 => (Some("shared.example.com"), own_path.as_str()),
        _ => (Some("shared.example.com"), "/"),
    };
    let (service, port) = if seed.shape.is_multiple_of(2) {
        ("web", json!({"number": 80}))
    } else {
        ("web", json!({"name": "use-annotation"}))
    };
    let backend = json!({"service": {"name": service, "port": port}});
    let mut rule = json!({"http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}});
    if let Some(host) = host {
        rule["host"] = json!(host);
    }
    let object = json!({"metadata": {"name": name, "namespace": namespace, "uid": format!("{namespace}-{name}"),
        "annotations": annotations, "creationTimestamp": format!("2026-01-01T00:00:{created:02}Z")},
        "spec": {"ingressClassName": "alb", "rules": [rule]}});
    serde_json::from_value(object).expect("an Ingress")
}

fn world(settings: &Settings) -> World {
    let mut world = World::new(settings.clone());
    for kind in Kind::ALL {
        world.reset(kind, Vec::new());
    }
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    for namespace in ["a", "b"] {
        let service = json!({"metadata": {"name": "web", "namespace": namespace, "uid": namespace},
            "spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}});
        let service: Service = serde_json::from_value(service).expect("a Service");
        world.apply(Object::Service(Box::new(service)));
        let keys = ["clientID", "clientSecret"].map(str::to_owned).into();
        let key = albedo_engine::kinds::Key::new(namespace, "oidc");
        world.apply(Object::Secret { key, keys: SecretKeys { keys, ..SecretKeys::default() } });
    }
    world
}

fn review(world: &World, settings: &Settings, facts: &Facts, object: Ingress, old: Option<Ingress>) -> ReviewAnswer {
    let policy = Policy::default();
    let request = Request {
        row: ROWS.iter().find(|row| row.kind == WebhookKind::Validating).expect("a row"),
        operation: if old.is_some() { Operation::Update } else { Operation::Create },
        namespace: object.metadata.namespace.clone().expect("a namespace"),
        name: object.metadata.name.clone().expect("a name"),
        dry_run: true,
        user: "somebody".to_owned(),
        object: Some(Reviewed::Ingress(Box::new(object))),
        old_object: old.map(|old| Reviewed::Ingress(Box::new(old))),
    };
    admit::review(&request, Context { world, facts, settings, policy: &policy, now: now() })
}

/// A name that AWS has from an annotation of namespace `a`, and a DNS name that only those know whom it answers for.
const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/name-dead/1";

/// What tells that an answer or an event is of a kind, and the kind.
const KINDS: [(&str, &str); 9] = [
    ("a/m", "names a member of the other namespace"),
    ("ALB105", "conflict"),
    ("ALB106", "conflict"),
    ("ALB301", "consequence"),
    ("ALB303", "consequence"),
    ("plan:", "preview"),
    ("RequestsTaken", "takeover"),
    ("ALB113", "takeover"),
    ("by what several members say", "fault of several"),
];

/// Notes which kinds of answers and events were there, so that none is missed unseen.
fn note(told: &[(&'static str, String)], seen: &mut BTreeSet<&'static str>) {
    for (what, text) in told {
        seen.insert(what);
        seen.extend(KINDS.iter().filter(|(sign, _)| text.contains(sign)).map(|(_, kind)| kind));
    }
}

/// The marks of namespace `a`, in all that namespace `b` can get.
fn leaks(a: &[Seed], b: &[Seed; 2], seen: &RefCell<BTreeSet<&'static str>>) -> Vec<String> {
    const A: u16 = 0x9dea;
    const B: u16 = 0x1b0b;
    let settings = Settings::new("test");
    let facts = facts(&[A, B]);
    let mut world = world(&settings);
    for (number, seed) in a.iter().enumerate() {
        world.apply(Object::Ingress(Box::new(ingress("a", &format!("m{number}"), 1, seed, A))));
    }
    let mut told = Vec::new();
    let mut hear = |what: &'static str, answer: ReviewAnswer| {
        let causes = answer.details.iter().flat_map(|details| &details.causes);
        let causes = causes.map(|cause| format!("{} {}", cause.field, cause.message));
        let all: Vec<String> = causes.chain(answer.warnings).chain([answer.message]).collect();
        told.push((what, all.join("\n")));
    };
    let [first, second] = b.each_ref().map(|seed| ingress("b", "web", 2, seed, B));
    hear("created", review(&world, &settings, &facts, first.clone(), None));
    // What a group with a ledger says, in which only namespace `a` is served.
    let group = GroupId::Explicit("g".to_owned());
    let existing = Existing::new(Scheme::Internal, vec!["subnet-0c1".to_owned(), "subnet-0c2".to_owned()]);
    let reached = Reached { arn: ARN.to_owned(), dns_name: "dns-dead.elb.example".to_owned(), ..Reached::default() };
    let pass = |world: &mut World, outcome: &Outcome| {
        let view = world.view(&group, &Overlay::None);
        let input = Input { settings: &settings, view: &view, facts: &facts, existing: Some(&existing), now: now() };
        let linked = link(input);
        let ledger = report::ledger(&view, &linked, outcome, &reached, now());
        let events = report::events(&linked, outcome, &reached, view.ledger.as_deref());
        world.apply(Object::Group(Box::new(ledger)));
        events
    };
    pass(&mut world, &Outcome::Reached { changed: true });
    hear("created beside a ledger", review(&world, &settings, &facts, first.clone(), None));
    world.apply(Object::Ingress(Box::new(first.clone())));
    hear("updated", review(&world, &settings, &facts, second.clone(), Some(first.clone())));
    let mut leaving = first.clone();
    leaving.metadata.annotations.iter_mut().for_each(|all| {
        all.remove(&format!("{PREFIX}group.name"));
    });
    hear("leaves", review(&world, &settings, &facts, leaving, Some(first)));
    let failed = |error: &str| Outcome::Failed {
        error: error.to_owned(),
        outline: "AWS refused ModifyListener: ValidationError".to_owned(),
        passes: false,
    };
    for outcome in [Outcome::Reached { changed: true }, failed("AWS refused: bucket-9dea"), Outcome::Blocked] {
        world.apply(Object::Ingress(Box::new(second.clone())));
        let events = pass(&mut world, &outcome);
        let own = events.into_iter().filter(|event| event.key.namespace == "b");
        told.extend(own.map(|event| ("event", format!("{} {}", event.reason, event.text))));
    }
    note(&told, &mut seen.borrow_mut());
    // The tables have no value with these in it by chance.
    let is_mark = |text: &str| text.contains("9dea") || text.contains("-dead");
    // Who is served by the load balancer knows its name: it is in the status of his Ingress.
    let served = world
        .group_object(&group)
        .and_then(|ledger| ledger.status.as_ref())
        .is_some_and(|status| status.members.iter().any(|member| member.namespace == "b" && member.state == "Linked"));
    told.into_iter()
        .map(|(what, text)| (what, without_subnets_of_the_account(&text)))
        .filter(|(_, text)| is_mark(&if served { text.replace("-dead", "") } else { text.clone() }))
        .map(|(what, text)| format!("{what}: {text}"))
        .collect()
}

/// Which subnets the account has is not secret, only which of them a namespace names.
fn without_subnets_of_the_account(text: &str) -> String {
    text.replace("subnet-0a9dea1 (eu-west", "(eu-west").replace("subnet-0a9dea2 (eu-west", "(eu-west")
}

#[test]
fn no_namespace_reads_what_another_wrote() {
    let seen = RefCell::new(BTreeSet::new());
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let groups = (prop::collection::vec(seeds(), 1..3), [seeds(), seeds()]);
    let result = runner.run(&groups, |(a, b)| {
        let leaks = leaks(&a, &b, &seen);
        prop_assert!(leaks.is_empty(), "{}", leaks.join("\n"));
        Ok(())
    });
    assert!(result.is_ok(), "{}", result.err().map(|error| error.to_string()).unwrap_or_default());
    // The kinds of answers that the groups have to reach, or the test says nothing.
    let kinds = ["conflict", "consequence", "created", "event", "fault of several", "preview", "takeover", "updated"];
    let seen = seen.into_inner();
    assert!(kinds.iter().all(|kind| seen.contains(kind)), "{seen:?}");
}

/// Each annotation against another value of the same one: random groups seldom meet on it.
#[test]
fn two_values_of_one_annotation() {
    let seen = RefCell::new(BTreeSet::new());
    let mut found = Vec::new();
    for marked in 0..MARKED.len() {
        for plain in 0..PLAIN.len() {
            let shape = u8::try_from((marked + plain) % 5).expect("below five");
            let with = |plain: Vec<usize>| Seed { marked: vec![marked], plain, shape };
            let a = with(vec![plain]);
            found.extend(leaks(std::slice::from_ref(&a), &[with(vec![]), with(vec![plain])], &seen));
        }
    }
    assert!(found.is_empty(), "{} leaks, the first: {}", found.len(), found[0]);
}
