//! A client secret that is rotated is sent again, although AWS never tells which one it has.

use std::collections::BTreeMap;

use albedo_engine::plan::{
    self, AwsOperation, Operation, Plan, Revisions, TargetsByArn, as_observed, note_sent, recorded,
};
use albedo_engine::stack::{Action, Authenticate, Desired, Observed};

use crate::cluster::{desired, member, rule};
use crate::next;

/// Two rules, each with a Secret of its own for one client, of these revisions.
fn shop(revisions: [Option<&str>; 2]) -> Desired {
    let mut shop =
        desired(vec![member("web", &[], ["/a", "/b"].map(|path| rule("a.example.com", path, "svc-1")).into())]);
    let rules = shop.listeners.values_mut().flat_map(|listener| &mut listener.rules);
    for (number, (rule, revision)) in rules.zip(revisions).enumerate() {
        let oidc = Action::AuthenticateOidc(Authenticate {
            config: [("issuer".to_owned(), format!("https://idp-{number}"))].into(),
            client_secret_from: Some(format!("ns-1/secret-{number}")),
            client_secret_revision: revision.map(str::to_owned),
            extra_params: BTreeMap::new(),
            on_unauthenticated_request: "authenticate".to_owned(),
            scope: "openid".to_owned(),
            session_cookie_name: "cookie".to_owned(),
            session_timeout: 60,
        });
        rule.actions = std::iter::once(oidc).chain(rule.actions.iter().cloned()).collect();
    }
    shop
}

/// As AWS tells it: no Secret, and no revision.
fn as_read(desired: &Desired) -> Observed {
    let mut observed = as_observed(desired).0;
    for listener in observed.load_balancers.iter_mut().flat_map(|found| &mut found.listeners) {
        for rule in &mut listener.rules {
            let mut actions = rule.is.actions.to_vec();
            for action in &mut actions {
                let Action::AuthenticateOidc(one) = action else { continue };
                (one.client_secret_from, one.client_secret_revision) = (None, None);
            }
            rule.is.actions = actions.into();
        }
    }
    observed
}

fn names(pairs: &[(usize, &str)]) -> Revisions {
    pairs.iter().map(|(number, revision)| (format!("ns-1/secret-{number}"), (*revision).to_owned())).collect()
}

/// Priorities of the rules that a plan modifies; it does nothing else.
fn modified(plan: &Plan) -> Vec<u32> {
    let of = |one: &Operation| match one {
        Operation::Aws(AwsOperation::ModifyRule { is, .. }) => is.priority,
        other => panic!("{other:?}"),
    };
    plan.operations.iter().map(of).collect()
}

#[test]
fn what_was_sent_and_has_changed_since_is_sent_again() {
    let (one, both) = ([Some("1"), Some("1")], [Some("2"), Some("2")]);
    let rows: [([Option<&str>; 2], &[(usize, &str)], &[u32]); 6] = [
        (one, &[(0, "1"), (1, "1")], &[]),
        ([Some("2"), Some("1")], &[(0, "1"), (1, "1")], &[1]),
        (both, &[(0, "1"), (1, "1")], &[1, 2]),
        // What the predecessor made, or an older ledger: it is taken over as it is.
        (one, &[], &[]),
        // Nobody knows whether it was sent.
        (one, &[(0, ""), (1, "1")], &[1]),
        // A Secret that cannot be read is no reason.
        ([None, Some("1")], &[(0, "1"), (1, "1")], &[]),
    ];
    for (now, sent, expected) in rows {
        let desired = shop(now);
        let (mut observed, bindings) = (as_read(&desired), as_observed(&desired).1);
        note_sent(&mut observed, &desired, &names(sent));
        let plan = next(&desired, &observed, &bindings, &TargetsByArn::new());
        assert_eq!(modified(&plan), expected, "{now:?} after {sent:?}\n{}", plan::show(&plan));
        // What a pass remembers needs no ledger.
        let (observed, bindings) = as_observed(&desired);
        assert!(next(&desired, &observed, &bindings, &TargetsByArn::new()).is_empty());
    }
    let (observed, bindings) = as_observed(&shop(one));
    let plan = next(&shop(both), &observed, &bindings, &TargetsByArn::new());
    assert_eq!(modified(&plan), [1, 2]);
}

#[test]
fn what_is_recorded() {
    let before = names(&[(0, "1"), (7, "1")]);
    let of = |revisions, reached, whole| recorded(&before, &shop(revisions), reached, whole);
    let now = [Some("2"), Some("2")];
    assert_eq!(of(now, true, true), names(&[(0, "2"), (1, "2")]));
    assert_eq!(
        of(now, true, false),
        names(&[(0, "2"), (1, "2"), (7, "1")]),
        "a member that is left out has its own in AWS"
    );
    assert_eq!(of([None, Some("2")], true, true), names(&[(0, "1"), (1, "2")]), "one that cannot be read stays known");
    assert_eq!(of(now, false, true), names(&[(0, "1"), (1, ""), (7, "1")]), "half-way nobody knows of the new one");
}
