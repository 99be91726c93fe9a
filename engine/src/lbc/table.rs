//! The rows: every flag and every feature gate that LBC has had since version 2.0.

use super::Here::{self, Always, NoEffect, OtherDefault, Same};
use super::LbcRow;

const fn value(name: &'static str, default: &'static str, here: Here, note: &'static str) -> LbcRow {
    LbcRow { name, default, is_bool: false, here, note }
}

const fn switch(name: &'static str, default: &'static str, here: Here, note: &'static str) -> LbcRow {
    LbcRow { name, default, is_bool: true, here, note }
}

const SERVICES: &str = "it concerns Services of type LoadBalancer, which Albedo does not serve";
const GATEWAYS: &str = "it concerns the Gateway API, which Albedo does not serve";
const ACCELERATORS: &str = "it concerns Global Accelerator, which Albedo does not serve";
const CERTIFICATES: &str =
    "Albedo requests no certificates from ACM: name them in certificate-arn, or let Albedo discover issued ones";

/// The flags, by name.
#[rustfmt::skip]
pub const FLAGS: &[LbcRow] = &[
    value("alb-gateway-max-concurrent-reconciles", "3", NoEffect, GATEWAYS),
    value("allowed-certificate-authority-arns", "", Same, ""),
    value("aws-api-endpoints", "", Same, ""),
    value("aws-api-throttle", "", OtherDefault(""), "without it, reads of Elastic Load Balancing are limited to 10 a second with a burst of 40, as AWS's examples have it (LBC: 50 and 200); creates and deletes are limited, too"),
    value("aws-max-retries", "10", OtherDefault("3"), "attempts of a call that reads; a call that writes is sent once, and the next reconcile pass decides anew"),
    value("aws-region", "", Same, "without it: instance metadata"),
    value("aws-vpc-id", "", Same, "without it: --aws-vpc-tags, the instances of the nodes, instance metadata"),
    value("aws-vpc-tag-key", "Name", NoEffect, "LBC ignores it, too: all tags of --aws-vpc-tags are used"),
    value("aws-vpc-tags", "", Same, ""),
    value("backend-security-group", "", Same, ""),
    value("cluster-name", "", Same, "required, and it must be exactly LBC's: it is part of names and tags"),
    value("default-load-balancer-scheme", "internal", Same, ""),
    value("default-pca-arn", "", Always(""), CERTIFICATES),
    value("default-ssl-policy", "ELBSecurityPolicy-2016-08", Same, ""),
    value("default-tags", "", Same, ""),
    value("default-target-type", "instance", Same, ""),
    switch("disable-ingress-class-annotation", "false", Same, ""),
    switch("disable-ingress-group-name-annotation", "false", Same, ""),
    switch("disable-restricted-sg-rules", "false", Same, ""),
    switch("enable-backend-security-group", "true", Same, ""),
    switch("enable-endpoint-slices", "true", Always("true"), "Albedo always reads EndpointSlices, never Endpoints"),
    switch("enable-leader-election", "true", Same, ""),
    switch("enable-manage-backend-security-group-rules", "false", Same, ""),
    switch("enable-pod-readiness-gate-inject", "true", Same, ""),
    switch("enable-shield", "true", Same, ""),
    switch("enable-waf", "true", Same, ""),
    switch("enable-wafv2", "true", Same, ""),
    value("external-managed-tags", "", Same, ""),
    value(super::FEATURE_GATES, "", Same, "the gates are below"),
    value("gateway-class-max-concurrent-reconciles", "3", NoEffect, GATEWAYS),
    value("globalaccelerator-max-concurrent-reconciles", "1", NoEffect, ACCELERATORS),
    value("globalaccelerator-max-exponential-backoff-delay", "16m40s", NoEffect, ACCELERATORS),
    value("health-probe-bind-addr", ":61779", Same, ""),
    value("ingress-class", "alb", Same, ""),
    value("ingress-max-concurrent-reconciles", "3", Same, "groups and bindings of one namespace at a time; LBC counts groups of all namespaces"),
    value("kube-ca-pem-filepath", "", Same, ""),
    value("kubeconfig", "", Same, ""),
    value("lb-stabilization-monitor-interval", "2m0s", Same, ""),
    value("leader-election-id", "aws-load-balancer-controller-leader", Same, ""),
    value("leader-election-namespace", "", Same, ""),
    value("load-balancer-class", "service.k8s.aws/nlb", NoEffect, SERVICES),
    value("log-level", "info", Same, ""),
    value("max-targets-per-target-group", "0", Same, ""),
    value("metrics-bind-addr", ":8080", Same, ""),
    value("nlb-gateway-max-concurrent-reconciles", "3", NoEffect, GATEWAYS),
    value("quic-environment-variable-name", "AWS_LBC_QUIC_SERVER_ID", NoEffect, "it concerns QUIC server ids of targets of NLBs, which Albedo does not inject"),
    value("required-secrets-label", "", Same, ""),
    value("service-max-concurrent-reconciles", "3", NoEffect, SERVICES),
    value("service-target-eni-security-group-tags", "", Same, ""),
    value("sync-period", "10h0m0s", OtherDefault("1h"), "after this time Albedo reads AWS again and corrects drift"),
    value("targetgroupbinding-max-concurrent-reconciles", "3", NoEffect, "--ingress-max-concurrent-reconciles applies to bindings, too"),
    value("targetgroupbinding-max-exponential-backoff-delay", "16m40s", NoEffect, "the longest pause of Albedo between two attempts is 5 minutes"),
    value("targetgroupbinding-requeue-duration", "15s", Same, "how often the health of targets is read while Pods wait for it"),
    switch("tolerate-non-existent-backend-action", "true", Same, ""),
    switch("tolerate-non-existent-backend-service", "true", Same, ""),
    value("watch-namespace", "", Same, ""),
    value("webhook-bind-port", "9443", Same, ""),
    value("webhook-cert-dir", "/tmp/k8s-webhook-server/serving-certs", Same, ""),
    value("webhook-cert-file", "tls.crt", Same, ""),
    value("webhook-key-file", "tls.key", Same, ""),
];

/// The feature gates, by name.
#[rustfmt::skip]
pub const GATES: &[LbcRow] = &[
    switch("ALBGatewayAPI", "true", Always("false"), GATEWAYS),
    switch("ALBSingleSubnet", "false", Same, ""),
    switch("ALBTargetControlAgent", "false", Always("false"), "Albedo injects no target control agent into Pods"),
    switch("EnableCertificateManagement", "false", Always("false"), CERTIFICATES),
    switch("EnableDefaultTagsLowPriority", "false", Same, ""),
    switch("EnableIPTargetType", "true", Same, ""),
    switch("EnableRGTAPI", "false", NoEffect, "Albedo reads tags from Elastic Load Balancing and EC2"),
    switch("EnableServiceController", "true", Always("false"), SERVICES),
    switch("EnableTCPUDPListener", "false", NoEffect, SERVICES),
    switch("EndpointsFailOpen", "true", Same, ""),
    switch("EnhancedDefaultBehavior", "false", Always("false"), "reserved capacity and mutual TLS stay as they are when their annotation is removed; write the value that switches them off"),
    switch("GatewayListenerSet", "true", Always("false"), GATEWAYS),
    switch("GlobalAcceleratorController", "false", Always("false"), ACCELERATORS),
    switch("IngressPlanAnnotation", "false", Always("false"), "Albedo writes no plan into annotations; albedo plan prints it"),
    switch("LBCapacityReservation", "true", Same, ""),
    switch("ListenerRulesTagging", "true", Same, ""),
    switch("NLBGatewayAPI", "true", Always("false"), GATEWAYS),
    switch("NLBHealthCheckAdvancedConfig", "true", NoEffect, SERVICES),
    switch("NLBSecurityGroup", "true", NoEffect, SERVICES),
    switch("ServiceTypeLoadBalancerOnly", "false", NoEffect, SERVICES),
    switch("SubnetDiscoveryByReachability", "true", Same, ""),
    switch("SubnetsClusterTagCheck", "true", Same, ""),
    switch("WeightedTargetGroups", "true", Same, ""),
];
