//! CIDRs as Go's `net.ParseCIDR` reads them: host bits are allowed.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::parse::{FAULTS, ParseError, items};

/// A CIDR with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cidr {
    /// As written; this is what AWS gets.
    pub text: String,
    /// The network, host bits cleared.
    pub net: IpNet,
}

impl Cidr {
    /// Whether the address is another than the network's.
    #[must_use]
    pub fn has_host_bits(&self) -> bool {
        let address = self.text.split_once('/').and_then(|(address, _)| address.parse::<IpAddr>().ok());
        address != Some(self.net.addr())
    }

    /// Reads one CIDR.
    ///
    /// # Errors
    /// For what isn't an address, a slash and a prefix length that fits.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let net = network(text).ok_or_else(|| {
            // The commonest slip: an address alone.
            let fix = match text.parse::<IpAddr>() {
                Ok(address) => format!("; did you mean `{}`?", IpNet::from(address)),
                Err(_) => String::new(),
            };
            ParseError::new(format!("invalid CIDR address: {text}{fix}"))
        })?;
        Ok(Self { text: text.to_owned(), net })
    }
}

fn network(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    // Go counts the digits up, so leading zeros pass; a sign doesn't.
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length = length.parse().ok()?;
    IpNet::new(address, length).ok().map(|net| net.trunc())
}

/// Reads a list separated by commas.
///
/// # Errors
/// One for every item that is no CIDR, the first [`FAULTS`].
pub fn parse_list(raw: &str) -> Result<Vec<Cidr>, Vec<ParseError>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for item in items(raw) {
        match Cidr::parse(item.text) {
            Ok(cidr) => good.push(cidr),
            Err(error) => bad.push(error.within(&item)),
        }
        if bad.len() == FAULTS {
            break;
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "10.0.0.1/24",
            "10.0.0.0/08",
            "::/0",
            "2001:db8::/32",
            "2001:DB8:0::/32",
            "2001:db8::1/64",
        ] {
            assert_eq!(Cidr::parse(text).unwrap().text, text);
        }
        assert_eq!(Cidr::parse("10.0.0.1/24").unwrap().net.to_string(), "10.0.0.0/24");
    }

    #[test]
    fn refuses() {
        for bad in ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0/8", "010.0.0.0/8"]
        {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
        for bad in ["::/129", "fe80::1%eth0/64", "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0.0/99999999999", "a/8"] {
            let error = Cidr::parse(bad).unwrap_err();
            assert_eq!(error.message, format!("invalid CIDR address: {bad}"));
        }
        assert_eq!(
            Cidr::parse("10.0.0.7").unwrap_err().message,
            "invalid CIDR address: 10.0.0.7; did you mean `10.0.0.7/32`?"
        );
    }

    #[test]
    fn lists() {
        assert_eq!(parse_list("10.0.0.0/8, ::/0,").map(|list| list.len()), Ok(2));
        assert_eq!(parse_list("").map(|list| list.len()), Ok(0));
        assert_eq!(parse_list("a,10.0.0.0/8,b").unwrap_err().len(), 2);
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>(), near in "[0-9a-f.:/]{0,20}") {
            let _ = (parse_list(&raw), parse_list(&near));
        }

        #[test]
        fn networks_are_read_back(address in any::<u32>(), length in 0_u8..=32) {
            let net = IpNet::new(IpAddr::V4(address.into()), length).unwrap().trunc();
            prop_assert_eq!(Cidr::parse(&net.to_string()).unwrap().net, net);
        }
    }
}
