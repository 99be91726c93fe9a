//! Upgraded connections, WebSocket above all: after the target's 101 bytes pass both ways until one side ends or both are idle.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#listener-configuration>

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Response, Version};
use hyper_util::rt::TokioIo;

use super::port::Front;
use crate::backend::Outstanding;
use crate::bodies::{Body, empty};

/// The protocol that a request asks for.
pub(crate) fn asked_for(parts: &Parts) -> Option<HeaderValue> {
    let names = parts.headers.get(CONNECTION)?.to_str().ok()?;
    let asks = names.split(',').any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
    (asks && parts.version == Version::HTTP_11).then(|| parts.headers.get(UPGRADE).cloned()).flatten()
}

/// Hands on the target's 101, and lets bytes pass from then on.
pub(crate) fn open(
    front: &Front,
    client: OnUpgrade,
    mut answer: Response<Incoming>,
    guard: Outstanding,
) -> Response<Body> {
    let target = hyper::upgrade::on(&mut answer);
    let (activity, idle) = (front.activity.clone(), front.idle_timeout());
    let passing = async move {
        let guard = guard;
        let (Ok(client), Ok(target)) = (client.await, target.await) else { return };
        let (mut client, mut target) = (TokioIo::new(client), TokioIo::new(target));
        let cut = guard.cut();
        tokio::select! {
            ended = tokio::io::copy_bidirectional(&mut client, &mut target) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an upgraded connection ended");
                }
            }
            () = activity.idle(|| idle) => {}
            () = cut => {}
        }
    };
    // It ends with its connections.
    drop(tokio::spawn(passing));
    let mut response = Response::new(empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    response
}
