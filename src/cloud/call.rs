//! The one function that every AWS call goes through: throttle, bounded concurrency, metrics, error classes.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use albedo_engine::plan::operation::ApiCall;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::answers;
use super::error::CloudError;
use super::metrics::Metrics;
use super::throttle::{Buckets, Throttle};
use crate::liveness::Pulse;

/// Reads in flight at once. They fan out (tags of hundreds of rules), so something has to hold them together.
const IN_FLIGHT: usize = 16;

/// A wait for our own throttle that is longer than this is logged.
const SAID: Duration = Duration::from_millis(1);

/// Whose work it is.
struct Behalf {
    tenant: Arc<str>,
    pulse: Arc<Pulse>,
}

tokio::task_local! {
    /// Whose work the calls of a task are: the throttle is shared equally by tenants. Nobody's: the account's facts and lists.
    static BEHALF: Behalf;
}

/// Makes the calls of `work` for a tenant, by the name of its namespace. Each answer, and each timeout, is progress.
pub async fn on_behalf_of<T>(tenant: &str, pulse: Arc<Pulse>, work: impl Future<Output = T>) -> T {
    BEHALF.scope(Behalf { tenant: tenant.into(), pulse }, work).await
}

/// AWS has answered, or our own rate limiter: whoever waits for it makes progress.
pub(super) fn progress() {
    // The account's facts and lists are nobody's work, and nobody waits for them alone.
    let _ = BEHALF.try_with(|behalf| behalf.pulse.beat());
}

/// Makes calls, and holds what all of them share.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) buckets: Arc<Buckets>,
    in_flight: Semaphore,
    pub(super) metrics: Metrics,
}

impl Caller {
    pub(super) fn new(throttle: &Throttle, metrics: Metrics) -> Self {
        let buckets = Arc::new(Buckets::new(throttle, metrics.clone(), Instant::now()));
        Self { buckets, in_flight: Semaphore::new(IN_FLIGHT), metrics }
    }

    /// Waits for its turn, sends, counts, and sorts what went wrong. `send` is a request's `send()`: it does nothing until
    /// it is awaited here, under the timeouts of its client.
    pub(super) fn call<T, E>(
        &self,
        op: ApiCall,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, CloudError>>
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        // The SDK's futures have 25 KiB each; inside every caller's own future they would add up to megabytes of stack.
        let send = Box::pin(send);
        async move {
            self.take_token(op).await;
            // The semaphore is never closed; without a place the call would merely be made one too many.
            let _place = self.in_flight.acquire().await;
            self.send(op, send).await
        }
    }

    /// Waits until the throttle lets the operation through. Nothing holds a place in flight meanwhile.
    pub(super) async fn take_token(&self, op: ApiCall) {
        let (began, tenant) = (Instant::now(), BEHALF.try_with(|behalf| behalf.tenant.clone()).unwrap_or_default());
        self.buckets.take(op.api, op.name, &tenant).await;
        progress();
        let waited = began.elapsed();
        if waited > SAID {
            tracing::debug!(operation = op.name, %tenant, wait_ms = waited.as_millis(), "throttled by ourselves");
        }
    }

    /// The part of [`Caller::call`] after its turn has come. Writes come here by themselves: between their turn and this
    /// they look at the lease, and must not wait for slow reads after it.
    pub(super) async fn send<T, E>(
        &self,
        op: ApiCall,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, CloudError>
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let began = Instant::now();
        let result = send.await.map_err(|error| CloudError::of(op.name, error));
        self.metrics.call(op, &result, began.elapsed());
        result
    }
}

/// Most pages of one list. The largest lists of an account have some dozen; an endpoint that never ends them would be read for ever.
const PAGES: usize = 1000;

/// Reads all pages of the list that `operation` gives. `page` takes the marker of a page (`None`: the first) and gives its items and the
/// next marker.
///
/// # Errors
///
/// Those of `page`, and [`CloudError::Pages`] if the list never ends: a part of it taken for the whole would delete what it lacks.
pub(super) async fn paged<T, P>(
    operation: &'static str,
    page: impl Fn(Option<String>) -> P,
) -> Result<Vec<T>, CloudError>
where
    P: Future<Output = Result<(Option<Vec<T>>, Option<String>), CloudError>>,
{
    answers::one_list(async {
        let (mut all, mut marker) = (Vec::new(), None);
        for _ in 0..PAGES {
            let (items, next) = page(marker.clone()).await?;
            all.extend(items.unwrap_or_default());
            let next = next.filter(|next| !next.is_empty());
            if next.is_none() {
                return Ok(all);
            }
            // A marker that comes twice would be read for ever.
            if next == marker {
                break;
            }
            marker = next;
        }
        Err(CloudError::Pages { operation })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_are_read_to_the_end() {
        let page = async |marker: Option<String>| match marker.as_deref() {
            None => Ok((Some(vec![1, 2]), Some("a".to_owned()))),
            Some("a") => Ok((None, Some("b".to_owned()))),
            Some(_) => Ok((Some(vec![3]), Some(String::new()))),
        };
        assert_eq!(paged("List", page).await.unwrap(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn pages_without_an_end_are_an_error() {
        let same = async |_| Ok((Some(vec![1]), Some("a".to_owned())));
        assert!(matches!(paged("List", same).await, Err(CloudError::Pages { operation: "List" })));
        let asked = std::cell::Cell::new(0);
        let other = async |_| {
            asked.set(asked.get() + 1);
            Ok((Some(vec![1]), Some(asked.get().to_string())))
        };
        assert!(matches!(paged("List", other).await, Err(CloudError::Pages { .. })));
        assert_eq!(asked.get(), PAGES);
    }
}
