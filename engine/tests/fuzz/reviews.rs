//! `AdmissionReview` bodies, from bytes to bytes: nothing panics, and whatever has a uid gets a well-formed answer with that uid.

use std::cell::RefCell;
use std::time::Duration;

use albedo_chance::Chance;
use albedo_engine::admit::registration::{ROWS, WebhookRow};
use albedo_engine::admit::wire::{Envelope, encode};
use albedo_engine::admit::{self, Context, Policy};
use albedo_engine::compile::Cache;
use albedo_engine::facts::Facts;
use albedo_engine::settings::Settings;
use albedo_engine::world::World;
use base64::Engine as _;
use serde_json::{Value, json};

use crate::account;
use crate::{OF_REVIEWS, Target, edits, runs};

const TARGET: Target = Target { name: "reviews", few: 3_000, stack: OF_REVIEWS };

/// Bytes of an answer.
const ANSWER: usize = 512 << 10;

/// What reviews are held against.
struct Reviewer {
    world: World,
    facts: Facts,
    settings: Settings,
    policy: Policy,
}

impl Reviewer {
    fn new() -> Self {
        let settings = Settings::new("test");
        Self { world: account::world(), facts: account::facts(), settings, policy: Policy::default() }
    }

    /// What the server does with a body.
    fn answer(&self, row: &'static WebhookRow, body: &[u8], cache: &mut Cache) -> Option<(String, Vec<u8>)> {
        let envelope = Envelope::read(body).ok()?;
        let context = Context {
            world: &self.world,
            facts: &self.facts,
            settings: &self.settings,
            policy: &self.policy,
            now: account::now(),
        };
        let answer = match envelope.open(row) {
            Ok(request) => admit::review_with(&request, context, cache),
            Err(answer) => *answer,
        };
        let bytes = encode(&envelope.uid, &answer, Duration::ZERO).expect("an answer is JSON");
        Some((envelope.uid, bytes))
    }
}

/// The paths for objects of a kind.
fn rows(object: &Value) -> Vec<&'static WebhookRow> {
    let plural = match object["kind"].as_str() {
        Some("Ingress") => "ingresses",
        Some("TargetGroupBinding") => "targetgroupbindings",
        Some("IngressClassParams") => "ingressclassparams",
        Some("Service") => "services",
        Some("IngressClass") => "ingressclasses",
        _ => "",
    };
    ROWS.iter().filter(|row| row.resource == plural).collect()
}

/// A review that is right, if the path is one for the object.
fn review(row: &WebhookRow, object: &Value, old: &Value, chance: &mut Chance) -> Value {
    let operation = match (old.is_null(), chance.below(20)) {
        (_, 0) => "DELETE",
        (true, _) => "CREATE",
        (false, _) => "UPDATE",
    };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": format!("{:016x}", chance.draw()), "operation": operation, "namespace": "shop",
            "name": object["metadata"]["name"], "dryRun": chance.one_in(2), "userInfo": {"username": "ann"},
            "resource": {"group": row.group, "version": row.version, "resource": row.resource},
            "object": object, "oldObject": old,
        },
    })
}

fn holds(uid: &str, body: &[u8], bytes: &[u8]) {
    assert!(bytes.len() <= ANSWER, "an answer of {} bytes", bytes.len());
    let answer: Value = serde_json::from_slice(bytes).expect("JSON");
    assert_eq!((&answer["apiVersion"], &answer["kind"]), (&json!("admission.k8s.io/v1"), &json!("AdmissionReview")));
    let response = &answer["response"];
    assert_eq!(response["uid"], uid);
    // Read by other means than the server's.
    if let Ok(sent) = serde_json::from_slice::<Value>(body) {
        assert_eq!(response["uid"], sent["request"]["uid"]);
    }
    let allowed = response["allowed"].as_bool().expect("allowed");
    assert_eq!(response.get("status").is_none(), allowed);
    if !allowed {
        let status = &response["status"];
        assert!(status["code"].as_u64().is_some_and(|code| (400..600).contains(&code)), "{status}");
        assert!(status["message"].as_str().is_some_and(|message| !message.is_empty()), "{status}");
        assert!(response.get("patch").is_none(), "{response}");
        for cause in status["details"]["causes"].as_array().into_iter().flatten() {
            assert!(cause["message"].as_str().is_some_and(|message| !message.is_empty()), "{cause}");
        }
    }
    let audited = response["auditAnnotations"].as_object().expect("annotations for the audit log");
    let is_bounded = |value: &Value| value.as_str().is_some_and(|text| text.len() < 4096);
    assert!((1..=8).contains(&audited.len()) && audited.values().all(is_bounded), "{audited:?}");
    let warnings = response["warnings"].as_array().map_or(&[][..], |all| all);
    assert!(warnings.iter().all(|one| one.as_str().is_some_and(|one| one.chars().count() <= 120)), "{warnings:?}");
    if let Some(patch) = response["patch"].as_str() {
        let patch = base64::engine::general_purpose::STANDARD.decode(patch).expect("base64");
        let patch: Vec<Value> = serde_json::from_slice(&patch).expect("a list");
        assert!(patch.iter().all(|one| one["path"].as_str().is_some_and(|path| path.starts_with('/'))), "{patch:?}");
    }
}

#[test]
fn reviews() {
    let (reviewer, objects) = (Reviewer::new(), account::objects());
    runs(&TARGET, |chance| {
        // Of each thread, as what was compiled is shared at admission.
        thread_local!(static CACHE: RefCell<Cache> = RefCell::new(Cache::new(1 << 20)));
        let (object, old) = chance.pick(&objects);
        let rows = rows(object);
        let row = if rows.is_empty() || chance.one_in(20) { chance.pick(ROWS) } else { *chance.pick(&rows) };
        let mut review = review(row, object, old, chance);
        for _ in 0..chance.below(6) {
            let part = match chance.below(8) {
                0 => "",
                1 => "/request/oldObject",
                2 | 3 => "/request/object/metadata/annotations",
                _ => "/request/object",
            };
            // An edit before may have taken it away.
            if let Some(part) = review.pointer_mut(part) {
                edits::value(part, chance);
            }
        }
        let mut body = serde_json::to_vec(&review).expect("JSON");
        if chance.one_in(5) {
            edits::bytes(&mut body, chance);
        }
        let answered = CACHE.with_borrow_mut(|cache| reviewer.answer(row, &body, cache));
        if let Some((uid, bytes)) = &answered {
            holds(uid, &body, bytes);
        }
        if chance.one_in(32) {
            assert!(answered == reviewer.answer(row, &body, &mut Cache::default()), "another answer without the cache");
        }
    });
}

/// The examples are reviews that reach admission, and what is right in them is allowed: edits begin somewhere.
#[test]
fn unedited_reviews_are_judged() {
    let reviewer = Reviewer::new();
    let (mut allowed, mut refused) = (0, 0);
    for (object, old) in account::objects() {
        for row in rows(&object) {
            let review = review(row, &object, &old, &mut Chance::of_run(1));
            let body = serde_json::to_vec(&review).expect("JSON");
            let (uid, bytes) = reviewer.answer(row, &body, &mut Cache::default()).expect("a review");
            holds(&uid, &body, &bytes);
            let answer: Value = serde_json::from_slice(&bytes).expect("JSON");
            assert_ne!(answer["response"]["status"]["code"], 400, "{answer}");
            match answer["response"]["allowed"].as_bool() {
                Some(true) => allowed += 1,
                _ => refused += 1,
            }
        }
    }
    assert!(allowed > 80 && refused > 20, "{allowed} allowed, {refused} refused");
}
