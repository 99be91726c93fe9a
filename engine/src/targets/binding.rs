//! A binding of the stack ↔ the `TargetGroupBinding` in the cluster, field by field as LBC writes it:
//! <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/targetgroupbinding/spec/>.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kinds::{
    NetworkingIngress, NetworkingPeer, NetworkingPortSpec, SecurityGroupRef, ServiceReference, TargetGroupBinding,
    TargetGroupBindingNetworking, TargetGroupBindingSpec,
};
use crate::stack::{Binding, NetworkingPort, Protocol, Ref, ServicePort, TargetType};

/// The object of a binding. `target_group_arn` is the ARN of [`Binding::target_group`]; `source_group` is the id (`sg-…`)
/// of the security group in [`Binding::networking`]; it may be `None` if that is an id already, or if there is none.
///
/// If the id is unknown, the printed form (`<backend-sg>`) is written: AWS refuses it when the permission is authorized, which
/// happens before anything is revoked. To leave it out would revoke the permissions of the targets without an error.
#[must_use]
pub fn to_kind(binding: &Binding, target_group_arn: &str, source_group: Option<&str>) -> TargetGroupBinding {
    let networking = binding.networking.as_ref().map(|(source, ports)| TargetGroupBindingNetworking {
        ingress: ports
            .iter()
            .map(|port| ingress(&source_group.map_or_else(|| source.to_string(), str::to_owned), port.as_ref()))
            .collect(),
    });
    let node_selector = (!binding.node_labels.is_empty())
        .then(|| LabelSelector { match_labels: Some(binding.node_labels.clone()), match_expressions: None });
    let spec = TargetGroupBindingSpec {
        target_group_arn: Some(target_group_arn.to_owned()),
        target_group_name: None,
        multi_cluster_target_group: binding.multi_cluster.then_some(true),
        target_type: Some(binding.target_type.as_str().to_owned()),
        target_group_protocol: Some(binding.target_group_protocol.as_str().to_owned()),
        service_ref: ServiceReference { name: binding.service.clone(), port: int_or_string(&binding.service_port) },
        networking,
        node_selector,
        ip_address_type: Some(if binding.ipv6 { "ipv6" } else { "ipv4" }.to_owned()),
        vpc_id: (!binding.vpc_id.is_empty()).then(|| binding.vpc_id.clone()),
        iam_role_arn_to_assume: None,
        assume_role_external_id: None,
    };
    let mut object = TargetGroupBinding::new(&binding.name, spec);
    object.metadata.namespace = Some(binding.namespace.clone());
    object.metadata.labels = Some(binding.labels.clone());
    object
}

/// The binding of an object. `None` for an object that the pass of a group could not have written: without the ARN or the type of
/// its target group, for a network load balancer, for another account, open to more than one security group, with
/// selectors other than plain labels. Fields that older versions of LBC left out have their defaults.
#[must_use]
pub fn from_kind(object: &TargetGroupBinding) -> Option<Binding> {
    let spec = &object.spec;
    let foreign = [&spec.iam_role_arn_to_assume, &spec.assume_role_external_id];
    if foreign.into_iter().flatten().any(|text| !text.is_empty()) {
        return None;
    }
    let networking = match &spec.networking {
        None => None,
        Some(networking) => Some(from_networking(networking)?),
    };
    Some(Binding {
        name: object.metadata.name.clone()?,
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        labels: object.metadata.labels.clone().unwrap_or_default(),
        target_group: Ref::Known(spec.target_group_arn.clone().filter(|arn| !arn.is_empty())?),
        target_type: TargetType::parse(spec.target_type.as_deref()?)?,
        target_group_protocol: Protocol::parse(spec.target_group_protocol.as_deref().unwrap_or("HTTP"))?,
        service: spec.service_ref.name.clone(),
        service_port: service_port(&spec.service_ref.port),
        networking,
        node_labels: match &spec.node_selector {
            None => std::collections::BTreeMap::new(),
            Some(LabelSelector { match_expressions: Some(expressions), .. }) if !expressions.is_empty() => return None,
            Some(selector) => selector.match_labels.clone().unwrap_or_default(),
        },
        ipv6: match spec.ip_address_type.as_deref() {
            None | Some("" | "ipv4") => false,
            Some("ipv6") => true,
            Some(_) => return None,
        },
        vpc_id: spec.vpc_id.clone().unwrap_or_default(),
        multi_cluster: spec.multi_cluster_target_group.unwrap_or_default(),
    })
}

/// One rule for each port, as LBC writes it, so that no binding is rewritten when Albedo takes over an ALB.
fn ingress(source: &str, port: Option<&ServicePort>) -> NetworkingIngress {
    NetworkingIngress {
        from: vec![NetworkingPeer {
            ip_block: None,
            security_group: Some(SecurityGroupRef { group_id: source.to_owned() }),
        }],
        ports: vec![NetworkingPortSpec { protocol: Some("TCP".to_owned()), port: port.map(int_or_string) }],
    }
}

/// One source, and the ports of all rules in their order; a rule without ports allows all.
fn from_networking(networking: &TargetGroupBindingNetworking) -> Option<(Ref, Vec<NetworkingPort>)> {
    let (mut source, mut ports) = (None, Vec::new());
    for rule in &networking.ingress {
        let [NetworkingPeer { ip_block: None, security_group: Some(group) }] = rule.from.as_slice() else {
            return None;
        };
        if *source.get_or_insert(&group.group_id) != &group.group_id {
            return None;
        }
        if rule.ports.is_empty() {
            ports.push(None);
        }
        for port in &rule.ports {
            if port.protocol.as_deref().is_some_and(|protocol| protocol != "TCP") {
                return None;
            }
            ports.push(port.port.as_ref().map(service_port));
        }
    }
    Some((Ref::Known(source?.clone()), ports))
}

fn int_or_string(port: &ServicePort) -> IntOrString {
    match port {
        ServicePort::Number(number) => IntOrString::Int(*number),
        ServicePort::Name(name) => IntOrString::String(name.clone()),
    }
}

fn service_port(port: &IntOrString) -> ServicePort {
    match port {
        IntOrString::Int(number) => ServicePort::Number(*number),
        IntOrString::String(name) => ServicePort::Name(name.clone()),
    }
}

#[cfg(test)]
mod tests;
