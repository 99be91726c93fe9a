//! Values that stand twice in one condition of a rule: AWS refuses them ("Condition values must be unique"), and what they mean is clear.

use super::Compiler;
use crate::annotation::parse::shown;
use crate::finding::Code;
use crate::stack::Condition;

impl Compiler<'_> {
    /// Leaves each value of a condition in once, and reports what was left out: a host of the rule that the annotation repeats, say,
    /// or `/app/*` beside a path of type Prefix.
    pub(super) fn without_doubles(&mut self, conditions: &mut [Condition], service: &str) {
        for condition in conditions {
            for value in condition.remove_doubles() {
                let field = condition.field();
                let message = format!(
                    "`{}` is in the rule's {field} condition more than once; AWS takes it once, so that it is left out here",
                    shown(&value)
                );
                let finding = self.reader.refuse(Code::WithoutEffect, &format!("conditions.{service}"), "", message);
                finding.fix = match condition {
                    Condition::HostHeader(_) | Condition::PathPattern(_) => {
                        "remove it: the rule's own host and path are part of the condition already".to_owned()
                    }
                    _ => "write it once".to_owned(),
                };
            }
        }
    }
}
