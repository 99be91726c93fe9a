//! How calls to the API server fail, told apart as far as a caller does something else.

use std::error::Error;

use kube::core::Status;

use super::CALL_TIMEOUT;

/// A write that was not done, or of which nobody knows.
///
/// The API server's words are in the text, and its whole answer is data, not a source: a chain would say it twice.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object has changed since it was seen, or another one bears its name now. Look again, then decide again.
    #[error("cannot {what}: it has changed meanwhile")]
    Conflict {
        /// What was being written.
        what: String,
        /// What the API server said, if it was asked.
        status: Option<Box<Status>>,
    },
    /// The object is not there, or its namespace.
    #[error("cannot {what}: {}", status.message)]
    NotFound {
        /// What was being written.
        what: String,
        /// What the API server said.
        status: Box<Status>,
    },
    /// A permission is missing, or an admission webhook said no.
    #[error("cannot {what}: not allowed: {}", status.message)]
    Forbidden {
        /// What was being written.
        what: String,
        /// What the API server said.
        status: Box<Status>,
    },
    /// The API server finds the object wrong.
    #[error("cannot {what}: refused: {}", status.message)]
    Invalid {
        /// What was being written.
        what: String,
        /// What the API server said.
        status: Box<Status>,
    },
    /// Nothing was sent: the right to write may end before the answer comes.
    #[error("cannot {what}: this replica's lease ends too soon")]
    NotTenured {
        /// What was to be written.
        what: String,
    },
    /// Anything else: no connection, no answer in time, a server's error. It may have been written.
    #[error("cannot {what}")]
    Other {
        /// What was being written.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A read that was not done.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A permission is missing.
    #[error("cannot {what}: not allowed: {}", status.message)]
    Forbidden {
        /// What was being read.
        what: String,
        /// What the API server said.
        status: Box<Status>,
    },
    /// The API server answered, and not with this object: the request makes no sense to it, or what is stored cannot be read.
    #[error("cannot {what}: refused: {}", status.message)]
    Refused {
        /// What was being read.
        what: String,
        /// What the API server said.
        status: Box<Status>,
    },
    /// Anything else: no connection, no answer in time, a server that is overloaded or away.
    #[error("cannot {what}")]
    Other {
        /// What was being read.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// An error with its sources, for people: that credentials are missing, say, stands in the innermost alone.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let inner = error.to_string();
        // kube's errors quote what they wrap.
        if !text.contains(&inner) {
            text.push_str(": ");
            text.push_str(&inner);
        }
        source = error.source();
    }
    text
}

/// A call took longer than a call may.
#[derive(Debug, thiserror::Error)]
#[error("the API server gave no answer within {} s", CALL_TIMEOUT.as_secs())]
pub(super) struct NoAnswer;

/// One call that writes, under its timeout.
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

/// One call that reads an object that may be absent, under its timeout. Only the API server's word that this object is
/// not there makes `None`.
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

/// A kind that isn't served is a 404 as well, and says nothing about its objects. kube's `Status::is_not_found` differs
/// between the two by a word that it makes up itself, so the object's name decides.
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
