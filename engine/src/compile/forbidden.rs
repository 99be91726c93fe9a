//! Annotations that the operator forbids: what is stored with them goes on, and nobody adds or changes them.

use super::Compiler;
use crate::annotation::PREFIX;
use crate::finding::{Code, FieldPath, Finding};
use crate::world::LEGACY_CLASS;

impl Compiler<'_> {
    pub(super) fn check_forbidden(&mut self) {
        let settings = self.settings();
        let group_name = format!("{PREFIX}group.name");
        let rows = [
            (LEGACY_CLASS, settings.forbid_class_annotation, "set spec.ingressClassName instead"),
            (&group_name, settings.forbid_group_name_annotation, "use a class whose IngressClassParams name the group"),
        ];
        for (key, _, fix) in rows.into_iter().filter(|(_, forbidden, _)| *forbidden) {
            let Some(value) = self.reader.value(key) else { continue };
            let subject = self.key.ingress();
            let message = format!("new usage of `{key}` annotation is forbidden");
            let finding = Finding::new(Code::ForbiddenAnnotation, subject, FieldPath::annotation(key), message);
            self.reader.push(finding.value(value).fix(fix));
        }
    }
}
