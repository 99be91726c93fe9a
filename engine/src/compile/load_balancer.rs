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
        LoadBalancerAsk {
            name: self.name(&params),
            scheme: self.scheme(&params),
            ip_address_type: self.ip_address_type(&params),
            subnets: self.subnets(&params),
            security_groups: self.reader.list("security-groups").unwrap_or_default(),
            manage_backend_rules: self.reader.bool("manage-backend-security-group-rules"),
            customer_owned_ipv4_pool: self.customer_owned_ipv4_pool(),
            ipv4_ipam_pool_id: self.reader.raw("ipam-ipv4-pool-id").filter(|id| !id.is_empty()).map(str::to_owned),
            attributes: self.reader.map("load-balancer-attributes", Code::InvalidValue).into_iter().flatten().collect(),
            ssl_redirect: self.ssl_redirect(&params),
        }
    }

    fn name(&mut self, params: &IngressClassParamsSpec) -> Option<String> {
        let enforced = params.load_balancer_name.as_deref().filter(|name| !name.is_empty());
        let name = enforced.or_else(|| self.reader.raw("load-balancer-name"))?;
        let shaped = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
            && !name.starts_with("internal-")
            && !name.is_empty();
        if name.len() > 32 {
            let message = format!("{name:?} has {} characters, 32 is the limit", name.len());
            self.reader.refuse(Code::InvalidName, "load-balancer-name", name, message);
        } else if !shaped {
            let message = format!("{name:?} is not a load balancer's name");
            self.reader.refuse(Code::InvalidName, "load-balancer-name", name, message);
        }
        Some(name.to_owned())
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
        let list = parse::string_list(raw);
        self.check_subnets("subnets", raw, &list);
        Some(SubnetsAsk::Annotated(list))
    }

    /// Shape, count and duplicates of a list of subnets, before AWS is asked.
    pub(super) fn check_subnets(&mut self, suffix: &str, raw: &str, list: &[String]) {
        let mut refuse = |value: &str, message: String| {
            self.reader.refuse(Code::InvalidSubnets, suffix, value, message);
        };
        if list.is_empty() {
            refuse(raw, "no subnet is named: unable to resolve at least one subnet".to_owned());
        }
        for (index, subnet) in list.iter().enumerate() {
            let hexadecimal = subnet.strip_prefix("subnet-").map(|id| {
                !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            });
            if hexadecimal == Some(false) {
                refuse(subnet, format!("{subnet} is no subnet id: subnet- is followed by hexadecimal digits"));
            }
            if hexadecimal.is_some() && list.iter().take(index).any(|earlier| earlier == subnet) {
                refuse(subnet, format!("{subnet} is named twice"));
            }
        }
    }

    fn ssl_redirect(&mut self, params: &IngressClassParamsSpec) -> Option<u16> {
        if let Some(port) = &params.ssl_redirect_port {
            return port.parse().ok();
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
