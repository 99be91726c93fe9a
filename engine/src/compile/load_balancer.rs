//! What a member says of the load balancer.

use super::{Compiler, LoadBalancerAsk, SubnetsAsk};
use crate::annotation::parse;
use crate::finding::Code;
use crate::kinds::IngressClassParamsSpec;
use crate::stack::{IpAddressType, Scheme};

impl Compiler<'_> {
    pub(super) fn order(&mut self) -> i32 {
        let Some(order) = self.reader.read("group.order", Code::InvalidGroupOrder, parse::go_int32) else { return 0 };
        if !(-1000..=1000).contains(&order) {
            let message = format!("group order {order} is not within -1000 and 1000");
            self.reader.refuse(Code::InvalidGroupOrder, "group.order", &order.to_string(), message);
        }
        order
    }

    pub(super) fn load_balancer(&mut self) -> LoadBalancerAsk {
        let params = self.params.clone().map(|params| params.spec.clone()).unwrap_or_default();
        let security_groups = self.reader.list("security-groups").unwrap_or_default();
        self.reader.checked("security-groups");
        LoadBalancerAsk {
            name: self.name(&params),
            scheme: self.scheme(&params),
            ip_address_type: self.ip_address_type(&params),
            subnets: self.subnets(&params),
            manage_backend_rules: self.manage_backend_rules(!security_groups.is_empty()),
            security_groups,
            customer_owned_ipv4_pool: self.customer_owned_ipv4_pool(),
            ipv4_ipam_pool_id: self.reader.raw("ipam-ipv4-pool-id").filter(|id| !id.is_empty()).map(str::to_owned),
            attributes: self
                .reader
                .map("load-balancer-attributes", Code::InvalidAttribute)
                .into_iter()
                .flatten()
                .collect(),
            ssl_redirect: self.ssl_redirect(&params),
        }
    }

    fn name(&mut self, params: &IngressClassParamsSpec) -> Option<String> {
        let enforced = params.load_balancer_name.as_deref().filter(|name| !name.is_empty());
        if enforced.is_none() {
            self.reader.checked("load-balancer-name");
        }
        enforced.or_else(|| self.reader.raw("load-balancer-name")).map(str::to_owned)
    }

    fn scheme(&mut self, params: &IngressClassParamsSpec) -> Option<Scheme> {
        if let Some(scheme) = params.scheme.as_deref().and_then(Scheme::parse) {
            return Some(scheme);
        }
        let raw = self.reader.raw("scheme")?;
        self.reader.word("scheme", raw, Code::InvalidScheme, &Scheme::ALL, Scheme::parse)
    }

    fn ip_address_type(&mut self, params: &IngressClassParamsSpec) -> Option<IpAddressType> {
        if let Some(kind) = params.ip_address_type.as_deref().and_then(IpAddressType::parse) {
            return Some(kind);
        }
        let raw = self.reader.raw("ip-address-type")?;
        self.reader.word("ip-address-type", raw, Code::InvalidValue, &IpAddressType::ALL, IpAddressType::parse)
    }

    fn customer_owned_ipv4_pool(&mut self) -> Option<String> {
        let pool = self.reader.raw("customer-owned-ipv4-pool")?;
        if pool.is_empty() {
            let message = "cannot use empty value for customer-owned-ipv4-pool";
            self.reader.refuse(Code::InvalidValue, "customer-owned-ipv4-pool", pool, message).mend =
                "name the pool (ipv4pool-coip-…) or remove the annotation".to_owned();
            return None;
        }
        Some(pool.to_owned())
    }

    fn subnets(&mut self, params: &IngressClassParamsSpec) -> Option<SubnetsAsk> {
        if let Some(selector) = &params.subnets {
            if let Some(ids) = &selector.ids {
                return Some(SubnetsAsk::Ids(ids.clone()));
            }
            return selector.tags.clone().map(SubnetsAsk::Tags);
        }
        let raw = self.reader.raw("subnets")?;
        self.reader.checked("subnets");
        Some(SubnetsAsk::Annotated(parse::string_list(raw)))
    }

    /// Beside a managed security group nothing reads it, so that whatever stands there does no harm.
    fn manage_backend_rules(&mut self, beside_own: bool) -> Option<bool> {
        const SUFFIX: &str = "manage-backend-security-group-rules";
        if beside_own { self.reader.bool(SUFFIX) } else { parse::go_bool(self.reader.raw(SUFFIX)?).ok() }
    }

    fn ssl_redirect(&mut self, params: &IngressClassParamsSpec) -> Option<u16> {
        if let Some(port) = params.ssl_redirect_port.as_ref().filter(|port| !port.is_empty()) {
            // One that is no number switches it off for the whole group, and one that is no port is a fault of the class's.
            return parse::go_int32(port).ok().and_then(|port| u16::try_from(port).ok());
        }
        let raw = self.reader.raw("ssl-redirect")?;
        let port = self.reader.read("ssl-redirect", Code::InvalidSslRedirect, parse::go_int32)?;
        let number = u16::try_from(port).ok().filter(|port| *port > 0);
        if number.is_none() {
            let message = format!("{port} is no port: 1 to 65535 are");
            self.reader.refuse(Code::InvalidSslRedirect, "ssl-redirect", raw, message);
        }
        number
    }
}
