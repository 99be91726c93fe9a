//! Forwarding: a target group, a target, the request to it and its answer.

use std::sync::Arc;
use std::time::Duration;

use albedo_engine::stack::{Protocol, ProtocolVersion, Stickiness};
use albedo_engine::traffic::{Health, Share};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::time::Instant;

use super::answer::Asked;
use super::errors::Trouble;
use super::{headers, pick, tunnel};
use crate::backend::{Backend, Outstanding};
use crate::bodies::{Body, FromClient, FromTarget, Progress};
use crate::dial::{DialError, TargetClient};
use crate::snapshot::{Group, Snapshot};
use crate::{sticky, transform};

/// What became of a request that is forwarded.
pub(crate) enum Forwarded {
    /// A target's answer.
    By(Response<Body>),
    /// None.
    Not(Trouble),
}

/// Where a request goes.
struct Chosen<'s> {
    arn: &'s str,
    group: &'s Group,
    backend: Arc<Backend>,
}

/// Forwards a request.
pub(crate) async fn forward(
    asked: &Asked<'_>,
    shares: &[Share<'_>],
    stickiness: Option<&Stickiness>,
    snapshot: &Arc<Snapshot>,
    mut parts: Parts,
    body: Incoming,
) -> Forwarded {
    let chosen = match choose(asked, shares, stickiness, snapshot, &parts) {
        Ok(chosen) => chosen,
        Err(trouble) => return Forwarded::Not(trouble),
    };
    if !compatible(chosen.group.is.protocol_version, &parts) {
        return Forwarded::Not(Trouble::Incompatible);
    }
    let given = sticky::cookies(stickiness, chosen.arn, chosen.group, &chosen.backend);
    let upgrade = tunnel::asked_for(&parts);
    let on_upgrade = upgrade.is_some().then(|| parts.extensions.remove::<hyper::upgrade::OnUpgrade>()).flatten();
    let transforms = asked.rule.map(|rule| &*rule.transforms).unwrap_or_default();
    if transform::apply(transforms, &mut parts).is_err() {
        return Forwarded::Not(Trouble::Internal);
    }
    headers::toward_target(asked, &mut parts, upgrade.as_ref());
    let (Some(client), Some(uri)) = (&chosen.backend.client, uri(&chosen.backend, &mut parts)) else {
        return Forwarded::Not(Trouble::BadGateway);
    };
    parts.uri = uri;
    parts.version = match chosen.backend.version {
        ProtocolVersion::Http1 => Version::HTTP_11,
        ProtocolVersion::Http2 | ProtocolVersion::Grpc => Version::HTTP_2,
    };
    let progress = Progress::new();
    let guard = chosen.backend.begin();
    let request = Request::from_parts(parts, FromClient::new(body, progress.clone()).boxed_unsync());
    let idle = asked.front.idle_timeout();
    let mut response = match send(client, request, &chosen.backend, &progress, idle).await {
        Ok(response) => response,
        Err(trouble) => return Forwarded::Not(trouble),
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some(on_upgrade) = on_upgrade else { return Forwarded::Not(Trouble::BadGateway) };
        return Forwarded::By(tunnel::open(asked.front, on_upgrade, response, guard));
    }
    headers::toward_client(response.headers_mut(), given);
    Forwarded::By(returned(response, idle, &chosen.backend, guard))
}

/// The target group by stickiness or weight, then the target by stickiness or turn.
fn choose<'s>(
    asked: &Asked<'_>,
    shares: &[Share<'_>],
    stickiness: Option<&Stickiness>,
    snapshot: &'s Snapshot,
    parts: &Parts,
) -> Result<Chosen<'s>, Trouble> {
    let dice = &asked.front.site.dice;
    let stuck = sticky::group(shares, stickiness, &parts.headers);
    let arn = stuck.or_else(|| dice.share(shares).map(str::to_owned)).ok_or(Trouble::NoTargets)?;
    // A target group that is not read, one of functions for example, has no targets here.
    let (arn, group) = snapshot.groups.get_key_value(&arn).ok_or(Trouble::NoTargets)?;
    let targets = asked.front.site.backends.of(arn);
    if pick::health(&targets) == Health::Empty {
        return Err(Trouble::NoTargets);
    }
    let stuck = sticky::target(arn, group, &targets, &parts.headers);
    let backend = stuck.or_else(|| dice.target(arn, group, &targets)).ok_or(Trouble::NoTargets)?;
    Ok(Chosen { arn, group, backend })
}

/// Which versions of HTTP go together:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html#target-group-protocol-version>.
fn compatible(version: ProtocolVersion, parts: &Parts) -> bool {
    let http2 = parts.version == Version::HTTP_2;
    let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let grpc = kind.starts_with(b"application/grpc");
    match version {
        ProtocolVersion::Http1 => !(http2 && grpc),
        ProtocolVersion::Http2 => http2,
        ProtocolVersion::Grpc => http2 && parts.method == Method::POST,
    }
}

/// HTTP/1.1 has the host in a header and the target in the URI, which is never sent; HTTP/2 has the host in the URI.
fn uri(backend: &Backend, parts: &mut Parts) -> Option<Uri> {
    let at = backend.at?.to_string();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let target = if target.starts_with('/') { target } else { format!("/{target}") };
    let scheme = if backend.protocol == Protocol::Https { "https" } else { "http" };
    let build = |authority: &str| Uri::builder().scheme(scheme).authority(authority).path_and_query(&*target).build();
    if backend.version == ProtocolVersion::Http1 {
        return build(&at).ok();
    }
    let host = parts.headers.remove(HOST);
    let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or(&at);
    build(host).or_else(|_| build(&at)).ok()
}

/// A target's answer, or why there is none.
async fn send(
    client: &TargetClient,
    request: Request<Body>,
    backend: &Backend,
    progress: &Progress,
    idle: Duration,
) -> Result<Response<Incoming>, Trouble> {
    let mut sent = std::pin::pin!(client.request(request));
    let mut cut = backend.cut();
    loop {
        tokio::select! {
            answered = sent.as_mut() => return answered.map_err(|error| {
                tracing::debug!(target = backend.target.id, port = backend.target.port, error = %Chain(&error), "no answer");
                failure(&error)
            }),
            () = cut.as_mut() => return Err(Trouble::BadGateway),
            () = tokio::time::sleep_until(progress.deadline(idle)) => {}
        }
        if progress.deadline(idle) <= Instant::now() {
            return Err(if progress.waits_for_client() { Trouble::RequestTimeout } else { Trouble::GatewayTimeout });
        }
    }
}

/// An error with what caused it.
struct Chain<'e>(&'e (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let causes = std::iter::successors(Some(self.0), |error| error.source());
        causes.enumerate().try_for_each(|(index, error)| write!(f, "{}{error}", if index == 0 { "" } else { ": " }))
    }
}

/// 504 if it did not take the connection in time, otherwise 502.
fn failure(error: &(dyn std::error::Error + 'static)) -> Trouble {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let timeout = causes.any(|cause| matches!(cause.downcast_ref(), Some(DialError::Timeout)));
    if timeout { Trouble::GatewayTimeout } else { Trouble::BadGateway }
}

fn returned(response: Response<Incoming>, idle: Duration, backend: &Backend, guard: Outstanding) -> Response<Body> {
    let cut = backend.cut();
    response.map(|body| FromTarget::new(body, idle, cut, guard).boxed_unsync())
}
