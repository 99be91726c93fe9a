//! Values of settings in a few shapes, so that all are compared, merged and shown alike whatever their type.

use std::collections::BTreeMap;
use std::fmt;

use super::action;
use crate::stack::{
    Authenticate, Condition, IpAddressType, JwtValidation, MutualAuthentication, Protocol, ProtocolVersion, Scheme,
    TargetType, Transform, WebAcl,
};

/// What a setting says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any text.
    Text(String),
    /// Items in the order written.
    List(Vec<String>),
    /// Pairs; of equal keys the last one written.
    Map(BTreeMap<String, String>),
    /// Tags of what is meant: every key with one of its values.
    Tagged(BTreeMap<String, Vec<String>>),
    /// One value for each port.
    ByPort(BTreeMap<u16, Value>),
    /// Client certificates on one port. Until the facts are asked, the trust store stands as written: its ARN or its name.
    ClientCertificates(Box<MutualAuthentication>),
    /// What a rule does.
    Action(Box<action::Written>),
    /// What requests must be like.
    Conditions(Vec<Condition>),
    /// How requests are rewritten.
    Transforms(Vec<Transform>),
    /// The identity provider where users log in; its Secret has no namespace yet.
    Authenticate(Box<Authenticate>),
    /// The JSON web tokens that are valid.
    Jwt(Box<JwtValidation>),
}

impl Value {
    /// Whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(pairs) => pairs.is_empty(),
            Self::ByPort(ports) => ports.is_empty(),
            _ => false,
        }
    }
}

/// As one writes it in an annotation or in `IngressClassParams`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(on) => write!(f, "{on}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => f.write_str(&items.join(",")),
            Self::Map(pairs) => f.write_str(&joined(pairs.iter().map(|(key, value)| format!("{key}={value}")))),
            Self::Tagged(tags) => {
                let tag = |(key, values): (&String, &Vec<String>)| format!("{key}: [{}]", values.join(", "));
                write!(f, "tags: {{{}}}", tags.iter().map(tag).collect::<Vec<_>>().join(", "))
            }
            Self::ByPort(ports) => f.write_str(&joined(ports.iter().map(|(port, value)| format!("{port}={value}")))),
            Self::ClientCertificates(is) => {
                write!(f, "mode: {}", is.mode)?;
                if let Some(store) = &is.trust_store_arn {
                    write!(f, ", trustStore: {store}")?;
                }
                if let Some(expired) = is.ignore_client_certificate_expiry {
                    write!(f, ", ignoreClientCertificateExpiry: {expired}")?;
                }
                if let Some(names) = &is.advertise_trust_store_ca_names {
                    write!(f, ", advertiseTrustStoreCaNames: {names}")?;
                }
                Ok(())
            }
            // Rules are compared and shown by their resources.
            Self::Action(_) | Self::Conditions(_) | Self::Transforms(_) | Self::Authenticate(_) | Self::Jwt(_) => {
                f.write_str("JSON")
            }
        }
    }
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

/// Which subnets are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subnets {
    /// By id or Name tag.
    Named(Vec<String>),
    /// By tags: every key with one of its values.
    Tagged(BTreeMap<String, Vec<String>>),
}

/// The type of a setting's value.
pub trait SettingValue: Sized {
    /// The value, if its shape is that of the type.
    fn from_value(value: &Value) -> Option<Self>;
}

/// Types that are read from a shape by an expression.
macro_rules! setting_values {
    ($($type:ty: $shape:pat => $read:expr;)+) => {
        $(impl SettingValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $shape => $read,
                    _ => None,
                }
            }
        })+
    };
}

setting_values! {
    bool: Value::Bool(on) => Some(*on);
    i32: Value::Int(number) => Self::try_from(*number).ok();
    i64: Value::Int(number) => Some(*number);
    u16: Value::Int(number) => Self::try_from(*number).ok().filter(|port| *port > 0);
    String: Value::Text(text) => Some(text.clone());
    Vec<String>: Value::List(items) => Some(items.clone());
    BTreeMap<String, String>: Value::Map(pairs) => Some(pairs.clone());
    BTreeMap<u16, u16>: Value::ByPort(ports) => ports.iter().map(|(port, to)| Some((*port, u16::from_value(to)?))).collect();
    BTreeMap<u16, Protocol>: Value::ByPort(ports) => ports.iter().map(|(port, is)| Some((*port, Protocol::from_value(is)?))).collect();
    BTreeMap<u16, MutualAuthentication>: Value::ByPort(ports) => ports.iter().map(|(port, is)| Some((*port, MutualAuthentication::from_value(is)?))).collect();
    MutualAuthentication: Value::ClientCertificates(is) => Some((**is).clone());
    action::Written: Value::Action(is) => Some((**is).clone());
    Vec<Condition>: Value::Conditions(are) => Some(are.clone());
    Vec<Transform>: Value::Transforms(are) => Some(are.clone());
    Authenticate: Value::Authenticate(is) => Some((**is).clone());
    JwtValidation: Value::Jwt(is) => Some((**is).clone());
    Scheme: Value::Text(word) => Self::parse(word);
    IpAddressType: Value::Text(word) => Self::parse(word);
    TargetType: Value::Text(word) => Self::parse(word);
    Protocol: Value::Text(word) => Self::parse(word);
    ProtocolVersion: Value::Text(word) => Self::parse(word);
    WebAcl: Value::Text(text) => Some(Self::asked(text));
}

impl SettingValue for Subnets {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::List(names) => Some(Self::Named(names.clone())),
            Value::Tagged(tags) => Some(Self::Tagged(tags.clone())),
            _ => None,
        }
    }
}
