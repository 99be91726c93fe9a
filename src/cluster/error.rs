//! Errors of calls to the API server, distinguished as far as callers handle them differently.

use std::error::Error;

use kube::core::Status;

use super::CALL_TIMEOUT;

/// A write that was not executed, or whose result is unknown.
///
/// The text contains the message of the API server. Its answer is data, not a source: otherwise the message would be printed twice.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object has changed since it was seen, or another object has its name now. Read it again, then decide again.
    #[error("cannot {what}: it has changed meanwhile")]
    Conflict {
        /// The write.
        what: String,
        /// The answer of the API server, if a request was sent.
        status: Option<Box<Status>>,
    },
    /// The object or its namespace does not exist.
    #[error("cannot {what}: {}", status.message)]
    NotFound {
        /// The write.
        what: String,
        /// The answer of the API server.
        status: Box<Status>,
    },
    /// A permission is missing, or an admission webhook denied it.
    #[error("cannot {what}: not allowed: {}", status.message)]
    Forbidden {
        /// The write.
        what: String,
        /// The answer of the API server.
        status: Box<Status>,
    },
    /// The API server refuses the object.
    #[error("cannot {what}: refused: {}", status.message)]
    Invalid {
        /// The write.
        what: String,
        /// The answer of the API server.
        status: Box<Status>,
    },
    /// Nothing was sent: the lease may end before the answer comes.
    #[error("cannot {what}: this replica's lease ends too soon")]
    NoLeaseProof {
        /// The write.
        what: String,
    },
    /// Anything else: no connection, no answer in time, an error of the server. It may have been written.
    #[error("cannot {what}")]
    Other {
        /// The write.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A read that failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A permission is missing.
    #[error("cannot {what}: not allowed: {}", status.message)]
    Forbidden {
        /// The read.
        what: String,
        /// The answer of the API server.
        status: Box<Status>,
    },
    /// The API server answered, but not with this object: the request is invalid, or the stored object cannot be read.
    #[error("cannot {what}: refused: {}", status.message)]
    Refused {
        /// The read.
        what: String,
        /// The answer of the API server.
        status: Box<Status>,
    },
    /// Anything else: no connection, no answer in time, a server that is overloaded or not available.
    #[error("cannot {what}")]
    Other {
        /// The read.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// An error with its sources, for people. Often only the innermost one has the reason, such as missing credentials.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let inner = error.to_string();
        // kube's errors contain the text of their source.
        if !text.contains(&inner) {
            text.push_str(": ");
            text.push_str(&inner);
        }
        source = error.source();
    }
    text
}

/// A call took longer than its timeout.
#[derive(Debug, thiserror::Error)]
#[error("the API server gave no answer within {} s", CALL_TIMEOUT.as_secs())]
pub(super) struct NoAnswer;

/// One write, with its timeout.
pub(super) async fn write<T>(what: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, WriteError> {
    let what = what.to_owned();
    match answer(call).await {
        Ok(value) => Ok(value),
        Err(Failure::Other(source)) => Err(WriteError::Other { what, source }),
        Err(Failure::Status(status)) => Err(match status.code {
            409 => WriteError::Conflict { what, status: Some(status) },
            404 if names_an_object(&status) => WriteError::NotFound { what, status },
            401 | 403 => WriteError::Forbidden { what, status },
            400 | 422 => WriteError::Invalid { what, status },
            _ => WriteError::Other { what, source: status },
        }),
    }
}

/// One read of an object that may not exist, with its timeout. The result is `None` only if the API server says that this object
/// does not exist.
pub(super) async fn read<T>(what: &str, call: impl Future<Output = kube::Result<T>>) -> Result<Option<T>, ReadError> {
    let what = what.to_owned();
    match answer(call).await {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Other(source)) => Err(ReadError::Other { what, source }),
        Err(Failure::Status(status)) => match status.code {
            404 if names_an_object(&status) => Ok(None),
            401 | 403 => Err(ReadError::Forbidden { what, status }),
            400 | 405 | 406 | 410 | 413..=415 | 422 | 500 => Err(ReadError::Refused { what, status }),
            _ => Err(ReadError::Other { what, source: status }),
        },
    }
}

enum Failure {
    Status(Box<Status>),
    Other(Box<dyn Error + Send + Sync>),
}

async fn answer<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(kube::Error::Api(status))) => Err(Failure::Status(status)),
        Ok(Err(error)) => Err(Failure::Other(Box::new(error))),
        Err(_) => Err(Failure::Other(Box::new(NoAnswer))),
    }
}

/// A kind that is not served gives 404, too, and proves nothing about its objects. kube's `Status::is_not_found` distinguishes
/// the two by a word that kube adds itself, so here the name of the object decides.
fn names_an_object(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_object_that_is_named_is_absent() {
        let unserved = Status { code: 404, message: "404 page not found".to_owned(), ..Status::default() };
        let details = serde_json::from_value(serde_json::json!({"name": "b"})).unwrap();
        let absent = Status { details, ..unserved.clone() };
        let outcome = |status: Status| read::<()>("x", async { Err(kube::Error::Api(Box::new(status))) });
        assert!(matches!(outcome(absent).await, Ok(None)));
        assert!(matches!(outcome(unserved.clone()).await, Err(ReadError::Other { .. })));
        let of = |code: u16| Status { code, ..unserved.clone() };
        for code in [400, 422, 500] {
            assert!(matches!(outcome(of(code)).await, Err(ReadError::Refused { .. })), "{code}");
        }
        for code in [429, 502, 503, 504] {
            assert!(matches!(outcome(of(code)).await, Err(ReadError::Other { .. })), "{code}");
        }
    }

    async fn outcome(code: u16) -> WriteError {
        let status = Status { code, message: "because".to_owned(), ..Status::default() };
        write::<()>("patch the Ingress a/b", async { Err(kube::Error::Api(Box::new(status))) }).await.unwrap_err()
    }

    #[tokio::test]
    async fn callers_can_tell_failures_apart() {
        assert!(matches!(outcome(409).await, WriteError::Conflict { .. }));
        assert!(matches!(outcome(404).await, WriteError::Other { .. }), "a kind that isn't served");
        assert!(matches!(outcome(422).await, WriteError::Invalid { .. }));
        assert!(matches!(outcome(500).await, WriteError::Other { .. }));
        assert_eq!(outcome(403).await.to_string(), "cannot patch the Ingress a/b: not allowed: because");
    }
}
