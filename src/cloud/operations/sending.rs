//! Sends one write: within the lease, in its turn, and again where AWS refuses it only for a moment.

use std::error::Error;
use std::time::Duration;

use albedo_engine::plan::operation::ApiCall;
use albedo_engine::stack::Ref;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{Instant, sleep};

use crate::cloud::Cloud;
use crate::cloud::error::CloudError;
use crate::cloud::facts::FactKind;
use crate::cloud::known::{Known, Names, WriteContext};
use crate::cloud::unlisted;

/// Operation, codes that pass by themselves, pause between tries, and how long to try in place. A pass that ends with one of them after
/// that is waited for by its group (`src/reconcile/settling.rs`).
const RETRIES: &[(&str, &[&str], Duration, Duration)] = &[
    // What was made a moment ago is not yet known everywhere in AWS.
    ("AuthorizeSecurityGroupIngress", &["InvalidGroup.NotFound"], SHORTLY, BRIEFLY),
    ("CreateTags", &["InvalidGroup.NotFound", "InvalidID"], SHORTLY, BRIEFLY),
    // Which may have been made when no answer came in time: the next pass sees it.
    ("CreateLoadBalancer", &["Timeout"], SHORTLY, BRIEFLY),
    ("CreateLoadBalancer", NEW_GROUP, SHORTLY, BRIEFLY),
    ("SetSecurityGroups", NEW_GROUP, SHORTLY, BRIEFLY),
    (
        "CreateListener",
        &["LoadBalancerNotFound", "ListenerNotFound", "TargetGroupNotFound", ASSOCIATED],
        SHORTLY,
        BRIEFLY,
    ),
    ("ModifyListener", &[ASSOCIATED], SHORTLY, BRIEFLY),
    ("ModifyRule", &[ASSOCIATED], SHORTLY, BRIEFLY),
    ("RegisterTargets", &["TargetGroupNotFound"], SHORTLY, BRIEFLY),
    ("ModifyListenerAttributes", &["ListenerNotFound"], SHORTLY, BRIEFLY),
    ("ModifyLoadBalancerAttributes", &["LoadBalancerNotFound"], SHORTLY, BRIEFLY),
    ("ModifyTargetGroupAttributes", &["TargetGroupNotFound"], SHORTLY, BRIEFLY),
    ("AddListenerCertificates", &["ListenerNotFound"], SHORTLY, BRIEFLY),
    ("AddTags", &["LoadBalancerNotFound", "ListenerNotFound", "RuleNotFound", "TargetGroupNotFound"], SHORTLY, BRIEFLY),
    ("CreateRule", &["ListenerNotFound", "TargetGroupNotFound", ASSOCIATED], SHORTLY, BRIEFLY),
    // WAF and Shield learn of a load balancer some time after it is made: seconds by their documents, minutes by reports.
    ("AssociateWebACL", NEW_BALANCER, Duration::from_secs(2), BRIEFLY),
    ("CreateProtection", &["ResourceNotFoundException", "InvalidResourceException"], Duration::from_secs(2), BRIEFLY),
    // A load balancer lets go of these some time after it is gone.
    ("DeleteTargetGroup", &["ResourceInUse"], Duration::from_secs(2), Duration::from_secs(20)),
    ("DeleteSecurityGroup", &["DependencyViolation"], Duration::from_secs(2), Duration::from_secs(10)),
];
const SHORTLY: Duration = Duration::from_millis(500);
const BRIEFLY: Duration = Duration::from_secs(5);
/// A security group that EC2 knows and another service does not yet.
const NEW_GROUP: &[&str] = &["InvalidSecurityGroup", "InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound"];
/// A load balancer that WAF does not know yet; it also takes longer than any other call, and associating twice is the same as once.
const NEW_BALANCER: &[&str] = &["WAFUnavailableEntityException", "WAFNonexistentItemException", "Timeout"];
/// A target group that still belongs to the load balancer that was replaced.
const ASSOCIATED: &str = "TargetGroupAssociationLimit";

/// How long a write that AWS throttles is repeated in place, the lease permitting.
const THROTTLED: Duration = Duration::from_mins(2);

impl CloudError {
    /// Whether AWS answers so for a while after a change of ours.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        self.answer().is_some_and(|answer| row(answer.operation, &answer.code).is_some())
    }
}

/// Sends the request that a builder of the SDK makes, and gives AWS's answer: `send!(writing, elbv2.delete_rule().rule_arn(arn))`.
macro_rules! send {
    ($writing:expr, $service:ident.$($request:tt)+) => {{
        let request = $writing.cloud.write().$service.$($request)+;
        $writing.send(|| request.clone().send()).await
    }};
}
pub(in crate::cloud) use send;

/// One operation that is sent.
#[derive(Debug, Clone, Copy)]
pub(in crate::cloud) struct Writing<'a> {
    pub(in crate::cloud) cloud: &'a Cloud,
    pub(in crate::cloud) call: ApiCall,
    pub(super) known: &'a Known,
    pub(super) write_context: WriteContext<'a>,
}

impl<'a> Writing<'a> {
    pub(super) fn names(&self) -> Names<'a> {
        Names { operation: self.call.name, known: self.known, write_context: self.write_context }
    }

    /// The ARN (or id) of what the operation refers to.
    pub(in crate::cloud) fn arn(&self, reference: &'a Ref) -> Result<&'a str, CloudError> {
        self.names().resolve(reference)
    }

    pub(super) fn security_groups(&self, references: &[Ref]) -> Result<Vec<String>, CloudError> {
        let id = |one| unlisted::id(self.call.name, FactKind::SecurityGroups, self.arn(one)?).map(str::to_owned);
        references.iter().map(id).collect()
    }

    /// Sends a write when its turn has come and while the lease still covers it; again as long as its row in
    /// [`RETRIES`] says so. What AWS throttles was not carried out: it is sent again when the bucket, which has learnt of it, lets it.
    pub(in crate::cloud) async fn send<T, E, S>(&self, send: impl Fn() -> S) -> Result<T, CloudError>
    where
        S: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let (caller, call, began) = (self.cloud.caller(), self.call, Instant::now());
        loop {
            caller.take_token(call).await;
            self.write_context.check(call.name)?;
            match caller.send(call, Box::pin(send())).await {
                Err(CloudError::Throttled(_)) if began.elapsed() < THROTTLED => {}
                Err(error) => match pause(call.name, error.code(), began.elapsed()) {
                    Some(pause) => sleep(pause).await,
                    None => return Err(error),
                },
                done => return done,
            }
        }
    }
}

/// How long to wait before the next try, if there is one.
fn pause(operation: &str, code: &str, tried: Duration) -> Option<Duration> {
    let (_, _, pause, limit) = row(operation, code)?;
    (tried + *pause <= *limit).then_some(*pause)
}

fn row(operation: &str, code: &str) -> Option<&'static (&'static str, &'static [&'static str], Duration, Duration)> {
    RETRIES.iter().find(|(of, codes, ..)| *of == operation && codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_end() {
        let s = Duration::from_secs;
        assert_eq!(pause("DeleteTargetGroup", "ResourceInUse", s(0)), Some(s(2)));
        assert_eq!(pause("DeleteTargetGroup", "ResourceInUse", s(18)), Some(s(2)));
        assert_eq!(pause("DeleteTargetGroup", "ResourceInUse", s(19)), None);
        assert_eq!(pause("DeleteTargetGroup", "Throttling", s(0)), None);
        assert_eq!(pause("DeleteLoadBalancer", "ResourceInUse", s(0)), None);
    }
}
