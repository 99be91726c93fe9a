//! What AWS answers to each attempt of a call. The SDK repeats reads by itself, and the throttles that it hides are those to learn from.

use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::time::Instant;

use super::error::is_throttle;
use super::sdk::Service;
use super::throttle::Buckets;

/// Tells the buckets of each answer that a client of a service gets.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) service: Service,
    pub(super) buckets: Arc<Buckets>,
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "albedo::cloud::Attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Without an answer nothing is learnt of a limit.
        if let (Some(metadata), Some(response)) = (config.load::<Metadata>(), context.response()) {
            let throttled = code(response).is_some_and(|code| is_throttle(metadata.name(), &code));
            self.buckets.answered(self.service, metadata.name(), throttled, Instant::now());
        }
        Ok(())
    }
}

/// AWS's error code in an answer: in a header or in the body as JSON, or in the body as XML. The SDK knows it, too, but tells it only
/// of the last attempt. <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization>
fn code(response: &HttpResponse) -> Option<String> {
    if response.status().is_success() {
        return None;
    }
    let header = response.headers().get("x-amzn-errortype");
    let body = response.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    let between = |start: &str, end: char| body.split_once(start)?.1.split(end).next();
    let json = || between("\"__type\":", ',').map(|value| value.trim_matches(['"', '}', ' ', '\n']));
    let code = header.or_else(|| between("<Code>", '<')).or_else(json)?;
    // `aws.protocoltests#Throttled:http://…` is `Throttled`.
    let code = code.rsplit('#').next().unwrap_or(code);
    code.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn said(status: u16, body: &str) -> Option<String> {
        code(&HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body)))
    }

    #[test]
    fn codes_of_all_protocols() {
        let query = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code></Error></ErrorResponse>";
        let ec2 = "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>";
        for (status, body, expected) in [
            (400, query, Some("Throttling")),
            (503, ec2, Some("RequestLimitExceeded")),
            (400, r#"{"__type": "ThrottlingException", "message": "no"}"#, Some("ThrottlingException")),
            (400, r#"{"message":"no","__type":"com.amazon#ThrottlingException"}"#, Some("ThrottlingException")),
            (200, query, None),
            (500, "", None),
        ] {
            assert_eq!(said(status, body).as_deref(), expected, "{body}");
        }
        for code in ["Throttling", "RequestLimitExceeded", "ThrottlingException", "TooManyRequestsException"] {
            assert!(is_throttle("DescribeRules", code), "{code}");
        }
        assert!(!is_throttle("CreateRule", "TooManyRules") && !is_throttle("CreateRule", "ValidationError"));
    }
}
