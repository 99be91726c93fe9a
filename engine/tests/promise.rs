//! The promise, on generated groups: with fresh facts, everything enforced and nothing stored before, what is not denied is
//! linked, and what is linked is denied for nothing that keeps it out. And: order of arrival means nothing, what is
//! remembered is what would be compiled anew, nothing panics.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is what a test has for a fault, and a table of the test is indexed by its own generator"
)]

mod aged;
mod subnet;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aged::{aged, now};
use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request};
use albedo_engine::annotation::{PREFIX, catalogue};
use albedo_engine::compile::Cache;
use albedo_engine::facts::{Certificate, Facts, SecurityGroupFact, Subnet};
use albedo_engine::finding::{Finding, ObjectRef};
use albedo_engine::link::{Input, Linked, MemberState, link, relink};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::{Action, Desired, Ref};
use albedo_engine::world::{Kind, Membership, Object, Overlay, SecretKeys, World};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use subnet::subnet;

const CERTIFICATE: &str = "arn:aws:acm:eu-west-1:123456789012:certificate/2a4e6f80-1234-4abc-9def-0123456789ab";

fn named(name: &str, arn: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), arn.to_owned())])
}

/// An account in which the catalogue's examples exist.
fn facts() -> Facts {
    let subnet = |id: &str, name: &str, zone: &str| Subnet {
        ipv6: true,
        ..subnet(id, zone, &[("Name", name), ("kubernetes.io/role/internal-elb", "1"), ("kubernetes.io/role/elb", "1")])
    };
    Facts {
        region: Some("eu-west-1".to_owned()),
        vpc_id: Some("vpc-1".to_owned()),
        vpc_cidrs: aged(vec!["10.0.0.0/16".to_owned()]),
        subnets: aged(vec![
            subnet("subnet-0a1b2c3d4e5f60718", "public-a", "eu-west-1a"),
            subnet("subnet-0b1b2c3d4e5f60718", "public-b", "eu-west-1b"),
        ]),
        certificates: aged(vec![Certificate {
            arn: CERTIFICATE.to_owned(),
            status: "ISSUED".to_owned(),
            domains: vec!["a.example.com".to_owned()],
            certificate_authority: None,
        }]),
        security_groups: aged(vec![SecurityGroupFact {
            id: "sg-0a1b2c3d4e5f60718".to_owned(),
            name: "own".to_owned(),
            tags: BTreeMap::new(),
        }]),
        target_groups: None,
        target_group_names: aged(BTreeMap::new()),
        web_acls: aged(named("web", "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/web/1")),
        trust_stores: aged(named(
            "partners",
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:truststore/partners/1",
        )),
        shield_subscribed: aged(true),
        ..Facts::default()
    }
}

fn service(name: &str, kind: &str, node_port: i32) -> Object {
    let node_port = (kind == "NodePort").then_some(node_port);
    let service = json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid-of-{name}")},
        "spec": {"type": kind, "ports": [
            {"name": "http", "port": 80, "targetPort": 8080, "nodePort": node_port}]}});
    let service: Service = serde_json::from_value(service).expect("a Service");
    Object::Service(Box::new(service))
}

/// A cluster with everything listed: a class, two Services, a Secret.
fn world() -> World {
    let mut world = World::new(Settings::new("test"));
    for kind in Kind::ALL {
        world.reset(kind, Vec::new());
    }
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    world.apply(service("web", "NodePort", 30_080));
    world.apply(service("api", "ClusterIP", 0));
    let keys = ["clientID", "clientSecret"].map(str::to_owned).into();
    let key = albedo_engine::kinds::Key::new("shop", "oidc");
    world.apply(Object::Secret { key, keys: SecretKeys { keys, revision: "1".to_owned(), ..SecretKeys::default() } });
    world
}

/// What a generated Ingress is made of: numbers that choose from tables, so that failures shrink to small ones.
#[derive(Debug, Clone)]
struct Seed {
    grouped: bool,
    annotations: Vec<(usize, u8)>,
    rules: Vec<(usize, usize, usize)>,
    default_backend: Option<usize>,
}

const HOSTS: [Option<&str>; 4] = [Some("a.example.com"), Some("a.example.com"), Some("b.example.com"), None];
const PATHS: [(&str, &str); 6] = [
    ("/", "Prefix"),
    ("/a", "Prefix"),
    ("/b", "Exact"),
    ("/c/*", "ImplementationSpecific"),
    ("/d", "Prefix"),
    ("/*", "Prefix"),
];

fn backend(number: usize) -> Value {
    match number {
        0..=7 => json!({"service": {"name": "web", "port": {"number": 80}}}),
        8..=9 => json!({"service": {"name": "web", "port": {"name": "http"}}}),
        10 => json!({"service": {"name": "api", "port": {"number": 80}}}),
        11 => json!({"service": {"name": "missing", "port": {"number": 80}}}),
        12 => json!({"service": {"name": "web", "port": {"number": 81}}}),
        13 => json!({"resource": {"kind": "Bucket", "name": "b"}}),
        14..=19 => json!({"service": {"name": "act", "port": {"name": "use-annotation"}}}),
        _ => backend(0),
    }
}

/// What a key needs beside it to mean something.
fn companions(key: &str) -> &'static [(&'static str, &'static str)] {
    const TLS: (&str, &str) = ("certificate-arn", CERTIFICATE);
    match key {
        "ssl-redirect" | "mutual-authentication" | "listen-ports" => {
            &[("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#), TLS]
        }
        "auth-type" => &[(
            "auth-idp-oidc",
            r#"{"issuer":"https://i","authorizationEndpoint":"https://i/a","tokenEndpoint":"https://i/t","userInfoEndpoint":"https://i/u","secretName":"oidc"}"#,
        )],
        "backend-protocol-version" => &[("listen-ports", r#"[{"HTTPS": 443}]"#), TLS],
        _ => &[],
    }
}

/// A key of the catalogue, families completed by what the generated Ingresses use, and a value: mostly the example.
fn pair(row: usize, choice: u8) -> (String, String) {
    let row = catalogue::rows().nth(row).expect("a row");
    let key = match row.key {
        "actions." => "actions.act".to_owned(),
        "listener-attributes." => "listener-attributes.HTTP-80".to_owned(),
        "target-control-port." => "target-control-port.web.80".to_owned(),
        family if row.family => format!("{family}web"),
        key => key.to_owned(),
    };
    let value = match (row.key, choice) {
        (_, 0) => String::new(),
        (_, 1) => "nonsense".to_owned(),
        ("scheme", 2) => "internal".to_owned(),
        ("group.order", 2..=5) => choice.to_string(),
        ("ssl-policy", 2) => "ELBSecurityPolicy-TLS13-1-3-2021-06".to_owned(),
        ("tags", 2) => "team=other".to_owned(),
        ("inbound-cidrs", 2) => "10.0.0.0/16".to_owned(),
        ("listen-ports", 2..=4) => r#"[{"HTTP": 80}]"#.to_owned(),
        ("listen-ports", 5) => r#"[{"HTTPS": 80}]"#.to_owned(),
        _ => row.example.to_owned(),
    };
    (key, value)
}

/// The catalogue's example of a key.
fn example(key: &str) -> String {
    catalogue::rows().find(|row| row.key == key).expect("a row").example.to_owned()
}

impl Seed {
    fn ingress(&self, number: usize) -> Ingress {
        let mut annotations = BTreeMap::new();
        if self.grouped {
            annotations.insert(format!("{PREFIX}group.name"), "team-web".to_owned());
        }
        for (row, choice) in &self.annotations {
            let (key, value) = pair(*row, *choice);
            for (beside, value) in companions(&key) {
                annotations.entry(format!("{PREFIX}{beside}")).or_insert_with(|| (*value).to_owned());
            }
            annotations.insert(format!("{PREFIX}{key}"), value);
        }
        if self.rules.iter().any(|(_, _, to)| (14..=18).contains(to)) {
            let action = example("actions.");
            annotations.entry(format!("{PREFIX}actions.act")).or_insert(action);
        }
        let rules = self.rules.iter().map(|(host, path, to)| {
            let (path, kind) = PATHS.get(*path).unwrap_or(&PATHS[0]);
            json!({"host": HOSTS[*host], "http": {"paths": [{"path": path, "pathType": kind, "backend": backend(*to)}]}})
        });
        let ingress = json!({
            "metadata": {"name": format!("i{number}"), "namespace": "shop", "uid": format!("uid-{number}"),
                "annotations": annotations, "creationTimestamp": format!("2026-01-01T00:00:{number:02}Z")},
            "spec": {"ingressClassName": "alb", "rules": rules.collect::<Vec<_>>(),
                "defaultBackend": self.default_backend.map(backend)},
        });
        serde_json::from_value(ingress).expect("an Ingress")
    }
}

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let rows = catalogue::rows().count();
    let annotations = prop::collection::vec((0..rows, 0..40_u8), 0..3);
    let rules = prop::collection::vec((0..HOSTS.len(), 0..4 * PATHS.len(), 0..60_usize), 0..4);
    let default_backend = prop::option::weighted(0.1, 0..60_usize);
    let seed = (prop::bool::weighted(0.7), annotations, rules, default_backend).prop_map(
        |(grouped, annotations, rules, default_backend)| Seed { grouped, annotations, rules, default_backend },
    );
    prop::collection::vec(seed, 1..=8)
}

/// How far the generated groups reached.
#[derive(Default)]
struct Reached {
    keys: BTreeSet<&'static str>,
    reviewed: usize,
    admitted: usize,
    denied_and_linked: usize,
    groups: BTreeMap<usize, usize>,
}

fn request(candidate: &Ingress) -> Request {
    Request {
        row: ROWS.iter().find(|row| row.kind == WebhookKind::Validating).expect("a row"),
        operation: Operation::Create,
        namespace: "shop".to_owned(),
        name: candidate.metadata.name.clone().unwrap_or_default(),
        dry_run: false,
        user: "somebody".to_owned(),
        object: Some(Reviewed::Ingress(Box::new(candidate.clone()))),
        old_object: None,
    }
}

/// A forward leads to a target group that is desired too.
fn check_whole(desired: &Desired) -> Result<(), TestCaseError> {
    let rules = desired.listeners.values().flat_map(|listener| &listener.rules);
    let actions =
        rules.flat_map(|rule| rule.actions.iter()).chain(desired.listeners.values().flat_map(|l| &l.default_actions));
    for action in actions {
        let Action::Forward(forward) = action else { continue };
        for tuple in &forward.target_groups {
            let Ref::Of(id) = &tuple.target_group else { continue };
            prop_assert!(desired.target_groups.contains_key(id), "{id} is not desired");
            prop_assert!(desired.bindings.contains_key(id), "{id} has no binding");
        }
    }
    Ok(())
}

struct Reviewer<'a> {
    settings: &'a Settings,
    facts: &'a Facts,
    policy: &'a Policy,
}

impl Reviewer<'_> {
    fn linked(&self, world: &World, candidate: &Ingress, cache: &mut Cache) -> Result<Option<Linked>, TestCaseError> {
        let Membership::Member(group, _) = world.membership(candidate) else { return Ok(None) };
        let view = world.view(&group, &Overlay::Put(Arc::new(candidate.clone())));
        let input = Input { settings: self.settings, view: &view, facts: self.facts, existing: None, now: now() };
        let linked = link(input);
        prop_assert_eq!(&relink(input, cache), &linked, "what is remembered differs");
        Ok(Some(linked))
    }

    /// Reviews a candidate and holds the verdict against what linking makes of it. Whether it was admitted.
    fn review(
        &self,
        world: &World,
        candidate: &Ingress,
        cache: &mut Cache,
        reached: &mut Reached,
    ) -> Result<bool, TestCaseError> {
        let context = Context { world, facts: self.facts, settings: self.settings, policy: self.policy, now: now() };
        let answer = admit::review_with(&request(candidate), context, cache);
        let Some(linked) = self.linked(world, candidate, cache)? else {
            prop_assert!(!answer.allowed, "no member, and admitted");
            return Ok(false);
        };
        let subject = ObjectRef::ingress("shop", candidate.metadata.name.as_deref().unwrap_or_default());
        let member = linked.members.iter().find(|one| one.key.name == subject.name).expect("a member");
        let is_linked = member.state == MemberState::Linked && linked.desired.is_some();
        let against: Vec<&Finding> = linked
            .findings()
            .filter(|finding| finding.subject == subject || finding.related.contains(&subject))
            .filter(|finding| self.policy.denies(finding, false))
            .collect();
        let keeps_out = against.iter().any(|finding| finding.effect.keeps_out());
        prop_assert!(!answer.allowed || is_linked, "admitted, and not linked: {:?}", linked.members);
        prop_assert!(is_linked || keeps_out, "not linked, and for no reason: {:?}", linked.members);
        prop_assert!(!(is_linked && keeps_out), "linked, and denied: {against:?}");
        prop_assert!(answer.allowed || !answer.message.is_empty());
        prop_assert!(!answer.allowed || against.is_empty(), "admitted in spite of {against:?}");
        if let Some(desired) = &linked.desired {
            check_whole(desired)?;
        }
        reached.denied_and_linked += usize::from(!answer.allowed && is_linked);
        Ok(answer.allowed)
    }
}

/// Everything that is desired of a world, whatever was admitted.
fn desired(world: &World, facts: &Facts, cache: &mut Cache) -> Result<Vec<Option<Desired>>, TestCaseError> {
    let settings = world.settings();
    let mut all = Vec::new();
    for group in world.group_ids() {
        let view = world.view(&group, &Overlay::None);
        let input = Input { settings: &settings, view: &view, facts, existing: None, now: now() };
        let linked = link(input);
        prop_assert_eq!(&relink(input, cache), &linked, "what is remembered differs");
        all.push(linked.desired);
    }
    Ok(all)
}

/// The same Ingresses in another order, then with other Services and facts: what is remembered is never wrong.
fn check_orders(ingresses: &[Ingress], facts: &Facts) -> Result<(), TestCaseError> {
    let mut cache = Cache::new(16 << 10);
    let (mut forwards, mut backwards) = (world(), world());
    for ingress in ingresses {
        forwards.apply(Object::Ingress(Box::new(ingress.clone())));
    }
    for ingress in ingresses.iter().rev() {
        backwards.apply(Object::Ingress(Box::new(ingress.clone())));
    }
    let first = desired(&forwards, facts, &mut cache)?;
    prop_assert_eq!(&first, &desired(&backwards, facts, &mut cache)?, "the order of arrival means something");
    let elsewhere = Facts { region: Some("eu-central-1".to_owned()), ..facts.clone() };
    desired(&forwards, &elsewhere, &mut cache)?;
    forwards.apply(service("web", "ClusterIP", 0));
    desired(&forwards, &elsewhere, &mut cache)?;
    forwards.delete(Kind::Service, &albedo_engine::kinds::Key::new("shop", "api"));
    forwards.delete(Kind::Secret, &albedo_engine::kinds::Key::new("shop", "oidc"));
    desired(&forwards, &elsewhere, &mut cache)?;
    forwards.apply(service("missin", "NodePort", 30_081));
    desired(&forwards, facts, &mut cache)?;
    Ok(())
}

#[test]
fn what_is_admitted_is_linked_and_what_is_linked_is_not_denied_for_it() {
    let (facts, settings) = (facts(), Settings::new("test"));
    let policy = Policy { strict: true, ..Policy::default() };
    let reviewer = Reviewer { settings: &settings, facts: &facts, policy: &policy };
    let reached = RefCell::new(Reached::default());
    // Fewer would not reach every key.
    let cases = Config::default().cases.max(192);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&seeds(), |seeds| {
        let mut reached = reached.borrow_mut();
        *reached.groups.entry(seeds.len()).or_default() += 1;
        for (row, _) in seeds.iter().flat_map(|seed| &seed.annotations) {
            reached.keys.extend(catalogue::rows().nth(*row).map(|row| row.key));
        }
        let mut world = world();
        let mut cache = Cache::new(32 << 10);
        let ingresses: Vec<Ingress> = seeds.iter().enumerate().map(|(number, seed)| seed.ingress(number)).collect();
        for ingress in &ingresses {
            reached.reviewed += 1;
            if reviewer.review(&world, ingress, &mut cache, &mut reached)? {
                reached.admitted += 1;
                world.apply(Object::Ingress(Box::new(ingress.clone())));
            }
        }
        check_orders(&ingresses, &facts)
    });
    assert!(outcome.is_ok(), "{}", outcome.err().map(|error| error.to_string()).unwrap_or_default());
    let reached = reached.into_inner();
    let all: BTreeSet<&str> = catalogue::rows().map(|row| row.key).collect();
    let share = reached.admitted * 100 / reached.reviewed;
    println!(
        "{} reviews, {share} % admitted, {} denied for what keeps nothing out, {} of {} keys, groups by size {:?}",
        reached.reviewed,
        reached.denied_and_linked,
        reached.keys.len(),
        all.len(),
        reached.groups
    );
    assert_eq!(reached.keys, all, "keys that no generated Ingress has");
    assert!(share >= 30, "only {share} % are admitted: the groups say little");
    assert_eq!(reached.groups.len(), 8, "sizes of groups");
}
