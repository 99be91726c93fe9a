//! Plans as text, one file a situation: what a change of Ingresses does in AWS, pass by pass.
//!
//! `UPDATE=1` writes the files anew. Read the difference: it is what users will get.

#![expect(clippy::expect_used, clippy::panic, reason = "a panic is what a test has for a fault")]

mod again;
mod cluster;
mod kept;
mod normalised;
mod rotation;

use std::fmt::Write as _;
use std::path::Path;

use albedo_engine::plan::{self, Input, ObservedBinding, Plan, Targets, TargetsByArn, as_observed};
use albedo_engine::stack::{
    Action, Binding, Desired, Found, GroupId, Observed, ObservedLoadBalancer, Ref, Tags, TargetGroupTuple,
};

use cluster::{desired, desired_after, member, rule};

const CERTIFICATE: &str = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-4000-8000-00000000000";

fn next(desired: &Desired, observed: &Observed, bindings: &[ObservedBinding], targets: &TargetsByArn) -> Plan {
    let input = Input {
        desired,
        observed,
        bindings,
        cluster: "demo",
        external_tags: &[],
        default_tags: &Tags::new(),
        rule_quota: 100,
        targets: Some(targets),
    };
    let plan = plan::plan(input);
    let wrong = plan::check(&plan, input);
    assert!(wrong.is_empty(), "{wrong:?}\n{}", plan::show(&plan));
    plan
}

/// Compares with the file of that name, or writes it.
fn holds(name: &str, passes: &[(&str, Plan)]) {
    let mut text = String::new();
    for (what, plan) in passes {
        writeln!(text, "# {what}").expect("text");
        text.push_str(&plan::show(plan));
        if plan.is_empty() {
            text.push_str("nothing\n");
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &text).expect("the file can be written");
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, expected, "{}: UPDATE=1 writes it anew", file.display());
}

/// One pass from a state that is reached to another.
fn edit(before: &Desired, after: &Desired) -> Plan {
    let (observed, bindings) = as_observed(before);
    let plan = next(after, &observed, &bindings, &TargetsByArn::new());
    let (observed, bindings) = as_observed(after);
    let again = next(after, &observed, &bindings, &TargetsByArn::new());
    assert!(again.is_empty(), "what is reached needs nothing more: {}", plan::show(&again));
    plan
}

fn paths(paths: &[&str]) -> Desired {
    let rules = paths.iter().map(|path| rule("a.example.com", path, "svc-1")).collect();
    desired(vec![member("web", &[], rules)])
}

#[test]
fn create() {
    let nothing = Observed::default();
    holds("create", &[("one Ingress", next(&paths(&["/a", "/b"]), &nothing, &[], &TargetsByArn::new()))]);
}

#[test]
fn add_path() {
    holds(
        "add-path",
        &[
            ("at the end", edit(&paths(&["/aa", "/b"]), &paths(&["/aa", "/b", "/"]))),
            ("at the beginning", edit(&paths(&["/b", "/c"]), &paths(&["/longest", "/b", "/c"]))),
            ("away with one", edit(&paths(&["/longest", "/b", "/c"]), &paths(&["/b", "/c"]))),
        ],
    );
}

#[test]
fn swap_priorities() {
    let order = |first: &str, second: &str| {
        let one =
            member("one", &[("group.name", "g"), ("group.order", first)], vec![rule("a.example.com", "/", "svc-1")]);
        let two =
            member("two", &[("group.name", "g"), ("group.order", second)], vec![rule("a.example.com", "/x", "svc-1")]);
        desired(vec![one, two])
    };
    holds("swap-priorities", &[("two members change places", edit(&order("1", "2"), &order("2", "1")))]);
}

/// The target group that replaces one takes over when its targets are healthy, and not before.
#[test]
fn change_target_type() {
    let of =
        |kind: &str| desired(vec![member("web", &[("target-type", kind)], vec![rule("a.example.com", "/", "svc-1")])]);
    let (before, after) = (of("instance"), of("ip"));
    let (mut observed, mut bindings) = as_observed(&before);
    let mut targets = TargetsByArn::new();
    let mut passes = vec![("it is made", next(&after, &observed, &bindings, &targets))];

    let (id, is) = after.target_groups.iter().next().expect("a target group");
    observed.target_groups.push(Found { arn: "new".to_owned(), is: is.as_ref().clone() });
    let reached = as_observed(&after).1;
    let is = Binding { target_group: Ref::Known("new".to_owned()), ..reached.first().expect("its binding").is.clone() };
    bindings.push(ObservedBinding {
        target_group: "new".to_owned(),
        is,
        registered: true,
        deleting: false,
        released: false,
    });
    targets.insert("new".to_owned(), Targets::Unchecked);
    passes.push(("its targets are registered", next(&after, &observed, &bindings, &targets)));

    let listener =
        observed.load_balancers.first_mut().and_then(|found| found.listeners.first_mut()).expect("a listener");
    let Some(Action::Forward(forward)) =
        listener.rules.first_mut().and_then(|rule| std::sync::Arc::make_mut(&mut rule.is.actions).first_mut())
    else {
        panic!("no rule forwards")
    };
    forward.target_groups.iter_mut().for_each(|tuple| tuple.weight = Some(1));
    forward.target_groups.push(TargetGroupTuple { target_group: Ref::Known("new".to_owned()), weight: Some(0) });
    targets.insert("new".to_owned(), Targets::Awaited);
    passes.push(("AWS checks them", next(&after, &observed, &bindings, &targets)));
    targets.insert("new".to_owned(), Targets::Usable);
    passes.push(("one is healthy", next(&after, &observed, &bindings, &targets)));
    targets.insert("new".to_owned(), Targets::GivenUp);
    passes.push(("or none is, for too long", next(&after, &observed, &bindings, &targets)));
    targets.insert("new".to_owned(), Targets::Awaited);
    targets.insert(id.to_string(), Targets::Awaited);
    passes.push(("or none of the old ones was", next(&after, &observed, &bindings, &targets)));
    holds("change-target-type", &passes);
}

/// A rule that names what AWS checks for others lets go of it when these lead there, and not before: AWS forgets the health of targets that nothing
/// names, and requests would get a 503.
#[test]
fn warmed_for_another_rule() {
    let of = |kind: &str| {
        let rules = vec![rule("a.example.com", "/a", "svc-1"), rule("a.example.com", "/b", "svc-2")];
        desired(vec![member("web", &[("target-type", kind)], rules)])
    };
    let (before, after) = (of("instance"), of("ip"));
    let (mut observed, mut bindings) = as_observed(&before);
    let mut targets = TargetsByArn::new();
    for ((id, is), arn) in after.target_groups.iter().zip(["new-1", "new-2"]) {
        observed.target_groups.push(Found { arn: arn.to_owned(), is: is.as_ref().clone() });
        let reached = as_observed(&after).1;
        let of_group = reached.iter().find(|one| one.target_group == id.to_string()).expect("its binding");
        let is = Binding { target_group: Ref::Known(arn.to_owned()), ..of_group.is.clone() };
        let (target_group, registered) = (arn.to_owned(), true);
        bindings.push(ObservedBinding { target_group, is, registered, deleting: false, released: false });
        targets.insert(arn.to_owned(), Targets::Usable);
    }
    let listener =
        observed.load_balancers.first_mut().and_then(|found| found.listeners.first_mut()).expect("a listener");
    let Some(Action::Forward(forward)) =
        listener.rules.first_mut().and_then(|rule| std::sync::Arc::make_mut(&mut rule.is.actions).first_mut())
    else {
        panic!("no rule forwards")
    };
    forward.target_groups.iter_mut().for_each(|tuple| tuple.weight = Some(1));
    for arn in ["new-1", "new-2"] {
        forward.target_groups.push(TargetGroupTuple { target_group: Ref::Known(arn.to_owned()), weight: Some(0) });
    }
    holds("warmed", &[("two are healthy that the first rule names", next(&after, &observed, &bindings, &targets))]);
}

/// While a listener waits for targets, what its rules do not lean on goes on.
#[test]
fn waiting() {
    let certificate = format!("{CERTIFICATE}1");
    let of = |ports: &str, kind: &str, rules: Vec<serde_json::Value>| {
        let redirect =
            r#"{"type": "redirect", "redirectConfig": {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}}"#;
        let annotations = [
            ("group.name", "g"),
            ("listen-ports", ports),
            ("certificate-arn", certificate.as_str()),
            ("target-type", kind),
            ("actions.away", redirect),
        ];
        member("one", &annotations, rules)
    };
    let away = || {
        serde_json::json!({"host": "a.example.com", "http": {"paths": [{"path": "/old", "pathType": "Exact",
            "backend": {"service": {"name": "away", "port": {"name": "use-annotation"}}}}]}})
    };
    let serves = || rule("a.example.com", "/", "svc-1");
    let other = |ports: &str| {
        let annotations = [("group.name", "g"), ("listen-ports", ports), ("certificate-arn", certificate.as_str())];
        member("two", &annotations, vec![rule("b.example.com", "/", "svc-2")])
    };
    let (http, both) = (r#"[{"HTTP": 80}]"#, r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);
    let before = desired(vec![of(http, "instance", vec![serves()]), other(r#"[{"HTTP": 8080}]"#)]);
    let shared = desired(vec![of(http, "instance", vec![serves()]), other(http)]);
    let after = desired(vec![of(http, "ip", vec![serves()])]);
    let redirects = desired(vec![of(both, "instance", vec![serves(), away()])]);
    holds(
        "waiting",
        &[
            ("another listener goes, with its target group", edit(&before, &after)),
            ("what is served by a rule that waits stays", edit(&shared, &after)),
            ("where a rule that waits redirects to stays", edit(&redirects, &after)),
        ],
    );
}

#[test]
fn change_service() {
    let to = |service: &str| desired(vec![member("web", &[], vec![rule("a.example.com", "/", service)])]);
    holds("change-service", &[("another Service behind a path that serves", edit(&to("svc-1"), &to("svc-2")))]);
}

#[test]
fn join_and_leave() {
    let one = member("one", &[("group.name", "g"), ("group.order", "1")], vec![rule("a.example.com", "/", "svc-1")]);
    let two = member("two", &[("group.name", "g"), ("group.order", "2")], vec![rule("b.example.com", "/", "svc-2")]);
    let (alone, both) = (desired(vec![two.clone()]), desired(vec![one, two]));
    holds("join", &[("a member comes before the other", edit(&alone, &both))]);
    holds("leave", &[("it leaves", edit(&both, &alone))]);
}

#[test]
fn certificates() {
    let with = |numbers: &[u8]| {
        let arns: Vec<String> = numbers.iter().map(|number| format!("{CERTIFICATE}{number}")).collect();
        let arns = arns.join(",");
        desired(vec![member("web", &[("certificate-arn", &arns)], vec![rule("a.example.com", "/", "svc-1")])])
    };
    holds(
        "certificates",
        &[
            ("one more", edit(&with(&[1]), &with(&[1, 2]))),
            ("another default one", edit(&with(&[1, 2]), &with(&[3, 2]))),
            ("one less", edit(&with(&[1, 2]), &with(&[1]))),
        ],
    );
}

#[test]
fn ssl_redirect() {
    let arn = format!("{CERTIFICATE}1");
    let with = |redirect: bool| {
        let mut annotations =
            vec![("certificate-arn", arn.as_str()), ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#)];
        annotations.extend(redirect.then_some(("ssl-redirect", "443")));
        desired(vec![member(
            "web",
            &annotations,
            vec![rule("a.example.com", "/a", "svc-1"), rule("a.example.com", "/", "svc-2")],
        )])
    };
    let plain = desired(vec![member(
        "web",
        &[],
        vec![rule("a.example.com", "/a", "svc-1"), rule("a.example.com", "/", "svc-2")],
    )]);
    holds(
        "ssl-redirect",
        &[
            ("HTTP alone becomes a redirect to HTTPS", edit(&plain, &with(true))),
            ("on", edit(&with(false), &with(true))),
            ("off", edit(&with(true), &with(false))),
        ],
    );
}

#[test]
fn protocol() {
    let arn = format!("{CERTIFICATE}1");
    let on = |ports: &str| {
        let annotations = [("certificate-arn", arn.as_str()), ("listen-ports", ports)];
        desired(vec![member("web", &annotations, vec![rule("a.example.com", "/", "svc-1")])])
    };
    let (plain, secure) = (on(r#"[{"HTTP": 8443}]"#), on(r#"[{"HTTPS": 8443}]"#));
    holds("protocol", &[("HTTP to HTTPS", edit(&plain, &secure)), ("and back", edit(&secure, &plain))]);
}

#[test]
fn scheme() {
    let of =
        |scheme: &str| desired(vec![member("web", &[("scheme", scheme)], vec![rule("a.example.com", "/", "svc-1")])]);
    holds("scheme", &[("acknowledged: the old one goes first", edit(&of("internal"), &of("internet-facing")))]);
}

/// Protection that the edit itself takes back does not hold up what the edit asks for; protection of anybody else does.
#[test]
fn scheme_of_a_protected_one() {
    let of = |scheme: &str, attributes: Option<&str>| {
        let mut annotations = vec![("scheme", scheme)];
        annotations.extend(attributes.map(|attributes| ("load-balancer-attributes", attributes)));
        vec![member("web", &annotations, vec![rule("a.example.com", "/", "svc-1")])]
    };
    let (on, off) = (Some("deletion_protection.enabled=true"), Some("deletion_protection.enabled=false"));
    let before = desired(of("internal", on));
    let (observed, bindings) = as_observed(&before);
    let pass = |after: &Desired| next(after, &observed, &bindings, &TargetsByArn::new());
    let taken_back = desired_after(&of("internal", on), of("internet-facing", None));
    let mut doubled = observed.clone();
    let double = doubled.load_balancers.first().expect("a load balancer").clone();
    doubled.load_balancers.push(ObservedLoadBalancer { arn: "double".to_owned(), ..double });
    let plain = desired(of("internal", None));
    holds(
        "scheme-protected",
        &[
            ("switched off in the same edit", edit(&before, &desired(of("internet-facing", off)))),
            ("taken back in the same edit", edit(&before, &taken_back)),
            ("still asked for", pass(&desired_after(&of("internal", on), of("internet-facing", on)))),
            ("by another hand", pass(&desired_after(&of("internal", None), of("internet-facing", None)))),
            ("nobody remembers", pass(&desired(of("internet-facing", None)))),
            ("of two that are alike", next(&plain, &doubled, &bindings, &TargetsByArn::new())),
            ("the scheme stays", pass(&desired_after(&of("internal", on), of("internal", None)))),
        ],
    );
}

#[test]
fn delete() {
    let before = paths(&["/a"]);
    let empty = Desired::empty(GroupId::Implicit { namespace: "ns-1".to_owned(), name: "web".to_owned() });
    let (observed, bindings) = as_observed(&before);
    holds("delete", &[("the last member leaves", next(&empty, &observed, &bindings, &TargetsByArn::new()))]);
}

/// With the quota used up two rules cannot change places with what takes over from them in any order.
#[test]
fn at_the_quota() {
    let with = |first: &str, second: &str| {
        let other: Vec<String> = (0..98).map(|number| format!("h{number}.example.com")).collect();
        let mut rules = vec![rule("a.example.com", first, "svc-1"), rule("a.example.com", second, "svc-2")];
        rules.extend(other.iter().map(|host| rule(host, "/", "svc-1")));
        desired(vec![member("web", &[], rules)])
    };
    holds("at-the-quota", &[("two paths become others", edit(&with("/one", "/two"), &with("/three", "/four")))]);
}
