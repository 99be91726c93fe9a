//! Attribute keys that AWS knows, by the annotation that takes them:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html>.

use super::Compiler;
use crate::annotation::{nearest_of, parse};
use crate::finding::{Code, Effect};

const LOAD_BALANCER: &[&str] = &[
    "access_logs.s3.bucket",
    "access_logs.s3.enabled",
    "access_logs.s3.prefix",
    "client_keep_alive.seconds",
    "connection_logs.s3.bucket",
    "connection_logs.s3.enabled",
    "connection_logs.s3.prefix",
    "deletion_protection.enabled",
    "health_check_logs.s3.bucket",
    "health_check_logs.s3.enabled",
    "health_check_logs.s3.prefix",
    "idle_timeout.timeout_seconds",
    "ipv6.deny_all_igw_traffic",
    "load_balancing.cross_zone.enabled",
    "routing.http.desync_mitigation_mode",
    "routing.http.drop_invalid_header_fields.enabled",
    "routing.http.preserve_host_header.enabled",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    "routing.http.xff_client_port.enabled",
    "routing.http.xff_header_processing.mode",
    "routing.http2.enabled",
    "waf.fail_open.enabled",
    "zonal_shift.config.enabled",
];

const TARGET_GROUP: &[&str] = &[
    "deregistration_delay.timeout_seconds",
    "load_balancing.algorithm.anomaly_mitigation",
    "load_balancing.algorithm.type",
    "load_balancing.cross_zone.enabled",
    "slow_start.duration_seconds",
    "stickiness.app_cookie.cookie_name",
    "stickiness.app_cookie.duration_seconds",
    "stickiness.enabled",
    "stickiness.lb_cookie.duration_seconds",
    "stickiness.type",
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
];

const FRONTEND_NLB: &[&str] = &[
    "access_logs.s3.bucket",
    "access_logs.s3.enabled",
    "access_logs.s3.prefix",
    "deletion_protection.enabled",
    "dns_record.client_routing_policy",
    "ipv6.deny_all_igw_traffic",
    "load_balancing.cross_zone.enabled",
    "secondary_ips.auto_assigned.per_subnet",
    "zonal_shift.config.enabled",
];

/// The annotations that take attributes of a kind, with the keys of that kind.
const TABLES: [(&str, &[&str]); 3] = [
    ("load-balancer-attributes", LOAD_BALANCER),
    ("target-group-attributes", TARGET_GROUP),
    ("frontend-nlb-attributes", FRONTEND_NLB),
];

impl Compiler<'_> {
    /// Keys that AWS does not know. It has the last word: the reconciler sends them all the same.
    pub(super) fn check_attributes(&mut self) {
        for (suffix, keys) in TABLES {
            let Some(raw) = self.reader.raw(suffix) else { continue };
            // A value that cannot be read is reported by what reads it.
            for key in parse::string_map(raw).unwrap_or_default().into_keys() {
                if keys.contains(&key.as_str()) {
                    continue;
                }
                let near = nearest_of(&key, keys.iter().copied());
                let finding = self.reader.refuse(Code::InvalidValue, suffix, &key, format!("unknown attribute {key}"));
                finding.effect = Effect::Nothing;
                finding.mend = match near {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("attributes are {}", keys.join(", ")),
                };
            }
        }
    }
}
