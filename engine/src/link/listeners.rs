//! Listeners of a group with their default actions and rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::merge::first_or_default;
use super::optimiser::{Dropped, Optimised, Tried};
use super::{Linker, Origin, certificates, optimiser};
use crate::annotation::catalogue::{MUTUAL_AUTHENTICATION, SSL_POLICY, SSL_REDIRECT};
use crate::compile::{Fragment, ListenerSpec, RuleSpec};
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::kinds::Key;
use crate::settings::Gate;
use crate::stack::{Action, FixedResponse, Listener, Protocol, Redirect, ResourceId, Rule, RuleTags};

/// A rule that is left out, and why.
type LeftOut = (Arc<Origin>, Finding);

impl Linker<'_> {
    /// Listeners by port; `redirect`: where HTTP listeners lead everything.
    pub(super) fn listeners(&mut self, redirect: Option<u16>) -> BTreeMap<u16, Listener> {
        let mut listeners = BTreeMap::new();
        self.origins.clear();
        let mut dropped = Vec::new();
        for (port, protocol) in self.ports() {
            let (listener, origins, without) = self.listener(port, protocol, redirect);
            dropped.extend(without);
            for (key, finding) in unreached(&listener, &origins) {
                self.report(&key, finding);
            }
            self.report_takeovers(&listener, &origins);
            self.origins.insert(port, origins);
            listeners.insert(port, listener);
        }
        self.report_dropped(dropped);
        if redirect.is_some() {
            self.report_unserved();
        }
        listeners
    }

    /// Members without any rule: they have HTTP listeners alone, and the group redirects HTTP to HTTPS.
    fn report_unserved(&mut self) {
        let speaker = self.fragments().find(|fragment| fragment.values.get(&SSL_REDIRECT).is_some());
        let speaker = speaker.map(|fragment| ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name));
        let asks = |fragment: &&Fragment| !fragment.routes(true) && fragment.routes_something;
        let found: Vec<(Key, Finding)> = self
            .fragments()
            .filter(asks)
            .map(|fragment| {
                let subject = ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name);
                let message =
                    "none of its rules is built: it has HTTP listeners alone, and the group redirects HTTP to HTTPS";
                let finding = Finding::new(Code::UnreachedRule, subject.clone(), FieldPath::at("spec.rules"), message)
                    .fix("add an HTTPS port to listen-ports, as in [{\"HTTP\": 80}, {\"HTTPS\": 443}]")
                    .related(speaker.clone().filter(|speaker| *speaker != subject));
                (fragment.key.clone(), finding)
            })
            .collect();
        for (key, finding) in found {
            self.report(&key, finding);
        }
    }

    /// Paths whose rules are left out on every port. One that is left out here and not there is as it should be: a redirect
    /// to HTTPS leads back to itself on the HTTPS port.
    fn report_dropped(&mut self, dropped: Vec<LeftOut>) {
        if dropped.is_empty() {
            return;
        }
        let alive: BTreeSet<Arc<Origin>> = self.origins.values().flatten().cloned().collect();
        let mut told = BTreeSet::new();
        for (origin, finding) in dropped {
            if !alive.contains(&origin) && told.insert(origin.clone()) {
                self.report(&origin.key, finding);
            }
        }
    }

    pub(super) fn on(&self, port: u16) -> impl Iterator<Item = (&Fragment, &ListenerSpec)> {
        self.fragments().filter_map(move |fragment| Some((fragment, fragment.listeners.get(&port)?)))
    }

    /// A listener, where each of its rules comes from, and the rules that were left out.
    fn listener(
        &self,
        port: u16,
        protocol: Protocol,
        redirect: Option<u16>,
    ) -> (Listener, Vec<Arc<Origin>>, Vec<LeftOut>) {
        let https = protocol == Protocol::Https;
        let redirect = redirect.filter(|_| !https);
        let of_port = || self.on(port).map(|(fragment, _)| fragment);
        let policy = first_or_default(of_port(), &SSL_POLICY, self.input.settings).filter(|_| https);
        let mutual = of_port().find_map(|one| one.values.get(&MUTUAL_AUTHENTICATION)?.remove(&port));
        let id = ResourceId::listener(port);
        let (rules, origins, dropped) = match redirect {
            Some(_) => (Vec::new(), Vec::new(), Vec::new()),
            None => self.rules(port, protocol),
        };
        let listener = Listener {
            port,
            protocol,
            default_actions: self.default_actions(port, https, redirect),
            certificates: if https {
                certificates::merge(self.on(port).map(|(fragment, _)| fragment))
            } else {
                Vec::new()
            },
            ssl_policy: policy,
            mutual_authentication: mutual,
            attributes: self.listener_attributes(port, protocol),
            tags: self.listener_tags(&id, self.on(port).map(|(fragment, _)| fragment)),
            rules,
        };
        (listener, origins, dropped)
    }

    fn default_actions(&self, port: u16, https: bool, redirect: Option<u16>) -> Vec<Action> {
        if let Some(target) = redirect {
            return vec![Action::Redirect(Redirect {
                host: None,
                path: None,
                port: Some(target.to_string()),
                protocol: Some("HTTPS".to_owned()),
                query: None,
                status_code: "HTTP_301".to_owned(),
            })];
        }
        match self.on(port).find_map(|(fragment, _)| fragment.default_backend.as_ref()) {
            Some(backend) => actions(backend, https).to_vec(),
            None => vec![Action::FixedResponse(FixedResponse {
                content_type: Some("text/plain".to_owned()),
                message_body: None,
                status_code: "404".to_owned(),
            })],
        }
    }

    fn rules(&self, port: u16, protocol: Protocol) -> (Vec<Rule>, Vec<Arc<Origin>>, Vec<LeftOut>) {
        let https = protocol == Protocol::Https;
        let asked = self.on(port).flat_map(|(fragment, _)| fragment.rules.iter().map(move |ask| (fragment, ask)));
        let Optimised { kept, dropped } = optimiser::optimise(asked, |(_, ask)| tried(ask, https), port, protocol);
        let dropped = dropped.into_iter().map(|((_, ask), why)| {
            let by = match why {
                Dropped::Loops => None,
                Dropped::Behind(place) => kept.get(place).map(|(_, ask)| &*ask.origin),
            };
            (ask.origin.clone(), left_out(port, &ask.origin, by))
        });
        let dropped = dropped.collect();
        let tagged = self.input.settings.gate(Gate::ListenerRulesTagging);
        let rule = |(priority, (fragment, ask)): (u32, &(&Fragment, &RuleSpec))| Rule {
            priority,
            conditions: ask.conditions.clone(),
            actions: actions(ask, https).clone(),
            transforms: ask.transforms.clone(),
            tags: match tagged {
                true => RuleTags::new(fragment.rule_tags.clone(), ResourceId::rule(port, priority)),
                false => RuleTags::default(),
            },
        };
        let rules = (1..).zip(&kept).map(rule).collect();
        let origins = kept.iter().map(|(_, ask)| ask.origin.clone()).collect();
        (rules, origins, dropped)
    }
}

/// A rule that the optimiser leaves out: behind a redirect, or a redirect that leads back to itself.
fn left_out(port: u16, origin: &Origin, by: Option<&Origin>) -> Finding {
    let subject = ObjectRef::ingress(&origin.key.namespace, &origin.key.name);
    let finding = |message: String| Finding::new(Code::UnreachedRule, subject, FieldPath::at(&origin.path), message);
    match by {
        Some(by) => {
            let message = format!("left out on port {port}: the redirect {} of {} takes all first", by.path, by.key);
            finding(message).related([ObjectRef::ingress(&by.key.namespace, &by.key.name)])
        }
        None => finding(format!("left out on port {port}: its redirect leads back to itself"))
            .fix("redirect to another host, path, port or protocol, or remove it"),
    }
}

/// Rules that no request reaches, because an earlier one takes all of theirs.
fn unreached(listener: &Listener, origins: &[Arc<Origin>]) -> Vec<(Key, Finding)> {
    crate::traffic::unreachable(listener)
        .into_iter()
        .filter_map(|(rule, by)| {
            let (origin, first) = (origins.get(rule)?, origins.get(by)?);
            let message = format!(
                "no request reaches it on port {}: {} of {} takes all first",
                listener.port, first.path, first.key
            );
            let subject = ObjectRef::ingress(&origin.key.namespace, &origin.key.name);
            let finding = Finding::new(Code::UnreachedRule, subject, FieldPath::at(&origin.path), message)
                .related([ObjectRef::ingress(&first.key.namespace, &first.key.name)]);
            Some((origin.key.clone(), finding))
        })
        .collect()
}

/// What of a rule decides whether it ever acts.
fn tried(ask: &RuleSpec, https: bool) -> Tried<'_> {
    Tried { conditions: &ask.conditions, actions: actions(ask, https) }
}

/// The actions of a rule: authentication on HTTPS alone, then where the request goes.
fn actions(ask: &RuleSpec, https: bool) -> &Arc<[Action]> {
    if https { &ask.secure_actions } else { &ask.actions }
}
