//! Mistakes that people really made, one row each: what is written, and what the answer has to name.

use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{plain, refused, said, services, silent, warned};
use crate::base::Base;
use crate::fixture::{Fixture, SOON};
use crate::objects::{PREFIX, rule};

enum Verdict {
    Refused,
    Warned,
}
use Verdict::{Refused, Warned};

struct Case {
    what: &'static str,
    annotations: Vec<(&'static str, String)>,
    rules: Value,
    verdict: Verdict,
    facts: Vec<String>,
}

fn case(what: &'static str, annotations: &[(&'static str, &str)], verdict: Verdict, facts: &[&str]) -> Case {
    Case {
        what,
        annotations: annotations.iter().map(|&(key, value)| (key, value.to_owned())).collect(),
        rules: plain(),
        verdict,
        facts: facts.iter().map(|&fact| fact.to_owned()).collect(),
    }
}

impl Case {
    fn rules(mut self, rules: Value) -> Self {
        self.rules = rules;
        self
    }
}

const ELSEWHERE: &str = "arn:aws:acm:ap-southeast-2:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab";

fn cases(region: &str) -> Vec<Case> {
    let annotated = json!([{"http": {"paths": [{"path": "/", "pathType": "Prefix",
        "backend": {"service": {"name": "jump", "port": {"name": "use-annotation"}}}}]}}]);
    let to = |name: &str, path: &str, kind: &str| json!([rule(None, &[(path, kind, name, 80)])]);
    let twice = format!("arn:arn:aws:acm:{region}:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab");
    let empty = r#"[{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "X", "values": []}}]"#;
    vec![
        case(
            "keys in camel case",
            &[("listenPorts", r#"[{"HTTP": 80}]"#), ("targetType", "ip"), ("sslPolicy", "x")],
            Refused,
            &["listenPorts", "`listen-ports`", "targetType", "`target-type`", "sslPolicy", "`ssl-policy`"],
        ),
        case("target type pod", &[("target-type", "pod")], Refused, &["\"pod\"", "ip (pods", "instance (nodes"]),
        case(
            "instance before a ClusterIP Service",
            &[],
            Refused,
            &["inner", "ClusterIP", "target-type: ip", "NodePort", "default"],
        )
        .rules(to("inner", "/", "Prefix")),
        case("a Service that is not there", &[], Warned, &["wbe", "503", "web"]).rules(to("wbe", "/", "Prefix")),
        case(
            "a certificate of another region",
            &[("certificate-arn", ELSEWHERE)],
            Refused,
            &["ap-southeast-2", region],
        ),
        case("an ARN that begins twice", &[("certificate-arn", &twice)], Refused, &["arn:arn:", "twice"]),
        case(
            "an action that is a port",
            &[("actions.ssl-redirect", "443")],
            Refused,
            &["actions.ssl-redirect", "JSON", "ssl-redirect: \"443\""],
        ),
        case(
            "an action that is not written",
            &[("actions.jmp", r#"{"type": "fixed-response", "fixedResponseConfig": {"statusCode": "200"}}"#)],
            Refused,
            &["spec.rules[0].http.paths[0]", "actions.jump", "jmp"],
        )
        .rules(annotated),
        case(
            "a condition without values",
            &[("conditions.web", empty)],
            Refused,
            &["/0/httpHeaderConfig", "conditions.web"],
        ),
        case(
            "a wildcard with Prefix",
            &[],
            Refused,
            &["spec.rules[0].http.paths[0].path", "path: / with pathType: Prefix", "pathType: ImplementationSpecific"],
        )
        .rules(to("web", "/*", "Prefix")),
        case(
            "an attribute that is nearly one",
            &[("load-balancer-attributes", "deletion_protection.enable=true")],
            Refused,
            &["deletion_protection.enable", "deletion_protection.enabled"],
        ),
    ]
}

pub async fn mistakes_are_named(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "mistakes", &[]).await?;
    services(&fixture).await?;
    let mut wrong = Vec::new();
    for case in cases(&fixture.scope.region) {
        let annotations: Vec<(&str, &str)> =
            case.annotations.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let ingress = fixture.ingress("mistaken", &annotations, &case.rules);
        // Not a dry run: what is refused must not be stored, and what is warned of must be.
        let out = fixture.try_apply(&[ingress], &[]).await?;
        let facts: Vec<&str> = case.facts.iter().map(String::as_str).collect();
        let outcome = match case.verdict {
            Refused => refused(case.what, &out, &facts),
            Warned => warned(case.what, &out, &facts),
        };
        wrong.extend(outcome.err().map(|error| format!("{error:#}")));
        fixture.kubectl(&["delete", "ingress", "mistaken", "--ignore-not-found", "--timeout=60s"]).await?;
    }
    ensure!(wrong.is_empty(), "{} cases are not as they should be:\n{}", wrong.len(), wrong.join("\n"));
    fixture.close().await
}

/// All of it in one object: every mistake is told at once, each by its own path.
pub async fn all_mistakes_at_once(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "at-once", &[]).await?;
    services(&fixture).await?;
    let annotations = [
        ("scheme", "public"),
        ("target-type", "pod"),
        ("listen-ports", "[{\"TCP\": 80}]"),
        ("healthcheck-interval-seconds", "15s"),
        ("certificate-arn", ELSEWHERE),
        ("sslPolicy", "x"),
    ];
    let rules = json!([rule(None, &[("/*", "Prefix", "web", 80), ("/a*", "Exact", "web", 80)])]);
    let out = fixture.try_apply(&[fixture.ingress("many", &annotations, &rules)], &[]).await?;
    let paths =
        ["scheme", "target-type", "listen-ports", "healthcheck-interval-seconds", "certificate-arn", "sslPolicy"];
    let paths = paths.map(|key| format!("metadata.annotations[{PREFIX}{key}]: "));
    let mut facts: Vec<&str> = paths.iter().map(String::as_str).collect();
    facts.extend(["spec.rules[0].http.paths[0].path: ", "spec.rules[0].http.paths[1].path: "]);
    refused("an Ingress with eight mistakes", &out, &facts)?;
    ensure!(said(&out).lines().filter(|line| line.starts_with("* ")).count() == facts.len(), "{}", said(&out));
    let stored = fixture.kubectl(&["get", "ingress", "-o", "name"]).await?;
    ensure!(stored.is_empty(), "it was stored: {stored}");
    fixture.close().await
}

/// Members of one load balancer that do not go together.
pub async fn siblings_must_agree(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "siblings").await?;
    let certificate = fixture.scope.emulator().certificate(&fixture.scope.region, &["*.example.com"]).await?;
    fixture.start().await?;
    fixture.register().await?;
    services(&fixture).await?;
    let group = fixture.scope.group.as_str();
    let member = |name: &str, scheme: &str, policy: &str| {
        let annotations = [
            ("group.name", group),
            ("scheme", scheme),
            ("target-type", "ip"),
            ("certificate-arn", certificate.as_str()),
            ("ssl-policy", policy),
        ];
        fixture.ingress(name, &annotations, &plain())
    };
    let (old, new) = ("ELBSecurityPolicy-2016-08", "ELBSecurityPolicy-TLS13-1-2-2021-06");
    silent("the first member", &fixture.try_apply(&[member("first", "internet-facing", old)], &[]).await?)?;
    fixture.hostname("first").await?;

    let namespace = fixture.scope.namespace.as_str();
    let both = [format!("{namespace}/first"), format!("{namespace}/second")];
    let out = fixture.try_apply(&[member("second", "internet-facing", new)], &[]).await?;
    refused("another TLS policy on one port", &out, &[&both[0], "second", old, new, "443"])?;

    let out = fixture.try_apply(&[member("second", "internal", old)], &[]).await?;
    refused("another scheme", &out, &[&both[0], "internal", "internet-facing", "scheme"])?;

    let out = fixture.try_apply(&[member("second", "internet-facing", old)], &[]).await?;
    warned("a second member that agrees, with the first one's rule", &out, &["ALB110", &both[0]])?;
    let out = fixture.try_apply(&[member("first", "internet-facing", new)], &[]).await?;
    refused("an edit against the second member", &out, &[&both[1], old, new])?;
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    fixture.close().await
}

/// Another scheme is another load balancer, with another name: not without a word.
pub async fn a_replacement_has_to_be_meant(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "replacement", &[]).await?;
    services(&fixture).await?;
    let of = |scheme: &str, meant: &[(&'static str, &'static str)]| {
        let mut annotations = vec![("scheme", scheme), ("target-type", "ip")];
        annotations.extend_from_slice(meant);
        fixture.ingress("web", &annotations, &plain())
    };
    fixture.apply(&[of("internal", &[])]).await?;
    let name = fixture.hostname("web").await?;
    let out = fixture.try_apply(&[of("internet-facing", &[])], &[]).await?;
    refused("another scheme", &out, &["ALB301", &name, "internal", "internet-facing", "albedo.dev/allow-replacement"])?;
    let meant = [("albedo.dev/allow-replacement", "true")];
    let out = fixture.try_apply(&[of("internet-facing", &meant)], &[]).await?;
    warned("another scheme that is meant", &out, &["ALB301"])?;
    eventually("another load balancer", SOON, async || Ok((fixture.hostname("web").await? != name).then_some(())))
        .await?;
    fixture.quiet().await?;
    let balancers = fixture.state().await?.load_balancers;
    ensure!(
        balancers.len() == 1 && balancers.iter().all(|lb| lb.scheme.as_deref() == Some("internet-facing")),
        "{balancers:?}"
    );
    fixture.kubectl(&["delete", "ingress", "web", "--timeout=60s"]).await?;
    fixture.close().await
}
