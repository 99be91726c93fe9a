//! `albedo plan`: the load balancers that manifests specify, offline. `?` is what only a cluster or an account knows.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use albedo_engine::admit;
use albedo_engine::facts::Facts;
use albedo_engine::finding::{Code, Effect, Finding};
use albedo_engine::kinds::Key;
use albedo_engine::link::{self, MemberState};
use albedo_engine::plan;
use albedo_engine::settings::Settings;
use albedo_engine::stack::{Desired, Protocol, Scheme, TargetType};
use albedo_engine::world::{Kind, Membership, Overlay, View, World};
use anyhow::Context;
use clap::Args;
use jiff::Timestamp;

use super::{facts, files, printing};

/// The mark for what only a cluster or an account knows.
const UNKNOWN: &str = "?";

/// Prints the desired state, or its difference from another one.
#[derive(Debug, Args)]
pub struct Show {
    /// Files, folders, or - for standard input
    #[arg(required_unless_present = "filename")]
    paths: Vec<PathBuf>,
    /// The same as a flag
    #[arg(short, long, num_args = 1.., value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// Print what changes from these files or folders to those
    #[arg(long, num_args = 1.., value_name = "OTHER")]
    diff: Vec<PathBuf>,
    /// Facts of the AWS account: a file from `albedo facts`
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Name of the cluster: part of names and tags; if it is set, subnets that are tagged for other clusters are not discovered
    #[arg(long)]
    cluster_name: Option<String>,
    /// Default scheme of load balancers
    #[arg(long, default_value = "internal")]
    default_load_balancer_scheme: String,
    /// Default target type of target groups
    #[arg(long, default_value = "instance")]
    default_target_type: String,
    /// text, or json in the shapes of the AWS API
    #[arg(long, default_value = "text")]
    output: String,
}

impl Show {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let settings = Settings {
            default_scheme: Scheme::parse(&self.default_load_balancer_scheme)
                .context("--default-load-balancer-scheme: internal or internet-facing")?,
            default_target_type: TargetType::parse(&self.default_target_type)
                .context("--default-target-type: instance or ip")?,
            ..facts::settings(self.cluster_name.as_deref(), "cluster")
        };
        let json = match self.output.as_str() {
            "text" => false,
            "json" => true,
            other => anyhow::bail!("--output {other}: text or json"),
        };
        let facts = facts::read(self.facts.as_deref())?;
        let paths: Vec<PathBuf> = self.paths.into_iter().chain(self.filename).collect();
        let (plans, mut whole) = desired(&paths, &settings, &facts, !json && self.diff.is_empty())?;
        if self.diff.is_empty() {
            if json {
                printing::put(
                    &(serde_json::to_string_pretty(&plans.iter().map(plan::shape).collect::<Vec<_>>())? + "\n"),
                )?;
            } else {
                for desired in &plans {
                    printing::put(&plan::show_desired(desired))?;
                }
            }
        } else {
            let (before, sound) = desired(&self.diff, &settings, &facts, false)?;
            whole &= sound;
            let changes = plan::compare(&before, &plans);
            if json {
                printing::put(&(serde_json::to_string_pretty(&changes)? + "\n"))?;
            } else if changes.is_empty() {
                printing::put("nothing changes\n")?;
            } else {
                printing::put(&plan::show_changes(&changes))?;
            }
        }
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// The desired state of each group in the files, and whether it includes all Ingresses. `explains`: what becomes of each subnet is noted.
fn desired(
    paths: &[PathBuf],
    settings: &Settings,
    facts: &Facts,
    explains: bool,
) -> anyhow::Result<(Vec<Desired>, bool)> {
    let files = files::read(paths, settings)?;
    let mut whole = files.faults.is_empty();
    for fault in &files.faults {
        printing::say(&files.told(fault));
    }
    for key in files.world.keys(Kind::Ingress) {
        whole &= is_placed(&files.world, &key);
    }
    let mut all = Vec::new();
    for group in files.world.group_ids() {
        let view = files.world.view(&group, &Overlay::None);
        let input = link::Input { settings, view: &view, facts, existing: None, now: Timestamp::now() };
        let linked = link::link(input);
        for member in linked.members.iter().filter(|member| member.state != MemberState::Linked) {
            whole = false;
            for finding in causes(&member.findings, Effect::MemberQuarantined) {
                printing::say(&format!("{} is not part of it: {finding}", member.key));
            }
        }
        if linked.desired.is_none() && linked.members.iter().any(|member| member.state == MemberState::Linked) {
            whole = false;
            for finding in linked.members.iter().flat_map(|member| causes(&member.findings, Effect::GroupBlocked)) {
                printing::say(&format!("group {group} is blocked: {finding}"));
            }
        }
        for finding in linked.findings().filter(|finding| finding.code == Code::UnreachedRule) {
            printing::say(&format!("note: {}: {finding}", finding.subject));
        }
        if explains {
            for look in link::looks_of(input) {
                printing::say(&format!("note: discovery for group {group}: {look}"));
            }
        }
        all.extend(linked.desired.map(|desired| without_guesses(desired, &view)));
    }
    Ok((all, whole))
}

/// Whether an Ingress is in a group, or belongs to another controller; prints the reason if it is in no group.
fn is_placed(world: &World, key: &Key) -> bool {
    let Some(ingress) = world.ingress(key) else { return true };
    let membership = world.membership(ingress);
    match (admit::outside(world, ingress), &membership) {
        (Some(finding), _) => printing::say(&format!("{key} is not part of it: {finding}")),
        (None, Membership::None) => {
            printing::say(&format!("{key} is not part of it: it belongs to another controller"));
        }
        (None, _) => {}
    }
    matches!(membership, Membership::Member(..) | Membership::None)
}

/// The findings with this effect; all findings, if none has it.
fn causes(findings: &[Finding], effect: Effect) -> Vec<&Finding> {
    let causes: Vec<&Finding> = findings.iter().filter(|finding| finding.effect == effect).collect();
    if causes.is_empty() { findings.iter().collect() } else { causes }
}

/// Replaces unknown values by `?`: names that contain a hash of the uid of a Service without a uid, subnets and certificates that
/// would be discovered, the VPC.
fn without_guesses(mut desired: Desired, view: &View) -> Desired {
    let unborn = |name: &str, namespace: &str| {
        let service = view.services.get(&Key::new(namespace, name));
        service.is_none_or(|service| service.metadata.uid.is_none())
    };
    for (id, binding) in &mut desired.bindings {
        if binding.vpc_id.is_empty() {
            binding.vpc_id = UNKNOWN.to_owned();
        }
        if !unborn(&binding.service, &binding.namespace) {
            continue;
        }
        if let Some((stem, _)) = binding.name.rsplit_once('-') {
            binding.name = format!("{stem}-{UNKNOWN}");
        }
        if let Some(group) = desired.target_groups.get_mut(id) {
            Arc::make_mut(group).name.clone_from(&binding.name);
        }
    }
    if let Some(balancer) = desired.load_balancer.as_mut().filter(|balancer| balancer.subnets.is_empty()) {
        balancer.subnets.push(UNKNOWN.to_owned());
    }
    let secure = desired.listeners.values_mut().filter(|listener| listener.protocol == Protocol::Https);
    for listener in secure.filter(|listener| listener.certificates.is_empty()) {
        listener.certificates.push(UNKNOWN.to_owned());
    }
    desired
}
