//! What goes wrong between us and AWS, told apart by AWS's error code alone: words change, codes don't.

use std::error::Error;
use std::fmt;

use albedo_elbv2::Incomplete;
use albedo_engine::stack::ResourceId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::answers::Unfit;
use super::facts::FactKind;

/// Characters of an error code, and of a message. AWS's longest messages carry an encoded reason of some 1,500.
pub(super) const CODE_LENGTH: usize = 100;
const MESSAGE_LENGTH: usize = 4_000;

/// Why a call of AWS came to nothing. Those that carry an [`AwsAnswer`] say it in AWS's words.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// What the call is about, or refers to, is not there.
    #[error(transparent)]
    NotFound(AwsAnswer),
    /// It is there already, under this name, port, priority or with these values.
    #[error(transparent)]
    AlreadyExists(AwsAnswer),
    /// Too many calls; later it works.
    #[error(transparent)]
    Throttled(AwsAnswer),
    /// Something else still uses it.
    #[error(transparent)]
    InUse(AwsAnswer),
    /// Not allowed, or not recognised: IAM, credentials.
    #[error(transparent)]
    Denied(AwsAnswer),
    /// A quota is used up.
    #[error(transparent)]
    TooMany(AwsAnswer),
    /// AWS does not take this input.
    #[error(transparent)]
    Invalid(AwsAnswer),
    /// The load balancer is protected from deletion; nothing here ever lifts that protection.
    #[error(transparent)]
    DeletionProtected(AwsAnswer),
    /// No answer, or AWS's own fault. A write may have happened all the same.
    #[error(transparent)]
    Transient(AwsAnswer),
    /// A code that no row of the table knows.
    #[error(transparent)]
    Unknown(AwsAnswer),
    /// The answer lacks what it has to have, or has it in words that are not known here.
    #[error("AWS {operation} answered without a usable {field}")]
    Incomplete {
        /// AWS's name of the operation.
        operation: &'static str,
        /// The member of the answer.
        field: &'static str,
    },
    /// The operation refers to a resource that nothing has made yet. Nothing was sent.
    #[error("AWS {operation} needs <{resource}>, which does not exist yet")]
    Unresolved {
        /// AWS's name of the operation.
        operation: &'static str,
        /// The resource.
        resource: ResourceId,
    },
    /// The Secret of an `authenticate-oidc` action is not there or lacks a key. Nothing was sent.
    #[error("AWS {operation} needs the client of the identity provider from secret {secret:?}, which has none")]
    NoClient {
        /// AWS's name of the operation.
        operation: &'static str,
        /// Secret, `namespace/name`.
        secret: String,
    },
    /// Something is named, or looked for, and the list of all of its kind could not be read yet. Nothing was sent.
    #[error("{} ({name})", self.outline())]
    Unlisted {
        /// AWS's name of the operation.
        operation: &'static str,
        /// The list.
        list: FactKind,
        /// What is looked for in it.
        name: String,
    },
    /// The service did not answer while others did, and nothing waits for it.
    #[error("AWS {operation} gave no answer in time; nothing else waits for it")]
    Slow {
        /// AWS's name of the operation.
        operation: &'static str,
    },
    /// A list gave the same page twice, or more pages than any account has.
    #[error("AWS {operation} gave a list without an end")]
    Pages {
        /// AWS's name of the operation.
        operation: &'static str,
    },
    /// The right to write ends before an answer could come. Nothing was sent.
    #[error("AWS {operation} was not sent: this replica's lease ends too soon")]
    NoLeaseProof {
        /// AWS's name of the operation.
        operation: &'static str,
    },
}

impl CloudError {
    /// What AWS answered, if it was asked.
    #[must_use]
    pub fn answer(&self) -> Option<&AwsAnswer> {
        match self {
            Self::NotFound(answer)
            | Self::AlreadyExists(answer)
            | Self::Throttled(answer)
            | Self::InUse(answer)
            | Self::Denied(answer)
            | Self::TooMany(answer)
            | Self::Invalid(answer)
            | Self::DeletionProtected(answer)
            | Self::Transient(answer)
            | Self::Unknown(answer) => Some(answer),
            Self::Incomplete { .. }
            | Self::Unresolved { .. }
            | Self::NoClient { .. }
            | Self::Unlisted { .. }
            | Self::Slow { .. }
            | Self::Pages { .. }
            | Self::NoLeaseProof { .. } => None,
        }
    }

    /// What failed, without AWS's words and without names: AWS quotes the value that it refuses, whoever wrote it.
    #[must_use]
    pub fn outline(&self) -> String {
        match self {
            Self::Incomplete { .. } | Self::Slow { .. } | Self::Pages { .. } | Self::NoLeaseProof { .. } => {
                self.to_string()
            }
            Self::Unresolved { operation, .. } => format!("AWS {operation} needs a resource that does not exist yet"),
            Self::NoClient { operation, .. } => {
                format!("AWS {operation} needs the client of an identity provider from a Secret that has none")
            }
            Self::Unlisted { operation, list, .. } => {
                let permission = list.permission();
                format!("AWS {operation} waits: the account's {list} could not be read yet, which takes {permission}")
            }
            _ => self.answer().map_or_else(String::new, AwsAnswer::outline),
        }
    }

    /// AWS's error code; empty when AWS was not asked.
    #[must_use]
    pub fn code(&self) -> &str {
        self.answer().map_or("", |answer| answer.code.as_str())
    }

    /// Whether a write may have happened although it is reported as failed.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Transient(_) | Self::Unknown(_) | Self::Incomplete { .. })
    }

    /// Whether AWS does not take what was asked for, and will not the next time.
    #[must_use]
    pub fn is_refusal_of_input(&self) -> bool {
        let is_of_input = match self {
            Self::Invalid(_) => true,
            // What nobody can read says nothing of the input.
            Self::Unknown(answer) => answer.code != UNREADABLE,
            Self::NotFound(answer) | Self::TooMany(answer) => INPUTS.contains(&answer.code.as_str()),
            _ => false,
        };
        let refused = self.answer().is_some_and(|answer| answer.status == Some(400));
        is_of_input && refused && !self.is_settling()
    }

    /// Whether it may pass without anybody doing something.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Denied(_) | Self::TooMany(_) | Self::Invalid(_) | Self::DeletionProtected(_) => false,
            Self::NoClient { .. } => false,
            Self::NotFound(_) | Self::AlreadyExists(_) | Self::Throttled(_) | Self::InUse(_) => true,
            Self::Transient(_) | Self::Unknown(_) => true,
            Self::Incomplete { .. } | Self::Unresolved { .. } | Self::Unlisted { .. } | Self::Slow { .. } => true,
            Self::NoLeaseProof { .. } | Self::Pages { .. } => true,
        }
    }

    /// What somebody has to do, where AWS's own words do not say it.
    #[must_use]
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            Self::Denied(_) => Some("grant it to the controller's role, see deploy/iam-policy.json and docs/iam.md"),
            Self::DeletionProtected(_) => {
                Some("set deletion_protection.enabled=false in load-balancer-attributes, or switch it off in AWS")
            }
            Self::InUse(answer) if answer.operation == "DeleteSecurityGroup" => Some(
                "a network interface or a rule of another security group that albedo did not make uses it: \
                 `aws ec2 describe-network-interfaces --filters Name=group-id,Values=GROUP` and `aws ec2 \
                 describe-security-groups --filters Name=ip-permission.group-id,Values=GROUP` show which",
            ),
            Self::InUse(answer) if answer.operation == "DeleteTargetGroup" => {
                Some("a listener or rule that albedo did not make forwards to it")
            }
            _ => None,
        }
    }

    /// Sorts an error of the SDK into its class.
    pub(super) fn of<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let answer = AwsAnswer::of(operation, error);
        match class(operation, &answer.code) {
            Some(class) => class(answer),
            None if answer.status.is_none_or(|status| status >= 500) => Self::Transient(answer),
            None => Self::Unknown(answer),
        }
    }
}

/// What AWS said to a call, or that it said nothing.
#[derive(Debug)]
pub struct AwsAnswer {
    /// AWS's name of the operation, `CreateListener`.
    pub operation: &'static str,
    /// HTTP status; `None` when there was no answer.
    pub status: Option<u16>,
    /// AWS's error code, `ValidationError`, or one of ours when there was no answer: `Timeout`, `Unreachable`,
    /// `Unsent`, `Unreadable`.
    pub code: String,
    /// AWS's message, for people.
    pub message: String,
    pub(super) source: Box<dyn Error + Send + Sync>,
}

impl AwsAnswer {
    fn of<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let unfit = unfit(&error);
        let (code, message) = match &error {
            SdkError::ServiceError(service) => {
                (service.err().code().unwrap_or(UNREADABLE), service.err().message().unwrap_or_default())
            }
            SdkError::ConstructionFailure(_) => ("Unsent", "the request could not be built"),
            SdkError::TimeoutError(_) => ("Timeout", "no answer in time"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => ("Timeout", "no connection in time"),
            SdkError::DispatchFailure(failure) if failure.is_io() => ("Unreachable", "the connection failed"),
            SdkError::DispatchFailure(failure) if failure.as_other().is_some() => {
                ("Unreachable", "the connection broke off")
            }
            // Credentials are looked for while the request is dispatched; the source tells what was tried.
            SdkError::DispatchFailure(_) => ("Unsent", "there are no credentials, or the request could not be sent"),
            _ => (UNREADABLE, "the answer could not be read"),
        };
        let (code, mut message) = (shortened(code, CODE_LENGTH), shortened(message, MESSAGE_LENGTH));
        if let Some(unfit) = unfit {
            message = format!("{message}: {unfit}");
        }
        Self { operation, status, code, message, source: Box::new(error) }
    }
}

impl AwsAnswer {
    /// The answer without AWS's message.
    fn outline(&self) -> String {
        match self.status {
            Some(status) => format!("AWS {} said {status} {}", self.operation, self.code),
            None => format!("AWS {} gave no answer", self.operation),
        }
    }
}

/// The code of an answer that is none of AWS's.
const UNREADABLE: &str = "Unreadable";

/// What was wrong with the answer itself.
fn unfit(error: &(dyn Error + 'static)) -> Option<Unfit> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(unfit) = error.downcast_ref() {
            return Some(*unfit);
        }
        next = error.source();
    }
    None
}

/// The beginning of a text that somebody else wrote.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((at, _)) => text.get(..at).unwrap_or_default().to_owned() + "…",
    }
}

/// `AWS CreateListener said 400 ValidationError: message`: users see it in events.
impl fmt::Display for AwsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.outline())?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl Error for AwsAnswer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// What somebody names and is not there, and quotas of a load balancer and its parts, which a member uses up. Other codes of their classes
/// tell of what went by another hand, or of the account.
const INPUTS: &[&str] = &[
    "CertificateNotFound",
    "SSLPolicyNotFound",
    "SubnetNotFound",
    "TrustStoreNotFound",
    "RulesPerSecurityGroupLimitExceeded",
    "TooManyCertificates",
    "TooManyListeners",
    "TooManyRules",
    "TooManyTags",
    "TooManyUniqueTargetGroupsPerLoadBalancer",
];

type Class = fn(AwsAnswer) -> CloudError;

/// Operation (empty: any), code (`*` at one end: any text) and class; the first row that matches counts.
const CLASSES: &[(&str, &str, Class)] = &[
    ("DeleteLoadBalancer", "OperationNotPermitted", CloudError::DeletionProtected),
    ("", "Throttl*", CloudError::Throttled),
    ("", "RequestLimitExceeded", CloudError::Throttled),
    ("", "RequestThrottled*", CloudError::Throttled),
    ("", "EC2ThrottledException", CloudError::Throttled),
    ("", "TooManyRequests*", CloudError::Throttled),
    ("", "SlowDown", CloudError::Throttled),
    ("", "PriorRequestNotComplete", CloudError::Throttled),
    ("", "*NotFound", CloudError::NotFound),
    ("", "*NotFoundException", CloudError::NotFound),
    ("", "NoSuch*", CloudError::NotFound),
    ("", "WAFNonexistent*", CloudError::NotFound),
    ("", "WAFInternal*", CloudError::Transient),
    ("", "WAFUnavailable*", CloudError::Transient),
    ("", "WAFLimits*", CloudError::TooMany),
    ("", "WAFInvalid*", CloudError::Invalid),
    ("", "LimitsExceeded*", CloudError::TooMany),
    ("", "*AlreadyExistsException", CloudError::AlreadyExists),
    ("", "DuplicateTagKeys", CloudError::Invalid),
    ("", "Duplicate*", CloudError::AlreadyExists),
    ("", "*.Duplicate", CloudError::AlreadyExists),
    ("", "*AlreadyExists", CloudError::AlreadyExists),
    ("", "PriorityInUse", CloudError::AlreadyExists),
    ("", "ResourceInUse*", CloudError::InUse),
    ("", "DependencyViolation", CloudError::InUse),
    ("", "*.InUse", CloudError::InUse),
    ("", "AccessDenied*", CloudError::Denied),
    ("", "Unauthorized*", CloudError::Denied),
    ("", "AuthFailure", CloudError::Denied),
    ("", "ExpiredToken*", CloudError::Denied),
    ("", "InvalidClientTokenId", CloudError::Denied),
    ("", "UnrecognizedClient*", CloudError::Denied),
    ("", "MissingAuthenticationToken*", CloudError::Denied),
    ("", "SignatureDoesNotMatch", CloudError::Denied),
    ("", "OptInRequired", CloudError::Denied),
    ("", "Blocked", CloudError::Denied),
    ("", "PendingVerification", CloudError::Denied),
    ("", "TooMany*", CloudError::TooMany),
    ("", "*LimitExceeded", CloudError::TooMany),
    ("", "*LimitExceededException", CloudError::TooMany),
    ("", "TargetGroupAssociationLimit", CloudError::TooMany),
    ("", "InsufficientFreeAddressesInSubnet", CloudError::TooMany),
    ("", "InsufficientCapacity*", CloudError::TooMany),
    ("", "Invalid*", CloudError::Invalid),
    ("", "Validation*", CloudError::Invalid),
    ("", "Malformed*", CloudError::Invalid),
    ("", "Missing*", CloudError::Invalid),
    ("", "Unsupported*", CloudError::Invalid),
    ("", "Incompatible*", CloudError::Invalid),
    ("", "OperationNotPermitted", CloudError::Invalid),
    ("", "*NotSupported", CloudError::Invalid),
    ("", "Internal*", CloudError::Transient),
    ("", "ServiceUnavailable*", CloudError::Transient),
    ("", "Unavailable", CloudError::Transient),
    ("", "RequestTimeout*", CloudError::Transient),
    ("", "RequestExpired", CloudError::Transient),
    ("", "Timeout", CloudError::Transient),
    ("", "Unreachable", CloudError::Transient),
    ("", "Unreadable", CloudError::Transient),
    ("", "Unsent", CloudError::Transient),
];

fn matches_code(pattern: &str, code: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => code.ends_with(end),
        (None, Some(start)) => code.starts_with(start),
        (None, None) => code == pattern,
    }
}

fn class(operation: &str, code: &str) -> Option<fn(AwsAnswer) -> CloudError> {
    let fits = |of: &str, pattern: &str| (of.is_empty() || of == operation) && matches_code(pattern, code);
    CLASSES.iter().find(|(of, pattern, _)| fits(of, pattern)).map(|(_, _, class)| *class)
}

/// Whether AWS says with this code that there were too many calls.
pub(super) fn is_throttle(operation: &str, code: &str) -> bool {
    let bare =
        AwsAnswer { operation: "", status: None, code: String::new(), message: String::new(), source: code.into() };
    class(operation, code).is_some_and(|class| matches!(class(bare), CloudError::Throttled(_)))
}

/// Takes a member that the answer has to have.
pub(super) fn need<T>(operation: &'static str, field: &'static str, value: Option<T>) -> Result<T, CloudError> {
    albedo_elbv2::need(operation, field, value).map_err(CloudError::from)
}

impl From<Incomplete> for CloudError {
    fn from(Incomplete { operation, field }: Incomplete) -> Self {
        Self::Incomplete { operation, field }
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn refused(operation: &'static str, status: u16, code: &str, message: &str) -> CloudError {
        let error = ErrorMetadata::builder().code(code).message(message).build();
        let error = aws_sdk_elasticloadbalancingv2::Error::from(
            aws_sdk_elasticloadbalancingv2::operation::create_listener::CreateListenerError::generic(error),
        );
        let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        CloudError::of(operation, SdkError::service_error(error, raw))
    }

    #[test]
    fn codes_decide() {
        type Case = (&'static str, u16, &'static str, fn(&CloudError) -> bool);
        let cases: &[Case] = &[
            ("CreateListener", 400, "ValidationError", |e| matches!(e, CloudError::Invalid(_))),
            ("CreateListener", 400, "CertificateNotFound", |e| matches!(e, CloudError::NotFound(_))),
            ("CreateListener", 400, "DuplicateListener", |e| matches!(e, CloudError::AlreadyExists(_))),
            ("CreateListener", 400, "DuplicateTagKeys", |e| matches!(e, CloudError::Invalid(_))),
            ("CreateRule", 400, "PriorityInUse", |e| matches!(e, CloudError::AlreadyExists(_))),
            ("CreateRule", 400, "TooManyRules", |e| matches!(e, CloudError::TooMany(_))),
            ("CreateRule", 400, "Throttling", |e| matches!(e, CloudError::Throttled(_))),
            ("DescribeTags", 503, "RequestLimitExceeded", |e| matches!(e, CloudError::Throttled(_))),
            ("DeleteTargetGroup", 400, "ResourceInUse", |e| matches!(e, CloudError::InUse(_))),
            ("DeleteSecurityGroup", 400, "DependencyViolation", |e| matches!(e, CloudError::InUse(_))),
            ("DeleteSecurityGroup", 400, "InvalidGroup.NotFound", |e| matches!(e, CloudError::NotFound(_))),
            ("CreateSecurityGroup", 400, "InvalidGroup.Duplicate", |e| matches!(e, CloudError::AlreadyExists(_))),
            ("DeleteLoadBalancer", 400, "OperationNotPermitted", |e| matches!(e, CloudError::DeletionProtected(_))),
            ("DeleteListener", 400, "OperationNotPermitted", |e| matches!(e, CloudError::Invalid(_))),
            ("CreateRule", 403, "AccessDenied", |e| matches!(e, CloudError::Denied(_))),
            ("DescribeVpcs", 403, "UnauthorizedOperation", |e| matches!(e, CloudError::Denied(_))),
            ("DescribeTags", 500, "SomethingNew", |e| matches!(e, CloudError::Transient(_))),
            ("DescribeTags", 400, "SomethingNew", |e| matches!(e, CloudError::Unknown(_))),
        ];
        for (operation, status, code, is) in cases {
            let error = refused(operation, *status, code, "why");
            assert!(is(&error), "{operation} {code}: {error:?}");
        }
    }

    #[test]
    fn an_outline_has_no_value_and_no_name() {
        let error = refused("CreateListener", 400, "ValidationError", "bucket marker is not there");
        assert_eq!(error.outline(), "AWS CreateListener said 400 ValidationError");
        let marker = || "ns/marker".to_owned();
        for error in [
            CloudError::Unresolved { operation: "CreateRule", resource: ResourceId::from(marker()) },
            CloudError::NoClient { operation: "CreateRule", secret: marker() },
            CloudError::Unlisted { operation: "AssociateWebACL", list: FactKind::WebAcls, name: marker() },
        ] {
            assert!(error.to_string().contains("marker") && !error.outline().contains("marker"), "{error:?}");
        }
        assert!(CloudError::Slow { operation: "ListWebACLs" }.outline().contains("ListWebACLs"));
    }

    #[test]
    fn says_operation_status_code_and_message() {
        let error = refused("CreateListener", 400, "ValidationError", "the port is taken");
        assert_eq!(error.to_string(), "AWS CreateListener said 400 ValidationError: the port is taken");
        assert!(error.source().is_some());
        let error = CloudError::of::<aws_sdk_elasticloadbalancingv2::Error>(
            "DescribeTags",
            SdkError::timeout_error("too slow"),
        );
        assert_eq!(error.to_string(), "AWS DescribeTags gave no answer: no answer in time");
    }
}
