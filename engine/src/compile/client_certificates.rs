//! Client certificates of a member: trust stores, and ports without an HTTPS listener.

use std::collections::BTreeMap;

use super::Compiler;
use crate::annotation::catalogue::MUTUAL_AUTHENTICATION;
use crate::annotation::{Pointer, Resolved, Value, Values, mutual_authentication, nearest_of, place};
use crate::finding::Code;
use crate::stack::{MutualAuthentication, Protocol};

impl Compiler<'_> {
    /// Puts the ARNs of trust stores in place of their names; what is asked for on other ports than HTTPS ones goes.
    pub(super) fn find_trust_stores(&mut self, values: &mut Values, ports: &BTreeMap<u16, Protocol>) {
        let Some(asked) = values.resolved(&MUTUAL_AUTHENTICATION) else { return };
        let mut found = BTreeMap::new();
        for (port, is) in asked.value {
            let counts = ports.get(&port) == Some(&Protocol::Https);
            let store = is.trust_store_arn.clone();
            let trust_store_arn = store.and_then(|store| self.trust_store(store, counts));
            if counts {
                found.insert(port, Value::typed(MutualAuthentication { trust_store_arn, ..is }));
            }
        }
        values.insert(&MUTUAL_AUTHENTICATION.row, Resolved { value: Value::ByPort(found), source: asked.source });
    }

    /// The ARN of a trust store that is given by ARN or name. Names are looked up for every port, ARNs are of consequence where
    /// a listener has them alone.
    fn trust_store(&mut self, given: String, counts: bool) -> Option<String> {
        // Not read: what is named is taken as it is.
        let Some(known) = &self.context.facts.trust_stores else { return Some(given) };
        let arn = if given.starts_with("arn:") {
            Some(given.clone()).filter(|arn| !counts || known.value.values().any(|known| known == arn))
        } else {
            known.value.get(&given).cloned()
        };
        if arn.is_none() {
            let key = MUTUAL_AUTHENTICATION.row.key;
            let names: Vec<String> = known.value.keys().cloned().collect();
            let near = nearest_of(&given, names.iter().map(String::as_str)).map(str::to_owned);
            let message = format!("couldn't find trust store {given} in this account and region");
            let raw = self.reader.raw(key).unwrap_or_default();
            let finding = self.reader.refuse(Code::TrustStoreNotFound, key, raw, message);
            finding.allowed = names;
            if let Some(near) = near {
                finding.fix = format!("did you mean {near}?");
            }
        }
        arn
    }

    /// Warns of ports on which the member has no HTTPS listener.
    pub(super) fn unused_client_certificates(&mut self, https: impl Fn(u16) -> bool) {
        let key = MUTUAL_AUTHENTICATION.row.key;
        let Some(raw) = self.reader.raw(key) else { return };
        // No load balancer has more listeners; each is looked for in the text.
        for (index, entry) in mutual_authentication::parse(raw).iter().flatten().enumerate().take(100) {
            if u16::try_from(entry.port).is_ok_and(&https) {
                continue;
            }
            let at = Pointer::Json(format!("/{index}/port"));
            if let Some(finding) = self.unused(key, format!("listen-ports names no HTTPS port {}", entry.port)) {
                finding.place = Some(place(raw, &at));
            }
        }
    }
}
