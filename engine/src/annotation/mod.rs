//! Annotations as data: which keys there are, how their values are read, and what somebody meant who wrote another.
//!
//! Everything reads as the AWS Load Balancer Controller reads it, so that a manifest means the same here.

pub mod action;
mod action_limits;
pub mod arn;
pub mod attributes;
pub mod auth;
pub mod catalogue;
pub mod check;
pub mod cidr;
pub mod condition;
pub mod condition_limits;
pub mod control;
pub mod decode;
pub mod defaults;
pub mod group;
pub mod json;
pub mod jwt;
pub mod listen_ports;
pub mod mutual_authentication;
pub mod names;
pub mod nearest;
pub mod params;
pub mod parse;
mod place;
pub mod policy;
pub mod read;
pub mod regex;
pub mod row;
pub mod schema_rules;
mod selector;
pub mod setting;
pub mod similar;
pub mod ssl_policy;
pub mod tags;
pub mod transform;
pub mod url;
pub mod value;

pub use arn::{AcmCertificateArn, Arn};
pub use catalogue::{every_row, row, rows};
pub use check::check;
pub use cidr::Cidr;
pub use nearest::{Nearest, Why, misspelt_prefix, nearest};
pub use parse::{ParseError, Pointer};
pub use place::place;
pub use read::Read;
pub use row::{Grammar, Merge, OnService, Scope, SettingRow, When, Wins};
pub use setting::{Resolved, Setting, Source, Values};
pub use similar::nearest_of;
pub use value::{SettingValue, Subnets, Value};

/// What every key of ours begins with. There is no other prefix for Ingresses.
pub const PREFIX: &str = "alb.ingress.kubernetes.io/";

/// Lists the keys (without their prefix) that admission wrote as defaults, sorted, comma-separated.
pub const DEFAULTED: &str = "albedo.dev/defaulted";

/// The annotation whose every new value asks for a full read of the group.
pub const RECONCILE_AT: &str = "albedo.dev/reconcile-at";

/// The annotation that named an Ingress' class before `spec.ingressClassName` did.
pub const LEGACY_CLASS: &str = "kubernetes.io/ingress.class";
