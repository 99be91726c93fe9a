//! JSON web tokens: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-verify-jwt.html>.

use std::time::{SystemTime, UNIX_EPOCH};

use albedo_engine::stack::{AdditionalClaim, JwtValidation};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use serde_json::{Map, Value};

use super::keys::PublicKey;
use crate::serve::{Asked, Trouble};

/// What is wrong with a token, if anything is.
pub(crate) async fn passes(asked: &Asked<'_>, validation: &JwtValidation, headers: &HeaderMap) -> Option<Trouble> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some(token) = token.and_then(|(_, token)| Token::read(token.trim())) else {
        return Some(Trouble::Unauthorized);
    };
    let keys = match asked.front.site.keys.of(&validation.jwks_endpoint).await {
        Ok(keys) => keys,
        Err(error) => {
            tracing::warn!(endpoint = validation.jwks_endpoint, error, "no key set");
            return Some(Trouble::Internal);
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    (!(token.is_signed(&keys) && claims_hold(&token.claims, validation, now))).then_some(Trouble::Unauthorized)
}

/// A token that is made as one; nothing of it is verified yet.
struct Token<'t> {
    key_id: Option<String>,
    claims: Map<String, Value>,
    /// What is signed.
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// `None` if it is no token, or signed by another algorithm than RS256, the only one that AWS takes.
    fn read(token: &'t str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| serde_json::from_slice::<Map<String, Value>>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let header = json(header)?;
        if header.get("alg")?.as_str()? != "RS256" {
            return None;
        }
        let key_id = header.get("kid").and_then(Value::as_str).map(str::to_owned);
        Some(Self { key_id, claims: json(claims)?, signed, signature: URL_SAFE_NO_PAD.decode(signature).ok()? })
    }

    fn is_signed(&self, keys: &[PublicKey]) -> bool {
        let named = |key: &&PublicKey| self.key_id.is_none() || key.id == self.key_id;
        keys.iter().filter(named).any(|key| key.verifies(self.signed.as_bytes(), &self.signature))
    }
}

/// `iss` and `exp` have to be there; `nbf` and `iat` have to hold if they are.
fn claims_hold(claims: &Map<String, Value>, validation: &JwtValidation, now: u64) -> bool {
    let now = Value::from(now).as_f64().unwrap_or_default();
    let moment = |name: &str| claims.get(name).map(Value::as_f64);
    let begun = |name: &str| match moment(name) {
        None => true,
        Some(at) => at.is_some_and(|at| at <= now),
    };
    claims.get("iss").and_then(Value::as_str) == Some(&validation.issuer)
        && moment("exp").flatten().is_some_and(|end| end > now)
        && begun("nbf")
        && begun("iat")
        && validation.additional_claims.iter().all(|claim| claim_holds(claims, claim))
}

/// Whether a claim has one of the values, in the format that is said.
fn claim_holds(claims: &Map<String, Value>, claim: &AdditionalClaim) -> bool {
    let Some(found) = claims.get(&claim.name) else { return false };
    let wanted = |text: &str| claim.values.iter().any(|value| value == text);
    match claim.format.as_str() {
        "single-string" => found.as_str().is_some_and(wanted),
        "space-separated-values" => found.as_str().is_some_and(|text| text.split(' ').any(wanted)),
        "string-array" => found.as_array().is_some_and(|values| values.iter().filter_map(Value::as_str).any(wanted)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims() {
        let claim = |format: &str, name: &str, values: &[&str]| AdditionalClaim {
            format: format.to_owned(),
            name: name.to_owned(),
            values: values.iter().map(|one| (*one).to_owned()).collect(),
        };
        let validation = |additional_claims: Vec<AdditionalClaim>| JwtValidation {
            jwks_endpoint: "https://idp.example.com/keys".to_owned(),
            issuer: "https://idp.example.com".to_owned(),
            additional_claims,
        };
        let none = validation(Vec::new());
        let single = validation(vec![claim("single-string", "client", &["a", "b"])]);
        let spaced = validation(vec![claim("space-separated-values", "scope", &["read"])]);
        let array = validation(vec![claim("string-array", "groups", &["admin"])]);
        let iss = "https://idp.example.com";
        let rows = [
            (&none, json!({"iss": iss, "exp": 101}), true),
            (&none, json!({"iss": iss, "exp": 100}), false),
            (&none, json!({"iss": iss}), false),
            (&none, json!({"iss": iss, "exp": "101"}), false),
            (&none, json!({"exp": 101}), false),
            (&none, json!({"iss": "https://other.example.com", "exp": 101}), false),
            (&none, json!({"iss": iss, "exp": 101, "nbf": 100, "iat": 99}), true),
            (&none, json!({"iss": iss, "exp": 101, "nbf": 101}), false),
            (&none, json!({"iss": iss, "exp": 101, "iat": 101}), false),
            (&single, json!({"iss": iss, "exp": 101, "client": "b"}), true),
            (&single, json!({"iss": iss, "exp": 101, "client": "c"}), false),
            (&single, json!({"iss": iss, "exp": 101}), false),
            (&spaced, json!({"iss": iss, "exp": 101, "scope": "write read"}), true),
            (&spaced, json!({"iss": iss, "exp": 101, "scope": "reading"}), false),
            (&array, json!({"iss": iss, "exp": 101, "groups": ["x", "admin"]}), true),
            (&array, json!({"iss": iss, "exp": 101, "groups": "admin"}), false),
        ];
        for (validation, claims, expected) in rows {
            let claims = claims.as_object().unwrap();
            assert_eq!(claims_hold(claims, validation, 100), expected, "{claims:?}");
        }
    }

    #[test]
    fn only_rs256_is_read() {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = |alg: &str| format!("{}.{}.{}", part(json!({"alg": alg})), part(json!({})), "c2ln");
        assert!(Token::read(&token("RS256")).is_some());
        for alg in ["none", "HS256", "ES256", "RS512"] {
            assert!(Token::read(&token(alg)).is_none(), "{alg}");
        }
        for text in ["", "a", "a.b", "a.b.c", "...."] {
            assert!(Token::read(text).is_none(), "{text}");
        }
    }
}
