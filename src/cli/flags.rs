//! Flags of `albedo run`: LBC's flags if the meaning is the same, each also from the environment (`ALBEDO_…`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use albedo_engine::admit::registration::Overrides;
use albedo_engine::admit::{Defaults, Mode, Policy};
use albedo_engine::lbc;
use albedo_engine::settings::{Gate, Settings};
use albedo_engine::stack::{IpAddressType, Scheme, TRACKING_TAGS, TargetType};
use anyhow::{Context, bail};
use clap::{Args, Parser as _};

use super::place::Place;
use super::printing;

/// What a replica does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Answers reviews, and reconciles while it holds the lease
    All,
    /// Answers reviews alone, by facts of the account that a controller publishes; needs no permission in AWS
    Admission,
    /// Reconciles while it holds the lease, and publishes facts of the account; answers no reviews
    Controller,
}

/// Where the serving certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Certificates {
    /// Files that somebody else writes
    Files,
    /// Albedo makes them itself
    #[value(name = "self")]
    Own,
}

/// Flags of `albedo run`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one a flag")]
pub struct Run {
    /// Name of the cluster: part of names and tags
    #[arg(long, env = "ALBEDO_CLUSTER_NAME")]
    pub cluster_name: String,
    /// What this replica does: all, admission or controller
    #[arg(long, env = "ALBEDO_ROLE", value_enum, default_value_t = Role::All)]
    pub role: Role,
    /// `ConfigMap` ([NAMESPACE/]NAME) in which a controller publishes facts of the account for the role admission; that of the Pod without a namespace
    #[arg(long, env = "ALBEDO_FACTS_CONFIG_MAP", default_value = "albedo-facts")]
    pub facts_config_map: String,
    /// Value of the legacy class annotation for this controller
    #[arg(long, env = "ALBEDO_INGRESS_CLASS", default_value = "alb")]
    pub ingress_class: String,
    /// The only namespace to watch; empty: all
    #[arg(long, env = "ALBEDO_WATCH_NAMESPACE", default_value = "")]
    pub watch_namespace: String,
    /// Kubeconfig; default: the Pod's service account
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Write to AWS and the cluster only while holding a lease, to allow several replicas
    #[arg(long, env = "ALBEDO_ENABLE_LEADER_ELECTION", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub enable_leader_election: bool,
    /// Name of the lease; with LBC's name, a running LBC in the same namespace is excluded
    #[arg(long, env = "ALBEDO_LEADER_ELECTION_ID", default_value = "aws-load-balancer-controller-leader")]
    pub leader_election_id: String,
    /// Namespace of the lease; empty: that of the Pod
    #[arg(long, env = "ALBEDO_LEADER_ELECTION_NAMESPACE", default_value = "")]
    pub leader_election_namespace: String,
    #[command(flatten)]
    pub place: Place,
    /// Limits of calls: `ServiceID:opRegex=rate:burst,…`
    #[arg(long, env = "ALBEDO_AWS_API_THROTTLE")]
    pub aws_api_throttle: Option<String>,
    /// Attempts of a reading call
    #[arg(long, env = "ALBEDO_AWS_MAX_RETRIES", default_value_t = 3)]
    pub aws_max_retries: u32,
    /// Default scheme of load balancers: internal or internet-facing
    #[arg(long, env = "ALBEDO_DEFAULT_LOAD_BALANCER_SCHEME", default_value = "internal")]
    pub default_load_balancer_scheme: String,
    /// Default target type of target groups: instance or ip
    #[arg(long, env = "ALBEDO_DEFAULT_TARGET_TYPE", default_value = "instance")]
    pub default_target_type: String,
    /// Default TLS policy of HTTPS listeners
    #[arg(long, env = "ALBEDO_DEFAULT_SSL_POLICY", default_value = "ELBSecurityPolicy-2016-08")]
    pub default_ssl_policy: String,
    /// Tags (key=value,…) of every resource
    #[arg(long, env = "ALBEDO_DEFAULT_TAGS", default_value = "")]
    pub default_tags: String,
    /// LBC runs in this cluster, too, for Services and Gateways: Albedo takes Ingresses of classes of the controller albedo.dev/alb alone, and
    /// leaves targets and the rules of nodes and pods to LBC
    #[arg(long, env = "ALBEDO_BESIDE_LBC", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub beside_lbc: bool,
    /// Tag keys that other tools manage
    #[arg(long, env = "ALBEDO_EXTERNAL_MANAGED_TAGS", value_delimiter = ',')]
    pub external_managed_tags: Vec<String>,
    /// Keys of attributes of load balancers, listeners and target groups that are newer than this version: a list
    #[arg(long, env = "ALBEDO_EXTRA_ATTRIBUTES", value_delimiter = ',')]
    pub extra_attributes: Vec<String>,
    /// Inbound rules that AWS allows the account in a security group (Service Quotas, L-0EA8095F), if the quota was raised
    #[arg(long, env = "ALBEDO_SECURITY_GROUP_RULES_QUOTA")]
    pub security_group_rules_quota: Option<u64>,
    /// Private CAs whose certificates may be discovered
    #[arg(long, env = "ALBEDO_ALLOWED_CERTIFICATE_AUTHORITY_ARNS", value_delimiter = ',')]
    pub allowed_certificate_authority_arns: Vec<String>,
    /// Add the shared backend security group to load balancers
    #[arg(long, env = "ALBEDO_ENABLE_BACKEND_SECURITY_GROUP", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub enable_backend_security_group: bool,
    /// An existing shared backend security group, instead of one that the controller creates
    #[arg(long, env = "ALBEDO_BACKEND_SECURITY_GROUP", default_value = "")]
    pub backend_security_group: String,
    /// Manage the security groups of targets if an Ingress names its own security groups
    #[arg(long, env = "ALBEDO_ENABLE_MANAGE_BACKEND_SECURITY_GROUP_RULES", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub enable_manage_backend_security_group_rules: bool,
    /// Allow load balancers all ports of targets, not only those in use
    #[arg(long, env = "ALBEDO_DISABLE_RESTRICTED_SG_RULES", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub disable_restricted_sg_rules: bool,
    /// The most targets of one target group; more are not registered; 0: no limit
    #[arg(long, env = "ALBEDO_MAX_TARGETS_PER_TARGET_GROUP", default_value_t = 0)]
    pub max_targets_per_target_group: u32,
    /// Add readiness gates to new Pods in namespaces with the label elbv2.k8s.aws/pod-readiness-gate-inject=enabled
    #[arg(long, env = "ALBEDO_ENABLE_POD_READINESS_GATE_INJECT", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub enable_pod_readiness_gate_inject: bool,
    /// Pause between reads of the health of targets while Pods wait for it
    #[arg(long, env = "ALBEDO_TARGETGROUPBINDING_REQUEUE_DURATION", default_value = "15s", value_parser = duration)]
    pub targetgroupbinding_requeue_duration: Duration,
    /// Tags (key=value,…) of the security group to manage, if a network interface of targets has several
    #[arg(long, env = "ALBEDO_SERVICE_TARGET_ENI_SECURITY_GROUP_TAGS", default_value = "")]
    pub service_target_eni_security_group_tags: String,
    /// Answer 503 for a backend whose Service does not exist, instead of quarantining the Ingress
    #[arg(long, env = "ALBEDO_TOLERATE_NON_EXISTENT_BACKEND_SERVICE", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub tolerate_non_existent_backend_service: bool,
    /// Answer 503 for a backend without its action, instead of quarantining the Ingress
    #[arg(long, env = "ALBEDO_TOLERATE_NON_EXISTENT_BACKEND_ACTION", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub tolerate_non_existent_backend_action: bool,
    /// Refuse Ingresses that begin to use the legacy class annotation kubernetes.io/ingress.class
    #[arg(long, env = "ALBEDO_DISABLE_INGRESS_CLASS_ANNOTATION", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub disable_ingress_class_annotation: bool,
    /// Refuse Ingresses that begin to use the annotation group.name, or change it
    #[arg(long, env = "ALBEDO_DISABLE_INGRESS_GROUP_NAME_ANNOTATION", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub disable_ingress_group_name_annotation: bool,
    /// Label (key=value) that a Secret of an identity provider must have
    #[arg(long, env = "ALBEDO_REQUIRED_SECRETS_LABEL", default_value = "")]
    pub required_secrets_label: String,
    /// Associate web ACLs of WAF Classic Regional
    #[arg(long, env = "ALBEDO_ENABLE_WAF", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub enable_waf: bool,
    /// Associate web ACLs of `WAFv2`
    #[arg(long, env = "ALBEDO_ENABLE_WAFV2", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub enable_wafv2: bool,
    /// Protect load balancers by Shield Advanced, if the account is subscribed
    #[arg(long, env = "ALBEDO_ENABLE_SHIELD", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub enable_shield: bool,
    /// Pause between reads of a load balancer that must be active before capacity is reserved for it: 90s, 2m0s
    #[arg(long, env = "ALBEDO_LB_STABILIZATION_MONITOR_INTERVAL", default_value = "2m0s", value_parser = duration)]
    pub lb_stabilization_monitor_interval: Duration,
    /// How long observations of AWS are valid: after this time everything is read again, and drift is corrected
    #[arg(long, env = "ALBEDO_SYNC_PERIOD", default_value = "1h", value_parser = duration)]
    pub sync_period: Duration,
    /// Gates: `Name=true,…`
    #[arg(long, env = "ALBEDO_FEATURE_GATES", default_value = "")]
    pub feature_gates: String,
    /// Groups, and bindings, of one namespace that are worked on at a time
    #[arg(long, env = "ALBEDO_INGRESS_MAX_CONCURRENT_RECONCILES", default_value_t = 3)]
    pub ingress_max_concurrent_reconciles: usize,
    /// What becomes of findings at admission: enforce, warn or off
    #[arg(long, env = "ALBEDO_ADMISSION_MODE", default_value = "enforce")]
    pub admission_mode: String,
    /// Deny on what is absent too, though it may be applied later
    #[arg(long, env = "ALBEDO_ADMISSION_STRICT", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub admission_strict: bool,
    /// Annotations that are written into new Ingresses which lack them: a list, or none
    #[arg(long, env = "ALBEDO_ADMISSION_DEFAULTS", default_value = "scheme,target-type,ip-address-type")]
    pub admission_defaults: String,
    /// Address that the webhooks, probes and metrics listen on
    #[arg(long, env = "ALBEDO_BIND_ADDRESS", default_value = "0.0.0.0")]
    pub bind_address: IpAddr,
    /// Port of the webhooks; 0 takes a free one
    #[arg(long, env = "ALBEDO_WEBHOOK_BIND_PORT", default_value_t = 9443)]
    pub webhook_bind_port: u16,
    /// Folder of the serving certificate
    #[arg(long, env = "ALBEDO_WEBHOOK_CERT_DIR", default_value = "/tmp/k8s-webhook-server/serving-certs")]
    pub webhook_cert_dir: PathBuf,
    /// File of the serving certificate in that folder
    #[arg(long, env = "ALBEDO_WEBHOOK_CERT_FILE", default_value = "tls.crt")]
    pub webhook_cert_file: String,
    /// File of its key in that folder
    #[arg(long, env = "ALBEDO_WEBHOOK_KEY_FILE", default_value = "tls.key")]
    pub webhook_key_file: String,
    /// Seconds between two reads of the serving certificate
    #[arg(long, env = "ALBEDO_WEBHOOK_CERT_POLL_SECONDS", default_value_t = 10)]
    pub webhook_cert_poll_seconds: u64,
    /// Where the serving certificate comes from: files, which cert-manager or somebody else writes, or self: Albedo makes and renews it
    #[arg(long, env = "ALBEDO_CERTIFICATES", value_enum, default_value_t = Certificates::Files)]
    pub certificates: Certificates,
    /// Secret in which the replicas share a certificate that they make
    #[arg(long, env = "ALBEDO_CERTIFICATES_SECRET", default_value = "albedo-serving")]
    pub certificates_secret: String,
    /// Register the webhooks once this replica answers, and keep their configurations as they should be; always with --certificates=self
    #[arg(long, env = "ALBEDO_REGISTER_WEBHOOKS", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub register_webhooks: bool,
    /// Name of the webhook configurations
    #[arg(long, env = "ALBEDO_WEBHOOK_CONFIGURATIONS", default_value = "albedo-webhook")]
    pub webhook_configurations: String,
    /// Owner of the webhook configurations, a cluster role: Kubernetes deletes them with it
    #[arg(long, env = "ALBEDO_WEBHOOK_CONFIGURATIONS_OWNER", default_value = "albedo")]
    pub webhook_configurations_owner: String,
    /// User as whom the controller writes, whose writes are not reviewed; the own one when it is empty, which is right for the role all
    #[arg(long, env = "ALBEDO_CONTROLLER_USER", default_value = "")]
    pub controller_user: String,
    /// What is registered otherwise than by default, as JSON, for pods and for ingresses: {"pods": {"failurePolicy": "Fail"}};
    /// also objectSelector and namespaceSelector, which add to Albedo's own
    #[arg(long, env = "ALBEDO_WEBHOOK_OVERRIDES", default_value = "", value_parser = Overrides::parse)]
    pub webhook_overrides: Overrides,
    /// Certificate (namespace/name) whose authority cert-manager injects into the webhook configurations
    #[arg(long, env = "ALBEDO_INJECT_CA_FROM", default_value = "")]
    pub inject_ca_from: String,
    /// Service of the webhooks
    #[arg(long, env = "ALBEDO_WEBHOOK_SERVICE", default_value = "albedo-webhook")]
    pub webhook_service: String,
    /// Namespace of that Service and of the Secret; the Pod's own when it is empty
    #[arg(long, env = "ALBEDO_WEBHOOK_NAMESPACE", default_value = "")]
    pub webhook_namespace: String,
    /// Base URL of the webhooks instead of the Service, for an Albedo outside of the cluster
    #[arg(long, env = "ALBEDO_WEBHOOK_URL", default_value = "")]
    pub webhook_url: String,
    /// CAs for the client certificate of the API server; default: clients need no certificate
    #[arg(long, env = "ALBEDO_KUBE_CA_PEM_FILEPATH")]
    pub kube_ca_pem_filepath: Option<PathBuf>,
    /// Address of /healthz and /readyz: [HOST]:PORT
    #[arg(long, env = "ALBEDO_HEALTH_PROBE_BIND_ADDR", default_value = ":61779")]
    pub health_probe_bind_addr: String,
    /// How long a reconcile pass may get no answer at all, or the queue no worker, before /healthz fails
    #[arg(long, env = "ALBEDO_LIVENESS_TIMEOUT", default_value = "30m", value_parser = duration)]
    pub liveness_timeout: Duration,
    /// Address of /metrics: [HOST]:PORT
    #[arg(long, env = "ALBEDO_METRICS_BIND_ADDR", default_value = ":8080")]
    pub metrics_bind_addr: String,
    /// Lowest level of log lines: trace, debug, info, warn or error, or a filter by module
    #[arg(long, env = "ALBEDO_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Seconds that the webhooks still accept requests after the shutdown begins, and that running requests may take after that
    #[arg(long, env = "ALBEDO_SHUTDOWN_LINGER_SECONDS", default_value_t = 5)]
    pub shutdown_linger_seconds: u64,
}

/// The arguments without flags of LBC that Albedo does not have; what becomes of each is said once on standard error.
pub fn without_foreign(arguments: Vec<OsString>) -> Vec<OsString> {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut rest = arguments.into_iter();
    let mut kept = Vec::new();
    for argument in lbc::arguments(&words) {
        let words = rest.by_ref().take(argument.words);
        match lbc::flag(&argument.name).filter(|row| !row.is_passed_on()) {
            None => kept.extend(words),
            Some(row) => {
                words.for_each(drop);
                printing::say(&format!(
                    "albedo: --{}={} {}",
                    row.name,
                    argument.value,
                    row.told(Some(&argument.value))
                ));
            }
        }
    }
    kept
}

impl Run {
    /// Whether the webhooks are registered by Albedo.
    pub fn registers(&self) -> bool {
        self.register_webhooks || self.certificates == Certificates::Own
    }

    /// The settings for the engine.
    ///
    /// # Errors
    /// If a value is not allowed; the error names the flag.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        self.check_cluster_name()?;
        self.check_tags()?;
        let group = Some(self.backend_security_group.clone()).filter(|id| !id.is_empty());
        if group.as_ref().is_some_and(|id| !id.starts_with("sg-")) {
            bail!("--backend-security-group {}: an id begins with sg-", self.backend_security_group);
        }
        if self.beside_lbc && self.enable_manage_backend_security_group_rules && group.is_none() {
            bail!("--enable-manage-backend-security-group-rules with --beside-lbc needs --backend-security-group=sg-…");
        }
        if self.enable_manage_backend_security_group_rules && !self.enable_backend_security_group {
            bail!("--enable-manage-backend-security-group-rules needs --enable-backend-security-group");
        }
        let default_tags = pairs("--default-tags", &self.default_tags)?;
        Ok(Settings {
            cluster_name: self.cluster_name.clone(),
            ingress_class: self.ingress_class.clone(),
            default_scheme: Scheme::parse(&self.default_load_balancer_scheme).with_context(|| {
                format!(
                    "--default-load-balancer-scheme {}: internal or internet-facing",
                    self.default_load_balancer_scheme
                )
            })?,
            default_target_type: TargetType::parse(&self.default_target_type)
                .with_context(|| format!("--default-target-type {}: instance or ip", self.default_target_type))?,
            default_ssl_policy: self.default_ssl_policy.clone(),
            default_tags,
            external_managed_tags: self.external_managed_tags.clone(),
            extra_attributes: self.extra_attributes.clone(),
            security_group_rules_quota: self.security_group_rules_quota,
            beside_lbc: self.beside_lbc,
            // The shared one is made and deleted by LBC, which knows nothing of our Ingresses.
            enable_backend_security_group: self.enable_backend_security_group && (!self.beside_lbc || group.is_some()),
            backend_security_group: group,
            manage_backend_security_group_rules: self.enable_manage_backend_security_group_rules,
            disable_restricted_security_group_rules: self.disable_restricted_sg_rules,
            max_targets: Some(self.max_targets_per_target_group).filter(|limit| *limit > 0),
            inject_readiness_gates: self.enable_pod_readiness_gate_inject,
            endpoint_security_group_tags: pairs(
                "--service-target-eni-security-group-tags",
                &self.service_target_eni_security_group_tags,
            )?,
            tolerate_missing_service: self.tolerate_non_existent_backend_service,
            tolerate_missing_action: self.tolerate_non_existent_backend_action,
            allowed_certificate_authorities: self.allowed_certificate_authority_arns.clone(),
            forbid_class_annotation: self.disable_ingress_class_annotation,
            forbid_group_name_annotation: self.disable_ingress_group_name_annotation,
            required_secret_labels: pairs("--required-secrets-label", &self.required_secrets_label)?,
            enable_waf: self.enable_waf,
            enable_wafv2: self.enable_wafv2,
            enable_shield: self.enable_shield,
            gates: self.gates()?,
        })
    }

    fn check_cluster_name(&self) -> anyhow::Result<()> {
        if let Some(odd) = self.cluster_name.chars().find(|c| !is_of_tags(*c)) {
            bail!(
                "--cluster-name {}: AWS has no {odd:?} in tags; write the name of the cluster, such as my-cluster",
                self.cluster_name
            );
        }
        if self.cluster_name.is_empty() {
            bail!("--cluster-name is empty; write the name of the cluster, such as my-cluster");
        }
        Ok(())
    }

    fn check_tags(&self) -> anyhow::Result<()> {
        let default_tags = pairs("--default-tags", &self.default_tags)?;
        for key in TRACKING_TAGS {
            if default_tags.contains_key(key) {
                bail!("tag key {key} cannot be specified in default-tags flag");
            }
            if self.external_managed_tags.iter().any(|managed| managed == key) {
                bail!("tag key {key} cannot be specified in external-managed-tags flag");
            }
        }
        if let Some(key) = self.external_managed_tags.iter().find(|key| default_tags.contains_key(*key)) {
            bail!("tag key {key} cannot be specified in both default-tags and external-managed-tags flag");
        }
        Ok(())
    }

    fn gates(&self) -> anyhow::Result<BTreeMap<String, bool>> {
        let mut gates = BTreeMap::new();
        for (name, value) in pairs("--feature-gates", &self.feature_gates)? {
            let Some(row) = lbc::gate(&name) else {
                let known: Vec<&str> = Gate::ALL.iter().map(|gate| gate.name()).collect();
                bail!("--feature-gates: unknown gate {name}; known gates: {}", known.join(", "));
            };
            let open =
                lbc::boolean(&value).with_context(|| format!("--feature-gates: {name}={value}: true or false"))?;
            if row.here != lbc::Here::Same && row.verdict(Some(&value)) != lbc::Verdict::Same {
                printing::say(&format!("albedo: feature gate {name}={value} {}", row.told(Some(&value))));
            }
            if row.is_passed_on() {
                gates.insert(name, open);
            }
        }
        Ok(gates)
    }

    /// How strict admission is.
    ///
    /// # Errors
    /// If a value is not allowed; the error names the flag.
    pub fn policy(&self, settings: &Settings) -> anyhow::Result<Policy> {
        let mode = Mode::parse(&self.admission_mode)
            .with_context(|| format!("--admission-mode {}: {}", self.admission_mode, Mode::ALL.join(", ")))?;
        let defaults = default_values(&self.admission_defaults, settings)?;
        Ok(Policy { mode, strict: self.admission_strict, defaults, ..Policy::default() })
    }
}

/// What `--admission-defaults` writes.
///
/// # Errors
/// If it names another setting than those that have a built-in default.
pub fn default_values(list: &str, settings: &Settings) -> anyhow::Result<Defaults> {
    let mut defaults = Defaults::default();
    for key in list.split(',').map(str::trim).filter(|key| !key.is_empty() && *key != "none") {
        match key {
            "scheme" => defaults.scheme = Some(settings.default_scheme),
            "target-type" => defaults.target_type = Some(settings.default_target_type),
            "ip-address-type" => defaults.ip_address_type = Some(IpAddressType::Ipv4),
            other => {
                bail!("--admission-defaults: unknown value {other}; write scheme, target-type, ip-address-type or none")
            }
        }
    }
    Ok(defaults)
}

/// The settings that these arguments of `albedo run` give.
///
/// # Errors
/// If an argument is not accepted; the error names it.
pub fn settings_of(arguments: &[String]) -> anyhow::Result<Settings> {
    Arguments::try_parse_from(std::iter::once("run").chain(arguments.iter().map(String::as_str)))
        .map_err(|error| anyhow::anyhow!("{}", error.to_string().lines().next().unwrap_or_default()))?
        .run
        .settings()
}

/// Arguments of `albedo run`, by themselves. Of a flag that is given twice the last one counts, as with Go's flags.
#[derive(Debug, clap::Parser)]
#[command(args_override_self = true)]
struct Arguments {
    #[command(flatten)]
    run: Run,
}

/// A bool in Go's words, as LBC has them.
fn boolean(text: &str) -> Result<bool, &'static str> {
    lbc::boolean(text).ok_or("write true or false")
}

/// Whether a character may be in the keys and values of tags, as "Restrictions" of the EC2 user guide's page on tags lists them.
fn is_of_tags(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

/// A duration in Go's format: `2m0s`, `1h30m`, `500ms`.
fn duration(text: &str) -> Result<Duration, &'static str> {
    let parsed: Option<jiff::SignedDuration> = text.parse().ok();
    let parsed = parsed.and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.filter(|parsed| !parsed.is_zero()).ok_or("write a duration: 90s or 2m")
}

/// `key=value,…` as a map.
pub fn pairs(flag: &str, text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').with_context(|| format!("{flag}: {pair} is not key=value"))?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests;
