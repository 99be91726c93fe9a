//! Reading and checking annotations, with the allocations of each: `make bench`.

#![expect(clippy::expect_used, reason = "a bench without its data is none")]

use std::sync::LazyLock;

use albedo_engine::annotation::{action, check, condition, listen_ports, nearest, parse, row};
use divan::{AllocProfiler, Bencher, black_box};

/// What a typical Ingress carries: fifteen annotations, from simple words to JSON, by their suffixes.
static TYPICAL: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let map: indexmap::IndexMap<String, String> = serde_json::from_str(include_str!("typical.json")).expect("JSON");
    map.into_iter().collect()
});

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn value(key: &str) -> &'static str {
    TYPICAL.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()).expect("a value")
}

/// Every annotation of a typical Ingress, found in the catalogue, parsed and checked.
#[divan::bench]
fn all_of_a_typical_ingress(bencher: Bencher<'_, '_>) {
    let typical = &*TYPICAL;
    bencher.bench(|| {
        let faults =
            |(key, raw): &(String, String)| row(black_box(key)).map_or(1, |row| check(row, black_box(raw)).len());
        typical.iter().map(faults).sum::<usize>()
    });
}

#[divan::bench(args = TYPICAL.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>())]
fn check_one(bencher: Bencher<'_, '_>, key: &str) {
    let (row, raw) = (row(key).expect("a row"), value(key));
    bencher.bench(|| check(black_box(row), black_box(raw)));
}

#[divan::bench]
fn parse_action() -> bool {
    action::read(black_box(value("actions.weighted"))).value.is_some()
}

#[divan::bench]
fn parse_conditions() -> usize {
    condition::read(black_box(value("conditions.blue"))).value.map_or(0, |list| list.len())
}

#[divan::bench]
fn parse_listen_ports() -> usize {
    listen_ports::read(black_box(value("listen-ports"))).value.map_or(0, |list| list.len())
}

#[divan::bench]
fn parse_map() -> usize {
    parse::string_map(black_box(value("tags"))).map_or(0, |map| map.len())
}

/// The dearest of the unhappy paths: a key that is nobody's.
#[divan::bench]
fn nearest_key() -> bool {
    nearest(black_box("helthcheck_intervall-second")).is_some()
}
