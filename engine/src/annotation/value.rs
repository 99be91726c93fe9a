//! Values of settings in a few shapes, so that all are compared, merged and shown alike whatever their type.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::stack::{Attachment, IpAddressType, Protocol, ProtocolVersion, Scheme, TargetType};

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
    /// What JSON says that has a type of its own.
    Typed(Typed),
}

impl Value {
    /// What JSON says, in its type.
    pub fn typed<T: JsonValue>(value: T) -> Self {
        Self::Typed(Typed(Arc::new(value)))
    }

    /// Whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(pairs) => pairs.is_empty(),
            Self::ByPort(ports) => ports.is_empty(),
            Self::Bool(_) | Self::Int(_) | Self::Tagged(_) | Self::Typed(_) => false,
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
            Self::Typed(Typed(of)) => f.write_str(&of.text()),
        }
    }
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

/// A type that JSON of a setting is read into.
pub trait JsonValue: Any + fmt::Debug + Clone + Eq + Send + Sync {
    /// A value as findings show it.
    fn shown(&self) -> String {
        "JSON".to_owned()
    }
}

/// A value of any such type.
#[derive(Clone, Debug)]
pub struct Typed(Arc<dyn AnyJson>);

trait AnyJson: Any + fmt::Debug + Send + Sync {
    fn equals(&self, other: &dyn AnyJson) -> bool;
    fn text(&self) -> String;
}

impl<T: JsonValue> AnyJson for T {
    fn equals(&self, other: &dyn AnyJson) -> bool {
        (other as &dyn Any).downcast_ref() == Some(self)
    }

    fn text(&self) -> String {
        self.shown()
    }
}

impl PartialEq for Typed {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(&*other.0)
    }
}

impl Eq for Typed {}

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
    Scheme: Value::Text(word) => Self::parse(word);
    IpAddressType: Value::Text(word) => Self::parse(word);
    TargetType: Value::Text(word) => Self::parse(word);
    Protocol: Value::Text(word) => Self::parse(word);
    ProtocolVersion: Value::Text(word) => Self::parse(word);
    Attachment: Value::Text(text) => Some(Self::asked(text));
}

impl<T: SettingValue> SettingValue for BTreeMap<u16, T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::ByPort(ports) => ports.iter().map(|(port, is)| Some((*port, T::from_value(is)?))).collect(),
            _ => None,
        }
    }
}

impl<T: JsonValue> SettingValue for T {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Typed(Typed(of)) => (&**of as &dyn Any).downcast_ref().cloned(),
            _ => None,
        }
    }
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
