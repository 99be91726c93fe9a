//! The table of edits that are made under load: each way of editing rules that `engine/tests/plans` has, and what may happen meanwhile.
//!
//! Not here, because they promise nothing to requests: another scheme (only one load balancer can have the name, the old one goes first), the last
//! member leaves, a protocol of a listener for those who ask that listener, a full quota of rules, and what somebody deleted by hand.

use serde_json::{Value, json};

use super::Course;
use crate::objects::rule;

/// One edit, and what each kind of request gets before and after it.
pub struct Row {
    pub name: &'static str,
    /// All Ingresses that there are before.
    pub before: Vec<Value>,
    /// All that there are after: others are deleted.
    pub after: Vec<Value>,
    pub meanwhile: Meanwhile,
    /// URL, what is right before, what is right after. While the edit is carried out both are.
    pub asks: Vec<(&'static str, &'static str, &'static str)>,
}

/// What happens to Albedo during the edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    Nothing,
    /// It is killed after its second write and started again.
    Killed,
    /// Its first write has been carried out when it stands still; another replica takes over.
    Replaced,
}

type Path = (&'static str, &'static str, &'static str, u16);

const ROOT: Path = ("/", "Prefix", "web", 80);
const AA: Path = ("/aa", "Exact", "web", 80);
const B: Path = ("/b", "Exact", "api", 8000);
const X: Path = ("/x", "Exact", "api", 8000);
const NEW: Path = ("/new", "Exact", "api", 8000);

const HTTP: (&str, &str) = ("listen-ports", r#"[{"HTTP": 80}]"#);
const BOTH: (&str, &str) = ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);
const REDIRECT: (&str, &str) = ("ssl-redirect", "443");
/// Nobody listens, or somebody without rules yet.
const NOBODY: &str = "refused or 404";

struct Table<'c> {
    course: &'c Course,
    rows: Vec<Row>,
}

impl Table<'_> {
    /// A member whose rules are for one host.
    fn member(&self, name: &str, host: &str, pairs: &[(&str, &str)], paths: &[Path]) -> Value {
        let shared = [("group.name", self.course.fixture.scope.group.as_str()), ("scheme", "internet-facing")];
        let mut all: Vec<(&str, &str)> = shared.to_vec();
        if pairs.iter().all(|(key, _)| *key != "target-type") {
            all.push(("target-type", "ip"));
        }
        all.extend_from_slice(pairs);
        self.course.fixture.ingress(name, &all, &json!([rule(Some(host), paths)]))
    }

    fn one(&self, pairs: &[(&str, &str)], paths: &[Path]) -> Value {
        self.member("one", "a.example.com", pairs, paths)
    }

    fn two(&self, pairs: &[(&str, &str)], paths: &[Path]) -> Value {
        self.member("two", "b.example.com", pairs, paths)
    }

    fn row(
        &mut self,
        name: &'static str,
        before: Vec<Value>,
        after: Vec<Value>,
        asks: &[(&'static str, &'static str, &'static str)],
    ) {
        self.rows.push(Row { name, before, after, meanwhile: Meanwhile::Nothing, asks: asks.to_vec() });
    }

    /// The row, and the way back.
    fn both_ways(
        &mut self,
        [name, back]: [&'static str; 2],
        before: Vec<Value>,
        after: Vec<Value>,
        asks: &[(&'static str, &'static str, &'static str)],
    ) {
        self.row(name, before.clone(), after.clone(), asks);
        let turned: Vec<_> = asks.iter().map(|(url, before, after)| (*url, *after, *before)).collect();
        self.row(back, after, before, &turned);
    }

    fn meanwhile(&mut self, meanwhile: Meanwhile) {
        if let Some(row) = self.rows.last_mut() {
            row.meanwhile = meanwhile;
        }
    }
}

pub fn rows(course: &Course) -> Vec<Row> {
    let mut table = Table { course, rows: Vec::new() };
    table.paths();
    table.members();
    table.actions();
    table.targets();
    table.listeners();
    table.certificates();
    table.albedo();
    table.rows
}

impl Table<'_> {
    fn paths(&mut self) {
        let of = |table: &Self, paths: &[Path]| vec![table.one(&[], paths)];
        let (short, long) = (of(self, &[AA, B]), of(self, &[AA, B, ROOT]));
        let kept = [("http://a.example.com/aa", "web", "web"), ("http://a.example.com/b", "api", "api")];
        let last = [&kept[..], &[("http://a.example.com/other", "404", "web")]].concat();
        self.row("a path at the end", short.clone(), long, &last);
        let first = of(self, &[("/longest", "Exact", "api", 8000), AA, B]);
        let asks = [&kept[..], &[("http://a.example.com/longest", "404", "api")]].concat();
        self.both_ways(["a path at the beginning", "it goes"], short.clone(), first, &asks);
        let others = of(self, &[("/three", "Exact", "web", 80), ("/four", "Exact", "api", 8000)]);
        let asks = [
            ("http://a.example.com/aa", "web", "404"),
            ("http://a.example.com/b", "api", "404"),
            ("http://a.example.com/three", "404", "web"),
            ("http://a.example.com/four", "404", "api"),
        ];
        self.row("two paths become others", short, others, &asks);
    }

    fn members(&mut self) {
        let order = |table: &Self, first: &str, second: &str| {
            let guest = table.member("two", "a.example.com", &[("group.order", second)], &[X]);
            vec![table.one(&[("group.order", first)], &[ROOT]), guest]
        };
        let asks = [("http://a.example.com/x", "web", "api"), ("http://a.example.com/other", "web", "web")];
        self.row("two members change places", order(self, "1", "2"), order(self, "2", "1"), &asks);
        let (alone, both) = {
            let host = self.one(&[("group.order", "2")], &[ROOT]);
            (vec![host.clone()], vec![host, self.two(&[("group.order", "1")], &[("/", "Prefix", "api", 8000)])])
        };
        let asks = [("http://a.example.com/", "web", "web"), ("http://b.example.com/", "404", "api")];
        self.both_ways(["a member joins", "it leaves"], alone, both.clone(), &asks);
        // Another policy for unequal attributes of one load balancer: a conflict, of which the edited one is at fault.
        let idle = |seconds: &str| format!("idle_timeout.timeout_seconds={seconds}");
        let (own, other) = (idle("60"), idle("90"));
        let before = vec![
            self.one(&[("group.order", "2"), ("load-balancer-attributes", &own)], &[ROOT]),
            self.two(&[("group.order", "1")], &[("/", "Prefix", "api", 8000)]),
        ];
        let after = vec![
            self.one(&[("group.order", "2"), ("load-balancer-attributes", &own)], &[NEW, ROOT]),
            self.two(
                &[("group.order", "1"), ("load-balancer-attributes", &other)],
                &[("/moved", "Prefix", "api", 8000)],
            ),
        ];
        let asks = [
            ("http://a.example.com/new", "web", "api"),
            ("http://a.example.com/", "web", "web"),
            ("http://b.example.com/", "api", "api"),
            ("http://b.example.com/moved", "api", "api"),
        ];
        self.row("a member is quarantined while another is edited", before, after, &asks);
    }

    fn actions(&mut self) {
        let to =
            |table: &Self, service: &'static str, port: u16| vec![table.one(&[], &[("/", "Prefix", service, port)])];
        let asks = [("http://a.example.com/", "web", "api")];
        self.row("another Service behind a path", to(self, "web", 80), to(self, "api", 8000), &asks);
        let shares = |web: u16, api: u16| {
            json!({"type": "forward", "forwardConfig": {"targetGroups": [
                {"serviceName": "web", "servicePort": 80, "weight": web}, {"serviceName": "api", "servicePort": 8000, "weight": api}]}})
            .to_string()
        };
        let split = |table: &Self, web: u16, api: u16| {
            let mut one = table.one(&[("actions.split", &shares(web, api))], &[ROOT]);
            one["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"] =
                json!({"name": "split", "port": {"name": "use-annotation"}});
            vec![one]
        };
        self.row("all weight goes to another Service", split(self, 1, 0), split(self, 0, 1), &asks);
        let when = |table: &Self, value: &str| {
            let condition =
                json!([{"field": "query-string", "queryStringConfig": {"values": [{"key": "x", "value": value}]}}])
                    .to_string();
            vec![table.one(&[("conditions.api", &condition)], &[("/", "Prefix", "api", 8000), ROOT])]
        };
        let asks = [
            ("http://a.example.com/?x=1", "api", "web"),
            ("http://a.example.com/?x=2", "web", "api"),
            ("http://a.example.com/", "web", "web"),
        ];
        self.row("a condition gets another value", when(self, "1"), when(self, "2"), &asks);
    }

    fn targets(&mut self) {
        let of = |table: &Self, kind: &str| vec![table.one(&[("target-type", kind)], &[B, ROOT])];
        let asks = [("http://a.example.com/", "web", "web"), ("http://a.example.com/b", "api", "api")];
        let names = ["targets become nodes", "targets become Pods"];
        self.both_ways(names, of(self, "ip"), of(self, "instance"), &asks);
        let checked = |table: &Self, path: &str| vec![table.one(&[("healthcheck-path", path)], &[B, ROOT])];
        self.row("another path of health checks", checked(self, "/one"), checked(self, "/two"), &asks);
    }

    fn listeners(&mut self) {
        let certificate = ("certificate-arn", self.course.certificates[0].as_str());
        let of = |table: &Self, pairs: &[(&str, &str)]| vec![table.one(pairs, &[B, ROOT])];
        let (plain, both, away) =
            (of(self, &[HTTP]), of(self, &[BOTH, certificate]), of(self, &[BOTH, certificate, REDIRECT]));
        let (http, https) = ("http://a.example.com/", "https://a.example.com/");
        let asks = [(http, "web", "web"), (https, NOBODY, "web")];
        self.row("a listener is added", plain.clone(), both.clone(), &asks);
        let redirected = "https://a.example.com:443/";
        let names = ["HTTP becomes a redirect", "it serves again"];
        self.both_ways(names, both.clone(), away.clone(), &[(http, "web", redirected), (https, "web", "web")]);
        self.row("a listener is removed", both, plain.clone(), &[(http, "web", "web"), (https, "web", NOBODY)]);
        let asks = [(http, "web", redirected), (https, NOBODY, "web")];
        self.row("HTTP alone becomes a redirect to HTTPS", plain, away, &asks);
        let on = |table: &Self, ports: &str| of(table, &[("listen-ports", ports), certificate]);
        let (http_too, https_too) = (r#"[{"HTTP": 80}, {"HTTP": 8443}]"#, r#"[{"HTTP": 80}, {"HTTPS": 8443}]"#);
        self.row("a neighbour's protocol changes", on(self, http_too), on(self, https_too), &[(http, "web", "web")]);
    }

    fn certificates(&mut self) {
        let with = |table: &Self, numbers: &[usize]| {
            let arns: Vec<&str> = numbers.iter().map(|number| table.course.certificates[*number].as_str()).collect();
            vec![table.one(&[BOTH, ("certificate-arn", &arns.join(","))], &[B, ROOT])]
        };
        let asks = [("https://a.example.com/", "web", "web"), ("https://a.example.com/b", "api", "api")];
        self.row("one certificate more", with(self, &[0]), with(self, &[0, 1]), &asks);
        self.row("another default certificate", with(self, &[0, 1]), with(self, &[2, 1]), &asks);
        self.row("one certificate less", with(self, &[2, 1]), with(self, &[2]), &asks);
    }

    fn albedo(&mut self) {
        let before = vec![self.one(&[], &[AA, B])];
        let moved: [Path; 3] = [NEW, ("/aa", "Exact", "api", 8000), ("/b", "Exact", "web", 80)];
        let after = vec![self.one(&[], &moved), self.two(&[], &[ROOT])];
        let asks = [
            ("http://a.example.com/aa", "web", "api"),
            ("http://a.example.com/b", "api", "web"),
            ("http://a.example.com/new", "404", "api"),
            ("http://b.example.com/", "404", "web"),
        ];
        self.row("Albedo is killed and started again", before.clone(), after.clone(), &asks);
        self.meanwhile(Meanwhile::Killed);
        self.row("another replica takes over", before, after, &asks);
        self.meanwhile(Meanwhile::Replaced);
    }
}
