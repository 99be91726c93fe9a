//! `auth-*`: how users log in before a request is forwarded.

use indexmap::IndexMap;
use serde::Serialize;

use super::arn;
use super::decode::{self, object};
use super::parse::{ParseError, go_quote, shown};
use super::url;
use crate::kinds::is_subdomain;

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
            let error = ParseError::at_json(error.message, "/userPoolARN");
            found.push(error.help("copy the ARN of the user pool from Cognito"));
        }
        let domain = &self.user_pool_domain;
        if !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
            let message =
                format!("userPoolDomain `{domain}` must be a domain's prefix or its full name, without https://");
            let error = ParseError::at_json(message, "/userPoolDomain");
            found.push(error.help("write the domain of the user pool, without protocol and path"));
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
    let error = |field: &str| ParseError::at_json(format!("{field} must be set"), format!("/{field}"));
    absent.map(|(field, _)| error(field).help(format!("add {field}, with a value"))).collect()
}

fn extra_params(params: &IndexMap<String, String>) -> Option<ParseError> {
    let count = params.len();
    (count > 10).then(|| {
        let message = format!("authenticationRequestExtraParams has {count} entries, AWS takes 10");
        ParseError::at_json(message, "/authenticationRequestExtraParams").help("leave at most 10 of them")
    })
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

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            let _ = (CognitoConfig::parse(&raw), OidcConfig::parse(&raw));
        }
    }
}
