//! Web ACLs and Shield that a member asks for, held against what is known of the account.

use super::Compiler;
use crate::annotation::catalogue::{SHIELD_ADVANCED_PROTECTION, WAF_ACL_ID, WAFV2_ACL_ARN, WAFV2_ACL_NAME, WEB_ACL_ID};
use crate::annotation::{Resolved, SettingRow, Source, Value, Values, arn, nearest_of};
use crate::facts::Facts;
use crate::finding::{Code, Effect, Finding, ObjectRef};
use crate::settings::Settings;
use crate::stack::{Addon, Attachment};

const NAME: &SettingRow = &WAFV2_ACL_NAME.row;
const ARN: &SettingRow = &WAFV2_ACL_ARN.row;

/// The web ACL of a name; `None`: the account has none.
pub(crate) fn web_acl_named(name: &str, settings: &Settings, facts: &Facts) -> Option<Attachment> {
    if name == "none" || !settings.allows(Addon::WebAcl) {
        return Some(Attachment::Nothing);
    }
    match &facts.web_acls {
        // Not read: what is named is taken as it is.
        None => Some(Attachment::To(name.to_owned())),
        Some(known) => known.value.get(name).cloned().map(Attachment::To),
    }
}

impl Compiler<'_> {
    /// Takes out what is said of web ACLs and cannot be had.
    pub(super) fn check_addons(&mut self, values: &mut Values) {
        self.check_web_acl_name(values);
        self.check_web_acl_arn(values);
        // The older key is read where the newer one is absent; one without a value says nothing.
        let older = values.remove(&WEB_ACL_ID).filter(|_| !values.has(&WAF_ACL_ID));
        let given = values.remove(&WAF_ACL_ID).or(older).filter(|id| !id.value.is_empty());
        if let Some(id) = given {
            values.insert(&WAF_ACL_ID.row, id);
        }
        self.check_shield(values);
    }

    /// A finding where the value stands: in the annotation, or in the parameters of the class.
    fn blame(&mut self, code: Code, row: &SettingRow, given: &Resolved<Value>, message: String) -> &mut Finding {
        let value = given.value.to_string();
        if given.source != Source::Class {
            return self.reader.refuse(code, row.key, &value, message);
        }
        let params = self.params.as_ref().and_then(|params| params.metadata.name.clone()).unwrap_or_default();
        let message = format!("{message} (from IngressClassParams {params})");
        let finding = self.reader.report(code, "spec.ingressClassName", message);
        finding.value = Some(value);
        finding.related = vec![ObjectRef::new("IngressClassParams", "", &params)];
        finding
    }

    fn check_web_acl_name(&mut self, values: &mut Values) {
        let Some(given) = values.remove(&WAFV2_ACL_NAME).filter(|name| !name.value.is_empty()) else { return };
        let name = given.value.to_string();
        if web_acl_named(&name, self.settings(), self.context.facts).is_some() {
            values.insert(NAME, given);
            return;
        }
        let known = self.context.facts.web_acls.iter().flat_map(|known| known.value.keys().cloned());
        let names: Vec<String> = known.collect();
        let message = format!("couldn't find WAFv2 WebACL with name: {name}");
        let fix = match nearest_of(&name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => "name a regional web ACL of this account and region".to_owned(),
        };
        let finding = self.blame(Code::WebAclNotFound, NAME, &given, message);
        finding.allowed = names;
        finding.fix = fix;
    }

    /// Tells of web ACLs by ARN, of the class or of the Ingress, beside a name, which goes before them.
    pub(super) fn check_web_acl(&mut self) {
        if self.of_class(NAME, NAME.key).is_some() {
            self.unused(ARN.key, "the class's parameters name a web ACL, and a name goes before an ARN");
            return;
        }
        if self.reader.raw(NAME.key).is_none_or(str::is_empty) {
            return;
        }
        if self.of_class(ARN, ARN.key).is_none() {
            self.unused(ARN.key, "wafv2-acl-name names a web ACL, and a name goes before an ARN");
            return;
        }
        let params = self.params.as_ref().and_then(|params| params.metadata.name.clone()).unwrap_or_default();
        let why = format!("a name goes before an ARN: wafv2AclArn of IngressClassParams {params} has no effect");
        if let Some(finding) = self.unused(NAME.key, why) {
            finding.related = vec![ObjectRef::new("IngressClassParams", "", &params)];
            finding.fix =
                format!("remove it to get the web ACL of the class; wafv2AclName in {params} would go before it");
        }
    }

    fn check_web_acl_arn(&mut self, values: &mut Values) {
        let Some(given) = values.remove(&WAFV2_ACL_ARN) else { return };
        let value = given.value.to_string();
        if Attachment::asked(&value) == Attachment::Nothing {
            values.insert(ARN, given);
            return;
        }
        let arn = match arn::Kind::WebAcl.parse(&value) {
            Ok(arn) => arn,
            // Of an annotation that was told when it was read.
            Err(error) => {
                self.blame(Code::InvalidArn, ARN, &given, error.message);
                return;
            }
        };
        if !self.settings().allows(Addon::WebAcl) {
            values.insert(ARN, given);
            return;
        }
        let facts = self.context.facts;
        if let Some(region) = facts.region.as_ref().filter(|region| **region != arn.region) {
            let message = format!("the web ACL is in region {}, the load balancer will be in {region}", arn.region);
            let finding = self.blame(Code::WebAclNotFound, ARN, &given, message);
            finding.fix = format!("use a regional web ACL of {region}");
            // Where it is cannot be told from here, and AWS has the last word.
            finding.effect = Effect::Nothing;
            values.insert(ARN, given);
            return;
        }
        let known = facts.web_acls.as_ref().filter(|_| facts.region.is_some());
        if known.is_none_or(|known| known.value.values().any(|arn| *arn == value)) {
            values.insert(ARN, given);
            return;
        }
        let message = format!("couldn't find WAFv2 WebACL {value} in this account and region");
        self.blame(Code::WebAclNotFound, ARN, &given, message);
    }

    fn check_shield(&mut self, values: &Values) {
        let asked = values.get(&SHIELD_ADVANCED_PROTECTION) == Some(true);
        let known = self.context.facts.shield_subscribed.as_ref().filter(|_| self.settings().allows(Addon::Shield));
        if known.is_some_and(|known| asked && !known.value) {
            let message = "the account is not subscribed to Shield Advanced: the load balancer is made without it";
            self.reader.refuse(Code::ShieldNotSubscribed, SHIELD_ADVANCED_PROTECTION.row.key, "true", message);
        }
    }
}
