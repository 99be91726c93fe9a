//! How calls to the API server fail, told apart as far as a caller does something else.

use std::error::Error;

use super::CALL_TIMEOUT;

/// A write that was not done, or of which nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object has changed since it was seen, or another one bears its name now. Look again, then decide again.
    #[error("cannot {what}: it has changed meanwhile")]
    Conflict {
        /// What was being written.
        what: String,
        /// What the API server said.
        #[source]
        source: Option<Box<kube::Error>>,
    },
    /// The object is not there.
    #[error("cannot {what}: it is gone")]
    NotFound {
        /// What was being written.
        what: String,
        /// What the API server said.
        #[source]
        source: Option<Box<kube::Error>>,
    },
    /// A permission is missing, or an admission webhook said no.
    #[error("cannot {what}: not allowed: {message}")]
    Forbidden {
        /// What was being written.
        what: String,
        /// The API server's words.
        message: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server finds the object wrong.
    #[error("cannot {what}: refused: {message}")]
    Invalid {
        /// What was being written.
        what: String,
        /// The API server's words.
        message: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
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
    #[error("cannot {what}: not allowed: {message}")]
    Forbidden {
        /// What was being read.
        what: String,
        /// The API server's words.
        message: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Anything else: no connection, no answer in time, a server's error.
    #[error("cannot {what}")]
    Other {
        /// What was being read.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A call took longer than a call may.
#[derive(Debug, thiserror::Error)]
#[error("the API server gave no answer within {} s", CALL_TIMEOUT.as_secs())]
pub(super) struct NoAnswer;

/// One call that writes, under its timeout.
pub(super) async fn write<T>(what: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, WriteError> {
    let answer = tokio::time::timeout(CALL_TIMEOUT, call).await;
    let what = what.to_owned();
    let source = match answer {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(source)) => Box::new(source),
        Err(_) => return Err(WriteError::Other { what, source: Box::new(NoAnswer) }),
    };
    let kube::Error::Api(status) = source.as_ref() else { return Err(WriteError::Other { what, source }) };
    let message = status.message.clone();
    Err(match status.code {
        409 => WriteError::Conflict { what, source: Some(source) },
        404 => WriteError::NotFound { what, source: Some(source) },
        401 | 403 => WriteError::Forbidden { what, message, source },
        400 | 422 => WriteError::Invalid { what, message, source },
        _ => WriteError::Other { what, source },
    })
}

/// One call that reads an object that may be absent, under its timeout.
pub(super) async fn read<T>(
    what: &str,
    call: impl Future<Output = kube::Result<Option<T>>>,
) -> Result<Option<T>, ReadError> {
    let answer = tokio::time::timeout(CALL_TIMEOUT, call).await;
    let what = what.to_owned();
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => {
            let source = Box::new(source);
            let kube::Error::Api(status) = source.as_ref() else { return Err(ReadError::Other { what, source }) };
            if matches!(status.code, 401 | 403) {
                let message = status.message.clone();
                return Err(ReadError::Forbidden { what, message, source });
            }
            Err(ReadError::Other { what, source })
        }
        Err(_) => Err(ReadError::Other { what, source: Box::new(NoAnswer) }),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    async fn outcome(code: u16) -> WriteError {
        let status = Status { code, message: "because".to_owned(), ..Status::default() };
        write::<()>("patch the Ingress a/b", async { Err(kube::Error::Api(Box::new(status))) }).await.unwrap_err()
    }

    #[tokio::test]
    async fn callers_can_tell_failures_apart() {
        assert!(matches!(outcome(409).await, WriteError::Conflict { .. }));
        assert!(matches!(outcome(404).await, WriteError::NotFound { .. }));
        assert!(matches!(outcome(422).await, WriteError::Invalid { .. }));
        assert!(matches!(outcome(500).await, WriteError::Other { .. }));
        assert_eq!(outcome(403).await.to_string(), "cannot patch the Ingress a/b: not allowed: because");
    }
}
