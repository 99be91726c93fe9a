//! Health checks: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html>.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use albedo_engine::stack::{HealthCheck, ProtocolVersion};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::aws::Report;
use crate::backend::Backend;
use crate::dial::{Dialled, dial};
use crate::reports::Reports;

/// What AWS's checks say they are.
const AGENT: &str = "ELB-HealthChecker/2.0";

/// Why a check failed: AWS's reason and its words.
type Failure = (&'static str, String);

/// What is thought of a target, after some checks.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    state: State,
    in_a_row: i32,
    failure: Option<Failure>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Initial,
    Healthy,
    Unhealthy,
}

impl Judgement {
    pub(crate) fn state(&self) -> &'static str {
        match self.state {
            State::Initial => "initial",
            State::Healthy => "healthy",
            State::Unhealthy => "unhealthy",
        }
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.state == State::Healthy
    }

    /// Whether a check's result is news. A new target needs one success; after that each side needs as many in a row as its
    /// threshold says.
    fn note(&mut self, result: Result<(), Failure>, check: &HealthCheck) -> bool {
        let before = (self.state, self.failure.clone());
        let ok = result.is_ok();
        let against = match self.state {
            State::Initial => true,
            State::Healthy => !ok,
            State::Unhealthy => ok,
        };
        self.in_a_row = if against { self.in_a_row.saturating_add(1) } else { 0 };
        let threshold = match (self.state, ok) {
            (State::Initial, true) => 1,
            (_, true) => check.healthy_threshold,
            (_, false) => check.unhealthy_threshold,
        };
        if against && self.in_a_row >= threshold {
            self.state = if ok { State::Healthy } else { State::Unhealthy };
            self.in_a_row = 0;
        }
        match (self.state, result) {
            (State::Healthy, _) => self.failure = None,
            (State::Unhealthy, Err(failure)) => self.failure = Some(failure),
            _ => {}
        }
        before != (self.state, self.failure.clone())
    }

    fn report(&self, group: &str, backend: &Backend) -> Report {
        Report {
            group: group.to_owned(),
            target: Some((backend.target.id.clone(), backend.target.port)),
            state: Some(self.state()),
            reason: self.failure.clone(),
        }
    }
}

/// Checks a target until it is dropped; a second of the settings lasts `second`.
pub(crate) async fn check(
    backend: Arc<Backend>,
    group: String,
    check: HealthCheck,
    reports: Arc<Reports>,
    second: Duration,
) {
    let seconds = |of: i32| second.saturating_mul(u32::try_from(of).unwrap_or(1));
    // However short a second is made, a machine that is busy needs some time to answer.
    let timeout = seconds(check.timeout_seconds).max(Duration::from_secs(1));
    loop {
        let result = match backend.at {
            Some(at) => {
                let probed = tokio::time::timeout(timeout, probe(at, &check, backend.version)).await;
                probed.unwrap_or_else(|_| Err(("Target.Timeout", "Request timed out".to_owned())))
            }
            None => Err(("Target.FailedHealthChecks", "Health checks failed".to_owned())),
        };
        let news = backend.judge(|judgement| {
            let news = judgement.note(result, &check);
            news.then(|| judgement.report(&group, &backend))
        });
        if let Some(report) = news {
            tracing::info!(group, target = %backend.target.id, port = backend.target.port, state = report.state, "health");
            reports.put(report);
        }
        tokio::time::sleep(seconds(check.interval_seconds)).await;
    }
}

async fn probe(at: SocketAddr, check: &HealthCheck, version: ProtocolVersion) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::debug!(%at, %error, "health check");
        ("Target.FailedHealthChecks", "Health checks failed".to_owned())
    };
    let at = SocketAddr::new(at.ip(), check.port.parse().unwrap_or(at.port()));
    let stream = dial(at, check.protocol, version != ProtocolVersion::Http1).await.map_err(|error| failed(&error))?;
    let grpc = version == ProtocolVersion::Grpc;
    let request = Request::builder()
        .method(if grpc { Method::POST } else { Method::GET })
        .uri(format!("http://{at}{}", check.path))
        .header("host", at.to_string())
        .header("user-agent", AGENT)
        .header("accept-encoding", "gzip, compressed");
    let request = if grpc {
        // An empty message: no compression, no bytes.
        let message = Bytes::from_static(&[0; 5]);
        request.header("content-type", "application/grpc").header("te", "trailers").body(Full::new(message))
    } else {
        request.body(Full::new(Bytes::new()))
    };
    let request = request.map_err(|error| failed(&error))?;
    let response = send(stream, request, version).await.map_err(|error| failed(&error))?;
    let code = if grpc {
        grpc_status(response).await.map_err(|error| failed(&error))?
    } else {
        Some(response.status().as_u16())
    };
    match code {
        Some(code) if holds(&check.success_codes, code) => Ok(()),
        code => {
            let code = code.map(|code| code.to_string()).unwrap_or_default();
            Err(("Target.ResponseCodeMismatch", format!("Health checks failed with these codes: [{code}]")))
        }
    }
}

async fn send(
    stream: TokioIo<Dialled>,
    mut request: Request<Full<Bytes>>,
    version: ProtocolVersion,
) -> Result<Response<Incoming>, hyper::Error> {
    if version == ProtocolVersion::Http1 {
        let path = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let path = path.parse().unwrap_or_default();
        *request.uri_mut() = path;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        // It ends with the sender.
        drop(tokio::spawn(connection));
        return sender.send_request(request).await;
    }
    request.headers_mut().remove("host");
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
    drop(tokio::spawn(connection));
    sender.send_request(request).await
}

/// From the trailers, or from the headers of an answer that consists of nothing else.
async fn grpc_status(response: Response<Incoming>) -> Result<Option<u16>, hyper::Error> {
    let code = |headers: &hyper::HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
    let in_headers = code(response.headers());
    let collected = response.into_body().collect().await?;
    Ok(in_headers.or_else(|| collected.trailers().and_then(code)))
}

/// Whether a matcher such as `200,202` or `200-299` names a code.
fn holds(codes: &str, code: u16) -> bool {
    codes.split(',').any(|one| {
        let (from, to) = one.split_once('-').unwrap_or((one, one));
        let range = from.trim().parse::<u16>().ok().zip(to.trim().parse::<u16>().ok());
        range.is_some_and(|(from, to)| (from..=to).contains(&code))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use albedo_engine::stack::Protocol;

    #[test]
    fn matchers() {
        let rows = [
            ("200", 200, true),
            ("200", 201, false),
            ("200,202", 202, true),
            ("200, 202", 202, true),
            ("200-299", 250, true),
            ("200-299", 300, false),
            ("0-99", 12, true),
            ("", 200, false),
        ];
        for (codes, code, expected) in rows {
            assert_eq!(holds(codes, code), expected, "{codes} {code}");
        }
    }

    #[test]
    fn states_follow_the_thresholds() {
        let check = HealthCheck {
            port: "traffic-port".to_owned(),
            protocol: Protocol::Http,
            path: "/".to_owned(),
            interval_seconds: 5,
            timeout_seconds: 2,
            healthy_threshold: 3,
            unhealthy_threshold: 2,
            success_codes: "200".to_owned(),
        };
        let mut judgement = Judgement::default();
        let steps = [
            // One success is enough for a new target.
            (true, "healthy"),
            (false, "healthy"),
            (true, "healthy"),
            (false, "healthy"),
            (false, "unhealthy"),
            (true, "unhealthy"),
            (true, "unhealthy"),
            (false, "unhealthy"),
            (true, "unhealthy"),
            (true, "unhealthy"),
            (true, "healthy"),
        ];
        for (index, (ok, state)) in steps.into_iter().enumerate() {
            let result = if ok { Ok(()) } else { Err(("Target.Timeout", String::new())) };
            judgement.note(result, &check);
            assert_eq!(judgement.state(), state, "step {index}");
        }
    }
}
