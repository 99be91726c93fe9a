//! `albedo trace`: how the load balancers of manifests would answer a request, and why.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use albedo_engine::link::{self, Linked, MemberState, Origin};
use albedo_engine::settings::Settings;
use albedo_engine::stack::{Action, Desired, Protocol, Ref, Rule, Treatment};
use albedo_engine::traffic::{Health, Outcome, Reply, Request, Router, reply};
use albedo_engine::world::Overlay;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use super::{facts, files, printing};

/// Traces a request.
#[derive(Debug, Args)]
pub struct Trace {
    /// The URL of the request
    url: Url,
    /// File, folder, or - for standard input; may be repeated
    #[arg(short, long = "filename", required = true)]
    filename: Vec<PathBuf>,
    /// Method of the request
    #[arg(short = 'X', long = "request", default_value = "GET")]
    method: String,
    /// Header of the request, 'Name: value'; may be repeated; Host replaces the host of the URL
    #[arg(short = 'H', long = "header")]
    headers: Vec<String>,
    /// Address of the client, as the load balancer sees it
    #[arg(long)]
    from: Option<IpAddr>,
    /// Facts of the AWS account: a file from `albedo facts`
    #[arg(long)]
    facts: Option<PathBuf>,
    /// Only the load balancer of this group: its name, or namespace/name of a single Ingress
    #[arg(long)]
    group: Option<String>,
    /// Name of the cluster: part of names
    #[arg(long, default_value = "cluster")]
    cluster_name: String,
    /// Format of the output
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How one load balancer answers the request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Walk {
    group: String,
    load_balancer: String,
    listener: String,
    tried: Vec<Step>,
    /// The rule that matches; absent: the default action applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Source>,
    /// Whether no rule before it may match.
    certain: bool,
    /// What happens before the answer: authentication, rewrites.
    before: Vec<String>,
    answer: TraceAnswer,
}

/// A rule that was tried.
#[derive(Debug, Serialize)]
struct Step {
    #[serde(flatten)]
    rule: Source,
    outcome: &'static str,
    /// The condition that decided.
    reason: String,
}

/// A rule and the path of an Ingress that it comes from.
#[derive(Debug, Clone, Serialize)]
struct Source {
    priority: u32,
    ingress: String,
    path: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum TraceAnswer {
    Forward {
        shares: Vec<Share>,
    },
    Redirect {
        status: u16,
        location: String,
    },
    #[serde(rename_all = "camelCase")]
    FixedResponse {
        status: String,
        content_type: Option<String>,
        body: Option<String>,
    },
    /// The listener has another protocol than the URL, or the rule has no action that answers.
    None {
        reason: String,
    },
}

/// A target group and its Service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Share {
    weight: u32,
    target_group: String,
    /// `namespace/name:port`; absent: the target group is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_type: Option<String>,
}

impl Trace {
    /// Exit code 0: the answer is certain. 1: it is uncertain, or nothing listens there.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let request = self.request()?;
        let settings = Settings::new(&self.cluster_name);
        let files = files::read(&self.filename, &settings)?;
        for fault in &files.faults {
            printing::say(&files.told(fault));
        }
        let facts = facts::read(self.facts.as_deref())?;
        let mut walks = Vec::new();
        for group in files.world.group_ids() {
            if self.group.as_ref().is_some_and(|wanted| *wanted != group.to_string()) {
                continue;
            }
            let view = files.world.view(&group, &Overlay::None);
            let now = Timestamp::now();
            let linked =
                link::link(link::Input { settings: &settings, view: &view, facts: &facts, existing: None, now });
            for member in linked.members.iter().filter(|member| member.state != MemberState::Linked) {
                for finding in &member.findings {
                    printing::say(&format!("{} is not part of it: {finding}", member.key));
                }
            }
            let Linked { desired, origins, .. } = linked;
            walks.extend(desired.and_then(|desired| {
                let origins = origins.get(&request.port).map(Vec::as_slice).unwrap_or_default();
                walk(&desired, origins, &request, self.url.scheme())
            }));
        }
        // A host name belongs to one load balancer: prefer those that have a rule for the request.
        let (mut walks, others): (Vec<Walk>, Vec<Walk>) = walks.into_iter().partition(|walk| walk.rule.is_some());
        let others = if walks.is_empty() {
            walks = others;
            Vec::new()
        } else {
            others.into_iter().map(|walk| walk.group).collect()
        };
        let certain = !walks.is_empty() && files.faults.is_empty();
        let certain =
            certain && walks.iter().all(|walk| walk.certain && !matches!(walk.answer, TraceAnswer::None { .. }));
        if self.output == Output::Json {
            printing::put(&(serde_json::to_string_pretty(&walks)? + "\n"))?;
        } else {
            printing::put(&text(&walks, &request, &others))?;
        }
        Ok(if certain { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn request(&self) -> anyhow::Result<Request> {
        let url = &self.url;
        let port = match url.scheme() {
            "http" | "https" => url.port_or_known_default(),
            other => bail!("{url}: a load balancer speaks http and https, not {other}"),
        };
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut headers = Vec::new();
        let mut host = url.host_str().unwrap_or_default().to_owned();
        for header in &self.headers {
            let (name, value) = header.split_once(':').with_context(|| format!("-H {header}: write 'Name: value'"))?;
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            if name.eq_ignore_ascii_case("host") {
                host = value;
            } else {
                headers.push((name, value));
            }
        }
        let request = Request::get(port.unwrap_or_default(), &host, &target).from_client(self.from);
        Ok(Request { method: self.method.clone(), headers, ..request })
    }
}

fn walk(desired: &Desired, origins: &[Arc<Origin>], request: &Request, scheme: &str) -> Option<Walk> {
    let router = Router::new(&desired.listeners);
    let answer = router.answer(request)?;
    let listener = answer.listener;
    let source = |priority: u32| {
        let origin = listener.rules.iter().zip(origins).find(|(rule, _)| rule.priority == priority);
        let (ingress, path) =
            origin.map(|(_, origin)| (origin.key.to_string(), origin.path.clone())).unwrap_or_default();
        Source { priority, ingress, path }
    };
    let tried = answer.trace.iter().map(|tried| Step {
        rule: source(tried.priority),
        outcome: match tried.outcome {
            Outcome::Matched => "matched",
            Outcome::Failed(_) => "failed",
            Outcome::Unknown(..) => "unknown",
        },
        reason: tried.outcome.to_string(),
    });
    let rule = router.decide(request).and_then(|decision| decision.rule);
    let https = listener.protocol == Protocol::Https;
    let replied = if https == (scheme == "https") {
        given(answer.actions, listener.protocol, request, desired)
    } else {
        TraceAnswer::None { reason: format!("the listener speaks {}, the client {scheme}", listener.protocol) }
    };
    Some(Walk {
        group: desired.group.to_string(),
        load_balancer: desired.load_balancer.as_ref().map(|one| one.name.clone()).unwrap_or_default(),
        listener: format!("{} {}", listener.protocol, listener.port),
        tried: tried.collect(),
        rule: answer.rule.map(source),
        certain: answer.is_certain(),
        before: rule.map_or(Treatment::by_default(answer.actions), Rule::treatment).before(),
        answer: replied,
    })
}

fn given(actions: &[Action], protocol: Protocol, request: &Request, desired: &Desired) -> TraceAnswer {
    // Files do not contain the health of targets.
    match reply(actions, protocol, request, |_| Health::Healthy) {
        Some(Reply::Forward(shares)) => TraceAnswer::Forward {
            shares: shares.iter().map(|share| behind(share.target_group, share.weight, desired)).collect(),
        },
        Some(Reply::Redirect { status, location }) => TraceAnswer::Redirect { status, location },
        Some(Reply::Fixed(response)) => TraceAnswer::FixedResponse {
            status: response.status_code.clone(),
            content_type: response.content_type.clone(),
            body: response.message_body.clone(),
        },
        None => TraceAnswer::None { reason: "the rule has no action that ends it".to_owned() },
    }
}

fn behind(target_group: &Ref, weight: u32, desired: &Desired) -> Share {
    let binding = match target_group {
        Ref::Of(id) => desired.bindings.get(id),
        Ref::Known(_) => None,
    };
    Share {
        weight,
        target_group: match target_group {
            Ref::Of(id) => id.to_string(),
            Ref::Known(arn) => arn.clone(),
        },
        service: binding.map(|one| format!("{}/{}:{}", one.namespace, one.service, one.service_port)),
        target_type: binding.map(|one| one.target_type.to_string()),
    }
}

fn text(walks: &[Walk], request: &Request, others: &[String]) -> String {
    let mut lines = Vec::new();
    for walk in walks {
        lines.push(format!("group {}: load balancer {}", walk.group, walk.load_balancer));
        lines.push(format!("  listener {}", walk.listener));
        for Step { rule, reason, .. } in &walk.tried {
            lines.push(format!("    {}: {reason} ({} {})", rule.priority, rule.ingress, rule.path));
        }
        let sure = if walk.certain { "" } else { ", unless a rule that may match does" };
        lines.push(match &walk.rule {
            Some(rule) => format!("  rule {} of Ingress {}, {}{sure}", rule.priority, rule.ingress, rule.path),
            None => format!("  no rule: the default action{sure}"),
        });
        lines.extend(walk.before.iter().map(|step| format!("  {step}")));
        match &walk.answer {
            TraceAnswer::Forward { shares } => lines.extend(shares.iter().map(|share| line(share, shares))),
            TraceAnswer::Redirect { status, location } => lines.push(format!("  redirect {status} to {location}")),
            TraceAnswer::FixedResponse { status, content_type, body } => {
                let content = content_type.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default();
                let body = body.as_ref().map(|body| format!(": {body}")).unwrap_or_default();
                lines.push(format!("  answer {status}{content}{body}"));
            }
            TraceAnswer::None { reason } => lines.push(format!("  no answer: {reason}")),
        }
    }
    if walks.is_empty() {
        lines.push(format!("nothing listens on port {}", request.port));
    }
    if !others.is_empty() {
        lines.push(format!("without a rule for it on port {}: {}", request.port, others.join(", ")));
    }
    lines.join("\n") + "\n"
}

fn line(share: &Share, shares: &[Share]) -> String {
    let whole: u32 = shares.iter().map(|share| share.weight).sum();
    let part = if shares.len() == 1 { String::new() } else { format!(" {} of {whole}", share.weight) };
    let service = share.service.as_ref().map(|service| format!(", Service {service}")).unwrap_or_default();
    let kind = share.target_type.as_ref().map(|kind| format!(", target type {kind}")).unwrap_or_default();
    format!("  forward{part} to target group {}{service}{kind}", share.target_group)
}
