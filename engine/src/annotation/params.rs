//! What an `IngressClassParams` object says, checked field by field with the grammars of the annotations that it overrides.

use std::collections::BTreeSet;

use super::arn::AcmCertificateArn;
use super::attributes::{self, Owner};
use super::catalogue::{GROUP_NAME, LOAD_BALANCER_NAME, SECURITY_GROUP_PREFIX_LISTS, SSL_REDIRECT, rows};
use super::check::check as check_value;
use super::cidr::Cidr;
use super::control;
use super::group;
use super::parse::{ParseError, go_int32};
use super::row::{SettingRow, When};
use super::tags;
use super::value::Value;
use crate::kinds::IngressClassParamsSpec;

/// One thing that is wrong with a field of an object of ours or of LBC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field: `spec.inboundCIDRs[0]`.
    pub path: String,
    /// What is wrong.
    pub error: ParseError,
    /// Nothing can be built of it; else AWS has the last word.
    pub grave: bool,
    /// LBC's webhook refuses the object for it, although what is stored with it works.
    pub refused: bool,
}

impl Fault {
    /// A fault that LBC has no part in.
    pub(super) fn new(path: impl Into<String>, error: ParseError) -> Self {
        Self { path: path.into(), error, grave: false, refused: false }
    }
}

/// Everything that is wrong, in the order of the fields.
#[must_use]
pub fn check(spec: &IngressClassParamsSpec, extra_attributes: &[String]) -> Vec<Fault> {
    let mut found = Found::default();
    found.load_balancer(spec);
    found.listeners(spec);
    found.subnets(spec);
    found.tags_and_attributes(spec, extra_attributes);
    found.control_characters(spec);
    found.0
}

#[derive(Default)]
struct Found(Vec<Fault>);

impl Found {
    fn add(&mut self, path: impl Into<String>, error: ParseError) {
        self.0.push(Fault::new(path, error));
    }

    fn add_grave(&mut self, path: impl Into<String>, error: ParseError) {
        self.0.push(Fault { path: path.into(), error, grave: true, refused: false });
    }

    fn add_refused(&mut self, path: impl Into<String>, message: String) {
        self.0.push(Fault { path: path.into(), error: ParseError::new(message).doubt(), grave: false, refused: true });
    }

    /// A text by the grammar of the annotation that it overrides.
    fn like(&mut self, path: &str, row: &SettingRow, text: &str) {
        for error in check_value(row, text) {
            // The place is one in an annotation's value; here the path says it all.
            self.add(path, ParseError { at: None, ..error });
        }
    }

    /// Fields that say the same as an annotation, in the same words.
    fn texts(&mut self, spec: &IngressClassParamsSpec) {
        // Of these more is known than their grammar says.
        let apart = [&GROUP_NAME.row, &LOAD_BALANCER_NAME.row, &SSL_REDIRECT.row];
        for row in rows().filter(|row| !apart.contains(row)) {
            let Some(parameter) = row.parameter else { continue };
            if let Some(Value::Text(text)) = row.of_class(spec, row.key) {
                self.like(&format!("spec.{}", parameter.field), row, &text);
            }
        }
    }

    fn load_balancer(&mut self, spec: &IngressClassParamsSpec) {
        if let Some(name) = spec.load_balancer_name.as_ref().filter(|name| name.len() > 32) {
            let message = format!("load balancer name cannot be longer than 32 characters: {name} has {}", name.len());
            self.add_grave("spec.loadBalancerName", ParseError::new(message));
        } else if let Some(name) = spec.load_balancer_name.as_ref().filter(|name| !name.is_empty()) {
            self.like("spec.loadBalancerName", &LOAD_BALANCER_NAME.row, name);
        }
        if let Some(error) = spec.group.as_ref().and_then(|group| group::name(&group.name).err()) {
            self.add_grave("spec.group.name", error);
        }
        self.texts(spec);
        let given = |row: &SettingRow| Some(row.parameter?.field).filter(|_| row.of_class(spec, row.key).is_some());
        for row in rows() {
            if let When::Without(other, why) = row.when
                && let (Some(field), Some(winner)) = (given(row), given(other))
            {
                let error = ParseError::new(format!("{winner} is given too, and {why}"));
                self.add(format!("spec.{field}"), error.doubt());
            }
        }
        if let Some(capacity) =
            spec.minimum_load_balancer_capacity.as_ref().filter(|capacity| capacity.capacity_units < 0)
        {
            let message = format!("{} can't be a number of capacity units", capacity.capacity_units);
            self.add("spec.minimumLoadBalancerCapacity.capacityUnits", ParseError::new(message));
        }
    }

    fn listeners(&mut self, spec: &IngressClassParamsSpec) {
        for (index, arn) in spec.certificate_arn.iter().flatten().enumerate() {
            if let Err(error) = AcmCertificateArn::parse(arn) {
                self.add(format!("spec.certificateArn[{index}]"), error);
            }
        }
        for (index, block) in spec.inbound_cidrs.iter().flatten().enumerate() {
            let path = format!("spec.inboundCIDRs[{index}]");
            match Cidr::parse(block) {
                Err(error) => self.add_grave(path, error),
                Ok(cidr) if cidr.has_host_bits() => {
                    let message = format!("{block} has bits set outside its prefix; did you mean `{}`?", cidr.net);
                    self.add_refused(path, message);
                }
                Ok(_) => {}
            }
        }
        if let Some(port) = spec.ssl_redirect_port.as_ref().filter(|port| !port.is_empty()) {
            match go_int32(port) {
                Ok(1..=65535) => {}
                Ok(number) => {
                    let message = format!("{number} is no port: 1 to 65535 are");
                    self.add_grave("spec.sslRedirectPort", ParseError::new(message));
                }
                Err(_) => {
                    let message = format!("`{port}` is no port: nothing of the group is redirected to HTTPS then");
                    self.add("spec.sslRedirectPort", ParseError::new(message).doubt());
                }
            }
        }
        for (field, lists) in
            [("prefixListsIDs", &spec.prefix_lists_ids), ("PrefixListsIDs", &spec.legacy_prefix_lists_ids)]
        {
            for (index, list) in lists.iter().flatten().enumerate() {
                self.like(&format!("spec.{field}[{index}]"), &SECURITY_GROUP_PREFIX_LISTS.row, list);
            }
        }
        let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if given(&spec.prefix_lists_ids) && given(&spec.legacy_prefix_lists_ids) {
            let error = ParseError::new("cannot specify both 'prefixListsIDs' and 'PrefixListsIDs' fields");
            self.add("spec.PrefixListsIDs", error);
        }
    }

    fn subnets(&mut self, spec: &IngressClassParamsSpec) {
        let Some(selector) = &spec.subnets else { return };
        match (&selector.ids, &selector.tags) {
            (None, None) => self.add_grave("spec.subnets", ParseError::new("must have either `ids` or `tags`")),
            (Some(_), Some(_)) => self.add("spec.subnets", ParseError::new("may not have both `ids` and `tags` set")),
            _ => {}
        }
        let mut seen = BTreeSet::new();
        for (index, id) in selector.ids.iter().flatten().enumerate() {
            let path = format!("spec.subnets.ids[{index}]");
            let digits = id.strip_prefix("subnet-").unwrap_or_default();
            if digits.is_empty() || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                self.add(
                    path,
                    ParseError::new(format!("{id} is no subnet id: subnet- and hexadecimal digits make one")),
                );
            } else if !seen.insert(id) {
                self.add(path, ParseError::new(format!("{id} is named twice")));
            }
        }
        if selector.tags.as_ref().is_some_and(std::collections::BTreeMap::is_empty) {
            self.add("spec.subnets.tags", ParseError::new("must have at least one tag key"));
        }
        for (key, values) in selector.tags.iter().flatten() {
            let mut seen = BTreeSet::new();
            for (index, value) in values.iter().enumerate().filter(|(_, value)| !seen.insert(value.as_str())) {
                self.add_refused(
                    format!("spec.subnets.tags[{key}][{index}]"),
                    format!("value `{value}` is there twice"),
                );
            }
        }
    }

    fn tags_and_attributes(&mut self, spec: &IngressClassParamsSpec, extra: &[String]) {
        for (index, tag) in spec.tags.iter().enumerate() {
            for fault in tags::faults(&tag.key, &tag.value) {
                self.add(format!("spec.tags[{index}]"), ParseError::new(fault));
            }
        }
        let keys: BTreeSet<&str> = spec.tags.iter().map(|tag| tag.key.as_str()).collect();
        if let Some(message) = tags::too_many(&keys) {
            self.add("spec.tags", ParseError::new(message));
        }
        for (index, attribute) in spec.load_balancer_attributes.iter().enumerate() {
            if let Some(error) = attributes::fault(Owner::LoadBalancer, &attribute.key, &attribute.value, extra) {
                self.add(format!("spec.loadBalancerAttributes[{index}]"), error);
            }
        }
        for (index, listener) in spec.listeners.iter().enumerate() {
            let path = format!("spec.listeners[{index}]");
            if !matches!(listener.protocol.as_str(), "HTTP" | "HTTPS") {
                let message = format!("protocol `{}` must be HTTP or HTTPS: no listener has it", listener.protocol);
                self.add(format!("{path}.protocol"), ParseError::new(message).doubt());
            }
            if !(1..=65535).contains(&listener.port) {
                let message = format!("{} is no port: no listener has it", listener.port);
                self.add(format!("{path}.port"), ParseError::new(message).doubt());
            }
            for (place, attribute) in listener.listener_attributes.iter().enumerate() {
                if let Some(error) = attributes::fault(Owner::Listener, &attribute.key, &attribute.value, extra) {
                    self.add(format!("{path}.listenerAttributes[{place}]"), error);
                }
            }
        }
    }
}

impl Found {
    /// Nothing takes a text with control characters, whichever field it is in.
    fn control_characters(&mut self, spec: &IngressClassParamsSpec) {
        let Ok(whole) = serde_json::to_value(spec) else { return };
        let mut odd = Vec::new();
        texts(&whole, "spec", &mut odd);
        for (path, error) in odd {
            // By its own grammar it may have been told already.
            self.0.retain(|fault| !path.starts_with(&fault.path));
            self.add_grave(path, error);
        }
    }
}

/// The texts in a value that have control characters, with their paths.
fn texts(value: &serde_json::Value, path: &str, odd: &mut Vec<(String, ParseError)>) {
    match value {
        serde_json::Value::String(text) => odd.extend(control::text_fault(text).map(|error| (path.to_owned(), error))),
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| texts(item, &format!("{path}[{index}]"), odd));
        }
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| texts(field, &format!("{path}.{name}"), odd));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
