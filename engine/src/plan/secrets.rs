//! Which revision of a Secret AWS has the client secret of: only the ledger can tell, for AWS never returns it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::equal;
use crate::stack::{Action, Authenticate, Desired, Observed};

/// Revisions by Secret, `namespace/name`.
pub type Revisions = BTreeMap<String, String>;

/// The Secrets whose client secrets a group's load balancer is to have, with the revision that is known of each.
#[must_use]
pub fn client_secrets(desired: &Desired) -> Revisions {
    let oidc = oidc(desired);
    oidc.filter_map(|one| one.client_secret_from.clone().zip(one.client_secret_revision.clone())).collect()
}

/// Writes into what was read from AWS which revisions it has, by what was recorded when they were sent. Where several Secrets are
/// for one client, one that has changed since counts.
pub fn note_sent(observed: &mut Observed, desired: &Desired, recorded: &Revisions) {
    let changed = |one: &&Authenticate| {
        let name = one.client_secret_from.as_ref()?;
        recorded.get(name).filter(|sent| Some(*sent) != one.client_secret_revision.as_ref())
    };
    let stale: Vec<(&Authenticate, &String)> = oidc(desired).filter_map(|one| Some((one, changed(&one)?))).collect();
    if stale.is_empty() {
        return;
    }
    let sent = |found: &Authenticate| {
        let is = |(one, _): &&(&Authenticate, &String)| equal::same_client(one, found);
        stale.iter().find(is).map(|(_, sent)| (*sent).clone())
    };
    let note = |action: &mut Action| {
        if let Action::AuthenticateOidc(found) = action
            && found.client_secret_revision.is_none()
        {
            found.client_secret_revision = sent(found);
        }
    };
    for listener in observed.load_balancers.iter_mut().flat_map(|balancer| &mut balancer.listeners) {
        listener.is.default_actions.iter_mut().for_each(note);
        for rule in &mut listener.rules {
            if rule.is.actions.iter().any(|action| matches!(action, Action::AuthenticateOidc(_))) {
                Arc::make_mut(&mut rule.is.actions).iter_mut().for_each(note);
            }
        }
    }
}

/// What is to be recorded after a pass. `reached`: all of it was sent. Else those of which nothing was recorded may have been sent or
/// not: an empty revision, which none is equal to. `whole`: no member is left out, so that nothing of another Secret is in AWS.
#[must_use]
pub fn recorded(before: &Revisions, desired: &Desired, reached: bool, whole: bool) -> Revisions {
    let wanted = client_secrets(desired);
    let unread: BTreeSet<&String> = oidc(desired).filter_map(|one| one.client_secret_from.as_ref()).collect();
    let mut recorded = before.clone();
    recorded.retain(|name, _| !reached || !whole || unread.contains(name));
    if reached {
        recorded.extend(wanted);
    } else {
        for name in wanted.into_keys() {
            recorded.entry(name).or_default();
        }
    }
    recorded
}

fn oidc(desired: &Desired) -> impl Iterator<Item = &Authenticate> {
    let actions = desired.listeners.values().flat_map(|listener| {
        listener.rules.iter().flat_map(|rule| rule.actions.iter()).chain(&listener.default_actions)
    });
    actions.filter_map(|action| match action {
        Action::AuthenticateOidc(one) => Some(one),
        _ => None,
    })
}
