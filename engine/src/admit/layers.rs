//! The layers of defaults, the weakest first: built-in values (flags), `IngressDefaults` by priority, the Ingress itself. What the parameters of the
//! class enforce wins over all of them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::Ingress;

use super::{Context, Defaults};
use crate::annotation::catalogue::{IP_ADDRESS_TYPE, SCHEME, TARGET_TYPE};
use crate::annotation::{PREFIX, SettingRow, Value, defaults};
use crate::stack::{GroupId, IpAddressType, Scheme, TargetType};
use crate::world::{Class, World};

/// Where a default comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// A flag, or the value that Albedo has without it.
    BuiltIn,
    /// An `IngressDefaults` object.
    Defaults {
        /// Its name.
        name: String,
        /// Its priority.
        priority: i32,
    },
}

/// What becomes of a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is written into the Ingress.
    Written,
    /// A stronger layer has a value.
    Weaker,
    /// The Ingress has a value of its own.
    Given,
    /// The class has a value, in this field of its `IngressClassParams`.
    Enforced(&'static str),
    /// The setting is one of a load balancer that the Ingress shares.
    Shared,
    /// It cannot be used.
    Unusable,
}

/// A default that a layer has for an Ingress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerValue {
    /// The key of the annotation, without its prefix.
    pub key: String,
    /// The value.
    pub value: String,
    /// The layer.
    pub layer: Layer,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// Where defaults are taken from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) world: &'a World,
    /// Keys of attributes that the operator knows beside those of the tables.
    pub(super) extra_attributes: &'a [String],
    pub(super) built_in: Defaults,
}

impl<'a> From<Context<'a>> for Sources<'a> {
    fn from(context: Context<'a>) -> Self {
        Self {
            world: context.world,
            extra_attributes: &context.settings.extra_attributes,
            built_in: context.policy.defaults,
        }
    }
}

/// An Ingress of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) ingress: &'a Ingress,
    pub(super) group: &'a GroupId,
    pub(super) class: &'a Class,
}

/// All defaults for an Ingress: by key, and of one key the strongest first.
pub(super) fn layers(of: Subject<'_>, sources: Sources<'_>) -> Vec<LayerValue> {
    let mut values: Vec<(String, String, Layer)> = Vec::new();
    for object in sources.world.defaults_for(of.ingress, of.class) {
        let name = object.metadata.name.clone().unwrap_or_default();
        let layer = Layer::Defaults { name, priority: object.spec.priority };
        values.extend(object.spec.settings.iter().map(|(key, value)| (key.clone(), value.clone(), layer.clone())));
    }
    values.extend(
        built_in(sources.built_in).into_iter().map(|(key, value)| (key.to_owned(), value.to_owned(), Layer::BuiltIn)),
    );
    // The sort keeps the order of the layers.
    values.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let mut written = BTreeSet::new();
    let mut found = Vec::new();
    for (key, value, layer) in values {
        let outcome = match defaults::usable(&key, &value, sources.extra_attributes) {
            Some(row) => outcome(row, &key, &value, of),
            None => Outcome::Unusable,
        };
        let outcome =
            if outcome == Outcome::Written && !written.insert(key.clone()) { Outcome::Weaker } else { outcome };
        found.push(LayerValue { key, value, layer, outcome });
    }
    found
}

/// What the flags write.
fn built_in(defaults: Defaults) -> BTreeMap<&'static str, &'static str> {
    let rows: [(&SettingRow, Option<&str>); 3] = [
        (&IP_ADDRESS_TYPE.row, defaults.ip_address_type.map(IpAddressType::as_str)),
        (&SCHEME.row, defaults.scheme.map(Scheme::as_str)),
        (&TARGET_TYPE.row, defaults.target_type.map(TargetType::as_str)),
    ];
    rows.into_iter().filter_map(|(row, value)| Some((row.key, value?))).collect()
}

fn outcome(row: &'static SettingRow, key: &str, value: &str, of: Subject<'_>) -> Outcome {
    let given = of.ingress.metadata.annotations.as_ref();
    if given.is_some_and(|given| given.contains_key(&format!("{PREFIX}{key}"))) {
        return Outcome::Given;
    }
    if let Some(field) = enforced(row, key, value, of.class) {
        return Outcome::Enforced(field);
    }
    // In a shared group, an absent setting means that the member accepts any value.
    if of.group.is_explicit() && row.merge.is_shared() { Outcome::Shared } else { Outcome::Written }
}

/// The field of the class's parameters that decides instead of a default; of settings that are merged by key, if it has every key of it.
fn enforced(row: &'static SettingRow, key: &str, value: &str, class: &Class) -> Option<&'static str> {
    let (parameter, params) = (row.parameter?, class.params.as_ref()?);
    let of_class = row.of_class(&params.spec, key)?;
    let has_all = match (of_class, row.read(value, &[]).value()) {
        (Value::Map(of_class), Some(Value::Map(own))) if parameter.wins.by_key() => {
            own.keys().all(|key| of_class.contains_key(key))
        }
        _ => true,
    };
    has_all.then_some(parameter.field)
}
