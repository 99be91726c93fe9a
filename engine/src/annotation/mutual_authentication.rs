//! `mutual-authentication`: whether clients show certificates, for each HTTPS port.

use std::collections::BTreeMap;

use super::arn;
use super::decode::{self, Decoded, object};
use super::parse::{ParseError, shown};
use super::read::{Parsed, Read, Shape};
use super::similar::did_you_mean;
use super::value::{JsonValue, Value};
use crate::stack;

/// The values of [`MutualAuthentication::mode`].
pub const MODES: [&str; 3] = ["off", "passthrough", "verify"];

/// The entry of one port as written; nothing is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MutualAuthentication {
    /// The listener's port
    pub port: i32,
    /// `off`, `passthrough` or `verify`
    pub mode: String,
    /// Trust store for `verify`, by ARN or name
    pub trust_store: Option<String>,
    /// For `verify`: whether expired certificates pass
    pub ignore_client_certificate_expiry: Option<bool>,
    /// For `verify`: whether clients are told the trust store's CA names, `on` or `off`
    pub advertise_trust_store_ca_names: Option<String>,
}
object!(MutualAuthentication {
    "port" => port,
    "mode" => mode,
    "trustStore" => trust_store,
    "ignoreClientCertificateExpiry" => ignore_client_certificate_expiry,
    "advertiseTrustStoreCaNames" => advertise_trust_store_ca_names,
});

/// This kind of JSON.
pub static SHAPE: Shape = Shape {
    takes: "a list of objects with port, mode and trustStore",
    read: |raw| Read::decoded(read(raw), by_port),
    multiline: None,
};

fn by_port(ports: BTreeMap<u16, stack::MutualAuthentication>) -> Parsed<'static> {
    Parsed::Value(Value::ByPort(ports.into_iter().map(|(port, is)| (port, Value::typed(is))).collect()))
}

impl JsonValue for stack::MutualAuthentication {
    fn shown(&self) -> String {
        let store = self.trust_store_arn.as_ref().map(|store| format!(", trustStore: {store}"));
        let expired = self.ignore_client_certificate_expiry;
        let expired = expired.map(|expired| format!(", ignoreClientCertificateExpiry: {expired}"));
        let names = self.advertise_trust_store_ca_names.as_ref();
        let names = names.map(|names| format!(", advertiseTrustStoreCaNames: {names}"));
        format!("mode: {}", self.mode) + &[store, expired, names].into_iter().flatten().collect::<String>()
    }
}

/// Reads the annotation: what is asked for by port. Of several entries on a port the last counts.
#[must_use]
pub fn read(raw: &str) -> Decoded<BTreeMap<u16, stack::MutualAuthentication>> {
    let (entries, unknown) = decode_entries(raw);
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return Decoded { value: None, refused: vec![error], doubtful: unknown },
    };
    let refused = validate(&entries);
    let doubtful = limits(&entries).into_iter().chain(unknown).collect();
    let by_port = |entry: MutualAuthentication| Some((u16::try_from(entry.port).ok()?, entry.asked()));
    let value = refused.is_empty().then(|| entries.into_iter().filter_map(by_port).collect());
    Decoded { value, refused, doubtful }
}

/// The entries, in the order written.
///
/// # Errors
/// On malformed JSON and values of the wrong type. The content is [`validate`]'s matter.
pub fn parse(raw: &str) -> Result<Vec<MutualAuthentication>, ParseError> {
    decode_entries(raw).0
}

/// The entries, and a doubt for each unknown member.
fn decode_entries(raw: &str) -> (Result<Vec<MutualAuthentication>, ParseError>, Vec<ParseError>) {
    let (entries, unknown) = decode::decode_all(raw);
    let entries = entries.map_err(|cause| ParseError {
        message: format!(
            "failed to parse mutualAuthentication configuration from ingress annotation: `{}`: {}",
            shown(raw),
            cause.message
        ),
        ..cause
    });
    (entries, unknown)
}

/// Everything for which LBC refuses the list.
fn validate(entries: &[MutualAuthentication]) -> Vec<ParseError> {
    if entries.is_empty() {
        return vec![ParseError::new("empty mutualAuthentication configuration: the list names no port")];
    }
    let faults = entries.iter().enumerate();
    faults.flat_map(|(index, entry)| entry.faults(&format!("/{index}"))).collect()
}

/// Everything else that AWS would refuse: a trust store that is given by an ARN of something else.
fn limits(entries: &[MutualAuthentication]) -> Vec<ParseError> {
    let stores = entries.iter().enumerate().filter_map(|(index, entry)| Some((index, entry.trust_store.as_deref()?)));
    let fault = |(index, store): (usize, &str)| {
        let error = arn::Kind::TrustStore.parse(store).err().filter(|_| store.starts_with("arn:"))?;
        Some(ParseError::at_json(error.message, format!("/{index}/trustStore")))
    };
    stores.filter_map(fault).collect()
}

impl MutualAuthentication {
    /// What it asks for, with what `verify` defaults to filled in.
    fn asked(self) -> stack::MutualAuthentication {
        let verify = self.mode == "verify";
        let names = self.advertise_trust_store_ca_names.unwrap_or_else(|| "off".to_owned());
        stack::MutualAuthentication {
            trust_store_arn: self.trust_store.filter(|store| !store.is_empty()),
            ignore_client_certificate_expiry: verify.then(|| self.ignore_client_certificate_expiry.unwrap_or_default()),
            advertise_trust_store_ca_names: verify.then_some(names),
            mode: self.mode,
        }
    }

    fn faults(&self, at: &str) -> Vec<ParseError> {
        let mut found = Vec::new();
        let mut fault = |field: &str, message: String| {
            found.push(ParseError::at_json(message, format!("{at}/{field}")));
        };
        if !(1..=65535).contains(&self.port) {
            fault("port", format!("listen port must be within [1, 65535]: {}", self.port));
        }
        match self.mode.as_str() {
            "verify" => {
                if self.trust_store.as_ref().is_none_or(String::is_empty) {
                    fault("trustStore", format!("trustStore must be set for mode verify of port {}", self.port));
                }
                let advertise = self.advertise_trust_store_ca_names.as_deref();
                if let Some(other) = advertise.filter(|value| !["on", "off"].contains(value)) {
                    fault(
                        "advertiseTrustStoreCaNames",
                        format!("advertiseTrustStoreCaNames `{other}` must be on or off"),
                    );
                }
            }
            mode @ ("off" | "passthrough") => {
                for (field, set) in [
                    ("trustStore", self.trust_store.as_ref().is_some_and(|store| !store.is_empty())),
                    ("ignoreClientCertificateExpiry", self.ignore_client_certificate_expiry.is_some()),
                    ("advertiseTrustStoreCaNames", self.advertise_trust_store_ca_names.is_some()),
                ] {
                    if set {
                        fault(field, format!("{field} can't be set for mode {mode} of port {}", self.port));
                    }
                }
            }
            "" => fault("mode", format!("mode must be set for port {}: one of {}", self.port, MODES.join(", "))),
            other => {
                let near = did_you_mean(other, MODES);
                fault("mode", format!("mode `{other}` must be one of {}{near}", MODES.join(", ")));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn complaints(raw: &str) -> Vec<String> {
        validate(&parse(raw).unwrap()).into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn accepts() {
        for raw in [
            r#"[{"port":443,"mode":"off","trustStore":""},{"port":444,"mode":"passthrough"}]"#,
            r#"[{"port":443,"mode":"verify","trustStore":"ts","ignoreClientCertificateExpiry":true,"advertiseTrustStoreCaNames":"on"}]"#,
        ] {
            assert_eq!(complaints(raw), Vec::<String>::new(), "{raw}");
        }
        let entry = parse(r#"[{"port":443,"mode":"verify","trustStore":"ts"}]"#).unwrap().remove(0).asked();
        assert_eq!(entry.ignore_client_certificate_expiry, Some(false));
        assert_eq!(entry.advertise_trust_store_ca_names.as_deref(), Some("off"));
    }

    #[test]
    fn refuses() {
        let table = [
            ("[]", "empty mutualAuthentication configuration: the list names no port"),
            ("null", "empty mutualAuthentication configuration: the list names no port"),
            (r#"[{"mode":"off"}]"#, "listen port must be within [1, 65535]: 0"),
            (r#"[{"port":443}]"#, "mode must be set for port 443: one of off, passthrough, verify"),
            (
                r#"[{"port":443,"mode":"Verify"}]"#,
                "mode `Verify` must be one of off, passthrough, verify; did you mean `verify`?",
            ),
            (r#"[{"port":443,"mode":"verify"}]"#, "trustStore must be set for mode verify of port 443"),
            (r#"[{"port":443,"mode":"off","trustStore":"x"}]"#, "trustStore can't be set for mode off of port 443"),
            (
                r#"[{"port":443,"mode":"passthrough","ignoreClientCertificateExpiry":false}]"#,
                "ignoreClientCertificateExpiry can't be set for mode passthrough of port 443",
            ),
            (
                r#"[{"port":443,"mode":"verify","trustStore":"x","advertiseTrustStoreCaNames":"true"}]"#,
                "advertiseTrustStoreCaNames `true` must be on or off",
            ),
        ];
        for (raw, expected) in table {
            assert_eq!(complaints(raw), [expected], "{raw}");
        }
        assert_eq!(complaints(r#"[{"port":0,"mode":"x"},{"port":1}]"#).len(), 3);
    }

    #[test]
    fn shape_errors_read_as_lbcs() {
        let prefix = "failed to parse mutualAuthentication configuration from ingress annotation: ";
        let raw = "'[{\"port\": 443, \"mode\": \"passthrough\"}]'\n";
        assert_eq!(
            parse(raw).unwrap_err().message,
            format!("{prefix}`{raw}`: invalid character '\\'' looking for beginning of value")
        );
        assert_eq!(parse("{}").unwrap_err().message, format!("{prefix}`{{}}`: found object where a JSON list belongs"));
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            if let Ok(entries) = parse(&raw) {
                let _ = validate(&entries);
            }
        }
    }
}
