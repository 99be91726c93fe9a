//! Validation of the API server: names, paths, ports, and fields that need or exclude each other.
//!
//! Source: Kubernetes API validation, `pkg/apis/networking/validation` (`ValidateIngressCreate`) and `pkg/apis/core/validation`
//! (`ValidateService`); <https://kubernetes.io/docs/concepts/services-networking/ingress/>. What depends on other objects or on flags of the API server is left out.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::networking::v1::{HTTPIngressPath, Ingress, IngressBackend, IngressClass, ServiceBackendPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::schema::Misfit;
use crate::annotation::parse::shown;
use crate::annotation::{LEGACY_CLASS, names};
use crate::kinds::{MAX_ANNOTATION_BYTES, annotation_bytes, is_subdomain};
use crate::world::Object;

const SUBDOMAIN: &str = "lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of each part";

/// Everything that is wrong with an object.
pub(super) fn misfits(object: &Object) -> Vec<Misfit> {
    let mut found = Found::default();
    match object {
        Object::Ingress(ingress) => found.ingress(ingress),
        Object::Service(service) => found.service(service),
        Object::IngressClass(class) => found.class(class),
        _ => {}
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Misfit>);

impl Found {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Misfit { path: path.into(), key: false, message: message.into(), fix: fix.into() });
    }

    /// What every object's metadata has to be.
    fn metadata(&mut self, meta: &ObjectMeta) {
        if let Some(namespace) = meta.namespace.as_deref().filter(|name| !name.is_empty() && !is_label(name)) {
            let message = format!("`{}` can't be a namespace's name", shown(namespace));
            self.add("metadata.namespace", message, "use lower-case letters, digits and `-`, at most 63");
        }
        for (key, value) in meta.labels.iter().flatten() {
            if let Some(fault) = names::label_key(key).or_else(|| names::label_value(value)) {
                self.add(format!("metadata.labels[{key}]"), fault, "correct or remove the label");
            }
        }
        for key in meta.annotations.iter().flatten().map(|(key, _)| key) {
            // The name before the slash is not case-sensitive.
            if names::label_key(&key.to_ascii_lowercase()).is_some() {
                let message = format!("`{}` can't be an annotation's key", shown(key));
                let fix = "write DOMAIN/NAME with at most 63 letters, digits, `-`, `_` and `.` behind the slash";
                self.0.push(Misfit {
                    path: format!("metadata.annotations[{key}]"),
                    key: true,
                    message,
                    fix: fix.to_owned(),
                });
            }
        }
        let bytes = annotation_bytes(meta);
        if bytes > MAX_ANNOTATION_BYTES {
            let message =
                format!("the annotations have {bytes} bytes together, an object takes {MAX_ANNOTATION_BYTES}");
            self.add("metadata.annotations", message, "write shorter annotations, or several Ingresses of one group");
        }
    }

    fn name(&mut self, meta: &ObjectMeta, kind: &str, fits: fn(&str) -> bool, words: &str) {
        // A generated name begins with `generateName`.
        let made_up = meta.generate_name.is_some();
        if let Some(name) = meta.name.as_deref().filter(|name| !name.is_empty() && !made_up && !fits(name)) {
            self.add("metadata.name", format!("`{}` can't be the name of {kind}", shown(name)), format!("use {words}"));
        }
    }

    fn ingress(&mut self, ingress: &Ingress) {
        self.name(&ingress.metadata, "an Ingress", is_subdomain, SUBDOMAIN);
        self.metadata(&ingress.metadata);
        let spec = ingress.spec.clone().unwrap_or_default();
        let legacy = ingress.metadata.annotations.as_ref().and_then(|map| map.get(LEGACY_CLASS));
        if let Some(class) = spec.ingress_class_name.as_deref() {
            if let Some(legacy) = legacy.filter(|legacy| *legacy != class) {
                let (legacy, class) = (shown(legacy), shown(class));
                let message = format!(
                    "the annotation names the class `{legacy}` and spec.ingressClassName `{class}`, which must match; of a stored Ingress the annotation counts, and class {class} and its parameters do not"
                );
                let fix = format!("remove the annotation {LEGACY_CLASS}");
                self.add(format!("metadata.annotations[{LEGACY_CLASS}]"), message, fix);
            }
            if !is_subdomain(class) {
                let message = format!("`{}` can't be the name of an IngressClass", shown(class));
                self.add("spec.ingressClassName", message, format!("use {SUBDOMAIN}"));
            }
        }
        let rules = spec.rules.unwrap_or_default();
        if rules.is_empty() && spec.default_backend.is_none() {
            let fix = "write spec.rules or spec.defaultBackend";
            self.add("spec", "the Ingress has neither rules nor a default backend", fix);
        }
        if let Some(backend) = &spec.default_backend {
            self.backend(backend, "spec.defaultBackend");
        }
        for (number, rule) in rules.iter().enumerate() {
            let at = format!("spec.rules[{number}]");
            if let Some(host) = rule.host.as_deref().filter(|host| !host.is_empty()) {
                self.host(host, &format!("{at}.host"));
            }
            let Some(http) = &rule.http else { continue };
            if http.paths.is_empty() {
                self.add(format!("{at}.http.paths"), "the rule has no paths", "write at least one path");
            }
            for (index, path) in http.paths.iter().enumerate() {
                let at = format!("{at}.http.paths[{index}]");
                self.path(path, &at);
                self.backend(&path.backend, &format!("{at}.backend"));
            }
        }
        for (number, tls) in spec.tls.iter().flatten().enumerate() {
            let at = format!("spec.tls[{number}]");
            for (index, host) in tls.hosts.iter().flatten().enumerate() {
                self.host(host, &format!("{at}.hosts[{index}]"));
            }
            let secret = tls.secret_name.as_deref().filter(|name| !name.is_empty() && !is_subdomain(name));
            if let Some(secret) = secret {
                let message = format!("`{}` can't be the name of a Secret", shown(secret));
                self.add(format!("{at}.secretName"), message, format!("use {SUBDOMAIN}"));
            }
        }
    }

    fn host(&mut self, host: &str, at: &str) {
        let name = shown(host);
        if host.parse::<std::net::IpAddr>().is_ok() {
            self.add(
                at,
                format!("{name} is an address; a host is a DNS name"),
                "write the DNS name, or leave the host out",
            );
        } else if !is_subdomain(host.strip_prefix("*.").unwrap_or(host)) {
            let lower = host.to_lowercase();
            let fits = is_subdomain(lower.strip_prefix("*.").unwrap_or(&lower));
            let fix = match fits {
                true => format!("write {}", shown(&lower)),
                false => {
                    "write a DNS name in lower case, without protocol, port and path; a wildcard is `*.` before it"
                        .to_owned()
                }
            };
            self.add(at, format!("`{name}` can't be a host"), fix);
        }
    }

    fn path(&mut self, path: &HTTPIngressPath, at: &str) {
        let text = path.path.as_deref().unwrap_or_default();
        let name = shown(text);
        let here = format!("{at}.path");
        match path.path_type.as_str() {
            "Exact" | "Prefix" => {
                if !text.starts_with('/') {
                    self.add(here, format!("`{name}` must be an absolute path"), format!("write /{name}"));
                    return;
                }
                let inside = ["//", "/./", "/../", "%2f", "%2F"].into_iter().find(|odd| text.contains(odd));
                let behind = ["/..", "/."].into_iter().find(|odd| text.ends_with(odd));
                if let Some(odd) = inside.or(behind) {
                    let message =
                        format!("`{name}` has `{odd}` in it, which a path of type {} must not", path.path_type);
                    self.add(here, message, "write the path without it, or with pathType: ImplementationSpecific");
                }
            }
            "ImplementationSpecific" => {
                if !text.is_empty() && !text.starts_with('/') {
                    self.add(here, format!("`{name}` must be an absolute path"), format!("write /{name}"));
                }
            }
            "" => {
                let fix = "write pathType: Prefix, Exact or ImplementationSpecific";
                self.add(format!("{at}.pathType"), "pathType must be specified", fix);
            }
            other => {
                let message = format!("unknown pathType `{}`", shown(other));
                self.add(format!("{at}.pathType"), message, "write Prefix, Exact or ImplementationSpecific");
            }
        }
    }

    fn backend(&mut self, backend: &IngressBackend, at: &str) {
        match (&backend.service, &backend.resource) {
            (Some(_), Some(_)) => {
                self.add(at, "a backend has a service or a resource, not both", "remove backend.resource");
            }
            (None, None) => {
                self.add(at, "the backend names no Service", "write service: {name: …, port: {number: …}}");
            }
            (None, Some(_)) => {}
            (Some(service), None) => {
                if !is_service_name(&service.name) {
                    let message = match service.name.as_str() {
                        "" => "the backend names no Service".to_owned(),
                        name => format!("`{}` can't be the name of a Service", shown(name)),
                    };
                    self.add(format!("{at}.service.name"), message, format!("use {SERVICE_NAME}"));
                }
                self.backend_port(service.port.as_ref(), &format!("{at}.service.port"));
            }
        }
    }

    fn backend_port(&mut self, port: Option<&ServiceBackendPort>, at: &str) {
        let name = port.and_then(|port| port.name.as_deref()).filter(|name| !name.is_empty());
        let number = port.and_then(|port| port.number).filter(|number| *number != 0);
        match (name, number) {
            (Some(_), Some(_)) => self.add(at, "a port has a name or a number, not both", "remove one of them"),
            (None, None) => self.add(at, "the backend names no port", "write port: {number: …} or port: {name: …}"),
            (Some(name), None) if !is_port_name(name) => {
                let message = format!("`{}` can't be the name of a port", shown(name));
                let fix = match name.parse::<u16>() {
                    Ok(number) => format!("write number: {number}"),
                    Err(_) => format!("use {PORT_NAME}"),
                };
                self.add(format!("{at}.name"), message, fix);
            }
            (None, Some(number)) if !(1..=65535).contains(&number) => {
                self.add(format!("{at}.number"), format!("{number} is no port"), "write a number from 1 to 65535");
            }
            _ => {}
        }
    }

    fn class(&mut self, class: &IngressClass) {
        self.name(&class.metadata, "an IngressClass", is_subdomain, SUBDOMAIN);
        self.metadata(&class.metadata);
        let controller = class.spec.as_ref().and_then(|spec| spec.controller.as_deref()).unwrap_or_default();
        let (domain, path) = controller.split_once('/').unwrap_or((controller, ""));
        if controller.len() > 250 || !is_subdomain(domain) || path.is_empty() {
            let message = format!("the controller `{}` must be a domain and a path", shown(controller));
            self.add("spec.controller", message, "write ingress.k8s.aws/alb");
        }
    }

    fn service(&mut self, service: &Service) {
        self.name(&service.metadata, "a Service", is_service_name, SERVICE_NAME);
        self.metadata(&service.metadata);
        let spec = service.spec.clone().unwrap_or_default();
        let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
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
        let ports = spec.ports.unwrap_or_default();
        if ports.is_empty() && !headless && kind != "ExternalName" {
            self.add("spec.ports", "the Service has no ports", "write at least one port");
        }
        self.service_ports(&ports, kind);
    }

    fn service_ports(&mut self, ports: &[ServicePort], kind: &str) {
        let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
        for (index, port) in ports.iter().enumerate() {
            let at = format!("spec.ports[{index}]");
            let name = port.name.as_deref().unwrap_or_default();
            if name.is_empty() && ports.len() > 1 {
                let message = "of several ports each needs a name";
                self.add(at.clone(), message, "write name: … for the port");
            } else if !name.is_empty() && !is_label(name) {
                let message = format!("`{}` can't be the name of a port", shown(name));
                self.add(format!("{at}.name"), message, "use lower-case letters, digits and `-`, at most 63");
            } else if !name.is_empty() && !names.insert(name) {
                self.add(
                    format!("{at}.name"),
                    format!("two ports have the name {name}"),
                    "give each a name of its own",
                );
            }
            if !(1..=65535).contains(&port.port) {
                self.add(format!("{at}.port"), format!("{} is no port", port.port), "write a number from 1 to 65535");
            }
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            if !["TCP", "UDP", "SCTP"].contains(&protocol) {
                let message = format!("unknown protocol `{}`", shown(protocol));
                self.add(format!("{at}.protocol"), message, "write TCP, UDP or SCTP");
            }
            if !numbers.insert((port.port, protocol)) {
                let message = format!("two ports are {} of {protocol}", port.port);
                self.add(format!("{at}.port"), message, "give each a number of its own");
            }
            self.target_port(port, &at);
            if port.node_port.is_some_and(|number| number != 0) && matches!(kind, "ClusterIP" | "ExternalName") {
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
}

const SERVICE_NAME: &str = "lower-case letters, digits and `-`, at most 63, a letter first and no `-` last";
const PORT_NAME: &str =
    "lower-case letters, digits and single `-`, at most 15, a letter among them and no `-` at either end";

/// RFC 1123: what a namespace's name is, and the name of a Service's port.
fn is_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_subdomain(text)
}

/// RFC 1035: what a Service's name is.
fn is_service_name(text: &str) -> bool {
    is_label(text) && text.starts_with(|first: char| first.is_ascii_lowercase())
}

/// RFC 6335: what the name of a container's port is.
fn is_port_name(text: &str) -> bool {
    text.len() <= 15 && is_label(text) && !text.contains("--") && text.bytes().any(|byte| byte.is_ascii_lowercase())
}
