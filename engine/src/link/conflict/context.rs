//! Whether a differing setting is a conflict: not what the parameters of the first member's class settle, nor what has no effect.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Agreement, asks_for_nlb, comes_before};
use crate::annotation::catalogue::{SECURITY_GROUPS, SSL_REDIRECT, rows, switches_redirect_off};
use crate::annotation::{SettingRow, When};
use crate::compile::{Fragment, SettingKey};
use crate::link::merge::settled;
use crate::stack::Protocol;

/// What any member sets, whoever comes first, and what decides whether settings of others have an effect.
#[derive(Debug, Default)]
pub(super) struct ConflictContext {
    /// Settings that are given and take the effect from others.
    winning: BTreeSet<&'static SettingRow>,
    /// Security groups are named; beside a managed one the setting for those of targets has no effect.
    own_security_groups: bool,
    /// A redirect to HTTPS is set, so that HTTP listeners have no default backends.
    redirect: bool,
    /// A class switches the redirect off, wherever it would go.
    redirect_off: bool,
}

impl ConflictContext {
    pub(super) fn of<'f>(all: impl IntoIterator<Item = &'f Arc<Fragment>>) -> Self {
        let mut context = Self::default();
        let winners: Vec<&SettingRow> = rows().filter_map(|row| row.when.winner()).collect();
        for fragment in all {
            let values = &fragment.values;
            context.winning.extend(values.iter().map(|(row, _)| row).filter(|row| winners.contains(row)));
            context.own_security_groups |= values.has(&SECURITY_GROUPS);
            context.redirect |= values.get(&SSL_REDIRECT).is_some();
            context.redirect_off |= fragment.params.iter().any(|params| switches_redirect_off(&params.spec));
        }
        context
    }

    fn leads_to_https(&self) -> bool {
        self.redirect && !self.redirect_off
    }
}

impl Agreement {
    /// Whether differing values are a conflict in a group that a newcomer has joined.
    pub(super) fn counts(&self, key: &SettingKey, newcomer: &Fragment) -> bool {
        let Some(row) = key.row() else {
            let http = matches!(key, SettingKey::DefaultBackend(_, Protocol::Http));
            return !http || !self.context.leads_to_https();
        };
        match row.when {
            When::NetworkLoadBalancer => return self.nlb || asks_for_nlb(newcomer),
            When::Without(other, _) => return !self.context.winning.contains(other),
            When::OwnSecurityGroups => return self.context.own_security_groups,
            _ if *row == SSL_REDIRECT.row => return !self.context.redirect_off,
            _ => {}
        }
        let first = match key {
            SettingKey::PortItem(_, port, ..) => {
                let before = self.first_on.get(port).map(|fragment| &**fragment);
                if newcomer.listeners.contains_key(port) { Some(earlier(before, newcomer)) } else { before }
            }
            _ => Some(earlier(self.first.as_deref(), newcomer)),
        };
        first.is_none_or(|first| settled(first, key).is_none())
    }

    /// Whether a newcomer comes before all others, or before all others on a port.
    pub(super) fn leads(&self, newcomer: &Fragment) -> bool {
        let before = |other: &Fragment| comes_before(newcomer, other);
        self.first.as_deref().is_some_and(before)
            || newcomer.listeners.keys().filter_map(|port| self.first_on.get(port)).any(|first| before(first))
    }
}

fn earlier<'f>(before: Option<&'f Fragment>, newcomer: &'f Fragment) -> &'f Fragment {
    before.filter(|before| comes_before(before, newcomer)).unwrap_or(newcomer)
}
