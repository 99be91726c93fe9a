//! What users write, key by key.

use super::*;
use crate::annotation::Scope;
use crate::annotation::catalogue::{every_row, row, rows};
use proptest::prelude::*;

fn first(key: &str, raw: &str) -> String {
    check(row(key).unwrap(), raw).first().map(|error| error.message.clone()).unwrap_or_default()
}

#[test]
fn every_example_and_default_passes() {
    for row in every_row().filter(|row| row.scope != Scope::Output) {
        assert_eq!(check(row, row.example), [], "{}: example", row.key);
        if !row.default.is_empty() {
            assert_eq!(check(row, row.default), [], "{}: default", row.key);
        }
    }
}

const WRITTEN: &[(&str, &str, &str)] = &[
    ("scheme", "internet-Facing", "unknown value \"internet-Facing\""),
    ("target-type", "pod", "unknown value \"pod\""),
    ("backend-protocol", "http", "unknown value \"http\""),
    ("auth-type", "basic", "unknown value \"basic\""),
    ("ssl-redirect", "true", "\"true\" is no whole number"),
    ("ssl-redirect", "0", "0 must be within [1, 65535]"),
    ("healthcheck-interval-seconds", "301", "301 must be within [5, 300]"),
    ("load-balancer-name", "a_b", "load balancer name `a_b` may have only letters, digits and hyphens"),
    ("load-balancer-name", "internal-a", "load balancer name `internal-a` can't begin with `internal-`"),
    ("subnets", " , ", "unable to resolve at least one subnet: the list is empty"),
    ("tags", "a", "item \"a\" has no `=`, key=value belongs here"),
    (
        "minimum-load-balancer-capacity",
        "Units=1",
        "invalid key to set the capacity: Units, Expected key: CapacityUnits",
    ),
    ("minimum-load-balancer-capacity", "CapacityUnits=x", "invalid value to set the capacity: x"),
    ("success-codes", "200, 302", "there is white space around `302`, which AWS does not take"),
    ("success-codes", "200-599", "599 is no status that a health check can ask for, 499 is the last"),
    ("success-codes", "299-200", "range 299-200 ends before it begins"),
    ("healthcheck-path", "healthz", "the path must begin with a slash; did you mean `/healthz`?"),
    ("healthcheck-path", "/a b", "the path has white space in it"),
    ("security-groups", "sg-xxxx, own", "sg-xxxx is no id: sg- is followed by hexadecimal digits"),
    ("subnets", "subnet-1,subnet-1", "subnet-1 is named twice"),
    ("security-group-prefix-lists", "office", "office is no id: one that begins with pl- belongs here"),
    (
        "ssl-policy",
        "TLS-1-2",
        "TLS policy `TLS-1-2` can't be one: their names begin with ELBSecurityPolicy-, and custom ones don't exist",
    ),
    (
        "load-balancer-attributes",
        "idle_timeout.timeout_seconds=1,",
        "attribute idle_timeout.timeout_seconds is `1,`: a whole number from 1 to 4000 belongs there",
    ),
    ("tags", "aws:a=b", "tag key aws:a begins with aws:, which is reserved for AWS"),
    ("auth-session-cookie", "a b", "\"a b\" can't be a cookie's name"),
    (
        "wafv2-acl-name",
        "my acl",
        "`my acl` can't be a web ACL's name: at most 128 letters, digits, hyphens and underscores make one",
    ),
    ("customer-owned-ipv4-pool", "pool", "`pool` isn't the id of a pool, which begins with ipv4pool-coip-"),
    (
        "acm-pca-arn",
        "arn:aws:acm-pca:eu-west-1:123456789012:x/y",
        "`arn:aws:acm-pca:eu-west-1:123456789012:x/y` has resource `x/y`; its form is arn:PARTITION:acm-pca:REGION:ACCOUNT:certificate-authority/ID",
    ),
    (
        "actions.a",
        r#"{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301","prot":"HTTPS"}}"#,
        "unknown field `prot`; did you mean `port`?",
    ),
    ("success-codes", "200,2xx", "`2xx` is neither a status code nor a range such as 200-299"),
    ("actions.ssl-redirect", "443", "found number where a JSON object belongs"),
    ("conditions.svc", "", "unexpected end of JSON input"),
    (
        "conditions.svc",
        r#"[{"field":"host_header"}]"#,
        "field `host_header` must be one of host-header, path-pattern, http-header, http-request-method, query-string, source-ip; did you mean `host-header`?",
    ),
    ("frontend-nlb-listener-port-mapping", "80=x", "invalid ALB listener port: x"),
    ("healthcheck-port", "0", "0 must be within [1, 65535]"),
    ("inbound-cidrs", "10.0.0.0", "invalid CIDR address: 10.0.0.0; did you mean `10.0.0.0/32`?"),
];

#[test]
fn what_users_write() {
    for (key, raw, expected) in WRITTEN.iter().copied() {
        assert_eq!(first(key, raw), expected, "{key}: {raw}");
    }
}

#[test]
fn a_fix_fits_its_fault() {
    for (key, raw, expected) in [
        ("scheme", "internet-Facing", "did you mean internet-facing? internal and internet-facing are allowed"),
        ("ip-address-type", "ipv6", "did you mean ipv4? ipv4, dualstack and dualstack-without-public-ipv4 are allowed"),
        ("backend-protocol", "grpc", "`backend-protocol-version: GRPC` is the key for it"),
        ("healthcheck-protocol", "quic", "write HTTP or HTTPS"),
        ("ssl-redirect", "0", "write a whole number from 1 to 65535"),
        ("healthcheck-timeout-seconds", "121", "write a whole number from 2 to 120"),
        ("minimum-load-balancer-capacity", "Units=1", "write CapacityUnits=NUMBER"),
    ] {
        let found = check(row(key).unwrap(), raw);
        assert_eq!(found.first().and_then(|error| error.help.as_deref()), Some(expected), "{key}: {raw}");
    }
}

#[test]
fn what_behaves_as_unset_passes() {
    for key in
        ["certificate-arn", "security-groups", "tags", "inbound-cidrs", "load-balancer-attributes", "ipam-ipv4-pool-id"]
    {
        assert_eq!(first(key, ""), "", "{key}");
    }
    for (key, raw) in [
        ("listener-attributes.HTTP-80", ""),
        ("frontend-nlb-listener-port-mapping", "80=443,80=80"),
        ("wafv2-acl-arn", "none"),
        ("wafv2-acl-arn", ""),
        ("healthcheck-port", "http"),
        ("success-codes", "200,301-302"),
        ("success-codes", "0-99"),
        ("inbound-cidrs", "10.0.0.1/24,"),
        ("group.order", "-1000"),
    ] {
        assert_eq!(first(key, raw), "", "{key}: {raw}");
    }
}

#[test]
fn of_two_on_a_port_the_last_counts() {
    let read = |key: &str, raw: &str| row(key).unwrap().read(raw, &[]).value().unwrap().to_string();
    assert_eq!(read("listen-ports", r#"[{"HTTPS": 443}, {"HTTP": 80}, {"HTTPS": 80}]"#), "80=HTTPS,443=HTTPS");
    assert_eq!(read("frontend-nlb-listener-port-mapping", "80=443,80=80"), "80=80");
    assert_eq!(read("tags", "a=1,b=2,a=3"), "a=3,b=2");
    let modes = r#"[{"port": 443, "mode": "passthrough"}, {"port": 443, "mode": "off"}]"#;
    assert_eq!(read("mutual-authentication", modes), "443=mode: off");
}

#[test]
fn all_problems_at_once() {
    let certificates = "arn:arn:aws:acm:eu-west-1:123456789012:certificate/a, my-secret";
    assert_eq!(check(row("certificate-arn").unwrap(), certificates).len(), 2);
    assert_eq!(check(row("inbound-cidrs").unwrap(), "a,b,::/0").len(), 2);
}

proptest! {
    #[test]
    fn never_panics(raw in any::<String>()) {
        for row in rows() {
            let _ = check(row, &raw);
        }
    }
}
