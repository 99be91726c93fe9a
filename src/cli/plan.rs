//! `albedo plan`: the load balancers that manifests ask for, offline. What only a cluster or an account knows is `?`.

use std::path::PathBuf;
use std::process::ExitCode;

use albedo_engine::link::{self, MemberState};
use albedo_engine::plan;
use albedo_engine::settings::Settings;
use albedo_engine::stack::{Desired, Scheme, TargetType};
use albedo_engine::world::Overlay;
use anyhow::Context;
use clap::Args;
use jiff::Timestamp;

use super::{facts, files};

/// Prints the desired state.
#[derive(Debug, Args)]
pub struct Show {
    /// Files, folders, or - for standard input
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// What is known of the AWS account: a file that `albedo facts` wrote
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Name of the cluster: part of names and tags; with it, subnets that are tagged for other clusters are not discovered
    #[arg(long)]
    cluster_name: Option<String>,
    /// Scheme of load balancers that do not ask for one
    #[arg(long, default_value = "internal")]
    default_load_balancer_scheme: String,
    /// Target type of target groups that do not ask for one
    #[arg(long, default_value = "instance")]
    default_target_type: String,
    /// text, or json in the words of the AWS API
    #[arg(long, default_value = "text")]
    output: String,
}

impl Show {
    #[expect(clippy::print_stdout, reason = "what was asked for")]
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let settings = Settings {
            default_scheme: Scheme::parse(&self.default_load_balancer_scheme)
                .context("--default-load-balancer-scheme: internal or internet-facing")?,
            default_target_type: TargetType::parse(&self.default_target_type)
                .context("--default-target-type: instance or ip")?,
            ..facts::settings(self.cluster_name.as_deref(), "cluster")
        };
        let files = files::read(&self.paths, &settings)?;
        let facts = facts::read(self.facts.as_deref())?;
        let mut plans = Vec::new();
        let mut whole = files.faults.is_empty();
        for fault in &files.faults {
            eprintln!("{}", files.told(fault));
        }
        for group in files.world.group_ids() {
            let view = files.world.view(&group, &Overlay::None);
            let input =
                link::Input { settings: &settings, view: &view, facts: &facts, existing: None, now: Timestamp::now() };
            let linked = link::link(input);
            for member in linked.members.iter().filter(|member| member.state != MemberState::Linked) {
                whole = false;
                for finding in &member.findings {
                    eprintln!("{} is not part of it: {finding}", member.key);
                }
            }
            plans.extend(linked.desired.map(|desired| without_guesses(desired, &view)));
        }
        if self.output == "json" {
            println!("{}", serde_json::to_string_pretty(&plans)?);
        } else {
            for desired in &plans {
                print!("{}", plan::show_desired(desired));
            }
        }
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// Names that hash the uid of a Service which has none yet end in `?`.
fn without_guesses(mut desired: Desired, view: &albedo_engine::world::View) -> Desired {
    let unborn = |name: &str, namespace: &str| {
        let key = albedo_engine::kinds::Key::new(namespace, name);
        view.services.get(&key).is_none_or(|service| service.metadata.uid.is_none())
    };
    for (id, binding) in &mut desired.bindings {
        if !unborn(&binding.service, &binding.namespace) {
            continue;
        }
        if let Some((stem, _)) = binding.name.rsplit_once('-') {
            binding.name = format!("{stem}-?");
        }
        if let Some(group) = desired.target_groups.get_mut(id) {
            group.name.clone_from(&binding.name);
        }
    }
    desired
}
