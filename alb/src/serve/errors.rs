//! Answers of the load balancer itself:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html>.

use hyper::header::{CONTENT_TYPE, SERVER};
use hyper::{Response, StatusCode};

use crate::bodies::{Body, whole};

/// How the load balancer calls itself.
pub(crate) const AWSELB: &str = "awselb/2.0";

/// Why the load balancer answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The request is malformed.
    BadRequest,
    /// The token or the session is missing or wrong.
    Unauthorized,
    /// The method is `TRACE`.
    MethodNotAllowed,
    /// The client stopped sending its body.
    RequestTimeout,
    /// The URL is too long.
    UriTooLong,
    /// More than 30 addresses in `X-Forwarded-For`.
    TooManyAddresses,
    /// The target group speaks another version of HTTP.
    Incompatible,
    /// The load balancer cannot carry out a rule of its listener.
    Internal,
    /// The target refused, reset or sent something else than HTTP.
    BadGateway,
    /// The target group is empty.
    NoTargets,
    /// The target did not take the connection, or did not answer, in time.
    GatewayTimeout,
}

impl Trouble {
    fn status(self) -> (u16, &'static str) {
        match self {
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthorized => (401, "Authorization Required"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::RequestTimeout => (408, "Request Timeout"),
            Self::UriTooLong => (414, "URI Too Long"),
            Self::TooManyAddresses => (463, "Too Many Forwarded Addresses"),
            Self::Incompatible => (464, "Incompatible Protocol Versions"),
            Self::Internal => (500, "Internal Server Error"),
            Self::BadGateway => (502, "Bad Gateway"),
            Self::NoTargets => (503, "Service Temporarily Unavailable"),
            Self::GatewayTimeout => (504, "Gateway Time-out"),
        }
    }

    /// A small page that says it.
    pub(crate) fn response(self) -> Response<Body> {
        let (code, reason) = self.status();
        let page =
            format!("<html><head><title>{code} {reason}</title></head><body><h1>{code} {reason}</h1></body></html>\n");
        let mut response = Response::new(whole(page));
        *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(SERVER, hyper::header::HeaderValue::from_static(AWSELB));
        headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/html"));
        response
    }
}
