//! What Albedo may use, without a clock: allocations of a review, a link and a plan, bytes that a world keeps of an object, packages that it is built from.
//!
//! `figures.tsv` is the one table of budgets: a figure that is more than a tenth above its row fails, and one that is more than a quarter below it as
//! well, so that what was gained is not lost again unseen. `UPDATE=1` writes the table anew. Read its diff before you commit it.

#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

mod reviews;
mod sample;

use std::fmt::Write as _;
use std::sync::Arc;

use albedo_engine::compile::{self, Cache};
use albedo_engine::kinds::{Endpoint, EndpointPort, Endpoints, Key, Pod};
use albedo_engine::link::{link, relink};
use albedo_engine::plan::{self, as_observed};
use albedo_engine::settings::Settings;
use albedo_engine::stack::Tags;
use albedo_engine::world::{Object, View};
use allocation_counter::measure;
use sample::{GROUP, editions, empty, facts, ingress, input, service, view, world};

/// How far a figure may be above its row, in hundredths.
const ABOVE: u64 = 10;
/// And below it.
const BELOW: u64 = 25;

/// What is measured, its unit, and the figure.
type Figure = (String, &'static str, u64);

#[test]
fn every_figure_keeps_its_budget() {
    let mut figures = reviews::figures();
    figures.extend(links());
    figures.extend(plans());
    figures.extend(kept());
    figures.push(("packages in Cargo.lock".to_owned(), "packages", packages()));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/figures.tsv");
    let mut text = "what\tunit\tfigure\n".to_owned();
    for (what, unit, figure) in &figures {
        writeln!(text, "{what}\t{unit}\t{figure}").expect("a string takes everything");
    }
    println!("{text}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &text).expect("the table can be written");
    }
    let written = std::fs::read_to_string(path).expect("the table");
    let rows: Vec<(&str, u64)> = written
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.split('\t');
            let what = cells.next().expect("a name");
            (what, cells.nth(1).expect("a figure").parse().expect("a number"))
        })
        .collect();
    let names: Vec<&str> = rows.iter().map(|(what, _)| *what).collect();
    let measured: Vec<&str> = figures.iter().map(|(what, ..)| what.as_str()).collect();
    assert_eq!(names, measured, "the table has other rows: UPDATE=1 cargo test -p albedo-engine --test budgets");
    let missed: Vec<String> = figures.iter().zip(&rows).filter_map(|(figure, (_, row))| missed(figure, *row)).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

fn missed((what, unit, figure): &Figure, row: u64) -> Option<String> {
    if figure * 100 > row * (100 + ABOVE) {
        return Some(format!("{what}: {figure} {unit}, its budget is {row} and a tenth"));
    }
    let far_below = figure * 100 < row * (100 - BELOW);
    far_below.then(|| {
        format!("{what}: {figure} {unit} of {row}; keep what was gained: UPDATE=1 cargo test -p albedo-engine --test budgets")
    })
}

#[test]
fn a_budget_is_a_tenth_wide_above() {
    let of = |figure, row| missed(&("it".to_owned(), "bytes", figure), row).is_some();
    assert_eq!([of(110, 100), of(111, 100), of(75, 100), of(74, 100)], [false, true, false, true]);
}

fn allocations<T>(work: impl FnOnce() -> T) -> u64 {
    let mut made = None;
    let used = measure(|| made = Some(work()));
    drop(made);
    used.count_total
}

fn links() -> Vec<Figure> {
    let (settings, facts) = (Settings::new("bench"), Arc::new(facts()));
    let mut figures = Vec::new();
    let mut add = |what: &str, figure: u64| figures.push((what.to_owned(), "allocations", figure));
    let one = view(&world(1, 5));
    let member = one.members.first().expect("a member");
    let context = compile::Context { settings: &settings, view: &one, facts: &facts };
    add("compile of an Ingress of 5 rules", allocations(|| compile::compile(member, context)));
    let hundred = world(100, 5);
    add("view of a group of 100", allocations(|| view(&hundred)));
    let hundred: View = view(&hundred);
    add("link of 100 × 5 rules, cold", allocations(|| link(input(&settings, &hundred, &facts))));
    let mut cache = Cache::new(128 << 14);
    cache.know(&facts);
    let editions = editions(100, 5);
    let (first, second) = (editions.first().expect("an edition"), editions.get(1).expect("another edition"));
    drop(relink(input(&settings, first, &facts), &mut cache));
    add(
        "link of 100 × 5 rules, one member changed",
        allocations(|| relink(input(&settings, second, &facts), &mut cache)),
    );
    figures
}

fn plans() -> Vec<Figure> {
    let (settings, facts) = (Settings::new("bench"), facts());
    let desired = |view: &View| link(input(&settings, view, &facts)).desired.expect("a desired state");
    let mut world = world(20, 5);
    let before = desired(&view(&world));
    world.apply(Object::Ingress(Box::new(ingress(Some(GROUP), 10, 6, 0))));
    let after = desired(&view(&world));
    let (observed, bindings) = as_observed(&before);
    let of = |desired| {
        let input = plan::Input {
            desired,
            observed: &observed,
            bindings: &bindings,
            cluster: "bench",
            external_tags: &[],
            default_tags: &Tags::new(),
            rule_quota: 200,
            targets: None,
        };
        allocations(|| plan::plan(input))
    };
    let figure = |what: &str, desired| (what.to_owned(), "allocations", of(desired));
    vec![
        figure("plan of 20 × 5 rules, nothing changed", &before),
        figure("plan of 20 × 5 rules, one path added", &after),
    ]
}

/// Bytes that a world keeps of each of some objects.
fn kept() -> Vec<Figure> {
    const COUNT: usize = 1000;
    let each = |what: &str, objects: &mut dyn Iterator<Item = Object>| {
        let mut world = empty();
        let used = measure(|| {
            for object in objects {
                world.apply(object);
            }
        });
        drop(world);
        (what.to_owned(), "bytes", u64::try_from(used.bytes_current).unwrap_or(0) / 1000)
    };
    let own = |n| Object::Ingress(Box::new(ingress(None, n, 5, 0)));
    let member = |n| Object::Ingress(Box::new(ingress(Some(GROUP), n, 5, 0)));
    vec![
        each("a Pod in the world", &mut (0..COUNT).map(|n| Object::Pod(Box::new(pod(n))))),
        each("an endpoint in the world", &mut (0..COUNT / 100).map(|n| Object::Endpoints(Box::new(slice(n))))),
        each("a Service in the world", &mut (0..COUNT).map(|n| Object::Service(Box::new(service(n))))),
        each("an Ingress of 5 rules in one group", &mut (0..COUNT).map(member)),
        each("an Ingress of 5 rules, a group of its own", &mut (0..COUNT).map(own)),
    ]
}

fn pod(n: usize) -> Pod {
    Pod {
        key: Key::new("shop", &format!("app-5d9c7b8f6d-{n:05}")),
        ip: format!("10.77.{}.{}", n / 250, n % 250),
        node: format!("ip-10-77-0-{}.eu-central-1.compute.internal", n % 50).into(),
        ports: [("http".to_owned(), 8080)].into(),
        containers_ready: true,
        target_health_gates: Vec::new(),
        uid: String::new(),
        pod_eni: None,
        terminating: false,
        created_ms: 0,
    }
}

/// A hundred endpoints.
fn slice(n: usize) -> Endpoints {
    let endpoint = |pod: usize| Endpoint {
        address: format!("10.77.{n}.{pod}"),
        pod: Some(format!("app-{n}-7b8f6d-{pod:05}")),
        pod_namespace: None,
        ready: true,
        terminating: false,
    };
    Endpoints {
        key: Key::new("shop", &format!("app-{n:05}")),
        service: format!("app-{n}"),
        address_type: "IPv4".to_owned(),
        ports: vec![EndpointPort { name: "http".to_owned(), port: 8080 }],
        endpoints: (0..100).map(endpoint).collect(),
    }
}

/// What the program, its tests and its tools are built from.
fn packages() -> u64 {
    let lock = include_str!("../../Cargo.lock");
    u64::try_from(lock.lines().filter(|line| *line == "[[package]]").count()).expect("a small number")
}
