//! Checks a value against its row: everything that would keep it from being provisioned, seen without its surroundings.

mod health_check;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use super::arn::AcmCertificateArn;
use super::arn::Kind as ArnKind;
use super::parse::{self, ParseError};
use super::read::{Parsed, Read};
use super::row::{Grammar, Merge, SettingRow};
use super::similar::nearest_of;
use super::value::Value;
use super::{attributes, cidr, control, group, names, ssl_policy, tags};

/// Everything that is wrong with a value, in the order in which it stands there. An empty answer is a promise about
/// the value alone: whether the subnet exists or a sibling disagrees is asked elsewhere.
#[must_use]
pub fn check(row: &SettingRow, raw: &str) -> Vec<ParseError> {
    row.read(raw, &[]).faults
}

impl SettingRow {
    /// Reads a value. This is the one place that says what is wrong with it by itself; `extra_attributes` are those that the
    /// operator knows beside the tables (`--extra-attributes`).
    #[must_use]
    pub fn read<'r>(&self, raw: &'r str, extra_attributes: &[String]) -> Read<'r> {
        let mut read = self.read_plain(raw, extra_attributes);
        let odd = control::faults(self.grammar, raw);
        if !odd.is_empty() {
            read.faults.retain(|fault| read.parsed.is_none() && fault.is_fatal());
            read.faults.splice(0..0, odd);
        }
        if self.strict {
            read.faults.iter_mut().for_each(|fault| fault.left_to_aws = false);
        }
        read
    }

    fn read_plain<'r>(&self, raw: &'r str, extra_attributes: &[String]) -> Read<'r> {
        let text = || Parsed::Text(raw);
        let but = |faults: Vec<ParseError>| {
            Read::of(text(), faults.into_iter().map(|fault| if fault.unfamiliar { fault } else { fault.left_to_aws() }))
        };
        match self.grammar {
            Grammar::Text => but(Vec::new()),
            Grammar::WebAclName => but(web_acl_name(raw).into_iter().collect()),
            Grammar::CookieName => but(cookie(raw).into_iter().collect()),
            Grammar::Bool => parse::go_bool(raw).map(Value::Bool).into(),
            Grammar::Int32 { min, max } => {
                self.number(raw, parse::go_int32(raw).map(i64::from), min.into(), max.into())
            }
            Grammar::Int64 { min, max } => {
                let mut read = self.number(raw, parse::go_int64(raw), min, max);
                // AWS has the last word on the range.
                let readable = read.parsed.is_some();
                read.faults.iter_mut().for_each(|fault| fault.left_to_aws = readable);
                read
            }
            Grammar::IdsOrNames(prefix) => list(raw, prefix, ids(raw, prefix, true)),
            Grammar::Ids(prefix) => list(raw, prefix, ids(raw, prefix, false)),
            Grammar::Id(prefix) => self.id(raw, prefix),
            Grammar::Labels => map(raw, labels),
            Grammar::Attributes(owner) => map(raw, |pairs| attributes::faults(owner, pairs, extra_attributes)),
            Grammar::Tags => map(raw, tags::of_pairs),
            Grammar::Capacity => capacity(raw),
            Grammar::OneOf(words) => self.word(raw, words),
            Grammar::Json(shape) => (shape.read)(raw),
            Grammar::Certificates => Read { parsed: items(raw), faults: certificates(raw) },
            Grammar::WebAcl => web_acl(raw),
            Grammar::Arn(kind) => but(kind.parse(raw).err().into_iter().collect()),
            Grammar::LoadBalancerName => but(load_balancer_name(raw).into_iter().collect()),
            Grammar::SslPolicy => but(ssl_policy::fault(raw).into_iter().collect()),
            Grammar::Path => but(health_check::path(raw).into_iter().collect()),
            Grammar::Cidrs => Read { parsed: items(raw), faults: cidr::parse_list(raw).err().unwrap_or_default() },
            Grammar::GroupName => group::name(raw).map_or_else(Read::unreadable, |_| but(Vec::new())),
            Grammar::HealthCheckPort => but(health_check::port(raw).into_iter().collect()),
            Grammar::TrafficPort => health_check::traffic_port(raw).map(Value::Text).into(),
            Grammar::StatusCodes(last) => but(health_check::status_codes(raw, last)),
            Grammar::PortMap => port_map(raw),
        }
    }

    fn number(&self, raw: &str, number: Result<i64, ParseError>, min: i64, max: i64) -> Read<'static> {
        let help = || format!("write a whole number from {min} to {max}");
        match number {
            Ok(number) if (min..=max).contains(&number) => Read::of(Parsed::Value(Value::Int(number)), None),
            Ok(number) => {
                let message = format!("{number} must be within [{min}, {max}]");
                Read::of(Parsed::Value(Value::Int(number)), Some(ParseError::new(message).help(help())))
            }
            Err(error) => {
                let what = if error.message.ends_with("value out of range") { OUT_OF_RANGE } else { "no whole number" };
                let message = format!("{} is {what}", parse::go_quote(&parse::shown(raw)));
                let error = ParseError::new(message).code(self.unreadable);
                Read::unreadable(if self.code_has_fix { error } else { error.help(help()) })
            }
        }
    }

    /// One of some words.
    fn word<'r>(&self, raw: &'r str, words: &'static [&'static str]) -> Read<'r> {
        if words.contains(&raw) {
            return Read::of(Parsed::Text(raw), None);
        }
        let near = nearest_of(raw, words.iter().copied());
        let mut error = ParseError::new(format!("unknown value {}", parse::go_quote(&parse::shown(raw))));
        error.help = match (other_key(self.key, raw), near) {
            (Some(hint), _) => Some(hint),
            (None, Some(near)) => Some(format!("did you mean {near}? {} allowed", listed(words, "and"))),
            (None, None) if self.code_has_fix => None,
            (None, None) => Some(format!("write {}", listed(words, "or"))),
        };
        error.allowed = words;
        let error = error.code(self.unreadable);
        if self.passed_on { Read::of(Parsed::Text(raw), Some(error.left_to_aws())) } else { Read::unreadable(error) }
    }

    /// The ids of pools have a pattern in the `ELBv2` API.
    fn id<'r>(&self, raw: &'r str, prefix: &str) -> Read<'r> {
        if raw.is_empty() {
            if self.merge == Merge::SameNonEmpty {
                return Read::default();
            }
            let error = ParseError::new(format!("cannot use empty value for {}", self.key));
            return Read::unreadable(error.help(format!("name the pool ({prefix}…) or remove the annotation")));
        }
        let fits = raw
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let message = format!("`{}` isn't the id of a pool, which begins with {prefix}", parse::shown(raw));
        Read::of(Parsed::Text(raw), (!fits).then(|| ParseError::new(message).doubt()))
    }
}

const OUT_OF_RANGE: &str = "too large or too small a number";

/// Words in a sentence: `a, b and c`, with the verb behind `and`.
fn listed(words: &[&str], link: &str) -> String {
    let verb = match (link, words.len()) {
        ("and", 1) => " is",
        ("and", _) => " are",
        _ => "",
    };
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {link} {last}{verb}", rest.join(", ")),
        Some((last, _)) => format!("{last}{verb}"),
        None => String::new(),
    }
}

/// A list; an empty one counts as absent.
fn items(raw: &str) -> Option<Parsed<'_>> {
    parse::items(raw).next().map(|_| Parsed::Items(raw))
}

/// A list of ids. Other lists that are empty count as unset; subnets don't, and none can be found then.
fn list<'r>(raw: &'r str, prefix: &str, faults: Vec<ParseError>) -> Read<'r> {
    match items(raw) {
        None if prefix == "subnet-" => Read::of(
            Parsed::Items(raw),
            Some(ParseError::new("unable to resolve at least one subnet: the list is empty")),
        ),
        parsed => Read { parsed, faults: faults.into_iter().map(ParseError::left_to_aws).collect() },
    }
}

/// A string map; what is wrong with its pairs is AWS's matter.
fn map(raw: &str, faults: impl FnOnce(&[parse::Pair]) -> Vec<ParseError>) -> Read<'_> {
    match parse::pairs(raw) {
        Err(error) => Read::unreadable(error),
        Ok(pairs) => {
            let faults: Vec<ParseError> = faults(&pairs).into_iter().map(ParseError::left_to_aws).collect();
            Read::of(Parsed::Pairs(pairs), faults)
        }
    }
}

/// The `WebACL` of the API: 1 to 128 letters, digits, hyphens and underscores.
fn web_acl_name(raw: &str) -> Option<ParseError> {
    let fits = raw.len() <= 128 && raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let message = format!(
        "`{}` can't be a web ACL's name: at most 128 letters, digits, hyphens and underscores make one",
        parse::shown(raw)
    );
    (!fits).then(|| ParseError::new(message))
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

fn certificates(raw: &str) -> Vec<ParseError> {
    parse::items(raw).filter_map(|item| Some(AcmCertificateArn::parse(item.text).err()?.within(&item))).collect()
}

/// An empty value takes the association away, as `none` does. White space around an ARN comes of folded YAML; LBC makes a whole load
/// balancer and then fails with it.
fn web_acl(raw: &str) -> Read<'_> {
    match ArnKind::WebAcl.parse(raw) {
        Err(_) if matches!(raw, "" | "none") => Read::of(Parsed::Text(raw), None),
        Err(error) if ArnKind::WebAcl.parse(raw.trim()).is_ok() => Read::unreadable(error.help(format!(
            "remove the white space around {}: in YAML a folded block (>) ends in a newline, >- does not",
            raw.trim()
        ))),
        Err(error) => {
            let shape = ArnKind::WebAcl.shape().replace("PARTITION", "aws");
            Read::unreadable(error.help(format!("write {shape}, or none")))
        }
        Ok(_) => Read::of(Parsed::Text(raw), None),
    }
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

/// The key that a value belongs to which stands in the place of another's: a protocol's version in the protocol's place is
/// what Alibaba Cloud's controller wants.
fn other_key(key: &str, raw: &str) -> Option<String> {
    let is_version = ["grpc", "http1", "http2"].iter().any(|version| raw.eq_ignore_ascii_case(version));
    (key == "backend-protocol" && is_version)
        .then(|| format!("`backend-protocol-version: {}` is the key for it", raw.to_ascii_uppercase()))
}

/// Labels of nodes: no node has one that Kubernetes does not take, and no selector of it can be stored.
fn labels(pairs: &[parse::Pair]) -> Vec<ParseError> {
    let fault = |pair: &parse::Pair| {
        let cause = names::label_key(&pair.key).or_else(|| names::label_value(&pair.value))?;
        Some(ParseError::at_place(cause, pair.place.clone()))
    };
    pairs.iter().filter_map(fault).collect()
}

fn capacity(raw: &str) -> Read<'static> {
    let pairs = match parse::pairs(raw) {
        Ok(pairs) => pairs,
        Err(error) => return Read::unreadable(error),
    };
    let mut read = Read::default();
    for pair in pairs {
        let units = parse::go_int32(&pair.value).ok().filter(|units| *units >= 0);
        let (message, help) = match (pair.key.as_str(), units) {
            ("CapacityUnits", Some(units)) => {
                read.parsed = Some(Parsed::Value(Value::Int(units.into())));
                continue;
            }
            ("CapacityUnits", None) => (
                format!("invalid value to set the capacity: {}", pair.value),
                "write a whole number of capacity units, 0 to give the reservation back",
            ),
            (key, _) => (
                format!("invalid key to set the capacity: {key}, Expected key: CapacityUnits"),
                "write CapacityUnits=NUMBER",
            ),
        };
        read.faults.push(ParseError::at_place(message, pair.place).help(help));
    }
    read
}

/// `nlb=alb` pairs of ports.
fn port_map(raw: &str) -> Read<'static> {
    let pairs = match parse::pairs(raw) {
        Ok(pairs) => pairs,
        Err(error) => return Read::unreadable(error),
    };
    let port =
        |text: &str| parse::go_int32(text).ok().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let mut faults = Vec::new();
    let mut ports = BTreeMap::new();
    for pair in &pairs {
        let fault = |message: String| ParseError::at_place(message, pair.place.clone());
        let (nlb, alb) = (port(&pair.key), port(&pair.value));
        if nlb.is_none() {
            faults.push(fault(format!("invalid NLB listener port: {}", pair.key)));
        }
        if alb.is_none() {
            faults.push(fault(format!("invalid ALB listener port: {}", pair.value)));
        }
        let Some((nlb, alb)) = nlb.zip(alb) else { continue };
        // One text twice is one key, of which the last value counts; two texts of one number are two listeners.
        if ports.insert(nlb, Value::Int(alb.into())).is_some()
            && pairs.iter().any(|other| other.key != pair.key && port(&other.key) == Some(nlb))
        {
            faults.push(fault(format!("NLB listener port {nlb} is there twice")).left_to_aws());
        }
    }
    Read::of(Parsed::Value(Value::ByPort(ports)), faults)
}
