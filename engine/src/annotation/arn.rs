//! Amazon Resource Names, and which of them a listener takes as a certificate.

use std::fmt;

use serde::Serialize;

use super::parse::ParseError;
use super::similar::did_you_mean;

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
        // AWS adds a partition every few years.
        let is_partition =
            partition.starts_with("aws-") && partition.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if !PARTITIONS.contains(&partition) && !is_partition {
            let near = did_you_mean(partition, PARTITIONS);
            return fail(format!("partition `{partition}` doesn't exist{near}"));
        }
        let is_word =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if service.is_empty() || !is_word(service) {
            return fail(format!("`{service}` can't be a service"));
        }
        if !(region.is_empty() || is_region(region)) {
            return fail(format!("`{region}` can't be a region"));
        }
        if !region.is_empty() && partition_of(region) != partition && PARTITIONS.contains(&partition) {
            return fail(format!("region {region} is in partition {}, not {partition}", partition_of(region)));
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

/// The service whose ARNs an annotation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A web ACL of `WAFv2` for regional resources
    WebAcl,
    /// A private certificate authority
    PrivateCa,
    /// A target group
    TargetGroup,
    /// A trust store
    TrustStore,
    /// A Cognito user pool
    UserPool,
}

impl Kind {
    /// Service, beginning of the resource, and the whole form.
    const fn form(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::WebAcl => ("wafv2", "regional/webacl/", "arn:PARTITION:wafv2:REGION:ACCOUNT:regional/webacl/NAME/ID"),
            Self::PrivateCa => {
                ("acm-pca", "certificate-authority/", "arn:PARTITION:acm-pca:REGION:ACCOUNT:certificate-authority/ID")
            }
            Self::TargetGroup => (
                "elasticloadbalancing",
                "targetgroup/",
                "arn:PARTITION:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID",
            ),
            Self::TrustStore => (
                "elasticloadbalancing",
                "truststore/",
                "arn:PARTITION:elasticloadbalancing:REGION:ACCOUNT:truststore/NAME/ID",
            ),
            Self::UserPool => {
                ("cognito-idp", "userpool/", "arn:PARTITION:cognito-idp:REGION:ACCOUNT:userpool/REGION_ID")
            }
        }
    }

    /// The service in its ARNs.
    #[must_use]
    pub const fn service(self) -> &'static str {
        self.form().0
    }

    /// The form of its ARNs.
    #[must_use]
    pub const fn shape(self) -> &'static str {
        self.form().2
    }

    /// Reads an ARN of this kind. Source of the forms: the services' pages of the service authorization reference
    /// (<https://docs.aws.amazon.com/service-authorization/latest/reference/>), "Resource types defined".
    ///
    /// # Errors
    /// When it is no ARN, or one of another kind.
    pub fn parse(self, text: &str) -> Result<Arn, ParseError> {
        let (service, start, shape) = self.form();
        let arn = Arn::parse(text)?;
        let fail = |cause: String| Err(ParseError::new(format!("`{text}` {cause}; its form is {shape}")));
        if self == Self::WebAcl && matches!(arn.service.as_str(), "waf" | "waf-regional") {
            return fail("is a web ACL of WAF Classic, for which there is waf-acl-id".to_owned());
        }
        if arn.service != service {
            return fail(format!("is of service {}, one of {service} belongs there", arn.service));
        }
        if self == Self::WebAcl && arn.resource.starts_with("global/") {
            return fail("is a global web ACL, which only CloudFront takes; an ALB takes a regional one".to_owned());
        }
        let parts = arn.resource.strip_prefix(start).unwrap_or_default();
        if arn.region.is_empty() || arn.account.is_empty() {
            return fail("lacks region or account".to_owned());
        }
        let mut names = parts.split('/');
        let (name, id) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        let is_word = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let fits = names.next().is_none()
            && is_word(name)
            && match self {
                Self::PrivateCa => id.is_empty(),
                Self::UserPool => {
                    id.is_empty()
                        && name
                            .strip_prefix(arn.region.as_str())
                            .is_some_and(|rest| rest.len() > 1 && rest.starts_with('_'))
                }
                Self::WebAcl => is_word(id),
                Self::TargetGroup | Self::TrustStore => {
                    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit())
                }
            };
        if fits { Ok(arn) } else { fail(format!("has resource `{}`", arn.resource)) }
    }
}

/// Whether it is the ARN of an IAM role: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns>.
#[must_use]
pub fn is_role(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, region, account, name] = parts.as_slice() else { return false };
    let is_clean = !arn.chars().any(|c| c.is_whitespace() || c.is_control());
    arn.starts_with("arn:aws")
        && (*service, *region) == ("iam", "")
        && is_account(account)
        && name.starts_with("role/")
        && is_clean
}

/// The partition that a region belongs to.
#[must_use]
pub fn partition_of(region: &str) -> &'static str {
    const OTHERS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    OTHERS.iter().find(|(start, _)| region.starts_with(start)).map_or("aws", |(_, partition)| *partition)
}

/// `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`: words and a number.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    match parts.split_last() {
        Some((number, words)) if words.len() >= 2 => {
            number.parse::<u8>().is_ok()
                && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        }
        _ => false,
    }
}

/// Whether it is the id of an account.
pub(super) fn is_account(text: &str) -> bool {
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
        if is_acm && !is_uuid(id) {
            return fail(format!("`{id}` can't be a certificate's id, which is a UUID"));
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
}

/// Whether an id is like those that ACM gives out. What isn't was typed, or shortened by hand.
fn is_uuid(id: &str) -> bool {
    let lengths = id.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
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
    fn kinds() {
        let id = "2a4e6f80-1234-4abc-9def-0123456789ab";
        for (kind, good) in [
            (Kind::WebAcl, format!("arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/web-1_a/{id}")),
            (Kind::PrivateCa, format!("arn:aws-us-gov:acm-pca:us-gov-west-1:123456789012:certificate-authority/{id}")),
            (
                Kind::TargetGroup,
                "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a-b/0123456789abcdef".to_owned(),
            ),
            (
                Kind::TrustStore,
                "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:truststore/t/0123456789abcdef".to_owned(),
            ),
            (Kind::UserPool, "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbC123".to_owned()),
        ] {
            assert_eq!(kind.parse(&good).unwrap().to_string(), good);
        }
        for (kind, bad, expected) in [
            (
                Kind::WebAcl,
                format!("arn:aws:wafv2:us-east-1:123456789012:global/webacl/web/{id}"),
                "is a global web ACL",
            ),
            (Kind::WebAcl, "arn:aws:waf-regional:us-east-1:123456789012:webacl/x".to_owned(), "there is waf-acl-id"),
            (Kind::WebAcl, "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/web".to_owned(), "its form is"),
            (Kind::WebAcl, "arn:aws:wafv2:...".to_owned(), "its form is arn:partition"),
            (Kind::PrivateCa, ACM.to_owned(), "is of service acm, one of acm-pca belongs there"),
            (
                Kind::TargetGroup,
                "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/a/01".to_owned(),
                "has resource",
            ),
            (
                Kind::TrustStore,
                "arn:aws:elasticloadbalancing:eu-west-1::truststore/t/01".to_owned(),
                "lacks region or account",
            ),
            (
                Kind::UserPool,
                "arn:aws:cognito-idp:us-east-1:123456789012:userpool/eu-west-1_a".to_owned(),
                "has resource",
            ),
            (
                Kind::UserPool,
                "arn:aws:cognito-idp:cn-north-1:123456789012:userpool/cn-north-1_a".to_owned(),
                "is in partition aws-cn, not aws",
            ),
        ] {
            let message = kind.parse(&bad).unwrap_err().message;
            assert!(message.contains(expected), "{bad}: {message}");
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
        assert_eq!(acm.store, CertificateStore::Acm);
        let iam = AcmCertificateArn::parse("arn:aws:iam::123456789012:server-certificate/team/web.example_1").unwrap();
        assert_eq!((iam.store, iam.id.as_str()), (CertificateStore::Iam, "team/web.example_1"));
        for (text, expected) in [
            ("arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/a", "service `acm-pca` must be acm or iam"),
            ("arn:aws:acm:eu-west-1:123456789012:cert/a", "its resource `cert/a` must begin with `certificate/`"),
            ("arn:aws:acm:eu-west-1::certificate/a", "it lacks the account"),
            ("arn:aws:acm::123456789012:certificate/a", "it lacks the region"),
            ("arn:aws:iam:us-east-1:123456789012:server-certificate/a", "IAM is global, the region must be empty"),
            (
                "arn:aws:acm:eu-west-1:123456789012:certificate/<id>",
                "`<id>` can't be a certificate's id, which is a UUID",
            ),
            (
                "arn:aws:acm:eu-west-1:123456789012:certificate/0d1b6a9c",
                "`0d1b6a9c` can't be a certificate's id, which is a UUID",
            ),
            ("arn:aws:iam::123456789012:server-certificate/a/", "`a/` can't be a certificate's name"),
        ] {
            let message = AcmCertificateArn::parse(text).unwrap_err().message;
            assert!(message.ends_with(&format!("is no certificate: {expected}")), "{message}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>(), near in "arn:[a-z:/0-9-]{0,30}") {
            let _ = (AcmCertificateArn::parse(&raw), AcmCertificateArn::parse(&near));
            let _ = (Kind::WebAcl.parse(&raw), Kind::UserPool.parse(&near));
        }
    }
}
