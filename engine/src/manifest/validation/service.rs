//! What a Service has to be.
//!
//! Source: `pkg/apis/core/validation`, `ValidateService`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Found, PORT_NAME, SERVICE_NAME, is_label, is_port_name, is_service_name};
use crate::annotation::names;
use crate::annotation::parse::shown;
use crate::kinds::is_subdomain;
use crate::stack::UNALLOCATED_NODE_PORT;

/// A field with a few values: its name, what is given, the values.
type Words<'s> = (&'static str, Option<&'s str>, &'static [&'static str]);

impl Found {
    pub(super) fn service(&mut self, service: &Service) {
        self.name(&service.metadata, "a Service", is_service_name, SERVICE_NAME);
        self.metadata(&service.metadata);
        let spec = service.spec.clone().unwrap_or_default();
        let kind = spec.type_.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("ClusterIP");
        let headless = spec.cluster_ip.as_deref() == Some("None");
        if !["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].contains(&kind) {
            let message = format!("unknown type `{}`", shown(kind));
            self.add("spec.type", message, "write ClusterIP, NodePort, LoadBalancer or ExternalName");
        }
        if headless && matches!(kind, "NodePort" | "LoadBalancer") {
            let message = format!("a Service of type {kind} can't be headless");
            self.add("spec.clusterIP", message, "leave clusterIP out, or write type: ClusterIP");
        }
        let external = spec.external_name.as_deref().unwrap_or_default();
        if kind == "ExternalName" && !is_subdomain(external.strip_suffix('.').unwrap_or(external)) {
            let message = format!("`{}` can't be an external name", shown(external));
            self.add("spec.externalName", message, "write a DNS name in lower case");
        }
        if spec.allocate_load_balancer_node_ports.is_some() && kind != "LoadBalancer" {
            let message = format!("allocateLoadBalancerNodePorts is for type LoadBalancer, not {kind}");
            self.add("spec.allocateLoadBalancerNodePorts", message, "remove it");
        }
        self.addresses(&spec, kind);
        self.traffic(&spec, kind);
        self.of_load_balancer(&spec, kind);
        let ports = spec.ports.unwrap_or_default();
        if ports.is_empty() && !headless && kind != "ExternalName" {
            self.add("spec.ports", "the Service has no ports", "write at least one port");
        }
        self.ports(&ports, kind);
    }

    fn ports(&mut self, ports: &[ServicePort], kind: &str) {
        let (mut taken, mut numbers, mut node_ports) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (index, port) in ports.iter().enumerate() {
            let at = format!("spec.ports[{index}]");
            let name = port.name.as_deref().unwrap_or_default();
            if name.is_empty() && ports.len() > 1 {
                let message = "of several ports each needs a name";
                self.add(at.clone(), message, "write name: … for the port");
            } else if !name.is_empty() && !is_label(name) {
                let message = format!("`{}` can't be the name of a port", shown(name));
                self.add(format!("{at}.name"), message, "use lower-case letters, digits and `-`, at most 63");
            } else if !name.is_empty() && !taken.insert(name) {
                self.add(
                    format!("{at}.name"),
                    format!("two ports have the name {name}"),
                    "give each a name of its own",
                );
            }
            if !(1..=65535).contains(&port.port) {
                self.add(format!("{at}.port"), format!("{} is no port", port.port), "write a number from 1 to 65535");
            }
            let protocol = port.protocol.as_deref().filter(|protocol| !protocol.is_empty()).unwrap_or("TCP");
            if !["TCP", "UDP", "SCTP"].contains(&protocol) {
                let message = format!("unknown protocol `{}`", shown(protocol));
                self.add(format!("{at}.protocol"), message, "write TCP, UDP or SCTP");
            }
            if !numbers.insert((port.port, protocol)) {
                let message = format!("two ports are {} of {protocol}", port.port);
                self.add(format!("{at}.port"), message, "give each a number of its own");
            }
            self.target_port(port, &at);
            if let Some(name) = port.app_protocol.as_deref().filter(|name| names::label_key(name).is_some()) {
                let message = format!("`{}` can't be an application's protocol", shown(name));
                self.add(
                    format!("{at}.appProtocol"),
                    message,
                    "write a name such as kubernetes.io/h2c, or leave it out",
                );
            }
            // The placeholder stands for a number that is not in the manifest.
            let node_port = port.node_port.filter(|number| *number != i32::from(UNALLOCATED_NODE_PORT) && *number != 0);
            if node_port.is_some_and(|number| !node_ports.insert((number, protocol))) {
                let message = format!("two ports have the node port {} of {protocol}", node_port.unwrap_or_default());
                self.add(format!("{at}.nodePort"), message, "give each a number of its own, or leave nodePort out");
            }
            if port.node_port.is_some_and(|number| number != 0) && kind == "ClusterIP" {
                let message = format!("a Service of type {kind} has no node ports");
                self.add(format!("{at}.nodePort"), message, "write type: NodePort, or leave nodePort out");
            }
        }
    }

    fn target_port(&mut self, port: &ServicePort, at: &str) {
        let at = format!("{at}.targetPort");
        match &port.target_port {
            // Zero means absent.
            Some(IntOrString::Int(number)) if !(0..=65535).contains(number) => {
                self.add(at, format!("{number} is no port"), "write a number from 1 to 65535");
            }
            Some(IntOrString::String(name)) if !name.is_empty() && !is_port_name(name) => {
                let message = format!("`{}` can't be the name of a container's port", shown(name));
                let fix = match name.parse::<u16>() {
                    Ok(number) => format!("write the number without quotes: {number}"),
                    Err(_) => format!("use {PORT_NAME}"),
                };
                self.add(at, message, fix);
            }
            _ => {}
        }
    }

    /// Addresses and their families.
    fn addresses(&mut self, spec: &ServiceSpec, kind: &str) {
        let own = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty());
        if let Some(ip) = own.filter(|ip| *ip != "None" && ip.parse::<IpAddr>().is_err()) {
            self.add("spec.clusterIP", format!("`{}` is no address", shown(ip)), "leave clusterIP out, or write None");
        } else if own.is_some() && kind == "ExternalName" {
            self.add("spec.clusterIP", "a Service of type ExternalName has no address", "leave clusterIP out");
        }
        for (index, ip) in spec.external_ips.iter().flatten().enumerate() {
            let is_usable = |ip: IpAddr| {
                let is_link_local = match ip {
                    IpAddr::V4(ip) => ip.is_link_local(),
                    IpAddr::V6(ip) => ip.is_unicast_link_local(),
                };
                !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || is_link_local)
            };
            if !ip.parse().is_ok_and(is_usable) {
                let message = format!("`{}` can't be an external address", shown(ip));
                self.add(format!("spec.externalIPs[{index}]"), message, "write an address that routes to the nodes");
            }
        }
        let families = spec.ip_families.as_deref().unwrap_or_default();
        for (index, family) in families.iter().enumerate() {
            let at = format!("spec.ipFamilies[{index}]");
            if !["IPv4", "IPv6"].contains(&family.as_str()) {
                self.add(at, format!("unknown family `{}`", shown(family)), "write IPv4 or IPv6");
            } else if families.iter().take(index).any(|before| before == family) {
                self.add(at, format!("{family} is there twice"), "write it once");
            }
        }
        let single = spec.ip_family_policy.as_deref().is_none_or(|policy| policy == "SingleStack");
        if families.len() > 1 && single && families.first() != families.get(1) {
            let message = "two families need a policy for both";
            self.add("spec.ipFamilyPolicy", message, "write ipFamilyPolicy: PreferDualStack, or one family");
        }
    }

    /// Where its requests go.
    fn traffic(&mut self, spec: &ServiceSpec, kind: &str) {
        for (key, value) in spec.selector.iter().flatten() {
            if let Some(fault) = names::label_key(key).or_else(|| names::label_value(value)) {
                self.add("spec.selector", fault, "select Pods by labels that they can have");
            }
        }
        let policies = &["Cluster", "Local"];
        let words: [Words<'_>; 5] = [
            ("externalTrafficPolicy", spec.external_traffic_policy.as_deref(), policies),
            ("internalTrafficPolicy", spec.internal_traffic_policy.as_deref(), policies),
            (
                "ipFamilyPolicy",
                spec.ip_family_policy.as_deref(),
                &["SingleStack", "PreferDualStack", "RequireDualStack"],
            ),
            ("sessionAffinity", spec.session_affinity.as_deref(), &["None", "ClientIP"]),
            (
                "trafficDistribution",
                spec.traffic_distribution.as_deref(),
                &["PreferClose", "PreferSameZone", "PreferSameNode"],
            ),
        ];
        for (field, value, known) in words {
            if let Some(value) = value.filter(|value| !value.is_empty() && !known.contains(value)) {
                let message = format!("unknown {field} `{}`", shown(value));
                self.add(format!("spec.{field}"), message, format!("write {}", known.join(" or ")));
            }
        }
        let has_external = matches!(kind, "NodePort" | "LoadBalancer")
            || spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty());
        if !has_external && spec.external_traffic_policy.as_deref().is_some_and(|policy| policies.contains(&policy)) {
            let message = format!("a Service of type {kind} has no requests from outside");
            self.add("spec.externalTrafficPolicy", message, "remove it, or write type: NodePort");
        }
        let timeout =
            spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref()?.timeout_seconds);
        let is_sticky = spec.session_affinity.as_deref() == Some("ClientIP");
        if let Some(seconds) = timeout.filter(|seconds| is_sticky && !(1..=86_400).contains(seconds)) {
            let at = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
            self.add(at, format!("{seconds} seconds are out of range"), "write a number from 1 to 86400");
        }
    }

    /// What only a Service of type `LoadBalancer` has.
    fn of_load_balancer(&mut self, spec: &ServiceSpec, kind: &str) {
        let is_one = kind == "LoadBalancer";
        let remove = "remove it, or write type: LoadBalancer";
        let ranges = spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
        if !is_one && !ranges.is_empty() {
            self.add(
                "spec.loadBalancerSourceRanges",
                format!("loadBalancerSourceRanges is for type LoadBalancer, not {kind}"),
                remove,
            );
        }
        for (index, range) in ranges.iter().enumerate().filter(|(_, range)| range.trim().parse::<IpNet>().is_err()) {
            let message = format!("`{}` is no block of addresses", shown(range));
            self.add(format!("spec.loadBalancerSourceRanges[{index}]"), message, "write a block such as 10.0.0.0/8");
        }
        if let Some(class) = spec.load_balancer_class.as_deref() {
            if !is_one {
                self.add(
                    "spec.loadBalancerClass",
                    format!("loadBalancerClass is for type LoadBalancer, not {kind}"),
                    remove,
                );
            } else if names::label_key(class).is_some() {
                let message = format!("`{}` can't be the class of a load balancer", shown(class));
                self.add("spec.loadBalancerClass", message, "write the name of a class, or leave it out");
            }
        }
        let is_local = is_one && spec.external_traffic_policy.as_deref() == Some("Local");
        if spec.health_check_node_port.is_some_and(|port| port != 0) && !is_local {
            let message = "healthCheckNodePort is for type LoadBalancer with externalTrafficPolicy: Local";
            self.add("spec.healthCheckNodePort", message, "remove it");
        }
    }
}
