//! Keys under our prefix that nothing reads, and values that nothing read.

use super::Compiler;
use super::reader::FaultReporting;
use crate::annotation::{
    PREFIX, Scope, SettingRow, Value, Values, catalogue, control, misspelt_prefix, nearest, params,
};
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};

impl Compiler<'_> {
    pub(super) fn check_keys(&mut self) {
        for (key, suffix) in self.reader.keys().filter_map(|key| Some((key, misspelt_prefix(key)?))) {
            let message = format!("unknown annotation {key}: its domain is misspelt");
            let subject = self.key.ingress();
            let finding = Finding::new(Code::UnknownAnnotation, subject, FieldPath::annotation(key), message);
            self.reader.push(finding.allowed([suffix]).fix(format!("did you mean `{PREFIX}{suffix}`?")));
        }
        for (suffix, value) in self.reader.suffixes() {
            if catalogue::row(suffix).is_none() {
                self.unknown_key(suffix, value);
            }
        }
    }

    /// Values that nothing read, of an action that no path uses, say, and those that the class overrides. They change nothing in AWS.
    pub(super) fn check_values(&mut self, values: &Values) {
        for (suffix, value) in self.reader.suffixes() {
            let Some(row) = catalogue::row(suffix).filter(|row| row.scope != Scope::Output) else { continue };
            if self.report_overridden(row, suffix, value) || self.reader.is_read(suffix, value) {
                continue;
            }
            if self.reporting(row, values) >= FaultReporting::WithoutEffect {
                let _ = self.reader.read_setting(row, suffix, value, FaultReporting::WithoutEffect);
            }
        }
    }

    /// Values of which nothing can be built: AWS and Kubernetes refuse every call that carries one, and with it what others ask for.
    pub(super) fn check_control_characters(&mut self) {
        for (suffix, value) in self.reader.suffixes().filter(|(_, value)| control::is_unusable(value)) {
            let Some(row) = catalogue::row(suffix).filter(|row| row.scope != Scope::Output) else { continue };
            for error in control::faults(row.grammar, value) {
                self.reader.fault(suffix, value, row.code, error, Some(Effect::MemberQuarantined));
            }
        }
    }

    /// Warns of an annotation that the class's parameters override, or of the keys in it. Whether they win over all of it.
    fn report_overridden(&mut self, row: &'static SettingRow, suffix: &str, value: &str) -> bool {
        let Some(parameter) = row.parameter else { return false };
        let Some(of_class) = self.of_class(row, suffix) else { return false };
        let field = parameter.field;
        // What admission wrote before the class had the parameter is no mistake of the author of the Ingress.
        if self.reader.is_default(suffix) {
            return !parameter.wins.by_key();
        }
        if !parameter.wins.by_key() {
            let message = format!("spec.{field} of the class's IngressClassParams wins over this annotation");
            self.reader.refuse(Code::Overridden, suffix, value, message);
            return true;
        }
        let Some(Value::Map(own)) = row.read(value, &[]).value() else { return false };
        let Value::Map(of_class) = of_class else { return false };
        for key in own.keys().filter(|key| of_class.contains_key(*key)) {
            let message = format!("spec.{field} of the class's IngressClassParams wins over {key} in this annotation");
            let finding = self.reader.refuse(Code::Overridden, suffix, key, message);
            finding.fix = format!("remove {key} from the annotation");
        }
        false
    }

    /// What the class's parameters say counts as if the Ingress said it; but who has to fix it is another.
    pub(super) fn check_params(&mut self) {
        let Some(object) = self.params.clone() else { return };
        let name = object.metadata.name.clone().unwrap_or_default();
        for fault in params::check(&object.spec, &self.settings().extra_attributes) {
            let code = if fault.error.unfamiliar { Code::UnfamiliarValue } else { Code::InvalidParameters };
            let subject = ObjectRef::new("IngressClassParams", "", &name);
            let finding = Finding::new(code, subject, FieldPath::at(fault.path), fault.error.message);
            let ingress = self.key.ingress();
            let effect = if fault.grave { Effect::MemberQuarantined } else { Effect::Nothing };
            self.reader.push(finding.related([ingress]).effect(effect).help(fault.error.help));
        }
    }

    fn unknown_key(&mut self, suffix: &str, value: &str) {
        // The key itself is what is wrong, so it is the value that the message shows.
        let path = FieldPath::annotation(&format!("{PREFIX}{suffix}"));
        let subject = self.key.ingress();
        let near = nearest(suffix);
        let message = format!("unknown annotation {PREFIX}{suffix}");
        let mut finding = Finding::new(Code::UnknownAnnotation, subject, path, message);
        // What it would have been is not known: it may be a secret.
        if !["secret", "password", "token", "oidc"].iter().any(|word| suffix.to_ascii_lowercase().contains(word)) {
            finding = finding.value(value);
        }
        match near {
            Some(near) => {
                finding.fix = near.to_string();
                finding.allowed = near.key.into_iter().collect();
            }
            None => finding.fix = "remove it: it has no effect".to_owned(),
        }
        self.reader.push(finding);
    }
}
