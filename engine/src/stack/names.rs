//! Names of AWS resources, byte for byte those that the predecessor gives: a prefix a person can read and ten
//! hexadecimal digits of a SHA-256 over everything that must tell two resources apart.

use sha2::{Digest, Sha256};

use super::{GroupId, HealthCheck, Protocol, ProtocolVersion, Scheme, ServicePort, TargetType};

/// The name of a group's load balancer, unless the user gives one.
#[must_use]
pub fn load_balancer_name(cluster: &str, group: &GroupId, scheme: Scheme) -> String {
    group_name(group, &digest(&[cluster, &group.to_string(), scheme.as_str()]))
}

/// The name of a group's managed security group.
#[must_use]
pub fn managed_security_group_name(cluster: &str, group: &GroupId) -> String {
    group_name(group, &digest(&[cluster, &group.to_string()]))
}

/// The name of the security group that all load balancers of a cluster share.
#[must_use]
pub fn backend_security_group_name(cluster: &str) -> String {
    format!("k8s-traffic-{}-{}", alphanumeric(cluster, 232), digest(&[cluster]))
}

/// The name of the NLB in front of a load balancer.
#[must_use]
pub fn nlb_name(load_balancer: &str) -> String {
    format!("{}-nlb", cut(load_balancer, 28))
}

/// The name of the target group of a listener of the NLB.
#[must_use]
pub fn nlb_target_group_name(cluster: &str, group: &GroupId, port: u16, check: &HealthCheck) -> String {
    let (id, port) = (group.to_string(), port.to_string());
    group_name(group, &digest(&[cluster, &id, &port, "alb", "TCP", &check.port, check.protocol.as_str()]))
}

/// What the name of a target group is made of.
#[derive(Debug, Clone, Copy)]
pub struct TargetGroupName<'a> {
    /// Cluster name.
    pub cluster: &'a str,
    /// The group.
    pub group: &'a GroupId,
    /// The Ingress's namespace, in which the Service is too.
    pub namespace: &'a str,
    /// The Ingress's name.
    pub ingress: &'a str,
    /// The Service's name.
    pub service: &'a str,
    /// The Service's uid.
    pub service_uid: &'a str,
    /// The Service's port as the Ingress refers to it.
    pub port: &'a ServicePort,
    /// Port of the target group.
    pub target_port: u16,
    /// Nodes or pods.
    pub target_type: TargetType,
    /// Protocol towards targets.
    pub protocol: Protocol,
    /// Its version.
    pub protocol_version: ProtocolVersion,
    /// Port of the target control agent.
    pub target_control_port: Option<u16>,
}

impl TargetGroupName<'_> {
    /// The name.
    #[must_use]
    pub fn build(&self) -> String {
        let (group, port, target_port) = (self.group.to_string(), self.port.to_string(), self.target_port.to_string());
        let control = self.target_control_port.map(|port| port.to_string()).unwrap_or_default();
        let hash = digest(&[
            self.cluster,
            &group,
            self.namespace,
            self.ingress,
            self.service_uid,
            &port,
            &target_port,
            self.target_type.as_str(),
            self.protocol.as_str(),
            self.protocol_version.as_str(),
            &control,
        ]);
        format!("k8s-{}-{}-{hash}", alphanumeric(self.namespace, 8), alphanumeric(self.service, 8))
    }
}

fn group_name(group: &GroupId, hash: &str) -> String {
    match group {
        GroupId::Explicit(name) => format!("k8s-{}-{hash}", alphanumeric(name, 17)),
        GroupId::Implicit { namespace, name } => {
            format!("k8s-{}-{}-{hash}", alphanumeric(namespace, 8), alphanumeric(name, 8))
        }
    }
}

fn alphanumeric(text: &str, limit: usize) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(limit).collect()
}

/// The beginning of a text of ASCII characters.
pub(super) fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// The first ten hexadecimal digits of the SHA-256 of the parts, put together without separators.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn implicit(namespace: &str, name: &str) -> GroupId {
        GroupId::Implicit { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn explicit(name: &str) -> GroupId {
        GroupId::Explicit(name.to_owned())
    }

    #[test]
    fn load_balancers() {
        let cases = [
            ("", implicit("awesome-ns", "ing-1"), Scheme::InternetFacing, "k8s-awesomen-ing1-43b698093c"),
            ("", explicit("explicit-group"), Scheme::Internal, "k8s-explicitgroup-5bf9e53c23"),
            ("cluster-dummy", implicit("ns-1", "ing-1"), Scheme::Internal, "k8s-ns1-ing1-b7e914000d"),
            ("cluster-dummy", implicit("ns-1", "ing-1"), Scheme::InternetFacing, "k8s-ns1-ing1-159dd7a143"),
            ("my-eks-cluster", implicit("default", "web"), Scheme::Internal, "k8s-default-web-50f70bf8ca"),
            ("my-eks-cluster", implicit("default", "web"), Scheme::InternetFacing, "k8s-default-web-cb397b418b"),
            (
                "my-eks-cluster",
                explicit("shared.public-group-with-long-name"),
                Scheme::InternetFacing,
                "k8s-sharedpublicgroup-dd88a339a2",
            ),
            (
                "prod",
                implicit("team-payments", "checkout-api"),
                Scheme::InternetFacing,
                "k8s-teampaym-checkout-279fed29d5",
            ),
        ];
        for (cluster, group, scheme, name) in cases {
            assert_eq!(load_balancer_name(cluster, &group, scheme), name);
        }
    }

    #[test]
    fn security_groups() {
        let cases = [
            ("cluster-dummy", implicit("ns-1", "ing-1"), "k8s-ns1-ing1-bd83176788"),
            ("", implicit("awesome-ns", "ing-1"), "k8s-awesomen-ing1-8141b78499"),
            ("", explicit("explicit-group"), "k8s-explicitgroup-f2c5bd7b07"),
            ("my-eks-cluster", implicit("default", "web"), "k8s-default-web-e01f4edc63"),
            ("my-eks-cluster", explicit("shared.public-group-with-long-name"), "k8s-sharedpublicgroup-f0c11c87ca"),
            ("prod", implicit("team-payments", "checkout-api"), "k8s-teampaym-checkout-17e8d55373"),
        ];
        for (cluster, group, name) in cases {
            assert_eq!(managed_security_group_name(cluster, &group), name);
        }
        for (cluster, name) in [
            ("testCluster", "k8s-traffic-testCluster-411a1bcdb1"),
            ("my-eks-cluster", "k8s-traffic-myekscluster-3a5309e36f"),
            ("prod", "k8s-traffic-prod-6754af9632"),
            ("a.b_c-d/e", "k8s-traffic-abcde-2efe3bea25"),
        ] {
            assert_eq!(backend_security_group_name(cluster), name);
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn target_groups() {
        let no_group = explicit("");
        let http = ServicePort::Name("http".to_owned());
        let first = TargetGroupName {
            cluster: "",
            group: &no_group,
            namespace: "ns-1",
            ingress: "name-1",
            service: "name-1",
            service_uid: "my-uuid",
            port: &http,
            target_port: 8080,
            target_type: TargetType::Ip,
            protocol: Protocol::Http,
            protocol_version: ProtocolVersion::Http1,
            target_control_port: None,
        };
        assert_eq!(first.build(), "k8s-ns1-name1-2c37289a00");
        assert_eq!(TargetGroupName { port: &ServicePort::Number(80), ..first }.build(), "k8s-ns1-name1-ab859e54b5");
        assert_eq!(TargetGroupName { target_port: 9090, ..first }.build(), "k8s-ns1-name1-6481032048");
        assert_eq!(TargetGroupName { target_type: TargetType::Instance, ..first }.build(), "k8s-ns1-name1-f4adfdc175");
        assert_eq!(TargetGroupName { protocol: Protocol::Https, ..first }.build(), "k8s-ns1-name1-22fbce26a7");
        assert_eq!(TargetGroupName { target_control_port: Some(80), ..first }.build(), "k8s-ns1-name1-7ed91338c9");
        let own = implicit("ns-1", "ing-1");
        let second = TargetGroupName {
            cluster: "cluster-dummy",
            group: &own,
            ingress: "ing-1",
            service: "svc-1",
            service_uid: "",
            target_port: 32768,
            target_type: TargetType::Instance,
            ..first
        };
        assert_eq!(second.build(), "k8s-ns1-svc1-9889425938");
        let https = ServicePort::Name("https".to_owned());
        let third = TargetGroupName {
            service: "svc-3",
            port: &https,
            target_port: 8443,
            target_type: TargetType::Ip,
            protocol: Protocol::Https,
            ..second
        };
        assert_eq!(third.build(), "k8s-ns1-svc3-bf42870fba");
        let (web, shared) = (implicit("default", "web"), explicit("shared"));
        let fourth = TargetGroupName {
            cluster: "my-eks-cluster",
            group: &web,
            namespace: "default",
            ingress: "web",
            service: "web-svc",
            service_uid: "7a0e0c1e-1f0a-4f44-9d26-3c7a6f1c2b11",
            port: &ServicePort::Number(80),
            target_port: 30080,
            target_type: TargetType::Instance,
            ..first
        };
        assert_eq!(fourth.build(), "k8s-default-websvc-f9eba23a57");
        let fifth = TargetGroupName {
            group: &shared,
            port: &http,
            target_port: 8080,
            target_type: TargetType::Ip,
            protocol_version: ProtocolVersion::Grpc,
            ..fourth
        };
        assert_eq!(fifth.build(), "k8s-default-websvc-5fa2579939");
    }

    #[test]
    fn nlbs() {
        // From recordings of the predecessor.
        assert_eq!(nlb_name("myapp-alb"), "myapp-alb-nlb");
        assert_eq!(nlb_name("k8s-100front-frontend-2fb66440e7"), "k8s-100front-frontend-2fb664-nlb");
        let check = |port: &str| HealthCheck {
            port: port.to_owned(),
            protocol: Protocol::Http,
            path: "/".to_owned(),
            interval_seconds: 15,
            timeout_seconds: 5,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            success_codes: "200".to_owned(),
        };
        let cases = [
            ("f211-frontend-nlb-everything", "web", 8080, "80", "k8s-f211fron-web-bcce2e9776"),
            ("f211-frontend-nlb-everything", "web", 8443, "80", "k8s-f211fron-web-0c26e54128"),
            (
                "100-frontend-nlb-status-only",
                "frontend-nlb-status-only",
                80,
                "traffic-port",
                "k8s-100front-frontend-3292dbdfcb",
            ),
        ];
        for (namespace, name, port, checked, expected) in cases {
            let group = implicit(namespace, name);
            assert_eq!(nlb_target_group_name("demo", &group, port, &check(checked)), expected);
        }
    }
}
