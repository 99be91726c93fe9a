//! The verdict on objects that decide about Ingresses: class parameters, defaults and policies. New faults are refused before any Ingress meets them.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::verdict::answer_about;
use super::{Context, Details, Mode, ReviewAnswer};
use crate::annotation::params::{self, Fault};
use crate::annotation::{defaults, policy};
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::kinds::{IngressClassParams, IngressDefaults, IngressPolicy};
use crate::settings::Settings;
use crate::world::World;

/// One kind that is checked by itself.
pub(super) struct ConfigurationRow {
    /// The plural.
    pub resource: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The API group.
    pub group: &'static str,
    /// The code of its faults.
    code: Code,
    /// Everything that is wrong with an object.
    check: fn(&Value, &Settings) -> Vec<Fault>,
}

/// All of them.
pub(super) const ROWS: [ConfigurationRow; 3] = [
    ConfigurationRow {
        resource: "ingressclassparams",
        kind: "IngressClassParams",
        group: "elbv2.k8s.aws",
        code: Code::InvalidParameters,
        check: |object, settings| {
            of(object, |read: &IngressClassParams| params::check(&read.spec, &settings.extra_attributes))
        },
    },
    ConfigurationRow {
        resource: "ingressdefaults",
        kind: "IngressDefaults",
        group: "albedo.dev",
        code: Code::InvalidPolicy,
        check: |object, settings| {
            of(object, |read: &IngressDefaults| defaults::check(&read.spec, &settings.extra_attributes))
        },
    },
    ConfigurationRow {
        resource: "ingresspolicies",
        kind: "IngressPolicy",
        group: "albedo.dev",
        code: Code::InvalidPolicy,
        check: |object, settings| {
            of(object, |read: &IngressPolicy| policy::check(&read.spec, &settings.extra_attributes))
        },
    },
];

/// The faults of an object. The schema of the CRD refuses one that cannot be decoded.
fn of<T: DeserializeOwned>(object: &Value, check: impl Fn(&T) -> Vec<Fault>) -> Vec<Fault> {
    let read: Result<T, _> = serde_json::from_value(object.clone());
    read.map_or_else(|_| Vec::new(), |read| check(&read))
}

/// The row of a plural.
pub(super) fn row(resource: &str) -> Option<&'static ConfigurationRow> {
    ROWS.iter().find(|row| row.resource == resource)
}

impl ConfigurationRow {
    /// The verdict on an object, given the new and the stored one, and what it does to stored Ingresses, which takes linking them. The schema of the CRD has checked the new one already.
    pub(super) fn validate(
        &self,
        object: &Value,
        old: Option<&Value>,
        name: &str,
        effects: impl FnOnce() -> Vec<Finding>,
        context: Context<'_>,
    ) -> ReviewAnswer {
        if context.policy.mode == Mode::Off {
            return ReviewAnswer::allow();
        }
        let before = old.map(|old| (self.check)(old, context.settings)).unwrap_or_default();
        let new = (self.check)(object, context.settings).into_iter().filter(|fault| !before.contains(fault));
        let mut found: Vec<Finding> = new.map(|fault| self.finding(fault, name)).collect();
        // A fault of the object itself says it more precisely.
        if found.is_empty() {
            found = effects();
        }
        let about = Details {
            kind: self.kind.to_owned(),
            name: name.to_owned(),
            group: self.group.to_owned(),
            causes: Vec::new(),
        };
        answer_about(about, "", &found, &[], context.policy, false)
    }

    fn finding(&self, fault: Fault, name: &str) -> Finding {
        let doubtful = fault.error.unfamiliar && !fault.refused;
        let code = if doubtful { Code::UnfamiliarValue } else { self.code };
        let subject = ObjectRef::new(self.kind, "", name);
        let allowed = fault.error.allowed.iter().copied();
        Finding::new(code, subject, FieldPath::at(fault.path), fault.error.message)
            .allowed(allowed)
            .help(fault.error.help)
    }
}

/// The findings on the defaults and policies of a world. Class parameters are checked with the Ingresses that use them.
pub(super) fn survey(world: &World, settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    let [_, of_defaults, of_policies] = &ROWS;
    for object in world.all_defaults() {
        let faults = defaults::check(&object.spec, &settings.extra_attributes).into_iter();
        let name = object.metadata.name.as_deref().unwrap_or_default();
        found.extend(faults.map(|fault| of_defaults.finding(fault, name)));
    }
    for object in world.all_policies() {
        let faults = policy::check(&object.spec, &settings.extra_attributes).into_iter();
        let name = object.metadata.name.as_deref().unwrap_or_default();
        found.extend(faults.map(|fault| of_policies.finding(fault, name)));
    }
    found
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::admit::Policy;
    use crate::facts::Facts;

    fn review(resource: &str, spec: &Value, old: Option<&Value>, mode: Mode) -> ReviewAnswer {
        let row = row(resource).unwrap();
        let version = if row.group == "albedo.dev" { "v1alpha1" } else { "v1beta1" };
        let object = |spec: &Value| json!({"apiVersion": format!("{}/{version}", row.group), "kind": row.kind, "metadata": {"name": "own"}, "spec": spec});
        let (world, facts, settings) = (World::default(), Facts::default(), Settings::new("test"));
        let policy = Policy { mode, ..Policy::default() };
        let context =
            Context { world: &world, facts: &facts, settings: &settings, policy: &policy, now: Timestamp::UNIX_EPOCH };
        row.validate(&object(spec), old.map(object).as_ref(), "own", Vec::new, context)
    }

    #[test]
    fn new_faults_of_parameters_are_refused() {
        let review = |spec: &Value, old: Option<&Value>| review("ingressclassparams", spec, old, Mode::Enforce);
        let bad = json!({"inboundCIDRs": ["10.0.0.1"], "sslRedirectPort": "yes"});
        let answer = review(&bad, None);
        assert!(!answer.allowed && answer.code == 422);
        assert!(
            answer
                .message
                .starts_with("IngressClassParams.elbv2.k8s.aws \"own\" is invalid: spec.inboundCIDRs[0]: ALB032")
        );
        assert_eq!(answer.details.map(|details| details.causes.len()), Some(1));
        // Those of a class that are stored with these work; LBC's webhook refuses new ones.
        let odd = json!({"inboundCIDRs": ["10.0.0.1/8"], "subnets": {"tags": {"a": ["b", "b"]}}});
        assert_eq!(review(&odd, None).details.map(|details| details.causes.len()), Some(2));
        // sslRedirectPort, which only switches the redirect off, is a warning.
        assert_eq!(answer.warnings.len(), 1);
        assert!(review(&bad, Some(&bad)).allowed);
        assert!(review(&json!({"scheme": "internal"}), None).allowed);
        assert!(review(&json!("odd"), None).allowed);
    }

    #[test]
    fn new_faults_of_defaults_and_policies_are_refused() {
        for (resource, good, bad, told) in [
            (
                "ingressdefaults",
                json!({"settings": {"scheme": "internal"}}),
                json!({"settings": {"scheme": "public", "sslPolicy": "x"}}),
                ["spec.settings[scheme]: ALB048: unknown value \"public\"", "did you mean `ssl-policy`?"],
            ),
            (
                "ingresspolicies",
                json!({"settings": {"scheme": {"allowed": ["internal"]}}}),
                json!({"settings": {"schema": {"allowed": ["internal"]}, "scheme": {"allowed": ["public"]}}}),
                ["spec.settings[schema]: ALB048: unknown setting schema; did you mean `scheme`?", "unknown value"],
            ),
        ] {
            assert!(review(resource, &good, None, Mode::Enforce).allowed);
            let answer = review(resource, &bad, Some(&good), Mode::Enforce);
            assert!(!answer.allowed && answer.code == 422, "{answer:?}");
            assert!(told.iter().all(|told| answer.message.contains(told)), "{}", answer.message);
            assert_eq!(answer.details.map(|details| details.causes.len()), Some(2));
            assert!(review(resource, &bad, Some(&bad), Mode::Enforce).allowed, "these are not new");
            let warned = review(resource, &bad, None, Mode::Warn);
            assert!(warned.allowed && warned.warnings.len() == 2, "{warned:?}");
            assert!(review(resource, &bad, None, Mode::Off).warnings.is_empty());
        }
    }
}
