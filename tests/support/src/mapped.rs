//! The one rule that makes addresses of the test environment's VPC ones that can be dialled: loopback ones, and no others.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::OnceLock;

/// What is added to a port that only an administrator may listen on, where that is not allowed: `albedo-alb` adds the same.
const MOVED_BY: u16 = 8_000;

/// Where what has an address of the VPC can be reached: 10.a.b.c at 127.a.b.c, so 10.77.33.1 at 127.77.33.1. The API server refuses loopback
/// addresses in `EndpointSlices`, so objects have the address of the VPC, and whoever dials takes the mapped one: tests here, and `albedo-alb`
/// (`dialled`). `None`: an address that is never dialled.
pub fn mapped(address: Ipv4Addr) -> Option<Ipv4Addr> {
    match address.octets() {
        [10, second, third, fourth] => Some(Ipv4Addr::new(127, second, third, fourth)),
        _ => None,
    }
}

/// The same of a text and a port, as objects have them.
pub fn mapped_socket(address: &str, port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::new(IpAddr::V4(mapped(address.parse().ok()?)?), allowed(port)))
}

/// The port itself, or a higher one where this user may not listen on it.
pub(crate) fn allowed(port: u16) -> u16 {
    static FIRST: OnceLock<u16> = OnceLock::new();
    let first = *FIRST.get_or_init(|| {
        let refused =
            TcpListener::bind(("127.0.0.1", 1)).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        let setting = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
        if refused { setting.trim().parse().unwrap_or(1024) } else { 0 }
    });
    if port < first { port.saturating_add(MOVED_BY) } else { port }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_vpc_are_dialled() {
        assert_eq!(mapped_socket("10.77.33.1", 8080), Some(([127, 77, 33, 1], 8080).into()));
        for other in ["11.77.33.1", "127.77.33.1", "192.0.2.1", "fd00::1", "example.com"] {
            assert_eq!(mapped_socket(other, 80), None, "{other}");
        }
    }
}
