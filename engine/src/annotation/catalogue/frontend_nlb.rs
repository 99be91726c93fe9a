//! Keys that belong to the network load balancer which gives a group fixed addresses.

use std::collections::BTreeMap;

use crate::annotation::attributes::Owner;
use crate::annotation::row::{Grammar, Merge, Scope, SettingRow, When};
use crate::annotation::setting::Setting;
use crate::annotation::value::{Subnets, Value};
use crate::finding::Code;
use crate::stack::{Attributes, Protocol, Scheme, Tags};
use Scope::NetworkLoadBalancer;

settings! { FRONTEND_NLB_ROWS:
    ENABLE_FRONTEND_NLB: bool = Setting::new(
        "enable-frontend-nlb", NetworkLoadBalancer, Grammar::Bool, Merge::Same, "true",
        "Puts an NLB in front of the ALB.",
    )
    .also(&[Code::GroupConflict, Code::InvalidFrontendNlb, Code::FrontendNlbOff, Code::RemovesFrontendNlb])
    .default("false")
    .when(When::Always);
    FRONTEND_NLB_SCHEME: Scheme = Setting::new(
        "frontend-nlb-scheme", NetworkLoadBalancer, Grammar::OneOf(&["internal", "internet-facing"]), Merge::Same,
        "internet-facing",
        "Whether the NLB has public addresses. The flag `--default-load-balancer-scheme` sets the default, not the ALB's \
         scheme.",
    )
    .code(Code::InvalidScheme)
    .default("internal")
    .flag(|settings| Value::Text(settings.default_scheme.to_string()));
    FRONTEND_NLB_SUBNETS: Subnets = Setting::new(
        "frontend-nlb-subnets", NetworkLoadBalancer, Grammar::IdsOrNames("subnet-"), Merge::SameSet,
        "subnet-0a1b2c3d4e5f60718, public-b",
        "The NLB's subnets, by id or Name tag; by default those that the tags and routes of the VPC give for its scheme.",
    )
    .code(Code::InvalidSubnets)
    .strict();
    FRONTEND_NLB_SECURITY_GROUPS: Vec<String> = Setting::new(
        "frontend-nlb-security-groups", NetworkLoadBalancer, Grammar::IdsOrNames("sg-"), Merge::SameList,
        "sg-0a1b2c3d4e5f60718",
        "The NLB's security groups, by id or Name tag; by default the ALB's.",
    );
    FRONTEND_NLB_EIP_ALLOCATIONS: Vec<String> = Setting::new(
        "frontend-nlb-eip-allocations", NetworkLoadBalancer, Grammar::Ids("eipalloc-"), Merge::SameSet,
        "eipalloc-0a1b2c3d4e5f60718, eipalloc-0a1b2c3d4e5f60719",
        "Elastic addresses for an internet-facing NLB, by allocation id, as many as subnets.",
    );
    FRONTEND_NLB_LISTENER_PORT_MAPPING: BTreeMap<u16, u16> = Setting::new(
        "frontend-nlb-listener-port-mapping", NetworkLoadBalancer, Grammar::PortMap, Merge::SamePerPort, "8443=443",
        "The NLB's ports and the ALB's ports they lead to; by default each ALB port under its own number.",
    );
    FRONTEND_NLB_HEALTHCHECK_PORT: String = Setting::new(
        "frontend-nlb-healthcheck-port", NetworkLoadBalancer, Grammar::TrafficPort, Merge::SamePerPort, "80",
        "Port of the ALB that the NLB checks.",
    )
    .code(Code::InvalidHealthCheck)
    .default("traffic-port");
    FRONTEND_NLB_HEALTHCHECK_PROTOCOL: Protocol = Setting::new(
        "frontend-nlb-healthcheck-protocol", NetworkLoadBalancer, Grammar::OneOf(&["HTTP", "HTTPS"]),
        Merge::SamePerPort, "HTTPS",
        "Protocol of the NLB's health checks.",
    )
    .code(Code::InvalidHealthCheck)
    .unreadable(Code::InvalidValue)
    .default("HTTP");
    FRONTEND_NLB_HEALTHCHECK_PATH: String = Setting::new(
        "frontend-nlb-healthcheck-path", NetworkLoadBalancer, Grammar::Path, Merge::SamePerPort, "/healthz",
        "Path of the NLB's health checks.",
    )
    .code(Code::InvalidHealthCheck)
    .default("/");
    FRONTEND_NLB_HEALTHCHECK_INTERVAL_SECONDS: i32 = Setting::new(
        "frontend-nlb-healthcheck-interval-seconds", NetworkLoadBalancer, Grammar::Int32 { min: 5, max: 300 },
        Merge::SamePerPort, "15",
        "Seconds from one health check of the NLB to the next.",
    )
    .code(Code::InvalidHealthCheck)
    .unreadable(Code::InvalidValue)
    .default("15");
    FRONTEND_NLB_HEALTHCHECK_TIMEOUT_SECONDS: i32 = Setting::new(
        "frontend-nlb-healthcheck-timeout-seconds", NetworkLoadBalancer, Grammar::Int32 { min: 2, max: 120 },
        Merge::SamePerPort, "5",
        "Seconds after which a health check of the NLB has failed.",
    )
    .code(Code::InvalidHealthCheck)
    .unreadable(Code::InvalidValue)
    .default("5");
    FRONTEND_NLB_HEALTHCHECK_HEALTHY_THRESHOLD_COUNT: i32 = Setting::new(
        "frontend-nlb-healthcheck-healthy-threshold-count", NetworkLoadBalancer, Grammar::Int32 { min: 2, max: 10 },
        Merge::SamePerPort, "2",
        "Successes in a row after which the NLB takes the ALB for healthy.",
    )
    .code(Code::InvalidHealthCheck)
    .unreadable(Code::InvalidValue)
    .default("2");
    FRONTEND_NLB_HEALTHCHECK_UNHEALTHY_THRESHOLD_COUNT: i32 = Setting::new(
        "frontend-nlb-healthcheck-unhealthy-threshold-count", NetworkLoadBalancer, Grammar::Int32 { min: 2, max: 10 },
        Merge::SamePerPort, "2",
        "Failures in a row after which the NLB takes the ALB for unhealthy.",
    )
    .code(Code::InvalidHealthCheck)
    .unreadable(Code::InvalidValue)
    .default("2");
    FRONTEND_NLB_HEALTHCHECK_SUCCESS_CODES: String = Setting::new(
        "frontend-nlb-healthcheck-success-codes", NetworkLoadBalancer, Grammar::StatusCodes(599), Merge::SamePerPort,
        "200-399",
        "HTTP statuses from 200 to 599 that count as healthy for the NLB.",
    )
    .code(Code::InvalidHealthCheck)
    .default("200");
    FRONTEND_NLB_ATTRIBUTES: Attributes = Setting::new(
        "frontend-nlb-attributes", NetworkLoadBalancer, Grammar::Attributes(Owner::NetworkLoadBalancer),
        Merge::Identical, "load_balancing.cross_zone.enabled=true",
        "Attributes of the NLB, named as in the ELBv2 API's LoadBalancerAttribute.",
    )
    .code(Code::InvalidAttribute)
    .also(&[Code::GroupConflict, Code::InvalidFrontendNlb, Code::FrontendNlbOff, Code::UnfamiliarValue]);
    FRONTEND_NLB_LISTENER_ATTRIBUTES: Attributes = Setting::new(
        "frontend-nlb-listener-attributes", NetworkLoadBalancer, Grammar::Attributes(Owner::NetworkListener),
        Merge::Identical, "tcp.idle_timeout.seconds=4000",
        "Attributes of every listener of the NLB, named as in the ELBv2 API's ListenerAttribute. The NLB forgets a connection that \
         is idle for 350 seconds: give it the ALB's idle_timeout.timeout_seconds if that is longer. The AWS Load Balancer \
         Controller does not know this key.",
    )
    .code(Code::InvalidAttribute)
    .also(&[Code::GroupConflict, Code::InvalidFrontendNlb, Code::FrontendNlbOff, Code::UnfamiliarValue]);
    FRONTEND_NLB_TAGS: Tags = Setting::new(
        "frontend-nlb-tags", NetworkLoadBalancer, Grammar::Tags, Merge::Same, "team=web",
        "AWS tags of the NLB, its listeners and target groups, in place of all that the ALB has, default tags included.",
    )
    .code(Code::InvalidTags);
}
