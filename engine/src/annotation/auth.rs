//! `auth-*`: how users log in before a request is forwarded.

use indexmap::IndexMap;
use serde::Serialize;

use super::arn;
use super::decode::{self, object};
use super::nearest::did_you_mean;
use super::parse::{ParseError, go_int64, go_quote, shown};
use super::url;
use crate::kinds::is_subdomain;

/// Who authenticates users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthType {
    /// Nobody
    #[default]
    None,
    /// A Cognito user pool
    Cognito,
    /// A provider of `OpenID` Connect
    Oidc,
}

impl AuthType {
    /// The names, as the annotation spells them.
    pub const NAMES: [&'static str; 3] = ["none", "cognito", "oidc"];

    /// Reads `auth-type`.
    ///
    /// # Errors
    /// For every other text.
    pub fn parse(raw: &str) -> Result<Self, ParseError> {
        match raw {
            "none" => Ok(Self::None),
            "cognito" => Ok(Self::Cognito),
            "oidc" => Ok(Self::Oidc),
            _ => {
                let near = did_you_mean(raw, Self::NAMES);
                Err(ParseError::new(format!("unknown authType: {raw}{near}")))
            }
        }
    }
}

/// `auth-idp-cognito`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CognitoConfig {
    /// ARN of the user pool
    #[serde(rename = "userPoolARN")]
    pub user_pool_arn: String,
    /// Id of the pool's client
    #[serde(rename = "userPoolClientID")]
    pub user_pool_client_id: String,
    /// Prefix or full name of the pool's domain
    pub user_pool_domain: String,
    /// Up to ten parameters for the authorization endpoint
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub authentication_request_extra_params: IndexMap<String, String>,
}
object!(CognitoConfig as "AuthIDPConfigCognito" {
    "userPoolARN" => user_pool_arn,
    "userPoolClientID" => user_pool_client_id,
    "userPoolDomain" => user_pool_domain,
    "authenticationRequestExtraParams" => authentication_request_extra_params,
});

impl CognitoConfig {
    /// Reads the annotation.
    ///
    /// # Errors
    /// On malformed JSON and values of the wrong type; which fields are there is [`Self::limits`]' matter.
    pub fn parse(raw: &str) -> Result<Self, ParseError> {
        decode::decode(raw)
    }

    /// Everything that AWS would refuse; LBC looks at nothing.
    #[must_use]
    pub fn limits(&self) -> Vec<ParseError> {
        let mut found = required(&[
            ("userPoolARN", &self.user_pool_arn),
            ("userPoolClientID", &self.user_pool_client_id),
            ("userPoolDomain", &self.user_pool_domain),
        ]);
        if let Err(error) = arn::Kind::UserPool.parse(&self.user_pool_arn)
            && !self.user_pool_arn.is_empty()
        {
            found.push(ParseError::at_json(error.message, "/userPoolARN"));
        }
        let domain = &self.user_pool_domain;
        if !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
            let message =
                format!("userPoolDomain `{domain}` must be a domain's prefix or its full name, without https://");
            found.push(ParseError::at_json(message, "/userPoolDomain"));
        }
        found.extend(extra_params(&self.authentication_request_extra_params));
        found
    }
}

/// `auth-idp-oidc`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OidcConfig {
    /// The provider's issuer, an HTTPS URL
    pub issuer: String,
    /// HTTPS URL of the authorization endpoint
    pub authorization_endpoint: String,
    /// HTTPS URL of the token endpoint
    pub token_endpoint: String,
    /// HTTPS URL of the user info endpoint
    pub user_info_endpoint: String,
    /// Secret in the Ingress' namespace with `clientID` and `clientSecret`
    pub secret_name: String,
    /// Up to ten parameters for the authorization endpoint
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub authentication_request_extra_params: IndexMap<String, String>,
}
object!(OidcConfig as "AuthIDPConfigOIDC" {
    "issuer" => issuer,
    "authorizationEndpoint" => authorization_endpoint,
    "tokenEndpoint" => token_endpoint,
    "userInfoEndpoint" => user_info_endpoint,
    "secretName" => secret_name,
    "authenticationRequestExtraParams" => authentication_request_extra_params,
});

impl OidcConfig {
    /// Reads the annotation.
    ///
    /// # Errors
    /// On malformed JSON and values of the wrong type; which fields are there is [`Self::limits`]' matter.
    pub fn parse(raw: &str) -> Result<Self, ParseError> {
        decode::decode(raw)
    }

    /// Everything that would not provision: AWS wants the issuer and three HTTPS endpoints, and a Secret without a name
    /// is never found.
    #[must_use]
    pub fn limits(&self) -> Vec<ParseError> {
        let urls = [
            ("issuer", &self.issuer),
            ("authorizationEndpoint", &self.authorization_endpoint),
            ("tokenEndpoint", &self.token_endpoint),
            ("userInfoEndpoint", &self.user_info_endpoint),
        ];
        let mut found = required(&urls);
        found.extend(required(&[("secretName", &self.secret_name)]));
        found.extend(self.secret_fault());
        for (field, url) in urls {
            // The URL isn't repeated: some carry what is a secret of the provider's.
            if let Some(cause) = url::https_fault(url).filter(|_| !url.is_empty()) {
                let error = ParseError::at_json(format!("{field} {cause}"), format!("/{field}"));
                found.push(error.help(format!("write {field} as a full URL: https://HOST/PATH")));
            }
        }
        found.extend(extra_params(&self.authentication_request_extra_params));
        found
    }
}

impl OidcConfig {
    /// What keeps the Secret's name from being one. It becomes part of a URL of the API server, so that nothing else may ever be asked for.
    #[must_use]
    pub fn secret_fault(&self) -> Option<ParseError> {
        let name = &self.secret_name;
        (!name.is_empty() && !is_subdomain(name)).then(|| {
            let message = format!("secretName {} can't be the name of a Secret", go_quote(&shown(name)));
            ParseError::at_json(message, "/secretName").help(
                "write the name of a Secret in the Ingress's namespace, without the namespace: lower-case letters, digits, `-` and `.`",
            )
        })
    }
}

fn required(fields: &[(&str, &String)]) -> Vec<ParseError> {
    let absent = fields.iter().filter(|(_, value)| value.is_empty());
    absent.map(|(field, _)| ParseError::at_json(format!("{field} must be set"), format!("/{field}"))).collect()
}

fn extra_params(params: &IndexMap<String, String>) -> Option<ParseError> {
    let count = params.len();
    (count > 10).then(|| {
        let message = format!("authenticationRequestExtraParams has {count} entries, AWS takes 10");
        ParseError::at_json(message, "/authenticationRequestExtraParams")
    })
}

/// Everything that the `auth-*` annotations say, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthConfig {
    /// `auth-type`
    pub r#type: AuthType,
    /// `auth-idp-cognito`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cognito: Option<CognitoConfig>,
    /// `auth-idp-oidc`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcConfig>,
    /// `auth-on-unauthenticated-request`; AWS knows `authenticate`, `allow` and `deny`
    pub on_unauthenticated_request: String,
    /// `auth-scope`
    pub scope: String,
    /// `auth-session-cookie`
    pub session_cookie_name: String,
    /// `auth-session-timeout`, in seconds
    pub session_timeout: i64,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            r#type: AuthType::None,
            cognito: None,
            oidc: None,
            on_unauthenticated_request: "authenticate".to_owned(),
            scope: "openid".to_owned(),
            session_cookie_name: "AWSELBAuthSessionCookie".to_owned(),
            session_timeout: 604_800,
        }
    }
}

impl AuthConfig {
    /// Reads all of them; `lookup` gives a key's value without its prefix. They are read whatever the type says, because
    /// a faulty one stops LBC even where it would not be used.
    ///
    /// # Errors
    /// Each faulty key with what is wrong, all at once.
    pub fn read<'a>(lookup: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Vec<(&'static str, ParseError)>> {
        let mut config = Self::default();
        let mut errors = Vec::new();
        read_into(&mut config.r#type, "auth-type", &lookup, AuthType::parse, &mut errors);
        read_into(
            &mut config.cognito,
            "auth-idp-cognito",
            &lookup,
            |raw| CognitoConfig::parse(raw).map(Some),
            &mut errors,
        );
        read_into(&mut config.oidc, "auth-idp-oidc", &lookup, |raw| OidcConfig::parse(raw).map(Some), &mut errors);
        let text = |raw: &str| Ok(raw.to_owned());
        let on_unauthenticated = &mut config.on_unauthenticated_request;
        read_into(on_unauthenticated, "auth-on-unauthenticated-request", &lookup, text, &mut errors);
        read_into(&mut config.scope, "auth-scope", &lookup, text, &mut errors);
        read_into(&mut config.session_cookie_name, "auth-session-cookie", &lookup, text, &mut errors);
        read_into(&mut config.session_timeout, "auth-session-timeout", &lookup, go_int64, &mut errors);
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }
}

fn read_into<'a, T>(
    slot: &mut T,
    key: &'static str,
    lookup: &impl Fn(&str) -> Option<&'a str>,
    parse: impl Fn(&str) -> Result<T, ParseError>,
    errors: &mut Vec<(&'static str, ParseError)>,
) {
    match lookup(key).map(parse) {
        None => {}
        Some(Ok(value)) => *slot = value,
        Some(Err(error)) => errors.push((key, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_old_keys_read_the_same() {
        let documented = r#"{"userPoolARN":"a","userPoolClientID":"b","userPoolDomain":"c"}"#;
        let old = r#"{"UserPoolArn":"a","UserPoolClientId":"b","UserPoolDomain":"c"}"#;
        let config = CognitoConfig::parse(old).unwrap();
        assert_eq!(config, CognitoConfig::parse(documented).unwrap());
        assert_eq!(serde_json::to_string(&config).unwrap(), documented);
        let oidc = OidcConfig::parse(
            r#"{"Issuer":"https://a","AuthorizationEndpoint":"https://b","TokenEndpoint":"https://c",
                "UserInfoEndpoint":"https://d","SecretName":"e","AuthenticationRequestExtraParams":{"k":"v"}}"#,
        );
        let oidc = oidc.unwrap();
        assert_eq!(oidc.limits(), []);
        assert_eq!(oidc.authentication_request_extra_params.get("k").map(String::as_str), Some("v"));
    }

    #[test]
    fn what_aws_refuses() {
        let found =
            OidcConfig::parse(r#"{"issuer":"xxx","tokenEndpoint":"http://c","secretName":"s"}"#).unwrap().limits();
        let found: Vec<_> = found.into_iter().map(|error| error.message).collect();
        assert_eq!(
            found,
            [
                "authorizationEndpoint must be set",
                "userInfoEndpoint must be set",
                "issuer must be a URL that starts with https://",
                "tokenEndpoint must be a URL that starts with https://",
            ]
        );
        assert_eq!(CognitoConfig::default().limits().len(), 3);
        let many: IndexMap<String, String> = (0..11).map(|n| (n.to_string(), String::new())).collect();
        assert!(extra_params(&many).is_some());
    }

    #[test]
    fn absent_keys_have_defaults() {
        let config = AuthConfig::read(|_| None).unwrap();
        assert_eq!(config, AuthConfig::default());
        let config = AuthConfig::read(|key| match key {
            "auth-type" => Some("cognito"),
            "auth-idp-cognito" => Some("{}"),
            "auth-scope" => Some(""),
            "auth-session-timeout" => Some("60"),
            _ => None,
        });
        let config = config.unwrap();
        assert_eq!((config.r#type, config.session_timeout), (AuthType::Cognito, 60));
        assert_eq!((config.scope.as_str(), config.cognito), ("", Some(CognitoConfig::default())));
    }

    #[test]
    fn all_faulty_keys_are_named() {
        let errors = AuthConfig::read(|key| match key {
            "auth-type" => Some("basic"),
            "auth-idp-oidc" => Some("{"),
            "auth-session-timeout" => Some("1h"),
            _ => None,
        });
        let errors = errors.unwrap_err();
        let keys: Vec<_> = errors.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["auth-type", "auth-idp-oidc", "auth-session-timeout"]);
        assert_eq!(errors[0].1.message, "unknown authType: basic");
        assert_eq!(AuthType::parse("OIDC").unwrap_err().message, "unknown authType: OIDC; did you mean `oidc`?");
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            let _ = AuthConfig::read(|_| Some(&raw));
        }
    }
}
