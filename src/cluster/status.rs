//! The status of an Ingress: its host names, with the ports of all listeners.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

/// A load balancer's name and the ports that it listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// DNS name in lower case, as required for a host in a status.
    pub hostname: String,
    /// Ports of the listeners.
    pub ports: BTreeSet<u16>,
}

/// The patch that writes `hosts` to the status of an Ingress, in their order; `None` if the status has them already, in any order.
///
/// The protocol of a port is the empty string, as with LBC: the API server requires the field and accepts this value.
pub(super) fn status_patch(ingress: &Ingress, hosts: &[Host]) -> Option<Value> {
    let wanted =
        hosts.iter().map(|host| (host.hostname.clone(), host.ports.iter().map(|port| i32::from(*port)).collect()));
    if said(ingress) == wanted.collect() {
        return None;
    }
    let entries: Vec<Value> = hosts
        .iter()
        .map(|host| {
            let ports: Vec<Value> = host.ports.iter().map(|port| json!({"port": port, "protocol": ""})).collect();
            if ports.is_empty() {
                json!({"hostname": host.hostname})
            } else {
                json!({"hostname": host.hostname, "ports": ports})
            }
        })
        .collect();
    Some(json!({"status": {"loadBalancer": {"ingress": entries}}}))
}

fn said(ingress: &Ingress) -> BTreeMap<String, BTreeSet<i32>> {
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    balancer
        .and_then(|balancer| balancer.ingress.as_ref())
        .into_iter()
        .flatten()
        .map(|entry| {
            let ports = entry.ports.iter().flatten().map(|port| port.port).collect();
            (entry.hostname.clone().unwrap_or_default(), ports)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(hostname: &str, ports: &[u16]) -> Host {
        Host { hostname: hostname.to_owned(), ports: ports.iter().copied().collect() }
    }

    fn with_status(entries: &Value) -> Ingress {
        serde_json::from_value(json!({"status": {"loadBalancer": {"ingress": entries}}})).unwrap()
    }

    #[test]
    fn equal_in_any_order_is_equal() {
        let ingress = with_status(&json!([
            {"hostname": "b", "ports": []},
            {"hostname": "a", "ports": [{"port": 443, "protocol": ""}, {"port": 80, "protocol": "TCP"}]},
        ]));
        assert_eq!(status_patch(&ingress, &[host("a", &[80, 443]), host("b", &[])]), None);
    }

    #[test]
    fn what_differs_is_written_whole() {
        let wanted = [host("a", &[443, 80]), host("n", &[])];
        let patch = json!({"status": {"loadBalancer": {"ingress": [
            {"hostname": "a", "ports": [{"port": 80, "protocol": ""}, {"port": 443, "protocol": ""}]},
            {"hostname": "n"},
        ]}}});
        let stale = [
            json!([]),
            json!([{"ip": "10.0.0.1"}]),
            json!([{"hostname": "a", "ports": [{"port": 80, "protocol": ""}]}]),
        ];
        for entries in stale {
            assert_eq!(status_patch(&with_status(&entries), &wanted).as_ref(), Some(&patch), "{entries}");
        }
        assert_eq!(status_patch(&Ingress::default(), &wanted), Some(patch));
    }
}
