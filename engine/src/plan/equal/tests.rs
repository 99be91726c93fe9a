//! What AWS or another hand writes otherwise without a difference, and beside it what does differ.

use serde_json::{Value, json};

use super::*;
use crate::stack::MutualAuthentication;

/// What it is about, what is asked for, the same written otherwise, and something else.
type Row = (&'static str, Value, Value, Value);

fn hold(rows: &[Row], same: impl Fn(&Value, &Value) -> bool) {
    for (what, asked, written, other) in rows {
        assert!(same(asked, asked), "{what}: {asked} is not itself");
        assert!(same(asked, written), "{what}: {asked} and {written} are the same");
        assert!(!same(asked, other), "{what}: {asked} and {other} differ");
    }
}

fn of(conditions: &Value, actions: &Value, transforms: &Value) -> Rule {
    let rule =
        json!({"priority": 1, "conditions": conditions, "actions": actions, "transforms": transforms, "tags": {}});
    serde_json::from_value(rule).expect("a rule")
}

fn condition(field: &str, values: &[&str]) -> Value {
    json!({"field": field, "values": values, "regex_values": []})
}

fn expressions(field: &str, expressions: &[&str]) -> Value {
    json!([{"field": field, "values": [], "regex_values": expressions}])
}

fn header(name: &str, values: &[&str]) -> Value {
    json!([{"field": "http-header", "name": name, "patterns": {"values": values, "regex_values": []}}])
}

fn query(pairs: &[(Option<&str>, &str)]) -> Value {
    let pairs: Vec<Value> = pairs.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!([{"field": "query-string", "values": pairs}])
}

#[test]
fn conditions() {
    let one = |field: &str, values: &[&str]| json!([condition(field, values)]);
    let (host, path) = (condition("host-header", &["a.io"]), condition("path-pattern", &["/a"]));
    let rows: [Row; 13] = [
        ("order of conditions", json!([host, path]), json!([path, host]), json!([path])),
        (
            "order of conditions on one field",
            json!([query(&[(None, "1")])[0], query(&[(None, "2")])[0]]),
            json!([query(&[(None, "2")])[0], query(&[(None, "1")])[0]]),
            query(&[(None, "1"), (None, "2")]),
        ),
        (
            "order of values",
            one("path-pattern", &["/a", "/b"]),
            one("path-pattern", &["/b", "/a"]),
            one("path-pattern", &["/a"]),
        ),
        (
            "a value said twice",
            one("http-request-method", &["GET", "GET"]),
            one("http-request-method", &["GET"]),
            one("http-request-method", &["GET", "PUT"]),
        ),
        ("case of hosts", one("host-header", &["A.io"]), one("host-header", &["a.IO"]), one("host-header", &["b.io"])),
        ("case of a header's name", header("X-A", &["1"]), header("x-a", &["1"]), header("x-b", &["1"])),
        ("case of a header's value", header("x", &["Yes"]), header("x", &["yes"]), header("x", &["no"])),
        ("case of a query", query(&[(Some("K"), "V")]), query(&[(Some("k"), "v")]), query(&[(None, "v")])),
        (
            "order of pairs",
            query(&[(Some("a"), "1"), (Some("b"), "2")]),
            query(&[(Some("b"), "2"), (Some("a"), "1")]),
            query(&[(Some("a"), "2"), (Some("b"), "1")]),
        ),
        (
            "bits of hosts",
            one("source-ip", &["10.1.2.3/8"]),
            one("source-ip", &["10.0.0.0/8"]),
            one("source-ip", &["10.0.0.0/9"]),
        ),
        (
            "spelling of IPv6",
            one("source-ip", &["2001:DB8:0::/32"]),
            one("source-ip", &["2001:db8::/32"]),
            one("source-ip", &["2001:db8::/33"]),
        ),
        (
            "order of expressions",
            expressions("path-pattern", &["^/a", "^/b"]),
            expressions("path-pattern", &["^/b", "^/a"]),
            expressions("path-pattern", &["^/A", "^/b"]),
        ),
        (
            "case of paths counts",
            one("path-pattern", &["/a"]),
            one("path-pattern", &["/a"]),
            one("path-pattern", &["/A"]),
        ),
    ];
    let none = json!([]);
    hold(&rows, |a, b| rule(&of(a, &none, &none), &of(b, &none, &none), &Known::new()));
}

/// A forward to target groups with weights.
fn forward(groups: &[(&str, Option<i32>)], stickiness: Option<(bool, Option<i32>)>) -> Value {
    let tuple = |(arn, weight): &(&str, Option<i32>)| json!({"target_group": {"Known": arn}, "weight": weight});
    let tuples: Vec<Value> = groups.iter().map(tuple).collect();
    let stickiness = stickiness.map(|(enabled, seconds)| json!({"enabled": enabled, "duration_seconds": seconds}));
    json!([{"type": "forward", "target_groups": tuples, "stickiness": stickiness}])
}

/// A redirect: host, path, port, protocol, query.
fn redirect(parts: [Option<&str>; 5]) -> Value {
    let [host, path, port, protocol, query] = parts;
    json!([{"type": "redirect", "host": host, "path": path, "port": port, "protocol": protocol, "query": query,
        "status_code": "HTTP_301"}])
}

fn answer(body: Option<&str>, kind: Option<&str>) -> Value {
    json!([{"type": "fixed-response", "status_code": "404", "message_body": body, "content_type": kind}])
}

fn token(claims: &[(&str, &[&str])]) -> Value {
    let claim = |(name, values): &(&str, &[&str])| json!({"format": "string-array", "name": name, "values": values});
    let claims: Vec<Value> = claims.iter().map(claim).collect();
    json!([{"type": "jwt-validation", "jwks_endpoint": "https://a.io/keys", "issuer": "a", "additional_claims": claims}])
}

fn login(id: Option<&str>, scope: &str) -> Value {
    let mut config = json!({"issuer": "https://a.io"});
    config.as_object_mut().expect("an object").extend(id.map(|id| ("clientID".to_owned(), json!(id))));
    json!([{"type": "authenticate-oidc", "config": config, "client_secret_from": id.map(|_| "ns/secret"),
        "extra_params": {}, "on_unauthenticated_request": "authenticate", "scope": scope,
        "session_cookie_name": "c", "session_timeout": 1}])
}

#[test]
fn what_is_done() {
    let lone = |weight| forward(&[("a", weight)], None);
    let sticky = |stickiness| forward(&[("a", None)], stickiness);
    let rows: [Row; 12] = [
        (
            "placeholders of a redirect",
            redirect([None; 5]),
            redirect([Some("#{host}"), Some("/#{path}"), Some("#{port}"), Some("#{protocol}"), Some("#{query}")]),
            redirect([None, Some("/other"), None, None, None]),
        ),
        ("the weight of a lone target group", lone(None), lone(Some(7)), forward(&[("b", None)], None)),
        (
            "a weight that is not told",
            forward(&[("a", None), ("b", Some(2))], None),
            forward(&[("a", Some(1)), ("b", Some(2))], None),
            forward(&[("a", Some(2)), ("b", Some(2))], None),
        ),
        (
            "order of target groups",
            forward(&[("a", Some(1)), ("b", Some(2))], None),
            forward(&[("b", Some(2)), ("a", Some(1))], None),
            forward(&[("b", Some(1)), ("a", Some(2))], None),
        ),
        ("stickiness nobody asks for", sticky(None), sticky(Some((true, Some(60)))), forward(&[("b", None)], None)),
        ("stickiness that is off", sticky(Some((false, Some(60)))), sticky(None), sticky(Some((true, Some(60))))),
        (
            "a duration of what is off",
            sticky(Some((false, Some(60)))),
            sticky(Some((false, Some(3600)))),
            sticky(Some((true, Some(60)))),
        ),
        (
            "a duration nobody asks for",
            sticky(Some((true, None))),
            sticky(Some((true, Some(3600)))),
            sticky(Some((false, None))),
        ),
        ("an empty body", answer(None, None), answer(Some(""), Some("")), answer(Some("no"), None)),
        (
            "order of claims and their values",
            token(&[("a", &["1", "2"]), ("b", &["3"])]),
            token(&[("b", &["3"]), ("a", &["2", "1"])]),
            token(&[("a", &["1", "3"]), ("b", &["2"])]),
        ),
        // AWS never gives a secret back, and the desired state has none.
        ("the client of a provider", login(None, "openid"), login(Some("id"), "openid"), login(None, "email")),
        ("another action", lone(None), lone(None), answer(None, None)),
    ];
    let none = json!([]);
    hold(&rows, |a, b| rule(&of(&none, a, &none), &of(&none, b, &none), &Known::new()));
}

/// AWS may learn a field, an action or a transform before this version does.
#[test]
fn what_is_unknown_is_only_itself() {
    let unknown = |name: &str| json!([{"field": "unknown", "name": name, "values": ["a"]}]);
    let path = json!([condition("path-pattern", &["/a"])]);
    let both = json!([path[0], unknown("client-mood")[0]]);
    let teleport = |name: &str| json!([{"type": "unknown", "name": name}]);
    let rewrite = |name: &str| json!([{"type": "unknown", "rewrites": name}]);
    let none = json!([]);
    let rows = [("an unknown field", unknown("client-mood"), unknown("client-mood"), unknown("server-mood"))];
    hold(&rows, |a, b| rule(&of(a, &none, &none), &of(b, &none, &none), &Known::new()));
    let rows = [("an unknown field beside a known one", path, json!([condition("path-pattern", &["/a"])]), both)];
    hold(&rows, |a, b| rule(&of(a, &none, &none), &of(b, &none, &none), &Known::new()));
    let rows = [("an unknown action", teleport("teleport"), teleport("teleport"), json!([]))];
    hold(&rows, |a, b| rule(&of(&none, a, &none), &of(&none, b, &none), &Known::new()));
    let rows = [("an unknown transform", json!([]), json!([]), rewrite("body-rewrite"))];
    hold(&rows, |a, b| rule(&of(&none, &none, a), &of(&none, &none, b), &Known::new()));
}

#[test]
fn rewrites() {
    let rewrite = |kind: &str, to: &str| json!({"type": kind, "rewrites": [{"regex": "^/a", "replace": to}]});
    let (host, url) = (rewrite("host-header-rewrite", "h"), rewrite("url-rewrite", "/b"));
    let rows =
        [("order of transforms", json!([host, url]), json!([url, host]), json!([rewrite("url-rewrite", "/c"), host]))];
    let none = json!([]);
    hold(&rows, |a, b| rule(&of(&none, &none, a), &of(&none, &none, b), &Known::new()));
}

#[test]
fn client_certificates() {
    let asks = |mode: &str, expired: Option<bool>, names: Option<&str>| {
        json!({"mode": mode, "trust_store_arn": (mode == "verify").then_some("arn"),
            "ignore_client_certificate_expiry": expired, "advertise_trust_store_ca_names": names})
    };
    let off = asks("off", None, None);
    let rows: [Row; 4] = [
        ("off that is not told", off.clone(), Value::Null, asks("passthrough", None, None)),
        ("expiry", asks("verify", None, None), asks("verify", Some(false), None), asks("verify", Some(true), None)),
        (
            "names of CAs",
            asks("verify", None, None),
            asks("verify", None, Some("off")),
            asks("verify", None, Some("on")),
        ),
        (
            "what does not count with passthrough",
            asks("passthrough", None, None),
            asks("passthrough", Some(true), Some("on")),
            off,
        ),
    ];
    let read = |value: &Value| -> Option<MutualAuthentication> { serde_json::from_value(value.clone()).expect("one") };
    hold(&rows, |a, b| MutualAuthentication::is_met(read(a).as_ref(), read(b).as_ref()));
    assert!(
        MutualAuthentication::is_met(None, read(&asks("verify", None, None)).as_ref()),
        "nothing asked is always so"
    );
}

#[test]
fn attributes_that_are_asked_for() {
    let rows: [Row; 2] = [
        ("attributes nobody asks for", json!({"a": "1"}), json!({"a": "1", "b": "2"}), json!({"a": "2"})),
        ("AWS's default", json!({"a": "60"}), json!({"a": "60", "b": "off"}), json!({"b": "off"})),
    ];
    let read = |value: &Value| -> Attributes { serde_json::from_value(value.clone()).expect("attributes") };
    hold(&rows, |a, b| attributes(&read(a), &read(b)).is_empty());
}

#[test]
fn who_gets_no_request_does_not_count() {
    let actions = |groups: &[(&str, Option<i32>)]| of(&json!([]), &forward(groups, None), &json!([])).actions;
    let same = |a: &[Action], b: &[Action]| answers(Treatment::by_default(a), Treatment::by_default(b), &Known::new());
    let plain = actions(&[("a", None)]);
    assert!(same(&plain, &actions(&[("a", Some(1)), ("b", Some(0))])));
    assert!(!same(&plain, &actions(&[("a", Some(1)), ("b", Some(1))])));
    assert!(!same(&actions(&[("b", Some(0))]), &actions(&[("a", Some(0))])));
}
