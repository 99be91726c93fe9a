//! What `IngressPolicy` objects say of an Ingress: the values that are in effect, wherever they come from, against what is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;

use super::Context;
use crate::annotation::action::{self, ForwardTarget};
use crate::annotation::catalogue::{
    ACTIONS, ENABLE_FRONTEND_NLB, GROUP_NAME, LISTEN_PORTS, SECURITY_GROUP_PREFIX_LISTS, SECURITY_GROUPS,
};
use crate::annotation::ssl_policy::TlsVersion;
use crate::annotation::{Arn, Cidr, PREFIX, Scope, SettingRow, Source, Value, When, row};
use crate::compile::{Cache, Context as CompileContext, Fragment, target_settings};
use crate::finding::{Code, FieldPath, Finding, ObjectRef, Readers};
use crate::glob::{Escapes, Glob, Syntax};
use crate::kinds::{IngressPolicy, Key, PolicyAction, SettingRule};
use crate::link::Linked;
use crate::stack::{Action, GroupId, Protocol};
use crate::world::{ClassifiedMember, Overlay, View, service_refs};

/// The most values of one setting that are looked at: each backend can have its own.
const VALUES: usize = 100;

/// A value that is in effect.
#[derive(Debug, Clone, PartialEq)]
struct Effective {
    value: Value,
    /// Where it comes from, in words.
    from: String,
    /// The namespace that the value is of, if it is that of another member of the group.
    of_other: Option<String>,
}

/// An Ingress in its group.
struct Review<'a> {
    member: &'a ClassifiedMember,
    asked: &'a Fragment,
    group: &'a GroupId,
    view: &'a View,
    linked: &'a Linked,
    context: Context<'a>,
}

/// What a member of a group breaks of the policies that apply to it. `linked` is the group with it.
pub(super) fn violations(
    ingress: &Ingress,
    group: &GroupId,
    overlay: &Overlay,
    linked: &Linked,
    context: Context<'_>,
    cache: &mut Cache,
) -> Vec<Finding> {
    // Most clusters have no policy, and a view costs time.
    if context.world.all_policies().next().is_none() {
        return Vec::new();
    }
    let view = context.world.view(group, overlay);
    let key = Key::of(&ingress.metadata);
    let Some(member) = view.members.iter().find(|member| member.key() == key) else { return Vec::new() };
    let policies = context.world.policies_for(&member.ingress, &member.class);
    if policies.is_empty() {
        return Vec::new();
    }
    let compiling = CompileContext { settings: context.settings, view: &view, facts: context.facts };
    let compiled: Vec<_> = cache.compile([member], compiling);
    let Some(compiled) = compiled.first() else { return Vec::new() };
    let review = Review { member, asked: &compiled.asked, group, view: &view, linked, context };
    policies.into_iter().flat_map(|policy| review.against(policy)).collect()
}

impl Review<'_> {
    fn against(&self, policy: &Arc<IngressPolicy>) -> Vec<Finding> {
        let mut found = Vec::new();
        for (key, rule) in &policy.spec.settings {
            // Its own validation reports an unknown key.
            let Some(row) = row(key) else { continue };
            found.extend(self.against_rule(policy, row, key, rule));
        }
        if let Some(rule) = &policy.spec.target_groups {
            found.extend(self.foreign_target_groups(policy, &rule.allowed));
        }
        found
    }

    fn against_rule(
        &self,
        policy: &IngressPolicy,
        row: &'static SettingRow,
        key: &str,
        rule: &SettingRule,
    ) -> Vec<Finding> {
        if !self.is_used(row) {
            return Vec::new();
        }
        let path = FieldPath::annotation(&format!("{PREFIX}{key}"));
        let mut values = self.effective(row, key);
        values.truncate(VALUES);
        let is_set = values.iter().any(|one| !one.value.is_empty());
        let name = name_of(policy);
        let mut found = Vec::new();
        if rule.required == Some(true) && !is_set {
            let message = format!("{key} has no value, and IngressPolicy {name} requires one");
            found.push(self.finding(policy, path.clone(), message).fix(format!("set {key}")));
        }
        for one in values {
            let shown = if row.confidential { "(not shown)".to_owned() } else { row.shown(&one.value) };
            let Some(Breach { what, allowed, fix }) = breach(rule, row, &one.value) else { continue };
            let message = format!("{key} is {shown} ({}); IngressPolicy {name} {what}", one.from);
            let mut finding = self.finding(policy, path.clone(), message).allowed(allowed).fix(fix);
            if let Some(namespace) = one.of_other {
                let outline = format!("{key} of the group is not what IngressPolicy {name} allows");
                finding = finding.known_to(Readers::from([namespace]), outline);
            } else if !row.confidential {
                finding = finding.value(&shown);
            }
            found.push(finding);
        }
        found
    }

    fn finding(&self, policy: &IngressPolicy, path: FieldPath, message: String) -> Finding {
        let name = name_of(policy);
        let message = match &policy.spec.reason {
            Some(reason) => format!("{message} ({reason})"),
            None => message,
        };
        let finding = Finding::new(Code::PolicyViolated, self.member.key().ingress(), path, message);
        let finding = finding.related([ObjectRef::new("IngressPolicy", "", name)]);
        if policy.spec.action == PolicyAction::Warn { finding.lenient() } else { finding }
    }

    /// The values of a setting that are in effect for the Ingress. Most settings have one value; those of target groups one for each backend.
    fn effective(&self, row: &'static SettingRow, key: &str) -> Vec<Effective> {
        let own = |value: Value, source: Source| Effective { value, from: self.words(row, source, ""), of_other: None };
        if *row == LISTEN_PORTS.row {
            let ports = self.asked.listeners.iter();
            let ports = ports.map(|(port, listener)| (*port, Value::Text(listener.protocol.to_string())));
            let written = self.asked.values.of_row(row).map_or(Source::Default, |written| written.source);
            return vec![own(Value::ByPort(ports.collect()), written)];
        }
        if *row == GROUP_NAME.row {
            let by_class = row.parameter.is_some() && self.asked.of_class(row, row.key).is_some();
            let source = if by_class { Source::Class } else { Source::Ingress };
            return match self.group {
                GroupId::Explicit(name) => vec![own(Value::Text(name.clone()), source)],
                GroupId::Implicit { .. } => Vec::new(),
            };
        }
        match row.scope {
            Scope::GroupExclusive | Scope::GroupMergeable | Scope::Listener | Scope::NetworkLoadBalancer => {
                self.of_load_balancer(row, key)
            }
            Scope::TargetGroup if !row.family => self.of_target_groups(row),
            Scope::TargetGroup | Scope::Rule | Scope::Ingress | Scope::Output => self.of_annotations(row, key),
        }
    }

    fn words(&self, row: &SettingRow, source: Source, service: &str) -> String {
        let params = self.asked.params.as_ref().and_then(|params| params.metadata.name.as_deref());
        source.words(row, params.unwrap_or_default(), service)
    }

    /// Settings of the load balancer and its listeners: what the group makes of the values of all members. A member that takes no part, because
    /// something is wrong with it, may take part later without another review: then its own values count.
    fn of_load_balancer(&self, row: &'static SettingRow, key: &str) -> Vec<Effective> {
        let own = self.member.key();
        let mut found: Vec<Effective> = Vec::new();
        let mut pairs: BTreeMap<(String, Option<String>), BTreeMap<String, String>> = BTreeMap::new();
        for one in self.linked.in_effect(&own, self.context.settings) {
            if one.key.row() != Some(row) || one.key.annotation().as_deref() != Some(key) {
                continue;
            }
            // Pairs are united: those of other members are not for this one to decide.
            if one.key.item().is_some() && one.by.as_ref().is_some_and(|by| *by != own) {
                continue;
            }
            let other = one.by.as_ref().filter(|by| by.namespace != own.namespace).map(|by| by.namespace.clone());
            match one.key.item() {
                Some(item) => {
                    pairs.entry((one.from(&own), other)).or_default().insert(item.to_owned(), one.value.clone());
                }
                None => found.extend(
                    row.read(&one.value, &self.context.settings.extra_attributes).value().map(|value| Effective {
                        value,
                        from: one.from(&own),
                        of_other: other,
                    }),
                ),
            }
        }
        let maps = pairs.into_iter();
        found.extend(maps.map(|((from, of_other), pairs)| Effective { value: Value::Map(pairs), from, of_other }));
        if found.is_empty() {
            let written = self.asked.values.of_row(row).cloned();
            let resolved = written.or_else(|| self.has_default(row).then(|| row.fallback(self.context.settings))?);
            found.extend(resolved.map(|resolved| Effective {
                from: self.words(row, resolved.source, ""),
                value: resolved.value,
                of_other: None,
            }));
        }
        found.dedup();
        found
    }

    /// Whether the Ingress has what a setting is about.
    fn is_used(&self, row: &SettingRow) -> bool {
        let values = &self.asked.values;
        match row.when {
            When::Https | When::HttpsPorts => {
                self.asked.listeners.values().any(|listener| listener.protocol == Protocol::Https)
            }
            When::ManagedSecurityGroup => !values.has(&SECURITY_GROUPS),
            When::OwnSecurityGroups => values.has(&SECURITY_GROUPS),
            When::NetworkLoadBalancer => {
                *row == ENABLE_FRONTEND_NLB.row || values.get(&ENABLE_FRONTEND_NLB) == Some(true)
            }
            When::Always | When::Elsewhere | When::Without(..) | When::Backend | When::BackendAsks => true,
        }
    }

    /// Whether the built-in default of a setting is in effect if nobody sets it: all addresses are let in only if no prefix list is given.
    fn has_default(&self, row: &SettingRow) -> bool {
        row.when != When::ManagedSecurityGroup || !self.asked.values.has(&SECURITY_GROUP_PREFIX_LISTS)
    }

    /// Settings of target groups: one value for each Service that the Ingress refers to.
    fn of_target_groups(&self, row: &'static SettingRow) -> Vec<Effective> {
        let compiling = CompileContext { settings: self.context.settings, view: self.view, facts: self.context.facts };
        let mut found: Vec<Effective> = Vec::new();
        for name in service_refs(&self.member.ingress).into_iter().take(VALUES) {
            let service = self.view.services.get(&Key::new(&self.member.key().namespace, &name));
            let annotations = service.and_then(|service| service.metadata.annotations.as_ref());
            let values = target_settings(self.member, annotations, compiling);
            let Some(resolved) = values.of_row(row) else { continue };
            let one = Effective {
                value: resolved.value.clone(),
                from: self.words(row, resolved.source, &name),
                of_other: None,
            };
            if !found.iter().any(|known| known.value == one.value) {
                found.push(one);
            }
        }
        found
    }

    /// Other settings: the annotation of the Ingress, or of a Service if that counts, else the default.
    fn of_annotations(&self, row: &'static SettingRow, key: &str) -> Vec<Effective> {
        let (settings, full) = (self.context.settings, format!("{PREFIX}{key}"));
        let read = |raw: &String| row.read(raw, &settings.extra_attributes).value();
        let own = self.member.ingress.metadata.annotations.as_ref().and_then(|map| map.get(&full));
        let mut found: Vec<Effective> = Vec::new();
        found.extend(own.and_then(read).map(|value| Effective {
            value,
            from: self.words(row, Source::Ingress, ""),
            of_other: None,
        }));
        let services = if row.on_service.is_read() { service_refs(&self.member.ingress) } else { BTreeSet::new() };
        for name in services {
            let service = self.view.services.get(&Key::new(&self.member.key().namespace, &name));
            let raw = service.and_then(|service| service.metadata.annotations.as_ref()?.get(&full));
            found.extend(raw.and_then(read).map(|value| Effective {
                value,
                from: self.words(row, Source::Service, &name),
                of_other: None,
            }));
        }
        if found.is_empty() {
            found.extend(row.fallback(settings).map(|is| Effective {
                from: self.words(row, is.source, ""),
                value: is.value,
                of_other: None,
            }));
        }
        found
    }

    /// Existing target groups to which actions forward and that no pattern allows.
    fn foreign_target_groups(&self, policy: &IngressPolicy, allowed: &[String]) -> Vec<Finding> {
        let mut found = Vec::new();
        for (key, raw) in self.member.ingress.metadata.annotations.iter().flatten() {
            let Some(suffix) = key.strip_prefix(PREFIX).filter(|suffix| suffix.starts_with(ACTIONS.row.key)) else {
                continue;
            };
            let Some(Action::Forward(forward)) = action::read(raw).value else { continue };
            for target in forward.target_groups {
                let (given, arn) = match target.target_group {
                    ForwardTarget::Arn(arn) => (arn.clone(), Some(arn)),
                    ForwardTarget::Name(name) => {
                        let known = self.context.facts.target_group_names.as_ref();
                        let arn = known.and_then(|known| known.value.get(&name).cloned());
                        (name, arn)
                    }
                    ForwardTarget::Service { .. } => continue,
                };
                if arn.as_ref().is_some_and(|arn| allowed.iter().any(|one| matches(one, arn))) {
                    continue;
                }
                let (name, why) = (name_of(policy), if arn.is_none() { ", and its ARN is not known" } else { "" });
                let message = format!(
                    "{suffix} forwards to the target group {given}{why}; IngressPolicy {name} allows {}",
                    listed(allowed)
                );
                let finding = self.finding(policy, FieldPath::annotation(key), message).value(&given);
                let fix = if arn.is_none() { "write the ARN of a target group that is allowed" } else { ASK };
                found.push(finding.allowed(allowed.iter().cloned()).fix(fix));
            }
        }
        found
    }
}

/// What a person can always do.
const ASK: &str = "use what is allowed, or have the IngressPolicy changed";

fn name_of(policy: &IngressPolicy) -> &str {
    policy.metadata.name.as_deref().unwrap_or_default()
}

/// How a value breaks a rule.
struct Breach {
    /// To follow the name of the policy.
    what: String,
    allowed: Vec<String>,
    fix: String,
}

/// The first part of a rule that a value breaks: one row for each part.
fn breach(rule: &SettingRule, row: &SettingRow, value: &Value) -> Option<Breach> {
    type Part = fn(&SettingRule, &SettingRow, &Value) -> Option<Breach>;
    const PARTS: [Part; 6] = [forbidden, words, numbers, blocks, accounts, tls];
    PARTS.iter().find_map(|part| part(rule, row, value))
}

fn forbidden(rule: &SettingRule, row: &SettingRow, value: &Value) -> Option<Breach> {
    (rule.forbidden == Some(true) && !value.is_empty()).then(|| Breach {
        what: "forbids the setting".to_owned(),
        allowed: Vec::new(),
        fix: format!("remove {}, or have the IngressPolicy changed", row.key),
    })
}

fn words(rule: &SettingRule, row: &SettingRow, value: &Value) -> Option<Breach> {
    let items = items(row, value);
    if let Some(allowed) = rule.allowed.as_ref().filter(|allowed| !allowed.is_empty())
        && let Some(item) = items.iter().find(|item| !allowed.iter().any(|one| matches(one, item)))
    {
        let which = if items.len() > 1 { format!(", not {item}") } else { String::new() };
        let fix = match allowed.as_slice() {
            [one] if !one.contains(['*', '?']) => format!("write {one}, or have the IngressPolicy changed"),
            _ => ASK.to_owned(),
        };
        return Some(Breach { what: format!("allows {}{which}", listed(allowed)), allowed: allowed.clone(), fix });
    }
    let denied = rule.denied.as_ref()?;
    let (item, pattern) = items.iter().find_map(|item| Some((item, denied.iter().find(|one| matches(one, item))?)))?;
    let what = if item == pattern { format!("denies {item}") } else { format!("denies {pattern}, and {item} is one") };
    Some(Breach { what, allowed: Vec::new(), fix: "use another value, or have the IngressPolicy changed".to_owned() })
}

fn numbers(rule: &SettingRule, _: &SettingRow, value: &Value) -> Option<Breach> {
    let Value::Int(number) = value else { return None };
    let (fits, range) = match (rule.minimum, rule.maximum) {
        (Some(min), Some(max)) => ((min..=max).contains(number), format!("{min} to {max}")),
        (Some(min), None) => (*number >= min, format!("{min} and more")),
        (None, Some(max)) => (*number <= max, format!("{max} and less")),
        (None, None) => return None,
    };
    (!fits).then(|| Breach { what: format!("allows {range}"), allowed: vec![range], fix: ASK.to_owned() })
}

fn blocks(rule: &SettingRule, _: &SettingRow, value: &Value) -> Option<Breach> {
    let (within, Value::List(items)) = (rule.within.as_ref()?, value) else { return None };
    let within: Vec<Cidr> = within.iter().filter_map(|block| Cidr::parse(block).ok()).collect();
    // What cannot be read has no effect.
    if within.is_empty() {
        return None;
    }
    let is_inside =
        |item: &&String| Cidr::parse(item).is_ok_and(|block| within.iter().any(|one| one.net.contains(&block.net)));
    let outside = items.iter().find(|item| !is_inside(item))?;
    let allowed: Vec<String> = within.iter().map(|block| block.text.clone()).collect();
    let what = format!("allows blocks within {}, not {outside}", listed(&allowed));
    Some(Breach { what, allowed, fix: "write blocks that are inside, or have the IngressPolicy changed".to_owned() })
}

fn accounts(rule: &SettingRule, row: &SettingRow, value: &Value) -> Option<Breach> {
    let allowed = rule.accounts.as_ref().filter(|accounts| !accounts.is_empty())?;
    // `none` and an empty text name no resource.
    let items = items(row, value).into_iter().filter(|item| !matches!(item.as_str(), "" | "none"));
    let mut strangers = items.filter(|item| Arn::parse(item).map_or(true, |arn| !allowed.contains(&arn.account)));
    let stranger = strangers.next()?;
    let what = format!("allows those of account {}, not {stranger}", listed(allowed));
    Some(Breach { what, allowed: allowed.clone(), fix: ASK.to_owned() })
}

fn tls(rule: &SettingRule, _: &SettingRow, value: &Value) -> Option<Breach> {
    let (least, Value::Text(policy)) = (rule.minimum_tls_version.as_ref()?, value) else { return None };
    let wanted = TlsVersion::parse(least)?;
    let what = match TlsVersion::lowest_of(policy) {
        Some(lowest) if lowest >= wanted => return None,
        Some(lowest) => format!("allows TLS {least} and later, and this one accepts TLS {lowest}"),
        None => format!("allows TLS {least} and later, and it is not known what this one accepts"),
    };
    let fix = format!(
        "name a TLS policy that accepts nothing below TLS {least}, such as ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    );
    Some(Breach { what, allowed: vec![format!("TLS {least} and later")], fix })
}

/// Whether a word, or one with wildcards, matches a text.
fn matches(pattern: &str, text: &str) -> bool {
    Glob::new(pattern, Syntax { fold_case: false, escapes: Escapes::Nothing }).matches(text)
}

/// The parts of a value that rules see.
fn items(row: &SettingRow, value: &Value) -> Vec<String> {
    match value {
        Value::List(items) => items.clone(),
        Value::Map(pairs) => pairs.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        Value::ByPort(ports) => ports.iter().map(|(port, value)| format!("{port}={value}")).collect(),
        Value::Typed(_) => Vec::new(),
        Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Tagged(_) => vec![row.shown(value)],
    }
}

/// Words in a sentence, the first few of them.
fn listed(words: &[String]) -> String {
    const FEW: usize = 10;
    let more = words.len().saturating_sub(FEW);
    let first = words.iter().take(FEW).cloned().collect::<Vec<_>>().join(", ");
    match (words, more) {
        ([], _) => "none".to_owned(),
        (_, 0) => first,
        (_, more) => format!("{first} and {more} more"),
    }
}
