//! Rules of listeners and their transforms:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html>.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Action, Condition, RuleTags};

/// A rule of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// 1–50000, lower first.
    pub priority: u32,
    /// All have to match. Shared between the member's spec and all states that hold the rule.
    pub conditions: Arc<[Condition]>,
    /// What is done, the routing action last. Shared in the same way.
    pub actions: Arc<[Action]>,
    /// Rewrites before routing. Shared in the same way.
    pub transforms: Arc<[Transform]>,
    /// Tags, tracking ones included.
    pub tags: RuleTags,
}

/// What is done with a request.
#[derive(Debug, Clone, Copy)]
pub struct Treatment<'r> {
    /// The actions, the routing action last.
    pub actions: &'r [Action],
    /// Rewrites before routing.
    pub transforms: &'r [Transform],
}

impl<'r> Treatment<'r> {
    /// What a listener does with a request that no rule matches.
    #[must_use]
    pub const fn by_default(actions: &'r [Action]) -> Self {
        Self { actions, transforms: &[] }
    }

    /// Whether both rewrite a request in the same way: one transform of each type, in any order.
    #[must_use]
    pub fn rewrites_as(&self, other: &Self) -> bool {
        let sorted = |treatment: &Self| {
            let mut transforms = treatment.transforms.to_vec();
            transforms.sort();
            transforms
        };
        sorted(self) == sorted(other)
    }

    /// What is done before the request is answered: authentication, rewrites.
    #[must_use]
    pub fn before(&self) -> Vec<String> {
        let gates = self.actions.iter().filter_map(|action| match action {
            Action::AuthenticateOidc(_) | Action::AuthenticateCognito(_) | Action::Unknown { .. } => {
                Some(action.to_string())
            }
            Action::JwtValidation(token) => Some(format!("{action} of {}", token.issuer)),
            Action::Forward(_) | Action::Redirect(_) | Action::FixedResponse(_) => None,
        });
        gates.chain(self.transforms.iter().map(ToString::to_string)).collect()
    }
}

impl Rule {
    /// Whether it has no transforms where AWS holds some, which AWS keeps unless it is told to reset them.
    #[must_use]
    pub fn resets(&self, there: &Self) -> bool {
        self.transforms.is_empty() && !there.transforms.is_empty()
    }

    /// What it does with the requests that match it.
    #[must_use]
    pub fn treatment(&self) -> Treatment<'_> {
        Treatment { actions: &self.actions, transforms: &self.transforms }
    }

    /// AWS's names of its unknown conditions, actions and transforms.
    #[must_use]
    pub fn unknown(&self) -> Vec<&str> {
        let conditions = self.conditions.iter().filter_map(|condition| match condition {
            Condition::Unknown { name, .. } => Some(name.as_str()),
            _ => None,
        });
        let transforms = self.transforms.iter().filter_map(|transform| match transform {
            Transform::Unknown(name) => Some(name.as_str()),
            _ => None,
        });
        conditions.chain(Action::unknown(&self.actions)).chain(transforms).collect()
    }
}

/// A rewrite of the request before routing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", content = "rewrites", rename_all = "kebab-case")]
pub enum Transform {
    /// Of the host header.
    HostHeaderRewrite(Vec<Rewrite>),
    /// Of the path and query.
    UrlRewrite(Vec<Rewrite>),
    /// A transform that AWS holds and this version cannot read: its type in AWS's words.
    Unknown(String),
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rewrite {
    /// What is replaced.
    pub regex: String,
    /// By what.
    pub replace: String,
}

impl Transform {
    /// AWS's names of its type and of the member with its rewrites; the word for what it rewrites; its rewrites.
    #[must_use]
    pub fn parts(&self) -> (&str, &'static str, &str, &[Rewrite]) {
        match self {
            Self::HostHeaderRewrite(rewrites) => ("host-header-rewrite", "HostHeaderRewriteConfig", "host", rewrites),
            Self::UrlRewrite(rewrites) => ("url-rewrite", "UrlRewriteConfig", "URL", rewrites),
            Self::Unknown(name) => (name, "", name, &[]),
        }
    }
}

/// One text for plans and traces: `rewrite the URL: ^/a to /b`.
impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, _, what, rewrites) = self.parts();
        for (index, Rewrite { regex, replace }) in rewrites.iter().enumerate() {
            write!(f, "{}rewrite the {what}: {regex} to {replace}", if index == 0 { "" } else { ", then " })?;
        }
        match self {
            Self::Unknown(name) => write!(f, "{name} (unknown transform)"),
            _ => Ok(()),
        }
    }
}

/// In one line: priority, conditions, actions.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.priority)?;
        let joined =
            |f: &mut fmt::Formatter<'_>, index: usize, by: &str| if index == 0 { Ok(()) } else { f.write_str(by) };
        for (index, condition) in self.conditions.iter().enumerate() {
            joined(f, index, " and ").and_then(|()| condition.fmt(f))?;
        }
        f.write_str(if self.transforms.is_empty() { " -> " } else { " -> rewrite, then " })?;
        for (index, action) in self.actions.iter().enumerate() {
            joined(f, index, ", then ").and_then(|()| action.fmt(f))?;
        }
        Ok(())
    }
}
