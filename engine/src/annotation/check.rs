//! Checks a value against its row: everything that would keep it from being provisioned, seen without its surroundings.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::arn::AcmCertificateArn;
use super::arn::Kind as ArnKind;
use super::auth::{CognitoConfig, OidcConfig};
use super::catalogue::{Grammar, Row, Shape};
use super::nearest::did_you_mean;
use super::parse::{self, ParseError, Pointer};
use super::{action, attributes, cidr, condition, condition_limits, decode, group, jwt, listen_ports};
use super::{mutual_authentication, ssl_policy, tags, transform};

/// Everything that is wrong with a value, in the order in which it stands there. An empty answer is a promise about
/// the value alone: whether the subnet exists or a sibling disagrees is asked elsewhere.
#[must_use]
pub fn check(row: &Row, raw: &str) -> Vec<ParseError> {
    match row.grammar {
        Grammar::Text => text(row.key, raw).into_iter().collect(),
        Grammar::Bool => parse::go_bool(raw).err().into_iter().collect(),
        Grammar::Int32 { min, max } => within(parse::go_int32(raw).map(i64::from), min.into(), max.into()),
        Grammar::Int64 { min, max } => within(parse::go_int64(raw), min, max),
        // Other lists that are empty count as unset; subnets don't, and none can be found then.
        Grammar::IdsOrNames("subnet-") if parse::items(raw).next().is_none() => {
            vec![ParseError::new("unable to resolve at least one subnet: the list is empty")]
        }
        Grammar::IdsOrNames(prefix) => ids(raw, prefix, true),
        Grammar::Ids(prefix) => ids(raw, prefix, false),
        Grammar::Id(prefix) => id(row.key, raw, prefix).into_iter().collect(),
        Grammar::Labels => parse::string_map(raw).err().into_iter().collect(),
        Grammar::Attributes(owner) => attributes::check(owner, raw),
        Grammar::Tags => tags::check(raw),
        Grammar::Capacity => capacity(raw),
        Grammar::OneOf(names) if names.contains(&raw) => Vec::new(),
        Grammar::OneOf(names) => vec![ParseError::new(not_one_of(row.key, raw, names))],
        Grammar::Json(shape) => json(shape, raw),
        Grammar::Certificates => certificates(raw),
        // An empty value takes the association away, as `none` does.
        Grammar::WebAcl if matches!(raw, "" | "none") => Vec::new(),
        Grammar::WebAcl => web_acl(raw).into_iter().collect(),
        Grammar::Arn(kind) => kind.parse(raw).err().into_iter().collect(),
        Grammar::LoadBalancerName => load_balancer_name(raw).into_iter().collect(),
        Grammar::SslPolicy => ssl_policy::fault(raw).into_iter().collect(),
        Grammar::Path => path(raw).into_iter().collect(),
        Grammar::Cidrs => cidr::parse_list(raw).err().unwrap_or_default(),
        Grammar::GroupName => group::name(raw).err().into_iter().collect(),
        Grammar::HealthCheckPort => health_check_port(raw).into_iter().collect(),
        Grammar::StatusCodes(last) => status_codes(raw, last),
        Grammar::PortMap => port_map(raw),
    }
}

fn text(key: &str, raw: &str) -> Option<ParseError> {
    match key {
        // WAFv2 API, `WebACL`: 1 to 128 letters, digits, hyphens and underscores.
        "wafv2-acl-name" if !raw.is_empty() => {
            let fits =
                raw.len() <= 128 && raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            let message = format!(
                "`{}` can't be a web ACL's name: at most 128 letters, digits, hyphens and underscores make one",
                parse::shown(raw)
            );
            (!fits).then(|| ParseError::new(message))
        }
        "auth-session-cookie" => cookie(raw),
        _ => None,
    }
}

/// RFC 6265, section 4.1.1: a cookie's name is a token.
fn cookie(raw: &str) -> Option<ParseError> {
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    let fits = !raw.is_empty() && raw.bytes().all(is_token);
    (!fits).then(|| ParseError::new(format!("{} can't be a cookie's name", parse::go_quote(&parse::shown(raw)))))
}

/// `ELBv2` API, `CreateTargetGroup`: `HealthCheckPath` has 1 to 1,024 characters, and begins with a slash.
fn path(raw: &str) -> Option<ParseError> {
    let length = raw.chars().count();
    if length > 1024 {
        return Some(ParseError::new(format!("the path has {length} characters, AWS takes 1024")));
    }
    if !raw.starts_with('/') {
        let full_url = raw.contains("://");
        let mend = if full_url {
            "; leave protocol and host out".to_owned()
        } else {
            format!("; did you mean `/{}`?", parse::shown(raw))
        };
        return Some(ParseError::new(format!("the path must begin with a slash{mend}")));
    }
    let odd = raw.char_indices().find(|(_, c)| c.is_whitespace() || c.is_control())?;
    Some(ParseError::at_byte("the path has white space in it", odd.0))
}

/// The shape of ids; what doesn't begin like one is a name where names may stand.
fn ids(raw: &str, prefix: &str, or_names: bool) -> Vec<ParseError> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for item in parse::items(raw) {
        let text = item.text;
        match text.strip_prefix(prefix) {
            Some(digits) if is_hexadecimal(digits) => {
                if !seen.insert(text) {
                    found.push(ParseError::at_place(format!("{text} is named twice"), item.place()));
                }
            }
            Some(_) => {
                let message = format!("{} is no id: {prefix} is followed by hexadecimal digits", parse::shown(text));
                found.push(ParseError::at_place(message, item.place()));
            }
            None if or_names => {}
            None => {
                let message = format!("{} is no id: one that begins with {prefix} belongs here", parse::shown(text));
                found.push(ParseError::at_place(message, item.place()));
            }
        }
    }
    found
}

fn is_hexadecimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Pools' ids have a pattern in the `ELBv2` API (`CustomerOwnedIpv4Pool`, `IpamPoolId`).
fn id(key: &str, raw: &str, prefix: &str) -> Option<ParseError> {
    if raw.is_empty() {
        let needed = key == "customer-owned-ipv4-pool";
        return needed.then(|| ParseError::new("cannot use empty value for customer-owned-ipv4-pool annotation"));
    }
    let fits = raw
        .strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let message = format!("`{}` isn't the id of a pool, which begins with {prefix}", parse::shown(raw));
    (!fits).then(|| ParseError::new(message).doubt())
}

fn certificates(raw: &str) -> Vec<ParseError> {
    parse::items(raw).filter_map(|item| Some(AcmCertificateArn::parse(item.text).err()?.within(&item))).collect()
}

/// White space around an ARN comes of folded YAML; LBC makes a whole load balancer and then fails with it.
fn web_acl(raw: &str) -> Option<ParseError> {
    if raw.trim() != raw && ArnKind::WebAcl.parse(raw.trim()).is_ok() {
        let quoted = parse::go_quote(&parse::shown(raw));
        return Some(ParseError::new(format!(
            "{quoted} has white space around the ARN; in YAML, `>-` folds lines without it"
        )));
    }
    ArnKind::WebAcl.parse(raw).err()
}

fn load_balancer_name(raw: &str) -> Option<ParseError> {
    let cause = if raw.is_empty() {
        return Some(ParseError::new("a load balancer's name cannot be empty; without the annotation one is made up"));
    } else if raw.len() > 32 {
        return Some(ParseError::new("load balancer name cannot be longer than 32 characters"));
    } else if !raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        "may have only letters, digits and hyphens"
    } else if raw.starts_with('-') || raw.ends_with('-') {
        "can't begin or end with a hyphen"
    } else if raw.starts_with("internal-") {
        "can't begin with `internal-`"
    } else {
        return None;
    };
    Some(ParseError::new(format!("load balancer name `{raw}` {cause}")))
}

fn within(number: Result<i64, ParseError>, min: i64, max: i64) -> Vec<ParseError> {
    match number {
        Err(mut error) => {
            let _ = write!(error.message, "; a whole number within [{min}, {max}] belongs here");
            vec![error]
        }
        Ok(number) if (min..=max).contains(&number) => Vec::new(),
        Ok(number) => vec![ParseError::new(format!("{number} must be within [{min}, {max}]"))],
    }
}

fn not_one_of(key: &str, raw: &str, names: &[&'static str]) -> String {
    let all = names.join(", ");
    let complaint = match key {
        "scheme" | "frontend-nlb-scheme" => format!("unknown scheme: {raw}, must be one of {all}"),
        "ip-address-type" => format!("unknown IPAddressType: {raw}, must be one of {all}"),
        "target-type" => format!("unknown targetType: {raw}, must be one of {all}"),
        "auth-type" => format!("unknown authType: {raw}, must be one of {all}"),
        "backend-protocol" => format!("backend protocol must be within [{all}]: {raw}"),
        "backend-protocol-version" => format!("backend protocol version must be within [{all}]: {raw}"),
        "healthcheck-protocol" => format!("healthCheckProtocol must be within [{all}]: {raw}"),
        _ => format!("`{raw}` must be one of {all}"),
    };
    if let Some(hint) = other_key(key, raw) {
        return format!("{complaint}; {hint}");
    }
    format!("{complaint}{}", did_you_mean(raw, names.iter().copied()))
}

/// The key that a value belongs to which stands in the place of another's: a protocol's version in the protocol's place is
/// what Alibaba Cloud's controller wants.
#[must_use]
pub fn other_key(key: &str, raw: &str) -> Option<String> {
    let is_version = ["grpc", "http1", "http2"].iter().any(|version| raw.eq_ignore_ascii_case(version));
    (key == "backend-protocol" && is_version)
        .then(|| format!("`backend-protocol-version: {}` is the key for it", raw.to_ascii_uppercase()))
}

fn capacity(raw: &str) -> Vec<ParseError> {
    let pairs = match parse::pairs(raw) {
        Ok(pairs) => pairs,
        Err(error) => return vec![error],
    };
    let faults = pairs.iter().filter_map(|pair| {
        let message = if pair.key == "CapacityUnits" {
            let fits = parse::go_int32(&pair.value).is_ok_and(|units| units >= 0);
            (!fits).then(|| format!("invalid value to set the capacity: {}", pair.value))?
        } else {
            format!("invalid key to set the capacity: {}, Expected key: CapacityUnits", pair.key)
        };
        Some(ParseError::at_place(message, pair.place.clone()))
    });
    faults.collect()
}

fn json(shape: Shape, raw: &str) -> Vec<ParseError> {
    let (mut found, strays) = match shape {
        Shape::ListenPorts => return listen_ports::parse(raw).err().unwrap_or_default(),
        Shape::Action => read(raw, |action: &action::Action| [action.validate(), action.limits()].concat()),
        Shape::Conditions => read(raw, |list: &Vec<condition::Condition>| {
            [condition::validate(list), condition_limits::limits(list)].concat()
        }),
        Shape::Transforms => {
            read(raw, |list: &Vec<transform::Transform>| [transform::validate(list), transform::limits(list)].concat())
        }
        Shape::MutualAuthentication => {
            let parsed = mutual_authentication::parse(raw);
            let strays = decode::decode_all::<Vec<mutual_authentication::MutualAuthentication>>(raw).1;
            let checked = parsed
                .map(|list| [mutual_authentication::validate(&list), mutual_authentication::limits(&list)].concat());
            (checked.unwrap_or_else(|error| vec![error]), strays)
        }
        Shape::Cognito => read(raw, CognitoConfig::limits),
        Shape::Oidc => read(raw, OidcConfig::limits),
        Shape::Jwt => read(raw, |jwt: &jwt::JwtValidation| [jwt.validate(), jwt.limits()].concat()),
    };
    found.extend(strays);
    found
}

/// Reads JSON and checks it; members that nothing reads come apart.
fn read<T: decode::Decode + Default>(
    raw: &str,
    faults: impl Fn(&T) -> Vec<ParseError>,
) -> (Vec<ParseError>, Vec<ParseError>) {
    let (value, strays) = decode::decode_all(raw);
    (value.map_or_else(|error| vec![error], |value| faults(&value)), strays)
}

fn health_check_port(raw: &str) -> Option<ParseError> {
    match parse::go_int64(raw) {
        Ok(1..=65535) => None,
        Ok(number) => Some(ParseError::new(format!("{number} must be within [1, 65535]"))),
        Err(_) if raw.is_empty() => {
            Some(ParseError::new("a port number, `traffic-port` or a service port's name belongs here"))
        }
        // Any other text is the name of a Service's port, `traffic-port` apart.
        Err(_) => None,
    }
}

/// GRPC's codes begin at 0, so only the form and the upper end can be told without knowing the protocol.
fn status_codes(raw: &str, last: u16) -> Vec<ParseError> {
    let code = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let mut found = Vec::new();
    let mut offset = 0;
    for item in raw.split(',') {
        let place = Pointer::Bytes(offset, offset + item.len());
        offset += item.len() + 1;
        let range = match item.trim().split_once('-') {
            Some((from, to)) => code(from).zip(code(to)),
            None => code(item.trim()).map(|code| (code, code)),
        };
        let message = match range {
            None => format!("`{}` is neither a status code nor a range such as 200-299", parse::shown(item.trim())),
            Some((from, to)) if from > to => format!("range {item} ends before it begins"),
            Some((_, to)) if to > last => {
                format!("{to} is no status that a health check can ask for, {last} is the last")
            }
            Some(_) if item.trim() != item => {
                format!("there is white space around `{}`, which AWS does not take", item.trim())
            }
            Some(_) => continue,
        };
        found.push(ParseError::at_place(message, place));
    }
    found
}

fn port_map(raw: &str) -> Vec<ParseError> {
    let pairs = match parse::pairs(raw) {
        Ok(pairs) => pairs,
        Err(error) => return vec![error],
    };
    let port = |text: &str| parse::go_int32(text).ok().filter(|port| (1..=65535).contains(port));
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for pair in &pairs {
        let mut fault = |message: String| found.push(ParseError::at_place(message, pair.place.clone()));
        match port(&pair.key) {
            None => fault(format!("invalid NLB listener port: {}", pair.key)),
            // One text twice is one key, of which the last value counts; two texts of one number are two listeners.
            Some(number)
                if !seen.insert(number)
                    && pairs.iter().any(|other| other.key != pair.key && port(&other.key) == Some(number)) =>
            {
                fault(format!("NLB listener port {} is there twice", pair.key));
            }
            Some(_) => {}
        }
        if port(&pair.value).is_none() {
            fault(format!("invalid ALB listener port: {}", pair.value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::{Scope, every_row, row, rows};
    use super::*;
    use proptest::prelude::*;

    fn first(key: &str, raw: &str) -> String {
        check(row(key).unwrap(), raw).first().map(|error| error.message.clone()).unwrap_or_default()
    }

    #[test]
    fn every_example_and_default_passes() {
        for row in every_row().filter(|row| row.scope != Scope::Output) {
            assert_eq!(check(row, row.example), [], "{}: example", row.key);
            if !row.default.is_empty() {
                assert_eq!(check(row, row.default), [], "{}: default", row.key);
            }
        }
    }

    const WRITTEN: &[(&str, &str, &str)] = &[
        (
            "scheme",
            "internet-Facing",
            "unknown scheme: internet-Facing, must be one of internal, internet-facing; did you mean `internet-facing`?",
        ),
        ("target-type", "pod", "unknown targetType: pod, must be one of instance, ip"),
        ("backend-protocol", "http", "backend protocol must be within [HTTP, HTTPS]: http; did you mean `HTTP`?"),
        (
            "backend-protocol",
            "grpc",
            "backend protocol must be within [HTTP, HTTPS]: grpc; `backend-protocol-version: GRPC` is the key for it",
        ),
        ("auth-type", "basic", "unknown authType: basic, must be one of none, cognito, oidc"),
        (
            "ssl-redirect",
            "true",
            "strconv.ParseInt: parsing \"true\": invalid syntax; a whole number within [1, 65535] belongs here",
        ),
        ("ssl-redirect", "0", "0 must be within [1, 65535]"),
        ("healthcheck-interval-seconds", "301", "301 must be within [5, 300]"),
        ("load-balancer-name", "a_b", "load balancer name `a_b` may have only letters, digits and hyphens"),
        ("load-balancer-name", "internal-a", "load balancer name `internal-a` can't begin with `internal-`"),
        ("subnets", " , ", "unable to resolve at least one subnet: the list is empty"),
        ("tags", "a", "item \"a\" has no `=`, key=value belongs here"),
        (
            "minimum-load-balancer-capacity",
            "Units=1",
            "invalid key to set the capacity: Units, Expected key: CapacityUnits",
        ),
        ("minimum-load-balancer-capacity", "CapacityUnits=x", "invalid value to set the capacity: x"),
        ("success-codes", "200, 302", "there is white space around `302`, which AWS does not take"),
        ("success-codes", "200-599", "599 is no status that a health check can ask for, 499 is the last"),
        ("success-codes", "299-200", "range 299-200 ends before it begins"),
        ("healthcheck-path", "healthz", "the path must begin with a slash; did you mean `/healthz`?"),
        ("healthcheck-path", "/a b", "the path has white space in it"),
        ("security-groups", "sg-xxxx, own", "sg-xxxx is no id: sg- is followed by hexadecimal digits"),
        ("subnets", "subnet-1,subnet-1", "subnet-1 is named twice"),
        ("security-group-prefix-lists", "office", "office is no id: one that begins with pl- belongs here"),
        (
            "ssl-policy",
            "TLS-1-2",
            "TLS policy `TLS-1-2` can't be one: their names begin with ELBSecurityPolicy-, and custom ones don't exist",
        ),
        (
            "load-balancer-attributes",
            "idle_timeout.timeout_seconds=1,",
            "attribute idle_timeout.timeout_seconds is `1,`: a whole number from 1 to 4000 belongs there",
        ),
        ("tags", "aws:a=b", "tag key aws:a begins with aws:, which is reserved for AWS"),
        ("auth-session-cookie", "a b", "\"a b\" can't be a cookie's name"),
        (
            "wafv2-acl-name",
            "my acl",
            "`my acl` can't be a web ACL's name: at most 128 letters, digits, hyphens and underscores make one",
        ),
        ("customer-owned-ipv4-pool", "pool", "`pool` isn't the id of a pool, which begins with ipv4pool-coip-"),
        (
            "acm-pca-arn",
            "arn:aws:acm-pca:eu-west-1:123456789012:x/y",
            "`arn:aws:acm-pca:eu-west-1:123456789012:x/y` has resource `x/y`; its form is arn:PARTITION:acm-pca:REGION:ACCOUNT:certificate-authority/ID",
        ),
        (
            "actions.a",
            r#"{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301","prot":"HTTPS"}}"#,
            "nothing reads `prot`; did you mean `port`?",
        ),
        ("success-codes", "200,2xx", "`2xx` is neither a status code nor a range such as 200-299"),
        ("actions.ssl-redirect", "443", "json: cannot unmarshal number into Go value of type ingress.Action"),
        ("conditions.svc", "", "unexpected end of JSON input"),
        (
            "conditions.svc",
            r#"[{"field":"host_header"}]"#,
            "field `host_header` must be one of host-header, path-pattern, http-header, http-request-method, query-string, source-ip; did you mean `host-header`?",
        ),
        ("frontend-nlb-listener-port-mapping", "80=x", "invalid ALB listener port: x"),
        ("healthcheck-port", "0", "0 must be within [1, 65535]"),
        ("inbound-cidrs", "10.0.0.0", "invalid CIDR address: 10.0.0.0; did you mean `10.0.0.0/32`?"),
    ];

    #[test]
    fn what_users_write() {
        for (key, raw, expected) in WRITTEN.iter().copied() {
            assert_eq!(first(key, raw), expected, "{key}: {raw}");
        }
    }

    #[test]
    fn what_behaves_as_unset_passes() {
        for key in [
            "certificate-arn",
            "security-groups",
            "tags",
            "inbound-cidrs",
            "load-balancer-attributes",
            "ipam-ipv4-pool-id",
        ] {
            assert_eq!(first(key, ""), "", "{key}");
        }
        for (key, raw) in [
            ("listener-attributes.HTTP-80", ""),
            ("frontend-nlb-listener-port-mapping", "80=443,80=80"),
            ("wafv2-acl-arn", "none"),
            ("wafv2-acl-arn", ""),
            ("healthcheck-port", "http"),
            ("success-codes", "200,301-302"),
            ("success-codes", "0-99"),
            ("inbound-cidrs", "10.0.0.1/24,"),
            ("group.order", "-1000"),
        ] {
            assert_eq!(first(key, raw), "", "{key}: {raw}");
        }
    }

    #[test]
    fn all_problems_at_once() {
        let certificates = "arn:arn:aws:acm:eu-west-1:123456789012:certificate/a, my-secret";
        assert_eq!(check(row("certificate-arn").unwrap(), certificates).len(), 2);
        assert_eq!(check(row("inbound-cidrs").unwrap(), "a,b,::/0").len(), 2);
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            for row in rows() {
                let _ = check(row, &raw);
            }
        }
    }
}
