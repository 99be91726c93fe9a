//! Subnets for the accounts of tests.

use albedo_engine::facts::Subnet;

/// An ordinary subnet of `vpc-1`: with free addresses, of IPv4, with these tags.
pub fn subnet(id: &str, zone: &str, tags: &[(&str, &str)]) -> Subnet {
    Subnet {
        id: id.to_owned(),
        vpc_id: "vpc-1".to_owned(),
        zone: zone.to_owned(),
        locale: "availability-zone".to_owned(),
        free_addresses: 100,
        ipv6: false,
        public: None,
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}
