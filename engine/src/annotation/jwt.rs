//! `jwt-validation`: which JSON web tokens a request must carry.

use serde::Serialize;

use super::decode::{self, object};
use super::nearest::did_you_mean;
use super::parse::ParseError;
use super::url;

/// The values of [`JwtAdditionalClaim::format`] that AWS knows.
pub const FORMATS: [&str; 3] = ["single-string", "string-array", "space-separated-values"];

/// Claims that AWS validates in every token.
const ALWAYS: [&str; 4] = ["exp", "iss", "nbf", "iat"];

/// The annotation as written; nothing is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtValidation {
    /// HTTPS URL of the issuer's keys
    pub jwks_endpoint: String,
    /// What the claim `iss` must be
    pub issuer: String,
    /// Further claims, all of which must hold
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_claims: Vec<JwtAdditionalClaim>,
}
object!(JwtValidation as "JwtValidationConfig" {
    "jwksEndpoint" => jwks_endpoint,
    "issuer" => issuer,
    "additionalClaims" => additional_claims,
});

/// A claim that a token must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwtAdditionalClaim {
    /// How the token writes the claim; see [`FORMATS`]
    pub format: String,
    /// The claim's name
    pub name: String,
    /// Values, of which one must be there
    pub values: Vec<String>,
}
object!(JwtAdditionalClaim as "JwtAdditionalClaim" { "format" => format, "name" => name, "values" => values });

impl JwtValidation {
    /// Reads the annotation.
    ///
    /// # Errors
    /// On malformed JSON and values of the wrong type. The content is [`Self::validate`]'s matter.
    pub fn parse(raw: &str) -> Result<Self, ParseError> {
        decode::decode(raw)
    }

    /// Everything for which LBC refuses it.
    #[must_use]
    pub fn validate(&self) -> Vec<ParseError> {
        let mut found = Vec::new();
        let mut require = |set: bool, field: &str, pointer: String| {
            if !set {
                found.push(ParseError::at_json(format!("{field} must be set"), pointer));
            }
        };
        require(!self.jwks_endpoint.is_empty(), "jwksEndpoint", "/jwksEndpoint".to_owned());
        require(!self.issuer.is_empty(), "issuer", "/issuer".to_owned());
        for (index, claim) in self.additional_claims.iter().enumerate() {
            let at = |field: &str| format!("/additionalClaims/{index}/{field}");
            require(!claim.format.is_empty(), "additionalClaims.format", at("format"));
            require(!claim.name.is_empty(), "additionalClaims.name", at("name"));
            require(!claim.values.is_empty(), "additionalClaims.values", at("values"));
        }
        found
    }

    /// Everything else that AWS would refuse.
    #[must_use]
    pub fn limits(&self) -> Vec<ParseError> {
        let mut found = Vec::new();
        if let Some(cause) = url::https_fault(&self.jwks_endpoint).filter(|_| !self.jwks_endpoint.is_empty()) {
            let message = format!("jwksEndpoint `{}` {cause}", self.jwks_endpoint);
            let help = "write jwksEndpoint as a full URL: https://HOST/PATH";
            found.push(ParseError::at_json(message, "/jwksEndpoint").help(help));
        }
        let mut fault = |message: String, pointer: String| found.push(ParseError::at_json(message, pointer));
        for (field, text) in [("jwksEndpoint", &self.jwks_endpoint), ("issuer", &self.issuer)] {
            if text.chars().count() > 256 {
                fault(format!("{field} is longer than the 256 characters that AWS takes"), format!("/{field}"));
            }
        }
        if self.additional_claims.len() > 10 {
            let message = format!("additionalClaims has {} entries, AWS takes 10", self.additional_claims.len());
            fault(message, "/additionalClaims".to_owned());
        }
        for (index, claim) in self.additional_claims.iter().enumerate() {
            let at = |field: &str| format!("/additionalClaims/{index}/{field}");
            if ALWAYS.contains(&claim.name.as_str()) {
                fault(format!("claim {} is always validated and can't be asked for", claim.name), at("name"));
            }
            if claim.values.len() > 10 {
                fault(format!("a claim has {} values, AWS takes 10", claim.values.len()), at("values"));
            }
            for (place, value) in claim.values.iter().enumerate() {
                let pointer = format!("{}/{place}", at("values"));
                if value.chars().count() > 256 {
                    fault("a claim's value is longer than the 256 characters that AWS takes".to_owned(), pointer);
                } else if claim.format == "space-separated-values" && value.contains(' ') {
                    fault(format!("value `{value}` must have no space with format space-separated-values"), pointer);
                }
            }
            if !claim.format.is_empty() && !FORMATS.contains(&claim.format.as_str()) {
                let near = did_you_mean(&claim.format, FORMATS);
                fault(format!("format `{}` must be one of {}{near}", claim.format, FORMATS.join(", ")), at("format"));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts() {
        let raw = r#"{"jwksEndpoint":"https://a/keys","issuer":"https://a","additionalClaims":[{"format":"single-string","name":"aud","values":["x"]}]}"#;
        let jwt = JwtValidation::parse(raw).unwrap();
        assert_eq!((jwt.validate(), jwt.limits()), (vec![], vec![]));
        assert_eq!(serde_json::to_string(&jwt).unwrap(), raw);
    }

    #[test]
    fn refuses_all_at_once() {
        let raw =
            r#"{"jwksUri":"https://a/keys","additionalClaims":[{},{"format":"string","name":"n","values":["v"]}]}"#;
        let jwt = JwtValidation::parse(raw).unwrap();
        let found: Vec<_> = jwt.validate().into_iter().map(|error| error.message).collect();
        assert_eq!(
            found,
            [
                "jwksEndpoint must be set",
                "issuer must be set",
                "additionalClaims.format must be set",
                "additionalClaims.name must be set",
                "additionalClaims.values must be set",
            ]
        );
        assert_eq!(jwt.limits().len(), 1);
        assert!(JwtValidation::parse("[]").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            if let Ok(jwt) = JwtValidation::parse(&raw) {
                let _ = (jwt.validate(), jwt.limits());
            }
        }
    }
}
