//! The emulator's control API: waiting for the next change, and the health of targets. Other endpoints do not have it.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// How much longer than the call asks for an answer may take.
const SLACK: Duration = Duration::from_secs(15);

/// The control API of an endpoint, for one region.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) endpoint: String,
    pub(crate) region: String,
}

/// What a load balancer found of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// ARN, or `*`.
    pub(crate) group: String,
    /// Id and port; `None`: every target.
    pub(crate) target: Option<(String, u16)>,
    /// AWS's state; `None`: as if nothing had been said.
    pub(crate) state: Option<&'static str>,
    /// AWS's reason and words.
    pub(crate) reason: Option<(&'static str, String)>,
}

/// Why the control API gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// The endpoint has no such call.
    #[error("the endpoint has no call {0}")]
    Absent(&'static str),
    /// It failed.
    #[error("{0}: {1}")]
    Failed(&'static str, String),
}

impl Control {
    /// The number of the region's last change, once it is beyond `since` or that many seconds have passed.
    pub(crate) async fn wait(&self, since: u64, seconds: u64) -> Result<u64, ControlError> {
        #[derive(Deserialize)]
        struct Waited {
            change: u64,
        }
        let query = format!("&since={since}&seconds={seconds}");
        let answer = self.ask("wait", &query, Method::GET, Bytes::new(), Duration::from_secs(seconds)).await?;
        let waited: Waited =
            serde_json::from_slice(&answer).map_err(|error| ControlError::Failed("wait", error.to_string()))?;
        Ok(waited.change)
    }

    /// Tells of the health of targets.
    pub(crate) async fn report(&self, reports: &[Report]) -> Result<(), ControlError> {
        let said: Vec<Value> = reports.iter().map(Report::said).collect();
        let body = Bytes::from(Value::from(said).to_string());
        self.ask("health", "", Method::POST, body, Duration::ZERO).await.map(drop)
    }

    async fn ask(
        &self,
        call: &'static str,
        query: &str,
        method: Method,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, ControlError> {
        let url = format!("{}/albedo/{call}?region={}{query}", self.endpoint.trim_end_matches('/'), self.region);
        let failed = |error: String| ControlError::Failed(call, error);
        let asked = tokio::time::timeout(within + SLACK, exchange(method, &url, body));
        let (status, body) = asked.await.map_err(|_| failed("no answer".to_owned()))?.map_err(failed)?;
        match status {
            StatusCode::OK => Ok(body),
            // Others than the emulator take the path for a bucket, or for no operation.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Err(ControlError::Absent(call))
            }
            other => Err(failed(format!("{other} {}", String::from_utf8_lossy(&body)))),
        }
    }
}

impl Report {
    fn said(&self) -> Value {
        let mut said = json!({"targetGroup": self.group, "state": self.state});
        if let Some(fields) = said.as_object_mut() {
            if let Some((id, port)) = &self.target {
                fields.insert("target".to_owned(), json!(id));
                fields.insert("port".to_owned(), json!(port));
            }
            if let Some((reason, description)) = &self.reason {
                fields.insert("reason".to_owned(), json!(reason));
                fields.insert("description".to_owned(), json!(description));
            }
        }
        said
    }
}

/// One request on a connection of its own.
async fn exchange(method: Method, url: &str, body: Bytes) -> Result<(StatusCode, Bytes), String> {
    let text = |error: &dyn std::fmt::Display| format!("{url}: {error}");
    let uri: Uri = url.parse().map_err(|error| text(&error))?;
    let authority = uri.authority().ok_or_else(|| text(&"no host"))?;
    let at = (authority.host(), authority.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(at).await.map_err(|error| text(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(uri.path_and_query().map_or("/", |target| target.as_str()))
        .header("host", authority.as_str())
        .header("content-type", "application/json")
        .body(Full::new(body))
        .map_err(|error| text(&error))?;
    let answered = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    };
    let answered = answered.await.map_err(|error: hyper::Error| text(&error));
    driver.abort();
    answered
}
