//! The target group of one port of one Service, as annotations of the Service and the Ingress ask for it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort as KubePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::reader::FaultReporting;
use super::resolve::Annotations;
use super::{Compiler, TargetGroupSpec};
use crate::annotation::catalogue::{
    BACKEND_PROTOCOL, BACKEND_PROTOCOL_VERSION, HEALTHCHECK_INTERVAL_SECONDS, HEALTHCHECK_PATH, HEALTHCHECK_PORT,
    HEALTHCHECK_PROTOCOL, HEALTHCHECK_TIMEOUT_SECONDS, HEALTHY_THRESHOLD_COUNT, MULTI_CLUSTER_TARGET_GROUP,
    SUCCESS_CODES, TARGET_CONTROL_PORT, TARGET_GROUP_ATTRIBUTES, TARGET_NODE_LABELS, TARGET_TYPE,
    UNHEALTHY_THRESHOLD_COUNT,
};
use crate::annotation::{PREFIX, Resolved, Setting, SettingValue, Source, parse, row};
use crate::finding::{Code, Effect, ObjectRef};
use crate::kinds::Key;
use crate::settings::Gate;
use crate::stack::{
    HealthCheck, NetworkingPort, Protocol, ProtocolVersion, ResourceId, ServicePort, TargetGroup, TargetGroupName,
    TargetType, tracking,
};

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
            let Some(row) = row(suffix).filter(|row| row.on_service.is_read()) else { continue };
            if self.reader.is_read(suffix, value) {
                continue;
            }
            let _ = self.reader.read_setting(row, suffix, value, FaultReporting::WithoutEffect);
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
        let over = object.metadata.annotations.as_ref();
        let resolved_type = self.target_type(over)?;
        let target_type = resolved_type.value;
        let target_port = self.target_port(object, service, &kube_port, resolved_type, at)?;
        let protocol = self.resolve_or_default(&BACKEND_PROTOCOL, over)?.value;
        let protocol_version = self.resolve_or_default(&BACKEND_PROTOCOL_VERSION, over)?.value;
        let control = self.target_control_port(over, service, port, target_type);
        let health_check = self.health_check(over, object, protocol, protocol_version, target_type)?;
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
        let attributes = self.resolve_on(&TARGET_GROUP_ATTRIBUTES, over).ok().flatten();
        let node_labels = match target_type {
            TargetType::Instance => self.resolve_on(&TARGET_NODE_LABELS, over).ok().flatten(),
            TargetType::Ip => None,
        };
        let multi_cluster = self.resolve_or_default(&MULTI_CLUSTER_TARGET_GROUP, over).is_some_and(|is| is.value);
        let mut tags = self.settings().with_default_tags(self.tags_of(Some(object)));
        tags.extend(tracking(&self.settings().cluster_name, self.group(), id));
        let ask = TargetGroupSpec {
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
                attributes: attributes.map(|attributes| attributes.value).unwrap_or_default(),
                tags,
            }),
            service: service.to_owned(),
            service_port: port.clone(),
            node_labels: node_labels.map(|labels| labels.value).unwrap_or_default(),
            multi_cluster,
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

    fn target_type(&mut self, over: Option<&Annotations>) -> Option<Resolved<TargetType>> {
        let resolved = self.resolve_or_default(&TARGET_TYPE, over)?;
        let shut = resolved.value == TargetType::Ip && !self.settings().gate(Gate::EnableIpTargetType);
        if shut && resolved.source != Source::Class {
            let message = "unsupported targetType: ip when EnableIPTargetType is false";
            self.reader.refuse(Code::InvalidTargetType, TARGET_TYPE.row.key, "ip", message).fix =
                "write instance, or open the feature gate EnableIPTargetType".to_owned();
            return None;
        }
        Some(resolved)
    }

    fn target_port(
        &mut self,
        object: &Service,
        service: &str,
        port: &KubePort,
        target_type: Resolved<TargetType>,
        at: &str,
    ) -> Option<u16> {
        let number = match target_type.value {
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
        over: Option<&Annotations>,
        service: &str,
        port: &ServicePort,
        target_type: TargetType,
    ) -> Option<u16> {
        let row = &TARGET_CONTROL_PORT.row;
        let suffix = format!("{}{service}.{port}", row.key);
        let resolved = self.resolve_row(row, &suffix, over, FaultReporting::Full).ok()??;
        if target_type == TargetType::Instance {
            let message = "target control port is not supported for instance target target group";
            self.reader.refuse(row.code, &suffix, &resolved.value.to_string(), message).fix =
                "set target-type: ip, or remove the annotation".to_owned();
        }
        u16::from_value(&resolved.value)
    }

    fn health_check(
        &mut self,
        over: Option<&Annotations>,
        object: &Service,
        protocol: Protocol,
        version: ProtocolVersion,
        target_type: TargetType,
    ) -> Option<HealthCheck> {
        let grpc = version == ProtocolVersion::Grpc;
        let mut text = |setting: &'static Setting<String>, of_grpc: &str| {
            let said = self.resolve_on(setting, over).ok()?;
            let default = || if grpc { of_grpc.to_owned() } else { setting.row.default.to_owned() };
            Some(said.map_or_else(default, |said| said.value))
        };
        let path = text(&HEALTHCHECK_PATH, "/AWS.ALB/healthcheck")?;
        let success_codes = text(&SUCCESS_CODES, "12")?;
        let check = HealthCheck {
            port: self.health_check_port(over, object, target_type)?,
            protocol: self.resolve_on(&HEALTHCHECK_PROTOCOL, over).ok()?.map_or(protocol, |own| own.value),
            path,
            interval_seconds: self.resolve_or_default(&HEALTHCHECK_INTERVAL_SECONDS, over)?.value,
            timeout_seconds: self.resolve_or_default(&HEALTHCHECK_TIMEOUT_SECONDS, over)?.value,
            healthy_threshold: self.resolve_or_default(&HEALTHY_THRESHOLD_COUNT, over)?.value,
            unhealthy_threshold: self.resolve_or_default(&UNHEALTHY_THRESHOLD_COUNT, over)?.value,
            success_codes,
        };
        self.check_together(over, &check, grpc);
        Some(check)
    }

    /// Settings of a health check that AWS refuses beside each other, defaults included. It has the last word.
    fn check_together(&mut self, over: Option<&Annotations>, check: &HealthCheck, grpc: bool) {
        let (interval, timeout) = (check.interval_seconds, check.timeout_seconds);
        if timeout >= interval && interval >= 5 {
            let both = [&HEALTHCHECK_TIMEOUT_SECONDS, &HEALTHCHECK_INTERVAL_SECONDS];
            let written =
                both.map(|setting| self.resolve_on(setting, over).ok().flatten().map(|is| (setting, is.value)));
            let written = written.into_iter().flatten().next();
            let (setting, value) =
                written.map_or((&HEALTHCHECK_TIMEOUT_SECONDS, String::new()), |(one, value)| (one, value.to_string()));
            let message = format!("the timeout, {timeout} s, has to be less than the interval, {interval} s");
            let finding = self.reader.refuse(Code::InvalidHealthCheck, setting.row.key, &value, message);
            finding.effect = Effect::Nothing;
            finding.fix =
                "write a longer healthcheck-interval-seconds or a shorter healthcheck-timeout-seconds".to_owned();
        }
        // API reference: Matcher.
        let (range, kind) = if grpc { (0..=99, "gRPC") } else { (200..=499, "HTTP") };
        let codes = check.success_codes.split([',', '-']).filter_map(|code| code.trim().parse::<u16>().ok());
        if let Some(code) = codes.into_iter().find(|code| !range.contains(code)) {
            let (first, last) = (range.start(), range.end());
            let message = format!("{code} is no {kind} status that a health check can ask for: {first} to {last} are");
            let codes = &check.success_codes;
            let finding = self.reader.refuse(Code::InvalidHealthCheck, SUCCESS_CODES.row.key, codes, message);
            finding.effect = Effect::Nothing;
            finding.fix = format!("write {kind} statuses from {first} to {last}, or another backend-protocol-version");
        }
    }

    fn health_check_port(
        &mut self,
        over: Option<&Annotations>,
        object: &Service,
        target_type: TargetType,
    ) -> Option<String> {
        let key = HEALTHCHECK_PORT.row.key;
        let raw = self.resolve_or_default(&HEALTHCHECK_PORT, over)?.value;
        if raw == "traffic-port" {
            return Some(raw);
        }
        if let Ok(number) = parse::go_int32(&raw) {
            return Some(number.to_string());
        }
        let ports = object.spec.as_ref().and_then(|spec| spec.ports.clone()).unwrap_or_default();
        let Some(named) = ports.iter().find(|port| name_of(port) == raw) else {
            let service = Key::of(&object.metadata);
            let message = format!("failed to resolve healthCheckPort: unable to find port {raw} on service {service}");
            self.reader.refuse(Code::InvalidHealthCheck, key, &raw, message).fix =
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
                self.reader.refuse(Code::InvalidHealthCheck, key, &raw, message).fix =
                    "write the number of the container's port".to_owned();
                None
            }
        }
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
}

/// The port's name; the one port without a name is found under the empty one.
fn name_of(port: &KubePort) -> &str {
    port.name.as_deref().unwrap_or_default()
}
