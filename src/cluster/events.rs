//! Events on objects, written through core/v1: `kubectl describe` shows them, a repeated event is counted, a changed text is visible
//! at once.
//!
//! Kube's `Recorder` keeps the first text of a series with one reason, so that a second mistake in the same annotation
//! would stay invisible; here the text is part of the identity of an event.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use albedo_engine::clean::clean;
use albedo_engine::kinds::TargetGroupBinding;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Resource};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::error::write;
use super::{Cluster, FIELD_MANAGER, Metrics, WriteError};

/// The most events that wait to be written. An event without a place is dropped: its text is in the
/// ledger, too.
const QUEUE: usize = 1024;
/// The most series that are remembered, to continue their counts. The API server keeps an event for an hour.
const SERIES: usize = 2048;
/// The longest text that the API server accepts, in bytes.
const LONGEST_TEXT: usize = 1024;
/// How long waiting events are still written when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often failures are logged.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// `Normal`.
    Normal,
    /// `Warning`.
    Warning,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The object of an event, and its component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    uid: String,
    component: &'static str,
}

impl Subject {
    /// An Ingress; the component is `ingress`.
    #[must_use]
    pub fn ingress(ingress: &Ingress) -> Self {
        Self::new(ingress, "ingress")
    }

    /// A binding; the component is `targetGroupBinding`.
    #[must_use]
    pub fn binding(binding: &TargetGroupBinding) -> Self {
        Self::new(binding, "targetGroupBinding")
    }

    fn new<K: Resource<DynamicType = ()>>(object: &K, component: &'static str) -> Self {
        let meta = object.meta();
        Self {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            component,
        }
    }

    /// Events on cluster-scoped objects are in the namespace where kubectl looks for them.
    fn event_namespace(&self) -> &str {
        if self.namespace.is_empty() { "default" } else { &self.namespace }
    }
}

/// An event to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The object.
    pub subject: Subject,
    /// How it is shown.
    pub severity: Severity,
    /// The reason, one word such as `FailedBuildModel`.
    pub reason: String,
    /// The text; cut at 1024 bytes.
    pub text: String,
}

/// The queue of events to write. A clone is the same queue.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<Note>,
    metrics: Metrics,
}

impl Events {
    /// Adds an event; never waits. The event is dropped and counted if too many wait.
    pub fn publish(&self, note: Note) {
        if let Err(error) = self.queue.try_send(note) {
            self.metrics.event("dropped");
            tracing::debug!(%error, "dropped an event");
        }
    }
}

/// Writes events, one after another.
pub struct EventWriter {
    queue: mpsc::Receiver<Note>,
    client: Client,
    metrics: Metrics,
    series: HashMap<String, Series>,
    said: Option<Instant>,
}

/// An existing event object.
#[derive(Debug, Clone, Copy)]
struct Series {
    count: i32,
    last: Instant,
}

impl Cluster {
    /// The queue of events, and the writer, which must be spawned by [`EventWriter::run`].
    #[must_use]
    pub fn events(&self) -> (Events, EventWriter) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let metrics = self.metrics().clone();
        let writer = EventWriter {
            queue: receiver,
            client: self.client(),
            metrics: metrics.clone(),
            series: HashMap::new(),
            said: None,
        };
        (Events { queue: sender, metrics }, writer)
    }
}

impl EventWriter {
    /// Writes until `stop`, and then for a short time those that still wait. A failure is only logged and counted.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let note = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                note = self.queue.recv() => note,
            };
            match note {
                Some(note) => self.write(&note).await,
                None => return,
            }
        }
        self.queue.close();
        let rest = async {
            while let Some(note) = self.queue.recv().await {
                self.write(&note).await;
            }
        };
        if tokio::time::timeout(LAST_WORDS, rest).await.is_err() {
            tracing::debug!("the last events were not written");
        }
    }

    async fn write(&mut self, note: &Note) {
        match self.try_write(note).await {
            Ok(()) => self.metrics.event("written"),
            Err(error) => {
                self.metrics.event("failed");
                if self.said.is_none_or(|said| said.elapsed() > SAY_AGAIN) {
                    self.said = Some(Instant::now());
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, source, "an event was not written; others may not be either");
                }
            }
        }
    }

    async fn try_write(&mut self, note: &Note) -> Result<(), WriteError> {
        let event = event(note, Time(jiff::Timestamp::now()));
        let api: Api<Event> = Api::namespaced(self.client.clone(), note.subject.event_namespace());
        let name = event.metadata.name.clone().unwrap_or_default();
        let what = format!("write the event {} on the {} {}", note.reason, note.subject.kind, note.subject.name);
        let known = self.series.get(&name).map(|series| series.count);
        let count = match known {
            Some(count) => match bump(&api, &name, Some(count + 1), &event, &what).await {
                Ok(_) => count + 1,
                // It expired after an hour, or somebody deleted it.
                Err(WriteError::NotFound { .. }) => create(&api, &event, &what).await?,
                Err(error) => return Err(error),
            },
            None => create(&api, &event, &what).await?,
        };
        self.remember(name, count);
        Ok(())
    }

    fn remember(&mut self, name: String, count: i32) {
        if self.series.len() >= SERIES && !self.series.contains_key(&name) {
            let mut ages: Vec<Instant> = self.series.values().map(|series| series.last).collect();
            ages.sort_unstable();
            // Removes the older half, so that a full memory is not searched at every event.
            if let Some(middle) = ages.get(SERIES / 2).copied() {
                self.series.retain(|_, series| series.last > middle);
            }
        }
        self.series.insert(name, Series { count, last: Instant::now() });
    }
}

/// Creates an event, or increments the count of an event from another process. Returns its count.
async fn create(api: &Api<Event>, event: &Event, what: &str) -> Result<i32, WriteError> {
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match write(what, api.create(&params, event)).await {
        Ok(_) => Ok(1),
        Err(WriteError::Conflict { .. }) => {
            let name = event.metadata.name.as_deref().unwrap_or_default();
            // This needs no permission to read events: the answer to a patch of the time contains the count.
            let found = bump(api, name, None, event, what).await?;
            let count = found.count.unwrap_or(1) + 1;
            bump(api, name, Some(count), event, what).await?;
            Ok(count)
        }
        Err(error) => Err(error),
    }
}

async fn bump(
    api: &Api<Event>,
    name: &str,
    count: Option<i32>,
    event: &Event,
    what: &str,
) -> Result<Event, WriteError> {
    let mut body = json!({"lastTimestamp": event.last_timestamp});
    if let (Some(count), Some(body)) = (count, body.as_object_mut()) {
        body.insert("count".to_owned(), json!(count));
    }
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    write(what, api.patch(name, &params, &Patch::Merge(&body))).await
}

fn event(note: &Note, now: Time) -> Event {
    let subject = &note.subject;
    let clean = clean(&note.text);
    let text = cut(&clean, LONGEST_TEXT);
    let identity = [&subject.uid, &subject.kind, note.severity.word(), &note.reason, text, subject.component];
    Event {
        metadata: ObjectMeta {
            name: Some(event_name(&subject.name, &identity)),
            namespace: Some(subject.event_namespace().to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(subject.api_version.clone()),
            kind: Some(subject.kind.clone()),
            name: Some(subject.name.clone()),
            namespace: (!subject.namespace.is_empty()).then(|| subject.namespace.clone()),
            uid: Some(subject.uid.clone()),
            ..ObjectReference::default()
        },
        reason: Some(note.reason.clone()),
        message: Some(text.to_owned()),
        type_: Some(note.severity.word().to_owned()),
        source: Some(EventSource { component: Some(subject.component.to_owned()), host: None }),
        reporting_component: Some(subject.component.to_owned()),
        count: Some(1),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        ..Event::default()
    }
}

/// The name of the object, and a hash of the identity of the event, so that the next process continues its count.
fn event_name(object: &str, identity: &[&str]) -> String {
    // FNV-1a, because the hash of the standard library may change with the compiler.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in identity {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{}.{hash:016x}", cut(object, 236).trim_end_matches(['.', '-']))
}

/// A text, cut at a number of bytes, at the boundary of a character.
fn cut(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> Note {
        let ingress: Ingress =
            serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u-1"}})).unwrap();
        Note {
            subject: Subject::ingress(&ingress),
            severity: Severity::Warning,
            reason: "FailedBuildModel".to_owned(),
            text: text.to_owned(),
        }
    }

    fn written(note: &Note) -> Event {
        event(note, Time("2026-01-02T03:04:05Z".parse().unwrap()))
    }

    #[test]
    fn an_event_says_all_that_readers_look_for() {
        let mut json = serde_json::to_value(written(&note("no such Service"))).unwrap();
        let name = json["metadata"].as_object_mut().unwrap().remove("name").unwrap();
        assert!(name.as_str().unwrap().starts_with("web."), "{name}");
        assert_eq!(
            json,
            json!({
                "apiVersion": "v1", "kind": "Event", "metadata": {"namespace": "shop"},
                "involvedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "namespace": "shop", "name": "web", "uid": "u-1"},
                "reason": "FailedBuildModel", "message": "no such Service", "type": "Warning", "count": 1,
                "source": {"component": "ingress"}, "reportingComponent": "ingress",
                "firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:04:05Z",
            })
        );
    }

    #[test]
    fn an_event_has_nothing_that_a_terminal_obeys() {
        let event = written(&note("no host \u{1b}[2Ka\u{9b}1m\n::error::x"));
        assert_eq!(event.message.as_deref(), Some("no host \\u001b[2Ka\\u009b1m\n\\u003a:error::x"));
    }

    #[test]
    fn the_text_is_part_of_the_identity() {
        let name = |note: &Note| written(note).metadata.name.unwrap();
        assert_eq!(name(&note("a")), name(&note("a")));
        assert_ne!(name(&note("a")), name(&note("b")));
        let mut other = note("a");
        other.subject.uid = "u-2".to_owned();
        assert_ne!(name(&note("a")), name(&other), "an object of the same name is another one");
        let mut long = note("a");
        long.subject.name = "x".repeat(300);
        assert!(name(&long).len() <= 253);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 3), "");
        let text = "é".repeat(600);
        assert_eq!(written(&note(&format!("x{text}"))).message.unwrap().len(), 1023);
    }

    #[tokio::test]
    async fn too_many_events_are_dropped_and_counted() {
        let (sender, receiver) = mpsc::channel(1);
        let events = Events { queue: sender, metrics: Metrics::default() };
        events.publish(note("a"));
        events.publish(note("b"));
        assert_eq!(events.metrics.events("dropped"), 1);
        drop(receiver);
    }
}
