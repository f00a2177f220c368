//! The operations, each a function of its JSON and the store.

mod batch;
mod capacity;
mod definition;
mod items;
mod search;
mod settings;
mod tables;
mod transact;

pub(super) use settings::describe_limits;
