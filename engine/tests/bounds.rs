//! What a review may cost, whatever it holds: bytes at its peak, bytes that stay, bytes of its answer.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a panic is what a test has for a fault")]

use std::sync::Arc;
use std::time::Instant;

use albedo_engine::admit::registration::{Kind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request, ReviewAnswer, VALUES};
use albedo_engine::annotation::PREFIX;
use albedo_engine::compile::{Cache, PATHS};
use albedo_engine::facts::Facts;
use albedo_engine::kinds::MAX_ANNOTATION_BYTES;
use albedo_engine::settings::Settings;
use albedo_engine::world::{Object, World};
use allocation_counter::measure;
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{Map, Value, json};

/// Bytes that one review may have allocated at a time.
const PEAK: u64 = 32 << 20;
/// Bytes of an answer with all that it carries.
const ANSWER: usize = 512 << 10;

fn ingress(name: &str, annotations: &Value, spec: &Value) -> Ingress {
    let whole =
        json!({"metadata": {"namespace": "shop", "name": name, "uid": name, "annotations": annotations}, "spec": spec});
    serde_json::from_value(whole).expect("an Ingress")
}

fn path(text: &str, kind: &str) -> Value {
    json!({"path": text, "pathType": kind, "backend": {"service": {"name": "app", "port": {"number": 80}}}})
}

fn spec(paths: Vec<Value>) -> Value {
    json!({"ingressClassName": "alb", "rules": [{"host": "a.example.com", "http": {"paths": Value::Array(paths)}}]})
}

fn one() -> Value {
    spec(vec![path("/", "Prefix")])
}

fn key(suffix: &str) -> String {
    format!("{PREFIX}{suffix}")
}

/// A list of so many items that it fills all that annotations may have.
fn list(item: &str) -> String {
    format!("[{}]", vec![item; (MAX_ANNOTATION_BYTES - 200) / (item.len() + 1)].join(","))
}

/// Ingresses that cost much: (what it is, annotations, spec).
fn hostile() -> Vec<(&'static str, Value, Value)> {
    let paths = |make: &dyn Fn(usize) -> Value| spec((0..PATHS).map(make).collect());
    let conditions =
        json!([{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "x", "values": ["v".repeat(100)]}}]);
    let hosts = (0..PATHS).map(
        |n| json!({"host": format!("{}.{n}.example.com", "h".repeat(300)), "http": {"paths": [path("/", "Prefix")]}}),
    );
    let unknown: Map<String, Value> = (0..9000).map(|n| (key(&format!("nope-{n}")), json!("x"))).collect();
    let tls: Vec<String> = (0..90_000).map(|n| format!("h{n}.example.com")).collect();
    let wide = json!({key("conditions.app"): conditions.to_string() + &" ".repeat(MAX_ANNOTATION_BYTES - 1000)});
    vec![
        ("wildcards", json!({}), paths(&|n| path(&format!("{}*{n}", "/*a".repeat(20)), "ImplementationSpecific"))),
        (
            "a plan of the most rules",
            json!({}),
            spec((0..200).map(|n| path(&format!("{}*{n}", "/*a".repeat(5)), "ImplementationSpecific")).collect()),
        ),
        ("each path is wrong", json!({}), paths(&|n| path(&format!("{}*?{n}", "*".repeat(500)), "Exact"))),
        ("no such type", json!({}), paths(&|n| path(&format!("/{n}"), &"t".repeat(500)))),
        (
            "regular expressions",
            json!({key("use-regex-path-match"): "true"}),
            paths(&|n| path(&format!("/(a|b)*{n}(("), "ImplementationSpecific")),
        ),
        ("conditions repeated", wide, paths(&|n| path(&format!("/{n}"), "Prefix"))),
        ("hosts", json!({}), json!({"ingressClassName": "alb", "rules": hosts.collect::<Vec<_>>()})),
        ("tls", json!({}), json!({"ingressClassName": "alb", "tls": [{"hosts": tls}], "rules": one()["rules"]})),
        ("unknown keys", Value::Object(unknown), one()),
        ("empty conditions", json!({key("conditions.app"): list("{}")}), one()),
        ("bad listeners", json!({key("listen-ports"): list("{\"A\":0}")}), one()),
        ("many listeners", json!({key("listen-ports"): list("{\"HTTP\":80}")}), one()),
        ("bad CIDRs", json!({key("inbound-cidrs"): "x,".repeat(MAX_ANNOTATION_BYTES / 2 - 100)}), one()),
        ("attributes", json!({key("load-balancer-attributes"): "a=b,".repeat(MAX_ANNOTATION_BYTES / 4 - 100)}), one()),
        ("tags", json!({key("tags"): (0..20_000).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",")}), one()),
        ("one long value", json!({key("scheme"): "s".repeat(MAX_ANNOTATION_BYTES - 100)}), one()),
        (
            "more paths than are read",
            json!({}),
            spec((0..6 * PATHS).map(|n| path(&format!("/{n}"), "Exact")).collect()),
        ),
        ("more annotations than are stored", json!({key("tags"): "t".repeat(4 << 20)}), one()),
    ]
}

fn world() -> World {
    let mut world = World::new(Settings::new("test"));
    let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}});
    let class: IngressClass = serde_json::from_value(class).expect("a class");
    world.apply(Object::IngressClass(Box::new(class)));
    world
}

fn request(object: Reviewed, old: Option<Reviewed>) -> Request {
    Request {
        row: ROWS.iter().find(|row| row.kind == Kind::Validating).expect("a row"),
        operation: if old.is_some() { Operation::Update } else { Operation::Create },
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        dry_run: true,
        user: "somebody".to_owned(),
        object: Some(object),
        old_object: old,
    }
}

fn review(request: &Request, world: &World, cache: &mut Cache) -> ReviewAnswer {
    let (facts, settings, policy) = (Facts::default(), Settings::new("test"), Policy::default());
    let context = Context { world, facts: &facts, settings: &settings, policy: &policy, now: Timestamp::UNIX_EPOCH };
    admit::review_with(request, context, cache)
}

#[test]
fn no_review_takes_much_memory_and_none_leaves_any() {
    let stored = ingress("web", &json!({}), &one());
    let mut world = world();
    world.apply(Object::Ingress(Box::new(stored.clone())));
    let mut cache = Cache::new(16 << 20);
    // What is stored is remembered from here on.
    let edit = ingress("web", &json!({key("scheme"): "internal"}), &one());
    let edit = request(Reviewed::Ingress(Box::new(edit)), Some(Reviewed::Ingress(Box::new(stored.clone()))));
    review(&edit, &world, &mut cache);
    let (before, compiled) = (cache.bytes(), cache.compilations());
    assert!(before > 0, "the stored one is remembered");
    review(&edit, &world, &mut cache);
    assert_eq!(cache.compilations(), compiled + 1, "the candidate alone is compiled again");
    for (what, annotations, spec) in hostile() {
        let candidate = ingress("web", &annotations, &spec);
        let request =
            request(Reviewed::Ingress(Box::new(candidate)), Some(Reviewed::Ingress(Box::new(stored.clone()))));
        let (began, mut answer) = (Instant::now(), None);
        let used = measure(|| answer = Some(review(&request, &world, &mut cache)));
        let answer = answer.expect("an answer");
        let causes = answer.details.iter().flat_map(|details| &details.causes);
        let size = answer.message.len() + causes.map(|cause| cause.message.len() + cause.field.len()).sum::<usize>();
        println!("{what}: {} KiB at its peak, {:?}, answer {size}", used.bytes_max >> 10, began.elapsed());
        assert!(used.bytes_max < PEAK, "{what}: {} bytes", used.bytes_max);
        assert!(size < ANSWER, "{what}: an answer of {size} bytes");
        assert_eq!(cache.bytes(), before, "{what}: a candidate is remembered");
    }
}

#[test]
fn what_a_cache_holds_is_what_it_counts() {
    let mut world = world();
    for n in 0..200 {
        let paths = (0..=n % 20).map(|m| path(&format!("/{n}/{m}"), "Prefix")).collect();
        let annotations =
            json!({key("group.name"): "g", key("scheme"): "internal", key("conditions.app"): "[{\"field\": \"x\"}]"});
        world.apply(Object::Ingress(Box::new(ingress(&format!("web-{n}"), &annotations, &spec(paths)))));
    }
    let (mut cache, candidate) = (Cache::new(64 << 20), ingress("web", &json!({key("group.name"): "g"}), &one()));
    let request = request(Reviewed::Ingress(Box::new(candidate)), None);
    let used = measure(|| drop(review(&request, &world, &mut cache)));
    let held = usize::try_from(used.bytes_current).expect("bytes");
    println!("{} counted, {held} held", cache.bytes());
    assert!(held < cache.bytes() && cache.bytes() < 8 * held, "{} counted, {held} held", cache.bytes());
    // With less room it holds less, and answers as before.
    let mut small = Cache::new(cache.bytes() / 8);
    let expected = review(&request, &world, &mut cache);
    assert_eq!(review(&request, &world, &mut small), expected);
    assert!(small.bytes() <= cache.bytes() / 4, "{} of {}", small.bytes(), cache.bytes());
}

#[test]
fn too_many_values_are_refused_unless_they_are_stored() {
    let (world, mut cache) = (world(), Cache::default());
    let mut answer = |object, old| review(&request(object, old), &world, &mut cache);
    let refused = answer(Reviewed::Oversized(VALUES + 1), None);
    assert!(!refused.allowed && refused.message.contains("ALB047"), "{}", refused.message);
    let stored = answer(Reviewed::Oversized(VALUES + 1), Some(Reviewed::Oversized(VALUES + 1)));
    assert!(stored.allowed && stored.warnings[0].contains("ALB047"), "{stored:?}");
    let fixed =
        answer(Reviewed::Ingress(Box::new(ingress("web", &json!({}), &one()))), Some(Reviewed::Oversized(VALUES + 1)));
    assert!(fixed.allowed, "{}", fixed.message);
}

#[test]
fn causes_are_counted_above_a_hundred() {
    let (world, mut cache) = (Arc::new(world()), Cache::default());
    let paths = (0..150).map(|n| path(&format!("/{n}"), "odd")).collect();
    let request = request(Reviewed::Ingress(Box::new(ingress("web", &json!({}), &spec(paths)))), None);
    let causes = review(&request, &world, &mut cache).details.expect("details").causes;
    assert_eq!(causes.len(), 101);
    assert!(causes[100].message.starts_with("and 50 more"), "{}", causes[100].message);
}
