//! The settings of target groups, each with where it comes from, for people.

use super::reader::FaultReporting;
use super::resolve::Annotations;
use super::{Compiler, Context};
use crate::annotation::{Scope, Values, rows};
use crate::world::ClassifiedMember;

/// What a member and a Service of it say of the Service's target groups, flags and defaults included. Values that cannot be read are left
/// out. Keys that name a Service themselves are not among them.
#[must_use]
pub fn target_settings(member: &ClassifiedMember, service: Option<&Annotations>, context: Context<'_>) -> Values {
    let mut compiler = Compiler::new(member, context);
    let mut values = Values::default();
    for row in rows().filter(|row| row.scope == Scope::TargetGroup && !row.family) {
        if let Ok(set) = compiler.resolve_row(row, row.key, service, FaultReporting::Skip)
            && let Some(resolved) = set.or_else(|| row.fallback(context.settings))
        {
            values.insert(row, resolved);
        }
    }
    values
}
