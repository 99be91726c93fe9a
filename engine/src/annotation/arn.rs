//! Amazon Resource Names, and which of them a listener takes as a certificate.

use std::fmt;

use serde::Serialize;

use super::nearest::did_you_mean;
use super::parse::ParseError;

/// The partitions that AWS has.
pub const PARTITIONS: [&str; 8] =
    ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

/// `arn:partition:service:region:account:resource`
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Arn {
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// `acm`, `wafv2`, …
    pub service: String,
    /// Empty for global services
    pub region: String,
    /// Twelve digits, empty for what belongs to nobody
    pub account: String,
    /// Everything after the fifth colon
    pub resource: String,
}

impl Arn {
    /// Reads an ARN and checks each part's grammar.
    ///
    /// # Errors
    /// Naming the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let fail = |cause: String| Err(ParseError::new(format!("`{text}` is no ARN: {cause}")));
        if text.starts_with("arn:arn:") {
            return fail("it begins with `arn:` twice".to_owned());
        }
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (scheme, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
        if scheme != "arn" {
            return fail("it must begin with `arn:`".to_owned());
        }
        if resource.is_empty() {
            return fail("its form is arn:partition:service:region:account:resource".to_owned());
        }
        if !PARTITIONS.contains(&partition) {
            let near = did_you_mean(partition, PARTITIONS);
            return fail(format!("partition `{partition}` doesn't exist{near}"));
        }
        let is_word =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if service.is_empty() || !is_word(service) {
            return fail(format!("`{service}` can't be a service"));
        }
        let is_region = is_word(region) && region.contains('-');
        if !(region.is_empty() || is_region) {
            return fail(format!("`{region}` can't be a region"));
        }
        // `aws` stands for what AWS itself owns, managed policies for instance.
        if !account.is_empty() && account != "aws" && !is_account(account) {
            return fail(format!("account `{account}` must have 12 digits"));
        }
        if resource.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return fail("it contains white space".to_owned());
        }
        Ok(Self {
            partition: partition.to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            resource: resource.to_owned(),
        })
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Which service keeps a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateStore {
    /// AWS Certificate Manager
    Acm,
    /// IAM server certificates
    Iam,
}

/// An ARN that a listener takes as a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct AcmCertificateArn {
    /// The whole ARN
    pub arn: Arn,
    /// Where the certificate is kept
    pub store: CertificateStore,
    /// ACM: the certificate's id; IAM: its path and name
    pub id: String,
}

impl AcmCertificateArn {
    /// Reads the ARN of a certificate in ACM or IAM.
    ///
    /// # Errors
    /// When it is no ARN, or one that a listener can't use.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let arn = Arn::parse(text)?;
        let fail = |cause: String| Err(ParseError::new(format!("`{text}` is no certificate: {cause}")));
        let (store, kind) = match arn.service.as_str() {
            "acm" => (CertificateStore::Acm, "certificate/"),
            "iam" => (CertificateStore::Iam, "server-certificate/"),
            other => return fail(format!("service `{other}` must be acm or iam")),
        };
        let Some(id) = arn.resource.strip_prefix(kind) else {
            return fail(format!("its resource `{}` must begin with `{kind}`", arn.resource));
        };
        if !is_account(&arn.account) {
            return fail("it lacks the account".to_owned());
        }
        let is_acm = store == CertificateStore::Acm;
        if is_acm == arn.region.is_empty() {
            let cause = if is_acm { "it lacks the region" } else { "IAM is global, the region must be empty" };
            return fail(cause.to_owned());
        }
        let is_id = |c: char| {
            c.is_ascii_alphanumeric() || c == '-' || (!is_acm && matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '/'))
        };
        if id.is_empty() || id.ends_with('/') || !id.chars().all(is_id) {
            return fail(format!("`{id}` can't be a certificate's {}", if is_acm { "id" } else { "name" }));
        }
        let id = id.to_owned();
        Ok(Self { arn, store, id })
    }

    /// Whether the id looks like those that ACM gives out: a UUID. What doesn't was typed or shortened by hand.
    #[must_use]
    pub fn is_uuid(&self) -> bool {
        let lengths = self.id.split('-').map(str::len);
        lengths.eq([8, 4, 4, 4, 12]) && self.id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    }
}

/// The ARN of a web ACL that a load balancer takes: `arn:aws:wafv2:REGION:ACCOUNT:regional/webacl/NAME/ID`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct WebAclArn {
    /// The whole ARN
    pub arn: Arn,
}

impl WebAclArn {
    /// Reads the ARN of a regional web ACL of `WAFv2`.
    ///
    /// # Errors
    /// When it is no ARN, or one that a load balancer can't use.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let arn = Arn::parse(text)?;
        let fail = |cause: String| Err(ParseError::new(format!("`{text}` is no web ACL for a load balancer: {cause}")));
        if arn.service != "wafv2" {
            return fail(format!("service `{}` must be wafv2", arn.service));
        }
        if arn.resource.starts_with("global/") {
            return fail("a global one is for CloudFront, a load balancer takes a regional one".to_owned());
        }
        let parts: Vec<&str> = arn.resource.split('/').collect();
        if !matches!(parts.as_slice(), ["regional", "webacl", name, id] if !name.is_empty() && !id.is_empty()) {
            return fail(format!("its resource `{}` must be regional/webacl/NAME/ID", arn.resource));
        }
        if arn.region.is_empty() || !is_account(&arn.account) {
            return fail("it lacks the region or the account".to_owned());
        }
        Ok(Self { arn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ACM: &str = "arn:aws:acm:eu-west-1:123456789012:certificate/2a4e6f80-1234-4abc-9def-0123456789ab";

    fn cause(text: &str) -> String {
        let message = Arn::parse(text).unwrap_err().message;
        message.split_once("is no ARN: ").unwrap().1.to_owned()
    }

    #[test]
    fn arns() {
        let arn = Arn::parse("arn:aws-cn:wafv2:cn-north-1:123456789012:regional/webacl/a:b/c").unwrap();
        assert_eq!((arn.partition.as_str(), arn.service.as_str()), ("aws-cn", "wafv2"));
        assert_eq!((arn.region.as_str(), arn.account.as_str()), ("cn-north-1", "123456789012"));
        assert_eq!(arn.resource, "regional/webacl/a:b/c");
        for good in [ACM, "arn:aws:s3:::bucket", "arn:aws:iam::aws:policy/ReadOnlyAccess"] {
            assert_eq!(Arn::parse(good).unwrap().to_string(), good);
        }
    }

    #[test]
    fn what_is_no_arn() {
        for (text, expected) in [
            ("arn:arn:aws:acm:eu-west-1:123456789012:certificate/a", "it begins with `arn:` twice"),
            ("", "it must begin with `arn:`"),
            (" arn:aws:s3:::b", "it must begin with `arn:`"),
            ("sg-1", "it must begin with `arn:`"),
            ("arn:aws:acm:...", "its form is arn:partition:service:region:account:resource"),
            ("arn:AWS:acm:eu-west-1:123456789012:a", "partition `AWS` doesn't exist; did you mean `aws`?"),
            ("arn:aws:ACM:eu-west-1:123456789012:a", "`ACM` can't be a service"),
            ("arn:aws:acm:<region>:123456789012:a", "`<region>` can't be a region"),
            ("arn:aws:acm:xxxx:123456789012:a", "`xxxx` can't be a region"),
            ("arn:aws:acm:eu-west-1:123456789:a", "account `123456789` must have 12 digits"),
            ("arn:aws:acm:eu-west-1:123456789012:a\n", "it contains white space"),
        ] {
            assert_eq!(cause(text), expected, "{text}");
        }
    }

    #[test]
    fn certificates() {
        let acm = AcmCertificateArn::parse(ACM).unwrap();
        assert_eq!((acm.store, acm.is_uuid()), (CertificateStore::Acm, true));
        let iam = AcmCertificateArn::parse("arn:aws:iam::123456789012:server-certificate/team/web.example_1").unwrap();
        assert_eq!((iam.store, iam.id.as_str(), iam.is_uuid()), (CertificateStore::Iam, "team/web.example_1", false));
        assert!(!AcmCertificateArn::parse("arn:aws:acm:eu-west-1:123456789012:certificate/abc").unwrap().is_uuid());
        for (text, expected) in [
            ("arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/a", "service `acm-pca` must be acm or iam"),
            ("arn:aws:acm:eu-west-1:123456789012:cert/a", "its resource `cert/a` must begin with `certificate/`"),
            ("arn:aws:acm:eu-west-1::certificate/a", "it lacks the account"),
            ("arn:aws:acm::123456789012:certificate/a", "it lacks the region"),
            ("arn:aws:iam:us-east-1:123456789012:server-certificate/a", "IAM is global, the region must be empty"),
            ("arn:aws:acm:eu-west-1:123456789012:certificate/<id>", "`<id>` can't be a certificate's id"),
            ("arn:aws:iam::123456789012:server-certificate/a/", "`a/` can't be a certificate's name"),
        ] {
            let message = AcmCertificateArn::parse(text).unwrap_err().message;
            assert!(message.ends_with(&format!("is no certificate: {expected}")), "{message}");
        }
    }

    #[test]
    fn web_acls() {
        const ACL: &str =
            "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/web/2a4e6f80-1234-4abc-9def-0123456789ab";
        assert_eq!(WebAclArn::parse(ACL).unwrap().arn.region, "eu-west-1");
        for (text, expected) in [
            (ACM, "service `acm` must be wafv2"),
            (
                "arn:aws:wafv2:us-east-1:123456789012:global/webacl/web/1",
                "a global one is for CloudFront, a load balancer takes a regional one",
            ),
            (
                "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/web",
                "its resource `regional/webacl/web` must be regional/webacl/NAME/ID",
            ),
            ("arn:aws:wafv2:us-east-1::regional/webacl/web/1", "it lacks the region or the account"),
        ] {
            let message = WebAclArn::parse(text).unwrap_err().message;
            assert!(message.ends_with(expected), "{message}");
        }
        assert!(WebAclArn::parse(&format!("{ACL}\n")).unwrap_err().message.ends_with("it contains white space"));
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>(), near in "arn:[a-z:/0-9-]{0,30}") {
            let _ = (AcmCertificateArn::parse(&raw), AcmCertificateArn::parse(&near));
            let _ = (WebAclArn::parse(&raw), WebAclArn::parse(&near));
        }
    }
}
