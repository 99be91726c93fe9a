//! What AWS answers to each attempt of a call. The SDK repeats reads by itself, and the throttles that it hides are those to learn from.

use std::sync::Arc;

use albedo_engine::plan::operation::ApiService;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use tokio::time::Instant;

use super::call::progress;
use super::error::{CODE_LENGTH, is_throttle, shortened};
use super::throttle::Buckets;

/// The error code of an attempt that got no answer.
const NO_ANSWER: &str = "NoAnswer";

/// Tells the buckets and the metrics of each attempt of a client of a service.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) service: ApiService,
    pub(super) buckets: Arc<Buckets>,
}

/// When the present attempt began.
#[derive(Debug)]
struct Began(Instant);

impl Storable for Began {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "albedo::cloud::Attempts"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Began(Instant::now()));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        progress();
        let Some(metadata) = config.load::<Metadata>() else { return Ok(()) };
        let (now, operation) = (Instant::now(), metadata.name());
        let took = config.load::<Began>().map(|began| now.saturating_duration_since(began.0)).unwrap_or_default();
        let Some(response) = context.response() else {
            // Without an answer nothing is learnt of a limit.
            self.buckets.metrics().request(self.service, operation, 0, NO_ANSWER, took);
            return Ok(());
        };
        let code = code(response).unwrap_or_default();
        self.buckets.metrics().request(self.service, operation, response.status().as_u16(), &code, took);
        self.buckets.answered(self.service, operation, is_throttle(operation, &code), now);
        Ok(())
    }

    fn read_after_execution(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(metadata), Some(made)) = (config.load::<Metadata>(), config.load::<RequestAttempts>()) {
            self.buckets.metrics().retries(self.service, metadata.name(), made.attempts().saturating_sub(1));
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
    code.split(':').next().map(|code| shortened(code, CODE_LENGTH))
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
