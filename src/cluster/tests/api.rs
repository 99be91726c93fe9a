//! An API server of a few answers: what it is asked is kept, what it says is up to the test.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use albedo_engine::settings::Settings;
use albedo_engine::world::World;
use hyper::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// What was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: Value,
}

impl Call {
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    pub fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }
}

/// The calls so far.
pub type Calls = Arc<Mutex<Vec<Call>>>;

/// A cluster whose API server answers with `answer`; without an answer a call waits for ever, as a quiet watch does.
pub fn cluster(answer: impl Fn(&Call) -> Option<(u16, Value)> + Send + Sync + 'static) -> (Cluster, Calls) {
    let calls = Calls::default();
    let (kept, answer) = (calls.clone(), Arc::new(answer));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (kept, answer) = (kept.clone(), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let call = Call {
                method: head.method.to_string(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            kept.lock().unwrap().push(call.clone());
            let Some((code, body)) = answer(&call) else { return std::future::pending().await };
            let body = Body::from(serde_json::to_vec(&body).unwrap());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    });
    (Cluster::new(Client::new(service, "default"), World::new(Settings::new("test"))), calls)
}

/// An answer that refuses, as the API server words it.
pub fn refusal(code: u16, reason: &str, name: &str) -> (u16, Value) {
    let details = if name.is_empty() { json!(null) } else { json!({"name": name}) };
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": format!("{name} {reason}"), "details": details});
    (code, body)
}

pub fn list(items: &Value) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "100"}, "items": items})
}

/// Waits until something holds, which the tasks under test bring about.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what}: not within 5 s");
}
