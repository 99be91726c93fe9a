//! Plans in a wrong order on purpose, for the test that shows that the order matters: builds without debug assertions don't have it.
//!
//! It is here and not in the gate before AWS: a plan's writes lean on the answers of those before, so only Albedo itself can make them in another
//! order. Everything else of a pass stays as it is.

use albedo_engine::plan::operation::{CallEffect, ResourceKind};
use albedo_engine::plan::{self, Difference, Input, KubeOperation, Operation, Plan};

/// Set to anything: plans wait for no targets, what goes does so first, and no check sees the plan.
const VARIABLE: &str = "ALBEDO_TEST_DISORDER";

/// The plan in a wrong order, if that is asked for.
pub(super) fn disordered(difference: &Difference, input: Input<'_>) -> Option<Plan> {
    std::env::var_os(VARIABLE)?;
    tracing::warn!("{VARIABLE} is set: plans are in a wrong order, and requests will fail");
    let mut plan = plan::order(difference.clone(), Input { targets: None, ..input });
    plan.operations.sort_by_key(|operation| !goes_first(operation));
    Some(plan)
}

/// What goes and can go first: AWS refuses to delete what is in use.
fn goes_first(operation: &Operation) -> bool {
    match operation {
        Operation::Kube(operation) => matches!(operation, KubeOperation::DeleteBinding { .. }),
        Operation::Aws(operation) => matches!(
            operation.describe().effect,
            CallEffect::Delete(ResourceKind::Listener | ResourceKind::Rule, _) | CallEffect::Remove(..)
        ),
    }
}
