//! How long the engine's parts take: one Ingress, groups cold and with one member changed, requests. Read it for the numbers;
//! `curves` holds the bounds.

#![expect(clippy::expect_used, reason = "a bench that cannot run says so by panicking")]

mod sample;

use std::sync::Arc;

use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request as Review};
use albedo_engine::compile::{self, Cache};
use albedo_engine::link::{link, relink};
use albedo_engine::settings::Settings;
use albedo_engine::traffic::{Request, Router, unreachable};
use albedo_engine::world::{Object, View};
use divan::{Bencher, black_box};
use sample::{editions, facts, ingress, input, now, view, world};

fn main() {
    divan::main();
}

/// Groups of so many members with five rules each.
const MEMBERS: [usize; 3] = [1, 10, 100];

#[divan::bench]
fn compile_of_one_ingress(bencher: Bencher<'_, '_>) {
    let (settings, facts, view) = (Settings::new("bench"), facts(), view(&world(1, 5)));
    let context = compile::Context { settings: &settings, view: &view, facts: &facts };
    let member = view.members.first().expect("a member");
    bencher.bench(|| compile::compile(black_box(member), context));
}

#[divan::bench(args = MEMBERS)]
fn link_cold(bencher: Bencher<'_, '_>, members: usize) {
    let (settings, facts, view) = (Settings::new("bench"), facts(), view(&world(members, 5)));
    bencher.bench(|| link(black_box(input(&settings, &view, &facts))));
}

/// One member is another one each time; the rest is remembered.
#[divan::bench(args = MEMBERS)]
fn link_with_one_member_changed(bencher: Bencher<'_, '_>, members: usize) {
    let (settings, facts, editions) = (Settings::new("bench"), Arc::new(facts()), editions(members, 5));
    let (mut cache, mut next) = (Cache::new((members + 28) << 14), editions.iter().cycle());
    cache.know(&facts);
    bencher.bench_local(|| next.next().map(|view| relink(black_box(input(&settings, view, &facts)), &mut cache)));
}

#[divan::bench(args = MEMBERS)]
fn view_of_a_group(bencher: Bencher<'_, '_>, members: usize) {
    let world = world(members, 5);
    bencher.bench(|| view(black_box(&world)));
}

fn of_one(object: Reviewed) -> Review {
    let validating = |row: &&admit::registration::WebhookRow| row.kind == admit::registration::Kind::Validating;
    Review {
        row: admit::registration::ROWS.iter().find(validating).expect("a row"),
        operation: Operation::Create,
        namespace: "shop".to_owned(),
        name: String::new(),
        dry_run: false,
        user: "somebody".to_owned(),
        object: Some(object),
        old_object: None,
    }
}

/// What admission adds to the decoding of a request: an Ingress of its own.
#[divan::bench]
fn review_of_one_ingress(bencher: Bencher<'_, '_>) {
    let (settings, facts, policy) = (Settings::new("bench"), facts(), Policy::default());
    let world = world(0, 0);
    let context = Context { world: &world, facts: &facts, settings: &settings, policy: &policy, now: now() };
    let review = of_one(Reviewed::Ingress(Box::new(ingress(None, 0, 5, 0))));
    bencher.bench(|| admit::review(black_box(&review), context));
}

/// The same where what is stored is remembered: the third member of a group is edited.
#[divan::bench]
fn review_in_a_group_that_is_remembered(bencher: Bencher<'_, '_>) {
    let (settings, facts, policy) = (Settings::new("bench"), Arc::new(facts()), Policy::default());
    let world = world(10, 5);
    let context = Context { world: &world, facts: &facts, settings: &settings, policy: &policy, now: now() };
    let edited = Reviewed::Ingress(Box::new(ingress(Some(sample::GROUP), 2, 5, 1)));
    let old = Reviewed::Ingress(Box::new(ingress(Some(sample::GROUP), 2, 5, 0)));
    let review = Review { operation: Operation::Update, old_object: Some(old), ..of_one(edited) };
    let mut cache = Cache::new(16 << 20);
    cache.know(&facts);
    bencher.bench_local(|| admit::review_with(black_box(&review), context, &mut cache));
}

fn group_with_100_rules() -> View {
    view(&world(20, 5))
}

/// Ten thousand requests against a hundred rules, of which each host has five.
#[divan::bench]
fn ten_thousand_requests_against_100_rules(bencher: Bencher<'_, '_>) {
    let (settings, facts, view) = (Settings::new("bench"), facts(), group_with_100_rules());
    let desired = link(input(&settings, &view, &facts)).desired.expect("a desired state");
    let router = Router::new(&desired.listeners);
    let requests: Vec<Request> = (0..100)
        .map(|n| Request::get(80, &format!("h{}.example.com", n % 25), &format!("/part-{}/0/x?y=z", n % 7)))
        .collect();
    bencher.bench(|| (0..100).flat_map(|_| &requests).filter(|request| router.decide(request).is_some()).count());
}

#[divan::bench]
fn unreachable_among_100_rules(bencher: Bencher<'_, '_>) {
    let (settings, facts, view) = (Settings::new("bench"), facts(), group_with_100_rules());
    let desired = link(input(&settings, &view, &facts)).desired.expect("a desired state");
    let listener = desired.listeners.get(&80).expect("a listener");
    bencher.bench(|| unreachable(black_box(listener)));
}

#[divan::bench]
fn an_ingress_is_applied_to_a_world_of_1000(bencher: Bencher<'_, '_>) {
    let mut world = world(1000, 5);
    let changed = Arc::new(ingress(Some(sample::GROUP), 500, 5, 1));
    bencher.bench_local(move || world.apply(Object::Ingress(Box::new((*changed).clone()))));
}
