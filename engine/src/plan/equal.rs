//! When two states are the same in AWS, although they are written differently. `equal/tests.rs` has a row for each way.

use std::collections::BTreeMap;

use crate::stack::{
    Action, AdditionalClaim, Attributes, Authenticate, Condition, Forward, Redirect, Ref, ResourceId, Rule, Treatment,
};

/// ARNs by resource id.
pub(super) type Known = BTreeMap<ResourceId, String>;

/// A reference with its ARN, if that is known.
pub(super) fn resolve(reference: &Ref, known: &Known) -> Ref {
    match reference {
        Ref::Of(id) => known.get(id).map_or_else(|| reference.clone(), |arn| Ref::Known(arn.clone())),
        Ref::Known(_) => reference.clone(),
    }
}

/// Attributes that are asked for and differ.
pub(super) fn attributes(desired: &Attributes, observed: &Attributes) -> Attributes {
    desired
        .iter()
        .filter(|(key, value)| observed.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Whether two lists of actions do the same.
pub(super) fn actions(desired: &[Action], observed: &[Action], known: &Known) -> bool {
    desired.len() == observed.len() && desired.iter().zip(observed).all(|(d, o)| action(d, o, known))
}

fn action(desired: &Action, observed: &Action, known: &Known) -> bool {
    match (desired, observed) {
        (Action::Forward(d), Action::Forward(o)) => forward(d, o, known),
        (Action::Redirect(d), Action::Redirect(o)) => redirect(d) == redirect(o),
        (Action::AuthenticateOidc(d), Action::AuthenticateOidc(o))
        | (Action::AuthenticateCognito(d), Action::AuthenticateCognito(o)) => authenticate(d, o),
        (Action::FixedResponse(d), Action::FixedResponse(o)) => {
            let body = |text: &Option<String>| text.clone().unwrap_or_default();
            d.status_code == o.status_code
                && body(&d.message_body) == body(&o.message_body)
                && body(&d.content_type) == body(&o.content_type)
        }
        (Action::JwtValidation(d), Action::JwtValidation(o)) => {
            d.jwks_endpoint == o.jwks_endpoint
                && d.issuer == o.issuer
                && claims(&d.additional_claims) == claims(&o.additional_claims)
        }
        // Nobody asks for one: it is there in both only where what AWS holds is kept.
        (Action::Unknown { .. }, Action::Unknown { .. }) => desired == observed,
        _ => false,
    }
}

/// Every claim has to hold, by one of its values: the order of neither means anything.
fn claims<'c>(claims: &'c [AdditionalClaim]) -> Vec<(&'c str, &'c str, Vec<&'c String>)> {
    let claim = |claim: &'c AdditionalClaim| (claim.name.as_str(), claim.format.as_str(), sorted(&claim.values));
    sorted(claims.iter().map(claim))
}

/// Order of target groups and the weight of a lone one mean nothing, and a weight that is not told is 1; stickiness counts where
/// it is asked for, and its duration where it is on.
fn forward(desired: &Forward, observed: &Forward, known: &Known) -> bool {
    let shares = |forward: &Forward| {
        let lone = forward.target_groups.len() == 1;
        let mut shares: Vec<(Ref, Option<i32>)> = forward
            .target_groups
            .iter()
            .map(|tuple| (resolve(&tuple.target_group, known), tuple.weight.or(Some(1)).filter(|_| !lone)))
            .collect();
        shares.sort();
        shares
    };
    let sticky = match (&desired.stickiness, &observed.stickiness) {
        (None, _) => true,
        (Some(d), Some(o)) => {
            let on = d.enabled.unwrap_or_default();
            on == o.enabled.unwrap_or_default()
                && (!on || d.duration_seconds.is_none() || d.duration_seconds == o.duration_seconds)
        }
        (Some(d), None) => !d.enabled.unwrap_or_default(),
    };
    shares(desired) == shares(observed) && sticky
}

/// A part that is left out is the placeholder for "as it was".
fn redirect(redirect: &Redirect) -> [String; 6] {
    let or = |part: &Option<String>, keep: &str| part.clone().unwrap_or_else(|| keep.to_owned());
    [
        or(&redirect.host, "#{host}"),
        or(&redirect.path, "/#{path}"),
        or(&redirect.port, "#{port}"),
        or(&redirect.protocol, "#{protocol}"),
        or(&redirect.query, "#{query}"),
        redirect.status_code.clone(),
    ]
}

/// The client's id and secret are not compared: AWS does not give the secret back.
fn authenticate(desired: &Authenticate, observed: &Authenticate) -> bool {
    desired.config.iter().all(|(key, value)| observed.config.get(key) == Some(value))
        && desired.extra_params == observed.extra_params
        && desired.on_unauthenticated_request == observed.on_unauthenticated_request
        && desired.scope == observed.scope
        && desired.session_cookie_name == observed.session_cookie_name
        && desired.session_timeout == observed.session_timeout
        && !is_rotated(desired, observed)
}

/// Whether the Secret has changed since its client secret was sent. What nobody remembers is taken to be the same: AWS does not tell.
fn is_rotated(desired: &Authenticate, observed: &Authenticate) -> bool {
    let revisions = desired.client_secret_revision.as_ref().zip(observed.client_secret_revision.as_ref());
    revisions.is_some_and(|(now, sent)| now != sent)
}

/// Whether an observed action is that of a desired one, whichever client secret it was sent with.
pub(super) fn same_client(desired: &Authenticate, observed: &Authenticate) -> bool {
    authenticate(&Authenticate { client_secret_revision: None, ..desired.clone() }, observed)
}

/// Whether requests cannot tell two answers apart: those who get none of them do not count.
pub(super) fn answers(one: Treatment<'_>, other: Treatment<'_>, known: &Known) -> bool {
    let (actions_of_one, actions_of_other) = (effective(one.actions), effective(other.actions));
    // What is left out of one leaves what the other has.
    let same = actions(&actions_of_one, &actions_of_other, known) || actions(&actions_of_other, &actions_of_one, known);
    same && one.rewrites_as(&other)
}

/// Without the target groups that get no request.
fn effective(actions: &[Action]) -> Vec<Action> {
    let weighted = |forward: &Forward| forward.target_groups.iter().any(|tuple| tuple.weight != Some(0));
    let mut actions = actions.to_vec();
    for action in &mut actions {
        if let Action::Forward(forward) = action
            && weighted(forward)
        {
            forward.target_groups.retain(|tuple| tuple.weight != Some(0));
        }
    }
    actions
}

/// Whether two rules match and do the same, priority and tags aside.
pub(super) fn rule(desired: &Rule, observed: &Rule, known: &Known) -> bool {
    conditions(&desired.conditions, &observed.conditions)
        && desired.treatment().rewrites_as(&observed.treatment())
        && actions(&desired.actions, &observed.actions, known)
}

/// Whether two rules match the same requests by the same conditions.
pub(super) fn conditions(one: &[Condition], other: &[Condition]) -> bool {
    sorted(one.iter().map(normal)) == sorted(other.iter().map(normal))
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort();
    items
}

/// A condition as it matches: its field, the header, the values, and those that are regular expressions.
type Normal<'c> = (&'c str, Option<String>, Vec<(Option<String>, String)>, Vec<&'c String>);

/// All conditions have to hold, each by one of its values: the order of neither means anything.
fn normal(condition: &Condition) -> Normal<'_> {
    let form = condition.row().map_or(str::to_owned as fn(&str) -> String, |row| row.normal);
    let mut values = sorted(condition.values().map(|(key, value)| (key.map(form), form(value))));
    values.dedup();
    let header = condition.header().map(str::to_ascii_lowercase);
    (condition.field(), header, values, sorted(condition.regex_values()))
}

#[cfg(test)]
mod tests;
