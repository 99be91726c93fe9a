//! Logs of a load balancer that are switched on and have nowhere to go, once the attributes of all members stand together.

use super::findings::Findings;
use super::group::Group;
use crate::annotation::catalogue::attributes_of;
use crate::annotation::{Setting, attributes};
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};
use crate::kinds::Key;
use crate::stack::{Attributes, Desired};

/// Tells who switches a log on for which nobody names a bucket. A bucket that AWS has from an earlier time may be there still, so that it
/// has the last word.
pub(super) fn check(group: Group<'_>, desired: &Desired, findings: &mut Findings) {
    for balancer in desired.balancers() {
        for log in attributes::without_bucket(|key| balancer.attributes.get(key).map(String::as_str)) {
            if let Some((key, finding)) = nowhere(group, log, attributes_of(balancer.kind)) {
                findings.report(key, finding);
            }
        }
    }
}

fn nowhere<'g>(group: Group<'g>, log: &str, setting: &'static Setting<Attributes>) -> Option<(&'g Key, Finding)> {
    let key = format!("{log}.enabled");
    let says = |attributes: Option<Attributes>| {
        attributes.is_some_and(|all| all.get(&key).is_some_and(|value| value.eq_ignore_ascii_case("true")))
    };
    let member = group.fragments().rev().find(|fragment| says(fragment.values.get(setting)));
    let message = format!("{key}=true without {log}.bucket: AWS refuses logs that have no bucket to go to");
    let fix = format!("add {log}.bucket=NAME, or leave {key} out");
    // Where no member says it, the parameters of the first one's class do.
    let of_class = group.fragments().next().filter(|_| member.is_none());
    let fragment = member.or(of_class)?;
    let ingress = fragment.key.ingress();
    let finding = match (member, fragment.params.as_ref()) {
        (Some(_), _) => Finding::new(Code::InvalidAttribute, ingress, setting.row.path(), message).value(&key),
        (None, Some(params)) => {
            let name = params.metadata.name.clone().unwrap_or_default();
            let subject = ObjectRef::new("IngressClassParams", "", &name);
            let path = FieldPath::at("spec.loadBalancerAttributes");
            Finding::new(Code::InvalidParameters, subject, path, message).related([ingress])
        }
        (None, None) => return None,
    };
    Some((&fragment.key, finding.fix(fix).effect(Effect::Nothing)))
}
