//! Addresses: where a load balancer listens, and which address stands for that of a target. Nothing but loopback is ever dialled.

use std::net::{IpAddr, Ipv4Addr};

use sha2::{Digest as _, Sha256};

/// First octets of the addresses of load balancers.
const BALANCERS: [u8; 2] = [127, 88];

/// The loopback address that stands for that of a target: 127.a.b.c for 10.a.b.c, and each loopback address for itself; `None` for
/// all others, which are refused.
///
/// The API server takes no loopback addresses for pods, and a test must not reach out of its machine; so pods and nodes keep
/// addresses of 10.0.0.0/8, and what answers for them listens on loopback.
///
/// ```
/// use std::net::Ipv4Addr;
/// let at = |address: [u8; 4]| albedo_alb::dialled(Ipv4Addr::from(address).into());
/// assert_eq!(at([10, 77, 33, 5]), Some(Ipv4Addr::new(127, 77, 33, 5).into()));
/// assert_eq!(at([127, 0, 0, 1]), Some(Ipv4Addr::LOCALHOST.into()));
/// assert_eq!(at([192, 168, 0, 1]), None);
/// ```
#[must_use]
pub fn dialled(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [10, a, b, c] => Some(Ipv4Addr::new(127, a, b, c).into()),
            _ if v4.is_loopback() => Some(address),
            _ => None,
        },
        IpAddr::V6(v6) => v6.is_loopback().then_some(address),
    }
}

/// The addresses that a load balancer may get, in the order in which they are tried: the first follows from its ARN, so that it has the
/// same one at every start.
pub(crate) fn candidates(arn: &str) -> impl Iterator<Item = IpAddr> {
    let hash = Sha256::digest(arn);
    let seed = hash.first().zip(hash.get(1)).map_or(0, |(high, low)| u16::from_be_bytes([*high, *low]));
    (0..64_u16).map(move |attempt| {
        // 0 and 255 at the end read as a network's own and its broadcast address.
        let [third, fourth] = seed.wrapping_add(attempt.wrapping_mul(257)).to_be_bytes();
        Ipv4Addr::new(BALANCERS[0], BALANCERS[1], third, fourth.clamp(1, 254)).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_dialled() {
        let rows = [
            ("10.77.33.5", Some("127.77.33.5")),
            ("10.0.0.1", Some("127.0.0.1")),
            ("127.77.1.2", Some("127.77.1.2")),
            ("::1", Some("::1")),
            ("11.0.0.1", None),
            ("172.16.0.1", None),
            ("192.168.1.1", None),
            ("169.254.169.254", None),
            ("0.0.0.0", None),
            ("fd00::1", None),
            ("::ffff:10.0.0.1", None),
        ];
        for (given, expected) in rows {
            let expected = expected.map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!(dialled(given.parse().unwrap()), expected, "{given}");
        }
    }

    #[test]
    fn a_load_balancer_keeps_its_address_and_has_others_to_try() {
        let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/a/1";
        let tried: Vec<IpAddr> = candidates(arn).collect();
        assert_eq!(tried, candidates(arn).collect::<Vec<_>>());
        let different: std::collections::BTreeSet<_> = tried.iter().collect();
        assert!(different.len() > 60, "{tried:?}");
        assert!(tried.iter().all(|address| matches!(address, IpAddr::V4(v4) if v4.octets()[..2] == [127, 88])));
    }
}
