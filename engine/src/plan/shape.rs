//! The desired state in the words of the AWS API: members of `CreateLoadBalancer`, `CreateListener`, `CreateRule`,
//! `CreateTargetGroup` and `CreateSecurityGroup` requests, and what calls after them add (attributes, certificates, permissions).
//!
//! A resource without an ARN or id yet is shown by its resource id.

mod nlb;
mod rules;

use serde_json::{Map, Value, json};

use self::rules::{actions, rule};
use super::operation::addon_shapes;
use crate::stack::{
    Attributes, Binding, Desired, HealthCheck, Listener, LoadBalancer, MutualAuthentication, PeerSource, Permission,
    ProtocolVersion, Ref, ResourceId, SecurityGroup, ServicePort, Tags, TargetGroup, TargetType, UNALLOCATED_NODE_PORT,
};

/// The desired state of a group as one JSON object.
#[must_use]
pub fn shape(desired: &Desired) -> Value {
    let Desired {
        group,
        load_balancer: is,
        addons,
        security_group,
        listeners,
        target_groups,
        bindings,
        nlb: front,
        keep_nlb: _,
        backend_security_group,
        lift_deletion_protection: _,
    } = desired;
    let of_nlb = front.iter().flat_map(|nlb| &nlb.listeners).map(nlb::target_group);
    let first = [("Group", json!(group.to_string())), ("LoadBalancer", is.as_ref().map(load_balancer).into())];
    let parts = [
        ("Listeners", listeners.values().map(listener).collect()),
        ("FrontendNlb", front.as_ref().map(nlb::nlb).into()),
        ("TargetGroups", target_groups.iter().map(|(id, is)| target_group(id, is)).chain(of_nlb).collect()),
        ("ManagedSecurityGroups", security_group.iter().map(managed).collect()),
        ("BackendSecurityGroup", backend_security_group.then(|| json!(ResourceId::backend_security_group())).into()),
        ("TargetGroupBindings", bindings.values().map(binding).collect()),
    ];
    members(first.into_iter().chain(addon_shapes(addons)).chain(parts))
}

/// An object without its empty members.
fn members<'k>(all: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    Value::Object(
        all.into_iter().filter(|(_, value)| says(value)).map(|(key, value)| (key.to_owned(), value)).collect(),
    )
}

fn reference(of: &Ref) -> Value {
    match of {
        Ref::Known(id) => json!(id),
        Ref::Of(id) => json!(id),
    }
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Tag.html>
fn tags(from: &Tags) -> Value {
    from.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn attributes(from: &Attributes) -> Value {
    tags(from)
}

fn load_balancer(from: &LoadBalancer) -> Value {
    let LoadBalancer {
        kind,
        name,
        scheme,
        ip_address_type,
        subnets,
        allocation_ids: _,
        security_groups,
        pools,
        attributes: of,
        tags: tagged,
    } = from;
    members([
        ("Name", json!(name)),
        ("Type", json!(kind.as_str())),
        ("Scheme", json!(scheme.as_str())),
        ("IpAddressType", json!(ip_address_type.as_str())),
        ("Subnets", json!(subnets)),
        ("SecurityGroups", security_groups.iter().map(reference).collect()),
        ("CustomerOwnedIpv4Pool", json!(pools.customer_owned)),
        ("IpamPools", pools.public.as_ref().map(|id| json!({"Ipv4IpamPoolId": id})).into()),
        ("Attributes", attributes(of)),
        ("Tags", tags(tagged)),
    ])
}

fn listener(from: &Listener) -> Value {
    let Listener {
        port,
        protocol,
        default_actions,
        certificates,
        ssl_policy,
        mutual_authentication: mutual,
        attributes: of,
        tags: tagged,
        rules,
    } = from;
    let certificate = |arn: &String| json!({"CertificateArn": arn});
    members([
        ("Port", json!(port)),
        ("Protocol", json!(protocol.as_str())),
        ("SslPolicy", json!(ssl_policy)),
        ("Certificates", certificates.iter().take(1).map(certificate).collect()),
        // The default certificate is added to the others too, so that its names are found by SNI.
        (
            "AdditionalCertificates",
            certificates.iter().collect::<std::collections::BTreeSet<_>>().into_iter().map(certificate).collect(),
        ),
        ("MutualAuthentication", mutual.as_ref().map(mutual_authentication).into()),
        ("DefaultActions", actions(default_actions)),
        ("Attributes", attributes(of)),
        ("Rules", rules.iter().map(rule).collect()),
        ("Tags", tags(tagged)),
    ])
}

fn mutual_authentication(from: &MutualAuthentication) -> Value {
    let MutualAuthentication {
        mode,
        trust_store_arn,
        ignore_client_certificate_expiry,
        advertise_trust_store_ca_names,
    } = from;
    members([
        ("Mode", json!(mode)),
        ("TrustStoreArn", json!(trust_store_arn)),
        ("IgnoreClientCertificateExpiry", json!(ignore_client_certificate_expiry)),
        ("AdvertiseTrustStoreCaNames", json!(advertise_trust_store_ca_names)),
    ])
}

/// The port of a target group, `?` for a `NodePort` that no cluster has allocated yet.
pub(super) fn port(of: &TargetGroup) -> String {
    if is_unallocated(of.target_type, of.port.into()) { "?".to_owned() } else { of.port.to_string() }
}

/// Whether a port stands for a `NodePort` that is not allocated yet; a pod may listen on that very port.
fn is_unallocated(target_type: TargetType, port: i32) -> bool {
    target_type == TargetType::Instance && port == i32::from(UNALLOCATED_NODE_PORT)
}

/// A number, or `?` as text.
fn number(text: String) -> Value {
    text.parse::<u16>().map_or(Value::String(text), |number| json!(number))
}

fn target_group(id: &ResourceId, from: &TargetGroup) -> Value {
    let TargetGroup {
        name,
        target_type,
        protocol,
        protocol_version,
        target_control_port,
        port: _,
        ipv6,
        health_check: check,
        attributes: of,
        tags: tagged,
    } = from;
    let mut all = members([
        ("ResourceId", json!(id)),
        ("Name", json!(name)),
        ("TargetType", json!(target_type.as_str())),
        ("Protocol", json!(protocol.as_str())),
        ("ProtocolVersion", json!(protocol_version.as_str())),
        ("Port", number(port(from))),
        ("TargetControlPort", json!(target_control_port)),
        ("IpAddressType", json!(if *ipv6 { "ipv6" } else { "ipv4" })),
        ("Attributes", attributes(of)),
        ("Tags", tags(tagged)),
    ]);
    if let Value::Object(all) = &mut all {
        all.extend(health_check(check, *protocol_version));
    }
    all
}

/// Members of a target group.
fn health_check(from: &HealthCheck, version: ProtocolVersion) -> Map<String, Value> {
    let HealthCheck {
        port,
        protocol,
        path,
        interval_seconds,
        timeout_seconds,
        healthy_threshold,
        unhealthy_threshold,
        success_codes,
    } = from;
    let codes = if version == ProtocolVersion::Grpc { "GrpcCode" } else { "HttpCode" };
    let all = [
        ("HealthCheckEnabled", json!(true)),
        ("HealthCheckProtocol", json!(protocol.as_str())),
        ("HealthCheckPort", json!(port)),
        ("HealthCheckPath", json!(path)),
        ("HealthCheckIntervalSeconds", json!(interval_seconds)),
        ("HealthCheckTimeoutSeconds", json!(timeout_seconds)),
        ("HealthyThresholdCount", json!(healthy_threshold)),
        ("UnhealthyThresholdCount", json!(unhealthy_threshold)),
        ("Matcher", json!({codes: success_codes})),
    ];
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn managed(from: &SecurityGroup) -> Value {
    let SecurityGroup { name, description, ingress, tags: tagged } = from;
    members([
        ("GroupName", json!(name)),
        ("Description", json!(description)),
        ("IpPermissions", ingress.iter().map(permission).collect()),
        ("Tags", tags(tagged)),
    ])
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html>
fn permission(from: &Permission) -> Value {
    let Permission { protocol, ports, source, description } = from;
    let (list, key, value) = match source {
        PeerSource::Ipv4(block) => ("IpRanges", "CidrIp", json!(block)),
        PeerSource::Ipv6(block) => ("Ipv6Ranges", "CidrIpv6", json!(block)),
        PeerSource::PrefixList(id) => ("PrefixListIds", "PrefixListId", json!(id)),
        PeerSource::SecurityGroup(group) => ("UserIdGroupPairs", "GroupId", reference(group)),
    };
    members([
        ("IpProtocol", json!(protocol)),
        ("FromPort", json!(ports.map(|(from, _)| from))),
        ("ToPort", json!(ports.map(|(_, to)| to))),
        (list, Value::Array(vec![members([(key, value), ("Description", json!(description))])])),
    ])
}

/// The object in the cluster, its target group and security group by their resource ids.
fn binding(from: &Binding) -> Value {
    let Binding {
        name,
        namespace,
        labels,
        target_group,
        target_type,
        target_group_protocol,
        service,
        service_port,
        networking,
        node_labels,
        ipv6,
        vpc_id,
        multi_cluster,
    } = from;
    let ingress = networking.iter().flat_map(|(source, ports)| {
        ports.iter().map(move |port| {
            let port = match port {
                Some(ServicePort::Number(number)) if is_unallocated(*target_type, *number) => json!("?"),
                other => json!(other),
            };
            let open = members([("protocol", json!("TCP")), ("port", port)]);
            json!({"from": [{"securityGroup": {"groupID": reference(source)}}], "ports": [open]})
        })
    });
    let selector = members([("matchLabels", json!(node_labels))]);
    let spec = members([
        ("targetGroupARN", reference(target_group)),
        ("targetType", json!(target_type.as_str())),
        ("targetGroupProtocol", json!(target_group_protocol.as_str())),
        ("ipAddressType", json!(if *ipv6 { "ipv6" } else { "ipv4" })),
        ("vpcID", if vpc_id.is_empty() { Value::Null } else { json!(vpc_id) }),
        ("serviceRef", json!({"name": service, "port": service_port})),
        ("networking", members([("ingress", ingress.collect())])),
        ("nodeSelector", selector),
        ("multiClusterTargetGroup", multi_cluster.then_some(true).into()),
    ]);
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(name));
    metadata.insert("namespace".to_owned(), json!(namespace));
    metadata.insert("labels".to_owned(), json!(labels));
    json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": metadata, "spec": spec})
}
