//! What AWS says: permissions, discovery of subnets, security groups of nodes, tags, quotas; and the clock.

use k8s_openapi::api::networking::v1::{Ingress, IngressClass, IngressClassSpec};
use k8s_openapi::api::networking::v1::{IngressBackend, IngressServiceBackend, IngressSpec, ServiceBackendPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Input, Lines, Severity, count};
use crate::admit::{self, Policy};
use crate::annotation::PREFIX;
use crate::facts::Quota;
use crate::finding::{Code, Finding};
use crate::link::Discovery;
use crate::settings::{CONTROLLER, Gate, Settings};
use crate::stack::{IpAddressType, Scheme};
use crate::targets::{EndpointGroups, Interface, endpoint_group};
use crate::world::{Object, World};

/// AWS refuses signatures that are older or newer than this:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html>.
const SIGNATURES: i64 = 300;
/// Certificates and leases need clocks that differ by less than this many seconds.
const CLOCKS: i64 = 10;

/// What was read from AWS for the report.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// Actions that were tried without a change.
    pub tried: Vec<Tried>,
    /// Network interfaces of nodes that are targets.
    pub interfaces: Vec<Interface>,
    /// Listeners and rules without tags.
    pub untagged: Vec<Untagged>,
    /// How many groups were looked at for tags.
    pub groups: usize,
}

/// A kind of facts that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What it is: `subnets`.
    pub what: String,
    /// What AWS said.
    pub error: String,
    /// Whether AWS denied it to these credentials.
    pub denied: bool,
    /// Whether Albedo provisions nothing without it.
    pub needed: bool,
}

/// An action that EC2 checked with `DryRun`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// `ec2:CreateSecurityGroup`.
    pub action: &'static str,
    /// `Ok` if it is allowed, otherwise what AWS said; the flag says whether it was denied.
    pub outcome: Result<(), (bool, String)>,
}

/// Listeners and rules of a group that have no tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untagged {
    /// The group.
    pub group: String,
    /// The number of listeners.
    pub listeners: usize,
    /// The number of rules.
    pub rules: usize,
}

/// Permissions.
pub(super) fn permissions(input: &Input<'_>, lines: &mut Lines<'_>) {
    let Some(account) = input.account else { return };
    for Unread { what, error, denied, needed } in &account.unread {
        let fix = if *denied { "grant it to Albedo's role: the policy is deploy/iam-policy.json" } else { "try again" };
        let message = format!("cannot read {what}: {error}");
        let severity = if *needed { Severity::Blocks } else { Severity::Warns };
        lines.put(severity, what, message, fix);
    }
    for Tried { action, outcome } in &account.tried {
        match outcome {
            Ok(()) => lines.fine(action, "allowed (tried with DryRun)"),
            Err((true, said)) => {
                lines.blocks(action, said.clone(), "grant it to Albedo's role: the policy is deploy/iam-policy.json");
            }
            Err((false, said)) => {
                lines.warns(action, format!("not known: {said}"), "compare the role with deploy/iam-policy.json");
            }
        }
    }
    let message = "what Elastic Load Balancing, WAF and Shield let these credentials write cannot be tried without a change; all of it was tried with the credentials of this command";
    lines.warns("", message, "attach deploy/iam-policy.json to Albedo's role, and run this command with that role");
}

/// Discovery of subnets, for load balancers that name none.
pub(super) fn subnets(input: &Input<'_>, lines: &mut Lines<'_>) {
    let Some(known) = &input.facts.subnets else { return };
    for scheme in [Scheme::Internal, Scheme::InternetFacing] {
        let place = format!("scheme {}", scheme.as_str());
        let is_of_discovery = |code| matches!(code, Code::NoSubnets | Code::ZonesWithoutSubnet);
        let found = probe(input, scheme).into_iter().find(|finding| is_of_discovery(finding.code));
        match found {
            Some(Finding { code: Code::NoSubnets, message, .. }) => lines.warns(
                place.as_str(),
                format!("{message}; load balancers that exist keep theirs"),
                "tag subnets (kubernetes.io/role/elb or internal-elb), or name them in the annotation subnets",
            ),
            Some(Finding { message, fix, .. }) => {
                lines.warns(place.as_str(), format!("{message}; load balancers that exist keep theirs"), fix);
            }
            None => lines.fine(
                place.as_str(),
                format!("discovery finds subnets ({} in the account's view)", count(known.value.len(), "subnet")),
            ),
        }
        let (settings, facts, tags) = (input.settings, input.facts, None);
        let discovery = Discovery { settings, facts, scheme, ip_address_type: IpAddressType::Ipv4, tags };
        for look in discovery.looks() {
            lines.fine(place.as_str(), look.to_string());
        }
    }
}

/// What the check finds about an Ingress that sets nothing but its scheme.
fn probe(input: &Input<'_>, scheme: Scheme) -> Vec<Finding> {
    const NAME: &str = "preflight";
    let named = |namespace: Option<&str>| ObjectMeta {
        name: Some(NAME.to_owned()),
        namespace: namespace.map(str::to_owned),
        ..ObjectMeta::default()
    };
    let settings = Settings { tolerate_missing_service: true, ..input.settings.clone() };
    let mut world = World::new(settings.clone());
    let spec = Some(IngressClassSpec { controller: Some(CONTROLLER.to_owned()), parameters: None });
    world.apply(Object::IngressClass(Box::new(IngressClass { metadata: named(None), spec })));
    let annotations = Some([(format!("{PREFIX}scheme"), scheme.as_str().to_owned())].into());
    let port = Some(ServiceBackendPort { number: Some(80), name: None });
    let service = Some(IngressServiceBackend { name: NAME.to_owned(), port });
    let spec = IngressSpec {
        ingress_class_name: Some(NAME.to_owned()),
        default_backend: Some(IngressBackend { service, resource: None }),
        ..IngressSpec::default()
    };
    let metadata = ObjectMeta { annotations, ..named(Some(NAME)) };
    world.apply(Object::Ingress(Box::new(Ingress { metadata, spec: Some(spec), status: None })));
    let policy = Policy::default();
    admit::survey(admit::Context {
        world: &world,
        facts: input.facts,
        settings: &settings,
        policy: &policy,
        now: input.now,
    })
}

/// Security groups of nodes: the one to open must be known.
pub(super) fn security_groups(input: &Input<'_>, lines: &mut Lines<'_>) {
    let Some(account) = input.account else { return };
    let choice =
        EndpointGroups { cluster: &input.settings.cluster_name, tags: &input.settings.endpoint_security_group_tags };
    let mut well = 0;
    for interface in &account.interfaces {
        let Err(error) = endpoint_group(interface, choice) else {
            well += 1;
            continue;
        };
        let attached: Vec<&str> = interface.security_groups.iter().map(|group| group.id.as_str()).collect();
        let place = format!("{} ({})", interface.id, attached.join(", "));
        let fix = "leave the tag on one of its groups, or select one with --service-target-eni-security-group-tags";
        lines.blocks(place, format!("{error}; no rule lets load balancers reach targets behind it"), fix);
    }
    lines.fine("", format!("the group to open is known on {}", count(well, "network interface")));
}

/// Listeners and rules without tags.
pub(super) fn tags(input: &Input<'_>, lines: &mut Lines<'_>) {
    let Some(account) = input.account else { return };
    for Untagged { group, listeners, rules } in &account.untagged {
        let message =
            format!("{} and {} without tags, which Albedo adds", count(*listeners, "listener"), count(*rules, "rule"));
        let fix = format!(
            "add the policy that `albedo iam-policy --for-untagged` prints until they have tags, or start Albedo with --feature-gates={}=false",
            Gate::ListenerRulesTagging.name()
        );
        lines.warns(format!("group {group}"), message, fix);
    }
    if account.untagged.is_empty() {
        lines.fine("", format!("listeners and rules of {} have tags", count(account.groups, "group")));
    }
}

/// Quotas.
pub(super) fn quotas(input: &Input<'_>, lines: &mut Lines<'_>) {
    if input.facts.account_limits.is_none() {
        return;
    }
    for quota in Quota::ALL {
        let limit = input.facts.limit(*quota, input.now);
        let default = quota.default();
        if limit.age.is_some() && limit.max < default {
            let message = format!("{} {}, below AWS's default of {default}", limit.max, quota.words());
            lines.warns(quota.name(), message, "ask AWS to raise it");
        } else if limit.age.is_some() {
            lines.fine(quota.name(), format!("{} {}", limit.max, quota.words()));
        }
    }
    let quota = Quota::SecurityGroupRules;
    if input.settings.security_group_rules_quota.is_none() {
        let message =
            format!("{} is taken to be {}: AWS does not say it with the others", quota.words(), quota.default());
        lines.warns(
            quota.name(),
            message,
            "if the account has another number, start Albedo with --security-group-rules-quota=NUMBER",
        );
    }
}

/// The clock of this machine against that of the API server.
pub(super) fn clock(input: &Input<'_>, lines: &mut Lines<'_>) {
    let Some(ahead) = input.found.clock else { return };
    let (seconds, way) = (ahead.abs(), if ahead < 0 { "behind" } else { "ahead of" });
    let message = format!("this machine is {seconds} s {way} the API server");
    let fix = "correct the clock: AWS refuses signatures of a clock that is 5 minutes wrong, and leases and certificates depend on it";
    match seconds {
        SIGNATURES.. => lines.blocks("", message, fix),
        CLOCKS.. => lines.warns("", message, fix),
        _ => lines.fine("", format!("this machine and the API server agree within {CLOCKS} s")),
    }
}
