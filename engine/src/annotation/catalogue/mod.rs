//! The catalogue: one row for every annotation key, from which parsing, merging, docs and suggestions are derived.

/// A table of settings, and the list of their rows: `NAME: type of the value = Setting::new(key, scope, grammar, merge rule, example, doc)…;`.
macro_rules! settings {
    ($rows:ident: $($name:ident: $value:ty = $setting:expr;)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`: see its row.")]
            pub static $name: Setting<$value> = $setting;
        )+

        pub(super) const $rows: &[&SettingRow] = &[$(&$name.row),+];
    };
}

mod frontend_nlb;
mod group;
mod listener;
mod other;
mod rule;
mod target_group;

use super::row::SettingRow;
use super::setting::Setting;
use crate::stack::{Attributes, LoadBalancerKind};

pub use frontend_nlb::*;
pub use group::*;
pub use listener::*;
pub use rule::*;
pub use target_group::*;

/// Every annotation that means something, those of other domains last.
pub fn every_row() -> impl Iterator<Item = &'static SettingRow> {
    rows().chain(other::OTHER_ROWS.iter().copied())
}

/// Every row under our prefix, the scopes together.
pub fn rows() -> impl Iterator<Item = &'static SettingRow> {
    [GROUP_ROWS, LISTENER_ROWS, RULE_ROWS, TARGET_GROUP_ROWS, FRONTEND_NLB_ROWS].into_iter().flatten().copied()
}

/// The setting with the attributes of a load balancer.
#[must_use]
pub fn attributes_of(kind: LoadBalancerKind) -> &'static Setting<Attributes> {
    match kind {
        LoadBalancerKind::Application => &LOAD_BALANCER_ATTRIBUTES,
        LoadBalancerKind::Network => &FRONTEND_NLB_ATTRIBUTES,
    }
}

/// The row of a key given without its prefix. A family matches when something follows its dot.
#[must_use]
pub fn row(suffix: &str) -> Option<&'static SettingRow> {
    rows().find(|row| match suffix.strip_prefix(row.key) {
        Some(rest) => rest.is_empty() != row.family,
        None => false,
    })
}

#[cfg(test)]
mod tests;
