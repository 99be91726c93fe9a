//! What somebody meant, key by key.

use super::*;
use crate::annotation::nearest_of;
use proptest::prelude::*;

fn key(suffix: &str) -> String {
    nearest(suffix).and_then(|found| found.key).unwrap_or_default()
}

#[test]
fn slips_of_form() {
    for (wrong, right) in [
        ("listenPorts", "listen-ports"),
        ("targetType", "target-type"),
        ("sslPolicy", "ssl-policy"),
        ("SSLPolicy", "ssl-policy"),
        ("ListenPorts", "listen-ports"),
        ("listen_ports", "listen-ports"),
        ("backend_protocol_version", "backend-protocol-version"),
        ("listen.ports", "listen-ports"),
        ("listen-port", "listen-ports"),
        ("certificate-arns", "certificate-arn"),
        ("tag", "tags"),
        ("security-group", "security-groups"),
        ("subnet", "subnets"),
        ("group-name", "group.name"),
        ("groupName", "group.name"),
        ("groups.name", "group.name"),
        ("shceme", "scheme"),
        ("sheme", "scheme"),
        ("lsiten-ports", "listen-ports"),
        ("heathcheck-path", "healthcheck-path"),
        ("health-check-path", "healthcheck-path"),
        ("healthCheckPath", "healthcheck-path"),
        ("health-check-interval-seconds", "healthcheck-interval-seconds"),
        ("ipaddress-type", "ip-address-type"),
        ("wafv2-acl-anr", "wafv2-acl-arn"),
        ("load-balancer-scheme", "scheme"),
        ("aws-load-balancer-healthcheck-port", "healthcheck-port"),
        ("aws-load-balancer-connection-idle-timeout", "load-balancer-attributes"),
        ("security-groups (http://example.com/security-groups)", "security-groups"),
    ] {
        assert_eq!(key(wrong), right, "{wrong}");
    }
}

#[test]
fn families_are_fixed() {
    for (wrong, right) in [
        ("action.ssl-redirect", "actions.ssl-redirect"),
        ("actoins.Web", "actions.Web"),
        ("Actions.web", "actions.web"),
        ("actions-ssl-redirect", "actions.ssl-redirect"),
        ("action-web", "actions.web"),
        ("condition.web", "conditions.web"),
        ("transform.web", "transforms.web"),
        ("actions", "actions.<service>"),
        ("actions.", "actions.<service>"),
        ("listener-attributes", "listener-attributes.<PROTOCOL>-<PORT>"),
        ("listener-attribute.HTTP-80", "listener-attributes.HTTP-80"),
        ("listener-attributes-HTTPS-443", "listener-attributes.HTTPS-443"),
        ("target-control-port", "target-control-port.<service>.<port>"),
    ] {
        assert_eq!(key(wrong), right, "{wrong}");
    }
}

#[test]
fn other_controllers_words() {
    for (wrong, right) in [
        ("healthcheck-interval", "healthcheck-interval-seconds"),
        ("healthcheck-unhealthy-threshold", "unhealthy-threshold-count"),
        ("healthcheck-success-codes", "success-codes"),
        ("waf-acl-arn", "wafv2-acl-arn"),
        ("acm-cert-arn", "certificate-arn"),
        ("certificate-id", "certificate-arn"),
        ("force-ssl-redirect", "ssl-redirect"),
        ("idle-timeout-seconds", "load-balancer-attributes"),
        ("deletion-protection.enabled", "load-balancer-attributes"),
        ("stickiness.enabled", "target-group-attributes"),
        ("connection-drain-timeout", "target-group-attributes"),
        ("rewrite-target", "transforms.<service>"),
        ("cors-allow-origin", "listener-attributes.<PROTOCOL>-<PORT>"),
        ("canary-by-header", "actions.<service>"),
        ("vswitch-ids", "subnets"),
        ("address-type", "scheme"),
        ("traffic-limit-qps", "wafv2-acl-arn"),
    ] {
        assert_eq!(key(wrong), right, "{wrong}");
    }
    let none = nearest("proxy-body-size").unwrap();
    assert_eq!(none.key, None);
    assert!(none.to_string().contains("ALB"));
    assert_eq!(
        nearest("idle-timeout").unwrap().to_string(),
        "use `load-balancer-attributes`: write `idle_timeout.timeout_seconds=<seconds>` into it"
    );
    assert_eq!(nearest("tag").unwrap().to_string(), "did you mean `tags`?");
}

#[test]
fn real_and_alien_keys_have_none() {
    for row in rows().filter(|row| !row.family) {
        assert_eq!(nearest(row.key), None, "{}", row.key);
    }
    for alien in ["", " ", "foo", "x", "totally-different", "actions.a", &"a".repeat(200)] {
        assert_eq!(nearest(alien), None, "{alien}");
    }
}

#[test]
fn every_key_survives_a_slip() {
    for row in rows().filter(|row| !row.family && row.key != "web-acl-id" && row.key != "tags") {
        let camel: String = row.key.split('-').enumerate().fold(String::new(), |mut name, (index, word)| {
            let (first, rest) = word.split_at(1);
            name += &if index == 0 { first.to_owned() } else { first.to_uppercase() };
            name + rest
        });
        for wrong in [camel, row.key.replace('-', "_"), row.key.replace('.', "-"), format!("{}s", row.key)] {
            assert_eq!(if wrong == row.key { row.key.to_owned() } else { key(&wrong) }, row.key, "{wrong}");
        }
        let mut longer = row.key.to_owned();
        longer.insert(3, 'x');
        assert_eq!(key(&longer), row.key, "{longer}");
    }
}

#[test]
fn values_have_a_nearest_too() {
    let schemes = ["internal", "internet-facing"];
    for (wrong, right) in [
        ("internet_facing", Some("internet-facing")),
        ("Internet-Facing", Some("internet-facing")),
        ("intenal", Some("internal")),
        ("public", None),
        ("internal", None),
        ("", None),
    ] {
        assert_eq!(nearest_of(wrong, schemes), right, "{wrong}");
    }
    assert_eq!(nearest_of("grpc", ["HTTP1", "HTTP2", "GRPC"]), Some("GRPC"));
    assert_eq!(nearest_of("web-srv", ["api", "web-svc"]), Some("web-svc"));
    assert_eq!(nearest_of("a", &Vec::<String>::new()), None);
}

#[test]
fn misspelt_domains() {
    let key = "alb.ingress.kuberenetes.io/actions.web";
    assert_eq!(misspelt_prefix(key), Some("actions.web"));
    assert_eq!(misspelt_prefix("alb.ingress.k8s.aws/scheme"), None);
    assert_eq!(misspelt_prefix("alb.ingress.kubernetes.io/scheme"), None);
    assert_eq!(misspelt_prefix("alb.ingress.kubernets.io/other"), None);
    assert_eq!(misspelt_prefix("scheme"), None);
}

proptest! {
    #[test]
    fn never_panics(raw in any::<String>(), near in "[a-zA-Z._ -]{0,20}") {
        let _ = (nearest(&raw), nearest(&near), nearest_of(&raw, ["a", "internal"]), misspelt_prefix(&raw));
    }

    #[test]
    fn what_is_named_exists(near in "(listen|group|auth|ssl|action|health)[a-zA-Z._-]{0,12}") {
        if let Some(Nearest { key: Some(key), .. }) = nearest(&near) {
            prop_assert!(row(&key).is_some(), "{key}");
        }
    }
}
