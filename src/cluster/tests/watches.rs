//! What watches conclude: everything from a list, nothing from a refusal.

use std::time::Duration;

use albedo_engine::kinds::Key;
use albedo_engine::world::{Kind, Unit};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::api::{Call, cluster, list, refusal, until};
use crate::cluster::{Cluster, WatchEnded, Watching};
use crate::liveness::Liveness;

type Ended = JoinHandle<Result<(), WatchEnded>>;

fn watching(cluster: &Cluster, namespace: Option<&'static str>) -> (CancellationToken, Ended) {
    watched_by(&Liveness::new(Duration::MAX), cluster, namespace)
}

fn watched_by(liveness: &Liveness, cluster: &Cluster, namespace: Option<&'static str>) -> (CancellationToken, Ended) {
    let (cluster, liveness, stop) = (cluster.clone(), liveness.clone(), CancellationToken::new());
    let task = tokio::spawn({
        let stop = stop.clone();
        async move { cluster.watch(namespace, Watching::Everything, &liveness, stop).await }
    });
    (stop, task)
}

/// Every list is empty, and every watch quiet.
fn empty(call: &Call) -> Option<(u16, Value)> {
    (!call.is_watch()).then(|| (200, list(&json!([]))))
}

const PARAMS: &str = "/apis/elbv2.k8s.aws/v1beta1/ingressclassparams";
const BINDINGS: &str = "/apis/elbv2.k8s.aws/v1beta1/targetgroupbindings";
const SERVICES: &str = "/api/v1/services";

#[tokio::test]
async fn a_refusal_is_no_emptiness() {
    let (cluster, _) = cluster(|call| match call.path.as_str() {
        // As it comes for a kind that isn't served: no Status at all.
        PARAMS => Some((404, json!("404 page not found"))),
        BINDINGS => Some(refusal(403, "Forbidden", "targetgroupbindings")),
        _ => empty(call),
    });
    let (stop, task) = watching(&cluster, None);
    until("two kinds are left", || cluster.missing().len() == 2 && cluster.troubles().len() == 2).await;
    assert_eq!(cluster.missing(), [Kind::IngressClassParams, Kind::Binding]);
    assert!(!cluster.is_ready());
    let troubles: Vec<String> = cluster.troubles().iter().map(ToString::to_string).collect();
    assert!(troubles[0].contains("install the CRD ingressclassparams.elbv2.k8s.aws"), "{troubles:?}");
    assert!(troubles[1].contains("grant get, list and watch on targetgroupbindings.elbv2.k8s.aws"), "{troubles:?}");
    assert!(cluster.metrics().watch_failures("targetgroupbindings.elbv2.k8s.aws", "forbidden") > 0);
    stop.cancel();
    task.await.unwrap().unwrap();
}

/// Helm does not add CRDs on an upgrade: without those of defaults and policies the rest works, and there are none.
#[tokio::test]
async fn a_kind_that_is_not_served_yet_delays_nothing() {
    let (cluster, _) = cluster(|call| match call.path.as_str() {
        "/apis/albedo.dev/v1alpha1/ingressdefaults" => Some((404, json!("404 page not found"))),
        "/apis/albedo.dev/v1alpha1/ingresspolicies" => Some(refusal(403, "Forbidden", "ingresspolicies")),
        _ => empty(call),
    });
    let (stop, task) = watching(&cluster, None);
    until("one kind is left", || cluster.missing() == [Kind::Policy] && cluster.troubles().len() == 2).await;
    assert!(!cluster.is_ready(), "what may not be read may be there");
    let troubles: Vec<String> = cluster.troubles().iter().map(ToString::to_string).collect();
    assert!(troubles[0].contains("install the CRD ingressdefaults.albedo.dev"), "{troubles:?}");
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_known_outlives_a_watch_that_fails() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let away = std::sync::Arc::new(AtomicBool::new(false));
    let (cluster, calls) = cluster({
        let away = away.clone();
        move |call| match call.path.as_str() {
            SERVICES if call.is_watch() || away.swap(true, Ordering::SeqCst) => Some(refusal(410, "Expired", "")),
            SERVICES => {
                Some((200, list(&json!([{"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"}}]))))
            }
            _ => empty(call),
        }
    });
    let (stop, task) = watching(&cluster, None);
    until("the Service is known", || cluster.read(|world| world.service(&Key::new("shop", "web")).is_some())).await;
    until("it was listed anew", || calls.lock().unwrap().iter().filter(|call| call.path == SERVICES).count() > 3).await;
    assert!(cluster.read(|world| world.service(&Key::new("shop", "web")).is_some()));
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_list_of_pages_with_a_bad_object_is_a_list() {
    let params = |name: &str, units: Value| json!({"metadata": {"name": name, "resourceVersion": "5"}, "spec": {"minimumLoadBalancerCapacity": {"capacityUnits": units}}});
    let (first, second) =
        (json!([params("a", json!(1)), params("bad", json!("many"))]), json!([params("c", json!(3))]));
    let (cluster, calls) = cluster(move |call| match call.path.as_str() {
        PARAMS if call.is_watch() => None,
        PARAMS if call.query.contains("continue=next") => Some((200, list(&second))),
        PARAMS => {
            let mut page = list(&first);
            page["metadata"]["continue"] = json!("next");
            Some((200, page))
        }
        _ => empty(call),
    });
    let (stop, task) = watching(&cluster, None);
    cluster.ready().await;
    assert_eq!(cluster.read(|world| world.keys(Kind::IngressClassParams)), [Key::new("", "a"), Key::new("", "c")]);
    let [bad] = cluster.unreadable().try_into().unwrap();
    assert_eq!(bad.key, Key::new("", "bad"));
    assert!(bad.error.starts_with("spec.minimumLoadBalancerCapacity.capacityUnits: "), "{}", bad.error);
    assert!(calls.lock().unwrap().iter().all(|call| call.is_watch() || call.query.contains("limit=500")));
    stop.cancel();
    task.await.unwrap().unwrap();
}

/// A watch that the API server refuses goes on, and so is no reason for a restart. One that gets no answer and no timeout hangs.
#[tokio::test]
async fn a_refused_watch_makes_progress_and_a_hanging_one_does_not() {
    const SHORT: Duration = Duration::from_millis(1_500);
    let (cluster, _) = cluster(|call| match call.path.as_str() {
        SERVICES => None,
        _ => Some(refusal(503, "ServiceUnavailable", "")),
    });
    let liveness = Liveness::new(Duration::MAX);
    let (stop, task) = watched_by(&liveness, &cluster, None);
    let silence = |resource: &str| liveness.silence(&format!("the watch of {resource}")).unwrap_or_default();
    until("one hangs", || silence("services") > SHORT).await;
    assert!(silence("pods") < SHORT, "{:?}", silence("pods"));
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_namespace_is_asked_for_alone() {
    let (cluster, calls) = cluster(empty);
    let (stop, task) = watching(&cluster, Some("shop"));
    cluster.ready().await;
    stop.cancel();
    task.await.unwrap().unwrap();
    let mut paths: Vec<String> = calls.lock().unwrap().iter().map(|call| call.path.clone()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(
        paths,
        [
            "/api/v1/namespaces",
            "/api/v1/namespaces/shop/pods",
            "/api/v1/namespaces/shop/services",
            "/api/v1/nodes",
            "/apis/albedo.dev/v1alpha1/ingressdefaults",
            "/apis/albedo.dev/v1alpha1/ingressgroups",
            "/apis/albedo.dev/v1alpha1/ingresspolicies",
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices",
            PARAMS,
            "/apis/elbv2.k8s.aws/v1beta1/namespaces/shop/targetgroupbindings",
            "/apis/networking.k8s.io/v1/ingressclasses",
            "/apis/networking.k8s.io/v1/namespaces/shop/ingresses",
        ]
    );
}

#[tokio::test]
async fn what_a_list_touches_is_in_the_feed() {
    let (cluster, _) = cluster(|call| match call.path.as_str() {
        "/apis/networking.k8s.io/v1/ingresses" if !call.is_watch() => {
            let metadata = json!({"name": "web", "namespace": "shop", "resourceVersion": "7",
                "annotations": {"kubernetes.io/ingress.class": "alb"}});
            Some((200, list(&json!([{"metadata": metadata, "spec": {}}]))))
        }
        _ => empty(call),
    });
    let (stop, task) = watching(&cluster, None);
    let changes = cluster.changes().next().await;
    assert!(matches!(changes.first(), Some(Unit::Group(group)) if group.to_string() == "shop/web"), "{changes:?}");
    stop.cancel();
    task.await.unwrap().unwrap();
}
