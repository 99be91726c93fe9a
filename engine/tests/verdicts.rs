//! Both sides of a verdict, on generated groups with fresh facts: what is admitted is built, or warned of what is absent, and taken by AWS; what is refused is not built, is refused by AWS, or
//! is refused on purpose (docs/differences.md).
//!
//! `cargo test` takes a sample, `make verdicts` takes GROUPS. What a group is follows from its number and `ALBEDO_SEED`: `RUN=17` does one again.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is what a test has for a fault, and the figures are for whoever runs it"
)]

mod aged;
mod aws;
#[expect(dead_code, reason = "only the cluster and the account of the examples")]
mod example;
mod subnet;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use albedo_apiserver_objects::groups::{Parts, SERVICES};
use albedo_chance::Chance;
use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request, ReviewAnswer};
use albedo_engine::annotation::{PREFIX, rows};
use albedo_engine::facts::Facts;
use albedo_engine::finding::{CODES, Certainty, Code, Finding, ObjectRef};
use albedo_engine::link::{Input, MemberState, link};
use albedo_engine::settings::Settings;
use albedo_engine::world::{Kind, Membership, Object, Overlay, World};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

use aged::now;

/// Groups of a sample.
const FEW: u64 = 500;

/// The examples of all codes, and all settings.
fn parts() -> Parts {
    let texts = CODES.iter().flat_map(|row| [row.accepts, row.refuses]);
    let read = |text: &str| serde_saphyr::from_str(&text.replace("{p}", PREFIX)).expect("an example");
    let settings = rows().map(|row| (format!("{}{}", row.prefix, row.key), row.family, row.example));
    Parts::new(texts.map(read), settings.collect())
}

/// A cluster in which the examples and the generated rules have their Services.
fn cluster() -> World {
    let mut world = example::world(&Value::Null);
    for kind in Kind::ALL.into_iter().filter(|kind| !matches!(kind, Kind::IngressClass | Kind::Service)) {
        world.reset(kind, Vec::new());
    }
    for (name, kind) in SERVICES {
        let node_port = (kind == "NodePort").then_some(30_081);
        let service = json!({"metadata": {"name": name, "namespace": "shop", "uid": name}, "spec": {"type": kind,
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": node_port}]}});
        let service: Service = serde_json::from_value(service).expect("a Service");
        world.apply(Object::Service(Box::new(service)));
    }
    world
}

/// How far the groups reached.
#[derive(Default)]
struct Reached {
    admitted: u64,
    refused: u64,
    /// Of what is refused: not built, so that the Ingress gets an event.
    unbuilt: u64,
    /// Admitted with a warning that something is absent without which it is not built.
    warned: u64,
    /// Built, and refused by AWS.
    by_aws: u64,
    /// Built and taken; the codes are in docs/differences.md.
    strict: BTreeMap<&'static str, u64>,
}

struct Account {
    facts: Facts,
    settings: Settings,
    policy: Policy,
    /// Codes of docs/differences.md.
    documented: BTreeSet<String>,
}

impl Account {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences.md");
        let text = std::fs::read_to_string(path).expect("docs/differences.md");
        let documented = text.lines().filter_map(|line| line.strip_prefix("| ALB").and_then(|_| line.get(2..8)));
        Self {
            facts: example::facts(&Value::Null),
            settings: Settings::new("test"),
            policy: Policy::default(),
            documented: documented.map(str::to_owned).collect(),
        }
    }

    fn review(&self, world: &World, candidate: &Ingress) -> ReviewAnswer {
        let request = Request {
            row: ROWS.iter().find(|row| row.kind == WebhookKind::Validating).expect("a row"),
            operation: Operation::Create,
            namespace: "shop".to_owned(),
            name: candidate.metadata.name.clone().unwrap_or_default(),
            dry_run: false,
            user: "somebody".to_owned(),
            object: Some(Reviewed::Ingress(Box::new(candidate.clone()))),
            old_object: None,
        };
        let Self { facts, settings, policy, .. } = self;
        admit::review(&request, Context { world, facts, settings, policy, now: now() })
    }

    /// One after another: what is admitted is stored and holds; what is refused is tried with admission off.
    fn holds(&self, ingresses: &[Ingress], reached: &mut Reached) -> Result<(), String> {
        let mut world = cluster();
        for ingress in ingresses {
            let answer = self.review(&world, ingress);
            if answer.allowed {
                reached.admitted += 1;
                world.apply(Object::Ingress(Box::new(ingress.clone())));
            } else {
                reached.refused += 1;
                self.deserved(&world, ingress, &answer, reached)?;
            }
        }
        for group in world.group_ids() {
            let view = world.view(&group, &Overlay::None);
            let input = Input { settings: &self.settings, view: &view, facts: &self.facts, existing: None, now: now() };
            let linked = link(input);
            for member in linked.members.iter().filter(|member| member.state != MemberState::Linked) {
                let subject = ObjectRef::ingress(&member.key.namespace, &member.key.name);
                let mut of_it = linked.findings().filter(|finding| finding.subject == subject);
                let is_warned = |finding: &Finding| {
                    finding.effect.keeps_out() && finding.code.row().certainty == Certainty::Absence
                };
                if !of_it.any(is_warned) {
                    return Err(format!("{subject} is admitted without a warning, and not built"));
                }
                reached.warned += 1;
            }
            let is_linked = linked.members.iter().any(|member| member.state == MemberState::Linked);
            let Some(desired) = &linked.desired else {
                if is_linked {
                    return Err("what is linked is not built".to_owned());
                }
                continue;
            };
            let refused = aws::refusals(desired, &self.facts);
            if !refused.is_empty() {
                return Err(format!("all are admitted, and AWS refuses {refused:?}"));
            }
        }
        Ok(())
    }

    /// Whether a refusal is right.
    fn deserved(
        &self,
        world: &World,
        ingress: &Ingress,
        answer: &ReviewAnswer,
        reached: &mut Reached,
    ) -> Result<(), String> {
        // Of an Ingress without a usable class or group there is an event.
        let Membership::Member(group, _) = world.membership(ingress) else {
            reached.unbuilt += 1;
            return Ok(());
        };
        let view = world.view(&group, &Overlay::Put(Arc::new(ingress.clone())));
        let linked =
            link(Input { settings: &self.settings, view: &view, facts: &self.facts, existing: None, now: now() });
        let subject = ObjectRef::ingress("shop", ingress.metadata.name.as_deref().unwrap_or_default());
        let mut members = linked.members.iter();
        let is_out = members.any(|member| member.key.name == subject.name && member.state != MemberState::Linked);
        if linked.desired.is_none() || is_out {
            reached.unbuilt += 1;
            return Ok(());
        }
        let words = answer.message.split(|letter: char| !letter.is_ascii_alphanumeric());
        let codes: BTreeSet<&str> = words.filter(|word| word.len() == 6 && Code::parse(word).is_some()).collect();
        let refused = linked.desired.as_ref().map(|desired| aws::refusals(desired, &self.facts)).unwrap_or_default();
        if !refused.is_empty() {
            reached.by_aws += 1;
            return Ok(());
        }
        match codes.iter().find(|code| self.documented.contains(**code)) {
            Some(code) => {
                *reached.strict.entry(Code::parse(code).expect("a code").row().id).or_default() += 1;
                Ok(())
            }
            None => Err(format!("{subject} is refused for {codes:?}, and AWS takes what is built of it")),
        }
    }
}

#[test]
fn what_is_admitted_is_taken_and_what_is_refused_is_not() {
    let (account, parts) = (Account::new(), parts());
    let (mut reached, mut faults) = (Reached::default(), BTreeMap::<String, (u64, u64)>::new());
    for run in albedo_chance::runs(FEW) {
        let of = parts.ingresses(&mut Chance::of_run(run)).into_iter();
        let of: Vec<Ingress> = of.map(|one| serde_json::from_value(one).expect("an Ingress")).collect();
        if let Err(fault) = account.holds(&of, &mut reached) {
            faults.entry(fault).or_insert((run, 0)).1 += 1;
        }
    }
    let Reached { admitted, refused, warned, unbuilt, by_aws, strict } = &reached;
    eprintln!(
        "{admitted} admitted, {warned} of them lack something; {refused} refused: {unbuilt} are not built, {by_aws} refused by AWS, on purpose {strict:?}"
    );
    assert!(*admitted > 0 && (*refused > 100 || albedo_chance::runs(FEW).end < FEW), "the groups say little");
    let told: Vec<String> =
        faults.iter().take(40).map(|(fault, (run, times))| format!("RUN={run} ({times}): {fault}")).collect();
    assert!(faults.is_empty(), "{} faults; ALBEDO_SEED={}\n{}", faults.len(), albedo_chance::seed(), told.join("\n"));
}
