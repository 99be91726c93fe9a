//! What the client gets: where a forward ends, the URL of a redirect, a fixed response.
//!
//! Source: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html>.

use super::{Health, Request};
use crate::stack::{Action, FixedResponse, Forward, Protocol, Redirect, Ref};

/// What the last of a rule's actions gives the client, once those before it (authentication) have let it pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'l> {
    /// Each request goes to one target group, by weight.
    Forward(Vec<Share<'l>>),
    /// To another URL.
    Redirect {
        /// 301 or 302; 0 if the action says neither, which AWS refuses.
        status: u16,
        /// The whole URL. The load balancer always writes the port.
        location: String,
    },
    /// An answer of the load balancer itself.
    Fixed(&'l FixedResponse),
}

/// A target group's part of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share<'l> {
    /// The target group.
    pub target_group: &'l Ref,
    /// Its part of the sum of all shares' weights; 0: it gets none.
    pub weight: u32,
    /// Whether they are answered.
    pub health: Health,
}

impl Reply<'_> {
    /// Whether every request is answered as the rule means it. A share whose target group is empty is answered with 503:
    /// the load balancer does not fail over to the other target groups of a forward.
    #[must_use]
    pub fn is_served(&self) -> bool {
        match self {
            Self::Forward(shares) => {
                let mut used = shares.iter().filter(|share| share.weight > 0).peekable();
                used.peek().is_some() && used.all(|share| share.health.is_served())
            }
            Self::Redirect { .. } | Self::Fixed(_) => true,
        }
    }
}

/// What actions give a request that comes to a listener of this protocol; `None` if none of them ends it, which AWS refuses.
#[must_use]
pub fn reply<'l>(
    actions: &'l [Action],
    protocol: Protocol,
    request: &Request,
    health: impl Fn(&Ref) -> Health,
) -> Option<Reply<'l>> {
    actions.iter().find_map(|action| match action {
        Action::Forward(forward) => Some(Reply::Forward(shares(forward, &health))),
        Action::Redirect(redirect) => {
            let status = redirect.status_code.trim_start_matches("HTTP_").parse().unwrap_or_default();
            Some(Reply::Redirect { status, location: location(redirect, protocol, request) })
        }
        Action::FixedResponse(response) => Some(Reply::Fixed(response)),
        Action::AuthenticateOidc(_)
        | Action::AuthenticateCognito(_)
        | Action::JwtValidation(_)
        | Action::Unknown { .. } => None,
    })
}

/// A weight that is not given is 1, and that of the only target group means nothing.
fn shares<'l>(forward: &'l Forward, health: impl Fn(&Ref) -> Health) -> Vec<Share<'l>> {
    let only = forward.target_groups.len() == 1;
    let share = |tuple: &'l crate::stack::TargetGroupTuple| Share {
        target_group: &tuple.target_group,
        weight: if only { 1 } else { tuple.weight.map_or(1, |weight| u32::try_from(weight).unwrap_or_default()) },
        health: health(&tuple.target_group),
    };
    forward.target_groups.iter().map(share).collect()
}

fn location(redirect: &Redirect, protocol: Protocol, request: &Request) -> String {
    let (port, path) = (request.port.to_string(), request.path.trim_start_matches('/'));
    let parts = [
        ("protocol", protocol.as_str()),
        ("host", &request.host),
        ("port", &port),
        ("path", path),
        ("query", &request.query),
    ];
    let fill = |given: &Option<String>, default: &str| filled(given.as_deref().unwrap_or(default), &parts);
    let protocol = fill(&redirect.protocol, "#{protocol}").to_ascii_lowercase();
    let (host, port) = (fill(&redirect.host, "#{host}"), fill(&redirect.port, "#{port}"));
    let (path, query) = (fill(&redirect.path, "/#{path}"), fill(&redirect.query, "#{query}"));
    let query = if query.is_empty() { query } else { format!("?{query}") };
    format!("{protocol}://{host}:{port}{path}{query}")
}

/// A template with its placeholders filled once, from left to right: what was filled in is not read again.
fn filled(template: &str, parts: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("#{") {
        text.push_str(before);
        let known = behind.split_once('}').and_then(|(name, after)| {
            let (_, value) = parts.iter().find(|(key, _)| *key == name)?;
            Some((value, after))
        });
        match known {
            Some((value, after)) => {
                text.push_str(value);
                rest = after;
            }
            None => {
                text.push_str("#{");
                rest = behind;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{ResourceId, TargetGroupTuple};

    fn redirect(parts: [Option<&str>; 5]) -> Redirect {
        let [protocol, host, port, path, query] = parts.map(|part| part.map(str::to_owned));
        Redirect { host, path, port, protocol, query, status_code: "HTTP_301".to_owned() }
    }

    #[test]
    fn urls_of_redirects() {
        let same = "http://www.example.com:80/a/b?c=d";
        let rows = [
            ([None; 5], "/a/b?c=d", same),
            (["#{protocol}", "#{host}", "#{port}", "/#{path}", "#{query}"].map(Some), "/a/b?c=d", same),
            ([Some("HTTPS"), None, Some("443"), None, None], "/", "https://www.example.com:443/"),
            ([None, Some("new.#{host}"), None, None, None], "/", "http://new.www.example.com:80/"),
            ([None, None, None, Some("/v2/#{path}/x"), None], "/a", "http://www.example.com:80/v2/a/x"),
            (
                [None, None, None, Some("/"), Some("from=#{path}&#{query}")],
                "/a?b",
                "http://www.example.com:80/?from=a&b",
            ),
            ([None, None, None, Some("/a"), Some("")], "/b?c", "http://www.example.com:80/a"),
            // What came in is not read as a template, and what is no placeholder stays.
            (
                [None, None, None, Some("/#{path}#{nothing}#{"), None],
                "/?#{host}",
                "http://www.example.com:80/#{nothing}#{",
            ),
            ([None, None, None, None, None], "/#{host}", "http://www.example.com:80/"),
        ];
        for (parts, target, location) in rows {
            let actions = [Action::Redirect(redirect(parts))];
            let request = Request::get(80, "www.example.com", target);
            let reply = reply(&actions, Protocol::Http, &request, |_| Health::Empty);
            assert_eq!(reply, Some(Reply::Redirect { status: 301, location: location.to_owned() }), "{parts:?}");
        }
    }

    #[test]
    fn a_forward_is_served_if_every_share_is() {
        type Row<'r> = (&'r [(&'r str, Option<i32>)], bool);
        let named = |name: &str| Ref::Of(ResourceId::from(name));
        let rows: [Row<'_>; 9] = [
            (&[("healthy", None)], true),
            (&[("unhealthy", None)], true),
            (&[("empty", None)], false),
            (&[("healthy", Some(0))], true),
            (&[("healthy", Some(1)), ("empty", Some(0))], true),
            (&[("healthy", Some(99)), ("empty", Some(1))], false),
            (&[("healthy", Some(0)), ("unhealthy", Some(0))], false),
            (&[("healthy", None), ("unhealthy", None)], true),
            (&[], false),
        ];
        for (tuples, served) in rows {
            let target_groups = tuples
                .iter()
                .map(|(name, weight)| TargetGroupTuple { target_group: named(name), weight: *weight })
                .collect();
            let actions = [Action::Forward(Forward { target_groups, stickiness: None })];
            let health = |target_group: &Ref| match target_group {
                Ref::Of(id) if id.as_str() == "healthy" => Health::Healthy,
                Ref::Of(id) if id.as_str() == "unhealthy" => Health::FailOpen,
                _ => Health::Empty,
            };
            let request = Request::get(80, "www.example.com", "/");
            let reply = reply(&actions, Protocol::Http, &request, health).unwrap();
            assert_eq!(reply.is_served(), served, "{tuples:?}");
        }
    }

    #[test]
    fn states_of_targets() {
        let rows: [(&[&str], Health); 7] = [
            (&[], Health::Empty),
            (&["initial"], Health::Empty),
            (&["draining", "unused", "unhealthy.draining"], Health::Empty),
            (&["unhealthy", "initial"], Health::FailOpen),
            (&["unhealthy", "draining"], Health::FailOpen),
            (&["unhealthy", "healthy"], Health::Healthy),
            (&["unavailable"], Health::Healthy),
        ];
        for (states, health) in rows {
            let targets: Vec<_> = states
                .iter()
                .map(|state| crate::stack::TargetHealth {
                    target: crate::stack::Target { id: "10.0.0.1".to_owned(), port: 80, availability_zone: None },
                    state: (*state).to_owned(),
                    reason: None,
                    description: None,
                })
                .collect();
            assert_eq!(Health::of(&targets), health, "{states:?}");
        }
    }
}
