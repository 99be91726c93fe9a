//! Failures of watches: logged once a minute with a fix, and never treated as an empty list.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use albedo_engine::kinds::Key;
use albedo_engine::world::Kind;
use kube::runtime::watcher;

use super::crds::CRDS;
use super::error::with_sources;

/// How often a repeated failure is logged.
const SAY_AGAIN: Duration = Duration::from_mins(1);
/// A failure that usually ends by itself (the storage of a CRD, or an API server, that is starting) is logged if it lasts longer than this.
const MAY_PASS: Duration = Duration::from_secs(5);
/// A resumed watch receives nothing until an object changes. So a failure that has not repeated for this long, which is
/// more than the longest pause and the longest attempt together, has ended.
const OVER_AFTER: Duration = Duration::from_mins(2);
/// The most objects that are remembered as not decodable; all of them are logged and counted.
const REMEMBERED: usize = 1000;

/// The name of a kind in the API and in permissions.
#[must_use]
pub fn resource(kind: Kind) -> &'static str {
    match kind {
        Kind::Ingress => "ingresses.networking.k8s.io",
        Kind::IngressClass => "ingressclasses.networking.k8s.io",
        Kind::IngressClassParams => "ingressclassparams.elbv2.k8s.aws",
        Kind::Service => "services",
        Kind::Namespace => "namespaces",
        Kind::Secret => "secrets",
        Kind::Endpoints => "endpointslices.discovery.k8s.io",
        Kind::Pod => "pods",
        Kind::Node => "nodes",
        Kind::Binding => "targetgroupbindings.elbv2.k8s.aws",
        Kind::Group => "ingressgroups.albedo.dev",
        Kind::Defaults => "ingressdefaults.albedo.dev",
        Kind::Policy => "ingresspolicies.albedo.dev",
    }
}

/// Why a watch fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// 404: the API server doesn't serve the kind.
    Absent,
    /// 403.
    Forbidden,
    /// 401.
    Unauthorized,
    /// 410: the watch was interrupted for too long. A new list follows.
    Expired,
    /// The answer was neither a list nor an event.
    Undecodable,
    /// Another answer of the API server.
    Refused,
    /// No answer.
    Unreachable,
}

impl Cause {
    pub(super) fn of(error: &watcher::Error) -> Self {
        use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
        match error {
            InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => match error {
                kube::Error::Api(status) => Self::of_code(status.code),
                kube::Error::SerdeError(_) => Self::Undecodable,
                _ => Self::Unreachable,
            },
            WatchError(status) => Self::of_code(status.code),
            NoResourceVersion => Self::Undecodable,
        }
    }

    fn of_code(code: u16) -> Self {
        match code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::Absent,
            410 => Self::Expired,
            _ => Self::Refused,
        }
    }

    /// The label of the metric.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::Expired => "expired",
            Self::Undecodable => "undecodable",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }

    /// Whether it usually ends by itself.
    fn may_pass(self) -> bool {
        matches!(self, Self::Refused | Self::Unreachable)
    }

    /// The fix.
    fn fix(self, resource: &str) -> String {
        match self {
            Self::Absent if CRDS.iter().any(|(name, _)| *name == resource) => {
                format!("install the CRD {resource}: albedo crds | kubectl apply --server-side -f -")
            }
            Self::Absent => format!("configure the API server to serve {resource}"),
            Self::Forbidden => format!("grant get, list and watch on {resource} to albedo's ServiceAccount"),
            Self::Unauthorized => "give albedo a token or certificate that the API server accepts".to_owned(),
            Self::Expired => "nothing to do: it is listed again".to_owned(),
            Self::Undecodable => "check whether a proxy changes answers of the API server".to_owned(),
            Self::Refused => "see the log of the API server".to_owned(),
            Self::Unreachable => "check the network between this Pod and the API server".to_owned(),
        }
    }
}

/// The error of a watch: the message of the API server, or an error with its sources.
pub(super) fn said(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        // kube's texts of these contain the whole answer in Rust's debug format, twice.
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => status.message.clone(),
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => with_sources(error),
        NoResourceVersion => with_sources(error),
    }
}

/// A failing watch, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The kind.
    pub kind: Kind,
    /// The error.
    pub error: String,
    /// The fix.
    pub fix: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot watch {}: {}; {}", resource(self.kind), self.error, self.fix)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", resource(self.kind), self.key, self.error)
    }
}

/// An object that exists and cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub key: Key,
    /// Why.
    pub error: String,
}

/// The present failures of all watches.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failing: BTreeMap<Kind, Failing>,
    unreadable: BTreeMap<(Kind, Key), String>,
}

#[derive(Debug)]
struct Failing {
    trouble: Trouble,
    cause: Cause,
    since: Instant,
    last: Instant,
    said: Option<Instant>,
}

impl Troubles {
    /// Records a failure. Returns whether it must be logged now.
    pub(super) fn note(&self, kind: Kind, cause: Cause, error: String) -> (Trouble, bool) {
        self.note_at(Instant::now(), kind, cause, error)
    }

    fn note_at(&self, now: Instant, kind: Kind, cause: Cause, error: String) -> (Trouble, bool) {
        let trouble = Trouble { kind, error, fix: cause.fix(resource(kind)) };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.failing.get(&kind).filter(|before| before.cause == cause);
        let before = before.filter(|before| now.duration_since(before.last) < OVER_AFTER);
        let since = before.map_or(now, |before| before.since);
        let said = before.and_then(|before| before.said);
        let early = cause.may_pass() && now.duration_since(since) < MAY_PASS;
        let news = !early && said.is_none_or(|said| now.duration_since(said) >= SAY_AGAIN);
        let said = if news { Some(now) } else { said };
        state.failing.insert(kind, Failing { trouble: trouble.clone(), cause, since, last: now, said });
        (trouble, news)
    }

    /// A watch works. Returns whether its failure was logged.
    pub(super) fn over(&self, kind: Kind) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failing.remove(&kind).is_some_and(|failing| failing.said.is_some())
    }

    pub(super) fn current(&self) -> Vec<Trouble> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = state.failing.values().filter(|failing| failing.last.elapsed() < OVER_AFTER);
        failing.map(|failing| failing.trouble.clone()).collect()
    }

    /// An object cannot be decoded. Returns how many of its kind cannot.
    pub(super) fn cannot_read(&self, kind: Kind, key: Key, error: String) -> usize {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.unreadable.len() < REMEMBERED {
            state.unreadable.insert((kind, key), error);
        }
        count(&state, kind)
    }

    /// An object can be decoded again, or was deleted. Returns how many of its kind cannot be decoded, if the number changed.
    pub(super) fn can_read(&self, kind: Kind, key: &Key) -> Option<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.unreadable.is_empty() {
            return None;
        }
        state.unreadable.remove(&(kind, key.clone()))?;
        Some(count(&state, kind))
    }

    /// A list begins: all objects of the kind are decoded again.
    pub(super) fn forget(&self, kind: Kind) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.unreadable.retain(|(other, _), _| *other != kind);
    }

    pub(super) fn unreadable(&self) -> Vec<Unreadable> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = state.unreadable.iter();
        entries.map(|((kind, key), error)| Unreadable { kind: *kind, key: key.clone(), error: error.clone() }).collect()
    }
}

fn count(state: &State, kind: Kind) -> usize {
    state.unreadable.keys().filter(|(other, _)| *other == kind).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_repeats_is_said_once() {
        let troubles = Troubles::default();
        let (trouble, said) = troubles.note(Kind::Binding, Cause::Absent, "404".to_owned());
        assert!(said);
        assert!(trouble.to_string().contains("albedo crds | kubectl apply"), "{trouble}");
        assert!(!troubles.note(Kind::Binding, Cause::Absent, "404".to_owned()).1);
        assert!(troubles.note(Kind::Binding, Cause::Forbidden, "403".to_owned()).1, "another cause is news");
        assert!(troubles.note(Kind::Pod, Cause::Forbidden, "403".to_owned()).1, "another kind is news");
        assert_eq!(troubles.current().len(), 2);
        assert!(troubles.over(Kind::Pod) && !troubles.over(Kind::Pod));
    }

    #[test]
    fn what_may_pass_is_said_when_it_has_not() {
        let (troubles, start) = (Troubles::default(), Instant::now());
        let said = |seconds| {
            let now = start + Duration::from_secs(seconds);
            troubles.note_at(now, Kind::Pod, Cause::Refused, "storage is (re)initializing".to_owned()).1
        };
        assert_eq!([0, 2, 6, 12, 65, 67].map(said), [false, false, true, false, false, true]);
        assert!(!said(400), "long over: it begins anew");
    }

    #[test]
    fn what_cannot_be_read_is_bounded() {
        let troubles = Troubles::default();
        for number in 0..REMEMBERED + 10 {
            troubles.cannot_read(Kind::IngressClassParams, Key::new("", &number.to_string()), "bad".to_owned());
        }
        assert_eq!(troubles.unreadable().len(), REMEMBERED);
        assert_eq!(troubles.can_read(Kind::IngressClassParams, &Key::new("", "0")), Some(REMEMBERED - 1));
        troubles.forget(Kind::IngressClassParams);
        assert_eq!(troubles.can_read(Kind::IngressClassParams, &Key::new("", "1")), None);
    }

    #[test]
    fn every_crd_that_is_watched_has_its_fix() {
        for kind in Kind::ALL {
            let own = resource(kind).ends_with(".elbv2.k8s.aws") || resource(kind).ends_with(".albedo.dev");
            assert_eq!(Cause::Absent.fix(resource(kind)).contains("kubectl"), own, "{kind:?}");
        }
    }
}
