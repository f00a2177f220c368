//! What an operation can fail with. Which name and status each has on the wire is the wire's affair.

use super::value::Item;
use crate::StoreError;

/// Why one action of a transaction was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Cancellation {
    /// Nothing was wrong with this action.
    None,
    /// Its condition was false; the item as it stood, where the action asked for it.
    ConditionalCheckFailed {
        item: Option<Item>,
    },
    ItemCollectionSizeLimitExceeded,
    ValidationError(String),
}

/// An error with DynamoDB's own words.
#[derive(Debug, thiserror::Error)]
pub enum DynamoError {
    #[error("{0}")]
    Validation(String),
    #[error("{0}")]
    Serialization(String),
    #[error("The conditional request failed")]
    ConditionalCheckFailed {
        /// The item as it stood, where `ReturnValuesOnConditionCheckFailure` asked for it.
        item: Option<Item>,
    },
    /// A table or an index that is not there.
    #[error("{0}")]
    ResourceNotFound(String),
    #[error("{0}")]
    ResourceInUse(String),
    #[error("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes(.0))]
    TransactionCanceled(Vec<Cancellation>),
    #[error(
        "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token \
         with different requests, unless the requests are identical"
    )]
    IdempotentParameterMismatch,
    #[error("Item collection size limit of 10 GB exceeded.")]
    ItemCollectionSizeLimitExceeded,
    #[error("{0}")]
    LimitExceeded(String),
    /// An operation that is not served.
    #[error("{0}")]
    UnknownOperation(String),
    /// The store itself failed; the words are for the log.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Cancellation {
    pub fn code(&self) -> &'static str {
        match self {
            Cancellation::None => "None",
            Cancellation::ConditionalCheckFailed { .. } => "ConditionalCheckFailed",
            Cancellation::ItemCollectionSizeLimitExceeded => "ItemCollectionSizeLimitExceeded",
            Cancellation::ValidationError(_) => "ValidationError",
        }
    }

    pub fn message(&self) -> Option<&str> {
        match self {
            Cancellation::None => None,
            Cancellation::ConditionalCheckFailed { .. } => Some("The conditional request failed"),
            Cancellation::ItemCollectionSizeLimitExceeded => Some("Collection size exceeded."),
            Cancellation::ValidationError(message) => Some(message),
        }
    }
}

impl Cancellation {
    /// The item as it stood, where the action asked for it.
    pub fn item(&self) -> Option<&Item> {
        match self {
            Cancellation::ConditionalCheckFailed { item } => item.as_ref(),
            _ => None,
        }
    }
}

fn codes(reasons: &[Cancellation]) -> String {
    reasons.iter().map(Cancellation::code).collect::<Vec<_>>().join(", ")
}

pub(crate) fn invalid(message: impl Into<String>) -> DynamoError {
    DynamoError::Validation(message.into())
}

/// `ValidationException`'s usual beginning.
pub(crate) fn invalid_parameter(message: impl std::fmt::Display) -> DynamoError {
    DynamoError::Validation(format!("One or more parameter values were invalid: {message}"))
}
