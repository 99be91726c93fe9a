//! What an operation needs out of a list of the account that could not be read yet: then nothing is sent, and the pass is tried again.
//!
//! Where a list was never read, what an Ingress names stands in the operation as it was written, and what would be found is absent. AWS
//! would refuse the one, and take the other for what was asked for.

use albedo_engine::stack::{Listener, Protocol};

use super::error::CloudError;
use super::facts::FactKind;

/// The value if it is what AWS takes: an id or an ARN, as lists give it.
pub(super) fn id<'v>(operation: &'static str, list: FactKind, value: &'v str) -> Result<&'v str, CloudError> {
    let prefix = match list {
        FactKind::Subnets => "subnet-",
        FactKind::SecurityGroups => "sg-",
        _ => "arn:",
    };
    if value.starts_with(prefix) {
        return Ok(value);
    }
    Err(CloudError::Unlisted { operation, list, name: value.to_owned() })
}

/// No load balancer is without subnets.
pub(super) fn subnets<'v>(
    operation: &'static str,
    ids: impl IntoIterator<Item = &'v String>,
) -> Result<(), CloudError> {
    let list = FactKind::Subnets;
    let mut ids = ids.into_iter().peekable();
    if ids.peek().is_none() {
        return Err(CloudError::Unlisted { operation, list, name: "to discover".to_owned() });
    }
    ids.try_for_each(|subnet| id(operation, list, subnet).map(drop))
}

/// A secure listener has a certificate, and clients are verified by a trust store.
pub(super) fn listener(operation: &'static str, is: &Listener) -> Result<(), CloudError> {
    if is.protocol == Protocol::Https && is.certificates.is_empty() {
        let name = format!("for port {}", is.port);
        return Err(CloudError::Unlisted { operation, list: FactKind::Certificates, name });
    }
    is.trust_store().map_or(Ok(()), |store| id(operation, FactKind::TrustStores, store).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_wait_for_their_list() {
        let rows = [
            (FactKind::Subnets, "subnet-1", "private-a"),
            (FactKind::SecurityGroups, "sg-1", "web"),
            (FactKind::TargetGroups, "arn:aws:elasticloadbalancing:x", "blue"),
            (FactKind::TrustStores, "arn:aws:elasticloadbalancing:y", "clients"),
            (FactKind::WebAcls, "arn:aws:z", "office"),
        ];
        for (list, listed, name) in rows {
            assert_eq!(id("X", list, listed).ok(), Some(listed));
            let error = id("X", list, name).unwrap_err();
            assert!(matches!(&error, CloudError::Unlisted { list: told, name: of, .. } if *told == list && of == name));
            assert!(error.may_pass() && error.to_string().contains(list.permission()), "{error}");
        }
    }

    #[test]
    fn a_load_balancer_waits_for_its_subnets() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert!(subnets("CreateLoadBalancer", &ids(&[])).is_err());
        assert!(subnets("CreateLoadBalancer", &ids(&["subnet-1", "private-a"])).is_err());
        assert!(subnets("CreateLoadBalancer", &ids(&["subnet-1", "subnet-2"])).is_ok());
    }
}
