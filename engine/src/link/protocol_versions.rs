//! Target groups whose protocol version an HTTP listener does not take.
//!
//! Source: AWS's answer in <https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/4497>, for the version HTTP2;
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html#target-group-protocol-version> says for
//! GRPC: "The only supported listener protocol is HTTPS".

use std::collections::BTreeMap;

use super::findings::Findings;
use super::group::Group;
use crate::annotation::catalogue::BACKEND_PROTOCOL_VERSION;
use crate::compile::Fragment;
use crate::finding::{Code, Finding, ObjectRef};
use crate::stack::{Protocol, ProtocolVersion};

/// Tells each member whose HTTP listeners forward to such a target group; `redirected`: HTTP listeners redirect everything to HTTPS.
pub(super) fn check(group: Group<'_>, redirected: bool, findings: &mut Findings) {
    for fragment in group.fragments().filter(|_| !redirected) {
        let Some(port) = http_port(fragment) else { continue };
        let newer =
            fragment.target_groups.values().filter(|spec| spec.target_group.protocol_version != ProtocolVersion::Http1);
        let services: BTreeMap<&str, ProtocolVersion> =
            newer.map(|spec| (spec.service.as_str(), spec.target_group.protocol_version)).collect();
        for (service, version) in services {
            let version = version.as_str();
            let message = format!(
                "the HTTP listener on port {port} forwards to Service {service}, which has protocol version {version}: AWS takes it on HTTPS listeners alone"
            );
            let related = ObjectRef::new("Service", &fragment.key.namespace, service);
            let path = BACKEND_PROTOCOL_VERSION.row.path();
            let finding = Finding::new(Code::ProtocolVersionNeedsHttps, fragment.key.ingress(), path, message);
            findings.report(&fragment.key, finding.value(version).related([related]));
        }
    }
}

/// The first port on which a member listens for HTTP.
fn http_port(fragment: &Fragment) -> Option<u16> {
    fragment.listeners.iter().find(|(_, spec)| spec.protocol == Protocol::Http).map(|(port, _)| *port)
}
