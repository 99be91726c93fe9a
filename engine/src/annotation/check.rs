//! Checks a value against its row: everything that would keep it from being provisioned, seen without its surroundings.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::arn::{AcmCertificateArn, Arn, WebAclArn};
use super::auth::{CognitoConfig, OidcConfig};
use super::catalogue::{Grammar, Row};
use super::nearest::did_you_mean;
use super::parse::{self, ParseError};
use super::{action, cidr, condition, group, jwt, listen_ports, mutual_authentication, transform};

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
        Grammar::List if row.key == "subnets" && parse::string_list(raw).is_empty() => {
            vec![ParseError::new("unable to resolve at least one subnet: the list is empty")]
        }
        Grammar::List => Vec::new(),
        Grammar::Map => map(row.key, raw),
        Grammar::OneOf(names) if names.contains(&raw) => Vec::new(),
        Grammar::OneOf(names) => vec![ParseError::new(not_one_of(row.key, raw, names))],
        Grammar::Json(shape) => json(shape, raw),
        Grammar::Arns => arns(raw),
        // An empty value takes the association away, as `none` does.
        Grammar::ArnOrNone if matches!(raw, "" | "none") => Vec::new(),
        Grammar::ArnOrNone => WebAclArn::parse(raw).err().into_iter().collect(),
        Grammar::Arn => Arn::parse(raw).err().into_iter().collect(),
        Grammar::Cidrs => cidr::parse_list(raw).err().unwrap_or_default(),
        Grammar::GroupName => group::name(raw).err().into_iter().collect(),
        Grammar::HealthCheckPort => health_check_port(raw).into_iter().collect(),
        Grammar::StatusCodes => status_codes(raw).into_iter().collect(),
        Grammar::PortMap => port_map(raw),
    }
}

fn text(key: &str, raw: &str) -> Option<ParseError> {
    match key {
        "load-balancer-name" => load_balancer_name(raw),
        "customer-owned-ipv4-pool" if raw.is_empty() => {
            Some(ParseError::new("cannot use empty value for customer-owned-ipv4-pool annotation"))
        }
        _ => None,
    }
}

/// An empty name is no opinion: the generated one is used.
fn load_balancer_name(raw: &str) -> Option<ParseError> {
    let cause = if raw.len() > 32 {
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
    // A protocol's version in the protocol's place is what Alibaba Cloud's controller wants.
    if key == "backend-protocol" && ["grpc", "http2"].iter().any(|version| raw.eq_ignore_ascii_case(version)) {
        return format!("{complaint}; `backend-protocol-version: {}` is the key for it", raw.to_ascii_uppercase());
    }
    format!("{complaint}{}", did_you_mean(raw, names.iter().copied()))
}

fn map(key: &str, raw: &str) -> Vec<ParseError> {
    let map = match parse::string_map(raw) {
        Ok(map) => map,
        Err(error) => return vec![error],
    };
    if key != "minimum-load-balancer-capacity" {
        return Vec::new();
    }
    let faults = map.iter().filter_map(|(name, value)| {
        if name != "CapacityUnits" {
            return Some(format!("invalid key to set the capacity: {name}, Expected key: CapacityUnits"));
        }
        let fits = parse::go_int32(value).is_ok_and(|units| units >= 0);
        (!fits).then(|| format!("invalid value to set the capacity: {value}"))
    });
    faults.map(ParseError::new).collect()
}

fn arns(raw: &str) -> Vec<ParseError> {
    let items = parse::string_list(raw);
    items.iter().filter_map(|item| AcmCertificateArn::parse(item).err()).collect()
}

fn json(shape: &str, raw: &str) -> Vec<ParseError> {
    let read = match shape {
        "listen-ports" => return listen_ports::parse(raw).err().unwrap_or_default(),
        "action" => action::Action::parse(raw).map(|action| [action.validate(), action.limits()].concat()),
        "conditions" => condition::parse(raw).map(|list| [condition::validate(&list), unknown_fields(&list)].concat()),
        "transforms" => transform::parse(raw).map(|transforms| transform::validate(&transforms)),
        "mutual-authentication" => {
            mutual_authentication::parse(raw).map(|entries| mutual_authentication::validate(&entries))
        }
        "auth-idp-cognito" => CognitoConfig::parse(raw).map(|config| config.limits()),
        "auth-idp-oidc" => OidcConfig::parse(raw).map(|config| config.limits()),
        "jwt-validation" => jwt::JwtValidation::parse(raw).map(|jwt| [jwt.validate(), jwt.limits()].concat()),
        _ => return Vec::new(),
    };
    read.unwrap_or_else(|error| vec![error])
}

/// LBC drops such conditions, and the rule then matches more than its author wanted.
fn unknown_fields(conditions: &[condition::Condition]) -> Vec<ParseError> {
    let unknown = conditions.iter().enumerate().filter(|(_, condition)| !condition.is_known());
    let error = |(index, condition): (usize, &condition::Condition)| {
        let field = &condition.field;
        let near = did_you_mean(field, condition::FIELDS);
        let message = format!("field `{field}` must be one of {}{near}", condition::FIELDS.join(", "));
        ParseError::at_json(message, format!("/{index}/field"))
    };
    unknown.map(error).collect()
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

/// GRPC's codes begin at 0, so only the form and the upper end can be checked without knowing the protocol.
fn status_codes(raw: &str) -> Option<ParseError> {
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| *code <= 599 && !text.starts_with('+'));
    let is_item = |item: &str| match item.split_once('-') {
        Some((from, to)) => code(from).zip(code(to)).is_some_and(|(from, to)| from <= to),
        None => code(item).is_some(),
    };
    let wrong = raw.split(',').find(|item| !is_item(item.trim()))?;
    let message = format!("`{wrong}` is neither a status code nor a range such as 200-299");
    Some(ParseError::new(message))
}

fn port_map(raw: &str) -> Vec<ParseError> {
    let map = match parse::string_map(raw) {
        Ok(map) => map,
        Err(error) => return vec![error],
    };
    let is_port = |text: &str| parse::go_int32(text).is_ok_and(|port| (1..=65535).contains(&port));
    let mut faults: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for (nlb, alb) in &map {
        if !is_port(nlb) {
            faults.push(format!("invalid NLB listener port: {nlb}"));
        } else if !seen.insert(parse::go_int32(nlb).ok()) {
            faults.push(format!("NLB listener port {nlb} is there twice"));
        }
        if !is_port(alb) {
            faults.push(format!("invalid ALB listener port: {alb}"));
        }
    }
    faults.into_iter().map(ParseError::new).collect()
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::{row, rows};
    use super::*;
    use proptest::prelude::*;

    fn first(key: &str, raw: &str) -> String {
        check(row(key).unwrap(), raw).first().map(|error| error.message.clone()).unwrap_or_default()
    }

    #[test]
    fn every_example_and_default_passes() {
        for row in rows() {
            assert_eq!(check(row, row.example), [], "{}: example", row.key);
            if !row.default.is_empty() {
                assert_eq!(check(row, row.default), [], "{}: default", row.key);
            }
        }
    }

    #[test]
    fn what_users_write() {
        for (key, raw, expected) in [
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
        ] {
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
            ("wafv2-acl-arn", "none"),
            ("wafv2-acl-arn", ""),
            ("healthcheck-port", "http"),
            ("success-codes", "200, 301-302"),
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
