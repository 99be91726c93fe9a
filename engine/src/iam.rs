//! What Albedo needs to be allowed in AWS: the IAM policy of its role, written from one table of actions.
//!
//! The grammar of a policy, its operators and its limits:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.

mod actions;
mod statements;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::annotation::arn::PARTITIONS;
pub use actions::{ACTIONS, Action, Need};
pub use statements::{ResourceType, STATEMENTS, Statement};

/// What a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The role of Albedo, for as long as it runs.
    Run,
    /// For as long as LBC's resources without tags are taken over: they may be tagged. It is attached beside the other policy.
    TagUntagged,
}

/// Where and for whom a policy is. What is not said is not restricted.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The partition of all ARNs, one of [`PARTITIONS`].
    pub partition: &'a str,
    /// The cluster: only resources with its name in the tag `elbv2.k8s.aws/cluster` may be changed. Without it, those that have the tag.
    pub cluster: Option<&'a str>,
    /// The VPC whose security groups may get rules. Without it, those of every VPC.
    pub vpc: Option<&'a str>,
    /// ARNs of roles that may be assumed: those that bindings name in `iamRoleArnToAssume`.
    pub roles: &'a [String],
}

/// The partition of this name.
///
/// # Errors
/// If AWS has none of this name: the names that it has.
pub fn partition(name: &str) -> Result<&'static str, String> {
    let known = PARTITIONS.into_iter().find(|known| *known == name);
    known.ok_or_else(|| format!("AWS has no partition of this name; use one of {}", PARTITIONS.join(", ")))
}

/// A policy document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'a str,
    statement: Vec<Allow<'a>>,
}

/// A statement of a policy document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Allow<'a> {
    sid: &'a str,
    effect: &'a str,
    action: BTreeSet<&'a str>,
    resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a str>>>,
}

/// The policy as JSON, with a line break at the end.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn policy(purpose: Purpose, scope: Scope<'_>) -> Result<String, serde_json::Error> {
    // What a condition compares with has to live as long as the document.
    let vpc = scope.vpc.map(|id| format!("arn:{}:ec2:*:*:vpc/{id}", scope.partition));
    let wanted = STATEMENTS.iter().filter(|statement| statement.purpose == purpose);
    let mut statement: Vec<Allow<'_>> = wanted.map(|statement| allow(statement, scope, vpc.as_deref())).collect();
    if !scope.roles.is_empty() {
        let (action, resource) = (BTreeSet::from(["sts:AssumeRole"]), scope.roles.iter().cloned().collect());
        let (sid, effect, condition) = ("AssumeRolesOfTargets", "Allow", BTreeMap::new());
        statement.push(Allow { sid, effect, action, resource, condition });
    }
    serde_json::to_string_pretty(&Document { version: "2012-10-17", statement }).map(|text| text + "\n")
}

fn allow<'a>(statement: &'a Statement, scope: Scope<'a>, vpc: Option<&'a str>) -> Allow<'a> {
    let rows = || ACTIONS.iter().filter(|row| row.statement == statement.sid);
    // An action of AWS that knows no resources can be allowed on all only.
    let is_narrow = rows().all(|row| !row.on.is_empty());
    let types: BTreeSet<ResourceType> = rows().flat_map(|row| row.on).copied().collect();
    let resource = if is_narrow {
        ResourceType::in_short(types).into_iter().flat_map(|kind| kind.arns(scope.partition, scope.vpc)).collect()
    } else {
        BTreeSet::from(["*".to_owned()])
    };
    let mut condition: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for (operator, key, values) in statement.conditions.iter().filter_map(|one| one.test(scope.cluster, vpc)) {
        condition.entry(operator).or_default().insert(key, values);
    }
    Allow { sid: statement.sid, effect: "Allow", action: rows().map(|row| row.action).collect(), resource, condition }
}
