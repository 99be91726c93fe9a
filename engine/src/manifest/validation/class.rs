//! What an IngressClass has to be, and references to objects by their kind.
//!
//! Source: `pkg/apis/networking/validation`, `ValidateIngressClass`.

use k8s_openapi::api::networking::v1::{IngressClass, IngressClassParametersReference};

use super::{Found, SUBDOMAIN, is_label};
use crate::annotation::parse::shown;
use crate::kinds::is_subdomain;

impl Found {
    pub(super) fn class(&mut self, class: &IngressClass) {
        self.name(&class.metadata, "an IngressClass", is_subdomain, SUBDOMAIN);
        self.metadata(&class.metadata);
        let spec = class.spec.clone().unwrap_or_default();
        let controller = spec.controller.as_deref().unwrap_or_default();
        let (domain, path) = controller.split_once('/').unwrap_or((controller, ""));
        if controller.len() > 250 || !is_subdomain(domain) || !is_url_path(path) {
            let message = format!("the controller `{}` must be a domain and a path", shown(controller));
            self.add("spec.controller", message, "write ingress.k8s.aws/alb");
        }
        if let Some(parameters) = &spec.parameters {
            self.parameters(parameters);
        }
    }

    fn parameters(&mut self, is: &IngressClassParametersReference) {
        self.reference((is.api_group.as_deref(), &is.kind, &is.name), "spec.parameters");
        let namespace = is.namespace.as_deref();
        match is.scope.as_deref() {
            None | Some("Cluster") => {
                if namespace.is_some() {
                    let message = "parameters of scope Cluster have no namespace";
                    self.add("spec.parameters.namespace", message, "remove it");
                }
            }
            Some("Namespace") => {
                if !namespace.is_some_and(is_label) {
                    let message = "parameters of scope Namespace need the namespace that they are in";
                    self.add("spec.parameters.namespace", message, "name the namespace, or write scope: Cluster");
                }
            }
            Some(other) => {
                let message = format!("unknown scope `{}`", shown(other));
                self.add("spec.parameters.scope", message, "write Cluster");
            }
        }
    }

    /// A reference to an object: API group, kind and name.
    pub(super) fn reference(&mut self, (group, kind, name): (Option<&str>, &str, &str), at: &str) {
        if let Some(group) = group.filter(|group| !is_subdomain(group)) {
            let message = format!("`{}` can't be an API group", shown(group));
            self.add(format!("{at}.apiGroup"), message, format!("use {SUBDOMAIN}, or leave it out"));
        }
        for (field, value) in [("kind", kind), ("name", name)] {
            if value.is_empty() || matches!(value, "." | "..") || value.contains(['/', '%']) {
                let message = match value {
                    "" => format!("the reference has no {field}"),
                    value => format!("`{}` can't be the {field} of an object", shown(value)),
                };
                self.add(format!("{at}.{field}"), message, format!("write the {field} of the object"));
            }
        }
    }
}

/// RFC 3986: a path of a URL.
fn is_url_path(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    !text.is_empty() && text.bytes().all(inner)
}
