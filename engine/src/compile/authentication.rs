//! Who may pass: OIDC, Cognito or a JSON web token, on HTTPS listeners.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;

use super::Compiler;
use crate::annotation::PREFIX;
use crate::annotation::catalogue::{
    AUTH_IDP_COGNITO, AUTH_IDP_OIDC, AUTH_ON_UNAUTHENTICATED_REQUEST, AUTH_SCOPE, AUTH_SESSION_COOKIE,
    AUTH_SESSION_TIMEOUT, AUTH_TYPE, JWT_VALIDATION,
};
use crate::finding::{Code, ObjectRef};
use crate::kinds::Key;
use crate::stack::{Action, Authenticate};

impl Compiler<'_> {
    /// The authentication before a routing action; annotations of the one Service it forwards to win.
    pub(super) fn authentication(&mut self, service: Option<&Service>) -> Option<Action> {
        let of_service = service.and_then(|service| service.metadata.annotations.as_ref());
        let by_identity = self.by_identity(of_service);
        let by_token = self.by_token();
        if by_identity.is_some() && by_token.is_some() && self.tls {
            let raw = self.reader.raw("jwt-validation").unwrap_or_default();
            let message = "authentication and jwt validation can't both be configured";
            self.reader.refuse(Code::ConflictingAuthentication, "jwt-validation", raw, message);
        }
        by_identity.or(by_token)
    }

    fn by_identity(&mut self, of_service: Option<&BTreeMap<String, String>>) -> Option<Action> {
        let kind = self.resolve_on(&AUTH_TYPE, of_service).ok()??.value;
        let (setting, config) = match kind.as_str() {
            "cognito" => (&AUTH_IDP_COGNITO, "IDPConfigCognito"),
            "oidc" => (&AUTH_IDP_OIDC, "IDPConfigOIDC"),
            _ => return None,
        };
        let Some(given) = self.resolve_on(setting, of_service).ok()? else {
            if self.tls {
                let key = setting.row.key;
                self.reader.refuse(Code::InvalidAuthentication, "auth-type", &kind, format!("missing {config}")).fix =
                    format!("write the annotation {PREFIX}{key}, or auth-type: none");
            }
            return None;
        };
        let given = self.with_secret(given.value);
        let action = Authenticate {
            client_secret_revision: given.client_secret_from.as_ref().and_then(|secret| self.revision(secret)),
            on_unauthenticated_request: self.resolve_or_default(&AUTH_ON_UNAUTHENTICATED_REQUEST, of_service)?.value,
            scope: self.resolve_or_default(&AUTH_SCOPE, of_service)?.value,
            session_cookie_name: self.resolve_or_default(&AUTH_SESSION_COOKIE, of_service)?.value,
            session_timeout: self.resolve_or_default(&AUTH_SESSION_TIMEOUT, of_service)?.value,
            config: given.config,
            client_secret_from: given.client_secret_from,
            extra_params: given.extra_params,
        };
        Some(if kind == "oidc" { Action::AuthenticateOidc(action) } else { Action::AuthenticateCognito(action) })
    }

    /// The same with the namespace of its Secret, if it has one.
    fn with_secret(&mut self, given: Authenticate) -> Authenticate {
        let Some(secret) = &given.client_secret_from else { return given };
        // HTTP listeners authenticate nobody, so that nobody looks for it.
        if self.tls {
            self.check_secret(secret);
        }
        let secret = Key::new(&self.key.namespace, secret).to_string();
        Authenticate { client_secret_from: Some(secret), ..given }
    }

    /// Which revision of a Secret, `namespace/name`, is known.
    fn revision(&self, secret: &str) -> Option<String> {
        let (namespace, name) = secret.split_once('/')?;
        let known = self.context.view.secrets.get(&Key::new(namespace, name))?;
        Some(known.revision.clone()).filter(|revision| !revision.is_empty())
    }

    fn check_secret(&mut self, name: &str) {
        let key = Key::new(&self.key.namespace, name);
        let Some((message, fix)) = self.secret_fault(&key) else { return };
        let finding = self.reader.refuse(Code::MissingSecret, "auth-idp-oidc", name, message);
        finding.related = vec![ObjectRef::new("Secret", &key.namespace, &key.name)];
        if let Some(fix) = fix {
            finding.fix = fix;
        }
    }

    /// What is wrong with a Secret, and how to fix that if creating it does not.
    fn secret_fault(&self, key: &Key) -> Option<(String, Option<String>)> {
        let Some(secret) = self.context.view.secrets.get(key) else {
            return Some((format!("secrets \"{}\" not found, or not to be read by albedo", key.name), None));
        };
        let lacks = |(label, value): &(&String, &String)| secret.labels.get(*label) != Some(*value);
        if let Some((label, value)) = self.settings().required_secret_labels.iter().find(lacks) {
            let message = format!("the Secret {key} lacks the label {label}={value}, which the operator asks for");
            let fix = format!("kubectl label secret -n {} {} {label}={value}", key.namespace, key.name);
            return Some((message, Some(fix)));
        }
        let has = |name: &str| secret.keys.contains(name);
        let missing = match (has("clientID") || has("clientId"), has("clientSecret")) {
            (false, _) => "clientID",
            (true, false) => "clientSecret",
            (true, true) => return None,
        };
        Some((format!("missing {missing}, secret: {key}"), None))
    }

    fn by_token(&mut self) -> Option<Action> {
        Some(Action::JwtValidation(self.resolve(&JWT_VALIDATION)?.value))
    }
}
