//! Users' logins, as far as the redirect to the identity provider:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html>.
//!
//! The way back, with the code at `/oauth2/idpresponse`, is not there: the client secret, which the exchange takes, is never told.

use albedo_engine::stack::Authenticate;
use albedo_engine::traffic;
use hyper::header::{HeaderValue, LOCATION, SERVER};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use url::Url;

use crate::bodies::{Body, empty};
use crate::serve::{AWSELB, Asked, Trouble};

/// Where the endpoint and the client's id of a kind of identity provider come from.
pub(crate) struct Provider {
    endpoint: fn(&Authenticate, region: &str) -> Option<String>,
    client: &'static str,
}

/// A provider of `OpenID` Connect.
pub(crate) const OIDC: Provider =
    Provider { endpoint: |by, _| by.config.get("authorizationEndpoint").cloned(), client: "clientID" };

/// A user pool of Amazon Cognito; its domain is a prefix of Cognito's own, or a whole name.
pub(crate) const COGNITO: Provider = Provider {
    endpoint: |by, region| {
        let domain = by.config.get("userPoolDomain")?;
        let host =
            if domain.contains('.') { domain.clone() } else { format!("{domain}.auth.{region}.amazoncognito.com") };
        Some(format!("https://{host}/oauth2/authorize"))
    },
    client: "userPoolClientID",
};

/// The answer to a request without a session. None ever has one here.
pub(crate) fn passes(
    by: &Authenticate,
    provider: &Provider,
    asked: &Asked<'_>,
    read: &traffic::Request,
    parts: &mut Parts,
) -> Option<Response<Body>> {
    for name in ["x-amzn-oidc-accesstoken", "x-amzn-oidc-identity", "x-amzn-oidc-data"] {
        parts.headers.remove(name);
    }
    match by.on_unauthenticated_request.as_str() {
        "allow" => None,
        "deny" => Some(Trouble::Unauthorized.response()),
        _ => Some(redirect(by, provider, asked, read).unwrap_or_else(|| Trouble::Internal.response())),
    }
}

fn redirect(
    by: &Authenticate,
    provider: &Provider,
    asked: &Asked<'_>,
    read: &traffic::Request,
) -> Option<Response<Body>> {
    let mut url: Url = (provider.endpoint)(by, &asked.front.site.region)?.parse().ok()?;
    let mut state = [0_u8; 24];
    aws_lc_rs::rand::fill(&mut state).ok()?;
    let state: String = state.iter().map(|byte| format!("{byte:02x}")).collect();
    let port = if read.port == 443 { String::new() } else { format!(":{}", read.port) };
    url.query_pairs_mut()
        .append_pair("client_id", by.config.get(provider.client)?)
        .append_pair("redirect_uri", &format!("https://{}{port}/oauth2/idpresponse", read.host.to_ascii_lowercase()))
        .append_pair("response_type", "code")
        .append_pair("scope", &by.scope)
        .append_pair("state", &state)
        .extend_pairs(&by.extra_params);
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static(AWSELB));
    headers.insert(LOCATION, HeaderValue::try_from(url.as_str()).ok()?);
    Some(response)
}
