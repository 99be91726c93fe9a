//! Keys, families, scopes and merge rules fit each other.

use std::collections::HashSet;

use super::*;
use crate::annotation::{Merge, OnService, Scope};

#[test]
fn rows_are_found_by_key() {
    assert_eq!(row("scheme").map(|row| row.scope), Some(Scope::GroupExclusive));
    assert_eq!(row("actions.ssl-redirect").map(|row| row.key), Some("actions."));
    assert_eq!(row("ssl-redirect").map(|row| row.scope), Some(Scope::Listener));
    assert_eq!(row("listener-attributes.HTTPS-443").map(|row| row.key), Some("listener-attributes."));
    assert_eq!(row("target-control-port.svc.http").map(|row| row.key), Some("target-control-port."));
    for unknown in ["", "actions", "actions.", "schemes", "Scheme", "scheme.x", "group", "group."] {
        assert_eq!(row(unknown), None, "{unknown}");
    }
}

#[test]
fn keys_are_unique_and_rows_are_complete() {
    let mut keys = HashSet::new();
    for row in every_row() {
        assert!(keys.insert(row.full_key()), "{} twice", row.key);
        assert!(!row.doc.is_empty() && row.doc.ends_with('.'), "{}: doc", row.key);
        assert_eq!(row.family, row.key.ends_with('.'), "{}", row.key);
        assert!(row.scope == Scope::Output || !row.example.is_empty(), "{}: example", row.key);
    }
    assert_eq!(keys.len(), 77);
}

#[test]
fn no_row_hides_another() {
    for one in rows() {
        assert_eq!(row(one.key).is_some(), !one.family, "{}", one.key);
        let suffix = if one.family { format!("{}name", one.key) } else { one.key.to_owned() };
        assert_eq!(row(&suffix), Some(one));
    }
}

#[test]
fn a_scope_fits_its_merge_rule() {
    for row in rows() {
        let alone = matches!(row.scope, Scope::Ingress | Scope::Rule | Scope::TargetGroup | Scope::Output);
        assert_eq!(row.merge == Merge::Own, alone, "{}", row.key);
        let service = matches!(row.scope, Scope::TargetGroup | Scope::Rule) || row.key == "tags";
        assert!(row.on_service == OnService::Unread || service, "{}", row.key);
    }
}
