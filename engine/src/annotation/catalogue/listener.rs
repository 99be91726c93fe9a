//! Keys that belong to listeners, by port.

use std::collections::BTreeMap;

use super::group::{pairs, text};
use crate::annotation::arn::Kind as ArnKind;
use crate::annotation::attributes::Owner;
use crate::annotation::listen_ports;
use crate::annotation::mutual_authentication;
use crate::annotation::parse::go_int32;
use crate::annotation::row::{Grammar, Merge, Scope, SettingRow, When, Wins};
use crate::annotation::setting::Setting;
use crate::annotation::value::Value;
use crate::finding::Code;
use crate::kinds::IngressClassParamsSpec;
use crate::stack::{Attributes, MutualAuthentication, Protocol};
use Scope::{Ingress, Listener};

settings! { LISTENER_ROWS:
    LISTEN_PORTS: BTreeMap<u16, Protocol> = Setting::new(
        "listen-ports", Listener, Grammar::Json(&listen_ports::SHAPE), Merge::PortUnion,
        r#"[{"HTTP": 80}, {"HTTPS": 443}]"#,
        "The ports that the ALB listens on for this Ingress, as a JSON list of objects {protocol: port}. Without it: \
         HTTPS on 443 when the Ingress has certificates of its own, HTTP on 80 otherwise.",
    )
    .code(Code::InvalidListenPorts)
    .also(&[Code::ListenerConflict, Code::UnfamiliarValue])
    .default(r#"[{"HTTP":80}]"#);
    SSL_REDIRECT: u16 = Setting::new(
        "ssl-redirect", Listener, Grammar::Int32 { min: 1, max: 65535 }, Merge::Same, "443",
        "An HTTPS listener's port to which every HTTP listener of the group sends its clients, by 301. HTTP listeners have \
         no rules then.",
    )
    .code(Code::InvalidSslRedirect)
    .fix_of_code()
    .also(&[Code::GroupConflict, Code::Overridden])
    .params("sslRedirectPort", Wins::OverEach, |spec, _| {
        let port = spec.ssl_redirect_port.as_ref().filter(|port| !port.is_empty())?;
        // One that is no number switches the redirect off, for the whole group.
        Some(go_int32(port).map_or_else(|_| Value::Text(port.clone()), |port| Value::Int(port.into())))
    });
    INBOUND_CIDRS: Vec<String> = Setting::new(
        "inbound-cidrs", Listener, Grammar::Cidrs, Merge::SameSetPerPort, "10.0.0.0/8, 2001:db8::/32",
        "Client addresses that the managed security group lets in; everybody when neither this nor \
         `security-group-prefix-lists` is given. No effect beside `security-groups`.",
    )
    .code(Code::InvalidCidr)
    .also(&[Code::ListenerConflict, Code::Overridden])
    .default("0.0.0.0/0, ::/0")
    .params("inboundCIDRs", Wins::OverEach, |spec, _| list(spec.inbound_cidrs.as_ref()))
    .when(When::ManagedSecurityGroup);
    SECURITY_GROUP_PREFIX_LISTS: Vec<String> = Setting::new(
        "security-group-prefix-lists", Listener, Grammar::Ids("pl-"), Merge::SameSetPerPort,
        "pl-0a1b2c3d4e5f60718",
        "Managed prefix lists, by id, that the managed security group lets in.",
    )
    .also(&[Code::ListenerConflict, Code::PrefixListNotFound, Code::Overridden])
    .params("prefixListsIDs", Wins::OverEach, |spec, _| {
        list(spec.prefix_lists_ids.as_ref()).or_else(|| list(spec.legacy_prefix_lists_ids.as_ref()))
    })
    .when(When::ManagedSecurityGroup);
    CERTIFICATE_ARN: Vec<String> = Setting::new(
        "certificate-arn", Listener, Grammar::Certificates, Merge::JoinPerPort,
        "arn:aws:acm:eu-west-1:123456789012:certificate/2a4e6f80-1234-4abc-9def-0123456789ab",
        "Certificates for the HTTPS listeners, in ACM or IAM, in the ALB's region; the first is the default one, the others \
         are chosen by SNI. Without it certificates are looked up in ACM by host.",
    )
    .code(Code::InvalidCertificateArn)
    .also(&[Code::CertificateNotFound, Code::CertificateElsewhere, Code::Overridden])
    .params("certificateArn", Wins::OverEach, |spec, _| list(spec.certificate_arn.as_ref()))
    .when(When::Https)
    .strict();
    SSL_POLICY: String = Setting::new(
        "ssl-policy", Listener, Grammar::SslPolicy, Merge::SamePerPort, "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "TLS versions and ciphers of the HTTPS listeners, by the policy's name in the ALB user guide. The flag \
         `--default-ssl-policy` sets the default.",
    )
    .code(Code::InvalidSslPolicy)
    .also(&[Code::ListenerConflict, Code::UnfamiliarValue, Code::Overridden])
    .default("ELBSecurityPolicy-2016-08")
    .flag(|settings| Value::Text(settings.default_ssl_policy.clone()))
    .params("sslPolicy", Wins::OverEach, |spec, _| text(spec.ssl_policy.as_ref()))
    .when(When::Https);
    MUTUAL_AUTHENTICATION: BTreeMap<u16, MutualAuthentication> = Setting::new(
        "mutual-authentication", Listener, Grammar::Json(&mutual_authentication::SHAPE), Merge::SamePerPort,
        r#"[{"port": 443, "mode": "verify", "trustStore": "partners"}]"#,
        "Whether clients show certificates, a JSON list with an entry for each HTTPS port: mode off, passthrough or verify \
         with a trust store's name or ARN.",
    )
    .code(Code::InvalidMutualAuthentication)
    .also(&[Code::ListenerConflict, Code::TrustStoreNotFound, Code::UnfamiliarValue])
    .when(When::HttpsPorts);
    LISTENER_ATTRIBUTES: Attributes = Setting::new(
        "listener-attributes.", Listener, Grammar::Attributes(Owner::Listener), Merge::KeyUnionPerPort,
        "routing.http.response.server.enabled=false",
        "Attributes of one listener, which the key names: `listener-attributes.HTTPS-443`. Named as in the ELBv2 API's \
         ListenerAttribute; taking one away doesn't reset it in AWS.",
    )
    .named("<PROTOCOL>-<PORT>", "HTTPS-443")
    .code(Code::InvalidAttribute)
    .also(&[Code::GroupConflict, Code::ListenerConflict, Code::UnfamiliarValue, Code::Overridden])
    .params("listeners", Wins::ByKeyAsFirst, |spec, listener| {
        let (protocol, port) = listener.split_once('-')?;
        let of_port = spec.listeners.iter().find(|one| one.protocol == protocol && one.port.to_string() == port)?;
        pairs(&of_port.listener_attributes)
    });
    CREATE_ACM_CERT: bool = Setting::new(
        "create-acm-cert", Ingress, Grammar::Bool, Merge::Own, "true",
        "Asks ACM for a certificate for the Ingress' hosts. Needs the gate EnableCertificateManagement.",
    )
    .also(&[Code::NotYetProvisioned])
    .default("false")
    .when(When::Elsewhere);
    ACM_PCA_ARN: String = Setting::new(
        "acm-pca-arn", Ingress, Grammar::Arn(ArnKind::PrivateCa), Merge::Own,
        "arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/2a4e6f80-1234-4abc-9def-0123456789ab",
        "Private certificate authority that signs the certificate of `create-acm-cert`. The flag `--default-pca-arn` sets \
         the default.",
    )
    .code(Code::InvalidArn)
    .also(&[Code::NotYetProvisioned]);
}

/// A list that names something.
fn list(given: Option<&Vec<String>>) -> Option<Value> {
    given.filter(|items| !items.is_empty()).map(|items| Value::List(items.clone()))
}

/// Whether HTTP of a whole group stays as it is, whatever its members ask for: the class's port to redirect to is no number.
#[must_use]
pub fn switches_redirect_off(spec: &IngressClassParamsSpec) -> bool {
    matches!(SSL_REDIRECT.row.of_class(spec, SSL_REDIRECT.row.key), Some(Value::Text(_)))
}
