//! The desired state in the words of the AWS API: members of `CreateLoadBalancer`, `CreateListener`, `CreateRule`,
//! `CreateTargetGroup` and `CreateSecurityGroup` requests, and what calls after them add (attributes, certificates, permissions).
//!
//! What has no ARN or id yet stands there by its resource id.

mod frontend_nlb;

use serde_json::{Map, Value, json};

use crate::stack::{
    Action, AdditionalClaim, Attributes, Authenticate, Binding, Condition, Desired, FixedResponse, Forward,
    HealthCheck, Listener, LoadBalancer, MutualAuthentication, Patterns, PeerSource, Permission, ProtocolVersion,
    QueryPair, Redirect, Ref, ResourceId, Rewrite, Rule, SHIELD_PROTECTION, SecurityGroup, ServicePort, Tags,
    TargetGroup, TargetType, Transform, UNALLOCATED_NODE_PORT, WebAcl,
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
        frontend_nlb: nlb,
        keep_frontend_nlb: _,
        backend_security_group,
        lift_deletion_protection: _,
        lift_frontend_deletion_protection: _,
    } = desired;
    let of_nlb = nlb.iter().flat_map(|nlb| &nlb.listeners).map(frontend_nlb::target_group);
    members([
        ("Group", json!(group.to_string())),
        ("LoadBalancer", is.as_ref().map(load_balancer).into()),
        ("WebAcl", addons.wafv2.as_ref().map(|acl| web_acl("WebACLArn", acl)).into()),
        ("ClassicWebAcl", addons.waf_classic.as_ref().map(|acl| web_acl("WebACLId", acl)).into()),
        (
            "Protection",
            addons.shield.map(|on| if on { json!({"Name": SHIELD_PROTECTION}) } else { json!("none") }).into(),
        ),
        ("MinimumLoadBalancerCapacity", addons.capacity_units.map(|units| json!({"CapacityUnits": units})).into()),
        ("Listeners", listeners.values().map(listener).collect()),
        ("FrontendNlb", nlb.as_ref().map(frontend_nlb::frontend_nlb).into()),
        ("TargetGroups", target_groups.iter().map(|(id, is)| target_group(id, is)).chain(of_nlb).collect()),
        ("ManagedSecurityGroups", security_group.iter().map(managed).collect()),
        ("BackendSecurityGroup", backend_security_group.then(|| json!(ResourceId::backend_security_group().0)).into()),
        ("TargetGroupBindings", bindings.values().map(binding).collect()),
    ])
}

/// Members that say something.
fn members<const N: usize>(all: [(&str, Value); N]) -> Value {
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
        Ref::Of(id) => json!(id.0),
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
        name,
        scheme,
        ip_address_type,
        subnets,
        security_groups,
        customer_owned_ipv4_pool,
        ipv4_ipam_pool_id,
        attributes: of,
        tags: tagged,
    } = from;
    members([
        ("Name", json!(name)),
        ("Type", json!("application")),
        ("Scheme", json!(scheme.as_str())),
        ("IpAddressType", json!(ip_address_type.as_str())),
        ("Subnets", json!(subnets)),
        ("SecurityGroups", security_groups.iter().map(reference).collect()),
        ("CustomerOwnedIpv4Pool", json!(customer_owned_ipv4_pool)),
        ("IpamPools", ipv4_ipam_pool_id.as_ref().map(|id| json!({"Ipv4IpamPoolId": id})).into()),
        ("Attributes", attributes(of)),
        ("Tags", tags(tagged)),
    ])
}

/// What `AssociateWebACL` associates, or `none` where `DisassociateWebACL` takes something away.
fn web_acl(member: &str, from: &WebAcl) -> Value {
    match from {
        WebAcl::Associated(acl) => json!({member: acl}),
        WebAcl::Nothing => json!("none"),
    }
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

fn rule(from: &Rule) -> Value {
    let Rule { priority, conditions, actions: of, transforms, tags: tagged } = from;
    members([
        ("Priority", json!(priority)),
        ("Conditions", conditions.iter().map(condition).collect()),
        ("Actions", actions(of)),
        ("Transforms", transforms.iter().map(transform).collect()),
        ("Tags", tags(tagged)),
    ])
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html>
fn condition(from: &Condition) -> Value {
    let patterns = |Patterns { values, regex_values }: &Patterns, name: Option<&String>| {
        members([("HttpHeaderName", json!(name)), ("Values", json!(values)), ("RegexValues", json!(regex_values))])
    };
    let (field, config, value) = match from {
        Condition::HostHeader(of) => ("host-header", "HostHeaderConfig", patterns(of, None)),
        Condition::PathPattern(of) => ("path-pattern", "PathPatternConfig", patterns(of, None)),
        Condition::HttpHeader { name, patterns: of } => ("http-header", "HttpHeaderConfig", patterns(of, Some(name))),
        Condition::HttpRequestMethod { values } => {
            ("http-request-method", "HttpRequestMethodConfig", json!({"Values": values}))
        }
        Condition::QueryString { values } => {
            let pair = |QueryPair { key, value }: &QueryPair| members([("Key", json!(key)), ("Value", json!(value))]);
            ("query-string", "QueryStringConfig", json!({"Values": values.iter().map(pair).collect::<Vec<_>>()}))
        }
        Condition::SourceIp { values } => ("source-ip", "SourceIpConfig", json!({"Values": values})),
    };
    members([("Field", json!(field)), (config, value)])
}

/// In their order, numbered from 1.
fn actions(from: &[Action]) -> Value {
    (1..).zip(from).map(|(order, from)| action(from, order)).collect()
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Action.html>
fn action(from: &Action, order: i32) -> Value {
    let (kind, config, value) = match from {
        Action::Forward(of) => ("forward", "ForwardConfig", forward(of)),
        Action::Redirect(of) => ("redirect", "RedirectConfig", redirect(of)),
        Action::FixedResponse(FixedResponse { content_type, message_body, status_code }) => (
            "fixed-response",
            "FixedResponseConfig",
            members([
                ("ContentType", json!(content_type)),
                ("MessageBody", json!(message_body)),
                ("StatusCode", json!(status_code)),
            ]),
        ),
        Action::AuthenticateOidc(of) => ("authenticate-oidc", "AuthenticateOidcConfig", authenticate(of)),
        Action::AuthenticateCognito(of) => ("authenticate-cognito", "AuthenticateCognitoConfig", authenticate(of)),
        Action::JwtValidation { jwks_endpoint, issuer, additional_claims } => {
            let claim = |AdditionalClaim { format, name, values }: &AdditionalClaim| {
                members([("Format", json!(format)), ("Name", json!(name)), ("Values", json!(values))])
            };
            let config = members([
                ("JwksEndpoint", json!(jwks_endpoint)),
                ("Issuer", json!(issuer)),
                ("AdditionalClaims", additional_claims.iter().map(claim).collect()),
            ]);
            ("jwt-validation", "JwtValidationConfig", config)
        }
    };
    members([("Type", json!(kind)), ("Order", json!(order)), (config, value)])
}

fn forward(from: &Forward) -> Value {
    let tuple = |tuple: &crate::stack::TargetGroupTuple| {
        members([("TargetGroupArn", reference(&tuple.target_group)), ("Weight", json!(tuple.weight))])
    };
    let sticky = from
        .stickiness
        .as_ref()
        .map(|from| members([("Enabled", json!(from.enabled)), ("DurationSeconds", json!(from.duration_seconds))]));
    members([
        ("TargetGroups", from.target_groups.iter().map(tuple).collect()),
        ("TargetGroupStickinessConfig", sticky.into()),
    ])
}

fn redirect(from: &Redirect) -> Value {
    let Redirect { host, path, port, protocol, query, status_code } = from;
    members([
        ("Protocol", json!(protocol)),
        ("Port", json!(port)),
        ("Host", json!(host)),
        ("Path", json!(path)),
        ("Query", json!(query)),
        ("StatusCode", json!(status_code)),
    ])
}

/// The client of an identity provider is in a Secret, which is named instead of it.
fn authenticate(from: &Authenticate) -> Value {
    let Authenticate {
        config,
        client_secret_from,
        extra_params,
        on_unauthenticated_request,
        scope,
        session_cookie_name,
        session_timeout,
    } = from;
    let mut all = members([
        ("AuthenticationRequestExtraParams", json!(extra_params)),
        ("ClientFromSecret", json!(client_secret_from)),
        ("OnUnauthenticatedRequest", json!(on_unauthenticated_request)),
        ("Scope", json!(scope)),
        ("SessionCookieName", json!(session_cookie_name)),
        ("SessionTimeout", json!(session_timeout)),
    ]);
    if let Value::Object(all) = &mut all {
        all.extend(config.iter().map(|(key, value)| (pascal(key), json!(value))));
    }
    all
}

/// `userPoolARN` of an annotation is `UserPoolArn` in the API.
fn pascal(key: &str) -> String {
    let key = key.replace("ARN", "Arn").replace("ID", "Id");
    let mut letters = key.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleTransform.html>
fn transform(from: &Transform) -> Value {
    let (kind, config, rewrites) = match from {
        Transform::HostHeaderRewrite(rewrites) => ("host-header-rewrite", "HostHeaderRewriteConfig", rewrites),
        Transform::UrlRewrite(rewrites) => ("url-rewrite", "UrlRewriteConfig", rewrites),
    };
    let rewrite = |Rewrite { regex, replace }: &Rewrite| json!({"Regex": regex, "Replace": replace});
    json!({"Type": kind, config: {"Rewrites": rewrites.iter().map(rewrite).collect::<Vec<_>>()}})
}

/// The port of a target group, `?` for a `NodePort` that no cluster has allocated yet.
pub(super) fn port(of: &TargetGroup) -> String {
    if of.target_type == TargetType::Instance && of.port == UNALLOCATED_NODE_PORT {
        "?".to_owned()
    } else {
        of.port.to_string()
    }
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
        ("ResourceId", json!(id.0)),
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
                Some(ServicePort::Number(number)) if *number == i32::from(UNALLOCATED_NODE_PORT) => json!("?"),
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
