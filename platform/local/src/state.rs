//! The store behind DynamoDB and memory: one file in the home, or none.

use crate::StartError;
use concert_store::{Clock, Store};
use std::path::Path;

/// The file's name in the home.
const FILE: &str = "store.redb";

/// # Errors
/// When another process has the file, or it cannot be read.
pub(crate) fn open(home: Option<&Path>) -> Result<Store, StartError> {
    let opened = match home {
        Some(home) => Store::open(&home.join(FILE), Clock::system()),
        None => Store::in_memory(Clock::system()),
    };
    opened.map_err(|error| StartError::State(error.to_string()))
}
