//! Every operation of AWS that Albedo uses, with every trouble that AWS or the way to it can make, in every step of a group's life.
//!
//! Which operations there are is read from a walk without trouble, so a new one is in the table by itself; what the walk does not use is
//! held against the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use albedo_engine::plan::operation::addon_calls;
use albedo_testenv::Call;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::{Base, minutes};
use crate::crash::seed;
use crate::fixture::{Fixture, SOON};
use crate::objects::{annotations, rule};
use crate::troubles::{Cell, Course, Table, Trouble, Walked, chosen, mixed, rounds};
use crate::walk::{Step, Walk, leaves_nothing};

/// Column, and what the emulator is told. A timeout is carried out, and nothing is heard of it for longer than Albedo waits.
fn kinds() -> Vec<(&'static str, Value)> {
    vec![
        ("throttle", json!({"kind": "throttle"})),
        ("500 before", json!({"kind": "internal"})),
        ("500 after", json!({"kind": "internal", "after": true})),
        ("timeout", json!({"answerMs": 10_500, "lost": true})),
        ("reset", json!({"reset": true})),
        ("cut short", json!({"truncated": "connection"})),
        ("half", json!({"truncated": "document"})),
        ("slow", json!({"delayMs": 1500})),
    ]
}

/// How often in a row.
const OFTEN: [usize; 2] = [1, 3];

/// Operations that the walk does not use, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("elbv2 ModifyIpPools", "the emulator has no IPAM"),
    ("waf-regional AssociateWebACL", "as that of WAFv2; it addons::"),
    ("waf-regional DisassociateWebACL", "as that of WAFv2; it addons::"),
    ("waf-regional GetWebACLForResource", "as that of WAFv2; it addons::"),
    ("ec2 DescribeNetworkInterfaces", "for pods that have no node's address; reconcile::node_rules"),
];

/// A security group of the Ingress's own.
const OWN: &str = "sg-0123456789abcdef0";
const SHIELDS_REGION: &str = "us-east-1";

type Rule = (&'static str, &'static str, &'static str, u16);
const API: Rule = ("/api", "Prefix", "api", 8000);
const WEB: Rule = ("/", "Prefix", "web", 80);

async fn open(base: &Arc<Base>) -> Result<Walk> {
    let mut fixture = Fixture::open(base, "troubles").await?;
    let gate = fixture.gate().await?;
    // What goes wrong with AWS reaches Albedo as it is; writes to Kubernetes alone are counted by the gate.
    let endpoint = fixture.scope.emulator().endpoint().to_owned();
    fixture.launch.env.push(("AWS_ENDPOINT_URL".to_owned(), endpoint.into()));
    fixture.launch.env.push(("AWS_ACCESS_KEY_ID".to_owned(), fixture.scope.region.clone().into()));
    fixture.launch.ready_within = Duration::from_mins(2);
    fixture.start().await?;
    fixture.backends("NodePort").await?;
    let steps = steps(&fixture).await?;
    Ok(Walk::new(fixture, gate, steps))
}

/// Create, edit, join, leave, target type, replace, delete, and a start beside: with all that an Ingress can ask of AWS.
#[expect(clippy::too_many_lines, reason = "the table of what each step asks for")]
async fn steps(fixture: &Fixture) -> Result<Vec<Step>> {
    let (emulator, region) = (fixture.scope.emulator(), &fixture.scope.region);
    let (one, two) = (
        emulator.certificate(region, &["one.example.com"]).await?,
        emulator.certificate(region, &["two.example.com"]).await?,
    );
    emulator.certificate(region, &["guest.example.com"]).await?;
    let store = format!("arn:aws:elasticloadbalancing:{region}:123456789012:truststore/people/1111222233334444");
    let planted = json!([{"kind": "trust-store", "name": "people", "arn": store},
        {"kind": "security-group", "id": OWN, "name": "own"}]);
    emulator.plant(region, &planted).await?;
    let world = &fixture.scope.world;
    let two_subnets = world.public_subnets().take(2).collect::<Vec<_>>().join(",");
    let (both, other) = (format!("{one},{two}"), two.clone());
    let group = fixture.scope.group.as_str();
    let ingress = |name: &str, host: Option<&str>, pairs: &[(&str, &str)], paths: &[Rule]| {
        let mut object = fixture.ingress(name, &[], &json!([rule(host, paths)]));
        object["metadata"]["annotations"] = annotations(pairs);
        object
    };
    let shared = ("group.name", group);
    let (facing, ip, node) = (("scheme", "internet-facing"), ("target-type", "ip"), ("target-type", "instance"));
    let https = ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);
    let three = ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}, {"HTTP": 8080}]"#);
    let store = ("mutual-authentication", r#"[{"port": 443, "mode": "verify", "trustStore": "people"}]"#);
    let created = [
        ("wafv2-acl-arn", world.web_acl.as_str()),
        ("shield-advanced-protection", "true"),
        ("minimum-load-balancer-capacity", "CapacityUnits=500"),
        ("load-balancer-attributes", "idle_timeout.timeout_seconds=60"),
        ("tags", "team=shop,stage=one"),
        ("security-group-prefix-lists", world.prefix_list.as_str()),
        ("inbound-cidrs", "10.0.0.0/8"),
        ("certificate-arn", both.as_str()),
        store,
        https,
    ];
    let edited = [
        ("wafv2-acl-arn", "none"),
        ("shield-advanced-protection", "false"),
        ("minimum-load-balancer-capacity", "CapacityUnits=0"),
        ("load-balancer-attributes", "idle_timeout.timeout_seconds=90"),
        ("listener-attributes.HTTP-80", "routing.http.response.server.enabled=false"),
        ("target-group-attributes", "deregistration_delay.timeout_seconds=5"),
        ("healthcheck-path", "/healthz"),
        ("tags", "team=web,floor=two"),
        ("inbound-cidrs", "10.0.0.0/8,10.128.0.0/16"),
        ("ip-address-type", "dualstack"),
        ("subnets", two_subnets.as_str()),
        ("certificate-arn", other.as_str()),
        three,
    ];
    let bare = [("security-groups", OWN), ("manage-backend-security-group-rules", "true"), ("tags", "team=shop")];
    let others = ["inbound-cidrs", "listen-ports", "tags"];
    let edited_more = edited.into_iter().filter(|(key, _)| !others.contains(key));
    let owned: Vec<_> = edited_more.chain(bare).chain([https]).collect();
    let (internal, meant) = (("scheme", "internal"), ("albedo.dev/allow-replacement", "true"));
    let more: &[Rule] = &[API, ("/about", "Exact", "web", 80), WEB];
    let shop = |pairs: &[(&str, &str)], more: &[(&str, &str)], paths: &[Rule]| {
        ingress("shop", None, &[&[shared], pairs, more].concat(), paths)
    };
    let guest = |pairs: &[(&str, &str)]| {
        let pairs = [pairs, &[facing, ip, https]].concat();
        ingress("guest", Some("guest.example.com"), &pairs, &[("/guest", "Exact", "web", 80)])
    };
    Ok(vec![
        Step::apply("create", vec![shop(&[facing, ip], &created, &[API, WEB])]),
        Step::apply("edit", vec![shop(&[facing, ip], &edited, more)]),
        Step::apply("join", vec![guest(&[shared, ("group.order", "-5")])]),
        Step::restart("start"),
        Step::apply("target type", vec![shop(&[facing, node], &owned, more)]),
        Step::apply("leave", vec![guest(&[])]),
        Step::apply("replace", vec![shop(&[internal, meant, ip], &bare, &[API, WEB])]),
        Step::delete("delete", &["guest", "shop"]),
    ])
}

/// What Albedo has called since then.
async fn calls(walk: &Walk, mark: u64) -> Result<Vec<Call>> {
    let (emulator, region) = (walk.fixture.scope.emulator(), &walk.fixture.scope.region);
    let mut calls = emulator.calls_since(region, mark).await?;
    let shield = emulator.calls_since(SHIELDS_REGION, mark).await?;
    calls.extend(shield.into_iter().filter(|call| call.caller == *region));
    Ok(calls)
}

/// The walk without trouble, and the operations of each step with how often each came.
async fn recorded(mut walk: Walk) -> Result<(Walked, Vec<BTreeMap<String, usize>>)> {
    let (mut done, mut used, before) = (Vec::new(), Vec::new(), walk.whole().await?);
    for index in 0..walk.names().len() {
        let mark = walk.fixture.mark().await?;
        done.push(walk.first_step(index).await?);
        let mut count = BTreeMap::new();
        for call in calls(&walk, mark).await? {
            *count.entry(format!("{} {}", call.service, call.operation)).or_default() += 1;
        }
        used.push(count);
    }
    leaves_nothing(&before, &done)?;
    Ok((Walked { walk, done }, used))
}

/// A cell for each step, operation, kind and number.
fn cells(used: &[BTreeMap<String, usize>], seed: usize) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for (step, operations) in used.iter().enumerate() {
        for (row, came) in operations {
            let (service, operation) = row.split_once(' ').context("no service")?;
            for (kind, fault) in kinds() {
                for times in OFTEN {
                    let mut fault = fault.clone();
                    // Once: at any of the calls. More often: from the first one on.
                    let skip = if times == 1 { mixed(seed, cells.len(), step) % came } else { 0 };
                    let more = json!({"service": service, "operation": operation, "times": times, "skip": skip});
                    if let (Some(fault), Some(more)) = (fault.as_object_mut(), more.as_object()) {
                        fault.extend(more.clone());
                    }
                    let limit = if kind == "timeout" { SOON * 3 } else { SOON };
                    let column = if times == 1 { kind.to_owned() } else { format!("{kind} ×{times}") };
                    cells.push(Cell { step, row: row.clone(), column, trouble: Trouble::Aws(fault), limit });
                }
            }
        }
    }
    Ok(cells)
}

fn columns() -> Vec<String> {
    let of = |(kind, _): &(&'static str, Value)| {
        OFTEN.map(|times| if times == 1 { (*kind).to_owned() } else { format!("{kind} ×{times}") })
    };
    kinds().iter().flat_map(of).collect()
}

async fn table(base: Arc<Base>, most: usize, side_by_side: usize, time: Duration) -> Result<()> {
    let (walked, used) = recorded(open(&base).await?).await?;
    covers_the_sources(&used)?;
    let mut cells = chosen(cells(&used, seed())?, &walked.walk.names())?;
    // Several times nothing for as long as Albedo waits is half a minute a cell.
    cells.retain(|cell| most == usize::MAX || !cell.column.starts_with("timeout ×"));
    let mut rounds = rounds(cells, used.len(), seed());
    rounds.truncate(most);
    rounds.reverse();
    let least = rounds.last().map_or(0, Vec::len) / 2;
    let table = Mutex::new(Table::default());
    let course = Course {
        open: async || open(&base).await,
        columns: columns(),
        rounds: Mutex::new(rounds),
        until: Instant::now() + time,
        table: &table,
    };
    course.run(walked, side_by_side).await?;
    table.lock().map_err(|_| anyhow::anyhow!("a walker panicked"))?.holds(least)
}

/// Each operation of the sources is in the walk, or in the list of those that are not.
fn covers_the_sources(used: &[BTreeMap<String, usize>]) -> Result<()> {
    let used: BTreeSet<&str> = used.iter().flat_map(BTreeMap::keys).map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = in_the_sources(&root.join("src/cloud"))?;
    sources.extend(in_the_sources(&root.join("engine/src/plan/operation"))?);
    for call in addon_calls() {
        let variant = format!("{:?}", call.api);
        let service = SERVICES.iter().find(|(_, name)| *name == variant).context("an unknown service")?.0;
        sources.insert(format!("{service} {}", call.name));
    }
    ensure!(sources.len() > 50, "{sources:?}");
    let listed: BTreeSet<&str> = ELSEWHERE.iter().map(|(operation, _)| *operation).collect();
    let missing: Vec<&String> =
        sources.iter().filter(|one| !used.contains(one.as_str()) && !listed.contains(one.as_str())).collect();
    ensure!(missing.is_empty(), "the walk uses none of {missing:?}; it uses {used:?}");
    let idle: Vec<&&str> = listed.iter().filter(|one| used.contains(**one)).collect();
    ensure!(idle.is_empty(), "the walk uses {idle:?}, which are listed as not used");
    Ok(())
}

/// Services as the emulator names them, and as the engine does.
const SERVICES: [(&str, &str); 6] = [
    ("elbv2", "Elbv2"),
    ("ec2", "Ec2"),
    ("acm", "Acm"),
    ("wafv2", "WafV2"),
    ("waf-regional", "WafRegional"),
    ("shield", "Shield"),
];

/// `elbv2 CreateRule` for each `elbv2("CreateRule")` or `row(Elbv2, "CreateRule"` below a folder.
fn in_the_sources(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(in_the_sources(&path)?);
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        for (service, variant) in SERVICES {
            for (before, after) in
                [(format!("ApiService::{variant}.call(\""), "\")"), (format!("row({variant}, \""), "\",")]
            {
                for rest in text.split(&before).skip(1) {
                    let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
                    let ends = rest.strip_prefix(name.as_str()).is_some_and(|end| end.starts_with(after));
                    if ends && name.starts_with(char::is_uppercase) {
                        found.insert(format!("{service} {name}"));
                    }
                }
            }
        }
    }
    Ok(found)
}

/// A sample of the cells: another one with another `ALBEDO_SEED`.
pub async fn some_end_as_without(base: Arc<Base>) -> Result<()> {
    table(base, 1, 1, Duration::from_secs(40)).await
}

/// All of them, or as many as there is time for.
pub async fn all_end_as_without(base: Arc<Base>) -> Result<()> {
    table(base, usize::MAX, 4, minutes("ALBEDO_TROUBLES_MINUTES", 100)).await
}
