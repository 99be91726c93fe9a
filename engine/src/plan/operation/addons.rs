//! Add-ons of a load balancer, one row each: which calls attach and detach it, and how it is shown.

use serde_json::{Value, json};

use super::{
    ApiCall, ApiService, Aspect, CallDescription, CallEffect, DependsOn, Importance, ResourceKind, RouteChange,
};
use crate::stack::{Addon, Addons, Attachment, Ref};

/// An add-on. In texts `{}` stands for what is attached.
struct AddonRow {
    api: ApiService,
    /// The actions that attach and detach it.
    calls: [&'static str; 2],
    /// What follows the load balancer in the text of these two.
    operation: [&'static str; 2],
    /// The signs of these two: a change of the load balancer, or a resource of its own.
    signs: [char; 2],
    /// As a desired state: attached and not.
    shown: [&'static str; 2],
    /// The member of the JSON form, and the member of the request in it.
    json: [&'static str; 2],
    /// Whether it is a number in JSON, 0 for nothing.
    is_number: bool,
    /// Whether it protects the old rules until the new ones are in effect.
    protects: bool,
}

/// The calls that attach and detach add-ons.
pub fn addon_calls() -> impl Iterator<Item = ApiCall> {
    Addon::ALL.into_iter().map(row).flat_map(|row| row.calls.map(|name| ApiCall { api: row.api, name }))
}

#[rustfmt::skip]
const fn row(addon: Addon) -> AddonRow {
    match addon {
        Addon::WebAcl => AddonRow {
            api: ApiService::WafV2, calls: ["AssociateWebACL", "DisassociateWebACL"],
            operation: [": {}", ""], signs: ['~', '~'], shown: ["web ACL {}", "web ACL none"],
            json: ["WebAcl", "WebACLArn"], is_number: false, protects: true,
        },
        Addon::ClassicWebAcl => AddonRow {
            api: ApiService::WafRegional, calls: ["AssociateWebACL", "DisassociateWebACL"],
            operation: [": {} of WAF Classic", " of WAF Classic"], signs: ['~', '~'],
            shown: ["web ACL of WAF Classic {}", "web ACL of WAF Classic none"],
            json: ["ClassicWebAcl", "WebACLId"], is_number: false, protects: true,
        },
        Addon::Shield => AddonRow {
            api: ApiService::Shield, calls: ["CreateProtection", "DeleteProtection"],
            operation: ["", ""], signs: ['+', '-'], shown: ["Shield Advanced on", "Shield Advanced off"],
            json: ["Protection", "Name"], is_number: false, protects: true,
        },
        Addon::Capacity => AddonRow {
            api: ApiService::Elbv2, calls: ["ModifyCapacityReservation", "ModifyCapacityReservation"],
            operation: [": {} units", ": 0 units"], signs: ['~', '~'], shown: ["capacity units {}", "capacity units 0"],
            json: ["MinimumLoadBalancerCapacity", "CapacityUnits"], is_number: true, protects: false,
        },
    }
}

/// Of two texts or calls, the one for what is attached or the one for nothing.
fn of<T: Copy>([attached, nothing]: [T; 2], is: Option<&str>) -> T {
    if is.is_some() { attached } else { nothing }
}

fn text(texts: [&str; 2], is: Option<&str>) -> String {
    of(texts, is).replace("{}", is.unwrap_or_default())
}

/// What it does to attach this to a load balancer, or to detach what is there.
pub(super) fn describe<'o>(load_balancer: &Ref, addon: Addon, is: Option<&'o str>) -> CallDescription<'o> {
    let row = row(addon);
    CallDescription {
        call: ApiCall { api: row.api, name: of(row.calls, is) },
        effect: CallEffect::Change(ResourceKind::LoadBalancer, load_balancer.clone(), Aspect::Attachment(addon, is)),
        routes: RouteChange::Unchanged,
        depends_on: if row.protects && is.is_none() { DependsOn::AllListeners } else { DependsOn::Nothing },
        importance: Importance::Optional,
    }
}

pub(super) fn about(load_balancer: &Ref, addon: Addon, is: Option<&str>) -> String {
    format!("{load_balancer}{}", text(row(addon).operation, is))
}

pub(super) fn sign(addon: Addon, is: Option<&str>) -> char {
    of(row(addon).signs, is)
}

/// A desired attachment in words.
#[must_use]
pub(in crate::plan) fn words(addon: Addon, is: &Attachment) -> String {
    text(row(addon).shown, id(is))
}

/// The JSON forms of desired attachments by their members: the request that attaches, or `none`.
pub(in crate::plan) fn shapes(addons: &Addons) -> impl Iterator<Item = (&'static str, Value)> {
    addons.iter().map(|(addon, is)| {
        let row = row(*addon);
        let [member, field] = row.json;
        let value = match id(is) {
            None if row.is_number => json!({field: 0}),
            None => json!("none"),
            Some(is) if row.is_number => json!({field: is.parse::<i32>().unwrap_or_default()}),
            Some(is) => json!({field: is}),
        };
        (member, value)
    })
}

fn id(of: &Attachment) -> Option<&str> {
    match of {
        Attachment::To(id) => Some(id),
        Attachment::Nothing | Attachment::Foreign => None,
    }
}
