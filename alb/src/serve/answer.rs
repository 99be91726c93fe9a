//! From a request to its answer: which rule takes it, and what the rule's actions do.

use std::sync::Arc;

use albedo_engine::stack::{Action, FixedResponse, Listener, Protocol, Rule};
use albedo_engine::traffic::{self, Health, Reply, Router};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, SERVER};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};

use super::errors::{AWSELB, Trouble};
use super::forward::{Forwarded, forward};
use super::port::Front;
use super::{headers, is_secure, pick};
use crate::bodies::{Body, whole};
use crate::gate;
use crate::served::By;
use crate::snapshot::Balancer;

/// Which rule answered: its priority, or `default`.
const RULE: HeaderName = HeaderName::from_static("x-albedo-rule");
/// Longest URL: 16 KB, as a header: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>.
const URL: usize = 16 << 10;

/// Counts a client that leaves before its answer as 460.
struct Left<'f> {
    front: &'f Front,
    name: String,
    answered: bool,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.front.site.served.count(&self.name, By::LoadBalancer, 460);
        }
    }
}

/// What is known of a request when its rule is.
pub(crate) struct Asked<'s> {
    pub(crate) front: &'s Front,
    pub(crate) balancer: &'s Balancer,
    pub(crate) listener: &'s Listener,
    pub(crate) rule: Option<&'s Rule>,
}

/// The answer to a request.
pub(crate) async fn answer(front: Arc<Front>, request: Request<Incoming>) -> Response<Body> {
    let _running = front.activity.run();
    let snapshot = front.site.snapshot.borrow().clone();
    let balancer = snapshot.balancers.get(&front.arn);
    let Some((balancer, listener)) = balancer.and_then(|one| Some((one, one.listeners.get(&front.port)?))) else {
        // Its listener was deleted while the connection was open.
        return Trouble::NoTargets.response();
    };
    let name = balancer.is.name.clone();
    let mut left = Left { front: &front, name: name.clone(), answered: false };
    let (parts, body) = request.into_parts();
    let router = Router::new(&balancer.listeners);
    let (mut response, by, rule) = match fault(&parts, balancer) {
        Some(trouble) => (trouble.response(), By::LoadBalancer, None),
        None => {
            let read = read(&front, &parts);
            let decision = router.decide(&read);
            let rule = decision.and_then(|decision| decision.rule);
            let actions = decision.map_or(listener.default_actions.as_slice(), |decision| decision.actions);
            let asked = Asked { front: &front, balancer, listener, rule };
            let (response, by) = act(&asked, actions, &read, &snapshot, parts, body).await;
            (response, by, Some(rule))
        }
    };
    left.answered = true;
    headers::finish(&mut response, listener);
    if let Some(rule) = rule.filter(|_| front.site.tells_rule) {
        let told = rule.map_or_else(|| "default".to_owned(), |rule| rule.priority.to_string());
        response.headers_mut().extend(HeaderValue::try_from(told).ok().map(|value| (RULE, value)));
    }
    front.site.served.count(&name, by, response.status().as_u16());
    response
}

/// What is wrong with a request, whichever rule it would have.
fn fault(parts: &Parts, balancer: &Balancer) -> Option<Trouble> {
    let has_host = parts.headers.contains_key(HOST) || parts.uri.authority().is_some();
    let rows = [
        (parts.method == Method::TRACE, Trouble::MethodNotAllowed),
        (parts.method == Method::CONNECT, Trouble::BadRequest),
        (parts.version >= Version::HTTP_11 && !has_host, Trouble::BadRequest),
        (parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > URL), Trouble::UriTooLong),
        (headers::too_many_addresses(&parts.headers, &balancer.is.attributes), Trouble::TooManyAddresses),
    ];
    rows.into_iter().find(|(wrong, _)| *wrong).map(|(_, trouble)| trouble)
}

/// The request as the engine's model reads it.
fn read(front: &Front, parts: &Parts) -> traffic::Request {
    let named = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    let header = || parts.headers.get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let host = named.or_else(header).unwrap_or_default();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut request = traffic::Request::get(front.port, &host, target);
    request.method = parts.method.as_str().to_owned();
    request.headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    request.source_ip = Some(front.peer.ip());
    request
}

/// Carries out a rule's actions: those before the last let the request pass or answer it.
async fn act(
    asked: &Asked<'_>,
    actions: &[Action],
    read: &traffic::Request,
    snapshot: &Arc<crate::snapshot::Snapshot>,
    mut parts: Parts,
    body: Incoming,
) -> (Response<Body>, By) {
    let by_itself = |response: Response<Body>| (response, By::LoadBalancer);
    for action in actions {
        if let Some(response) = gate::passes(asked, action, read, &mut parts).await {
            return by_itself(response);
        }
    }
    let protocol = if is_secure(asked.listener.protocol) { Protocol::Https } else { Protocol::Http };
    let health = |target_group: &albedo_engine::stack::Ref| {
        pick::arn(target_group).map_or(Health::Empty, |arn| pick::health(&asked.front.site.backends.of(arn)))
    };
    match traffic::reply(actions, protocol, read, health) {
        None => by_itself(Trouble::Internal.response()),
        Some(Reply::Redirect { status, location }) => by_itself(redirect(status, &location)),
        Some(Reply::Fixed(fixed)) => by_itself(fixed_response(fixed)),
        Some(Reply::Forward(shares)) => {
            let sticky = actions.iter().find_map(|action| match action {
                Action::Forward(forward) => forward.stickiness.as_ref(),
                _ => None,
            });
            match forward(asked, &shares, sticky, snapshot, parts, body).await {
                Forwarded::By(response) => (response, By::Target),
                Forwarded::Not(trouble) => by_itself(trouble.response()),
            }
        }
    }
}

fn redirect(status: u16, location: &str) -> Response<Body> {
    let Ok(location) = HeaderValue::try_from(location) else { return Trouble::Internal.response() };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
    let mut response = Response::new(whole(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static(AWSELB));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    headers.insert(LOCATION, location);
    response
}

fn fixed_response(fixed: &FixedResponse) -> Response<Body> {
    let mut response = Response::new(whole(fixed.message_body.clone().unwrap_or_default()));
    let status = fixed.status_code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = fixed.content_type.as_deref().unwrap_or("text/plain");
    let kind = format!("{kind}; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static(AWSELB));
    headers.extend(HeaderValue::try_from(kind).ok().map(|kind| (CONTENT_TYPE, kind)));
    response
}
