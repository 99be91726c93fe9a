//! Examples of AWS's documentation, each with its page, as requests over the wire: which of them a condition takes, and what an action answers.

use serde_json::{Value, json};

use crate::client::send;
use crate::stage::{Stage, fixed, run};

const PAGES: &str = "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/";

/// A request: method, host, path with query, headers.
type Sent = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

struct Example {
    page: &'static str,
    condition: Value,
    takes: Vec<Sent>,
    leaves: Vec<Sent>,
}

fn at(host: &'static str) -> Sent {
    ("GET", host, "/", &[])
}

fn to(path: &'static str) -> Sent {
    ("GET", "www.example.com", path, &[])
}

const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0";

fn conditions() -> Vec<Example> {
    vec![
        Example {
            page: "rule-condition-types.html#host-conditions",
            condition: json!({"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}}),
            takes: vec![at("test.example.com"), at("TEST.Example.COM"), at("a.b.example.com")],
            leaves: vec![at("example.com"), at("example.org"), at("test.example.com.org")],
        },
        Example {
            page: "rule-condition-types.html#path-conditions",
            condition: json!({"Field": "path-pattern", "PathPatternConfig": {"Values": ["/img/*"]}}),
            // The path alone counts, and its letters' case does.
            takes: vec![to("/img/picture.jpg"), to("/img/"), to("/img/a/b?x=1")],
            leaves: vec![to("/img"), to("/IMG/picture.jpg"), to("/other?x=/img/picture.jpg")],
        },
        Example {
            page: "rule-condition-types.html#path-conditions",
            condition: json!({"Field": "path-pattern", "PathPatternConfig": {"Values": ["/img/*/pics"]}}),
            takes: vec![to("/img/2026/pics"), to("/img/a/b/pics")],
            leaves: vec![to("/img/pics"), to("/img/2026/pics/1")],
        },
        Example {
            page: "rule-condition-types.html#http-header-conditions",
            condition: json!({"Field": "http-header", "HttpHeaderConfig": {
                "HttpHeaderName": "User-Agent", "Values": ["*Chrome*", "*Safari*"]}}),
            takes: vec![
                ("GET", "www.example.com", "/", &[("user-agent", CHROME)]),
                ("GET", "www.example.com", "/", &[("USER-AGENT", "x safari y")]),
            ],
            leaves: vec![("GET", "www.example.com", "/", &[("user-agent", "curl/8.9")]), to("/")],
        },
        Example {
            page: "rule-condition-types.html#http-request-method-conditions",
            condition: json!({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["CUSTOM-METHOD"]}}),
            takes: vec![("CUSTOM-METHOD", "www.example.com", "/", &[])],
            // Methods are compared with their case, and without wildcards.
            leaves: vec![("custom-method", "www.example.com", "/", &[]), to("/")],
        },
        Example {
            page: "rule-condition-types.html#query-string-conditions",
            condition: json!({"Field": "query-string", "QueryStringConfig": {
                "Values": [{"Key": "version", "Value": "v1"}, {"Value": "*example*"}]}}),
            takes: vec![to("/?version=v1"), to("/?VERSION=V1"), to("/?a=1&b=an-example-of-it")],
            leaves: vec![to("/?version=v2"), to("/?example=1"), to("/example"), to("/")],
        },
        Example {
            page: "rule-condition-types.html#source-ip-conditions",
            condition: json!({"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24", "198.51.100.10/32"]}}),
            takes: vec![],
            // X-Forwarded-For says nothing of who the client is.
            leaves: vec![to("/"), ("GET", "www.example.com", "/", &[("x-forwarded-for", "192.0.2.7")])],
        },
    ]
}

#[test]
fn conditions_take_what_the_documentation_says() {
    run(async {
        let stage = Stage::new().await;
        let balancer = stage.balancer("examples").await;
        let examples = conditions();
        for (port, example) in (8000..).zip(&examples) {
            let listener = stage.listener(&balancer, port, fixed("404", "left")).await;
            stage.rule(&listener, 1, json!([example.condition]), json!([fixed("200", "taken")])).await;
        }
        for (port, example) in (8000..).zip(&examples) {
            let served = stage.served("examples", port).await;
            for (sent, word) in
                example.takes.iter().map(|sent| (sent, "taken")).chain(example.leaves.iter().map(|sent| (sent, "left")))
            {
                let (method, host, path, headers) = sent;
                let answer = send(served, host, method.parse().unwrap(), path, headers, "").await;
                assert_eq!(answer.text(), word, "{sent:?} and {}, {PAGES}{}", example.condition, example.page);
            }
        }
    });
}

/// A redirect of the documentation, a request, and where it is sent.
type Redirect = (&'static str, Value, &'static str, &'static str);

#[test]
fn actions_answer_what_the_documentation_says() {
    run(async {
        let stage = Stage::new().await;
        let balancer = stage.balancer("actions").await;
        let page = "rule-action-types.html#redirect-actions";
        let redirects: [Redirect; 4] = [
            // HTTPS, another port, and host, path and query as they are.
            (
                page,
                json!({"Protocol": "HTTPS", "Port": "40443", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}", "StatusCode": "HTTP_301"}),
                "/a/b?c=d",
                "https://www.example.com:40443/a/b?c=d",
            ),
            (
                page,
                json!({"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}),
                "/",
                "https://www.example.com:443/",
            ),
            // A part of its own, and one of the request.
            (
                page,
                json!({"Protocol": "HTTPS", "Port": "443", "Path": "/new/#{path}", "StatusCode": "HTTP_302"}),
                "/old?x=1",
                "https://www.example.com:443/new/old?x=1",
            ),
            (
                page,
                json!({"Protocol": "HTTPS", "Port": "443", "Host": "example.org", "Query": "#{query}&value=xyz", "StatusCode": "HTTP_302"}),
                "/p?x=1",
                "https://example.org:443/p?x=1&value=xyz",
            ),
        ];
        for (port, (_, config, ..)) in (8000..).zip(&redirects) {
            stage.listener(&balancer, port, json!({"Type": "redirect", "RedirectConfig": config})).await;
        }
        stage.listener(&balancer, 8100, fixed("200", "Hello world")).await;
        for (port, (page, config, path, location)) in (8000..).zip(&redirects) {
            let served = stage.served("actions", port).await;
            let answer = send(served, "www.example.com", hyper::Method::GET, path, &[], "").await;
            let status = if config["StatusCode"] == "HTTP_301" { 301 } else { 302 };
            assert_eq!((answer.status, answer.header("location")), (status, *location), "{PAGES}{page}");
        }
        let served = stage.served("actions", 8100).await;
        let answer = send(served, "www.example.com", hyper::Method::GET, "/", &[], "").await;
        let kind = answer.header("content-type").split(';').next();
        let given = (answer.status, kind, answer.text());
        assert_eq!(
            given,
            (200, Some("text/plain"), "Hello world"),
            "{PAGES}rule-action-types.html#fixed-response-actions"
        );
    });
}
