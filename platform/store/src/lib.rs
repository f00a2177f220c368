//! What the local AWS keeps: DynamoDB's tables and AgentCore's memory, in one file that has one owner.
//!
//! The file is redb's: a crash leaves the last commit, and a second process is refused. Everything here is a function
//! of a request and the store; names of errors on the wire, signatures and HTTP are `platform/local`'s.

mod disk;
pub mod dynamodb;
pub mod memory;

pub use disk::{Clock, Store, StoreError};
