//! An answer that lacks what it has to have.

/// The answer lacks what it has to have, or has it in words that are not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("AWS {operation} answered without a usable {field}")]
pub struct Incomplete {
    /// AWS's name of the operation.
    pub operation: &'static str,
    /// The member of the answer.
    pub field: &'static str,
}

/// The value, or which member of which answer has none.
///
/// # Errors
///
/// When there is none.
pub fn need<T>(operation: &'static str, field: &'static str, value: Option<T>) -> Result<T, Incomplete> {
    value.ok_or(Incomplete { operation, field })
}
