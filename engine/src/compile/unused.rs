//! Annotations that can be read and count for nothing in this Ingress: most often something else was meant.

use k8s_openapi::api::networking::v1::IngressBackend;

use super::Compiler;
use super::actions::USE_ANNOTATION;
use crate::annotation::catalogue::{
    LISTEN_PORTS, LISTENER_ATTRIBUTES, MANAGE_BACKEND_SECURITY_GROUP_RULES, SECURITY_GROUPS, SSL_REDIRECT,
};
use crate::annotation::{PREFIX, Source, Values, When, parse, row, rows};
use crate::finding::{Code, FieldPath, Finding};
use crate::stack::Protocol;

impl Compiler<'_> {
    pub(super) fn check_effects(&mut self, values: &Values) {
        self.unused_of_backends();
        self.without_listener(values);
        self.without_security_group();
        self.without_login();
        self.check_web_acl();
        if self.reader.raw("use-regex-path-match").is_some_and(|raw| parse::go_bool(raw) == Ok(true))
            && !self.has_paths_for_regex()
        {
            self.unused("use-regex-path-match", "no rule has a path of type ImplementationSpecific");
        }
    }

    /// An annotation that is there and does nothing. What is wrong with it already is enough.
    pub(super) fn unused(&mut self, suffix: &str, why: impl Into<String>) -> Option<&mut Finding> {
        // A default that this Ingress does not use is no mistake of its author.
        if self.reader.is_default(suffix) { None } else { self.unused_by_whomever(suffix, why) }
    }

    /// The same, also of what admission wrote.
    fn unused_by_whomever(&mut self, suffix: &str, why: impl Into<String>) -> Option<&mut Finding> {
        let raw = self.reader.raw(suffix)?;
        let path = FieldPath::annotation(&format!("{PREFIX}{suffix}"));
        if self.reader.findings.iter().any(|finding| finding.path == path && finding.code != Code::WithoutEffect) {
            return None;
        }
        let value = if raw.chars().count() > 40 { "" } else { raw };
        Some(self.reader.refuse(Code::WithoutEffect, suffix, value, why))
    }

    fn backends(&self) -> Vec<&IngressBackend> {
        let rules = self.spec.rules.iter().flatten().filter_map(|rule| rule.http.as_ref());
        rules.flat_map(|http| http.paths.iter().map(|path| &path.backend)).collect()
    }

    /// Whether a path can be a regular expression: one that is there, of type `ImplementationSpecific` or of none.
    pub(super) fn has_paths_for_regex(&self) -> bool {
        let rules = self.spec.rules.iter().flatten().filter_map(|rule| rule.http.as_ref());
        let mut paths = rules.flat_map(|http| &http.paths);
        paths.any(|path| {
            !matches!(path.path_type.as_str(), "Exact" | "Prefix")
                && path.path.as_ref().is_some_and(|path| !path.is_empty())
        })
    }

    /// What belongs to backends that no rule has, or that do not ask for it.
    fn unused_of_backends(&mut self) {
        let of_rules: Vec<String> =
            self.backends().iter().filter_map(|backend| Some(backend.service.as_ref()?.name.clone())).collect();
        let asked: Vec<String> = self
            .backends()
            .into_iter()
            .chain(&self.spec.default_backend)
            .filter_map(|backend| backend.service.as_ref())
            .filter(|service| service.port.as_ref().is_some_and(|port| port.name.as_deref() == Some(USE_ANNOTATION)))
            .map(|service| service.name.clone())
            .collect();
        for (suffix, _) in self.reader.suffixes() {
            let Some(row) = row(suffix).filter(|row| row.family) else { continue };
            let name = suffix.strip_prefix(row.key).unwrap_or_default();
            let has = |names: &[String]| names.iter().any(|one| one == name);
            let why = match row.when {
                When::BackendAsks if !has(&asked) => {
                    format!("no backend has the name {name} and the port name {USE_ANNOTATION}")
                }
                When::Backend if !has(&of_rules) => format!("no rule has the backend {name}"),
                _ => continue,
            };
            self.unused(suffix, why);
        }
    }

    /// What belongs to listeners that this Ingress doesn't have.
    fn without_listener(&mut self, values: &Values) {
        let written = values.resolved(&LISTEN_PORTS).filter(|ports| ports.source != Source::Default);
        let Some(ports) = written.map(|ports| ports.value) else { return };
        let https = |port: u16| ports.get(&port) == Some(&Protocol::Https);
        if ports.keys().any(|port| https(*port)) {
            self.unused_client_certificates(https);
        } else {
            for row in rows().filter(|row| matches!(row.when, When::Https | When::HttpsPorts)) {
                self.unused(row.key, "listen-ports names no HTTPS port");
            }
        }
        for (suffix, _) in self.reader.suffixes() {
            let Some(listener) = suffix.strip_prefix(LISTENER_ATTRIBUTES.row.key) else { continue };
            let written = listener
                .split_once('-')
                .and_then(|(protocol, port)| Some((Protocol::parse(protocol)?, port.parse::<u16>().ok()?)));
            if written.is_none_or(|(protocol, port)| ports.get(&port) != Some(&protocol)) {
                self.unused(suffix, format!("listen-ports names no listener {listener}"));
            }
        }
        if ports.values().all(|protocol| *protocol == Protocol::Https) && !self.group().is_explicit() {
            self.unused(SSL_REDIRECT.row.key, "listen-ports names no HTTP port that could be redirected");
        }
    }

    fn without_security_group(&mut self) {
        if self.reader.list(SECURITY_GROUPS.row.key).is_some() {
            for row in rows().filter(|row| row.when == When::ManagedSecurityGroup) {
                self.unused(row.key, "with security-groups of one's own no security group is managed");
            }
        } else if !self.group().is_explicit() {
            self.unused(MANAGE_BACKEND_SECURITY_GROUP_RULES.row.key, "it counts beside security-groups alone");
        }
    }

    fn without_login(&mut self) {
        let kind = self.reader.raw("auth-type").unwrap_or("none");
        if matches!(kind, "oidc" | "cognito") && !self.tls {
            self.open_to_all("auth-type");
        }
        if self.reader.raw("jwt-validation").is_some() && !self.tls {
            self.open_to_all("jwt-validation");
        }
    }

    fn open_to_all(&mut self, suffix: &str) {
        let why = "nobody has to log in: authentication counts on HTTPS listeners, and this Ingress has none";
        if let Some(finding) = self.unused_by_whomever(suffix, why) {
            finding.fix = "add an HTTPS port to listen-ports, with a certificate".to_owned();
        }
    }
}
