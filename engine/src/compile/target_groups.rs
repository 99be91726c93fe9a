//! The target group of one port of one Service, as annotations of the Service and the Ingress ask for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use k8s_openapi::api::core::v1::{Service, ServicePort as KubePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Compiler, TargetGroupAsk};
use crate::annotation::{PREFIX, parse, row};
use crate::finding::{Code, Effect, ObjectRef};
use crate::stack::{
    HealthCheck, NetworkingPort, Protocol, ProtocolVersion, ResourceId, ServicePort, TargetGroup, TargetGroupName,
    TargetType, tracking,
};

/// Annotations of a Service laid over those of the Ingress: the Service's value wins whole.
struct Overlaid<'s> {
    service: Option<&'s BTreeMap<String, String>>,
}

impl Compiler<'_> {
    pub(super) fn target_group(
        &mut self,
        object: &Service,
        service: &str,
        port: &ServicePort,
        at: &str,
    ) -> Option<ResourceId> {
        let id = ResourceId::target_group(&self.key.namespace, &self.key.name, service, port);
        if self.target_groups.contains_key(&id) {
            return Some(id);
        }
        let before = self.reader.findings.len();
        let made = self.make_target_group(&id, object, service, port, at);
        self.check_service(object);
        self.reader.blame(before, object, &self.key);
        made.map(|()| id)
    }

    /// What AWS is known to refuse of a Service's annotations, and nothing has told yet.
    fn check_service(&mut self, object: &Service) {
        for (key, value) in object.metadata.annotations.iter().flatten() {
            let Some(suffix) = key.strip_prefix(PREFIX) else { continue };
            let Some(row) = row(suffix).filter(|row| row.on_service) else { continue };
            for error in self.reader.faults(row, value) {
                self.reader.also(row, suffix, value, error);
            }
        }
    }

    fn make_target_group(
        &mut self,
        id: &ResourceId,
        object: &Service,
        service: &str,
        port: &ServicePort,
        at: &str,
    ) -> Option<()> {
        let spec = object.spec.clone().unwrap_or_default();
        self.check_external_name(object, service, at);
        let kube_port = self.service_port(object, service, port, at)?;
        let over = Overlaid { service: object.metadata.annotations.as_ref() };
        let target_type = self.target_type(&over)?;
        let target_port = self.target_port(object, service, &kube_port, target_type, at)?;
        let protocol = self.words(&over, "backend-protocol", Protocol::ALL, Protocol::parse)?.unwrap_or(Protocol::Http);
        let version = self.words(&over, "backend-protocol-version", ProtocolVersion::ALL, ProtocolVersion::parse)?;
        let protocol_version = version.unwrap_or(ProtocolVersion::Http1);
        let control = self.target_control_port(&over, service, port, target_type);
        let health_check = self.health_check(&over, object, &kube_port, protocol, protocol_version, target_type)?;
        let ipv6 = spec.ip_families.iter().flatten().any(|family| family == "IPv6");
        let name = TargetGroupName {
            cluster: &self.settings().cluster_name,
            group: self.group(),
            namespace: &self.key.namespace,
            ingress: &self.key.name,
            service,
            service_uid: object.metadata.uid.as_deref().unwrap_or_default(),
            port,
            target_port,
            target_type,
            protocol,
            protocol_version,
            target_control_port: control,
        }
        .build();
        let attributes = self.overlaid_map(&over, "target-group-attributes").into_iter().collect();
        let node_labels = match target_type {
            TargetType::Instance => self.overlaid_map(&over, "target-node-labels"),
            TargetType::Ip => IndexMap::new(),
        };
        let mut tags = self.settings().with_default_tags(self.tags_of(Some(object)));
        tags.extend(tracking(&self.settings().cluster_name, self.group(), id));
        let ask = TargetGroupAsk {
            networking_ports: self.networking_ports(&kube_port, target_type, &health_check, control),
            target_group: Arc::new(TargetGroup {
                name,
                target_type,
                protocol,
                protocol_version,
                target_control_port: control,
                port: target_port,
                ipv6,
                health_check,
                attributes,
                tags,
            }),
            service: service.to_owned(),
            service_port: port.clone(),
            node_labels: node_labels.into_iter().collect(),
            multi_cluster: self.multi_cluster(&over),
        };
        self.target_groups.insert(id.clone(), ask);
        Some(())
    }

    fn service_port(&mut self, object: &Service, service: &str, port: &ServicePort, at: &str) -> Option<KubePort> {
        let ports = object.spec.as_ref().and_then(|spec| spec.ports.clone()).unwrap_or_default();
        let found = ports.iter().find(|candidate| match port {
            ServicePort::Number(number) => candidate.port == *number,
            ServicePort::Name(name) => name_of(candidate) == name,
        });
        if found.is_none() && !self.external_name_is_fatal(service, at) {
            let key = self.service_key(service);
            let known = ports.iter().map(|port| match &port.name {
                Some(name) => format!("{} ({name})", port.port),
                None => port.port.to_string(),
            });
            let known: Vec<String> = known.collect();
            let all = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("unable to find port {port} on service {key}; it has {all}");
            let finding = self.reader.report(Code::MissingServicePort, format!("{at}.port"), message);
            finding.value = Some(port.to_string());
            finding.allowed = known;
            finding.related = vec![ObjectRef::new("Service", &key.namespace, &key.name)];
        }
        found.cloned()
    }

    fn target_type(&mut self, over: &Overlaid<'_>) -> Option<TargetType> {
        let enforced = self.params.as_ref().and_then(|params| params.spec.target_type.as_deref());
        if let Some(kind) = enforced.and_then(TargetType::parse) {
            return Some(kind);
        }
        let kind = match self.overlaid(over, "target-type") {
            None => self.settings().default_target_type,
            Some(raw) => {
                self.reader.word("target-type", &raw, Code::InvalidTargetType, TargetType::ALL, TargetType::parse)?
            }
        };
        if kind == TargetType::Ip && !self.settings().gate(crate::settings::Gate::EnableIpTargetType) {
            let message = "unsupported targetType: ip when EnableIPTargetType is false";
            self.reader.refuse(Code::InvalidTargetType, "target-type", "ip", message).mend =
                "write instance, or open the feature gate EnableIPTargetType".to_owned();
            return None;
        }
        Some(kind)
    }

    fn target_port(
        &mut self,
        object: &Service,
        service: &str,
        port: &KubePort,
        target_type: TargetType,
        at: &str,
    ) -> Option<u16> {
        let number = match target_type {
            TargetType::Instance => port.node_port.unwrap_or_default(),
            TargetType::Ip => match &port.target_port {
                Some(IntOrString::Int(number)) => *number,
                Some(IntOrString::String(_)) => 1,
                None => port.port,
            },
        };
        if let Some(number) = u16::try_from(number).ok().filter(|number| *number > 0) {
            return Some(number);
        }
        self.without_target_port(object, service, target_type, at);
        None
    }

    fn target_control_port(
        &mut self,
        over: &Overlaid<'_>,
        service: &str,
        port: &ServicePort,
        target_type: TargetType,
    ) -> Option<u16> {
        let suffix = format!("target-control-port.{service}.{port}");
        let raw = self.overlaid(over, &suffix)?;
        let number = self.reader.check(&suffix, &raw, Code::InvalidValue, parse::go_int32)?;
        if target_type == TargetType::Instance {
            let message = "target control port is not supported for instance target target group";
            self.reader.refuse(Code::InvalidValue, &suffix, &number.to_string(), message).mend =
                "set target-type: ip, or remove the annotation".to_owned();
        }
        let control = u16::try_from(number).ok().filter(|number| *number > 0);
        if control.is_none() {
            let message = format!("{number} is no port: 1 to 65535 are");
            self.reader.refuse(Code::InvalidValue, &suffix, &number.to_string(), message);
        }
        control
    }

    fn health_check(
        &mut self,
        over: &Overlaid<'_>,
        object: &Service,
        port: &KubePort,
        protocol: Protocol,
        version: ProtocolVersion,
        target_type: TargetType,
    ) -> Option<HealthCheck> {
        let grpc = version == ProtocolVersion::Grpc;
        let text = |compiler: &Self, suffix: &str, http: &str, otherwise: &str| {
            let default = if grpc { otherwise } else { http };
            compiler.overlaid(over, suffix).unwrap_or_else(|| default.to_owned())
        };
        let path = text(self, "healthcheck-path", "/", "/AWS.ALB/healthcheck");
        let success_codes = text(self, "success-codes", "200", "12");
        let check = HealthCheck {
            port: self.health_check_port(over, object, port, target_type)?,
            protocol: self.words(over, "healthcheck-protocol", Protocol::ALL, Protocol::parse)?.unwrap_or(protocol),
            path,
            interval_seconds: self.ranged(over, "healthcheck-interval-seconds", 15, 5..=300)?,
            timeout_seconds: self.ranged(over, "healthcheck-timeout-seconds", 5, 2..=120)?,
            healthy_threshold: self.ranged(over, "healthy-threshold-count", 2, 2..=10)?,
            unhealthy_threshold: self.ranged(over, "unhealthy-threshold-count", 2, 2..=10)?,
            success_codes,
        };
        self.check_together(over, &check, grpc);
        Some(check)
    }

    /// Settings of a health check that AWS refuses beside each other, defaults included. It has the last word.
    fn check_together(&mut self, over: &Overlaid<'_>, check: &HealthCheck, grpc: bool) {
        let (interval, timeout) = (check.interval_seconds, check.timeout_seconds);
        let written = |compiler: &Self, suffix: &str| compiler.overlaid(over, suffix).is_some();
        if timeout >= interval && interval >= 5 {
            let suffixes = ["healthcheck-timeout-seconds", "healthcheck-interval-seconds"];
            let suffix =
                suffixes.into_iter().find(|suffix| written(self, suffix)).unwrap_or("healthcheck-timeout-seconds");
            let message = format!("the timeout, {timeout} s, has to be less than the interval, {interval} s");
            let value = self.overlaid(over, suffix).unwrap_or_default();
            let finding = self.reader.refuse(Code::InvalidHealthCheck, suffix, &value, message);
            finding.effect = Effect::Nothing;
            finding.mend =
                "write a longer healthcheck-interval-seconds or a shorter healthcheck-timeout-seconds".to_owned();
        }
        // API reference: Matcher.
        let (range, kind) = if grpc { (0..=99, "gRPC") } else { (200..=499, "HTTP") };
        let codes = check.success_codes.split([',', '-']).filter_map(|code| code.trim().parse::<u16>().ok());
        if let Some(code) = codes.into_iter().find(|code| !range.contains(code)) {
            let (first, last) = (range.start(), range.end());
            let message = format!("{code} is no {kind} status that a health check can ask for: {first} to {last} are");
            let codes = &check.success_codes;
            let finding = self.reader.refuse(Code::InvalidHealthCheck, "success-codes", codes, message);
            finding.effect = Effect::Nothing;
            finding.mend = format!("write {kind} statuses from {first} to {last}, or another backend-protocol-version");
        }
    }

    fn health_check_port(
        &mut self,
        over: &Overlaid<'_>,
        object: &Service,
        _port: &KubePort,
        target_type: TargetType,
    ) -> Option<String> {
        const SUFFIX: &str = "healthcheck-port";
        let raw = self.overlaid(over, SUFFIX).unwrap_or_else(|| "traffic-port".to_owned());
        if raw == "traffic-port" {
            return Some(raw);
        }
        if let Ok(number) = parse::go_int32(&raw) {
            return Some(number.to_string());
        }
        let ports = object.spec.as_ref().and_then(|spec| spec.ports.clone()).unwrap_or_default();
        let key = crate::kinds::Key::of(&object.metadata);
        let Some(named) = ports.iter().find(|port| name_of(port) == raw) else {
            let message = format!("failed to resolve healthCheckPort: unable to find port {raw} on service {key}");
            self.reader.refuse(Code::InvalidHealthCheck, SUFFIX, &raw, message).mend =
                "write traffic-port, a number, or the name of a port of the Service".to_owned();
            return None;
        };
        match (target_type, &named.target_port) {
            (TargetType::Instance, _) => Some(named.node_port.unwrap_or_default().to_string()),
            (TargetType::Ip, Some(IntOrString::Int(number))) => Some(number.to_string()),
            (TargetType::Ip, None) => Some(named.port.to_string()),
            (TargetType::Ip, Some(IntOrString::String(_))) => {
                let message =
                    "cannot use named healthCheckPort for IP TargetType when service's targetPort is a named port";
                self.reader.refuse(Code::InvalidHealthCheck, SUFFIX, &raw, message).mend =
                    "write the number of the container's port".to_owned();
                None
            }
        }
    }

    fn ranged(
        &mut self,
        over: &Overlaid<'_>,
        suffix: &str,
        default: i32,
        range: std::ops::RangeInclusive<i32>,
    ) -> Option<i32> {
        let Some(raw) = self.overlaid(over, suffix) else { return Some(default) };
        let Ok(number) = parse::go_int32(&raw) else {
            let message = format!("{raw:?} is no whole number");
            self.reader.refuse(Code::InvalidValue, suffix, &raw, message).mend =
                format!("write a whole number from {} to {}", range.start(), range.end());
            return None;
        };
        if !range.contains(&number) {
            let message = format!("{number} is not within {} and {}", range.start(), range.end());
            self.reader.refuse(Code::InvalidHealthCheck, suffix, &raw, message);
        }
        Some(number)
    }

    fn multi_cluster(&mut self, over: &Overlaid<'_>) -> bool {
        const SUFFIX: &str = "multi-cluster-target-group";
        if self.reader.bool(SUFFIX).unwrap_or_default() {
            return true;
        }
        let of_service = over.service.and_then(|map| map.get(&format!("{PREFIX}{SUFFIX}")));
        let of_service = of_service.and_then(|raw| self.reader.check(SUFFIX, raw, Code::InvalidValue, parse::go_bool));
        of_service.unwrap_or_default()
    }

    /// The ports of targets that the load balancer has to reach, each a rule of its own.
    fn networking_ports(
        &self,
        port: &KubePort,
        target_type: TargetType,
        health_check: &HealthCheck,
        control: Option<u16>,
    ) -> Vec<NetworkingPort> {
        if self.settings().disable_restricted_security_group_rules {
            return vec![None];
        }
        let traffic = match (target_type, &port.target_port) {
            (TargetType::Instance, _) => ServicePort::Number(port.node_port.unwrap_or_default()),
            (TargetType::Ip, Some(IntOrString::Int(number))) => ServicePort::Number(*number),
            (TargetType::Ip, Some(IntOrString::String(name))) => ServicePort::Name(name.clone()),
            (TargetType::Ip, None) => ServicePort::Number(port.port),
        };
        let checked = health_check.port.parse().ok().map(ServicePort::Number);
        let controlled = control.map(|port| ServicePort::Number(port.into()));
        [Some(traffic), checked, controlled].into_iter().flatten().map(Some).collect()
    }

    fn overlaid(&self, over: &Overlaid<'_>, suffix: &str) -> Option<String> {
        let of_service = over.service.and_then(|map| map.get(&format!("{PREFIX}{suffix}")));
        of_service.map(String::as_str).or_else(|| self.reader.raw(suffix)).map(str::to_owned)
    }

    fn overlaid_map(&mut self, over: &Overlaid<'_>, suffix: &str) -> IndexMap<String, String> {
        let Some(raw) = self.overlaid(over, suffix) else { return IndexMap::new() };
        self.reader.check(suffix, &raw, code_of(suffix), parse::string_map).unwrap_or_default()
    }

    /// One of AWS's words: `None` when it is none, `Some(None)` when nothing is said.
    #[expect(clippy::option_option, reason = "absent and wrong lead to different places")]
    fn words<T>(
        &mut self,
        over: &Overlaid<'_>,
        suffix: &str,
        words: &[&str],
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        let Some(raw) = self.overlaid(over, suffix) else { return Some(None) };
        self.reader.word(suffix, &raw, code_of(suffix), words, parse).map(Some)
    }
}

/// The port's name; the one port without a name is found under the empty one.
fn name_of(port: &KubePort) -> &str {
    port.name.as_deref().unwrap_or_default()
}

fn code_of(suffix: &str) -> Code {
    row(suffix).map_or(Code::InvalidValue, |row| row.code)
}
