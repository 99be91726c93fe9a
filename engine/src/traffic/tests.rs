//! Tests of answers and of rules that never get a request.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::stack::{FixedResponse, Patterns, Protocol, QueryPair, RuleTags};

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn values(values: &[&str]) -> Patterns {
    Patterns { values: texts(values), regex_values: Vec::new() }
}

fn regex(values: &[&str]) -> Patterns {
    Patterns { values: Vec::new(), regex_values: texts(values) }
}

pub(super) fn host(hosts: &[&str]) -> Condition {
    Condition::HostHeader(values(hosts))
}

pub(super) fn path(paths: &[&str]) -> Condition {
    Condition::PathPattern(values(paths))
}

pub(super) fn header(name: &str, of: &[&str]) -> Condition {
    Condition::HttpHeader { name: name.to_owned(), patterns: values(of) }
}

fn method(methods: &[&str]) -> Condition {
    Condition::HttpRequestMethod { values: texts(methods) }
}

fn query(pairs: &[(Option<&str>, &str)]) -> Condition {
    let pair =
        |(key, value): &(Option<&str>, &str)| QueryPair { key: key.map(str::to_owned), value: (*value).to_owned() };
    Condition::QueryString { values: pairs.iter().map(pair).collect() }
}

fn source(blocks: &[&str]) -> Condition {
    Condition::SourceIp { values: texts(blocks) }
}

fn say(text: &str) -> Vec<Action> {
    let body = Some(text.to_owned());
    vec![Action::FixedResponse(FixedResponse { content_type: None, message_body: body, status_code: "200".to_owned() })]
}

/// A listener whose rules have the priorities 1, 2, 3, …
pub(super) fn listener(rules: Vec<Vec<Condition>>) -> Listener {
    let rule = |(priority, conditions): (u32, Vec<Condition>)| Rule {
        priority,
        conditions: conditions.into(),
        actions: say(&priority.to_string()).into(),
        transforms: [].into(),
        tags: RuleTags::default(),
    };
    Listener {
        port: 80,
        protocol: Protocol::Http,
        default_actions: say("default"),
        certificates: Vec::new(),
        ssl_policy: None,
        mutual_authentication: None,
        attributes: BTreeMap::new(),
        tags: BTreeMap::new(),
        rules: (1..).zip(rules).map(rule).collect(),
    }
}

fn listeners(rules: Vec<Vec<Condition>>) -> BTreeMap<u16, Listener> {
    BTreeMap::from([(80, listener(rules))])
}

fn get(target: &str) -> Request {
    Request::get(80, "www.example.com", target)
}

fn meets(condition: Condition, request: &Request) -> bool {
    let listeners = listeners(vec![vec![condition]]);
    let answer = answer(&listeners, request).unwrap();
    assert!(answer.is_certain());
    answer.rule.is_some()
}

#[test]
fn conditions() {
    let rows = [
        (host(&["www.example.com"]), true),
        (host(&["WWW.Example.COM"]), true),
        (host(&["*.example.com"]), true),
        (host(&["example.com", "*.example.com"]), true),
        (host(&["example.com"]), false),
        (host(&["?.example.com"]), false),
        (host(&["???.example.com"]), true),
        (path(&["/Cart/*"]), true),
        (path(&["/cart/*"]), false),
        (path(&["/Cart/1"]), true),
        (path(&["/Cart/1*"]), true),
        (path(&["/Cart/1?*"]), false),
        (path(&["/Cart"]), false),
        (header("x-env", &["canary"]), true),
        (header("X-ENV", &["CAN*"]), true),
        (header("X-Env", &["blue"]), true),
        (header("X-Env", &["green"]), false),
        (header("X-Other", &["*"]), false),
        (method(&["GET", "HEAD"]), false),
        (method(&["POST"]), true),
        (method(&["post"]), false),
        (query(&[(Some("version"), "v1")]), true),
        (query(&[(Some("VERSION"), "V?")]), true),
        (query(&[(Some("version"), "v2")]), false),
        (query(&[(None, "*am*")]), true),
        (query(&[(None, "v2"), (None, "v1")]), true),
        (query(&[(Some("flag"), "*")]), true),
        (query(&[(Some("q"), r"a\*b")]), true),
        (query(&[(Some("q"), r"a\?b")]), false),
        (query(&[(Some("missing"), "*")]), false),
        (source(&["10.0.0.0/8"]), true),
        (source(&["2001:db8::/32", "10.1.2.3/32"]), true),
        (source(&["192.168.0.0/16", "::/0"]), false),
        (source(&["10.1.2.3"]), false),
    ];
    let request = Request {
        method: "POST".to_owned(),
        headers: [("X-Env", "Blue"), ("x-env", "canary")].map(|(name, value)| (name.into(), value.into())).to_vec(),
        source_ip: Some("10.1.2.3".parse().unwrap()),
        ..get("/Cart/1?version=V1&name=Sam&flag&q=a*b")
    };
    for (condition, expected) in rows {
        assert_eq!(meets(condition.clone(), &request), expected, "{condition:?}");
    }
    let v6 = Request { source_ip: Some("2001:db8::7".parse().unwrap()), ..get("/") };
    assert!(meets(source(&["10.0.0.0/8", "2001:db8::/32"]), &v6));
    assert!(!meets(source(&["0.0.0.0/0"]), &v6));
}

#[test]
fn the_lowest_priority_that_matches_answers() {
    let mut listeners = listeners(vec![
        vec![host(&["api.example.com"]), path(&["/*"])],
        vec![path(&["/a", "/a/*"])],
        vec![path(&["/*"])],
    ]);
    let rule = |listeners: &BTreeMap<u16, Listener>, request: &Request| answer(listeners, request).unwrap().rule;
    assert_eq!(rule(&listeners, &get("/a/b?c=/x")), Some(2));
    assert_eq!(rule(&listeners, &get("/b")), Some(3));
    assert_eq!(rule(&listeners, &Request::get(80, "API.example.com:80", "/a")), Some(1));
    assert_eq!(answer(&listeners, &Request::get(443, "www.example.com", "/")), None);
    listeners.get_mut(&80).unwrap().rules.reverse();
    assert_eq!(rule(&listeners, &get("/a/b")), Some(2), "the order of the list means nothing");
    listeners.get_mut(&80).unwrap().rules.clear();
    let answered = answer(&listeners, &get("/a")).unwrap();
    assert_eq!((answered.rule, answered.actions), (None, say("default").as_slice()));
}

#[test]
fn the_trace_says_why() {
    let listeners = listeners(vec![
        vec![host(&["a.example.com", "b.example.com"]), path(&["/x"])],
        vec![host(&["*.example.com"]), path(&["/x"])],
        vec![Condition::PathPattern(regex(&["^/shop"])), method(&["PUT"])],
        vec![Condition::PathPattern(regex(&["^/shop(?=s)"])), source(&["10.0.0.0/8"])],
        vec![source(&["10.0.0.0/8"])],
        vec![query(&[(Some("a"), "b"), (None, "c")])],
        vec![header("X-Env", &["canary"])],
        vec![path(&["/sh*"])],
        vec![path(&["/*"])],
    ]);
    let answer = answer(&listeners, &get("/shop")).unwrap();
    let trace: Vec<String> = answer.trace.iter().map(ToString::to_string).collect();
    let expected = [
        "1: host a.example.com | b.example.com does not match",
        "2: path /x does not match",
        "3: method PUT does not match",
        "4: path ~^/shop(?=s) may match: AWS may read the regular expression in another way",
        "5: source 10.0.0.0/8 may match: the request does not say where it comes from",
        "6: query a=b | c does not match",
        "7: header X-Env: canary does not match",
        "8: matches",
    ];
    assert_eq!(trace, expected);
    assert_eq!((answer.rule, answer.is_certain()), (Some(8), false));
}

#[test]
fn a_field_that_is_not_known_may_match_or_not() {
    let unknown = || Condition::Unknown { name: "client-mood".to_owned(), values: texts(&["good"]) };
    let rules = vec![vec![unknown(), path(&["/a"])], vec![path(&["/*"])]];
    let kinds = classes(80, &rules.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert_eq!((kinds.all.len(), kinds.complete), (2, true), "{kinds:?}");
    let alone = classes(80, &[&[unknown()], &[unknown()]]);
    let matched: Vec<usize> = alone.all.iter().map(|kind| kind.matches.len()).collect();
    assert_eq!(matched, [0, 2], "in all rules that have it, or in none");
    assert_eq!((super::meets(&rules[0], &get("/a")), super::meets(&rules[0], &get("/b"))), (None, Some(false)));
    let listeners = listeners(rules);
    let answer = answer(&listeners, &get("/a")).unwrap();
    assert_eq!((answer.rule, answer.is_certain()), (Some(2), false));
    let why = "1: client-mood good (unknown field) may match: this version does not know the field";
    assert_eq!(answer.trace[0].to_string(), why);
    assert_eq!(unreachable(&listeners[&80]), []);
}

#[test]
fn what_aws_may_read_in_two_ways_spoils_certainty_only_where_it_counts() {
    let expression = || Condition::HostHeader(regex(&["^WWW"]));
    let encoded = |pattern: &str| vec![vec![path(&[pattern])]];
    let rows = [
        ("/", vec![vec![path(&["/*"])], vec![expression()]], Some(1), true),
        ("/", vec![vec![expression(), path(&["/no"])], vec![path(&["/*"])]], Some(2), true),
        ("/", vec![vec![expression()], vec![path(&["/*"])]], Some(2), false),
        ("/", vec![vec![expression()]], None, false),
        ("/", vec![vec![Condition::HostHeader(regex(&[r"^www\..*$"]))]], Some(1), true),
        ("/", vec![vec![Condition::HostHeader(regex(&["^api"]))]], None, true),
        ("/", vec![vec![Condition::HttpHeader { name: "X".to_owned(), patterns: regex(&["."]) }]], None, true),
        ("/", vec![vec![source(&["0.0.0.0/0", "::/0"])]], Some(1), true),
        ("/a%40b", encoded("/a@b"), None, false),
        ("/a%40b", encoded("/a*b"), Some(1), true),
        ("/a%7eb", encoded("/a~b"), Some(1), true),
        ("/?k=a%2Ab", vec![vec![query(&[(Some("k"), r"a\*b")])]], None, false),
        ("/?k=a%2Ab", vec![vec![query(&[(Some("k"), "a*b")])]], Some(1), true),
        ("/?k=a+b", vec![vec![query(&[(Some("k"), "a b")])]], None, false),
        ("/?k=a%20b", vec![vec![query(&[(Some("q"), "*")])]], None, true),
    ];
    for (target, rules, rule, certain) in rows {
        let listeners = listeners(rules);
        let answer = answer(&listeners, &get(target)).unwrap();
        assert_eq!((answer.rule, answer.is_certain()), (rule, certain), "{target} {:?}", answer.trace);
    }
}

#[test]
fn rules_that_never_get_a_request() {
    type Row = (&'static str, Vec<Vec<Condition>>, Vec<(usize, usize)>);
    let rows: Vec<Row> = vec![
        ("the same twice", vec![vec![path(&["/a"])], vec![path(&["/a"])]], vec![(1, 0)]),
        ("catch-all first", vec![vec![path(&["/*"])], vec![host(&["a.b"])], vec![path(&["/x"])]], vec![(1, 0), (2, 0)]),
        ("catch-all last", vec![vec![path(&["/a"])], vec![path(&["/*"])]], vec![]),
        ("a prefix first", vec![vec![path(&["/a", "/a/*"])], vec![path(&["/a/b", "/a/b/*"])]], vec![(1, 0)]),
        ("one value too many", vec![vec![path(&["/a/*"])], vec![path(&["/a/b", "/c"])]], vec![]),
        ("another host", vec![vec![host(&["a.b"]), path(&["/*"])], vec![host(&["c.d"]), path(&["/*"])]], vec![]),
        ("a wildcard host", vec![vec![host(&["*.B"])], vec![host(&["a.b"]), path(&["/x"])]], vec![(1, 0)]),
        (
            "a host with more conditions first",
            vec![vec![host(&["a.b"]), method(&["GET"])], vec![host(&["a.b"])]],
            vec![],
        ),
        ("fewer methods", vec![vec![method(&["GET", "PUT"])], vec![method(&["GET"])]], vec![(1, 0)]),
        ("a header", vec![vec![header("x", &["a*"])], vec![header("X", &["AB"]), path(&["/"])]], vec![(1, 0)]),
        ("another header", vec![vec![header("x", &["*"])], vec![header("y", &["*"])]], vec![]),
        ("any key", vec![vec![query(&[(None, "a*")])], vec![query(&[(Some("k"), "ab")])]], vec![(1, 0)]),
        ("one key", vec![vec![query(&[(Some("k"), "*")])], vec![query(&[(None, "a")])]], vec![]),
        ("a star as a key", vec![vec![query(&[(Some("*"), "*")])], vec![query(&[(None, "a")])]], vec![(1, 0)]),
        ("a smaller block", vec![vec![source(&["10.0.0.0/8"])], vec![source(&["10.1.0.0/16"])]], vec![(1, 0)]),
        ("a larger block", vec![vec![source(&["10.1.0.0/16"])], vec![source(&["10.0.0.0/8"])]], vec![]),
        ("all IPv4 is not all", vec![vec![source(&["0.0.0.0/0"])], vec![path(&["/a"])]], vec![]),
        ("all addresses", vec![vec![source(&["0.0.0.0/0", "::/0"])], vec![path(&["/a"])]], vec![(1, 0)]),
        (
            "equal regular expressions",
            vec![vec![Condition::PathPattern(regex(&["a", "b"]))], vec![Condition::PathPattern(regex(&["b"]))]],
            vec![(1, 0)],
        ),
        (
            "other regular expressions",
            vec![vec![Condition::PathPattern(regex(&["."]))], vec![Condition::PathPattern(regex(&["b"]))]],
            vec![],
        ),
        (
            "all paths hold a regular expression",
            vec![vec![path(&["*"])], vec![Condition::PathPattern(regex(&["b"]))]],
            vec![(1, 0)],
        ),
        ("the first that covers", vec![vec![path(&["/a*"])], vec![path(&["/*"])], vec![path(&["/ab"])]], vec![(2, 0)]),
        ("no values is no claim", vec![vec![path(&["/a"])], vec![path(&[])]], vec![]),
        ("a path that is none", vec![vec![path(&["/a"])], vec![path(&["a"])]], vec![]),
    ];
    for (name, rules, expected) in rows {
        assert_eq!(unreachable(&listener(rules)), expected, "{name}");
    }
}

#[test]
fn indices_are_places_in_the_list_and_priorities_are_the_order() {
    let mut reversed = listener(vec![vec![path(&["/*"])], vec![path(&["/a"])]]);
    reversed.rules.reverse();
    assert_eq!(unreachable(&reversed), [(0, 1)]);
}

fn pool(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(words), 1..3)
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let pair = (
        prop::option::of(prop::sample::select(vec!["k", "*", "k?", "q"])),
        prop::sample::select(vec!["a", "a*", "*", "?"]),
    );
    prop_oneof![
        pool(&["a.b", "*.b", "*", "A.?", "c.b"]).prop_map(|values| host(&values)),
        pool(&["/", "/*", "*", "/a", "/a/*", "/a*", "/?", "*a"]).prop_map(|values| path(&values)),
        pool(&["a", "a*", "*", "?b"]).prop_map(|values| header("x", &values)),
        pool(&["GET", "PUT"]).prop_map(|values| method(&values)),
        prop::collection::vec(pair, 1..3).prop_map(|pairs| query(&pairs)),
        pool(&["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "::/0", "2001:db8::/32"]).prop_map(|values| source(&values)),
    ]
}

prop_compose! {
    fn any_request()(
        host in prop::sample::select(vec!["a.b", "c.b", "a.c", ""]),
        path in prop::sample::select(vec!["/", "/a", "/A", "/a/", "/a/b", "/b", "/ba"]),
        query in prop::collection::vec((prop::sample::select(vec!["k", "K1", "q"]), prop::sample::select(vec!["a", "ab", "", "b"])), 0..3),
        method in prop::sample::select(vec!["GET", "PUT", "POST"]),
        headers in prop::collection::vec((prop::sample::select(vec!["x", "X", "y"]), prop::sample::select(vec!["a", "AB", ""])), 0..3),
        source in prop::sample::select(vec!["10.1.2.3", "10.2.0.1", "192.0.2.1", "2001:db8::1", "2001:db9::1"]),
    ) -> Request {
        let owned = |pairs: Vec<(&str, &str)>| pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Request {
            method: method.to_owned(),
            query: query.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&"),
            headers: owned(headers),
            source_ip: Some(source.parse::<IpAddr>().unwrap()),
            ..Request::get(80, host, path)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is called unreachable gets no request, and whatever would meet it meets the rule that covers it.
    #[test]
    fn the_unreachable_is_never_reached(
        rules in prop::collection::vec(prop::collection::vec(any_condition(), 0..3), 2..6),
        requests in prop::collection::vec(any_request(), 30),
    ) {
        let listener = listener(rules);
        let covered = unreachable(&listener);
        let listeners = BTreeMap::from([(80, listener.clone())]);
        let router = Router::new(&listeners);
        let meets = |index: usize, request: &Request| {
            let alone = BTreeMap::from([(80, Listener { rules: vec![listener.rules[index].clone()], ..listener.clone() })]);
            Router::new(&alone).decide(request).unwrap().rule.is_some()
        };
        for request in &requests {
            let answer = router.answer(request).unwrap();
            let decision = router.decide(request).unwrap();
            prop_assert_eq!(decision.rule.map(|rule| rule.priority), answer.rule);
            prop_assert_eq!(decision.actions, answer.actions);
            prop_assert!(answer.is_certain() && decision.certain);
            for (index, by) in &covered {
                prop_assert_ne!(answer.rule, Some(listener.rules[*index].priority));
                if meets(*index, request) {
                    prop_assert!(meets(*by, request));
                }
            }
        }
    }
}
