//! `auth-idp-*`: the identity providers where users log in before a request is forwarded.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::arn;
use super::decode::{self, Decoded, Members, members};
use super::parse::{ParseError, go_quote, shown};
use super::read::{Read, Shape};
use super::url;
use super::value::JsonValue;
use crate::kinds::is_subdomain;
use crate::stack::Authenticate;

/// Most parameters for the authorization endpoint.
const PARAMS: usize = 10;

/// JSON of a Cognito user pool.
pub static COGNITO: Shape = Shape {
    takes: "an object with userPoolARN, userPoolClientID and userPoolDomain",
    read: |raw| Read::typed(read_cognito(raw)),
    multiline: None,
};

/// JSON of an identity provider of `OpenID` Connect.
pub static OIDC: Shape = Shape {
    takes: "an object with issuer, three endpoints and secretName",
    read: |raw| Read::typed(read_oidc(raw)),
    multiline: None,
};

impl JsonValue for Authenticate {}

/// Reads `auth-idp-cognito`. LBC accepts any values; AWS does not.
#[must_use]
pub fn read_cognito(raw: &str) -> Decoded<Authenticate> {
    decode::read(raw, |given| {
        members(given, |of| {
            let config = config(of, ["userPoolARN", "userPoolClientID", "userPoolDomain"]);
            let member = |name: &str| config.get(name).map(String::as_str).unwrap_or_default();
            let pool = member("userPoolARN");
            if let Some(error) = arn::Kind::UserPool.parse(pool).err().filter(|_| !pool.is_empty()) {
                of.doubt("/userPoolARN", error.help("copy the ARN of the user pool from its page in Cognito"));
            }
            let domain = member("userPoolDomain");
            if !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
                let message =
                    format!("userPoolDomain `{domain}` must be a domain's prefix or its full name, without https://");
                of.doubt("/userPoolDomain", ParseError::new(message).help("write the domain's prefix"));
            }
            let params = extra_params(of);
            Some(Authenticate::with(config, params))
        })
    })
}

/// Reads `auth-idp-oidc`; [`Authenticate::client_secret_from`] is the name of the Secret, without its namespace. LBC accepts any
/// values, but nobody looks for a Secret whose name cannot be one; AWS requires the issuer and three HTTPS endpoints.
#[must_use]
pub fn read_oidc(raw: &str) -> Decoded<Authenticate> {
    const URLS: [&str; 4] = ["issuer", "authorizationEndpoint", "tokenEndpoint", "userInfoEndpoint"];
    decode::read(raw, |given| {
        members(given, |of| {
            let config = config(of, URLS);
            let secret: String = of.get("secretName");
            required(of, "secretName", &secret);
            if let Some(error) = secret_fault(&secret) {
                of.refuse("/secretName", error);
            }
            for (field, text) in &config {
                // The message never shows the URL: some contain a secret of the provider.
                if let Some(error) = url::fault(field, text, false) {
                    of.doubt(&format!("/{field}"), error);
                }
            }
            let params = extra_params(of);
            Some(Authenticate { client_secret_from: Some(secret), ..Authenticate::with(config, params) })
        })
    })
}

/// Why a text is not a valid name of a Secret. The name becomes part of a URL of the API server, so any other text is refused.
fn secret_fault(name: &str) -> Option<ParseError> {
    (!name.is_empty() && !is_subdomain(name)).then(|| {
        let message = format!("secretName {} is not a valid name of a Secret", go_quote(&shown(name)));
        ParseError::at_json(message, "/secretName").help(
            "write the name of a Secret in the Ingress's namespace, without the namespace: lower-case letters, digits, `-` and `.`",
        )
    })
}

/// Members that must be there.
fn config<const N: usize>(of: &Members<'_>, names: [&'static str; N]) -> BTreeMap<String, String> {
    let member = |name: &'static str| {
        let value: String = of.get(name);
        required(of, name, &value);
        (name.to_owned(), value)
    };
    names.map(member).into()
}

fn required(of: &Members<'_>, name: &str, value: &str) {
    if value.is_empty() {
        of.doubt(
            &format!("/{name}"),
            ParseError::new(format!("{name} must be set")).help(format!("add {name} to the JSON object")),
        );
    }
}

fn extra_params(of: &Members<'_>) -> BTreeMap<String, String> {
    let params: IndexMap<String, String> = of.get("authenticationRequestExtraParams");
    let count = params.len();
    if count > PARAMS {
        let message = format!("authenticationRequestExtraParams has {count} entries, AWS takes {PARAMS}");
        let help = format!("leave at most {PARAMS} of them");
        of.doubt("/authenticationRequestExtraParams", ParseError::new(message).help(help));
    }
    params.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_old_keys_read_the_same() {
        let documented = r#"{"userPoolARN":"a","userPoolClientID":"b","userPoolDomain":"c"}"#;
        let old = r#"{"UserPoolArn":"a","UserPoolClientId":"b","UserPoolDomain":"c"}"#;
        assert_eq!(read_cognito(old).value, read_cognito(documented).value);
        let oidc = read_oidc(
            r#"{"Issuer":"https://a","AuthorizationEndpoint":"https://b","TokenEndpoint":"https://c",
                "UserInfoEndpoint":"https://d","SecretName":"e","AuthenticationRequestExtraParams":{"k":"v"}}"#,
        );
        assert_eq!(oidc.doubtful, []);
        let oidc = oidc.accepted().unwrap();
        assert_eq!(oidc.extra_params.get("k").map(String::as_str), Some("v"));
        assert_eq!((oidc.client_secret_from.as_deref(), oidc.config.len()), (Some("e"), 4));
    }

    #[test]
    fn what_aws_refuses() {
        let read = read_oidc(r#"{"issuer":"xxx","tokenEndpoint":"http://c","secretName":"s"}"#);
        assert_eq!(read.refused, []);
        let found: Vec<_> =
            read.doubtful.iter().map(|error| (error.message.as_str(), error.help.as_deref().unwrap())).collect();
        let url = |field: &str| format!("write {field} as a full URL: https://HOST/PATH");
        assert_eq!(
            found,
            [
                ("authorizationEndpoint must be set", "add authorizationEndpoint to the JSON object"),
                ("userInfoEndpoint must be set", "add userInfoEndpoint to the JSON object"),
                ("issuer must be a URL that starts with https://", url("issuer").as_str()),
                ("tokenEndpoint must be a URL that starts with https://", url("tokenEndpoint").as_str()),
            ]
        );
        assert_eq!(read_cognito("{}").doubtful.len(), 3);
        let many: Vec<String> = (0..11).map(|n| format!(r#""{n}":"""#)).collect();
        let many = format!(r#"{{"authenticationRequestExtraParams":{{{}}}}}"#, many.join(","));
        assert_eq!(read_cognito(&many).doubtful.len(), 4);
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            let _ = (read_cognito(&raw).faults(), read_oidc(&raw).faults());
        }
    }
}
