//! What a backend does: forward to a Service, or what `actions.NAME` says.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::IngressBackend;

use super::{Compiler, TargetGroupSpec};
use crate::annotation::action::ForwardTarget;
use crate::annotation::catalogue::ACTIONS;
use crate::annotation::{PREFIX, nearest_of, parse};
use crate::finding::{Code, Effect, ObjectRef};
use crate::kinds::Key;
use crate::settings::Gate;
use crate::stack::{Action, FixedResponse, Forward, Ref, ServicePort, Stickiness, TargetGroupTuple};

/// The port name that says: look for an `actions.NAME` annotation.
pub(super) const USE_ANNOTATION: &str = "use-annotation";

impl Compiler<'_> {
    /// The routing action of a backend and the authentication before it.
    pub(super) fn backend(&mut self, backend: &IngressBackend, at: &str) -> Option<(Action, Option<Action>)> {
        let Some(service) = &backend.service else {
            let message = "missing required \"service\" field";
            self.reader.report(Code::UnsupportedBackend, format!("{at}.resource"), message);
            return None;
        };
        let port = service.port.as_ref().and_then(|port| match (&port.name, port.number) {
            (Some(name), _) if !name.is_empty() => Some(ServicePort::Name(name.clone())),
            (_, Some(number)) => Some(ServicePort::Number(number)),
            _ => None,
        });
        let at = format!("{at}.service");
        if port == Some(ServicePort::Name(USE_ANNOTATION.to_owned())) {
            return self.annotated_action(&service.name, &at);
        }
        let Some(port) = port else {
            self.reader.report(Code::UnsupportedBackend, format!("{at}.port"), "the backend names no port").fix =
                "name the Service's port by number or name".to_owned();
            return None;
        };
        let target_group = ForwardTarget::Service { name: service.name.clone(), port };
        let target_groups = vec![TargetGroupTuple { target_group, weight: None }];
        Some(self.forward(Forward { target_groups, stickiness: None }, &at))
    }

    fn annotated_action(&mut self, name: &str, at: &str) -> Option<(Action, Option<Action>)> {
        let suffix = format!("actions.{name}");
        if self.reader.raw(&suffix).is_none() {
            let action = self.missing_action(name, at)?;
            return Some((action, self.authentication(None)));
        }
        match self.resolve_one(&ACTIONS, name)? {
            Action::Forward(forward) => Some(self.forward(forward, &format!("metadata.annotations[{PREFIX}{suffix}]"))),
            other => Some((other.without_target_groups()?, self.authentication(None))),
        }
    }

    fn missing_action(&mut self, name: &str, at: &str) -> Option<Action> {
        let written: Vec<String> = self
            .reader
            .suffixes()
            .filter_map(|(suffix, _)| suffix.strip_prefix("actions."))
            .map(str::to_owned)
            .collect();
        let near = nearest_of(name, written.iter().map(String::as_str))
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        let exist = match written.as_slice() {
            [] => "there are no actions".to_owned(),
            names => format!("there are actions.{}", names.join(", actions.")),
        };
        let tolerated = self.settings().tolerate_missing_action;
        let finding = self.reader.report(
            Code::MissingAction,
            format!("{at}.port.name"),
            format!("missing actions.{name} configuration; {exist}{near}"),
        );
        finding.value = Some(name.to_owned());
        finding.fix = format!("write the annotation {PREFIX}actions.{name}, or name a port of the Service");
        if !tolerated {
            finding.effect = Effect::MemberQuarantined;
            return None;
        }
        Some(unavailable("Backend action does not exist"))
    }

    /// A forward to target groups, those of Services being made.
    fn forward(&mut self, given: Forward<ForwardTarget>, at: &str) -> (Action, Option<Action>) {
        let count = given.target_groups.len();
        let only_service = match given.target_groups.as_slice() {
            [TargetGroupTuple { target_group: ForwardTarget::Service { name, .. }, .. }] => Some(name.clone()),
            _ => None,
        };
        if let Some(name) = only_service.as_ref().filter(|name| self.service(name).is_none()) {
            self.missing_service(name, at, true);
            return (unavailable("Backend service does not exist"), self.authentication(None));
        }
        let mut forward = given.filter_map(|target| self.target(&target, at));
        let service = only_service.and_then(|name| self.service(&name));
        let authentication = self.authentication(service.as_deref());
        if self.settings().gate(Gate::WeightedTargetGroups) {
            self.check_stickiness(&forward.target_groups, forward.stickiness.as_ref(), at);
            return (Action::Forward(forward), authentication);
        }
        if count != 1 {
            self.reader.report(Code::InvalidAction, at, "weighted target groups feature is disabled").fix =
                "name one target group, or have the operator open the feature gate WeightedTargetGroups".to_owned();
        }
        // By its ARN alone: nothing says for how long a client stays with it.
        for tuple in &mut forward.target_groups {
            tuple.weight = None;
        }
        forward.stickiness = None;
        (Action::Forward(forward), authentication)
    }

    /// Targets that clients stay with behind a rule that sends them to one target group or another: AWS refuses it ("You must enable group
    /// stickiness before enabling target stickiness", LBC #2734). The attribute may come from the Ingress or from a Service. It has the
    /// last word.
    fn check_stickiness(&mut self, shares: &[TargetGroupTuple], stickiness: Option<&Stickiness>, at: &str) {
        let weighty: BTreeSet<&Ref> =
            shares.iter().filter(|share| share.weight != Some(0)).map(|share| &share.target_group).collect();
        if weighty.len() < 2 || stickiness.is_some_and(|stickiness| stickiness.enabled == Some(true)) {
            return;
        }
        let is_sticky = |ask: &&TargetGroupSpec| {
            ask.target_group
                .attributes
                .get("stickiness.enabled")
                .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        };
        let asks = weighty.into_iter().filter_map(|target_group| match target_group {
            Ref::Of(id) => self.target_groups.get(id),
            Ref::Known(_) => None,
        });
        let sticky: BTreeSet<String> = asks.filter(is_sticky).map(|ask| ask.service.clone()).collect();
        if sticky.is_empty() {
            return;
        }
        let names: Vec<&str> = sticky.iter().map(String::as_str).collect();
        let message = format!(
            "stickiness.enabled=true of the targets of {} needs a sticky forward: the action shares requests among several target groups",
            names.join(", ")
        );
        let namespace = self.key.namespace.clone();
        let finding = self.reader.report(Code::InvalidAction, at, message);
        finding.effect = Effect::Nothing;
        finding.related = names.iter().map(|name| ObjectRef::new("Service", &namespace, name)).collect();
        finding.fix = "add \"targetGroupStickinessConfig\": {\"enabled\": true, \"durationSeconds\": 600} to the action's forwardConfig, or leave stickiness.enabled out of target-group-attributes".to_owned();
    }

    /// The target group of one share of a forward.
    fn target(&mut self, target: &ForwardTarget, at: &str) -> Option<Ref> {
        let (service, port) = match target {
            ForwardTarget::Arn(arn) => return self.known_target_group(arn, at).map(Ref::Known),
            ForwardTarget::Name(name) => return self.named_target_group(name, at).map(Ref::Known),
            ForwardTarget::Service { name, port } => (name, normalised(port)),
        };
        let Some(object) = self.service(service) else {
            self.missing_service(service, at, false);
            return None;
        };
        self.target_group(&object, service, &port, at).map(Ref::Of)
    }

    fn missing_service(&mut self, service: &str, at: &str, single: bool) {
        let namespace = self.key.namespace.clone();
        let names: Vec<&str> = self
            .context
            .view
            .nearby
            .iter()
            .map(|service| &service.metadata)
            .filter(|is| is.namespace.as_deref().unwrap_or_default() == namespace)
            .filter_map(|is| is.name.as_deref())
            .collect();
        let near = nearest_of(service, names.iter().copied())
            .map(|near| format!(" (did you mean {near}?)"))
            .unwrap_or_default();
        let forbidden = !self.settings().tolerate_missing_service;
        let tolerated = single && !forbidden;
        let consequence = if tolerated { "requests get 503 until it exists" } else { "the Ingress waits for it" };
        let message = format!("Service \"{service}\" not found{near}: {consequence}");
        let finding = self.reader.report(Code::MissingService, format!("{at}.name"), message);
        finding.value = Some(service.to_owned());
        finding.related = vec![ObjectRef::new("Service", &namespace, service)];
        if !tolerated {
            finding.effect = Effect::MemberQuarantined;
        }
        if forbidden {
            finding.firm = true;
            finding.fix = format!(
                "create the Service first: the operator lets no Ingress name one that does not exist (--tolerate-non-existent-backend-service=false){near}"
            );
        }
    }

    /// A target group by its ARN, if the account has it as far as that is known.
    fn known_target_group(&mut self, arn: &str, at: &str) -> Option<String> {
        let known = self.context.facts.target_group_names.as_ref();
        if known.is_none_or(|known| known.value.values().any(|known| known == arn)) {
            return Some(arn.to_owned());
        }
        let message = format!("there is no target group {arn} in this account and region");
        self.reader.report(Code::TargetGroupNotFound, at, message).value = Some(arn.to_owned());
        None
    }

    fn named_target_group(&mut self, name: &str, at: &str) -> Option<String> {
        let Some(known) = &self.context.facts.target_group_names else {
            // Not read: what is named is taken as it is.
            return Some(name.to_owned());
        };
        let arn = known.value.get(name).cloned();
        if arn.is_none() {
            let near = nearest_of(name, known.value.keys().map(String::as_str));
            let fix = near.map(|near| format!("did you mean {near}?"));
            let message = format!("searching TargetGroup with name {name}: there is none in this account and region");
            let finding = self.reader.report(Code::TargetGroupNotFound, at, message);
            finding.value = Some(name.to_owned());
            if let Some(fix) = fix {
                finding.fix = fix;
            }
        }
        arn
    }

    /// The Service's key, for messages.
    pub(super) fn service_key(&self, service: &str) -> Key {
        Key::new(&self.key.namespace, service)
    }
}

/// A name that is a number becomes the number, as Kubernetes' `intstr.Parse` has it.
fn normalised(port: &ServicePort) -> ServicePort {
    match port {
        ServicePort::Name(name) => parse::go_int32(name).map_or_else(|_| port.clone(), ServicePort::Number),
        ServicePort::Number(_) => port.clone(),
    }
}

fn unavailable(body: &str) -> Action {
    Action::FixedResponse(FixedResponse {
        content_type: Some("text/plain".to_owned()),
        message_body: Some(body.to_owned()),
        status_code: "503".to_owned(),
    })
}
