//! AWS as values: requests to sign and answers to decode, with nothing that opens a connection, reads a clock or
//! draws a random number. The edge and the loader send what this crate builds; `platform/local` answers with the same
//! types. Everything here builds for wasm32.
//!
//! Signing is by `aws-sigv4` ([`sign`]), frames by `aws-smithy-eventstream` ([`eventstream`]); the protocols of the
//! services stand in [`redshift`], [`dynamodb`], [`bedrock`] and [`agentcore`], their errors in [`error`] and what may be tried again in [`retry`].

pub mod agentcore;
pub mod bedrock;
pub mod dynamodb;
pub mod error;
pub mod eventstream;
pub mod json;
pub mod redshift;
pub mod retry;
pub mod service;
pub mod sign;

pub use error::ServiceError;
pub use service::{Aws, Service};
pub use sign::Credentials;
