//! The verdict on a `TargetGroupBinding`, and its default fields. A binding of somebody else's target group is refused before it is stored.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::verdict::{answer_about, policy_for};
use super::{Context, Details, Mode, Operation, PatchOp, Request, ReviewAnswer};
use crate::annotation::arn::is_role;
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::kinds::{Key, TargetGroupBinding, TargetGroupBindingSpec, target_group_name};
use crate::stack::{TargetGroupTraits, TargetType};

const KIND: &str = "TargetGroupBinding";
const GROUP: &str = "elbv2.k8s.aws";
/// The most bindings that a denial names.
const NAMED: usize = 3;

/// The verdict on a binding, given the new and the stored object. The schema of the CRD has checked the new one already.
pub(super) fn validate(request: &Request, object: &Value, old: Option<&Value>, context: Context<'_>) -> ReviewAnswer {
    let policy = policy_for(&request.namespace, context);
    let Some(binding) = read(object, request) else { return ReviewAnswer::allow() };
    let old = old.and_then(|old| read(old, request));
    if policy.mode == Mode::Off || context.settings.beside_lbc || binding.metadata.deletion_timestamp.is_some() {
        return ReviewAnswer::allow();
    }
    let review =
        Review { binding: &binding, subject: ObjectRef::new(KIND, &request.namespace, &request.name), context };
    let mut found = review.faults();
    if let Some(old) = &old {
        let before = Review { binding: old, ..review.clone() }.faults();
        found.retain(|fault| !before.contains(fault));
        found.extend(review.moved(old));
    }
    let about =
        Details { kind: KIND.to_owned(), name: request.name.clone(), group: GROUP.to_owned(), causes: Vec::new() };
    answer_about(about, &request.namespace, &found, &[], &policy, false)
}

/// The patch that fills in fields from the target group, if facts know it. Otherwise the reconciler reads them.
pub(super) fn mutate(request: &Request, object: &Value, context: Context<'_>) -> ReviewAnswer {
    let mut answer = ReviewAnswer::allow();
    // LBC fills in fields at creation only. If an update leaves a field out, the reconciler adds it.
    if request.operation != Operation::Create || context.settings.beside_lbc {
        return answer;
    }
    let Some(binding) = read(object, request) else { return answer };
    let known = traits_of(&binding, context).filter(|traits| TargetType::parse(&traits.target_type).is_some());
    for (field, given, is) in known.iter().flat_map(|traits| said_of(&binding.spec, traits)) {
        // To bind a target group in another VPC, the author must write the VPC himself.
        let elsewhere = field == "vpcID" && context.facts.vpc_id.as_deref() != Some(is);
        if given.is_none() && !is.is_empty() && !elsewhere {
            answer.patch.push(PatchOp { op: "add", path: format!("/spec/{field}"), value: Some(json!(is)) });
        }
    }
    answer
}

/// The fields that both the binding and the target group have: name, value in the binding, value in AWS.
fn said_of<'a>(
    spec: &'a TargetGroupBindingSpec,
    traits: &'a TargetGroupTraits,
) -> [(&'static str, Option<&'a str>, &'a str); 4] {
    [
        ("ipAddressType", text(spec.ip_address_type.as_ref()), &traits.ip_address_type),
        ("targetGroupProtocol", text(spec.target_group_protocol.as_ref()), &traits.protocol),
        ("targetType", text(spec.target_type.as_ref()), &traits.target_type),
        ("vpcID", text(spec.vpc_id.as_ref()), &traits.vpc_id),
    ]
}

fn read(object: &Value, request: &Request) -> Option<TargetGroupBinding> {
    let mut binding: TargetGroupBinding = serde_json::from_value(object.clone()).ok()?;
    binding.metadata.namespace = Some(request.namespace.clone());
    if !request.name.is_empty() {
        binding.metadata.name = Some(request.name.clone());
    }
    Some(binding)
}

/// The target group of the binding, as AWS has it.
fn traits_of<'c>(binding: &TargetGroupBinding, context: Context<'c>) -> Option<&'c TargetGroupTraits> {
    let known = &context.facts.target_groups.as_ref()?.value;
    known.get(&arn_of(binding, context)?)
}

/// The target type of a binding: its own, or that of its target group if facts know it.
pub(super) fn target_type_of<'c>(binding: &'c TargetGroupBinding, context: Context<'c>) -> Option<&'c str> {
    let known = || Some(traits_of(binding, context)?.target_type.as_str());
    text(binding.spec.target_type.as_ref()).or_else(known)
}

fn arn_of(binding: &TargetGroupBinding, context: Context<'_>) -> Option<String> {
    let by_name = || context.facts.target_group_names.as_ref()?.value.get(binding.given_name()?).cloned();
    binding.given_arn().map(str::to_owned).or_else(by_name)
}

#[derive(Clone)]
struct Review<'a> {
    binding: &'a TargetGroupBinding,
    subject: ObjectRef,
    context: Context<'a>,
}

impl Review<'_> {
    fn finding(&self, code: Code, field: &str, message: String) -> Finding {
        Finding::new(code, self.subject.clone(), FieldPath::at(format!("spec.{field}")), message)
    }

    fn invalid(&self, field: &str, value: &str, message: &str, fix: &str) -> Finding {
        self.finding(Code::InvalidBinding, field, message.to_owned()).value(value).fix(fix)
    }

    fn faults(&self) -> Vec<Finding> {
        let mut found = self.form();
        // These facts do not contain target groups of other accounts.
        if text(self.binding.spec.iam_role_arn_to_assume.as_ref()).is_none() {
            found.extend(self.conflicts());
        }
        found.extend(self.taken());
        found.extend(self.port());
        found
    }

    /// The port that the Service lacks. A Service that does not exist may come later.
    fn port(&self) -> Option<Finding> {
        let reference = &self.binding.spec.service_ref;
        let service = self.context.world.service(&Key::new(&self.subject.namespace, &reference.name))?;
        let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
        let (given, is_there) = match &reference.port {
            IntOrString::Int(number) => (number.to_string(), ports.iter().any(|port| port.port == *number)),
            IntOrString::String(name) => (name.clone(), ports.iter().any(|port| port.name.as_deref() == Some(name))),
        };
        if is_there {
            return None;
        }
        let known: Vec<String> = ports.iter().map(|port| port.port.to_string()).collect();
        let known = if known.is_empty() { "no ports".to_owned() } else { format!("ports {}", known.join(", ")) };
        let message = format!("Service {} has no port {given}; it has {known}", reference.name);
        let finding = self.finding(Code::MissingServicePort, "serviceRef.port", message);
        Some(finding.value(&given).fix("write a port of the Service, as its number or its name"))
    }

    /// Findings from the object alone.
    fn form(&self) -> Vec<Finding> {
        let spec = &self.binding.spec;
        let mut found = Vec::new();
        let (arn, name) = (self.binding.given_arn(), self.binding.given_name());
        if arn.is_none() && name.is_none() {
            let message = "must provide either targetGroupARN or targetGroupName";
            found.push(self.invalid("targetGroupARN", "", message, "set one of the two"));
        }
        if let Some(arn) = arn.filter(|arn| !is_target_group_arn(arn)) {
            let fix = "write it as AWS does: arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID";
            found.push(self.invalid("targetGroupARN", arn, "it is not an ARN of a target group", fix));
        }
        let kind = target_type_of(self.binding, self.context);
        if kind == Some("ip") && spec.node_selector.is_some() {
            let message = "nodeSelector selects nodes, and the targets are pods: targetType is ip";
            found.push(self.invalid(
                "nodeSelector",
                "",
                message,
                "remove nodeSelector, or use a target group of type instance",
            ));
        }
        if kind == Some("instance")
            && let Some(role) = text(spec.iam_role_arn_to_assume.as_ref())
        {
            let message = "nodes cannot be targets in another account: targetType is instance";
            found.push(self.invalid("iamRoleArnToAssume", role, message, "use a target group of type ip"));
        }
        if let Some((role, _)) = self.binding.given_role().filter(|(role, _)| !is_role(role)) {
            let fix = "write it as AWS does: arn:aws:iam::ACCOUNT:role/NAME";
            found.push(self.invalid("iamRoleArnToAssume", role, "it is not an ARN of an IAM role", fix));
        }
        if let (Some(id), None) = (text(spec.assume_role_external_id.as_ref()), self.binding.given_role()) {
            let message = "it has no effect without iamRoleArnToAssume";
            found.push(self.invalid("assumeRoleExternalId", id, message, "set iamRoleArnToAssume, or remove it"));
        }
        if let Some(protocol) =
            text(spec.target_group_protocol.as_ref()).filter(|word| word.contains("QUIC") && kind == Some("instance"))
        {
            let message = "nodes cannot be targets of QUIC: targetType is instance";
            found.push(self.invalid("targetGroupProtocol", protocol, message, "use a target group of type ip"));
        }
        if let Some(vpc) = text(spec.vpc_id.as_ref()).filter(|vpc| !is_vpc(vpc)) {
            let message = "it is not the id of a VPC: `vpc-` and 8, 17 or 32 hexadecimal digits";
            found.push(self.invalid(
                "vpcID",
                vpc,
                message,
                "write the id of the target group's VPC, or leave vpcID out",
            ));
        }
        found
    }

    fn kind(&self) -> Option<&str> {
        traits_of(self.binding, self.context).map(|traits| traits.target_type.as_str())
    }

    /// Differences from AWS. A target group never changes these properties, so the age of the fact does not matter.
    fn conflicts(&self) -> Vec<Finding> {
        let Some(traits) = traits_of(self.binding, self.context) else { return Vec::new() };
        let mut found = Vec::new();
        if TargetType::parse(&traits.target_type).is_none() {
            let message =
                format!("the target group is of type {}, whose targets are neither pods nor nodes", traits.target_type);
            let finding = self.finding(Code::BindingConflictsWithTargetGroup, "targetType", message);
            found.push(finding.fix("bind a target group of type ip or instance"));
        }
        for (field, said, is) in said_of(&self.binding.spec, traits) {
            let Some(said) = said.filter(|said| *said != is && !is.is_empty()) else { continue };
            let finding =
                self.finding(Code::BindingConflictsWithTargetGroup, field, format!("the target group has {is}"));
            found.push(finding.value(said).fix(format!("write {is}, or leave {field} out")));
        }
        found
    }

    /// Other bindings that name the target group, unless all of them share it with other clusters.
    fn taken(&self) -> Option<Finding> {
        let arn = arn_of(self.binding, self.context);
        let key = Key::of(&self.binding.metadata);
        let shares = |other: &TargetGroupBinding| match &arn {
            Some(arn) => other.names(arn),
            None => other.shares_target_group(self.binding),
        };
        let others: Vec<&Key> = (self.context.world.bindings())
            .filter(|(other, binding)| {
                **other != key && binding.metadata.deletion_timestamp.is_none() && shares(binding)
            })
            .filter(|(_, binding)| !(binding.is_multi_cluster() && self.binding.is_multi_cluster()))
            .map(|(other, _)| other)
            .collect();
        if others.is_empty() {
            return None;
        }
        // A denial never names objects of other namespaces.
        let mut near = others.iter().filter(|other| other.namespace == key.namespace).map(ToString::to_string);
        let named = near.by_ref().take(NAMED).collect::<Vec<_>>().join(", ");
        let by = if named.is_empty() {
            "a TargetGroupBinding of another namespace".to_owned()
        } else {
            format!("TargetGroupBinding {named}")
        };
        let (field, given) = match self.binding.given_arn() {
            Some(arn) => ("targetGroupARN", arn),
            None => ("targetGroupName", self.binding.given_name().unwrap_or_default()),
        };
        let message = format!("the target group is already bound by {by}");
        Some(self.finding(Code::TargetGroupBound, field, message).value(given))
    }

    /// Immutable fields.
    fn moved(&self, old: &TargetGroupBinding) -> Vec<Finding> {
        type Field = fn(&TargetGroupBindingSpec) -> Option<&String>;
        let (was, is) = (&old.spec, &self.binding.spec);
        let here = self.context.facts.vpc_id.as_deref().unwrap_or_default();
        let rows: [(&str, Field, &str); 3] = [
            ("targetType", |spec| spec.target_type.as_ref(), self.kind().unwrap_or_default()),
            ("ipAddressType", |spec| spec.ip_address_type.as_ref(), "ipv4"),
            ("vpcID", |spec| spec.vpc_id.as_ref(), here),
        ];
        let mut found = Vec::new();
        for (field, of, filled) in rows {
            let (was, is) = (text(of(was)), text(of(is)));
            // An absent field had the default value; a field that is removed is taken from the target group again.
            let same = was == is || is.is_none() || was.is_none() && (is == Some(filled) || filled.is_empty());
            if !same {
                let message = format!("it may not change: it was {}", was.unwrap_or("absent"));
                let finding = self.finding(Code::ImmutableBinding, field, message).value(is.unwrap_or_default());
                found.push(finding);
            }
        }
        found
    }
}

fn text(field: Option<&String>) -> Option<&str> {
    field.map(String::as_str).filter(|text| !text.is_empty())
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html>
fn is_target_group_arn(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let fields = [parts.next(), parts.next(), parts.next()];
    let service =
        matches!(fields, [Some("arn"), Some(partition), Some("elasticloadbalancing")] if partition.starts_with("aws"));
    let clean = !arn.chars().any(|c| c.is_whitespace() || c.is_control());
    service && clean && target_group_name(arn).is_some()
}

fn is_vpc(id: &str) -> bool {
    let digits = id.strip_prefix("vpc-").unwrap_or_default();
    [8, 17, 32].contains(&digits.len()) && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

#[cfg(test)]
mod tests;
