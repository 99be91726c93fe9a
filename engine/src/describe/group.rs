//! One group of an Ingress: its load balancer, the parts that come from this Ingress, and the state of the Ingress in it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::findings::{Fault, SeenBy, of_member, of_siblings};
use super::settings::Setting;
use super::{Input, State, hosts, left};
use crate::compile::{Context, target_settings};
use crate::kinds::{IngressGroupStatus, Key, MemberStatus, TARGETS_FAIL, TargetGroupBinding};
use crate::ledger::{self, Standing};
use crate::link::{self, Linked};
use crate::plan;
use crate::stack::{Action, Ref, ResourceId};
use crate::world::{Leaving, View};

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The value of the tag `ingress.k8s.aws/stack`: the name of the group, or `namespace/name` of a single Ingress.
    pub name: String,
    /// Its `IngressGroup` object.
    pub object: String,
    /// Whether the Ingress is leaving it.
    pub is_leaving: bool,
    /// `Ready`, `Converging` or `Blocked`; empty before the first pass.
    pub state: String,
    /// Since when it has this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The number of its members.
    pub members: usize,
    /// Its load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancer>,
    /// Whether it has an NLB in front.
    #[serde(skip)]
    has_nlb: bool,
    /// Listeners with rules of the Ingress.
    pub listeners: Vec<Listener>,
    /// Settings of the load balancer and of the listeners of the Ingress that are in effect.
    pub settings: Vec<Setting>,
    /// Target groups of these rules.
    pub target_groups: Vec<TargetGroup>,
    /// `TargetGroupBinding`s that are being deleted, while the Ingress leaves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub going: Vec<String>,
    /// Resources in AWS that are not deleted yet, ARNs by resource id, while the Ingress leaves.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub remains: BTreeMap<String, String>,
}

/// The load balancer of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// DNS name.
    pub dns_name: String,
    /// `internal` or `internet-facing`.
    pub scheme: String,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Port.
    pub port: u16,
    /// HTTP or HTTPS.
    pub protocol: String,
    /// ARN; absent before it is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The rules that come from this Ingress, in their order.
    pub rules: Vec<Rule>,
    /// The default action, for requests that no rule matches.
    pub default: String,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Priority.
    pub priority: u32,
    /// The path of the Ingress that it comes from, `spec.rules[0].http.paths[0]`.
    pub path: String,
    /// Conditions and actions, in one line.
    pub text: String,
    /// Target groups by resource id, or ARN where they are others'.
    #[serde(serialize_with = "as_names")]
    pub target_groups: Vec<Ref>,
}

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroup {
    /// Resource id; the ARN if it is not ours.
    pub id: String,
    /// ARN; absent before it is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// `namespace/name:port` of the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The `TargetGroupBinding`, `namespace/name`, that registers its targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
    /// Whether the targets of the present generation of the binding are registered.
    pub registered: bool,
    /// Its settings; none of target groups that are not ours.
    pub settings: Vec<Setting>,
}

impl Group {
    /// The host name of the load balancer. Anybody may write the status of an Ingress, but only the status has the name of an NLB in front.
    pub(super) fn host(&self) -> Option<Vec<String>> {
        let named = self.load_balancer.as_ref().filter(|is| !is.dns_name.is_empty() && !self.has_nlb)?;
        Some(vec![named.dns_name.clone()])
    }

    /// The bindings of the Ingress, as events name them.
    pub(super) fn bindings(&self) -> impl Iterator<Item = String> {
        let led_to = self.target_groups.iter().filter_map(|one| one.binding.as_ref());
        led_to.chain(&self.going).map(|binding| format!("TargetGroupBinding {binding}"))
    }
}

/// A group, and the state of the Ingress in it.
pub(super) struct Part {
    pub(super) group: Group,
    pub(super) state: State,
    pub(super) summary: String,
    pub(super) waits: Vec<String>,
    pub(super) faults: Vec<Fault>,
    pub(super) subnets: Vec<String>,
}

/// Describes a group of an Ingress.
pub(super) fn part(key: &Key, view: &View, input: Input<'_>) -> Part {
    let existing = link::Existing::remembered(view.ledger.as_deref());
    let (settings, facts, existing) = (input.settings, input.facts, existing.as_ref());
    let of_link = link::Input { settings, view, facts, existing, now: input.now };
    let linked = link::link(of_link);
    let status = view.ledger.as_deref().and_then(|ledger| ledger.status.as_ref());
    let leaving = left(key, view);
    let group = group(key, view, &linked, status, input);
    let faults = faults(key, view, &linked, status, input);
    let subnets = link::looks_of(of_link);
    let mut part = Part { group, state: State::UnderWay, summary: String::new(), waits: Vec::new(), faults, subnets };
    match leaving {
        Some(leaving) => part.leaves(leaving, view, status),
        None => part.stays(key, view, status, input),
    }
    part
}

/// Reason and message of the condition `Ready`.
fn ready(status: &IngressGroupStatus) -> (&str, &str) {
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    ready.map_or(("", ""), |ready| (ready.reason.as_str(), ready.message.as_str()))
}

fn faults(
    key: &Key,
    view: &View,
    linked: &Linked,
    status: Option<&IngressGroupStatus>,
    input: Input<'_>,
) -> Vec<Fault> {
    let entry = entry(key, status);
    let now = linked.members.iter().find(|member| member.key == *key).map(|member| member.findings.as_slice());
    // The reconciler has seen the present input, with the operator's settings and the facts of the account: its findings have precedence.
    let seen = entry.is_some() && standing(key, view).is_some_and(|standing| matches!(standing, Standing::Unchanged));
    let mut faults = of_member(entry, now.unwrap_or_default(), input.unread.is_empty());
    faults.retain(|fault| !seen || fault.seen_by != SeenBy::Now);
    let Some(status) = status else { return faults };
    if status.state == "Blocked" {
        faults.extend(of_siblings(key, &status.members));
    }
    if let ("Failed" | TARGETS_FAIL, message) = ready(status) {
        faults.push(Fault::refusal(message));
    }
    faults
}

fn standing(key: &Key, view: &View) -> Option<Standing> {
    let member = view.members.iter().find(|member| member.key() == *key)?;
    Some(ledger::standing(view.ledger.as_deref(), member))
}

fn entry<'s>(key: &Key, status: Option<&'s IngressGroupStatus>) -> Option<&'s MemberStatus> {
    status?.members.iter().find(|member| member.namespace == key.namespace && member.name == key.name)
}

impl Part {
    fn is(&mut self, state: State, summary: impl Into<String>) {
        (self.state, self.summary) = (state, summary.into());
    }

    /// The state of a member, from the ledger.
    fn stays(&mut self, key: &Key, view: &View, status: Option<&IngressGroupStatus>, input: Input<'_>) {
        let standing = standing(key, view);
        let Some((status, entry)) = status.and_then(|status| Some((status, entry(key, Some(status))?))) else {
            if status.is_none() && !input.unread.is_empty() {
                let there = input.world.ingress(key).is_some_and(|ingress| !hosts(ingress).is_empty());
                return match there {
                    true => {
                        self.is(State::Served, "its status names a load balancer; its IngressGroup could not be read");
                    }
                    false => self
                        .is(State::UnderWay, "its status names no load balancer; its IngressGroup could not be read"),
                };
            }
            self.waits
                .push("the first pass of the controller: if it does not come, see `kubectl get events` and the log of the controller".to_owned());
            return self.is(State::UnderWay, "the controller has not processed it yet");
        };
        let (reason, message) = ready(status);
        let edited = matches!(standing, Some(Standing::Changed(_)));
        if reason == "Waiting" {
            self.waits.push(message.to_owned());
        }
        let bound =
            self.group.target_groups.iter().filter(|one| !one.registered).filter_map(|one| one.binding.as_ref());
        let unregistered: Vec<String> =
            bound.map(|binding| format!("TargetGroupBinding {binding} to register its targets")).collect();
        let registered = unregistered.is_empty();
        self.waits.extend(unregistered);
        match (entry.state.as_str(), status.state.as_str(), reason) {
            ("Quarantined", ..) if edited => {
                self.is(State::Kept, "its present input cannot be used; AWS is as its last good input specifies");
            }
            ("Quarantined", ..) => self.is(State::Quarantined, "it cannot be used, and nothing of it is in AWS"),
            (_, "Blocked", _) => self.is(State::Blocked, "nothing of its group changes until the findings are fixed"),
            (_, _, "Failed") => self.is(State::Failing, "AWS or Kubernetes refused a call; it is retried"),
            (_, _, TARGETS_FAIL) => {
                self.is(
                    State::Failing,
                    "the load balancer is as specified, but its targets cannot be registered or reached",
                );
            }
            (_, "Ready", _) if edited => {
                self.waits.push("the controller to apply the last edit".to_owned());
                self.is(State::UnderWay, "AWS is as specified before its last edit");
            }
            (_, "Ready", _) if !registered => {
                self.is(State::UnderWay, "the load balancer is as specified; its targets are being registered");
            }
            (_, "Ready", _) => self.is(State::Served, "AWS is as specified"),
            _ => self.is(State::UnderWay, "the load balancer is being provisioned"),
        }
    }

    /// What a leaving Ingress waits for.
    fn leaves(&mut self, leaving: &Leaving, view: &View, status: Option<&IngressGroupStatus>) {
        let ingress = leaving.ingress();
        for binding in going(view) {
            let held = binding.metadata.finalizers.iter().flatten().cloned().collect::<Vec<_>>().join(", ");
            self.waits.push(format!(
                "TargetGroupBinding {} to release its targets (finalizers {held})",
                Key::of(&binding.metadata)
            ));
        }
        let held = ingress.metadata.finalizers.iter().flatten();
        let others = held.filter(|finalizer| !view.finalizers.contains(finalizer));
        for other in others.filter(|_| ingress.metadata.deletion_timestamp.is_some()) {
            self.waits.push(format!("the owner of the finalizer {other}"));
        }
        let (reason, message) = status.map(ready).unwrap_or_default();
        if let Leaving::Unknown(_, error) = leaving {
            self.faults.push(Fault::refusal(&error.to_string()));
            return self.is(State::Held, "it is unknown which controller it belongs to, so nothing of it is deleted");
        }
        let goes = if ingress.metadata.deletion_timestamp.is_some() { "it is being deleted" } else { "it has left" };
        match reason {
            "Held" => {
                self.waits.push(message.to_owned());
                self.is(State::Held, format!("{goes}, and waits for somebody to act"));
            }
            "Failed" => self.is(State::Held, format!("{goes}, but AWS or Kubernetes refuses a call; it is retried")),
            "Waiting" => {
                self.waits.push(message.to_owned());
                self.is(State::Leaving, format!("{goes}; its resources in AWS are being deleted"));
            }
            _ => self.is(State::Leaving, format!("{goes}; its resources in AWS are being deleted")),
        }
    }
}

fn group(key: &Key, view: &View, linked: &Linked, status: Option<&IngressGroupStatus>, input: Input<'_>) -> Group {
    let is_leaving = left(key, view).is_some();
    let none = BTreeMap::new();
    let arns = status.map_or(&none, |status| &status.resources);
    let listeners = if is_leaving { Vec::new() } else { listeners(key, linked, arns) };
    let rules = listeners.iter().flat_map(|listener| &listener.rules);
    let led_to: BTreeMap<&str, &Ref> = rules.flat_map(|rule| &rule.target_groups).map(|one| (name(one), one)).collect();
    let ready = status.and_then(|status| status.conditions.iter().find(|condition| condition.type_ == "Ready"));
    Group {
        name: view.group.to_string(),
        object: view.group.object_name(),
        is_leaving,
        state: status.map(|status| status.state.clone()).unwrap_or_default(),
        since: ready.map(|ready| ready.last_transition_time.0),
        members: view.members.len(),
        has_nlb: arns.contains_key(ResourceId::nlb().as_str()),
        load_balancer: status.and_then(|status| status.load_balancer.as_ref()).map(|is| LoadBalancer {
            name: is.name.clone(),
            arn: is.arn.clone(),
            dns_name: is.dns_name.clone(),
            scheme: is.scheme.clone(),
        }),
        settings: linked.in_effect(key, input.settings).iter().map(|is| Setting::of_group(is, key)).collect(),
        target_groups: led_to
            .into_values()
            .map(|one| target_group(one, linked, arns, &view.bindings).with_settings(key, view, input))
            .collect(),
        listeners,
        going: if is_leaving {
            going(view).map(|binding| Key::of(&binding.metadata).to_string()).collect()
        } else {
            Vec::new()
        },
        remains: if is_leaving { arns.clone() } else { BTreeMap::new() },
    }
}

/// Bindings that are being deleted.
fn going(view: &View) -> impl Iterator<Item = &std::sync::Arc<TargetGroupBinding>> {
    view.bindings.iter().filter(|binding| binding.metadata.deletion_timestamp.is_some())
}

fn listeners(key: &Key, linked: &Linked, arns: &BTreeMap<String, String>) -> Vec<Listener> {
    let Some(desired) = &linked.desired else { return Vec::new() };
    let own = desired.listeners.iter().map(|(port, is)| {
        let origins = linked.origins.get(port).into_iter().flatten();
        let rules = is.rules.iter().zip(origins).filter(|(_, origin)| origin.key == *key);
        Listener {
            port: *port,
            protocol: is.protocol.to_string(),
            arn: arns.get(ResourceId::listener(*port).as_str()).cloned(),
            rules: rules
                .map(|(rule, origin)| Rule {
                    priority: rule.priority,
                    path: origin.path.clone(),
                    text: rule.to_string(),
                    target_groups: targets(&rule.actions),
                })
                .collect(),
            default: plan::actions(&is.default_actions),
        }
    });
    own.filter(|listener| !listener.rules.is_empty()).collect()
}

fn targets(actions: &[Action]) -> Vec<Ref> {
    let forwards = actions.iter().filter_map(|action| match action {
        Action::Forward(forward) => Some(&forward.target_groups),
        _ => None,
    });
    forwards.flatten().map(|tuple| tuple.target_group.clone()).collect()
}

fn name(of: &Ref) -> &str {
    match of {
        Ref::Known(arn) => arn,
        Ref::Of(id) => id.as_str(),
    }
}

fn as_names<S: Serializer>(references: &[Ref], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(references.iter().map(name))
}

fn target_group(
    reference: &Ref,
    linked: &Linked,
    arns: &BTreeMap<String, String>,
    bindings: &[std::sync::Arc<TargetGroupBinding>],
) -> TargetGroup {
    let (arn, wanted) = match reference {
        Ref::Known(arn) => (Some(arn.clone()), None),
        Ref::Of(id) => {
            let desired = linked.desired.as_ref();
            (arns.get(id.as_str()).cloned(), desired.and_then(|desired| desired.bindings.get(id)))
        }
    };
    let found = bindings.iter().find(|binding| arn.is_some() && binding.spec.target_group_arn == arn);
    let registered = found.is_some_and(|binding| {
        let observed = binding.status.as_ref().and_then(|status| status.observed_generation);
        observed.is_some() && observed == binding.metadata.generation
    });
    TargetGroup {
        id: name(reference).to_owned(),
        arn,
        service: wanted.map(|wanted| format!("{}/{}:{}", wanted.namespace, wanted.service, wanted.service_port)),
        binding: found.map(|binding| Key::of(&binding.metadata).to_string()),
        registered,
        settings: Vec::new(),
    }
}

impl TargetGroup {
    /// With the settings that the Ingress and the Service give it.
    fn with_settings(mut self, key: &Key, view: &View, input: Input<'_>) -> Self {
        let member = view.members.iter().find(|member| member.key() == *key);
        let service = self.service.as_ref().and_then(|service| service.split_once('/')?.1.split_once(':'));
        if let (Some(member), Some((service, _))) = (member, service) {
            let object = view.services.get(&Key::new(&key.namespace, service));
            let annotations = object.and_then(|object| object.metadata.annotations.as_ref());
            let context = Context { settings: input.settings, view, facts: input.facts };
            let params = member.class.params.as_ref().and_then(|params| params.metadata.name.as_deref());
            self.settings = Setting::of_service(&target_settings(member, annotations, context), params, service);
        }
        self
    }
}
