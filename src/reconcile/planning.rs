//! A group's plan: what its targets allow, and never applied before the model of traffic has seen it through.

use std::time::Duration;

use albedo_engine::facts::Quota;
use albedo_engine::kinds::{IngressGroup, TargetGroupBinding};
use albedo_engine::link::Linked;
use albedo_engine::plan::{self, Difference, Input, Misroute, ObservedBinding, Plan, Targets, TargetsByArn};
use albedo_engine::stack::{Desired, Observed, Ref};
use albedo_engine::targets;
use albedo_engine::world::View;
use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::binding::is_released;
use super::{PassError, Reconciler};
use crate::cloud::CloudError;

impl Reconciler {
    /// The next pass; `None` when the group is blocked.
    pub(super) async fn plan(
        &self,
        view: &View,
        linked: &Linked,
        observed: &Observed,
    ) -> Result<Option<Plan>, PassError> {
        let Some(desired) = &linked.desired else { return Ok(None) };
        let bindings = observed_bindings(view);
        let input = self.input(desired, observed, &bindings);
        let difference = plan::diff(input);
        #[cfg(debug_assertions)]
        if let Some(plan) = super::disorder::disordered(&difference, input) {
            return Ok(Some(plan));
        }
        let targets = self.targets(view, &difference, input).await?;
        // The plan of hundreds of rules takes long, and a thread of the runtime that computes serves no connection.
        apart(|| self.checked(view, difference, Input { targets: Some(&targets), ..input })).map(Some)
    }

    pub(super) fn input<'a>(
        &'a self,
        desired: &'a Desired,
        observed: &'a Observed,
        bindings: &'a [ObservedBinding],
    ) -> Input<'a> {
        let settings = &self.shared.settings;
        let rules = self.shared.account.get().limit(Quota::Rules, Timestamp::now());
        Input {
            desired,
            observed,
            bindings,
            cluster: &settings.cluster_name,
            external_tags: &settings.external_managed_tags,
            default_tags: &settings.default_tags,
            rule_quota: usize::try_from(rules.max).unwrap_or(usize::MAX),
            targets: None,
        }
    }

    /// Whether there would be nothing to do.
    pub(super) fn is_reached(&self, view: &View, desired: &Desired, observed: &Observed) -> bool {
        apart(|| plan::plan(self.input(desired, observed, &observed_bindings(view))).is_empty())
    }

    /// What is known of the targets that decide whether rules may change now. Nearly always nothing has to be asked.
    async fn targets(&self, view: &View, difference: &Difference, input: Input<'_>) -> Result<TargetsByArn, PassError> {
        let mut targets = TargetsByArn::new();
        let asked = plan::asks(difference);
        // Of target groups that others made nobody here knows what to wait for.
        for found in input.observed.target_groups.iter().filter(|found| asked.contains(&found.arn)) {
            let health = match self.shared.cloud.target_health(&found.arn).boxed().await {
                Ok(health) => health,
                Err(CloudError::NotFound(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let binding = input.bindings.iter().find(|binding| binding.target_group == found.arn);
            let registered = binding.is_some_and(|binding| binding.registered);
            let waited = binding.map_or(Duration::ZERO, |binding| age(view, binding));
            targets.insert(found.arn.clone(), Targets::of(&health, registered, waited));
        }
        Ok(targets)
    }

    /// The plan, or a slower one where the first would misroute somebody, which is a defect.
    fn checked(&self, view: &View, difference: Difference, input: Input<'_>) -> Result<Plan, PassError> {
        let plan = plan::order(difference.clone(), input);
        let wrong = plan::check(&plan, input);
        if wrong.is_empty() {
            for gap in &plan.gaps {
                tracing::warn!(group = %view.group, request = %gap.request, "the quota of rules leaves no order without a gap");
            }
            return Ok(plan);
        }
        self.defect(view, &plan, &wrong, "a slower order is taken");
        let slow = plan::order_slowly(difference, input);
        match plan::check(&slow, input).first() {
            None => Ok(slow),
            Some(first) => {
                self.defect(view, &slow, &wrong, "nothing is changed");
                Err(PassError::Misrouting(first.to_string()))
            }
        }
    }

    /// A plan that is not applied, in the log, the metrics and the events of the group's members.
    fn defect(&self, view: &View, plan: &Plan, wrong: &[Misroute], then: &str) {
        let first = wrong.first().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            group = %view.group, misroutes = wrong.len(), first,
            "a defect of albedo: this plan would misroute requests and is not applied; {then}\n{}", plan::show(plan)
        );
        self.shared.metrics.defect();
        // The request has a host and a path of one of them.
        let example = if view.is_of_one_namespace() { format!(": {first}") } else { String::new() };
        for member in &view.members {
            let text =
                format!("a defect of albedo: a plan would misroute requests and is not applied; {then}{example}");
            self.warn(&member.ingress, "PlanDefect", text);
        }
    }
}

/// Computes while another thread takes over what this one has to do for the runtime.
fn apart<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// How long a binding has been there.
fn age(view: &View, binding: &ObservedBinding) -> Duration {
    let same = |kind: &&std::sync::Arc<TargetGroupBinding>| {
        kind.metadata.name.as_deref() == Some(&binding.is.name)
            && kind.metadata.namespace.as_deref() == Some(&binding.is.namespace)
    };
    let created = view.bindings.iter().find(same).and_then(|kind| kind.metadata.creation_timestamp.as_ref());
    let age = created.map(|created| Timestamp::now().duration_since(created.0));
    age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
}

pub(super) fn observed_bindings(view: &View) -> Vec<ObservedBinding> {
    let ledger = view.ledger.as_deref();
    view.bindings.iter().filter_map(|binding| observed_binding(binding, ledger)).collect()
}

fn observed_binding(binding: &TargetGroupBinding, ledger: Option<&IngressGroup>) -> Option<ObservedBinding> {
    let is = targets::from_kind(binding)?;
    let Ref::Known(target_group) = is.target_group.clone() else { return None };
    let registered = binding.status.as_ref().and_then(|status| status.observed_generation);
    Some(ObservedBinding {
        target_group,
        registered: registered.is_some() && registered == binding.metadata.generation,
        deleting: binding.metadata.deletion_timestamp.is_some(),
        released: is_released(binding, ledger),
        is,
    })
}
