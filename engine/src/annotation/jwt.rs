//! `jwt-validation`: which JSON web tokens a request must carry.

use super::condition_limits::too_long;
use super::decode::{self, Decoded, Members, members, object};
use super::parse::ParseError;
use super::read::{Read, Shape};
use super::similar::did_you_mean;
use super::url;
use super::value::JsonValue;
use crate::stack::{AdditionalClaim, JwtValidation};

/// The formats of claims that AWS knows.
const FORMATS: [&str; 3] = ["single-string", "string-array", "space-separated-values"];
/// Claims that AWS validates in every token.
const ALWAYS: [&str; 4] = ["exp", "iss", "nbf", "iat"];
/// Most claims, and most values of one.
const MOST: usize = 10;
/// Longest text, in characters.
const LONGEST: usize = 256;

object!(AdditionalClaim { "format" => format, "name" => name, "values" => values });

/// This kind of JSON.
pub static SHAPE: Shape = Shape {
    takes: "an object with jwksEndpoint, issuer and additionalClaims",
    read: |raw| Read::typed(read(raw)),
    multiline: None,
};

impl JsonValue for JwtValidation {}

/// Reads the annotation.
#[must_use]
pub fn read(raw: &str) -> Decoded<JwtValidation> {
    decode::read(raw, |given| {
        members(given, |of| {
            let (jwks_endpoint, issuer) = (of.get("jwksEndpoint"), of.get("issuer"));
            let jwt = JwtValidation { jwks_endpoint, issuer, additional_claims: of.get("additionalClaims") };
            check(of, &jwt);
            Some(jwt)
        })
    })
}

/// LBC refuses missing members; AWS refuses the rest.
fn check(of: &Members<'_>, jwt: &JwtValidation) {
    let JwtValidation { jwks_endpoint, issuer, additional_claims } = jwt;
    let help = "add jwksEndpoint, such as https://id.example.com/jwks.json";
    set(of, !jwks_endpoint.is_empty(), "jwksEndpoint", "/jwksEndpoint", help);
    set(of, !issuer.is_empty(), "issuer", "/issuer", "add issuer, such as https://id.example.com");
    if let Some(error) = url::fault("jwksEndpoint", jwks_endpoint, true) {
        of.doubt("/jwksEndpoint", error);
    }
    for (field, text) in [("jwksEndpoint", jwks_endpoint), ("issuer", issuer)] {
        if let Some(error) = too_long(text, LONGEST, field) {
            of.doubt(&format!("/{field}"), error);
        }
    }
    too_many(of, additional_claims.len(), "additionalClaims has", "entries", "/additionalClaims");
    for (index, claim) in additional_claims.iter().enumerate() {
        check_claim(of, claim, &format!("/additionalClaims/{index}"));
    }
}

fn set(of: &Members<'_>, is_set: bool, field: &str, at: &str, help: &str) {
    if !is_set {
        of.refuse(at, ParseError::new(format!("{field} must be set")).help(help));
    }
}

fn too_many(of: &Members<'_>, count: usize, what: &str, unit: &str, at: &str) {
    if count > MOST {
        let message = format!("{what} {count} {unit}, AWS takes {MOST}");
        of.doubt(at, ParseError::new(message).help(format!("leave at most {MOST} of them")));
    }
}

fn check_claim(of: &Members<'_>, claim: &AdditionalClaim, at: &str) {
    let AdditionalClaim { format, name, values } = claim;
    set(of, !format.is_empty(), "additionalClaims.format", &format!("{at}/format"), "add the format of the claim");
    set(of, !name.is_empty(), "additionalClaims.name", &format!("{at}/name"), "add the name of the claim");
    set(of, !values.is_empty(), "additionalClaims.values", &format!("{at}/values"), "add the values of the claim");
    if ALWAYS.contains(&name.as_str()) {
        let error = ParseError::new(format!("claim {name} is always validated and can't be configured"));
        of.doubt(&format!("{at}/name"), error.help("remove the claim"));
    }
    too_many(of, values.len(), "a claim has", "values", &format!("{at}/values"));
    for (place, value) in values.iter().enumerate() {
        let at = format!("{at}/values/{place}");
        if let Some(error) = too_long(value, LONGEST, "a claim's value") {
            of.doubt(&at, error);
        } else if format == "space-separated-values" && value.contains(' ') {
            let message = format!("value `{value}` must have no space with format space-separated-values");
            of.doubt(&at, ParseError::new(message).help("write each value as one of the list"));
        }
    }
    if !format.is_empty() && !FORMATS.contains(&format.as_str()) {
        let (all, near) = (FORMATS.join(", "), did_you_mean(format, FORMATS));
        let error = ParseError::new(format!("format `{format}` must be one of {all}{near}"));
        of.doubt(&format!("{at}/format"), error.help("write one of them"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts() {
        let raw = r#"{"jwksEndpoint":"https://a/keys","issuer":"https://a","additionalClaims":[{"format":"single-string","name":"aud","values":["x"]}]}"#;
        let Decoded { value, refused, doubtful } = read(raw);
        assert_eq!((refused, doubtful), (vec![], vec![]));
        assert_eq!(value.unwrap().additional_claims[0].values, ["x"]);
    }

    #[test]
    fn refuses_all_at_once() {
        let raw =
            r#"{"jwksUri":"https://a/keys","additionalClaims":[{},{"format":"string","name":"n","values":["v"]}]}"#;
        let jwt = read(raw);
        assert!(jwt.refused.iter().all(|error| error.help.is_some()));
        let found: Vec<_> = jwt.refused.iter().map(|error| error.message.as_str()).collect();
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
        // The format, and the name that nothing reads.
        assert_eq!(jwt.doubtful.len(), 2);
        assert!(read("[]").accepted().is_err());
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            let _ = read(&raw).faults();
        }
    }
}
