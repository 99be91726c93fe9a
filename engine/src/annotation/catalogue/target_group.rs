//! Keys that belong to target groups; all may stand on a Service too, whose value then counts.

use std::collections::BTreeMap;

use super::group::text;
use crate::annotation::attributes::Owner;
use crate::annotation::row::{Grammar, Merge, OnService, Scope, SettingRow, Wins};
use crate::annotation::setting::Setting;
use crate::annotation::value::Value;
use crate::finding::Code;
use crate::stack::{Attributes, Protocol, ProtocolVersion, TargetType};
use Scope::TargetGroup;

const PROTOCOLS: &[&str] = &["HTTP", "HTTPS"];

settings! { TARGET_GROUP_ROWS:
    TARGET_TYPE: TargetType = Setting::new(
        "target-type", TargetGroup, Grammar::OneOf(&["instance", "ip"]), Merge::Own, "ip",
        "What is registered: `ip` the pods' addresses, `instance` the nodes with a NodePort, for which the Service must be \
         of type NodePort or LoadBalancer. The flag `--default-target-type` sets the default.",
    )
    .code(Code::InvalidTargetType)
    .fix_of_code()
    .also(&[Code::ServiceTypeMismatch, Code::Overridden, Code::RolloutsLoseRequests])
    .default("instance")
    .flag(|settings| Value::Text(settings.default_target_type.to_string()))
    .params("targetType", Wins::OverEach, |spec, _| text(spec.target_type.as_ref()))
    .on_service(OnService::Replaces);
    BACKEND_PROTOCOL: Protocol = Setting::new(
        "backend-protocol", TargetGroup, Grammar::OneOf(PROTOCOLS), Merge::Own, "HTTPS",
        "How the ALB talks to targets. It doesn't check their certificates.",
    )
    .default("HTTP")
    .on_service(OnService::Replaces);
    BACKEND_PROTOCOL_VERSION: ProtocolVersion = Setting::new(
        "backend-protocol-version", TargetGroup, Grammar::OneOf(&["HTTP1", "HTTP2", "GRPC"]), Merge::Own,
        "GRPC",
        "The version of HTTP towards targets. HTTP2 and GRPC need HTTPS listeners: AWS refuses them behind an HTTP one.",
    )
    .also(&[Code::ProtocolVersionNeedsHttps])
    .default("HTTP1")
    .on_service(OnService::Replaces);
    TARGET_GROUP_ATTRIBUTES: Attributes = Setting::new(
        "target-group-attributes", TargetGroup, Grammar::Attributes(Owner::TargetGroup), Merge::Own,
        "deregistration_delay.timeout_seconds=30, stickiness.enabled=true, stickiness.type=lb_cookie",
        "Attributes of the target groups, named as in the ELBv2 API's TargetGroupAttribute. A Service's value replaces all \
         of the Ingress' one; taking one away doesn't reset it in AWS.",
    )
    .code(Code::InvalidAttribute)
    .also(&[Code::UnfamiliarValue])
    .on_service(OnService::Replaces);
    HEALTHCHECK_PORT: String = Setting::new(
        "healthcheck-port", TargetGroup, Grammar::HealthCheckPort, Merge::Own, "traffic-port",
        "Port that health checks go to: a number, the name of a Service's port, or the one that serves.",
    )
    .code(Code::InvalidHealthCheck)
    .default("traffic-port")
    .on_service(OnService::Replaces);
    HEALTHCHECK_PROTOCOL: Protocol = Setting::new(
        "healthcheck-protocol", TargetGroup, Grammar::OneOf(PROTOCOLS), Merge::Own, "HTTPS",
        "Protocol of health checks; by default that of `backend-protocol`.",
    )
    .code(Code::InvalidHealthCheck)
    .on_service(OnService::Replaces);
    HEALTHCHECK_PATH: String = Setting::new(
        "healthcheck-path", TargetGroup, Grammar::Path, Merge::Own, "/healthz",
        "Path of health checks; for GRPC a method, by default /AWS.ALB/healthcheck.",
    )
    .code(Code::InvalidHealthCheck)
    .default("/")
    .on_service(OnService::Replaces);
    HEALTHCHECK_INTERVAL_SECONDS: i32 = Setting::new(
        "healthcheck-interval-seconds", TargetGroup, Grammar::Int32 { min: 5, max: 300 }, Merge::Own, "10",
        "Seconds from one health check to the next; has to be more than the timeout.",
    )
    .code(Code::InvalidHealthCheck)
    .unreadable(Code::InvalidValue)
    .default("15")
    .on_service(OnService::Replaces);
    HEALTHCHECK_TIMEOUT_SECONDS: i32 = Setting::new(
        "healthcheck-timeout-seconds", TargetGroup, Grammar::Int32 { min: 2, max: 120 }, Merge::Own, "5",
        "Seconds after which a health check without an answer has failed.",
    )
    .code(Code::InvalidHealthCheck)
    .unreadable(Code::InvalidValue)
    .default("5")
    .on_service(OnService::Replaces);
    HEALTHY_THRESHOLD_COUNT: i32 = Setting::new(
        "healthy-threshold-count", TargetGroup, Grammar::Int32 { min: 2, max: 10 }, Merge::Own, "2",
        "Health checks in a row that have to succeed before a target is healthy.",
    )
    .code(Code::InvalidHealthCheck)
    .unreadable(Code::InvalidValue)
    .default("2")
    .on_service(OnService::Replaces);
    UNHEALTHY_THRESHOLD_COUNT: i32 = Setting::new(
        "unhealthy-threshold-count", TargetGroup, Grammar::Int32 { min: 2, max: 10 }, Merge::Own, "2",
        "Health checks in a row that have to fail before a target is unhealthy.",
    )
    .code(Code::InvalidHealthCheck)
    .unreadable(Code::InvalidValue)
    .default("2")
    .on_service(OnService::Replaces);
    SUCCESS_CODES: String = Setting::new(
        "success-codes", TargetGroup, Grammar::StatusCodes(499), Merge::Own, "200-299",
        "Statuses that count as healthy: HTTP ones from 200 to 499, for GRPC from 0 to 99, there 12 by default.",
    )
    .code(Code::InvalidHealthCheck)
    .default("200")
    .on_service(OnService::Replaces);
    TARGET_NODE_LABELS: BTreeMap<String, String> = Setting::new(
        "target-node-labels", TargetGroup, Grammar::Labels, Merge::Own, "pool=web",
        "With target type instance, only nodes that have these labels are registered.",
    )
    .on_service(OnService::Replaces);
    MULTI_CLUSTER_TARGET_GROUP: bool = Setting::new(
        "multi-cluster-target-group", TargetGroup, Grammar::Bool, Merge::Own, "true",
        "Lets other clusters register targets in the same target group. True on the Ingress or on the Service is true.",
    )
    .default("false")
    .on_service(OnService::Either);
    TARGET_CONTROL_PORT: u16 = Setting::new(
        "target-control-port.", TargetGroup, Grammar::Int32 { min: 1, max: 65535 }, Merge::Own, "3000",
        "Port of the target's control agent, for the backend in the key: `target-control-port.<service>.<port>`, the port \
         as the rule writes it. Target type ip only; a change replaces the target group.",
    )
    .named("<service>.<port>", "app.80")
    .on_service(OnService::Replaces);
}
