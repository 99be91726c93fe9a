//! What a member says of listeners: ports, sources, TLS.

use std::collections::{BTreeMap, BTreeSet};

use super::{CertificatesAsk, Compiler, ListenerAsk};
use crate::annotation::{arn, cidr, listen_ports, mutual_authentication, nearest};
use crate::finding::Code;
use crate::stack::{Attributes, MutualAuthentication, Protocol};

impl Compiler<'_> {
    /// Certificates that are named, or the hosts for which they are discovered.
    pub(super) fn certificates(&mut self) -> CertificatesAsk {
        let enforced = self.params.as_ref().and_then(|params| params.spec.certificate_arn.clone());
        if let Some(arns) = enforced.filter(|arns| !arns.is_empty()) {
            return CertificatesAsk::Explicit(arns);
        }
        let Some(arns) = self.reader.list("certificate-arn") else {
            return CertificatesAsk::Discover(self.hosts());
        };
        CertificatesAsk::Explicit(arns)
    }

    fn check_region(&mut self, given: &str) {
        let Some((arn, region)) = arn::Arn::parse(given).ok().zip(self.context.facts.region.as_ref()) else { return };
        if !arn.region.is_empty() && arn.region != *region {
            let message = format!("the certificate is in region {}, the load balancer will be in {region}", arn.region);
            let mend = format!("use a certificate of region {region}");
            self.reader.refuse(Code::CertificateElsewhere, "certificate-arn", given, message).mend = mend;
        }
    }

    fn hosts(&self) -> Vec<String> {
        let rules = self.spec.rules.iter().flatten().filter_map(|rule| rule.host.clone());
        let tls = self.spec.tls.iter().flatten().flat_map(|tls| tls.hosts.clone().unwrap_or_default());
        rules.chain(tls).filter(|host| !host.is_empty()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn listeners(&mut self, certificates: &CertificatesAsk) -> BTreeMap<u16, ListenerAsk> {
        let ports = self.listen_ports(certificates);
        // Ports that cannot be read may well be HTTPS.
        self.tls = ports.as_ref().is_none_or(|ports| ports.values().any(|protocol| *protocol == Protocol::Https));
        if self.tls && !self.class_says("certificateArn") {
            // Without a listener that takes them they do no harm.
            self.reader.checked("certificate-arn");
            for given in self.reader.list("certificate-arn").unwrap_or_default() {
                self.check_region(&given);
            }
        }
        let inbound_cidrs = self.inbound_cidrs();
        let prefix_lists = self.prefix_lists();
        let params = self.params.clone();
        let enforced_policy = params.as_ref().and_then(|params| params.spec.ssl_policy.clone());
        let ssl_policy = enforced_policy
            .filter(|policy| !policy.is_empty())
            .or_else(|| self.reader.raw("ssl-policy").map(str::to_owned));
        let ports = ports.unwrap_or_default();
        let mutual = self.mutual_authentication(&ports);
        let mut listeners = BTreeMap::new();
        for (port, protocol) in ports {
            let https = protocol == Protocol::Https;
            let attributes = self.listener_attributes(protocol, port);
            let ask = ListenerAsk {
                protocol,
                inbound_cidrs: inbound_cidrs.clone(),
                prefix_lists: prefix_lists.clone(),
                ssl_policy: ssl_policy.clone().filter(|_| https),
                mutual_authentication: mutual.get(&port).cloned().filter(|_| https),
                attributes,
            };
            listeners.insert(port, ask);
        }
        listeners
    }

    /// Ports with their protocols; `None`: they cannot be read.
    fn listen_ports(&mut self, certificates: &CertificatesAsk) -> Option<BTreeMap<u16, Protocol>> {
        let Some(raw) = self.reader.raw("listen-ports") else {
            let explicit = matches!(certificates, CertificatesAsk::Explicit(_));
            return Some(BTreeMap::from([if explicit { (443, Protocol::Https) } else { (80, Protocol::Http) }]));
        };
        let pairs = self.reader.check_all("listen-ports", raw, Code::InvalidListenPorts, listen_ports::parse)?;
        let pairs = listen_ports::last_wins(&pairs).into_iter();
        Some(pairs.filter_map(|(protocol, port)| Some((port, Protocol::parse(protocol.as_str())?))).collect())
    }

    fn inbound_cidrs(&mut self) -> Vec<String> {
        let enforced = self.params.as_ref().and_then(|params| params.spec.inbound_cidrs.clone());
        // What the class enforces is checked as the class's.
        enforced.filter(|cidrs| !cidrs.is_empty()).unwrap_or_else(|| {
            let _ = self
                .reader
                .raw("inbound-cidrs")
                .map(|raw| self.reader.check_all("inbound-cidrs", raw, Code::InvalidCidr, cidr::parse_list));
            self.reader.list("inbound-cidrs").unwrap_or_default()
        })
    }

    fn prefix_lists(&mut self) -> Vec<String> {
        let params = self.params.as_ref().map(|params| &params.spec);
        let enforced = params.and_then(|spec| {
            let lists = spec.prefix_lists_ids.clone().filter(|lists| !lists.is_empty());
            lists.or_else(|| spec.legacy_prefix_lists_ids.clone().filter(|lists| !lists.is_empty()))
        });
        enforced.or_else(|| self.reader.list("security-group-prefix-lists")).unwrap_or_default()
    }

    fn listener_attributes(&mut self, protocol: Protocol, port: u16) -> Attributes {
        let suffix = format!("listener-attributes.{protocol}-{port}");
        self.reader.map(&suffix, Code::InvalidAttribute).into_iter().flatten().collect()
    }

    fn mutual_authentication(&mut self, ports: &BTreeMap<u16, Protocol>) -> BTreeMap<u16, MutualAuthentication> {
        const SUFFIX: &str = "mutual-authentication";
        let Some(raw) = self.reader.raw(SUFFIX) else { return BTreeMap::new() };
        let (parse, validate) = (mutual_authentication::parse, |given: &Vec<_>| mutual_authentication::validate(given));
        let parsed = self.reader.json(SUFFIX, Code::InvalidMutualAuthentication, parse, validate);
        let mut by_port = BTreeMap::new();
        for config in parsed.unwrap_or_default() {
            let Ok(port) = u16::try_from(config.port) else { continue };
            let counts = ports.get(&port) == Some(&Protocol::Https);
            let named = config.trust_store.filter(|store| !store.is_empty());
            let trust_store_arn = named.and_then(|store| self.trust_store(store, raw, counts));
            let verify = config.mode == "verify";
            let asked = MutualAuthentication {
                trust_store_arn,
                ignore_client_certificate_expiry: verify
                    .then(|| config.ignore_client_certificate_expiry.unwrap_or_default()),
                advertise_trust_store_ca_names: verify
                    .then(|| config.advertise_trust_store_ca_names.unwrap_or_else(|| "off".to_owned())),
                mode: config.mode,
            };
            by_port.insert(port, asked);
        }
        by_port
    }

    /// The ARN of a trust store that is given by ARN or name. Names are looked up for every port, ARNs are of consequence where
    /// a listener has them alone.
    fn trust_store(&mut self, given: String, raw: &str, counts: bool) -> Option<String> {
        // Not read: what is named is taken as it is.
        let Some(known) = &self.context.facts.trust_stores else { return Some(given) };
        let arn = if given.starts_with("arn:") {
            Some(given.clone()).filter(|arn| !counts || known.value.values().any(|known| known == arn))
        } else {
            known.value.get(&given).cloned()
        };
        if arn.is_none() {
            let names: Vec<String> = known.value.keys().cloned().collect();
            let near = nearest::nearest_of(&given, names.iter().map(String::as_str)).map(str::to_owned);
            let message = format!("couldn't find trust store {given} in this account and region");
            let finding = self.reader.refuse(Code::TrustStoreNotFound, "mutual-authentication", raw, message);
            finding.allowed = names;
            if let Some(near) = near {
                finding.mend = format!("did you mean {near}?");
            }
        }
        arn
    }
}
