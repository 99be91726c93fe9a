//! Checks a value against its row: everything that would keep it from being provisioned, seen without its surroundings.

mod health_check;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt::Write as _;

use super::arn::AcmCertificateArn;
use super::arn::Kind as ArnKind;
use super::catalogue::{Grammar, Row, Shape};
use super::nearest::did_you_mean;
use super::parse::{self, ParseError};
use super::{action, attributes, auth, cidr, condition, control, decode, group, jwt, listen_ports};
use super::{mutual_authentication, names, ssl_policy, tags, transform};

/// Everything that is wrong with a value, in the order in which it stands there. An empty answer is a promise about
/// the value alone: whether the subnet exists or a sibling disagrees is asked elsewhere.
#[must_use]
pub fn check(row: &Row, raw: &str) -> Vec<ParseError> {
    check_with(row, raw, &[])
}

/// The same for an operator who knows some attributes beside those of the tables (`--extra-attributes`).
#[must_use]
pub fn check_with(row: &Row, raw: &str, extra_attributes: &[String]) -> Vec<ParseError> {
    let odd = control::faults(row.grammar, raw);
    if !odd.is_empty() {
        return odd;
    }
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
        Grammar::Labels => labels(raw),
        Grammar::Attributes(owner) => attributes::check(owner, raw, extra_attributes),
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
        Grammar::Path => health_check::path(raw).into_iter().collect(),
        Grammar::Cidrs => cidr::parse_list(raw).err().unwrap_or_default(),
        Grammar::GroupName => group::name(raw).err().into_iter().collect(),
        Grammar::HealthCheckPort => health_check::port(raw).into_iter().collect(),
        Grammar::StatusCodes(last) => health_check::status_codes(raw, last),
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

/// Labels of nodes: no node has one that Kubernetes does not take, and no selector of it can be stored.
fn labels(raw: &str) -> Vec<ParseError> {
    let pairs = match parse::pairs(raw) {
        Ok(pairs) => pairs,
        Err(error) => return vec![error],
    };
    let fault = |pair: &parse::Pair| {
        let cause = names::label_key(&pair.key).or_else(|| names::label_value(&pair.value))?;
        Some(ParseError::at_place(cause, pair.place.clone()))
    };
    pairs.iter().filter_map(fault).collect()
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
    match shape {
        Shape::ListenPorts => listen_ports::parse(raw).err().unwrap_or_default(),
        Shape::Action => action::read(raw).faults(),
        Shape::Conditions => condition::read(raw).faults(),
        Shape::Transforms => transform::read(raw).faults(),
        Shape::MutualAuthentication => {
            let strays = decode::decode_all::<Vec<mutual_authentication::MutualAuthentication>>(raw).1;
            let faults = mutual_authentication::parse(raw)
                .map(|list| [mutual_authentication::validate(&list), mutual_authentication::limits(&list)].concat());
            [faults.unwrap_or_else(|error| vec![error]), strays].concat()
        }
        Shape::Cognito => auth::read_cognito(raw).faults(),
        Shape::Oidc => auth::read_oidc(raw).faults(),
        Shape::Jwt => jwt::read(raw).faults(),
    }
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
