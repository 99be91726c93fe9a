//! A pause before the containers of a target stop. Kubernetes stops them and takes the Pod from its Services at the same moment; the load balancer hears of it
//! some seconds later, and until then it sends requests. While they sleep, containers go on serving.
//!
//! The `sleep` action needs no shell in the image. It is on by default from Kubernetes 1.30; older API servers drop it and then refuse the Pod:
//! <https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/#hook-handler-implementations>.

use serde_json::{Value, json};

use super::gates::selects;
use super::registration::PRE_STOP;
use super::{Context, Operation, PatchOp, Request, ReviewAnswer};

/// The first version with the action.
const SINCE: (u32, u32) = (1, 30);
/// Longest pause in seconds.
const LONGEST: u32 = 3600;
/// Seconds that Kubernetes gives a Pod that does not say how many.
const GRACE: i64 = 30;

/// The patch that adds the pause to containers without a preStop hook, and as much to the grace period of the Pod, whose application then has as
/// much time as before.
pub(super) fn mutate(request: &Request, pod: &Value, context: Context<'_>) -> ReviewAnswer {
    let mut answer = ReviewAnswer::allow();
    if request.operation != Operation::Create || !is_target(&request.namespace, pod, context) {
        return answer;
    }
    let seconds = match seconds(&request.namespace, pod, context) {
        Ok(0) => return answer,
        Ok(seconds) => seconds,
        Err(given) => {
            answer.warnings.push(format!("{PRE_STOP}: {given:?} is not a number of seconds from 0 to {LONGEST}"));
            return answer;
        }
    };
    if !context.world.is_at_least(SINCE) {
        answer.warnings.push(format!("{PRE_STOP} has no effect: it needs Kubernetes {}.{}", SINCE.0, SINCE.1));
        return answer;
    }
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    answer.patch = containers.iter().enumerate().filter_map(|(index, one)| pause(index, one, seconds)).collect();
    if !answer.patch.is_empty() {
        let given = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
        let grace = given.unwrap_or(GRACE).saturating_add(i64::from(seconds));
        let op = if given.is_some() { "replace" } else { "add" };
        let path = "/spec/terminationGracePeriodSeconds".to_owned();
        answer.patch.push(PatchOp { op, path, value: Some(json!(grace)) });
    }
    answer
}

fn pause(index: usize, container: &Value, seconds: u32) -> Option<PatchOp> {
    container.as_object()?;
    let hook = json!({"sleep": {"seconds": seconds}});
    let path = format!("/spec/containers/{index}/lifecycle");
    match container.get("lifecycle").filter(|lifecycle| lifecycle.is_object()) {
        None => Some(PatchOp { op: "add", path, value: Some(json!({"preStop": hook})) }),
        Some(lifecycle) if lifecycle.get("preStop").is_none_or(Value::is_null) => {
            Some(PatchOp { op: "add", path: format!("{path}/preStop"), value: Some(hook) })
        }
        Some(_) => None,
    }
}

/// The seconds of the Pod's annotation, or of the label of its namespace.
///
/// # Errors
/// The value, if it is no number of seconds that is allowed.
fn seconds(namespace: &str, pod: &Value, context: Context<'_>) -> Result<u32, String> {
    let annotations = pod.pointer("/metadata/annotations");
    let own = annotations.and_then(|annotations| annotations.get(PRE_STOP)?.as_str());
    let labels = context.world.namespace_labels(namespace);
    let given = own.or_else(|| labels?.get(PRE_STOP).map(String::as_str)).unwrap_or("0");
    given.parse().ok().filter(|seconds| *seconds <= LONGEST).ok_or_else(|| given.to_owned())
}

/// Whether a Service that an Ingress or a binding names selects the Pod.
fn is_target(namespace: &str, pod: &Value, context: Context<'_>) -> bool {
    let labels = pod.pointer("/metadata/labels");
    context.world.backends_in(namespace).any(|service| selects(service, labels))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::admit::registration::{PRE_STOP_PATH, ROWS};
    use crate::admit::{Object as Reviewed, Policy, review};
    use crate::facts::Facts;
    use crate::settings::Settings;
    use crate::world::{Object, World};

    fn reviewed(label: &str, version: Option<(u32, u32)>, pod: &Value) -> ReviewAnswer {
        let settings = Settings::new("demo");
        let mut world = World::new(settings.clone());
        let service = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}}});
        let ingress = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"ingressClassName": "alb",
            "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}});
        let labels = BTreeMap::from([(PRE_STOP.to_owned(), label.to_owned())]);
        world.apply(Object::Namespace { name: "shop".to_owned(), labels });
        world.apply(Object::Service(Box::new(serde_json::from_value(service).unwrap())));
        world.apply(Object::Ingress(Box::new(serde_json::from_value(ingress).unwrap())));
        if let Some(version) = version {
            world.learn_version(version);
        }
        let (facts, policy) = (Facts::default(), Policy::default());
        let now = Timestamp::UNIX_EPOCH;
        let context = Context { world: &world, facts: &facts, settings: &settings, policy: &policy, now };
        let request = Request {
            row: ROWS.iter().find(|row| row.path == PRE_STOP_PATH).unwrap(),
            operation: Operation::Create,
            namespace: "shop".to_owned(),
            name: String::new(),
            dry_run: false,
            user: String::new(),
            object: Some(Reviewed::Other(pod.clone())),
            old_object: None,
        };
        let answer = review(&request, context);
        assert!(answer.allowed);
        answer
    }

    /// The patch as text.
    fn patch(answer: &ReviewAnswer) -> Vec<String> {
        let told = |one: &PatchOp| format!("{} {} {}", one.op, one.path, one.value.clone().unwrap_or_default());
        answer.patch.iter().map(told).collect()
    }

    fn pod(containers: &Value) -> Value {
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}})
    }

    const NEW: Option<(u32, u32)> = Some((1, 34));

    #[test]
    fn containers_without_a_hook_sleep() {
        let mut two = pod(
            &json!([{"name": "a"}, {"name": "b", "lifecycle": {"postStart": {}}}, {"name": "c", "lifecycle": {"preStop": {"exec": {}}}}]),
        );
        let grace = "/spec/terminationGracePeriodSeconds";
        let hooks = [
            r#"add /spec/containers/0/lifecycle {"preStop":{"sleep":{"seconds":20}}}"#.to_owned(),
            r#"add /spec/containers/1/lifecycle/preStop {"sleep":{"seconds":20}}"#.to_owned(),
        ];
        let with = |last: String| hooks.iter().cloned().chain([last]).collect::<Vec<_>>();
        assert_eq!(patch(&reviewed("20", NEW, &two)), with(format!("add {grace} 50")));
        two["spec"]["terminationGracePeriodSeconds"] = json!(60);
        assert_eq!(patch(&reviewed("20", NEW, &two)), with(format!("replace {grace} 80")));
        let own = pod(&json!([{"name": "c", "lifecycle": {"preStop": {"exec": {}}}}]));
        assert_eq!(patch(&reviewed("20", NEW, &own)), Vec::<String>::new());
    }

    #[test]
    fn who_sleeps_and_how_long() {
        let one = pod(&json!([{"name": "a"}]));
        let mut other = one.clone();
        other["metadata"]["labels"] = json!({"app": "batch"});
        assert!(reviewed("20", NEW, &other).patch.is_empty(), "it is nobody's target");
        for (annotation, seconds) in [("0", None), ("45", Some("45"))] {
            let mut own = one.clone();
            own["metadata"]["annotations"] = json!({PRE_STOP: annotation});
            let patch = patch(&reviewed("20", NEW, &own));
            assert_eq!(
                patch.first().map(|first| first.contains(&format!("{}}}", seconds.unwrap_or("?")))),
                seconds.map(|_| true)
            );
        }
        for label in ["", "soon", "-1", "3601", "20s"] {
            let answer = reviewed(label, NEW, &one);
            assert!(answer.patch.is_empty() && answer.warnings.len() == 1, "{label}: {answer:?}");
        }
    }

    #[test]
    fn an_older_api_server_would_refuse_it() {
        let one = pod(&json!([{"name": "a"}]));
        for version in [None, Some((1, 29))] {
            let answer = reviewed("20", version, &one);
            assert!(answer.patch.is_empty());
            assert_eq!(answer.warnings, ["albedo.dev/pre-stop-sleep has no effect: it needs Kubernetes 1.30"]);
        }
        assert_eq!(reviewed("20", Some((1, 30)), &one).patch.len(), 2);
        for odd in [json!({}), json!([]), pod(&json!({})), pod(&json!([1, null]))] {
            assert!(reviewed("20", NEW, &odd).patch.is_empty(), "{odd}");
        }
    }
}
