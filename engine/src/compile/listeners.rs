//! What a member says of listeners: ports, certificates, attributes.

use std::collections::{BTreeMap, BTreeSet};

use super::{CertificatesSpec, Compiler, Fragment, ListenerSpec};
use crate::annotation::catalogue::{
    CERTIFICATE_ARN, FRONTEND_NLB_LISTENER_PORT_MAPPING as MAPPING, LISTEN_PORTS, LISTENER_ATTRIBUTES,
};
use crate::annotation::{AcmCertificateArn, Resolved, SettingRow, Source, Value, Values, arn};
use crate::finding::{Code, Effect};
use crate::stack::Protocol;

const CERTIFICATES: &SettingRow = &CERTIFICATE_ARN.row;

impl Fragment {
    /// The NLB's ports that this member asks for and the listeners they lead to; what leads to none is left out.
    #[must_use]
    pub fn nlb_ports(&self) -> BTreeMap<u16, u16> {
        let mapping = self.values.get(&MAPPING).unwrap_or_default();
        mapping.into_iter().filter(|(_, target)| self.listeners.contains_key(target)).collect()
    }
}

impl Compiler<'_> {
    /// Certificates that are named, or the hosts for which they are discovered.
    pub(super) fn certificates(&self, values: &Values) -> CertificatesSpec {
        match values.get(&CERTIFICATE_ARN) {
            Some(arns) => CertificatesSpec::Explicit(arns),
            None => CertificatesSpec::Discover(self.hosts()),
        }
    }

    /// What is known not to be there: a certificate of another region, or one that ACM does not list among those of the account.
    fn check_certificate(&mut self, given: &str) {
        let facts = self.context.facts;
        let Some((arn, region)) = arn::Arn::parse(given).ok().zip(facts.region.as_ref()) else { return };
        if arn.region.is_empty() {
            return;
        }
        if arn.region != *region {
            let message = format!("the certificate is in region {}, the load balancer will be in {region}", arn.region);
            let fix = format!("use a certificate of region {region}");
            self.reader.refuse(Code::CertificateElsewhere, CERTIFICATES.key, given, message).fix = fix;
            return;
        }
        // Of certificates that cannot be listed nothing is known, and of an ARN that is none something else is told.
        let Some(known) = facts.certificates.as_ref().filter(|_| AcmCertificateArn::parse(given).is_ok()) else {
            return;
        };
        if known.value.iter().any(|certificate| certificate.arn == given) {
            return;
        }
        let message = format!("couldn't find certificate {given} among the issued ones of this account and region");
        let finding = self.reader.refuse(Code::CertificateNotFound, CERTIFICATES.key, given, message);
        finding.fix = "name a certificate that ACM has issued in this account and region".to_owned();
        // It may be issued before its listener is made: AWS has the last word.
        finding.effect = Effect::Nothing;
    }

    fn hosts(&self) -> Vec<String> {
        let rules = self.spec.rules.iter().flatten().filter_map(|rule| rule.host.clone());
        let tls = self.spec.tls.iter().flatten().flat_map(|tls| tls.hosts.clone().unwrap_or_default());
        rules.chain(tls).filter(|host| !host.is_empty()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether one of its listeners has TLS. Ports that cannot be read may well be HTTPS.
    pub(super) fn has_tls(&mut self) -> bool {
        match self.resolve_on(&LISTEN_PORTS, None) {
            Ok(Some(ports)) => ports.value.values().any(|protocol| *protocol == Protocol::Https),
            Ok(None) => self.names_certificates(),
            Err(_) => true,
        }
    }

    fn names_certificates(&self) -> bool {
        self.of_class(CERTIFICATES, CERTIFICATES.key).is_some() || self.reader.list(CERTIFICATES.key).is_some()
    }

    /// The listeners, by port. Without `listen-ports` there is one; where that cannot be read there is none.
    pub(super) fn listeners(&mut self, values: &mut Values) -> BTreeMap<u16, ListenerSpec> {
        let ports = match self.resolve_on(&LISTEN_PORTS, None) {
            Ok(Some(ports)) => ports.value,
            Ok(None) if self.tls => BTreeMap::from([(443, Protocol::Https)]),
            Ok(None) => BTreeMap::from([(80, Protocol::Http)]),
            Err(_) => BTreeMap::new(),
        };
        let by_port = |value: fn((&u16, &Protocol)) -> Value| {
            let value = Value::ByPort(ports.iter().map(|listener| (*listener.0, value(listener))).collect());
            Resolved { value, source: Source::Default }
        };
        if !values.has(&LISTEN_PORTS) {
            values.insert(&LISTEN_PORTS.row, by_port(|(_, protocol)| Value::Text(protocol.to_string())));
        }
        // Each listener under its own port.
        if values.get(&MAPPING).is_none_or(|mapping| mapping.is_empty()) {
            values.insert(&MAPPING.row, by_port(|(port, _)| Value::Int((*port).into())));
        }
        let named = values.resolved(&CERTIFICATE_ARN).filter(|named| self.tls && named.source != Source::Class);
        for given in named.into_iter().flat_map(|named| named.value) {
            self.check_certificate(&given);
        }
        self.find_trust_stores(values, &ports);
        let mut listeners = BTreeMap::new();
        for (port, protocol) in ports {
            let attributes = self.resolve_one(&LISTENER_ATTRIBUTES, &format!("{protocol}-{port}")).unwrap_or_default();
            listeners.insert(port, ListenerSpec { protocol, attributes });
        }
        listeners
    }
}
