//! Annotations that can be read and count for nothing in this Ingress: most often something else was meant.

use k8s_openapi::api::networking::v1::IngressBackend;

use super::Compiler;
use super::actions::USE_ANNOTATION;
use crate::annotation::{PREFIX, listen_ports, mutual_authentication, parse, place};
use crate::finding::{Code, FieldPath, Finding};
use crate::stack::Protocol;

impl Compiler<'_> {
    pub(super) fn check_effects(&mut self) {
        self.unused_of_backends();
        self.without_listener();
        self.without_security_group();
        self.without_login();
        self.check_web_acl();
        if self.reader.raw("use-regex-path-match").is_some_and(|raw| parse::go_bool(raw) == Ok(true))
            && !self.has_paths_for_regex()
        {
            self.idle("use-regex-path-match", "no rule has a path of type ImplementationSpecific");
        }
    }

    /// An annotation that is there and does nothing. What is wrong with it already is enough.
    pub(super) fn idle(&mut self, suffix: &str, why: impl Into<String>) -> Option<&mut Finding> {
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

    /// Actions that no backend asks for, conditions and transforms of backends that no rule has.
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
            let Some((family, name)) = suffix.split_once('.') else { continue };
            let why = match family {
                "actions" if !asked.iter().any(|asked| asked == name) => {
                    format!("no backend has the name {name} and the port name {USE_ANNOTATION}")
                }
                "conditions" | "transforms" if !of_rules.iter().any(|rule| rule == name) => {
                    format!("no rule has the backend {name}")
                }
                _ => continue,
            };
            self.idle(suffix, why);
        }
    }

    /// What belongs to listeners that this Ingress doesn't have.
    fn without_listener(&mut self) {
        let Some(raw) = self.reader.raw("listen-ports") else { return };
        let Ok(pairs) = listen_ports::parse(raw) else { return };
        let pairs = listen_ports::last_wins(&pairs);
        let https = |port: Option<u16>| {
            pairs
                .iter()
                .any(|(protocol, number)| protocol.as_str() == "HTTPS" && port.is_none_or(|port| port == *number))
        };
        if !https(None) {
            for suffix in ["certificate-arn", "ssl-policy", "mutual-authentication"] {
                self.idle(suffix, "listen-ports names no HTTPS port");
            }
        } else if let Some((raw, entries)) = self
            .reader
            .raw("mutual-authentication")
            .and_then(|raw| Some((raw, mutual_authentication::parse(raw).ok()?)))
        {
            // No load balancer has more listeners; each is looked for in the text.
            for (index, entry) in entries.iter().enumerate().take(100) {
                if !https(u16::try_from(entry.port).ok()) {
                    let at = crate::annotation::Pointer::Json(format!("/{index}/port"));
                    let why = format!("listen-ports names no HTTPS port {}", entry.port);
                    if let Some(finding) = self.idle("mutual-authentication", why) {
                        finding.place = Some(place(raw, &at));
                    }
                }
            }
        }
        for (suffix, _) in self.reader.suffixes() {
            let Some(listener) = suffix.strip_prefix("listener-attributes.") else { continue };
            let written = listener
                .split_once('-')
                .and_then(|(protocol, port)| Some((Protocol::parse(protocol)?.as_str(), port.parse::<u16>().ok()?)));
            let is_there = written.is_some_and(|(name, port)| {
                pairs.iter().any(|(protocol, number)| protocol.as_str() == name && *number == port)
            });
            if !is_there {
                self.idle(suffix, format!("listen-ports names no listener {listener}"));
            }
        }
        let http = pairs.iter().any(|(protocol, _)| protocol.as_str() == "HTTP");
        if !http && !self.group().is_explicit() {
            self.idle("ssl-redirect", "listen-ports names no HTTP port that could be redirected");
        }
    }

    fn without_security_group(&mut self) {
        if self.reader.list("security-groups").is_some() {
            for suffix in ["inbound-cidrs", "security-group-prefix-lists"] {
                self.idle(suffix, "with security-groups of one's own no security group is managed");
            }
        } else if !self.group().is_explicit() && self.reader.raw("manage-backend-security-group-rules").is_some() {
            self.idle("manage-backend-security-group-rules", "it counts beside security-groups alone");
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
        if let Some(finding) = self.idle(suffix, why) {
            finding.mend = "add an HTTPS port to listen-ports, with a certificate".to_owned();
        }
    }
}
