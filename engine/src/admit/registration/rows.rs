//! The table of webhooks: those that the configurations register, and those that are only served.

use super::FailurePolicy::{Fail, Ignore};
use super::Kind::{Mutating, Validating};
use super::Reach::{All, Labelled, Others, Own, Served};
use super::WebhookRow;

const CREATE: &[&str] = &["CREATE"];
const CREATE_UPDATE: &[&str] = &["CREATE", "UPDATE"];

/// LBC's label of namespaces whose Pods get readiness gates, with its value:
/// <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/pod_readiness_gate/>.
pub const GATES: (&str, &str) = ("elbv2.k8s.aws/pod-readiness-gate-inject", "enabled");

/// The path of readiness gates, which is LBC's.
pub const GATES_PATH: &str = "/mutate-v1-pod";
/// The label of namespaces whose Pods sleep before they stop, with the seconds as its value. On a Pod the annotation of this name has precedence.
pub const PRE_STOP: &str = "albedo.dev/pre-stop-sleep";
/// The path of what makes them sleep.
pub const PRE_STOP_PATH: &str = "/mutate-v1-pod-pre-stop";

/// Every path that is served. Paths of the AWS Load Balancer Controller keep their spelling, so that configurations
/// that it left behind continue to work.
pub const ROWS: &[WebhookRow] = &[
    WebhookRow {
        path: "/mutate-networking-v1-ingress",
        webhook: "mingress.albedo.dev",
        kind: Mutating,
        group: "networking.k8s.io",
        version: "v1",
        resource: "ingresses",
        operations: CREATE_UPDATE,
        failure_policy: Fail,
        reach: Own,
        note: "adds absent annotations to Ingresses of our classes",
    },
    WebhookRow {
        path: "/mutate-networking-v1-ingress",
        webhook: "mingress-others.albedo.dev",
        kind: Mutating,
        group: "networking.k8s.io",
        version: "v1",
        resource: "ingresses",
        operations: CREATE_UPDATE,
        failure_policy: Ignore,
        reach: Others,
        note: "the same for Ingresses whose class turns out to be ours only when it is looked up",
    },
    WebhookRow {
        path: "/validate-networking-v1-ingress",
        webhook: "vingress.albedo.dev",
        kind: Validating,
        group: "networking.k8s.io",
        version: "v1",
        resource: "ingresses",
        operations: CREATE_UPDATE,
        failure_policy: Fail,
        reach: Own,
        note: "refuses Ingresses of our classes that would not provision",
    },
    WebhookRow {
        path: "/validate-networking-v1-ingress",
        webhook: "vingress-others.albedo.dev",
        kind: Validating,
        group: "networking.k8s.io",
        version: "v1",
        resource: "ingresses",
        operations: CREATE_UPDATE,
        failure_policy: Ignore,
        reach: Others,
        note: "the same for Ingresses whose class turns out to be ours; warns of our keys under a foreign class",
    },
    WebhookRow {
        path: GATES_PATH,
        webhook: "mpod.albedo.dev",
        kind: Mutating,
        group: "",
        version: "v1",
        resource: "pods",
        operations: CREATE,
        failure_policy: Ignore,
        reach: Labelled(GATES.0, Some(GATES.1)),
        note: "adds readiness gates to Pods that will be targets",
    },
    WebhookRow {
        path: PRE_STOP_PATH,
        webhook: "mpod-pre-stop.albedo.dev",
        kind: Mutating,
        group: "",
        version: "v1",
        resource: "pods",
        operations: CREATE,
        failure_policy: Ignore,
        reach: Labelled(PRE_STOP, None),
        note: "lets containers of Pods that will be targets sleep before they stop",
    },
    WebhookRow {
        path: "/mutate-v1-pod-server-id",
        webhook: "quicid.elbv2.k8s.aws",
        kind: Mutating,
        group: "",
        version: "v1",
        resource: "pods",
        operations: CREATE,
        failure_policy: Ignore,
        reach: Served,
        note: "QUIC server ids, which an ALB has no use for",
    },
    WebhookRow {
        path: "/mutate-v1-service",
        webhook: "mservice.elbv2.k8s.aws",
        kind: Mutating,
        group: "",
        version: "v1",
        resource: "services",
        operations: CREATE_UPDATE,
        failure_policy: Ignore,
        reach: Served,
        note: "load balancer class of Services, which are not ours",
    },
    WebhookRow {
        path: "/mutate-elbv2-k8s-aws-v1beta1-targetgroupbinding",
        webhook: "mtargetgroupbinding.albedo.dev",
        kind: Mutating,
        group: "elbv2.k8s.aws",
        version: "v1beta1",
        resource: "targetgroupbindings",
        operations: CREATE_UPDATE,
        failure_policy: Ignore,
        reach: All,
        note: "adds fields to bindings that their target group tells",
    },
    WebhookRow {
        path: "/mutate-alb-target-control-namespace-v1-pod",
        webhook: "alb-target-control.namespace.elbv2.k8s.aws",
        kind: Mutating,
        group: "",
        version: "v1",
        resource: "pods",
        operations: CREATE,
        failure_policy: Ignore,
        reach: Served,
        note: "target control agent by namespace, which is not injected",
    },
    WebhookRow {
        path: "/mutate-alb-target-control-object-v1-pod",
        webhook: "alb-target-control.object.elbv2.k8s.aws",
        kind: Mutating,
        group: "",
        version: "v1",
        resource: "pods",
        operations: CREATE,
        failure_policy: Ignore,
        reach: Served,
        note: "target control agent by label, which is not injected",
    },
    WebhookRow {
        path: "/validate-elbv2-k8s-aws-v1beta1-ingressclassparams",
        webhook: "vingressclassparams.elbv2.k8s.aws",
        kind: Validating,
        group: "elbv2.k8s.aws",
        version: "v1beta1",
        resource: "ingressclassparams",
        operations: CREATE_UPDATE,
        failure_policy: Ignore,
        reach: Served,
        note: "parameters of classes",
    },
    WebhookRow {
        path: "/validate-elbv2-k8s-aws-v1beta1-targetgroupbinding",
        webhook: "vtargetgroupbinding.albedo.dev",
        kind: Validating,
        group: "elbv2.k8s.aws",
        version: "v1beta1",
        resource: "targetgroupbindings",
        operations: CREATE_UPDATE,
        failure_policy: Ignore,
        reach: All,
        note: "refuses bindings of target groups that are bound already, and those that conflict with theirs",
    },
    WebhookRow {
        path: "/validate-aga-k8s-aws-v1beta1-globalaccelerator",
        webhook: "vglobalaccelerator.aga.k8s.aws",
        kind: Validating,
        group: "aga.k8s.aws",
        version: "v1beta1",
        resource: "globalaccelerators",
        operations: CREATE_UPDATE,
        failure_policy: Ignore,
        reach: Served,
        note: "global accelerators, which are not ours",
    },
];
