//! What answers over the wire is what the engine's model says: 10,000 requests to random rules.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use albedo_chance::Chance;
use albedo_engine::stack::{Action, Condition, FixedResponse, Listener, Patterns, Protocol, QueryPair, Rule};
use albedo_engine::traffic;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::stage::{Stage, fixed, run};

const LISTENERS: u16 = 40;
const RULES: usize = 8;
const REQUESTS: usize = 250;

const HOSTS: [&str; 7] =
    ["a.example.com", "A.Example.com", "b.example.com", "x.a.example.com", "example.com", "a.example.org", "127.0.0.1"];
const HOST_PATTERNS: [&str; 6] =
    ["a.example.com", "*.example.com", "?.example.com", "*.example.???", "b.EXAMPLE.com", "*.com"];
const PATHS: [&str; 14] = [
    "/",
    "/a",
    "/A",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/b",
    "/a/../b",
    "/./a",
    "/%61",
    "/a%2Fb",
    "/a//b",
    "/img/x.png",
    "/a.b",
];
const PATH_PATTERNS: [&str; 9] = ["/", "/a", "/a/*", "/*", "/?", "/b*", "*.png", "/a/b/?", "/img/*.png"];
const METHODS: [&str; 4] = ["GET", "POST", "DELETE", "PURGE"];
const QUERIES: [&str; 9] = ["", "k=v", "k=V", "K=v", "k=w", "v", "k=v&l=m", "l=m&k=w", "k=v%20w"];
const HEADERS: [(&str, &str); 6] = [
    ("x-env", "prod"),
    ("X-Env", "PROD"),
    ("x-env", "staging"),
    ("x-user", "1"),
    ("x-user", "22"),
    ("accept", "text/html"),
];
const SOURCES: [&str; 4] = ["127.0.0.0/8", "127.0.0.1/32", "10.0.0.0/8", "127.0.0.2/32"];

fn pattern(chance: &mut Chance, from: &[&str]) -> Patterns {
    let mut values: Vec<String> = (0..=chance.below(2)).map(|_| (*chance.pick(from)).to_owned()).collect();
    // AWS refuses values that come twice.
    values.sort_unstable();
    values.dedup();
    Patterns { values, regex_values: Vec::new() }
}

fn condition(chance: &mut Chance, kind: usize) -> Condition {
    match kind {
        0 => Condition::HostHeader(pattern(chance, &HOST_PATTERNS)),
        1 if chance.one_in(4) => {
            let regex = (*chance.pick(&["^/a/.*$", "^/(?:a|b)$", "/img"])).to_owned();
            Condition::PathPattern(Patterns { values: Vec::new(), regex_values: vec![regex] })
        }
        1 => Condition::PathPattern(pattern(chance, &PATH_PATTERNS)),
        2 => Condition::HttpRequestMethod { values: vec![(*chance.pick(&METHODS)).to_owned()] },
        3 => {
            let (name, value) = chance.pick(&HEADERS);
            let value = if chance.one_in(3) { format!("{}*", &value[..1]) } else { (*value).to_owned() };
            Condition::HttpHeader {
                name: (*name).to_owned(),
                patterns: Patterns { values: vec![value], regex_values: Vec::new() },
            }
        }
        4 => {
            let key = (!chance.one_in(3)).then(|| (*chance.pick(&["k", "l"])).to_owned());
            let value = (*chance.pick(&["v", "w", "m", "?", "v*"])).to_owned();
            Condition::QueryString { values: vec![QueryPair { key, value }] }
        }
        _ => Condition::SourceIp { values: vec![(*chance.pick(&SOURCES)).to_owned()] },
    }
}

/// The same as AWS's API takes it.
fn said(condition: &Condition) -> Value {
    let config = |patterns: &Patterns| match patterns.regex_values.is_empty() {
        true => json!({"Values": patterns.values}),
        false => json!({"RegexValues": patterns.regex_values}),
    };
    match condition {
        Condition::HostHeader(patterns) => json!({"Field": "host-header", "HostHeaderConfig": config(patterns)}),
        Condition::PathPattern(patterns) => json!({"Field": "path-pattern", "PathPatternConfig": config(patterns)}),
        Condition::HttpRequestMethod { values } => {
            json!({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": values}})
        }
        Condition::HttpHeader { name, patterns } => json!({
            "Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": patterns.values}}),
        Condition::QueryString { values } => {
            let pair = |pair: &QueryPair| match &pair.key {
                Some(key) => json!({"Key": key, "Value": pair.value}),
                None => json!({"Value": pair.value}),
            };
            let values: Vec<Value> = values.iter().map(pair).collect();
            json!({"Field": "query-string", "QueryStringConfig": {"Values": values}})
        }
        Condition::SourceIp { values } => json!({"Field": "source-ip", "SourceIpConfig": {"Values": values}}),
        Condition::Unknown { .. } => panic!("not generated"),
    }
}

fn listener(port: u16, chance: &mut Chance) -> Listener {
    let answer = FixedResponse { content_type: None, message_body: None, status_code: "200".to_owned() };
    let actions = vec![Action::FixedResponse(answer)];
    let rules = (0..RULES).map(|_| {
        let mut kinds: Vec<usize> = (0..=chance.below(2)).map(|_| chance.below(6)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Rule {
            priority: u32::try_from(1 + chance.below(50_000)).unwrap(),
            conditions: kinds.into_iter().map(|kind| condition(chance, kind)).collect(),
            actions: actions.clone().into(),
            transforms: Vec::new().into(),
            tags: BTreeMap::new().into(),
        }
    });
    let mut rules: Vec<Rule> = rules.collect();
    rules.sort_by_key(|rule| rule.priority);
    rules.dedup_by_key(|rule| rule.priority);
    Listener {
        port,
        protocol: Protocol::Http,
        default_actions: actions,
        certificates: Vec::new(),
        ssl_policy: None,
        mutual_authentication: None,
        attributes: BTreeMap::new(),
        tags: BTreeMap::new(),
        rules,
    }
}

#[test]
fn the_rule_that_answers_is_the_one_that_the_model_says() {
    run(async {
        let stage = Stage::new().await;
        stage.emulator.quotas(&stage.region, &json!({"rules": 1000, "listeners": 100})).await.unwrap();
        let balancer = stage.balancer("model").await;
        let mut chance = Chance::of_run(0);
        let mut listeners: BTreeMap<u16, Listener> = BTreeMap::new();
        for port in 8000..8000 + LISTENERS {
            let listener = listener(port, &mut chance);
            let arn = stage.listener(&balancer, port, fixed("200", "default")).await;
            for rule in &listener.rules {
                let conditions: Vec<Value> = rule.conditions.iter().map(said).collect();
                stage.rule(&arn, rule.priority, json!(conditions), json!([fixed("200", "rule")])).await;
            }
            listeners.insert(port, listener);
        }
        stage.served("model", 8000).await;
        let (mut by_rule, mut uncertain) = (0, 0);
        for port in listeners.keys() {
            let at = stage.served("model", *port).await;
            let (rules, doubts) = compare(at, *port, &listeners, &mut chance).await;
            by_rule += rules;
            uncertain += doubts;
        }
        // The test is worth something if rules and the default both answer often.
        assert!((2_000..9_000).contains(&by_rule), "{by_rule} of 10,000 by a rule");
        assert!(uncertain < 2_000, "{uncertain} of 10,000 uncertain");
    });
}

async fn compare(
    at: SocketAddr,
    port: u16,
    listeners: &BTreeMap<u16, Listener>,
    chance: &mut Chance,
) -> (usize, usize) {
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (mut by_rule, mut uncertain) = (0, 0);
    for _ in 0..REQUESTS {
        let (host, path, query) = (*chance.pick(&HOSTS), *chance.pick(&PATHS), *chance.pick(&QUERIES));
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let method = *chance.pick(&METHODS);
        let headers: Vec<(&str, &str)> = (0..chance.below(3)).map(|_| *chance.pick(&HEADERS)).collect();
        let mut request = hyper::Request::builder().method(method).uri(&target).header("host", host);
        let mut model = traffic::Request::get(port, host, &target);
        model.method = method.to_owned();
        model.source_ip = Some(IpAddr::from([127, 0, 0, 1]));
        for (name, value) in headers {
            request = request.header(name, value);
            model.headers.push((name.to_owned(), value.to_owned()));
        }
        sender.ready().await.unwrap();
        let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let told = answer.headers()["x-albedo-rule"].to_str().unwrap().to_owned();
        answer.into_body().collect().await.unwrap();
        let said = traffic::answer(listeners, &model).unwrap();
        let expected = said.rule.map_or_else(|| "default".to_owned(), |priority| priority.to_string());
        assert_eq!(told, expected, "{model}\n{:#?}", listeners[&port].rules);
        by_rule += usize::from(said.rule.is_some());
        uncertain += usize::from(!said.is_certain());
    }
    (by_rule, uncertain)
}
