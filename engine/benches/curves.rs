//! Bounds that hold: nothing grows faster than its input. Ends with 1 when one is broken.
//!
//! Times are compared within one run (ten times the input may take ten times the time, with room for noise), so that a slow
//! machine changes nothing. The few absolute bounds are those that users were promised, with room for a slow machine.

#![expect(clippy::print_stdout, reason = "a bench reports on its standard output")]
#![expect(clippy::expect_used, reason = "a bench that cannot run says so by panicking")]

mod sample;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_engine::compile::{Cache, PATHS};
use albedo_engine::facts::{Aged, Facts, Quota};
use albedo_engine::link::{link, relink};
use albedo_engine::settings::Settings;
use albedo_engine::stack::GroupId;
use albedo_engine::traffic::{Request, Router};
use albedo_engine::world::{Object, Overlay, World};
use k8s_openapi::api::networking::v1::Ingress;
use sample::{GROUP, editions, empty, facts, ingress, input, now, service, view, world};
use serde_json::json;

/// Ten times the input may take this many times the time: a sort and colder caches are let through, a square (100) is not.
const LINEAR: f64 = 40.0;
/// And where the input doesn't count, this many.
const FLAT: f64 = 3.0;

fn main() -> ExitCode {
    let mut bounds = Bounds::default();
    views(&mut bounds);
    links(&mut bounds);
    bad_input(&mut bounds);
    bad_groups(&mut bounds);
    requests(&mut bounds);
    println!("{} of {} bounds are broken", bounds.broken, bounds.checked);
    ExitCode::from(u8::from(bounds.broken > 0))
}

#[derive(Default)]
struct Bounds {
    checked: usize,
    broken: usize,
}

impl Bounds {
    fn check(&mut self, name: &str, value: f64, most: f64, unit: &str) {
        let holds = value <= most;
        self.checked += 1;
        self.broken += usize::from(!holds);
        println!("{} {name}: {value:.2} {unit}, at most {most:.2}", if holds { "ok    " } else { "BROKEN" });
    }

    /// The curve of a time over sizes, each ten times the one before.
    fn curve(&mut self, name: &str, most: f64, sizes: &[usize], mut measure: impl FnMut(usize) -> Duration) {
        let times: Vec<Duration> = sizes.iter().map(|size| measure(*size)).collect();
        let points: Vec<String> = sizes.iter().zip(&times).map(|(size, time)| format!("{size}: {time:.2?}")).collect();
        println!("       {name}: {}", points.join(", "));
        for (pair, sizes) in times.windows(2).zip(sizes.windows(2)) {
            if let ([before, after], [from, to]) = (pair, sizes) {
                // Below that it is noise.
                let before = (*before).max(Duration::from_micros(5));
                self.check(
                    &format!("{name}, {from} to {to}"),
                    after.as_secs_f64() / before.as_secs_f64(),
                    most,
                    "times",
                );
            }
        }
    }

    fn time(&mut self, name: &str, time: Duration, most: Duration) {
        self.check(name, time.as_secs_f64() * 1000.0, most.as_secs_f64() * 1000.0, "ms");
    }
}

/// The shortest of three runs, or of as many as fit into a tenth of a second: the others were disturbed.
fn shortest<T>(mut run: impl FnMut() -> T) -> Duration {
    let began = Instant::now();
    let mut shortest = Duration::MAX;
    let mut runs = 0;
    while runs < 3 || runs < 1000 && began.elapsed() < Duration::from_millis(100) {
        let began = Instant::now();
        let made = run();
        shortest = shortest.min(began.elapsed());
        drop(made);
        runs += 1;
    }
    shortest
}

/// A view costs the same however many other groups there are.
fn views(bounds: &mut Bounds) {
    bounds.curve("view among other groups", FLAT, &[10, 100, 1000, 10_000], |others| {
        let mut world = world(5, 5);
        for number in 0..others {
            let mut other = ingress(Some(&format!("other-{number}")), number, 5, 0);
            other.metadata.namespace = Some(format!("other-{number}"));
            world.apply(Object::Ingress(Box::new(other)));
        }
        shortest(|| view(&world))
    });
}

fn links(bounds: &mut Bounds) {
    let (settings, facts) = (Settings::new("bench"), facts());
    let roomy = roomy_facts();
    bounds.curve("cold link over members", LINEAR, &[1, 10, 100, 1000], |members| {
        let view = view(&world(members, 5));
        shortest(|| link(input(&settings, &view, &roomy)))
    });
    // A load balancer has a hundred target groups at most: the others are refused, each with its reasons.
    bounds.curve("cold link over members of which a hundred fit", LINEAR, &[100, 1000, 10_000], |members| {
        let view = view(&world(members, 1));
        shortest(|| link(input(&settings, &view, &facts)))
    });
    // An Ingress has as many paths as are compiled; the last size is refused without a look at them.
    bounds.curve("cold link of one member over paths", LINEAR, &[2, 20, 200, PATHS, 10 * PATHS], |paths| {
        let view = view(&world(1, paths));
        shortest(|| link(input(&settings, &view, &facts)))
    });
    let hundred = view(&world(100, 5));
    let cold = shortest(|| link(input(&settings, &hundred, &facts)));
    bounds.time("cold link of 100 members × 5 rules", cold, Duration::from_millis(5));
    // One member is another one each time; the rest is remembered.
    let warm = |members: usize, facts: &Arc<Facts>| {
        let editions = editions(members, 5);
        let (mut cache, mut next) = (Cache::new((members + 28) << 14), editions.iter().cycle());
        cache.know(facts);
        shortest(|| next.next().map(|view| relink(input(&settings, view, facts), &mut cache)))
    };
    let roomy = Arc::new(roomy);
    bounds.curve("link of members, one of them changed", LINEAR, &[1, 10, 100], |members| warm(members, &roomy));
    let warm = warm(100, &Arc::new(facts));
    bounds.time("link of 100 members × 5 rules, one of them changed", warm, Duration::from_millis(1));
}

/// The account, with quotas that no group reaches.
fn roomy_facts() -> Facts {
    let limits = Quota::ALL.iter().map(|quota| (quota.name().to_owned(), 1_000_000_000)).collect();
    Facts { account_limits: Some(Aged { value: limits, read_at: now() }), ..facts() }
}

/// How long it takes to link Ingresses that are made of a number.
fn grows(bounds: &mut Bounds, name: &str, sizes: &[usize], make: impl Fn(usize) -> Vec<Ingress>) {
    let (settings, facts) = (Settings::new("bench"), facts());
    bounds.curve(name, LINEAR, sizes, |size| {
        let mut world = empty();
        world.apply(Object::Service(Box::new(service(0))));
        for one in make(size) {
            world.apply(Object::Ingress(Box::new(one)));
        }
        let view = view(&world);
        shortest(|| link(input(&settings, &view, &facts)))
    });
}

/// What somebody makes to be slow, in one Ingress.
fn bad_input(bounds: &mut Bounds) {
    grows(bounds, "the same path again and again", &[20, 200, PATHS], |size| {
        vec![with_paths(vec!["/a".to_owned(); size], "Prefix")]
    });
    grows(bounds, "paths of wildcards alone", &[20, 200, PATHS], |size| {
        vec![with_paths((0..size).map(|n| format!("{}{n}", "*a".repeat(20))).collect(), "ImplementationSpecific")]
    });
    grows(bounds, "one path of wildcards", &[100, 1000, 10_000], |size| {
        vec![with_paths(vec!["*a".repeat(size), "?a*".repeat(size)], "ImplementationSpecific")]
    });
    grows(bounds, "paths to redirects", &[20, 200, PATHS], |size| {
        let mut one = with_paths((0..size).map(|n| format!("/{n}")).collect(), "Exact");
        let action =
            r#"{"type": "redirect", "redirectConfig": {"host": "other.example.com", "statusCode": "HTTP_301"}}"#;
        redirecting(&mut one, action);
        vec![one]
    });
    grows(bounds, "paths that repeat large annotations", &[20, 200, PATHS], |size| {
        let mut one = with_paths((0..size).map(|n| format!("/{n}")).collect(), "Exact");
        let value =
            json!([{"field": "query-string", "queryStringConfig": {"values": [{"value": "x".repeat(100_000)}]}}]);
        let annotations = one.metadata.annotations.get_or_insert_default();
        annotations.insert("alb.ingress.kubernetes.io/conditions.app-0".to_owned(), value.to_string());
        vec![one]
    });
    grows(bounds, "unknown annotations", &[10, 100, 1000], |size| {
        let mut one = ingress(Some(GROUP), 0, 1, 0);
        let annotations = one.metadata.annotations.get_or_insert_default();
        annotations.extend((0..size).map(|n| (format!("alb.ingress.kubernetes.io/unknown-{n}"), "x".to_owned())));
        vec![one]
    });
}

/// The same, in a group of many.
fn bad_groups(bounds: &mut Bounds) {
    grows(bounds, "members that conflict with each other", &[10, 100, 1000], |size| {
        let scheme = |n: usize| if n.is_multiple_of(2) { "internal" } else { "internet-facing" };
        let mut members: Vec<Ingress> = (0..size).map(|n| ingress(Some(GROUP), n, 1, 0)).collect();
        for (n, one) in members.iter_mut().enumerate() {
            let annotations = one.metadata.annotations.get_or_insert_default();
            annotations.insert("alb.ingress.kubernetes.io/scheme".to_owned(), scheme(n).to_owned());
        }
        members
    });
    // The first half says this and that of an NLB, the other half asks for one.
    grows(bounds, "members that conflict with each other in their NLB", &[10, 100, 1000], |size| {
        let mut members: Vec<Ingress> = (0..size).map(|n| ingress(Some(GROUP), n, 1, 0)).collect();
        for (n, one) in members.iter_mut().enumerate() {
            let annotations = one.metadata.annotations.get_or_insert_default();
            let mut say = |suffix: &str, value: String| {
                annotations.insert(format!("alb.ingress.kubernetes.io/{suffix}"), value);
            };
            say("frontend-nlb-listener-port-mapping", format!("{}=80", 1000 + n / 2 % 500));
            say("frontend-nlb-healthcheck-path", format!("/{n}"));
            if n >= size / 2 {
                say("enable-frontend-nlb", "true".to_owned());
            }
        }
        members
    });
    // Whoever is quarantined makes room for the next, who is no better.
    grows(bounds, "members that each ask for another subnet that is not there", &[10, 100, 1000], |size| {
        let mut members: Vec<Ingress> = (0..size).map(|n| ingress(Some(GROUP), n, 1, 0)).collect();
        for (n, one) in members.iter_mut().enumerate() {
            let annotations = one.metadata.annotations.get_or_insert_default();
            annotations.insert("alb.ingress.kubernetes.io/subnets".to_owned(), format!("subnet-{n:08x}"));
        }
        members
    });
    grows(bounds, "members behind one NLB", &[10, 100, 1000], |size| {
        let mut members: Vec<Ingress> = (0..size).map(|n| ingress(Some(GROUP), n, 1, 0)).collect();
        for one in &mut members {
            let annotations = one.metadata.annotations.get_or_insert_default();
            annotations.insert("alb.ingress.kubernetes.io/enable-frontend-nlb".to_owned(), "true".to_owned());
            annotations.insert("alb.ingress.kubernetes.io/frontend-nlb-tags".to_owned(), "a=1".to_owned());
        }
        members
    });
}

fn with_paths(paths: Vec<String>, kind: &str) -> Ingress {
    let mut one = ingress(Some(GROUP), 0, 1, 0);
    let path = |path: String| json!({"path": path, "pathType": kind, "backend": {"service": {"name": "app-0", "port": {"number": 80}}}});
    let paths: Vec<_> = paths.into_iter().map(path).collect();
    let spec = json!({"ingressClassName": "alb", "rules": [{"host": "a.example.com", "http": {"paths": paths}}]});
    one.spec = serde_json::from_value(spec).expect("a spec");
    one
}

fn redirecting(one: &mut Ingress, action: &str) {
    one.metadata
        .annotations
        .get_or_insert_default()
        .insert("alb.ingress.kubernetes.io/actions.app-0".to_owned(), action.to_owned());
    let rules = one.spec.iter_mut().flat_map(|spec| spec.rules.iter_mut().flatten());
    let paths = rules.filter_map(|rule| rule.http.as_mut()).flat_map(|http| &mut http.paths);
    for port in paths.filter_map(|path| path.backend.service.as_mut()?.port.as_mut()) {
        port.name = Some("use-annotation".to_owned());
        port.number = None;
    }
}

/// A million requests against a hundred rules.
fn requests(bounds: &mut Bounds) {
    let (settings, facts) = (Settings::new("bench"), facts());
    let twenty = view(&world(20, 5));
    let desired = link(input(&settings, &twenty, &facts)).desired.expect("a desired state");
    let router = Router::new(&desired.listeners);
    let requests: Vec<Request> = (0..1000)
        .map(|n| Request::get(80, &format!("h{}.example.com", n % 25), &format!("/part-{}/0/x?y=z", n % 7)))
        .collect();
    let million =
        shortest(|| (0..1000).flat_map(|_| &requests).filter(|request| router.decide(request).is_some()).count());
    bounds.time("a million requests against 100 rules", million, Duration::from_secs(1));
    let long = Arc::new("a".repeat(100_000));
    bounds.curve("a long path against wildcards", LINEAR, &[100, 1000, 10_000, 100_000], |size| {
        let request = Request::get(80, "a.example.com", &format!("/{}", long.get(..size).unwrap_or_default()));
        let slow = with_paths(vec!["/*a*a*a*a*b".to_owned()], "ImplementationSpecific");
        let mut world: World = empty();
        world.apply(Object::Service(Box::new(service(0))));
        world.apply(Object::Ingress(Box::new(slow)));
        let view = world.view(&GroupId::Explicit(GROUP.to_owned()), &Overlay::None);
        let desired = link(input(&settings, &view, &facts)).desired.expect("a desired state");
        let router = Router::new(&desired.listeners);
        shortest(|| router.decide(&request).map(|decision| decision.certain))
    });
}
