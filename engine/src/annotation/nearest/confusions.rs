//! Keys that people write because another controller, a Service or the AWS API calls it so.

/// Wrong keys that mean the same.
pub(super) struct Confusion {
    /// Lower case with hyphens; a star at the end stands for any rest.
    pub wrong: &'static [&'static str],
    /// The real key, if there is one.
    pub key: Option<&'static str>,
    /// What to write.
    pub say: &'static str,
}

const fn to(wrong: &'static [&'static str], key: &'static str, say: &'static str) -> Confusion {
    Confusion { wrong, key: Some(key), say }
}

const fn nothing(wrong: &'static [&'static str], say: &'static str) -> Confusion {
    Confusion { wrong, key: None, say }
}

const CORS: &str = "an ALB answers CORS by listener attributes such as \
                    `routing.http.response.access_control_allow_origin.header_value=<origin>`";
const STICKY: &str = "write `stickiness.enabled=true, stickiness.type=lb_cookie, \
                      stickiness.lb_cookie.duration_seconds=<seconds>` into it";

pub(super) const CONFUSIONS: &[Confusion] = &[
    // Attributes of the load balancer.
    to(
        &[
            "idle-timeout",
            "idle-timeout-seconds",
            "idle-timeout-timeout-seconds",
            "connection-idle-timeout",
            "request-timeout",
            "timeout",
            "proxy-read-timeout",
            "proxy-send-timeout",
            "proxy-connect-timeout",
        ],
        "load-balancer-attributes",
        "write `idle_timeout.timeout_seconds=<seconds>` into it",
    ),
    to(
        &["deletion-protection", "deletion-protection-enabled"],
        "load-balancer-attributes",
        "write `deletion_protection.enabled=true` into it",
    ),
    to(
        &[
            "access-log",
            "access-logs",
            "access-log-enabled",
            "access-logs-enabled",
            "access-logs-s3-*",
            "access-log-s3-*",
        ],
        "load-balancer-attributes",
        "write `access_logs.s3.enabled=true, access_logs.s3.bucket=<bucket>` into it",
    ),
    to(
        &["http2", "http2-enabled", "routing-http2-enabled", "enable-http2"],
        "load-balancer-attributes",
        "write `routing.http2.enabled=true` into it",
    ),
    to(
        &["client-keep-alive", "keepalive-timeout", "keep-alive-timeout"],
        "load-balancer-attributes",
        "write `client_keep_alive.seconds=<seconds>` into it",
    ),
    to(
        &["attributes"],
        "load-balancer-attributes",
        "attributes belong to the load balancer, a target group or a listener",
    ),
    // Attributes of target groups.
    to(
        &["sticky", "stickiness", "stickiness-*", "sticky-session*", "session-affinity", "affinity", "cookie-timeout"],
        "target-group-attributes",
        STICKY,
    ),
    to(
        &[
            "connection-drain*",
            "deregistration-delay",
            "deregistration-delay-*",
            "deregistration-timeout",
            "drain-timeout",
        ],
        "target-group-attributes",
        "write `deregistration_delay.timeout_seconds=<seconds>` into it",
    ),
    to(&["slow-start*"], "target-group-attributes", "write `slow_start.duration_seconds=<seconds>` into it"),
    to(
        &["load-balancing-algorithm*", "load-balance", "lb-algorithm", "backend-scheduler"],
        "target-group-attributes",
        "write `load_balancing.algorithm.type=least_outstanding_requests` into it",
    ),
    // Health checks.
    to(&["healthcheck-interval"], "healthcheck-interval-seconds", "the unit is part of the key"),
    to(&["healthcheck-timeout"], "healthcheck-timeout-seconds", "the unit is part of the key"),
    to(
        &[
            "healthy-threshold",
            "healthcheck-healthy-threshold",
            "healthcheck-healthy-threshold-count",
            "healthcheck-threshold",
        ],
        "healthy-threshold-count",
        "it begins with healthy",
    ),
    to(
        &["unhealthy-threshold", "healthcheck-unhealthy-threshold", "healthcheck-unhealthy-threshold-count"],
        "unhealthy-threshold-count",
        "it begins with unhealthy",
    ),
    to(
        &[
            "healthcheck-success-code*",
            "healthcheck-code*",
            "healthcheck-http-code*",
            "healthcheck-httpcode*",
            "healthcheck-matcher",
            "matcher",
        ],
        "success-codes",
        "it has no healthcheck before it",
    ),
    to(&["healthcheck-connect-port"], "healthcheck-port", "that is Alibaba Cloud's name for it"),
    to(&["healthcheck"], "healthcheck-path", "there is one key for each setting of the check"),
    nothing(&["healthcheck-enabled"], "no key: an ALB always checks its instance and ip targets, leave it out"),
    nothing(&["healthcheck-method"], "no key: an ALB checks with GET, leave it out"),
    // Certificates and TLS.
    to(
        &[
            "acm-arn",
            "acm-cert-arn",
            "acm-certificate-arn",
            "cert-arn",
            "certificate",
            "certificate-id",
            "certificates",
            "ssl-cert",
            "ssl-certificate",
            "ssl-certificate-arn",
            "ssl-cert-arn",
            "tls-cert*",
        ],
        "certificate-arn",
        "it takes the ARNs of certificates in ACM or IAM, not a Secret",
    ),
    to(
        &[
            "security-policy",
            "security-policy-id",
            "ssl-negotiation-policy",
            "tls-policy",
            "tls-cipher-policy",
            "ssl-protocols",
        ],
        "ssl-policy",
        "it takes a policy's name, such as ELBSecurityPolicy-TLS13-1-2-2021-06",
    ),
    to(
        &[
            "force-ssl-redirect",
            "https-redirect",
            "http-to-https*",
            "redirect-https",
            "redirect-to-https",
            "ssl-redirect-port",
            "force-https",
        ],
        "ssl-redirect",
        "its value is the HTTPS listener's port, such as 443",
    ),
    // Listeners.
    to(
        &[
            "ports",
            "port",
            "listen",
            "listener-port",
            "listener-ports",
            "listeners",
            "ssl-ports",
            "http-port",
            "https-port",
        ],
        "listen-ports",
        "write `[{\"HTTP\": 80}, {\"HTTPS\": 443}]`, say",
    ),
    to(
        &[
            "source-ranges",
            "whitelist-source-range",
            "load-balancer-source-ranges",
            "allowed-cidrs",
            "source-cidrs",
            "cidrs",
        ],
        "inbound-cidrs",
        "it takes CIDRs separated by commas",
    ),
    to(&["enable-cors", "cors-*"], "listener-attributes.<PROTOCOL>-<PORT>", CORS),
    // The load balancer itself.
    to(
        &[
            "load-balancer-type",
            "lb-type",
            "type",
            "address-type",
            "internal",
            "internet-facing",
            "load-balancer-internal",
        ],
        "scheme",
        "every load balancer here is an ALB; whether it is public says `scheme: internal` or `scheme: internet-facing`",
    ),
    to(&["name", "lb-name", "alb-name"], "load-balancer-name", "AWS takes 32 characters"),
    to(&["group", "ingress-group", "albconfig-name", "group-id"], "group.name", "Ingresses of one group share an ALB"),
    to(&["order", "priority", "albconfig-order", "ingress-order"], "group.order", "it orders the members of a group"),
    to(&["vswitch-ids", "subnet-ids", "subnet-id", "zone-mappings"], "subnets", "it takes ids or Name tags"),
    to(&["sg", "security-group-ids", "security-group-id", "sg-ids"], "security-groups", "it takes ids or Name tags"),
    to(&["resource-tags", "additional-resource-tags", "additional-tags"], "tags", "write `key=value` pairs into it"),
    nothing(&["class", "ingress-class", "ingress-class-name"], "no key: the class belongs into spec.ingressClassName"),
    nothing(&["frontend-nlb-status-only"], "no key of this controller: the status names both load balancers"),
    // Protection.
    to(
        &[
            "waf-acl-arn",
            "waf-arn",
            "waf-v2-acl-arn",
            "waf-web-acl-arn",
            "wafv2-arn",
            "wafv2-web-acl-arn",
            "web-acl-arn",
            "wafv2-acl-id",
        ],
        "wafv2-acl-arn",
        "the key has wafv2 in it",
    ),
    to(&["waf-acl-name", "web-acl-name", "waf-v2-acl-name"], "wafv2-acl-name", "the key has wafv2 in it"),
    to(&["shield", "shield-advanced"], "shield-advanced-protection", "its value is true or false"),
    to(
        &["rate-limit*", "limit-rps", "limit-rpm", "limit-connections", "traffic-limit*", "limit-*"],
        "wafv2-acl-arn",
        "an ALB doesn't limit rates, a rate-based rule of a WAFv2 web ACL does",
    ),
    // Rules.
    to(
        &["rewrite-target", "rewrite", "url-rewrite", "rewrite-path"],
        "transforms.<service>",
        "write `[{\"type\": \"url-rewrite\", \"urlRewriteConfig\": {\"rewrites\": [{\"regex\": …, \"replace\": …}]}}]`",
    ),
    to(
        &["use-regex", "regex"],
        "use-regex-path-match",
        "paths of type ImplementationSpecific become regular expressions",
    ),
    to(
        &["canary", "canary-*", "traffic-split*", "weight", "weighted-routing"],
        "actions.<service>",
        "a forward action with weighted target groups shares requests out, on a backend with port `use-annotation`",
    ),
    to(
        &["permanent-redirect*", "temporal-redirect", "redirect", "app-root", "from-to-www-redirect"],
        "actions.<service>",
        "a redirect action, on a backend with port `use-annotation`",
    ),
    to(
        &["fixed-response", "default-backend"],
        "actions.<service>",
        "an action, on a backend with port `use-annotation`",
    ),
    nothing(
        &["auth-secret", "auth-realm", "auth-secret-type"],
        "no key: an ALB has no basic authentication, `auth-type` is oidc or cognito",
    ),
    to(&["auth-url", "auth-signin", "oidc", "auth-oidc"], "auth-idp-oidc", "it takes the provider's endpoints as JSON"),
    to(&["cognito", "auth-cognito"], "auth-idp-cognito", "it takes the user pool as JSON"),
    nothing(
        &["proxy-body-size", "client-max-body-size", "client-body-*"],
        "no key: an ALB doesn't limit the body of what it sends to instance and ip targets",
    ),
    nothing(&["proxy-buffer*", "proxy-buffering"], "no key: an ALB has no buffers to set"),
    nothing(
        &["configuration-snippet", "server-snippet"],
        "no key: an ALB runs no configuration of one's own; headers are set by listener attributes",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::super::catalogue::{row, rows};
    use super::super::kebab;
    use super::*;

    #[test]
    fn every_target_exists() {
        for confusion in CONFUSIONS {
            assert!(confusion.key.is_none_or(|key| row(key).is_some()), "{:?}", confusion.key);
            assert_eq!(confusion.key.is_none(), confusion.say.starts_with("no key"), "{}", confusion.say);
        }
    }

    #[test]
    fn no_wrong_key_is_a_right_one_or_listed_twice() {
        let real: HashSet<String> = rows().map(|row| kebab(row.key)).collect();
        let mut seen = HashSet::new();
        for wrong in CONFUSIONS.iter().flat_map(|confusion| confusion.wrong) {
            assert!(seen.insert(*wrong), "{wrong} twice");
            assert!(!real.contains(*wrong), "{wrong}");
            assert_eq!(kebab(wrong), wrong.trim_end_matches(['*', '-']), "{wrong}");
            let start = wrong.strip_suffix('*').unwrap_or("\u{0}");
            assert!(!real.iter().any(|key| key.starts_with(start)), "{wrong}");
        }
    }
}
