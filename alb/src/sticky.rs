//! Stickiness by cookies: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#sticky-sessions>.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use albedo_engine::stack::Stickiness;
use albedo_engine::traffic::Share;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderValue};

use crate::backend::Backend;
use crate::serve::arn;
use crate::snapshot::Group;

const OF_TARGET: &str = "AWSALB";
const OF_GROUP: &str = "AWSALBTG";
const OF_APPLICATION: &str = "AWSALBAPP-0";
/// Seconds, if nothing is said: a day.
const DURATION: u64 = 86_400;

/// The cookies that an answer gets.
#[derive(Debug, Default)]
pub(crate) struct Given {
    always: Vec<HeaderValue>,
    /// The application's cookie, and what goes with it when it is set.
    with: Option<(String, Vec<HeaderValue>)>,
}

impl Given {
    /// The cookies for an answer that sets these.
    pub(crate) fn for_answer(self, set: &[HeaderValue]) -> Vec<HeaderValue> {
        let sets = |name: &str| {
            let name = format!("{name}=");
            set.iter().any(|cookie| cookie.as_bytes().starts_with(name.as_bytes()))
        };
        let with = self.with.filter(|(name, _)| sets(name)).map(|(_, cookies)| cookies);
        self.always.into_iter().chain(with.unwrap_or_default()).collect()
    }
}

/// What a cookie says: to whom, and until when (seconds since 1970). AWS encrypts it; here it is only encoded.
fn value(to: &str, until: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{until}\n{to}"))
}

fn said(value: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (until, to) = text.split_once('\n')?;
    (until.parse::<u64>().ok()? > now()).then(|| to.to_owned())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A cookie of a request.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The pair of cookies of a name: browsers send the second one across sites too.
fn pair(name: &str, to: &str, seconds: u64) -> Vec<HeaderValue> {
    let until = now() + seconds;
    let stamp = i64::try_from(until).ok().and_then(|until| jiff::Timestamp::from_second(until).ok());
    let expires = stamp.map(|stamp| stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).unwrap_or_default();
    let value = value(to, until);
    let cookies = [
        format!("{name}={value}; Expires={expires}; Path=/"),
        format!("{name}CORS={value}; Expires={expires}; Path=/; SameSite=None; Secure"),
    ];
    cookies.into_iter().filter_map(|cookie| HeaderValue::try_from(cookie).ok()).collect()
}

/// Whether target groups are sticky, and for how many seconds.
fn group_seconds(stickiness: Option<&Stickiness>) -> Option<u64> {
    let on = stickiness.filter(|one| one.enabled == Some(true))?;
    Some(on.duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(DURATION))
}

/// The target group that a request's cookie names, if it is still one of the forward's and gets requests.
pub(crate) fn group(shares: &[Share<'_>], stickiness: Option<&Stickiness>, headers: &HeaderMap) -> Option<String> {
    group_seconds(stickiness)?;
    let named = cookie(headers, OF_GROUP).or_else(|| cookie(headers, "AWSALBTGCORS")).and_then(said)?;
    shares.iter().any(|share| arn(share.target_group) == Some(&named)).then_some(named)
}

fn key(backend: &Backend) -> String {
    format!("{} {}", backend.target.id, backend.target.port)
}

/// The target that a request's cookie names, if it is healthy.
pub(crate) fn target(arn: &str, group: &Group, targets: &[Arc<Backend>], headers: &HeaderMap) -> Option<Arc<Backend>> {
    let named = match kind(group)? {
        Kind::LoadBalancer => cookie(headers, OF_TARGET).or_else(|| cookie(headers, "AWSALBCORS"))?,
        Kind::Application(name) => {
            cookie(headers, name)?;
            cookie(headers, OF_APPLICATION)?
        }
    };
    let named = said(named)?;
    let (of, target) = named.split_once('\n')?;
    (of == arn).then(|| targets.iter().find(|one| one.is_healthy() && key(one) == target).cloned()).flatten()
}

/// Whose cookie keeps a client at its target.
enum Kind<'g> {
    LoadBalancer,
    /// The application's, of this name.
    Application(&'g str),
}

fn kind(group: &Group) -> Option<Kind<'_>> {
    if group.text("stickiness.enabled", "false") != "true" {
        return None;
    }
    match group.text("stickiness.type", "lb_cookie") {
        "app_cookie" => Some(Kind::Application(group.text("stickiness.app_cookie.cookie_name", ""))),
        _ => Some(Kind::LoadBalancer),
    }
}

/// The cookies that the answer of a target gets.
pub(crate) fn cookies(stickiness: Option<&Stickiness>, arn: &str, group: &Group, backend: &Backend) -> Given {
    let mut given = Given::default();
    if let Some(seconds) = group_seconds(stickiness) {
        given.always.extend(pair(OF_GROUP, arn, seconds));
    }
    let to = format!("{arn}\n{}", key(backend));
    match kind(group) {
        None => {}
        Some(Kind::LoadBalancer) => {
            let seconds = group.number("stickiness.lb_cookie.duration_seconds", DURATION);
            given.always.extend(pair(OF_TARGET, &to, seconds));
        }
        Some(Kind::Application(name)) => {
            let seconds = group.number("stickiness.app_cookie.duration_seconds", DURATION);
            let own = pair(OF_APPLICATION, &to, seconds).into_iter().take(1).collect();
            given.with = Some((name.to_owned(), own));
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_says_to_whom_until_its_time_is_over() {
        assert_eq!(said(&value("a\nb 80", now() + 10)).as_deref(), Some("a\nb 80"));
        assert_eq!(said(&value("a", now() - 1)), None);
        assert_eq!(said("%%%"), None);
        assert_eq!(said(&URL_SAFE_NO_PAD.encode("nothing")), None);
    }

    #[test]
    fn cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; AWSALB=x=y;b=2"));
        headers.append(COOKIE, HeaderValue::from_static("c=3"));
        let rows = [("a", Some("1")), ("AWSALB", Some("x=y")), ("b", Some("2")), ("c", Some("3")), ("d", None)];
        for (name, expected) in rows {
            assert_eq!(cookie(&headers, name), expected, "{name}");
        }
    }
}
