//! What the operator decided with flags, as far as it changes what is built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::stack::{Addon, Holder, Scheme, Tags, TargetType};

/// The controller of an IngressClass that is LBC's, and ours unless LBC runs beside us.
pub const CONTROLLER: &str = "ingress.k8s.aws/alb";
/// The controller of an IngressClass that is always ours, and never LBC's.
pub const ALBEDO_CONTROLLER: &str = "albedo.dev/alb";

/// What the operator decided, as far as the engine needs it. Names and defaults follow the flags.
#[expect(clippy::struct_excessive_bools, reason = "one a flag")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `--cluster-name`: part of names and tags.
    pub cluster_name: String,
    /// `--beside-lbc`: LBC runs in this cluster, too. Classes of [`CONTROLLER`], the legacy class annotation, all bindings, their targets
    /// and the rules of nodes and pods are LBC's.
    pub beside_lbc: bool,
    /// `--ingress-class`: the value of the legacy class annotation that is ours; empty takes Ingresses without a class too.
    pub ingress_class: String,
    /// `--default-load-balancer-scheme`.
    pub default_scheme: Scheme,
    /// `--default-target-type`.
    pub default_target_type: TargetType,
    /// `--default-ssl-policy`.
    pub default_ssl_policy: String,
    /// `--default-tags`.
    pub default_tags: Tags,
    /// `--external-managed-tags`: keys that are neither set nor removed.
    pub external_managed_tags: Vec<String>,
    /// `--extra-attributes`: keys of attributes that are newer than the tables of this version.
    pub extra_attributes: Vec<String>,
    /// `--security-group-rules-quota`: what AWS allows the account in a security group, if it is known.
    pub security_group_rules_quota: Option<u64>,
    /// `--enable-backend-security-group`.
    pub enable_backend_security_group: bool,
    /// `--backend-security-group`: used as it is, never made or deleted.
    pub backend_security_group: Option<String>,
    /// `--enable-manage-backend-security-group-rules`.
    pub manage_backend_security_group_rules: bool,
    /// `--disable-restricted-sg-rules`: bindings open all ports.
    pub disable_restricted_security_group_rules: bool,
    /// `--max-targets-per-target-group`: targets beyond it are not registered; `None`: no limit.
    pub max_targets: Option<u32>,
    /// `--enable-pod-readiness-gate-inject`: Pods get a readiness gate for each binding that they are targets of.
    pub inject_readiness_gates: bool,
    /// `--service-target-eni-security-group-tags`: tags of the security group that is opened, among several on a network
    /// interface, beside the cluster's.
    pub endpoint_security_group_tags: Tags,
    /// `--tolerate-non-existent-backend-service`.
    pub tolerate_missing_service: bool,
    /// `--tolerate-non-existent-backend-action`.
    pub tolerate_missing_action: bool,
    /// `--allowed-certificate-authority-arns`; empty allows all.
    pub allowed_certificate_authorities: Vec<String>,
    /// `--disable-ingress-class-annotation`: nobody may begin to use the legacy class annotation.
    pub forbid_class_annotation: bool,
    /// `--disable-ingress-group-name-annotation`: nobody may add or change `group.name`.
    pub forbid_group_name_annotation: bool,
    /// `--required-secrets-label`: what a Secret of an identity provider must carry; empty asks for nothing.
    pub required_secret_labels: BTreeMap<String, String>,
    /// `--enable-waf`: WAF Classic Regional.
    pub enable_waf: bool,
    /// `--enable-wafv2`.
    pub enable_wafv2: bool,
    /// `--enable-shield`.
    pub enable_shield: bool,
    /// `--feature-gates`, those that mean something here, by name.
    pub gates: BTreeMap<String, bool>,
}

impl Settings {
    /// The defaults for a cluster.
    #[must_use]
    pub fn new(cluster_name: &str) -> Self {
        Self {
            cluster_name: cluster_name.to_owned(),
            beside_lbc: false,
            ingress_class: "alb".to_owned(),
            default_scheme: Scheme::Internal,
            default_target_type: TargetType::Instance,
            default_ssl_policy: "ELBSecurityPolicy-2016-08".to_owned(),
            default_tags: Tags::new(),
            external_managed_tags: Vec::new(),
            extra_attributes: Vec::new(),
            security_group_rules_quota: None,
            enable_backend_security_group: true,
            backend_security_group: None,
            manage_backend_security_group_rules: false,
            disable_restricted_security_group_rules: false,
            max_targets: None,
            inject_readiness_gates: true,
            endpoint_security_group_tags: Tags::new(),
            tolerate_missing_service: true,
            tolerate_missing_action: true,
            allowed_certificate_authorities: Vec::new(),
            forbid_class_annotation: false,
            forbid_group_name_annotation: false,
            required_secret_labels: BTreeMap::new(),
            enable_waf: true,
            enable_wafv2: true,
            enable_shield: true,
            gates: BTreeMap::new(),
        }
    }

    /// The controllers whose classes are ours; the first is the one to recommend.
    #[must_use]
    pub fn controllers(&self) -> &'static [&'static str] {
        if self.beside_lbc { &[ALBEDO_CONTROLLER] } else { &[CONTROLLER, ALBEDO_CONTROLLER] }
    }

    /// Whose finalizers say that an Ingress is held for us; the first is the one that is written.
    #[must_use]
    pub fn holders(&self) -> &'static [Holder] {
        if self.beside_lbc { &[Holder::Albedo] } else { &Holder::ALL }
    }

    /// Tags of a resource with the default ones over them, or under them if the gate says so.
    #[must_use]
    pub fn with_default_tags(&self, own: Tags) -> Tags {
        let defaults = self.default_tags.clone();
        let (under, over) =
            if self.gate(Gate::EnableDefaultTagsLowPriority) { (defaults, own) } else { (own, defaults) };
        under.into_iter().chain(over).collect()
    }

    /// Whether an add-on may be attached and detached.
    #[must_use]
    pub fn allows(&self, addon: Addon) -> bool {
        match addon {
            Addon::WebAcl => self.enable_wafv2,
            Addon::ClassicWebAcl => self.enable_waf,
            Addon::Shield => self.enable_shield,
            Addon::Capacity => self.gate(Gate::LbCapacityReservation),
        }
    }

    /// Whether a gate is open.
    #[must_use]
    pub fn gate(&self, gate: Gate) -> bool {
        self.gates.get(gate.name()).copied().unwrap_or(gate.default())
    }
}

/// Feature gates that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Tags on listeners and rules.
    ListenerRulesTagging,
    /// Target type `ip`.
    EnableIpTargetType,
    /// One subnet is enough.
    AlbSingleSubnet,
    /// Subnets tagged for other clusters are not discovered.
    SubnetsClusterTagCheck,
    /// Subnets without a role tag are told apart by their route to an internet gateway.
    SubnetDiscoveryByReachability,
    /// Capacity is reserved for load balancers.
    LbCapacityReservation,
    /// `--default-tags` give way to tags of objects.
    EnableDefaultTagsLowPriority,
    /// A forward names several target groups, with weights.
    WeightedTargetGroups,
    /// Certificates are requested from ACM, which this version does not do: members that rely on it wait.
    EnableCertificateManagement,
    /// If no endpoint of a Service is ready, those whose node's state is unknown stay targets.
    EndpointsFailOpen,
}

impl Gate {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ListenerRulesTagging,
        Self::EnableIpTargetType,
        Self::AlbSingleSubnet,
        Self::SubnetsClusterTagCheck,
        Self::SubnetDiscoveryByReachability,
        Self::LbCapacityReservation,
        Self::EnableDefaultTagsLowPriority,
        Self::WeightedTargetGroups,
        Self::EnableCertificateManagement,
        Self::EndpointsFailOpen,
    ];

    /// The name in `--feature-gates`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ListenerRulesTagging => "ListenerRulesTagging",
            Self::EnableIpTargetType => "EnableIPTargetType",
            Self::AlbSingleSubnet => "ALBSingleSubnet",
            Self::SubnetsClusterTagCheck => "SubnetsClusterTagCheck",
            Self::SubnetDiscoveryByReachability => "SubnetDiscoveryByReachability",
            Self::LbCapacityReservation => "LBCapacityReservation",
            Self::EnableDefaultTagsLowPriority => "EnableDefaultTagsLowPriority",
            Self::WeightedTargetGroups => "WeightedTargetGroups",
            Self::EnableCertificateManagement => "EnableCertificateManagement",
            Self::EndpointsFailOpen => "EndpointsFailOpen",
        }
    }

    /// Open or shut when the flag does not say.
    #[must_use]
    pub fn default(self) -> bool {
        !matches!(self, Self::AlbSingleSubnet | Self::EnableDefaultTagsLowPriority | Self::EnableCertificateManagement)
    }
}
