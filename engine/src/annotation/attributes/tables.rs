//! The tables, by key, in alphabetic order.

use super::Attribute;
use super::Takes::{
    self, Bool, Bucket, Cookie, Credentials, FrameOptions, Header, HeaderValue, MaxAge, NoSniff, Number, OffOr, OneOf,
    Prefix, TransportSecurity, True, ZeroOr,
};

const fn of(key: &'static str, takes: Takes) -> Attribute {
    Attribute { key, takes }
}

const WEEK: u32 = 604_800;

#[rustfmt::skip]
pub(super) const LOAD_BALANCER: &[Attribute] = &[
    of("access_logs.s3.bucket", Bucket),
    of("access_logs.s3.enabled", Bool),
    of("access_logs.s3.prefix", Prefix),
    of("client_keep_alive.seconds", Number(60, WEEK)),
    of("connection_logs.s3.bucket", Bucket),
    of("connection_logs.s3.enabled", Bool),
    of("connection_logs.s3.prefix", Prefix),
    of("deletion_protection.enabled", Bool),
    of("health_check_logs.s3.bucket", Bucket),
    of("health_check_logs.s3.enabled", Bool),
    of("health_check_logs.s3.prefix", Prefix),
    of("idle_timeout.timeout_seconds", Number(1, 4000)),
    of("ipv6.deny_all_igw_traffic", Bool),
    of("load_balancing.cross_zone.enabled", True),
    of("routing.http.desync_mitigation_mode", OneOf(&["monitor", "defensive", "strictest"])),
    of("routing.http.drop_invalid_header_fields.enabled", Bool),
    of("routing.http.preserve_host_header.enabled", Bool),
    of("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", Bool),
    of("routing.http.xff_client_port.enabled", Bool),
    of("routing.http.xff_header_processing.mode", OneOf(&["append", "preserve", "remove"])),
    of("routing.http2.enabled", Bool),
    of("waf.fail_open.enabled", Bool),
    of("zonal_shift.config.enabled", Bool),
];

#[rustfmt::skip]
pub(super) const NETWORK_LOAD_BALANCER: &[Attribute] = &[
    of("access_logs.s3.bucket", Bucket),
    of("access_logs.s3.enabled", Bool),
    of("access_logs.s3.prefix", Prefix),
    of("deletion_protection.enabled", Bool),
    of("dns_record.client_routing_policy", OneOf(&["availability_zone_affinity", "partial_availability_zone_affinity", "any_availability_zone"])),
    of("ipv6.deny_all_igw_traffic", Bool),
    of("load_balancing.cross_zone.enabled", Bool),
    of("secondary_ips.auto_assigned.per_subnet", Number(0, 7)),
    of("zonal_shift.config.enabled", Bool),
];

// Of a TCP listener; there are no others here.
pub(super) const NETWORK_LISTENER: &[Attribute] = &[of("tcp.idle_timeout.seconds", Number(60, 6000))];

#[rustfmt::skip]
pub(super) const NOT_OF_LOAD_BALANCERS: &[(&str, &str)] = &[
    ("dns_record.client_routing_policy", "a Network Load Balancer"),
    ("secondary_ips.auto_assigned.per_subnet", "a Network Load Balancer"),
];

#[rustfmt::skip]
pub(super) const TARGET_GROUP: &[Attribute] = &[
    of("deregistration_delay.timeout_seconds", Number(0, 3600)),
    of("load_balancing.algorithm.anomaly_mitigation", OneOf(&["on", "off"])),
    of("load_balancing.algorithm.type", OneOf(&["round_robin", "least_outstanding_requests", "weighted_random"])),
    of("load_balancing.cross_zone.enabled", OneOf(&["true", "false", "use_load_balancer_configuration"])),
    of("slow_start.duration_seconds", ZeroOr(30, 900)),
    of("stickiness.app_cookie.cookie_name", Cookie),
    of("stickiness.app_cookie.duration_seconds", Number(1, WEEK)),
    of("stickiness.enabled", Bool),
    of("stickiness.lb_cookie.duration_seconds", Number(1, WEEK)),
    of("stickiness.type", OneOf(&["lb_cookie", "app_cookie"])),
    of("target_group_health.dns_failover.minimum_healthy_targets.count", OffOr(1, u32::MAX)),
    of("target_group_health.dns_failover.minimum_healthy_targets.percentage", OffOr(1, 100)),
    of("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", Number(1, u32::MAX)),
    of("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", OffOr(1, 100)),
];

const NETWORK: &str = "a Network Load Balancer's target group";
const GATEWAY: &str = "a Gateway Load Balancer's target group";

#[rustfmt::skip]
pub(super) const NOT_OF_TARGET_GROUPS: &[(&str, &str)] = &[
    ("deregistration_delay.connection_termination.enabled", NETWORK),
    ("lambda.multi_value_headers.enabled", "a Lambda function's target group"),
    ("preserve_client_ip.enabled", NETWORK),
    ("proxy_protocol_v2.enabled", NETWORK),
    ("send_tcp_reset.on_deregistration.enabled", GATEWAY),
    ("send_tcp_reset.on_unhealthy.enabled", GATEWAY),
    ("target_failover.on_deregistration", GATEWAY),
    ("target_failover.on_unhealthy", GATEWAY),
    ("target_health_state.unhealthy.connection_termination.enabled", NETWORK),
    ("target_health_state.unhealthy.draining_interval_seconds", NETWORK),
];

// AWS looks at the characters of response headers' values; of those that have a grammar of their own, what no browser reads is a mistake too.
#[rustfmt::skip]
pub(super) const LISTENER: &[Attribute] = &[
    of("routing.http.request.x_amzn_mtls_clientcert.header_name", Header),
    of("routing.http.request.x_amzn_mtls_clientcert_issuer.header_name", Header),
    of("routing.http.request.x_amzn_mtls_clientcert_leaf.header_name", Header),
    of("routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name", Header),
    of("routing.http.request.x_amzn_mtls_clientcert_subject.header_name", Header),
    of("routing.http.request.x_amzn_mtls_clientcert_validity.header_name", Header),
    of("routing.http.request.x_amzn_tls_cipher_suite.header_name", Header),
    of("routing.http.request.x_amzn_tls_version.header_name", Header),
    of("routing.http.response.access_control_allow_credentials.header_value", Credentials),
    of("routing.http.response.access_control_allow_headers.header_value", HeaderValue),
    of("routing.http.response.access_control_allow_methods.header_value", HeaderValue),
    of("routing.http.response.access_control_allow_origin.header_value", HeaderValue),
    of("routing.http.response.access_control_expose_headers.header_value", HeaderValue),
    of("routing.http.response.access_control_max_age.header_value", MaxAge),
    of("routing.http.response.content_security_policy.header_value", HeaderValue),
    of("routing.http.response.server.enabled", Bool),
    of("routing.http.response.strict_transport_security.header_value", TransportSecurity),
    of("routing.http.response.x_content_type_options.header_value", NoSniff),
    of("routing.http.response.x_frame_options.header_value", FrameOptions),
];

#[rustfmt::skip]
pub(super) const NOT_OF_LISTENERS: &[(&str, &str)] = &[
    ("send_tcp_reset.on_idle_timeout.enabled", "a Gateway Load Balancer's listener"),
    ("tcp.idle_timeout.seconds", "a Network Load Balancer's listener"),
];
