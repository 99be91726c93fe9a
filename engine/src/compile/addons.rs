//! What a member says of web ACLs, Shield and reserved capacity.

use super::Compiler;
use crate::annotation::{arn, nearest, parse};
use crate::finding::{Code, Effect, Finding, ObjectRef};
use crate::stack::WebAcl;

/// What a member says of what is attached to the load balancer; `None`: nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AddonsAsk {
    /// `WAFv2` by name: the name, and the web ACL of that name.
    pub wafv2_name: Option<(String, WebAcl)>,
    /// `WAFv2` by ARN.
    pub wafv2_arn: Option<WebAcl>,
    /// WAF Classic Regional.
    pub waf_classic: Option<WebAcl>,
    /// Shield Advanced.
    pub shield: Option<bool>,
    /// Capacity units, 0 for none.
    pub capacity_units: Option<i32>,
}

const NAME: &str = "wafv2-acl-name";
const ARN: &str = "wafv2-acl-arn";

impl Compiler<'_> {
    pub(super) fn addons(&mut self) -> AddonsAsk {
        let wafv2_name = self.web_acl_name();
        AddonsAsk {
            // Beside a name nobody reads an ARN.
            wafv2_arn: if wafv2_name.is_none() { self.web_acl_arn() } else { None },
            wafv2_name,
            waf_classic: self.waf_classic(),
            shield: self.shield(),
            capacity_units: self.capacity_units(),
        }
    }

    /// A value of the class's parameters, or the annotation's.
    fn enforced(&self, suffix: &str, of_params: Option<String>) -> Option<(String, bool)> {
        let enforced = of_params.filter(|value| !value.is_empty()).map(|value| (value, true));
        enforced.or_else(|| self.reader.raw(suffix).map(|raw| (raw.to_owned(), false)))
    }

    /// A finding where the value stands: in the annotation, or in the parameters of the class.
    fn blame(&mut self, code: Code, suffix: &str, value: &str, enforced: bool, message: String) -> &mut Finding {
        if !enforced {
            return self.reader.refuse(code, suffix, value, message);
        }
        let params = self.params.as_ref().and_then(|params| params.metadata.name.clone()).unwrap_or_default();
        let message = format!("{message} (from IngressClassParams {params})");
        let finding = self.reader.report(code, "spec.ingressClassName", message);
        finding.value = Some(value.to_owned());
        finding.related = vec![ObjectRef::new("IngressClassParams", "", &params)];
        finding
    }

    /// The older key is read where the newer one is absent; one without a value says nothing.
    fn waf_classic(&self) -> Option<WebAcl> {
        let given = self.reader.raw("waf-acl-id").or_else(|| self.reader.raw("web-acl-id"));
        given.filter(|id| !id.is_empty()).map(WebAcl::asked)
    }

    fn web_acl_name(&mut self) -> Option<(String, WebAcl)> {
        let of_params = self.params.as_ref().and_then(|params| params.spec.wafv2_acl_name.clone());
        let (name, enforced) = self.enforced(NAME, of_params).filter(|(name, _)| !name.is_empty())?;
        if name == "none" || !self.settings().enable_wafv2 {
            return Some((name, WebAcl::Nothing));
        }
        let Some(known) = &self.context.facts.web_acls else {
            // Not read: what is named is taken as it is.
            return Some((name.clone(), WebAcl::Associated(name)));
        };
        if let Some(arn) = known.value.get(&name) {
            return Some((name, WebAcl::Associated(arn.clone())));
        }
        let names: Vec<String> = known.value.keys().cloned().collect();
        let message = format!("couldn't find WAFv2 WebACL with name: {name}");
        let mend = match nearest::nearest_of(&name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => "name a regional web ACL of this account and region".to_owned(),
        };
        let finding = self.blame(Code::WebAclNotFound, NAME, &name, enforced, message);
        finding.allowed = names;
        finding.mend = mend;
        None
    }

    /// Tells of web ACLs by ARN, of the class or of the Ingress, beside a name, which goes before them.
    pub(super) fn check_web_acl(&mut self) {
        let spec = self.params.as_ref().map(|params| &params.spec);
        let given = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
        if given(spec.and_then(|spec| spec.wafv2_acl_name.as_ref())) {
            self.idle(ARN, "the class's parameters name a web ACL, and a name goes before an ARN");
            return;
        }
        if self.reader.raw(NAME).is_none_or(str::is_empty) {
            return;
        }
        if !given(spec.and_then(|spec| spec.wafv2_acl_arn.as_ref())) {
            self.idle(ARN, "wafv2-acl-name names a web ACL, and a name goes before an ARN");
            return;
        }
        let params = self.params.as_ref().and_then(|params| params.metadata.name.clone()).unwrap_or_default();
        let why = format!("a name goes before an ARN: wafv2AclArn of IngressClassParams {params} has no effect");
        if let Some(finding) = self.idle(NAME, why) {
            finding.related = vec![ObjectRef::new("IngressClassParams", "", &params)];
            finding.mend =
                format!("remove it to get the web ACL of the class; wafv2AclName in {params} would go before it");
        }
    }

    fn web_acl_arn(&mut self) -> Option<WebAcl> {
        let of_params = self.params.as_ref().and_then(|params| params.spec.wafv2_acl_arn.clone());
        let (value, enforced) = self.enforced(ARN, of_params)?;
        let asked = WebAcl::asked(&value);
        if asked == WebAcl::Nothing {
            return Some(asked);
        }
        let arn = match arn::Kind::WebAcl.parse(&value) {
            Ok(arn) => arn,
            Err(error) => {
                let trimmed = arn::Kind::WebAcl.parse(value.trim()).is_ok();
                let finding = self.blame(Code::InvalidArn, ARN, &value, enforced, error.message);
                if trimmed {
                    finding.mend = format!(
                        "remove the white space around {}: in YAML a folded block (>) ends in a newline, >- does not",
                        value.trim()
                    );
                } else {
                    finding.mend = "write arn:aws:wafv2:REGION:ACCOUNT:regional/webacl/NAME/ID, or none".to_owned();
                }
                return None;
            }
        };
        if !self.settings().enable_wafv2 {
            return Some(asked);
        }
        if let Some(region) = self.context.facts.region.clone().filter(|region| *region != arn.region) {
            let message = format!("the web ACL is in region {}, the load balancer will be in {region}", arn.region);
            let finding = self.blame(Code::WebAclNotFound, ARN, &value, enforced, message);
            finding.mend = format!("use a regional web ACL of {region}");
            // Where it is cannot be told from here, and AWS has the last word.
            finding.effect = Effect::Nothing;
            return Some(asked);
        }
        let known = self.context.facts.web_acls.as_ref().filter(|_| self.context.facts.region.is_some());
        if known.is_none_or(|known| known.value.values().any(|arn| *arn == value)) {
            return Some(asked);
        }
        let message = format!("couldn't find WAFv2 WebACL {value} in this account and region");
        self.blame(Code::WebAclNotFound, ARN, &value, enforced, message);
        None
    }

    fn shield(&mut self) -> Option<bool> {
        const SUFFIX: &str = "shield-advanced-protection";
        let asked = self.reader.bool(SUFFIX)?;
        let known = self.context.facts.shield_subscribed.as_ref().filter(|_| self.settings().enable_shield);
        if known.is_some_and(|known| asked && !known.value) {
            let message = "the account is not subscribed to Shield Advanced: the load balancer is made without it";
            self.reader.refuse(Code::ShieldNotSubscribed, SUFFIX, "true", message);
        }
        Some(asked)
    }

    fn capacity_units(&mut self) -> Option<i32> {
        const SUFFIX: &str = "minimum-load-balancer-capacity";
        // The first member's class settles it, and an Ingress of its own is the first.
        let settled = self.class_says("minimumLoadBalancerCapacity.capacityUnits") && !self.group().is_explicit();
        let raw = self.reader.raw(SUFFIX).filter(|_| !settled)?;
        let asked = self.reader.map(SUFFIX, Code::InvalidValue)?;
        let mut units = None;
        for (key, value) in asked {
            if key != "CapacityUnits" {
                let message = format!("invalid key to set the capacity: {key}, Expected key: CapacityUnits");
                self.reader.refuse(Code::InvalidValue, SUFFIX, raw, message).mend =
                    "write CapacityUnits=NUMBER".to_owned();
                continue;
            }
            units = parse::go_int32(&value).ok().filter(|units| *units >= 0);
            if units.is_none() {
                let message = format!("invalid value to set the capacity: {value}");
                self.reader.refuse(Code::InvalidValue, SUFFIX, raw, message).mend =
                    "write a whole number of capacity units, 0 to give the reservation back".to_owned();
            }
        }
        units
    }
}
