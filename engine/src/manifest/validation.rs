//! Validation of the API server: names, paths, ports, and fields that need or exclude each other.
//!
//! Source: Kubernetes API validation, `pkg/apis/networking/validation` (`ValidateIngressCreate`) and `pkg/apis/core/validation`
//! (`ValidateService`); <https://kubernetes.io/docs/concepts/services-networking/ingress/>. What depends on other objects or on flags of the API server is left out.

mod class;
mod metadata;
mod service;

use k8s_openapi::api::networking::v1::{HTTPIngressPath, Ingress, IngressBackend, ServiceBackendPort};

use super::schema::Misfit;
use crate::annotation::LEGACY_CLASS;
use crate::annotation::parse::shown;
use crate::kinds::is_subdomain;
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
                // An address is no fault here.
                if host.parse::<std::net::Ipv4Addr>().is_err() {
                    self.host(host, &format!("{at}.hosts[{index}]"));
                }
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
            (None, Some(resource)) => {
                let reference = (resource.api_group.as_deref(), resource.kind.as_str(), resource.name.as_str());
                self.reference(reference, &format!("{at}.resource"));
            }
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
}

const SERVICE_NAME: &str = "lower-case letters, digits and `-`, at most 63, no `-` at either end";
const PORT_NAME: &str =
    "lower-case letters, digits and single `-`, at most 15, a letter among them and no `-` at either end";

/// RFC 1123: what a namespace's name is, and the name of a Service's port.
fn is_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_subdomain(text)
}

/// What a Service's name is. Before version 1.34 a letter had to come first.
fn is_service_name(text: &str) -> bool {
    is_label(text)
}

/// RFC 6335: what the name of a container's port is.
fn is_port_name(text: &str) -> bool {
    text.len() <= 15 && is_label(text) && !text.contains("--") && text.bytes().any(|byte| byte.is_ascii_lowercase())
}
