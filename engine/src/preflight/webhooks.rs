//! Webhooks of LBC, which the API server calls although nothing answers once LBC is gone.

use k8s_openapi::api::admissionregistration::v1::{RuleWithOperations, WebhookClientConfig};

use super::{Input, Lines, controller};

/// What LBC's names of webhooks end with.
const LBCS: &str = ".elbv2.k8s.aws";

/// The failure policy with which requests go on; the default is `Fail`.
const IGNORE: &str = "Ignore";

/// One webhook.
struct Webhook<'w> {
    kind: &'static str,
    configuration: &'w str,
    name: &'w str,
    client: &'w WebhookClientConfig,
    /// Whether a request is refused if nothing answers.
    refuses: bool,
    resources: Vec<&'w str>,
}

/// The lines about them.
pub(super) fn lines(input: &Input<'_>, lines: &mut Lines<'_>) {
    let controller = controller::find(&input.found.deployments, input.named);
    let runs = controller.as_ref().is_some_and(|controller| controller.replicas > 0);
    let mut found = 0;
    for webhook in all(input) {
        let service = webhook.client.service.as_ref();
        let is_lbcs = webhook.name.ends_with(LBCS)
            || service
                .zip(controller.as_ref())
                .is_some_and(|(service, lbc)| selects(input, &service.namespace, &service.name, lbc));
        if !is_lbcs {
            continue;
        }
        found += 1;
        let place = format!("{} {}, webhook {}", webhook.kind, webhook.configuration, webhook.name);
        let what = webhook.resources.join(", ");
        let fix =
            format!("kubectl delete {} {}, before LBC is stopped", webhook.kind.to_lowercase(), webhook.configuration);
        let waits =
            format!("while LBC does not run, the API server waits in vain for an answer about {what}, and continues");
        let fails = format!("while LBC does not run, every request for {what} that it matches fails");
        match (webhook.refuses, runs) {
            (true, true) => lines.warns(&place, fails, fix),
            (true, false) => lines.blocks(&place, format!("{fails}, and it does not run"), fix),
            (false, _) => lines.warns(&place, waits, fix),
        }
    }
    if found == 0 && input.found.is_live {
        lines.fine("", "none");
    }
}

/// The webhooks of configurations of one kind: two types of Kubernetes with the same members.
macro_rules! webhooks {
    ($kind:literal, $configurations:expr) => {
        $configurations.iter().flat_map(|configuration| {
            configuration.webhooks.iter().flatten().map(|one| Webhook {
                kind: $kind,
                configuration: configuration.metadata.name.as_deref().unwrap_or_default(),
                name: &one.name,
                client: &one.client_config,
                refuses: one.failure_policy.as_deref() != Some(IGNORE),
                resources: resources(one.rules.as_deref()),
            })
        })
    };
}

fn all<'i>(input: &Input<'i>) -> impl Iterator<Item = Webhook<'i>> {
    let mutating = webhooks!("MutatingWebhookConfiguration", input.found.mutating);
    mutating.chain(webhooks!("ValidatingWebhookConfiguration", input.found.validating))
}

fn resources(rules: Option<&[RuleWithOperations]>) -> Vec<&str> {
    rules.iter().copied().flatten().flat_map(|rule| rule.resources.iter().flatten()).map(String::as_str).collect()
}

/// Whether a Service selects the Pods of LBC.
fn selects(input: &Input<'_>, namespace: &str, name: &str, lbc: &controller::Controller) -> bool {
    let key = crate::kinds::Key::new(namespace, name);
    let service = input.manifests.world.service(&key).filter(|_| namespace == lbc.key.namespace);
    let selector = service.and_then(|service| service.spec.as_ref()?.selector.as_ref());
    selector.is_some_and(|selector| {
        !selector.is_empty() && selector.iter().all(|(key, value)| lbc.labels.get(key) == Some(value))
    })
}
